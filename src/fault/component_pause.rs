//! Components stand still.

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, PartTarget, Strike};
use crate::event::Primitive;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "componentPause",
    doc: "The processes of components stand still, as under a debugger or on a starved CPU: they send nothing, and what \
          reaches them waits. With its end they go on where they stood.",
    parameters: &[Parameter { name: "parts", kind: ParameterKind::Parts, default: None, doc: "Which components." }],
    example: "at: 90s\nlasts: 30s\ncomponentPause: {parts: kube-scheduler}",
    build: |parameters| Box::new(ComponentPause { parts: parameters.parts("parts").clone() }),
};

#[derive(Debug)]
struct ComponentPause {
    parts: PartTarget,
}

impl Fault for ComponentPause {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let parts = self.parts.choose(cluster);
        Strike {
            hits: cluster.part_hits(&parts),
            effects: parts.iter().map(|part| Primitive::Pause(*part)).collect(),
            heals: parts.iter().map(|part| Primitive::Resume(*part)).collect(),
        }
    }
}
