//! Stories of one kubelet.
