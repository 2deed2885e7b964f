//! What is wrong with the disks of the cloud comes and goes with strikes; whoever asks is told.

use super::Sim;
use crate::event::{Cause, DiskTrouble, Disks, Input, PartId};

impl Sim {
    /// Something is wrong with disks from now on.
    pub(super) fn trouble(&mut self, strike: u32, trouble: DiskTrouble, cause: Cause) {
        self.set_disks(self.world.disks.with(strike, trouble), cause);
    }

    /// Kubelets notice at once what is wrong with disks, or no longer.
    pub(super) fn set_disks(&mut self, disks: Disks, cause: Cause) {
        if disks == self.world.disks {
            return;
        }
        self.world.disks = disks;
        for node in 0..self.parts.kubelets.len() as u32 {
            if self.is_up(PartId::Kubelet(node)) {
                self.hand(PartId::Kubelet(node), Input::DisksChanged, cause);
            }
        }
    }
}
