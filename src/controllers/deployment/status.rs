//! The status and the conditions of a Deployment, and whether it gets on.
//! Upstream: `pkg/controller/deployment/progress.go`, `calculateStatus` in `sync.go`, `util/deployment_util.go`.

use std::sync::Arc;

use super::rolling::fenceposts;
use crate::api::{
    Clock, Condition, ConditionStatus, Deployment, DeploymentStatus, Name, Obj, ReplicaSet, Timestamp, find_condition,
};
use crate::controllers::replicaset::status::REPLICA_FAILURE;
use crate::kernel::{Span, Time};

/// The condition that says whether a rollout gets on.
pub const PROGRESSING: &str = "Progressing";
/// The condition that says whether enough pods are available.
pub const AVAILABLE: &str = "Available";
/// Reason of `Progressing`: sizes or readiness have changed.
pub const REPLICA_SET_UPDATED: &str = "ReplicaSetUpdated";
/// Reason of `Progressing`: the new ReplicaSet could not be created.
pub const REPLICA_SET_CREATE_ERROR: &str = "ReplicaSetCreateError";
/// Reason of `Progressing`: the new ReplicaSet has been created.
pub const NEW_REPLICA_SET_CREATED: &str = "NewReplicaSetCreated";
/// Reason of `Progressing`: the new ReplicaSet was there already.
pub const FOUND_NEW_REPLICA_SET: &str = "FoundNewReplicaSet";
/// Reason of `Progressing`: the rollout is complete.
pub const NEW_REPLICA_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
/// Reason of `Progressing`: nothing has changed for too long.
pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
/// Reason of `Progressing`: the Deployment is paused.
pub const DEPLOYMENT_PAUSED: &str = "DeploymentPaused";
/// Reason of `Progressing`: the Deployment is no longer paused.
pub const DEPLOYMENT_RESUMED: &str = "DeploymentResumed";

/// A condition as of now.
pub fn condition(kind: &str, status: ConditionStatus, reason: &str, message: Name, now: Timestamp) -> Condition {
    Condition {
        kind: kind.into(),
        status,
        reason: reason.into(),
        message,
        last_transition: Some(now),
        last_update: Some(now),
    }
}

/// Sets a condition, unless it has this status and reason already. The transition time stays where the status does.
/// Upstream: `SetDeploymentCondition`.
pub fn set_condition(status: &mut DeploymentStatus, mut condition: Condition) {
    if let Some(current) = find_condition(&status.conditions, &condition.kind)
        && current.status == condition.status
    {
        if current.reason == condition.reason {
            return;
        }
        condition.last_transition = current.last_transition;
    }
    remove_condition(status, &condition.kind.clone());
    status.conditions.push(condition);
}

/// Takes a condition away.
pub fn remove_condition(status: &mut DeploymentStatus, kind: &str) {
    status.conditions.retain(|condition| condition.kind != kind);
}

/// Whether the Deployment has a progress deadline, and which. Upstream: `HasProgressDeadline`.
pub fn progress_deadline(deployment: &Deployment) -> Option<Span> {
    let seconds = deployment.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX)?;
    Some(Span::from_secs(seconds.max(0) as u64))
}

/// What the status should be but for what the rollout adds. `old` and `new` are the Deployment's ReplicaSets.
/// Upstream: `calculateStatus`.
pub fn calculate(
    deployment: &Obj<Deployment>,
    old: &[Arc<Obj<ReplicaSet>>],
    new: Option<&Arc<Obj<ReplicaSet>>>,
    count_terminating: bool,
    now: Timestamp,
) -> DeploymentStatus {
    let sum = |of: fn(&ReplicaSet) -> i32| old.iter().chain(new).map(|set| of(&set.body)).sum::<i32>();
    let available = sum(|set| set.status.available_replicas);
    let terminating = old.iter().chain(new).map(|set| set.body.status.terminating_replicas);
    let mut status = DeploymentStatus {
        observed_generation: deployment.meta.generation,
        replicas: sum(|set| set.status.replicas),
        updated_replicas: new.map_or(0, |set| set.body.status.replicas),
        ready_replicas: sum(|set| set.status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (sum(|set| set.replicas) - available).max(0),
        terminating_replicas: if count_terminating { terminating.sum() } else { None },
        collision_count: deployment.body.status.collision_count,
        conditions: deployment.body.status.conditions.clone(),
    };
    let desired = deployment.body.replicas;
    let enough = available >= desired - fenceposts(&deployment.body.strategy, desired).max_unavailable;
    let (reason, message) = if enough {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status, condition(AVAILABLE, ConditionStatus::of(enough), reason, message.into(), now));
    status
}

/// Whether all wished pods are there, new and available. Upstream: `DeploymentComplete`.
pub fn is_complete(deployment: &Obj<Deployment>, status: &DeploymentStatus) -> bool {
    let desired = deployment.body.replicas;
    status.updated_replicas == desired
        && status.replicas == desired
        && status.available_replicas == desired
        && status.observed_generation >= deployment.meta.generation
}

/// Whether the new status shows that the rollout gets on. Upstream: `DeploymentProgressing`.
fn gets_on(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    new.updated_replicas > old.updated_replicas
        || new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        || new.ready_replicas > old.ready_replicas
        || new.available_replicas > old.available_replicas
}

/// Whether nothing has changed for longer than the deadline. Upstream: `DeploymentTimedOut`.
fn timed_out(status: &DeploymentStatus, deadline: Span, clock: Clock, now: Time) -> bool {
    let Some(condition) = find_condition(&status.conditions, PROGRESSING) else { return false };
    match condition.reason.as_str() {
        NEW_REPLICA_SET_AVAILABLE => false,
        PROGRESS_DEADLINE_EXCEEDED => true,
        _ => clock.time(condition.last_update.unwrap_or_default()) + deadline < now,
    }
}

/// Adds to a calculated status what the rollout has to say: progress, and failures of ReplicaSets.
/// Upstream: `syncRolloutStatus`.
pub fn add_progress(
    status: &mut DeploymentStatus,
    deployment: &Obj<Deployment>,
    old: &[Arc<Obj<ReplicaSet>>],
    new: Option<&Arc<Obj<ReplicaSet>>>,
    clock: Clock,
    now: Time,
) {
    let current = find_condition(&deployment.body.status.conditions, PROGRESSING);
    let was_complete = status.replicas == status.updated_replicas
        && current.is_some_and(|condition| condition.reason == NEW_REPLICA_SET_AVAILABLE);
    let subject = match new {
        Some(set) => ecow::eco_format!("ReplicaSet {:?}", set.meta.name.as_str()),
        None => ecow::eco_format!("Deployment {:?}", deployment.meta.name.as_str()),
    };
    let say = |status, reason, what: &str| {
        condition(PROGRESSING, status, reason, ecow::eco_format!("{subject} {what}"), clock.timestamp(now))
    };
    match progress_deadline(&deployment.body) {
        None => remove_condition(status, PROGRESSING),
        Some(_) if was_complete => {}
        Some(_) if is_complete(deployment, status) => {
            set_condition(
                status,
                say(ConditionStatus::True, NEW_REPLICA_SET_AVAILABLE, "has successfully progressed."),
            );
        }
        Some(_) if gets_on(&deployment.body.status, status) => {
            let mut condition = say(ConditionStatus::True, REPLICA_SET_UPDATED, "is progressing.");
            if let Some(current) = current {
                if current.status == ConditionStatus::True {
                    condition.last_transition = current.last_transition;
                }
                remove_condition(status, PROGRESSING);
            }
            set_condition(status, condition);
        }
        Some(deadline) if timed_out(status, deadline, clock, now) => {
            let what = "has timed out progressing.";
            set_condition(status, say(ConditionStatus::False, PROGRESS_DEADLINE_EXCEEDED, what));
        }
        Some(_) => {}
    }
    match replica_failure(old, new) {
        Some(failure) => set_condition(status, failure),
        None => remove_condition(status, REPLICA_FAILURE),
    }
}

/// The failure that a ReplicaSet reports, that of the new one before others. Upstream: `getReplicaFailures`.
fn replica_failure(old: &[Arc<Obj<ReplicaSet>>], new: Option<&Arc<Obj<ReplicaSet>>>) -> Option<Condition> {
    let found =
        new.into_iter().chain(old).find_map(|set| find_condition(&set.body.status.conditions, REPLICA_FAILURE))?;
    Some(Condition { last_update: found.last_transition, ..found.clone() })
}

/// When to look again whether a deadline has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressCheck {
    /// After a span.
    After(Span),
    /// As soon as the queue's rate limiter allows. A Deployment that was complete and lost pods long after its deadline is
    /// looked at so again and again until they are back.
    Soon,
}

/// When to look again whether the deadline has passed, where nothing else may ask for it.
/// Upstream: `requeueStuckDeployment`.
pub fn next_progress_check(
    deployment: &Obj<Deployment>,
    status: &DeploymentStatus,
    clock: Clock,
    now: Time,
) -> Option<ProgressCheck> {
    let deadline = progress_deadline(&deployment.body)?;
    let current = find_condition(&deployment.body.status.conditions, PROGRESSING)?;
    if is_complete(deployment, status) || current.reason == PROGRESS_DEADLINE_EXCEEDED {
        return None;
    }
    let after = (clock.time(current.last_update.unwrap_or_default()) + deadline).since(now);
    let second = Span::from_secs(1);
    Some(if after < second { ProgressCheck::Soon } else { ProgressCheck::After(after + second) })
}
