//! What each op sends. Plain requests, as the recording's tool sent them: no kubectl.

use std::sync::Arc;

use serde_json::{Value, json};

use super::case::{PatchType, PropagationFile, StepFile, kind_named};
use super::tank::{NAMESPACE, Tank, namespace_of, object_of, target};
use super::{evictions, rollback};
use crate::api::selector::Selector;
use crate::api::{Kind, Name, Object};
use crate::event::{ApiError, DeleteOptions, ErrorReason, Patch, PatchKind, Propagation, Request, Subresource, Target};
use crate::kernel::Span;

/// Stands for the case's namespace as the name of something to delete.
const NAMESPACE_NAME: &str = "$NS";
/// Stands for the uid of an owner that is looked up by its name.
const LOOKUP: &str = "$LOOKUP";
/// `kubectl.kubernetes.io/restartedAt`, the same each time, as recorded.
const RESTARTED_AT: &str = "2026-01-01T00:00:00Z";

/// Does it. The step's `result`.
pub(super) fn carry_out(tank: &mut Tank<'_>, step: &StepFile) -> Value {
    let reply = match step {
        StepFile::Apply { files, .. } => return apply(tank, files),
        StepFile::Drain { node, timeout, .. } => return evictions::drain(tank, node, super::case::span(*timeout)),
        StepFile::EvictOnce { selector, node, gap, .. } => {
            return evictions::once(tank, selector.as_deref(), node.as_deref(), super::case::span(*gap));
        }
        StepFile::Patch { kind, name, patch: body, patch_type, .. } => {
            patch(tank, &named(kind, name), *patch_type, body.clone())
        }
        StepFile::Image { kind, name, image, .. } => set_image(tank, kind, name, image),
        StepFile::Scale { kind, name, replicas, .. } => {
            let body = json!({"spec": {"replicas": replicas}});
            send_patch(tank, named(kind, name), Subresource::Scale, PatchKind::Merge, body)
        }
        StepFile::Delete { kind, name, propagation, .. } => delete(tank, named(kind, name), *propagation),
        StepFile::Pause { kind, name, .. } => {
            patch(tank, &named(kind, name), PatchType::Merge, json!({"spec": {"paused": true}}))
        }
        StepFile::Resume { kind, name, .. } => {
            patch(tank, &named(kind, name), PatchType::Merge, json!({"spec": {"paused": null}}))
        }
        StepFile::Restart { kind, name, .. } => {
            let annotations = json!({"kubectl.kubernetes.io/restartedAt": RESTARTED_AT});
            let body = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
            patch(tank, &named(kind, name), PatchType::Strategic, body)
        }
        StepFile::Undo { kind, name, to_revision, .. } => rollback::undo(tank, &named(kind, name), *to_revision),
        StepFile::Cordon { node, .. } => cordon(tank, node, true),
        StepFile::Uncordon { node, .. } => cordon(tank, node, false),
        StepFile::NodeStop { node, .. } => {
            tank.kubelet.stop(node);
            Ok(())
        }
        StepFile::NodeStart { node, .. } => {
            let now = tank.sim.now();
            tank.kubelet.start(node, now);
            Ok(())
        }
        StepFile::NodeAdd { spec, .. } => tank.add_node(spec).map(|_| ()),
        StepFile::NodeDelete { node, .. } => {
            tank.kubelet.remove(node);
            delete(tank, target(Kind::Node, node), PropagationFile::Background)
        }
        StepFile::PodDelete { selector, index, .. } => match nth_pod(tank, selector, *index) {
            Some(pod) => delete(tank, target(Kind::Pod, &pod), PropagationFile::Background),
            None => Err(no_pod(selector, *index)),
        },
        StepFile::PodPatch { selector, index, patch: body, patch_type, .. } => match nth_pod(tank, selector, *index) {
            Some(pod) => patch(tank, &target(Kind::Pod, &pod), *patch_type, body.clone()),
            None => Err(no_pod(selector, *index)),
        },
        StepFile::WaitSecond { .. } | StepFile::Sleep { .. } => Ok(()),
    };
    Value::String(told(tank, reply))
}

/// `ok`, or `<code> <reason>: <message>`.
fn told(tank: &Tank<'_>, reply: Result<(), ApiError>) -> String {
    match reply {
        Ok(()) => "ok".to_owned(),
        Err(error) => {
            let (code, reason) = (error.reason.code(), error.reason.as_str());
            format!("{code} {reason}: {}", tank.names.text(&error.message))
        }
    }
}

/// An object by the kind's name, which was checked when the case was read.
fn named(kind: &str, name: &str) -> Target {
    let kind = kind_named(kind).expect("the kinds of a case are known");
    let name = if kind == Kind::Namespace && name == NAMESPACE_NAME { NAMESPACE } else { name };
    target(kind, name)
}

/// How long the recording's client took from one document to the next: the controllers were done with the one before.
const BETWEEN_DOCUMENTS: Span = Span::from_millis(20);

fn apply(tank: &mut Tank<'_>, files: &[String]) -> Value {
    let case = tank.case;
    let mut results = Vec::new();
    for (kind, manifest) in files.iter().filter_map(|file| case.manifests.get(file)).flatten() {
        let applied = apply_one(tank, *kind, manifest);
        results.push(Value::String(told(tank, applied)));
        tank.run_for(BETWEEN_DOCUMENTS);
    }
    Value::Array(results)
}

fn apply_one(tank: &mut Tank<'_>, kind: Kind, manifest: &Value) -> Result<(), ApiError> {
    let mut manifest = manifest.clone();
    let namespace = namespace_of(kind);
    if !namespace.is_empty() {
        manifest["metadata"]["namespace"] = json!(namespace);
    }
    for owner in manifest["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        look_up(tank, owner);
    }
    match tank.create(kind, manifest.clone()) {
        Err(error) if error.reason == ErrorReason::AlreadyExists => {
            let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
            patch(tank, &target(kind, name), PatchType::Strategic, manifest.clone())
        }
        created => created.map(|_| ()),
    }
}

/// Fills in the uid of an owner.
fn look_up(tank: &Tank<'_>, owner: &mut Value) {
    if owner["uid"] != LOOKUP {
        return;
    }
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let kind = Kind::from_gvk(text("apiVersion"), text("kind")).ok();
    let uid = kind.and_then(|kind| tank.find(kind, text("name"))).map(|object| object.meta().uid.to_string());
    if let Some(uid) = uid {
        owner["uid"] = json!(uid);
    }
}

pub(super) fn patch(tank: &mut Tank<'_>, target: &Target, kind: PatchType, body: Value) -> Result<(), ApiError> {
    let kind = match kind {
        PatchType::Strategic => PatchKind::StrategicMerge,
        PatchType::Merge => PatchKind::Merge,
        PatchType::Json => PatchKind::Json,
    };
    send_patch(tank, target.clone(), Subresource::None, kind, body)
}

fn send_patch(
    tank: &mut Tank<'_>,
    target: Target,
    subresource: Subresource,
    kind: PatchKind,
    body: Value,
) -> Result<(), ApiError> {
    let patch = Arc::new(Patch { kind, body });
    object_of(tank.ask(Request::Patch { target, subresource, patch })).map(|_| ())
}

/// A strategic patch of the container `c`.
fn set_image(tank: &mut Tank<'_>, kind: &str, name: &str, image: &str) -> Result<(), ApiError> {
    let target = named(kind, name);
    let spec = json!({"containers": [{"name": "c", "image": image}]});
    let body = match target.kind() {
        Kind::Pod => json!({"spec": spec}),
        Kind::CronJob => json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}),
        _ => json!({"spec": {"template": {"spec": spec}}}),
    };
    patch(tank, &target, PatchType::Strategic, body)
}

/// Pods go gracefully and without a word about dependents.
fn delete(tank: &mut Tank<'_>, target: Target, propagation: PropagationFile) -> Result<(), ApiError> {
    let propagation = match propagation {
        _ if target.kind() == Kind::Pod => None,
        PropagationFile::Background => Some(Propagation::Background),
        PropagationFile::Foreground => Some(Propagation::Foreground),
        PropagationFile::Orphan => Some(Propagation::Orphan),
    };
    let options = DeleteOptions { propagation, ..DeleteOptions::default() };
    tank.ask(Request::Delete { target, options }).map(|_| ())
}

pub(super) fn cordon(tank: &mut Tank<'_>, node: &str, unschedulable: bool) -> Result<(), ApiError> {
    let body = json!({"spec": {"unschedulable": unschedulable.then_some(true)}});
    patch(tank, &target(Kind::Node, node), PatchType::Merge, body)
}

/// The pods of the namespace that a selector takes, by name. A selector that cannot be read takes none.
pub(super) fn pods(tank: &Tank<'_>, selector: Option<&str>) -> Vec<Object> {
    let mut pods = tank.objects(Kind::Pod);
    if let Some(text) = selector {
        let selector = Selector::parse(text).ok();
        pods.retain(|pod| {
            let labels = &pod.meta().labels;
            selector.as_ref().is_some_and(|selector| selector.matches(|key| labels.get(key).map(Name::as_str)))
        });
    }
    pods
}

fn nth_pod(tank: &Tank<'_>, selector: &str, index: usize) -> Option<Name> {
    pods(tank, Some(selector)).get(index).map(|pod| pod.meta().name.clone())
}

fn no_pod(selector: &str, index: usize) -> ApiError {
    ApiError::new(ErrorReason::NotFound, format!("pods: {selector} selects no number {index}"))
}
