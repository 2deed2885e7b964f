//! Best fit: the node with the least left over once the pod is there.

use super::{Demand, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct BestFit;

impl Policy for BestFit {
    fn name(&self) -> &'static str {
        "bestfit"
    }

    fn doc(&self) -> &'static str {
        "least left over: CPU and cards, each over the largest node's (as in FGD's evaluation)"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        (100.0 * (1.0 - setting.left_over(node, pod) / 2.0)) as i32
    }
}
