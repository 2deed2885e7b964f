//! Something fills the disk of a node.

use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::event::MachineResource;
use crate::kernel::Span;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "diskFill",
    doc: "Something that belongs to no pod fills the disks of nodes. Kubelets remove images that nobody uses and then evict \
          pods, which helps little. With its end the space is free.",
    parameters: &[
        Parameter { name: "nodes", kind: ParameterKind::Nodes, default: None, doc: "Which nodes." },
        Parameter {
            name: "percent",
            kind: ParameterKind::Count,
            default: Some("100"),
            doc: "What it takes in the end, in percent of the node's capacity.",
        },
        Parameter {
            name: "over",
            kind: ParameterKind::Range,
            default: Some("10m"),
            doc: "How long it takes from nothing to that, drawn at each strike.",
        },
    ],
    example: "at: 90s\nlasts: 15m\ndiskFill: {nodes: worker-1, percent: 95, over: 5m}",
    build: |parameters| {
        Box::new(DiskFill {
            nodes: parameters.nodes("nodes").clone(),
            percent: parameters.count("percent"),
            over: parameters.range("over"),
        })
    },
};

#[derive(Debug)]
struct DiskFill {
    nodes: NodeTarget,
    percent: u32,
    over: (Span, Span),
}

impl Fault for DiskFill {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        Strike::of_load(cluster, &self.nodes, MachineResource::Disk, self.percent, self.over)
    }
}
