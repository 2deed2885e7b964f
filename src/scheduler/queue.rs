//! The scheduling queue: active, in back-off, unschedulable, gated; and what happened while a pod was decided.
//! Upstream: `pkg/scheduler/backend/queue` of 1.34, with queueing hints and `SchedulerPopFromBackoffQ`.
//!
//! Upstream moves pods whose back-off is over once a second; here that is done when somebody looks, with the same
//! result: a pod of back-off window w leaves it when the second after w begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ClusterEvent, EventKind, ExtensionPoint, Profile, pod_events, pre_enqueue};
use crate::api::{Obj, Object, Pod, Uid};
use crate::event::Cause;
use crate::kernel::{Span, Time};

/// The ordering window of back-offs. Upstream: `backoffQOrderingWindowDuration`.
const WINDOW: Span = Span::from_secs(1);
/// How often upstream looks for pods that have waited too long.
const FLUSH_EVERY: Span = Span::from_secs(30);

/// The order of the active queue: what QueueSort says, then who came first.
type SortKey = (i64, Time, u64, u32);

/// Where a pod waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Active,
    Backoff,
    ErrorBackoff,
    Unschedulable,
    Gated,
}

/// A pod in the queue, or out of it to be decided. Upstream: `framework.QueuedPodInfo`.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    /// The pod.
    pub pod: Arc<Obj<Pod>>,
    /// The number of its profile.
    pub profile: u8,
    /// Since when it has been in the queue, this time.
    pub since: Time,
    /// Its place among all that ever came.
    pub sequence: u64,
    /// How often it was decided.
    pub attempts: u32,
    /// How often it was rejected.
    pub unschedulable_count: u32,
    /// How often in a row its cycle failed for other reasons.
    pub error_count: u32,
    /// The plugins that rejected it last time, as a set of numbers.
    pub rejectors: u64,
    /// Those that wait for something that will come.
    pub pending: u64,
    /// The plugin that keeps it out of the active queue.
    pub gated_by: Option<u8>,
    /// What put it where it is.
    pub cause: Cause,
    place: Place,
    key: SortKey,
}

/// The queue.
#[derive(Clone, Debug)]
pub struct SchedulingQueue {
    initial_backoff: Span,
    max_backoff: Span,
    max_in_unschedulable: Span,
    pods: BTreeMap<u32, QueuedPod>,
    active: BTreeSet<SortKey>,
    backoff: BTreeSet<(Time, SortKey)>,
    error_backoff: BTreeSet<(Time, SortKey)>,
    unschedulable: BTreeSet<(Time, u32)>,
    /// Pods that are being decided, with what has happened since.
    in_flight: BTreeMap<u32, Vec<ClusterEvent>>,
    /// Pods whose victims are being asked to go, with the plugin that keeps them out of the active queue meanwhile.
    held: BTreeMap<Uid, u8>,
    sequence: u64,
}

/// What an event means to a pod. Upstream: `queueingStrategy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Strategy {
    Skip,
    AfterBackoff,
    Immediately,
}

impl SchedulingQueue {
    /// An empty queue.
    pub fn new(initial_backoff: Span, max_backoff: Span, max_in_unschedulable: Span) -> SchedulingQueue {
        SchedulingQueue {
            initial_backoff,
            max_backoff,
            max_in_unschedulable,
            pods: BTreeMap::new(),
            active: BTreeSet::new(),
            backoff: BTreeSet::new(),
            error_backoff: BTreeSet::new(),
            unschedulable: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            held: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// A new pending pod.
    pub fn add(&mut self, pod: &Arc<Obj<Pod>>, profile: u8, now: Time, cause: Cause, profiles: &[Profile]) {
        self.sequence += 1;
        let queued = QueuedPod {
            pod: pod.clone(),
            profile,
            since: now,
            sequence: self.sequence,
            attempts: 0,
            unschedulable_count: 0,
            error_count: 0,
            rejectors: 0,
            pending: 0,
            gated_by: None,
            cause,
            place: Place::Active,
            key: (0, now, 0, 0),
        };
        self.take_out(pod.meta.id.slot);
        self.move_to_active(queued, profiles);
    }

    /// A pending pod has changed.
    pub fn update(
        &mut self,
        old: &Arc<Obj<Pod>>,
        new: &Arc<Obj<Pod>>,
        profile: u8,
        now: Time,
        cause: Cause,
        profiles: &[Profile],
    ) {
        let slot = new.meta.id.slot;
        let events = pod_events(old, new).into_iter().map(|kind| ClusterEvent {
            kind,
            old: Some(Object::Pod(old.clone())),
            new: Some(Object::Pod(new.clone())),
        });
        if let Some(seen) = self.in_flight.get_mut(&slot) {
            seen.extend(events);
            return;
        }
        match self.pods.get_mut(&slot).map(|queued| queued.place) {
            None => self.add(new, profile, now, cause, profiles),
            Some(Place::Active | Place::Backoff | Place::ErrorBackoff) => {
                if let Some(mut queued) = self.take_out(slot) {
                    queued.pod = new.clone();
                    let place = queued.place;
                    self.put(queued, place, profiles);
                }
            }
            Some(Place::Unschedulable | Place::Gated) => {
                if let Some(queued) = self.pods.get_mut(&slot) {
                    queued.pod = new.clone();
                }
                for event in events {
                    let Some(queued) = self.pods.get(&slot) else { return };
                    let strategy = self.worth_requeuing(queued, &event, profiles);
                    if strategy != Strategy::Skip
                        && let Some(mut queued) = self.take_out(slot)
                    {
                        queued.cause = cause;
                        if self.requeue_by(queued, strategy, now, profiles) {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// A pending pod is gone, or bound.
    pub fn delete(&mut self, slot: u32) {
        self.take_out(slot);
    }

    /// Whether a pod is being decided.
    pub fn is_in_flight(&self, slot: u32) -> bool {
        self.in_flight.contains_key(&slot)
    }

    /// Keeps a pod out of the active queue, in the name of a plugin. Upstream: what PreEnqueue of DefaultPreemption says
    /// by `IsPodRunningPreemption`.
    pub fn hold(&mut self, pod: Uid, plugin: u8) {
        self.held.insert(pod, plugin);
    }

    /// No longer keeps a pod out. What brings it back is the next event.
    pub fn release(&mut self, pod: Uid) {
        self.held.remove(&pod);
    }

    /// Takes a pod out of any wait. One that is being decided will be tried again. Upstream: `Activate`.
    pub fn activate(&mut self, slot: u32, profiles: &[Profile]) {
        if let Some(seen) = self.in_flight.get_mut(&slot) {
            seen.push(ClusterEvent { kind: EventKind::UnschedulableTimeout, old: None, new: None });
        } else if self.pods.get(&slot).is_some_and(|queued| queued.place != Place::Active)
            && let Some(queued) = self.take_out(slot)
        {
            self.move_to_active(queued, profiles);
        }
    }

    /// Takes the next pod out to be decided: from the active queue, else from those that wait for their back-off.
    pub fn pop(&mut self, now: Time, profiles: &[Profile]) -> Option<QueuedPod> {
        self.flush(now, profiles);
        let slot = match self.active.first() {
            Some((_, _, _, slot)) => *slot,
            None => self.backoff.first()?.1.3,
        };
        let mut queued = self.take_out(slot)?;
        queued.attempts += 1;
        queued.rejectors = 0;
        queued.pending = 0;
        queued.gated_by = None;
        self.in_flight.insert(slot, Vec::new());
        Some(queued)
    }

    /// The pod is decided and does not come back for now.
    pub fn done(&mut self, slot: u32) {
        self.in_flight.remove(&slot);
    }

    /// A pod that could not be placed or bound comes back. Upstream: `AddUnschedulableIfNotPresent`.
    pub fn requeue(&mut self, mut queued: QueuedPod, now: Time, profiles: &[Profile]) {
        let slot = queued.pod.meta.id.slot;
        let events = self.in_flight.remove(&slot).unwrap_or_default();
        if self.pods.contains_key(&slot) {
            return;
        }
        let is_error = queued.rejectors | queued.pending == 0;
        if is_error {
            queued.error_count += 1;
        } else {
            queued.unschedulable_count += 1;
            queued.error_count = 0;
        }
        queued.since = now;
        let strategy = if is_error {
            Strategy::AfterBackoff
        } else {
            let strategies = events.iter().map(|event| self.worth_requeuing(&queued, event, profiles));
            strategies.max().unwrap_or(Strategy::Skip)
        };
        self.requeue_by(queued, strategy, now, profiles);
    }

    /// Something happened: pods that were rejected and may fit now are tried again. `except` is left alone.
    /// Upstream: `MoveAllToActiveOrBackoffQueue`.
    pub fn move_all(
        &mut self,
        event: ClusterEvent,
        except: Option<u32>,
        now: Time,
        cause: Cause,
        profiles: &[Profile],
    ) {
        self.move_if(event, |pod| Some(pod.meta.id.slot) != except, now, cause, profiles);
    }

    /// The same for pods up to a priority. Upstream: with `getLEPriorityPreCheck`.
    pub fn move_up_to(&mut self, event: ClusterEvent, priority: i32, now: Time, cause: Cause, profiles: &[Profile]) {
        self.move_if(event, |pod| pod.body.spec.priority <= priority, now, cause, profiles);
    }

    fn move_if(
        &mut self,
        event: ClusterEvent,
        concerns: impl Fn(&Obj<Pod>) -> bool,
        now: Time,
        cause: Cause,
        profiles: &[Profile],
    ) {
        let interested = |profile: &Profile| profile.interested(event.kind) != 0;
        if event.kind != EventKind::UnschedulableTimeout && !profiles.iter().any(interested) {
            return;
        }
        let worth: Vec<(u32, Strategy)> = (self.unschedulable.iter())
            .filter_map(|(_, slot)| {
                let queued = self.pods.get(slot).filter(|queued| concerns(&queued.pod))?;
                let strategy = self.worth_requeuing(queued, &event, profiles);
                (strategy != Strategy::Skip).then_some((*slot, strategy))
            })
            .collect();
        for (slot, strategy) in worth {
            if let Some(mut queued) = self.take_out(slot) {
                queued.cause = cause;
                self.requeue_by(queued, strategy, now, profiles);
            }
        }
        for seen in self.in_flight.values_mut() {
            seen.push(event.clone());
        }
    }

    /// When something changes here by itself: a back-off after an error ends, or a pod has waited for too long. Pods
    /// in back-off after a rejection need no alarm: an idle scheduler takes them at once.
    pub fn next_alarm(&self) -> Option<Time> {
        let backoff = self.error_backoff.first().map(|(until, _)| align(*until, WINDOW) + WINDOW);
        let too_long = self.unschedulable.first().map(|(since, _)| self.times_out(*since));
        [backoff, too_long].into_iter().flatten().min()
    }

    /// Whether no pod could be decided now.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.backoff.is_empty()
    }

    /// How many pods wait: active, in back-off, unschedulable (gated ones included).
    pub fn counts(&self) -> (usize, usize, usize) {
        let backoff = self.backoff.len() + self.error_backoff.len();
        (self.active.len(), backoff, self.pods.len() - self.active.len() - backoff)
    }

    /// The pods that wait, by number.
    pub fn pods(&self) -> impl Iterator<Item = &QueuedPod> {
        self.pods.values()
    }

    fn times_out(&self, since: Time) -> Time {
        let after = since + self.max_in_unschedulable;
        align(after, FLUSH_EVERY) + FLUSH_EVERY
    }

    /// Moves on whatever has waited for its time.
    fn flush(&mut self, now: Time, profiles: &[Profile]) {
        loop {
            let firsts = [self.backoff.first(), self.error_backoff.first()];
            let Some((until, key)) = firsts.into_iter().flatten().min().copied() else { break };
            if until >= align(now, WINDOW) {
                break;
            }
            if let Some(queued) = self.take_out(key.3) {
                self.put(queued, Place::Active, profiles);
            }
        }
        while let Some((since, slot)) = self.unschedulable.first().copied() {
            if self.times_out(since) > now {
                break;
            }
            if let Some(queued) = self.take_out(slot) {
                self.requeue_by(queued, Strategy::AfterBackoff, now, profiles);
            }
        }
    }

    /// Upstream: `isPodWorthRequeuing`.
    fn worth_requeuing(&self, queued: &QueuedPod, event: &ClusterEvent, profiles: &[Profile]) -> Strategy {
        let rejectors = queued.rejectors | queued.pending;
        if rejectors == 0 || event.kind == EventKind::UnschedulableTimeout {
            return Strategy::AfterBackoff;
        }
        let profile = &profiles[usize::from(queued.profile)];
        let asked = profile.interested(event.kind) & rejectors;
        let mut strategy = Strategy::Skip;
        for number in (0..64).filter(|number| asked & (1 << number) != 0) {
            if profile.plugins[number].entry.plugin.hint(event, &queued.pod, &profile.args) {
                if queued.pending & (1 << number) != 0 {
                    return Strategy::Immediately;
                }
                strategy = Strategy::AfterBackoff;
            }
        }
        strategy
    }

    /// Puts a pod where a strategy says, and whether it is to be tried again. Upstream:
    /// `requeuePodWithQueueingStrategy`.
    fn requeue_by(&mut self, queued: QueuedPod, strategy: Strategy, now: Time, profiles: &[Profile]) -> bool {
        match strategy {
            Strategy::Skip => {
                self.put(queued, Place::Unschedulable, profiles);
                false
            }
            Strategy::AfterBackoff if self.backoff_until(&queued).is_some_and(|until| until >= align(now, WINDOW)) => {
                let is_error = queued.rejectors | queued.pending == 0;
                self.move_unless_gated(queued, if is_error { Place::ErrorBackoff } else { Place::Backoff }, profiles)
            }
            Strategy::AfterBackoff | Strategy::Immediately => self.move_unless_gated(queued, Place::Active, profiles),
        }
    }

    fn move_to_active(&mut self, queued: QueuedPod, profiles: &[Profile]) {
        self.move_unless_gated(queued, Place::Active, profiles);
    }

    /// Asks PreEnqueue first. Upstream: `moveToActiveQ`, `moveToBackoffQ`. A pod that is held waits among the
    /// unschedulable ones, where events and time find it.
    fn move_unless_gated(&mut self, mut queued: QueuedPod, place: Place, profiles: &[Profile]) -> bool {
        let gate = pre_enqueue(&profiles[usize::from(queued.profile)], &queued.pod).map(|(plugin, _)| plugin);
        let held = self.held.get(&queued.pod.meta.uid).copied();
        queued.gated_by = gate.or(held);
        match queued.gated_by {
            Some(plugin) => {
                queued.rejectors |= 1 << plugin;
                self.put(queued, if gate.is_some() { Place::Gated } else { Place::Unschedulable }, profiles);
                false
            }
            None => {
                self.put(queued, place, profiles);
                true
            }
        }
    }

    fn sort_key(&self, queued: &QueuedPod, profiles: &[Profile]) -> SortKey {
        let profile = &profiles[usize::from(queued.profile)];
        let sorter = profile.at(ExtensionPoint::QueueSort).next();
        let (rank, since) = match sorter {
            Some((_, enabled)) => enabled.entry.plugin.sort_key(&queued.pod, queued.since),
            None => (0, queued.since),
        };
        (rank, since, queued.sequence, queued.pod.meta.id.slot)
    }

    /// When the pod's back-off ends, as the start of a window; nothing for one that was never tried.
    fn backoff_until(&self, queued: &QueuedPod) -> Option<Time> {
        let count = if queued.error_count > 0 { queued.error_count } else { queued.unschedulable_count };
        if count == 0 {
            return None;
        }
        let factor = 1u64.checked_shl(count - 1).unwrap_or(u64::MAX);
        let wait = self.initial_backoff.as_nanos().checked_mul(factor).map_or(self.max_backoff, Span::from_nanos);
        Some(align(queued.since + wait.min(self.max_backoff), WINDOW))
    }

    fn put(&mut self, mut queued: QueuedPod, place: Place, profiles: &[Profile]) {
        let slot = queued.pod.meta.id.slot;
        let key = self.sort_key(&queued, profiles);
        let until = self.backoff_until(&queued).unwrap_or(Time::ZERO);
        match place {
            Place::Active => self.active.insert(key),
            Place::Backoff => self.backoff.insert((until, key)),
            Place::ErrorBackoff => self.error_backoff.insert((until, key)),
            Place::Unschedulable => self.unschedulable.insert((queued.since, slot)),
            Place::Gated => true,
        };
        queued.place = place;
        queued.key = key;
        self.pods.insert(slot, queued);
    }

    fn take_out(&mut self, slot: u32) -> Option<QueuedPod> {
        let queued = self.pods.remove(&slot)?;
        let until = self.backoff_until(&queued).unwrap_or(Time::ZERO);
        match queued.place {
            Place::Active => self.active.remove(&queued.key),
            Place::Backoff => self.backoff.remove(&(until, queued.key)),
            Place::ErrorBackoff => self.error_backoff.remove(&(until, queued.key)),
            Place::Unschedulable => self.unschedulable.remove(&(queued.since, slot)),
            Place::Gated => true,
        };
        Some(queued)
    }
}

fn align(at: Time, to: Span) -> Time {
    Time(at.nanos() / to.as_nanos() * to.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::testing::pod_numbered;

    fn seconds(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    fn queue() -> SchedulingQueue {
        SchedulingQueue::new(Span::from_secs(1), Span::from_secs(10), Span::from_mins(5))
    }

    fn add(queue: &mut SchedulingQueue, slot: u32, spec: &str, now: Time, profiles: &[Profile]) {
        queue.add(&pod_numbered(slot, "p", spec), 0, now, Cause(0), profiles);
    }

    #[test]
    fn back_off_doubles_in_whole_seconds_up_to_its_maximum() {
        let profiles = [Profile::upstream()];
        let mut queue = queue();
        add(&mut queue, 1, "{containers: []}", Time::ZERO, &profiles);
        let mut now = Time::ZERO + Span::from_millis(300);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let failed = queue.pop(now, &profiles).expect("its back-off is over");
            queue.requeue(failed, now, &profiles);
            assert!(queue.pop(now, &profiles).is_none(), "an error is not popped early");
            let due = queue.next_alarm().expect("it waits");
            assert!(queue.pop(Time(due.nanos() - 1), &profiles).is_none());
            waits.push(due.seconds() - now.seconds());
            now = due;
        }
        assert_eq!(waits, [2, 3, 5, 9, 11, 11], "to the end of the window in which it is over");
    }

    #[test]
    fn an_idle_scheduler_takes_rejected_pods_out_of_their_back_off_by_window_and_priority() {
        let profiles = [Profile::upstream()];
        let mut queue = queue();
        for (slot, priority) in [(1, 0), (2, 5), (3, 9)] {
            add(&mut queue, slot, &format!("{{priority: {priority}, containers: []}}"), Time::ZERO, &profiles);
        }
        let mut pods: Vec<QueuedPod> = (0..3).map(|_| queue.pop(Time::ZERO, &profiles).expect("active")).collect();
        pods[0].unschedulable_count = 2;
        for mut failed in pods {
            failed.rejectors = 1;
            queue.requeue(failed, Time::ZERO, &profiles);
        }
        assert_eq!(queue.counts(), (0, 0, 3));
        let timeout = ClusterEvent { kind: EventKind::UnschedulableTimeout, old: None, new: None };
        queue.move_all(timeout, None, Time::ZERO, Cause(0), &profiles);
        assert_eq!(queue.counts(), (0, 3, 0));
        let order: Vec<u32> =
            (0..3).map(|_| queue.pop(Time::ZERO, &profiles).expect("taken early").pod.meta.id.slot).collect();
        assert_eq!(order, [2, 1, 3], "the third has a longer back-off");
    }

    #[test]
    fn a_gated_pod_is_moved_by_nothing_but_its_gates() {
        let profiles = [Profile::upstream()];
        let mut queue = queue();
        add(&mut queue, 1, "{containers: [], schedulingGates: [{name: a}]}", Time::ZERO, &profiles);
        assert_eq!((queue.counts(), queue.next_alarm()), ((0, 0, 1), None));
        assert!(queue.pop(seconds(1000), &profiles).is_none());
    }

    #[test]
    fn a_held_pod_is_let_in_by_the_first_event_after_its_release() {
        let profiles = [Profile::upstream()];
        let mut queue = queue();
        add(&mut queue, 1, "{containers: []}", Time::ZERO, &profiles);
        let fit = profiles[0].plugins.iter().position(|enabled| enabled.entry.name == "NodeResourcesFit");
        let mut failed = queue.pop(Time::ZERO, &profiles).expect("active");
        let uid = failed.pod.meta.uid;
        failed.rejectors = 1 << fit.expect("it is enabled");
        queue.hold(uid, 0);
        queue.requeue(failed, Time::ZERO, &profiles);
        let gone = || Some(Object::Pod(pod_numbered(2, "gone", "{containers: []}")));
        let decided = |queue: &mut SchedulingQueue, activated: bool| {
            let event = ClusterEvent { kind: EventKind::AssignedPodDelete, old: gone(), new: None };
            match activated {
                true => queue.activate(1, &profiles),
                false => queue.move_all(event, None, Time::ZERO, Cause(0), &profiles),
            }
            queue.pop(Time::ZERO, &profiles)
        };
        assert!(decided(&mut queue, false).is_none());
        assert!(decided(&mut queue, true).is_none());
        queue.release(uid);
        let mut again = decided(&mut queue, false).expect("nothing holds it");
        again.rejectors = 1;
        queue.activate(1, &profiles);
        queue.requeue(again, Time::ZERO, &profiles);
        assert!(queue.pop(Time::ZERO, &profiles).is_some(), "it was activated while it was decided");
    }

    #[test]
    fn who_waits_for_too_long_is_tried_at_the_next_half_minute() {
        let profiles = [Profile::upstream()];
        let mut queue = queue();
        add(&mut queue, 1, "{containers: []}", seconds(10), &profiles);
        let mut failed = queue.pop(seconds(10), &profiles).expect("active");
        failed.rejectors = 1;
        queue.requeue(failed, seconds(10), &profiles);
        assert_eq!(queue.next_alarm(), Some(seconds(330)));
        assert!(queue.pop(seconds(329), &profiles).is_none());
        assert!(queue.pop(seconds(330), &profiles).is_some());
    }
}
