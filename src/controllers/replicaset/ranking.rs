//! Which pods go first when a ReplicaSet has too many.
//! Upstream: `ActivePodsWithRanks` in `pkg/controller/controller_utils.go`, with PodDeletionCost and
//! LogarithmicScaleDown on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Clock, Name, Obj, Pod, PodPhase, Timestamp, Uid};
use crate::controllers::pod_util::{deletion_cost, is_active};
use crate::kernel::Time;

/// What the order looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Bound to a node.
    pub assigned: bool,
    /// 0 pending, 1 unknown, 2 running.
    pub phase: u8,
    /// `deletion_cost` of its annotations.
    pub cost: i32,
    /// How many active pods of related ReplicaSets are on its node.
    pub neighbours: usize,
    /// Since when it is ready.
    pub ready_since: Option<Timestamp>,
    /// The most restarts among its containers.
    pub restarts: u32,
    /// The most restarts among its sidecars.
    pub sidecar_restarts: u32,
    /// When it was created.
    pub created: Timestamp,
    /// Decides between pods of the same age class.
    pub uid: Uid,
}

impl Candidate {
    /// What the order looks at in a pod.
    pub fn of(pod: &Obj<Pod>, neighbours: usize) -> Candidate {
        let status = &pod.body.status;
        let sidecar = |index: usize| {
            let container = pod.body.spec.init_containers().get(index);
            container.is_some_and(|container| container.restart_policy.as_deref() == Some("Always"))
        };
        let sidecars = status.init_containers.iter().enumerate().filter(|(index, _)| sidecar(*index));
        Candidate {
            assigned: !pod.body.node_name.is_empty(),
            phase: match status.phase {
                PodPhase::Pending | PodPhase::Succeeded | PodPhase::Failed => 0,
                PodPhase::Unknown => 1,
                PodPhase::Running => 2,
            },
            cost: deletion_cost(&pod.meta.annotations),
            neighbours,
            ready_since: pod.body.ready_since(),
            restarts: status.containers.iter().map(|container| container.restart_count).max().unwrap_or(0),
            sidecar_restarts: sidecars.map(|(_, container)| container.restart_count).max().unwrap_or(0),
            created: pod.meta.created,
            uid: pod.meta.uid,
        }
    }
}

/// Whether `a` goes before `b`. As upstream's, this is no total order: pods of one age class go by uid only where their
/// times differ, so that three of them can run in a circle. Upstream: `ActivePodsWithRanks.Less`.
pub fn goes_first(a: &Candidate, b: &Candidate, now: Time, clock: Clock) -> bool {
    if a.assigned != b.assigned {
        return !a.assigned;
    }
    if a.phase != b.phase {
        return a.phase < b.phase;
    }
    if a.ready_since.is_some() != b.ready_since.is_some() {
        return a.ready_since.is_none();
    }
    if a.cost != b.cost {
        return a.cost < b.cost;
    }
    if a.neighbours != b.neighbours {
        return a.neighbours > b.neighbours;
    }
    let by_age = |one: Timestamp, other: Timestamp| {
        let (one, other) = (age_class(one, now, clock), age_class(other, now, clock));
        if one == other { a.uid < b.uid } else { one < other }
    };
    if let (Some(one), Some(other)) = (a.ready_since, b.ready_since)
        && one != other
    {
        return by_age(one, other);
    }
    if a.restarts != b.restarts {
        return a.restarts > b.restarts;
    }
    if a.sidecar_restarts != b.sidecar_restarts {
        return a.sidecar_restarts > b.sidecar_restarts;
    }
    a.created != b.created && by_age(a.created, b.created)
}

/// The whole part of the binary logarithm of an age in nanoseconds; -1 for what is not past.
fn age_class(since: Timestamp, now: Time, clock: Clock) -> i64 {
    let started = i128::from(since.seconds_since(Timestamp(clock.start_unix_seconds))) * 1_000_000_000;
    let age = i128::from(now.nanos()) - started;
    if age > 0 { i64::from(age.ilog2()) } else { -1 }
}

/// The pods to delete, `count` of them. `related` are the pods of all ReplicaSets of the same controller.
/// Upstream: `getPodsToDelete`, `getPodsRankedByRelatedPodsOnSameNode`.
pub fn pods_to_delete<'a>(
    mut pods: Vec<Arc<Obj<Pod>>>,
    related: impl Iterator<Item = &'a Arc<Obj<Pod>>>,
    count: usize,
    now: Time,
    clock: Clock,
) -> Vec<Arc<Obj<Pod>>> {
    if count < pods.len() {
        let mut on_node: BTreeMap<&Name, usize> = BTreeMap::new();
        for pod in related.filter(|pod| is_active(pod)) {
            *on_node.entry(&pod.body.node_name).or_default() += 1;
        }
        let neighbours = |pod: &Obj<Pod>| on_node.get(&pod.body.node_name).copied().unwrap_or(0);
        let candidates =
            pods.into_iter().map(|pod| (Candidate::of(&pod, neighbours(&pod)), pod)).collect::<Vec<_>>();
        let sorted = sorted(candidates, &|a, b| goes_first(&a.0, &b.0, now, clock));
        pods = sorted.into_iter().map(|(_, pod)| pod).collect();
    }
    pods.truncate(count);
    pods
}

/// A merge sort that bears with orders that run in circles, where that of the standard library may panic.
fn sorted<T>(mut items: Vec<T>, goes_first: &impl Fn(&T, &T) -> bool) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let right = sorted(items.split_off(items.len() / 2), goes_first);
    let left = sorted(items, goes_first);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let from = if goes_first(other, one) { &mut right } else { &mut left };
        merged.extend(from.next());
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Span;

    const HOUR: i64 = 3600;

    fn plain(uid: u128) -> Candidate {
        Candidate {
            assigned: true,
            phase: 2,
            cost: 0,
            neighbours: 0,
            ready_since: Some(ago(2 * HOUR)),
            restarts: 0,
            sidecar_restarts: 0,
            created: ago(3 * HOUR),
            uid: Uid(uid),
        }
    }

    fn ago(seconds: i64) -> Timestamp {
        Timestamp(Clock::DEFAULT.start_unix_seconds + 10 * HOUR - seconds)
    }

    /// Sorts candidates that are given in the expected order reversed, and expects them by their uids.
    #[track_caller]
    fn check(expected: &[Candidate]) {
        let now = Time::ZERO + Span::from_hours(10);
        let before = |a: &Candidate, b: &Candidate| goes_first(a, b, now, Clock::DEFAULT);
        let given = expected.iter().rev().copied().collect();
        assert_eq!(sorted(given, &before), expected);
    }

    #[test]
    fn pods_that_serve_least_go_first() {
        check(&[
            Candidate { assigned: false, phase: 0, ready_since: None, ..plain(9) },
            Candidate { phase: 0, ready_since: None, ..plain(8) },
            Candidate { phase: 1, ready_since: None, ..plain(7) },
            Candidate { ready_since: None, ..plain(6) },
            Candidate { cost: -10, ..plain(5) },
            Candidate { neighbours: 3, ..plain(4) },
            Candidate { neighbours: 1, ..plain(3) },
            Candidate { ready_since: Some(ago(60)), ..plain(2) },
            Candidate { restarts: 4, ..plain(1) },
            Candidate { sidecar_restarts: 4, ..plain(1) },
            Candidate { created: ago(2 * HOUR + 1), ..plain(0) },
            plain(1),
        ]);
    }

    #[test]
    fn pods_of_one_age_class_go_by_uid() {
        check(&[
            Candidate { ready_since: Some(ago(9000)), ..plain(1) },
            Candidate { ready_since: Some(ago(9100)), ..plain(2) },
            Candidate { ready_since: Some(ago(9050)), ..plain(3) },
        ]);
        check(&[
            Candidate { ready_since: Some(ago(100)), ..plain(3) },
            Candidate { ready_since: Some(ago(9100)), ..plain(2) },
        ]);
    }

    #[test]
    fn a_lower_cost_weighs_more_than_neighbours_and_less_than_readiness() {
        check(&[
            Candidate { ready_since: None, cost: 100, ..plain(3) },
            Candidate { cost: -1, ..plain(2) },
            Candidate { neighbours: 9, ..plain(1) },
        ]);
    }

    #[test]
    fn an_order_that_runs_in_a_circle_is_borne() {
        let circle = |a: &u32, b: &u32| (a + 1) % 3 == *b;
        assert_eq!(sorted(vec![2, 0, 1], &circle).len(), 3);
    }
}
