//! CustomResourceDefinitions. Upstream: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`.
//!
//! Left out: conversion webhooks' client settings, selectable fields, the cost and types of rules.

use serde_json::Value;

use super::field::{Errors, Path};
use crate::api::schema;
use crate::api::text::{is_dns1035_label, is_dns1123_subdomain};

/// Groups that are Kubernetes' own, which need its approval.
const APPROVED: &str = "api-approved.kubernetes.io";

pub(super) fn definition(crd: &Value, errors: &mut Errors) {
    let spec = &crd["spec"];
    let path = Path::new("spec");
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    let name = crd["metadata"]["name"].as_str().unwrap_or_default();
    if name != format!("{plural}.{group}") {
        errors.invalid(&Path::new("metadata").child("name"), name, "must be spec.names.plural+\".\"+spec.group");
    }
    if group.ends_with(".k8s.io") || group == "k8s.io" || group == "kubernetes.io" || group.ends_with(".kubernetes.io")
    {
        protected(&crd["metadata"]["annotations"][APPROVED], errors);
    }
    let at = path.child("group");
    let complaints = is_dns1123_subdomain(&group);
    match group.as_str() {
        "" => errors.required(&at, ""),
        _ if !complaints.is_empty() => errors.invalid(&at, group.as_str(), complaints.join(",")),
        _ if !group.contains('.') => errors.invalid(&at, group.as_str(), "should be a domain with at least one dot"),
        _ => {}
    }
    errors.one_of(&path.child("scope"), spec["scope"].as_str(), &["Cluster", "Namespaced"]);
    if spec["preserveUnknownFields"] == true {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&path.child("preserveUnknownFields"), true, why);
    }
    versions(spec, &path, errors);
    names(&spec["names"], &path.child("names"), errors);
    if spec["conversion"]["strategy"] == "Webhook" && spec["conversion"]["webhook"].is_null() {
        errors.required(
            &path.child("conversion").child("webhookClientConfig"),
            "required when strategy is set to Webhook",
        );
    }
}

fn protected(approval: &Value, errors: &mut Errors) {
    let at = Path::new("metadata").child("annotations").key(APPROVED);
    match approval.as_str().unwrap_or_default() {
        "" => errors.required(
            &at,
            &format!(
                "protected groups must have approval annotation {APPROVED:?}, see https://github.com/kubernetes/enhancements/pull/1111"
            ),
        ),
        text if text.starts_with("unapproved") || text.contains("://") => {}
        text => errors.invalid(
            &at,
            text,
            "protected groups must have approval annotation with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111",
        ),
    }
}

fn versions(spec: &Value, path: &Path, errors: &mut Errors) {
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let at = path.child("versions");
    let names: Vec<&str> = versions.iter().map(|version| version["name"].as_str().unwrap_or_default()).collect();
    for (index, name) in names.iter().enumerate() {
        let complaints = is_dns1035_label(name);
        if !complaints.is_empty() {
            errors.invalid(&at.index(index).child("name"), *name, complaints.join(","));
        }
    }
    if names.iter().enumerate().any(|(index, name)| names[..index].contains(name)) {
        errors.invalid(&at, Value::Array(versions.clone()), "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.invalid(&at, Value::Array(versions.clone()), why);
    }
    // Inside, upstream keeps what all versions have alike in one place, and names that place.
    let alike = |name: &str| versions.windows(2).all(|pair| pair[0][name] == pair[1][name]);
    let (same_schema, same_parts) = (alike("schema"), alike("subresources"));
    let same_columns = alike("additionalPrinterColumns");
    for (index, version) in versions.iter().enumerate() {
        let own = at.index(index);
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            errors.required(&own.child("schema").child("openAPIV3Schema"), "schemas are required");
        } else if !same_schema || index == 0 {
            let place = if same_schema { path.child("validation") } else { own.child("schema") };
            errors.take(schema::violations(place.child("openAPIV3Schema").text(), schema));
        }
        if !same_parts || index == 0 {
            let place = if same_parts { path.clone() } else { own.clone() };
            scale(&version["subresources"]["scale"], &place.child("subresources"), errors);
        }
        if !same_columns || index == 0 {
            let place = if same_columns { path.clone() } else { own };
            columns(&version["additionalPrinterColumns"], &place.child("additionalPrinterColumns"), errors);
        }
    }
}

fn names(names: &Value, path: &Path, errors: &mut Errors) {
    let text = |name: &str| names[name].as_str().unwrap_or_default();
    for name in ["plural", "singular", "kind", "listKind"] {
        if text(name).is_empty() {
            errors.required(&path.child(name), "");
        }
    }
    for name in ["plural", "singular"] {
        let complaints = is_dns1035_label(text(name));
        if !text(name).is_empty() && !complaints.is_empty() {
            errors.invalid(&path.child(name), text(name), complaints.join(","));
        }
    }
    for name in ["kind", "listKind"] {
        let complaints = is_dns1035_label(&text(name).to_lowercase());
        if !text(name).is_empty() && !complaints.is_empty() {
            let why = format!("may have mixed case, but should otherwise match: {}", complaints.join(","));
            errors.invalid(&path.child(name), text(name), why);
        }
    }
    for list in ["shortNames", "categories"] {
        let items = names[list].as_array().into_iter().flatten().filter_map(Value::as_str);
        for (index, item) in items.enumerate() {
            let complaints = is_dns1035_label(item);
            if !complaints.is_empty() {
                errors.invalid(&path.child(list).index(index), item, complaints.join(","));
            }
        }
    }
    if !text("kind").is_empty() && text("kind") == text("listKind") {
        errors.invalid(&path.child("listKind"), text("listKind"), "kind and listKind may not be the same");
    }
}

fn scale(scale: &Value, path: &Path, errors: &mut Errors) {
    if scale.is_null() {
        return;
    }
    for (name, part, is_needed) in [
        ("specReplicasPath", ".spec.", true),
        ("statusReplicasPath", ".status.", true),
        ("labelSelectorPath", "", false),
    ] {
        let at = path.child(&format!("scale.{name}"));
        let path = scale[name].as_str().unwrap_or_default();
        let is_within = if part.is_empty() {
            path.starts_with(".status.") || path.starts_with(".spec.")
        } else {
            path.starts_with(part)
        };
        match path {
            "" if is_needed => errors.required(&at, ""),
            "" => {}
            path if !path.starts_with('.') => errors.invalid(&at, path, "must be a simple json path starting with ."),
            path if path.contains('[') => errors.invalid(&at, path, "array index is not allowed"),
            _ if is_within => {}
            path if part.is_empty() => {
                errors.invalid(&at, path, "should be a json path under either .status or .spec");
            }
            path => {
                errors.invalid(&at, path, format!("should be a json path under {}", part.trim_end_matches('.')));
            }
        }
    }
}

fn columns(columns: &Value, path: &Path, errors: &mut Errors) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    for (index, column) in columns.as_array().into_iter().flatten().enumerate() {
        let at = path.index(index);
        let text = |name: &str| column[name].as_str().unwrap_or_default();
        if text("name").is_empty() {
            errors.required(&at.child("name"), "");
        }
        match text("type") {
            "" => errors.required(&at.child("type"), &format!("must be one of {}", TYPES.join(","))),
            kind if TYPES.contains(&kind) => {}
            kind => errors.invalid(&at.child("type"), kind, format!("must be one of {}", TYPES.join(","))),
        }
        match text("jsonPath") {
            "" => errors.required(&at.child("jsonPath"), ""),
            path if path.starts_with('.') => {}
            path => errors.invalid(&at.child("jsonPath"), path, "must be a simple json path starting with ."),
        }
    }
}

/// What may not change.
pub(super) fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    let (new, old) = (&new["spec"], &old["spec"]);
    errors.immutable(&path.child("scope"), new.get("scope"), old.get("scope"));
    let name = |spec: &Value, name: &str| spec["names"].get(name).cloned();
    errors.immutable(&path.child("names").child("kind"), name(new, "kind").as_ref(), name(old, "kind").as_ref());
    errors.immutable(&path.child("group"), new.get("group"), old.get("group"));
    errors.immutable(&path.child("names").child("plural"), name(new, "plural").as_ref(), name(old, "plural").as_ref());
}
