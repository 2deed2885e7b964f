//! The choice among candidates. Upstream: `pickOneNodeForPreemption` in `pkg/scheduler/framework/preemption/preemption.go`.
//! Candidates that are equal by all criteria are in the order of a map there, so that any of them may be taken.

use std::cmp::Reverse;

use super::candidates::Candidate;
use super::victims::start_of;
use crate::scheduler::Cluster;

/// Added to priorities before they are summed, so that more victims of a negative priority are not better than fewer.
const ABOVE_ALL_NEGATIVES: i64 = 1 << 31;

/// What makes a candidate better than others, the first criterion first; less is better.
type Cost = (usize, i32, i64, usize, Reverse<i64>);

/// Fewest broken budgets; the least of highest priorities; the least sum of priorities; fewest victims; the latest start
/// of the earliest among victims of the highest priority.
fn cost(candidate: &Candidate) -> Cost {
    let victims = &candidate.victims;
    let highest = victims.first().map_or(i32::MIN, |victim| victim.body.spec.priority);
    let sum = victims.iter().map(|victim| i64::from(victim.body.spec.priority) + ABOVE_ALL_NEGATIVES).sum();
    let important = victims.iter().take_while(|victim| victim.body.spec.priority == highest);
    let start = important.map(|victim| start_of(victim)).min().unwrap_or(i64::MAX);
    (candidate.violations, highest, sum, victims.len(), Reverse(start))
}

/// The place of the best candidate; of equal ones the one that was drawn, or the first by name.
pub(super) fn choose(cluster: &Cluster, candidates: &[Candidate], luck: Option<u64>) -> usize {
    let mut best = Vec::new();
    let mut least = None;
    for (place, candidate) in candidates.iter().enumerate() {
        let cost = cost(candidate);
        if least.as_ref().is_none_or(|least| cost < *least) {
            best.clear();
            least = Some(cost);
        }
        if least == Some(cost) {
            best.push(place);
        }
    }
    let chosen = match luck {
        Some(luck) => best.get((((luck & u64::from(u32::MAX)) * best.len() as u64) >> 32) as usize),
        None => best.iter().min_by_key(|place| cluster.nodes.name(candidates[**place].node)),
    };
    *chosen.expect("there are candidates")
}
