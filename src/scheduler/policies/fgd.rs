//! Fragmentation gradient descent: the node, and the card of it, where the pod makes least of what is free useless.
//!
//! Source: Weng et al., 'Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent',
//! USENIX ATC 2023.

use super::{Demand, MAX_CARDS, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct Fgd;

impl Policy for Fgd {
    fn name(&self) -> &'static str {
        "fgd"
    }

    fn doc(&self) -> &'static str {
        "least growth of fragmentation, the part of free cards that typical pods cannot use (Weng et al. 2023)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        best(pod, node, setting).0
    }

    fn card(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> usize {
        best(pod, node, setting).1
    }
}

/// The best score of the pod on the node, and the card that gives it: the lowest number among equals.
fn best(pod: &Demand, node: &NodeState, setting: &Setting) -> (i32, usize) {
    let typical = &setting.typical;
    let milli_cpu = node.free[0] - pod.milli_cpu();
    let before = typical.fragmentation(&node.cards, node.free[0], node.model);
    let score = |cards| score(before - typical.fragmentation(&cards, milli_cpu, node.model), typical.total);
    if !pod.shares_card() {
        return (score(node.cards.without(node.cards_for(pod, MAX_CARDS))), MAX_CARDS);
    }
    let free = &node.cards.free;
    let mut best = (-1, MAX_CARDS);
    for card in 0..usize::from(node.cards.count) {
        // A card as full as one before it gives the same.
        if free[card] < pod.milli_per_card || free[..card].contains(&free[card]) {
            continue;
        }
        let score = score(node.cards.with_taken(card, pod.milli_per_card));
        if score > best.0 {
            best = (score, card);
        }
    }
    best
}

/// From 0 to 100, by a sigmoid over a card's worth of fragmentation, as published.
fn score(gradient: i64, total: u64) -> i32 {
    let cards = gradient as f64 / (1000 * total.max(1)) as f64;
    (100.0 / (1.0 + libm::exp(-cards))) as i32
}
