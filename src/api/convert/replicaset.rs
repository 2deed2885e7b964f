//! ReplicaSets. Defaults have been filled in before.

use k8s_openapi::api::apps::v1 as apps;
use serde_json::{Map, Value};

use super::{ConvertError, decode, fields, meta_from, name, nonzero, template, text, time, to_value};
use crate::api::{Condition, ConditionStatus, Kind, Obj, Object, ReplicaSet, ReplicaSetStatus};

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let full: apps::ReplicaSet = decode(value)?;
    let spec = full.spec;
    let body = ReplicaSet {
        replicas: spec.replicas.unwrap_or(1),
        min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
        selector: template::read_selector(spec.selector),
        template: template::read(spec.template.unwrap_or_default()),
        status: read_status(full.status.unwrap_or_default()),
    };
    Ok(Obj { meta: meta_from(Kind::ReplicaSet, full.metadata)?, body }.into_object())
}

pub(super) fn write(set: &ReplicaSet) -> Map<String, Value> {
    let spec = apps::ReplicaSetSpec {
        min_ready_seconds: nonzero(set.min_ready_seconds),
        replicas: Some(set.replicas),
        selector: set.selector.written.clone(),
        template: Some(template::write(&set.template)),
    };
    fields([("spec", to_value(&spec)), ("status", to_value(&write_status(&set.status)))])
}

/// The status of a ReplicaSet, or of a ReplicationController, whose fields have the same names.
///
/// # Errors
/// What does not fit its type.
pub fn status(value: Value) -> Result<ReplicaSetStatus, ConvertError> {
    if value.is_null() {
        return Ok(ReplicaSetStatus::default());
    }
    decode(value).map(read_status)
}

fn read_status(full: apps::ReplicaSetStatus) -> ReplicaSetStatus {
    ReplicaSetStatus {
        observed_generation: full.observed_generation.unwrap_or_default(),
        replicas: full.replicas,
        fully_labeled_replicas: full.fully_labeled_replicas.unwrap_or_default(),
        ready_replicas: full.ready_replicas.unwrap_or_default(),
        available_replicas: full.available_replicas.unwrap_or_default(),
        terminating_replicas: full.terminating_replicas,
        conditions: full.conditions.into_iter().flatten().map(read_condition).collect(),
    }
}

fn write_status(status: &ReplicaSetStatus) -> apps::ReplicaSetStatus {
    let conditions: Vec<_> = status.conditions.iter().map(write_condition).collect();
    apps::ReplicaSetStatus {
        available_replicas: nonzero(status.available_replicas),
        conditions: (!conditions.is_empty()).then_some(conditions),
        fully_labeled_replicas: nonzero(status.fully_labeled_replicas),
        observed_generation: nonzero(status.observed_generation),
        ready_replicas: nonzero(status.ready_replicas),
        replicas: status.replicas,
        terminating_replicas: status.terminating_replicas,
    }
}

fn read_condition(full: apps::ReplicaSetCondition) -> Condition {
    Condition {
        kind: name(full.type_),
        status: ConditionStatus::parse(full.status.as_deref().unwrap_or_default()),
        reason: name(full.reason),
        message: name(full.message),
        last_transition: full.last_transition_time.as_ref().map(time::read),
        last_update: None,
    }
}

fn write_condition(condition: &Condition) -> apps::ReplicaSetCondition {
    apps::ReplicaSetCondition {
        last_transition_time: condition.last_transition.and_then(time::write_always),
        message: text(&condition.message),
        reason: text(&condition.reason),
        status: Some(condition.status.as_str().to_owned()),
        type_: text(&condition.kind),
    }
}
