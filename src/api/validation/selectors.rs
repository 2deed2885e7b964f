//! Label selectors and node selectors. Upstream: apimachinery `meta/v1/validation`, `ValidateNodeSelectorRequirement`.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::field::{Errors, Path};
use super::metadata;
use crate::api::text::{is_qualified_name, is_valid_label_value};

pub(super) fn label_selector(path: &Path, selector: Option<&LabelSelector>, errors: &mut Errors) {
    let Some(selector) = selector else { return };
    metadata::labels(&path.child("matchLabels"), selector.match_labels.as_ref(), errors);
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let path = path.child("matchExpressions").index(index);
        let values = expression.values.as_deref().unwrap_or_default();
        match expression.operator.as_str() {
            "In" | "NotIn" => values_needed(&path, values, errors),
            "Exists" | "DoesNotExist" => no_values(&path, values, errors),
            operator => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
        }
        errors.complaints(&path.child("key"), &expression.key, is_qualified_name(&expression.key));
        for (index, value) in values.iter().enumerate() {
            errors.complaints(&path.child("values").index(index), value, is_valid_label_value(value));
        }
    }
}

/// Whether there is no selector, or one without requirements: after decoding the two are the same.
pub(super) fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(|labels| labels.is_empty())
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}

pub(super) fn node_selector_term(path: &Path, term: &v1::NodeSelectorTerm, errors: &mut Errors) {
    for (index, expression) in term.match_expressions.iter().flatten().enumerate() {
        node_requirement(&path.child("matchExpressions").index(index), expression, errors);
    }
    for (index, expression) in term.match_fields.iter().flatten().enumerate() {
        let path = path.child("matchFields").index(index);
        if expression.values.as_ref().map_or(0, Vec::len) != 1 {
            errors.required(
                &path.child("values"),
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            );
        }
        if expression.key != "metadata.name" {
            errors.invalid(&path.child("key"), expression.key.as_str(), "not a valid field selector key");
        }
    }
}

fn node_requirement(path: &Path, expression: &v1::NodeSelectorRequirement, errors: &mut Errors) {
    let values = expression.values.as_deref().unwrap_or_default();
    match expression.operator.as_str() {
        "In" | "NotIn" => values_needed(path, values, errors),
        "Exists" | "DoesNotExist" => no_values(path, values, errors),
        "Gt" | "Lt" => {
            if values.len() != 1 {
                let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.required(&path.child("values"), detail);
            }
        }
        operator => errors.invalid(&path.child("operator"), operator, "not a valid selector operator"),
    }
    errors.complaints(&path.child("key"), &expression.key, is_qualified_name(&expression.key));
}

fn values_needed(path: &Path, values: &[String], errors: &mut Errors) {
    if values.is_empty() {
        errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    }
}

fn no_values(path: &Path, values: &[String], errors: &mut Errors) {
    if !values.is_empty() {
        let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
        errors.forbidden(&path.child("values"), detail);
    }
}
