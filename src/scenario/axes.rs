//! Axes: values of a scenario that a sweep varies, each by the same kind of path that `--set` takes.
//!
//! A point of the grid is the scenario with one value of each axis put in place before it is read into its types, so
//! that whatever is wrong with a value is said where the value stands.

use std::collections::BTreeMap;

use serde_json::Value;

use super::overrides::{self, NoPath, Override, slot};
use crate::api::located::{InputError, InputErrors, Located, Node, Path, Place};

/// The key of the section.
pub(super) const AXES: &str = "axes";
/// What no axis can vary, and why.
const FIXED: [(&str, &str); 5] = [
    ("apiVersion", "it says how the file is read"),
    ("kind", "it says how the file is read"),
    ("metadata", "it names the scenario"),
    ("seed", "seeds are swept with --seeds A..B"),
    (AXES, "it holds the axes themselves"),
];

/// An axis of a sweep.
#[derive(Clone, PartialEq, Debug)]
pub struct Axis {
    /// The path as it was typed: `nodes[0].count`.
    pub path: String,
    /// The values, in the order of the file.
    pub values: Vec<Value>,
    meant: Path,
    located: Vec<Located>,
}

impl Axis {
    /// Puts one of the values in its place.
    pub(super) fn put(&self, document: &mut Located, value: usize) -> Result<(), NoPath> {
        let value = &self.located[value];
        *slot(document, &self.path, (value.line, value.column))?.value = value.clone();
        Ok(())
    }

    /// One of the values as `--set` takes it: `nodes[0].count=3`.
    pub fn as_set(&self, value: usize) -> String {
        let json = &self.values[value];
        let text = match json {
            // A text that would be read as something else without its quotes keeps them.
            Value::String(text) if overrides::reads_as_text(text) => text.clone(),
            _ => json.to_string(),
        };
        format!("{}={text}", self.path)
    }

    /// Whether an error is about a value of this axis.
    pub(super) fn is_blamed_for(&self, error: &InputError) -> bool {
        overrides::is_within(&error.path, &self.meant.to_string())
    }
}

/// The axes of a document in the order of the file, without those whose value `--set` has replaced.
///
/// # Errors
/// The section is no mapping of lists, an axis is empty, a path leads nowhere, is fixed, or lies within another's.
pub(super) fn read(file: &str, document: &Located, replaced: &[Override]) -> Result<Vec<Axis>, InputErrors> {
    let place = Place::new(file, document).key(AXES);
    let Some(section) = place.value() else { return Ok(Vec::new()) };
    place.read::<BTreeMap<String, Vec<Value>>>()?;
    let Node::Map(entries) = &section.value else { return Ok(Vec::new()) };
    let (mut axes, mut errors) = (Vec::<Axis>::new(), Vec::new());
    for entry in entries {
        let Node::List(values) = &entry.value.value else { continue };
        match axis(document, &entry.key, values, &axes, &place.key(&entry.key)) {
            Ok(axis) if replaced.iter().any(|over| over.path == axis.meant) => {}
            Ok(axis) => axes.push(axis),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(axes) } else { Err(InputErrors(errors)) }
}

fn axis(
    document: &Located,
    path: &str,
    values: &[Located],
    others: &[Axis],
    place: &Place<'_>,
) -> Result<Axis, InputError> {
    if values.is_empty() {
        return Err(place.error_help("an axis without values", "write for example [3, 5, 9], or leave the axis out"));
    }
    let first = path.split(['.', '[']).next().unwrap_or_default();
    if let Some((_, why)) = FIXED.iter().find(|(fixed, _)| *fixed == first) {
        return Err(place.key_error(format!("{first} is no axis: {why}"), None));
    }
    let mut tried = document.clone();
    let meant = match slot(&mut tried, path, (1, 1)) {
        Ok(slot) => slot.path,
        Err(NoPath { message, help, column: _ }) => return Err(place.key_error(message, help)),
    };
    let (text, known) = (meant.to_string(), |other: &&Axis| other.meant.to_string());
    let meets =
        |other: &&Axis| overrides::is_within(&text, &known(other)) || overrides::is_within(&known(other), &text);
    if let Some(other) = others.iter().find(meets) {
        let message = format!("this axis and {} vary the same value", other.path);
        return Err(place.key_error(message, None));
    }
    Ok(Axis {
        path: path.to_owned(),
        values: values.iter().map(Located::to_json).collect(),
        meant,
        located: values.to_vec(),
    })
}
