//! Components are cut off from the API server.

use super::direction::{DIRECTION, lose};
use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, PartTarget, Strike};

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "componentPartition",
    doc: "Messages between components and the API server are lost, both ways or one way. Requests fail after 30 s without \
          an answer, watches count as lost after 45 s of silence; with the end of the fault both are tried again with \
          their back-off. A leader that cannot renew its lease in time ends itself.",
    parameters: &[
        Parameter { name: "parts", kind: ParameterKind::Parts, default: None, doc: "Which components." },
        DIRECTION,
    ],
    example: "at: 90s\nlasts: 1m\ncomponentPartition: {parts: kube-scheduler, direction: fromApiServer}",
    build: |parameters| {
        let (parts, direction) = (parameters.parts("parts").clone(), parameters.choice("direction"));
        Box::new(ComponentPartition { parts, direction })
    },
};

#[derive(Debug)]
struct ComponentPartition {
    parts: PartTarget,
    direction: &'static str,
}

impl Fault for ComponentPartition {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let parts = self.parts.choose(cluster);
        if parts.is_empty() {
            return Strike::default();
        }
        let hits = cluster.part_hits(&parts);
        let lost = lose(parts, self.direction);
        Strike { hits, effects: vec![lost], heals: Vec::new() }
    }
}
