//! The decision about one pod: a pure function of cluster, profile and pod.
//! Upstream: `schedulePod` and what it calls in `pkg/scheduler/schedule_one.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Ahead, Cluster, Code, Cycle, ExtensionPoint, NodeDraft, NodeFilter, NodeIndex, NodeView, Nomination, Nominee,
    PostFilter, PreFilter, PreScore, Profile, Status, Unplaced, fit_error, histogram_of,
};
use crate::api::{Name, Obj, Pod};

const NO_NODES: &str = "no nodes available to schedule pods";
const MIN_FEASIBLE: usize = 100;

/// How much of the cluster a decision looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// As upstream: nodes from an index on, until enough are feasible; no scores where only one is.
    Sampled {
        /// Where to start in the order of nodes.
        start: usize,
        /// The scheduler's `percentageOfNodesToScore`; zero: by the size of the cluster.
        percentage: i64,
        /// A drawn number, for what upstream's preemption leaves to chance: where to start, and which of equally good
        /// candidates to take. Nothing: at the first node, the first by name.
        luck: Option<u64>,
    },
    /// All nodes, all that are feasible scored; where preemption has a choice, the first by name.
    Everything,
}

impl Scope {
    /// What was drawn for preemption.
    pub fn luck(self) -> Option<u64> {
        match self {
            Scope::Sampled { luck, .. } => luck,
            Scope::Everything => None,
        }
    }
}

/// How one of several best nodes is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tie {
    /// By a draw, as upstream.
    Draw,
    /// The first by name.
    First,
}

/// A node that cannot take the pod.
#[derive(Clone, PartialEq, Debug)]
pub struct Rejected {
    /// The node.
    pub node: NodeIndex,
    /// The first plugin that rejected it, by its number in the profile.
    pub plugin: u8,
    /// Why.
    pub status: Status,
}

/// The scores that one plugin gave.
#[derive(Clone, PartialEq, Debug)]
pub struct PluginScores {
    /// The plugin, by its number in the profile.
    pub plugin: u8,
    /// Normalised and multiplied with its weight, one for each feasible node.
    pub scores: Vec<i64>,
}

/// Why a pod was not placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// There are no nodes at all.
    NoNodes,
    /// No node fits.
    NoFit,
    /// A plugin failed.
    Error,
}

/// What a failed decision leaves behind.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// The whole sentence.
    pub message: String,
    /// What PostFilter added to it.
    pub post_filter: String,
    /// The plugins that rejected the pod or one of its nodes, as a set of numbers.
    pub rejectors: u64,
    /// Those of them that wait for something that will come.
    pub pending: u64,
    /// The node that PostFilter nominated, and the pods that must go.
    pub nominated: Option<Nomination>,
    /// Whether a node that was nominated before stays so. Upstream: `ModeNoop`.
    pub keeps_nomination: bool,
}

/// A decision, with everything that led to it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decision {
    /// The plugin that rejected the pod in PreFilter, and why.
    pub pre_filter: Option<(u8, Status)>,
    /// The nodes that were looked at and cannot take the pod.
    pub rejected: Vec<Rejected>,
    /// The nodes that can, in the order in which they were found.
    pub feasible: Vec<NodeIndex>,
    /// Scores by plugin; a plugin that had no opinion has no entry.
    pub scores: Vec<PluginScores>,
    /// The sums of the scores, one for each feasible node; empty where none was scored.
    pub totals: Vec<i64>,
    /// The best nodes, in the order in which they were found.
    pub ties: Vec<NodeIndex>,
    /// Why there is none.
    pub failure: Option<Failure>,
    /// Where the next decision starts to look.
    pub next_start: usize,
}

/// Whether a pod may enter the queue; if not, the plugin that says so. Upstream: `runPreEnqueuePlugins`.
pub fn pre_enqueue(profile: &Profile, pod: &Obj<Pod>) -> Option<(u8, Status)> {
    let mut plugins = profile.at(ExtensionPoint::PreEnqueue);
    plugins.find_map(|(number, enabled)| Some((number, enabled.entry.plugin.pre_enqueue(pod)?)))
}

/// How many feasible nodes are enough. Upstream: `numFeasibleNodesToFind`.
pub fn wanted_feasible(nodes: usize, percentage: i64) -> usize {
    if nodes < MIN_FEASIBLE {
        return nodes;
    }
    let percentage = match percentage {
        0 => (50 - nodes as i64 / 125).max(5),
        set => set,
    };
    (nodes * percentage as usize / 100).max(MIN_FEASIBLE).min(nodes)
}

/// Decides about a pod. The order of nodes must be up to date ([`super::Nodes::refresh`]).
pub fn decide(cluster: &Cluster, profile: &Profile, pod: &Arc<Obj<Pod>>, scope: Scope) -> Decision {
    let mut decision = Decision::default();
    if let Scope::Sampled { start, .. } = scope {
        decision.next_start = start;
    }
    if cluster.nodes.is_empty() {
        decision.failure = Some(failure(FailureKind::NoNodes, NO_NODES.to_owned()));
        return decision;
    }
    let cycle = Cycle { pod, cluster, args: &profile.args };
    let mut prepared = prepare(&cycle, profile);
    if let Some(message) = prepared.error.take() {
        decision.failure = Some(failure(FailureKind::Error, message));
        return decision;
    }
    let ahead = cluster.nominated.ahead_of(pod, &cluster.nodes);
    if let Some(rejection) = prepared.rejection.take() {
        decision.pre_filter = Some(rejection);
        decision.failure = Some(unplaced(&cycle, profile, scope, &decision, &prepared, &ahead));
        return decision;
    }
    if let Some(nominated) = cluster.nodes.find(&pod.body.status.nominated_node_name) {
        let mut attempt = Decision::default();
        search(cluster, &prepared.filters, &ahead, &[nominated], 0, 1, &mut attempt);
        decision.feasible = attempt.feasible;
    }
    if decision.feasible.is_empty() {
        find_feasible(cluster, profile, &prepared, &ahead, scope, &mut decision);
        if let Some(message) = failed_filter(profile, &decision.rejected) {
            decision.failure = Some(failure(FailureKind::Error, message));
            return decision;
        }
    }
    if decision.feasible.is_empty() {
        decision.failure = Some(unplaced(&cycle, profile, scope, &decision, &prepared, &ahead));
        return decision;
    }
    if decision.feasible.len() == 1 && scope != Scope::Everything {
        decision.ties = decision.feasible.clone();
        return decision;
    }
    score(&cycle, profile, &mut decision);
    decision
}

impl Decision {
    /// The node for the pod; `draw` gives a number below its argument.
    pub fn choose(&self, cluster: &Cluster, tie: Tie, draw: impl FnOnce(u64) -> u64) -> Option<NodeIndex> {
        match (self.ties.as_slice(), tie) {
            ([], _) => None,
            ([node], _) => Some(*node),
            (several, Tie::Draw) => Some(several[draw(several.len() as u64) as usize]),
            (several, Tie::First) => several.iter().copied().min_by_key(|node| cluster.nodes.name(*node)),
        }
    }
}

/// What PreFilter has prepared.
pub(super) struct Prepared {
    /// The filters.
    pub(super) filters: Filters,
    /// The only nodes that come into question, and the plugins that say so.
    names: Option<BTreeSet<Name>>,
    restrictors: u64,
    rejection: Option<(u8, Status)>,
    error: Option<String>,
}

/// The filters that are prepared for one pod, by the numbers of their plugins, in the order of the profile.
#[derive(Debug, Default)]
pub struct Filters {
    /// Number and filter.
    pub list: Vec<(u8, Box<dyn NodeFilter>)>,
}

impl Clone for Filters {
    fn clone(&self) -> Filters {
        Filters { list: self.list.iter().map(|(plugin, filter)| (*plugin, filter.copy())).collect() }
    }
}

impl Filters {
    /// The first rejection of a node, if there is one.
    pub fn check(&self, cluster: &Cluster, node: NodeView) -> Option<(u8, Status)> {
        self.list.iter().find_map(|(plugin, filter)| Some((*plugin, filter.check(cluster, node)?)))
    }

    /// The same where other pods wait for the node: it must take the pod with them there, and also without, since
    /// nobody knows yet whether they come. Upstream: `RunFilterPluginsWithNominatedPods`.
    pub fn check_behind(&self, cluster: &Cluster, ahead: &[&Nominee], node: NodeView) -> Option<(u8, Status)> {
        if ahead.is_empty() {
            return self.check(cluster, node);
        }
        let (mut filters, mut draft) = (self.clone(), NodeDraft::of(node));
        for nominee in ahead {
            draft.add_pod(&nominee.pod, nominee.class);
            for (_, filter) in &mut filters.list {
                filter.add_pod(cluster, &nominee.pod, draft.view());
            }
        }
        filters.check(cluster, draft.view()).or_else(|| self.check(cluster, node))
    }
}

pub(super) fn prepare(cycle: &Cycle, profile: &Profile) -> Prepared {
    prepare_but(cycle, profile, 0)
}

/// Prepares the filters of all plugins but those of a set of numbers.
pub(super) fn prepare_but(cycle: &Cycle, profile: &Profile, without: u64) -> Prepared {
    let filters = Filters::default();
    let mut prepared = Prepared { filters, names: None, restrictors: 0, rejection: None, error: None };
    for (number, enabled) in profile.preparing().filter(|(number, _)| without & 1 << number == 0) {
        match enabled.entry.plugin.pre_filter(cycle) {
            PreFilter::Skip => {}
            PreFilter::Filter(filter) => prepared.filters.list.push((number, filter)),
            PreFilter::Fail(error) => {
                prepared.error = Some(format!("running PreFilter plugin {:?}: {error}", enabled.entry.name));
                return prepared;
            }
            PreFilter::Nodes(names, filter) => {
                prepared.filters.list.push((number, filter));
                prepared.restrictors |= 1 << number;
                let both = match prepared.names.take() {
                    None => names,
                    Some(before) => before.intersection(&names).cloned().collect(),
                };
                if both.is_empty() {
                    prepared.rejection = Some((number, no_common_node(profile, prepared.restrictors)));
                    return prepared;
                }
                prepared.names = Some(both);
            }
            PreFilter::Reject(status) => {
                prepared.rejection = Some((number, status));
                return prepared;
            }
        }
    }
    let place = |plugin: u8| profile.place(ExtensionPoint::Filter, plugin);
    prepared.filters.list.retain(|(plugin, _)| place(*plugin).is_some());
    prepared.filters.list.sort_by_key(|(plugin, _)| place(*plugin));
    prepared
}

impl Prepared {
    /// Whether the nodes are to be looked at, and all of them come into question.
    pub(super) fn looks_at_all_nodes(&self) -> bool {
        self.names.is_none() && self.rejection.is_none() && self.error.is_none()
    }
}

/// Ends a decision that has found no feasible node among all.
pub(super) fn unplaced_after(
    cluster: &Cluster,
    profile: &Profile,
    pod: &Arc<Obj<Pod>>,
    scope: Scope,
    decision: Decision,
) -> Decision {
    let cycle = Cycle { pod, cluster, args: &profile.args };
    let ahead = cluster.nominated.ahead_of(pod, &cluster.nodes);
    let failure = unplaced(&cycle, profile, scope, &decision, &prepare(&cycle, profile), &ahead);
    Decision { failure: Some(failure), ..decision }
}

fn names_of(profile: &Profile, plugins: u64) -> String {
    let set = (0..64u8).filter(|number| plugins & (1 << number) != 0);
    let names: BTreeSet<&str> = set.map(|number| profile.name(number)).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn no_common_node(profile: &Profile, restrictors: u64) -> Status {
    let names = names_of(profile, restrictors);
    let text = match restrictors.count_ones() {
        1 => ecow::eco_format!("node(s) didn't satisfy plugin {names}"),
        _ => ecow::eco_format!("node(s) didn't satisfy plugin(s) [{names}] simultaneously"),
    };
    Status::text(Code::UnschedulableAndUnresolvable, text)
}

fn find_feasible(
    cluster: &Cluster,
    profile: &Profile,
    prepared: &Prepared,
    ahead: &Ahead,
    scope: Scope,
    decision: &mut Decision,
) {
    let all = cluster.nodes.order();
    let named: Vec<NodeIndex>;
    let nodes = match &prepared.names {
        None => all,
        Some(names) => {
            named = names.iter().filter_map(|name| cluster.nodes.find(name)).collect();
            &named
        }
    };
    match scope {
        Scope::Everything => search(cluster, &prepared.filters, ahead, nodes, 0, nodes.len(), decision),
        Scope::Sampled { start, percentage, luck: _ } => {
            let percentage = profile.percentage_of_nodes_to_score.unwrap_or(percentage);
            let wanted = wanted_feasible(nodes.len(), percentage);
            search(cluster, &prepared.filters, ahead, nodes, start, wanted, decision);
            decision.next_start = (start + decision.feasible.len() + decision.rejected.len()) % all.len();
        }
    }
}

/// Looks at nodes from `start` on, round the end, until `wanted` are feasible.
fn search(
    cluster: &Cluster,
    filters: &Filters,
    ahead: &Ahead,
    nodes: &[NodeIndex],
    start: usize,
    wanted: usize,
    decision: &mut Decision,
) {
    let Decision { feasible, rejected, .. } = decision;
    for seen in 0..nodes.len() {
        if feasible.len() == wanted {
            return;
        }
        let node = nodes[(start + seen) % nodes.len()];
        match filters.check_behind(cluster, ahead.on(node), cluster.nodes.view(node)) {
            None => feasible.push(node),
            Some((plugin, status)) => rejected.push(Rejected { node, plugin, status }),
        }
    }
}

/// What a filter said that failed.
fn failed_filter(profile: &Profile, rejected: &[Rejected]) -> Option<String> {
    let failed = rejected.iter().find(|rejected| rejected.status.code == Code::Error)?;
    Some(format!("running {:?} filter plugin: {}", profile.name(failed.plugin), failed.status.message()))
}

fn score(cycle: &Cycle, profile: &Profile, decision: &mut Decision) {
    let Decision { feasible, scores, totals, ties, .. } = decision;
    totals.resize(feasible.len(), 0);
    for (plugin, enabled) in profile.at(ExtensionPoint::Score) {
        let scorer = match enabled.entry.plugin.pre_score(cycle, feasible) {
            PreScore::Skip => continue,
            PreScore::Score(scorer) => scorer,
            PreScore::Fail(error) => {
                let message = format!("running PreScore plugin \"{}\": {error}", enabled.entry.name);
                decision.failure = Some(failure(FailureKind::Error, message));
                return;
            }
        };
        let nodes = feasible.iter().map(|node| cycle.cluster.nodes.view(*node));
        let mut given: Vec<i64> = nodes.map(|node| scorer.score(cycle.cluster, node)).collect();
        if scorer.normalizes() {
            scorer.normalize(&mut given);
        }
        for (total, score) in totals.iter_mut().zip(&mut given) {
            *score *= enabled.weight;
            *total += *score;
        }
        scores.push(PluginScores { plugin, scores: given });
    }
    let best = totals.iter().copied().max().unwrap_or(0);
    ties.extend(feasible.iter().zip(totals.iter()).filter(|(_, total)| **total == best).map(|(node, _)| *node));
}

fn failure(kind: FailureKind, message: String) -> Failure {
    Failure {
        kind,
        message,
        post_filter: String::new(),
        rejectors: 0,
        pending: 0,
        nominated: None,
        keeps_nomination: false,
    }
}

/// Runs PostFilter and words the failure.
fn unplaced(
    cycle: &Cycle,
    profile: &Profile,
    scope: Scope,
    decision: &Decision,
    prepared: &Prepared,
    ahead: &Ahead,
) -> Failure {
    let nodes = cycle.cluster.nodes.len();
    let pre_filter = decision.pre_filter.as_ref().map(|(plugin, _)| *plugin);
    let unplaced = Unplaced {
        nodes,
        rejected: &decision.rejected,
        filters: &prepared.filters,
        ahead,
        luck: scope.luck(),
        pre_filter,
        asked: 0,
    };
    let mut failure = post_filter(cycle, profile, unplaced);
    failure.rejectors = prepared.restrictors;
    let statuses = decision.rejected.iter().map(|rejected| (rejected.plugin, &rejected.status));
    for (plugin, status) in statuses.chain(decision.pre_filter.iter().map(|(plugin, status)| (*plugin, status))) {
        match status.code {
            Code::Pending => failure.pending |= 1 << plugin,
            Code::Error => {}
            Code::Unschedulable | Code::UnschedulableAndUnresolvable => failure.rejectors |= 1 << plugin,
        }
    }
    let mut counts = histogram_of(&decision.rejected);
    let absent = format!("node(s) didn't satisfy plugin(s) [{}]", names_of(profile, prepared.restrictors));
    if prepared.restrictors != 0 {
        *counts.entry(&absent).or_insert(0) += nodes - decision.rejected.len();
    }
    let pre_filter = decision.pre_filter.as_ref().map(|(_, status)| status.message());
    failure.message = fit_error(nodes, pre_filter.as_deref(), &counts, &failure.post_filter);
    failure
}

/// A failure with what the plugins of PostFilter say. Upstream: `RunPostFilterPlugins`.
fn post_filter(cycle: &Cycle, profile: &Profile, unplaced: Unplaced) -> Failure {
    let mut failure = failure(FailureKind::NoFit, String::new());
    let mut messages = Vec::new();
    let mut plugins = profile.at(ExtensionPoint::PostFilter).peekable();
    failure.keeps_nomination = plugins.peek().is_some();
    for (asked, enabled) in plugins {
        let status = match enabled.entry.plugin.post_filter(cycle, &Unplaced { asked, ..unplaced }) {
            PostFilter::Nothing => continue,
            PostFilter::Nominate(nomination) => {
                failure.nominated = Some(nomination);
                return failure;
            }
            PostFilter::Fail(message) => {
                failure.post_filter = message.to_string();
                failure.keeps_nomination = true;
                return failure;
            }
            PostFilter::Reject(status) => status,
            PostFilter::GiveUp(status) => {
                failure.keeps_nomination = false;
                status
            }
        };
        messages.push(status.message());
        if status.code == Code::UnschedulableAndUnresolvable {
            break;
        }
    }
    failure.post_filter = messages.join(", ");
    failure
}
