//! The controllers of kube-controller-manager, one file or folder each, listed in [`ALL`].
//!
//! Controllers never see the store, nor each other: they read the caches of their process and plan requests. What they
//! decide are pure functions over plain data; the methods of `client::Controller` read, decide and plan.

pub mod deployment;
pub mod endpoint_slice;
pub mod endpoints;
pub mod garbage_collector;
pub mod namespace;
pub mod node_ipam;
pub mod node_lifecycle;
pub mod pod_gc;
pub mod pod_util;
pub mod refs;
pub mod replicaset;
mod script;
mod service_view;
pub mod taint_eviction;
#[cfg(test)]
pub mod test_support;
#[cfg(test)]
mod test_toy;

use crate::client::ControllerEntry;

/// All of them, in the order in which the process starts them.
pub static ALL: [&ControllerEntry; 10] = [
    &deployment::ENTRY,
    &replicaset::ENTRY,
    &garbage_collector::ENTRY,
    &namespace::ENTRY,
    &node_ipam::ENTRY,
    &node_lifecycle::ENTRY,
    &taint_eviction::ENTRY,
    &pod_gc::ENTRY,
    &endpoint_slice::ENTRY,
    &endpoints::ENTRY,
];
