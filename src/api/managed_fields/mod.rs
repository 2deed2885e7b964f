//! Server-side apply and the owners of fields: `metadata.managedFields`.
//!
//! Pure functions over whole objects as the API server holds them in memory. [`apply`] lays a configuration over an
//! object, [`update`] says who owns what after any other write, [`keep_times`] takes back new times where nothing else
//! is new. All of it happens before the server prepares the object for storage; defaults come after [`apply`] (they
//! belong to nobody) and before [`update`] (they belong to whoever wrote). In order, for a server:
//!
//! - an apply patch: `apply`, then decoding and defaults, admission, the strategy, validation, `keep_times`;
//! - a create: decoding and defaults, `update` without a live object, admission, the strategy;
//! - an update or another patch: the new object with defaults, `update`, admission, the strategy, `keep_times`.
//!
//! Follows apimachinery `pkg/util/managedfields` and `sigs.k8s.io/structured-merge-diff` (v6, Kubernetes 1.34). Where
//! it differs: entries of another version of a kind are read as if of this one, since versions are not converted here;
//! of several conflicts the causes come in the order of managers (upstream's map has none). Left out: owners of fields
//! whose type has become atomic since, or no longer is; the limit on the size of the last-applied annotation.

mod check;
mod compare;
mod element;
mod error;
mod managers;
mod merge;
mod reset;
mod resource;
mod schema;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod zero;

use serde_json::{Map, Value, json};

use compare::{Changes, compare, field_set};
use managers::{Entry, Managers, cap, decode, encode};
use merge::{merge, remove};

pub use element::Element;
pub use error::{ApplyError, Conflict};
pub use resource::Resource;
pub use set::{FieldSet, path_text};

/// Who owned what before the first configuration was applied to an object without owners.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager whose client-side configurations turn into applied ones.
const KUBECTL: &str = "kubectl";
/// Where `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The `fieldManager` of the request, or what stands for it (the user agent up to its first `/`); an empty one is
    /// `unknown`.
    pub manager: &'a str,
    /// The subresource of the request; empty for the object itself.
    pub subresource: &'a str,
    /// The time in seconds, as `2024-01-31T12:00:00Z`.
    pub now: &'a str,
}

impl Writer<'_> {
    fn entry(&self, resource: &Resource<'_>, applied: bool, set: FieldSet) -> Entry {
        Entry {
            manager: if self.manager.is_empty() { "unknown" } else { self.manager }.to_owned(),
            applied,
            api_version: resource.api_version().to_owned(),
            subresource: self.subresource.to_owned(),
            time: Some(self.now.to_owned()),
            set,
        }
    }
}

/// `live` (none where the object is new) with the configuration of a manager, and the new `metadata.managedFields`.
/// What the manager applied before and no longer does goes, where nobody else owns it. With `force`, fields of others
/// change hands; without, they are conflicts.
///
/// Defaults are the caller's to fill in afterwards.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply(
    resource: &Resource<'_>,
    live: Option<&Value>,
    applied: &Value,
    writer: &Writer<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    resource.check(applied)?;
    let empty = resource.empty();
    let mut managers = decode(live.and_then(managed_of))
        .map_err(|error| ApplyError::Failed(format!("failed to decode managed fields: {error}")))?;
    if managers.is_empty()
        && let Some(live) = live
    {
        let before = Writer { manager: BEFORE_FIRST_APPLY, ..*writer };
        record(resource, &empty, &without_managed(live), &mut managers, &before);
    }
    let live = live.map_or(empty, without_managed);
    let applied = without_null_times(applied);
    let result = lay_over(resource, &live, &applied, &managers, writer, force);
    let (mut object, managers) = match result {
        Err(ApplyError::Conflicts(conflicts)) if writer.manager == KUBECTL => {
            let Some(allowed) = owned_client_side(resource, &live) else {
                return Err(ApplyError::Conflicts(conflicts));
            };
            let left: Vec<Conflict> =
                conflicts.into_iter().filter(|conflict| !allowed.contains(&conflict.field)).collect();
            if !left.is_empty() {
                return Err(ApplyError::Conflicts(left));
            }
            lay_over(resource, &live, &applied, &managers, writer, true)?
        }
        other => other?,
    };
    if writer.manager == KUBECTL {
        renew_last_applied(&mut object, &applied);
    }
    set_managed(&mut object, encode(&managers));
    Ok(object)
}

/// The new `metadata.managedFields` (null for none) after a create, where `live` is none, an update, or a patch that
/// is none of apply: what is new or has changed in `new`, defaults included, belongs to the writer.
pub fn update(resource: &Resource<'_>, live: Option<&Value>, new: &Value, writer: &Writer<'_>) -> Value {
    let before = live.and_then(managed_of);
    let given = managed_of(new);
    let reset = match given {
        Some(Value::Array(list)) => list.is_empty() || list.len() == 1 && is_blank(&list[0]),
        _ => false,
    };
    // A subresource cannot set the owners; others can, and those who leave them away keep them.
    let mut managers = if writer.subresource.is_empty() && reset {
        Managers::new()
    } else {
        let given = if writer.subresource.is_empty() { decode(given).unwrap_or_default() } else { Managers::new() };
        if given.is_empty() { decode(before).unwrap_or_default() } else { given }
    };
    // An object without owners gets some when it is created or first applied.
    if managers.is_empty() && live.is_some() {
        return Value::Null;
    }
    let live = live.map_or_else(|| resource.empty(), without_managed);
    record(resource, &live, &without_managed(new), &mut managers, writer);
    cap(&mut managers);
    encode(&managers)
}

/// Puts the old times into the `managedFields` of `new` where it differs from `live` in nothing but these, so that a
/// write that changes nothing is none. `metadata.resourceVersion` is not compared.
pub fn keep_times(live: &Value, new: &mut Value) {
    let (Some(Value::Array(old)), Some(Value::Array(list))) = (managed_of(live), managed_of(new)) else { return };
    let timeless = |list: &[Value]| -> Vec<Value> {
        let mut list = list.to_vec();
        list.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("time")));
        list
    };
    let bare = |value: &Value| {
        let mut value = without_managed(value);
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        value
    };
    if !old.is_empty() && timeless(old) == timeless(list) && bare(live) == bare(new) {
        let old = Value::Array(old.clone());
        set_managed(new, old);
    }
}

/// The fields that a value of this resource has, as an applied configuration of it would own them.
pub fn fields_of(resource: &Resource<'_>, value: &Value) -> FieldSet {
    field_set(resource.root(), value)
}

fn lay_over(
    resource: &Resource<'_>,
    live: &Value,
    applied: &Value,
    managers: &Managers,
    writer: &Writer<'_>,
    force: bool,
) -> Result<(Value, Managers), ApplyError> {
    let mut managers = managers.clone();
    let reset = resource.reset(writer.subresource);
    let entry = writer.entry(resource, true, field_set(resource.root(), applied).recursive_difference(&reset));
    let own = entry.id();
    let last = managers.insert(own.clone(), entry).map(|entry| entry.set).unwrap_or_default();
    let merged = merge(resource.root(), live, applied);
    let object = prune(resource, merged, &managers, &last);
    let changes = differences(resource, live, &object).without(&reset);
    let conflicts = conflicts(&managers, &changes, &own);
    if !force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    take_from_others(&mut managers, &changes, Some(&own));
    if let Some(entry) = managers.get_mut(&own) {
        entry.set = entry.set.difference(&reset::stripped());
    }
    managers.retain(|_, entry| !entry.set.is_empty());
    Ok((object, managers))
}

/// `merged` without what was applied last time and neither is now nor belongs to anybody else.
fn prune(resource: &Resource<'_>, merged: Value, managers: &Managers, last: &FieldSet) -> Value {
    if last.is_empty() {
        return merged;
    }
    let root = resource.root();
    let named = |set: &FieldSet| set.with_named_parents(root);
    let without = |fields: &FieldSet| remove(root, &merged, fields).unwrap_or_else(|| Value::Object(Map::new()));
    let last = named(last);
    let all = named(&field_set(root, &merged));
    let owned = managers.values().fold(FieldSet::new(), |owned, entry| owned.union(&entry.set));
    let pruned = named(&field_set(root, &without(&last)));
    // What somebody owns comes back, and then what nobody owned.
    let pruned = without(&all.difference(&pruned.union(&named(&owned))));
    let gone = all.difference(&named(&field_set(root, &pruned)));
    without(&gone.intersection(&last))
}

/// Gives what a write changed to its writer.
fn record(resource: &Resource<'_>, live: &Value, new: &Value, managers: &mut Managers, writer: &Writer<'_>) {
    let reset = resource.reset(writer.subresource);
    let changes = differences(resource, live, new).without(&reset);
    take_from_others(managers, &changes, None);
    let set = changes.written().difference(&reset::stripped());
    if set.is_empty() {
        return;
    }
    let mut entry = writer.entry(resource, false, set);
    if let Some(before) = managers.get(&entry.id()) {
        entry.set = entry.set.union(&before.set);
    }
    managers.insert(entry.id(), entry);
}

/// What differs, as Go writes the objects of built-in kinds.
fn differences(resource: &Resource<'_>, old: &Value, new: &Value) -> Changes {
    match resource.kind() {
        Some(kind) => compare(resource.root(), &zero::filled(kind, old), &zero::filled(kind, new)),
        None => compare(resource.root(), old, new),
    }
}

/// The fields of others that a change writes, by manager.
fn conflicts(managers: &Managers, changes: &Changes, own: &str) -> Vec<Conflict> {
    let written = changes.written();
    let mut conflicts = Vec::new();
    for (_, entry) in managers.iter().filter(|(id, _)| *id != own) {
        let manager = entry.printed();
        let paths = entry.set.intersection(&written).paths();
        conflicts.extend(paths.iter().map(|path| Conflict { manager: manager.clone(), field: path_text(path) }));
    }
    conflicts
}

/// Takes what a change wrote or removed from all managers but one.
fn take_from_others(managers: &mut Managers, changes: &Changes, own: Option<&str>) {
    let written = changes.written();
    for (_, entry) in managers.iter_mut().filter(|(id, _)| own != Some(id.as_str())) {
        entry.set = entry.set.difference(&written).difference(&changes.removed);
    }
    managers.retain(|_, entry| !entry.set.is_empty());
}

/// The fields that `kubectl apply` wrote client-side and that are as it wrote them.
fn owned_client_side(resource: &Resource<'_>, live: &Value) -> Option<Vec<String>> {
    let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str().filter(|text| !text.is_empty())?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(resource.api_version()) {
        return None;
    }
    let changes = compare(resource.root(), &last, live);
    let kept = field_set(resource.root(), &last)
        .difference(&changes.modified)
        .difference(&changes.added)
        .difference(&changes.removed);
    Some(kept.paths().iter().map(|path| path_text(path)).collect())
}

/// Keeps the annotation of `kubectl apply` up to date, where there is one.
fn renew_last_applied(object: &mut Value, applied: &Value) {
    let annotations = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    let Some(Value::Object(annotations)) = annotations else { return };
    if annotations.get(LAST_APPLIED).and_then(Value::as_str).is_none_or(str::is_empty) {
        return;
    }
    let mut applied = applied.clone();
    let given = applied.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    if let Some(Value::Object(given)) = given {
        given.remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.to_owned(), Value::from(format!("{applied}\n")));
}

fn managed_of(value: &Value) -> Option<&Value> {
    value.get("metadata")?.get("managedFields").filter(|managed| !managed.is_null())
}

fn without_managed(value: &Value) -> Value {
    let mut value = value.clone();
    set_managed(&mut value, Value::Null);
    value
}

fn set_managed(value: &mut Value, managed: Value) {
    let Some(object) = value.as_object_mut() else { return };
    if managed.is_null() {
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        return;
    }
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("managedFields".to_owned(), managed);
    }
}

/// Go's clients write a time that is not set as null; it is not meant.
fn without_null_times(applied: &Value) -> Value {
    let mut applied = applied.clone();
    if let Some(Value::Object(metadata)) = applied.get_mut("metadata")
        && metadata.get("creationTimestamp").is_some_and(Value::is_null)
    {
        metadata.remove("creationTimestamp");
    }
    applied
}

fn is_blank(entry: &Value) -> bool {
    entry.as_object().is_some_and(|entry| entry.values().all(Value::is_null))
}
