//! The DaemonSet controller: one pod on each node that its template fits.
//! Upstream: `pkg/controller/daemon`.
//!
//! What each set wants of each node is kept and judged anew only where the node's labels or taints or the set's spec have
//! changed; a sync of one set looks at the verdicts of all nodes, as upstream looks at all nodes.
//!
//! Left out: metrics. Differences: nodes and pods are read as upstream reads them at three places of a sync (for the
//! pods that are missing, for the update, for the status), but adoptions are done once; nodes go by name where upstream
//! goes through a map in random order; a change of a node is judged at once and not through a queue of its own;
//! deletions are expected by uid and not by number.

mod backoff;
mod fit;
mod history;
mod nodes;
mod set;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;

use super::history::{Histories, REVISION_HASH};
use super::pod_util::selects;
use super::script::{Run, Script, Stop};
use crate::api::{Kind, Meta, Name, Node, Obj, Object, ObjectId, OwnerReference, Pod, Uid};
use crate::client::{
    Caches, Controller, ControllerEntry, Expectations, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan,
    TokenBucket, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind};
use crate::kernel::Span;
use backoff::FailedPods;
use fit::Wanted;
use set::DaemonSet;
use sync::{Flow, Memory, Work};

/// `--concurrent-daemonset-syncs`.
pub const CONCURRENT_DAEMONSET_SYNCS: Flag = Flag {
    name: "concurrent-daemonset-syncs",
    default: FlagValue::Int(2),
    doc: "DaemonSets that are synced at the same time",
};

/// The line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "daemonset-controller",
    doc: "keeps one pod of each DaemonSet on every node that fits, updates with surge or without; leaves out metrics",
    source: "pkg/controller/daemon",
    watches: Watches::Kinds(&[Kind::DaemonSet, Kind::Pod, Kind::Node, Kind::ControllerRevision]),
    workers: &CONCURRENT_DAEMONSET_SYNCS,
    flags: &[],
    build,
};

fn build(_: &Flags) -> Box<dyn Controller> {
    Box::new(DaemonSetController {
        known: BTreeMap::new(),
        memory: Memory { expectations: Expectations::default(), failed: FailedPods::default() },
        histories: Histories::default(),
        syncs: BTreeMap::new(),
    })
}

/// The controller and its memory.
#[derive(Clone, Debug)]
struct DaemonSetController {
    /// The sets in the cache, parsed.
    known: BTreeMap<u32, Known>,
    memory: Memory,
    histories: Histories,
    /// Syncs that wait for an answer.
    syncs: BTreeMap<ObjectId, (Work, Script)>,
}

/// A set in the cache.
#[derive(Clone, Debug)]
struct Known {
    set: Arc<DaemonSet>,
    /// What it wants of each node.
    wanted: BTreeMap<Name, Wanted>,
}

impl Controller for DaemonSetController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if let Some(pod) = change.new.get::<Pod>() {
            if !change.resync {
                self.pod_observed(change, pod, view, queue);
            }
        } else if let Some(node) = change.new.get::<Node>() {
            if !change.resync {
                self.node_observed(change, node, view, queue);
            }
        } else if set::is_set(change.new) {
            self.set_observed(change, view.caches);
            queue.add(change.new.meta().id, change.cause);
        } else if change.new.kind() == Kind::ControllerRevision && !change.resync {
            self.histories.observed(&change);
            self.revision_observed(change, view, queue);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        match self.known.get(&key.slot) {
            Some(known) => {
                let work = Work::new(known.set.clone(), &self.histories, view.caches);
                self.run(key, work, Script::new(view.now), view, plan);
            }
            None => self.memory.expectations.forget(key),
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let (work, mut script) = self.syncs.remove(&key).expect("an answer belongs to a sync under way");
        if script.take(&outcome, view.now) {
            self.run(key, work, script, view, plan);
        } else {
            self.syncs.insert(key, (work, script));
        }
    }

    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::new(ItemBackoff::CONTROLLER_DEFAULT, TokenBucket::new(10.0, 100))
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn Hasher) {
        for (key, creations, deletions) in self.memory.expectations.unfulfilled() {
            hasher.write_u32(key.slot);
            hasher.write_i64(creations);
            hasher.write_usize(deletions);
        }
        for key in self.syncs.keys() {
            hasher.write_u32(key.slot);
        }
        hasher.write_usize(self.memory.failed.len());
    }
}

impl DaemonSetController {
    /// Runs a sync up to the next question or its end.
    fn run(&mut self, key: ObjectId, mut work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let Some(known) = self.known.get(&key.slot) else { return };
        let result = Flow {
            work: &mut work,
            run: Run::new(&mut script, view.clock, plan),
            caches: view.caches,
            wanted: &known.wanted,
            memory: &mut self.memory,
        }
        .sync();
        match result {
            Err(Stop::Asked) => {
                self.syncs.insert(key, (work, script));
            }
            Err(Stop::Failed(message)) => plan.fail(message),
            Ok(()) | Err(Stop::NamespaceTerminating) => {}
        }
    }

    fn set_observed(&mut self, change: Observed, caches: &Caches) {
        let id = change.new.meta().id;
        if change.resync {
            return;
        }
        let before = self.known.remove(&id.slot);
        let another_life = change.old.is_some_and(|old| old.meta().uid != change.new.meta().uid);
        if change.kind == ChangeKind::Deleted || another_life {
            self.memory.expectations.forget(id);
        }
        if change.kind == ChangeKind::Deleted {
            return;
        }
        let former = before.as_ref().map(|known| known.set.clone());
        let Some(set) = DaemonSet::of(change.new, former.as_deref()) else { return };
        let wanted = match before.filter(|known| Arc::ptr_eq(&known.set.spec, &set.spec)) {
            Some(known) => known.wanted,
            None => {
                let verdict = |node: &Arc<Obj<Node>>| (node.meta.name.clone(), set.spec.fit.wanted(node));
                caches.nodes.iter().map(verdict).collect()
            }
        };
        self.known.insert(id.slot, Known { set: Arc::new(set), wanted });
    }

    /// Upstream: `addNode`, `updateNode`, `syncNodeUpdate`. The deletion of a node wakes nobody.
    fn node_observed(&mut self, change: Observed, node: &Obj<Node>, view: &View, queue: &mut WorkQueue) {
        if change.kind == ChangeKind::Deleted {
            for known in self.known.values_mut() {
                known.wanted.remove(&node.meta.name);
            }
            return;
        }
        let old = change.old.and_then(|old| old.get::<Node>()).filter(|_| change.kind == ChangeKind::Modified);
        let same = |old: &Arc<Obj<Node>>| {
            let labels = old.meta.labels.same_storage(&node.meta.labels) || old.meta.labels == node.meta.labels;
            labels && (Arc::ptr_eq(&old.body.spec, &node.body.spec) || old.body.taints() == node.body.taints())
        };
        if self.known.is_empty() || old.is_some_and(same) {
            return;
        }
        let owner = |pod: &Arc<Obj<Pod>>| pod.meta.controller().map(|owner| owner.uid);
        let owners: BTreeSet<Uid> = view.caches.pods_on(&node.meta.name).filter_map(owner).collect();
        for known in self.known.values_mut() {
            let wanted = known.set.spec.fit.wanted(node);
            known.wanted.insert(node.meta.name.clone(), wanted);
            let is_there = owners.contains(&known.set.meta().uid);
            let counts_again = is_there && known.set.status.misscheduled > 0;
            if (wanted.run && !is_there) || (!wanted.stay && is_there) || counts_again {
                queue.add(known.set.meta().id, change.cause);
            }
        }
    }

    /// Upstream: `addPod`, `updatePod`, `deletePod`.
    fn pod_observed(&mut self, change: Observed, pod: &Arc<Obj<Pod>>, view: &View, queue: &mut WorkQueue) {
        let old = change.old.and_then(|old| old.get::<Pod>()).filter(|_| change.kind == ChangeKind::Modified);
        let after = pod.meta.controller();
        if change.kind == ChangeKind::Deleted || pod.meta.is_terminating() {
            if let Some(set) = after.and_then(|owner| self.resolve(&pod.meta, owner, view)) {
                let id = set.meta().id;
                self.memory.expectations.deletion_observed(id, pod.meta.uid);
                queue.add(id, change.cause);
            }
            return;
        }
        let before = old.and_then(|old| old.meta.controller());
        if old.is_some()
            && before != after
            && let Some(set) = before.and_then(|owner| self.resolve(&pod.meta, owner, view))
        {
            queue.add(set.meta().id, change.cause);
        }
        let Some(owner) = after else {
            if old.is_none_or(|old| before != after || old.meta.labels != pod.meta.labels) {
                self.ask_all_that_select(&pod.meta, change.cause, view, queue);
            }
            return;
        };
        let Some(set) = self.resolve(&pod.meta, owner, view).cloned() else { return };
        let (id, min_ready_seconds) = (set.meta().id, set.spec.min_ready_seconds);
        if old.is_none() {
            self.memory.expectations.creation_observed(id);
        }
        queue.add(id, change.cause);
        if min_ready_seconds > 0 && old.is_some_and(|old| !old.body.is_ready()) && pod.body.is_ready() {
            queue.add_after(id, Span::from_secs(min_ready_seconds as u64 + 1), change.cause);
        }
    }

    /// Upstream: `addHistory`, `updateHistory`, `deleteHistory`.
    fn revision_observed(&self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let meta = change.new.meta();
        let old = change.old.map(Object::meta).filter(|_| change.kind == ChangeKind::Modified);
        let (before, after) = (old.and_then(Meta::controller), meta.controller());
        let mut wake = |owner: &OwnerReference| {
            if let Some(set) = self.resolve(meta, owner, view) {
                queue.add(set.meta().id, change.cause);
            }
        };
        if let Some(owner) = before.filter(|_| before != after) {
            wake(owner);
        }
        match (change.kind, after) {
            (ChangeKind::Modified | ChangeKind::Deleted, Some(owner)) => wake(owner),
            (ChangeKind::Added, Some(_)) | (ChangeKind::Deleted, None) => {}
            (ChangeKind::Added | ChangeKind::Modified, None) => {
                if old.is_none_or(|old| before != after || old.labels != meta.labels) {
                    self.ask_all_that_select(meta, change.cause, view, queue);
                }
            }
        }
    }

    /// The set that a reference means, if it is one and still the same life. Upstream: `resolveControllerRef`.
    fn resolve(&self, of: &Meta, reference: &OwnerReference, view: &View) -> Option<&Arc<DaemonSet>> {
        if reference.kind != "DaemonSet" {
            return None;
        }
        let meta = view.caches.meta_by_name(Kind::DaemonSet, &of.namespace, &reference.name)?;
        let set = &self.known.get(&meta.id.slot)?.set;
        (set.meta().uid == reference.uid).then_some(set)
    }

    /// Asks for a sync of every set that could adopt an orphan. Upstream: `getDaemonSetsForPod`.
    fn ask_all_that_select(&self, orphan: &Meta, cause: Cause, view: &View, queue: &mut WorkQueue) {
        let cache = view.caches.others.get(&Kind::DaemonSet).filter(|_| !orphan.labels.is_empty());
        let Some(cache) = cache else { return };
        for object in cache.in_namespace(&orphan.namespace) {
            let Some(known) = self.known.get(&object.meta.id.slot) else { continue };
            let selector = &known.set.spec.selector;
            if !selector.parsed.is_everything() && selects(selector, &orphan.labels) {
                queue.add(object.meta.id, cause);
            }
        }
    }
}
