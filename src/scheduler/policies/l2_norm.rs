//! Norm-based greedy: the node whose free resources are nearest to what the pod asks for.
//!
//! Source: Panigrahy, Talwar, Uyeda and Wieder, 'Heuristics for Vector Bin Packing' (2011), with the squared L2 norm. Left
//! out: its weights of dimensions, which follow the demand that is still to come and that nobody knows here.

use super::{Demand, FINE, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct L2Norm;

impl Policy for L2Norm {
    fn name(&self) -> &'static str {
        "l2-norm"
    }

    fn doc(&self) -> &'static str {
        "smallest squared distance between what is free and what is asked for (Panigrahy et al. 2011)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        let squares = setting.shares(node, pod).map(|share| (share.free - share.asked) * (share.free - share.asked));
        (FINE * (1.0 - squares.iter().sum::<f64>() / 2.0)) as i32
    }
}
