//! The order in which nodes are looked at: round robin over zones. Upstream: `backend/cache/node_tree.go`.

use super::NodeIndex;
use crate::api::{Meta, Name};

/// Nodes by zone, zones and nodes in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct NodeTree {
    zones: Vec<(Name, Vec<NodeIndex>)>,
}

impl NodeTree {
    /// The zone of a node: region and zone together; empty without both. Upstream: `GetZoneKey`.
    pub fn zone_of(meta: &Meta) -> Name {
        let label = |new: &str, old: &str| {
            let value = meta.labels.get(old).or_else(|| meta.labels.get(new));
            value.map_or("", Name::as_str)
        };
        let zone = label("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
        let region = label("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region");
        if zone.is_empty() && region.is_empty() { Name::new() } else { ecow::eco_format!("{region}:\0:{zone}") }
    }

    /// Puts a node at the end of its zone.
    pub fn add(&mut self, zone: &Name, node: NodeIndex) {
        match self.zones.iter_mut().find(|(name, _)| name == zone) {
            Some((_, nodes)) => nodes.push(node),
            None => self.zones.push((zone.clone(), vec![node])),
        }
    }

    /// Takes a node out of its zone.
    pub fn remove(&mut self, zone: &Name, node: NodeIndex) {
        let Some(at) = self.zones.iter().position(|(name, _)| name == zone) else { return };
        self.zones[at].1.retain(|other| *other != node);
        if self.zones[at].1.is_empty() {
            self.zones.remove(at);
        }
    }

    /// All nodes: the first of each zone, then the second of each, and so on.
    pub fn list(&self) -> Vec<NodeIndex> {
        let longest = self.zones.iter().map(|(_, nodes)| nodes.len()).max().unwrap_or(0);
        (0..longest).flat_map(|row| self.zones.iter().filter_map(move |(_, nodes)| nodes.get(row).copied())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_take_turns_until_they_are_exhausted() {
        let mut tree = NodeTree::default();
        let (a, b, c) = (Name::from("a"), Name::from("b"), Name::from("c"));
        for (zone, node) in [(&a, 0), (&a, 1), (&b, 2), (&a, 3), (&c, 4), (&b, 5)] {
            tree.add(zone, node);
        }
        assert_eq!(tree.list(), [0, 2, 4, 1, 5, 3]);
        tree.remove(&c, 4);
        tree.remove(&a, 0);
        assert_eq!(tree.list(), [1, 2, 3, 5]);
        tree.add(&c, 4);
        assert_eq!(tree.list(), [1, 2, 4, 3, 5], "a zone that comes back is the last");
    }
}
