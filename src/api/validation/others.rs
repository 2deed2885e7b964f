//! Nodes, configuration, autoscalers, budgets, priorities, leases and Events.

use k8s_openapi::api::{
    autoscaling::v2 as autoscaling, coordination::v1 as coordination, core::v1, policy::v1 as policy,
    scheduling::v1 as scheduling,
};
use std::collections::BTreeSet;

use super::field::{Errors, Path};
use super::placement::taint_effect;
use super::workloads::{at_most_all, int_or_percent};
use super::{quantities, selectors, shown};
use crate::api::text::{is_qualified_name, is_valid_label_value};

/// The largest priority that a user may define.
const HIGHEST_USER_PRIORITY: i32 = 1_000_000_000;
/// How many bytes a ConfigMap or Secret may hold.
const DATA_MAX: usize = 1024 * 1024;

/// Upstream: `ValidateNode`. Left out: addresses, volumes in use.
pub(super) fn node(node: &v1::Node, errors: &mut Errors) {
    let spec = node.spec.clone().unwrap_or_default();
    let path = Path::new("spec").child("taints");
    let mut pairs = BTreeSet::new();
    for (index, taint) in spec.taints.iter().flatten().enumerate() {
        let path = path.index(index);
        errors.complaints(&path.child("key"), &taint.key, is_qualified_name(&taint.key));
        if let Some(value) = &taint.value {
            errors.complaints(&path.child("value"), value, is_valid_label_value(value));
        }
        taint_effect(&path.child("effect"), &taint.effect, errors);
        if !pairs.insert((taint.key.as_str(), taint.effect.as_str())) {
            errors.duplicate(&path, shown(taint));
        }
    }
    let status = node.status.clone().unwrap_or_default();
    for (field, list) in [("capacity", &status.capacity), ("allocatable", &status.allocatable)] {
        for (name, quantity) in list.iter().flatten() {
            quantities::amount(&Path::new("status").child(field).key(name), name, quantity, errors);
        }
    }
}

/// Upstream: `ValidateConfigMap`.
pub(super) fn config_map(map: &v1::ConfigMap, errors: &mut Errors) {
    let (data, binary) = (Path::new("data"), Path::new("binaryData"));
    let mut size = 0;
    for (key, text) in map.data.iter().flatten() {
        errors.complaints(&data.key(key), key, config_key(key));
        if map.binary_data.as_ref().is_some_and(|binary| binary.contains_key(key)) {
            errors.invalid(&data.key(key), key.as_str(), "duplicate of key present in binaryData");
        }
        size += text.len();
    }
    for (key, bytes) in map.binary_data.iter().flatten() {
        errors.complaints(&binary.key(key), key, config_key(key));
        size += bytes.0.len();
    }
    if size > DATA_MAX {
        errors.too_long(&Path::new(""), DATA_MAX);
    }
}

/// Upstream: `ValidateSecret`. Left out: what each type of Secret must hold.
pub(super) fn secret(secret: &v1::Secret, errors: &mut Errors) {
    let path = Path::new("data");
    for key in secret.data.iter().flatten().map(|(key, _)| key) {
        errors.complaints(&path.key(key), key, config_key(key));
    }
    if secret.data.iter().flatten().map(|(_, bytes)| bytes.0.len()).sum::<usize>() > DATA_MAX {
        errors.too_long(&path, DATA_MAX);
    }
}

/// Upstream: `IsConfigMapKey`.
fn config_key(key: &str) -> Vec<String> {
    let well_formed =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    match key {
        _ if !well_formed => vec![
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  \
             or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .to_owned(),
        ],
        "." => vec!["must not be '.'".to_owned()],
        ".." => vec!["must not be '..'".to_owned()],
        _ if key.starts_with("..") => vec!["must not start with '..'".to_owned()],
        _ => Vec::new(),
    }
}

/// Upstream: `pkg/apis/autoscaling/validation`. Left out: metrics and behaviour.
pub(super) fn autoscaler(object: &autoscaling::HorizontalPodAutoscaler, errors: &mut Errors) {
    let spec = &object.spec;
    let path = Path::new("spec");
    let minimum = spec.min_replicas.unwrap_or(1);
    if minimum < 1 {
        errors.invalid(&path.child("minReplicas"), minimum, "must be greater than or equal to 1");
    }
    if spec.max_replicas < 1 {
        errors.invalid(&path.child("maxReplicas"), spec.max_replicas, "must be greater than 0");
    }
    if spec.max_replicas < minimum {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.invalid(&path.child("maxReplicas"), spec.max_replicas, detail);
    }
    let target = &spec.scale_target_ref;
    for (field, text) in [("kind", &target.kind), ("name", &target.name)] {
        if text.is_empty() {
            errors.required(&path.child("scaleTargetRef").child(field), "");
        }
    }
}

/// Upstream: `ValidatePodDisruptionBudgetSpec`.
pub(super) fn disruption_budget(object: &policy::PodDisruptionBudget, errors: &mut Errors) {
    let spec = object.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        errors.invalid(&path, shown(&spec), "minAvailable and maxUnavailable cannot be both set");
    }
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        int_or_percent(&path.child(field), value.as_ref(), errors);
        at_most_all(&path.child(field), value.as_ref(), errors);
    }
    selectors::label_selector(&path.child("selector"), spec.selector.as_ref(), errors);
    if let Some(policy) = spec.unhealthy_pod_eviction_policy.as_deref() {
        let supported = ["AlwaysAllow", "IfHealthyBudget"];
        if !supported.contains(&policy) {
            errors.not_supported(&path.child("unhealthyPodEvictionPolicy"), policy, &supported);
        }
    }
}

/// Upstream: `ValidatePriorityClass`.
pub(super) fn priority_class(class: &scheduling::PriorityClass, errors: &mut Errors) {
    let name = class.metadata.name.as_deref().unwrap_or_default();
    let known = match name {
        "system-cluster-critical" => Some(2_000_000_000),
        "system-node-critical" => Some(2_000_001_000),
        _ => None,
    };
    let value = class.value.unwrap_or_default();
    if name.starts_with("system-") {
        if known != Some(value) {
            let why = match known {
                Some(value) => format!("value of {name} PriorityClass must be {value}"),
                None => format!("{name} is not a known system priority class"),
            };
            errors.forbidden(
                &Path::new("metadata").child("name"),
                format!("priority class names with 'system-' prefix are reserved for system use only. error: {why}"),
            );
        }
    } else if value > HIGHEST_USER_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}");
        errors.forbidden(&Path::new("value"), detail);
    }
    if let Some(policy) = class.preemption_policy.as_deref()
        && !["Never", "PreemptLowerPriority"].contains(&policy)
    {
        errors.not_supported(&Path::new("preemptionPolicy"), policy, &["Never", "PreemptLowerPriority"]);
    }
}

/// Upstream: `ValidateLeaseSpec`.
pub(super) fn lease(lease: &coordination::Lease, errors: &mut Errors) {
    let Some(spec) = &lease.spec else { return };
    let path = Path::new("spec");
    if let Some(seconds) = spec.lease_duration_seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(&path.child("leaseDurationSeconds"), seconds, "must be greater than 0");
    }
    if let Some(count) = spec.lease_transitions.filter(|count| *count < 0) {
        errors.invalid(&path.child("leaseTransitions"), count, "must be greater than or equal to 0");
    }
}

/// Upstream: `legacyValidateEvent`, for Events written through `v1`.
pub(super) fn event(event: &v1::Event, errors: &mut Errors) {
    let own = event.metadata.namespace.as_deref().unwrap_or_default();
    let path = Path::new("involvedObject").child("namespace");
    match event.involved_object.namespace.as_deref().unwrap_or_default() {
        "" if own != "default" && own != "kube-system" && !own.is_empty() => {
            errors.invalid(&path, "", "does not match event.namespace");
        }
        "" => {}
        namespace if namespace != own => errors.invalid(&path, namespace, "does not match event.namespace"),
        _ => {}
    }
}
