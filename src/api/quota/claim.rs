//! What PersistentVolumeClaims take of a quota.
//! Upstream: `pkg/quota/v1/evaluator/core/persistent_volume_claims.go`.

use serde_json::{Map, Value};

use super::{Amounts, Scope};
use crate::api::Meta;

const CLAIMS: &str = "persistentvolumeclaims";
const STORAGE: &str = "requests.storage";
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";
/// The old place of the class.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Whether claims take of a resource of a quota.
pub(super) fn takes(name: &str) -> bool {
    let of_class = name.split_once(OF_CLASS).is_some_and(|(_, rest)| rest == STORAGE || rest == CLAIMS);
    name == CLAIMS || name == STORAGE || of_class
}

pub(super) fn add_usage(meta: &Meta, fields: &Map<String, Value>, usage: &mut Amounts) {
    let spec = fields.get("spec");
    let field = |name: &str| spec.and_then(|spec| spec.get(name));
    let class = meta.annotations.get(CLASS_ANNOTATION).map(|class| class.as_str());
    let class = class.or_else(|| field("storageClassName").and_then(Value::as_str)).unwrap_or_default();
    let requests = field("resources").and_then(|resources| resources.get("requests"));
    let storage = Amounts::read(requests).get("storage").cloned();
    usage.add_count(CLAIMS, 1);
    if !class.is_empty() {
        usage.add_count(&format!("{class}{OF_CLASS}{CLAIMS}"), 1);
    }
    if let Some(storage) = storage {
        if !class.is_empty() {
            usage.set(&format!("{class}{OF_CLASS}{STORAGE}"), storage.clone());
        }
        usage.set(STORAGE, storage);
    }
}

/// The scope of claims by their VolumeAttributesClasses. Upstream: `pvcMatchesScopeFunc`.
pub(super) fn is_in_scope(fields: &Map<String, Value>, scope: &Scope) -> bool {
    if scope.name != "VolumeAttributesClass" {
        return false;
    }
    let at = |path: &[&str]| {
        let first = fields.get(path[0])?;
        let found = path[1..].iter().try_fold(first, |value, name| value.get(name))?;
        found.as_str().filter(|name| !name.is_empty())
    };
    let names = [
        at(&["spec", "volumeAttributesClassName"]),
        at(&["status", "currentVolumeAttributesClassName"]),
        at(&["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"]),
    ];
    let named: Vec<&str> = names.into_iter().flatten().collect();
    if named.is_empty() { scope.admits(None) } else { named.into_iter().any(|name| scope.admits(Some(name))) }
}
