//! What happens to owners, told case by case.

use serde_json::{Value, json};

use super::super::{ApplyError, FieldSet, Resource, Writer, apply, fields_of, keep_times, update};
use super::{fields_of_manager, resource, writer};
use crate::api::{Kind, convert};

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "ns"}, "data": data})
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec})
}

fn applied(kind: Kind, live: Option<&Value>, config: &Value, manager: &str) -> Value {
    apply(&resource(kind), live, config, &writer(manager), false).expect("it is applied")
}

fn with_owners(mut object: Value, managed: Value) -> Value {
    object["metadata"]["managedFields"] = managed;
    object
}

fn created(kind: Kind, object: Value, manager: &str) -> Value {
    let object = convert::normalise(kind, object).expect("it can be decoded");
    let managed = update(&resource(kind), None, &object, &writer(manager));
    with_owners(object, managed)
}

#[test]
fn a_creator_owns_the_defaults_but_not_the_parents_that_are_always_there() {
    let web = deployment(json!({
        "selector": {"matchLabels": {"app": "a"}},
        "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}]}]},
        },
    }));
    let object = created(Kind::Deployment, web, "kubectl-create");
    let owned = fields_of_manager(&object, "kubectl-create");
    let expected = json!({"f:spec": {
        "f:progressDeadlineSeconds": {}, "f:replicas": {}, "f:revisionHistoryLimit": {}, "f:selector": {},
        "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {}},
        "f:template": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
                    "f:ports": {
                        ".": {},
                        "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}},
                    },
                    "f:resources": {}, "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {},
                }},
                "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {},
                "f:terminationGracePeriodSeconds": {},
            },
        },
    }});
    assert_eq!(owned, expected);
}

#[test]
fn conflicts_with_several_managers_are_grouped_by_manager() {
    let kind = Kind::Deployment;
    let base = deployment(json!({"replicas": 1, "minReadySeconds": 1}));
    let live = applied(kind, None, &base, "one");
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = json!(3);
    scaled["spec"]["paused"] = json!(true);
    let managed = update(&resource(kind), Some(&live), &scaled, &Writer { subresource: "scale", ..writer("scaler") });
    let live = with_owners(scaled, managed);
    let config = deployment(json!({"replicas": 5, "minReadySeconds": 5, "paused": false}));
    let error = apply(&resource(kind), Some(&live), &config, &writer("two"), false).expect_err("there are conflicts");
    assert_eq!(
        error.to_string(),
        "Apply failed with 3 conflicts: conflicts with \"one\":\n- .spec.minReadySeconds\n\
         conflicts with \"scaler\" with subresource \"scale\" using apps/v1:\n- .spec.paused\n- .spec.replicas"
    );
    let ApplyError::Conflicts(causes) = error else { panic!("they are conflicts") };
    assert_eq!(causes[1].message(), "conflict with \"scaler\" with subresource \"scale\" using apps/v1");
}

#[test]
fn an_element_of_a_list_is_named_by_its_keys_in_a_conflict() {
    let container = |image: &str| {
        deployment(json!({"template": {"spec": {"containers": [
            {"name": "c", "image": image, "ports": [{"containerPort": 80}]},
        ]}}}))
    };
    let live = applied(Kind::Deployment, None, &container("i:1"), "one");
    let error = apply(&resource(Kind::Deployment), Some(&live), &container("i:2"), &writer("two"), false);
    assert_eq!(
        error.expect_err("there is a conflict").to_string(),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.template.spec.containers[name=\"c\"].image"
    );
}

#[test]
fn what_another_manager_applies_too_stays_when_one_leaves_it_away() {
    let kind = Kind::ConfigMap;
    let live = applied(kind, None, &config_map(json!({"a": "1", "b": "1"})), "one");
    let live = applied(kind, Some(&live), &config_map(json!({"a": "1"})), "two");
    let live = applied(kind, Some(&live), &config_map(json!({"c": "1"})), "one");
    assert_eq!(live["data"], json!({"a": "1", "c": "1"}));
    assert_eq!(fields_of_manager(&live, "one"), json!({"f:data": {"f:c": {}}}));
}

#[test]
fn an_object_without_owners_belongs_to_before_first_apply() {
    let live = config_map(json!({"a": "1"}));
    let object = applied(Kind::ConfigMap, Some(&live), &config_map(json!({"b": "1"})), "one");
    assert_eq!(fields_of_manager(&object, "before-first-apply"), json!({"f:data": {".": {}, "f:a": {}}}));
    let managed = update(&resource(Kind::ConfigMap), Some(&live), &config_map(json!({"a": "2"})), &writer("w"));
    assert_eq!(managed, Value::Null, "owners begin with a create or an apply");
}

#[test]
fn an_update_takes_what_it_changes_and_drops_entries_that_own_nothing() {
    let kind = Kind::ConfigMap;
    let live = applied(kind, None, &config_map(json!({"a": "1"})), "one");
    let mut new = live.clone();
    new["data"]["a"] = json!("2");
    let managed = update(&resource(kind), Some(&live), &new, &writer("two"));
    let object = with_owners(new, managed);
    assert_eq!(fields_of_manager(&object, "one"), Value::Null);
    assert_eq!(fields_of_manager(&object, "two"), json!({"f:data": {"f:a": {}}}));
}

#[test]
fn an_empty_list_of_owners_resets_them_and_none_keeps_them() {
    let kind = Kind::ConfigMap;
    let live = applied(kind, None, &config_map(json!({"a": "1"})), "one");
    let reset = with_owners(live.clone(), json!([]));
    assert_eq!(update(&resource(kind), Some(&live), &reset, &writer("two")), Value::Null);
    let mut bare = live.clone();
    bare["metadata"].as_object_mut().expect("it has metadata").remove("managedFields");
    let kept = update(&resource(kind), Some(&live), &bare, &writer("two"));
    assert_eq!(kept, live["metadata"]["managedFields"]);
}

#[test]
fn status_belongs_to_those_who_write_it_through_its_subresource() {
    let kind = Kind::Deployment;
    let live = created(kind, deployment(json!({"replicas": 1})), "creator");
    let mut new = live.clone();
    new["status"] = json!({"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]});
    new["spec"]["replicas"] = json!(7);
    let through = |subresource: &str| {
        let managed = update(&resource(kind), Some(&live), &new, &Writer { subresource, ..writer("controller") });
        fields_of_manager(&with_owners(new.clone(), managed), "controller")
    };
    assert_eq!(through(""), json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(
        through("status"),
        json!({"f:status": {
            "f:conditions": {".": {}, "k:{\"type\":\"Available\"}": {".": {}, "f:status": {}, "f:type": {}}},
            "f:replicas": {},
        }})
    );
}

#[test]
fn ten_updaters_are_kept_apart_and_older_ones_put_together() {
    let kind = Kind::ConfigMap;
    let mut live = created(kind, config_map(json!({"k00": "1"})), "m00");
    for number in 1..13 {
        let mut new = live.clone();
        new["data"][format!("k{number:02}")] = json!("1");
        let (manager, now) = (format!("m{number:02}"), format!("2024-01-01T00:00:{number:02}Z"));
        let managed =
            update(&resource(kind), Some(&live), &new, &Writer { manager: &manager, subresource: "", now: &now });
        live = with_owners(new, managed);
    }
    let entries = live["metadata"]["managedFields"].as_array().expect("there are entries");
    let names: Vec<&str> = entries.iter().filter_map(|entry| entry["manager"].as_str()).collect();
    assert_eq!(names, ["ancient-changes", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11", "m12"]);
    assert_eq!(entries[0]["time"], "2024-01-01T00:00:03Z");
    let oldest = fields_of_manager(&live, "ancient-changes");
    assert_eq!(oldest, json!({"f:data": {".": {}, "f:k00": {}, "f:k01": {}, "f:k02": {}, "f:k03": {}}}));
}

#[test]
fn a_write_that_changes_nothing_keeps_the_time() {
    let kind = Kind::ConfigMap;
    let config = config_map(json!({"a": "1"}));
    let live = applied(kind, None, &config, "one");
    let later = Writer { now: "2024-01-02T00:00:00Z", ..writer("one") };
    let mut again = apply(&resource(kind), Some(&live), &config, &later, false).expect("it is applied");
    assert_ne!(again, live);
    keep_times(&live, &mut again);
    assert_eq!(again, live);
}

#[test]
fn kubectl_takes_over_what_it_applied_client_side() {
    let mut web = config_map(json!({"a": "1", "b": "1"}));
    let last = config_map(json!({"a": "1", "b": "1"})).to_string();
    web["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let live = created(Kind::ConfigMap, web, "kubectl-client-side-apply");
    let config = config_map(json!({"a": "2"}));
    let object = applied(Kind::ConfigMap, Some(&live), &config, "kubectl");
    assert_eq!(object["data"]["a"], "2");
    let renewed = object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str();
    assert_eq!(renewed, Some(format!("{config}\n").as_str()));
    apply(&resource(Kind::ConfigMap), Some(&live), &config, &writer("other"), false).expect_err("others may not");
}

#[test]
fn a_malformed_configuration_is_refused_in_upstreams_words() {
    let check = |config: Value, code: u16, message: &str| {
        let error = apply(&resource(Kind::Deployment), None, &config, &writer("one"), false).expect_err(message);
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    };
    let mut managed = deployment(json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    check(managed, 400, "metadata.managedFields must be nil");
    check(config_map(json!({})), 400, "invalid object type: /v1, Kind=ConfigMap");
    check(
        json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "x"}}),
        400,
        "invalid object type: apps/v1beta1, Kind=Deployment",
    );
    let typed = "failed to create typed patch object (/x; apps/v1, Kind=Deployment): ";
    check(deployment(json!({"replica": 1})), 500, &format!("{typed}.spec.replica: field not declared in schema"));
    let containers = |containers: Value| deployment(json!({"template": {"spec": {"containers": containers}}}));
    check(
        containers(json!([{"image": "i"}])),
        500,
        &format!(
            "{typed}.spec.template.spec.containers: element 0: associative list with keys has an element that omits all \
             key fields [\"name\"] (and doesn't have default values for any key fields)"
        ),
    );
    check(
        containers(json!([{"name": "c"}, {"name": "c", "imagee": "i"}])),
        500,
        &format!(
            "{typed}errors:\n  .spec.template.spec.containers: duplicate entries for key [name=\"c\"]\n  \
             .spec.template.spec.containers[name=\"c\"].imagee: field not declared in schema"
        ),
    );
}

#[test]
fn a_custom_kind_is_split_by_its_schema_or_entry_by_entry() {
    let object = json!({
        "apiVersion": "example.org/v1", "kind": "Tank", "metadata": {"name": "t", "labels": {"a": "b"}},
        "spec": {"size": {"w": 1}, "fish": [{"name": "nemo", "age": 3}], "tags": ["x"], "words": ["y"]},
    });
    let schema = json!({"properties": {"spec": {"properties": {
        "size": {"x-kubernetes-map-type": "atomic"},
        "fish": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"properties": {"name": {}, "age": {}}}},
        "tags": {"x-kubernetes-list-type": "set"},
        "words": {},
    }}}});
    let of = |schema: Option<&Value>| {
        let resource = Resource::custom("example.org/v1", "Tank", schema, true);
        fields_of_manager(&apply(&resource, None, &object, &writer("one"), false).expect("it is applied"), "one")
    };
    assert_eq!(
        of(Some(&schema)),
        json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:size": {}, "f:words": {}, "f:tags": {"v:\"x\"": {}},
                "f:fish": {"k:{\"name\":\"nemo\"}": {".": {}, "f:age": {}, "f:name": {}}},
            },
        })
    );
    assert_eq!(
        of(None),
        json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {".": {}, "f:size": {".": {}, "f:w": {}}, "f:fish": {}, "f:tags": {}, "f:words": {}},
        })
    );
}

#[test]
fn the_order_of_a_merged_list_is_that_of_the_configuration_with_others_left_in_place() {
    let ports = |ports: &[i32]| {
        let ports: Vec<Value> = ports.iter().map(|port| json!({"port": port, "protocol": "TCP"})).collect();
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": ports}})
    };
    let check = |live: &[i32], config: &[i32], expected: &[i32]| {
        let live = applied(Kind::Service, None, &ports(live), "one");
        let merged = applied(Kind::Service, Some(&live), &ports(config), "two");
        assert_eq!(merged["spec"]["ports"], ports(expected)["spec"]["ports"]);
    };
    check(&[80, 81], &[82], &[80, 81, 82]);
    check(&[1, 2, 3], &[3, 1], &[2, 3, 1]);
    check(&[1, 2, 3], &[4, 2], &[1, 4, 2, 3]);
    check(&[1, 2], &[1, 2, 3], &[1, 2, 3]);
}

#[test]
fn a_set_of_fields_is_written_as_upstream_writes_it() {
    let text = json!({
        "f:a": {".": {}, "f:b": {}}, "f:c": {}, "i:3": {}, "v:\"x\"": {}, "v:7": {},
        "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {"f:name": {}},
    });
    let set = FieldSet::from_json(&text).expect("it can be read");
    assert_eq!(set.to_json(), text);
    let unknown = FieldSet::from_json(&json!({"q:z": {}, "f:a": {}})).expect("unknown kinds of steps are passed over");
    assert_eq!(unknown.to_json(), json!({"f:a": {}}));
    FieldSet::from_json(&json!({"f": {}})).expect_err("a step has a kind and a colon");
    FieldSet::from_json(&json!({"k:[": {}})).expect_err("keys are JSON");
}

#[test]
fn fields_of_atomic_types_are_one() {
    let value = deployment(json!({"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {
        "nodeSelector": {"a": "b"}, "imagePullSecrets": [{"name": "s"}], "tolerations": [{"key": "k"}],
    }}}));
    let set = fields_of(&resource(Kind::Deployment), &value).to_json();
    assert_eq!(
        set["f:spec"],
        json!({"f:selector": {}, "f:template": {"f:spec": {
            "f:nodeSelector": {}, "f:imagePullSecrets": {"k:{\"name\":\"s\"}": {}}, "f:tolerations": {},
        }}})
    );
}
