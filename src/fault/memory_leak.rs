//! A service of a node leaks memory.

use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::event::MachineResource;
use crate::kernel::Span;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "memoryLeak",
    doc: "A service of nodes' machines that belongs to no pod leaks memory. Kubelets evict pods; where that is too slow the \
          kernel kills, and the service is no exception: it starts again and leaks on. With its end the memory is free.",
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
    example: "at: 90s\nlasts: 15m\nmemoryLeak: {nodes: worker-1, percent: 120, over: 10m}",
    build: |parameters| {
        Box::new(MemoryLeak {
            nodes: parameters.nodes("nodes").clone(),
            percent: parameters.count("percent"),
            over: parameters.range("over"),
        })
    },
};

#[derive(Debug)]
struct MemoryLeak {
    nodes: NodeTarget,
    percent: u32,
    over: (Span, Span),
}

impl Fault for MemoryLeak {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        Strike::of_load(cluster, &self.nodes, MachineResource::Memory, self.percent, self.over)
    }
}
