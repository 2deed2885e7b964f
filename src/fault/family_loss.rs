//! One family of addresses fails between nodes.

use super::{Cluster, Fault, FaultEntry, NodeTarget, Parameter, ParameterKind, Strike};
use crate::api::IpFamily;
use crate::event::Primitive;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "familyLoss",
    doc: "Requests to Services over one family of addresses are lost where they come to these nodes or leave them: a \
          route, a tunnel or a router of that family is gone. Those within a node, and those over the other family, pass. \
          Kubelets reach the API server and their own pods, so that everything looks healthy; clients do not try their \
          other family.",
    parameters: &[
        Parameter {
            name: "family",
            kind: ParameterKind::Choice(&["IPv4", "IPv6"]),
            default: None,
            doc: "Which family.",
        },
        Parameter { name: "nodes", kind: ParameterKind::Nodes, default: None, doc: "Which nodes." },
    ],
    example: "at: 90s\nlasts: 10m\nfamilyLoss: {family: IPv6, nodes: {fraction: 1}}",
    build: |parameters| {
        let family = IpFamily::parse(parameters.choice("family")).unwrap_or(IpFamily::V4);
        Box::new(FamilyLoss { family, nodes: parameters.nodes("nodes").clone() })
    },
};

#[derive(Debug)]
struct FamilyLoss {
    family: IpFamily,
    nodes: NodeTarget,
}

impl Fault for FamilyLoss {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let nodes = self.nodes.choose(cluster);
        if nodes.is_empty() {
            return Strike::default();
        }
        let hits = cluster.node_hits(&nodes);
        let effects = vec![Primitive::LoseFamily { family: self.family, nodes }];
        Strike { hits, effects, heals: Vec::new() }
    }
}
