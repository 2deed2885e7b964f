//! wavetank: a deterministic Kubernetes cluster simulator.
pub mod kernel;
