//! Stories of CRDs and of objects of their kinds.

use serde_json::{Value, json};

use wavetank::api::{Kind, Object, convert};
use wavetank::event::{Answer, DeleteOptions, ErrorReason, Patch, PatchKind, Request, Subresource, Target};
use wavetank::rest::{Call, Response, understand};
use wavetank::sim::{ServedKinds, Sim};

use crate::story;

#[path = "../../examples/operator.rs"]
#[allow(dead_code, reason = "the example is a program with a main function, too")]
mod operator;

#[test]
fn an_operator_for_a_kind_of_its_own_does_its_work() {
    let outcomes = operator::outcomes().expect("a good scenario");
    assert_eq!(outcomes.len(), 3);
    for (expectation, is_met) in outcomes {
        assert!(is_met, "{expectation}");
    }
}

/// A cluster without nodes, to whose API server calls are made as HTTP carries them.
struct Story {
    sim: Sim,
}

impl Story {
    fn new() -> Story {
        Story { sim: story::Story::of_nodes(1, "").sim }
    }

    fn call(&mut self, method: &str, path: &str, body: Value) -> Response {
        let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "" };
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            content_type: content_type.to_owned(),
            body,
            ..Call::default()
        };
        match understand(&call, &ServedKinds(self.sim.store())) {
            Ok(asked) => {
                let reply = self.sim.ask(asked.request.clone());
                asked.response(&reply)
            }
            Err(response) => response,
        }
    }

    #[track_caller]
    fn good(&mut self, method: &str, path: &str, body: Value) -> Value {
        let response = self.call(method, path, body);
        assert!(response.code < 300, "{}", response.body);
        response.body
    }

    #[track_caller]
    fn refused(&mut self, method: &str, path: &str, body: Value, message: &str) {
        let response = self.call(method, path, body);
        assert_eq!(response.body["message"].as_str(), Some(message), "{}", response.body);
    }

    #[track_caller]
    fn define(&mut self, crd: Value) -> Value {
        self.good("POST", CRDS, crd);
        self.good("GET", &format!("{CRDS}/tanks.example.com"), Value::Null)
    }
}

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const TANKS: &str = "/apis/example.com/v1/namespaces/default/tanks";
const TANK: &str = "/apis/example.com/v1/namespaces/default/tanks/t";

fn crd() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1},
            "replicas": {"type": "integer", "default": 1},
        }},
        "status": {"type": "object", "properties": {
            "replicas": {"type": "integer"}, "selector": {"type": "string"},
        }},
    }}});
    let subresources = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector",
    }});
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": schema, "subresources": subresources});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tanks.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "tanks", "singular": "tank", "kind": "Tank", "shortNames": ["tk"]},
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    })
}

fn tank(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Tank", "metadata": {"name": "t", "namespace": "default"}, "spec": spec})
}

#[test]
fn a_definition_is_established_and_serves_its_kind() {
    let mut story = Story::new();
    assert_eq!(story.call("POST", TANKS, tank(json!({"size": 1}))).code, 404);
    let crd = story.define(crd());
    let told: Vec<String> = crd["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| {
            format!("{}={} {}", condition["type"], condition["status"], condition["reason"]).replace('"', "")
        })
        .collect();
    assert_eq!(told, ["NamesAccepted=True NoConflicts", "Established=True InitialNamesAccepted"]);
    assert_eq!(crd["status"]["acceptedNames"]["listKind"], "TankList");
    assert_eq!(crd["status"]["storedVersions"], json!(["v1"]));
    let made = story.good("POST", TANKS, tank(json!({"size": 2, "colour": "red"})));
    assert_eq!(made["spec"], json!({"size": 2, "replicas": 1}));
    assert_eq!(made["metadata"]["generation"], 1);
}

#[test]
fn objects_are_refused_in_the_words_of_the_api_server() {
    let mut story = Story::new();
    story.define(crd());
    story.refused(
        "POST",
        TANKS,
        tank(json!({"size": "big"})),
        "Tank.example.com \"t\" is invalid: spec.size: Invalid value: \"string\": spec.size in body must be of type \
         integer: \"string\"",
    );
    story.refused(
        "POST",
        TANKS,
        tank(json!({"replicas": -1})),
        "Tank.example.com \"t\" is invalid: [spec.size: Required value, .spec.replicas: Invalid value: -1: should be a \
         non-negative integer]",
    );
    story.good("POST", TANKS, tank(json!({"size": 1})));
    story.refused(
        "PATCH",
        TANK,
        json!({"spec": {"size": 0}}),
        "Tank.example.com \"t\" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or \
         equal to 1",
    );
    story.refused(
        "PUT",
        TANK,
        tank(json!({"size": 3})),
        "tanks.example.com \"t\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update",
    );
}

#[test]
fn status_and_spec_are_written_apart() {
    let mut story = Story::new();
    story.define(crd());
    let made = story.good("POST", TANKS, json!({
        "apiVersion": "example.com/v1", "kind": "Tank", "metadata": {"name": "t"}, "spec": {"size": 1}, "status": {"replicas": 9},
    }));
    assert_eq!(made.get("status"), None);
    let after = story.good("PATCH", &format!("{TANK}/status"), json!({"status": {"replicas": 1}, "spec": {"size": 7}}));
    assert_eq!((&after["status"]["replicas"], &after["spec"]["size"]), (&json!(1), &json!(1)));
    assert_eq!(after["metadata"]["generation"], 1);
    let after = story.good("PATCH", TANK, json!({"status": {"replicas": 5}, "spec": {"size": 7}}));
    assert_eq!((&after["status"]["replicas"], &after["spec"]["size"]), (&json!(1), &json!(7)));
    assert_eq!(after["metadata"]["generation"], 2);
    let after = story.good("PATCH", TANK, json!({"metadata": {"labels": {"a": "b"}}}));
    assert_eq!(after["metadata"]["generation"], 2);
    story.refused(
        "PATCH",
        &format!("{TANK}/status"),
        json!({"status": {"replicas": "one"}}),
        "Tank.example.com \"t\" is invalid: status.replicas: Invalid value: \"string\": status.replicas in body must be of \
         type integer: \"string\"",
    );
}

#[test]
fn without_the_subresource_status_is_a_field_like_others() {
    let mut story = Story::new();
    let mut plain = crd();
    for version in plain["spec"]["versions"].as_array_mut().into_iter().flatten() {
        version["subresources"] = json!({});
    }
    story.define(plain);
    let body = json!({"apiVersion": "example.com/v1", "kind": "Tank", "metadata": {"name": "t"}, "spec": {"size": 1}, "status": {"replicas": 9}});
    let made = story.good("POST", TANKS, body);
    assert_eq!(made["status"]["replicas"], 9);
    let after = story.good("PATCH", TANK, json!({"status": {"replicas": 5}}));
    assert_eq!((&after["status"]["replicas"], &after["metadata"]["generation"]), (&json!(5), &json!(2)));
    for part in ["status", "scale"] {
        assert_eq!(story.call("GET", &format!("{TANK}/{part}"), Value::Null).code, 404);
    }
}

#[test]
fn the_scale_subresource_reads_and_writes_where_the_paths_lead() {
    let mut story = Story::new();
    story.define(crd());
    story.good("POST", TANKS, tank(json!({"size": 1, "replicas": 2})));
    story.good("PATCH", &format!("{TANK}/status"), json!({"status": {"replicas": 1, "selector": "app=t"}}));
    let scale = story.good("GET", &format!("{TANK}/scale"), Value::Null);
    assert_eq!(
        (&scale["kind"], &scale["spec"], &scale["status"]),
        (&json!("Scale"), &json!({"replicas": 2}), &json!({"replicas": 1, "selector": "app=t"}))
    );
    let scaled = story.good("PATCH", &format!("{TANK}/scale"), json!({"spec": {"replicas": 4}}));
    assert_eq!(scaled["spec"]["replicas"], 4);
    let after = story.good("GET", TANK, Value::Null);
    assert_eq!((&after["spec"]["replicas"], &after["metadata"]["generation"]), (&json!(4), &json!(2)));
}

#[test]
fn every_served_version_shows_the_same_object() {
    let mut story = Story::new();
    story.define(crd());
    story.good("POST", TANKS, tank(json!({"size": 1})));
    let beta = TANK.replace("/v1/", "/v1beta1/");
    let shown = story.good("GET", &beta, Value::Null);
    assert_eq!((&shown["apiVersion"], &shown["spec"]["size"]), (&json!("example.com/v1beta1"), &json!(1)));
    let after = story.good("PATCH", &beta, json!({"spec": {"size": 2}}));
    assert_eq!((&after["apiVersion"], &after["metadata"]["generation"]), (&json!("example.com/v1beta1"), &json!(2)));
    assert_eq!(story.good("GET", TANK, Value::Null)["apiVersion"], "example.com/v1");
    let list = story.good("GET", &TANKS.replace("/v1/", "/v1beta1/"), Value::Null);
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("example.com/v1beta1"), &json!("TankList")));
    assert_eq!(story.call("GET", &TANK.replace("/v1/", "/v2/"), Value::Null).code, 404);
}

#[test]
fn a_definition_that_changes_is_in_force_at_once() {
    let mut story = Story::new();
    story.define(crd());
    story.good("POST", TANKS, tank(json!({"size": 1})));
    let mut patch = crd()["spec"]["versions"].clone();
    for version in patch.as_array_mut().into_iter().flatten() {
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["minimum"] = json!(5);
    }
    story.good("PATCH", &format!("{CRDS}/tanks.example.com"), json!({"spec": {"versions": patch}}));
    // What is stored stays until it is written.
    assert_eq!(story.good("GET", TANK, Value::Null)["spec"]["size"], 1);
    let message = "Tank.example.com \"t\" is invalid: spec.size: Invalid value: 2: spec.size in body should be greater than \
                   or equal to 5";
    story.refused("PATCH", TANK, json!({"spec": {"size": 2}}), message);
    story.refused(
        "PATCH",
        &format!("{CRDS}/tanks.example.com"),
        json!({"spec": {"scope": "Cluster"}}),
        "CustomResourceDefinition.apiextensions.k8s.io \"tanks.example.com\" is invalid: spec.scope: Invalid value: \
         \"Cluster\": field is immutable",
    );
}

#[test]
fn a_definition_goes_with_its_objects() {
    let mut story = Story::new();
    story.define(crd());
    story.good("POST", TANKS, tank(json!({"size": 1})));
    let mut kept = tank(json!({"size": 1}));
    kept["metadata"] = json!({"name": "kept", "finalizers": ["example.com/keep"]});
    story.good("POST", TANKS, kept);
    let one = format!("{CRDS}/tanks.example.com");
    story.good("DELETE", &one, Value::Null);
    assert_eq!(story.call("GET", TANK, Value::Null).code, 404);
    let going = story.good("GET", &one, Value::Null);
    assert_eq!(going["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(going["status"]["conditions"][2]["reason"], "InstanceDeletionInProgress");
    let message = "create not allowed while custom resource definition is terminating";
    story.refused("POST", TANKS, tank(json!({"size": 1})), message);
    story.good("PATCH", &format!("{TANKS}/kept"), json!({"metadata": {"finalizers": []}}));
    assert_eq!(story.call("GET", &one, Value::Null).code, 404);
    assert_eq!(story.call("POST", TANKS, tank(json!({"size": 1}))).code, 404);
    story.define(crd());
    story.good("POST", TANKS, tank(json!({"size": 1})));
}

#[test]
fn names_that_are_taken_are_not_accepted() {
    let mut story = Story::new();
    story.define(crd());
    let mut other = crd();
    other["metadata"]["name"] = json!("tankers.example.com");
    other["spec"]["names"] = json!({"plural": "tankers", "singular": "tanker", "kind": "Tanker", "shortNames": ["tk"]});
    story.good("POST", CRDS, other);
    let made = story.good("GET", &format!("{CRDS}/tankers.example.com"), Value::Null);
    let condition = &made["status"]["conditions"][0];
    assert_eq!(
        (&condition["reason"], &condition["message"]),
        (&json!("ShortNamesConflict"), &json!("\"tk\" is already in use"))
    );
    assert_eq!(made["status"]["conditions"][1]["reason"], "NotAccepted");
    assert_eq!(story.call("GET", "/apis/example.com/v1/tankers", Value::Null).code, 404);
}

#[test]
fn definitions_are_refused_in_the_words_of_the_api_server() {
    let check = |change: &dyn Fn(&mut Value), message: &str| {
        let mut crd = crd();
        change(&mut crd);
        let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let message = format!("CustomResourceDefinition.apiextensions.k8s.io \"{name}\" is invalid: {message}");
        Story::new().refused("POST", CRDS, crd, &message);
    };
    check(
        &|crd| crd["metadata"]["name"] = json!("tank.example.com"),
        "metadata.name: Invalid value: \"tank.example.com\": must be spec.names.plural+\".\"+spec.group",
    );
    check(
        &|crd| {
            crd["spec"]["versions"].as_array_mut().into_iter().flatten().for_each(|version| {
                version["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({"properties": {}});
            })
        },
        "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
    );
    check(
        &|crd| {
            crd["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({"properties": {}})
        },
        "spec.versions[1].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified \
         object fields",
    );
    check(
        &|crd| {
            crd["spec"]["versions"].as_array_mut().into_iter().flatten().for_each(|version| {
                version["subresources"]["scale"]["specReplicasPath"] = json!(".status.replicas");
            })
        },
        "spec.subresources.scale.specReplicasPath: Invalid value: \".status.replicas\": should be a json path under .spec",
    );
    check(
        &|crd| crd["spec"]["scope"] = json!("Global"),
        "spec.scope: Unsupported value: \"Global\": supported values: \"Cluster\", \"Namespaced\"",
    );
}

/// A build that evaluates no CEL says so; one that does refuses what violates a rule.
#[test]
fn rules_are_checked_or_it_is_told_that_they_are_not() {
    let mut story = Story::new();
    let mut ruled = crd();
    for version in ruled["spec"]["versions"].as_array_mut().into_iter().flatten() {
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
            json!([{"rule": "self.replicas <= self.size", "message": "a tank holds one replica a size"}]);
    }
    story.define(ruled);
    let told = wavetank::report::unchecked_rules(story.sim.store());
    if cfg!(feature = "cel") {
        assert_eq!(told, []);
        let message =
            "Tank.example.com \"t\" is invalid: spec: Invalid value: \"object\": a tank holds one replica a size";
        story.refused("POST", TANKS, tank(json!({"size": 1, "replicas": 2})), message);
    } else {
        assert_eq!(
            told.iter().map(|of| (of.definition.as_str(), of.count)).collect::<Vec<_>>(),
            [("tanks.example.com", 2)]
        );
    }
    story.good("POST", TANKS, tank(json!({"size": 2, "replicas": 2})));
}

/// Native parts make objects without a detour over HTTP; the schema holds for them, too.
#[test]
fn operators_are_judged_like_everybody() {
    let mut story = Story::new();
    story.define(crd());
    story.good("POST", TANKS, tank(json!({"size": 1})));
    let Ok(Answer::Object(Object::Untyped(mut tank))) =
        story.sim.ask(Request::Get(Target::Name(Kind::Custom(0), "default".into(), "t".into())))
    else {
        panic!("the tank is there")
    };
    std::sync::Arc::make_mut(&mut tank).body.fields.insert("spec".to_owned(), json!({"size": "big"}));
    let error = story.sim.ask(Request::Update(Object::Untyped(tank.clone()))).expect_err("it is invalid");
    assert_eq!(error.reason, ErrorReason::Invalid);
    std::sync::Arc::make_mut(&mut tank).body.fields.insert("status".to_owned(), json!({"replicas": 1, "odd": 2}));
    let Ok(Answer::Object(after)) = story.sim.ask(Request::UpdateStatus(Object::Untyped(tank))) else {
        panic!("the status is written")
    };
    assert_eq!(convert::to_json(&after)["status"], json!({"replicas": 1}));
    let patch = Patch { kind: PatchKind::Merge, body: json!({"spec": {"size": 0}}) };
    let target = Target::Name(Kind::Custom(0), "default".into(), "t".into());
    let request = Request::Patch { target: target.clone(), subresource: Subresource::None, patch: patch.into() };
    assert_eq!(story.sim.ask(request).expect_err("it is invalid").reason, ErrorReason::Invalid);
    assert!(story.sim.ask(Request::Delete { target, options: DeleteOptions::default() }).is_ok());
}
