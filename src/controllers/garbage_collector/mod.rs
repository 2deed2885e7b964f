//! The garbage collector: objects go when their owners are gone, and owners wait for them or let them live, as asked.
//!
//! Follows `pkg/controller/garbagecollector` of Kubernetes 1.34. A change of an object goes into the `graph`, which
//! says what is worth trying; an `attempt` asks the API server about the item and its owners before it acts. Nothing
//! is deleted on the graph's word alone.
//!
//! A work queue's key is an object, so work on an owner that nobody has observed is queued under its first dependent's.
//! Left out: upstream's two queues with workers of their own are one here; discovery (`resyncMonitors`): a custom kind
//! is known once an object of it has been observed, and an owner of another kind is tried again and again.

mod absent;
mod attempt;
mod graph;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use attempt::{Next, Stage};
use graph::{Graph, Identity, Job, Wants};

use crate::api::{EventType, Kind, KindInfo, Name, ObjectId, Reference, Uid};
use crate::client::{Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue};
use crate::event::ChangeKind;

/// `--concurrent-gc-syncs`.
pub const CONCURRENT_GC_SYNCS: Flag = Flag {
    name: "concurrent-gc-syncs",
    default: FlagValue::Int(20),
    doc: "objects that the garbage collector works on at a time",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "garbage-collector-controller",
    doc: "deletes objects whose owners are gone, and carries out foreground and orphaning deletions",
    source: "pkg/controller/garbagecollector",
    watches: Watches::Everything,
    workers: &CONCURRENT_GC_SYNCS,
    flags: &[],
    build: |_| Box::new(GarbageCollector::new()),
};

/// The garbage collector's memory.
#[derive(Clone, Debug)]
pub struct GarbageCollector {
    graph: Graph,
    /// By `apiVersion` and `kind`: the kind, and whether its objects live in namespaces.
    custom_kinds: BTreeMap<(Name, Name), (Kind, bool)>,
    /// What a key in the queue stands for.
    pending: BTreeMap<ObjectId, Vec<(Uid, Job)>>,
    /// What is being done for a key in work.
    running: BTreeMap<ObjectId, Work>,
}

/// The work on a key.
#[derive(Clone, Debug)]
struct Work {
    item: (Uid, Job),
    stage: Stage,
    /// What comes after this item.
    rest: VecDeque<(Uid, Job)>,
}

impl GarbageCollector {
    fn new() -> GarbageCollector {
        GarbageCollector {
            graph: Graph::new(),
            custom_kinds: BTreeMap::new(),
            pending: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Notes what is to be tried, and calls `enqueue` with the keys that stand for it.
    fn want(&mut self, wants: Wants, mut enqueue: impl FnMut(ObjectId)) {
        for (uid, job) in wants {
            let Some(node) = self.graph.get(uid) else { continue };
            let pending = self.pending.entry(node.key).or_default();
            if !pending.contains(&(uid, job)) {
                pending.push((uid, job));
            }
            enqueue(node.key);
        }
    }

    /// Works through what a key stands for until there is something to ask.
    fn work_on(&mut self, key: ObjectId, mut rest: VecDeque<(Uid, Job)>, plan: &mut Plan) {
        while let Some(item) = rest.pop_front() {
            if let (uid, Job::Report(owner)) = item {
                self.report(uid, owner, plan);
                continue;
            }
            let next = self.start(item.0, item.1);
            if let Some(stage) = self.follow(key, item, next, plan) {
                self.running.insert(key, Work { item, stage, rest });
                return;
            }
        }
    }

    /// Does what comes next for an item; the stage, where that is a question.
    fn follow(&mut self, key: ObjectId, item: (Uid, Job), next: Next, plan: &mut Plan) -> Option<Stage> {
        let failure = match next {
            Next::Ask(stage, request) => {
                plan.ask(0, request);
                return Some(stage);
            }
            Next::Batch(stage, requests) => {
                plan.batch(0, requests);
                return Some(stage);
            }
            Next::Done => {
                let node = self.graph.get(item.0).filter(|node| node.is_virtual)?;
                ecow::eco_format!("{} has not been observed yet", node.identity)
            }
            Next::Drop => return None,
            Next::Fail(message) => message,
        };
        let pending = self.pending.entry(key).or_default();
        if !pending.contains(&item) {
            pending.push(item);
        }
        plan.fail(failure);
        None
    }

    fn report(&self, dependent: Uid, owner: Uid, plan: &mut Plan) {
        let Some(node) = self.graph.get(dependent) else { return };
        let Some(reference) = node.owners.iter().find(|reference| reference.uid == owner) else { return };
        let Identity { namespace, name, .. } = &node.identity;
        let named = Identity::referred(reference, namespace.clone());
        let about = Reference { kind: node.key.kind, namespace: namespace.clone(), name: name.clone(), uid: dependent };
        let message = ecow::eco_format!("ownerRef {named} does not exist in namespace {namespace:?}");
        plan.record(about, EventType::Warning, "OwnerRefInvalidNamespace", message);
    }
}

impl Controller for GarbageCollector {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn discover(&mut self, custom: &[(Kind, Arc<KindInfo>)]) {
        for (kind, info) in custom {
            let name = (Name::from(info.api_version()), Name::from(info.kind.as_ref()));
            self.custom_kinds.insert(name, (*kind, info.namespaced));
        }
    }

    fn observe(&mut self, change: Observed, _view: &View, queue: &mut WorkQueue) {
        if Graph::ignores(change.new.kind()) || change.resync {
            return;
        }
        let mut wants = Wants::new();
        match change.kind {
            ChangeKind::Added | ChangeKind::Modified => self.graph.put(change.old, change.new, &mut wants),
            ChangeKind::Deleted => self.graph.delete(change.new, &mut wants),
        }
        self.want(wants, |key| queue.add(key, change.cause));
    }

    fn reconcile(&mut self, key: ObjectId, _view: &View, plan: &mut Plan) {
        let items = self.pending.remove(&key).unwrap_or_default();
        self.work_on(key, items.into(), plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, _view: &View, plan: &mut Plan) {
        let Some(Work { item, stage, rest }) = self.running.remove(&key) else { return };
        let mut wants = Wants::new();
        let next = self.answered(stage, outcome.replies, &mut wants);
        self.want(wants, |key| plan.enqueue(key));
        match self.follow(key, item, next, plan) {
            Some(stage) => {
                self.running.insert(key, Work { item, stage, rest });
            }
            None => self.work_on(key, rest, plan),
        }
    }

    /// Each deletion takes two requests, so upstream doubles the rate.
    fn client_factors(&self) -> (f64, u64) {
        (2.0, 1)
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    /// The observed part of the graph repeats the caches. Absent owners are told from others by uid alone, so they are
    /// left out: what they can change is whether an owner that does not exist is asked for once more.
    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        let mut unseen: Vec<_> =
            self.graph.virtual_nodes().map(|node| (&node.identity.kind, &node.identity.name)).collect();
        unseen.sort_unstable();
        unseen.hash(&mut hasher);
        for (key, items) in &self.pending {
            (key, items.len()).hash(&mut hasher);
        }
        for (key, work) in &self.running {
            (key, work.rest.len(), std::mem::discriminant(&work.stage)).hash(&mut hasher);
        }
    }
}
