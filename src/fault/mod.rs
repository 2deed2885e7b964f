//! Faults: what breaks in a cluster, and mends.
//!
//! A fault never touches anything. It chooses whom it strikes and says of which primitive effects
//! ([`Primitive`]) its strike and its end consist; the tank carries them out. Rules for messages and troubles of disks that a
//! strike imposes are lifted with its end; whatever else it does, its `heals` undo.
//!
//! A member is one file with one [`FaultEntry`], listed in [`ALL`]; scenario files, `wavetank list faults` and the schema
//! read the entries.

mod api_server_latency;
mod api_server_outage;
mod component_crash;
mod component_partition;
mod component_pause;
mod direction;
mod disk_attach_stuck;
mod disk_detach_stuck;
mod disk_fill;
mod disk_full;
mod disk_io_errors;
mod disk_outage;
mod disks;
mod family_loss;
mod fork_bomb;
mod kubelet_hang;
mod memory_leak;
mod node_crash;
mod node_partition;
mod parameter;
mod target;
mod watch_cache_freeze;
mod watch_cut;
mod watch_delay;
mod webhook_down;
mod webhook_slow;

use std::fmt;

pub use parameter::{Parameter, ParameterKind, ParameterValue, Parameters};
pub use target::{NodeTarget, PART_CLASSES, PART_LEADERS, PartTarget, Take};

use crate::api::{Labels, Name};
use crate::event::{MachineResource, PartId, Primitive};
use crate::kernel::{Draw, Span};

/// All faults, by name.
pub static ALL: &[&FaultEntry] = &[
    &api_server_latency::ENTRY,
    &api_server_outage::ENTRY,
    &component_crash::ENTRY,
    &component_partition::ENTRY,
    &component_pause::ENTRY,
    &disk_fill::ENTRY,
    &fork_bomb::ENTRY,
    &disk_attach_stuck::ENTRY,
    &disk_detach_stuck::ENTRY,
    &disk_full::ENTRY,
    &disk_io_errors::ENTRY,
    &disk_outage::ENTRY,
    &family_loss::ENTRY,
    &kubelet_hang::ENTRY,
    &memory_leak::ENTRY,
    &node_crash::ENTRY,
    &node_partition::ENTRY,
    &watch_cache_freeze::ENTRY,
    &watch_cut::ENTRY,
    &watch_delay::ENTRY,
    &webhook_down::ENTRY,
    &webhook_slow::ENTRY,
];

/// A fault as the registry lists it.
#[derive(Debug)]
pub struct FaultEntry {
    /// As scenario files name it.
    pub name: &'static str,
    /// What it does, what its end does, and what it leaves out.
    pub doc: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// An entry of `faults` in a scenario file.
    pub example: &'static str,
    /// Makes one.
    pub build: fn(&Parameters) -> Box<dyn Fault>,
}

/// Something that breaks.
pub trait Fault: fmt::Debug + Send + Sync {
    /// Its line in the registry.
    fn entry(&self) -> &'static FaultEntry;

    /// One strike: whom it hits, what it does to them, and what its end does.
    fn strike(&self, cluster: &Cluster<'_>) -> Strike;
}

/// One strike of a fault.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Strike {
    /// Whom it hits, as people read it: `node worker-1`. Empty: nobody.
    pub hits: Vec<String>,
    /// What it does, in order.
    pub effects: Vec<Primitive>,
    /// What its end does, in order, after the rules that it imposed are lifted.
    pub heals: Vec<Primitive>,
}

impl Strike {
    /// Something on the machines of nodes that takes more and more of them: the same time on each of them.
    fn of_load(
        cluster: &Cluster<'_>,
        nodes: &NodeTarget,
        resource: MachineResource,
        percent: u32,
        over: (Span, Span),
    ) -> Strike {
        let nodes = nodes.choose(cluster);
        let over = cluster.draw.span_between(over.0, over.1);
        let load = |node: &u32| Primitive::Load { node: *node, resource, percent, over };
        Strike {
            hits: cluster.node_hits(&nodes),
            effects: nodes.iter().map(load).collect(),
            heals: nodes.iter().map(|node| Primitive::Unload(*node)).collect(),
        }
    }
}

/// What a fault may know of the cluster, and its chance.
#[derive(Debug)]
pub struct Cluster<'a> {
    /// The nodes, by their number.
    pub nodes: &'a [NodeFacts],
    /// The components that are processes: controller-managers, schedulers, kubelets, guests.
    pub parts: &'a [(PartId, Name)],
    /// The controller-managers and schedulers that lead, or need no leader.
    pub leaders: &'a [PartId],
    /// How many API server replicas there are.
    pub api_servers: u8,
    /// The draw of this strike.
    pub draw: Draw,
}

impl Cluster<'_> {
    /// Nodes as people read them.
    pub fn node_hits(&self, nodes: &[u32]) -> Vec<String> {
        nodes.iter().map(|node| format!("node {}", self.nodes[*node as usize].name)).collect()
    }

    /// Components as people read them.
    pub fn part_hits(&self, parts: &[PartId]) -> Vec<String> {
        let hit = self.parts.iter().filter(|(part, _)| parts.contains(part));
        hit.map(|(_, name)| name.to_string()).collect()
    }

    /// The same where all of them would be no news.
    pub fn target_hits(&self, target: &PartTarget, parts: &[PartId]) -> Vec<String> {
        match target {
            PartTarget::All => vec!["all components".to_owned()],
            PartTarget::Named(_) => self.part_hits(parts),
        }
    }

    /// The first so many API server replicas; all for 0.
    pub fn replicas(&self, count: u32) -> Vec<u8> {
        let all = u32::from(self.api_servers);
        let count = if count == 0 { all } else { count.min(all) };
        (0..count as u8).collect()
    }

    /// Replicas as people read them.
    pub fn replica_hits(&self, replicas: &[u8]) -> Vec<String> {
        replicas.iter().map(|replica| format!("kube-apiserver-{replica}")).collect()
    }
}

/// A node as a fault may choose it.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeFacts {
    /// Its name.
    pub name: Name,
    /// The labels that it registers with.
    pub labels: Labels,
    /// Whether its machine is on.
    pub is_on: bool,
}

/// The fault of a name.
pub fn find(name: &str) -> Option<&'static FaultEntry> {
    ALL.iter().find(|entry| entry.name == name).copied()
}
