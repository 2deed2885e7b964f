//! kube-scheduler with NodeResourcesFit by MostAllocated: nodes that are full already. NodeResourcesBalancedAllocation
//! stays with its weight of 1.
//!
//! Upstream: as for [`KubeLeastAllocated`](super::kube_least_allocated::KubeLeastAllocated), with the weights of the example
//! in Kubernetes' documentation, 'Resource Bin Packing': CPU and memory 1, an extended resource 3, here the cards, which
//! count only for pods that ask for them.

use super::kube_least_allocated::{balance, cpu_and_memory};
use super::{Demand, NodeState, Policy, Setting, Ties};
use crate::scheduler::plugins::node_resources_fit::{Strategy, Use};

/// The weight of cards.
const CARDS: i64 = 3;

/// See the file's text.
pub(super) struct KubeMostAllocated;

impl Policy for KubeMostAllocated {
    fn name(&self) -> &'static str {
        "kube-most-allocated"
    }

    fn doc(&self) -> &'static str {
        "kube-scheduler's MostAllocated, of cards (weight 3), CPU and memory, and BalancedAllocation"
    }

    fn score(&self, pod: &Demand, node: &NodeState, _setting: &Setting) -> i32 {
        Strategy::MostAllocated.score(with_cards(pod, node)) as i32 + balance(pod, node)
    }

    fn ties(&self) -> Ties {
        Ties::DrawNode
    }
}

/// CPU, memory and, for a pod that asks for them, the cards of a node with the pod there.
pub(super) fn with_cards(pod: &Demand, node: &NodeState) -> impl Iterator<Item = Use> {
    let (offered, asked) = (node.card_capacity(), pod.card_milli());
    let cards = Use { weight: CARDS, offered, used: offered - node.cards.free_milli() + asked };
    cpu_and_memory(pod, node).into_iter().chain((asked > 0).then_some(cards))
}
