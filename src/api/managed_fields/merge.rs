//! Laying a configuration over an object, and taking fields out of it.
//!
//! Follows structured-merge-diff `typed/merge.go` and `typed/remove.go`. Differs: of a field of which nothing is left an
//! empty object stays, where upstream leaves a null, which the decoding makes an empty object or nothing of.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::compare::is_empty;
use super::element::Element;
use super::schema::{Shape, Type};
use super::set::FieldSet;

/// `live` with what `applied` says; nothing goes away.
pub(super) fn merge(of: Type<'_>, live: &Value, applied: &Value) -> Value {
    if is_empty(live) && is_empty(applied) {
        return applied.clone();
    }
    match (of.shape(live), of.shape(applied)) {
        // Null says nothing of an object or a list that is split.
        (Shape::Object | Shape::Set | Shape::Keyed(_), _) if applied.is_null() => live.clone(),
        (Shape::Object, Shape::Object) => match (live, applied) {
            (Value::Object(live), Value::Object(applied)) => merge_objects(of, live, applied),
            _ => applied.clone(),
        },
        (Shape::Set | Shape::Keyed(_), shape @ (Shape::Set | Shape::Keyed(_))) => match (live, applied) {
            (Value::Array(live), Value::Array(applied)) => merge_lists(of.element(), &shape, live, applied),
            _ => applied.clone(),
        },
        _ => applied.clone(),
    }
}

fn merge_objects(of: Type<'_>, live: &Map<String, Value>, applied: &Map<String, Value>) -> Value {
    let mut merged = live.clone();
    for (name, value) in applied {
        let value = match live.get(name) {
            Some(live) => merge(of.field(name).1, live, value),
            None => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    Value::Object(merged)
}

/// Both lists in one: elements that only `live` has stay before the next shared one, shared ones come in the order of
/// `applied`.
fn merge_lists(element: Type<'_>, shape: &Shape<'_>, live: &[Value], applied: &[Value]) -> Value {
    let steps = |list: &[Value]| -> Vec<(Element, Value)> {
        list.iter().filter_map(|item| Some((shape.step(item).ok()?, item.clone()))).collect()
    };
    let (left, right) = (steps(live), steps(applied));
    let ours: BTreeMap<&Element, &Value> = right.iter().map(|(step, item)| (step, item)).collect();
    let mut theirs: BTreeMap<&Element, Vec<&Value>> = BTreeMap::new();
    for (step, item) in &left {
        theirs.entry(step).or_default().push(item);
    }
    let mut shared = right.iter().map(|(step, _)| step).filter(|step| theirs.contains_key(*step)).peekable();
    let both = |step: &Element, item: &Value| match theirs.get(step).map(Vec::as_slice) {
        Some([live]) => merge(element, live, item),
        _ => item.clone(),
    };
    let mut merged = Vec::new();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some((left_step, _)), Some((right_step, item))) = (left.get(l), right.get(r)) {
            if left_step == right_step {
                done.insert(right_step);
                merged.push(both(right_step, item));
                l += 1;
                r += 1;
                shared.next();
                continue;
            }
            if ours.contains_key(left_step) && shared.peek().is_some_and(|next| *next != left_step) {
                l += 1;
                continue;
            }
        }
        if let Some((step, item)) = left.get(l) {
            if !ours.contains_key(step) {
                merged.push(item.clone());
                l += 1;
                continue;
            }
            if done.contains(step) {
                l += 1;
            }
        }
        if let Some((step, item)) = right.get(r) {
            done.insert(step);
            merged.push(both(step, item));
            r += 1;
            if shared.peek().is_some_and(|next| *next == step) {
                shared.next();
            }
        } else if l < left.len() && ours.contains_key(&left[l].0) {
            l += 1;
        }
    }
    Value::Array(merged)
}

/// The value without these fields; none where nothing is left of a list, or of what is one value.
pub(super) fn remove(of: Type<'_>, value: &Value, fields: &FieldSet) -> Option<Value> {
    let shape = of.shape(value);
    match (&shape, value) {
        (Shape::Object, Value::Object(map)) => {
            let keep = |(name, value): (&String, &Value)| {
                let element = Element::field(name);
                if fields.has_member(&element) {
                    return None;
                }
                let value = match fields.below(&element) {
                    Some(below) => remove(of.field(name).1, value, below)?,
                    None => value.clone(),
                };
                Some((name.clone(), value))
            };
            Some(Value::Object(map.iter().filter_map(keep).collect()))
        }
        (Shape::Set | Shape::Keyed(_), Value::Array(list)) => {
            let keep = |item: &Value| {
                let Ok(element) = shape.step(item) else { return Some(item.clone()) };
                if fields.has_member(&element) {
                    return None;
                }
                match fields.below(&element) {
                    Some(below) => remove(of.element(), item, below),
                    None => Some(item.clone()),
                }
            };
            let left: Vec<Value> = list.iter().filter_map(keep).collect();
            (!left.is_empty()).then_some(Value::Array(left))
        }
        // A set that was made when the type was split into fields.
        (_, Value::Object(_) | Value::Array(_)) => None,
        _ => Some(value.clone()),
    }
}
