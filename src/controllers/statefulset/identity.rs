//! Who a pod is within its StatefulSet: its ordinal, its name, its labels, its claims.
//! Upstream: `pkg/controller/statefulset/stateful_set_utils.go`.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::set::{StatefulSet, Strategy, reference};
use crate::api::{Meta, Name, Obj, Object, Pod, PodPhase, PodSpec, PodTemplate, Timestamp};
use crate::controllers::history::REVISION_HASH;
use crate::controllers::pod_util::pod_from_template;

/// The label with a pod's own name.
pub(super) const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The label with a pod's ordinal.
pub(super) const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The set's name and the ordinal that a pod's name tells. Upstream: `getParentNameAndOrdinal`.
pub(super) fn parent_and_ordinal(name: &str) -> Option<(&str, i32)> {
    let (parent, digits) = name.rsplit_once('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // A number that is too large makes the ordinal -1, with which no pod is a replica.
    is_number.then(|| (parent, digits.parse().unwrap_or(-1)))
}

/// The ordinal of a pod; -1 where its name tells none.
pub(super) fn ordinal(pod: &Meta) -> i32 {
    parent_and_ordinal(&pod.name).map_or(-1, |(_, ordinal)| ordinal)
}

/// Whether a pod bears the name of one of the set. Upstream: `isMemberOf`.
pub(super) fn is_member(set: &Meta, pod: &Meta) -> bool {
    parent_and_ordinal(&pod.name).is_some_and(|(parent, _)| parent == set.name)
}

/// The name of the claim of a template for an ordinal. Upstream: `getPersistentVolumeClaimName`.
pub(super) fn claim_name(template: &str, set: &str, ordinal: i32) -> Name {
    ecow::eco_format!("{template}-{set}-{ordinal}")
}

/// The revision of a pod; empty where it has none.
pub(super) fn revision(pod: &Obj<Pod>) -> Name {
    pod.meta.labels.get(REVISION_HASH).cloned().unwrap_or_default()
}

/// Upstream: `isRunningAndReady`.
pub(super) fn is_running_and_ready(pod: &Obj<Pod>) -> bool {
    pod.body.status.phase == PodPhase::Running && pod.body.is_ready()
}

/// Whether a pod does not serve, or is about to stop. Upstream: `isUnavailable`.
pub(super) fn is_unavailable(pod: &Obj<Pod>, min_ready_seconds: i32, now: Timestamp) -> bool {
    !pod.body.is_available(min_ready_seconds, now) || pod.meta.is_terminating()
}

/// Whether a pod bears the identity of its ordinal. Upstream: `identityMatches`.
pub(super) fn identity_matches(set: &Meta, pod: &Meta) -> bool {
    let named = parent_and_ordinal(&pod.name)
        .is_some_and(|(parent, ordinal)| parent == set.name && pod.name == ecow::eco_format!("{parent}-{ordinal}"));
    named && pod.namespace == set.namespace && pod.labels.get(POD_NAME) == Some(&pod.name)
}

/// Whether a pod's volumes are the claims of its ordinal. Upstream: `storageMatches`.
pub(super) fn storage_matches(set: &StatefulSet, pod: &Obj<Pod>) -> bool {
    let volumes = pod.body.spec.full.volumes.as_deref().unwrap_or_default();
    let ordinal = ordinal(&pod.meta);
    set.spec.claims.iter().all(|claim| {
        let volume = volumes.iter().find(|volume| volume.name == claim.name.as_str());
        let source = volume.and_then(|volume| volume.persistent_volume_claim.as_ref());
        source.is_some_and(|source| source.claim_name == claim_name(&claim.name, &set.meta().name, ordinal).as_str())
    })
}

/// The pod with the labels of its ordinal. Upstream: `updateIdentity`.
pub(super) fn with_identity(pod: &mut Obj<Pod>) {
    let ordinal = ordinal(&pod.meta);
    let labels = pod.meta.labels.with(POD_NAME, pod.meta.name.clone());
    pod.meta.labels = labels.with(POD_INDEX, ecow::eco_format!("{ordinal}"));
}

/// A spec with the claims of an ordinal as volumes, before the others. Upstream: `updateStorage`.
pub(super) fn with_storage(set: &StatefulSet, ordinal: i32, spec: &mut v1::PodSpec) {
    if set.spec.claims.is_empty() {
        return;
    }
    let claims = set.spec.claims.iter().map(|claim| v1::Volume {
        name: claim.name.to_string(),
        persistent_volume_claim: Some(v1::PersistentVolumeClaimVolumeSource {
            claim_name: claim_name(&claim.name, &set.meta().name, ordinal).to_string(),
            read_only: None,
        }),
        ..v1::Volume::default()
    });
    let is_claim = |volume: &v1::Volume| set.spec.claims.iter().any(|claim| claim.name == volume.name.as_str());
    let others = spec.volumes.take().into_iter().flatten().filter(|volume| !is_claim(volume));
    spec.volumes = Some(claims.chain(others).collect());
}

/// The pod of an ordinal as it is to be created from a template at a revision. Upstream: `newStatefulSetPod`.
pub(super) fn new_pod(set: &StatefulSet, template: &PodTemplate, revision: &Name, ordinal: i32) -> Obj<Pod> {
    let made = pod_from_template(template, set.meta(), reference(set.meta()));
    let Object::Pod(pod) = made else { panic!("a pod template makes a pod") };
    let mut pod = Arc::unwrap_or_clone(pod);
    pod.meta.generate_name = Name::new();
    pod.meta.name = ecow::eco_format!("{}-{ordinal}", set.meta().name);
    with_identity(&mut pod);
    pod.meta.labels = pod.meta.labels.with(REVISION_HASH, revision.clone());
    let mut full = pod.body.spec.full.clone();
    full.hostname = Some(pod.meta.name.to_string());
    full.subdomain = (!set.spec.service_name.is_empty()).then(|| set.spec.service_name.to_string());
    with_storage(set, ordinal, &mut full);
    pod.body.spec = PodSpec::new(full);
    pod
}

/// Whether the pod of an ordinal is to be created at the current revision and not at the one that is rolled out: below
/// the partition. Upstream: `newVersionedStatefulSetPod`.
pub(super) fn belongs_to_current(set: &StatefulSet, ordinal: i32) -> bool {
    match &set.spec.strategy {
        Strategy::OnDelete => false,
        Strategy::RollingUpdate { partition, .. } => {
            i64::from(ordinal) < i64::from(set.spec.start) + i64::from(*partition)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<(&str, i32)>) {
        assert_eq!(parent_and_ordinal(name), expected, "{name}");
    }

    #[test]
    fn names_tell_the_ordinal() {
        check("db-0", Some(("db", 0)));
        check("my-db-12", Some(("my-db", 12)));
        check("db", None);
        check("db-", None);
        check("db-x1", None);
        check("db-99999999999", Some(("db", -1)));
        assert_eq!(claim_name("data", "db", 3), "data-db-3");
    }
}
