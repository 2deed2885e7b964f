//! What changes of Nodes, Leases, pods and computed heartbeats mean for the controller's memory.

use super::NodeLifecycleController;
use super::health::{Ready, heartbeat};
use super::taints;
use crate::api::{Lease, Node, Obj, Pod};
use crate::client::{Observed, View, WorkQueue};
use crate::event::{Cause, ChangeKind};

impl NodeLifecycleController {
    /// A Node has changed.
    pub(super) fn node_changed(&mut self, old: Option<&Obj<Node>>, node: &Obj<Node>, change: Observed, view: &View) {
        let slot = node.meta.id.slot;
        let old = old.filter(|_| change.kind != ChangeKind::Deleted);
        let Some(known) = self.known.get_mut(&slot) else { return self.note_change(slot, change.cause, view.now) };
        if change.kind == ChangeKind::Deleted {
            known.retry = false;
        }
        let computed = known.beat.is_some();
        known.beat = view.beats.node(&node.meta.name).cloned();
        if computed {
            known.health.heartbeat = heartbeat(node);
        }
        let same = old.is_some_and(|old| {
            Ready::of(old) == Ready::of(node)
                && (computed || heartbeat(old) == heartbeat(node))
                && taints::has_no_execute(old) == taints::has_no_execute(node)
                && old.meta.labels == node.meta.labels
        });
        if !same {
            self.note_change(slot, change.cause, view.now);
        }
    }

    /// A Lease has changed.
    pub(super) fn lease_changed(&mut self, lease: &Obj<Lease>, cause: Cause, view: &View) {
        let Some(node) = view.caches.nodes.by_name("", &lease.meta.name) else { return };
        let slot = node.meta.id.slot;
        let (Some(known), Some(grid)) = (self.known.get_mut(&slot), &self.grid) else { return };
        let computed = known.beat.is_some();
        known.beat = view.beats.node(&node.meta.name).cloned();
        if !computed {
            return self.note_change(slot, cause, view.now);
        }
        // The last of the computed times has been written: it was noticed at the look that followed it.
        if let Some(renewed) = lease.body.renewed {
            let at = view.clock.time_of_micros(renewed);
            known.health.lease = Some(renewed);
            known.health.probe = known.health.probe.max(grid.noticed(at).min(view.now));
        }
        if known.beat.is_none() {
            let deadline = known.health.probe.saturating_add(self.grace.of(known.health.heartbeat));
            self.set_deadline(slot, Some(deadline));
        }
    }

    /// Finds nodes whose heartbeats are computed since the last time, or no longer without that a watch told so.
    pub(super) fn check_beats(&mut self, view: &View) {
        let Some(since) = self.beats_changed_at.take() else { return };
        self.beats = view.beats.clone();
        let mut deadlines = Vec::new();
        for (slot, known) in &mut self.known {
            let beat = view.beats.node(&known.reference.name);
            match (&known.beat, beat) {
                (_, Some(beat)) => {
                    if known.beat.is_none() && known.health.ready == Ready::True {
                        deadlines.push((*slot, None));
                    }
                    known.beat = Some(beat.clone());
                }
                (Some(before), None) => {
                    if let (Some(renewed), Some(grid)) = (before.renewed(since), &self.grid) {
                        known.health.probe = known.health.probe.max(grid.noticed(renewed).min(view.now));
                    }
                    known.beat = None;
                    let grace = self.grace.of(known.health.heartbeat);
                    deadlines.push((*slot, Some(known.health.probe.saturating_add(grace))));
                }
                (None, None) => {}
            }
        }
        for (slot, deadline) in deadlines {
            self.set_deadline(slot, deadline);
        }
    }

    /// A pod has come to a node. Upstream: `podUpdated`.
    pub(super) fn pod_bound(&mut self, pod: &Obj<Pod>, cause: Cause, view: &View, queue: &mut WorkQueue) {
        if self.not_ready == 0 {
            return;
        }
        let node = view.caches.nodes.by_name("", &pod.body.node_name);
        let known = node.and_then(|node| self.known.get(&node.meta.id.slot));
        if known.is_some_and(|known| matches!(known.health.ready, Ready::False | Ready::Unknown)) {
            queue.add(pod.meta.id, cause);
        }
    }
}
