//! What a study knows beforehand: the sizes of nodes, and which pods are typical; and from these, how much of a node's
//! free cards is of no use.
//!
//! Source: Weng et al., 'Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent',
//! USENIX ATC 2023.

use super::{Demand, NodeState, ResourceVector};

/// What policies know of a study beside the node and the pod.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The most that any node has, by resource.
    pub largest: ResourceVector,
    /// The most milli of cards that any node has.
    pub largest_cards: i64,
    /// The pods that are typical.
    pub typical: Typical,
}

/// Pods that are typical, with their frequencies as counts.
#[derive(Clone, Debug, Default)]
pub struct Typical {
    /// How many pods ask for what, the commonest first.
    pub pods: Vec<(Demand, u32)>,
    /// How many pods that is.
    pub total: u64,
}

impl Typical {
    /// The typical ones among pods that were counted: the commonest that together are 95 % of them, the one that crosses
    /// the mark included; of equal counts those that ask for more CPU, more of a card, more cards come first.
    pub fn of(counts: impl IntoIterator<Item = (Demand, u32)>) -> Typical {
        let mut pods: Vec<(Demand, u32)> = counts.into_iter().collect();
        pods.sort_by_key(|(pod, count)| {
            std::cmp::Reverse((*count, pod.milli_cpu(), pod.milli_per_card, pod.cards, pod.models))
        });
        let all: u64 = pods.iter().map(|(_, count)| u64::from(*count)).sum();
        let mut typical = Typical::default();
        for (pod, count) in pods {
            if typical.total * 100 >= all * 95 {
                break;
            }
            typical.total += u64::from(count);
            typical.pods.push((pod, count));
        }
        typical
    }

    /// The fragmentation of a node, times [`Self::total`]: the free milli of cards, in the mean over the typical pods, that
    /// the pod cannot use. For a pod that does not fit or takes no card that is all that is free, else what is free on
    /// the cards that are too small for it. Memory does not count.
    pub fn fragmentation(&self, node: &NodeState) -> i64 {
        let all = node.cards.free_milli();
        if all == 0 {
            return 0;
        }
        let unusable = |pod: &Demand| {
            if pod.cards == 0 || pod.milli_cpu() > node.free[0] || !node.has_cards(pod) {
                return all;
            }
            i64::from(
                node.cards.free.iter().map(|free| if *free < pod.milli_per_card { *free } else { 0 }).sum::<i16>(),
            )
        };
        self.pods.iter().map(|(pod, count)| i64::from(*count) * unusable(pod)).sum()
    }
}
