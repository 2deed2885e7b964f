//! A stand-in for the attachers of CSI drivers: has the cloud attach and detach disks, as VolumeAttachments ask for it.
//! Upstream: `kubernetes-csi/external-attacher` (`csi_handler.go`).
//!
//! An attacher is a sidecar of a driver's own controller in a real cluster; here one stands for all drivers, and runs
//! beside the built-in controllers. The cloud takes a drawn time. What fails is told in the VolumeAttachment and tried
//! again after `--retry-interval-start` and twice as long each time. A PersistentVolume that has been attached does not go
//! before nothing attaches it any more. Left out: `status.attachmentMetadata`, drivers without a controller, disks
//! attached beyond what the node can hold.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use serde_json::json;

use super::persistent_volume::objects::{Stored, at, claim_of, object, text, with};
use super::script::{Run, Script, Stop};
use crate::api::{Kind, Name, Object, ObjectId};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::{ChangeKind, DiskEffect, DiskFacts, ErrorReason, MetaEdit, Preconditions, Request, Target};
use crate::kernel::{Purpose, Span, Time, object_hash};

/// How long the cloud takes to attach a disk, on average: between half and one and a half of it.
pub const EXTERNAL_ATTACHER_ATTACH_LATENCY: Flag = Flag {
    name: "external-attacher-attach-latency",
    default: FlagValue::Span(Span::from_secs(3)),
    doc: "how long a disk takes to be attached; drawn between half and one and a half of it",
};
/// How long it takes to detach one.
pub const EXTERNAL_ATTACHER_DETACH_LATENCY: Flag = Flag {
    name: "external-attacher-detach-latency",
    default: FlagValue::Span(Span::from_secs(5)),
    doc: "how long a disk takes to be detached; drawn between half and one and a half of it",
};
/// `--timeout` of csi-attacher.
pub const EXTERNAL_ATTACHER_TIMEOUT: Flag = Flag {
    name: "external-attacher-timeout",
    default: FlagValue::Span(Span::from_secs(15)),
    doc: "how long the attacher waits for the cloud",
};
/// `--worker-threads` of csi-attacher.
pub const EXTERNAL_ATTACHER_WORKERS: Flag = Flag {
    name: "external-attacher-worker-threads",
    default: FlagValue::Int(10),
    doc: "disks that are attached or detached at a time",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "external-attacher",
    doc: "stands for the attachers of all CSI drivers: attaches and detaches disks, which takes time",
    source: "kubernetes-csi/external-attacher",
    watches: Watches::Kinds(&[Kind::VolumeAttachment, Kind::PersistentVolume, Kind::Node]),
    workers: &EXTERNAL_ATTACHER_WORKERS,
    flags: &[&EXTERNAL_ATTACHER_ATTACH_LATENCY, &EXTERNAL_ATTACHER_DETACH_LATENCY, &EXTERNAL_ATTACHER_TIMEOUT],
    build: |flags| Box::new(ExternalAttacher::new(flags)),
};

/// `--retry-interval-start` and `--retry-interval-max` of csi-attacher.
const RETRY: ItemBackoff = ItemBackoff { base: Span::from_secs(1), max: Span::from_mins(5) };
const ZONE: &str = "topology.kubernetes.io/zone";
const STUCK: &str = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
/// How long the cloud takes (object: the VolumeAttachment's name; n: its uid's calls).
const LATENCY: Purpose = Purpose::new("external-attacher-latency");

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Attach,
    Detach,
    /// The cloud has not answered in time.
    Fail(Want),
    /// Nothing attaches a PersistentVolume any more that is to go.
    LetGo,
}

/// What is wanted of the cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Want {
    Attached,
    Detached,
}

/// A call to the cloud.
#[derive(Clone, Copy, Debug)]
struct Call {
    want: Want,
    begun: Time,
    failures: u32,
}

/// The attacher's memory.
#[derive(Clone, Debug)]
pub struct ExternalAttacher {
    attach: Span,
    detach: Span,
    timeout: Span,
    calls: BTreeMap<ObjectId, Call>,
    /// The VolumeAttachments of each PersistentVolume, by its name.
    of_volume: BTreeMap<Name, BTreeSet<u32>>,
    running: BTreeMap<ObjectId, (Stored, Work, Script)>,
}

impl ExternalAttacher {
    fn new(flags: &Flags) -> ExternalAttacher {
        ExternalAttacher {
            attach: flags.span(&EXTERNAL_ATTACHER_ATTACH_LATENCY),
            detach: flags.span(&EXTERNAL_ATTACHER_DETACH_LATENCY),
            timeout: flags.span(&EXTERNAL_ATTACHER_TIMEOUT),
            calls: BTreeMap::new(),
            of_volume: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    fn run(&mut self, stored: Stored, work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let key = stored.meta.id;
        match carry_out(&mut Run::new(&mut script, view.clock, plan), &stored, work) {
            Err(Stop::Asked) => drop(self.running.insert(key, (stored, work, script))),
            Err(Stop::Failed(why)) => plan.fail(why),
            Err(Stop::NamespaceTerminating) | Ok(()) => match work {
                Work::Attach | Work::Detach => {
                    self.calls.remove(&key);
                }
                Work::Fail(_) | Work::LetGo => {}
            },
        }
    }

    /// How long the cloud takes for this call.
    fn latency(&self, stored: &Stored, call: Call, view: &View) -> Span {
        let mean = if call.want == Want::Attached { self.attach } else { self.detach };
        let draw = view.chance.draw(LATENCY, object_hash(&stored.meta.name), u64::from(call.failures));
        draw.span_between(mean / 2, mean + mean / 2)
    }
}

/// Whether the cloud does not answer for this disk.
fn is_stuck(stored: &Stored, want: Want, view: &View) -> bool {
    let effect = if want == Want::Attached { DiskEffect::AttachStuck } else { DiskEffect::DetachStuck };
    let node = view.caches.nodes.by_name("", text(stored, &["spec", "nodeName"]));
    let zone = node.and_then(|node| node.meta.labels.get(ZONE)).map_or("", Name::as_str);
    let volumes = view.caches.others.get(&Kind::PersistentVolume);
    let volume = text(stored, &["spec", "source", "persistentVolumeName"]);
    let volume = volumes.and_then(|volumes| volumes.by_name("", volume));
    let (namespace, name) = volume.and_then(|volume| claim_of(volume)).unwrap_or_default();
    let driver = text(stored, &["spec", "attacher"]);
    view.disks.suffers(effect, DiskFacts { driver, zone, claim: (&namespace, &name) })
}

/// The finalizer on VolumeAttachments and PersistentVolumes. Upstream: `GetFinalizerName`.
fn finalizer(stored: &Stored) -> Name {
    let driver = match stored.meta.id.kind {
        Kind::PersistentVolume => text(stored, &["spec", "csi", "driver"]),
        _ => text(stored, &["spec", "attacher"]),
    };
    ecow::eco_format!("external-attacher/{}", driver.replace('.', "-"))
}

fn is_to_go(volume: &Stored) -> bool {
    volume.meta.is_terminating() && volume.meta.has_finalizer(&finalizer(volume))
}

/// What a VolumeAttachment asks for; none where it has it.
fn wanted(stored: &Stored) -> Option<Want> {
    match (stored.meta.is_terminating(), at(stored, &["status", "attached"])) {
        (true, _) => stored.meta.has_finalizer(&finalizer(stored)).then_some(Want::Detached),
        (false, Some(serde_json::Value::Bool(true))) => None,
        (false, _) => Some(Want::Attached),
    }
}

fn carry_out(run: &mut Run, stored: &Stored, work: Work) -> Result<(), Stop> {
    let target = Target::Id(stored.meta.id);
    let preconditions = Preconditions { uid: Some(stored.meta.uid), resource_version: None };
    let edit_meta = |edit| Request::PatchMeta { target, preconditions, edit: Arc::new(edit) };
    match work {
        Work::Attach => {
            let volume = text(stored, &["spec", "source", "persistentVolumeName"]).into();
            let edit = MetaEdit { add_finalizers: vec![finalizer(stored)], ..MetaEdit::default() };
            run.send(Request::PatchMeta {
                target: Target::Name(Kind::PersistentVolume, Name::new(), volume),
                preconditions: Preconditions::default(),
                edit: Arc::new(edit),
            })??;
            let edit = MetaEdit { add_finalizers: vec![finalizer(stored)], ..MetaEdit::default() };
            let Some(Object::Untyped(marked)) = run.send(edit_meta(edit))??.object().cloned() else {
                return Err(Stop::Failed("the server did not answer with the object".into()));
            };
            let attached = with(&marked, "status", |status| {
                status.insert("attached".to_owned(), json!(true));
                status.remove("attachError");
            });
            run.send(Request::UpdateStatus(object(&attached)))??;
        }
        Work::Detach | Work::LetGo => {
            let edit = MetaEdit { remove_finalizers: vec![finalizer(stored)], ..MetaEdit::default() };
            match run.send(edit_meta(edit))? {
                Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Work::Fail(want) => {
            let field = if want == Want::Attached { "attachError" } else { "detachError" };
            let time = run.timestamp().to_string();
            let failed = with(stored, "status", |status| {
                status.insert(field.to_owned(), json!({"message": STUCK, "time": time}));
            });
            match run.send(Request::UpdateStatus(object(&failed)))? {
                Err(error) if error.reason != ErrorReason::NotFound && error.reason != ErrorReason::Conflict => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

impl Controller for ExternalAttacher {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let Object::Untyped(stored) = change.new else { return };
        let id = stored.meta.id;
        if change.resync {
            return;
        }
        if id.kind == Kind::PersistentVolume && change.kind != ChangeKind::Deleted && is_to_go(stored) {
            queue.add(id, change.cause);
        }
        if id.kind != Kind::VolumeAttachment {
            return;
        }
        let volume: Name = text(stored, &["spec", "source", "persistentVolumeName"]).into();
        let slots = self.of_volume.entry(volume.clone()).or_default();
        if change.kind == ChangeKind::Deleted {
            self.calls.remove(&id);
            slots.remove(&id.slot);
            if slots.is_empty() {
                self.of_volume.remove(&volume);
                let volume = view.caches.meta_by_name(Kind::PersistentVolume, "", &volume);
                volume.into_iter().for_each(|volume| queue.add(volume.id, change.cause));
            }
            return;
        }
        slots.insert(id.slot);
        if wanted(stored).is_some() {
            queue.add(id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(stored) = view.caches.others.get(&key.kind).and_then(|cache| cache.get(key)).cloned() else { return };
        if key.kind == Kind::PersistentVolume {
            if is_to_go(&stored) && !self.of_volume.contains_key(&stored.meta.name) {
                self.run(stored, Work::LetGo, Script::new(view.now), view, plan);
            }
            return;
        }
        let Some(want) = wanted(&stored) else {
            self.calls.remove(&key);
            return;
        };
        let fresh = Call { want, begun: view.now, failures: 0 };
        let mut call = *self.calls.entry(key).or_insert(fresh);
        if call.want != want {
            call = fresh;
        }
        self.calls.insert(key, call);
        if call.begun > view.now {
            return plan.requeue_after(call.begun.since(view.now));
        }
        let is_stuck = is_stuck(&stored, want, view);
        let takes = if is_stuck { self.timeout } else { self.latency(&stored, call, view).min(self.timeout) };
        let done = call.begun + takes;
        if done > view.now {
            return plan.requeue_after(done.since(view.now));
        }
        if is_stuck {
            let wait = RETRY.delay(call.failures);
            self.calls.insert(key, Call { want, begun: view.now + wait, failures: call.failures + 1 });
            plan.requeue_after(wait);
            return self.run(stored, Work::Fail(want), Script::new(view.now), view, plan);
        }
        let work = if want == Want::Attached { Work::Attach } else { Work::Detach };
        self.run(stored, work, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((stored, work, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            script.answer(reply.clone(), view.now);
            self.run(stored, work, script, view, plan);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.calls.len(), self.running.len()).hash(&mut hasher);
    }
}
