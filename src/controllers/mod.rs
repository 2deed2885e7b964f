//! The controllers of kube-controller-manager, one a file or folder.
//!
//! Controllers never see the store: they read the caches of their process and what their requests are answered.

pub mod garbage_collector;
pub mod namespace;
pub mod node_ipam;
#[cfg(test)]
mod test_toy;
