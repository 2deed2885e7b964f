//! Sets of fields, as `fieldsV1` holds them.
//!
//! Follows structured-merge-diff `fieldpath/set.go` and `fieldpath/serialize.go`. A set is a tree: a step that is a
//! member stands for the field itself, a step with steps below for those. Empty branches are not kept.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::element::Element;
use super::schema::Type;

/// A set of fields of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<Element>,
    children: BTreeMap<Element, FieldSet>,
}

impl FieldSet {
    /// A set without fields.
    pub fn new() -> FieldSet {
        FieldSet::default()
    }

    /// The set of these paths of field names.
    pub(super) fn of_names(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::new();
        for path in paths {
            let path: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Adds a field. The empty path, the object itself, belongs to nobody.
    pub fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => self.add(last.clone()),
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Adds a field of the object itself.
    pub(super) fn add(&mut self, element: Element) {
        self.members.insert(element);
    }

    /// Adds a set below a step.
    pub(super) fn attach(&mut self, element: Element, below: FieldSet) {
        if below.is_empty() {
            return;
        }
        match self.children.get_mut(&element) {
            Some(child) => *child = child.union(&below),
            None => drop(self.children.insert(element, below)),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(FieldSet::is_empty)
    }

    /// Whether the field is in the set.
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    /// Whether this step is itself a field of the set.
    pub(super) fn has_member(&self, element: &Element) -> bool {
        self.members.contains(element)
    }

    /// What is below a step.
    pub(super) fn below(&self, element: &Element) -> Option<&FieldSet> {
        self.children.get(element).filter(|child| !child.is_empty())
    }

    /// The fields of either.
    pub fn union(&self, other: &FieldSet) -> FieldSet {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            union.attach(element.clone(), child.clone());
        }
        union
    }

    /// The fields of both.
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        let mut both = FieldSet::new();
        both.members = self.members.intersection(&other.members).cloned().collect();
        for (element, child) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                both.attach(element.clone(), child.intersection(theirs));
            }
        }
        both
    }

    /// The fields that the other set does not have. What is below a field of it stays.
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        self.without(other, false)
    }

    /// The fields that neither are in the other set nor below a field of it.
    pub fn recursive_difference(&self, other: &FieldSet) -> FieldSet {
        self.without(other, true)
    }

    fn without(&self, other: &FieldSet, recursive: bool) -> FieldSet {
        let mut left = FieldSet::new();
        left.members = self.members.difference(&other.members).cloned().collect();
        for (element, child) in &self.children {
            if recursive && other.members.contains(element) {
                continue;
            }
            let child = match other.children.get(element) {
                Some(theirs) => child.without(theirs, recursive),
                None => child.clone(),
            };
            left.attach(element.clone(), child);
        }
        left
    }

    /// The same with every field of a known name that has fields below.
    pub(super) fn with_named_parents(&self, of: Type<'_>) -> FieldSet {
        let mut set = FieldSet { members: self.members.clone(), children: BTreeMap::new() };
        for (element, child) in &self.children {
            let below = match element {
                Element::Field(name) => {
                    let (named, below) = of.field(name);
                    if named {
                        set.members.insert(element.clone());
                    }
                    below
                }
                Element::Key(_) | Element::Value(_) | Element::Index(_) => of.element(),
            };
            set.children.insert(element.clone(), child.with_named_parents(below));
        }
        set
    }

    /// Every field, in upstream's order: those of the object, then those below.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Vec<Element>>) {
        for member in &self.members {
            prefix.push(member.clone());
            paths.push(prefix.clone());
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// The fields that have none below.
    pub fn leaves(&self) -> FieldSet {
        let mut leaves = FieldSet::new();
        leaves.members = self.members.iter().filter(|member| self.below(member).is_none()).cloned().collect();
        for (element, child) in &self.children {
            leaves.attach(element.clone(), child.leaves());
        }
        leaves
    }

    /// As `fieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        for member in &self.members {
            if self.below(member).is_none() {
                map.insert(member.to_key(), Value::Object(Map::new()));
            }
        }
        for (element, child) in &self.children {
            let Value::Object(mut below) = child.to_json() else { continue };
            if below.is_empty() {
                continue;
            }
            if self.members.contains(element) {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(element.to_key(), Value::Object(below));
        }
        Value::Object(map)
    }

    /// Reads `fieldsV1`.
    ///
    /// # Errors
    /// A key that is no step, or a value that is no object.
    pub fn from_json(value: &Value) -> Result<FieldSet, String> {
        let Value::Object(map) = value else {
            return Err(format!("expected an object, found {value}"));
        };
        let mut set = FieldSet::new();
        for (key, below) in map.iter().filter(|(key, _)| *key != ".") {
            let Some(element) = Element::from_key(key)? else { continue };
            let child = FieldSet::from_json(below)?;
            if child.is_empty() || below.get(".").is_some() {
                set.members.insert(element.clone());
            }
            set.attach(element, child);
        }
        Ok(set)
    }
}

/// A path as messages print it: `.spec.containers[name="c"].image`.
pub fn path_text(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}
