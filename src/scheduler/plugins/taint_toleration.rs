//! TaintToleration: NoSchedule and NoExecute taints reject, PreferNoSchedule taints cost.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use crate::api::{Node, Obj, Pod, PodSpec};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, Effect, EventKind, ExtensionPoint, NodeFilter, NodeIndex, NodeScore, NodeView,
    Plugin, PluginArgs, PluginEntry, PreFilter, PreScore, Reach, Status, Taint, normalize, tolerates,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "TaintToleration",
    points: &[ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    weight: 3,
    doc: "rejects nodes with a NoSchedule or NoExecute taint that the pod does not tolerate; fewer PreferNoSchedule taints are better",
    source: "pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go",
    events: &[EventKind::NodeAdd, EventKind::NodeTaint, EventKind::PodToleration],
    plugin: &TaintToleration,
};

#[derive(Debug)]
struct TaintToleration;

/// The first taint that keeps pods away and that none of the tolerations tolerates.
pub(super) fn untolerated<'t>(taints: &'t [Taint], tolerations: &[v1::Toleration]) -> Option<&'t Taint> {
    taints
        .iter()
        .find(|taint| matches!(taint.effect, Effect::NoSchedule | Effect::NoExecute) && !tolerates(tolerations, taint))
}

fn is_tolerated(node: &Obj<Node>, pod: &Obj<Pod>) -> bool {
    let taints: Vec<Taint> = node.body.taints().iter().map(Taint::of).collect();
    untolerated(&taints, pod.body.spec.tolerations()).is_none()
}

impl Plugin for TaintToleration {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        PreFilter::Filter(Box::new(Filter { spec: cycle.pod.body.spec.clone() }))
    }

    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        let tolerations: Vec<v1::Toleration> = (cycle.pod.body.spec.tolerations().iter())
            .filter(|toleration| matches!(toleration.effect.as_deref().unwrap_or_default(), "" | "PreferNoSchedule"))
            .cloned()
            .collect();
        PreScore::Score(Box::new(Score { tolerations }))
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        if event.kind == EventKind::PodToleration {
            return event.pod().1.is_some_and(|new| new.meta.uid == pod.meta.uid);
        }
        match event.node() {
            (Some(old), Some(new)) => !is_tolerated(old, pod) && is_tolerated(new, pod),
            (None, Some(new)) => is_tolerated(new, pod),
            (_, None) => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Filter {
    spec: Arc<PodSpec>,
}

impl NodeFilter for Filter {
    fn check(&self, cluster: &Cluster, node: NodeView) -> Option<Status> {
        let taints = cluster.nodes.taints.get(node.row.taints);
        let taint = untolerated(taints, self.spec.tolerations())?;
        let reason = ecow::eco_format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value);
        Some(Status::text(Code::UnschedulableAndUnresolvable, reason))
    }

    fn reach(&self) -> Reach {
        Reach::Object
    }
}

/// The tolerations that matter to PreferNoSchedule.
#[derive(Debug)]
struct Score {
    tolerations: Vec<v1::Toleration>,
}

impl NodeScore for Score {
    fn score(&self, cluster: &Cluster, node: NodeView) -> i64 {
        let costs = |taint: &&Taint| taint.effect == Effect::PreferNoSchedule && !tolerates(&self.tolerations, taint);
        cluster.nodes.taints.get(node.row.taints).iter().filter(costs).count() as i64
    }

    fn reach(&self) -> Reach {
        Reach::Object
    }

    fn normalizes(&self) -> bool {
        true
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, true);
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::{check_filter, check_scores};

    #[test]
    fn the_first_taint_that_is_not_tolerated_is_named() {
        let node = "{spec: {taints: [{key: soft, effect: PreferNoSchedule}, {key: gpu, value: a, effect: NoSchedule}, {key: x, effect: NoExecute}]}}";
        let rejected = |taint: &str| format!("UnschedulableAndUnresolvable: node(s) had untolerated taint {{{taint}}}");
        check_filter("TaintToleration", "{containers: []}", node, Some(&rejected("gpu: a")));
        let one = "{containers: [], tolerations: [{key: gpu, value: a}]}";
        check_filter("TaintToleration", one, node, Some(&rejected("x: ")));
        let wrong_value = "{containers: [], tolerations: [{key: gpu, value: b}, {key: x, operator: Exists}]}";
        check_filter("TaintToleration", wrong_value, node, Some(&rejected("gpu: a")));
        let wrong_effect = "{containers: [], tolerations: [{operator: Exists, effect: NoSchedule}]}";
        check_filter("TaintToleration", wrong_effect, node, Some(&rejected("x: ")));
        check_filter("TaintToleration", "{containers: [], tolerations: [{operator: Exists}]}", node, None);
    }

    #[track_caller]
    fn check(toleration: &str, is_tolerated: bool) {
        let node = "{spec: {taints: [{key: gpu, value: a, effect: NoSchedule}]}}";
        let pod = format!("{{containers: [], tolerations: [{{{toleration}}}]}}");
        let rejected = "UnschedulableAndUnresolvable: node(s) had untolerated taint {gpu: a}";
        check_filter("TaintToleration", &pod, node, (!is_tolerated).then_some(rejected));
    }

    #[test]
    fn what_a_toleration_leaves_out_matches_everything_but_the_value() {
        check("key: gpu, value: a", true);
        check("key: gpu, operator: '', value: a, effect: ''", true);
        check("key: gpu, operator: Equal, value: a, effect: NoSchedule", true);
        check("key: gpu, operator: Equal", false);
        check("value: a", true);
        check("operator: Exists, value: b", true);
        check("key: '', operator: Exists, effect: NoSchedule", true);
        check("key: gpu, operator: Gt, value: a", false);
        check("key: gpu, value: a, effect: PreferNoSchedule", false);
        check("key: gp, operator: Exists", false);
    }

    #[test]
    fn only_tolerations_of_soft_taints_save_their_cost() {
        let taints = "{spec: {taints: [{key: a, value: x, effect: PreferNoSchedule}, {key: b, effect: NoSchedule}]}}";
        let score = |toleration: &str, expected: &[i64]| {
            let pod = format!("{{containers: [], tolerations: [{{{toleration}}}]}}");
            check_scores("TaintToleration", &pod, &["{}", taints], Some(expected));
        };
        score("key: a, value: x", &[100, 100]);
        score("key: a, value: y", &[100, 0]);
        score("key: a, value: x, effect: PreferNoSchedule", &[100, 100]);
        score("key: a, value: x, effect: NoSchedule", &[100, 0]);
        score("operator: Exists", &[100, 100]);
    }

    #[test]
    fn soft_taints_cost_in_proportion() {
        let taint = |keys: &[&str]| {
            let taints: Vec<String> =
                keys.iter().map(|key| format!("{{key: {key}, effect: PreferNoSchedule}}")).collect();
            format!("{{spec: {{taints: [{}]}}}}", taints.join(", "))
        };
        let nodes = [taint(&[]), taint(&["a"]), taint(&["a", "b"]), taint(&["a", "b", "c"])];
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        check_scores("TaintToleration", "{containers: []}", &nodes, Some(&[100, 67, 34, 0]));
        let tolerant = "{containers: [], tolerations: [{key: a, operator: Exists}]}";
        check_scores("TaintToleration", tolerant, &nodes, Some(&[100, 100, 50, 0]));
        check_scores("TaintToleration", "{containers: []}", &["{}", "{}"], Some(&[100, 100]));
    }
}
