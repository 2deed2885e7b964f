//! What a part holds: caches filled by informers, work queues with back-off, expectations, plans, an outbox, API
//! clients with rate limits, an event recorder, a vote in the election of a leader.
//!
//! A part knows the world only through its caches and the answers to its requests; it never sees the store. All of it
//! is plain data: a part can be cloned at any instant. Continuations are data as well: a [`Plan`] is a list of steps,
//! and what follows an answer is named by a label.

mod cache;
mod controller;
mod expectations;
mod flags;
mod host;
mod informer;
mod leader;
mod outbox;
mod plan;
mod queue;
mod rate;
mod recorder;

pub use cache::{Cache, Caches, NodeIndex, OwnerIndex};
pub use controller::{Controller, ControllerEntry, Observed, Tick, View, Watches};
pub use expectations::Expectations;
pub use flags::{Flag, FlagValue, Flags};
pub use host::{Host, KUBE_API_BURST, KUBE_API_QPS, LEADER_ELECT_RESOURCE_NAME, MIN_RESYNC_PERIOD};
pub use informer::Informer;
pub use leader::{
    Election, Elector, LEADER_ELECT, LEASE_DURATION, LeaderElection, RENEW_DEADLINE, RESOURCE_NAMESPACE, RETRY_PERIOD,
    resource_name,
};
pub use outbox::{Client, Outbox, Part};
pub use plan::{Outcome, Plan, Step};
pub use queue::WorkQueue;
pub use rate::{ItemBackoff, TokenBucket};
pub use recorder::{FORGET, Occurrence, Recorder};
