//! The spec of a pod, shared by all pods of a template, with what schedulers and kubelets ask of it computed once.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::Name;
use super::resources::Resources;

/// A pod's `spec` without `nodeName`, immutable behind an `Arc`.
#[derive(Clone, Debug)]
pub struct PodSpec {
    /// The whole spec; `node_name` is always `None` here.
    pub full: v1::PodSpec,
    /// What the pod asks of a node: the larger of the sum of its containers and its init containers, with sidecars and
    /// overhead, as upstream's `resource.PodRequests`.
    pub requests: Resources,
    /// The same with 100 millicores and 200 MiB for a container that asks for nothing, as upstream's scheduler scores.
    pub non_zero_requests: Resources,
    /// `terminationGracePeriodSeconds`, 30 where absent.
    pub grace_seconds: i64,
    /// `schedulerName`, `default-scheduler` where absent.
    pub scheduler_name: Name,
    /// `priority`, 0 where absent.
    pub priority: i32,
}

impl PartialEq for PodSpec {
    fn eq(&self, other: &PodSpec) -> bool {
        std::ptr::eq(self, other) || self.full == other.full
    }
}

impl PodSpec {
    /// Takes a spec and computes the rest. A `node_name` must have been taken out before.
    pub fn new(full: v1::PodSpec) -> Arc<PodSpec> {
        debug_assert!(full.node_name.is_none(), "nodeName belongs to the pod, not to the shared spec");
        let requests = Resources::of_pod(&full, false);
        let non_zero_requests = Resources::of_pod(&full, true);
        Arc::new(PodSpec {
            requests,
            non_zero_requests,
            grace_seconds: full.termination_grace_period_seconds.unwrap_or(30),
            scheduler_name: full.scheduler_name.as_deref().unwrap_or("default-scheduler").into(),
            priority: full.priority.unwrap_or(0),
            full,
        })
    }

    /// The containers, init containers excluded.
    pub fn containers(&self) -> &[v1::Container] {
        &self.full.containers
    }

    /// The init containers, sidecars included.
    pub fn init_containers(&self) -> &[v1::Container] {
        self.full.init_containers.as_deref().unwrap_or_default()
    }

    /// The tolerations.
    pub fn tolerations(&self) -> &[v1::Toleration] {
        self.full.tolerations.as_deref().unwrap_or_default()
    }

    /// `restartPolicy`, `Always` where absent.
    pub fn restart_policy(&self) -> &str {
        self.full.restart_policy.as_deref().unwrap_or("Always")
    }
}
