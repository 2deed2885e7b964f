//! Disks are full.

use super::disks::{WHICH, Which};
use super::{Cluster, Fault, FaultEntry, Strike};
use crate::event::DiskEffect;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "diskFull",
    doc: "No room is left: containers that have mounted such a disk end with exit code 1, and again a second \
          after each start. With its end there is room again; so there is on a disk that is made larger. How \
          much is stored is not modelled.",
    parameters: &WHICH,
    example: "at: 90s\nlasts: 5m\ndiskFull: {claim: default/data}",
    build: |parameters| Box::new(DiskFull(Which::of(parameters))),
};

#[derive(Debug)]
struct DiskFull(Which);

impl Fault for DiskFull {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        self.0.strike(DiskEffect::Full, cluster)
    }
}
