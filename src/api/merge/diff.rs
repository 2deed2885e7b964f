//! Making a strategic merge patch out of the difference of objects.
//!
//! Follows `diffMaps` and what it calls in apimachinery `pkg/util/strategicpatch/patch.go`.
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::apply::key_of;
use super::lists::{
    DELETE_PREFIX, DIRECTIVE, Kind, List, ORDER_PREFIX, RETAIN_KEYS, deduplicate, element_kind, go_value, kind,
    merge_value, same_element, sort_by_order,
};
use super::table::{Strategy, Type, lookup};

type Object = Map<String, Value>;

/// Which half of a difference is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// What was added or changed.
    Changes,
    /// What is gone.
    Deletions,
}

/// The patch that leads from `original` to `modified`, as far as the wanted half goes. `retain`: the
/// object is one whose patch lists the fields that stay.
pub(super) fn diff_maps(
    original: &Object,
    modified: &Object,
    of: Type,
    half: Half,
    retain: bool,
) -> Result<Object, String> {
    let mut patch = Object::new();
    for (key, new) in modified {
        let old = original.get(key);
        let same_kind = old.filter(|old| kind(old) == kind(new));
        match (same_kind, new) {
            (Some(Value::Object(old)), Value::Object(new)) => diff_object(key, old, new, &mut patch, of, half)?,
            (Some(Value::Array(old)), Value::Array(new)) => diff_list(key, old, new, &mut patch, of, half)?,
            (_, new) => change(key, old, new, &mut patch, half),
        }
    }
    if half == Half::Deletions {
        for key in original.keys().filter(|key| !modified.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    let gone = original.iter().any(|(key, value)| !value.is_null() && !modified.contains_key(key));
    let stay: List = modified.iter().filter(|(_, v)| !v.is_null()).map(|(k, _)| Value::from(k.as_str())).collect();
    if retain && !stay.is_empty() && (!patch.is_empty() || gone) {
        patch.insert(RETAIN_KEYS.to_string(), Value::Array(stay));
    }
    Ok(patch)
}

fn change(key: &str, old: Option<&Value>, new: &Value, patch: &mut Object, half: Half) {
    if half == Half::Changes && old != Some(new) {
        patch.insert(key.to_string(), new.clone());
    }
}

fn diff_object(key: &str, old: &Object, new: &Object, patch: &mut Object, of: Type, half: Half) -> Result<(), String> {
    let (strategy, below) = lookup(of, key);
    if strategy == Strategy::Replace {
        if half == Half::Changes {
            patch.insert(key.to_string(), Value::Object(new.clone()));
        }
        return Ok(());
    }
    let inner = diff_maps(old, new, below, half, strategy == Strategy::Retain)?;
    if !inner.is_empty() {
        patch.insert(key.to_string(), Value::Object(inner));
    }
    Ok(())
}

fn diff_list(key: &str, old: &[Value], new: &[Value], patch: &mut Object, of: Type, half: Half) -> Result<(), String> {
    let (strategy, below) = lookup(of, key);
    let merge_key = key_of(strategy);
    if merge_key.is_none() && strategy != Strategy::Set {
        if half == Half::Changes && old != new {
            patch.insert(key.to_string(), Value::Array(new.to_vec()));
        }
        return Ok(());
    }
    if old.is_empty() {
        if !new.is_empty() && half == Half::Changes {
            patch.insert(key.to_string(), Value::Array(new.to_vec()));
        }
        return Ok(());
    }
    let kind = element_kind(&[old, new])?;
    let retain = matches!(strategy, Strategy::ByKeyRetain(_));
    let found = match merge_key {
        Some(merge_key) if kind == Kind::Map => diff_elements(old, new, merge_key, below, half, retain)?,
        Some(_) | None => diff_scalars(old, new, half, kind)?,
    };
    for (name, list) in [
        (key.to_string(), found.patch),
        (format!("{DELETE_PREFIX}/{key}"), found.deleted),
        (format!("{ORDER_PREFIX}/{key}"), found.order),
    ] {
        if !list.is_empty() {
            patch.insert(name, Value::Array(list));
        }
    }
    Ok(())
}

struct ListDiff {
    patch: List,
    deleted: List,
    order: List,
}

fn diff_elements(
    old: &[Value],
    new: &[Value],
    key: &str,
    below: Type,
    half: Half,
    retain: bool,
) -> Result<ListDiff, String> {
    let (old_sorted, new_sorted) = (sorted_by_key(old, key)?, sorted_by_key(new, key)?);
    let (mut patch, mut deleted) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (old_sorted.into_iter().peekable(), new_sorted.into_iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let before = if order == Ordering::Greater { None } else { left.next() };
        let after = if order == Ordering::Less { None } else { right.next() };
        match (before, after) {
            (Some((_, Value::Object(before))), Some((_, Value::Object(after)))) => {
                let mut inner = diff_maps(before, after, below, half, retain)?;
                if !inner.is_empty() {
                    inner.extend(after.get(key).map(|value| (key.to_string(), value.clone())));
                    patch.push(Value::Object(inner));
                }
            }
            (None, Some((_, after))) if half == Half::Changes => patch.push(after.clone()),
            (Some((_, before)), None) if half == Half::Deletions => {
                deleted.push(serde_json::json!({ key: merge_value(before, key)?, DIRECTIVE: "delete" }));
            }
            (_, _) => {}
        }
    }
    let mut patch = sort_by_order(patch, new, Some(key), Kind::Map)?;
    patch.append(&mut deleted);
    let reordered = half == Half::Changes && !same_order(old, new, key)?;
    let mut order = Vec::new();
    if !patch.is_empty() || reordered {
        for element in new {
            order.push(serde_json::json!({ key: merge_value(element, key)? }));
        }
    }
    Ok(ListDiff { patch, deleted, order })
}

fn same_order(old: &[Value], new: &[Value], key: &str) -> Result<bool, String> {
    if old.len() != new.len() {
        return Ok(false);
    }
    for (old, new) in old.iter().zip(new) {
        if !same_element(old, new, Some(key))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The elements with their merge keys as texts, sorted by these.
fn sorted_by_key<'v>(list: &'v [Value], key: &str) -> Result<Vec<(String, &'v Value)>, String> {
    let mut sorted = Vec::with_capacity(list.len());
    for element in list {
        sorted.push((go_value(merge_value(element, key)?), element));
    }
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(sorted)
}

fn diff_scalars(old: &[Value], new: &[Value], half: Half, kind: Kind) -> Result<ListDiff, String> {
    let minus = |from: &[Value], what: &[Value]| -> List {
        let mut left: List = what.to_vec();
        let mut rest = Vec::new();
        for value in from {
            match left.iter().position(|other| other == value) {
                Some(index) => drop(left.swap_remove(index)),
                None => rest.push(value.clone()),
            }
        }
        rest.sort_by_key(go_value);
        rest
    };
    let (patch, deleted) = match half {
        Half::Changes => (sort_by_order(minus(new, old), new, None, kind)?, Vec::new()),
        Half::Deletions => (Vec::new(), deduplicate(minus(old, new))),
    };
    let ordered = !deleted.is_empty() || (half == Half::Changes && old != new);
    Ok(ListDiff { patch, deleted, order: if ordered { new.to_vec() } else { Vec::new() } })
}
