//! Tetris' alignment: the node whose free resources point most in the pod's direction, all of them over what the node has.
//!
//! Source: Grandl, Ananthanarayanan, Kandula, Rao and Akella, 'Multi-Resource Packing for Cluster Schedulers' (SIGCOMM
//! 2014). All resources count, and a node is its own measure: that is what sets it apart from
//! [`DotProduct`](super::dot_product::DotProduct). Left out: the choice among pods that wait (shortest remaining work) and
//! the penalty for remote reads, for which traces say nothing.

use super::{Demand, FINE, NodeState, Policy, RESOURCES, Setting};

/// See the file's text.
pub(super) struct Tetris;

impl Policy for Tetris {
    fn name(&self) -> &'static str {
        "tetris"
    }

    fn doc(&self) -> &'static str {
        "largest product of free and requested resources, over the node's own (alignment of Grandl et al. 2014)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, _setting: &Setting) -> i32 {
        let vectors = node.capacity.iter().zip(node.free.iter().zip(pod.asks));
        let resources = vectors.map(|(has, (free, asked))| aligned(*has, *free, asked));
        let cards = aligned(node.card_capacity(), node.cards.free_milli(), pod.card_milli());
        (FINE * resources.chain([cards]).sum::<f64>() / (RESOURCES + 1) as f64) as i32
    }
}

/// The product for a resource; zero where the node has none of it.
fn aligned(has: i64, free: i64, asked: i64) -> f64 {
    if has == 0 { 0.0 } else { (free as f64 / has as f64) * (asked as f64 / has as f64) }
}
