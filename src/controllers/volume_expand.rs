//! The expander: says of claims that ask for more that somebody else makes their volumes larger.
//! Upstream: `pkg/controller/volume/expand`.
//!
//! Left out: plugins that are compiled in, which it would make larger itself.

use super::persistent_volume::objects::{Stored, at, capacity, requested, text};
use crate::api::{EventType, Kind, Object, ObjectId, Quantity};
use crate::client::{Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue};
use crate::event::ChangeKind;

/// How many claims are worked on at a time. Upstream: `defaultWorkerCount`.
pub const VOLUME_EXPAND_WORKERS: Flag = Flag {
    name: "volume-expand-workers",
    default: FlagValue::Int(10),
    doc: "claims that ask for more and are worked on at a time; 10 upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "persistentvolume-expander-controller",
    doc: "tells claims that ask for more that an external resizer has to come; leaves out plugins that are compiled in",
    source: "pkg/controller/volume/expand",
    watches: Watches::Kinds(&[Kind::PersistentVolumeClaim, Kind::PersistentVolume]),
    workers: &VOLUME_EXPAND_WORKERS,
    flags: &[],
    build: |_| Box::new(VolumeExpand),
};

#[derive(Clone, Debug)]
struct VolumeExpand;

/// What a claim's status says that it has.
pub(super) fn given(claim: &Stored) -> Quantity {
    text(claim, &["status", "capacity", "storage"]).parse().unwrap_or_else(|_| Quantity::zero())
}

/// The volume of a claim that is bound and asks for more than it has.
pub(super) fn to_grow<'a>(claim: &Stored, view: &'a View) -> Option<&'a Stored> {
    let is_asking = text(claim, &["status", "phase"]) == "Bound" && requested(claim) > given(claim);
    let volumes = view.caches.others.get(&Kind::PersistentVolume)?;
    volumes.by_name("", text(claim, &["spec", "volumeName"])).filter(|_| is_asking)
}

impl Controller for VolumeExpand {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, _view: &View, queue: &mut WorkQueue) {
        let (Object::Untyped(new), Some(Object::Untyped(old))) = (change.new, change.old) else { return };
        let is_claim = new.meta.id.kind == Kind::PersistentVolumeClaim && change.kind == ChangeKind::Modified;
        if is_claim && !change.resync && requested(new) > requested(old) {
            queue.add(new.meta.id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(claim) = view.caches.others.get(&key.kind).and_then(|cache| cache.get(key)) else { return };
        let is_driver_s = |volume: &&Stored| at(volume, &["spec", "csi"]).is_some();
        if to_grow(claim, view).filter(is_driver_s).is_some_and(|volume| capacity(volume) < requested(claim)) {
            let message = "waiting for an external controller to expand this PVC";
            plan.record(claim.meta.reference(), EventType::Normal, "ExternalExpanding", message);
        }
    }

    fn resume(&mut self, _key: ObjectId, _outcome: Outcome, _view: &View, _plan: &mut Plan) {}

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, _hasher: &mut dyn std::hash::Hasher) {}
}
