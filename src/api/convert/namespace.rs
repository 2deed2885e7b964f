//! Namespaces.

use k8s_openapi::api::core::v1;
use serde_json::{Map, Value};

use super::{ConvertError, decode, fields, meta_from, text, time, to_value};
use crate::api::{Condition, ConditionStatus, Kind, Name, Namespace, Obj, Object};

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let full: v1::Namespace = decode(value)?;
    let status = full.status.unwrap_or_default();
    let finalizers = full.spec.unwrap_or_default().finalizers.unwrap_or_default();
    let body = Namespace {
        finalizers: finalizers.into_iter().map(Name::from).collect(),
        terminating: status.phase.as_deref() == Some("Terminating"),
        conditions: status.conditions.into_iter().flatten().map(read_condition).collect(),
    };
    Ok(Obj { meta: meta_from(Kind::Namespace, full.metadata)?, body }.into_object())
}

pub(super) fn write(namespace: &Namespace) -> Map<String, Value> {
    let finalizers: Vec<String> = namespace.finalizers.iter().map(Name::to_string).collect();
    let conditions: Vec<_> = namespace.conditions.iter().map(write_condition).collect();
    let spec = v1::NamespaceSpec { finalizers: (!finalizers.is_empty()).then_some(finalizers) };
    let phase = if namespace.terminating { "Terminating" } else { "Active" };
    let status = v1::NamespaceStatus {
        conditions: (!conditions.is_empty()).then_some(conditions),
        phase: Some(phase.to_owned()),
    };
    fields([("spec", to_value(&spec)), ("status", to_value(&status))])
}

fn read_condition(full: v1::NamespaceCondition) -> Condition {
    Condition {
        kind: full.type_.into(),
        status: ConditionStatus::parse(&full.status),
        reason: full.reason.unwrap_or_default().into(),
        message: full.message.unwrap_or_default().into(),
        last_transition: full.last_transition_time.as_ref().map(time::read),
        last_update: None,
    }
}

fn write_condition(condition: &Condition) -> v1::NamespaceCondition {
    v1::NamespaceCondition {
        last_transition_time: condition.last_transition.and_then(time::write_always),
        message: text(&condition.message),
        reason: text(&condition.reason),
        status: condition.status.as_str().to_owned(),
        type_: condition.kind.to_string(),
    }
}
