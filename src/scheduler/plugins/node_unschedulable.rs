//! NodeUnschedulable: cordoned nodes take no pods, unless these tolerate it.

use crate::api::{Name, Obj, Pod};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, Effect, EventKind, ExtensionPoint, NodeFilter, NodeView, Plugin, PluginArgs,
    PluginEntry, PreFilter, Reach, Status, Taint, tolerates,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodeUnschedulable",
    points: &[ExtensionPoint::Filter],
    weight: 0,
    doc: "rejects nodes with spec.unschedulable, unless the pod tolerates node.kubernetes.io/unschedulable:NoSchedule",
    source: "pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go",
    events: &[EventKind::NodeAdd, EventKind::NodeTaint, EventKind::PodToleration],
    plugin: &NodeUnschedulable,
};

#[derive(Debug)]
struct NodeUnschedulable;

fn is_tolerated(pod: &Obj<Pod>) -> bool {
    let key = Name::from("node.kubernetes.io/unschedulable");
    let taint = Taint { key, value: Name::new(), effect: Effect::NoSchedule };
    tolerates(pod.body.spec.tolerations(), &taint)
}

impl Plugin for NodeUnschedulable {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        if is_tolerated(cycle.pod) { PreFilter::Skip } else { PreFilter::Filter(Box::new(Filter)) }
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        if event.kind == EventKind::PodToleration {
            return event.pod().1.is_some_and(|new| new.meta.uid == pod.meta.uid && is_tolerated(new));
        }
        match event.node() {
            (Some(old), Some(new)) => old.body.is_unschedulable() && !new.body.is_unschedulable(),
            (None, Some(new)) => !new.body.is_unschedulable(),
            (_, None) => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Filter;

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        let rejected = node.row.unschedulable;
        rejected.then(|| Status::fixed(Code::UnschedulableAndUnresolvable, "node(s) were unschedulable"))
    }

    fn reach(&self) -> Reach {
        Reach::Object
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::check_filter;

    #[test]
    fn a_cordoned_node_takes_only_pods_that_tolerate_it() {
        let node = "{spec: {unschedulable: true}}";
        let rejected = Some("UnschedulableAndUnresolvable: node(s) were unschedulable");
        check_filter("NodeUnschedulable", "{containers: []}", node, rejected);
        check_filter("NodeUnschedulable", "{containers: []}", "{}", None);
        let tolerant = "{containers: [], tolerations: [{key: node.kubernetes.io/unschedulable, operator: Exists}]}";
        check_filter("NodeUnschedulable", tolerant, node, None);
    }
}
