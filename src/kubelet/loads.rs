//! What the machine's own programs take of it beyond what is set aside for them: services that leak, logs that fill the
//! disk. They come and go with faults, belong to the machine and not to the kubelet's process, and outlive it.
//!
//! What leaks memory is an ordinary service: when the kernel kills it, or the machine boots, it begins anew.

use std::sync::Arc;

use super::Kubelet;
use super::course::Course;
use super::eviction::{Capacity, Starved};
use crate::event::MachineResource;
use crate::kernel::{Span, Time};

/// Something that takes of the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Load {
    /// The strike of the fault that has brought it.
    strike: u32,
    pub(super) starved: Starved,
    pub(super) since: Time,
    pub(super) course: Course,
}

impl Kubelet {
    /// From now on a program of the machine takes of it: from nothing to so many percent of the whole, over a time.
    pub fn bear(&mut self, strike: u32, resource: MachineResource, percent: u32, over: Span, now: Time) {
        let starved = match resource {
            MachineResource::Memory => Starved::Memory,
            MachineResource::Disk => Starved::Disk,
            MachineResource::Pids => Starved::Pids,
        };
        let total = Capacity::of(&self.fixed.template, &[]).total(starved);
        let to = u64::try_from(u128::from(total) * u128::from(percent) / 100).unwrap_or(u64::MAX);
        let load = Load { strike, starved, since: now, course: Course::Ramp { from: 0, to, over } };
        self.loads = self.loads.iter().cloned().chain([load]).collect();
    }

    /// What a strike has brought ends.
    pub fn relieve(&mut self, strike: u32) {
        self.loads = self.loads.iter().filter(|load| load.strike != strike).cloned().collect();
    }

    /// What takes of memory has been ended, and begins anew.
    pub(super) fn restart_load(&mut self, index: usize, now: Time) {
        if let Some(load) = Arc::make_mut(&mut self.loads).get_mut(index) {
            load.since = now;
        }
    }

    /// The machine boots: all processes begin anew, the disk is as it was.
    pub(super) fn restart_loads(&mut self, now: Time) {
        for index in 0..self.loads.len() {
            if self.loads[index].starved != Starved::Disk {
                self.restart_load(index, now);
            }
        }
    }
}
