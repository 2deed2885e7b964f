//! What controllers ask of pods: whether they count, what a template makes.
//! Upstream: `pkg/controller/controller_utils.go`, `pkg/apis/core/v1/helper`.

use crate::api::{Kind, Labels, Meta, Obj, Object, OwnerReference, Pod, PodTemplate, WorkloadSelector};
use crate::event::ApiError;
use crate::kernel::{Span, Time};

/// The annotation that makes a pod dearer (positive) or cheaper (negative) to delete than others.
pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Whether a pod counts as a replica: neither finished nor terminating. Upstream: `IsPodActive`.
pub fn is_active(pod: &Obj<Pod>) -> bool {
    !pod.body.status.phase.is_finished() && !pod.meta.is_terminating()
}

/// Whether a pod is on its way out and not finished. Upstream: `IsPodTerminating`.
pub fn is_terminating(pod: &Obj<Pod>) -> bool {
    !pod.body.status.phase.is_finished() && pod.meta.is_terminating()
}

/// Whether a workload's selector selects these labels.
pub fn selects(selector: &WorkloadSelector, labels: &Labels) -> bool {
    selector.parsed.matches(|key| labels.get(key).map(|value| value.as_str()))
}

/// Whether `labels` hold all of `wanted`.
pub fn has_all_labels(labels: &Labels, wanted: &Labels) -> bool {
    labels.same_storage(wanted) || wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The cost of deleting a pod; 0 where the annotation is absent or no number as Kubernetes wants it.
/// Upstream: `GetDeletionCostFromPodAnnotations`.
pub fn deletion_cost(annotations: &Labels) -> i32 {
    let Some(text) = annotations.get(POD_DELETION_COST) else { return 0 };
    let well_formed = match text.as_bytes() {
        [b'0'] => true,
        [first, ..] => *first == b'-' || (b'1'..=b'9').contains(first),
        [] => false,
    };
    if well_formed { text.parse().unwrap_or(0) } else { 0 }
}

/// How long until a ready pod will have been ready for `min_ready_seconds`; `None` where it is not ready or has been
/// for that long. `ready_at` is since when it is ready. Upstream: `nextPodAvailabilityCheck`.
pub fn until_available(ready_at: Time, min_ready_seconds: i32, now: Time) -> Option<Span> {
    let available_at = ready_at + Span::from_secs(min_ready_seconds.max(0) as u64);
    (available_at > now).then(|| available_at.since(now))
}

/// The reference that makes an object the controller of another. Upstream: `metav1.NewControllerRef`.
pub fn controller_reference(owner: &Meta, api_version: &str, kind: &str) -> OwnerReference {
    OwnerReference {
        api_version: api_version.into(),
        kind: kind.into(),
        name: owner.name.clone(),
        uid: owner.uid,
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The pod to be created from a template for an owner; the name is left to the server. The spec is shared.
/// Upstream: `GetPodFromTemplate`.
pub fn pod_from_template(template: &PodTemplate, owner: &Meta, reference: OwnerReference) -> Object {
    let mut meta = Meta::new(Kind::Pod, owner.namespace.clone(), "");
    meta.generate_name = ecow::eco_format!("{}-", owner.name);
    meta.labels = template.labels.clone();
    meta.annotations = template.annotations.clone();
    meta.finalizers = template.finalizers.clone();
    meta.owners = [reference].into();
    let body = Pod { spec: template.spec.clone(), node_name: Default::default(), status: Default::default() };
    Obj { meta, body }.into_object()
}

/// Whether a create failed since its namespace is being deleted: nothing more can or need be done.
pub fn is_namespace_terminating(error: &ApiError) -> bool {
    error.cause == "NamespaceTerminating"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(annotation: &str, expected: i32) {
        let annotations: Labels = [(POD_DELETION_COST, annotation)].into_iter().collect();
        assert_eq!(deletion_cost(&annotations), expected, "{annotation:?}");
    }

    #[test]
    fn deletion_costs_are_read_as_strictly_as_upstream_does() {
        check("0", 0);
        check("12", 12);
        check("-7", -7);
        check("+7", 0);
        check("007", 0);
        check("-", 0);
        check("", 0);
        check("99999999999", 0);
        assert_eq!(deletion_cost(&Labels::default()), 0);
    }

    #[test]
    fn a_pod_is_awaited_until_it_has_been_ready_long_enough() {
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        assert_eq!(until_available(at(10), 5, at(12)), Some(Span::from_secs(3)));
        assert_eq!(until_available(at(10), 5, at(15)), None);
    }
}
