//! Heartbeats that nobody sends: which Leases are renewed by themselves, for those who read them.

use super::Heartbeat;
use crate::api::Name;
use crate::kernel::Time;

/// The namespace of the nodes' Leases.
pub const NODE_LEASES: &str = "kube-node-lease";

/// The Leases that beat by themselves, and the nodes whose unchanged status does. A copy costs a pointer.
#[derive(Clone, Debug, Default)]
pub struct Beats(imbl::OrdMap<(Name, Name), Heartbeat>);

impl Beats {
    /// The heartbeat of a Lease, if it beats by itself.
    pub fn get(&self, namespace: &Name, name: &Name) -> Option<&Heartbeat> {
        self.0.get(&(namespace.clone(), name.clone()))
    }

    /// The heartbeat of a node, if it beats by itself.
    pub fn node(&self, name: &Name) -> Option<&Heartbeat> {
        self.get(&Name::inline(NODE_LEASES), name)
    }

    /// Takes in that a Lease beats by itself from now on, or no longer.
    pub fn set(&mut self, heartbeat: Heartbeat) {
        let key = (heartbeat.namespace.clone(), heartbeat.name.clone());
        if heartbeat.first.is_some() {
            self.0.insert(key, heartbeat)
        } else {
            self.0.remove(&key)
        };
    }

    /// Whether the two are one and the same in memory: a quick test for change.
    pub fn same(&self, other: &Beats) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// All of them, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Heartbeat> {
        self.0.values()
    }
}

impl Heartbeat {
    /// When the Lease was renewed last, as of an instant; `None` before the first time.
    pub fn renewed(&self, now: Time) -> Option<Time> {
        last_beat(self.first, self.lease_every.as_nanos(), now)
    }

    /// When the unchanged status was reported last, as of an instant.
    pub fn reported(&self, now: Time) -> Option<Time> {
        last_beat(self.first, self.status_every?.as_nanos(), now)
    }
}

fn last_beat(first: Option<Time>, every: u64, now: Time) -> Option<Time> {
    let since = now.nanos().checked_sub(first?.nanos())?;
    Some(Time(now.nanos() - since % every.max(1)))
}
