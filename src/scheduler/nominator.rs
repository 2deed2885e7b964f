//! Pods that wait for a node: preemption has chosen it for them, and its victims are about to go.
//! Upstream: `pkg/scheduler/backend/queue/nominator.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ClassIndex, NodeIndex, Nodes};
use crate::api::{Name, Obj, Pod};

/// A pod that waits for a node.
#[derive(Clone, Debug)]
pub struct Nominee {
    /// The pod.
    pub pod: Arc<Obj<Pod>>,
    /// Its class.
    pub class: ClassIndex,
}

/// The nominated pods, by the name of the node.
#[derive(Clone, Debug, Default)]
pub struct Nominator {
    by_node: BTreeMap<Name, Vec<Nominee>>,
    nodes: BTreeMap<u32, Name>,
}

impl Nominator {
    /// Nominates a node for a pod, in place of any other; an empty name takes the nomination back.
    pub(super) fn set(&mut self, nominee: Nominee, node: &Name) {
        let slot = nominee.pod.meta.id.slot;
        self.remove(slot);
        if !node.is_empty() {
            self.nodes.insert(slot, node.clone());
            self.by_node.entry(node.clone()).or_default().push(nominee);
        }
    }

    /// The pod is bound, gone, or no longer nominated.
    pub fn remove(&mut self, slot: u32) {
        let Some(node) = self.nodes.remove(&slot) else { return };
        if let Some(nominees) = self.by_node.get_mut(&node) {
            nominees.retain(|nominee| nominee.pod.meta.id.slot != slot);
            if nominees.is_empty() {
                self.by_node.remove(&node);
            }
        }
    }

    /// The node that is nominated for a pod.
    pub fn node_of(&self, slot: u32) -> Option<&Name> {
        self.nodes.get(&slot)
    }

    /// All nominations, by the number of the pod.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Name)> {
        self.nodes.iter().map(|(slot, node)| (*slot, node))
    }

    /// The pods that a node was nominated for, in the order of nomination.
    pub fn on(&self, node: &str) -> &[Nominee] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nominated pods that another pod must leave room for: others of its priority or a higher one, by node.
    pub fn ahead_of<'a>(&'a self, pod: &Obj<Pod>, nodes: &Nodes) -> Ahead<'a> {
        let counts = |nominee: &&Nominee| {
            nominee.pod.body.spec.priority >= pod.body.spec.priority && nominee.pod.meta.uid != pod.meta.uid
        };
        let mut ahead = BTreeMap::new();
        for (name, nominees) in &self.by_node {
            let counted: Vec<&Nominee> = nominees.iter().filter(counts).collect();
            if let Some(node) = nodes.find(name)
                && !counted.is_empty()
            {
                ahead.insert(node, counted);
            }
        }
        Ahead(ahead)
    }
}

/// The nominated pods that a pod must leave room for, by node.
#[derive(Clone, Debug, Default)]
pub struct Ahead<'a>(BTreeMap<NodeIndex, Vec<&'a Nominee>>);

impl<'a> Ahead<'a> {
    /// Those on a node.
    pub fn on(&self, node: NodeIndex) -> &[&'a Nominee] {
        match self.0.is_empty() {
            true => &[],
            false => self.0.get(&node).map_or(&[], Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::testing::{node, pod_numbered};

    #[test]
    fn a_pod_waits_for_one_node_and_only_equals_and_betters_count() {
        let mut nodes = Nodes::default();
        let number = nodes.set(&node("n1", "{}"));
        let mut nominator = Nominator::default();
        let pod =
            |slot: u32, priority: i32| pod_numbered(slot, "p", &format!("{{priority: {priority}, containers: []}}"));
        for (slot, priority) in [(1, 5), (2, 9)] {
            for name in ["gone", "n1"] {
                nominator.set(Nominee { pod: pod(slot, priority), class: 0 }, &name.into());
            }
        }
        let ahead = |of: &Obj<Pod>| nominator.ahead_of(of, &nodes).on(number).len();
        assert_eq!((nominator.on("gone").len(), nominator.on("n1").len()), (0, 2));
        assert_eq!([4, 5, 6, 10].map(|priority| ahead(&pod(3, priority))), [2, 2, 1, 0]);
        assert_eq!(ahead(&pod(2, 5)), 1, "a pod is not ahead of itself");
        nominator.set(Nominee { pod: pod(1, 5), class: 0 }, &Name::new());
        nominator.remove(2);
        assert!(nominator.is_empty());
    }
}
