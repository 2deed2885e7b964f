//! The flags of the node life cycle controller.

use crate::client::{Flag, FlagValue};
use crate::kernel::Span;

/// `--node-monitor-period`.
pub const NODE_MONITOR_PERIOD: Flag = Flag {
    name: "node-monitor-period",
    default: FlagValue::Span(Span::from_secs(5)),
    doc: "how often the health of nodes is looked at",
};
/// `--node-monitor-grace-period`.
pub const NODE_MONITOR_GRACE_PERIOD: Flag = Flag {
    name: "node-monitor-grace-period",
    default: FlagValue::Span(Span::from_secs(50)),
    doc: "how long a node may be silent before it is called not ready",
};
/// `--node-startup-grace-period`.
pub const NODE_STARTUP_GRACE_PERIOD: Flag = Flag {
    name: "node-startup-grace-period",
    default: FlagValue::Span(Span::from_secs(60)),
    doc: "how long a node that has never reported its status may be silent",
};
/// `--node-eviction-rate`.
pub const NODE_EVICTION_RATE: Flag = Flag {
    name: "node-eviction-rate",
    default: FlagValue::Float(0.1),
    doc: "nodes a second whose pods are evicted in a zone that is healthy, or wholly not ready while others are not",
};
/// `--secondary-node-eviction-rate`.
pub const SECONDARY_NODE_EVICTION_RATE: Flag = Flag {
    name: "secondary-node-eviction-rate",
    default: FlagValue::Float(0.01),
    doc: "nodes a second whose pods are evicted in a large zone that is unhealthy; none in a small one",
};
/// `--unhealthy-zone-threshold`.
pub const UNHEALTHY_ZONE_THRESHOLD: Flag = Flag {
    name: "unhealthy-zone-threshold",
    default: FlagValue::Float(0.55),
    doc: "the share of nodes that are not ready (three at least) from which on a zone is unhealthy",
};
/// `--large-cluster-size-threshold`.
pub const LARGE_CLUSTER_SIZE_THRESHOLD: Flag = Flag {
    name: "large-cluster-size-threshold",
    default: FlagValue::Int(50),
    doc: "nodes of a zone up to which it is small",
};
/// How many keys are worked on at a time. Upstream: constants, 8 nodes in a look, 8 whose taints follow conditions, 4 pods
/// and one node that gets a taint NoExecute.
pub const NODE_LIFECYCLE_WORKERS: Flag = Flag {
    name: "node-lifecycle-workers",
    default: FlagValue::Int(21),
    doc: "nodes and pods that are worked on at a time; constants upstream",
};
