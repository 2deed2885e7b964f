//! The cloud detaches no disk.

use super::disks::{WHICH, Which};
use super::{Cluster, Fault, FaultEntry, Strike};
use crate::event::DiskEffect;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "diskDetachStuck",
    doc: "Disks are not detached: the cloud takes the call and does not answer. Their VolumeAttachments stay, \
          and other nodes wait. With its end the attacher's next try succeeds.",
    parameters: &WHICH,
    example: "at: 90s\nlasts: 5m\ndiskDetachStuck: {}",
    build: |parameters| Box::new(DiskDetachStuck(Which::of(parameters))),
};

#[derive(Debug)]
struct DiskDetachStuck(Which);

impl Fault for DiskDetachStuck {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        self.0.strike(DiskEffect::DetachStuck, cluster)
    }
}
