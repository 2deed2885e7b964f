//! Objects of kinds that no part of the simulation reads: kept as JSON, checked on the way in.

use std::sync::Arc;

use super::KindInfo;

/// Everything of an object but `apiVersion`, `kind` and `metadata`.
#[derive(Clone, PartialEq, Debug)]
pub struct Untyped {
    /// What the kind is called.
    pub info: Arc<KindInfo>,
    /// The other top-level fields (`spec`, `data`, `rules`, …), as the API server would store them.
    pub fields: serde_json::Map<String, serde_json::Value>,
}
