//! Applying a strategic merge patch to an object, and to another patch.
//!
//! Follows `mergeMap` and what it calls in apimachinery `pkg/util/strategicpatch/patch.go`.
use serde_json::{Map, Value};

use super::lists::{
    BAD_ORDER, BAD_PRIMITIVES, BAD_RETAIN_KEYS, DELETE_PREFIX, DIRECTIVE, Kind, List, ORDER_PREFIX, RETAIN_KEYS,
    check_order, deduplicate, element_kind, find_by_key, go_map, go_value, into_list, kind, merge_value,
    normalize_order, partition,
};
use super::table::{Strategy, Type, lookup};

type Object = Map<String, Value>;

/// What a patch is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// An object: directives are carried out, nulls delete.
    Object,
    /// Another patch: directives and nulls are kept for whoever applies the result.
    Patch,
}

pub(super) fn merge_map(mut original: Object, mut patch: Object, of: Type, mode: Mode) -> Result<Object, String> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Object::new()),
            Some(_) | None => Err(bad_directive(directive, patch)),
        };
    }
    retain_keys(&mut original, &mut patch, mode)?;
    merge_ordered_lists(&mut original, &mut patch, of, mode)?;
    for (key, value) in patch {
        let deletes = key.starts_with(DELETE_PREFIX);
        if deletes && mode == Mode::Patch {
            original.insert(key, value);
            continue;
        }
        let key = if deletes { field_of(&key, DELETE_PREFIX, BAD_PRIMITIVES)? } else { key };
        merge_field(&mut original, key, value, of, mode, deletes)?;
    }
    Ok(original)
}

fn merge_field(
    original: &mut Object,
    key: String,
    value: Value,
    of: Type,
    mode: Mode,
    deletes: bool,
) -> Result<(), String> {
    if value.is_null() {
        original.remove(&key);
        if mode == Mode::Patch {
            original.insert(key, value);
        }
        return Ok(());
    }
    let (strategy, below) = lookup(of, &key);
    match (original.remove(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let merged = if strategy == Strategy::Replace { new } else { merge_map(old, new, below, mode)? };
            original.insert(key, Value::Object(merged));
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let merged = merge_lists(old, new, strategy, below, mode, deletes)?;
            original.insert(key, Value::Array(merged));
        }
        (old, value) => {
            let same = old.as_ref().is_some_and(|old| kind(old) == kind(&value));
            if deletes && !same {
                original.extend(old.map(|old| (key, old)));
            } else if let Some(value) = fresh(value, mode) {
                original.insert(key, value);
            }
        }
    }
    Ok(())
}

/// A value that has nothing to merge with: without directives, and in an object without nulls.
/// `None` where it is itself only a directive.
fn fresh(value: Value, mode: Mode) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let left_out = |key: &str, value: &Value| {
                let directive = [RETAIN_KEYS, ORDER_PREFIX, DELETE_PREFIX].iter().any(|p| key.starts_with(p));
                mode == Mode::Object && (value.is_null() || directive)
            };
            let kept = map.into_iter().filter(|(key, value)| !left_out(key, value));
            Some(Value::Object(kept.filter_map(|(key, value)| Some((key, fresh(value, mode)?))).collect()))
        }
        Value::Array(list) => Some(Value::Array(list.into_iter().filter_map(|value| fresh(value, mode)).collect())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value),
    }
}

/// Carries out `$retainKeys`: what it does not list goes, and the patch may set nothing else.
fn retain_keys(original: &mut Object, patch: &mut Object, mode: Mode) -> Result<(), String> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    if mode == Mode::Patch {
        let before = original.entry(RETAIN_KEYS).or_insert_with(|| keys.clone());
        if *before != keys {
            return Err(format!(
                "{} and {} are not deep equal: this may happen when calculating the 3-way diff patch",
                go_value(before),
                go_value(&keys)
            ));
        }
        return Ok(());
    }
    let Value::Array(keys) = keys else {
        return Err(BAD_RETAIN_KEYS.to_string());
    };
    let listed = |key: &String| keys.iter().any(|k| k == key);
    let free = |key: &str| key.starts_with(DELETE_PREFIX) || key.starts_with(ORDER_PREFIX);
    if patch.iter().any(|(key, value)| !value.is_null() && !free(key) && !listed(key)) {
        return Err(BAD_RETAIN_KEYS.to_string());
    }
    original.retain(|key, _| listed(key));
    Ok(())
}

/// Carries out `$setElementOrder` with the lists that it is about, which leave the patch.
fn merge_ordered_lists(original: &mut Object, patch: &mut Object, of: Type, mode: Mode) -> Result<(), String> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER_PREFIX)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else {
            continue;
        };
        let field = field_of(&directive, ORDER_PREFIX, BAD_ORDER)?;
        if mode == Mode::Patch {
            let before = original.entry(directive).or_insert_with(|| order.clone());
            if *before != order {
                return Err(BAD_ORDER.to_string());
            }
        }
        let order = into_list(order)?;
        let old = original.get(&field).cloned().map(into_list).transpose()?;
        let new = patch.remove(&field).map(into_list).transpose()?;
        let (strategy, below) = lookup(of, &field);
        let key = key_of(strategy);
        check_order(new.as_deref().unwrap_or(&[]), &order, key)?;
        let (merged, old, new) = match (old, new) {
            (None, None) => continue,
            (Some(old), None) => (old.clone(), old, Vec::new()),
            (None, Some(new)) => {
                let new: List = new.into_iter().filter_map(|value| fresh(value, mode)).collect();
                (new.clone(), Vec::new(), new)
            }
            (Some(old), Some(new)) => (merge_lists(old.clone(), new.clone(), strategy, below, mode, false)?, old, new),
        };
        let kind = element_kind(&[&old, &new])?;
        let (listed, server_only) = partition(merged, &order, key)?;
        let ordered = normalize_order(listed, server_only, &order, &old, key, kind)?;
        original.insert(field, Value::Array(ordered));
    }
    Ok(())
}

fn merge_lists(
    mut old: List,
    new: List,
    strategy: Strategy,
    below: Type,
    mode: Mode,
    deletes: bool,
) -> Result<List, String> {
    let key = key_of(strategy);
    if key.is_none() && strategy != Strategy::Set {
        // An atomic list comes as it is.
        return Ok(new.into_iter().filter_map(|value| fresh(value, mode)).collect());
    }
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    let kind = element_kind(&[&old, &new])?;
    if kind != Kind::Map {
        if mode == Mode::Object && deletes {
            old.retain(|value| !new.contains(value));
            return Ok(old);
        }
        let merged = deduplicate(old.iter().chain(&new).cloned().collect());
        let (listed, server_only) = partition(merged, &new, None)?;
        return normalize_order(listed, server_only, &new, &old, None, kind);
    }
    let Some(key) = key else {
        return Err("cannot merge lists without merge key for type struct".to_string());
    };
    let (old, new) = carry_out_directives(old, new, key)?;
    let merged = merge_elements(old.clone(), &new, key, below, mode)?;
    let (listed, server_only) = partition(merged, &new, Some(key))?;
    normalize_order(listed, server_only, &new, &old, Some(key), kind)
}

/// Deletes what the patch says and gives what is left of both; a `replace` leaves no old element.
fn carry_out_directives(mut old: List, new: List, key: &str) -> Result<(List, List), String> {
    let (mut plain, mut replace) = (Vec::new(), false);
    for element in new {
        let Some(directive) = element.get(DIRECTIVE) else {
            plain.push(element);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let value = merge_value(&element, key)?;
                while let Some(index) = find_by_key(&old, key, value)? {
                    old.remove(index);
                }
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err("merging lists cannot yet be specified in the patch".to_string());
            }
            Some(_) | None => {
                let map = element.as_object().cloned().unwrap_or_default();
                return Err(format!("unknown patch type: {} in map: {}", go_value(directive), go_map(&map)));
            }
        }
    }
    Ok(if replace { (plain, Vec::new()) } else { (old, plain) })
}

fn merge_elements(mut old: List, new: &[Value], key: &str, below: Type, mode: Mode) -> Result<List, String> {
    for element in new {
        match find_by_key(&old, key, merge_value(element, key)?)? {
            Some(index) => {
                if let (Value::Object(before), Value::Object(patch)) = (old[index].take(), element.clone()) {
                    old[index] = Value::Object(merge_map(before, patch, below, mode)?);
                }
            }
            None => old.extend(fresh(element.clone(), mode)),
        }
    }
    Ok(old)
}

pub(super) fn key_of(strategy: Strategy) -> Option<&'static str> {
    match strategy {
        Strategy::ByKey(key) | Strategy::ByKeyRetain(key) => Some(key),
        Strategy::Plain | Strategy::Replace | Strategy::Set | Strategy::Retain => None,
    }
}

fn field_of(key: &str, prefix: &str, error: &str) -> Result<String, String> {
    let field = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    field.map(str::to_string).ok_or_else(|| error.to_string())
}

fn bad_directive(directive: Value, mut patch: Object) -> String {
    let printed = go_value(&directive);
    patch.insert(DIRECTIVE.to_string(), directive);
    format!("unknown patch type: {printed} in map: {}", go_map(&patch))
}
