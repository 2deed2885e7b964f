//! NodeName: a pod that names its node fits only there.

use crate::scheduler::framework::retain;
use crate::scheduler::{
    Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeIndex, Nodes, Plugin, PluginEntry, PreFilter, Status,
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
    fn pre_filter<'a>(&self, cycle: &Cycle<'a>) -> PreFilter<'a> {
        let wanted = &cycle.pod.body.node_name;
        if wanted.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Filter(Box::new(Filter(cycle.cluster.nodes.find(wanted))))
    }
}

struct Filter(Option<NodeIndex>);

impl NodeFilter for Filter {
    fn filter(&self, _nodes: &Nodes, candidates: &mut Vec<NodeIndex>, reject: &mut dyn FnMut(NodeIndex, Status)) {
        let reason = "node(s) didn't match the requested node name";
        retain(candidates, reject, |node| {
            (self.0 != Some(node)).then(|| Status::fixed(Code::UnschedulableAndUnresolvable, reason))
        });
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
