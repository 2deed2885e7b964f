//! Namespaces. Upstream: `core/v1.Namespace`.

use std::sync::Arc;

use super::{Condition, Name};

/// The body of a Namespace.
#[derive(Clone, PartialEq, Debug)]
pub struct Namespace {
    /// `spec.finalizers`; upstream's server adds `kubernetes` to each new one.
    pub finalizers: Arc<[Name]>,
    /// `status.phase` is `Terminating` (true) or `Active` (false).
    pub terminating: bool,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
}
