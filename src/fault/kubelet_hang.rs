//! The kubelets of nodes stand still while their machines go on.

use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::event::{PartId, Primitive};

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "kubeletHang",
    doc: "The kubelets of nodes stand still: they send nothing and take nothing in, and what reaches them waits. \
          Containers run on. With its end they go on where they stood. What containers do meanwhile is noticed then, and \
          dated then.",
    parameters: &[Parameter { name: "nodes", kind: ParameterKind::Nodes, default: None, doc: "Which nodes." }],
    example: "at: 90s\nlasts: 3m\nkubeletHang: {nodes: worker-1}",
    build: |parameters| Box::new(KubeletHang { nodes: parameters.nodes("nodes").clone() }),
};

#[derive(Debug)]
struct KubeletHang {
    nodes: NodeTarget,
}

impl Fault for KubeletHang {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let nodes = self.nodes.choose(cluster);
        Strike {
            hits: cluster.node_hits(&nodes),
            effects: nodes.iter().map(|node| Primitive::Pause(PartId::Kubelet(*node))).collect(),
            heals: nodes.iter().map(|node| Primitive::Resume(PartId::Kubelet(*node))).collect(),
        }
    }
}
