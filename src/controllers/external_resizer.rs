//! A stand-in for the resizers of CSI drivers: makes the disks larger whose claims ask for more, and leaves the file
//! system to the node. Upstream: `kubernetes-csi/external-resizer` (`controller.go`, `expand_and_recover.go`).
//!
//! A resizer is a sidecar of a driver's own controller in a real cluster; here one stands for all drivers. Every disk can
//! grow while it is used, and has a file system. Left out: sizes that the cloud can never give (`ControllerResizeInfeasible`),
//! claims that ask for less again while they wait, VolumeAttributesClass.

use std::collections::BTreeMap;
use std::hash::Hash;

use serde_json::{Value, json};

use super::external_provisioner::refused_by_cloud;
use super::persistent_volume::objects::{Stored, at, capacity, object, requested, text, with};
use super::script::{Run, Script, Stop};
use super::volume_expand::to_grow;
use crate::api::{EventType, Kind, Name, Object, ObjectId};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan, TokenBucket, View,
    Watches, WorkQueue,
};
use crate::event::{ChangeKind, Request};
use crate::kernel::{Span, Time};

/// How long it takes to make a disk larger.
pub const EXTERNAL_RESIZER_LATENCY: Flag = Flag {
    name: "external-resizer-latency",
    default: FlagValue::Span(Span::from_secs(10)),
    doc: "how long a disk takes to be made larger",
};
/// `--workers` of csi-resizer.
pub const EXTERNAL_RESIZER_WORKERS: Flag =
    Flag { name: "external-resizer-workers", default: FlagValue::Int(10), doc: "disks that are made larger at a time" };

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "external-resizer",
    doc: "stands for the resizers of all CSI drivers: makes disks larger; leaves out sizes that can never be had",
    source: "kubernetes-csi/external-resizer",
    watches: Watches::Kinds(&[Kind::PersistentVolumeClaim, Kind::PersistentVolume]),
    workers: &EXTERNAL_RESIZER_WORKERS,
    flags: &[&EXTERNAL_RESIZER_LATENCY],
    build: |flags| Box::new(ExternalResizer::new(flags)),
};

/// `--retry-interval-start` and `--retry-interval-max` of csi-resizer.
const RETRY: ItemBackoff = ItemBackoff { base: Span::from_secs(1), max: Span::from_mins(5) };
const IN_PROGRESS: &str = "ControllerResizeInProgress";
const NODE_PENDING: &str = "NodeResizePending";
const WAITING: &str = "Waiting for user to (re-)start a pod to finish file system resize of volume on node.";

/// What is to be done for a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    /// Its status says that its disk is being made larger.
    Begin,
    /// The disk is larger now: the node is to follow.
    Finish,
}

/// The resizer's memory.
#[derive(Clone, Debug)]
pub struct ExternalResizer {
    latency: Span,
    /// When what was begun will be done.
    begun: BTreeMap<ObjectId, Time>,
    running: BTreeMap<ObjectId, (Stored, Stored, Work, Script)>,
}

impl ExternalResizer {
    fn new(flags: &Flags) -> ExternalResizer {
        let latency = flags.span(&EXTERNAL_RESIZER_LATENCY);
        ExternalResizer { latency, begun: BTreeMap::new(), running: BTreeMap::new() }
    }

    fn run(&mut self, pair: (Stored, Stored), work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let (claim, volume) = pair;
        let key = claim.meta.id;
        match carry_out(&mut Run::new(&mut script, view.clock, plan), &claim, &volume, work) {
            Err(Stop::Asked) => drop(self.running.insert(key, (claim, volume, work, script))),
            Err(Stop::Failed(why)) => plan.fail(why),
            Err(Stop::NamespaceTerminating) | Ok(()) if work == Work::Begin => {
                self.begun.insert(key, view.now + self.latency);
                plan.requeue_after(self.latency);
            }
            Err(Stop::NamespaceTerminating) | Ok(()) => {
                self.begun.remove(&key);
            }
        }
    }
}

fn state(claim: &Stored) -> &str {
    text(claim, &["status", "allocatedResourceStatuses", "storage"])
}

fn is_at(claim: &Stored, state_wanted: &str) -> bool {
    let size = requested(claim).to_string();
    state(claim) == state_wanted && text(claim, &["status", "allocatedResources", "storage"]) == size
}

/// A copy of a claim whose status says how far it is.
fn marked(claim: &Stored, at_state: &str, condition: Value) -> Stored {
    let size = requested(claim).to_string();
    with(claim, "status", |status| {
        status.insert("allocatedResources".to_owned(), json!({"storage": size}));
        status.insert("allocatedResourceStatuses".to_owned(), json!({"storage": at_state}));
        status.insert("conditions".to_owned(), json!([condition]));
    })
}

fn carry_out(run: &mut Run, claim: &Stored, volume: &Stored, work: Work) -> Result<(), Stop> {
    let now = run.timestamp().to_string();
    let about = claim.meta.reference();
    match work {
        Work::Begin => {
            let condition = json!({"type": "Resizing", "status": "True", "lastTransitionTime": now});
            let begun = marked(claim, IN_PROGRESS, condition);
            run.send(Request::UpdateStatus(object(&begun)))??;
            let message = ecow::eco_format!("External resizer is resizing volume {}", volume.meta.name);
            run.record(about, EventType::Normal, "Resizing", message);
        }
        Work::Finish => {
            if capacity(volume) < requested(claim) {
                let size = requested(claim).to_string();
                let larger = with(volume, "spec", |spec| {
                    spec.insert("capacity".to_owned(), json!({"storage": size}));
                });
                run.send(Request::Update(object(&larger)))??;
            }
            let condition = json!({
                "type": "FileSystemResizePending", "status": "True", "lastTransitionTime": now, "message": WAITING,
            });
            let pending = marked(claim, NODE_PENDING, condition);
            run.send(Request::UpdateStatus(object(&pending)))??;
            let message = "Require file system resize of volume on node";
            run.record(about, EventType::Normal, "FileSystemResizeRequired", message);
        }
    }
    Ok(())
}

impl Controller for ExternalResizer {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::new(RETRY, TokenBucket::unlimited())
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let Object::Untyped(stored) = change.new else { return };
        let id = stored.meta.id;
        if id.kind != Kind::PersistentVolumeClaim || change.resync {
            return;
        }
        if change.kind == ChangeKind::Deleted {
            self.begun.remove(&id);
        } else if to_grow(stored, view).is_some() {
            queue.add(id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(claim) = view.caches.others.get(&key.kind).and_then(|cache| cache.get(key)).cloned() else { return };
        let volume = to_grow(&claim, view).filter(|volume| at(volume, &["spec", "csi"]).is_some()).cloned();
        let Some(volume) = volume else {
            self.begun.remove(&key);
            return;
        };
        if is_at(&claim, NODE_PENDING) {
            return;
        }
        let driver: Name = text(&volume, &["spec", "csi", "driver"]).into();
        if !is_at(&claim, IN_PROGRESS) {
            return self.run((claim, volume), Work::Begin, Script::new(view.now), view, plan);
        }
        let done = *self.begun.entry(key).or_insert(view.now + self.latency);
        if done > view.now {
            return plan.requeue_after(done.since(view.now));
        }
        if let Some(why) = refused_by_cloud(&claim, &driver, "", view) {
            self.begun.insert(key, view.now);
            let message = ecow::eco_format!("resize volume {:?} by resizer {driver:?} failed: {why}", volume.meta.name);
            plan.record(claim.meta.reference(), EventType::Warning, "VolumeResizeFailed", message.clone());
            return plan.fail(message);
        }
        self.run((claim, volume), Work::Finish, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((claim, volume, work, mut script)), Some(reply)) =
            (self.running.remove(&key), outcome.replies.first())
        {
            script.answer(reply.clone(), view.now);
            self.run((claim, volume), work, script, view, plan);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.begun.len(), self.running.len()).hash(&mut hasher);
    }
}
