//! Best fit decreasing: pods are gathered, and the largest goes first to the node with the least left over.
//!
//! Source: Johnson, 'Near-Optimal Bin Packing Algorithms' (1973). There all items are known; here as many as a batch holds.

use super::bestfit::BestFit;
use super::first_fit_decreasing::{BATCH, largest_first};
use super::{Demand, NodeState, Policy, Setting, Step};

/// See the file's text.
pub(super) struct BestFitDecreasing;

impl Policy for BestFitDecreasing {
    fn name(&self) -> &'static str {
        "best-fit-decreasing"
    }

    fn doc(&self) -> &'static str {
        "of every 64 pods the largest first, to the node where the least is left over (Johnson 1973)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        BestFit.score(pod, node, setting)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn arrange(&self, batch: &[Demand], _nodes: &[NodeState], setting: &Setting) -> Vec<Step> {
        largest_first(batch, setting).into_iter().map(Step::Place).collect()
    }
}
