//! The node life cycle controller: notices nodes that fall silent, and sees to it that they get no pods and keep none.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/nodelifecycle`). Every 5 s it looks at the nodes; one whose Lease and status
//! have not changed for 50 s gets conditions Unknown, and its pods are marked not ready. At the next look it joins the
//! queue of its zone, from which nodes get the taint NoExecute at a limited rate; the taint eviction controller does the
//! rest. Taints NoSchedule follow the conditions at once.
//!
//! Work is proportional to what changed: a look is only at nodes that changed or whose time is up. Those whose heartbeats
//! are computed are healthy and cost nothing. A look that finds nothing to do takes no time, so the times at which
//! upstream's loop would have looked are known without looking.
//!
//! Left out: 20 ms and 100 ms waits between tries after conflicts; the wait of 50 ms before a taint is tried again. All
//! its loops share one queue here, with as many workers as upstream has for all of them. As upstream's event broadcaster,
//! which holds at most 1,000 Events, it drops those of more new nodes in one look. Events come from
//! `node-lifecycle-controller`, upstream's from `node-controller`.

mod changes;
mod flags;
mod grid;
mod health;
mod pass;
mod sync;
mod taints;
#[cfg(test)]
mod tests;
mod zones;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

pub use flags::{
    LARGE_CLUSTER_SIZE_THRESHOLD, NODE_EVICTION_RATE, NODE_LIFECYCLE_WORKERS, NODE_MONITOR_GRACE_PERIOD,
    NODE_MONITOR_PERIOD, NODE_STARTUP_GRACE_PERIOD, SECONDARY_NODE_EVICTION_RATE, UNHEALTHY_ZONE_THRESHOLD,
};
use grid::Grid;
use health::{Grace, Health, Ready, Sight};
use sync::{Looked, Subject, Tainting};
use zones::{Rates, Zones};

use super::script::{Run, Script, Stop};
use crate::api::{EventType, Kind, Lease, Name, Node, Obj, ObjectId, Pod, Reference};
use crate::client::{Controller, ControllerEntry, Flags, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue};
use crate::event::{Beats, Cause, ChangeKind, Heartbeat, NODE_LEASES};
use crate::kernel::{Span, Time};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "node-lifecycle-controller",
    doc: "calls nodes that fall silent not ready, marks their pods, and taints them, zone by zone at a limited rate",
    source: "pkg/controller/nodelifecycle",
    watches: Watches::Kinds(&[Kind::Node, Kind::Pod, Kind::Lease]),
    workers: &NODE_LIFECYCLE_WORKERS,
    flags: &[
        &NODE_MONITOR_PERIOD,
        &NODE_MONITOR_GRACE_PERIOD,
        &NODE_STARTUP_GRACE_PERIOD,
        &NODE_EVICTION_RATE,
        &SECONDARY_NODE_EVICTION_RATE,
        &UNHEALTHY_ZONE_THRESHOLD,
        &LARGE_CLUSTER_SIZE_THRESHOLD,
    ],
    build: |flags| Box::new(NodeLifecycleController::new(flags)),
};

/// Nodes with this label do not count when zones are judged.
const EXCLUDE_DISRUPTION: &str = "node.kubernetes.io/exclude-disruption";
/// How many nodes are looked at at a time. Upstream: `nodeUpdateWorkerSize`.
const LOOKS_AT_A_TIME: usize = 8;
/// How often the queues of nodes that are to be tainted are tried. Upstream: `NodeEvictionPeriod`.
const TAINT_PERIOD: Span = Span::from_millis(100);
/// How many Events of new nodes one look makes. Upstream: `maxQueuedEvents`.
const REGISTERED_EVENTS_MAX: usize = 1000;

/// The node life cycle controller's memory.
#[derive(Clone, Debug)]
pub struct NodeLifecycleController {
    grace: Grace,
    period: Span,
    /// When nodes are looked at; `None` until the process has its caches.
    grid: Option<Grid>,
    /// When the queues of nodes that are to be tainted are tried.
    taint_grid: Option<Grid>,
    /// The nodes that it knows, by number. Upstream: `knownNodeSet` and `nodeHealthMap`.
    known: BTreeMap<u32, Known>,
    /// Nodes that are to be looked at the next time, with what made it.
    changed: BTreeMap<u32, Cause>,
    /// Since when there are such.
    changed_at: Option<Time>,
    /// When nodes that may fall silent will have been silent for too long.
    deadlines: BTreeSet<(Time, u32)>,
    /// How many nodes were not ready when they were looked at last.
    not_ready: usize,
    zones: Zones,
    /// What beats by itself, as it was checked last, and since when something else does.
    beats: Beats,
    beats_changed_at: Option<Time>,
    pass: Option<Pass>,
    /// The node that is getting a taint NoExecute.
    tainting: Option<(Name, u32)>,
    running: BTreeMap<ObjectId, Job>,
}

/// What it knows of a node.
#[derive(Clone, Debug)]
struct Known {
    reference: Reference,
    health: Health,
    /// Its heartbeats, where they were computed when it was heard of last.
    beat: Option<Heartbeat>,
    /// Its entry in the deadlines.
    deadline: Option<Time>,
    /// Its zone, and whether it counts there as ready, where it counts.
    zone: Name,
    counted: Option<bool>,
    /// Whether some of its pods could not be marked.
    retry: bool,
}

/// A look at the nodes that is under way.
#[derive(Clone, Debug)]
struct Pass {
    began: Time,
    waiting: VecDeque<(u32, Cause)>,
    /// The keys of those that have their turn, with the nodes.
    turns: BTreeMap<ObjectId, u32>,
    /// Whether the zones have been judged: what is left is to take taints off.
    judged: bool,
}

/// One key's work that is under way.
#[derive(Clone, Debug)]
struct Job {
    work: Work,
    script: Script,
}

#[derive(Clone, Debug)]
enum Work {
    /// Taints and labels by condition.
    Conditions(Arc<Obj<Node>>),
    /// A look.
    Look(Box<Subject>),
    /// A node is gone.
    Gone(Reference),
    /// Taints are taken off since no node is ready.
    Reach(Arc<Obj<Node>>),
    /// A taint NoExecute, in its turn.
    Taint(Arc<Obj<Node>>),
    /// A pod that came to a node that is not ready.
    Mark(Arc<Obj<Pod>>),
}

/// What came of it.
enum Done {
    Nothing,
    Looked(Box<Looked>),
    Reached(Tainting),
    Tainted(bool),
    Marked(bool),
}

impl NodeLifecycleController {
    fn new(flags: &Flags) -> NodeLifecycleController {
        let rates = Rates {
            normal: flags.float(&NODE_EVICTION_RATE),
            secondary: flags.float(&SECONDARY_NODE_EVICTION_RATE),
            threshold: flags.float(&UNHEALTHY_ZONE_THRESHOLD),
            large: flags.int(&LARGE_CLUSTER_SIZE_THRESHOLD),
        };
        NodeLifecycleController {
            grace: Grace {
                monitor: flags.span(&NODE_MONITOR_GRACE_PERIOD),
                startup: flags.span(&NODE_STARTUP_GRACE_PERIOD),
            },
            period: flags.span(&NODE_MONITOR_PERIOD),
            grid: None,
            taint_grid: None,
            known: BTreeMap::new(),
            changed: BTreeMap::new(),
            changed_at: None,
            deadlines: BTreeSet::new(),
            not_ready: 0,
            zones: Zones::new(rates),
            beats: Beats::default(),
            beats_changed_at: None,
            pass: None,
            tainting: None,
            running: BTreeMap::new(),
        }
    }

    /// Has a node looked at the next time.
    fn note_change(&mut self, node: u32, cause: Cause, now: Time) {
        self.changed.entry(node).or_insert(cause);
        self.changed_at.get_or_insert(now);
    }

    fn set_deadline(&mut self, node: u32, deadline: Option<Time>) {
        let Some(known) = self.known.get_mut(&node) else { return };
        if let Some(before) = known.deadline {
            self.deadlines.remove(&(before, node));
        }
        known.deadline = deadline;
        if let Some(at) = deadline {
            self.deadlines.insert((at, node));
        }
    }

    fn sight(&self, slot: u32, node: &Obj<Node>, view: &View) -> Sight {
        let lease = view.caches.leases.by_name(NODE_LEASES, &node.meta.name).and_then(|lease| lease.body.renewed);
        let known = self.known.get(&slot);
        let computed = view.beats.node(&node.meta.name).and_then(|beat| beat.renewed(view.now));
        let noticed = match (computed, &self.grid) {
            (Some(at), Some(grid)) if known.is_some() => grid.noticed(at).min(view.now),
            _ => view.now,
        };
        let lease = computed.map(|at| view.clock.micro_timestamp(at)).max(lease);
        Sight { now: view.now, lease_noticed: noticed, lease, clock: view.clock, grace: self.grace }
    }

    fn subject(&self, node: &Arc<Obj<Node>>, view: &View) -> Subject {
        let slot = node.meta.id.slot;
        let known = self.known.get(&slot);
        Subject {
            node: node.clone(),
            health: known.map(|known| known.health.clone()),
            sight: self.sight(slot, node, view),
            pods: Vec::new(),
            is_new: known.is_none(),
            retry: known.is_some_and(|known| known.retry),
        }
    }

    /// What is to be done for a key, if anything.
    fn work_of(&mut self, key: ObjectId, view: &View) -> Option<Work> {
        match key.kind {
            Kind::Node => {
                let node = view.caches.nodes.get(key).filter(|node| taints::wants_change(node))?;
                Some(Work::Conditions(node.clone()))
            }
            Kind::Pod => {
                let pod = view.caches.pods.get(key)?;
                let node = view.caches.nodes.by_name("", &pod.body.node_name)?;
                let known = self.known.get(&node.meta.id.slot)?;
                matches!(known.health.ready, Ready::False | Ready::Unknown).then(|| Work::Mark(pod.clone()))
            }
            _ => {
                let turn = self.pass.as_ref().and_then(|pass| Some((*pass.turns.get(&key)?, pass.judged)));
                if let Some((slot, judged)) = turn {
                    return match view.caches.nodes.by_slot(slot) {
                        Some(node) if judged => Some(Work::Reach(node.clone())),
                        Some(node) => {
                            let mut subject = self.subject(node, view);
                            subject.pods = view.caches.pods_on(&node.meta.name).cloned().collect();
                            Some(Work::Look(Box::new(subject)))
                        }
                        None => self.known.get(&slot).map(|known| Work::Gone(known.reference.clone())),
                    };
                }
                let (_, slot) = self.tainting.as_ref()?;
                view.caches.nodes.by_slot(*slot).cloned().map(Work::Taint)
            }
        }
    }

    fn run(&mut self, key: ObjectId, mut job: Job, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut job.script, view.clock, plan);
        let done = match &job.work {
            Work::Conditions(node) => taints::reconcile_conditions(&mut run, node).map(|()| Done::Nothing),
            Work::Look(subject) => sync::look_after(&mut run, subject).map(|looked| Done::Looked(Box::new(looked))),
            Work::Gone(reference) => {
                let name = &reference.name;
                let message = ecow::eco_format!("Node {name} event: Removing Node {name} from Controller");
                run.record(reference.clone(), EventType::Normal, "RemovingNode", message);
                Ok(Done::Nothing)
            }
            Work::Reach(node) => sync::make_reachable(&mut run, node).map(Done::Reached),
            Work::Taint(node) => sync::taint(&mut run, node).map(Done::Tainted),
            Work::Mark(pod) => sync::mark_not_ready(&mut run, std::slice::from_ref(pod)).map(Done::Marked),
        };
        match done {
            Err(Stop::Asked) => drop(self.running.insert(key, job)),
            Err(Stop::Failed(message)) => plan.fail(message),
            Err(Stop::NamespaceTerminating) => {}
            Ok(done) => self.done(key, &job.work, done, view, plan),
        }
    }

    fn done(&mut self, key: ObjectId, work: &Work, done: Done, view: &View, plan: &mut Plan) {
        match (work, done) {
            (Work::Look(subject), Done::Looked(looked)) => self.looked(&subject.node, *looked, view),
            (Work::Reach(node), Done::Reached(Tainting::Unmark)) => {
                let zone = zones::of_labels(&node.meta.labels);
                self.zones.unmark(&zone, node.meta.id.slot);
            }
            (Work::Gone(_), _) => {
                if let Some(slot) = self.pass.as_ref().and_then(|pass| pass.turns.get(&key)).copied() {
                    self.forget(slot);
                }
            }
            (Work::Taint(_), Done::Tainted(ok)) => self.tainted(ok, view, plan),
            (Work::Mark(_), Done::Marked(false)) => plan.fail("unable to mark the pod NotReady"),
            _ => {}
        }
        if matches!(work, Work::Look(_) | Work::Reach(_) | Work::Gone(_)) {
            self.turn_over(key, view, plan);
        }
    }

    /// A node's turn to get a taint is over.
    fn tainted(&mut self, ok: bool, view: &View, plan: &mut Plan) {
        if let Some((zone, slot)) = self.tainting.take()
            && !ok
        {
            self.zones.put_back(&zone, slot);
        }
        match self.next_taint(view) {
            Some(key) => plan.enqueue(key),
            None => self.taint_grid = Some(Grid::new(TAINT_PERIOD, view.now + TAINT_PERIOD)),
        }
    }
}

impl Controller for NodeLifecycleController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if change.resync {
            return;
        }
        let deleted = change.kind == ChangeKind::Deleted;
        if let Some(node) = change.new.get::<Node>() {
            let old = change.old.and_then(|old| old.get::<Node>()).map(AsRef::as_ref);
            self.node_changed(old, node, change, view);
            if !deleted && taints::wants_change(node) {
                queue.add(node.meta.id, change.cause);
            }
        } else if let Some(pod) = change.new.get::<Pod>() {
            let old = change.old.and_then(|old| old.get::<Pod>());
            let bound = !pod.body.node_name.is_empty();
            if !deleted && bound && old.is_none_or(|old| old.body.node_name != pod.body.node_name) {
                self.pod_bound(pod, change.cause, view, queue);
            }
        } else if let Some(lease) = change.new.get::<Lease>()
            && lease.meta.namespace == NODE_LEASES
            && !deleted
        {
            self.lease_changed(lease, change.cause, view);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        match self.work_of(key, view) {
            Some(work) => self.run(key, Job { work, script: Script::new(view.now) }, view, plan),
            // The object is gone meanwhile.
            None if self.pass.as_ref().is_some_and(|pass| pass.turns.contains_key(&key)) => {
                self.turn_over(key, view, plan);
            }
            None if self.tainting.is_some() && !matches!(key.kind, Kind::Node | Kind::Pod) => {
                self.tainted(true, view, plan);
            }
            None => {}
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some(mut job), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            job.script.answer(reply.clone(), view.now);
            self.run(key, job, view, plan);
        }
    }

    fn next_tick(&mut self, view: &View) -> Option<Tick> {
        if !self.beats.same(view.beats) {
            self.beats_changed_at.get_or_insert(view.now);
        }
        let (Some(grid), Some(taint_grid)) = (&self.grid, &self.taint_grid) else {
            return Some(Tick { at: Time::ZERO, background: false });
        };
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let look = deadline
            .into_iter()
            .chain(self.changed_at)
            .chain(self.beats_changed_at)
            .min()
            .filter(|_| self.pass.is_none());
        let taint = self.zones.next_time().filter(|_| self.tainting.is_none());
        let look = look.map(|at| grid.at_or_after(at));
        let taint = taint.map(|at| taint_grid.at_or_after(at));
        look.into_iter().chain(taint).min().map(|at| Tick { at, background: false })
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        let now = view.now;
        let grid = self.grid.get_or_insert_with(|| Grid::new(self.period, now));
        let taint_grid = self.taint_grid.get_or_insert_with(|| Grid::new(TAINT_PERIOD, now));
        let due = |at: Time| grid.at_or_after(at) <= now;
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let is_time = deadline.into_iter().chain(self.changed_at).chain(self.beats_changed_at).any(due);
        let taint_time = self.zones.next_time().is_some_and(|at| taint_grid.at_or_after(at) <= now);
        if is_time && self.pass.is_none() {
            self.begin_pass(view, queue);
        }
        if taint_time && self.tainting.is_none() {
            taint_grid_used(&mut self.taint_grid, now);
            if let Some(key) = self.next_taint(view) {
                queue.add(key, Cause::START);
            }
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for known in self.known.values() {
            (&known.reference.name, known.health.ready, known.beat.is_some(), known.counted, known.retry)
                .hash(&mut hasher);
        }
        for (name, zone) in self.zones.iter() {
            (name, zone.state).hash(&mut hasher);
        }
        (self.changed.len(), self.running.len(), self.deadlines.len()).hash(&mut hasher);
    }
}

fn taint_grid_used(grid: &mut Option<Grid>, now: Time) {
    if let Some(grid) = grid {
        grid.used(now);
    }
}

/// The key under which a node is looked at: that of its Lease, or one of its own where it has none.
fn key_of(slot: u32, name: Option<&Name>, view: &View) -> ObjectId {
    let lease = name.and_then(|name| view.caches.leases.by_name(NODE_LEASES, name));
    lease.map_or(ObjectId { kind: Kind::Lease, slot: u32::MAX - 1 - slot }, |lease| lease.meta.id)
}
