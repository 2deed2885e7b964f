//! The plugins, one file each, in the order of upstream's default profile, and those that it does not have.
//! Upstream: `pkg/scheduler/apis/config/v1/default_plugins.go`.

pub mod balanced_allocation;
pub mod default_binder;
pub mod default_preemption;
pub mod dynamic_resources;
pub mod gpu_share;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod placement_policy;
pub mod pod_topology_spread;
pub mod priority_sort;
pub mod scheduling_gates;
pub mod taint_toleration;
pub mod volume_binding;
pub mod volume_restrictions;
pub mod volume_zone;

use super::PluginEntry;

/// All plugins.
pub const ALL: &[&PluginEntry] = &[
    &scheduling_gates::ENTRY,
    &priority_sort::ENTRY,
    &node_unschedulable::ENTRY,
    &node_name::ENTRY,
    &taint_toleration::ENTRY,
    &node_affinity::ENTRY,
    &node_ports::ENTRY,
    &node_resources_fit::ENTRY,
    &volume_restrictions::ENTRY,
    &node_volume_limits::ENTRY,
    &volume_binding::ENTRY,
    &volume_zone::ENTRY,
    &pod_topology_spread::ENTRY,
    &inter_pod_affinity::ENTRY,
    &dynamic_resources::ENTRY,
    &default_preemption::ENTRY,
    &balanced_allocation::ENTRY,
    &image_locality::ENTRY,
    &default_binder::ENTRY,
    &gpu_share::ENTRY,
    &placement_policy::ENTRY,
];

/// Those that upstream does not have: a profile names them, or is without them.
pub const BESIDE_UPSTREAM: &[&PluginEntry] = &[&gpu_share::ENTRY, &placement_policy::ENTRY];

/// Those of upstream's default profile.
pub fn of_upstream() -> impl Iterator<Item = &'static PluginEntry> {
    let is_ours = |entry: &PluginEntry| BESIDE_UPSTREAM.iter().any(|ours| ours.name == entry.name);
    ALL.iter().copied().filter(move |entry| !is_ours(entry))
}
