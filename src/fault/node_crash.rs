//! A machine loses its power, and is switched on again.

use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::event::Primitive;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "nodeCrash",
    doc: "The machines of nodes lose their power: kubelet and containers are gone at once. With its end they are switched \
          on again and start their pods anew; images stay on their disks.",
    parameters: &[Parameter { name: "nodes", kind: ParameterKind::Nodes, default: None, doc: "Which nodes." }],
    example: "at: 90s\nlasts: 10m\nnodeCrash: {nodes: worker-1}",
    build: |parameters| Box::new(NodeCrash { nodes: parameters.nodes("nodes").clone() }),
};

#[derive(Debug)]
struct NodeCrash {
    nodes: NodeTarget,
}

impl Fault for NodeCrash {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let nodes = self.nodes.choose(cluster);
        Strike {
            hits: cluster.node_hits(&nodes),
            effects: nodes.iter().map(|node| Primitive::PowerOff(*node)).collect(),
            heals: nodes.iter().map(|node| Primitive::PowerOn(*node)).collect(),
        }
    }
}
