//! Deployments. Defaults have been filled in before.

use k8s_openapi::api::apps::v1 as apps;
use serde_json::{Map, Value};

use super::{ConvertError, decode, fields, meta_from, name, nonzero, template, text, time, to_value};
use crate::api::{
    Condition, ConditionStatus, Deployment, DeploymentStatus, DeploymentStrategy, IntOrPercent, Kind, Obj, Object,
};

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let full: apps::Deployment = decode(value)?;
    let spec = full.spec;
    let body = Deployment {
        replicas: spec.replicas.unwrap_or(1),
        selector: template::read_selector(spec.selector),
        template: template::read(spec.template),
        strategy: read_strategy(spec.strategy.unwrap_or_default()),
        min_ready_seconds: spec.min_ready_seconds.unwrap_or_default(),
        revision_history_limit: spec.revision_history_limit,
        paused: spec.paused.unwrap_or_default(),
        progress_deadline_seconds: spec.progress_deadline_seconds,
        status: read_status(full.status.unwrap_or_default()),
    };
    Ok(Obj { meta: meta_from(Kind::Deployment, full.metadata)?, body }.into_object())
}

pub(super) fn write(deployment: &Deployment) -> Map<String, Value> {
    let spec = apps::DeploymentSpec {
        min_ready_seconds: nonzero(deployment.min_ready_seconds),
        paused: nonzero(deployment.paused),
        progress_deadline_seconds: deployment.progress_deadline_seconds,
        replicas: Some(deployment.replicas),
        revision_history_limit: deployment.revision_history_limit,
        selector: deployment.selector.written.clone(),
        strategy: Some(write_strategy(&deployment.strategy)),
        template: template::write(&deployment.template),
    };
    fields([("spec", to_value(&spec)), ("status", to_value(&write_status(&deployment.status)))])
}

fn read_strategy(full: apps::DeploymentStrategy) -> DeploymentStrategy {
    if full.type_.as_deref() == Some("Recreate") {
        return DeploymentStrategy::Recreate;
    }
    let rolling = full.rolling_update.unwrap_or_default();
    let quarter = IntOrPercent::Percent(25);
    DeploymentStrategy::RollingUpdate {
        max_unavailable: rolling.max_unavailable.as_ref().map_or(quarter.clone(), IntOrPercent::from),
        max_surge: rolling.max_surge.as_ref().map_or(quarter, IntOrPercent::from),
    }
}

fn write_strategy(strategy: &DeploymentStrategy) -> apps::DeploymentStrategy {
    match strategy {
        DeploymentStrategy::Recreate => {
            apps::DeploymentStrategy { rolling_update: None, type_: Some("Recreate".to_owned()) }
        }
        DeploymentStrategy::RollingUpdate { max_unavailable, max_surge } => apps::DeploymentStrategy {
            rolling_update: Some(apps::RollingUpdateDeployment {
                max_surge: Some(max_surge.into()),
                max_unavailable: Some(max_unavailable.into()),
            }),
            type_: Some("RollingUpdate".to_owned()),
        },
    }
}

fn read_status(full: apps::DeploymentStatus) -> DeploymentStatus {
    DeploymentStatus {
        observed_generation: full.observed_generation.unwrap_or_default(),
        replicas: full.replicas.unwrap_or_default(),
        updated_replicas: full.updated_replicas.unwrap_or_default(),
        ready_replicas: full.ready_replicas.unwrap_or_default(),
        available_replicas: full.available_replicas.unwrap_or_default(),
        unavailable_replicas: full.unavailable_replicas.unwrap_or_default(),
        terminating_replicas: full.terminating_replicas,
        collision_count: full.collision_count,
        conditions: full.conditions.into_iter().flatten().map(read_condition).collect(),
    }
}

fn write_status(status: &DeploymentStatus) -> apps::DeploymentStatus {
    let conditions: Vec<_> = status.conditions.iter().map(write_condition).collect();
    apps::DeploymentStatus {
        available_replicas: nonzero(status.available_replicas),
        collision_count: status.collision_count,
        conditions: (!conditions.is_empty()).then_some(conditions),
        observed_generation: nonzero(status.observed_generation),
        ready_replicas: nonzero(status.ready_replicas),
        replicas: nonzero(status.replicas),
        terminating_replicas: status.terminating_replicas,
        unavailable_replicas: nonzero(status.unavailable_replicas),
        updated_replicas: nonzero(status.updated_replicas),
    }
}

fn read_condition(full: apps::DeploymentCondition) -> Condition {
    Condition {
        kind: name(full.type_),
        status: ConditionStatus::parse(full.status.as_deref().unwrap_or_default()),
        reason: name(full.reason),
        message: name(full.message),
        last_transition: full.last_transition_time.as_ref().map(time::read),
        last_update: full.last_update_time.as_ref().map(time::read),
    }
}

fn write_condition(condition: &Condition) -> apps::DeploymentCondition {
    apps::DeploymentCondition {
        last_transition_time: condition.last_transition.and_then(time::write_always),
        last_update_time: condition.last_update.and_then(time::write_always),
        message: text(&condition.message),
        reason: text(&condition.reason),
        status: Some(condition.status.as_str().to_owned()),
        type_: text(&condition.kind),
    }
}
