//! The taint eviction controller: pods leave nodes with taints NoExecute that they do not tolerate, or not any longer.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/tainteviction`). Left out: the waits of 10 ms between the five tries of a
//! deletion, and tries after the pod was not found. As upstream, a pod that is to leave at some time keeps that time when
//! its node gets more taints that it tolerates, and Events are about the pod's name, not its uid.

#[cfg(test)]
mod tests;
pub(super) mod tolerance;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::script::{Run, Script, Stop};
use crate::api::{ConditionStatus, EventType, Kind, Name, Node, Obj, ObjectId, Pod, PodConditionType, ReasonText};
use crate::api::{Reference, Uid};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind, DeleteOptions, ErrorReason, Request, Target};
use crate::kernel::{Span, Time};

/// How many deletions are under way at a time. Upstream: one goroutine each.
pub const TAINT_EVICTION_WORKERS: Flag = Flag {
    name: "taint-eviction-workers",
    default: FlagValue::Int(1_000_000),
    doc: "pods that are deleted at a time; without a limit upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "taint-eviction-controller",
    doc: "deletes pods from nodes with taints NoExecute, at once or when their toleration ends",
    source: "pkg/controller/tainteviction",
    watches: Watches::Kinds(&[Kind::Node, Kind::Pod]),
    workers: &TAINT_EVICTION_WORKERS,
    flags: &[],
    build: |_: &Flags| Box::new(TaintEvictionController::default()),
};

/// How often a deletion is tried. Upstream: `retries`.
const TRIES: usize = 5;

/// The taint eviction controller's memory.
#[derive(Clone, Debug, Default)]
pub struct TaintEvictionController {
    /// The taints NoExecute of nodes that have some, by number.
    tainted: BTreeMap<u32, Vec<v1::Taint>>,
    /// The pods that are to go, by number. Upstream: `TimedWorkerQueue`.
    workers: BTreeMap<u32, Worker>,
    /// Those that wait for their time.
    times: BTreeSet<(Time, u32)>,
    running: BTreeMap<ObjectId, (Reference, Script)>,
}

/// A pod that is to go.
#[derive(Clone, Debug)]
struct Worker {
    about: Reference,
    fires_at: Time,
    /// When that was decided.
    created_at: Time,
    /// Whether the deletion is under way.
    fires: bool,
}

impl TaintEvictionController {
    /// Calls a deletion off, and says so. Upstream: `cancelWorkWithEvent`.
    fn cancel(&mut self, pod: u32, plan: &mut Plan) {
        let Some(worker) = self.workers.get(&pod).filter(|worker| !worker.fires) else { return };
        self.times.remove(&(worker.fires_at, pod));
        let message = ecow::eco_format!("Cancelling deletion of Pod {}/{}", worker.about.namespace, worker.about.name);
        plan.record(worker.about.clone(), EventType::Normal, "TaintManagerEviction", message);
        self.workers.remove(&pod);
    }

    /// Has a pod go at some time. Upstream: `AddWork`.
    fn add(&mut self, pod: &Obj<Pod>, created_at: Time, fires_at: Time) {
        let slot = pod.meta.id.slot;
        if self.workers.contains_key(&slot) {
            return;
        }
        let about = Reference { uid: Uid::default(), ..pod.meta.reference() };
        self.workers.insert(slot, Worker { about, fires_at, created_at, fires: false });
        self.times.insert((fires_at, slot));
    }

    /// Decides about a pod on a node with taints. Upstream: `processPodOnNode`.
    fn decide(&mut self, pod: &Obj<Pod>, taints: &[v1::Taint], now: Time, plan: &mut Plan) {
        let slot = pod.meta.id.slot;
        let tolerations = pod.body.spec.full.tolerations.as_deref().unwrap_or_default();
        let Some(stay) = tolerance::stay(taints, tolerations) else {
            self.cancel(slot, plan);
            return self.add(pod, now, now);
        };
        let Some(seconds) = stay else { return self.cancel(slot, plan) };
        let stay = Span::from_secs(seconds);
        let mut created_at = now;
        if let Some(worker) = self.workers.get(&slot).filter(|worker| !worker.fires) {
            created_at = worker.created_at;
            if created_at < now {
                return;
            }
            self.cancel(slot, plan);
        }
        self.add(pod, created_at, now + stay);
    }

    /// Upstream: `handleNodeUpdate`.
    fn node_updated(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(node) = view.caches.nodes.get(key) else { return drop(self.tainted.remove(&key.slot)) };
        let taints = tolerance::no_execute(node);
        let pods: Vec<Arc<Obj<Pod>>> = view.caches.pods_on(&node.meta.name).cloned().collect();
        if taints.is_empty() {
            self.tainted.remove(&key.slot);
            pods.iter().for_each(|pod| self.cancel(pod.meta.id.slot, plan));
            return;
        }
        pods.iter().for_each(|pod| self.decide(pod, &taints, view.now, plan));
        self.tainted.insert(key.slot, taints);
    }

    /// Upstream: `handlePodUpdate`.
    fn pod_updated(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(pod) = view.caches.pods.get(key) else { return self.cancel(key.slot, plan) };
        let node = view.caches.nodes.by_name("", &pod.body.node_name);
        let Some(taints) = node.and_then(|node| self.tainted.get(&node.meta.id.slot)).cloned() else { return };
        self.decide(pod, &taints, view.now, plan);
    }

    fn run(&mut self, key: ObjectId, about: Reference, mut script: Script, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut script, view.clock, plan);
        match delete(&mut run, key, &about) {
            Err(Stop::Asked) => drop(self.running.insert(key, (about, script))),
            // Upstream logs what went wrong with the last try.
            Err(Stop::Failed(_) | Stop::NamespaceTerminating) | Ok(()) => drop(self.workers.remove(&key.slot)),
        }
    }
}

/// Says what is going to happen, and deletes the pod. Upstream: `deletePodHandler`, `addConditionAndDeletePod`.
fn delete(run: &mut Run, key: ObjectId, about: &Reference) -> Result<(), Stop> {
    let message = ecow::eco_format!("Marking for deletion Pod {}/{}", about.namespace, about.name);
    run.record(about.clone(), EventType::Normal, "TaintManagerEviction", message);
    for _ in 0..TRIES {
        let reply = run.send(Request::Get(Target::Id(key)))?;
        let pod = match &reply {
            Ok(answer) => answer.object().and_then(|object| object.get::<Pod>()),
            Err(error) if error.reason == ErrorReason::NotFound => return Ok(()),
            Err(_) => None,
        };
        let Some(pod) = pod else { continue };
        if let Some(marked) = marked(pod, run)
            && run.send(Request::PatchStatus(marked.into_object()))?.is_err()
        {
            continue;
        }
        if run.send(Request::Delete { target: Target::Id(key), options: DeleteOptions::default() })?.is_ok() {
            return Ok(());
        }
    }
    Ok(())
}

/// The pod with the condition that says why it goes, unless it has it.
fn marked(pod: &Obj<Pod>, run: &Run) -> Option<Obj<Pod>> {
    let text = ReasonText {
        reason: "DeletionByTaintManager".into(),
        message: "Taint manager: deleting due to NoExecute taint".into(),
    };
    let mut marked = pod.clone();
    let status = &mut marked.body.status;
    let (kind, is) = (PodConditionType::DisruptionTarget, ConditionStatus::True);
    status.set_condition(kind, is, Some(Arc::new(text)), run.timestamp());
    (marked.body.status != pod.body.status).then_some(marked)
}

impl Controller for TaintEvictionController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let deleted = change.kind == ChangeKind::Deleted;
        if let Some(node) = change.new.get::<Node>() {
            let known = self.tainted.get(&node.meta.id.slot).map_or(&[][..], Vec::as_slice);
            if deleted || known != tolerance::no_execute(node) {
                queue.add(node.meta.id, change.cause);
            }
        } else if let Some(pod) = change.new.get::<Pod>() {
            let same = |old: &Arc<Obj<Pod>>| {
                old.body.node_name == pod.body.node_name
                    && old.body.spec.full.tolerations == pod.body.spec.full.tolerations
            };
            let concerns = self.workers.contains_key(&pod.meta.id.slot)
                || (!self.tainted.is_empty() && is_on_tainted(&self.tainted, &pod.body.node_name, view));
            if concerns && (deleted || !change.old.and_then(|old| old.get::<Pod>()).is_some_and(same)) {
                queue.add(pod.meta.id, change.cause);
            }
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        if key.kind == Kind::Node {
            return self.node_updated(key, view, plan);
        }
        match self.workers.get_mut(&key.slot).filter(|worker| worker.fires) {
            Some(worker) => {
                let about = worker.about.clone();
                self.run(key, about, Script::new(view.now), view, plan);
            }
            None => self.pod_updated(key, view, plan),
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((about, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            script.answer(reply.clone(), view.now);
            self.run(key, about, script, view, plan);
        }
    }

    fn next_tick(&mut self, _view: &View) -> Option<Tick> {
        self.times.first().map(|(at, _)| Tick { at: *at, background: false })
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        while let Some((at, pod)) = self.times.first().copied().filter(|(at, _)| *at <= view.now) {
            self.times.remove(&(at, pod));
            if let Some(worker) = self.workers.get_mut(&pod) {
                worker.fires = true;
                queue.add(ObjectId { kind: Kind::Pod, slot: pod }, Cause::START);
            }
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        self.tainted.keys().for_each(|node| node.hash(&mut hasher));
        for worker in self.workers.values() {
            (&worker.about.namespace, &worker.about.name, worker.fires).hash(&mut hasher);
        }
    }
}

fn is_on_tainted(tainted: &BTreeMap<u32, Vec<v1::Taint>>, node: &Name, view: &View) -> bool {
    view.caches.nodes.by_name("", node).is_some_and(|node| tainted.contains_key(&node.meta.id.slot))
}
