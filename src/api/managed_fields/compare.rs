//! The fields of a value, and what differs between two.
//!
//! Follows structured-merge-diff `typed/tofieldset.go` and `typed/compare.go`.

use serde_json::Value;
use std::collections::BTreeMap;

use super::element::Element;
use super::schema::{Shape, Type};
use super::set::FieldSet;

/// What a change of a value did to its fields.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) removed: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) added: FieldSet,
}

impl Changes {
    /// What is new or has another value.
    pub(super) fn written(&self) -> FieldSet {
        self.modified.union(&self.added)
    }

    /// The same but for these fields and what is below.
    pub(super) fn without(&self, fields: &FieldSet) -> Changes {
        let without = |set: &FieldSet| set.recursive_difference(fields);
        Changes { removed: without(&self.removed), modified: without(&self.modified), added: without(&self.added) }
    }

    fn attach(&mut self, element: &Element, below: Changes) {
        self.removed.attach(element.clone(), below.removed);
        self.modified.attach(element.clone(), below.modified);
        self.added.attach(element.clone(), below.added);
    }
}

/// Every field that a configuration names: leaves, elements of lists, entries of maps.
pub(super) fn field_set(of: Type<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    let list = value.is_array();
    let mut seen: BTreeMap<Element, usize> = BTreeMap::new();
    let parts = of.parts(value).unwrap_or_default();
    for (element, _, _) in parts.iter().filter(|_| list) {
        *seen.entry(element.clone()).or_default() += 1;
    }
    for (element, below, part) in parts {
        let named = match &element {
            Element::Field(name) => of.field(name).0,
            Element::Key(_) | Element::Value(_) | Element::Index(_) => false,
        };
        let empty_object = part.as_object().is_some_and(serde_json::Map::is_empty);
        if !named || empty_object || part.is_null() || is_leaf(below, part) {
            set.add(element.clone());
        }
        // Of an element that is there twice only the fact is known.
        if seen.get(&element).is_none_or(|count| *count == 1) {
            set.attach(element, field_set(below, part));
        }
    }
    set
}

fn is_leaf(of: Type<'_>, value: &Value) -> bool {
    matches!(of.shape(value), Shape::Leaf)
}

/// What differs between two objects of a type.
pub(super) fn compare(of: Type<'_>, old: &Value, new: &Value) -> Changes {
    let mut changes = Changes::default();
    let (old, new) = (parts(of, old), parts(of, new));
    for (element, (below, old)) in &old {
        match new.get(element).map_or(&[][..], |(_, new)| new.as_slice()) {
            [] if old.len() == 1 => {
                changes.removed.add(element.clone());
                changes.removed.attach(element.clone(), everything(*below, old[0]));
            }
            [] => changes.removed.add(element.clone()),
            [new] if old.len() == 1 => both(&mut changes, element, *below, old[0], new),
            [new] => {
                let mut added = FieldSet::new();
                added.attach(element.clone(), everything(*below, new));
                changes.added = changes.added.union(&added);
                changes.removed.add(element.clone());
            }
            new if old.len() == 1 => {
                changes.removed.attach(element.clone(), everything(*below, old[0]));
                changes.added.add(element.clone());
                debug_assert!(new.len() > 1, "one element is handled above");
            }
            new if old.as_slice() == new => {}
            _ => changes.modified.add(element.clone()),
        }
    }
    for (element, (below, new)) in new.iter().filter(|(element, _)| !old.contains_key(*element)) {
        changes.added.add(element.clone());
        if let [new] = new[..] {
            changes.added.attach(element.clone(), everything(*below, new));
        }
    }
    changes
}

/// The parts of a value by their steps, in the order of steps; several where an element is there twice.
fn parts<'t, 'v>(of: Type<'t>, value: &'v Value) -> BTreeMap<Element, (Type<'t>, Vec<&'v Value>)> {
    let mut parts = BTreeMap::new();
    for (element, below, part) in of.parts(value).unwrap_or_default() {
        parts.entry(element).or_insert_with(|| (below, Vec::new())).1.push(part);
    }
    parts
}

fn both(changes: &mut Changes, element: &Element, of: Type<'_>, old: &Value, new: &Value) {
    let split = |value: &Value| !is_leaf(of, value) && !is_empty(value);
    let fits = |value: &Value| value.is_null() || !is_leaf(of, value);
    if (split(old) && fits(new)) || (split(new) && fits(old)) {
        changes.attach(element, compare(of, old, new));
    } else if old != new {
        changes.modified.add(element.clone());
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Every part of a value, also those that have parts themselves.
fn everything(of: Type<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    for (element, below, part) in of.parts(value).unwrap_or_default() {
        set.add(element.clone());
        set.attach(element, everything(below, part));
    }
    set
}
