//! Deletes Jobs some time after they have ended, as `ttlSecondsAfterFinished` says.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/ttlafterfinished`). Left out: metrics, and the warning about clocks that differ.

use crate::api::{Kind, Obj, Object, ObjectId, Untyped};
use crate::client::{Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue};
use crate::controllers::job::ended;
use crate::event::{ChangeKind, DeleteOptions, ErrorReason, Preconditions, Propagation, Request, Target};
use crate::kernel::Span;

/// `--concurrent-ttl-after-finished-syncs`.
pub const CONCURRENT_TTL_AFTER_FINISHED_SYNCS: Flag = Flag {
    name: "concurrent-ttl-after-finished-syncs",
    default: FlagValue::Int(5),
    doc: "Jobs whose time to live after their end is looked at at the same time",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "ttl-after-finished-controller",
    doc: "deletes Jobs that have ended once their ttlSecondsAfterFinished is over",
    source: "pkg/controller/ttlafterfinished",
    watches: Watches::Kinds(&[Kind::Job]),
    workers: &CONCURRENT_TTL_AFTER_FINISHED_SYNCS,
    flags: &[],
    build: |_flags| Box::new(TtlAfterFinished),
};

const FRESH: u32 = 1;
const DELETED: u32 = 2;

/// The controller; it remembers nothing.
#[derive(Clone, Debug)]
struct TtlAfterFinished;

/// How long a Job that has ended may stay still; none where it may for ever. Upstream: `timeLeft`.
fn time_left(job: &Obj<Untyped>, view: &View) -> Option<Span> {
    let ttl = job.body.fields.get("spec")?.get("ttlSecondsAfterFinished")?.as_u64()?;
    let ended = ended(job).filter(|_| !job.meta.is_terminating())?;
    let due = view.clock.time(ended.at?) + Span::from_secs(ttl);
    Some(if due > view.now { due.since(view.now) } else { Span::ZERO })
}

/// Looks at a Job: nothing to do, wait, or `true` where its time is over.
fn is_over(job: &Obj<Untyped>, view: &View, plan: &mut Plan) -> bool {
    match time_left(job, view) {
        Some(Span::ZERO) => true,
        Some(left) => {
            plan.requeue_after(left);
            false
        }
        None => false,
    }
}

impl Controller for TtlAfterFinished {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if let Object::Untyped(job) = change.new
            && change.kind != ChangeKind::Deleted
            && time_left(job, view).is_some()
        {
            queue.add(job.meta.id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let job = view.caches.others.get(&key.kind).and_then(|jobs| jobs.get(key));
        if job.is_some_and(|job| is_over(job, view, plan)) {
            // The cache may lag behind: the Job itself is asked.
            plan.ask(FRESH, Request::Get(Target::Id(key)));
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        match &outcome.replies[0] {
            Ok(answer) if outcome.label == FRESH => {
                let Some(Object::Untyped(job)) = answer.object() else { return };
                if is_over(job, view, plan) {
                    let options = DeleteOptions {
                        propagation: Some(Propagation::Foreground),
                        preconditions: Preconditions { uid: Some(job.meta.uid), resource_version: None },
                        ..DeleteOptions::default()
                    };
                    plan.ask(DELETED, Request::Delete { target: Target::Id(key), options });
                }
            }
            Ok(_) => {}
            Err(error) if outcome.label == FRESH && error.reason == ErrorReason::NotFound => {}
            Err(error) => plan.fail(error.message.clone()),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, _hasher: &mut dyn std::hash::Hasher) {}
}
