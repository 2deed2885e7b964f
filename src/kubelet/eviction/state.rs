//! What the eviction manager remembers from one look to the next, and what a look makes of it. Pure.
//! Upstream: `eviction_manager.go` (`synchronize`), up to the point where it acts.

use super::stats::{Capacity, Demand, Observation, Reach};
use super::thresholds::{EvictionSettings, Pressure, Threshold};
use crate::kernel::{Span, Time};

/// How often the manager looks. Upstream: `evictionMonitoringPeriod`.
pub(in crate::kubelet) const EVERY: Span = Span::from_secs(10);

/// The memory of the manager.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::kubelet) struct State {
    /// The look from which the next ones count, every ten seconds. Looks that would have changed nothing are not made.
    pub(super) looked: Time,
    /// By threshold: since when it has been met; `None`: it is not.
    since: Vec<Option<Time>>,
    /// By threshold: whether it has been met for as long as its grace period, and what is to be reclaimed is missing.
    acting: Vec<bool>,
    /// By [`Pressure`]: when it was last seen.
    seen: [Option<Time>; 3],
    /// By [`Pressure`]: whether the node has the condition.
    conditions: [bool; 3],
    /// The pod that is being evicted, by its number on the node: no look is made before it has ended.
    pub(super) cleaning: Option<u32>,
    /// The look that has a timer; `Time::MAX`: none.
    pub(super) due: Time,
}

impl State {
    /// A manager that has started at an instant.
    pub(super) fn new(started: Time, thresholds: usize) -> State {
        State {
            looked: started,
            since: vec![None; thresholds],
            acting: vec![false; thresholds],
            seen: [None; 3],
            conditions: [false; 3],
            cleaning: None,
            due: Time::MAX,
        }
    }

    /// Whether the node has a condition.
    pub(in crate::kubelet) fn has(&self, pressure: Pressure) -> bool {
        self.conditions[pressure as usize]
    }

    /// The conditions that the node has.
    pub(in crate::kubelet) fn conditions(&self) -> impl Iterator<Item = Pressure> {
        Pressure::ALL.into_iter().filter(|pressure| self.has(*pressure))
    }

    /// Whether nothing is met, and no condition is left.
    fn is_calm(&self) -> bool {
        self.since.iter().all(Option::is_none) && self.conditions.iter().all(|holds| !holds)
    }

    /// Takes in what a look sees. Returns the thresholds for which something is to be done, memory first.
    pub(super) fn look(&mut self, now: Time, seen: &Observation, settings: &EvictionSettings) -> Vec<Threshold> {
        let waited = self.cleaning.take().is_some();
        let before = if waited { self.looked } else { self.last_look_before(now) };
        let thresholds = settings.thresholds.iter().enumerate();
        let mut acting = Vec::new();
        let mut met_now = [false; 3];
        for (at, threshold) in thresholds {
            let pressure = threshold.signal.starved().pressure() as usize;
            let was_met = self.since[at].is_some();
            let is_met = self.is_met(at, threshold, seen);
            // It was met at all looks that were not made.
            if was_met {
                self.seen[pressure] = self.seen[pressure].max(Some(before));
            }
            met_now[pressure] |= is_met;
            self.since[at] = is_met.then(|| self.since[at].unwrap_or(now));
            self.acting[at] = self.since[at].is_some_and(|since| now.since(since) >= threshold.grace);
            if self.acting[at] {
                acting.push(threshold.clone());
            }
        }
        for ((seen, condition), is_met) in self.seen.iter_mut().zip(&mut self.conditions).zip(met_now) {
            if is_met {
                *seen = Some(now);
            }
            *condition = seen.is_some_and(|at| now.since(at) < settings.transition);
        }
        self.looked = now;
        acting.sort_by_key(|threshold| threshold.signal.starved() != super::thresholds::Starved::Memory);
        acting
    }

    fn is_met(&self, at: usize, threshold: &Threshold, seen: &Observation) -> bool {
        seen.meets(threshold, if self.acting[at] { Reach::Reclaim } else { Reach::Threshold })
    }

    /// The last look before an instant, made or not.
    fn last_look_before(&self, now: Time) -> Time {
        let periods = now.since(self.looked).as_nanos().saturating_sub(1) / EVERY.as_nanos();
        self.looked + EVERY * periods
    }

    /// The first look that is not before an instant, and after `now`.
    fn look_from(&self, at: Time, now: Time) -> Time {
        let after = at.max(Time(now.nanos() + 1)).since(self.looked).as_nanos();
        self.looked.saturating_add(EVERY * after.div_ceil(EVERY.as_nanos()))
    }

    /// The next look that is to be made, as the demand stands; `Time::MAX`: none.
    pub(super) fn next(&self, now: Time, demand: &Demand<'_>, of: &Capacity, settings: &EvictionSettings) -> Time {
        if self.acting.iter().any(|acting| *acting) {
            return self.look_from(now, now);
        }
        let mut next = self.next_crossing(now, demand, of, settings);
        for (at, threshold) in settings.thresholds.iter().enumerate() {
            if let Some(since) = self.since[at] {
                next = next.min(self.look_from(since.saturating_add(threshold.grace), now));
            }
        }
        for pressure in Pressure::ALL {
            let mut thresholds = settings.thresholds.iter().zip(&self.since);
            let is_met = thresholds.any(|(it, since)| it.signal.starved().pressure() == pressure && since.is_some());
            if self.has(pressure)
                && !is_met
                && let Some(seen) = self.seen[pressure as usize]
            {
                next = next.min(self.look_from(seen.saturating_add(settings.transition), now));
            }
        }
        next
    }

    /// The first look at which other thresholds are met than now.
    fn next_crossing(&self, now: Time, demand: &Demand<'_>, of: &Capacity, settings: &EvictionSettings) -> Time {
        let differs = |at: Time| {
            let seen = demand.observe(of, at);
            let mut thresholds = settings.thresholds.iter().enumerate();
            thresholds.any(|(number, it)| self.is_met(number, it, &seen) != self.since[number].is_some())
        };
        let mut first = self.look_from(now, now);
        for bend in demand.bends(now).into_iter().chain([Time::MAX]) {
            if differs(first) {
                return first;
            }
            // Between two bends each threshold is crossed once at most.
            let last = if bend == Time::MAX { first } else { self.last_look_before(bend) };
            if last > first && differs(last) {
                return self.bisect(first, last, differs);
            }
            if bend < Time::MAX {
                first = self.look_from(bend, now).max(first);
            }
        }
        Time::MAX
    }

    /// Of looks of which the first does not differ and the last does: the first that does.
    fn bisect(&self, first: Time, last: Time, differs: impl Fn(Time) -> bool) -> Time {
        let number = |at: Time| at.since(self.looked).as_nanos() / EVERY.as_nanos();
        let (mut low, mut high) = (number(first), number(last));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if differs(self.looked + EVERY * middle) { high = middle } else { low = middle }
        }
        self.looked + EVERY * high
    }

    /// Whether the manager may be forgotten: it remembers nothing and waits for nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.is_calm() && self.cleaning.is_none() && self.due == Time::MAX
    }

    /// What can influence what comes next.
    pub(in crate::kubelet) fn hash(&self, mut hasher: &mut dyn std::hash::Hasher) {
        use std::hash::Hash;
        (self.conditions, &self.acting, self.cleaning.is_some()).hash(&mut hasher);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::client::{Flag, Flags};
    use crate::kubelet::eviction::{
        EVICTION_MINIMUM_RECLAIM, EVICTION_PRESSURE_TRANSITION_PERIOD, EVICTION_SOFT, EVICTION_SOFT_GRACE_PERIOD,
    };
    use crate::kubelet::{Course, NodeTemplate};
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    const GI: u64 = 1 << 30;

    fn settings() -> EvictionSettings {
        let mut flags = Flags::default();
        let set: [(&Flag, &str); 4] = [
            (&EVICTION_SOFT, "memory.available<1Gi"),
            (&EVICTION_SOFT_GRACE_PERIOD, "memory.available=45s"),
            (&EVICTION_MINIMUM_RECLAIM, "memory.available=500Mi"),
            (&EVICTION_PRESSURE_TRANSITION_PERIOD, "95s"),
        ];
        set.iter().for_each(|(flag, text)| flags.set(flag, text).unwrap());
        EvictionSettings::of(&flags).unwrap()
    }

    fn course() -> impl Strategy<Value = Course> {
        let amount = || 0..3 * GI;
        prop_oneof![
            amount().prop_map(Course::Constant),
            (amount(), amount(), 1u64..600).prop_map(|(from, to, over)| Course::Ramp {
                from,
                to,
                over: Span::from_secs(over)
            }),
            vec((1u64..90, amount()), 1..6).prop_map(|steps| {
                let mut at = 0;
                let step = |(after, amount)| {
                    at += after;
                    (Span::from_secs(at), amount)
                };
                Course::Steps(steps.into_iter().map(step).collect())
            }),
        ]
    }

    proptest! {
        /// Whoever makes only the looks that are computed knows the same as whoever looks every ten seconds.
        #[test]
        fn looks_that_are_left_out_would_have_changed_nothing(courses in vec((0u64..200, course()), 1..5)) {
            let settings = settings();
            let capacity = [("memory".to_owned(), Quantity("4Gi".to_owned()))].into();
            let capacity = Capacity::of(&NodeTemplate::new(capacity), &settings.thresholds);
            let mut demand = Demand::default();
            demand.0[0].courses = courses.iter().map(|(s, it)| (Time::ZERO + Span::from_secs(*s), it)).collect();
            let new = || State::new(Time::ZERO, settings.thresholds.len());
            let (mut all, mut few) = (new(), new());
            let mut due = few.next(Time::ZERO, &demand, &capacity, &settings);
            for number in 1..120 {
                let now = Time::ZERO + EVERY * number;
                let seen = demand.observe(&capacity, now);
                let acting = all.look(now, &seen, &settings);
                if due == now {
                    prop_assert_eq!(few.look(now, &seen, &settings), acting);
                    due = few.next(now, &demand, &capacity, &settings);
                }
                prop_assert!(due > now, "a look at {now:?} was left out");
                prop_assert_eq!(few.conditions, all.conditions, "at {:?}", now);
                prop_assert_eq!(&few.acting, &all.acting);
                prop_assert_eq!(&few.since, &all.since);
            }
        }
    }
}
