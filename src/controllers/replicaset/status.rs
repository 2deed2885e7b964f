//! The status of a ReplicaSet. Upstream: `pkg/controller/replicaset/replica_set_utils.go`.

use super::tally::Counts;
use crate::api::{Condition, ConditionStatus, Name, Obj, ReplicaSet, ReplicaSetStatus, Timestamp, find_condition};

/// The type of the condition that says that pods could not be made or deleted.
pub const REPLICA_FAILURE: &str = "ReplicaFailure";

/// What the status should be. `failure` is what went wrong when pods were made or deleted in this sync. The condition
/// stays as it is while failures go on. Upstream: `calculateStatus`.
pub fn calculate(
    set: &Obj<ReplicaSet>,
    counts: Counts,
    available: i32,
    count_terminating: bool,
    failure: Option<&Name>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let mut conditions = set.body.status.conditions.clone();
    match failure {
        Some(message) if find_condition(&conditions, REPLICA_FAILURE).is_none() => conditions.push(Condition {
            kind: REPLICA_FAILURE.into(),
            status: ConditionStatus::True,
            reason: match counts.active.cmp(&set.body.replicas) {
                std::cmp::Ordering::Less => "FailedCreate".into(),
                std::cmp::Ordering::Greater => "FailedDelete".into(),
                std::cmp::Ordering::Equal => Name::new(),
            },
            message: message.clone(),
            last_transition: Some(now),
            last_update: None,
        }),
        Some(_) => {}
        None => conditions.retain(|condition| condition.kind != REPLICA_FAILURE),
    }
    ReplicaSetStatus {
        observed_generation: set.meta.generation,
        replicas: counts.active,
        fully_labeled_replicas: counts.fully_labeled,
        ready_replicas: counts.ready,
        available_replicas: available,
        terminating_replicas: count_terminating.then_some(counts.terminating),
        conditions,
    }
}
