//! kube-scheduler: a queue of pending pods, a framework of plugins that decides one pod at a time, and the binding of
//! what was decided.
//!
//! The room never sees the store: it knows nodes and pods through its own informers, assumes what it has decided, and
//! sends bindings and status patches through its own client. A decision ([`decide`]) is a pure function of the
//! [`Cluster`], a [`Profile`] and a pod; nothing in it draws, reads a clock or remembers. [`Incremental`] gives the same
//! answers by what has changed since the last pod of the same template; it is a cache and nothing else, and the tests
//! hold it against `decide`. A plugin answers about one node at a time; one that reaches beyond it may say how its sums
//! can be kept ([`Spanning`]).
//!
//! Upstream: `pkg/scheduler` of Kubernetes 1.34. Left out so far: dynamic resources (pods with claims to them are refused),
//! extenders, waiting on Permit. While pods wait for nominated nodes, all are decided from scratch.

mod affinity;
mod args;
mod budgets;
pub mod cards;
mod changes;
mod classes;
mod cluster;
pub mod configuration;
mod decide;
mod explain;
mod framework;
mod images;
mod incremental;
mod log;
mod message;
mod node_tree;
mod nodes;
mod nominator;
mod owners;
mod part;
pub mod plugins;
pub mod policies;
mod profile;
mod queue;
mod seen_pods;
mod settings;
mod snapshot;
mod spanning;
#[cfg(test)]
mod stories;
mod taints;
#[cfg(test)]
mod testing;
pub mod volumes;

pub use affinity::{AffinityTerm, AffinityTerms, namespace_labels};
pub use args::{Defaulting, InterPodAffinityArgs, PluginArgs, PreemptionArgs, SpreadArgs, VolumeBindingArgs};
pub use budgets::Budgets;
pub use changes::{ClusterEvent, EventKind, node_events, pod_events, storage_event};
pub use classes::{ClassIndex, PodClass, PodClasses};
pub use cluster::{Cluster, PodEntry};
pub use configuration::Configuration;
pub use decide::{
    Decision, Failure, FailureKind, Filters, PluginScores, Rejected, Scope, Tie, decide, pre_enqueue, wanted_feasible,
};
pub use explain::{Change, Explanation, Obstacle, Remedy, Rival, ScoreGap, Tip, WhyHere, WhyNowhere};
pub use framework::{
    Code, Cycle, ExtensionPoint, FilterCopy, NodeFilter, NodeScore, Nomination, Permit, Plugin, PluginEntry,
    PostFilter, PreBindStep, PreFilter, PreScore, Reach, Reason, Reasons, Reservation, Reserve, Status, Unplaced,
    normalize,
};
pub use images::Images;
pub use incremental::{Incremental, Outcome};
pub use log::{ChangeLog, NodeChange};
pub use message::{NODES_AVAILABLE, fit_error, histogram_of};
pub use node_tree::NodeTree;
pub use nodes::{HostPort, NodeDraft, NodeIndex, NodeInfo, NodeRow, NodeView, Nodes};
pub use nominator::{Ahead, Nominator, Nominee};
pub use owners::Owners;
pub use part::Scheduler;
pub use profile::{Enabled, PluginOrders, Profile};
pub use queue::{QueuedPod, SchedulingQueue};
pub use seen_pods::SeenPods;
pub use settings::{
    CONFIG, CYCLE_TIME, KUBE_API_BURST, KUBE_API_QPS, PERCENTAGE_OF_NODES_TO_SCORE, POD_INITIAL_BACKOFF,
    POD_MAX_BACKOFF, POD_MAX_IN_UNSCHEDULABLE, POLICY, SchedulerSettings, TIE,
};
pub use snapshot::Snapshot;
pub use spanning::{Axis, Eligible, Place, Reading, Spanning, Weigh};
pub use taints::{Effect, Taint, TaintSets, tolerates};
pub use volumes::{PodVolumes, Volumes};
