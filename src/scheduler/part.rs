//! The scheduler as a process: informers, one scheduling cycle at a time, any number of binding cycles.
//!
//! ```text
//!  notices ─► Cluster, SchedulingQueue ─► pop ─► decide ─(cycle time)─► assume ─► bind ─► forget and requeue on error
//!                                                        ├► requeue, Event FailedScheduling, condition PodScheduled
//!                                                        └► nominate a node, ask its victims to go
//! ```
//!
//! Upstream: `pkg/scheduler/schedule_one.go`, `eventhandlers.go`. A cycle reads the cluster at its start and ends after
//! [`super::CYCLE_TIME`]: what happens between is kept for the pod, as upstream keeps events for pods in flight.
//! Left out: one process for all profiles' metrics, waiting on Permit. A pod that is deleted while it
//! is decided is dropped; upstream would try to bind it and fail. An assumed pod whose deletion is seen is forgotten
//! then; upstream forgets it when the binding fails.

mod binding;
mod handlers;
mod preemption;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::binding::Binding;
use self::preemption::Preemptions;
use super::{
    Cluster, Failure, FailureKind, Incremental, NodeIndex, Nomination, Outcome, Owners, QueuedPod, SchedulerSettings,
    SchedulingQueue, Scope, Tie, Volumes,
};
use crate::api::{ConditionStatus, EventType, Kind, Name, Obj, Object, ObjectId, Pod, PodConditionType, ReasonText};
use crate::client::{
    Cache, Caches, Client, Election, Elector, FORGET, Informer, Occurrence, Outbox, Part, Recorder, TokenBucket,
};
use crate::event::{ClientIndex, Effect, Filter, InformerIndex, Input, NoteKind, Reply, Request, TimerToken, Token};
use crate::kernel::{Chunks, Purpose, Span, Time, object_hash};

const PURPOSE_TIE: Purpose = Purpose::new("scheduler-tie");
const PURPOSE_PREEMPTION: Purpose = Purpose::new("scheduler-preemption");
/// Tokens of informers' lists start here; those of bindings and victims count from zero.
const TOKEN_LISTS: u64 = 1 << 48;
const TIMER_CYCLE: TimerToken = TimerToken(0);
const TIMER_QUEUE: TimerToken = TimerToken(1);
const TIMER_INFORMERS: u64 = 1 << 32;
/// Timers of binding cycles that wait.
const TIMER_BINDINGS: u64 = 1 << 33;
/// Tokens and timers of the leader election, beyond those of informers and binding cycles.
const TOKEN_ELECTOR: u64 = 1 << 49;
const TIMER_ELECTOR: u64 = 1 << 34;
/// Longest message of an Event. Upstream: `NoteLengthLimit`.
const MESSAGE_MAX: usize = 1024;

/// A scheduling cycle that has been decided and takes its time.
#[derive(Clone, Debug)]
struct Running {
    queued: QueuedPod,
    outcome: Decided,
}

#[derive(Clone, Debug)]
enum Decided {
    Place(NodeIndex),
    Fail(Failed),
}

/// A pod that was not placed, or not bound.
#[derive(Clone, Debug)]
struct Failed {
    message: Name,
    is_rejection: bool,
    nominating: Nominating,
}

/// What becomes of the node that is nominated for a pod. Upstream: `fwk.NominatingInfo`.
#[derive(Clone, Debug)]
enum Nominating {
    Keep,
    Clear,
    Node(Nomination),
}

impl Failed {
    fn of(failure: Failure) -> Failed {
        let nominating = match failure.nominated {
            Some(nomination) => Nominating::Node(nomination),
            None if failure.keeps_nomination => Nominating::Keep,
            None => Nominating::Clear,
        };
        let is_rejection = failure.kind != FailureKind::Error;
        Failed { message: failure.message.into(), is_rejection, nominating }
    }
}

/// kube-scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    settings: SchedulerSettings,
    informers: Vec<Informer>,
    informer_client: Client,
    client: Client,
    event_client: Client,
    recorder: Recorder,
    /// The pod informer's cache.
    pods: Chunks<Arc<Obj<Pod>>>,
    /// The caches of the informers of kinds that have no other.
    others: Caches,
    cluster: Cluster,
    incremental: Incremental,
    queue: SchedulingQueue,
    running: Option<Running>,
    bindings: BTreeMap<u64, Binding>,
    /// Whether something was heard that binding cycles may wait for.
    has_news_for_waits: bool,
    preemptions: Preemptions,
    next_token: u64,
    next_start: usize,
    armed: Option<Time>,
    /// Its part in the election of a leader; `None`: it schedules at once.
    elector: Option<Elector>,
    name: Name,
    host: Name,
}

impl Scheduler {
    /// A scheduler with empty memory, called `name` (`kube-scheduler`) in the journal, on the machine `host`.
    pub fn new(name: &str, host: &str, settings: SchedulerSettings) -> Scheduler {
        let informers = Scheduler::kinds().enumerate();
        let limit = || TokenBucket::new(settings.qps, settings.burst);
        let client = |index: u8, what: &str, limit: TokenBucket| Client {
            index: ClientIndex(index),
            name: ecow::eco_format!("{name}{what}"),
            limit,
        };
        let component = settings.profiles.first().map_or("default-scheduler", |profile| &profile.scheduler_name);
        Scheduler {
            informers: informers
                .map(|(index, kind)| {
                    let (list, timer) = (TOKEN_LISTS + index as u64, TIMER_INFORMERS + index as u64);
                    Informer::new(InformerIndex(index as u16), kind, Filter::All, Token(list), TimerToken(timer))
                })
                .collect(),
            informer_client: client(0, "/informers", TokenBucket::unlimited()),
            client: client(1, "", limit()),
            event_client: client(2, "/events", limit()),
            recorder: Recorder::new(component, ""),
            pods: Chunks::default(),
            others: Caches::default(),
            cluster: Cluster {
                seen: settings.profiles.iter().any(|profile| profile.args.placement.learns()).then(Box::default),
                ..Cluster::default()
            },
            incremental: Incremental::default(),
            queue: SchedulingQueue::new(settings.initial_backoff, settings.max_backoff, settings.max_in_unschedulable),
            running: None,
            bindings: BTreeMap::new(),
            has_news_for_waits: false,
            preemptions: Preemptions::default(),
            next_token: 0,
            next_start: 0,
            armed: None,
            elector: settings.leader_election.clone().map(|election| {
                let client = client(3, "/leader-election", TokenBucket::unlimited());
                Elector::new(election, client, component, host.into(), TOKEN_ELECTOR, TIMER_ELECTOR)
            }),
            name: name.into(),
            host: host.into(),
            settings,
        }
    }

    /// The kinds that it watches, by informer.
    fn kinds() -> impl Iterator<Item = Kind> {
        let own = [Kind::Node, Kind::Namespace, Kind::Pod, Kind::PodDisruptionBudget];
        own.into_iter().chain(Volumes::KINDS).chain(Owners::KINDS)
    }

    /// What it is called.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its part in the election of a leader.
    pub fn elector(&self) -> Option<&Elector> {
        self.elector.as_ref()
    }

    /// Begins with empty memory. Upstream starts the informers before it stands for election.
    fn start(&mut self, out: &mut Outbox) {
        *self = Scheduler::new(&self.name, &self.host, self.settings.clone());
        self.informers.iter_mut().for_each(|informer| informer.start(&mut self.informer_client, out));
    }

    fn elected(&self, election: Election, out: &mut Outbox) {
        match election {
            // What is in the queue is worked on after each input.
            Election::Unchanged | Election::Won => {}
            Election::Lost => out.effects.push(Effect::Exit),
        }
    }

    /// Whether it may schedule: it has seen the cluster, and leads.
    fn is_active(&self) -> bool {
        self.has_synced() && self.elector.as_ref().is_none_or(Elector::is_leader)
    }

    /// The cluster as it sees it.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its queue.
    pub fn queue(&self) -> &SchedulingQueue {
        &self.queue
    }

    fn has_synced(&self) -> bool {
        self.informers.iter().all(Informer::has_synced)
    }

    fn listed(&mut self, index: usize, reply: Reply, out: &mut Outbox) {
        let kind = self.informers[index].kind;
        let cached = || match kind {
            Kind::Pod => self.pods.iter().cloned().map(Object::Pod).collect(),
            Kind::Namespace => self.cluster.namespaces.iter().cloned().map(Object::Namespace).collect(),
            Kind::Node => {
                let rows = 0..self.cluster.nodes.rows().len() as NodeIndex;
                rows.filter_map(|node| self.cluster.nodes.info(node).node.clone()).map(Object::Node).collect()
            }
            Kind::ReplicaSet => self.others.replica_sets.iter().cloned().map(Object::ReplicaSet).collect(),
            other => {
                let cache = self.others.others.get(&other).into_iter();
                cache.flat_map(Cache::iter).cloned().map(Object::Untyped).collect()
            }
        };
        if let Some(changes) = self.informers[index].listed(reply, cached, &mut self.informer_client, out) {
            self.take_in(&changes, out.now);
        }
    }

    /// The pod as the informer's cache has it, if it is still the same one.
    fn current(&self, pod: &Obj<Pod>) -> Option<&Arc<Obj<Pod>>> {
        self.pods.get(pod.meta.id.slot).filter(|current| current.meta.uid == pod.meta.uid)
    }

    /// Runs scheduling cycles: one where they take time, else all there are.
    fn work(&mut self, out: &mut Outbox) {
        while self.running.is_none() {
            let Some(queued) = self.queue.pop(out.now, &self.settings.profiles) else { return };
            if self.is_skipped(&queued, out) {
                self.queue.done(queued.pod.meta.id.slot);
                continue;
            }
            let running = self.decide(queued, out);
            if self.settings.cycle_time == Span::ZERO {
                self.conclude(running, out);
            } else {
                self.running = Some(running);
                out.timer_after(self.settings.cycle_time, TIMER_CYCLE);
            }
        }
    }

    /// Upstream: `skipPodSchedule`.
    fn is_skipped(&mut self, queued: &QueuedPod, out: &mut Outbox) -> bool {
        let meta = &queued.pod.meta;
        if meta.is_terminating() {
            let message = ecow::eco_format!("skip schedule deleting pod: {}", meta.key());
            self.record(&queued.pod, EventType::Warning, "FailedScheduling", message, out);
            return true;
        }
        self.cluster.is_assumed(meta.id.slot)
    }

    fn decide(&mut self, mut queued: QueuedPod, out: &Outbox) -> Running {
        self.cluster.nodes.refresh();
        let profile = &self.settings.profiles[usize::from(queued.profile)];
        let (object, attempt) = (object_hash(&queued.pod.meta.key()), u64::from(queued.attempts));
        let scope = Scope::Sampled {
            start: self.next_start,
            percentage: self.settings.percentage_of_nodes_to_score,
            luck: match self.settings.tie {
                Tie::Draw => Some(out.chance.draw(PURPOSE_PREEMPTION, object, attempt).bits()),
                Tie::First => None,
            },
        };
        let draw = |among| out.chance.draw(PURPOSE_TIE, object, attempt).below(among);
        let (number, tie) = (queued.profile, (self.settings.tie, draw));
        let decision = match self.incremental.decide(&self.cluster, (number, profile), &queued.pod, scope, tie) {
            Outcome::Placed { node, next_start } => {
                self.next_start = next_start;
                return Running { queued, outcome: Decided::Place(node) };
            }
            Outcome::Unplaced(decision) => decision,
        };
        self.next_start = decision.next_start;
        let failure = decision.failure.expect("a decision without a node says why");
        queued.rejectors = failure.rejectors;
        queued.pending = failure.pending;
        Running { queued, outcome: Decided::Fail(Failed::of(failure)) }
    }

    /// Ends a scheduling cycle.
    fn conclude(&mut self, running: Running, out: &mut Outbox) {
        let Running { queued, outcome } = running;
        let slot = queued.pod.meta.id.slot;
        let before = std::mem::replace(&mut out.cause, queued.cause);
        match (outcome, self.current(&queued.pod).is_some_and(|pod| pod.body.node_name.is_empty())) {
            (_, false) => self.queue.done(slot),
            (Decided::Place(node), true) => self.place(queued, node, out),
            (Decided::Fail(failed), true) => {
                out.note(NoteKind::Unplaced, queued.pod.meta.id, self.client.index, queued.cause);
                if let Nominating::Node(nomination) = &failed.nominating {
                    self.preempt(&queued.pod, nomination, out);
                }
                self.failed(queued, failed, out);
            }
        }
        out.cause = before;
    }

    /// Puts the pod back, and tells the world. Upstream: `handleSchedulingFailure`.
    fn failed(&mut self, mut queued: QueuedPod, failed: Failed, out: &mut Outbox) {
        let pod = queued.pod.clone();
        let current = self.current(&pod).cloned();
        match &current {
            Some(current) if current.body.node_name.is_empty() => {
                queued.pod = current.clone();
                self.queue.requeue(queued, out.now, &self.settings.profiles);
            }
            Some(_) | None => self.queue.done(pod.meta.id.slot),
        }
        self.record(&pod, EventType::Warning, "FailedScheduling", truncated(&failed.message), out);
        if let Some(current) = current {
            let nominated = match &failed.nominating {
                Nominating::Keep => current.body.status.nominated_node_name.clone(),
                Nominating::Clear => Name::new(),
                Nominating::Node(nomination) => self.cluster.nodes.name(nomination.node).clone(),
            };
            if current.body.node_name.is_empty() {
                self.cluster.nominate(&current, &nominated);
            }
            self.report(&current, failed, nominated, out);
        }
    }

    /// Patches the pod's condition PodScheduled and its nominated node, if that changes it.
    fn report(&mut self, pod: &Arc<Obj<Pod>>, failed: Failed, nominated: Name, out: &mut Outbox) {
        let reason = if failed.is_rejection { "Unschedulable" } else { "SchedulerError" };
        let text = ReasonText { reason: reason.into(), message: failed.message };
        let is_known = pod.body.condition(PodConditionType::PodScheduled).is_some_and(|condition| {
            condition.status == ConditionStatus::False && condition.text.as_deref() == Some(&text)
        });
        if is_known && pod.body.status.nominated_node_name == nominated {
            return;
        }
        let mut patched = Obj::clone(pod);
        let status = &mut patched.body.status;
        status.set_condition(
            PodConditionType::PodScheduled,
            ConditionStatus::False,
            Some(Arc::new(text)),
            out.timestamp(),
        );
        status.nominated_node_name = nominated;
        out.send(&mut self.client, FORGET, Request::PatchStatus(patched.into_object()));
    }

    fn record(&mut self, pod: &Obj<Pod>, kind: EventType, reason: &'static str, message: Name, out: &mut Outbox) {
        let occurrence = Occurrence { about: pod.meta.reference(), kind, reason, message };
        self.recorder.record(out, &mut self.event_client, occurrence);
    }

    /// Keeps one timer for the queue, while something in it waits for its time. A cycle under way needs none: its end
    /// looks into the queue.
    fn arm(&mut self, out: &mut Outbox) {
        if self.running.is_some() || !self.is_active() {
            return;
        }
        if let Some(due) = self.queue.next_alarm()
            && self.armed.is_none_or(|armed| due < armed)
        {
            self.armed = Some(due);
            out.timer_at(due, TIMER_QUEUE);
        }
    }
}

fn truncated(message: &Name) -> Name {
    const SUFFIX: &str = " ...";
    if message.len() <= MESSAGE_MAX {
        return message.clone();
    }
    let mut end = MESSAGE_MAX - SUFFIX.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    ecow::eco_format!("{}{SUFFIX}", &message[..end])
}

impl Part for Scheduler {
    fn handle(&mut self, input: Input, out: &mut Outbox) {
        if self.armed.is_some_and(|armed| armed <= out.now) {
            self.armed = None;
        }
        match input {
            Input::Start | Input::Boot => self.start(out),
            Input::Loaded => {}
            Input::Heartbeats { computed } => {
                if let Some(elector) = &mut self.elector {
                    elector.heartbeats(computed, out);
                }
            }
            Input::DisksChanged | Input::Reply { token: FORGET, result: _ } => {}
            Input::Reply { token: Token(token), result } => match &mut self.elector {
                Some(elector) if token >= TOKEN_ELECTOR => {
                    let election = elector.replied(token, result, out);
                    self.elected(election, out);
                }
                Some(_) | None => match token.checked_sub(TOKEN_LISTS) {
                    Some(index) => self.listed(index as usize, result, out),
                    None if self.preemptions.awaits(token) => self.victim_answered(token, result, out),
                    None => self.bind_answered(token, result, out),
                },
            },
            Input::Notice { informer, mut changes } => {
                self.informers[usize::from(informer.0)].noticed(&mut changes);
                self.take_in(&changes, out.now);
            }
            Input::WatchEnded { informer, end } => {
                self.informers[usize::from(informer.0)].ended(end, &self.informer_client, out);
            }
            Input::Timer(TIMER_CYCLE) => {
                if let Some(running) = self.running.take() {
                    self.conclude(running, out);
                }
            }
            Input::Timer(TIMER_QUEUE) => {}
            Input::Timer(TimerToken(token)) => {
                if let Some(elector) = &mut self.elector
                    && token >= TIMER_ELECTOR
                {
                    let election = elector.timer(token, out);
                    return self.elected(election, out);
                }
                match token.checked_sub(TIMER_BINDINGS) {
                    Some(number) => self.wait_due(number, out),
                    None => self.informers[(token - TIMER_INFORMERS) as usize].due(&mut self.informer_client, out),
                }
            }
        }
        if self.has_synced()
            && let Some(elector) = &mut self.elector
            && !elector.has_started()
        {
            elector.start(out);
        }
        if self.is_active() {
            self.work(out);
        }
        if std::mem::take(&mut self.has_news_for_waits) {
            self.look_at_waits(out);
        }
        self.arm(out);
    }

    fn client_names(&self) -> Vec<Name> {
        let own = [&self.informer_client, &self.client, &self.event_client];
        let all = own.into_iter().chain(self.elector.as_ref().map(Elector::client));
        all.map(|client| client.name.clone()).collect()
    }

    fn is_idle(&self) -> bool {
        let under_way = self.bindings.values().any(Binding::is_under_way);
        self.running.is_none() && !under_way && self.preemptions.is_empty() && self.queue.is_idle()
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let write_id = |id: ObjectId, hasher: &mut dyn std::hash::Hasher| hasher.write_u32(id.slot);
        for queued in self.queue.pods() {
            write_id(queued.pod.meta.id, hasher);
            hasher.write_u64(queued.rejectors);
            hasher.write_u64(queued.pending);
            hasher.write_u32(queued.unschedulable_count.min(8));
            hasher.write_u32(queued.error_count.min(8));
        }
        if let Some(elector) = &self.elector {
            elector.hash_memory(hasher);
        }
        hasher.write_usize(self.next_start);
        if let Some(running) = &self.running {
            write_id(running.queued.pod.meta.id, hasher);
        }
        for binding in self.bindings.values() {
            write_id(binding.queued.pod.meta.id, hasher);
            hasher.write_u32(binding.node);
            hasher.write_u8(u8::from(binding.is_under_way()));
        }
        for (one, two) in self.cluster.volumes.assumptions() {
            hasher.write(one.as_bytes());
            hasher.write(two.as_bytes());
        }
        for (slot, node) in self.cluster.nominated.iter() {
            hasher.write_u32(slot);
            hasher.write(node.as_bytes());
        }
        self.preemptions.hash_memory(hasher);
    }
}
