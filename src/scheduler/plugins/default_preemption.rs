//! DefaultPreemption: pods of lower priority make room for a pod that fits nowhere.

mod candidates;
mod choice;
mod victims;

use std::collections::BTreeMap;

use candidates::Search;
use choice::choose;

use crate::api::{ConditionStatus, Obj, Pod, PodConditionType};
use crate::scheduler::{
    ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, Nomination, Plugin, PluginArgs, PluginEntry, PostFilter,
    Status, Unplaced, fit_error,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "DefaultPreemption",
    points: &[ExtensionPoint::PreEnqueue, ExtensionPoint::PostFilter],
    weight: 0,
    doc: "finds the node where the least important pods of lower priority must go so that the pod fits, nominates it and \
          has them deleted; until that is under way the pod stays out of the queue. Left out: pods that wait on Permit \
          (they are deleted like others), extenders, and preemption after an Unschedulable of PreFilter, which no \
          plugin gives",
    source: "pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go, pkg/scheduler/framework/preemption",
    events: &[EventKind::AssignedPodDelete],
    plugin: &DefaultPreemption,
};

/// Why the condition DisruptionTarget is set on victims.
pub const PREEMPTION_BY_SCHEDULER: &str = "PreemptionByScheduler";
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

#[derive(Debug)]
struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    /// Upstream: `Evaluator.Preempt`.
    fn post_filter(&self, cycle: &Cycle, unplaced: &Unplaced) -> PostFilter {
        let reject = |message: &str| Status::text(Code::Unschedulable, ecow::eco_format!("preemption: {message}"));
        if let Some(message) = not_eligible(cycle, unplaced) {
            return PostFilter::Reject(reject(message));
        }
        let found = Search::new(cycle, unplaced).run();
        if !found.candidates.is_empty() {
            let best = &found.candidates[choose(cycle.cluster, &found.candidates, unplaced.luck)];
            let victims = best.victims.iter().map(|victim| (*victim).clone()).collect();
            return PostFilter::Nominate(Nomination { plugin: unplaced.asked, node: best.node, victims });
        }
        match found.errors.as_slice() {
            [] => {}
            [error] => return PostFilter::Fail(ecow::eco_format!("preemption: {error}")),
            errors => return PostFilter::Fail(ecow::eco_format!("preemption: [{}]", errors.join(", "))),
        }
        let mut counts = BTreeMap::from([(NOT_HELPFUL, unplaced.nodes - found.rejected.len())]);
        for reason in found.rejected.iter().flat_map(|status| status.reasons.as_slice()) {
            *counts.entry(reason.as_str()).or_insert(0) += 1;
        }
        PostFilter::GiveUp(reject(&fit_error(unplaced.nodes, None, &counts, "")))
    }

    /// The plugin keeps a pod out of the queue while its victims are asked to go. When the pod is to be tried again is
    /// for the plugins to say that rejected its nodes.
    fn hint(&self, _event: &ClusterEvent, _pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        false
    }
}

/// Why a pod may not preempt others. Upstream: `PodEligibleToPreemptOthers`.
fn not_eligible(cycle: &Cycle, unplaced: &Unplaced) -> Option<&'static str> {
    let pod = cycle.pod;
    if pod.body.spec.full.preemption_policy.as_deref() == Some("Never") {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let node = cycle.cluster.nodes.find(&pod.body.status.nominated_node_name)?;
    let rejected = unplaced.rejected.iter().find(|rejected| rejected.node == node)?;
    if rejected.status.code == Code::UnschedulableAndUnresolvable {
        return None;
    }
    let makes_room = |other: &Obj<Pod>| other.body.spec.priority < pod.body.spec.priority && is_victim(other);
    let waits = cycle.cluster.nodes.info(node).pods.iter().any(|other| makes_room(other));
    waits.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// Whether a pod terminates because the scheduler preempted it. Upstream: `podTerminatingByPreemption`.
fn is_victim(pod: &Obj<Pod>) -> bool {
    pod.meta.is_terminating()
        && pod.body.condition(PodConditionType::DisruptionTarget).is_some_and(|condition| {
            condition.status == ConditionStatus::True
                && condition.text.as_ref().is_some_and(|text| text.reason == PREEMPTION_BY_SCHEDULER)
        })
}

#[cfg(test)]
#[path = "default_preemption/tests.rs"]
mod tests;
