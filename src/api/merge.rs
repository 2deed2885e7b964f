//! Patches on plain JSON: strategic merge, JSON merge and JSON patch, and the three-way patches of
//! `kubectl apply`.
//!
//! Follows apimachinery `pkg/util/strategicpatch`, `pkg/util/jsonmergepatch` and `pkg/util/mergepatch`,
//! with the Go tags of the built-in types as a table ([`table`]). Where it differs: fields that are
//! unknown to a type merge without complaint (upstream reads a patch into typed objects); directives
//! in values that are new to an object are dropped here instead of later as unknown fields; of the
//! three-way patches, conflicts are not looked for (as with `kubectl apply --overwrite`, the default).
//! Left out: server-side apply.
use serde_json::{Map, Value};

mod apply;
mod diff;
mod lists;
mod table;

use apply::{Mode, merge_map};
use diff::{Half, diff_maps};

const BAD_DOCUMENT: &str = "invalid JSON document";

/// `original` after a strategic merge patch, by the rules of the built-in type `kind`.
///
/// # Errors
/// Where the patch does not fit, mostly in upstream's words.
pub fn strategic_merge(kind: &str, original: &Value, patch: &Value) -> Result<Value, String> {
    let merged = merge_map(
        object(original)?,
        object(patch)?,
        table::root(kind),
        Mode::Object,
    )?;
    Ok(Value::Object(merged))
}

/// The strategic merge patch of `kubectl apply`: what `modified` (the file) changes in `current` (the
/// live object), and deletions of what `original` (as last applied) had and `modified` has not.
///
/// # Errors
/// Where a list lacks a merge key or mixes types, in upstream's words.
pub fn three_way_strategic(
    kind: &str,
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, String> {
    let of = table::root(kind);
    let (original, modified, current) = (object(original)?, object(modified)?, object(current)?);
    let changes = diff_maps(&current, &modified, of, Half::Changes, false)?;
    let deletions = diff_maps(&original, &modified, of, Half::Deletions, false)?;
    Ok(Value::Object(merge_map(
        deletions,
        changes,
        of,
        Mode::Patch,
    )?))
}

/// `original` after a JSON merge patch (RFC 7386).
pub fn merge_patch(original: &Value, patch: &Value) -> Value {
    let mut merged = original.clone();
    json_patch::merge(&mut merged, patch);
    merged
}

/// `original` after a JSON patch (RFC 6902), a list of operations: all of them or none.
///
/// # Errors
/// Where the patch is not a list of operations, or one of them fails.
pub fn json_patch(original: &Value, patch: &Value) -> Result<Value, String> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| error.to_string())?;
    let mut patched = original.clone();
    json_patch::patch(&mut patched, &operations).map_err(|error| error.to_string())?;
    Ok(patched)
}

/// The JSON merge patch of `kubectl apply` for kinds that have no merge keys, as custom resources.
///
/// # Errors
/// Where one of the documents is not an object.
pub fn three_way_json(
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, String> {
    let (original, modified, current) = (object(original)?, object(modified)?, object(current)?);
    let mut patch = only(json_difference(&original, &modified), Half::Deletions);
    combine(
        &mut patch,
        only(json_difference(&current, &modified), Half::Changes),
    );
    Ok(Value::Object(patch))
}

/// The object in a document; `null` is an empty one.
fn object(value: &Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map.clone()),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(BAD_DOCUMENT.to_string())
        }
    }
}

/// The JSON merge patch that leads from `from` to `to`.
fn json_difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, new) in to {
        match (from.get(key), new) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = json_difference(old, new);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (Some(old), new) if old == new => {}
            (_, new) => drop(patch.insert(key.clone(), new.clone())),
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

/// The nulls of a patch, or all but them; objects that this empties go.
fn only(patch: Map<String, Value>, half: Half) -> Map<String, Value> {
    let keep = |value: Value| match value {
        Value::Object(map) if map.is_empty() => {
            (half == Half::Changes).then_some(Value::Object(map))
        }
        Value::Object(map) => Some(only(map, half))
            .filter(|left| !left.is_empty())
            .map(Value::Object),
        Value::Null => (half == Half::Deletions).then_some(Value::Null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            (half == Half::Changes).then_some(value)
        }
    };
    patch
        .into_iter()
        .filter_map(|(key, value)| Some((key, keep(value)?)))
        .collect()
}

/// Adds changes, which hold no nulls, to a patch of deletions.
fn combine(patch: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (key, value) in changes {
        match (patch.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => combine(old, new),
            (_, value) => drop(patch.insert(key, value)),
        }
    }
}
