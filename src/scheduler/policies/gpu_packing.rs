//! GPU packing: first cards that are in use, then idle cards of nodes in use, and idle nodes last.
//!
//! Source: Weng et al., 'MLaaS in the Wild' (NSDI 2022), in the form that FGD's evaluation uses.

use super::{CARD, Demand, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct GpuPacking;

impl Policy for GpuPacking {
    fn name(&self) -> &'static str {
        "gpu-packing"
    }

    fn doc(&self) -> &'static str {
        "cards in use first, then idle cards of nodes in use, idle nodes last (Weng et al. 2022)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, _setting: &Setting) -> i32 {
        if pod.cards == 0 {
            return 0;
        }
        let cards = i32::from(node.cards.count);
        if pod.shares_card() {
            let free = node.cards.free[node.cards.tightest(pod.milli_per_card)];
            if free < CARD {
                return (100 - i32::from(free) / 100).max(50);
            }
        }
        match node.cards.free_milli() == node.card_capacity() {
            true => (33 - cards).max(cards),
            false => (50 - i32::from(pod.cards)).max(33),
        }
    }
}
