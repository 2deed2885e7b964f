//! First fit decreasing: pods are gathered, and the largest goes first to the first node that has room.
//!
//! Source: Johnson, 'Near-Optimal Bin Packing Algorithms' (1973). There all items are known; here as many as a batch holds.

use super::{Demand, NodeState, Policy, Setting, Step};

/// How many pods are gathered.
pub(super) const BATCH: usize = 64;

/// See the file's text.
pub(super) struct FirstFitDecreasing;

impl Policy for FirstFitDecreasing {
    fn name(&self) -> &'static str {
        "first-fit-decreasing"
    }

    fn doc(&self) -> &'static str {
        "of every 64 pods the largest first, to the first node with room (Johnson 1973)"
    }

    fn score(&self, _pod: &Demand, _node: &NodeState, _setting: &Setting) -> i32 {
        0
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn arrange(&self, batch: &[Demand], _nodes: &[NodeState], setting: &Setting) -> Vec<Step> {
        largest_first(batch, setting).into_iter().map(Step::Place).collect()
    }
}

/// The pods of a batch by falling size: the larger share of what the largest node has. Among equals as they came.
pub(super) fn largest_first(batch: &[Demand], setting: &Setting) -> Vec<usize> {
    let mut order: Vec<usize> = (0..batch.len()).collect();
    order.sort_by(|one, other| setting.largest_share(&batch[*other]).total_cmp(&setting.largest_share(&batch[*one])));
    order
}

#[cfg(test)]
mod tests {
    use super::super::{ANY_MODEL, RESOURCES};
    use super::*;

    #[test]
    fn the_pod_with_the_larger_share_of_anything_goes_first() {
        let pod = |milli_cpu, cards| {
            let mut asks = [0; RESOURCES];
            asks[0] = milli_cpu;
            Demand { asks, cards, milli_per_card: 1_000, models: ANY_MODEL }
        };
        let setting = Setting { largest: [10_000; RESOURCES], largest_cards: 8_000, ..Setting::default() };
        let batch = [pod(1_000, 0), pod(1_000, 4), pod(9_000, 1), pod(5_000, 1), pod(1_000, 4)];
        assert_eq!(largest_first(&batch, &setting), [2, 1, 3, 4, 0]);
    }
}
