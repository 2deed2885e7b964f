//! What the plugins of a profile are told beside the pod. Upstream: `pluginConfig`, `pkg/scheduler/apis/config` with the
//! defaults of its `v1/defaults.go`.
//!
//! Arguments of plugins without any of their own are not here. Left out: DynamicResources' `filterTimeout`, which would
//! bound work that is not done here.

use k8s_openapi::api::core::v1;

use super::plugins::{balanced_allocation, node_affinity, node_resources_fit, placement_policy};

/// What all plugins are told.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginArgs {
    /// Of NodeResourcesFit.
    pub fit: node_resources_fit::Args,
    /// Of NodeResourcesBalancedAllocation.
    pub balanced: balanced_allocation::Args,
    /// Of NodeAffinity.
    pub node_affinity: node_affinity::Args,
    /// Of PodTopologySpread.
    pub spread: SpreadArgs,
    /// Of InterPodAffinity.
    pub inter_pod_affinity: InterPodAffinityArgs,
    /// Of DefaultPreemption.
    pub preemption: PreemptionArgs,
    /// Of VolumeBinding.
    pub volume_binding: VolumeBindingArgs,
    /// Of PlacementPolicy, which upstream does not have.
    pub placement: placement_policy::Args,
}

impl PluginArgs {
    /// Upstream's defaults.
    pub fn upstream() -> PluginArgs {
        PluginArgs {
            fit: node_resources_fit::Args::upstream(),
            balanced: balanced_allocation::Args::upstream(),
            node_affinity: node_affinity::Args::upstream(),
            spread: SpreadArgs::upstream(),
            inter_pod_affinity: InterPodAffinityArgs::upstream(),
            preemption: PreemptionArgs::upstream(),
            volume_binding: VolumeBindingArgs::upstream(),
            placement: placement_policy::Args::default(),
        }
    }
}

/// `PodTopologySpreadArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadArgs {
    /// `defaultConstraints`: for pods without constraints of their own; none of them has a label selector.
    pub default_constraints: Vec<v1::TopologySpreadConstraint>,
    /// `defaultingType`.
    pub defaulting_type: Defaulting,
}

/// Which constraints a pod without any gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defaulting {
    /// Upstream's own: zones with skew 5 and hosts with skew 3, both preferred.
    System,
    /// Those that the arguments list.
    List,
}

impl SpreadArgs {
    /// The system's constraints.
    pub fn upstream() -> SpreadArgs {
        SpreadArgs { default_constraints: Vec::new(), defaulting_type: Defaulting::System }
    }
}

/// `InterPodAffinityArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct InterPodAffinityArgs {
    /// `hardPodAffinityWeight`: what a required term of an existing pod counts for in scores, 0 to 100.
    pub hard_pod_affinity_weight: i64,
    /// `ignorePreferredTermsOfExistingPods`: they count only where the incoming pod has terms too.
    pub ignore_preferred_terms_of_existing_pods: bool,
}

impl InterPodAffinityArgs {
    /// Required terms count 1, preferred terms of existing pods count.
    pub fn upstream() -> InterPodAffinityArgs {
        InterPodAffinityArgs { hard_pod_affinity_weight: 1, ignore_preferred_terms_of_existing_pods: false }
    }
}

/// `DefaultPreemptionArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct PreemptionArgs {
    /// `minCandidateNodesPercentage`: the share of nodes, in percent, that are tried at least.
    pub min_candidate_nodes_percentage: i64,
    /// `minCandidateNodesAbsolute`: how many nodes are tried at least.
    pub min_candidate_nodes_absolute: i64,
}

impl PreemptionArgs {
    /// A tenth of the nodes, at least 100.
    pub fn upstream() -> PreemptionArgs {
        PreemptionArgs { min_candidate_nodes_percentage: 10, min_candidate_nodes_absolute: 100 }
    }
}

/// `VolumeBindingArgs`. Left out: `shape`, which upstream refuses while capacity scoring is off, as it is by default.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeBindingArgs {
    /// `bindTimeoutSeconds`: how long PreBind waits for volumes.
    pub bind_timeout_seconds: i64,
}

impl VolumeBindingArgs {
    /// Ten minutes.
    pub fn upstream() -> VolumeBindingArgs {
        VolumeBindingArgs { bind_timeout_seconds: 600 }
    }
}
