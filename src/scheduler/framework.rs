//! The framework: what a plugin is, at which points it is asked, and what it may answer.
//! Upstream: `staging/src/k8s.io/kube-scheduler/framework/interface.go`.
//!
//! A plugin prepares a filter or a score for a pod. What it prepares owns what it needs and is a function of the
//! cluster and one node, so that answers can be kept for other pods of the same template; [`Reach`] says on what an
//! answer depends.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::decide::{Filters, Rejected};
use super::{Ahead, Cluster, ClusterEvent, EventKind, NodeIndex, NodeView, PluginArgs, PodVolumes, Spanning};
use crate::api::{Labels, Name, Obj, Pod};
use crate::event::Request;
use crate::kernel::{Span, Time};

/// Where a plugin is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExtensionPoint {
    /// Before a pod enters the active queue.
    PreEnqueue,
    /// Which of two pods comes first.
    QueueSort,
    /// Once a pod, before the nodes are looked at.
    PreFilter,
    /// Which nodes can take the pod.
    Filter,
    /// Where no node can.
    PostFilter,
    /// Once a pod, before the nodes that can take it are scored.
    PreScore,
    /// How good each of them is, 0 to 100.
    Score,
    /// The node is chosen: set aside what the pod needs there.
    Reserve,
    /// May it go on.
    Permit,
    /// What must be done in the cluster before the pod is bound.
    PreBind,
    /// Binds it.
    Bind,
    /// It is bound.
    PostBind,
}

impl ExtensionPoint {
    /// All of them, in the order of the cycle.
    pub const ALL: [ExtensionPoint; 12] = [
        ExtensionPoint::PreEnqueue,
        ExtensionPoint::QueueSort,
        ExtensionPoint::PreFilter,
        ExtensionPoint::Filter,
        ExtensionPoint::PostFilter,
        ExtensionPoint::PreScore,
        ExtensionPoint::Score,
        ExtensionPoint::Reserve,
        ExtensionPoint::Permit,
        ExtensionPoint::PreBind,
        ExtensionPoint::Bind,
        ExtensionPoint::PostBind,
    ];
}

/// What a rejection means to the queue and to preemption.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Code {
    /// Not now; fewer pods on the node might help.
    Unschedulable,
    /// Not now, and no preemption would help.
    UnschedulableAndUnresolvable,
    /// The plugin waits for something that will come.
    Pending,
    /// The plugin failed, and with it the whole decision.
    Error,
}

impl Code {
    /// As upstream writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Unschedulable => "Unschedulable",
            Code::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
            Code::Pending => "Pending",
            Code::Error => "Error",
        }
    }
}

/// One reason of a rejection.
#[derive(Clone, Debug)]
pub enum Reason {
    /// A sentence of the plugin.
    Fixed(&'static str),
    /// A sentence with names in it.
    Text(Name),
}

impl Reason {
    /// The sentence.
    pub fn as_str(&self) -> &str {
        match self {
            Reason::Fixed(text) => text,
            Reason::Text(text) => text,
        }
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Reason) -> bool {
        self.as_str() == other.as_str()
    }
}

/// The reasons of a rejection: mostly one.
#[derive(Clone, PartialEq, Debug)]
pub enum Reasons {
    /// One.
    One(Reason),
    /// Several, in the order in which they were found.
    Several(Vec<Reason>),
}

impl Reasons {
    /// All of them.
    pub fn as_slice(&self) -> &[Reason] {
        match self {
            Reasons::One(reason) => std::slice::from_ref(reason),
            Reasons::Several(reasons) => reasons,
        }
    }
}

/// A rejection. What is not rejected has no status.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// What it means.
    pub code: Code,
    /// Why.
    pub reasons: Reasons,
}

impl Status {
    /// A rejection for a reason that never changes.
    pub fn fixed(code: Code, reason: &'static str) -> Status {
        Status { code, reasons: Reasons::One(Reason::Fixed(reason)) }
    }

    /// A rejection for a reason with names in it.
    pub fn text(code: Code, reason: impl Into<Name>) -> Status {
        Status { code, reasons: Reasons::One(Reason::Text(reason.into())) }
    }

    /// All reasons, with commas between.
    pub fn message(&self) -> String {
        let reasons: Vec<&str> = self.reasons.as_slice().iter().map(Reason::as_str).collect();
        reasons.join(", ")
    }
}

/// What a plugin sees while a pod is decided.
#[derive(Clone, Copy, Debug)]
pub struct Cycle<'a> {
    /// The pod.
    pub pod: &'a Arc<Obj<Pod>>,
    /// Everything else.
    pub cluster: &'a Cluster,
    /// What the profile tells the plugins.
    pub args: &'a PluginArgs,
}

/// On what an answer about a node depends, beside the pod.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    /// On the Node object alone.
    Object,
    /// On the Node and the pods on it.
    Node,
    /// On other nodes and their pods, or on other objects.
    Cluster,
}

/// A filter prepared for one pod.
pub trait NodeFilter: FilterCopy + fmt::Debug + Send + Sync {
    /// Why the node cannot take the pod; nothing where it can.
    fn check(&self, cluster: &Cluster, node: NodeView) -> Option<Status>;

    /// On what the answers depend.
    fn reach(&self) -> Reach;

    /// Whether all that they read of the pods on the node are the sums in its row, so that preemption need not take the
    /// pods off one by one. To say no is always right.
    fn reads_sums_only(&self) -> bool {
        false
    }

    /// From now on answers as if the pod ran on the node too; the node is seen with it. Only filters that reach beyond
    /// the node must count it. Upstream: `PreFilterExtensions.AddPod`.
    fn add_pod(&mut self, _cluster: &Cluster, _pod: &Obj<Pod>, _node: NodeView) {}

    /// From now on answers as if the pod did not run on the node; the node is seen without it. Upstream:
    /// `PreFilterExtensions.RemovePod`.
    fn remove_pod(&mut self, _cluster: &Cluster, _pod: &Obj<Pod>, _node: NodeView) {}
}

/// Copies a filter, so that pods can be added and removed in thought. Every filter that is `Clone` has it.
pub trait FilterCopy {
    /// A copy with a life of its own.
    fn copy(&self) -> Box<dyn NodeFilter>;
}

impl<T: NodeFilter + Clone + 'static> FilterCopy for T {
    fn copy(&self) -> Box<dyn NodeFilter> {
        Box::new(self.clone())
    }
}

/// A score prepared for one pod.
pub trait NodeScore: fmt::Debug + Send + Sync {
    /// The score of a node: from 0 to 100, or anything that [`NodeScore::normalize`] brings there.
    fn score(&self, cluster: &Cluster, node: NodeView) -> i64;

    /// On what the scores depend, before they are normalised.
    fn reach(&self) -> Reach;

    /// Whether scores are normalised over all feasible nodes.
    fn normalizes(&self) -> bool {
        false
    }

    /// Normalises the scores of all feasible nodes. The result for a score depends on the set of scores, not on their
    /// order or number. Upstream: `ScoreExtensions.NormalizeScore`.
    fn normalize(&self, _scores: &mut [i64]) {}
}

/// What PreFilter answers. A plugin that has a Filter and no PreFilter upstream always answers with its filter, unless
/// the filter could reject no node.
pub enum PreFilter {
    /// The plugin has nothing against any node.
    Skip,
    /// The nodes are to be filtered.
    Filter(Box<dyn NodeFilter>),
    /// Only these nodes come into question, and are to be filtered.
    Nodes(BTreeSet<Name>, Box<dyn NodeFilter>),
    /// No node can take the pod.
    Reject(Status),
    /// The cycle fails with an error.
    Fail(String),
}

/// What PreScore answers.
pub enum PreScore {
    /// The plugin has no opinion; it has no entry among the scores.
    Skip,
    /// The nodes are to be scored.
    Score(Box<dyn NodeScore>),
    /// The cycle fails with an error.
    Fail(String),
}

/// What is known of a pod for which no node was found.
#[derive(Clone, Copy, Debug)]
pub struct Unplaced<'a> {
    /// How many nodes there are.
    pub nodes: usize,
    /// The nodes that were looked at, and why they cannot take the pod.
    pub rejected: &'a [Rejected],
    /// What PreFilter has prepared; empty where it rejected the pod.
    pub filters: &'a Filters,
    /// The nominated pods that the pod must leave room for.
    pub ahead: &'a Ahead<'a>,
    /// What was drawn for this decision; nothing: the first by name.
    pub luck: Option<u64>,
    /// The number in the profile of the plugin that rejected the pod in PreFilter.
    pub pre_filter: Option<u8>,
    /// The number in the profile of the plugin that is asked.
    pub asked: u8,
}

/// Where a pod is to run once others have made room.
#[derive(Clone, PartialEq, Debug)]
pub struct Nomination {
    /// The number in the profile of the plugin that nominates.
    pub plugin: u8,
    /// The node.
    pub node: NodeIndex,
    /// The pods that must go, in the order in which they are to be deleted.
    pub victims: Vec<Arc<Obj<Pod>>>,
}

/// What PostFilter answers.
#[derive(Clone, Debug)]
pub enum PostFilter {
    /// The plugin is not asked at this point.
    Nothing,
    /// The pod fits once its victims are gone.
    Nominate(Nomination),
    /// Nothing could be done, for now.
    Reject(Status),
    /// Nothing could be done, and a node that was nominated for the pod is so no longer.
    GiveUp(Status),
    /// The plugin failed; what it and those before it said is replaced by this.
    Fail(Name),
}

/// What Reserve answers.
#[derive(Clone, Debug)]
pub enum Reserve {
    /// There is nothing to set aside.
    Nothing,
    /// Volumes and claims are to be taken as written.
    Volumes(PodVolumes),
    /// The pod is to have these annotations, too.
    Annotations(Labels),
    /// No.
    Reject(Status),
    /// The plugin failed.
    Fail(String),
}

/// What is set aside for a pod on its node, until it is bound or is not.
#[derive(Clone, Debug, Default)]
pub struct Reservation {
    /// Volumes and claims as they are to be written.
    pub volumes: PodVolumes,
    /// Annotations that the binding brings along.
    pub annotations: Labels,
}

impl Reservation {
    /// Sets annotations aside. Returns those of a pod with all that are set aside by now.
    pub(super) fn annotate(&mut self, of_pod: &Labels, more: Labels) -> Labels {
        self.annotations = self.annotations.merged(&more);
        of_pod.merged(&self.annotations)
    }
}

/// A step before a pod is bound.
#[derive(Clone, Debug)]
pub enum PreBindStep {
    /// Send a request.
    Send(Request),
    /// Wait until [`Plugin::awaited`] says so.
    Await {
        /// What is done meanwhile, as an error names it.
        what: &'static str,
        /// The wait fails after so long.
        at_most: Span,
    },
}

/// What Permit answers.
#[derive(Clone, PartialEq, Debug)]
pub enum Permit {
    /// Go on.
    Allow,
    /// No.
    Reject(Status),
}

/// A plugin: a value without state, asked at the extension points that its [`PluginEntry`] lists. The methods have
/// defaults that mean 'nothing to say here'.
pub trait Plugin: Sync + fmt::Debug {
    /// Whether a pod may enter the active queue.
    fn pre_enqueue(&self, _pod: &Obj<Pod>) -> Option<Status> {
        None
    }

    /// By what the queue sorts: lower comes first.
    fn sort_key(&self, _pod: &Obj<Pod>, since: Time) -> (i64, Time) {
        (0, since)
    }

    /// Prepares the filter for a pod.
    fn pre_filter(&self, _cycle: &Cycle) -> PreFilter {
        PreFilter::Skip
    }

    /// No node was found.
    fn post_filter(&self, _cycle: &Cycle, _unplaced: &Unplaced) -> PostFilter {
        PostFilter::Nothing
    }

    /// Prepares the score for a pod.
    fn pre_score(&self, _cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        PreScore::Skip
    }

    /// Its incremental form for a pod, where it reaches beyond one node and has one.
    fn spanning(&self, _cycle: &Cycle) -> Option<Box<dyn Spanning>> {
        None
    }

    /// The pod is assumed on a node: what is to be set aside for it.
    fn reserve(&self, _cycle: &Cycle, _node: NodeIndex) -> Reserve {
        Reserve::Nothing
    }

    /// Whether the pod may be bound.
    fn permit(&self, _cycle: &Cycle, _node: NodeIndex) -> Permit {
        Permit::Allow
    }

    /// What must be done before the pod is bound, one step after the other.
    fn pre_bind(&self, _cycle: &Cycle, _reservation: &Reservation) -> Vec<PreBindStep> {
        Vec::new()
    }

    /// Whether what it waits for before the pod is bound has come, as the scheduler sees the cluster.
    ///
    /// # Errors
    /// It will not come.
    fn awaited(&self, _cycle: &Cycle, _node: NodeIndex, _reservation: &Reservation) -> Result<bool, String> {
        Ok(true)
    }

    /// The request that binds the pod.
    fn bind(&self, _cycle: &Cycle, _node: NodeIndex, _reservation: &Reservation) -> Option<Request> {
        None
    }

    /// Whether an event of a kind that the entry lists may make the pod, which this plugin rejected, schedulable.
    /// Upstream: `QueueingHintFn`.
    fn hint(&self, _event: &ClusterEvent, _pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        true
    }
}

/// A plugin as the registry lists it.
#[derive(Debug)]
pub struct PluginEntry {
    /// As profiles name it.
    pub name: &'static str,
    /// Where it is asked.
    pub points: &'static [ExtensionPoint],
    /// Its weight in the default profile; zero where it does not score.
    pub weight: i64,
    /// What it does, and what it leaves out.
    pub doc: &'static str,
    /// The upstream source that it follows.
    pub source: &'static str,
    /// The events that may make a rejection by it stale.
    pub events: &'static [EventKind],
    /// The plugin.
    pub plugin: &'static dyn Plugin,
}

/// Scales scores to 0 to 100 by their maximum, and turns them around where less is better.
/// Upstream: `helper.DefaultNormalizeScore`.
pub fn normalize(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0);
    if max <= 0 {
        if reverse {
            scores.fill(100);
        }
        return;
    }
    for score in scores {
        *score = *score * 100 / max;
        if reverse {
            *score = 100 - *score;
        }
    }
}
