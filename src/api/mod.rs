//! The nouns: objects, kinds, keys, selectors, quantities, names, and what turns manifests into them.
//!
//! Objects are immutable behind `Arc`: whoever changes one makes a new one. The kinds that come in hundreds of
//! thousands are small records; upstream's full types and JSON appear only at the edges, in `convert`. Nothing here
//! knows a store, a clock or a part.

pub mod cidr;
mod condition;
pub mod convert;
pub mod cron;
pub mod defaults;
pub mod definition;
pub mod disk;
pub mod dump;
mod event;
mod intstr;
pub mod json_path;
#[cfg(feature = "cli")]
pub mod json_schema;
pub mod kind;
mod labels;
mod lease;
pub mod located;
pub mod managed_fields;
pub mod manifest;
pub mod merge;
mod meta;
mod namespace;
pub mod naming;
mod node;
mod object;
mod pod;
mod podspec;
pub mod quantity;
pub mod quota;
pub mod resources;
pub mod schema;
pub mod selector;
pub mod strict;
pub mod text;
mod timestamp;
mod untyped;
pub mod validation;
mod workload;

/// A short immutable string: free to clone, inline up to 15 bytes.
pub type Name = ecow::EcoString;

pub use cidr::{Cidr, IpFamily};
pub use condition::{Condition, ConditionStatus, find as find_condition};
pub use definition::Definition;
pub use event::{Event, EventType, Reference};
pub use intstr::IntOrPercent;
pub use kind::{Kind, KindInfo};
pub use labels::Labels;
pub use lease::Lease;
pub use meta::{Deletion, Meta, ObjectId, OwnerReference, Uid, no_finalizers, no_owners};
pub use namespace::Namespace;
pub use node::Node;
pub use object::{Body, Obj, Object};
pub use pod::{
    ContainerState, ContainerStatus, Pod, PodCondition, PodConditionType, PodIps, PodPhase, PodStatus, PodTemplate,
    QosClass, ReasonText, Terminated,
};
pub use podspec::PodSpec;
pub use quantity::Quantity;
pub use selector::Selector;
pub use timestamp::{Clock, MicroTimestamp, Timestamp};
pub use untyped::Untyped;
pub use workload::{Deployment, DeploymentStatus, DeploymentStrategy, ReplicaSet, ReplicaSetStatus, WorkloadSelector};
