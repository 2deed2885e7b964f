//! Nodes are cut off from the API server.

use super::direction::{DIRECTION, lose};
use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::event::PartId;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "nodePartition",
    doc: "Messages between the kubelets of nodes and the API server are lost, both ways or one way. Containers run on. \
          Requests fail after 30 s without an answer, watches count as lost after 45 s of silence; with the end of the \
          fault both are tried again with their back-off. Pods of different nodes still reach one another.",
    parameters: &[
        Parameter { name: "nodes", kind: ParameterKind::Nodes, default: None, doc: "Which nodes." },
        DIRECTION,
    ],
    example: "at: 90s\nlasts: 10m\nnodePartition: {nodes: {zone: a, count: 1}}",
    build: |parameters| {
        let (nodes, direction) = (parameters.nodes("nodes").clone(), parameters.choice("direction"));
        Box::new(NodePartition { nodes, direction })
    },
};

#[derive(Debug)]
struct NodePartition {
    nodes: NodeTarget,
    direction: &'static str,
}

impl Fault for NodePartition {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let nodes = self.nodes.choose(cluster);
        if nodes.is_empty() {
            return Strike::default();
        }
        let hits = cluster.node_hits(&nodes);
        let lost = lose(nodes.iter().map(|node| PartId::Kubelet(*node)).collect(), self.direction);
        Strike { hits, effects: vec![lost], heals: Vec::new() }
    }
}
