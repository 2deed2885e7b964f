//! The Job controller: runs pods to completion and counts each of them once.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/job`) with its feature gates as they are by default: pods are counted by
//! finalizers, a Job ends (`Complete`, `Failed`) only once all its pods are gone or have ended, and `SuccessCriteriaMet`
//! or `FailureTarget` announce it. The generated selector and labels are the server's work.
//!
//! Left out: metrics, the alpha gates, and the scheduling of pod groups. Differences: the finalizers of surplus pods go
//! all before the first deletion; expected deletions are kept by uid; Events about created pods come after the last of
//! them, since a sync reads its answers in one go; pods of indexed Jobs have a spec each, for their host names; orphaned
//! pods share the queue of the Jobs; the Event of a failure whose condition somebody else wrote has the reason `Failed`.

mod backoff;
mod indexes;
mod manage;
mod observe;
mod policy;
mod state;
mod sync;
#[cfg(test)]
mod tests;
mod track;
mod view;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use sync::{Memory, Work, sync, untrack};
pub use view::{Ended, ended};
use view::{Job, is_tracked};

use super::pod_util::selects;
use super::refs::{self, Claims};
use super::script::{Run, Script, Stop};
use crate::api::{Kind, ObjectId};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan, TokenBucket, View,
    Watches, WorkQueue,
};
use crate::event::ErrorReason;
use crate::kernel::Span;

/// `--concurrent-job-syncs`.
pub const CONCURRENT_JOB_SYNCS: Flag =
    Flag { name: "concurrent-job-syncs", default: FlagValue::Int(5), doc: "Jobs that are synced at the same time" };

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "job-controller",
    doc: "runs the pods of Jobs to completion: indexes, back-off, failure and success policies, deadlines, suspension",
    source: "pkg/controller/job",
    watches: Watches::Kinds(&[Kind::Job, Kind::Pod]),
    workers: &CONCURRENT_JOB_SYNCS,
    flags: &[],
    build: |_flags: &Flags| Box::new(JobController::default()),
};

/// The wait after a sync has failed. Upstream: `DefaultJobApiBackOff`, `MaxJobApiBackOff`.
const API_BACKOFF: ItemBackoff = ItemBackoff { base: Span::from_secs(1), max: Span::from_secs(60) };

/// The controller and its memory.
#[derive(Clone, Debug, Default)]
struct JobController {
    /// The Jobs of the cache, read once a change.
    jobs: BTreeMap<u32, Arc<Job>>,
    memory: Memory,
    /// Syncs that wait for an answer.
    running: BTreeMap<ObjectId, (Work, Script)>,
}

impl JobController {
    /// What a sync starts from.
    fn begin(&self, job: &Arc<Job>, view: &View) -> Work {
        let (meta, selector) = (&job.meta, &job.spec.selector);
        let own = view.caches.pods_of(meta.uid);
        let orphans = view.caches.orphan_pods(&meta.namespace);
        let claims = if meta.is_terminating() || selector.parsed.is_everything() {
            let owned = own.filter(|pod| selects(selector, &pod.meta.labels)).cloned().collect();
            Claims { owned, adopt: Vec::new(), release: Vec::new() }
        } else {
            refs::claim(meta, selector, own.chain(orphans))
        };
        Work {
            job: job.clone(),
            satisfied: self.memory.expectations.satisfied(meta.id, view.now),
            claims,
            removing: self.memory.removing.get(&meta.id).cloned().unwrap_or_default(),
            failures: self.memory.failures.get(&meta.id).copied().unwrap_or_default(),
        }
    }

    fn run(&mut self, key: ObjectId, work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut script, view.clock, plan);
        match sync(&mut run, &work, &mut self.memory) {
            Err(Stop::Asked) => drop(self.running.insert(key, (work, script))),
            Err(Stop::Failed(error)) => plan.fail(error),
            Err(Stop::NamespaceTerminating) | Ok(()) => {}
        }
    }

    /// Takes the finalizer off a pod whose Job is gone or has ended. Upstream: `syncOrphanPod`.
    fn release_orphan(&self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(pod) = view.caches.pods.get(key) else { return };
        if let Some(owner) = pod.meta.controller() {
            if owner.kind != "Job" || owner.api_version != "batch/v1" {
                return;
            }
            let job = self.resolve(&pod.meta, owner, view);
            if job.is_some_and(|job| job.spec.is_managed_elsewhere() || !job.is_finished()) {
                return;
            }
        }
        if is_tracked(pod) {
            plan.send_tolerating(untrack(pod), &[ErrorReason::NotFound]);
        }
    }
}

impl Controller for JobController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        self.observed(change, view, queue);
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        if key.kind == Kind::Pod {
            return self.release_orphan(key, view, plan);
        }
        let Some(job) = self.jobs.get(&key.slot).cloned() else {
            return self.memory.forget(key);
        };
        if job.spec.is_managed_elsewhere() {
            return;
        }
        if job.is_finished() {
            self.memory.failures.remove(&key);
            return;
        }
        let work = self.begin(&job, view);
        self.run(key, work, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let Some((work, mut script)) = self.running.remove(&key) else { return };
        if script.take(&outcome, view.now) {
            self.run(key, work, script, view, plan);
        } else {
            self.running.insert(key, (work, script));
        }
    }

    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::new(API_BACKOFF, TokenBucket::unlimited())
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for (key, creations, deletions) in self.memory.expectations.unfulfilled() {
            (key.slot, creations, deletions).hash(&mut hasher);
        }
        for (key, pods) in &self.memory.removing {
            (key.slot, pods.len()).hash(&mut hasher);
        }
        for (key, failures) in &self.memory.failures {
            (key.slot, failures.count).hash(&mut hasher);
        }
        self.running.len().hash(&mut hasher);
    }
}
