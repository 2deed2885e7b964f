//! wavetank: a deterministic Kubernetes cluster simulator.
pub mod api;
pub mod client;
pub mod controllers;
pub mod event;
pub mod kernel;
