//! Watch caches show nothing new.

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, Strike};
use crate::event::Primitive;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "watchCacheFreeze",
    doc: "The watch caches of API server replicas stand still: watches deliver nothing new, and lists from the cache show \
          the past, while writes and reads through etcd go on. With its end they catch up.",
    parameters: &[Parameter {
        name: "replicas",
        kind: ParameterKind::Count,
        default: Some("0"),
        doc: "How many replicas, from the first on; 0: all.",
    }],
    example: "at: 90s\nlasts: 30s\nwatchCacheFreeze: {replicas: 1}",
    build: |parameters| Box::new(WatchCacheFreeze { replicas: parameters.count("replicas") }),
};

#[derive(Debug)]
struct WatchCacheFreeze {
    replicas: u32,
}

impl Fault for WatchCacheFreeze {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let replicas = cluster.replicas(self.replicas);
        Strike {
            hits: cluster.replica_hits(&replicas),
            effects: replicas.iter().map(|replica| Primitive::ReplicaFreeze(*replica)).collect(),
            heals: replicas.iter().map(|replica| Primitive::ReplicaThaw(*replica)).collect(),
        }
    }
}
