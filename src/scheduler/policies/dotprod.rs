//! Dot product: the node whose free resources point least in the pod's direction, as the authors of FGD publish it.
//!
//! Source: the dot-product heuristic of Panigrahy et al., 'Heuristics for Vector Bin Packing' (2011), in the form that FGD's
//! evaluation (USENIX ATC 2023) uses: CPU and cards, each over the largest node's, whose sum is *subtracted*.

use super::{Demand, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct DotProd;

impl Policy for DotProd {
    fn name(&self) -> &'static str {
        "dotprod"
    }

    fn doc(&self) -> &'static str {
        "smallest product of free and requested resources (Panigrahy et al. 2011, as in FGD's evaluation)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        let product: f64 = setting.shares(node, pod).iter().map(|share| share.free * share.asked).sum();
        (100.0 * (1.0 - product / 2.0)) as i32
    }
}
