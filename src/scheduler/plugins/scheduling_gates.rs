//! SchedulingGates: a pod with gates does not enter the queue.

use crate::api::{Obj, Pod};
use crate::scheduler::{ClusterEvent, Code, EventKind, ExtensionPoint, Plugin, PluginArgs, PluginEntry, Status};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "SchedulingGates",
    points: &[ExtensionPoint::PreEnqueue],
    weight: 0,
    doc: "keeps pods with spec.schedulingGates out of the queue",
    source: "pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go",
    events: &[EventKind::PodGatesEliminated],
    plugin: &SchedulingGates,
};

#[derive(Debug)]
struct SchedulingGates;

impl Plugin for SchedulingGates {
    fn pre_enqueue(&self, pod: &Obj<Pod>) -> Option<Status> {
        let gates = pod.body.spec.full.scheduling_gates.as_deref().unwrap_or_default();
        if gates.is_empty() {
            return None;
        }
        let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
        let reason = ecow::eco_format!("waiting for scheduling gates: [{}]", names.join(" "));
        Some(Status::text(Code::UnschedulableAndUnresolvable, reason))
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        event.pod().1.is_some_and(|new| new.meta.uid == pod.meta.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::testing::pod;

    #[track_caller]
    fn check(gates: &str, expected: Option<&str>) {
        let pod = pod("p", &format!("{{schedulingGates: [{gates}], containers: []}}"));
        assert_eq!(SchedulingGates.pre_enqueue(&pod).map(|status| status.message()).as_deref(), expected);
    }

    #[test]
    fn a_gate_keeps_a_pod_out() {
        check("", None);
        check("{name: a.b/c}", Some("waiting for scheduling gates: [a.b/c]"));
        check("{name: x}, {name: y}", Some("waiting for scheduling gates: [x y]"));
    }
}
