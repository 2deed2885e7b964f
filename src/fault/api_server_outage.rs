//! The API server is gone.

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, Strike};
use crate::event::Primitive;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "apiServerOutage",
    doc: "Replicas of the API server are gone: their watches end, and connections to them are refused. Clients turn to a \
          replica that is left; where none is, every request fails at once. With its end they are back with watch caches \
          that begin anew, so that informers list again. What etcd holds is not touched.",
    parameters: &[Parameter {
        name: "replicas",
        kind: ParameterKind::Count,
        default: Some("0"),
        doc: "How many replicas, from the first on; 0: all.",
    }],
    example: "at: 90s\nlasts: 2m\napiServerOutage: {}",
    build: |parameters| Box::new(ApiServerOutage { replicas: parameters.count("replicas") }),
};

#[derive(Debug)]
struct ApiServerOutage {
    replicas: u32,
}

impl Fault for ApiServerOutage {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let replicas = cluster.replicas(self.replicas);
        Strike {
            hits: cluster.replica_hits(&replicas),
            effects: replicas.iter().map(|replica| Primitive::ReplicaDown(*replica)).collect(),
            heals: replicas.iter().map(|replica| Primitive::ReplicaUp(*replica)).collect(),
        }
    }
}
