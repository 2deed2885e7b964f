//! Deployments and ReplicaSets in the form that their controllers read: defaults filled in, selectors parsed, the
//! template shared. Upstream: `apps/v1`.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Condition, IntOrPercent, PodTemplate, Selector};

/// A label selector: as written, and ready to match.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkloadSelector {
    /// As the manifest has it.
    pub written: LabelSelector,
    /// The parsed form.
    pub parsed: Selector,
}

/// The body of a Deployment.
#[derive(Clone, PartialEq, Debug)]
pub struct Deployment {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.selector`.
    pub selector: Arc<WorkloadSelector>,
    /// `spec.template`.
    pub template: Arc<PodTemplate>,
    /// `spec.strategy`.
    pub strategy: DeploymentStrategy,
    /// `spec.minReadySeconds`.
    pub min_ready_seconds: i32,
    /// `spec.revisionHistoryLimit`; `None`: keep all.
    pub revision_history_limit: Option<i32>,
    /// `spec.paused`.
    pub paused: bool,
    /// `spec.progressDeadlineSeconds`; `None` or `i32::MAX`: no deadline.
    pub progress_deadline_seconds: Option<i32>,
    /// `status`.
    pub status: DeploymentStatus,
}

/// `spec.strategy`.
#[derive(Clone, PartialEq, Debug)]
pub enum DeploymentStrategy {
    /// All old pods go before new ones come.
    Recreate,
    /// Old and new overlap.
    RollingUpdate {
        /// How many pods may be missing.
        max_unavailable: IntOrPercent,
        /// How many pods may exist on top.
        max_surge: IntOrPercent,
    },
}

/// `status` of a Deployment; counters are zero where absent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DeploymentStatus {
    /// `observedGeneration`.
    pub observed_generation: i64,
    /// `replicas`.
    pub replicas: i32,
    /// `updatedReplicas`.
    pub updated_replicas: i32,
    /// `readyReplicas`.
    pub ready_replicas: i32,
    /// `availableReplicas`.
    pub available_replicas: i32,
    /// `unavailableReplicas`.
    pub unavailable_replicas: i32,
    /// `terminatingReplicas` (beta and on by default since 1.35).
    pub terminating_replicas: Option<i32>,
    /// `collisionCount`.
    pub collision_count: Option<i32>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

/// The body of a ReplicaSet.
#[derive(Clone, PartialEq, Debug)]
pub struct ReplicaSet {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.minReadySeconds`.
    pub min_ready_seconds: i32,
    /// `spec.selector`.
    pub selector: Arc<WorkloadSelector>,
    /// `spec.template`.
    pub template: Arc<PodTemplate>,
    /// `status`.
    pub status: ReplicaSetStatus,
}

/// `status` of a ReplicaSet; counters are zero where absent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReplicaSetStatus {
    /// `observedGeneration`.
    pub observed_generation: i64,
    /// `replicas`.
    pub replicas: i32,
    /// `fullyLabeledReplicas`.
    pub fully_labeled_replicas: i32,
    /// `readyReplicas`.
    pub ready_replicas: i32,
    /// `availableReplicas`.
    pub available_replicas: i32,
    /// `terminatingReplicas` (beta and on by default since 1.35).
    pub terminating_replicas: Option<i32>,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}
