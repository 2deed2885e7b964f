//! All parts of a simulation, by what they are.

use std::sync::Arc;

use super::{Guest, NotForkable, User};
use crate::api::Name;
use crate::client::{Host, Outbox, Part};
use crate::event::{Input, PartId, TimerToken};
use crate::kernel::object_hash;
use crate::kubelet::Kubelet;
use crate::scheduler::Scheduler;

/// The timer by which a guest is woken at the time that it asked for.
const GUEST_TIMER: TimerToken = TimerToken(u64::MAX);

/// The parts.
#[derive(Debug)]
pub struct Parts {
    /// Who runs the timeline.
    pub user: User,
    /// The processes that host controllers.
    pub managers: Vec<Host>,
    /// The schedulers.
    pub schedulers: Vec<Scheduler>,
    /// The kubelets, shared with forks until they change.
    pub kubelets: Vec<Arc<Kubelet>>,
    guests: Vec<Box<dyn Guest>>,
    /// Hashes of the parts' names, in the order of [`Parts::ids`].
    kubelet_hashes: Arc<[u64]>,
}

impl Parts {
    pub(super) fn new(
        user: User,
        managers: Vec<Host>,
        schedulers: Vec<Scheduler>,
        kubelets: Vec<Arc<Kubelet>>,
        guests: Vec<Box<dyn Guest>>,
    ) -> Parts {
        let kubelet_hashes =
            kubelets.iter().map(|kubelet| object_hash(&format!("kubelet/{}", kubelet.name()))).collect();
        Parts { user, managers, schedulers, kubelets, guests, kubelet_hashes }
    }

    /// All parts, in the order in which they start.
    pub fn ids(&self) -> Vec<PartId> {
        let managers = (0..self.managers.len()).map(|index| PartId::ControllerManager(index as u8));
        let schedulers = (0..self.schedulers.len()).map(|index| PartId::Scheduler(index as u8));
        let kubelets = (0..self.kubelets.len()).map(|index| PartId::Kubelet(index as u32));
        let guests = (0..self.guests.len()).map(|index| PartId::Guest(index as u16));
        managers.chain(schedulers).chain(kubelets).chain(guests).collect()
    }

    /// A part's name.
    pub fn name(&self, part: PartId) -> Name {
        match part {
            PartId::User => "kubectl".into(),
            PartId::ControllerManager(index) => self.managers[usize::from(index)].client_names().swap_remove(0),
            PartId::Scheduler(index) => self.schedulers[usize::from(index)].name().clone(),
            PartId::Kubelet(index) => ecow::eco_format!("kubelet/{}", self.kubelets[index as usize].name()),
            PartId::Guest(index) => self.guests[usize::from(index)].name(),
            PartId::World => "world".into(),
        }
    }

    /// A hash of a part's name, stable over set-ups.
    pub(super) fn hash(&self, part: PartId) -> u64 {
        match part {
            PartId::Kubelet(index) => self.kubelet_hashes[index as usize],
            PartId::User => 1,
            PartId::ControllerManager(index) => 2 + u64::from(index),
            PartId::Scheduler(index) => 1000 + u64::from(index),
            PartId::Guest(index) => 2000 + u64::from(index),
            PartId::World => 0,
        }
    }

    pub(super) fn handle(&mut self, part: PartId, input: Input, out: &mut Outbox) {
        match part {
            PartId::User => self.user.handle(input, out),
            PartId::ControllerManager(index) => self.managers[usize::from(index)].handle(input, out),
            PartId::Scheduler(index) => self.schedulers[usize::from(index)].handle(input, out),
            PartId::Kubelet(index) => Arc::make_mut(&mut self.kubelets[index as usize]).handle(input, out),
            PartId::Guest(index) => {
                let input = if matches!(input, Input::Timer(GUEST_TIMER)) { None } else { Some(input) };
                if let Some(next) = self.guests[usize::from(index)].run(input, out) {
                    out.timer_at(next, GUEST_TIMER);
                }
            }
            PartId::World => panic!("the world is handed nothing"),
        }
    }

    pub(super) fn fork(&self) -> Result<Parts, NotForkable> {
        if let Some(guest) = self.guests.first() {
            return Err(NotForkable { guest: guest.name() });
        }
        Ok(Parts {
            user: self.user.clone(),
            managers: self.managers.clone(),
            schedulers: self.schedulers.clone(),
            kubelets: self.kubelets.clone(),
            guests: Vec::new(),
            kubelet_hashes: self.kubelet_hashes.clone(),
        })
    }

    /// Writes the memory of all parts in canonical form. False where a guest's cannot be known.
    pub(super) fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) -> bool {
        self.user.hash_memory(hasher);
        self.managers.iter().for_each(|part| part.hash_memory(hasher));
        self.schedulers.iter().for_each(|part| part.hash_memory(hasher));
        self.kubelets.iter().for_each(|part| part.hash_memory(hasher));
        self.guests.is_empty()
    }
}
