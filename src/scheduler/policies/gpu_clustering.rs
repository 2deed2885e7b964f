//! GPU clustering: pods that take cards in the same way stay together.
//!
//! Source: Xiao et al., 'Gandiva' (OSDI 2018), in the form that FGD's evaluation (USENIX ATC 2023) uses.

use super::{Demand, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct GpuClustering;

impl Policy for GpuClustering {
    fn name(&self) -> &'static str {
        "gpu-clustering"
    }

    fn doc(&self) -> &'static str {
        "nodes with pods that share cards, or take as many, as the pod does (after Gandiva, 2018)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        let Some(kind) = NodeState::kind(pod) else { return 0 };
        let own = node.card_pods[kind] > 0;
        let others = node.card_pods.iter().enumerate().any(|(other, pods)| other != kind && *pods > 0);
        let base = match (own, others) {
            (true, false) => 75,
            (true, true) => 50,
            (false, false) => 25,
            (false, true) => 0,
        };
        let largest = setting.largest_cards;
        base + (25 * (largest - node.cards.free_milli()) / largest) as i32
    }
}
