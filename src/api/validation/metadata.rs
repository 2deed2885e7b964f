//! `metadata` of every kind. Upstream: apimachinery `pkg/api/validation/objectmeta.go`.
//! Left out: `managedFields`, and changes of timestamps, which the server writes itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;
use std::collections::BTreeMap;

use super::field::{Errors, Path};
use super::{shown, typed};
use crate::api::Kind;
use crate::api::text::{
    go_quote, is_dns1035_label, is_dns1123_label, is_dns1123_subdomain, is_qualified_name, is_valid_label_value,
};

/// How many bytes all annotations together may have.
const ANNOTATIONS_MAX: usize = 256 * 1024;
/// Finalizers that need no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

pub(super) fn create(kind: Kind, value: &Value, errors: &mut Errors) {
    typed(&present(value.get("metadata")), |meta: ObjectMeta| {
        names(kind, &meta, errors);
        common(&meta, errors);
    });
}

pub(super) fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("metadata");
    let (new, old) = (new.get("metadata"), old.get("metadata"));
    let field = |meta: Option<&Value>, name: &str| meta.and_then(|meta| meta.get(name)).cloned();
    for name in ["name", "namespace", "uid"] {
        let (new, old) = (field(new, name), field(old, name));
        if new.is_some() {
            errors.immutable(&path.child(name), new.as_ref(), old.as_ref());
        }
    }
    if field(old, "deletionTimestamp").is_some() {
        let had = field(old, "finalizers").unwrap_or_default();
        let added: Vec<String> = field(new, "finalizers")
            .iter()
            .filter_map(Value::as_array)
            .flatten()
            .filter(|finalizer| !had.as_array().is_some_and(|had| had.contains(finalizer)))
            .filter_map(|finalizer| finalizer.as_str().map(go_quote))
            .collect();
        if !added.is_empty() {
            errors.forbidden(
                &path.child("finalizers"),
                format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    added.join(", ")
                ),
            );
        }
    }
    typed(&present(new), |meta: ObjectMeta| common(&meta, errors));
}

/// Metadata that is there, or empty metadata.
fn present(meta: Option<&Value>) -> Value {
    meta.filter(|meta| !meta.is_null()).cloned().unwrap_or_else(|| Value::Object(Default::default()))
}

/// Labels of anything, keys and values. A mistake is told at `path` itself, as upstream does.
pub(super) fn labels(path: &Path, labels: Option<&BTreeMap<String, String>>, errors: &mut Errors) {
    for (key, value) in labels.into_iter().flatten() {
        errors.complaints(path, key, is_qualified_name(key));
        errors.complaints(path, value, is_valid_label_value(value));
    }
}

/// Annotations of anything: keys, and the size of them all.
pub(super) fn annotations(path: &Path, annotations: Option<&BTreeMap<String, String>>, errors: &mut Errors) {
    for key in annotations.into_iter().flatten().map(|(key, _)| key) {
        errors.complaints(path, key, is_qualified_name(&key.to_lowercase()));
    }
    let size: usize = annotations.into_iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS_MAX {
        errors.too_long(path, ANNOTATIONS_MAX);
    }
}

fn names(kind: Kind, meta: &ObjectMeta, errors: &mut Errors) {
    let path = Path::new("metadata");
    let prefix = meta.generate_name.as_deref().unwrap_or_default();
    if !prefix.is_empty() {
        errors.complaints(&path.child("generateName"), prefix, judge_name(kind, &mask_trailing_dash(prefix)));
    }
    match meta.name.as_deref().unwrap_or_default() {
        "" if prefix.is_empty() => errors.required(&path.child("name"), "name or generateName is required"),
        "" => {}
        name => errors.complaints(&path.child("name"), name, judge_name(kind, name)),
    }
    let namespaced = kind.info().is_none_or(|info| info.namespaced);
    let at = path.child("namespace");
    match meta.namespace.as_deref().unwrap_or_default() {
        "" if namespaced => errors.required(&at, ""),
        "" => {}
        namespace if namespaced => errors.complaints(&at, namespace, is_dns1123_label(namespace)),
        _ => errors.forbidden(&at, "not allowed on this type"),
    }
}

fn judge_name(kind: Kind, name: &str) -> Vec<String> {
    match kind {
        Kind::Namespace => is_dns1123_label(name),
        Kind::Service => is_dns1035_label(name),
        Kind::Role | Kind::ClusterRole | Kind::RoleBinding | Kind::ClusterRoleBinding => path_segment(name),
        _ => is_dns1123_subdomain(name),
    }
}

/// Upstream: `path.IsValidPathSegmentName`.
fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    let found = ["/", "%"].into_iter().filter(|part| name.contains(part));
    found.map(|part| format!("may not contain '{part}'")).collect()
}

/// A prefix may end in a dash, as something follows it.
fn mask_trailing_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(head) if !head.is_empty() => format!("{head}a"),
        _ => prefix.to_owned(),
    }
}

fn common(meta: &ObjectMeta, errors: &mut Errors) {
    let path = Path::new("metadata");
    errors.non_negative(&path.child("generation"), meta.generation);
    labels(&path.child("labels"), meta.labels.as_ref(), errors);
    annotations(&path.child("annotations"), meta.annotations.as_ref(), errors);
    owners(&path.child("ownerReferences"), meta.owner_references.as_deref().unwrap_or_default(), errors);
    finalizers(&path.child("finalizers"), meta.finalizers.as_deref().unwrap_or_default(), errors);
}

fn owners(path: &Path, owners: &[OwnerReference], errors: &mut Errors) {
    let mut controller: Option<&str> = None;
    for owner in owners {
        if owner.api_version.rsplit('/').next().is_none_or(str::is_empty) {
            errors.invalid(&path.child("apiVersion"), owner.api_version.as_str(), "version must not be empty");
        }
        for (field, text) in [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)] {
            if text.is_empty() {
                errors.invalid(&path.child(field), text.as_str(), "must not be empty");
            }
        }
        if owner.kind == "Event" && owner.api_version == "v1" {
            errors.invalid(path, shown(owner), "/v1, Kind=Event is disallowed from being an owner");
        }
    }
    for owner in owners.iter().filter(|owner| owner.controller == Some(true)) {
        match controller {
            None => controller = Some(&owner.name),
            Some(first) => errors.invalid(
                path,
                shown(&owners),
                format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                    owner.name
                ),
            ),
        }
    }
}

fn finalizers(path: &Path, finalizers: &[String], errors: &mut Errors) {
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    for finalizer in finalizers {
        errors.complaints(path, finalizer, is_qualified_name(finalizer));
    }
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.invalid(path, shown(&finalizers), detail);
    }
    for (index, finalizer) in finalizers.iter().enumerate() {
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer.as_str()) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&path.index(index), finalizer.as_str(), detail);
        }
    }
}
