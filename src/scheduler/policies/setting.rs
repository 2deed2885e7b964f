//! What a study knows beforehand: how large the largest node is, and which pods are typical.

use super::{Demand, NodeState, ResourceVector, Typical};

/// What policies know beside the node and the pod.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The most that any node has, by resource.
    pub largest: ResourceVector,
    /// The most milli of cards that any node has; zero where no node has any.
    pub largest_cards: i64,
    /// The pods that are typical.
    pub typical: Typical,
}

/// What is free of a resource and what the pod asks of it, both over what the largest node has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    /// What is free on the node, without the pod.
    pub free: f64,
    /// What the pod asks for.
    pub asked: f64,
}

impl Setting {
    /// The two resources that policies weigh: CPU and cards, or CPU and memory where no node has cards.
    pub fn shares(&self, node: &NodeState, pod: &Demand) -> [Share; 2] {
        let share = |free: i64, asked: i64, largest: i64| {
            let largest = largest.max(1) as f64;
            Share { free: free as f64 / largest, asked: asked as f64 / largest }
        };
        let second = match self.largest_cards {
            0 => share(node.free[1], pod.asks[1], self.largest[1]),
            largest => share(node.cards.free_milli(), pod.card_milli(), largest),
        };
        [share(node.free[0], pod.asks[0], self.largest[0]), second]
    }

    /// The larger of what the pod asks of the two, over what the largest node has.
    pub fn largest_share(&self, pod: &Demand) -> f64 {
        let share = |asked: i64, largest: i64| asked as f64 / largest.max(1) as f64;
        let second = match self.largest_cards {
            0 => share(pod.asks[1], self.largest[1]),
            largest => share(pod.card_milli(), largest),
        };
        share(pod.milli_cpu(), self.largest[0]).max(second)
    }

    /// What is left of these resources with the pod there, together: from 0 to 2.
    pub fn left_over(&self, node: &NodeState, pod: &Demand) -> f64 {
        self.shares(node, pod).iter().map(|share| share.free - share.asked).sum()
    }
}
