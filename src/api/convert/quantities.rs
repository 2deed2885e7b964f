//! Quantities in manifests, brought into their canonical form as Go's `resource.Quantity` is when it is written back:
//! `1.5Gi` becomes `1536Mi`, the number 1 becomes `"1"`. Upstream: apimachinery `pkg/api/resource`.

use serde_json::Value;

use super::ConvertError;
use crate::api::{Kind, Quantity};

/// Fields that map resource names to quantities, wherever they stand.
const LISTS: [&str; 14] = [
    "requests",
    "limits",
    "capacity",
    "allocatable",
    "hard",
    "used",
    "max",
    "min",
    "default",
    "defaultRequest",
    "maxLimitRequestRatio",
    "overhead",
    "podFixed",
    "allocatedResources",
];

/// Fields that hold one quantity, wherever they stand.
const SINGLE: [&str; 5] = ["sizeLimit", "averageValue", "divisor", "maximumVolumeSize", "allocatedStorage"];

/// Brings every quantity of a manifest into its canonical form.
///
/// # Errors
/// The first text that is no quantity, with upstream's sentence.
pub(super) fn canonicalise(kind: Kind, value: &mut Value) -> Result<(), ConvertError> {
    if !may_hold_quantities(kind) {
        return Ok(());
    }
    walk("", value)
}

/// Kinds whose fields may be called like those above and be something else.
fn may_hold_quantities(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::CustomResourceDefinition
            | Kind::ControllerRevision
            | Kind::ConfigMap
            | Kind::CSINode
            | Kind::Secret
            | Kind::ResourceSlice
            | Kind::ResourceClaim
            | Kind::Custom(_)
    )
}

fn walk(path: &str, value: &mut Value) -> Result<(), ConvertError> {
    match value {
        Value::Object(map) => {
            for (key, child) in map.iter_mut() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if path == "metadata" {
                    continue;
                }
                if LISTS.contains(&key.as_str()) && is_list(child) {
                    for (resource, quantity) in child.as_object_mut().into_iter().flatten() {
                        canonical(&format!("{path}[{resource}]"), quantity)?;
                    }
                } else if SINGLE.contains(&key.as_str()) || is_metric_value(&path) {
                    canonical(&path, child)?;
                } else {
                    walk(&path, child)?;
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().try_for_each(|(index, item)| walk(&format!("{path}[{index}]"), item))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn is_list(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.values().all(|entry| entry.is_string() || entry.is_number()))
}

/// `value` of an HPA's metric target.
fn is_metric_value(path: &str) -> bool {
    path.ends_with(".target.value") || path.ends_with(".current.value")
}

fn canonical(path: &str, value: &mut Value) -> Result<(), ConvertError> {
    if value.is_null() {
        return Ok(());
    }
    let quantity: Quantity =
        serde_json::from_value(value.take()).map_err(|error| ConvertError::new(path, error.to_string()))?;
    *value = Value::String(quantity.to_string());
    Ok(())
}
