//! Stories of single objects: created, changed, deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Server, config_map, deployment, pod, read};
use crate::api::{Kind, Name, Object, Uid, convert};
use crate::event::{
    Answer, DeleteOptions, ErrorReason, MetaEdit, PartId, Patch, PatchKind, Preconditions, Propagation, Request,
    Subresource, Target,
};

fn target(kind: Kind, name: &str) -> Target {
    let namespace = if kind == Kind::Namespace { "" } else { "default" };
    Target::Name(kind, namespace.into(), name.into())
}

fn delete(kind: Kind, name: &str) -> Request {
    Request::Delete { target: target(kind, name), options: DeleteOptions::default() }
}

fn delete_with(kind: Kind, name: &str, options: DeleteOptions) -> Request {
    Request::Delete { target: target(kind, name), options }
}

fn patch(kind: Kind, name: &str, format: PatchKind, body: Value) -> Request {
    let patch = Arc::new(Patch { kind: format, body });
    Request::Patch { target: target(kind, name), subresource: Subresource::None, patch }
}

fn merge(kind: Kind, name: &str, body: Value) -> Request {
    patch(kind, name, PatchKind::Merge, body)
}

#[track_caller]
fn check_refused(server: &mut Server, request: Request, reason: ErrorReason, message: &str) {
    let error = server.refused(request);
    assert_eq!((error.reason, error.message.as_str()), (reason, message));
}

#[test]
fn a_stale_update_is_a_conflict_and_one_without_a_revision_is_not() {
    let mut server = Server::new();
    let old = server.create(config_map("m"));
    server.object(merge(Kind::ConfigMap, "m", json!({ "data": { "k": "1" } })));
    check_refused(
        &mut server,
        Request::Update(old.clone()),
        ErrorReason::Conflict,
        "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please apply your changes to \
         the latest version and try again",
    );
    let mut unconditional = old;
    unconditional.meta_mut().resource_version = 0;
    server.object(Request::Update(unconditional));
}

#[test]
fn preconditions_are_refused_with_the_words_of_upstream() {
    let mut server = Server::new();
    let made = server.create(deployment("web"));
    let (uid, version) = (made.meta().uid, made.meta().resource_version);
    let other = Uid(7);
    let mut imposter = made.clone();
    imposter.meta_mut().uid = other;
    check_refused(
        &mut server,
        Request::Update(imposter),
        ErrorReason::Conflict,
        &format!(
            "Operation cannot be fulfilled on deployments.apps \"web\": StorageError: invalid object, Code: 4, Key: \
             /registry/deployments/default/web, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
             precondition: {other}, UID in object meta: {uid}"
        ),
    );
    let insist = |uid, resource_version| DeleteOptions {
        preconditions: Preconditions { uid, resource_version },
        ..DeleteOptions::default()
    };
    check_refused(
        &mut server,
        delete_with(Kind::Deployment, "web", insist(Some(other), None)),
        ErrorReason::Conflict,
        &format!(
            "Operation cannot be fulfilled on Deployment.apps \"web\": the UID in the precondition ({other}) does not \
             match the UID in record ({uid}). The object might have been deleted and then recreated"
        ),
    );
    check_refused(
        &mut server,
        delete_with(Kind::Deployment, "web", insist(None, Some(1))),
        ErrorReason::Conflict,
        &format!(
            "Operation cannot be fulfilled on Deployment.apps \"web\": the ResourceVersion in the precondition (1) does \
             not match the ResourceVersion in record ({version}). The object might have been modified"
        ),
    );
    server.handle(delete_with(Kind::Deployment, "web", insist(Some(uid), Some(version)))).unwrap();
}

#[test]
fn the_generation_moves_with_the_wish_alone() {
    let mut server = Server::new();
    assert_eq!(server.create(deployment("web")).meta().generation, 1);
    for (body, generation, what) in [
        (json!({ "metadata": { "labels": { "a": "b" } } }), 1, "labels"),
        (json!({ "spec": { "replicas": 3 } }), 2, "the size"),
        (json!({ "status": { "replicas": 9 } }), 2, "a status, which is ignored here"),
        (json!({ "metadata": { "annotations": { "a": "b" } } }), 3, "annotations, for Deployments alone"),
        (json!({ "spec": { "replicas": 3 } }), 3, "nothing"),
    ] {
        let after = server.object(merge(Kind::Deployment, "web", body));
        assert_eq!(after.meta().generation, generation, "{what}");
    }
    let status = json!({ "status": { "replicas": 9, "observedGeneration": 3 } });
    let request = Request::Patch {
        target: target(Kind::Deployment, "web"),
        subresource: Subresource::Status,
        patch: Arc::new(Patch { kind: PatchKind::Merge, body: status }),
    };
    let after = convert::to_json(&server.object(request));
    assert_eq!((&after["metadata"]["generation"], &after["status"]["replicas"]), (&json!(3), &json!(9)));
}

#[test]
fn a_status_update_keeps_the_spec_and_an_update_keeps_the_status() {
    let mut server = Server::new();
    let made = server.create(pod("p"));
    let mut both = convert::to_json(&made);
    both["spec"]["containers"][0]["image"] = json!("other");
    both["status"]["phase"] = json!("Running");
    let after = convert::to_json(&server.object(Request::UpdateStatus(read(both.clone()))));
    assert_eq!(after["spec"]["containers"][0]["image"], "app");
    assert_eq!(after["status"]["phase"], "Running");
    both["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"].clone();
    both["status"]["phase"] = json!("Failed");
    let after = convert::to_json(&server.object(Request::Update(read(both))));
    assert_eq!(after["spec"]["containers"][0]["image"], "other");
    assert_eq!(after["status"]["phase"], "Running");
}

#[test]
fn an_update_that_changes_nothing_makes_no_revision() {
    let mut server = Server::new();
    let made = server.create(deployment("web"));
    let before = server.store.revision();
    let after = server.object(Request::Update(made.clone()));
    assert_eq!((server.store.revision(), after), (before, made));
}

#[test]
fn finalizers_hold_an_object_until_the_last_one_is_gone() {
    let mut server = Server::new();
    let mut manifest = config_map("m");
    manifest["metadata"]["finalizers"] = json!(["example.com/a", "example.com/b"]);
    server.create(manifest);
    assert!(matches!(server.handle(delete(Kind::ConfigMap, "m")), Ok(Answer::Object(_))));
    check_refused(
        &mut server,
        Request::Create(read(config_map("m"))),
        ErrorReason::AlreadyExists,
        "object is being deleted: configmaps \"m\" already exists",
    );
    for (finalizer, stays) in [("example.com/a", true), ("example.com/b", false)] {
        let edit = MetaEdit { remove_finalizers: vec![finalizer.into()], ..MetaEdit::default() };
        let (target, preconditions) = (target(Kind::ConfigMap, "m"), Preconditions::default());
        server.object(Request::PatchMeta { target, preconditions, edit: Arc::new(edit) });
        assert_eq!(server.store.by_name(Kind::ConfigMap, "default", "m").is_some(), stays, "after {finalizer}");
    }
}

#[test]
fn a_bound_pod_ends_gracefully_and_only_a_shorter_time_that_is_asked_for_counts() {
    let mut server = Server::new();
    server.create(pod("p"));
    server.bind("p", "n1").unwrap();
    let grace = |grace| DeleteOptions { grace_seconds: grace, ..DeleteOptions::default() };
    for (asked, left, ends_in, what) in [
        (None, 30, 30, "the time of the spec"),
        (Some(60), 30, 30, "a longer time"),
        (Some(5), 5, 5, "a shorter time"),
        (None, 5, 5, "no time"),
        (Some(-3), 1, 1, "a negative time is a second"),
    ] {
        let after = server.object(delete_with(Kind::Pod, "p", grace(asked)));
        let deletion = after.meta().deletion.expect("the pod is on its way");
        let ends = deletion.timestamp.0 - server.store.clock.timestamp(server.now).0;
        assert_eq!((deletion.grace_seconds, ends), (Some(left), ends_in), "{what}");
    }
    server.from = PartId::Kubelet(0);
    assert!(matches!(server.handle(delete_with(Kind::Pod, "p", grace(Some(0)))), Ok(Answer::Deleted(_))));
    assert_eq!(server.store.count(Kind::Pod), 0);
}

#[test]
fn a_pod_without_a_node_or_at_its_end_is_deleted_at_once() {
    let mut server = Server::new();
    server.create(pod("waiting"));
    assert!(matches!(server.handle(delete(Kind::Pod, "waiting")), Ok(Answer::Deleted(_))));
    server.create(pod("finished"));
    server.bind("finished", "n1").unwrap();
    server.set_status("finished", json!({ "phase": "Succeeded" }));
    assert!(matches!(server.handle(delete(Kind::Pod, "finished")), Ok(Answer::Deleted(_))));
}

#[test]
fn propagation_policies_set_finalizers() {
    let mut server = Server::new();
    for (propagation, kind, finalizers) in [
        (Some(Propagation::Foreground), Kind::Deployment, vec!["foregroundDeletion"]),
        (Some(Propagation::Orphan), Kind::Deployment, vec!["orphan"]),
        (Some(Propagation::Background), Kind::Deployment, vec![]),
        (None, Kind::Deployment, vec![]),
    ] {
        server.create(deployment("web"));
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        match server.handle(delete_with(kind, "web", options)) {
            Ok(Answer::Object(object)) => {
                assert_eq!(object.meta().finalizers.to_vec(), finalizers, "{propagation:?}");
                server.object(merge(kind, "web", json!({ "metadata": { "finalizers": null } })));
            }
            Ok(Answer::Deleted(_)) => assert!(finalizers.is_empty(), "{propagation:?}"),
            other => panic!("{propagation:?}: {other:?}"),
        }
        assert_eq!(server.store.count(kind), 0);
    }
}

#[test]
fn generated_names_look_like_upstreams_and_avoid_those_that_are_taken() {
    let mut server = Server::new();
    let mut manifest = config_map("");
    manifest["metadata"] = json!({ "generateName": "web-", "namespace": "default" });
    let mut names: Vec<Name> = (0..50).map(|_| server.create(manifest.clone()).meta().name.clone()).collect();
    for name in &names {
        let suffix = name.strip_prefix("web-").expect("the base is kept");
        assert!(suffix.len() == 5 && suffix.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 50);
}

#[test]
fn a_taken_name_is_refused() {
    let mut server = Server::new();
    server.create(deployment("web"));
    let again = Request::Create(read(deployment("web")));
    check_refused(&mut server, again, ErrorReason::AlreadyExists, "deployments.apps \"web\" already exists");
    check_refused(
        &mut server,
        delete(Kind::Deployment, "no"),
        ErrorReason::NotFound,
        "deployments.apps \"no\" not found",
    );
}

#[test]
fn patches_of_each_format_apply_or_are_refused() {
    let mut server = Server::new();
    server.create(deployment("web"));
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "b" }] } } } });
    server.object(patch(Kind::Deployment, "web", PatchKind::StrategicMerge, image));
    let labels = json!([{ "op": "add", "path": "/metadata/labels/x", "value": "y" }]);
    server.object(patch(Kind::Deployment, "web", PatchKind::Json, labels));
    let after = convert::to_json(&server.object(merge(Kind::Deployment, "web", json!({ "spec": { "replicas": 2 } }))));
    assert_eq!(after["spec"]["template"]["spec"]["containers"][0]["image"], "b");
    assert_eq!((&after["metadata"]["labels"]["x"], &after["spec"]["replicas"]), (&json!("y"), &json!(2)));
    let failing = json!([{ "op": "test", "path": "/metadata/name", "value": "other" }]);
    check_refused(
        &mut server,
        patch(Kind::Deployment, "web", PatchKind::Json, failing),
        ErrorReason::Invalid,
        "the server rejected our request due to an error in our request",
    );
    for (format, body) in [
        (PatchKind::Json, json!({ "op": "no list" })),
        (PatchKind::Merge, json!({ "spec": { "replicas": "two" } })),
        (
            PatchKind::StrategicMerge,
            json!({ "spec": { "template": { "spec": { "containers": [{ "image": "b" }] } } } }),
        ),
    ] {
        assert_eq!(server.refused(patch(Kind::Deployment, "web", format, body)).reason.code(), 400, "{format:?}");
    }
}

#[test]
fn scale_changes_the_size_alone() {
    let mut server = Server::new();
    server.create(deployment("web"));
    let scale = |kind, name: &str, replicas| Request::Scale {
        target: target(kind, name),
        preconditions: Preconditions::default(),
        replicas,
    };
    let after = server.object(scale(Kind::Deployment, "web", 5));
    assert_eq!((convert::to_json(&after)["spec"]["replicas"].clone(), after.meta().generation), (json!(5), 2));
    check_refused(
        &mut server,
        scale(Kind::Deployment, "web", -1),
        ErrorReason::Invalid,
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    );
    server.create(pod("p"));
    let no = "the server could not find the requested resource";
    check_refused(&mut server, scale(Kind::Pod, "p", 1), ErrorReason::NotFound, no);
}

#[test]
fn a_kind_without_a_status_has_no_status_to_change() {
    let mut server = Server::new();
    let made = server.create(config_map("m"));
    let no = "the server could not find the requested resource";
    check_refused(&mut server, Request::UpdateStatus(made), ErrorReason::NotFound, no);
}

#[test]
fn what_users_send_is_validated_and_what_native_parts_send_is_not() {
    let mut server = Server::new();
    let mut manifest = pod("p");
    manifest["spec"]["containers"] = json!([]);
    let error = server.refused(Request::Create(read(manifest.clone())));
    assert_eq!(error.message, "Pod \"p\" is invalid: spec.containers: Required value");
    assert_eq!(error.reason, ErrorReason::Invalid);
    server.from = PartId::ControllerManager(0);
    server.create(manifest);
}

#[test]
fn kinds_that_nobody_serves_are_stored_and_listed() {
    let mut server = Server::new();
    for (api_version, kind, name) in [
        ("networking.k8s.io/v1", "NetworkPolicy", "deny"),
        ("rbac.authorization.k8s.io/v1", "Role", "reader"),
        ("coordination.k8s.io/v1", "Lease", "lock"),
    ] {
        let metadata = json!({ "name": name, "namespace": "default" });
        let mut manifest = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
        if kind == "NetworkPolicy" {
            manifest["spec"] = json!({ "podSelector": {}, "policyTypes": ["Ingress"] });
        }
        if kind == "Role" {
            manifest["rules"] = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
        }
        let made = server.create(manifest);
        assert_eq!(server.names(made.kind()), [name]);
    }
}

#[test]
fn objects_of_a_custom_kind_have_wish_status_and_generation() {
    let mut server = Server::new();
    let text = |text: &'static str| std::borrow::Cow::Borrowed(text);
    let info = crate::api::KindInfo {
        group: text("example.com"),
        version: text("v1"),
        kind: text("Widget"),
        plural: text("widgets"),
        singular: text("widget"),
        short_names: std::borrow::Cow::Borrowed(&[]),
        namespaced: true,
        served_versions: std::borrow::Cow::Borrowed(&[]),
        definition: None,
    };
    let kind = server.store.add_kind(info.clone());
    assert_eq!(server.store.add_kind(info.clone()), kind, "a kind is known once");
    let manifest = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "spec": { "size": 1 },
        "metadata": { "name": "w", "namespace": "default" }, "status": { "size": 9 } });
    let widget = convert::custom_from_json(kind, Arc::new(info), manifest).unwrap();
    let made = server.object(Request::Create(widget));
    assert_eq!((made.meta().generation, convert::to_json(&made).get("status")), (1, None));
    let after = server.object(merge(kind, "w", json!({ "spec": { "size": 2 }, "status": { "size": 2 } })));
    assert_eq!((after.meta().generation, convert::to_json(&after).get("status")), (2, None));
    assert_eq!(server.names(kind), ["w"]);
    let no = "widgets.example.com \"x\" not found";
    check_refused(&mut server, Request::Get(target(kind, "x")), ErrorReason::NotFound, no);
}

#[test]
fn namespaces_end_when_their_content_is_gone() {
    let mut server = Server::new();
    let nowhere = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "ns" } });
    let missing = "namespaces \"ns\" not found";
    check_refused(&mut server, Request::Create(read(nowhere("m"))), ErrorReason::NotFound, missing);
    let made = server.create_namespace("ns");
    assert_eq!(convert::to_json(&made)["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(made.meta().labels.get("kubernetes.io/metadata.name").map(Name::as_str), Some("ns"));
    server.create(nowhere("m"));
    let going = server.object(delete(Kind::Namespace, "ns"));
    assert_eq!(convert::to_json(&going)["status"]["phase"], "Terminating");
    let error = server.refused(Request::Create(read(nowhere("late"))));
    assert_eq!(
        (error.reason, error.cause.as_str(), error.message.as_str()),
        (
            ErrorReason::Forbidden,
            "NamespaceTerminating",
            "configmaps \"late\" is forbidden: unable to create new content in namespace ns because it is being terminated"
        )
    );
    server.object(Request::FinalizeNamespace(going));
    assert!(server.store.by_name(Kind::Namespace, "", "ns").is_none());
    for name in ["default", "kube-system", "kube-public"] {
        let message = format!("namespaces {name:?} is forbidden: this namespace may not be deleted");
        check_refused(&mut server, delete(Kind::Namespace, name), ErrorReason::Forbidden, &message);
    }
    server.object(delete(Kind::Namespace, "kube-node-lease"));
}

/// Makes it plain that an object is shared, not copied.
#[test]
fn pods_of_a_template_go_on_sharing_its_spec() {
    let mut server = Server::new();
    let template = read(pod("a"));
    let mut second = template.clone();
    second.meta_mut().name = "b".into();
    let made = [template, second].map(|pod| server.object(Request::Create(pod)));
    let [Object::Pod(a), Object::Pod(b)] = &made else { panic!("pods are pods") };
    assert!(Arc::ptr_eq(&a.body.spec, &b.body.spec));
}
