//! Kubernetes Events, held small. Upstream: `core/v1.Event` (not to be mixed up with `SimEvent`).

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::{Kind, Name, Timestamp, Uid};

/// The object that an Event, a binding or a claim speaks of.
#[derive(Clone, PartialEq, Debug)]
pub struct Reference {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The identity of the life that is meant; zero: unknown.
    pub uid: Uid,
}

impl Reference {
    /// The kind as written in manifests; `Custom` for kinds that come from a CRD.
    pub fn kind_name(&self) -> &str {
        self.kind.info().map_or("Custom", |info| &info.kind)
    }
}

/// `type` of an Event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventType {
    /// Information.
    Normal,
    /// Something may be wrong.
    Warning,
}

impl EventType {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// The body of an Event.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// `involvedObject`.
    pub involved: Reference,
    /// `reason`.
    pub reason: Name,
    /// `message`.
    pub message: Name,
    /// `type`.
    pub kind: EventType,
    /// `source.component` and `reportingComponent`.
    pub component: Name,
    /// `source.host` and `reportingInstance`; empty where absent.
    pub host: Name,
    /// `count`.
    pub count: u32,
    /// `firstTimestamp`.
    pub first: Timestamp,
    /// `lastTimestamp`.
    pub last: Timestamp,
    /// Whatever else the Event had.
    pub rest: Option<Arc<v1::Event>>,
}
