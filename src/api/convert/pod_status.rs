//! A pod's status between its small record and upstream's type.
//!
//! The record is a view: `known` reads what it has fields for, `natural` writes what the built-in parts would have
//! written. Where the two do not give back what came in, the group of fields as it came stays in `rest`. On writing, a
//! group in `rest` holds as long as the record says the same as it; what the record has changed since is taken from
//! the record.

use k8s_openapi::api::core::v1;
use std::net::IpAddr;

use super::{name, nonzero, text, time};
use crate::api::{
    ConditionStatus, PodCondition, PodConditionType, PodIps, PodPhase, PodSpec, PodStatus, QosClass, ReasonText, Uid,
};

mod containers;

/// Takes upstream's status of a pod.
pub(super) fn read(uid: Uid, spec: &PodSpec, mut full: v1::PodStatus) -> PodStatus {
    full.conditions = full.conditions.filter(|list| !list.is_empty());
    full.container_statuses = full.container_statuses.filter(|list| !list.is_empty());
    full.init_container_statuses = full.init_container_statuses.filter(|list| !list.is_empty());
    let mut status = known(spec, &full);
    let natural = natural(uid, spec, &status);
    // Taken out of `full` is what the record gives back by itself.
    full.start_time = None;
    full.message = None;
    full.reason = None;
    full.nominated_node_name = None;
    full.observed_generation = None;
    if full.phase.is_none() || full.phase == natural.phase {
        full.phase = None;
    }
    if full.qos_class == natural.qos_class {
        full.qos_class = None;
    }
    if full.conditions == natural.conditions {
        full.conditions = None;
    }
    if full.container_statuses == natural.container_statuses {
        full.container_statuses = None;
    }
    if full.init_container_statuses == natural.init_container_statuses {
        full.init_container_statuses = None;
    }
    if (&full.host_ip, &full.host_ips) == (&natural.host_ip, &natural.host_ips) {
        (full.host_ip, full.host_ips) = (None, None);
    } else {
        full.host_ips.get_or_insert_default();
    }
    if (&full.pod_ip, &full.pod_ips) == (&natural.pod_ip, &natural.pod_ips) {
        (full.pod_ip, full.pod_ips) = (None, None);
    } else {
        full.pod_ips.get_or_insert_default();
    }
    if full != v1::PodStatus::default() {
        status.rest = Some(Box::new(full));
    }
    status
}

/// Gives upstream's status.
pub(super) fn write(uid: Uid, spec: &PodSpec, status: &PodStatus) -> v1::PodStatus {
    let Some(rest) = status.rest.as_deref() else { return natural(uid, spec, status) };
    let natural = natural(uid, spec, status);
    let old = known(spec, rest);
    let mut full = v1::PodStatus {
        conditions: None,
        container_statuses: None,
        init_container_statuses: None,
        message: natural.message,
        nominated_node_name: natural.nominated_node_name,
        observed_generation: natural.observed_generation,
        reason: natural.reason,
        start_time: natural.start_time,
        ..rest.clone()
    };
    if full.phase.is_none() || old.phase != status.phase {
        full.phase = natural.phase;
    }
    if full.qos_class.is_none() || old.qos != status.qos {
        full.qos_class = natural.qos_class;
    }
    if full.host_ips.is_none() || old.host_ip != status.host_ip {
        (full.host_ip, full.host_ips) = (natural.host_ip, natural.host_ips);
    }
    if full.pod_ips.is_none() || old.pod_ips != status.pod_ips {
        (full.pod_ip, full.pod_ips) = (natural.pod_ip, natural.pod_ips);
    }
    full.host_ips = full.host_ips.filter(|list| !list.is_empty());
    full.pod_ips = full.pod_ips.filter(|list| !list.is_empty());
    full.conditions = match &rest.conditions {
        Some(came) => some_list(merge_conditions(&status.conditions, came)),
        None => natural.conditions,
    };
    full.container_statuses = match &rest.container_statuses {
        Some(came) => some_list(containers::merge(uid, spec.containers(), &status.containers, came)),
        None => natural.container_statuses,
    };
    full.init_container_statuses = match &rest.init_container_statuses {
        Some(came) => some_list(containers::merge(uid, spec.init_containers(), &status.init_containers, came)),
        None => natural.init_container_statuses,
    };
    full
}

fn known(spec: &PodSpec, full: &v1::PodStatus) -> PodStatus {
    let conditions = full.conditions.iter().flatten().filter_map(known_condition).collect();
    PodStatus {
        phase: full.phase.as_deref().and_then(PodPhase::parse).unwrap_or(PodPhase::Pending),
        qos: full.qos_class.as_deref().and_then(parse_qos),
        conditions,
        containers: containers::known(spec.containers(), full.container_statuses.as_deref().unwrap_or_default()),
        init_containers: containers::known(
            spec.init_containers(),
            full.init_container_statuses.as_deref().unwrap_or_default(),
        ),
        start_time: full.start_time.as_ref().map(time::read),
        host_ip: full.host_ip.as_deref().and_then(|ip| ip.parse().ok()),
        pod_ips: known_ips(full),
        nominated_node_name: name(full.nominated_node_name.clone()),
        reason: name(full.reason.clone()),
        message: name(full.message.clone()),
        observed_generation: full.observed_generation.unwrap_or_default(),
        rest: None,
    }
}

fn natural(uid: Uid, spec: &PodSpec, status: &PodStatus) -> v1::PodStatus {
    let pod_ips = [status.pod_ips.first, status.pod_ips.second].into_iter().flatten();
    let pod_ips: Vec<_> = pod_ips.map(|ip| v1::PodIP { ip: ip.to_string() }).collect();
    v1::PodStatus {
        conditions: some_list(status.conditions.iter().map(write_condition).collect()),
        container_statuses: some_list(containers::natural_sorted(uid, spec.containers(), &status.containers)),
        host_ip: status.host_ip.map(|ip| ip.to_string()),
        host_ips: status.host_ip.map(|ip| vec![v1::HostIP { ip: ip.to_string() }]),
        init_container_statuses: some_list(containers::natural(uid, spec.init_containers(), &status.init_containers)),
        message: text(&status.message),
        nominated_node_name: text(&status.nominated_node_name),
        observed_generation: nonzero(status.observed_generation),
        phase: Some(status.phase.as_str().to_owned()),
        pod_ip: status.pod_ips.first.map(|ip| ip.to_string()),
        pod_ips: some_list(pod_ips),
        qos_class: status.qos.map(|qos| qos_name(qos).to_owned()),
        reason: text(&status.reason),
        start_time: status.start_time.and_then(time::write_always),
        ..v1::PodStatus::default()
    }
}

fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn known_ips(full: &v1::PodStatus) -> PodIps {
    let mut listed = full.pod_ips.iter().flatten().map(|ip| ip.ip.parse::<IpAddr>().ok());
    let head = listed.next().flatten();
    PodIps { first: full.pod_ip.as_deref().and_then(|ip| ip.parse().ok()).or(head), second: listed.next().flatten() }
}

fn qos_name(qos: QosClass) -> &'static str {
    match qos {
        QosClass::Guaranteed => "Guaranteed",
        QosClass::Burstable => "Burstable",
        QosClass::BestEffort => "BestEffort",
    }
}

fn parse_qos(text: &str) -> Option<QosClass> {
    [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort].into_iter().find(|qos| qos_name(*qos) == text)
}

/// The condition as the record has it; none where its type or its status are not among those that it knows.
fn known_condition(full: &v1::PodCondition) -> Option<PodCondition> {
    let kind = PodConditionType::ALL.into_iter().find(|kind| kind.as_str() == full.type_)?;
    let status = ConditionStatus::parse(&full.status);
    if status.as_str() != full.status {
        return None;
    }
    let text = ReasonText { reason: name(full.reason.clone()), message: name(full.message.clone()) };
    Some(PodCondition {
        kind,
        status,
        last_transition: time::read_or_default(full.last_transition_time.as_ref()),
        text: (text != ReasonText::default()).then(|| text.into()),
    })
}

fn write_condition(condition: &PodCondition) -> v1::PodCondition {
    let why = condition.text.as_deref();
    v1::PodCondition {
        last_transition_time: time::write(condition.last_transition),
        message: why.and_then(|why| text(&why.message)),
        reason: why.and_then(|why| text(&why.reason)),
        status: condition.status.as_str().to_owned(),
        type_: condition.kind.as_str().to_owned(),
        ..v1::PodCondition::default()
    }
}

/// The conditions in the order in which they came, then those that are new.
fn merge_conditions(now: &[PodCondition], came: &[v1::PodCondition]) -> Vec<v1::PodCondition> {
    let mut left: Vec<&PodCondition> = now.iter().collect();
    let mut merged = Vec::with_capacity(came.len());
    for full in came {
        let Some(old) = known_condition(full) else {
            merged.push(full.clone());
            continue;
        };
        if let Some(index) = left.iter().position(|condition| condition.kind == old.kind) {
            let condition = left.remove(index);
            merged.push(if *condition == old {
                full.clone()
            } else {
                v1::PodCondition { last_probe_time: full.last_probe_time.clone(), ..write_condition(condition) }
            });
        }
    }
    merged.extend(left.into_iter().map(write_condition));
    merged
}
