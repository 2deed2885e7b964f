//! kube-scheduler's default numbers: NodeResourcesFit by LeastAllocated and NodeResourcesBalancedAllocation, which each
//! count 1.
//!
//! Upstream: the scoring of `pkg/scheduler/framework/plugins/noderesources`, whose functions are asked. Left out: the other
//! plugins, which say the same of all nodes for pods without labels, affinity, volumes and images; the sampling of nodes;
//! and that pods on the node which ask for no CPU or memory count there for 100m and 200Mi.
//! [`KubeScheduler`](crate::bench::placement::KubeScheduler) leaves none of this out.

use super::{Demand, NodeState, Policy, Setting, Ties};
use crate::scheduler::plugins::balanced_allocation;
use crate::scheduler::plugins::node_resources_fit::{Strategy, Use};

/// What a pod counts for that asks for no CPU or no memory: 100m and 200Mi. Upstream: `DefaultMilliCPURequest` and
/// `DefaultMemoryRequest` of `pkg/scheduler/util/pod_resources.go`.
const AT_LEAST: [i64; 2] = [100, 200 << 20];

/// See the file's text.
pub(super) struct KubeLeastAllocated;

impl Policy for KubeLeastAllocated {
    fn name(&self) -> &'static str {
        "kube-least-allocated"
    }

    fn doc(&self) -> &'static str {
        "kube-scheduler's LeastAllocated and BalancedAllocation of CPU and memory: the default"
    }

    fn score(&self, pod: &Demand, node: &NodeState, _setting: &Setting) -> i32 {
        let fit = Strategy::LeastAllocated.score(cpu_and_memory(pod, node).into_iter());
        fit as i32 + balance(pod, node)
    }

    fn ties(&self) -> Ties {
        Ties::DrawNode
    }
}

/// CPU and memory of a node with the pod there, as NodeResourcesFit scores them.
pub(super) fn cpu_and_memory(pod: &Demand, node: &NodeState) -> [Use; 2] {
    [0, 1].map(|resource| {
        let asked = if pod.asks[resource] == 0 { AT_LEAST[resource] } else { pod.asks[resource] };
        let offered = node.capacity[resource];
        Use { weight: 1, offered, used: offered - node.free[resource] + asked }
    })
}

/// What NodeResourcesBalancedAllocation gives by default; nothing to a pod that asks for neither CPU nor memory.
pub(super) fn balance(pod: &Demand, node: &NodeState) -> i32 {
    if pod.asks[0] == 0 && pod.asks[1] == 0 {
        return 0;
    }
    let amounts = [0, 1].map(|resource| {
        let offered = node.capacity[resource];
        (offered, offered - node.free[resource] + pod.asks[resource])
    });
    balanced_allocation::score_of_pair(amounts) as i32
}
