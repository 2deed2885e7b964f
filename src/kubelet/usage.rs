//! What the containers of a node take of it.

use super::Kubelet;
use super::pod::Stage;
use crate::api::resources::Resources;
use crate::kernel::{Chance, Time};

/// What is used at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// CPU in millicores.
    pub milli_cpu: u64,
    /// Memory in bytes.
    pub memory: u64,
}

impl Kubelet {
    /// What the running containers take at an instant: as their behaviours declare, else what they request. A program
    /// takes what its first instant declares while it is being started. Whether the machine is on is for the caller to
    /// know: a kubelet is not told that it has gone down. `chance` is the simulation's.
    pub fn usage(&self, now: Time, chance: Chance) -> Usage {
        let mut used = Usage::default();
        for record in &self.pods {
            for (index, container) in record.containers.iter().enumerate() {
                let Stage::Running { since, .. } = container.stage else { continue };
                let declared = &self.fixed.behaviours.get(container.behaviour).usage;
                let elapsed = now.since(record.program(index, since, &self.fixed.behaviours, chance).begins());
                let requests = record.spec(index).resources.as_ref().and_then(|resources| resources.requests.as_ref());
                let requested = || Resources::of_list(requests);
                used.milli_cpu += match &declared.cpu {
                    Some(cpu) => cpu.at(elapsed),
                    None => requested().milli_cpu.unsigned_abs(),
                };
                used.memory += match &declared.memory {
                    Some(memory) => memory.at(elapsed),
                    None => requested().memory.unsigned_abs(),
                };
            }
        }
        used
    }
}
