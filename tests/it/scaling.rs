//! Scaling by hand: the scale subresource of every kind that has one, over the REST face and as kubectl does it.

use std::sync::Arc;

use serde_json::{Value, json};
use wavetank::api::{Clock, Kind, KindInfo, Pod};
use wavetank::event::{Cause, PartId};
use wavetank::kernel::{Chance, Span, Time};
use wavetank::rest::{BuiltIn, Call, Kinds, Response, understand};
use wavetank::sim::{Action, Resource};
use wavetank::store::{Context, Store};

use crate::story::{Story, resource};

/// The kinds that can be scaled, with their places.
const SCALABLE: [(Kind, &str); 5] = [
    (Kind::Deployment, "/apis/apps/v1/namespaces/default/deployments"),
    (Kind::ReplicaSet, "/apis/apps/v1/namespaces/default/replicasets"),
    (Kind::StatefulSet, "/apis/apps/v1/namespaces/default/statefulsets"),
    (Kind::ReplicationController, "/api/v1/namespaces/default/replicationcontrollers"),
    (Kind::Custom(0), "/apis/example.com/v1/namespaces/default/shops"),
];

/// A custom kind that a CRD has brought.
fn shop() -> KindInfo {
    KindInfo {
        definition: None,
        group: "example.com".into(),
        version: "v1".into(),
        kind: "Shop".into(),
        plural: "shops".into(),
        singular: "shop".into(),
        short_names: Vec::new().into(),
        namespaced: true,
        served_versions: vec!["v1".into()].into(),
    }
}

struct WithShops;

impl Kinds for WithShops {
    fn resource(&self, group: &str, version: &str, plural: &str) -> Option<(Kind, Arc<KindInfo>)> {
        let is_shop = (group, version, plural) == ("example.com", "v1", "shops");
        is_shop.then(|| (Kind::Custom(0), Arc::new(shop()))).or_else(|| BuiltIn.resource(group, version, plural))
    }
}

/// An API server alone.
struct Server {
    store: Store,
    now: Time,
}

impl Server {
    fn new() -> Server {
        let mut store = Store::new(Chance { seed: 1 }, Clock::DEFAULT, &[Span::ZERO]);
        store.add_kind(shop());
        let mut server = Server { store, now: Time::ZERO };
        let context = server.context();
        server.store.bootstrap(&context);
        server
    }

    fn context(&self) -> Context {
        Context { now: self.now, cause: Cause::START, from: PartId::User, replica: 0 }
    }

    fn call(&mut self, method: &str, path: &str, content_type: &str, body: Value) -> Response {
        self.now += Span::from_millis(1);
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            content_type: content_type.to_owned(),
            body,
            ..Call::default()
        };
        let asked = match understand(&call, &WithShops) {
            Ok(asked) => asked,
            Err(response) => return response,
        };
        let reply = self.store.handle_as(asked.manager.clone(), asked.request.clone(), &self.context());
        self.store.take_commits();
        asked.response(&reply)
    }

    /// A workload called `web` with so many replicas.
    fn create(&mut self, kind: Kind, path: &str, replicas: i64) {
        let (api_version, name) = match kind.info() {
            Some(info) => (info.api_version(), info.kind.to_string()),
            None => ("example.com/v1".to_owned(), "Shop".to_owned()),
        };
        let mut spec = json!({"replicas": replicas});
        if kind != Kind::Custom(0) {
            spec["template"] = json!({"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "ok:1"}]}});
            let selector = json!({"matchLabels": {"app": "web"}});
            spec["selector"] = if kind == Kind::ReplicationController { json!({"app": "web"}) } else { selector };
        }
        if kind == Kind::StatefulSet {
            spec["serviceName"] = "web".into();
        }
        let body = json!({"apiVersion": api_version, "kind": name, "metadata": {"name": "web"}, "spec": spec});
        let response = self.call("POST", path, "", body);
        assert_eq!(response.code, 201, "{}", response.body);
    }
}

fn scale(replicas: i64) -> Value {
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": replicas}})
}

#[test]
fn every_scalable_kind_shows_its_scale_and_takes_another() {
    for (kind, path) in SCALABLE {
        let mut server = Server::new();
        server.create(kind, path, 3);
        let at = format!("{path}/web/scale");
        let read = server.call("GET", &at, "", Value::Null);
        assert_eq!(
            (read.code, &read.body["kind"], &read.body["apiVersion"]),
            (200, &json!("Scale"), &json!("autoscaling/v1"))
        );
        assert_eq!(
            (&read.body["spec"], &read.body["metadata"]["name"]),
            (&json!({"replicas": 3}), &json!("web")),
            "{path}"
        );
        if kind != Kind::Custom(0) {
            assert_eq!(read.body["status"], json!({"replicas": 0, "selector": "app=web"}), "{path}");
        }
        let put = server.call("PUT", &at, "", scale(5));
        assert_eq!((put.code, &put.body["spec"]["replicas"]), (200, &json!(5)), "{path}: {}", put.body);
        let whole = server.call("GET", &format!("{path}/web"), "", Value::Null);
        assert_eq!(whole.body["spec"]["replicas"], 5);
        assert_eq!(whole.body["metadata"]["generation"], 2, "{path}: the wish has changed");
        let merge = "application/merge-patch+json";
        let patched = server.call("PATCH", &at, merge, json!({"spec": {"replicas": 2}}));
        assert_eq!((patched.code, &patched.body["spec"]["replicas"]), (200, &json!(2)), "{path}");
        let operations = json!([{"op": "replace", "path": "/spec/replicas", "value": 4}]);
        let patched = server.call("PATCH", &at, "application/json-patch+json", operations);
        assert_eq!((patched.code, &patched.body["spec"]["replicas"]), (200, &json!(4)), "{path}: {}", patched.body);
        let none = server.call("PUT", &at, "", scale(0));
        assert_eq!((none.code, &none.body["spec"]), (200, &json!({})), "{path}: nothing is written where it is 0");
    }
}

/// Expects a code, and that the message ends so.
#[track_caller]
fn check(response: &Response, code: u16, message: &str) {
    assert_eq!(response.code, code, "{}", response.body);
    let told = response.body["message"].as_str().unwrap_or_default();
    assert!(told.ends_with(message), "{told:?} does not end with {message:?}");
}

#[test]
fn preconditions_and_mistakes_are_told_in_upstreams_words() {
    for (kind, path) in SCALABLE {
        let mut server = Server::new();
        server.create(kind, path, 3);
        let at = format!("{path}/web/scale");
        let invalid = "spec.replicas: Invalid value: -1: must be greater than or equal to 0";
        check(&server.call("PUT", &at, "", scale(-1)), 422, invalid);
        let merge = "application/merge-patch+json";
        check(&server.call("PATCH", &at, merge, json!({"spec": {"replicas": -1}})), 422, invalid);
        let mut stale = scale(4);
        stale["metadata"]["resourceVersion"] = "1".into();
        let modified = "the object has been modified; please apply your changes to the latest version and try again";
        check(&server.call("PUT", &at, "", stale), 409, modified);
        let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 4}});
        check(&server.call("PATCH", &at, merge, stale), 409, modified);
        let mut other = scale(4);
        other["metadata"]["uid"] = "00000000-0000-4000-8000-000000000000".into();
        assert_eq!(server.call("PUT", &at, "", other).code, 409);
        let mut misnamed = scale(4);
        misnamed["metadata"]["name"] = "db".into();
        check(
            &server.call("PUT", &at, "", misnamed),
            400,
            "the name of the object (db) does not match the name on the URL (web)",
        );
        check(
            &server.call("PUT", &format!("{path}/db/scale"), "", json!({"spec": {"replicas": 1}})),
            404,
            "\"db\" not found",
        );
        check(
            &server.call("DELETE", &at, "", Value::Null),
            405,
            "the server does not allow this method on the requested resource",
        );
        let read = server.call("GET", &at, "", Value::Null);
        assert_eq!(read.body["spec"]["replicas"], 3, "nothing of it has changed anything");
        let fresh = read.body["metadata"]["resourceVersion"].clone();
        let mut current = scale(4);
        current["metadata"]["resourceVersion"] = fresh;
        assert_eq!(server.call("PUT", &at, "", current).code, 200);
    }
}

#[test]
fn what_cannot_be_scaled_is_not_found() {
    let mut server = Server::new();
    for path in [
        "/apis/apps/v1/namespaces/default/daemonsets",
        "/apis/batch/v1/namespaces/default/jobs",
        "/api/v1/namespaces/default/pods",
    ] {
        let missing = "the server could not find the requested resource";
        check(&server.call("PUT", &format!("{path}/web/scale"), "", scale(2)), 404, missing);
        check(&server.call("GET", &format!("{path}/web/scale"), "", Value::Null), 404, missing);
    }
}

#[test]
fn kubectl_scales_every_built_in_kind_and_pods_follow() {
    for (kind, path) in SCALABLE.into_iter().filter(|(kind, _)| kind.info().is_some()) {
        let info = kind.info().expect("a built-in kind");
        let mut story = Story::of_nodes(3, "");
        let more = if kind == Kind::StatefulSet { "serviceName: web, podManagementPolicy: Parallel, " } else { "" };
        let selector = if kind == Kind::ReplicationController { "{app: web}" } else { "{matchLabels: {app: web}}" };
        story.apply(&format!(
            "apiVersion: {}\nkind: {}\nmetadata: {{name: web}}\nspec: {{{more}replicas: 1, selector: {selector}, template: \
             {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, image: 'ok:1'}}]}}}}}}\n",
            info.api_version(),
            info.kind
        ));
        story.run_for(20);
        for replicas in [4, 0, 2] {
            story.act(Action::Scale { resource: resource(kind, "web"), replicas });
            story.run_for(60);
            story.expect_ready("web", replicas as usize);
            let scaled = story.get(kind, "web").expect("it is there");
            assert_eq!(scaled["status"]["replicas"].as_i64().unwrap_or(0), i64::from(replicas), "{path}");
        }
        let group = if info.group.is_empty() { String::new() } else { format!(".{}", info.group) };
        let line = format!("{}{group}/web scaled", info.singular);
        assert_eq!(story.printed().matches(&line).count(), 3, "{}", story.printed());
    }
}

#[test]
fn kubectl_scales_a_custom_kind() {
    let mut story = Story::of_nodes(1, "");
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shops.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Shop", "plural": "shops"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                }}},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
            }],
        },
    });
    story.act(Action::Apply([(Kind::CustomResourceDefinition, crd)].into()));
    story.act(Action::DefineKind(Arc::new(shop())));
    story.run_for(1);
    let kind = Kind::Custom(0);
    let body =
        json!({"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"name": "web"}, "spec": {"replicas": 1}});
    story.act(Action::Apply([(kind, body)].into()));
    story.run_for(5);
    let web = || Resource { kind, namespace: "default".into(), name: "web".into() };
    story.act(Action::Scale { resource: web(), replicas: 7 });
    story.run_for(5);
    let shop = story
        .get(kind, "web")
        .or_else(|| story.sim.store().by_name(kind, "default", "web").map(wavetank::api::convert::to_json));
    assert_eq!(shop.expect("it is there")["spec"]["replicas"], 7, "{}", story.printed());
    assert!(story.printed().contains("shop.example.com/web scaled"), "{}", story.printed());
}

#[test]
fn kubectl_says_what_cannot_be_scaled() {
    let mut story = Story::of_nodes(1, "");
    story.apply(
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: web}\nspec: {selector: {matchLabels: {app: web}}, template: \
         {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: 'ok:1'}]}}}\n",
    );
    story.run_for(20);
    let before = story.get(Kind::DaemonSet, "web").expect("it is there");
    story.act(Action::Scale { resource: resource(Kind::DaemonSet, "web"), replicas: 3 });
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 3 });
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: -1 });
    story.run_for(20);
    let printed = story.printed();
    for line in [
        "Error from server (NotFound): the server could not find the requested resource",
        "Error from server (NotFound): deployments.apps \"web\" not found",
        "error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let after = story.get(Kind::DaemonSet, "web").expect("it is there");
    assert_eq!(
        (
            &before["spec"],
            story.sim.store().objects(Kind::Pod, story.now()).filter(|object| object.get::<Pod>().is_some()).count()
        ),
        (&after["spec"], 1)
    );
}
