//! The scheduler's own picture of the cluster: nodes, and the pods on them, assumed ones included.
//! Upstream: `pkg/scheduler/backend/cache/cache.go`.

use std::sync::Arc;

use super::{NodeIndex, Nodes};
use crate::api::{Namespace, Obj, Pod};
use crate::client::Cache;
use crate::kernel::Chunks;

/// A pod on a node.
#[derive(Clone, Debug)]
pub struct PodEntry {
    /// The pod, as last seen.
    pub pod: Arc<Obj<Pod>>,
    /// Its node.
    pub node: NodeIndex,
    /// Whether the scheduler only assumes so: its binding is not confirmed yet.
    pub assumed: bool,
}

/// Nodes and the pods on them. A decision reads it as it is: no copy is made for a cycle.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The nodes.
    pub nodes: Nodes,
    /// The pods that have a node, by number.
    pub pods: Chunks<PodEntry>,
    /// The namespaces.
    pub namespaces: Cache<Namespace>,
}

impl Cluster {
    /// Takes in a pod that is bound: a new one, a changed one, or the confirmation of an assumed one.
    pub fn set_pod(&mut self, pod: &Arc<Obj<Pod>>) {
        let node = self.nodes.number(&pod.body.node_name);
        if let Some(entry) = self.pods.get_mut(pod.meta.id.slot) {
            let same = entry.node == node
                && (Arc::ptr_eq(&entry.pod.body.spec, &pod.body.spec) || entry.pod.body.spec == pod.body.spec);
            if same {
                entry.pod = pod.clone();
                entry.assumed = false;
                return;
            }
            self.remove_pod(pod.meta.id.slot);
        }
        self.put(pod, node, false);
    }

    /// Assumes that a pod runs on a node.
    pub fn assume(&mut self, pod: &Arc<Obj<Pod>>, node: NodeIndex) {
        self.put(pod, node, true);
    }

    fn put(&mut self, pod: &Arc<Obj<Pod>>, node: NodeIndex, assumed: bool) {
        self.nodes.add_pod(node, pod);
        self.pods.set(pod.meta.id.slot, PodEntry { pod: pod.clone(), node, assumed });
    }

    /// Takes a pod off its node, if it has one.
    pub fn remove_pod(&mut self, slot: u32) -> Option<PodEntry> {
        let entry = self.pods.take(slot)?;
        self.nodes.remove_pod(entry.node, &entry.pod);
        Some(entry)
    }

    /// Whether a pod is assumed to run somewhere and not confirmed.
    pub fn is_assumed(&self, slot: u32) -> bool {
        self.pods.get(slot).is_some_and(|entry| entry.assumed)
    }
}
