//! Dot product: the node whose free resources point most in the pod's direction.
//!
//! Source: Panigrahy, Talwar, Uyeda and Wieder, 'Heuristics for Vector Bin Packing' (2011), as they describe it;
//! [`DotProd`](super::dotprod::DotProd) has the opposite sign. Left out: its weights of dimensions, which follow the demand
//! that is still to come and that nobody knows here.

use super::{Demand, FINE, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct DotProduct;

impl Policy for DotProduct {
    fn name(&self) -> &'static str {
        "dot-product"
    }

    fn doc(&self) -> &'static str {
        "largest product of free and requested resources, over the largest node's (Panigrahy et al. 2011)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        let product: f64 = setting.shares(node, pod).iter().map(|share| share.free * share.asked).sum();
        (FINE * product / 2.0) as i32
    }
}
