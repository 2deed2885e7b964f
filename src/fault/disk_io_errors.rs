//! Disks fail.

use super::disks::{WHICH, Which};
use super::{Cluster, Fault, FaultEntry, Strike};
use crate::event::DiskEffect;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "diskIoErrors",
    doc: "Reads and writes fail: containers that have mounted such a disk end with exit code 1, and again a \
          second after each start; it cannot be mounted elsewhere. With its end the next start lives. What \
          programs would do otherwise about an error, and lost data, are left out.",
    parameters: &WHICH,
    example: "at: 90s\nlasts: 5m\ndiskIoErrors: {claim: default/data}",
    build: |parameters| Box::new(DiskIoErrors(Which::of(parameters))),
};

#[derive(Debug)]
struct DiskIoErrors(Which);

impl Fault for DiskIoErrors {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        self.0.strike(DiskEffect::IoErrors, cluster)
    }
}
