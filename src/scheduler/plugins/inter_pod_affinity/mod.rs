//! InterPodAffinity: pods that must or would rather be near other pods, or away from them.
//!
//! What pods are near is said by a topology: a label of nodes. Both the incoming pod and the pods that are there have
//! terms; pods are counted by class ([`PodClass`](crate::scheduler::PodClass)), so that no pod is matched twice.

mod filtering;
mod incremental;
mod scoring;
#[cfg(test)]
mod tests;
mod topologies;

use crate::api::{Labels, Name, Node, Obj, Pod};
use crate::scheduler::{
    AffinityTerm, AffinityTerms, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeIndex, NodeView, Plugin,
    PluginArgs, PluginEntry, PreFilter, PreScore, Spanning, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "InterPodAffinity",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    weight: 2,
    doc: "required pod affinity and anti-affinity, of the pod and of those that are there, reject nodes; preferred terms of both add their weights",
    source: "pkg/scheduler/framework/plugins/interpodaffinity/plugin.go, filtering.go, scoring.go",
    events: &[
        EventKind::AssignedPodAdd,
        EventKind::AssignedPodLabel,
        EventKind::AssignedPodDelete,
        EventKind::NodeAdd,
        EventKind::NodeLabel,
    ],
    plugin: &InterPodAffinity,
};

#[derive(Debug)]
struct InterPodAffinity;

/// The value of a topology key on a node.
fn topology<'n>(node: NodeView<'n>, key: &str) -> Option<&'n Name> {
    node.info.node.as_ref()?.meta.labels.get(key)
}

/// Whether a pod meets all of the terms, of which there is at least one. Terms that were not merged are held against no
/// labels of a namespace, as upstream's queueing hints do. Upstream: `podMatchesAllAffinityTerms`.
fn meets_all(terms: &[AffinityTerm], namespace: &Name, labels: &Labels) -> bool {
    !terms.is_empty() && terms.iter().all(|term| term.matches(namespace, &Labels::default(), labels))
}

/// Whether preferences are looked at. Upstream: the first lines of `PreScore`.
fn scores(cycle: &Cycle) -> bool {
    if !cycle.args.inter_pod_affinity.ignore_preferred_terms_of_existing_pods {
        return true;
    }
    let Some(affinity) = &cycle.pod.body.spec.full.affinity else { return false };
    let near = affinity.pod_affinity.as_ref();
    let near = near.and_then(|terms| terms.preferred_during_scheduling_ignored_during_execution.as_ref());
    let apart = affinity.pod_anti_affinity.as_ref();
    let apart = apart.and_then(|terms| terms.preferred_during_scheduling_ignored_during_execution.as_ref());
    near.is_some_and(|terms| !terms.is_empty()) || apart.is_some_and(|terms| !terms.is_empty())
}

impl Plugin for InterPodAffinity {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        let terms = AffinityTerms::of(cycle.pod);
        if let Some(error) = terms.error() {
            let reason = ecow::eco_format!("parsing pod: {error}");
            return PreFilter::Reject(Status::text(Code::UnschedulableAndUnresolvable, reason));
        }
        match filtering::Filter::of(cycle, &terms) {
            None => PreFilter::Skip,
            Some(filter) => PreFilter::Filter(Box::new(filter)),
        }
    }

    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        if !scores(cycle) {
            return PreScore::Skip;
        }
        let terms = AffinityTerms::of(cycle.pod);
        if let Some(error) = terms.error() {
            return PreScore::Fail(format!("failed to parse pod: {error}"));
        }
        match scoring::Score::of(cycle, &terms) {
            None => PreScore::Skip,
            Some(score) => PreScore::Score(Box::new(score)),
        }
    }

    fn spanning(&self, cycle: &Cycle) -> Option<Box<dyn Spanning>> {
        let is_understood = AffinityTerms::of(cycle.pod).error().is_none();
        is_understood.then(|| Box::new(incremental::Form::of(cycle)) as Box<dyn Spanning>)
    }

    /// As 1.34: anti-affinity counts only where a pod meets all of its terms, and that of existing pods not at all
    /// (until kubernetes/kubernetes#139161 and #135325).
    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        let terms = AffinityTerms::of(pod);
        if !terms.required_errors.is_empty() {
            return true;
        }
        let meets =
            |terms: &[AffinityTerm], other: &Obj<Pod>| meets_all(terms, &other.meta.namespace, &other.meta.labels);
        match event.pod() {
            (Some(old), Some(new)) => {
                let attracted = !meets(&terms.affinity, old) && meets(&terms.affinity, new);
                return attracted || meets(&terms.anti_affinity, old) && !meets(&terms.anti_affinity, new);
            }
            (None, Some(new)) => return meets(&terms.affinity, new),
            (Some(old), None) => return meets(&terms.anti_affinity, old),
            (None, None) => {}
        }
        let value = |node: &Obj<Node>, key: &Name| node.meta.labels.get(key).cloned();
        match event.node() {
            (Some(old), Some(new)) => {
                let moved = |term: &AffinityTerm| {
                    let after = value(new, &term.topology_key);
                    after.is_some() && after != value(old, &term.topology_key)
                };
                let left = |term: &AffinityTerm| {
                    let before = value(old, &term.topology_key);
                    before.is_some() && before != value(new, &term.topology_key)
                };
                terms.affinity.iter().any(moved) || terms.anti_affinity.iter().any(left)
            }
            (None, Some(new)) => {
                !terms.anti_affinity.is_empty()
                    || terms.affinity.iter().any(|term| value(new, &term.topology_key).is_some())
            }
            (_, None) => false,
        }
    }
}
