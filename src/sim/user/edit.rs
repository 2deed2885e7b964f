//! Commands that read one object and change it with one request: `scale`, `patch`, `set image`, `rollout pause`,
//! `resume` and `restart`, `cordon` and `uncordon`. Upstream: the packages of those names in `kubectl/pkg/cmd`, and
//! `polymorphichelpers`.
//!
//! `scale` sends what it wants to the scale subresource without a precondition, so that nothing but the new number
//! counts; kubectl puts it into a patch, here it is one PUT.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Step;
use super::shell::{Failure, Progress, Shell, Subject};
use crate::api::{Kind, Name, Object, convert, merge};
use crate::event::{Answer, ApiError, Patch, PatchKind, Preconditions, Reply, Request, Subresource};

const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Where the kinds with pods in them have the pod's spec. Upstream: `updatePodSpecForObject`.
const POD_SPECS: [(Kind, &str); 8] = [
    (Kind::Pod, "/spec"),
    (Kind::Deployment, "/spec/template/spec"),
    (Kind::ReplicaSet, "/spec/template/spec"),
    (Kind::StatefulSet, "/spec/template/spec"),
    (Kind::DaemonSet, "/spec/template/spec"),
    (Kind::ReplicationController, "/spec/template/spec"),
    (Kind::Job, "/spec/template/spec"),
    (Kind::CronJob, "/spec/jobTemplate/spec/template/spec"),
];

/// What is to become of the object.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// So many replicas.
    Scale(i32),
    /// What a patch makes of it.
    Patch(PatchKind, Arc<Value>),
    /// These images in these containers, `*` for all.
    Images(Vec<(Name, Name)>),
    /// `spec.paused`.
    Paused(bool),
    /// A template with a new annotation.
    Restart,
    /// `spec.unschedulable` of a node.
    Unschedulable(bool),
}

/// A command of this family under way.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    subject: Subject,
    wish: Wish,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug)]
enum Awaits {
    /// The object as it is.
    Object,
    /// The answer to the change; the revision before it.
    Change(u64),
}

impl Edit {
    pub(super) fn new(subject: Subject, wish: Wish) -> Edit {
        Edit { subject, wish, awaits: Awaits::Object }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        match step {
            Step::Begin => {
                shell.ask(0, Request::Get(self.subject.target()));
                Progress::UnderWay
            }
            Step::Reply(_, reply) => match self.awaits {
                Awaits::Object => self.found(reply, shell),
                Awaits::Change(revision) => {
                    match reply {
                        Ok(answer) => self.changed(revision, &answer, shell),
                        Err(error) => shell.fail(self.refused(error)),
                    }
                    Progress::Ended
                }
            },
            Step::Timer(_) => panic!("a command that changes one object sets no timers"),
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> u8 {
        match self.awaits {
            Awaits::Object => 0,
            Awaits::Change(_) => 1,
        }
    }

    /// Whether the object has not been read yet.
    pub(super) fn awaits_object(&self) -> bool {
        matches!(self.awaits, Awaits::Object)
    }

    fn found(&mut self, reply: Reply, shell: &mut Shell<'_>) -> Progress {
        let object = match reply {
            Ok(Answer::Object(object)) => object,
            Ok(Answer::Created(_) | Answer::Deleted(_) | Answer::Done | Answer::List { .. }) => {
                panic!("a GET is answered with an object")
            }
            Err(error) => {
                shell.fail(Failure::Server(error));
                return Progress::Ended;
            }
        };
        let Some(request) = self.request(&object, shell) else { return Progress::Ended };
        self.awaits = Awaits::Change(object.meta().resource_version);
        shell.ask(0, request);
        Progress::UnderWay
    }

    /// The request that brings the wish about; none where there is nothing to do or something stands against it, which
    /// has been said then.
    fn request(&self, object: &Object, shell: &mut Shell<'_>) -> Option<Request> {
        match &self.wish {
            Wish::Scale(replicas) => {
                let (target, preconditions) = (self.subject.target(), Preconditions::default());
                Some(Request::Scale { target, preconditions, replicas: *replicas })
            }
            Wish::Patch(kind, body) => Some(self.patch(*kind, Value::clone(body))),
            Wish::Images(images) => self.set_images(images, object, shell),
            Wish::Paused(paused) => self.pause(*paused, object, shell),
            Wish::Restart => self.restart(object, shell),
            Wish::Unschedulable(wanted) => {
                let Object::Node(node) = object else { panic!("a node's name leads to a Node") };
                if node.body.is_unschedulable() == *wanted {
                    let state = if *wanted { "already cordoned" } else { "already uncordoned" };
                    shell.say(self.subject.line(state));
                    return None;
                }
                let value = if *wanted { json!(true) } else { Value::Null };
                Some(self.patch(PatchKind::StrategicMerge, json!({"spec": {"unschedulable": value}})))
            }
        }
    }

    fn patch(&self, kind: PatchKind, body: Value) -> Request {
        let (target, patch) = (self.subject.target(), Arc::new(Patch { kind, body }));
        Request::Patch { target, subresource: Subresource::None, patch }
    }

    fn set_images(&self, images: &[(Name, Name)], object: &Object, shell: &mut Shell<'_>) -> Option<Request> {
        let live = convert::to_json(object);
        let mut wanted = live.clone();
        let pointer = POD_SPECS.iter().find(|(kind, _)| *kind == self.subject.kind).map(|(_, pointer)| *pointer);
        let Some(spec) = pointer.and_then(|pointer| wanted.pointer_mut(pointer)) else {
            let (name, info) = (self.subject.object_name(), &self.subject.info);
            shell.fail(Failure::Plain(format!(
                "error: {name} the object is not a pod or does not have a pod template: *{}.{}",
                info.version, info.kind
            )));
            return None;
        };
        for (container, image) in images {
            let init = set_image(spec, "initContainers", container, image);
            if !(set_image(spec, "containers", container, image) || init) {
                let name = container.as_str();
                shell.fail(Failure::Plain(format!("error: unable to find container named {name:?}")));
            }
        }
        match merge::three_way_strategic(&self.subject.info.kind, &live, &wanted, &live) {
            Ok(patch) if patch.as_object().is_none_or(|map| map.is_empty()) => None,
            Ok(patch) => Some(self.patch(PatchKind::StrategicMerge, patch)),
            Err(error) => {
                shell.fail(Failure::Plain(format!("error: {} {error}", self.subject.object_name())));
                None
            }
        }
    }

    fn pause(&self, paused: bool, object: &Object, shell: &mut Shell<'_>) -> Option<Request> {
        let against = match (object, paused) {
            (Object::Deployment(deployment), _) if deployment.body.paused != paused => {
                let value = if paused { json!(true) } else { Value::Null };
                return Some(self.patch(PatchKind::StrategicMerge, json!({"spec": {"paused": value}})));
            }
            (Object::Deployment(_), true) => "is already paused",
            (Object::Deployment(_), false) => "is not paused",
            (_, true) => "pausing is not supported",
            (_, false) => "resuming is not supported",
        };
        shell.fail(Failure::Plain(format!("error: {} {against}", self.subject.quoted())));
        None
    }

    fn restart(&self, object: &Object, shell: &mut Shell<'_>) -> Option<Request> {
        let refuse = |why: &str| Some(Failure::Plain(format!("error: {} {why}", self.subject.quoted())));
        let now = shell.out.timestamp().to_string();
        let live = convert::to_json(object);
        let pointer = format!("/spec/template/metadata/annotations/{}", RESTARTED_AT.replace('/', "~1"));
        let failure = match object {
            Object::Deployment(deployment) if deployment.body.paused => {
                refuse("can't restart paused deployment (run rollout resume first)")
            }
            _ if ![Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet].contains(&self.subject.kind) => {
                refuse("restarting is not supported")
            }
            _ if live.pointer(&pointer).and_then(Value::as_str) == Some(now.as_str()) => Some(Failure::Plain(format!(
                "failed to create patch for {}: if restart has already been triggered within the past second, please \
                 wait before attempting to trigger another",
                self.subject.name
            ))),
            _ => None,
        };
        if let Some(failure) = failure {
            shell.fail(failure);
            return None;
        }
        let annotations = json!({RESTARTED_AT: now});
        let body = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        Some(self.patch(PatchKind::StrategicMerge, body))
    }

    fn changed(&self, revision: u64, answer: &Answer, shell: &mut Shell<'_>) {
        let done = match &self.wish {
            Wish::Scale(_) => "scaled",
            Wish::Patch(..) => {
                let same = answer.object().is_some_and(|object| object.meta().resource_version == revision);
                if same { "patched (no change)" } else { "patched" }
            }
            Wish::Images(_) => "image updated",
            Wish::Paused(true) => "paused",
            Wish::Paused(false) => "resumed",
            Wish::Restart => "restarted",
            Wish::Unschedulable(true) => "cordoned",
            Wish::Unschedulable(false) => "uncordoned",
        };
        shell.say(self.subject.line(done));
    }

    fn refused(&self, error: ApiError) -> Failure {
        match &self.wish {
            Wish::Scale(_) | Wish::Patch(..) => Failure::Server(error),
            Wish::Images(_) => Failure::Plain(format!("failed to patch image update to pod template: {error}")),
            Wish::Paused(_) | Wish::Restart => Failure::Plain(format!("failed to patch: {error}")),
            Wish::Unschedulable(wanted) => {
                let verb = if *wanted { "cordon" } else { "uncordon" };
                Failure::Plain(format!("error: unable to {verb} node {:?}: {error}", self.subject.name.as_str()))
            }
        }
    }
}

/// Sets the image of the containers of a name in a list of a pod's spec. Whether there were any.
fn set_image(spec: &mut Value, list: &str, container: &str, image: &str) -> bool {
    let mut found = false;
    for entry in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
        if container == "*" || entry.get("name").and_then(Value::as_str) == Some(container) {
            entry["image"] = image.into();
            found = true;
        }
    }
    found
}
