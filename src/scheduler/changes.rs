//! What happens in the cluster, as the queue and the plugins' queueing hints see it.
//! Upstream: `pkg/scheduler/framework/events.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Body, Kind, Node, Obj, Object, Pod, Untyped};

/// What happened. Upstream: `fwk.ClusterEvent`, a resource and one action on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum EventKind {
    /// A Node appeared.
    NodeAdd,
    /// A Node is gone.
    NodeDelete,
    /// `status.allocatable` of a Node changed.
    NodeAllocatable,
    /// Labels of a Node changed.
    NodeLabel,
    /// Taints of a Node changed, or it is no longer unschedulable.
    NodeTaint,
    /// Conditions of a Node changed.
    NodeCondition,
    /// Annotations of a Node changed.
    NodeAnnotation,
    /// A pod with a node appeared.
    AssignedPodAdd,
    /// A pod with a node is gone, or what was assumed of one is no longer.
    AssignedPodDelete,
    /// Labels of a pod with a node changed.
    AssignedPodLabel,
    /// A pod with a node asks for less.
    AssignedPodScaleDown,
    /// Something else of a pod with a node changed.
    AssignedPodOther,
    /// Labels of a pending pod changed.
    PodLabel,
    /// A pending pod asks for less.
    PodScaleDown,
    /// A pending pod has other tolerations.
    PodToleration,
    /// The last scheduling gate of a pending pod is gone.
    PodGatesEliminated,
    /// Something else of a pending pod changed.
    PodOther,
    /// A PersistentVolume appeared.
    PersistentVolumeAdd,
    /// A PersistentVolume changed.
    PersistentVolumeUpdate,
    /// A PersistentVolumeClaim appeared.
    ClaimAdd,
    /// A PersistentVolumeClaim changed.
    ClaimUpdate,
    /// A StorageClass appeared.
    StorageClassAdd,
    /// A StorageClass changed.
    StorageClassUpdate,
    /// A CSINode appeared.
    CsiNodeAdd,
    /// A CSINode changed.
    CsiNodeUpdate,
    /// A CSIDriver changed.
    CsiDriverUpdate,
    /// A CSIStorageCapacity appeared.
    StorageCapacityAdd,
    /// A CSIStorageCapacity changed.
    StorageCapacityUpdate,
    /// A VolumeAttachment is gone.
    VolumeAttachmentDelete,
    /// A pod has waited for too long for any event.
    UnschedulableTimeout,
}

impl EventKind {
    /// Its place in a set of kinds.
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// What happened, with the objects.
#[derive(Clone, Debug)]
pub struct ClusterEvent {
    /// What.
    pub kind: EventKind,
    /// The object before; absent for an addition.
    pub old: Option<Object>,
    /// The object after; absent for a deletion.
    pub new: Option<Object>,
}

impl ClusterEvent {
    /// The node before and after, where the event is about one.
    pub fn node(&self) -> (Option<&Obj<Node>>, Option<&Obj<Node>>) {
        (self.old.as_ref().and_then(body), self.new.as_ref().and_then(body))
    }

    /// The object before and after, where the event is about one that no part has a type for.
    pub fn untyped(&self) -> (Option<&Obj<Untyped>>, Option<&Obj<Untyped>>) {
        (self.old.as_ref().and_then(untyped), self.new.as_ref().and_then(untyped))
    }

    /// The pod before and after, where the event is about one.
    pub fn pod(&self) -> (Option<&Obj<Pod>>, Option<&Obj<Pod>>) {
        (self.old.as_ref().and_then(body), self.new.as_ref().and_then(body))
    }
}

fn body<T: Body>(object: &Object) -> Option<&Obj<T>> {
    object.get::<T>().map(Arc::as_ref)
}

fn untyped(object: &Object) -> Option<&Obj<Untyped>> {
    if let Object::Untyped(object) = object { Some(object) } else { None }
}

/// What a change of an object of storage means, by whether it was there before and is there now; nothing where no
/// plugin takes an interest in that.
pub fn storage_event(kind: Kind, before: bool, now: bool) -> Option<EventKind> {
    let (add, update, delete) = match kind {
        Kind::PersistentVolume => (Some(EventKind::PersistentVolumeAdd), Some(EventKind::PersistentVolumeUpdate), None),
        Kind::PersistentVolumeClaim => (Some(EventKind::ClaimAdd), Some(EventKind::ClaimUpdate), None),
        Kind::StorageClass => (Some(EventKind::StorageClassAdd), Some(EventKind::StorageClassUpdate), None),
        Kind::CSINode => (Some(EventKind::CsiNodeAdd), Some(EventKind::CsiNodeUpdate), None),
        Kind::CSIDriver => (None, Some(EventKind::CsiDriverUpdate), None),
        Kind::CSIStorageCapacity => (Some(EventKind::StorageCapacityAdd), Some(EventKind::StorageCapacityUpdate), None),
        Kind::VolumeAttachment => (None, None, Some(EventKind::VolumeAttachmentDelete)),
        _ => (None, None, None),
    };
    match (before, now) {
        (false, true) => add,
        (true, true) => update,
        (true, false) => delete,
        (false, false) => None,
    }
}

/// What the change of a Node means. Upstream: `NodeSchedulingPropertiesChange`.
pub fn node_events(old: &Obj<Node>, new: &Obj<Node>) -> Vec<EventKind> {
    let mut events = Vec::new();
    if old.body.is_unschedulable() && !new.body.is_unschedulable() {
        events.push(EventKind::NodeTaint);
    }
    let same_status = Arc::ptr_eq(&old.body.status, &new.body.status);
    if !same_status && old.body.status.allocatable != new.body.status.allocatable {
        events.push(EventKind::NodeAllocatable);
    }
    if old.meta.labels != new.meta.labels {
        events.push(EventKind::NodeLabel);
    }
    if !Arc::ptr_eq(&old.body.spec, &new.body.spec) && old.body.taints() != new.body.taints() {
        events.push(EventKind::NodeTaint);
    }
    if !same_status && conditions(old) != conditions(new) {
        events.push(EventKind::NodeCondition);
    }
    if old.meta.annotations != new.meta.annotations {
        events.push(EventKind::NodeAnnotation);
    }
    events
}

fn conditions(node: &Obj<Node>) -> BTreeMap<&str, &str> {
    let conditions = node.body.status.conditions.iter().flatten();
    conditions.map(|condition| (condition.type_.as_str(), condition.status.as_str())).collect()
}

/// What the change of a pod means. Upstream: `PodSchedulingPropertiesChange`. Left out: resource claims.
pub fn pod_events(old: &Obj<Pod>, new: &Obj<Pod>) -> Vec<EventKind> {
    let assigned = !new.body.node_name.is_empty();
    let mut events = Vec::new();
    if old.meta.labels != new.meta.labels {
        events.push(if assigned { EventKind::AssignedPodLabel } else { EventKind::PodLabel });
    }
    let (before, after) = (&old.body.spec, &new.body.spec);
    let is_resized = old.body.status.rest.is_some() || new.body.status.rest.is_some();
    if (is_resized || !Arc::ptr_eq(before, after)) && asks_for_less(old, new) {
        events.push(if assigned { EventKind::AssignedPodScaleDown } else { EventKind::PodScaleDown });
    }
    if !Arc::ptr_eq(before, after) {
        let gates = |pod: &Obj<Pod>| pod.body.spec.full.scheduling_gates.as_ref().map_or(0, Vec::len);
        if !assigned && gates(new) == 0 && gates(old) > 0 {
            events.push(EventKind::PodGatesEliminated);
        }
        if !assigned && before.tolerations().len() != after.tolerations().len() {
            events.push(EventKind::PodToleration);
        }
    }
    if events.is_empty() {
        events.push(if assigned { EventKind::AssignedPodOther } else { EventKind::PodOther });
    }
    events
}

fn asks_for_less(old: &Obj<Pod>, new: &Obj<Pod>) -> bool {
    let (before, after) = (old.body.requests(false), new.body.requests(false));
    before.milli_cpu > after.milli_cpu
        || before.memory > after.memory
        || before.ephemeral_storage > after.ephemeral_storage
        || before.scalar.iter().any(|(name, amount)| *amount > after.scalar.get(name).copied().unwrap_or(0))
}
