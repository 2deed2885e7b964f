//! Worst fit: the node with the most left over once the pod is there, the opposite of best fit.
//!
//! Source: Johnson, 'Near-Optimal Bin Packing Algorithms' (1973); what is left over of several resources is added up as
//! [`BestFit`](super::bestfit::BestFit) does.

use super::{Demand, FINE, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct WorstFit;

impl Policy for WorstFit {
    fn name(&self) -> &'static str {
        "worst-fit"
    }

    fn doc(&self) -> &'static str {
        "most left over, of what best fit wants least of (Johnson 1973)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        (FINE * setting.left_over(node, pod) / 2.0) as i32
    }
}
