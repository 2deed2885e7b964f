//! The CronJob controller: starts a Job each time a schedule says so.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/cronjob/cronjob_controllerv2.go`). How schedules and time zones are read is
//! told in [`crate::api::cron`]; a schedule without a zone is meant in UTC, where kube-controller-manager's machines are.
//!
//! Left out: metrics, and the Event `UnParseableCronJobSchedule` when a schedule is changed into one that cannot be read
//! (`UnparseableSchedule` comes with the next sync). Difference: where the live status knows a Job that the cached one
//! does not, the live one is written on.

mod due;
mod sync;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use sync::{Work, delay_after_change, sync};
use view::CronJob;

use super::script::{Run, Script, Stop};
use crate::api::{Kind, Meta, Name, Obj, Object, ObjectId, OwnerReference, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::ChangeKind;

/// `--concurrent-cron-job-syncs`.
pub const CONCURRENT_CRON_JOB_SYNCS: Flag = Flag {
    name: "concurrent-cron-job-syncs",
    default: FlagValue::Int(5),
    doc: "CronJobs that are synced at the same time",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "cronjob-controller",
    doc: "starts Jobs by schedules in time zones: concurrency, deadlines, missed runs, history limits",
    source: "pkg/controller/cronjob",
    watches: Watches::Kinds(&[Kind::CronJob, Kind::Job]),
    workers: &CONCURRENT_CRON_JOB_SYNCS,
    flags: &[],
    build: |_flags: &Flags| Box::new(CronJobController::default()),
};

/// The controller and its memory.
#[derive(Clone, Debug, Default)]
struct CronJobController {
    /// The CronJobs of the cache, read once a change.
    crons: BTreeMap<u32, Arc<CronJob>>,
    /// The Jobs by namespace and the name of their controller.
    children: BTreeMap<(Name, Name), BTreeSet<u32>>,
    /// Syncs that wait for an answer.
    running: BTreeMap<ObjectId, (Work, Script)>,
}

impl CronJobController {
    fn cron_observed(&mut self, change: Observed, object: &Arc<Obj<Untyped>>, view: &View, queue: &mut WorkQueue) {
        let (id, slot) = (object.meta.id, object.meta.id.slot);
        if change.kind == ChangeKind::Deleted {
            self.crons.remove(&slot);
            return;
        }
        let cron = Arc::new(CronJob::of(object));
        let old = self.crons.insert(slot, cron.clone()).filter(|_| change.kind == ChangeKind::Modified);
        match old.filter(|old| old.text != cron.text || old.zone_name != cron.zone_name) {
            Some(_) => {
                if let Some(delay) = delay_after_change(&cron, view) {
                    queue.add_after(id, delay, change.cause);
                }
            }
            None => queue.add(id, change.cause),
        }
    }

    fn job_observed(&mut self, change: Observed, job: &Obj<Untyped>, view: &View, queue: &mut WorkQueue) {
        let old = change.old.map(Object::meta).filter(|_| change.kind != ChangeKind::Added);
        let owner = |meta: &Meta| meta.controller().cloned();
        let key = |owner: &OwnerReference| (job.meta.namespace.clone(), owner.name.clone());
        let (before, after) = (old.and_then(owner), owner(&job.meta));
        if let Some(before) = &before
            && let Some(children) = self.children.get_mut(&key(before))
        {
            children.remove(&job.meta.id.slot);
            if children.is_empty() {
                self.children.remove(&key(before));
            }
        }
        if let Some(after) = after.as_ref().filter(|_| change.kind != ChangeKind::Deleted) {
            self.children.entry(key(after)).or_default().insert(job.meta.id.slot);
        }
        if change.resync {
            return;
        }
        for owner in before.iter().filter(|_| before != after).chain(&after) {
            if let Some(id) = resolve(&job.meta, owner, view) {
                queue.add(id, change.cause);
            }
        }
    }

    fn run(&mut self, key: ObjectId, work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut script, view.clock, plan);
        match sync(&mut run, &work) {
            Err(Stop::Asked) => drop(self.running.insert(key, (work, script))),
            Err(Stop::Failed(error)) => plan.fail(error),
            Err(Stop::NamespaceTerminating) | Ok(()) => {}
        }
    }
}

/// The CronJob that a reference means, if it is one and still the same life.
fn resolve(of: &Meta, reference: &OwnerReference, view: &View) -> Option<ObjectId> {
    if reference.kind != "CronJob" {
        return None;
    }
    let meta = view.caches.meta_by_name(Kind::CronJob, &of.namespace, &reference.name)?;
    (meta.uid == reference.uid).then_some(meta.id)
}

impl Controller for CronJobController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if let Object::Untyped(object) = change.new {
            match object.meta.id.kind {
                Kind::CronJob => self.cron_observed(change, object, view, queue),
                Kind::Job => self.job_observed(change, object, view, queue),
                _ => {}
            }
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(cron) = self.crons.get(&key.slot).cloned() else { return };
        let jobs = view.caches.others.get(&Kind::Job);
        let children = self.children.get(&(cron.meta.namespace.clone(), cron.meta.name.clone()));
        let slots = children.into_iter().flatten();
        let jobs = slots.filter_map(|slot| jobs?.by_slot(*slot)).cloned().collect();
        self.run(key, Work { cron, jobs }, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let Some((work, mut script)) = self.running.remove(&key) else { return };
        if script.take(&outcome, view.now) {
            self.run(key, work, script, view, plan);
        } else {
            self.running.insert(key, (work, script));
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.crons.len(), self.children.len(), self.running.len()).hash(&mut hasher);
    }
}
