//! DefaultBinder: binds with a POST to the pod's `binding`.

use crate::event::{Request, Target};
use crate::scheduler::{Cycle, ExtensionPoint, NodeIndex, Plugin, PluginEntry, Reservation};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "DefaultBinder",
    points: &[ExtensionPoint::Bind],
    weight: 0,
    doc: "binds the pod to its node through the API server, with the annotations that other plugins have set aside",
    source: "pkg/scheduler/framework/plugins/defaultbinder/default_binder.go",
    events: &[],
    plugin: &DefaultBinder,
};

#[derive(Debug)]
struct DefaultBinder;

impl Plugin for DefaultBinder {
    fn bind(&self, cycle: &Cycle, node: NodeIndex, reservation: &Reservation) -> Option<Request> {
        let meta = &cycle.pod.meta;
        let node = cycle.cluster.nodes.name(node).clone();
        let annotations = reservation.annotations.clone();
        Some(Request::Bind { pod: Target::Id(meta.id), uid: meta.uid, node, annotations })
    }
}
