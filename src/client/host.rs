//! A process that hosts controllers: shared informers, shared caches, and for each controller a queue, workers, a
//! client and a recorder of its own. kube-controller-manager is one; so is an operator under test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::controller::{Controller, Observed, Tick, View, Watches};
use super::plan::{Outcome, Plan, Step};
use super::recorder::{FORGET, Occurrence, Recorder};
use super::{
    Caches, Client, Election, Elector, Flag, FlagValue, Flags, Informer, LeaderElection, Outbox, Part, TokenBucket,
    WorkQueue,
};
use crate::api::{Kind, KindInfo, Name, Object, ObjectId};
use crate::event::{
    Cause, Change, ChangeKind, ClientIndex, Effect, Filter, InformerIndex, Input, NoteKind, Reply, Request, TimerToken,
    Token,
};
use crate::kernel::{Purpose, Span, Time, object_hash};

/// `--kube-api-qps`: requests a second that each controller's client may send on average.
pub const KUBE_API_QPS: Flag = Flag {
    name: "kube-api-qps",
    default: FlagValue::Float(20.0),
    doc: "requests a second that each controller's client may send; 0: no limit",
};
/// `--kube-api-burst`: requests that each controller's client may send at once.
pub const KUBE_API_BURST: Flag = Flag {
    name: "kube-api-burst",
    default: FlagValue::Int(30),
    doc: "requests that each controller's client may send at once",
};

/// `--min-resync-period`: how often informers play their caches again to their handlers.
pub const MIN_RESYNC_PERIOD: Flag = Flag {
    name: "min-resync-period",
    default: FlagValue::Span(Span::from_hours(12)),
    doc: "how often informers play their caches again to all handlers: between this and twice as long; 0: never",
};

/// `--leader-elect-resource-name`.
pub const LEADER_ELECT_RESOURCE_NAME: Flag = super::leader::resource_name("kube-controller-manager");

const RESYNC_PERIOD: Purpose = Purpose::new("resync-period");

/// Timers of the host itself; those of queues are `TIMER_QUEUES` plus the controller's number.
const TIMER_INFORMERS: u64 = 1 << 32;
const TIMER_RESYNC: u64 = 1 << 33;
const TIMER_ELECTOR: u64 = 1 << 34;
const TIMER_QUEUES: u64 = 0;
/// Timers of controllers' ticks start here; they need no work of their own, since ticks are looked for on every input.
const TIMER_TICKS: u64 = 1 << 35;
/// Tokens of informers' lists start here; those of plans count from zero.
const TOKEN_LISTS: u64 = 1 << 48;
/// Those of the leader election, beyond those of lists.
const TOKEN_ELECTOR: u64 = 1 << 49;

/// One controller in the process.
#[derive(Clone, Debug)]
struct Hosted {
    controller: Box<dyn Controller>,
    queue: WorkQueue,
    workers: usize,
    client: Client,
    recorder: Recorder,
    running: BTreeMap<ObjectId, Running>,
    armed: Option<Time>,
    /// The tick that has a timer.
    tick: Option<Tick>,
}

/// A plan under way.
#[derive(Clone, Debug)]
struct Running {
    plan: Plan,
    cause: Cause,
    current: Option<Step>,
    replies: Vec<Option<Reply>>,
    outstanding: usize,
}

/// The process.
#[derive(Clone, Debug)]
pub struct Host {
    informers: Vec<Informer>,
    informer_client: Client,
    caches: Caches,
    min_resync: Span,
    /// When each informer plays its cache again.
    resync_due: Vec<Option<Time>>,
    controllers: Vec<Hosted>,
    /// Its part in the election of a leader; `None`: it works at once.
    elector: Option<Elector>,
    /// The process as it is before it starts.
    newborn: Option<Arc<Host>>,
    /// Requests under way: which controller, which key, which place in its round.
    in_flight: BTreeMap<u64, (usize, ObjectId, usize)>,
    next_token: u64,
}

impl Host {
    /// A process called `name` (`kube-controller-manager`) with these controllers. `kinds` are all kinds that exist,
    /// for controllers that watch everything.
    pub fn new(name: &str, controllers: Vec<Box<dyn Controller>>, kinds: &[Kind], flags: &Flags) -> Host {
        let mut watched = BTreeSet::new();
        for controller in &controllers {
            match controller.entry().watches {
                Watches::Kinds(some) => watched.extend(some.iter().copied()),
                Watches::Everything => watched.extend(kinds.iter().copied().filter(|kind| *kind != Kind::Event)),
            }
        }
        let informers: Vec<Informer> = watched
            .into_iter()
            .enumerate()
            .map(|(index, kind)| {
                let (list, timer) = (TOKEN_LISTS + index as u64, TIMER_INFORMERS + index as u64);
                Informer::new(InformerIndex(index as u16), kind, Filter::All, Token(list), TimerToken(timer))
            })
            .collect();
        let limit = |(qps, burst): (f64, u64)| {
            TokenBucket::new(flags.float(&KUBE_API_QPS) * qps, flags.int(&KUBE_API_BURST).max(1) as u64 * burst)
        };
        let hosted = controllers
            .into_iter()
            .enumerate()
            .map(|(index, controller)| Hosted {
                queue: controller.empty_queue(),
                workers: flags.int(controller.entry().workers).max(1) as usize,
                client: Client {
                    index: ClientIndex(index as u8 + 1),
                    name: ecow::eco_format!("{name}/{}", controller.entry().name),
                    limit: limit(controller.client_factors()),
                },
                recorder: Recorder::new(controller.event_source(), ""),
                running: BTreeMap::new(),
                armed: None,
                tick: None,
                controller,
            })
            .collect();
        Host {
            min_resync: flags.span(&MIN_RESYNC_PERIOD),
            resync_due: vec![None; informers.len()],
            informers,
            informer_client: Client { index: ClientIndex(0), name: name.into(), limit: TokenBucket::unlimited() },
            caches: Caches::default(),
            controllers: hosted,
            elector: None,
            newborn: None,
            in_flight: BTreeMap::new(),
            next_token: 0,
        }
    }

    /// The same as a replica that works only while it leads; `host` is the machine's name.
    #[must_use]
    pub fn electing(mut self, settings: LeaderElection, host: Name) -> Host {
        let client = Client {
            index: ClientIndex(self.controllers.len() as u8 + 1),
            name: ecow::eco_format!("{}/leader-election", self.informer_client.name),
            limit: TokenBucket::unlimited(),
        };
        let component = "kube-controller-manager";
        self.elector = Some(Elector::new(settings, client, component, host, TOKEN_ELECTOR, TIMER_ELECTOR));
        self
    }

    /// Its part in the election of a leader.
    pub fn elector(&self) -> Option<&Elector> {
        self.elector.as_ref()
    }

    /// Begins with empty memory: with the election, or where there is none, with its informers.
    fn start(&mut self, out: &mut Outbox) {
        let newborn = self.newborn.take().unwrap_or_else(|| Arc::new(self.clone()));
        *self = Host { newborn: Some(newborn.clone()), ..Host::clone(&newborn) };
        match &mut self.elector {
            Some(elector) => elector.start(out),
            None => self.start_informers(out),
        }
    }

    fn start_informers(&mut self, out: &mut Outbox) {
        self.informers.iter_mut().for_each(|informer| informer.start(&mut self.informer_client, out));
    }

    fn elected(&mut self, election: Election, out: &mut Outbox) {
        match election {
            Election::Unchanged => {}
            Election::Won => self.start_informers(out),
            Election::Lost => out.effects.push(Effect::Exit),
        }
    }

    /// Tells all controllers of the custom kinds that exist; before the process starts.
    pub fn discover(&mut self, custom: &[(Kind, Arc<KindInfo>)]) {
        for hosted in &mut self.controllers {
            hosted.controller.discover(custom);
        }
    }

    /// Its caches.
    pub fn caches(&self) -> &Caches {
        &self.caches
    }

    fn has_synced(&self) -> bool {
        self.informers.iter().all(Informer::has_synced)
    }

    fn take_in(&mut self, changes: &[Change], out: &Outbox) {
        for change in changes {
            let old = self.caches.apply(change);
            let Change { kind, object: new, revision: _, cause } = change;
            let observed = Observed { kind: *kind, old: old.as_ref(), new, cause: *cause, resync: false };
            self.show(observed, out);
        }
    }

    /// Hands a change to the event handlers of all controllers that watch its kind.
    fn show(&mut self, observed: Observed, out: &Outbox) {
        let view = view(&self.caches, out);
        let watched = observed.new.kind();
        for hosted in &mut self.controllers {
            let interested = match hosted.controller.entry().watches {
                Watches::Kinds(kinds) => kinds.contains(&watched),
                Watches::Everything => true,
            };
            if interested {
                hosted.controller.observe(observed, &view, &mut hosted.queue);
            }
        }
    }

    /// Sets the time at which an informer plays its cache again. Upstream: the reflector's resync timer, which starts
    /// anew with each list; its period is drawn once for the process (`ResyncPeriod` of kube-controller-manager).
    fn arm_resync(&mut self, index: usize, out: &mut Outbox) {
        if self.min_resync == Span::ZERO {
            return;
        }
        let draw = out.chance.draw(RESYNC_PERIOD, object_hash(&self.informer_client.name), 0);
        let period = draw.span_between(self.min_resync, self.min_resync * 2);
        self.resync_due[index] = Some(out.now + period);
        out.background_timer_after(period, TimerToken(TIMER_RESYNC + index as u64));
    }

    /// Plays the cache of an informer again, unless the timer is from before its last list.
    fn resync(&mut self, index: usize, out: &mut Outbox) {
        if self.resync_due[index] != Some(out.now) {
            return;
        }
        for object in cached(&self.caches, self.informers[index].kind) {
            let (old, new, cause) = (Some(&object), &object, out.cause);
            self.show(Observed { kind: ChangeKind::Modified, old, new, cause, resync: true }, out);
        }
        self.arm_resync(index, out);
    }

    fn listed(&mut self, index: usize, reply: Reply, out: &mut Outbox) {
        let informer = &mut self.informers[index];
        let kind = informer.kind;
        let cached = || cached(&self.caches, kind);
        if let Some(changes) = informer.listed(reply, cached, &mut self.informer_client, out) {
            self.take_in(&changes, out);
            self.arm_resync(index, out);
        }
    }

    fn reply(&mut self, token: u64, result: Reply, out: &mut Outbox) {
        let Some((index, key, place)) = self.in_flight.remove(&token) else { return };
        let running = self.controllers[index].running.get_mut(&key).expect("a request under way belongs to a plan");
        running.replies[place] = Some(result);
        running.outstanding -= 1;
        if running.outstanding == 0 {
            self.round_answered(index, key, out);
            self.advance(index, key, out);
        }
    }

    /// All requests of the current step (or of its round) are answered.
    fn round_answered(&mut self, index: usize, key: ObjectId, out: &mut Outbox) {
        let hosted = &mut self.controllers[index];
        let running = hosted.running.get_mut(&key).expect("the plan is under way");
        let replies: Vec<Reply> = running.replies.drain(..).flatten().collect();
        let error = replies.iter().find_map(|reply| reply.as_ref().err());
        let view = view(&self.caches, out);
        match running.current.take().expect("a step was under way") {
            Step::Send { tolerate, label: None, .. } => {
                if let Some(error) = error.filter(|error| !tolerate.contains(&error.reason)) {
                    running.plan.steps.clear();
                    running.plan.fail(error.message.clone());
                }
            }
            Step::Send { label: Some(label), .. } => {
                let outcome = Outcome { label, replies: &replies, skipped: 0, last: true };
                hosted.controller.resume(key, outcome, &view, &mut running.plan);
            }
            Step::Batch { requests, round, label } => {
                let stop = error.is_some() || requests.is_empty();
                let skipped = if error.is_some() { requests.len() } else { 0 };
                if !stop {
                    running.plan.steps.push_front(Step::Batch { requests, round: round * 2, label });
                }
                let outcome = Outcome { label, replies: &replies, skipped, last: stop };
                hosted.controller.resume(key, outcome, &view, &mut running.plan);
            }
            Step::Record { .. } => panic!("an event is not answered"),
        }
    }

    /// Takes the plan's next steps until one waits for answers, or ends it.
    fn advance(&mut self, index: usize, key: ObjectId, out: &mut Outbox) {
        let hosted = &mut self.controllers[index];
        let running = hosted.running.get_mut(&key).expect("the plan is under way");
        for other in running.plan.others.drain(..) {
            hosted.queue.add(other, running.cause);
        }
        while let Some(step) = running.plan.steps.pop_front() {
            match step {
                Step::Record { about, kind, reason, message } => {
                    let occurrence = Occurrence { about, kind, reason, message };
                    hosted.recorder.record(out, &mut hosted.client, occurrence);
                }
                Step::Send { request, tolerate, label } => {
                    running.outstanding = 1;
                    running.replies.push(None);
                    let place = (index, key, 0);
                    send(
                        &mut self.in_flight,
                        &mut self.next_token,
                        &mut hosted.client,
                        place,
                        running.cause,
                        &request,
                        out,
                    );
                    running.current = Some(Step::Send { request, tolerate, label });
                    return;
                }
                Step::Batch { mut requests, round, label } => {
                    let count = round.min(requests.len());
                    running.outstanding = count;
                    for (place, request) in requests.drain(..count).enumerate() {
                        running.replies.push(None);
                        let place = (index, key, place);
                        send(
                            &mut self.in_flight,
                            &mut self.next_token,
                            &mut hosted.client,
                            place,
                            running.cause,
                            &request,
                            out,
                        );
                    }
                    running.current = Some(Step::Batch { requests, round, label });
                    return;
                }
            }
        }
        let running = hosted.running.remove(&key).expect("the plan is under way");
        let (kind, client) = (NoteKind::ReconcileDone, hosted.client.index);
        match running.plan.failure {
            Some(_) => {
                hosted.queue.add_rate_limited(key, running.cause);
                out.note(NoteKind::ReconcileFailed, key, client, running.cause);
            }
            None => {
                if running.plan.requeue_rate_limited {
                    hosted.queue.add_rate_limited(key, running.cause);
                }
                hosted.queue.forget(key);
                out.note(kind, key, client, running.cause);
                if let Some(after) = running.plan.requeue_after {
                    hosted.queue.add_after(key, after, running.cause);
                }
            }
        }
        hosted.queue.done(key);
    }

    /// Starts reconciles while there are keys and free workers.
    fn work(&mut self, out: &mut Outbox) {
        for index in 0..self.controllers.len() {
            loop {
                let hosted = &mut self.controllers[index];
                if hosted.running.len() >= hosted.workers {
                    break;
                }
                let Some((key, cause)) = hosted.queue.pop() else { break };
                out.note(NoteKind::ReconcileBegins, key, hosted.client.index, cause);
                let view = view(&self.caches, out);
                let mut plan = Plan::default();
                hosted.controller.reconcile(key, &view, &mut plan);
                let running = Running { plan, cause, current: None, replies: Vec::new(), outstanding: 0 };
                hosted.running.insert(key, running);
                self.advance(index, key, out);
            }
        }
    }

    /// Wakes the controllers whose time has come.
    fn tick(&mut self, out: &Outbox) {
        let view = view(&self.caches, out);
        for hosted in &mut self.controllers {
            if hosted.controller.next_tick(&view).is_some_and(|tick| tick.at <= out.now) {
                hosted.controller.tick(&view, &mut hosted.queue);
            }
        }
    }

    /// Keeps a timer for the next tick of each controller.
    fn arm_ticks(&mut self, out: &mut Outbox) {
        for (index, hosted) in self.controllers.iter_mut().enumerate() {
            let caches = &self.caches;
            let view = view(caches, out);
            let Some(next) = hosted.controller.next_tick(&view) else { continue };
            let is_armed = |armed: Tick| armed.at <= next.at && (next.background || !armed.background);
            if hosted.tick.is_some_and(is_armed) {
                continue;
            }
            hosted.tick = Some(next);
            let token = TimerToken(TIMER_TICKS + index as u64);
            match next.background {
                true => out.background_timer_after(next.at.max(out.now).since(out.now), token),
                false => out.timer_at(next.at, token),
            }
        }
    }

    /// Keeps one timer for the soonest delayed key of each queue.
    fn arm(&mut self, out: &mut Outbox) {
        for (index, hosted) in self.controllers.iter_mut().enumerate() {
            if let Some(due) = hosted.queue.next_release()
                && hosted.armed.is_none_or(|armed| due < armed)
            {
                hosted.armed = Some(due);
                out.timer_at(due, TimerToken(TIMER_QUEUES + index as u64));
            }
        }
    }
}

impl Part for Host {
    fn handle(&mut self, input: Input, out: &mut Outbox) {
        for hosted in &mut self.controllers {
            hosted.queue.advance(out.now);
            if hosted.armed.is_some_and(|armed| armed <= out.now) {
                hosted.armed = None;
            }
            if hosted.tick.is_some_and(|armed| armed.at <= out.now) {
                hosted.tick = None;
            }
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
                    None => self.reply(token, result, out),
                },
            },
            Input::Notice { informer, mut changes } => {
                self.informers[usize::from(informer.0)].noticed(&mut changes);
                self.take_in(&changes, out);
            }
            Input::WatchEnded { informer, end } => {
                self.informers[usize::from(informer.0)].ended(end, &self.informer_client, out);
            }
            Input::Timer(TimerToken(token)) => {
                if token >= TIMER_TICKS {
                    // Ticks are looked for below.
                } else if let Some(elector) = &mut self.elector
                    && token >= TIMER_ELECTOR
                {
                    let election = elector.timer(token, out);
                    self.elected(election, out);
                } else if let Some(index) = token.checked_sub(TIMER_RESYNC) {
                    self.resync(index as usize, out);
                } else if let Some(index) = token.checked_sub(TIMER_INFORMERS) {
                    self.informers[index as usize].due(&mut self.informer_client, out);
                }
            }
        }
        if self.has_synced() {
            self.tick(out);
            self.work(out);
            self.arm_ticks(out);
        }
        self.arm(out);
    }

    fn client_names(&self) -> Vec<Name> {
        std::iter::once(&self.informer_client)
            .chain(self.controllers.iter().map(|hosted| &hosted.client))
            .chain(self.elector.as_ref().map(Elector::client))
            .map(|client| client.name.clone())
            .collect()
    }

    /// Whether no controller has a key in its queue or in work. Keys that wait for their time do not count.
    fn is_idle(&self) -> bool {
        self.controllers.iter().all(|hosted| hosted.queue.is_empty() && hosted.running.is_empty())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        if let Some(elector) = &self.elector {
            elector.hash_memory(hasher);
        }
        for hosted in &self.controllers {
            hosted.controller.hash_memory(hasher);
            hasher.write_usize(hosted.queue.len());
            hasher.write_usize(hosted.running.len());
        }
    }
}

/// What a controller may read now.
fn view<'a>(caches: &'a Caches, out: &'a Outbox) -> View<'a> {
    View { caches, now: out.now, clock: out.clock, chance: out.chance, beats: &out.beats, disks: &out.disks }
}

fn send(
    in_flight: &mut BTreeMap<u64, (usize, ObjectId, usize)>,
    next_token: &mut u64,
    client: &mut Client,
    place: (usize, ObjectId, usize),
    cause: Cause,
    request: &Request,
    out: &mut Outbox,
) {
    in_flight.insert(*next_token, place);
    out.send_for(client, Token(*next_token), cause, request.clone());
    *next_token += 1;
}

/// What the caches hold of a kind.
fn cached(caches: &Caches, kind: Kind) -> Vec<Object> {
    match kind {
        Kind::Pod => caches.pods.iter().cloned().map(Object::Pod).collect(),
        Kind::Node => caches.nodes.iter().cloned().map(Object::Node).collect(),
        Kind::Namespace => caches.namespaces.iter().cloned().map(Object::Namespace).collect(),
        Kind::Deployment => caches.deployments.iter().cloned().map(Object::Deployment).collect(),
        Kind::ReplicaSet => caches.replica_sets.iter().cloned().map(Object::ReplicaSet).collect(),
        Kind::Lease => caches.leases.iter().cloned().map(Object::Lease).collect(),
        other => {
            caches.others.get(&other).into_iter().flat_map(|cache| cache.iter().cloned().map(Object::Untyped)).collect()
        }
    }
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
