//! NodeName: a pod that names its node fits only there.

use crate::api::Name;
use crate::scheduler::{
    Cluster, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeView, Plugin, PluginEntry, PreFilter, Reach,
    Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodeName",
    points: &[ExtensionPoint::Filter],
    weight: 0,
    doc: "rejects nodes other than spec.nodeName, which pending pods do not have: it matters to DaemonSets' simulation only",
    source: "pkg/scheduler/framework/plugins/nodename/node_name.go",
    events: &[EventKind::NodeAdd],
    plugin: &NodeName,
};

#[derive(Debug)]
struct NodeName;

impl Plugin for NodeName {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        let wanted = &cycle.pod.body.node_name;
        if wanted.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Filter(Box::new(Filter(wanted.clone())))
    }
}

#[derive(Clone, Debug)]
struct Filter(Name);

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        let reason = "node(s) didn't match the requested node name";
        (self.0 != node.info.name).then(|| Status::fixed(Code::UnschedulableAndUnresolvable, reason))
    }

    fn reach(&self) -> Reach {
        Reach::Object
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::check_filter;

    #[test]
    fn a_pod_fits_on_the_node_that_it_names() {
        check_filter("NodeName", "{containers: []}", "{}", None);
        check_filter("NodeName", "{containers: [], nodeName: node}", "{}", None);
        let rejected = Some("UnschedulableAndUnresolvable: node(s) didn't match the requested node name");
        check_filter("NodeName", "{containers: [], nodeName: other}", "{}", rejected);
    }
}
