//! PodTopologySpread: pods that a selector selects are spread evenly over the domains that a label of nodes names.
//! Upstream: `pkg/scheduler/framework/plugins/podtopologyspread`.

mod constraints;
mod filter;
mod incremental;
mod score;
#[cfg(test)]
mod tests;

use self::constraints::{Action, Constraint, constraints};
use crate::api::{Meta, Obj, Pod};
use crate::scheduler::{
    ClusterEvent, Cycle, Defaulting, EventKind, ExtensionPoint, NodeIndex, Plugin, PluginArgs, PluginEntry, PreFilter,
    PreScore, Spanning,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "PodTopologySpread",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    weight: 2,
    doc: "topologySpreadConstraints: DoNotSchedule rejects nodes, ScheduleAnyway scores them; pods without any are spread by what their Services and workloads select",
    source: "pkg/scheduler/framework/plugins/podtopologyspread/plugin.go",
    events: &[
        EventKind::NodeAdd,
        EventKind::NodeDelete,
        EventKind::NodeLabel,
        EventKind::NodeTaint,
        EventKind::AssignedPodAdd,
        EventKind::AssignedPodDelete,
        EventKind::AssignedPodLabel,
        EventKind::PodLabel,
        EventKind::PodToleration,
    ],
    plugin: &PodTopologySpread,
};

#[derive(Debug)]
struct PodTopologySpread;

impl Plugin for PodTopologySpread {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        match constraints(cycle.pod, &cycle.cluster.owners, &cycle.args.spread, Action::DoNotSchedule) {
            Err(error) => PreFilter::Fail(format!("get constraints from pod: {}{error}", obtaining(cycle, "hard"))),
            Ok(none) if none.is_empty() => PreFilter::Skip,
            Ok(constraints) => PreFilter::Filter(Box::new(filter::Filter::of(cycle, constraints))),
        }
    }

    fn pre_score(&self, cycle: &Cycle, feasible: &[NodeIndex]) -> PreScore {
        match constraints(cycle.pod, &cycle.cluster.owners, &cycle.args.spread, Action::ScheduleAnyway) {
            Err(error) => PreScore::Fail(format!("calculating preScoreState: {}{error}", obtaining(cycle, "soft"))),
            Ok(none) if none.is_empty() => PreScore::Skip,
            Ok(constraints) => {
                PreScore::Score(Box::new(score::Score::of(cycle, &constraints, feasible, requires_all(cycle))))
            }
        }
    }

    fn spanning(&self, cycle: &Cycle) -> Option<Box<dyn Spanning>> {
        incremental::Form::of(cycle).map(|form| Box::new(form) as Box<dyn Spanning>)
    }

    /// Upstream: `isSchedulableAfterPodChange`, `isSchedulableAfterNodeChange`. Left out: what default constraints
    /// select; with them, any pod of the namespace counts.
    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, args: &PluginArgs) -> bool {
        let Ok(constraints) = constraints::without_selector(pod, &args.spread, Action::DoNotSchedule) else {
            return true;
        };
        if let (Some(_), _) | (_, Some(_)) = event.node() {
            return after_node_change(event, &constraints);
        }
        let (old, new) = event.pod();
        let both = |holds: &dyn Fn(&Obj<Pod>) -> bool| old.is_none_or(holds) && new.is_none_or(holds);
        if matches!(event.kind, EventKind::PodLabel | EventKind::PodToleration) {
            return both(&|other| other.meta.uid == pod.meta.uid) && after_pod_change(event, &constraints);
        }
        both(&|other| other.meta.namespace == pod.meta.namespace)
            && (!constraints::has_own(pod) || after_pod_change(event, &constraints))
    }
}

/// Whether nodes are scored only if they have the labels of all constraints: not where the constraints are the system's,
/// so that hosts without a zone are spread over nevertheless.
fn requires_all(cycle: &Cycle) -> bool {
    constraints::has_own(cycle.pod) || cycle.args.spread.defaulting_type != Defaulting::System
}

fn obtaining(cycle: &Cycle, hardness: &str) -> String {
    match constraints::has_own(cycle.pod) {
        true => format!("obtaining pod's {hardness} topology spread constraints: "),
        false => format!("setting default {hardness} topology spread constraints: "),
    }
}

fn after_node_change(event: &ClusterEvent, constraints: &[Constraint]) -> bool {
    let has_all = |node: &Meta| constraints.iter().all(|c| node.labels.get(&c.topology_key).is_some());
    match event.node() {
        (Some(old), Some(new)) => {
            let moved = |c: &Constraint| old.meta.labels.get(&c.topology_key) != new.meta.labels.get(&c.topology_key);
            let other = || constraints.iter().any(moved) || old.body.taints() != new.body.taints();
            let (before, after) = (has_all(&old.meta), has_all(&new.meta));
            before != after || after && other()
        }
        (None, Some(node)) | (Some(node), None) => has_all(&node.meta),
        (None, None) => true,
    }
}

fn after_pod_change(event: &ClusterEvent, constraints: &[Constraint]) -> bool {
    let selects = |c: &Constraint, pod: &Obj<Pod>| c.selects(&pod.meta.labels);
    match event.pod() {
        (Some(old), Some(new)) => {
            let tolerates_more = event.kind == EventKind::PodToleration && constraints.iter().any(|c| c.honors_taints);
            tolerates_more || constraints.iter().any(|c| selects(c, old) != selects(c, new))
        }
        (None, Some(pod)) | (Some(pod), None) => constraints.iter().any(|c| selects(c, pod)),
        (None, None) => true,
    }
}
