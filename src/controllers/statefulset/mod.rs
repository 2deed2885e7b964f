//! The StatefulSet controller: pods with a name, an ordinal and claims of their own, made, replaced and removed in order.
//! Upstream: `pkg/controller/statefulset`.
//!
//! As upstream it keeps no expectations: a pod is known by its name, so that a stale cache cannot make it create two of
//! one ordinal. Known behaviour that is upstream's as well: a set that rolls out a template whose pods never become ready
//! stays stuck after the template is mended, until somebody deletes the pod; a Parallel set is created and scaled all at
//! once and still updated pod by pod.
//!
//! Left out: metrics. Differences: a pod that has lost its labels or volumes is put right once a sync, without upstream's
//! retries on conflict within one; a conflict on the status is retried at once with what the cache shows, and after the
//! queue's back-off where it shows nothing newer (upstream waits 10 ms, five times); in a Parallel set the requests of
//! one round go out one after the other, claims before pods before the owners of claims.

mod claims;
mod identity;
mod replicas;
mod set;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

use super::history::Histories;
use super::pod_util::selects;
use super::script::{Run, Script, Stop};
use crate::api::{Kind, Labels, Meta, Object, ObjectId, OwnerReference, Pod};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind};
use crate::kernel::Span;
use set::StatefulSet;
use sync::{Flow, Snapshot};

/// `--concurrent-statefulset-syncs`.
pub const CONCURRENT_STATEFULSET_SYNCS: Flag = Flag {
    name: "concurrent-statefulset-syncs",
    default: FlagValue::Int(5),
    doc: "StatefulSets that are synced at the same time",
};
/// The feature gate of `spec.updateStrategy.rollingUpdate.maxUnavailable`, alpha in 1.34.
pub const MAX_UNAVAILABLE: Flag = Flag {
    name: "MaxUnavailableStatefulSet",
    default: FlagValue::Bool(false),
    doc: "StatefulSets update as many pods at a time as their maxUnavailable says",
};

/// The line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "statefulset-controller",
    doc: "keeps the ordered pods of StatefulSets and their claims: creates, scales, updates, adopts; leaves out metrics",
    source: "pkg/controller/statefulset",
    watches: Watches::Kinds(&[Kind::StatefulSet, Kind::Pod, Kind::PersistentVolumeClaim, Kind::ControllerRevision]),
    workers: &CONCURRENT_STATEFULSET_SYNCS,
    flags: &[&MAX_UNAVAILABLE],
    build,
};

fn build(flags: &Flags) -> Box<dyn Controller> {
    Box::new(StatefulSetController {
        max_unavailable: flags.bool(&MAX_UNAVAILABLE),
        sets: BTreeMap::new(),
        histories: Histories::default(),
        syncs: BTreeMap::new(),
    })
}

/// The controller and its memory.
#[derive(Clone, Debug)]
struct StatefulSetController {
    max_unavailable: bool,
    /// The sets in the cache, parsed.
    sets: BTreeMap<u32, Arc<StatefulSet>>,
    histories: Histories,
    /// Syncs that wait for an answer.
    syncs: BTreeMap<ObjectId, (Snapshot, Script)>,
}

impl Controller for StatefulSetController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if change.new.get::<Pod>().is_some() {
            if !change.resync {
                self.pod_observed(change, view, queue);
            }
        } else if set::is_set(change.new) {
            self.set_observed(change);
            queue.add(change.new.meta().id, change.cause);
        } else if change.new.kind() == Kind::ControllerRevision {
            self.histories.observed(&change);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        if let Some(set) = self.sets.get(&key.slot) {
            let snapshot = Snapshot::new(set.clone(), &self.histories, view.caches);
            self.run(key, snapshot, Script::new(view.now), view, plan);
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let (snapshot, mut script) = self.syncs.remove(&key).expect("an answer belongs to a sync under way");
        if script.take(&outcome, view.now) {
            self.run(key, snapshot, script, view, plan);
        } else {
            self.syncs.insert(key, (snapshot, script));
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn Hasher) {
        for key in self.syncs.keys() {
            hasher.write_u32(key.slot);
        }
    }
}

impl StatefulSetController {
    /// Runs a sync up to the next question or its end.
    fn run(&mut self, key: ObjectId, snapshot: Snapshot, mut script: Script, view: &View, plan: &mut Plan) {
        let result = Flow {
            snapshot: &snapshot,
            run: Run::new(&mut script, view.clock, plan),
            caches: view.caches,
            max_unavailable: self.max_unavailable,
        }
        .sync();
        match result {
            Err(Stop::Asked) => {
                self.syncs.insert(key, (snapshot, script));
            }
            Err(Stop::Failed(message)) => plan.fail(message),
            Ok(()) | Err(Stop::NamespaceTerminating) => {}
        }
    }

    fn set_observed(&mut self, change: Observed) {
        let slot = change.new.meta().id.slot;
        if change.resync {
            return;
        }
        let before = self.sets.remove(&slot);
        if change.kind != ChangeKind::Deleted
            && let Some(set) = StatefulSet::of(change.new, before.as_deref())
        {
            self.sets.insert(slot, Arc::new(set));
        }
    }

    /// Upstream: `addPod`, `updatePod`, `deletePod`.
    fn pod_observed(&self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let (old, pod) = (change.old.filter(|_| change.kind == ChangeKind::Modified), change.new);
        let (before, after) = (old.and_then(|old| old.meta().controller()), pod.meta().controller());
        if before != after
            && let Some(set) = before.and_then(|owner| self.resolve(pod.meta(), owner, view))
        {
            queue.add(set.meta().id, change.cause);
        }
        if let Some(owner) = after {
            let Some(set) = self.resolve(pod.meta(), owner, view) else { return };
            queue.add(set.meta().id, change.cause);
            let is_ready = |object: &Object| object.get::<Pod>().is_some_and(|pod| pod.body.is_ready());
            let min_ready_seconds = set.spec.min_ready_seconds;
            if min_ready_seconds > 0 && old.is_some_and(|old| !is_ready(old)) && is_ready(pod) {
                let after = Span::from_secs(min_ready_seconds as u64 + 1);
                queue.add_after(set.meta().id, after, change.cause);
            }
            return;
        }
        let adoptable = match change.kind {
            ChangeKind::Added => !pod.meta().is_terminating(),
            ChangeKind::Modified => before != after || old.is_some_and(|old| old.meta().labels != pod.meta().labels),
            ChangeKind::Deleted => false,
        };
        if adoptable {
            self.ask_all_that_select(pod.meta(), &pod.meta().labels, change.cause, view, queue);
        }
    }

    /// The set that a reference means, if it is one and still the same life. Upstream: `resolveControllerRef`.
    fn resolve(&self, of: &Meta, reference: &OwnerReference, view: &View) -> Option<&Arc<StatefulSet>> {
        if reference.kind != "StatefulSet" {
            return None;
        }
        let meta = view.caches.meta_by_name(Kind::StatefulSet, &of.namespace, &reference.name)?;
        let set = self.sets.get(&meta.id.slot)?;
        (set.meta().uid == reference.uid).then_some(set)
    }

    /// Asks for a sync of every set that could adopt an orphan. Upstream: `getStatefulSetsForPod`.
    fn ask_all_that_select(&self, of: &Meta, labels: &Labels, cause: Cause, view: &View, queue: &mut WorkQueue) {
        let Some(cache) = view.caches.others.get(&Kind::StatefulSet).filter(|_| !labels.is_empty()) else { return };
        for object in cache.in_namespace(&of.namespace) {
            let Some(set) = self.sets.get(&object.meta.id.slot) else { continue };
            let selector = &set.spec.selector;
            if !selector.parsed.is_everything() && selects(selector, labels) {
                queue.add(object.meta.id, cause);
            }
        }
    }
}
