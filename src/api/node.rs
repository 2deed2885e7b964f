//! Nodes: upstream's types behind shared pointers, with what is asked often as methods.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::resources::Resources;

/// The body of a Node.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// `spec`.
    pub spec: Arc<v1::NodeSpec>,
    /// `status`.
    pub status: Arc<v1::NodeStatus>,
}

impl Node {
    /// `spec.taints`.
    pub fn taints(&self) -> &[v1::Taint] {
        self.spec.taints.as_deref().unwrap_or_default()
    }

    /// `spec.unschedulable`.
    pub fn is_unschedulable(&self) -> bool {
        self.spec.unschedulable == Some(true)
    }

    /// Whether the condition `Ready` is True.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|condition| condition.status == "True")
    }

    /// The condition of a type.
    pub fn condition(&self, kind: &str) -> Option<&v1::NodeCondition> {
        self.status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
    }

    /// `status.allocatable` as integers.
    pub fn allocatable(&self) -> Resources {
        Resources::of_list(self.status.allocatable.as_ref())
    }
}
