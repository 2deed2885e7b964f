//! Jobs and the work of their pods: when the first came and the last ended, and how much work was for nothing.
//!
//! Work is the time from a pod's binding until it ends or is gone. It is useful where the pod succeeded and wasted where
//! it failed, was evicted, deleted or lost; a pod that still runs counts as neither.

use crate::api::{Kind, Obj, Object, Pod, PodPhase, Uid};
use crate::controllers::job::ended;
use crate::event::ChangeKind;
use crate::kernel::{Span, Time};
use crate::store::Commit;

/// The Jobs so far.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// How many there were.
    pub jobs: u64,
    /// How many of them are or were complete.
    pub complete: u64,
    /// How many have failed.
    pub failed: u64,
    /// When the first came.
    pub first: Option<Time>,
    /// When the last that has ended did so.
    pub last_end: Option<Time>,
    /// The work of pods that succeeded.
    pub useful: Span,
    /// The work of pods that did not.
    pub wasted: Span,
    /// How many these were.
    pub wasted_pods: u64,
    /// When the pods that work were bound.
    bound: imbl::OrdMap<Uid, Time>,
}

impl Batch {
    pub(super) fn observe(&mut self, now: Time, commit: &Commit) {
        match &commit.object {
            Object::Untyped(job) if job.meta.id.kind == Kind::Job => {
                if commit.kind == ChangeKind::Added {
                    self.jobs += 1;
                    self.first.get_or_insert(now);
                }
                let before = commit.before.as_ref().and_then(|before| match before {
                    Object::Untyped(before) => ended(before),
                    _ => None,
                });
                if let Some(ended) = ended(job).filter(|_| before.is_none()) {
                    let count = if ended.complete { &mut self.complete } else { &mut self.failed };
                    *count += 1;
                    self.last_end = Some(now);
                }
            }
            Object::Pod(pod) if pod.meta.controller().is_some_and(|owner| owner.kind == "Job") => {
                self.pod(now, pod, commit.kind == ChangeKind::Deleted);
            }
            _ => {}
        }
    }

    fn pod(&mut self, now: Time, pod: &Obj<Pod>, is_gone: bool) {
        let phase = pod.body.status.phase;
        if !phase.is_finished() && !is_gone {
            if !pod.body.node_name.is_empty() {
                self.bound.entry(pod.meta.uid).or_insert(now);
            }
            return;
        }
        let Some(since) = self.bound.remove(&pod.meta.uid) else { return };
        let work = now.since(since);
        if phase == PodPhase::Succeeded {
            self.useful += work;
        } else {
            self.wasted += work;
            self.wasted_pods += 1;
        }
    }
}
