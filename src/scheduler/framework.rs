//! The framework: what a plugin is, at which points it is asked, and what it may answer.
//! Upstream: `staging/src/k8s.io/kube-scheduler/framework/interface.go`.
//!
//! Where upstream asks a plugin about one node at a time, a plugin here prepares a filter or a score for the pod, which
//! then runs over many nodes in one call. The result is the same: filters in the order of the profile, each on what the
//! ones before it have left.

use std::collections::BTreeSet;
use std::fmt;

use super::{Cluster, ClusterEvent, EventKind, NodeIndex, Nodes, PluginArgs};
use crate::api::{Name, Obj, Pod};
use crate::event::Request;
use crate::kernel::Time;

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
}

impl Code {
    /// As upstream writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Unschedulable => "Unschedulable",
            Code::UnschedulableAndUnresolvable => "UnschedulableAndUnresolvable",
            Code::Pending => "Pending",
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
    pub pod: &'a Obj<Pod>,
    /// Everything else.
    pub cluster: &'a Cluster,
    /// What the profile tells the plugins.
    pub args: &'a PluginArgs,
}

/// A filter prepared for one pod.
pub trait NodeFilter {
    /// Keeps the candidates that can take the pod, in their order, and says why the others cannot.
    fn filter(&self, nodes: &Nodes, candidates: &mut Vec<NodeIndex>, reject: &mut dyn FnMut(NodeIndex, Status));
}

/// A score prepared for one pod.
pub trait NodeScore {
    /// Pushes one score for each node, from 0 to 100, normalised over all of them.
    fn score(&self, nodes: &Nodes, feasible: &[NodeIndex], scores: &mut Vec<i64>);
}

/// What PreFilter answers. A plugin that has a Filter and no PreFilter upstream always answers with its filter, unless
/// the filter could reject no node.
pub enum PreFilter<'a> {
    /// The plugin has nothing against any node.
    Skip,
    /// The nodes are to be filtered.
    Filter(Box<dyn NodeFilter + 'a>),
    /// Only these nodes come into question, and are to be filtered.
    Nodes(BTreeSet<Name>, Box<dyn NodeFilter + 'a>),
    /// No node can take the pod.
    Reject(Status),
}

/// What PreScore answers.
pub enum PreScore<'a> {
    /// The plugin has no opinion; it has no entry among the scores.
    Skip,
    /// The nodes are to be scored.
    Score(Box<dyn NodeScore + 'a>),
    /// The cycle fails with an error.
    Fail(String),
}

/// What is known of a pod for which no node was found.
#[derive(Clone, Copy, Debug)]
pub struct Unplaced<'a> {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many of them may become fit if pods go.
    pub resolvable: &'a [NodeIndex],
    /// The number in the profile of the plugin that rejected the pod in PreFilter.
    pub pre_filter: Option<u8>,
    /// The number in the profile of the plugin that is asked.
    pub asked: u8,
}

/// What PostFilter answers.
#[derive(Clone, Debug)]
pub enum PostFilter {
    /// The plugin is not asked at this point.
    Nothing,
    /// The pod may fit on this node soon.
    Nominate(NodeIndex),
    /// Nothing could be done.
    Reject(Status),
    /// The plugin failed; what it and those before it said is replaced by this.
    Fail(&'static str),
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
    fn pre_filter<'a>(&self, _cycle: &Cycle<'a>) -> PreFilter<'a> {
        PreFilter::Skip
    }

    /// No node was found.
    fn post_filter(&self, _cycle: &Cycle, _unplaced: &Unplaced) -> PostFilter {
        PostFilter::Nothing
    }

    /// Prepares the score for a pod.
    fn pre_score<'a>(&self, _cycle: &Cycle<'a>, _feasible: &[NodeIndex]) -> PreScore<'a> {
        PreScore::Skip
    }

    /// The pod is assumed on a node.
    fn reserve(&self, _cycle: &Cycle, _node: NodeIndex) -> Option<Status> {
        None
    }

    /// Whether the pod may be bound.
    fn permit(&self, _cycle: &Cycle, _node: NodeIndex) -> Permit {
        Permit::Allow
    }

    /// What must be done before the pod is bound, one request after the other.
    fn pre_bind(&self, _cycle: &Cycle, _node: NodeIndex) -> Vec<Request> {
        Vec::new()
    }

    /// The request that binds the pod.
    fn bind(&self, _cycle: &Cycle, _node: NodeIndex) -> Option<Request> {
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

/// Keeps the candidates that a function does not reject.
pub(super) fn retain(
    candidates: &mut Vec<NodeIndex>,
    reject: &mut dyn FnMut(NodeIndex, Status),
    judge: impl Fn(NodeIndex) -> Option<Status>,
) {
    candidates.retain(|node| match judge(*node) {
        None => true,
        Some(status) => {
            reject(*node, status);
            false
        }
    });
}
