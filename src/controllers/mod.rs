//! The controllers of kube-controller-manager, one file or folder each, listed in [`ALL`].
//!
//! Controllers never see the store, nor each other: they read the caches of their process and plan requests. What they
//! decide are pure functions over plain data; the methods of `client::Controller` read, decide and plan.

pub mod attach_detach;
pub mod claim_users;
pub mod cronjob;
pub mod daemonset;
pub mod deployment;
pub mod disruption;
pub mod endpoint_slice;
pub mod endpoint_slice_mirroring;
pub mod endpoints;
pub mod external_attacher;
pub mod external_provisioner;
pub mod external_resizer;
pub mod garbage_collector;
pub mod history;
pub mod job;
pub mod namespace;
pub mod node_ipam;
pub mod node_lifecycle;
pub mod persistent_volume;
pub mod pod_gc;
pub mod pod_util;
pub mod refs;
pub mod replicaset;
pub mod resource_quota;
pub mod root_ca;
mod script;
pub mod service_account;
pub mod service_cidr;
mod service_view;
pub mod statefulset;
pub mod taint_eviction;
#[cfg(test)]
pub mod test_support;
#[cfg(test)]
mod test_toy;
pub mod ttl_after_finished;
pub mod volume_expand;
pub mod volume_protection;

use crate::client::ControllerEntry;

/// All of them, in the order in which the process starts them.
pub static ALL: [&ControllerEntry; 30] = [
    &deployment::ENTRY,
    &replicaset::ENTRY,
    &statefulset::ENTRY,
    &daemonset::ENTRY,
    &garbage_collector::ENTRY,
    &namespace::ENTRY,
    &node_ipam::ENTRY,
    &node_lifecycle::ENTRY,
    &taint_eviction::ENTRY,
    &pod_gc::ENTRY,
    &endpoint_slice::ENTRY,
    &persistent_volume::ENTRY,
    &volume_protection::OF_CLAIMS,
    &volume_protection::OF_VOLUMES,
    &external_provisioner::ENTRY,
    &job::ENTRY,
    &cronjob::ENTRY,
    &ttl_after_finished::ENTRY,
    &disruption::ENTRY,
    &resource_quota::ENTRY,
    &service_account::ENTRY,
    &root_ca::ENTRY,
    &endpoints::ENTRY,
    &attach_detach::ENTRY,
    &external_attacher::ENTRY,
    &volume_expand::ENTRY,
    &external_resizer::ENTRY,
    &replicaset::OF_REPLICATION_CONTROLLERS,
    &endpoint_slice_mirroring::ENTRY,
    &service_cidr::ENTRY,
];
