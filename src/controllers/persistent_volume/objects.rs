//! Claims and volumes as the binder reads and writes them: the stored JSON with names for what matters in it.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Name, Obj, Object, Quantity, Selector, Untyped};

/// A claim or a volume.
pub type Stored = Arc<Obj<Untyped>>;

/// The binding of a claim is complete. Upstream: `AnnBindCompleted`.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// The controller, not the user, has bound. Upstream: `AnnBoundByController`.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Who has made the volume. Upstream: `AnnDynamicallyProvisioned`.
pub const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Who is to make a volume for the claim. Upstream: `AnnStorageProvisioner`, `AnnBetaStorageProvisioner`.
pub const STORAGE_PROVISIONER: [&str; 2] =
    ["volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"];
/// The node for which a volume is to be made. Upstream: `AnnSelectedNode`.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// A value below the top level.
pub fn at<'a>(object: &'a Obj<Untyped>, path: &[&str]) -> Option<&'a Value> {
    let mut value = object.body.fields.get(path[0])?;
    for key in &path[1..] {
        value = value.get(key)?;
    }
    Some(value)
}

/// A text below the top level; empty where there is none.
pub fn text<'a>(object: &'a Obj<Untyped>, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

fn quantity(value: Option<&Value>) -> Option<Quantity> {
    Quantity::from_str(value?.as_str()?).ok()
}

/// What a claim asks for.
pub fn requested(claim: &Obj<Untyped>) -> Quantity {
    quantity(at(claim, &["spec", "resources", "requests", "storage"])).unwrap_or_else(Quantity::zero)
}

/// What a volume has.
pub fn capacity(volume: &Obj<Untyped>) -> Quantity {
    quantity(at(volume, &["spec", "capacity", "storage"])).unwrap_or_else(Quantity::zero)
}

/// The class of a claim or a volume: the annotation of old, else the field.
pub fn class(object: &Obj<Untyped>) -> Name {
    match object.meta.annotations.get(BETA_CLASS) {
        Some(class) => class.clone(),
        None => text(object, &["spec", "storageClassName"]).into(),
    }
}

/// Whether a claim names a class, the empty one included.
pub fn names_class(claim: &Obj<Untyped>) -> bool {
    claim.meta.annotations.get(BETA_CLASS).is_some() || at(claim, &["spec", "storageClassName"]).is_some()
}

/// The access modes, sorted.
pub fn modes(object: &Obj<Untyped>) -> Vec<&str> {
    let list = at(object, &["spec", "accessModes"]).and_then(Value::as_array);
    let mut modes: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    modes.sort_unstable();
    modes
}

/// Whether claim and volume agree on files or blocks.
pub fn same_volume_mode(one: &Obj<Untyped>, other: &Obj<Untyped>) -> bool {
    let mode = |object| match text(object, &["spec", "volumeMode"]) {
        "" => "Filesystem".to_owned(),
        mode => mode.to_owned(),
    };
    mode(one) == mode(other)
}

/// The selector of a claim; nothing where it has none.
pub fn selector(claim: &Obj<Untyped>) -> Option<Selector> {
    let written = at(claim, &["spec", "selector"])?;
    let typed = serde_json::from_value(written.clone()).ok()?;
    Some(Selector::from_label_selector(Some(&typed)).unwrap_or_else(|_| Selector::nothing()))
}

/// The namespace and name of the claim that a volume is for.
pub fn claim_of(volume: &Obj<Untyped>) -> Option<(Name, Name)> {
    at(volume, &["spec", "claimRef"])?;
    let part = |name| Name::from(text(volume, &["spec", "claimRef", name]));
    Some((part("namespace"), part("name")))
}

/// The uid of that claim; empty where a user has reserved the volume for a name.
pub fn claim_uid(volume: &Obj<Untyped>) -> &str {
    text(volume, &["spec", "claimRef", "uid"])
}

/// Whether a volume is bound to the claim or reserved for it. Upstream: `IsVolumeBoundToClaim`.
pub fn is_for(volume: &Obj<Untyped>, claim: &Obj<Untyped>) -> bool {
    let uid = claim_uid(volume);
    claim_of(volume).is_some_and(|(namespace, name)| namespace == claim.meta.namespace && name == claim.meta.name)
        && (uid.is_empty() || uid == claim.meta.uid.to_string())
}

/// A copy with something changed in a top-level field.
pub fn with(object: &Stored, field: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Stored {
    let mut copy = Obj::clone(object);
    let value = copy.body.fields.entry(field).or_insert_with(|| json!({}));
    if let Value::Object(fields) = value {
        change(fields);
    }
    Arc::new(copy)
}

/// A copy with an annotation.
pub fn annotated(object: &Stored, key: &str, value: &str) -> Stored {
    let mut copy = Obj::clone(object);
    copy.meta.annotations = copy.meta.annotations.with(key, value);
    Arc::new(copy)
}

/// The object as a request takes it.
pub fn object(stored: &Stored) -> Object {
    Object::Untyped(stored.clone())
}
