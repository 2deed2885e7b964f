//! The pod garbage collector: pods whose node is gone, that were never scheduled and are to go, that hang on a node out of
//! service, and the oldest of too many that have ended.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/podgc`). Every 20 s it looks whether there are such pods; here only while
//! there can be. Where upstream deletes many pods at once, they go one after the other.

mod collect;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use collect::{Heap, collect};

use super::script::{Run, Script, Stop};
use crate::api::{Kind, Name, Node, Obj, ObjectId, Pod};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind};
use crate::kernel::{Span, Time};

/// `--terminated-pod-gc-threshold`.
pub const TERMINATED_POD_GC_THRESHOLD: Flag = Flag {
    name: "terminated-pod-gc-threshold",
    default: FlagValue::Int(12_500),
    doc: "how many pods that have ended may stay; 0 or less: all",
};
/// How many passes are under way at a time. Upstream: one loop.
pub const POD_GC_WORKERS: Flag = Flag {
    name: "pod-gc-workers",
    default: FlagValue::Int(1),
    doc: "passes of the pod garbage collector that are under way at a time; a single loop upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "pod-garbage-collector-controller",
    doc: "deletes pods of nodes that are gone or out of service, unscheduled ones that are to go, and old ended ones",
    source: "pkg/controller/podgc",
    watches: Watches::Kinds(&[Kind::Node, Kind::Pod]),
    workers: &POD_GC_WORKERS,
    flags: &[&TERMINATED_POD_GC_THRESHOLD],
    build: |flags| Box::new(PodGarbageCollector::new(flags)),
};

/// Upstream: `gcCheckPeriod`.
const PERIOD: Span = Span::from_secs(20);
/// How long a node must have been missing. Upstream: `quarantineTime`.
const QUARANTINE: Span = Span::from_secs(40);
/// The one key.
const PASS: ObjectId = ObjectId { kind: Kind::Pod, slot: u32::MAX - 1 };

/// The pod garbage collector's memory.
#[derive(Clone, Debug)]
pub struct PodGarbageCollector {
    threshold: i64,
    /// The next time to look; before the start, none.
    next: Option<Time>,
    /// Pods that have ended, by number.
    terminated: BTreeSet<u32>,
    /// Pods that are to go and have a node.
    terminating: BTreeSet<u32>,
    /// Pods that are to go and have none.
    unscheduled: BTreeSet<u32>,
    /// Pods whose node is not there.
    orphans: BTreeSet<u32>,
    /// Nodes that are not ready and out of service.
    out_of_service: BTreeSet<u32>,
    /// Pods whose deletion was tried already.
    tried: BTreeSet<u32>,
    /// Nodes that are missing, and when that is certain.
    quarantine: BTreeMap<Name, Time>,
    running: Option<(Heap, Script)>,
}

impl PodGarbageCollector {
    fn new(flags: &Flags) -> PodGarbageCollector {
        PodGarbageCollector {
            threshold: flags.int(&TERMINATED_POD_GC_THRESHOLD),
            next: None,
            terminated: BTreeSet::new(),
            terminating: BTreeSet::new(),
            unscheduled: BTreeSet::new(),
            orphans: BTreeSet::new(),
            out_of_service: BTreeSet::new(),
            tried: BTreeSet::new(),
            quarantine: BTreeMap::new(),
            running: None,
        }
    }

    fn pod_changed(&mut self, old: Option<&Obj<Pod>>, pod: &Obj<Pod>, is_gone: bool, view: &View) {
        let slot = pod.meta.id.slot;
        if is_gone {
            let sets = [&mut self.terminated, &mut self.terminating, &mut self.unscheduled, &mut self.orphans];
            for set in sets.into_iter().chain([&mut self.tried]) {
                set.remove(&slot);
            }
            return;
        }
        if pod.body.status.phase.is_finished() {
            self.terminated.insert(slot);
        }
        let bound = !pod.body.node_name.is_empty();
        if pod.meta.is_terminating() {
            if bound {
                self.terminating.insert(slot)
            } else {
                self.unscheduled.insert(slot)
            };
        }
        let is_new = old.is_none_or(|old| old.body.node_name != pod.body.node_name);
        if bound && is_new {
            self.unscheduled.remove(&slot);
            if view.caches.nodes.by_name("", &pod.body.node_name).is_none() {
                self.orphans.insert(slot);
            }
        }
    }

    fn node_changed(&mut self, node: &Obj<Node>, is_gone: bool, view: &View) {
        let pods = view.caches.pod_nodes.on(&node.meta.name);
        if is_gone {
            self.orphans.extend(pods);
        } else if !self.orphans.is_empty() {
            for pod in pods {
                self.orphans.remove(&pod);
            }
        }
        let tainted = node.body.taints().iter().any(|taint| taint.key == "node.kubernetes.io/out-of-service");
        if tainted && !node.body.is_ready() && !is_gone {
            self.out_of_service.insert(node.meta.id.slot);
        } else {
            self.out_of_service.remove(&node.meta.id.slot);
        }
    }

    fn too_many(&self) -> usize {
        let over = self.terminated.len() as i64 - self.threshold;
        if self.threshold > 0 { usize::try_from(over).unwrap_or(0) } else { 0 }
    }

    /// The pods that may be deleted, but for those that have ended.
    fn candidates(&self) -> impl Iterator<Item = &u32> {
        let hanging = if self.out_of_service.is_empty() { None } else { Some(&self.terminating) };
        self.orphans.iter().chain(&self.unscheduled).chain(hanging.into_iter().flatten())
    }

    /// What a pass has before it.
    fn heap(&mut self, view: &View) -> Heap {
        let pod = |slot: &u32| view.caches.pods.by_slot(*slot).cloned();
        let mut terminated: Vec<Arc<Obj<Pod>>> = Vec::new();
        if self.too_many() > 0 {
            terminated = self.terminated.iter().filter_map(pod).collect();
            collect::sort(&mut terminated);
            terminated.truncate(self.too_many());
        }
        let hangs = |pod: &Arc<Obj<Pod>>| {
            let node = view.caches.nodes.by_name("", &pod.body.node_name);
            node.is_some_and(|node| self.out_of_service.contains(&node.meta.id.slot))
        };
        let mut terminating: Vec<Arc<Obj<Pod>>> = Vec::new();
        if !self.out_of_service.is_empty() {
            terminating = self.terminating.iter().filter_map(pod).filter(hangs).collect();
            collect::sort(&mut terminating);
        }
        let orphans: Vec<Arc<Obj<Pod>>> = self.orphans.iter().filter_map(pod).collect();
        for orphan in &orphans {
            self.quarantine.entry(orphan.body.node_name.clone()).or_insert(view.now + QUARANTINE);
        }
        let is_over = |until: &Time| *until <= view.now;
        let missing: Vec<Name> =
            self.quarantine.iter().filter(|(_, until)| is_over(until)).map(|(name, _)| name.clone()).collect();
        self.quarantine.retain(|_, until| !is_over(until));
        let missing = missing.into_iter().filter(|name| view.caches.nodes.by_name("", name).is_none()).collect();
        let unscheduled = self.unscheduled.iter().filter_map(pod).collect();
        Heap { terminated, terminating, missing, orphans, unscheduled }
    }

    fn run(&mut self, heap: Heap, mut script: Script, view: &View, plan: &mut Plan) {
        match collect(&mut Run::new(&mut script, view.clock, plan), &heap) {
            Err(Stop::Asked) => self.running = Some((heap, script)),
            Err(Stop::Failed(_) | Stop::NamespaceTerminating) | Ok(()) => {
                let orphans = heap.orphans.iter().filter(|pod| heap.missing.contains(&pod.body.node_name));
                let tried = heap.terminating.iter().chain(orphans).chain(&heap.unscheduled);
                self.tried.extend(tried.map(|pod| pod.meta.id.slot));
                self.next = Some(view.now + PERIOD);
            }
        }
    }
}

impl Controller for PodGarbageCollector {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, _queue: &mut WorkQueue) {
        let is_gone = change.kind == ChangeKind::Deleted;
        if let Some(pod) = change.new.get::<Pod>() {
            let old = change.old.and_then(|old| old.get::<Pod>()).map(AsRef::as_ref);
            self.pod_changed(old, pod, is_gone, view);
        } else if let Some(node) = change.new.get::<Node>() {
            self.node_changed(node, is_gone, view);
        }
    }

    fn reconcile(&mut self, _key: ObjectId, view: &View, plan: &mut Plan) {
        let heap = self.heap(view);
        self.run(heap, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, _key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((heap, mut script)), Some(reply)) = (self.running.take(), outcome.replies.first()) {
            script.answer(reply.clone(), view.now);
            self.run(heap, script, view, plan);
        }
    }

    fn next_tick(&mut self, view: &View) -> Option<Tick> {
        if self.running.is_some() {
            return None;
        }
        // Passes that would have found nothing have not been made: the grid goes on.
        let next = *self.next.get_or_insert(view.now);
        let many = self.too_many() > 0;
        if !many && self.candidates().next().is_none() {
            return None;
        }
        let background = !many && self.candidates().all(|pod| self.tried.contains(pod));
        let missed = view.now.since(next).as_nanos().div_ceil(PERIOD.as_nanos());
        let at = next + PERIOD * missed;
        self.next = Some(at);
        Some(Tick { at, background })
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        self.next = Some(view.now + PERIOD);
        queue.add(PASS, Cause::START);
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.terminated.len(), self.terminating.len(), self.unscheduled.len(), self.orphans.len()).hash(&mut hasher);
        (self.tried.len(), self.running.is_some()).hash(&mut hasher);
        self.quarantine.keys().for_each(|name| name.hash(&mut hasher));
    }
}
