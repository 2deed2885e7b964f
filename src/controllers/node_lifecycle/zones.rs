//! Zones: how many of a zone's nodes are ready, and how fast its other nodes are given up.
//! Upstream: `handleDisruption`, `ComputeZoneState` of `node_lifecycle_controller.go`, `scheduler/rate_limited_queue.go`.
//!
//! Where upstream retries a taint that could not be set after 50 ms, the node goes to the end of its queue here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::api::{Labels, Name};
use crate::client::TokenBucket;
use crate::kernel::Time;

/// How a zone is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum ZoneState {
    /// Not looked at yet.
    Initial,
    /// Most nodes are ready.
    Normal,
    /// Too many are not: evictions slow down, or stop where the zone is small.
    PartialDisruption,
    /// None is ready.
    FullDisruption,
}

/// How fast nodes are given up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// `--node-eviction-rate`: nodes a second.
    pub(super) normal: f64,
    /// `--secondary-node-eviction-rate`: nodes a second in a large zone under partial disruption.
    pub(super) secondary: f64,
    /// `--unhealthy-zone-threshold`: the share of nodes that are not ready.
    pub(super) threshold: f64,
    /// `--large-cluster-size-threshold`: the nodes of the largest zone that counts as small.
    pub(super) large: i64,
}

impl Rates {
    /// The state of a zone by the numbers of its nodes. Upstream: `ComputeZoneState`, in single precision.
    pub(super) fn state(&self, ready: usize, not_ready: usize) -> ZoneState {
        let share = not_ready as f32 / (ready + not_ready).max(1) as f32;
        if ready == 0 && not_ready > 0 {
            ZoneState::FullDisruption
        } else if not_ready > 2 && share >= self.threshold as f32 {
            ZoneState::PartialDisruption
        } else {
            ZoneState::Normal
        }
    }

    fn rate(&self, state: ZoneState, nodes: usize) -> Option<f64> {
        match state {
            ZoneState::Initial => None,
            ZoneState::Normal | ZoneState::FullDisruption => Some(self.normal),
            ZoneState::PartialDisruption => Some(if nodes as i64 > self.large { self.secondary } else { 0.0 }),
        }
    }
}

/// One node a token: a bucket that holds a single one, or none at all.
#[derive(Clone, Debug)]
struct Limiter {
    rate: f64,
    bucket: Option<TokenBucket>,
}

impl Limiter {
    fn new(rate: f64) -> Limiter {
        Limiter { rate, bucket: (rate > 0.0).then(|| TokenBucket::new(rate, 1)) }
    }

    fn try_take(&mut self, now: Time) -> bool {
        self.bucket.as_mut().is_some_and(|bucket| bucket.try_take(now))
    }

    /// Upstream: `SwapLimiter`. Who waits for a token goes on waiting.
    fn swap(&mut self, rate: f64, now: Time) {
        if self.rate == rate {
            return;
        }
        let waits = !self.try_take(now);
        *self = Limiter::new(rate);
        if waits {
            self.try_take(now);
        }
    }

    /// When the next token is there.
    fn next(&self) -> Option<Time> {
        self.bucket.clone().map(|mut bucket| bucket.reserve(Time::ZERO))
    }
}

/// One zone.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    /// How it is doing.
    pub(super) state: ZoneState,
    ready: usize,
    not_ready: usize,
    /// The nodes that are to be tainted, by number: in order, each once.
    waiting: VecDeque<u32>,
    /// Those, and the ones that were tainted already.
    known: BTreeSet<u32>,
    limiter: Limiter,
}

/// What came of a change of the zones' states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Disruption {
    /// Nothing that concerns the nodes.
    None,
    /// No node of any zone is ready any more: it must be the control plane that is cut off.
    Begins,
    /// Some nodes are ready again.
    Ends,
}

/// All zones.
#[derive(Clone, Debug)]
pub(super) struct Zones {
    rates: Rates,
    zones: BTreeMap<Name, Zone>,
}

impl Zones {
    /// No zone yet.
    pub(super) fn new(rates: Rates) -> Zones {
        Zones { rates, zones: BTreeMap::new() }
    }

    /// The zones, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Zone)> {
        self.zones.iter()
    }

    /// Makes sure that there is a zone. Upstream: `addPodEvictorForNewZone`.
    pub(super) fn add(&mut self, name: &Name) {
        if !self.zones.contains_key(name) {
            let zone = Zone {
                state: ZoneState::Initial,
                ready: 0,
                not_ready: 0,
                waiting: VecDeque::new(),
                known: BTreeSet::new(),
                limiter: Limiter::new(self.rates.normal),
            };
            self.zones.insert(name.clone(), zone);
        }
    }

    /// Counts a node in a zone, or no longer.
    pub(super) fn count(&mut self, zone: &Name, is_ready: bool, counts: bool) {
        let Some(zone) = self.zones.get_mut(zone) else { return };
        let number = if is_ready { &mut zone.ready } else { &mut zone.not_ready };
        *number = if counts { *number + 1 } else { number.saturating_sub(1) };
    }

    /// Asks for a node to be tainted; anew, where it does not have the taint. Upstream: `markNodeForTainting`.
    pub(super) fn mark(&mut self, zone: &Name, node: u32, has_taint: bool) {
        if !has_taint {
            self.unmark(zone, node);
        }
        if let Some(zone) = self.zones.get_mut(zone)
            && zone.known.insert(node)
        {
            zone.waiting.push_back(node);
        }
    }

    /// Takes that back.
    pub(super) fn unmark(&mut self, zone: &Name, node: u32) {
        if let Some(zone) = self.zones.get_mut(zone)
            && zone.known.remove(&node)
        {
            zone.waiting.retain(|waiting| *waiting != node);
        }
    }

    /// Takes that back for all nodes.
    pub(super) fn unmark_all(&mut self) {
        for zone in self.zones.values_mut() {
            zone.waiting.clear();
            zone.known.clear();
        }
    }

    /// The next node to be tainted, where a token is there. Upstream: the head of `Try`.
    pub(super) fn next(&mut self, now: Time) -> Option<(Name, u32)> {
        for (name, zone) in &mut self.zones {
            if !zone.waiting.is_empty() && zone.limiter.try_take(now) {
                return zone.waiting.pop_front().map(|node| (name.clone(), node));
            }
        }
        None
    }

    /// Puts a node back that could not be tainted.
    pub(super) fn put_back(&mut self, zone: &Name, node: u32) {
        if let Some(zone) = self.zones.get_mut(zone)
            && zone.known.contains(&node)
            && !zone.waiting.contains(&node)
        {
            zone.waiting.push_back(node);
        }
    }

    /// When the next node may be tainted.
    pub(super) fn next_time(&self) -> Option<Time> {
        self.zones.values().filter(|zone| !zone.waiting.is_empty()).filter_map(|zone| zone.limiter.next()).min()
    }

    /// Adjusts states and rates to the numbers. Upstream: `handleDisruption`.
    pub(super) fn adjust(&mut self, now: Time) -> Disruption {
        let rates = self.rates;
        self.zones.retain(|_, zone| zone.ready + zone.not_ready > 0 || !zone.known.is_empty());
        let counted = |zone: &Zone| zone.ready + zone.not_ready > 0;
        let new_state = |zone: &Zone| rates.state(zone.ready, zone.not_ready);
        let mut zones = self.zones.values().filter(|zone| counted(zone)).peekable();
        if zones.peek().is_none() {
            return Disruption::None;
        }
        let all_are = zones.all(|zone| new_state(zone) == ZoneState::FullDisruption);
        let all_were =
            self.zones.values().filter(|zone| counted(zone)).all(|zone| zone.state == ZoneState::FullDisruption);
        if all_are && all_were {
            return Disruption::None;
        }
        for zone in self.zones.values_mut().filter(|zone| counted(zone)) {
            let next = new_state(zone);
            let nodes = zone.ready + zone.not_ready;
            let rate = if all_are { Some(0.0) } else { rates.rate(next, nodes) };
            if let Some(rate) = rate.filter(|_| all_are || all_were || zone.state != next) {
                zone.limiter.swap(rate, now);
            }
            zone.state = next;
        }
        match (all_are, all_were) {
            (true, _) => Disruption::Begins,
            (false, true) => Disruption::Ends,
            (false, false) => Disruption::None,
        }
    }
}

/// The zone of a node. Upstream: `nodetopology.GetZoneKey`.
pub(super) fn of_labels(labels: &Labels) -> Name {
    let label = |new: &str, old: &str| labels.get(old).or_else(|| labels.get(new)).cloned().unwrap_or_default();
    let region = label("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region");
    let zone = label("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
    if region.is_empty() && zone.is_empty() { Name::new() } else { ecow::eco_format!("{region}:\0:{zone}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Span;

    const RATES: Rates = Rates { normal: 0.1, secondary: 0.01, threshold: 0.55, large: 50 };

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[track_caller]
    fn check(ready: usize, not_ready: usize, expected: ZoneState) {
        assert_eq!(RATES.state(ready, not_ready), expected, "{ready} ready, {not_ready} not");
    }

    #[test]
    fn the_state_of_a_zone_follows_the_share_of_nodes_that_are_not_ready() {
        check(3, 0, ZoneState::Normal);
        check(1, 2, ZoneState::Normal);
        check(0, 1, ZoneState::FullDisruption);
        check(2, 3, ZoneState::PartialDisruption);
        check(9, 11, ZoneState::PartialDisruption);
        check(46, 54, ZoneState::Normal);
    }

    /// Nodes 1, 2, … of a zone of so many ready and not ready ones wait: the seconds at which they are let go until 1500.
    fn let_go(zones: &mut Zones) -> Vec<u64> {
        (0..=1500).filter(|second| zones.next(at(*second)).is_some()).collect()
    }

    fn zones(counts: &[(&str, usize, usize)]) -> Zones {
        let mut zones = Zones::new(RATES);
        for (name, ready, not_ready) in counts {
            let name = Name::from(*name);
            zones.add(&name);
            (0..*ready).for_each(|_| zones.count(&name, true, true));
            (0..*not_ready).for_each(|_| zones.count(&name, false, true));
        }
        zones
    }

    #[test]
    fn a_normal_zone_gives_up_a_node_every_ten_seconds() {
        let mut zones = zones(&[("a", 4, 3)]);
        assert_eq!(zones.adjust(at(0)), Disruption::None);
        (1..=3).for_each(|node| zones.mark(&"a".into(), node, false));
        assert_eq!(let_go(&mut zones), [0, 10, 20]);
    }

    #[test]
    fn a_small_zone_under_partial_disruption_gives_up_none_and_a_large_one_a_node_in_a_hundred_seconds() {
        let mut small = zones(&[("a", 2, 3), ("b", 1, 0)]);
        small.adjust(at(0));
        (1..=3).for_each(|node| small.mark(&"a".into(), node, false));
        assert!(let_go(&mut small).is_empty());
        let mut large = zones(&[("a", 20, 40)]);
        large.adjust(at(0));
        (1..=3).for_each(|node| large.mark(&"a".into(), node, false));
        assert_eq!(let_go(&mut large), [0, 100, 200]);
    }

    #[test]
    fn evictions_stop_where_no_zone_has_a_ready_node_and_go_on_at_the_normal_rate_afterwards() {
        let mut zones = zones(&[("a", 0, 2), ("b", 1, 1)]);
        assert_eq!(zones.adjust(at(0)), Disruption::None);
        (1..=2).for_each(|node| zones.mark(&"a".into(), node, false));
        assert!(zones.next(at(0)).is_some(), "one zone down: its nodes are given up at the normal rate");
        zones.count(&"b".into(), true, false);
        zones.count(&"b".into(), false, true);
        assert_eq!(zones.adjust(at(5)), Disruption::Begins);
        assert_eq!(zones.adjust(at(10)), Disruption::None);
        assert!(let_go(&mut zones).is_empty());
        zones.count(&"b".into(), false, false);
        zones.count(&"b".into(), true, true);
        assert_eq!(zones.adjust(at(2000)), Disruption::Ends);
        assert_eq!(zones.next(at(2000)), None, "who waited goes on waiting");
        assert_eq!(zones.next(at(2010)), Some(("a".into(), 2)));
    }

    #[test]
    fn a_node_is_marked_once_until_it_is_taken_back() {
        let mut zones = zones(&[("a", 4, 1)]);
        zones.adjust(at(0));
        let zone = Name::from("a");
        zones.mark(&zone, 1, false);
        assert!(zones.next(at(0)).is_some());
        zones.mark(&zone, 1, true);
        assert_eq!(zones.next(at(100)), None);
        zones.mark(&zone, 1, false);
        assert!(zones.next(at(100)).is_some());
    }
}
