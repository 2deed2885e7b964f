//! What may not change, kind by kind. Upstream: the `Validate…Update` functions and the strategies' `ValidateUpdate`.

use serde_json::Value;

use super::field::{Errors, Path};
use super::{definitions, pod_update, service_addresses};
use crate::api::{Kind, Quantity, convert};

const STATEFUL_SET: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

const CLAIM: &str =
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

/// Checks that come before those of the object itself; whether the others follow.
pub(super) fn before_body(kind: Kind, new: &Value, old: &Value, errors: &mut Errors) -> bool {
    if kind == Kind::Service
        && let (Ok(new), Ok(old)) = (convert::decode(new.clone()), convert::decode(old.clone()))
    {
        service_addresses::update(&new, &old, errors);
    }
    kind != Kind::Pod || pod_update::containers_stay(new, old, errors)
}

/// Checks that come after those of the object itself.
pub(super) fn after_body(kind: Kind, new: &Value, old: &Value, errors: &mut Errors) {
    match kind {
        Kind::Pod => pod_update::update(new, old, errors),
        Kind::Deployment | Kind::ReplicaSet | Kind::DaemonSet => selector(new, old, errors),
        Kind::StatefulSet => stateful_set(new, old, errors),
        Kind::CustomResourceDefinition => definitions::update(new, old, errors),
        Kind::Job => job(new, old, errors),
        Kind::PersistentVolumeClaim => claim(new, old, errors),
        Kind::PriorityClass => {
            if new.get("value") != old.get("value") {
                errors.forbidden(&Path::new("value"), "may not be changed in an update.");
            }
            fields(&["preemptionPolicy"], new, old, errors);
        }
        Kind::StorageClass => {
            if new.get("parameters") != old.get("parameters") {
                errors.forbidden(&Path::new("parameters"), "updates to parameters are forbidden.");
            }
            for (field, detail) in [
                ("provisioner", "updates to provisioner are forbidden."),
                ("reclaimPolicy", "updates to reclaimPolicy are forbidden."),
            ] {
                if new.get(field) != old.get(field) {
                    errors.forbidden(&Path::new(field), detail);
                }
            }
            fields(&["volumeBindingMode"], new, old, errors);
        }
        Kind::ConfigMap => data(new, old, &["data", "binaryData"], errors),
        Kind::Secret => {
            fields(&["type"], new, old, errors);
            data(new, old, &["data"], errors);
        }
        Kind::RoleBinding | Kind::ClusterRoleBinding if new.get("roleRef") != old.get("roleRef") => {
            let shown = new.get("roleRef").cloned().unwrap_or_default();
            errors.invalid(&Path::new("roleRef"), shown, "cannot change roleRef");
        }
        // Nothing else is immutable here.
        _ => {}
    }
}

fn fields(names: &[&str], new: &Value, old: &Value, errors: &mut Errors) {
    for name in names {
        errors.immutable(&Path::new(name), new.get(name), old.get(name));
    }
}

fn selector(new: &Value, old: &Value, errors: &mut Errors) {
    let of = |value: &Value| {
        value
            .pointer("/spec/selector")
            .filter(|selector| selector.as_object().is_some_and(|map| !map.is_empty()))
            .cloned()
    };
    errors.immutable(&Path::new("spec").child("selector"), of(new).as_ref(), of(old).as_ref());
}

fn stateful_set(new: &Value, old: &Value, errors: &mut Errors) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        for name in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            spec.remove(name);
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.forbidden(&Path::new("spec"), STATEFUL_SET);
    }
}

/// Left out: what may change in the template of a suspended Job, elastic indexed Jobs beyond their two numbers.
fn job(new: &Value, old: &Value, errors: &mut Errors) {
    let field = |value: &Value, name: &str| value.pointer(&format!("/spec/{name}")).cloned();
    let indexed = field(new, "completionMode").is_some_and(|mode| mode == "Indexed");
    let elastic = indexed && field(new, "completions") == field(new, "parallelism");
    let path = Path::new("spec");
    for name in ["completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"] {
        let suspended = field(old, "suspend") == Some(Value::Bool(true));
        if name == "completions" && elastic || name == "template" && suspended {
            continue;
        }
        errors.immutable(&path.child(name), field(new, name).as_ref(), field(old, name).as_ref());
    }
}

fn claim(new: &Value, old: &Value, errors: &mut Errors) {
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        spec.remove("volumeAttributesClassName");
        if old.pointer("/status/phase").and_then(Value::as_str) == Some("Bound")
            && let Some(Value::Object(resources)) = spec.get_mut("resources")
        {
            resources.remove("requests");
        }
        // The binder sets the volume's name, once.
        if old.pointer("/spec/volumeName").is_none() {
            spec.remove("volumeName");
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.forbidden(&Path::new("spec"), CLAIM);
    }
    // What has been asked for in vain may be taken back, down to what there is.
    let size = |value: &Value, path: &str| value.pointer(path)?.as_str()?.parse::<Quantity>().ok();
    let asked = |value: &Value| size(value, "/spec/resources/requests/storage");
    if let (Some(wanted), Some(before)) = (asked(new), asked(old))
        && wanted < before
        && size(old, "/status/capacity/storage").is_some_and(|there| wanted <= there)
    {
        let path = Path::new("spec").child("resources").child("requests").child("storage");
        errors.forbidden(&path, "field can not be less than status.capacity");
    }
}

fn data(new: &Value, old: &Value, names: &[&str], errors: &mut Errors) {
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    let detail = "field is immutable when `immutable` is set";
    if new.get("immutable") != Some(&Value::Bool(true)) {
        errors.forbidden(&Path::new("immutable"), detail);
    }
    for name in names {
        if new.get(name) != old.get(name) {
            errors.forbidden(&Path::new(name), detail);
        }
    }
}
