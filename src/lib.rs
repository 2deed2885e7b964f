//! wavetank: a deterministic Kubernetes cluster simulator.
pub mod api;
pub mod client;
pub mod event;
pub mod kernel;
pub mod kubelet;
