//! How long a Job waits with new pods after failures: 10 s, doubling to 10 min, since the last success.
//! Upstream: `pkg/controller/job/backoff_utils.go`.

use std::sync::Arc;

use crate::api::{Clock, ConditionStatus, ContainerState, Obj, Pod, PodConditionType, Timestamp};
use crate::kernel::{Span, Time};

/// After the first failure. Upstream: `DefaultJobPodFailureBackOff`.
const FIRST: Span = Span::from_secs(10);
/// At most. Upstream: `MaxJobPodFailureBackOff`.
const MAX: Span = Span::from_mins(10);

/// What a Job's failures so far mean for its next pods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Failures {
    /// Failures since the last success.
    pub(super) count: u32,
    /// When the last of them was.
    pub(super) last: Option<Timestamp>,
}

impl Failures {
    /// The same after these pods have ended. Upstream: `newBackoffRecord`.
    pub(super) fn after(self, succeeded: &[Arc<Obj<Pod>>], failed: &[Arc<Obj<Pod>>]) -> Failures {
        let last_failure = failed.iter().map(|pod| finished_at(pod)).max();
        let Some(last_success) = succeeded.iter().map(|pod| finished_at(pod)).max() else {
            let count = self.count + failed.len() as u32;
            return Failures { count, last: last_failure.or(self.last) };
        };
        let later = failed.iter().filter(|pod| finished_at(pod) > last_success).count() as u32;
        Failures { count: later, last: last_failure.filter(|_| later > 0) }
    }

    /// How long to wait still. Upstream: `getRemainingTimeForFailuresCount`.
    pub(super) fn remaining(self, now: Time, clock: Clock) -> Span {
        let Some(last) = self.last.filter(|_| self.count > 0) else { return Span::ZERO };
        let mut wait = FIRST;
        for _ in 1..self.count {
            wait = wait * 2;
            if wait >= MAX {
                wait = MAX;
                break;
            }
        }
        let until = clock.time(last) + wait;
        if until > now { until.since(now) } else { Span::ZERO }
    }
}

/// When a pod ended: the last of its containers, else when it ceased to be ready, else when it was deleted, else when it
/// was created. Upstream: `getFinishedTime`.
pub(super) fn finished_at(pod: &Obj<Pod>) -> Timestamp {
    let status = &pod.body.status;
    let ended = status.containers.iter().map(|container| match &container.state {
        ContainerState::Terminated(ended) if ended.finished_at != Timestamp::default() => Some(ended.finished_at),
        ContainerState::Terminated(_) | ContainerState::Waiting(_) | ContainerState::Running { .. } => None,
    });
    let ended: Option<Vec<Timestamp>> = ended.collect();
    let unready = || {
        let ready = pod.body.condition(PodConditionType::Ready)?;
        (ready.status == ConditionStatus::False).then_some(ready.last_transition)
    };
    let deleted = || {
        let deletion = pod.meta.deletion?;
        Some(Timestamp(deletion.timestamp.0 - deletion.grace_seconds.unwrap_or(0)))
    };
    ended.and_then(|ended| ended.into_iter().max()).or_else(unready).or_else(deleted).unwrap_or(pod.meta.created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::test_support::running_pod;

    fn ended(at: i64) -> Arc<Obj<Pod>> {
        let mut pod = running_pod("p", "n1");
        let base = Clock::DEFAULT.start_unix_seconds;
        pod.body.status.set_condition(PodConditionType::Ready, ConditionStatus::False, None, Timestamp(base + at));
        Arc::new(pod)
    }

    /// Failures and successes at these seconds, then how long is waited at a second.
    #[track_caller]
    fn check(failed: &[i64], succeeded: &[i64], at: u64, expected_secs: u64) {
        let pods = |times: &[i64]| times.iter().map(|at| ended(*at)).collect::<Vec<_>>();
        let failures = Failures::default().after(&pods(succeeded), &pods(failed));
        let remaining = failures.remaining(Time::ZERO + Span::from_secs(at), Clock::DEFAULT);
        assert_eq!(remaining, Span::from_secs(expected_secs), "{failed:?} {succeeded:?} {failures:?}");
    }

    #[test]
    fn the_wait_doubles_with_each_failure_since_the_last_success() {
        check(&[], &[], 0, 0);
        check(&[5], &[], 5, 10);
        check(&[5], &[], 12, 3);
        check(&[5], &[], 15, 0);
        check(&[1, 5], &[], 5, 20);
        check(&[1, 2, 3, 4, 5, 6], &[], 6, 320);
        check(&[1, 2, 3, 4, 5, 6, 7], &[], 7, 600);
        check(&[1; 40], &[], 1, 600);
        check(&[1, 5], &[3], 5, 10);
        check(&[1, 5], &[6], 6, 0);
        check(&[5], &[5], 5, 0);
    }

    #[test]
    fn failures_add_up_over_syncs_until_a_pod_succeeds() {
        let once = Failures::default().after(&[], &[ended(1)]);
        let twice = once.after(&[], &[ended(20)]);
        assert_eq!(twice.count, 2);
        assert_eq!(twice.after(&[], &[]), twice);
        assert_eq!(twice.after(&[ended(30)], &[]), Failures::default());
    }
}
