//! Harmonic-like: nodes whose pods are of about the pod's size, then empty ones, then those whose pods are nearest.
//!
//! Source: Lee and Lee, 'A Simple On-Line Bin-Packing Algorithm' (1985), whose bins hold items of one class each: class k
//! has those that fit k times into a bin, and not k + 1 times. What differs: a node has no class of its own, so that the
//! size of its mean pod says which it is; and where there are no empty nodes left, a pod goes to other classes instead of
//! being turned away. Size is the larger share of what the largest node has.

use super::{Demand, FINE, NodeState, Policy, Setting};

/// The class of the smallest pods, as many as ever fit. With 12 classes Lee and Lee come within 1.7 times the optimum.
const SMALLEST: i32 = 12;

/// See the file's text.
pub(super) struct Harmonic;

impl Policy for Harmonic {
    fn name(&self) -> &'static str {
        "harmonic"
    }

    fn doc(&self) -> &'static str {
        "nodes whose mean pod is in the pod's class of size, then empty ones (after Lee and Lee 1985)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        const EMPTY: i32 = FINE as i32 / 2;
        if node.pods == 0 {
            return EMPTY;
        }
        match (class(setting.largest_share(pod)) - class(mean_share(node, setting))).abs() {
            0 => FINE as i32,
            distance => EMPTY - distance,
        }
    }
}

/// The class of a size: how often it fits.
fn class(share: f64) -> i32 {
    if share <= 0.0 { SMALLEST } else { ((1.0 / share) as i32).clamp(1, SMALLEST) }
}

/// The larger share of the mean of a node's pods.
fn mean_share(node: &NodeState, setting: &Setting) -> f64 {
    let mut used = Demand { asks: node.capacity, cards: 1, milli_per_card: 0, models: 0 };
    used.asks.iter_mut().zip(node.free).for_each(|(used, free)| *used -= free);
    used.milli_per_card = (node.card_capacity() - node.cards.free_milli()) as i16;
    setting.largest_share(&used) / f64::from(node.pods)
}

#[cfg(test)]
mod tests {
    use super::super::RESOURCES;
    use super::*;

    fn pod(milli_cpu: i64) -> Demand {
        let mut asks = [0; RESOURCES];
        asks[0] = milli_cpu;
        Demand { asks, cards: 0, milli_per_card: 0, models: 0 }
    }

    /// The score of a pod on a node of 12 CPUs with pods like that on it.
    fn score(milli_cpu: i64, others: &[i64]) -> i32 {
        let setting = Setting { largest: [12_000, 0, 0, 0, 0, 0], ..Setting::default() };
        let mut node = NodeState::new(setting.largest, 0, 0);
        others.iter().for_each(|other| node.add(&pod(*other), 0));
        Harmonic.score(&pod(milli_cpu), &node, &setting)
    }

    #[test]
    fn pods_of_a_class_share_nodes() {
        assert_eq!(class(1.0), 1);
        assert_eq!(class(0.5), 2);
        assert_eq!(class(0.4), 2);
        assert_eq!(class(0.001), SMALLEST);
        let (same, empty, next, far) =
            (score(4_000, &[4_000]), score(4_000, &[]), score(4_000, &[5_000]), score(4_000, &[500]));
        assert!(same > empty && empty > next && next > far);
        assert_eq!(score(4_000, &[3_900, 3_500]), same);
    }
}
