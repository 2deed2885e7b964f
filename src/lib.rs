//! wavetank: a deterministic Kubernetes cluster simulator.
pub mod api;
pub mod kernel;
