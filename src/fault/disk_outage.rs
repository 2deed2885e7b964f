//! The cloud makes no disks.

use super::disks::{WHICH, Which};
use super::{Cluster, Fault, FaultEntry, Strike};
use crate::event::DiskEffect;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "diskOutage",
    doc: "Disks are not made, deleted or made larger: the cloud refuses each call, which is told and tried \
          again with back-off. Disks that are there are not touched. With its end the next try succeeds.",
    parameters: &WHICH,
    example: "at: 90s\nlasts: 5m\ndiskOutage: {driver: csi.example.com}",
    build: |parameters| Box::new(DiskOutage(Which::of(parameters))),
};

#[derive(Debug)]
struct DiskOutage(Which);

impl Fault for DiskOutage {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        self.0.strike(DiskEffect::Outage, cluster)
    }
}
