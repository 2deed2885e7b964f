//! Disks that fail or are full: they cannot be mounted, and programs that use them end.
//!
//! A program ends with exit code 1 as soon as a disk that it has mounted fails or fills, and within a second of each
//! start while that lasts. A disk that was found full has room again once it has been made larger, while its pod is there. Nothing follows
//! upstream here: what programs do with an error is their own affair.

use super::super::Kubelet;
use super::super::pod::Stage;
use super::super::program::End;
use super::claims::State;
use crate::api::Name;
use crate::client::Outbox;
use crate::event::{DiskEffect, DiskFacts};
use crate::kernel::Span;

const ZONE: &str = "topology.kubernetes.io/zone";
/// How long a program runs that finds its disk failing.
const RUNS_ON: Span = Span::from_secs(1);
const IO_ERROR: &str =
    "rpc error: code = Internal desc = mount failed: exit status 32: can't read superblock: Input/output error";

impl Kubelet {
    /// Whether something is wrong with the disk of a volume.
    fn suffers(&self, at: usize, number: u16, effect: DiskEffect, out: &Outbox) -> bool {
        let record = &self.pods[at];
        let volumes = self.claims.pods.get(&record.serial).map(|claims| &claims.volumes);
        let Some(volume) = volumes.and_then(|volumes| volumes.get(usize::from(number))) else { return false };
        let Some(disk) = &volume.disk else { return false };
        let zone = self.fixed.template.labels.get(ZONE).map_or("", Name::as_str);
        let facts = DiskFacts { driver: &disk.driver, zone, claim: (&record.pod.meta.namespace, &volume.claim) };
        out.disks.suffers(effect, facts)
    }

    /// Notes how large a disk was when it was found full, as long as it is.
    pub(super) fn note_full(&mut self, at: usize, number: u16, out: &Outbox) {
        let is_full = self.suffers(at, number, DiskEffect::Full, out);
        let Some(volume) = self.claims.volume(self.pods[at].serial, number) else { return };
        let size = volume.disk.as_ref().map(|disk| disk.size.clone());
        volume.full_at = volume.full_at.take().or(size).filter(|_| is_full);
    }

    /// Whether there is no room left on a disk, which has not grown since.
    fn is_full(&self, at: usize, number: u16, out: &Outbox) -> bool {
        let volumes = self.claims.pods.get(&self.pods[at].serial).map(|claims| &claims.volumes);
        let volume = volumes.and_then(|volumes| volumes.get(usize::from(number)));
        let has_grown = volume.is_some_and(|volume| {
            let before = volume.full_at.as_ref();
            before.zip(volume.disk.as_ref()).is_some_and(|(before, disk)| disk.size > *before)
        });
        !has_grown && self.suffers(at, number, DiskEffect::Full, out)
    }

    /// Why a volume cannot be mounted; none where it can.
    pub(super) fn mount_refused(&self, at: usize, number: u16, out: &Outbox) -> Option<Name> {
        self.suffers(at, number, DiskEffect::IoErrors, out).then(|| IO_ERROR.into())
    }

    /// Whether a container uses a disk that fails or is full.
    fn uses_bad_disk(&self, at: usize, index: usize, out: &Outbox) -> bool {
        let record = &self.pods[at];
        let Some(claims) = self.claims.pods.get(&record.serial) else { return false };
        let spec = record.spec(index);
        let mounts = spec.volume_mounts.iter().flatten().map(|mount| mount.name.as_str());
        let devices = spec.volume_devices.iter().flatten().map(|device| device.name.as_str());
        mounts.chain(devices).any(|name| {
            let number = claims.volumes.iter().position(|volume| volume.name == name && volume.state == State::Mounted);
            number.is_some_and(|number| {
                self.suffers(at, number as u16, DiskEffect::IoErrors, out) || self.is_full(at, number as u16, out)
            })
        })
    }

    /// How a life of a container ends that begins now, given what its disks do.
    pub(in crate::kubelet) fn end_with_disks(&self, at: usize, index: usize, end: End, out: &Outbox) -> End {
        if !self.claims.pods.is_empty() && end.at > out.now + RUNS_ON && self.uses_bad_disk(at, index, out) {
            return End { at: out.now + RUNS_ON, code: 1, out_of_memory: false };
        }
        end
    }

    /// What is wrong with disks is another thing than before.
    pub(in crate::kubelet) fn disks_changed(&mut self, out: &mut Outbox) {
        let serials: Vec<u32> = self.claims.pods.keys().copied().collect();
        for serial in serials {
            let Some(at) = self.at(serial) else { continue };
            for number in 0..self.claims.pods[&serial].volumes.len() as u16 {
                self.note_full(at, number, out);
            }
            for index in 0..self.pods[at].containers.len() {
                if self.pods[at].is_running(index) && self.uses_bad_disk(at, index, out) {
                    let stage = &mut self.pods[at].containers[index].stage;
                    if let Stage::Running { exit_at, code, out_of_memory, .. } = stage
                        && *exit_at > out.now
                    {
                        (*exit_at, *code, *out_of_memory) = (out.now, 1, false);
                    }
                    self.arm(at, index, out);
                }
            }
        }
    }
}
