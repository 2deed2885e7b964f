//! What the scheduler's informers tell: its view of the cluster, and which pods a change may help.
//! Upstream: `pkg/scheduler/eventhandlers.go`.

use std::sync::Arc;

use super::Scheduler;
use crate::api::{Kind, Namespace, Node, Obj, Object, Pod};
use crate::event::{Cause, Change, ChangeKind};
use crate::kernel::Time;
use crate::scheduler::{ClusterEvent, EventKind, node_events, pod_events, storage_event};

impl Scheduler {
    pub(super) fn take_in(&mut self, changes: &[Change], now: Time) {
        for change in changes {
            match &change.object {
                Object::Pod(pod) => self.pod_changed(change.kind, pod, now, change.cause),
                Object::Node(node) => self.node_changed(change.kind, node, now, change.cause),
                Object::Namespace(namespace) => self.namespace_changed(change.kind, namespace),
                Object::ReplicaSet(_) | Object::Untyped(_) => self.other_changed(change, now),
                Object::Deployment(_) | Object::Event(_) | Object::Lease(_) => {}
            }
        }
    }

    fn other_changed(&mut self, change: &Change, now: Time) {
        let old = self.others.apply(change);
        let new = (change.kind != ChangeKind::Deleted).then(|| change.object.clone());
        match &new {
            Some(object) => self.cluster.apply(object),
            None => self.cluster.forget(&change.object),
        }
        let is_storage = matches!(change.object.kind(), Kind::PersistentVolume | Kind::PersistentVolumeClaim);
        self.has_news_for_waits |= is_storage;
        if let Some(event) = storage_event(change.object.kind(), old.is_some(), new.is_some()) {
            self.happened(event, old, new, None, now, change.cause);
        }
    }

    fn namespace_changed(&mut self, kind: ChangeKind, namespace: &Arc<Obj<Namespace>>) {
        let object = Object::Namespace(namespace.clone());
        match kind {
            ChangeKind::Added | ChangeKind::Modified => self.cluster.apply(&object),
            ChangeKind::Deleted => self.cluster.forget(&object),
        }
    }

    fn node_changed(&mut self, kind: ChangeKind, node: &Arc<Obj<Node>>, now: Time, cause: Cause) {
        let name = &node.meta.name;
        let before = self.cluster.nodes.find(name).and_then(|number| self.cluster.nodes.info(number).node.clone());
        if kind == ChangeKind::Deleted {
            self.happened(EventKind::NodeDelete, Some(Object::Node(node.clone())), None, None, now, cause);
            self.cluster.nodes.remove(name);
            return;
        }
        self.cluster.nodes.set(node);
        let new = Some(Object::Node(node.clone()));
        match before {
            None => self.happened(EventKind::NodeAdd, None, new, None, now, cause),
            Some(before) => {
                for event in node_events(&before, node) {
                    self.happened(event, Some(Object::Node(before.clone())), new.clone(), None, now, cause);
                }
            }
        }
    }

    pub(super) fn happened(
        &mut self,
        kind: EventKind,
        old: Option<Object>,
        new: Option<Object>,
        except: Option<u32>,
        now: Time,
        cause: Cause,
    ) {
        self.has_news_for_waits |=
            matches!(kind, EventKind::NodeDelete | EventKind::NodeLabel | EventKind::AssignedPodDelete);
        self.queue.move_all(ClusterEvent { kind, old, new }, except, now, cause, &self.settings.profiles);
    }

    /// Pods that have finished are out of sight, as with upstream's field selector.
    fn pod_changed(&mut self, kind: ChangeKind, pod: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        let slot = pod.meta.id.slot;
        let old = match kind {
            ChangeKind::Added | ChangeKind::Modified => self.pods.set(slot, pod.clone()),
            ChangeKind::Deleted => self.pods.take(slot),
        };
        let old = old.filter(|old| !old.body.status.phase.is_finished());
        let is_live = kind != ChangeKind::Deleted && !pod.body.status.phase.is_finished();
        match (old, is_live) {
            (None, false) => {}
            (None, true) => self.pod_added(pod, now, cause),
            (Some(old), true) if old.meta.uid == pod.meta.uid => self.pod_updated(&old, pod, now, cause),
            (Some(old), true) => {
                self.pod_deleted(&old, now, cause);
                self.pod_added(pod, now, cause);
            }
            (Some(old), false) => self.pod_deleted(&old, now, cause),
        }
    }

    fn pod_added(&mut self, pod: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        self.cluster.see(pod);
        self.pod_came(pod, now, cause);
    }

    fn pod_came(&mut self, pod: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        if !pod.body.node_name.is_empty() {
            self.cluster.set_pod(pod);
            self.happened(EventKind::AssignedPodAdd, None, Some(Object::Pod(pod.clone())), None, now, cause);
        } else if let Some(profile) = self.profile_of(pod) {
            self.queue.add(pod, profile, now, cause, &self.settings.profiles);
            self.cluster.nominate(pod, &pod.body.status.nominated_node_name);
        }
    }

    /// A pod that was nominated for a node lets it go: others that had to leave room for it may fit now.
    fn lost_nomination(&mut self, pod: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        let event = ClusterEvent { kind: EventKind::AssignedPodDelete, old: Some(Object::Pod(pod.clone())), new: None };
        self.queue.move_up_to(event, pod.body.spec.priority, now, cause, &self.settings.profiles);
    }

    /// A pending pod has changed. Upstream: `updatePodInSchedulingQueue`, `UpdateNominatedPod`: a nomination that the
    /// API server has not told yet stays.
    fn pending_updated(&mut self, old: &Arc<Obj<Pod>>, new: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        let slot = new.meta.id.slot;
        let Some(profile) = self.profile_of(new) else { return };
        if self.cluster.is_assumed(slot) {
            return;
        }
        let (before, after) = (&old.body.status.nominated_node_name, &new.body.status.nominated_node_name);
        if !self.queue.is_in_flight(slot) {
            let told = !(before.is_empty() && after.is_empty());
            let node = self.cluster.nominated.node_of(slot).filter(|_| !told).unwrap_or(after).clone();
            self.cluster.nominate(new, &node);
        }
        self.queue.update(old, new, profile, now, cause, &self.settings.profiles);
        if !before.is_empty() && before != after {
            self.lost_nomination(old, now, cause);
        }
    }

    fn pod_updated(&mut self, old: &Arc<Obj<Pod>>, new: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        let slot = new.meta.id.slot;
        match (old.body.node_name.is_empty(), new.body.node_name.is_empty()) {
            (true, true) => self.pending_updated(old, new, now, cause),
            (true, false) => {
                self.queue.delete(slot);
                self.cluster.nominated.remove(slot);
                self.pod_came(new, now, cause);
            }
            (false, true) => {
                self.pod_deleted(old, now, cause);
                self.pod_came(new, now, cause);
            }
            (false, false) => {
                self.cluster.set_pod(new);
                for event in pod_events(old, new) {
                    let (old, new) = (Object::Pod(old.clone()), Object::Pod(new.clone()));
                    self.happened(event, Some(old), Some(new), None, now, cause);
                }
            }
        }
    }

    fn pod_deleted(&mut self, pod: &Arc<Obj<Pod>>, now: Time, cause: Cause) {
        let slot = pod.meta.id.slot;
        self.queue.delete(slot);
        self.cluster.nominated.remove(slot);
        if self.cluster.remove_pod(slot).is_some() {
            self.happened(EventKind::AssignedPodDelete, Some(Object::Pod(pod.clone())), None, None, now, cause);
        } else if !pod.body.status.nominated_node_name.is_empty() && self.profile_of(pod).is_some() {
            self.lost_nomination(pod, now, cause);
        }
    }

    fn profile_of(&self, pod: &Obj<Pod>) -> Option<u8> {
        let wanted = &pod.body.spec.scheduler_name;
        self.settings.profiles.iter().position(|profile| profile.scheduler_name == *wanted).map(|number| number as u8)
    }
}
