//! Which owners a change concerns, and what it tells about what was expected.
//! Upstream: the event handlers of `pkg/controller/replicaset/replica_set.go`.

use std::sync::Arc;

use super::ReplicaSetController;
use super::owned::Sets;
use crate::api::{Meta, Obj, OwnerReference, Pod, ReplicaSet};
use crate::client::{Observed, View, WorkQueue};
use crate::controllers::pod_util::selects;
use crate::event::ChangeKind;
use crate::kernel::Span;

impl ReplicaSetController {
    pub(super) fn observed(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if let Some(pod) = change.new.get::<Pod>() {
            let old = change.old.and_then(|old| old.get::<Pod>());
            self.pod_observed(change, old, pod, view, queue);
        } else if change.new.kind() == self.sets.owned.kind() {
            let meta = change.new.meta();
            self.sets.observed(&change);
            let before = change.old.map_or(meta.uid, |old| old.meta().uid);
            let life_ended = match change.kind {
                ChangeKind::Added => false,
                ChangeKind::Modified => before != meta.uid,
                ChangeKind::Deleted => true,
            };
            if life_ended {
                self.expectations.forget(meta.id);
                self.tallies.remove(&before);
            }
            queue.add(meta.id, change.cause);
        }
    }

    fn pod_observed(
        &mut self,
        change: Observed,
        old: Option<&Arc<Obj<Pod>>>,
        pod: &Arc<Obj<Pod>>,
        view: &View,
        queue: &mut WorkQueue,
    ) {
        if change.resync {
            return;
        }
        self.keep_tally(change.kind, old, pod);
        match (change.kind, old) {
            (ChangeKind::Deleted, _) => self.pod_deleted(change, pod, view, queue),
            (ChangeKind::Added | ChangeKind::Modified, _) if pod.meta.is_terminating() => {
                self.pod_deleted(change, pod, view, queue);
                if let Some(old) = old.filter(|old| old.meta.labels != pod.meta.labels) {
                    self.pod_deleted(change, old, view, queue);
                }
            }
            (ChangeKind::Modified, Some(old)) => self.pod_modified(change, old, pod, view, queue),
            (ChangeKind::Added | ChangeKind::Modified, _) => match pod.meta.controller() {
                Some(reference) => {
                    if let Some(set) = resolve(&self.sets, &pod.meta, reference, view) {
                        self.expectations.creation_observed(set.meta.id);
                        queue.add(set.meta.id, change.cause);
                    }
                }
                None => ask_all_that_select(&self.sets, pod, change, view, queue),
            },
        }
    }

    fn pod_modified(&mut self, change: Observed, old: &Obj<Pod>, pod: &Obj<Pod>, view: &View, queue: &mut WorkQueue) {
        let (before, after) = (old.meta.controller(), pod.meta.controller());
        if before != after
            && let Some(set) = before.and_then(|reference| resolve(&self.sets, &old.meta, reference, view))
        {
            queue.add(set.meta.id, change.cause);
        }
        let Some(reference) = after else {
            if before != after || old.meta.labels != pod.meta.labels {
                ask_all_that_select(&self.sets, pod, change, view, queue);
            }
            return;
        };
        let Some(set) = resolve(&self.sets, &pod.meta, reference, view) else { return };
        queue.add(set.meta.id, change.cause);
        if set.body.min_ready_seconds > 0 && !old.body.is_ready() && pod.body.is_ready() {
            let after = Span::from_secs(set.body.min_ready_seconds as u64 + 1);
            queue.add_after(set.meta.id, after, change.cause);
        }
    }

    fn pod_deleted(&mut self, change: Observed, pod: &Obj<Pod>, view: &View, queue: &mut WorkQueue) {
        if let Some(set) = pod.meta.controller().and_then(|reference| resolve(&self.sets, &pod.meta, reference, view)) {
            self.expectations.deletion_observed(set.meta.id, pod.meta.uid);
            queue.add(set.meta.id, change.cause);
        }
    }

    /// Takes the old state of a pod out of its owner's tally and puts the new one in.
    fn keep_tally(&mut self, kind: ChangeKind, old: Option<&Arc<Obj<Pod>>>, pod: &Arc<Obj<Pod>>) {
        if let Some(old) = old
            && let Some(tally) = old.meta.controller().and_then(|owner| self.tallies.get_mut(&owner.uid))
        {
            tally.remove(old);
        }
        if kind != ChangeKind::Deleted
            && let Some(tally) = pod.meta.controller().and_then(|owner| self.tallies.get_mut(&owner.uid))
        {
            tally.add(pod);
        }
    }
}

/// The owner that a reference means, if it is one and still the same life. Upstream: `resolveControllerRef`.
fn resolve<'a>(
    sets: &'a Sets,
    of: &Meta,
    reference: &OwnerReference,
    view: &View<'a>,
) -> Option<&'a Arc<Obj<ReplicaSet>>> {
    if reference.kind != sets.owned.name() {
        return None;
    }
    let set = sets.by_name(&of.namespace, &reference.name, view.caches)?;
    (set.meta.uid == reference.uid).then_some(set)
}

/// Asks for a sync of every owner that could adopt an orphan. Upstream: `getPodReplicaSets`.
fn ask_all_that_select(sets: &Sets, pod: &Obj<Pod>, change: Observed, view: &View, queue: &mut WorkQueue) {
    if pod.meta.labels.is_empty() {
        return;
    }
    for set in sets.in_namespace(&pod.meta.namespace, view.caches) {
        let selector = &set.body.selector;
        if !selector.parsed.is_everything() && selects(selector, &pod.meta.labels) {
            queue.add(set.meta.id, change.cause);
        }
    }
}
