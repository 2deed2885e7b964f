//! What the containers of a node take of it.

use super::Kubelet;
use super::pod::{PodRecord, Stage};
use crate::api::resources::Resources;
use crate::kernel::{Chance, Time};

/// What is used at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// CPU in millicores.
    pub milli_cpu: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// The node's disk in bytes: writable layers, logs, volumes that are folders of the node.
    pub disk: u64,
    /// The disk's inodes.
    pub inodes: u64,
    /// Processes.
    pub pids: u64,
}

impl Usage {
    /// Adds another's.
    pub(super) fn add(&mut self, other: &Usage) {
        self.milli_cpu += other.milli_cpu;
        self.memory += other.memory;
        self.disk += other.disk;
        self.inodes += other.inodes;
        self.pids += other.pids;
    }
}

impl Kubelet {
    /// What the running containers take at an instant: as their behaviours declare, else the CPU and memory that they
    /// request, one process and nothing of the disk. A program takes what its first instant declares while it is being
    /// started. Whether the machine is on is for the caller to know: a kubelet is not told that it has gone down.
    /// `chance` is the simulation's.
    pub fn usage(&self, now: Time, chance: Chance) -> Usage {
        let mut used = Usage::default();
        for record in &self.pods {
            let containers = (0..record.containers.len()).filter_map(|index| self.used_by(record, index, now, chance));
            containers.for_each(|container| used.add(&container));
        }
        used
    }

    /// What a container takes at an instant; `None` where it does not run.
    pub(super) fn used_by(&self, record: &PodRecord, index: usize, now: Time, chance: Chance) -> Option<Usage> {
        let container = &record.containers[index];
        let Stage::Running { since, .. } = container.stage else { return None };
        let declared = &self.fixed.behaviours.get(container.behaviour).usage;
        let elapsed = now.since(record.program(index, since, &self.fixed.behaviours, chance).begins());
        let requested = requested(record, index);
        let of = |course: &Option<super::Course>, default: u64| course.as_ref().map_or(default, |it| it.at(elapsed));
        Some(Usage {
            milli_cpu: of(&declared.cpu, requested.milli_cpu.unsigned_abs()),
            memory: in_pages(of(&declared.memory, requested.memory.unsigned_abs())),
            disk: in_pages(of(&declared.disk, 0)),
            inodes: of(&declared.inodes, 0),
            pids: of(&declared.pids, 1),
        })
    }
}

/// Memory and disks are given out in pages of 4 KiB.
pub(super) fn in_pages(bytes: u64) -> u64 {
    bytes & !0xfff
}

/// What a container requests.
pub(super) fn requested(record: &PodRecord, index: usize) -> Resources {
    let resources = record.spec(index).resources.as_ref();
    Resources::of_list(resources.and_then(|resources| resources.requests.as_ref()))
}
