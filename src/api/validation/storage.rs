//! Claims and volumes. Upstream: `ValidatePersistentVolumeClaimSpec`, `ValidatePersistentVolumeSpec`. Left out: data
//! sources, node affinity of volumes, what the sources need inside.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use super::field::{Errors, Path};
use super::{selectors, shown};
use crate::api::Quantity;

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Fields of a PersistentVolume's spec that are no source.
const NO_SOURCES: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub(super) fn claim(claim: &v1::PersistentVolumeClaim, errors: &mut Errors) {
    let spec = claim.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    access_modes(&path.child("accessModes"), spec.access_modes.as_deref().unwrap_or_default(), errors);
    selectors::label_selector(&path.child("selector"), spec.selector.as_ref(), errors);
    let requests = spec.resources.unwrap_or_default().requests.unwrap_or_default();
    match requests.get("storage") {
        None => errors.required(&path.child("resources").key("storage"), ""),
        Some(quantity) => positive(&path.child("resources").key("storage"), quantity, errors),
    }
    mode(&path.child("volumeMode"), spec.volume_mode.as_deref(), errors);
}

pub(super) fn volume(volume: &v1::PersistentVolume, errors: &mut Errors) {
    let spec = volume.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    access_modes(&path.child("accessModes"), spec.access_modes.as_deref().unwrap_or_default(), errors);
    match spec.capacity.as_ref().filter(|capacity| !capacity.is_empty()) {
        None => errors.required(&path.child("capacity"), ""),
        Some(capacity) => match capacity.get("storage") {
            Some(quantity) if capacity.len() == 1 => positive(&path.child("capacity").key("storage"), quantity, errors),
            Some(_) | None => errors.not_supported(&path.child("capacity"), shown(capacity), &["storage"]),
        },
    }
    let policy = spec.persistent_volume_reclaim_policy.as_deref().unwrap_or_default();
    let policies = ["Delete", "Recycle", "Retain"];
    if !policy.is_empty() && !policies.contains(&policy) {
        errors.not_supported(&path.child("persistentVolumeReclaimPolicy"), policy, &policies);
    }
    let all = shown(&spec);
    let sources = all.as_object().into_iter().flatten().filter(|(name, _)| !NO_SOURCES.contains(&name.as_str()));
    let sources: Vec<&str> = sources.map(|(name, _)| name.as_str()).collect();
    if sources.is_empty() {
        errors.required(&path, "must specify a volume type");
    }
    for extra in sources.iter().skip(1) {
        errors.forbidden(&path.child(extra), "may not specify more than 1 volume type");
    }
    mode(&path.child("volumeMode"), spec.volume_mode.as_deref(), errors);
}

fn access_modes(path: &Path, modes: &[String], errors: &mut Errors) {
    if modes.is_empty() {
        errors.required(path, "at least 1 access mode is required");
    }
    for mode in modes.iter().filter(|mode| !ACCESS_MODES.contains(&mode.as_str())) {
        errors.not_supported(path, mode.as_str(), &ACCESS_MODES);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn positive(path: &Path, quantity: &WireQuantity, errors: &mut Errors) {
    if let Ok(quantity) = Quantity::try_from(quantity)
        && quantity <= Quantity::zero()
    {
        errors.invalid(path, quantity.to_string(), "must be greater than zero");
    }
}

fn mode(path: &Path, mode: Option<&str>, errors: &mut Errors) {
    if let Some(mode) = mode.filter(|mode| !["Block", "Filesystem"].contains(mode)) {
        errors.not_supported(path, mode, &["Block", "Filesystem"]);
    }
}
