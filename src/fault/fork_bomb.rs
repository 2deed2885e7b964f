//! A service of a node starts more and more processes.

use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::event::MachineResource;
use crate::kernel::Span;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "forkBomb",
    doc: "A service of nodes' machines that belongs to no pod starts more and more processes. Kubelets whose --eviction-hard \
          or --eviction-soft names pid.available evict pods; nothing else happens. With its end the processes are gone.",
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
    example: "at: 90s\nlasts: 15m\nforkBomb: {nodes: worker-1, over: 1m}",
    build: |parameters| {
        Box::new(ForkBomb {
            nodes: parameters.nodes("nodes").clone(),
            percent: parameters.count("percent"),
            over: parameters.range("over"),
        })
    },
};

#[derive(Debug)]
struct ForkBomb {
    nodes: NodeTarget,
    percent: u32,
    over: (Span, Span),
}

impl Fault for ForkBomb {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        Strike::of_load(cluster, &self.nodes, MachineResource::Pids, self.percent, self.over)
    }
}
