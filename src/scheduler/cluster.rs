//! The scheduler's own picture of the cluster: nodes, and the pods on them, assumed ones included.
//! Upstream: `pkg/scheduler/backend/cache/cache.go`.

use std::sync::Arc;

use super::cards::holds_same;
use super::{Budgets, ClassIndex, NodeIndex, Nodes, Nominator, Nominee, Owners, PodClasses, SeenPods, Volumes};
use crate::api::{Name, Namespace, Obj, Object, Pod};
use crate::client::Cache;
use crate::kernel::Chunks;

/// A pod on a node.
#[derive(Clone, Debug)]
pub struct PodEntry {
    /// The pod, as last seen.
    pub pod: Arc<Obj<Pod>>,
    /// Its node.
    pub node: NodeIndex,
    /// Its class.
    pub class: ClassIndex,
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
    /// What pods are to spread and affinity.
    pub classes: PodClasses,
    /// Counts the changes of whatever decisions read beside nodes and pods.
    pub version: u64,
    /// The namespaces.
    pub namespaces: Cache<Namespace>,
    /// Services and the workloads that select pods.
    pub owners: Owners,
    /// Volumes, claims, classes and limits.
    pub volumes: Volumes,
    /// PodDisruptionBudgets.
    pub budgets: Budgets,
    /// Pods that wait for a node that was nominated for them.
    pub nominated: Nominator,
    /// The pods that were seen, counted where a policy wants to know which are typical.
    pub seen: Option<Box<SeenPods>>,
}

impl Cluster {
    /// Takes in a new or changed object: a Node, a Namespace, a pod that is bound, or one of the others that plugins
    /// read. Pods without a node and all other kinds leave it as it is.
    pub fn apply(&mut self, object: &Object) {
        match object {
            Object::Node(node) => {
                self.nodes.set(node);
            }
            Object::Namespace(namespace) => {
                self.namespaces.insert(namespace.clone());
                self.version += 1;
            }
            Object::Pod(pod) if !pod.body.node_name.is_empty() => self.set_pod(pod),
            Object::ReplicaSet(_) | Object::Untyped(_) => {
                self.version += u64::from(self.owners.set(object));
                self.volumes.set(object);
                self.budgets.set(object);
            }
            Object::Pod(_) | Object::Deployment(_) | Object::Event(_) | Object::Lease(_) => {}
        }
    }

    /// Forgets an object that is gone, of the kinds that [`Cluster::apply`] takes in.
    pub fn forget(&mut self, object: &Object) {
        match object {
            Object::Node(node) => self.nodes.remove(&node.meta.name),
            Object::Namespace(namespace) => {
                self.namespaces.remove(&namespace.meta);
                self.version += 1;
            }
            Object::Pod(pod) => {
                self.remove_pod(pod.meta.id.slot);
            }
            Object::ReplicaSet(_) | Object::Untyped(_) => {
                self.version += u64::from(self.owners.remove(object));
                self.volumes.remove(object);
                self.budgets.remove(object);
            }
            Object::Deployment(_) | Object::Event(_) | Object::Lease(_) => {}
        }
    }

    /// Takes in a pod that is bound: a new one, a changed one, or the confirmation of an assumed one.
    pub fn set_pod(&mut self, pod: &Arc<Obj<Pod>>) {
        let node = self.nodes.number(&pod.body.node_name);
        let class = self.classes.of(pod);
        if let Some(entry) = self.pods.get_mut(pod.meta.id.slot) {
            let same = entry.node == node
                && (Arc::ptr_eq(&entry.pod.body.spec, &pod.body.spec) || entry.pod.body.spec == pod.body.spec)
                && entry.pod.body.requests(false) == pod.body.requests(false)
                && holds_same(&entry.pod.meta.annotations, &pod.meta.annotations);
            if same {
                let before = std::mem::replace(&mut entry.class, class);
                entry.pod = pod.clone();
                entry.assumed = false;
                self.nodes.replace_pod(node, pod, before, class);
                return;
            }
            self.remove_pod(pod.meta.id.slot);
        }
        self.put(pod, node, class, false);
    }

    /// Assumes that a pod runs on a node.
    pub fn assume(&mut self, pod: &Arc<Obj<Pod>>, node: NodeIndex) {
        let class = self.classes.of(pod);
        self.put(pod, node, class, true);
    }

    /// An assumed pod has been given cards, as the annotations of this state of it say.
    pub fn annotate(&mut self, pod: &Arc<Obj<Pod>>) {
        if let Some(entry) = self.pods.get_mut(pod.meta.id.slot) {
            entry.pod = pod.clone();
            let node = entry.node;
            self.nodes.annotate_pod(node, pod);
        }
    }

    /// Counts a pod that was not seen before, where pods are counted.
    pub fn see(&mut self, pod: &Obj<Pod>) {
        if let Some(seen) = &mut self.seen {
            self.version += u64::from(seen.see(pod));
        }
    }

    fn put(&mut self, pod: &Arc<Obj<Pod>>, node: NodeIndex, class: ClassIndex, assumed: bool) {
        self.nodes.add_pod(node, pod, class);
        self.volumes.pod_added(pod);
        self.pods.set(pod.meta.id.slot, PodEntry { pod: pod.clone(), node, class, assumed });
    }

    /// Nominates a node for a pod, in place of any other; an empty name takes the nomination back.
    pub fn nominate(&mut self, pod: &Arc<Obj<Pod>>, node: &Name) {
        let class = self.classes.of(pod);
        self.nominated.set(Nominee { pod: pod.clone(), class }, node);
    }

    /// Takes a pod off its node, if it has one.
    pub fn remove_pod(&mut self, slot: u32) -> Option<PodEntry> {
        let entry = self.pods.take(slot)?;
        self.nodes.remove_pod(entry.node, &entry.pod, entry.class);
        self.volumes.pod_removed(&entry.pod);
        Some(entry)
    }

    /// Whether a pod is assumed to run somewhere and not confirmed.
    pub fn is_assumed(&self, slot: u32) -> bool {
        self.pods.get(slot).is_some_and(|entry| entry.assumed)
    }
}
