//! What a sync knows of its Job: pods counted and sorted, what they mean for the Job's end, and the status as it becomes.
//! Pure functions over one snapshot. Upstream: `syncJobCtx` and the first half of `syncJob`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::batch::v1 as batch;

use super::backoff::{Failures, finished_at};
use super::indexes::Intervals;
use super::policy::{self, Judgement};
use super::view::{
    INDEX_FAILURES, INDEX_IGNORED_FAILURES, Job, Spec, annotated_count, completion_index, condition, find_condition,
    is_tracked, timestamp, uids,
};
use crate::api::{Clock, Obj, Pod, PodPhase, Uid};
use crate::controllers::pod_util::{is_active, is_terminating};
use crate::kernel::{Span, Time};

/// A pod as caches share it.
pub(super) type SharedPod = Arc<Obj<Pod>>;

/// What a sync knows.
#[derive(Clone, Debug)]
pub(super) struct State<'a> {
    /// The Job as the sync found it.
    pub(super) job: &'a Job,
    /// Its wish.
    pub(super) spec: &'a Spec,
    /// Its pods, those that have ended included.
    pub(super) pods: Vec<SharedPod>,
    /// Those that neither have ended nor are to go.
    pub(super) active: Vec<SharedPod>,
    /// How many of these are ready.
    pub(super) ready: i32,
    /// How many are on their way out.
    pub(super) terminating: i32,
    /// Pods whose finalizer this controller has removed, though its cache does not show it yet.
    pub(super) removing: &'a BTreeSet<Uid>,
    /// `uncountedTerminatedPods` as the sync found it: succeeded and failed.
    pub(super) was_uncounted: (BTreeSet<Uid>, BTreeSet<Uid>),
    /// The same as it becomes, in the order in which pods were added.
    pub(super) uncounted: (Vec<Uid>, Vec<Uid>),
    /// All that succeeded so far; of indexed Jobs the indexes.
    pub(super) succeeded: i32,
    /// All that failed so far.
    failed: i32,
    /// The failures since the last success.
    pub(super) failures: Failures,
    /// The indexes that had succeeded before.
    pub(super) succeeded_before: Intervals,
    /// Those that have now.
    pub(super) succeeded_indexes: Intervals,
    /// Those that have failed for good, where the limit is by index.
    pub(super) failed_indexes: Option<Intervals>,
    /// The failed pod of each index that stays until its successor has been made, since it hands its count on.
    pub(super) delayed: BTreeMap<i32, SharedPod>,
    /// The condition that ends the Job.
    pub(super) finished: Option<batch::JobCondition>,
    /// The status as it becomes.
    pub(super) status: batch::JobStatus,
}

impl<'a> State<'a> {
    /// Counts.
    pub(super) fn new(job: &'a Job, pods: Vec<SharedPod>, removing: &'a BTreeSet<Uid>, failures: Failures) -> Self {
        let status = job.status.clone();
        let uncounted = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let parsed = |list: Option<&Vec<String>>| -> Vec<Uid> {
            list.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
        };
        let active: Vec<SharedPod> = pods.iter().filter(|pod| is_active(pod)).cloned().collect();
        let mut state = State {
            job,
            spec: &job.spec,
            ready: active.iter().filter(|pod| pod.body.is_ready()).count() as i32,
            terminating: pods.iter().filter(|pod| is_terminating(pod)).count() as i32,
            active,
            pods,
            removing,
            was_uncounted: (uids(uncounted.succeeded.as_ref()), uids(uncounted.failed.as_ref())),
            uncounted: (parsed(uncounted.succeeded.as_ref()), parsed(uncounted.failed.as_ref())),
            succeeded: 0,
            failed: 0,
            failures,
            succeeded_before: Intervals::default(),
            succeeded_indexes: Intervals::default(),
            failed_indexes: None,
            delayed: BTreeMap::new(),
            finished: None,
            status,
        };
        let succeeded = state.newly(&state.was_uncounted.0, |pod| pod.body.status.phase == PodPhase::Succeeded);
        let failed = state.newly(&state.was_uncounted.1, |pod| state.has_failed(pod));
        let counted = failed.iter().filter(|pod| state.judge(pod).counts()).count();
        let (old_succeeded, old_failed) = (&state.was_uncounted.0, &state.was_uncounted.1);
        state.succeeded = state.status.succeeded.unwrap_or(0) + (succeeded.len() + old_succeeded.len()) as i32;
        state.failed = state.status.failed.unwrap_or(0) + (counted + old_failed.len()) as i32;
        state.failures = failures.after(&succeeded, &failed);
        state
    }

    /// Whether a pod waits to be counted.
    pub(super) fn is_to_count(&self, pod: &Obj<Pod>) -> bool {
        is_tracked(pod) && !self.removing.contains(&pod.meta.uid)
    }

    /// Whether a pod counts as failed. Deleted pods do, since some never get to the phase Failed, unless pods are
    /// replaced only once they have failed. Upstream: `isPodFailed`.
    pub(super) fn has_failed(&self, pod: &Obj<Pod>) -> bool {
        let phase = pod.body.status.phase;
        let deleted = !self.spec.replaces_failed_only() && pod.meta.is_terminating() && phase != PodPhase::Succeeded;
        phase == PodPhase::Failed || deleted
    }

    /// What the pod failure policy says of a failed pod.
    pub(super) fn judge(&self, pod: &Obj<Pod>) -> Judgement {
        policy::judge(self.spec.full.pod_failure_policy.as_ref(), pod)
    }

    /// The pods that are to be counted and are not in a list. Upstream: `getValidPodsWithFilter`.
    fn newly(&self, listed: &BTreeSet<Uid>, filter: impl Fn(&Obj<Pod>) -> bool) -> Vec<SharedPod> {
        let is_valid = |pod: &Obj<Pod>| !self.spec.is_indexed() || self.spec.index(pod).is_some();
        let pods = self.pods.iter().filter(|pod| self.is_to_count(pod) && !listed.contains(&pod.meta.uid));
        pods.filter(|pod| is_valid(pod) && filter(pod)).cloned().collect()
    }

    /// Works out whether the Job ends. Gives how long its deadline leaves it where it goes on.
    pub(super) fn judge_end(&mut self, now: Time, clock: Clock) -> Option<Span> {
        let stamp = clock.timestamp(now);
        let mut left = None;
        let met = |kind: &str| find_condition(&self.job.status, kind).filter(|condition| condition.status == "True");
        self.finished = met("SuccessCriteriaMet").cloned();
        if self.finished.is_none() {
            self.finished = match met("FailureTarget") {
                Some(target) => Some(failed_for(target, stamp)),
                None => self.failure_message().map(|text| condition("FailureTarget", "PodFailurePolicy", text, stamp)),
            };
        }
        let failure = |reason: &str, message: &str| Some(condition("FailureTarget", reason, message, stamp));
        if self.finished.is_none() {
            if self.failed > self.spec.backoff_limit() || self.restarted_too_often() {
                self.finished = failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
            } else if let Some(seconds) = self.spec.full.active_deadline_seconds.filter(|_| !self.spec.is_suspended()) {
                let started = self.status.start_time.as_ref().map_or(now, |start| clock.time(timestamp(start)));
                let (passed, allowed) = (now.since(started), Span::from_secs(seconds.max(0) as u64));
                if passed >= allowed {
                    self.finished = failure("DeadlineExceeded", "Job was active longer than specified deadline");
                } else {
                    left = Some(Span::from_nanos(allowed.as_nanos() - passed.as_nanos()));
                }
            }
        }
        if self.spec.is_indexed() {
            self.look_at_indexes();
            let failed = self.failed_indexes.as_ref().map_or(0, Intervals::total);
            if self.finished.is_none() && failed > 0 {
                if self.spec.full.max_failed_indexes.is_some_and(|most| failed > most) {
                    let message = "Job has exceeded the specified maximal number of failed indexes";
                    self.finished = failure("MaxFailedIndexesExceeded", message);
                } else if failed + self.succeeded_indexes.total() >= self.spec.completions() {
                    self.finished = failure("FailedIndexes", "Job has failed indexes");
                }
            }
            if self.finished.is_none() {
                let rules = self.spec.full.success_policy.as_ref();
                let matched = policy::succeeded(rules, self.spec.completions(), &self.succeeded_indexes);
                self.finished = matched.map(|text| condition("SuccessCriteriaMet", "SuccessPolicy", text, stamp));
            }
        }
        left
    }

    /// The message of the first failed pod that fails the Job. Upstream: `getFailJobMessage`.
    fn failure_message(&self) -> Option<String> {
        self.spec.full.pod_failure_policy.as_ref()?;
        self.pods.iter().filter(|pod| self.has_failed(pod)).find_map(|pod| match self.judge(pod) {
            Judgement::FailJob(message) => Some(message),
            Judgement::Count | Judgement::Ignore | Judgement::FailIndex => None,
        })
    }

    /// Whether containers that are restarted in place have used up the limit. Upstream: `pastBackoffLimitOnFailure`.
    fn restarted_too_often(&self) -> bool {
        if !self.spec.restarts_on_failure {
            return false;
        }
        let runs = |pod: &&SharedPod| matches!(pod.body.status.phase, PodPhase::Running | PodPhase::Pending);
        let restarts = |pod: &SharedPod| {
            let status = &pod.body.status;
            status
                .init_containers
                .iter()
                .chain(&status.containers)
                .map(|found| i64::from(found.restart_count))
                .sum::<i64>()
        };
        let restarts: i64 = self.pods.iter().filter(runs).map(restarts).sum();
        let limit = i64::from(self.spec.backoff_limit());
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    /// Which indexes have succeeded and failed. Upstream: `calculateSucceededIndexes`, `calculateFailedIndexes`.
    fn look_at_indexes(&mut self) {
        let completions = self.spec.completions();
        let tracked = || self.pods.iter().filter(|pod| is_tracked(pod));
        let indexes = |filter: &dyn Fn(&Obj<Pod>) -> bool| -> BTreeSet<i32> {
            tracked().filter(|pod| filter(pod)).filter_map(|pod| self.spec.index(pod)).collect()
        };
        let before = Intervals::parse(self.status.completed_indexes.as_deref().unwrap_or(""), completions);
        let succeeded = before.with(&indexes(&|pod| pod.body.status.phase == PodPhase::Succeeded));
        let failed = self.spec.full.backoff_limit_per_index.map(|limit| {
            let before = Intervals::parse(self.status.failed_indexes.as_deref().unwrap_or(""), completions);
            before.with(&indexes(&|pod| self.has_failed_index(pod, limit)))
        });
        (self.succeeded_before, self.succeeded_indexes, self.failed_indexes) = (before, succeeded, failed);
        self.succeeded = self.succeeded_indexes.total();
        if self.failed_indexes.is_some() {
            self.delayed = self.delayed_pods();
        }
    }

    /// Whether the index of a pod has failed with it. Upstream: `isIndexFailed`.
    fn has_failed_index(&self, pod: &Obj<Pod>, limit: i32) -> bool {
        if !self.has_failed(pod) {
            return false;
        }
        let judgement = self.judge(pod);
        judgement == Judgement::FailIndex || (judgement.counts() && annotated_count(pod, INDEX_FAILURES) >= limit)
    }

    /// Upstream: `getPodsWithDelayedDeletionPerIndex`.
    fn delayed_pods(&self) -> BTreeMap<i32, SharedPod> {
        let active = indexes_of(&self.active);
        let mut delayed: BTreeMap<i32, SharedPod> = BTreeMap::new();
        for pod in self.newly(&BTreeSet::new(), |pod| self.has_failed(pod)) {
            let Some(index) = self.spec.index(&pod) else { continue };
            let failed = self.failed_indexes.as_ref().is_some_and(|failed| failed.has(index));
            if self.succeeded_indexes.has(index) || failed || active.contains(&index) {
                continue;
            }
            let is_later =
                |last: &SharedPod| all_failures(last) <= all_failures(&pod) && finished_at(&pod) >= finished_at(last);
            if delayed.get(&index).is_none_or(is_later) {
                delayed.insert(index, pod);
            }
        }
        delayed
    }
}

/// The failures of a pod's index before it, ignored ones included. Upstream: `getIndexAbsoluteFailureCount`.
pub(super) fn all_failures(pod: &Obj<Pod>) -> i32 {
    annotated_count(pod, INDEX_FAILURES).saturating_add(annotated_count(pod, INDEX_IGNORED_FAILURES))
}

/// The indexes of pods.
pub(super) fn indexes_of(pods: &[SharedPod]) -> BTreeSet<i32> {
    pods.iter().filter_map(|pod| completion_index(pod)).collect()
}

/// The condition that follows `FailureTarget` once all pods are gone. Upstream: `newFailedConditionForFailureTarget`.
pub(super) fn failed_for(target: &batch::JobCondition, now: crate::api::Timestamp) -> batch::JobCondition {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    condition("Failed", &text(&target.reason), text(&target.message), now)
}
