//! Which Jobs a change concerns, and what it tells about what was expected.
//! Upstream: the event handlers of `pkg/controller/job/job_controller.go`.

use std::sync::Arc;

use super::sync::BATCH;
use super::view::{Job, is_tracked, timestamp};
use super::{JobController, selects};
use crate::api::{Kind, Meta, Obj, Object, OwnerReference, Pod, Untyped};
use crate::client::{Observed, View, WorkQueue};
use crate::event::{Cause, ChangeKind};
use crate::kernel::Span;

impl JobController {
    pub(super) fn observed(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        match change.new {
            Object::Pod(pod) if !change.resync => {
                let old = change.old.and_then(|old| old.get::<Pod>());
                self.pod_observed(change, old, pod, view, queue);
            }
            Object::Untyped(object) if object.meta.id.kind == Kind::Job => {
                self.job_observed(change, object, view, queue);
            }
            Object::Pod(_)
            | Object::Untyped(_)
            | Object::Node(_)
            | Object::Namespace(_)
            | Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
        }
    }

    fn job_observed(&mut self, change: Observed, object: &Arc<Obj<Untyped>>, view: &View, queue: &mut WorkQueue) {
        let (id, slot) = (object.meta.id, object.meta.id.slot);
        let old = self.jobs.remove(&slot);
        let same_life = old.as_ref().is_some_and(|old| old.meta.uid == object.meta.uid);
        let job = Arc::new(Job::of(object, old.as_deref()));
        let is_gone = change.kind == ChangeKind::Deleted;
        if let Some(old) = old.as_ref().filter(|_| is_gone || !same_life) {
            self.memory.forget(id);
            release_all(old, view, queue, change.cause);
        }
        let same_wish = old.as_ref().is_some_and(|old| old.meta.generation == object.meta.generation);
        let delay = if same_life && same_wish && !is_gone { BATCH } else { Span::ZERO };
        queue.add_after(id, delay, change.cause);
        if is_gone {
            return;
        }
        if job.is_finished() {
            release_all(&job, view, queue, change.cause);
        }
        let deadline = job.spec.full.active_deadline_seconds;
        let before = old.as_ref().and_then(|old| old.spec.full.active_deadline_seconds);
        if let (Some(start), Some(seconds), true) = (&job.status.start_time, deadline, same_life && deadline != before)
        {
            let due = view.clock.time(timestamp(start)) + Span::from_secs(seconds.max(0) as u64);
            let left = if due > view.now { due.since(view.now) } else { Span::ZERO };
            queue.add_after(id, left, change.cause);
        }
        self.jobs.insert(slot, job);
    }

    fn pod_observed(
        &mut self,
        change: Observed,
        old: Option<&Arc<Obj<Pod>>>,
        pod: &Arc<Obj<Pod>>,
        view: &View,
        queue: &mut WorkQueue,
    ) {
        if change.kind == ChangeKind::Deleted || pod.meta.is_terminating() {
            return self.pod_goes(change, pod, view, queue);
        }
        let (before, after) = (old.and_then(|old| old.meta.controller()), pod.meta.controller());
        let untracked = change.kind == ChangeKind::Modified && !is_tracked(pod);
        if let (Some(reference), true) = (before, before != after)
            && let Some(id) = self.resolve(&pod.meta, reference, view).map(|job| job.meta.id)
        {
            if untracked {
                self.memory.removal_observed(id, pod.meta.uid);
            }
            queue.add_after(id, BATCH, change.cause);
        }
        if let Some(reference) = after {
            let Some(id) = self.resolve(&pod.meta, reference, view).map(|job| job.meta.id) else { return };
            if change.kind == ChangeKind::Added {
                self.memory.expectations.creation_observed(id);
            } else if untracked {
                self.memory.removal_observed(id, pod.meta.uid);
            }
            queue.add_after(id, BATCH, change.cause);
            return;
        }
        if is_tracked(pod) {
            queue.add(pod.meta.id, change.cause);
        }
        if old.is_none_or(|old| before != after || old.meta.labels != pod.meta.labels) {
            self.ask_all_that_select(pod, view, queue, change.cause);
        }
    }

    /// A pod is to go, or gone. Upstream: `deletePod`.
    fn pod_goes(&mut self, change: Observed, pod: &Obj<Pod>, view: &View, queue: &mut WorkQueue) {
        let tracked = is_tracked(pod);
        let job = pod.meta.controller().and_then(|reference| self.resolve(&pod.meta, reference, view));
        let Some(id) = job.filter(|job| !job.is_finished()).map(|job| job.meta.id) else {
            if tracked {
                queue.add(pod.meta.id, change.cause);
            }
            return;
        };
        self.memory.expectations.deletion_observed(id, pod.meta.uid);
        if change.kind == ChangeKind::Deleted || !tracked {
            self.memory.removal_observed(id, pod.meta.uid);
        }
        queue.add_after(id, BATCH, change.cause);
    }

    /// The Job that a reference means, if it is one and still the same life. Upstream: `resolveControllerRef`.
    pub(super) fn resolve(&self, of: &Meta, reference: &OwnerReference, view: &View) -> Option<&Arc<Job>> {
        if reference.kind != "Job" {
            return None;
        }
        let meta = view.caches.meta_by_name(Kind::Job, &of.namespace, &reference.name)?;
        self.jobs.get(&meta.id.slot).filter(|job| job.meta.uid == reference.uid)
    }

    /// Asks for a sync of every Job that could adopt an orphan. Upstream: `getPodJobs`.
    fn ask_all_that_select(&self, pod: &Obj<Pod>, view: &View, queue: &mut WorkQueue, cause: Cause) {
        let jobs = view.caches.others.get(&Kind::Job);
        if pod.meta.labels.is_empty() {
            return;
        }
        for object in jobs.into_iter().flat_map(|jobs| jobs.in_namespace(&pod.meta.namespace)) {
            let Some(job) = self.jobs.get(&object.meta.id.slot) else { continue };
            let selector = &job.spec.selector;
            if !selector.parsed.is_everything() && selects(selector, &pod.meta.labels) {
                queue.add_after(job.meta.id, BATCH, cause);
            }
        }
    }
}

/// Asks for the finalizers of a Job's pods to be taken off. Upstream: `cleanupPodFinalizers`.
fn release_all(job: &Job, view: &View, queue: &mut WorkQueue, cause: Cause) {
    let selected = |pod: &&Arc<Obj<Pod>>| is_tracked(pod) && selects(&job.spec.selector, &pod.meta.labels);
    for pod in view.caches.pods_of(job.meta.uid).filter(selected) {
        queue.add(pod.meta.id, cause);
    }
}
