//! What may change in a pod's spec after creation. Upstream: `ValidatePodUpdate`. Left out: the difference that upstream
//! prints after its message, in-place resize.

use k8s_openapi::api::core::v1;
use serde_json::Value;

use super::field::{Errors, Path};
use super::{shown, typed};
use crate::api::{Kind, defaults};

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Judges the change of a spec. Whether the rest of upstream's checks follow: not where containers came or went.
pub(super) fn containers_stay(new: &Value, old: &Value, errors: &mut Errors) -> bool {
    let count =
        |pod: &Value, list: &str| pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array).map_or(0, Vec::len);
    for list in ["containers", "initContainers"] {
        if count(new, list) != count(old, list) {
            errors.forbidden(&Path::new("spec").child(list), "pod updates may not add or remove containers");
            return false;
        }
    }
    true
}

/// Pods that controllers have made are kept without the defaults of pods, which every update brings: they are no change.
pub(super) fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let mut old = old.clone();
    defaults::apply(Kind::Pod, &mut old);
    typed(new, |new: v1::Pod| {
        typed(&old, |old: v1::Pod| specs(new.spec.unwrap_or_default(), old.spec.unwrap_or_default(), errors));
    });
}

fn specs(mut new: v1::PodSpec, old: v1::PodSpec, errors: &mut Errors) {
    let path = Path::new("spec");
    deadline(&path.child("activeDeadlineSeconds"), &new, &old, errors);
    tolerations(&path.child("tolerations"), &new, &old, errors);
    let gated = old.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    for gate in new.scheduling_gates.iter().flatten() {
        if !old.scheduling_gates.iter().flatten().any(|had| had.name == gate.name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            errors.forbidden(&path.child("schedulingGates"), detail);
        }
    }
    // What may change is put back; then nothing may differ.
    for (list, had) in [
        (Some(&mut new.containers), Some(&old.containers)),
        (new.init_containers.as_mut(), old.init_containers.as_ref()),
    ] {
        for (container, had) in list.into_iter().flatten().zip(had.into_iter().flatten()) {
            container.image.clone_from(&had.image);
        }
    }
    new.active_deadline_seconds = old.active_deadline_seconds;
    new.scheduling_gates.clone_from(&old.scheduling_gates);
    new.tolerations.clone_from(&old.tolerations);
    if old.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0)
        && new.termination_grace_period_seconds == Some(1)
    {
        new.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    if gated {
        // Upstream allows to narrow both while the pod is gated.
        new.node_selector.clone_from(&old.node_selector);
        new.affinity.clone_from(&old.affinity);
    }
    if new != old && shown(&new) != shown(&old) {
        errors.forbidden(&path, MAY_CHANGE);
    }
}

fn deadline(path: &Path, new: &v1::PodSpec, old: &v1::PodSpec, errors: &mut Errors) {
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), Some(old)) if new > old => {
            errors.invalid(path, new, "must be less than or equal to previous value");
        }
        (None, Some(_)) => errors.invalid(path, Value::Null, "must not update from a positive integer to nil value"),
        _ => {}
    }
}

fn tolerations(path: &Path, new: &v1::PodSpec, old: &v1::PodSpec, errors: &mut Errors) {
    let without_seconds =
        |toleration: &v1::Toleration| v1::Toleration { toleration_seconds: None, ..toleration.clone() };
    let kept = old
        .tolerations
        .iter()
        .flatten()
        .all(|had| new.tolerations.iter().flatten().any(|now| without_seconds(now) == without_seconds(had)));
    if !kept {
        errors.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
    }
}
