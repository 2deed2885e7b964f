//! What has struck the cluster and has not ended: which processes and machines are down, which messages are lost.
//!
//! The primitives of faults are carried out here and nowhere else. Overlapping faults count: what two of them keep down
//! comes back when both have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Sim, StrikeRecord, TimedFault, Trigger};
use crate::api::Kind;
use crate::check::{By, Follow, Sight};
use crate::event::{Cause, Disks, Input, NetEffect, NetRule, PartId, Parties, Primitive, SimEvent, WatchEnd, Way};
use crate::fault::{Cluster, Fault, NodeFacts};
use crate::kernel::{Purpose, Span, Time, object_hash};
use crate::kubelet::Kubelet;
use crate::record::EntryKind;
use crate::store::WatcherId;

const STRIKE: Purpose = Purpose::new("fault-strike");
const WHEN: Purpose = Purpose::new("fault-when");
const LASTS: Purpose = Purpose::new("fault-lasts");

/// When the watches of a silent connection count as lost. Upstream: client-go's HTTP/2 health check, a ping after 30 s
/// of silence that is answered within 15 s.
const SILENT_AFTER: Span = Span::from_secs(45);
/// How soon a process that has ended itself is started again at first, and how the waits grow. Upstream: a static pod's
/// container, back-off 10 s doubling to 5 min, anew after 10 min.
const RESTART_FIRST: Span = Span::from_secs(1);
const RESTART_BASE: Span = Span::from_secs(10);
const RESTART_MAX: Span = Span::from_secs(300);
const RESTART_FORGOTTEN: Span = Span::from_secs(600);

#[derive(Clone, Debug)]
struct Waiting {
    fault: u32,
    follow: Follow,
    from: Time,
    after: Span,
    left: u32,
    held: bool,
}

/// The state of the world outside the parts.
#[derive(Clone, Debug)]
pub(super) struct World {
    faults: Arc<[TimedFault]>,
    /// What tells the draws of each fault apart: a hash of what it is.
    paths: Arc<[u64]>,
    strikes: Vec<StrikeRecord>,
    heals: BTreeMap<u32, Vec<Primitive>>,
    /// How many strikes (or restarts to come) keep a process down.
    stopped: BTreeMap<PartId, u32>,
    off: BTreeMap<u32, u32>,
    paused: BTreeMap<PartId, (u32, Vec<(Input, Cause)>)>,
    replicas_down: BTreeMap<u8, u32>,
    replicas_frozen: BTreeMap<u8, u32>,
    /// The parts that have been told not to let their heartbeats be computed.
    touched: BTreeSet<PartId>,
    /// Watchers with something to deliver that a rule holds back.
    silenced: BTreeSet<WatcherId>,
    exits: BTreeMap<PartId, (u32, Time)>,
    /// What is wrong with disks.
    pub(super) disks: Disks,
    waiting: Vec<Waiting>,
    /// How often each fault has struck.
    counts: BTreeMap<u32, u32>,
}

impl World {
    pub(super) fn new(faults: &[TimedFault]) -> World {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let paths = faults.iter().map(|timed| {
            let text = format!("{:?}", timed.fault);
            let ordinal = seen.entry(text.clone()).or_default();
            *ordinal += 1;
            object_hash(&format!("{text}#{ordinal}"))
        });
        let waiting = faults.iter().enumerate().filter_map(|(number, timed)| match &timed.trigger {
            Trigger::At(_) | Trigger::Every { .. } => None,
            Trigger::When { claim, from, after, times } => Some(Waiting {
                fault: number as u32,
                follow: Follow::new(claim.clone()),
                from: *from,
                after: *after,
                left: *times,
                held: false,
            }),
        });
        World {
            waiting: waiting.collect(),
            paths: paths.collect(),
            faults: faults.to_vec().into(),
            strikes: Vec::new(),
            heals: BTreeMap::new(),
            stopped: BTreeMap::new(),
            off: BTreeMap::new(),
            paused: BTreeMap::new(),
            replicas_down: BTreeMap::new(),
            replicas_frozen: BTreeMap::new(),
            touched: BTreeSet::new(),
            silenced: BTreeSet::new(),
            exits: BTreeMap::new(),
            disks: Disks::default(),
            counts: BTreeMap::new(),
        }
    }

    /// Whether all that can be up and running is.
    pub(super) fn is_calm(&self) -> bool {
        self.stopped.is_empty()
            && self.off.is_empty()
            && self.paused.is_empty()
            && self.replicas_down.is_empty()
            && self.replicas_frozen.is_empty()
    }

    fn machine_is_off(&self, part: PartId) -> bool {
        matches!(part, PartId::Kubelet(node) if self.off.contains_key(&node))
    }

    /// Whether a part's process is there.
    pub(super) fn is_up(&self, part: PartId) -> bool {
        (self.stopped.is_empty() || !self.stopped.contains_key(&part))
            && (self.off.is_empty() || !self.machine_is_off(part))
    }

    /// Keeps an input for a part that stands still. Gives it back where the part does not.
    pub(super) fn hold(&mut self, part: PartId, input: Input, cause: Cause) -> Option<Input> {
        if self.paused.is_empty() {
            return Some(input);
        }
        match self.paused.get_mut(&part) {
            Some((_, kept)) => {
                kept.push((input, cause));
                None
            }
            None => Some(input),
        }
    }

    pub(super) fn replica_is_down(&self, replica: u8) -> bool {
        !self.replicas_down.is_empty() && self.replicas_down.contains_key(&replica)
    }

    pub(super) fn silence(&mut self, watcher: WatcherId) {
        self.silenced.insert(watcher);
    }

    /// Whether something in force can influence what happens.
    pub(super) fn write_hash(&self, hasher: &mut impl std::hash::Hasher) {
        let active: Vec<u32> = self.heals.keys().copied().collect();
        let text = format!("{:?}{:?}{:?}{:?}", self.stopped, self.off, active, self.paused.keys());
        hasher.write(text.as_bytes());
    }
}

impl Sim {
    /// The strikes of faults so far, in order.
    pub fn strikes(&self) -> &[StrikeRecord] {
        &self.world.strikes
    }

    /// Whether a part's process runs.
    pub fn is_up(&self, part: PartId) -> bool {
        self.world.is_up(part)
    }

    /// Whether any strike has not ended.
    pub fn is_struck(&self) -> bool {
        !self.world.heals.is_empty()
    }

    pub(super) fn post_faults(&mut self) {
        for number in 0..self.world.faults.len() as u32 {
            match self.world.faults[number as usize].trigger {
                Trigger::At(at) => self.post(at, SimEvent::Fault(number)),
                Trigger::Every { .. } => self.post_next_of(number, 0),
                Trigger::When { .. } => {}
            }
        }
        self.look_for_triggers();
    }

    fn post_next_of(&mut self, number: u32, nth: u64) {
        let Trigger::Every { first, period, jitter, until } = self.world.faults[number as usize].trigger else {
            return;
        };
        let base = first.saturating_add(Span::from_nanos(period.as_nanos().saturating_mul(nth)));
        let draw = self.chance.draw(WHEN, self.world.paths[number as usize], nth);
        let off = draw.span_between(Span::ZERO, jitter + jitter);
        let at = Time(base.saturating_add(off).nanos().saturating_sub(jitter.as_nanos())).max(self.now);
        if until.is_none_or(|until| at <= until) {
            self.post(at, SimEvent::Fault(number));
        }
    }

    /// Looks whether a claim that a fault waits for has come to hold.
    pub(super) fn look_for_triggers(&mut self) {
        let mut due = Vec::new();
        for waiting in &mut self.world.waiting {
            if waiting.left == 0 || self.now < waiting.from || !waiting.follow.follow(&self.store) {
                continue;
            }
            let holds = waiting.follow.holds();
            if holds && !waiting.held {
                waiting.left -= 1;
                due.push((waiting.fault, waiting.after));
            }
            waiting.held = holds;
        }
        for (number, after) in due {
            self.post(self.now + after, SimEvent::Fault(number));
        }
    }

    pub(super) fn waits_for_triggers(&self) -> bool {
        !self.world.waiting.is_empty()
    }

    /// A fault strikes.
    pub(super) fn strike(&mut self, number: u32) {
        let timed = self.world.faults[number as usize].clone();
        let count = self.world.counts.entry(number).or_default();
        let nth = u64::from(*count);
        *count += 1;
        let path = self.world.paths[number as usize];
        let struck = self.strike_of(&*timed.fault, path, nth);
        if matches!(timed.trigger, Trigger::Every { .. }) {
            self.post_next_of(number, nth + 1);
        }
        let strike = self.world.strikes.len() as u32;
        let cause = self.write(EntryKind::FaultStrikes, PartId::World, None, u64::from(number), Cause::START);
        let is_void = struck.effects.is_empty();
        let until = if is_void { Some(self.now) } else { None };
        let name = timed.fault.entry().name;
        self.world.strikes.push(StrikeRecord { fault: number, name, hits: struck.hits, from: self.now, until });
        if is_void {
            return;
        }
        let imposes = struck.effects.iter().any(Primitive::is_undone_at_the_end);
        let is_over = struck.heals.is_empty() && !imposes;
        self.world.heals.insert(strike, struck.heals);
        if let Some((low, high)) = timed.lasts {
            let lasts = self.chance.draw(LASTS, path, nth).span_between(low, high);
            self.post(self.now + lasts, SimEvent::Heal(strike));
        }
        for primitive in struck.effects {
            self.carry_out_primitive(strike, primitive, cause);
        }
        self.tell_touched(cause);
        if is_over {
            self.heal(strike);
        }
    }

    fn strike_of(&self, fault: &dyn Fault, path: u64, nth: u64) -> crate::fault::Strike {
        let nodes: Vec<NodeFacts> = self
            .parts
            .kubelets
            .iter()
            .enumerate()
            .map(|(index, kubelet)| NodeFacts {
                name: kubelet.name().clone(),
                labels: kubelet.labels().clone(),
                is_on: !self.world.off.contains_key(&(index as u32)),
            })
            .collect();
        let parts: Vec<_> =
            [PartId::User].into_iter().chain(self.parts.ids()).map(|part| (part, self.parts.name(part))).collect();
        let api_servers = self.store.replicas().len() as u8;
        let draw = self.chance.draw(STRIKE, path, nth);
        let leaders = self.leaders();
        fault.strike(&Cluster { nodes: &nodes, parts: &parts, leaders: &leaders, api_servers, draw })
    }

    /// The controller-managers and schedulers that lead, or need no leader.
    fn leaders(&self) -> Vec<PartId> {
        let leads = |elector: Option<&crate::client::Elector>| elector.is_none_or(crate::client::Elector::is_leader);
        let managers = self.parts.managers.iter().enumerate();
        let schedulers = self.parts.schedulers.iter().enumerate();
        let leading = managers
            .filter(|(_, manager)| leads(manager.elector()))
            .map(|(index, _)| PartId::ControllerManager(index as u8))
            .chain(
                schedulers
                    .filter(|(_, scheduler)| leads(scheduler.elector()))
                    .map(|(index, _)| PartId::Scheduler(index as u8)),
            );
        leading.filter(|part| self.is_up(*part)).collect()
    }

    /// A strike ends.
    pub(super) fn heal(&mut self, strike: u32) {
        let Some(heals) = self.world.heals.remove(&strike) else { return };
        let cause = self.write(EntryKind::FaultEnds, PartId::World, None, u64::from(strike), Cause::START);
        self.world.strikes[strike as usize].until = Some(self.now);
        self.network.rejoin(self.now, strike);
        self.store.relieve_webhooks(strike);
        if self.net.rules.lift(strike) {
            self.wake_silenced();
        }
        self.set_disks(self.world.disks.without(strike), cause);
        for primitive in heals {
            self.carry_out_primitive(strike, primitive, cause);
        }
        self.tell_touched(cause);
    }

    /// Watchers that a rule held back may have something to deliver.
    fn wake_silenced(&mut self) {
        for watcher in std::mem::take(&mut self.world.silenced) {
            self.post(self.now, SimEvent::Wake(watcher.0));
        }
    }

    fn carry_out_primitive(&mut self, strike: u32, primitive: Primitive, cause: Cause) {
        match primitive {
            Primitive::Stop(part) => self.stop(part, cause),
            Primitive::Start(part) => self.post(self.now, SimEvent::Start(part)),
            Primitive::Pause(part) => self.world.paused.entry(part).or_default().0 += 1,
            Primitive::Resume(part) => self.resume(part),
            Primitive::PowerOff(node) => {
                let count = self.world.off.entry(node).or_default();
                *count += 1;
                if *count == 1 && !self.world.stopped.contains_key(&PartId::Kubelet(node)) {
                    self.kill(PartId::Kubelet(node), cause);
                }
                self.tell_power(node, false);
                self.show(&Sight::PowerOff { node }, cause);
            }
            Primitive::PowerOn(node) => self.post(self.now, SimEvent::Boot(node)),
            Primitive::Load { node, resource, percent, over } => {
                let now = self.now;
                self.load(node, cause, |kubelet| kubelet.bear(strike, resource, percent, over, now));
            }
            Primitive::Unload(node) => self.load(node, cause, |kubelet| kubelet.relieve(strike)),
            Primitive::Impose(rule) => self.impose(strike, rule),
            Primitive::Trouble(trouble) => self.trouble(strike, trouble, cause),
            Primitive::LoseFamily { family, nodes } => {
                let kubelets = nodes.iter().filter_map(|node| self.parts.kubelets.get(*node as usize));
                let names = kubelets.map(|kubelet| kubelet.name().clone()).collect();
                self.network.fail_family(self.now, strike, family, names);
            }
            Primitive::ImposeOnWebhooks(rule) => self.store.impose_on_webhooks(strike, rule),
            Primitive::CutWatches { parts, kind, end } => {
                let cut = self.store.watchers_of(&parts, kind, None);
                self.end_watches(cut, end);
            }
            Primitive::ReplicaDown(replica) => {
                *self.world.replicas_down.entry(replica).or_default() += 1;
                let cut = self.store.watchers_of(&Parties::All, None, Some(replica));
                self.end_watches(cut, WatchEnd::Closed);
            }
            Primitive::ReplicaUp(replica) => {
                if release(&mut self.world.replicas_down, &replica) {
                    self.store.restart_replica(replica);
                }
            }
            Primitive::ReplicaFreeze(replica) => {
                let count = self.world.replicas_frozen.entry(replica).or_default();
                *count += 1;
                if *count == 1 {
                    self.store.replicas_mut()[usize::from(replica)].frozen_at = Some(self.now);
                }
            }
            Primitive::ReplicaThaw(replica) => {
                if release(&mut self.world.replicas_frozen, &replica) {
                    self.store.replicas_mut()[usize::from(replica)].frozen_at = None;
                    self.wake_silenced();
                }
            }
        }
    }

    /// Changes what a machine carries, and tells its kubelet, if it runs.
    fn load(&mut self, node: u32, cause: Cause, change: impl FnOnce(&mut Kubelet)) {
        if let Some(kubelet) = self.parts.kubelets.get_mut(node as usize) {
            change(Arc::make_mut(kubelet));
            let part = PartId::Kubelet(node);
            if self.is_up(part) {
                self.hand(part, Input::Loaded, cause);
            }
        }
    }

    /// Tells the network whether the machine of a node runs.
    fn tell_power(&mut self, node: u32, is_on: bool) {
        if let Some(kubelet) = self.parts.kubelets.get(node as usize) {
            let name = kubelet.name().clone();
            self.network.set_power(self.now, &name, is_on);
        }
    }

    fn impose(&mut self, strike: u32, rule: Arc<NetRule>) {
        if rule.effect == NetEffect::Drop {
            let parts: Vec<PartId> = [PartId::User].into_iter().chain(self.parts.ids()).collect();
            let hears_nothing = |node: u32| rule.concerns(PartId::Kubelet(node), 0, Way::Watch, Kind::EndpointSlice);
            let kubelets = self.parts.kubelets.iter().zip(0..).filter(|(_, number)| hears_nothing(*number));
            let cut_off = kubelets.map(|(kubelet, _)| kubelet.name().clone()).collect();
            self.network.cut_off(self.now, strike, cut_off);
            for part in parts.into_iter().filter(|part| rule.parts.contains(*part)) {
                self.post(self.now + SILENT_AFTER, SimEvent::Silent(part, strike));
            }
        }
        self.net.rules.impose(strike, rule);
    }

    /// The connections of a part have been silent for long, if the strike still lasts.
    pub(super) fn silent(&mut self, part: PartId, strike: u32) {
        let lost = |rule: &NetRule| rule.effect == NetEffect::Drop && rule.parts.contains(part);
        let rules: Vec<Arc<NetRule>> = self
            .net
            .rules
            .iter()
            .filter(|(of, rule)| *of == strike && lost(rule))
            .map(|(_, rule)| rule.clone())
            .collect();
        for rule in rules {
            let cut = self.store.watchers_of(&Parties::of([part]), rule.kind, rule.replica);
            self.end_watches(cut, WatchEnd::Lost);
        }
    }

    fn end_watches(&mut self, watchers: Vec<WatcherId>, end: WatchEnd) {
        for id in watchers {
            self.world.silenced.remove(&id);
            if let Some(watcher) = self.store.close_watch(id) {
                let ended = (watcher.part, watcher.incarnation, watcher.informer, end);
                self.post(self.now, SimEvent::WatchEnded(Box::new(ended)));
            }
        }
    }

    /// A process dies, and stays down until as many starts have come as stops.
    fn stop(&mut self, part: PartId, cause: Cause) {
        let count = self.world.stopped.entry(part).or_default();
        *count += 1;
        if *count == 1 && !self.world.machine_is_off(part) {
            self.kill(part, cause);
        }
    }

    /// A process is gone: what it has set and asked for concerns nobody any more.
    fn kill(&mut self, part: PartId, cause: Cause) {
        self.write(EntryKind::PartStops, part, None, u64::from(self.incarnation(part)), cause);
        *self.incarnations.entry(part).or_default() += 1;
        self.show(&Sight::PartStops(part), cause);
        self.store.close_watches_of(part);
        if let Some((_, kept)) = self.world.paused.get_mut(&part) {
            kept.clear();
        }
        self.materialise_beats(part, cause);
    }

    /// Heartbeats that were computed stop: the last of them is written.
    fn materialise_beats(&mut self, part: PartId, cause: Cause) {
        let context = crate::store::Context { now: self.now, cause, from: part, replica: 0 };
        if self.store.stop_beats(part, &context) {
            self.after_store(By::living(part), cause);
        }
    }

    /// A process ends itself; it is started again as a static pod is.
    pub(super) fn exit(&mut self, part: PartId, cause: Cause) {
        let (count, last) = self.world.exits.get(&part).copied().unwrap_or((0, Time::ZERO));
        let count = if self.now.since(last) > RESTART_FORGOTTEN { 0 } else { count };
        let wait = match count {
            0 => RESTART_FIRST,
            more => (RESTART_BASE * (1 << (more - 1).min(5))).min(RESTART_MAX),
        };
        self.world.exits.insert(part, (count + 1, self.now));
        self.stop(part, cause);
        self.post(self.now + wait, SimEvent::Start(part));
        self.tell_touched(cause);
    }

    /// A start: of the simulation, after a stop, after an exit.
    pub(super) fn start(&mut self, part: PartId) {
        if self.world.stopped.contains_key(&part) && !release(&mut self.world.stopped, &part) {
            return;
        }
        if self.world.machine_is_off(part) {
            return;
        }
        let cause = self.note_start(part);
        self.hand(part, Input::Start, cause);
        self.tell_started(part, cause);
    }

    /// A machine is switched on.
    pub(super) fn boot(&mut self, node: u32) {
        if !release(&mut self.world.off, &node) {
            return;
        }
        self.tell_power(node, true);
        let part = PartId::Kubelet(node);
        if self.world.stopped.contains_key(&part) {
            return;
        }
        let cause = self.note_start(part);
        self.hand(part, Input::Boot, cause);
        self.tell_started(part, cause);
    }

    fn tell_started(&mut self, part: PartId, cause: Cause) {
        self.tell_touched(cause);
        if self.world.touched.contains(&part) {
            self.hand(part, Input::Heartbeats { computed: false }, cause);
        }
    }

    fn resume(&mut self, part: PartId) {
        let Some((count, _)) = self.world.paused.get_mut(&part) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        let (_, kept) = self.world.paused.remove(&part).unwrap_or_default();
        for (input, cause) in kept {
            if self.is_up(part) {
                self.hand(part, input, cause);
            }
        }
    }

    /// Tells parts whose heartbeats may no longer be computed, or may again.
    fn tell_touched(&mut self, cause: Cause) {
        let now = self.touched_now();
        if now == self.world.touched {
            return;
        }
        let before = std::mem::replace(&mut self.world.touched, now);
        let changed: Vec<PartId> = before.symmetric_difference(&self.world.touched).copied().collect();
        for part in changed {
            let computed = !self.world.touched.contains(&part);
            if !computed {
                self.materialise_beats(part, cause);
            }
            if self.is_up(part) {
                self.hand(part, Input::Heartbeats { computed }, cause);
            }
        }
    }

    /// The parts from which, or to whose readers, some message would not pass as it should.
    fn touched_now(&self) -> BTreeSet<PartId> {
        let world = &self.world;
        let mut touched = BTreeSet::new();
        if self.net.rules.is_empty() && world.is_calm() {
            return touched;
        }
        let beating: Vec<PartId> = self
            .parts
            .ids()
            .into_iter()
            .filter(|part| matches!(part, PartId::Kubelet(_) | PartId::ControllerManager(_) | PartId::Scheduler(_)))
            .collect();
        let is_reader = |part: PartId| matches!(part, PartId::ControllerManager(_));
        let all_down = world.replicas_down.len() == self.store.replicas().len();
        let blinds = |rule: &NetRule| {
            rule.ways.contains(&Way::Watch) && beating.iter().any(|part| is_reader(*part) && rule.parts.contains(*part))
        };
        if all_down || !world.replicas_frozen.is_empty() || self.net.rules.iter().any(|(_, rule)| blinds(rule)) {
            touched.extend(beating);
            return touched;
        }
        touched.extend(beating.iter().filter(|part| {
            self.net.rules.concern(**part)
                || world.paused.contains_key(part)
                || world.stopped.contains_key(part)
                || world.machine_is_off(**part)
        }));
        // A leader and its stand-bys see the same sky.
        let group = |part: &PartId| match part {
            PartId::ControllerManager(_) => 1,
            PartId::Scheduler(_) => 2,
            PartId::User | PartId::Kubelet(_) | PartId::Guest(_) | PartId::World => 0,
        };
        let groups: BTreeSet<u8> = touched.iter().map(group).filter(|group| *group > 0).collect();
        touched.extend(beating.iter().filter(|part| groups.contains(&group(part))));
        touched
    }
}

/// Takes one off a count. True where nothing is left of it.
fn release<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else { return false };
    *count -= 1;
    if *count > 0 {
        return false;
    }
    counts.remove(key);
    true
}
