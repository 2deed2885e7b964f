//! Requests and limits. Upstream: `ValidateResourceRequirements`, `ValidateResourceQuantityValue`.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use super::field::{Errors, Path};
use crate::api::Quantity;
use crate::api::text::is_qualified_name;

/// Resources without a domain that a container may ask for; `hugepages-…` beside them.
const CONTAINER_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(super) fn requirements(path: &Path, resources: &v1::ResourceRequirements, errors: &mut Errors) {
    let (limits_path, requests_path) = (path.child("limits"), path.child("requests"));
    for (name, quantity) in resources.limits.iter().flatten() {
        resource(&limits_path.key(name), name, quantity, errors);
    }
    for (name, quantity) in resources.requests.iter().flatten() {
        resource(&requests_path.key(name), name, quantity, errors);
        let limit = resources.limits.as_ref().and_then(|limits| limits.get(name));
        let Ok(request) = Quantity::try_from(quantity) else { continue };
        let overcommits = is_native(name) && !name.starts_with("hugepages-");
        match limit.and_then(|limit| Quantity::try_from(limit).ok()) {
            Some(limit) if !overcommits && request != limit => {
                errors.invalid(
                    &requests_path,
                    request.to_string(),
                    format!("must be equal to {name} limit of {limit}"),
                );
            }
            Some(limit) if request > limit => errors.invalid(
                &requests_path,
                request.to_string(),
                format!("must be less than or equal to {name} limit of {limit}"),
            ),
            None if !overcommits => {
                errors.required(&limits_path, "Limit must be set for non overcommitable resources");
            }
            Some(_) | None => {}
        }
    }
}

/// A resource of a container: its name, and its amount.
fn resource(path: &Path, name: &str, quantity: &WireQuantity, errors: &mut Errors) {
    errors.complaints(path, name, is_qualified_name(name));
    if !name.contains('/') && !CONTAINER_RESOURCES.contains(&name) && !name.starts_with("hugepages-") {
        errors.invalid(path, name, "must be a standard resource for containers");
    }
    amount(path, name, quantity, errors);
}

/// An amount: not negative, and whole where the resource can only be had whole.
pub(super) fn amount(path: &Path, name: &str, quantity: &WireQuantity, errors: &mut Errors) {
    let Ok(quantity) = Quantity::try_from(quantity) else { return };
    if quantity < Quantity::zero() {
        errors.invalid(path, quantity.to_string(), "must be greater than or equal to 0");
    }
    if !is_native(name) && quantity.nanos() % 1_000_000_000 != 0 {
        errors.invalid(path, quantity.to_string(), "must be an integer");
    }
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.split('/').next().is_some_and(|domain| domain.ends_with("kubernetes.io"))
}
