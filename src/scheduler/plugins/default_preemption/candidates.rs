//! Where preemption could make room: potential nodes one after the other, until enough candidates are found.
//! Upstream: `findCandidates`, `DryRunPreemption` in `pkg/scheduler/framework/preemption/preemption.go`. Upstream tries
//! nodes in parallel and in the order of a map; here they are tried one by one in the order in which they were rejected.

use std::sync::Arc;

use super::victims::{Trial, Trials};
use crate::api::{Obj, Pod};
use crate::scheduler::args::PreemptionArgs;
use crate::scheduler::{Code, Cycle, NodeIndex, Status, Unplaced};

/// A node on which the pod would fit.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    /// The node.
    pub(super) node: NodeIndex,
    /// The pods that would have to go, the most important first.
    pub(super) victims: Vec<&'a Arc<Obj<Pod>>>,
    /// How many of them break a PodDisruptionBudget.
    pub(super) violations: usize,
}

/// What the search has found.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// The candidates, those that break no budget first.
    pub(super) candidates: Vec<Candidate<'a>>,
    /// Why other potential nodes are none.
    pub(super) rejected: Vec<Status>,
    /// What went wrong.
    pub(super) errors: Vec<String>,
}

/// The search for candidates.
pub(super) struct Search<'a> {
    trials: Trials<'a>,
    potential: Vec<NodeIndex>,
    start: usize,
    wanted: usize,
}

impl<'a> Search<'a> {
    /// Among the nodes that some pod's going might help. Upstream: `NodesForStatusCode`, `GetOffsetAndNumCandidates`.
    pub(super) fn new(cycle: &Cycle<'a>, unplaced: &Unplaced<'a>) -> Search<'a> {
        let open = unplaced.rejected.iter().filter(|rejected| rejected.status.code == Code::Unschedulable);
        let potential: Vec<NodeIndex> = open.map(|rejected| rejected.node).collect();
        Search {
            trials: Trials::new(cycle, unplaced),
            start: offset(potential.len(), unplaced.luck),
            wanted: wanted_candidates(potential.len(), &cycle.args.preemption),
            potential,
        }
    }

    /// Tries nodes until there are enough candidates, one of which breaks no budget.
    pub(super) fn run(mut self) -> Found<'a> {
        let mut found = Found::default();
        let mut violating = Vec::new();
        for seen in 0..self.potential.len() {
            let node = self.potential[(self.start + seen) % self.potential.len()];
            match self.trials.select_victims_on(node) {
                Trial::Fits(candidate) => {
                    let list = if candidate.violations == 0 { &mut found.candidates } else { &mut violating };
                    if list.len() < self.wanted {
                        list.push(candidate);
                    }
                    if !found.candidates.is_empty() && found.candidates.len() + violating.len() >= self.wanted {
                        break;
                    }
                }
                Trial::Rejected(status) => found.rejected.push(status),
                Trial::Fails(error) => found.errors.push(error),
            }
        }
        found.candidates.append(&mut violating);
        found
    }
}

/// Upstream: `calculateNumCandidates`.
fn wanted_candidates(nodes: usize, args: &PreemptionArgs) -> usize {
    let share = nodes as i64 * args.min_candidate_nodes_percentage / 100;
    share.max(args.min_candidate_nodes_absolute).clamp(0, nodes as i64) as usize
}

/// Where to start: the upper half of what was drawn says.
fn offset(nodes: usize, luck: Option<u64>) -> usize {
    luck.map_or(0, |luck| (((luck >> 32) * nodes as u64) >> 32) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nodes: usize, luck: Option<u64>, expected: (usize, usize)) {
        assert_eq!(
            (offset(nodes, luck), wanted_candidates(nodes, &PreemptionArgs::upstream())),
            expected,
            "{nodes} nodes, {luck:?}"
        );
    }

    #[test]
    fn a_tenth_of_the_nodes_at_least_100_from_a_drawn_one_on() {
        check(0, Some(7), (0, 0));
        check(20, None, (0, 20));
        check(99, Some(u64::MAX), (98, 99));
        check(100, Some(1 << 63), (50, 100));
        check(999, Some(1 << 62), (249, 100));
        check(1_010, Some(u64::from(u32::MAX)), (0, 101));
        check(5_000, Some(u64::MAX), (4_999, 500));
    }
}
