//! Whether an applied configuration fits its type: declared fields, elements of lists with their keys, each once.
//!
//! Follows structured-merge-diff `typed/validate.go`. Left out: values of a wrong type, which the decoding of the merged
//! object refuses, and fields that a schema of a custom kind does not declare, which are pruned.

use serde_json::Value;
use std::collections::BTreeSet;

use super::element::Element;
use super::schema::{Shape, Type};
use super::set::path_text;
use crate::api::{Kind, strict};

/// Everything that is wrong, in upstream's words; the message has one line for one mistake and a list for several.
pub(super) fn check(kind: Option<Kind>, of: Type<'_>, value: &Value) -> Result<(), String> {
    let mut errors = Vec::new();
    check_lists(of, value, &mut Vec::new(), &mut errors);
    let issues = kind.map_or_else(Vec::new, |kind| strict::check(kind, value));
    for issue in issues.iter().filter(|issue| issue.place == strict::Half::Key) {
        errors.push(format!("{}: field not declared in schema", path_of(of, value, &issue.path)));
    }
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("errors:\n  {}", several.join("\n  "))),
    }
}

fn check_lists(of: Type<'_>, value: &Value, path: &mut Vec<Element>, errors: &mut Vec<String>) {
    let shape = of.shape(value);
    if let (Shape::Set | Shape::Keyed(_), Value::Array(list)) = (&shape, value) {
        let mut seen = BTreeSet::new();
        for (index, item) in list.iter().enumerate() {
            match shape.step(item) {
                Ok(step) if !seen.insert(step.clone()) => {
                    errors.push(format!("{}: duplicate entries for key {step}", path_text(path)));
                }
                Ok(_) => {}
                Err(error) => errors.push(format!("{}: element {index}: {error}", path_text(path))),
            }
        }
    }
    for (element, below, part) in of.parts(value).unwrap_or_default() {
        path.push(element);
        check_lists(below, part, path, errors);
        path.pop();
    }
}

/// A path of names and positions as a path of steps.
fn path_of(mut of: Type<'_>, mut value: &Value, path: &strict::Path) -> String {
    let mut steps = Vec::new();
    for segment in &path.0 {
        match segment {
            strict::Segment::Key(name) => {
                steps.push(Element::field(name));
                of = of.field(name).1;
                value = value.get(name).unwrap_or(&Value::Null);
            }
            strict::Segment::Index(index) => {
                let item = value.get(index).unwrap_or(&Value::Null);
                let step = match of.shape(value) {
                    shape @ (Shape::Set | Shape::Keyed(_)) => shape.step(item).ok(),
                    Shape::Leaf | Shape::Object => None,
                };
                steps.push(step.unwrap_or(Element::Index(i64::try_from(*index).unwrap_or(i64::MAX))));
                of = of.element();
                value = item;
            }
        }
    }
    path_text(&steps)
}
