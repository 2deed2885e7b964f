//! Components die and start again.

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, PartTarget, Strike};
use crate::event::Primitive;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "componentCrash",
    doc: "The processes of components die at once: their memory, their watches and what they had under way are gone; what \
          they have sent still arrives. A kubelet's containers run on. With its end the processes start with empty \
          memory.",
    parameters: &[Parameter { name: "parts", kind: ParameterKind::Parts, default: None, doc: "Which components." }],
    example: "at: 90s\nlasts: 10s\ncomponentCrash: {parts: kube-controller-manager}",
    build: |parameters| Box::new(ComponentCrash { parts: parameters.parts("parts").clone() }),
};

#[derive(Debug)]
struct ComponentCrash {
    parts: PartTarget,
}

impl Fault for ComponentCrash {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let parts = self.parts.choose(cluster);
        Strike {
            hits: cluster.part_hits(&parts),
            effects: parts.iter().map(|part| Primitive::Stop(*part)).collect(),
            heals: parts.iter().map(|part| Primitive::Start(*part)).collect(),
        }
    }
}
