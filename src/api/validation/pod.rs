//! Pods and pod templates. Upstream: `ValidatePodSpec`, `ValidatePodTemplateSpec` in `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1;
use std::collections::BTreeSet;

use super::field::{Errors, Path};
use super::{container, metadata, placement, quantities, volumes};
use crate::api::text::{is_dns1123_label, is_dns1123_subdomain, is_qualified_name};

pub(super) fn pod(pod: &v1::Pod, errors: &mut Errors) {
    let spec = pod.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    pod_spec(&path, &spec, errors);
    let gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    if gated && spec.node_name.as_deref().is_some_and(|name| !name.is_empty()) {
        errors.forbidden(&path.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
}

/// A template: labels and annotations are told at `template.labels`, as upstream does.
pub(super) fn template(path: &Path, template: &v1::PodTemplateSpec, errors: &mut Errors) {
    template_metadata(path, template, errors);
    let spec = template.spec.clone().unwrap_or_default();
    pod_spec(&path.child("spec"), &spec, errors);
}

/// All of a StatefulSet's template that is judged: its mounts may name claim templates, so upstream leaves its spec to
/// the creation of the pods.
pub(super) fn template_metadata(path: &Path, template: &v1::PodTemplateSpec, errors: &mut Errors) {
    let meta = template.metadata.clone().unwrap_or_default();
    metadata::labels(&path.child("labels"), meta.labels.as_ref(), errors);
    metadata::annotations(&path.child("annotations"), meta.annotations.as_ref(), errors);
}

fn pod_spec(path: &Path, spec: &v1::PodSpec, errors: &mut Errors) {
    let mountable = volumes::volumes(&path.child("volumes"), spec.volumes.as_deref().unwrap_or_default(), errors);
    container::containers(&path.child("containers"), &spec.containers, &mountable, errors);
    container::init_containers(
        &path.child("initContainers"),
        spec.init_containers.as_deref().unwrap_or_default(),
        &spec.containers,
        &mountable,
        errors,
    );
    errors.one_of(&path.child("restartPolicy"), spec.restart_policy.as_deref(), &["Always", "OnFailure", "Never"]);
    errors.one_of(
        &path.child("dnsPolicy"),
        spec.dns_policy.as_deref(),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    metadata::labels(&path.child("nodeSelector"), spec.node_selector.as_ref(), errors);
    if spec.host_network == Some(true) {
        host_network(&path.child("containers"), &spec.containers, errors);
    }
    if let Some(affinity) = &spec.affinity {
        placement::affinity(&path.child("affinity"), affinity, errors);
    }
    gates(path, spec, errors);
    placement::topology_spread(
        &path.child("topologySpreadConstraints"),
        spec.topology_spread_constraints.as_deref().unwrap_or_default(),
        errors,
    );
    names(path, spec, errors);
    if let Some(seconds) = spec.active_deadline_seconds.filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds)) {
        let detail = "must be between 1 and 2147483647, inclusive";
        errors.invalid(&path.child("activeDeadlineSeconds"), seconds, detail);
    }
    placement::tolerations(&path.child("tolerations"), spec.tolerations.as_deref().unwrap_or_default(), errors);
    if let Some(policy) = spec.preemption_policy.as_deref()
        && !["Never", "PreemptLowerPriority"].contains(&policy)
    {
        errors.not_supported(&path.child("preemptionPolicy"), policy, &["Never", "PreemptLowerPriority"]);
    }
    for (name, quantity) in spec.overhead.iter().flatten() {
        quantities::amount(&path.child("overhead").key(name), name, quantity, errors);
    }
}

fn host_network(path: &Path, containers: &[v1::Container], errors: &mut Errors) {
    for (index, container) in containers.iter().enumerate() {
        for (port_index, port) in container.ports.iter().flatten().enumerate() {
            if port.host_port.is_some_and(|number| number != 0 && number != port.container_port) {
                errors.invalid(
                    &path.index(index).child("ports").index(port_index).child("containerPort"),
                    port.container_port,
                    "must match `hostPort` when `hostNetwork` is true",
                );
            }
        }
    }
}

fn gates(path: &Path, spec: &v1::PodSpec, errors: &mut Errors) {
    for (index, gate) in spec.readiness_gates.iter().flatten().enumerate() {
        let path = path.child("readinessGates").index(index).child("conditionType");
        errors.complaints(&path, &gate.condition_type, is_qualified_name(&gate.condition_type));
    }
    let mut names = BTreeSet::new();
    for (index, gate) in spec.scheduling_gates.iter().flatten().enumerate() {
        let path = path.child("schedulingGates").index(index);
        errors.complaints(&path, &gate.name, is_qualified_name(&gate.name));
        if !names.insert(gate.name.as_str()) {
            errors.duplicate(&path, gate.name.as_str());
        }
    }
}

fn names(path: &Path, spec: &v1::PodSpec, errors: &mut Errors) {
    type Judge = fn(&str) -> Vec<String>;
    let fields: [(&str, Option<&String>, Judge); 6] = [
        ("serviceAccountName", spec.service_account_name.as_ref(), is_dns1123_subdomain),
        ("nodeName", spec.node_name.as_ref(), is_dns1123_subdomain),
        ("hostname", spec.hostname.as_ref(), is_dns1123_label),
        ("subdomain", spec.subdomain.as_ref(), is_dns1123_label),
        ("priorityClassName", spec.priority_class_name.as_ref(), is_dns1123_subdomain),
        ("runtimeClassName", spec.runtime_class_name.as_ref(), is_dns1123_subdomain),
    ];
    for (field, name, judge) in fields {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            errors.complaints(&path.child(field), name, judge(name));
        }
    }
}
