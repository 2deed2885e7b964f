//! wavetank: a deterministic Kubernetes cluster simulator.
pub mod api;
pub mod kernel;
pub mod net;
pub mod record;
pub mod sim;
pub mod store;
