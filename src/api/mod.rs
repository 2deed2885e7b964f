//! Kubernetes objects at the edge: reading files, kinds, strict checks.
pub mod kind;
pub mod located;
pub mod manifest;
pub mod strict;
