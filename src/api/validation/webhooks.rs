//! Configurations of admission webhooks. Upstream: `pkg/apis/admissionregistration/validation/validation.go`.
//!
//! Left out: the versions and groups of rules beyond `*` standing alone, URLs, and match conditions, which are refused
//! where this build evaluates no CEL.

use serde_json::Value;

use super::field::{Errors, Path};
use crate::api::text::is_dns1123_subdomain;

pub(super) fn configuration(configuration: &Value, errors: &mut Errors) {
    let path = Path::new("webhooks");
    let webhooks = configuration["webhooks"].as_array().into_iter().flatten();
    let mut names: Vec<&str> = Vec::new();
    for (index, webhook) in webhooks.enumerate() {
        let at = path.index(index);
        let name = webhook["name"].as_str().unwrap_or_default();
        qualified_name(name, &at.child("name"), errors);
        if names.contains(&name) {
            errors.duplicate(&at.child("name"), name);
        }
        names.push(name);
        one_webhook(webhook, &at, errors);
    }
}

/// Upstream: `IsFullyQualifiedName`.
fn qualified_name(name: &str, at: &Path, errors: &mut Errors) {
    let complaints = is_dns1123_subdomain(name);
    match name {
        "" => errors.required(at, ""),
        _ if !complaints.is_empty() => errors.invalid(at, name, complaints.join(",")),
        _ if name.split('.').count() < 3 => {
            errors.invalid(at, name, "should be a domain with at least three segments separated by dots");
        }
        _ => {}
    }
}

fn one_webhook(webhook: &Value, at: &Path, errors: &mut Errors) {
    let versions = webhook["admissionReviewVersions"].as_array().cloned().unwrap_or_default();
    let known = versions.iter().any(|version| version == "v1" || version == "v1beta1");
    if versions.is_empty() {
        errors.required(&at.child("admissionReviewVersions"), "must specify one of v1, v1beta1");
    } else if !known {
        let why = "must include at least one of v1, v1beta1";
        errors.invalid(&at.child("admissionReviewVersions"), Value::Array(versions), why);
    }
    for (index, rule) in webhook["rules"].as_array().into_iter().flatten().enumerate() {
        rules(rule, &at.child("rules").index(index), errors);
    }
    let one_of = |name: &str, values: &[&str], errors: &mut Errors| {
        if let Some(value) = webhook[name].as_str().filter(|value| !values.contains(value)) {
            errors.not_supported(&at.child(name), value, values);
        }
    };
    one_of("failurePolicy", &["Fail", "Ignore"], errors);
    one_of("matchPolicy", &["Equivalent", "Exact"], errors);
    match webhook["sideEffects"].as_str() {
        None | Some("") => errors.required(&at.child("sideEffects"), "must specify one of None, NoneOnDryRun"),
        Some(_) => one_of("sideEffects", &["None", "NoneOnDryRun"], errors),
    }
    if let Some(seconds) = webhook["timeoutSeconds"].as_i64().filter(|seconds| !(1..=30).contains(seconds)) {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&at.child("timeoutSeconds"), seconds, why);
    }
    let client = &webhook["clientConfig"];
    if client["url"].is_null() == client["service"].is_null() {
        errors.required(&at.child("clientConfig"), "exactly one of url or service is required");
    }
    let conditions = webhook["matchConditions"].as_array().is_some_and(|conditions| !conditions.is_empty());
    if conditions {
        let why = "wavetank does not evaluate match conditions: take them out, or select by labels instead";
        errors.forbidden(&at.child("matchConditions"), why);
    }
}

fn rules(rule: &Value, at: &Path, errors: &mut Errors) {
    for name in ["operations", "apiGroups", "apiVersions", "resources"] {
        let entries = rule[name].as_array().cloned().unwrap_or_default();
        if entries.is_empty() {
            errors.required(&at.child(name), "");
        }
        if entries.len() > 1 && entries.iter().any(|entry| entry == "*") && name != "resources" {
            let why = "if '*' is present, must not specify other ";
            let what = match name {
                "operations" => "operations",
                "apiGroups" => "API groups",
                _ => "API versions",
            };
            errors.invalid(&at.child(name), Value::Array(entries.clone()), format!("{why}{what}"));
        }
    }
    let operations = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    for (index, operation) in rule["operations"].as_array().into_iter().flatten().enumerate() {
        if let Some(operation) = operation.as_str().filter(|operation| !operations.contains(operation)) {
            errors.not_supported(&at.child("operations").index(index), operation, &operations);
        }
    }
    if let Some(scope) = rule["scope"].as_str().filter(|scope| !["*", "Cluster", "Namespaced"].contains(scope)) {
        errors.not_supported(&at.child("scope"), scope, &["*", "Cluster", "Namespaced"]);
    }
}
