//! NodePorts: the host ports of a pod must be free.

use crate::api::{Obj, Pod};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, HostPort, NodeFilter, NodeView, Plugin, PluginArgs,
    PluginEntry, PreFilter, Reach, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodePorts",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    weight: 0,
    doc: "rejects nodes where a host port of the pod is taken, by address and protocol",
    source: "pkg/scheduler/framework/plugins/nodeports/node_ports.go",
    events: &[EventKind::AssignedPodDelete, EventKind::NodeAdd],
    plugin: &NodePorts,
};

#[derive(Debug)]
struct NodePorts;

impl Plugin for NodePorts {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        let wanted = HostPort::of_pod(&cycle.pod.body.spec);
        if wanted.is_empty() { PreFilter::Skip } else { PreFilter::Filter(Box::new(Filter { wanted })) }
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        let (Some(gone), _) = event.pod() else { return event.kind == EventKind::NodeAdd };
        let freed = HostPort::of_pod(&gone.body.spec);
        HostPort::of_pod(&pod.body.spec).iter().any(|wanted| freed.iter().any(|free| free.conflicts(wanted)))
    }
}

#[derive(Clone, Debug)]
struct Filter {
    wanted: Vec<HostPort>,
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        let reason = "node(s) didn't have free ports for the requested pod ports";
        let taken = &node.info.ports;
        let conflict = self.wanted.iter().any(|wanted| taken.iter().any(|port| port.conflicts(wanted)));
        conflict.then(|| Status::fixed(Code::Unschedulable, reason))
    }

    fn reach(&self) -> Reach {
        Reach::Node
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::check_filter_beside;

    #[track_caller]
    fn check(taken: &str, wanted: &str, free: bool) {
        let pod = |ports: &str| format!("{{containers: [{{name: c, ports: [{ports}]}}]}}");
        let rejected = "Unschedulable: node(s) didn't have free ports for the requested pod ports";
        check_filter_beside("NodePorts", &pod(wanted), "{}", &[&pod(taken)], (!free).then_some(rejected));
    }

    #[test]
    fn ports_conflict_by_address_and_protocol() {
        check("{hostPort: 80}", "{hostPort: 81}", true);
        check("{hostPort: 80}", "{hostPort: 80}", false);
        check("{hostPort: 80, protocol: UDP}", "{hostPort: 80}", true);
        check("{hostPort: 80, hostIP: 10.0.0.1}", "{hostPort: 80, hostIP: 10.0.0.2}", true);
        check("{hostPort: 80, hostIP: 10.0.0.1}", "{hostPort: 80, hostIP: 0.0.0.0}", false);
        check("{hostPort: 80}", "{hostPort: 80, hostIP: 10.0.0.2}", false);
        check("{hostPort: 80}", "{containerPort: 80}", true);
        check("{hostPort: 80, hostIP: ''}", "{hostPort: 80, hostIP: 10.0.0.2, protocol: TCP}", false);
        check("{hostPort: 80, hostIP: '::'}", "{hostPort: 80}", false);
        check("{hostPort: 80, hostIP: '::'}", "{hostPort: 80, hostIP: 10.0.0.2}", true);
    }

    #[track_caller]
    fn check_init(restart: &str, free: bool) {
        let container = format!("{{name: c, ports: [{{hostPort: 80}}]{restart}}}");
        let pod = format!("{{initContainers: [{container}], containers: []}}");
        let rejected = "Unschedulable: node(s) didn't have free ports for the requested pod ports";
        let taken = "{containers: [{name: c, ports: [{hostPort: 80}]}]}";
        check_filter_beside("NodePorts", &pod, "{}", &[taken], (!free).then_some(rejected));
    }

    #[test]
    fn of_init_containers_only_sidecars_hold_ports() {
        check_init("", true);
        check_init(", restartPolicy: Always", false);
    }
}
