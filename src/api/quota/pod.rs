//! What pods take of a quota. Upstream: `pkg/quota/v1/evaluator/core/pods.go`, `component-helpers/resource`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1;

use super::{Amounts, Scope};
use crate::api::{Name, Obj, Pod, QosClass, Timestamp, defaults};

const RESOURCES: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
/// What every container must name where a quota counts it.
const MUST_BE_NAMED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// Whether pods take of a resource of a quota.
pub(super) fn takes(name: &str) -> bool {
    let huge = name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
    RESOURCES.contains(&name) || huge || (!is_native(name) && name.starts_with("requests."))
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether a pod takes what it asks for: it has not ended, and does not hang where it should have gone.
/// Upstream: `QuotaV1Pod`.
pub fn is_charged(pod: &Obj<Pod>, now: Timestamp) -> bool {
    let is_late = pod.meta.deletion.is_some_and(|deletion| {
        deletion.grace_seconds.is_some_and(|grace| now.seconds_since(deletion.timestamp) > grace)
    });
    !pod.body.status.phase.is_finished() && !is_late
}

pub(super) fn add_usage(pod: &Pod, usage: &mut Amounts) {
    if pod.status.phase.is_finished() {
        return;
    }
    let spec = &pod.spec.full;
    add_compute(&requests(spec, true), &limits(spec, true), usage);
}

/// Upstream: `podComputeUsageHelper`.
fn add_compute(requests: &Amounts, limits: &Amounts, usage: &mut Amounts) {
    usage.add_count("pods", 1);
    for (name, amount) in requests.iter() {
        match name.as_str() {
            "cpu" | "memory" | "ephemeral-storage" => usage.set(name, amount.clone()),
            huge if huge.starts_with("hugepages-") => usage.set(name, amount.clone()),
            other if is_native(other) || other.starts_with("requests.") => continue,
            _ => {}
        }
        usage.set(&format!("requests.{name}"), amount.clone());
    }
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = limits.get(name) {
            usage.set(&format!("limits.{name}"), amount.clone());
        }
    }
}

/// What a pod requests, exactly; with overhead or without. Upstream: `PodRequests`.
pub fn requests(spec: &v1::PodSpec, with_overhead: bool) -> Amounts {
    let mut sum = total(spec, |resources| resources.requests.as_ref());
    if with_overhead {
        sum.add(&Amounts::of_list(spec.overhead.as_ref()));
    }
    sum
}

/// What a pod is limited to, exactly; with overhead where there is a limit. Upstream: `PodLimits`.
pub fn limits(spec: &v1::PodSpec, with_overhead: bool) -> Amounts {
    let mut sum = total(spec, |resources| resources.limits.as_ref());
    if with_overhead {
        let is_limited = |name: &Name| sum.get(name).is_some_and(|amount| !amount.is_zero());
        let overhead = Amounts::of_list(spec.overhead.as_ref()).only(is_limited);
        sum.add(&overhead);
    }
    sum
}

type List = BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// The containers and sidecars together, or the largest moment of the start; what the pod itself says in their place.
fn total(spec: &v1::PodSpec, list: fn(&v1::ResourceRequirements) -> Option<&List>) -> Amounts {
    let of = |container: &v1::Container| Amounts::of_list(container.resources.as_ref().and_then(list));
    let (mut sum, mut sidecars, mut start) = (Amounts::default(), Amounts::default(), Amounts::default());
    for container in &spec.containers {
        sum.add(&of(container));
    }
    for container in spec.init_containers.iter().flatten() {
        let own = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sum.add(&own);
            sidecars.add(&own);
            start.raise_to(&sidecars);
        } else {
            let mut moment = own;
            moment.add(&sidecars);
            start.raise_to(&moment);
        }
    }
    sum.raise_to(&start);
    for (name, amount) in Amounts::of_list(spec.resources.as_ref().and_then(list)).iter() {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
            sum.set(name, amount.clone());
        }
    }
    sum
}

/// Upstream: `podEvaluator.Constraints`. What the pod itself names, its containers need not.
pub(super) fn check_named(spec: &v1::PodSpec, resources: &[Name]) -> Result<(), String> {
    let named = |resources: Option<&v1::ResourceRequirements>| {
        let mut usage = Amounts::default();
        let requests = Amounts::of_list(resources.and_then(|resources| resources.requests.as_ref()));
        let limits = Amounts::of_list(resources.and_then(|resources| resources.limits.as_ref()));
        add_compute(&requests, &limits, &mut usage);
        usage
    };
    let by_pod = named(spec.resources.as_ref());
    let mut missing: BTreeMap<&Name, BTreeSet<&str>> = BTreeMap::new();
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let by_container = named(container.resources.as_ref());
        for resource in resources.iter().filter(|name| MUST_BE_NAMED.contains(&name.as_str())) {
            if by_container.get(resource).is_none() && by_pod.get(resource).is_none() {
                missing.entry(resource).or_default().insert(&container.name);
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let text = |(resource, containers): (&Name, BTreeSet<&str>)| {
        format!("{resource} for: {}", containers.into_iter().collect::<Vec<_>>().join(","))
    };
    Err(format!(
        "must specify {}",
        missing.into_iter().map(|(name, all)| text((name, all))).collect::<Vec<_>>().join("; ")
    ))
}

/// Upstream: `podMatchesScopeFunc`.
pub(super) fn is_in_scope(pod: &Pod, scope: &Scope) -> bool {
    let spec = &pod.spec.full;
    let has_deadline = spec.active_deadline_seconds.is_some_and(|seconds| seconds >= 0);
    let is_best_effort = || defaults::qos_class(spec) == QosClass::BestEffort;
    match scope.name.as_str() {
        "Terminating" => has_deadline,
        "NotTerminating" => !has_deadline,
        "BestEffort" => is_best_effort(),
        "NotBestEffort" => !is_best_effort(),
        "PriorityClass" => scope.admits(spec.priority_class_name.as_deref().filter(|name| !name.is_empty())),
        "CrossNamespacePodAffinity" => is_drawn_across_namespaces(spec),
        _ => false,
    }
}

/// Upstream: `usesCrossNamespacePodAffinity`.
fn is_drawn_across_namespaces(spec: &v1::PodSpec) -> bool {
    let crosses = |term: &v1::PodAffinityTerm| {
        term.namespaces.as_ref().is_some_and(|names| !names.is_empty()) || term.namespace_selector.is_some()
    };
    let Some(affinity) = &spec.affinity else { return false };
    let to = affinity.pod_affinity.as_ref();
    let from = affinity.pod_anti_affinity.as_ref();
    let required = to.into_iter().flat_map(|a| a.required_during_scheduling_ignored_during_execution.iter().flatten());
    let preferred =
        to.into_iter().flat_map(|a| a.preferred_during_scheduling_ignored_during_execution.iter().flatten());
    let kept = from.into_iter().flat_map(|a| a.required_during_scheduling_ignored_during_execution.iter().flatten());
    let avoided =
        from.into_iter().flat_map(|a| a.preferred_during_scheduling_ignored_during_execution.iter().flatten());
    required.chain(kept).any(crosses) || preferred.chain(avoided).any(|term| crosses(&term.pod_affinity_term))
}
