//! Pods that wait for a node: preemption has chosen it for them, and its victims are about to go.
//! Upstream: `pkg/scheduler/backend/queue/nominator.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Name, Obj, Pod};

/// The nominated pods, by the name of the node.
#[derive(Clone, Debug, Default)]
pub struct Nominator {
    by_node: BTreeMap<Name, Vec<Arc<Obj<Pod>>>>,
    nodes: BTreeMap<u32, Name>,
}

impl Nominator {
    /// Nominates a node for a pod, in place of any other.
    pub fn set(&mut self, pod: &Arc<Obj<Pod>>, node: &Name) {
        self.remove(pod.meta.id.slot);
        self.nodes.insert(pod.meta.id.slot, node.clone());
        self.by_node.entry(node.clone()).or_default().push(pod.clone());
    }

    /// The pod is bound, gone, or no longer nominated.
    pub fn remove(&mut self, slot: u32) {
        let Some(node) = self.nodes.remove(&slot) else { return };
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|pod| pod.meta.id.slot != slot);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
    }

    /// The pods that a node was nominated for, in the order of nomination.
    pub fn on(&self, node: &Name) -> &[Arc<Obj<Pod>>] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
