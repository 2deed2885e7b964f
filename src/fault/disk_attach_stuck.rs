//! The cloud attaches no disk.

use super::disks::{WHICH, Which};
use super::{Cluster, Fault, FaultEntry, Strike};
use crate::event::DiskEffect;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "diskAttachStuck",
    doc: "Disks are not attached: the cloud takes the call and does not answer, which the attacher tells after \
          its time-out, and tries again. With its end the next try succeeds. Disks that are attached stay so.",
    parameters: &WHICH,
    example: "at: 90s\nlasts: 5m\ndiskAttachStuck: {driver: csi.example.com}",
    build: |parameters| Box::new(DiskAttachStuck(Which::of(parameters))),
};

#[derive(Debug)]
struct DiskAttachStuck(Which);

impl Fault for DiskAttachStuck {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        self.0.strike(DiskEffect::AttachStuck, cluster)
    }
}
