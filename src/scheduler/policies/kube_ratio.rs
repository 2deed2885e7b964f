//! kube-scheduler with NodeResourcesFit by RequestedToCapacityRatio: the fuller, the better, by a shape. The other plugins
//! and weights are those of [`KubeMostAllocated`](super::kube_most_allocated::KubeMostAllocated).
//!
//! Upstream: the shape is that of the example in Kubernetes' documentation, 'Resource Bin Packing', a line from 0 at 0 % to
//! 10 at 100 %. Beside MostAllocated, a resource of which nothing would be used does not count, and the mean is rounded.

use std::sync::LazyLock;

use super::kube_least_allocated::balance;
use super::kube_most_allocated::with_cards;
use super::{Demand, NodeState, Policy, Setting, Ties};
use crate::scheduler::plugins::node_resources_fit::{Shape, Strategy};

static STRATEGY: LazyLock<Strategy> =
    LazyLock::new(|| Strategy::RequestedToCapacityRatio(Shape::new([(0, 0), (100, 10)])));

/// See the file's text.
pub(super) struct KubeRatio;

impl Policy for KubeRatio {
    fn name(&self) -> &'static str {
        "kube-requested-to-capacity-ratio"
    }

    fn doc(&self) -> &'static str {
        "kube-scheduler's RequestedToCapacityRatio, rising, of cards (weight 3), CPU and memory, and BalancedAllocation"
    }

    fn score(&self, pod: &Demand, node: &NodeState, _setting: &Setting) -> i32 {
        STRATEGY.score(with_cards(pod, node)) as i32 + balance(pod, node)
    }

    fn ties(&self) -> Ties {
        Ties::DrawNode
    }
}
