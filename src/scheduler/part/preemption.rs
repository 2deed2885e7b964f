//! Preemption under way: victims are told why they go and are deleted, while the scheduler goes on.
//!
//! ```text
//!  nominated ─► lesser nominees lose the node ─► all victims but the last (condition, delete) ─► gate opens
//!                                                   └► error: gate opens, pod is tried again      └► the last victim
//! ```
//!
//! Upstream: `prepareCandidateAsync` in `pkg/scheduler/framework/preemption/preemption.go` of 1.34 (`SchedulerAsyncPreemption`
//! with the revert of #133213 of 1.34.2, and victims that terminate already left alone). The pod stays out of the queue
//! until only the last victim is to be asked, so that this one's deletion brings it back. Left out: retries of the
//! status patch on conflicts and internal errors; waiting for the answers of lesser nominees' patches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Scheduler;
use crate::api::{ConditionStatus, EventType, Name, Obj, Pod, PodConditionType, ReasonText, Timestamp};
use crate::client::{FORGET, Outbox};
use crate::event::{Cause, DeleteOptions, ErrorReason, Reply, Request, Target, Token};
use crate::scheduler::Nomination;
use crate::scheduler::plugins::default_preemption::PREEMPTION_BY_SCHEDULER;

/// How many victims are asked at once. Upstream: the scheduler's `parallelism`.
const PARALLELISM: usize = 16;

/// A pod that has victims asked to go.
#[derive(Clone, Debug)]
struct Preemption {
    preemptor: Arc<Obj<Pod>>,
    node: Name,
    cause: Cause,
    /// The victims that are not asked yet.
    rest: VecDeque<Arc<Obj<Pod>>>,
    under_way: usize,
    has_failed: bool,
}

/// A request about one victim: its status with the condition, or its deletion.
#[derive(Clone, Debug)]
struct Eviction {
    preemption: u64,
    victim: Arc<Obj<Pod>>,
    deletes: bool,
}

/// All preemptions under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Preemptions {
    list: BTreeMap<u64, Preemption>,
    evictions: BTreeMap<u64, Eviction>,
}

impl Preemptions {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a token is that of a request about a victim.
    pub(super) fn awaits(&self, token: u64) -> bool {
        self.evictions.contains_key(&token)
    }

    pub(super) fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        for preemption in self.list.values() {
            hasher.write_u32(preemption.preemptor.meta.id.slot);
            hasher.write_usize(preemption.rest.len());
            hasher.write_usize(preemption.under_way);
            hasher.write_u8(u8::from(preemption.has_failed));
        }
        for eviction in self.evictions.values() {
            hasher.write_u32(eviction.victim.meta.id.slot);
            hasher.write_u8(u8::from(eviction.deletes));
        }
    }
}

impl Scheduler {
    /// Begins to make room for a pod on the node that was nominated for it.
    pub(super) fn preempt(&mut self, preemptor: &Arc<Obj<Pod>>, nomination: &Nomination, out: &mut Outbox) {
        let rest: VecDeque<_> = nomination.victims.iter().filter(|pod| !pod.meta.is_terminating()).cloned().collect();
        if rest.is_empty() {
            return;
        }
        let node = self.cluster.nodes.name(nomination.node).clone();
        self.queue.hold(preemptor.meta.uid, nomination.plugin);
        self.clear_lesser_nominees(preemptor, &node, out);
        let preemption =
            Preemption { preemptor: preemptor.clone(), node, cause: out.cause, rest, under_way: 0, has_failed: false };
        let id = self.next_token;
        self.next_token += 1;
        self.preemptions.list.insert(id, preemption);
        self.go_on(id, out);
    }

    /// Upstream: `getLowerPriorityNominatedPods`, `clearNominatedNodeName`.
    fn clear_lesser_nominees(&mut self, preemptor: &Obj<Pod>, node: &Name, out: &mut Outbox) {
        let lesser = self.cluster.nominated.on(node).iter().map(|nominee| &nominee.pod);
        let lesser: Vec<_> = lesser.filter(|pod| pod.body.spec.priority < preemptor.body.spec.priority).collect();
        for pod in lesser {
            let Some(current) = self.pods.get(pod.meta.id.slot) else { continue };
            if !current.body.status.nominated_node_name.is_empty() {
                let mut cleared = Obj::clone(current);
                cleared.body.status.nominated_node_name = Name::new();
                out.send(&mut self.client, FORGET, Request::PatchStatus(cleared.into_object()));
            }
        }
    }

    /// Asks the victims whose turn it is.
    fn go_on(&mut self, id: u64, out: &mut Outbox) {
        while let Some(preemption) = self.preemptions.list.get_mut(&id) {
            let (slot, uid) = (preemption.preemptor.meta.id.slot, preemption.preemptor.meta.uid);
            let is_last = preemption.rest.len() == 1;
            if preemption.has_failed || preemption.rest.is_empty() {
                if preemption.under_way > 0 {
                    return;
                }
                let has_failed = preemption.has_failed;
                self.preemptions.list.remove(&id);
                self.queue.release(uid);
                if has_failed {
                    self.queue.activate(slot, &self.settings.profiles);
                }
                return;
            }
            if preemption.under_way >= PARALLELISM || (is_last && preemption.under_way > 0) {
                return;
            }
            if is_last {
                self.queue.release(uid);
            }
            if let Some(victim) = preemption.rest.pop_front() {
                preemption.under_way += 1;
                let cause = preemption.cause;
                let scheduler_name = preemption.preemptor.body.spec.scheduler_name.clone();
                let current = self.pods.get(victim.meta.id.slot).filter(|pod| pod.meta.uid == victim.meta.uid);
                let marked = marked(current.unwrap_or(&victim), &scheduler_name, out.timestamp());
                self.ask(Eviction { preemption: id, victim, deletes: marked.is_none() }, marked, cause, out);
            }
        }
    }

    fn ask(&mut self, eviction: Eviction, marked: Option<Obj<Pod>>, cause: Cause, out: &mut Outbox) {
        let request = match marked {
            Some(marked) => Request::PatchStatus(marked.into_object()),
            None => Request::Delete { target: Target::Id(eviction.victim.meta.id), options: DeleteOptions::default() },
        };
        out.send_for(&mut self.client, Token(self.next_token), cause, request);
        self.preemptions.evictions.insert(self.next_token, eviction);
        self.next_token += 1;
    }

    /// The API server has answered a request about a victim. A victim that is gone, or whose name is another pod's now,
    /// has made room as well.
    pub(super) fn victim_answered(&mut self, token: u64, reply: Reply, out: &mut Outbox) {
        let Some(eviction) = self.preemptions.evictions.remove(&token) else { return };
        let Some(preemption) = self.preemptions.list.get_mut(&eviction.preemption) else { return };
        let (id, cause) = (eviction.preemption, preemption.cause);
        match reply {
            Ok(_) if !eviction.deletes => {
                self.ask(Eviction { deletes: true, ..eviction }, None, cause, out);
                return;
            }
            Ok(_) => {
                let (uid, node) = (preemption.preemptor.meta.uid, &preemption.node);
                let message = ecow::eco_format!("Preempted by pod {uid} on node {node}");
                preemption.under_way -= 1;
                let before = std::mem::replace(&mut out.cause, cause);
                self.record(&eviction.victim, EventType::Normal, "Preempted", message, out);
                out.cause = before;
            }
            Err(error) => {
                preemption.under_way -= 1;
                preemption.has_failed |= !matches!(error.reason, ErrorReason::NotFound | ErrorReason::Conflict);
            }
        }
        self.go_on(id, out);
    }
}

/// The victim with the condition that says why it goes, unless it has it.
fn marked(victim: &Obj<Pod>, scheduler_name: &Name, now: Timestamp) -> Option<Obj<Pod>> {
    let text = ReasonText {
        reason: PREEMPTION_BY_SCHEDULER.into(),
        message: ecow::eco_format!("{scheduler_name}: preempting to accommodate a higher priority pod"),
    };
    let mut marked = victim.clone();
    let (kind, is) = (PodConditionType::DisruptionTarget, ConditionStatus::True);
    marked.body.status.set_condition(kind, is, Some(Arc::new(text)), now);
    (marked.body.status != victim.body.status).then_some(marked)
}
