//! Objects as `kubectl get … -o yaml` or `-o json` prints them: lists, documents one after the other, and what a server
//! has added.
//!
//! Big files are read piece by piece: an item of a list is read, handed over and forgotten before the next one. What an
//! API server has printed is trusted: of its fields, those that are not known here are noted and left out, as a newer
//! server may have them. What a person wrote is read strictly. Kinds that are not known are noted and left out.
//! Left out: `!!binary` and aliases from one item of a list to another in files that are not read whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::convert::{self, ConvertError};
use super::located::{InputError, InputErrors, Issue, Located, Node, Path, Segment, parse};
use super::{Kind, Object};

mod json;
mod pieces;

/// What was found and left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notes {
    /// How many objects there were of each kind that is not known, by kind and version.
    pub unknown_kinds: BTreeMap<(String, String), usize>,
    /// Fields that are not known, by kind and path, in objects that a server has printed.
    pub unknown_fields: BTreeSet<(String, String)>,
}

/// An object of a kind that is known: quantities canonical, without fields that its kind does not have.
#[derive(Clone, PartialEq, Debug)]
pub struct Printed {
    /// The kind.
    pub kind: Kind,
    /// The object, defaults not filled in.
    pub value: Value,
    /// Whether an API server has given it an identity.
    pub by_server: bool,
}

/// Reads the objects of the kinds that are wanted. `take` may refuse one.
///
/// # Errors
/// What is no YAML; every object without a name, that does not fit its kind, or that `take` refuses.
pub fn read<T>(
    file: &str,
    text: &str,
    wanted: &dyn Fn(Kind) -> bool,
    notes: &mut Notes,
    take: &mut dyn FnMut(Printed) -> Result<T, Vec<Issue>>,
) -> Result<Vec<T>, InputErrors> {
    let anew = Notes::clone(notes);
    let mut reading =
        Reading { file, wanted, take, notes: anew.clone(), taken: Vec::new(), errors: Vec::new(), lines_before: 0 };
    // Each of these gives up where the next one knows more.
    let mut is_read = json::read(text, &mut reading).is_some();
    if !is_read {
        reading.begin_again(&anew);
        is_read = pieces::read(text, &mut reading).is_some();
    }
    if !is_read {
        reading.begin_again(&anew);
        parse(file, text)?.iter().for_each(|document| reading.located(document, None));
    }
    if !reading.errors.is_empty() {
        return Err(InputErrors(reading.errors));
    }
    *notes = reading.notes;
    Ok(reading.taken)
}

/// The record of an object, defaults filled in.
///
/// # Errors
/// What does not fit.
pub fn object(kind: Kind, value: Value) -> Result<Object, Vec<Issue>> {
    convert::from_decoded(kind, value).map_err(refused)
}

fn refused(error: ConvertError) -> Vec<Issue> {
    vec![error.issue()]
}

/// `apiVersion` and `kind` of the items of a typed list.
type OfList = (String, String);

struct Reading<'a, T> {
    file: &'a str,
    wanted: &'a dyn Fn(Kind) -> bool,
    take: &'a mut dyn FnMut(Printed) -> Result<T, Vec<Issue>>,
    notes: Notes,
    taken: Vec<T>,
    errors: Vec<InputError>,
    /// How many lines of the file stand before the piece that is read.
    lines_before: usize,
}

impl<T> Reading<'_, T> {
    fn begin_again(&mut self, notes: &Notes) {
        self.notes = notes.clone();
        self.taken.clear();
        self.errors.clear();
        self.lines_before = 0;
    }

    /// Takes an object, or the items of a list, with their places in the file.
    fn located(&mut self, located: &Located, of_list: Option<&OfList>) {
        if let Some((items, of_items)) = items(located, of_list) {
            items.iter().for_each(|item| self.located(item, of_items.as_ref()));
            return;
        }
        if let Err(issues) = self.single(located.to_json(), of_list) {
            let errors = located.errors(self.file, &issues).0;
            let lines = self.lines_before;
            self.errors.extend(errors.into_iter().map(|error| InputError { line: error.line + lines, ..error }));
        }
    }

    fn single(&mut self, value: Value, of_list: Option<&OfList>) -> Result<(), Vec<Issue>> {
        let (api_version, name) = head(&value, of_list)?;
        let kind = match Kind::from_gvk(&api_version, &name) {
            Ok(kind) if (self.wanted)(kind) => kind,
            Ok(_) => return Ok(()),
            Err(_) => {
                *self.notes.unknown_kinds.entry((name, api_version)).or_default() += 1;
                return Ok(());
            }
        };
        let text = |field: &str| value["metadata"][field].as_str().is_some_and(|text| !text.is_empty());
        let by_server = text("uid");
        if !text("name") {
            return Err(vec![at("metadata", "the name is missing")]);
        }
        let (value, unknown) = convert::decoded(kind, value)?;
        if !by_server && !unknown.is_empty() {
            return Err(unknown);
        }
        let fields = unknown.iter().map(|issue| (name.clone(), without_indexes(&issue.path)));
        self.notes.unknown_fields.extend(fields);
        let taken = (self.take)(Printed { kind, value, by_server })?;
        self.taken.push(taken);
        Ok(())
    }
}

/// The items of a list, and what they need not say.
fn items<'l>(located: &'l Located, of_list: Option<&OfList>) -> Option<(&'l [Located], Option<OfList>)> {
    let text = |field: &str| located.get(field).and_then(Located::as_str);
    let kind = text("kind").or(of_list.map(|(_, kind)| kind.as_str()))?.strip_suffix("List")?;
    let items = match &located.get("items")?.value {
        Node::List(items) => items.as_slice(),
        Node::Null => &[],
        Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) | Node::String(_) | Node::Map(_) => return None,
    };
    let of_items = (!kind.is_empty()).then(|| (text("apiVersion").unwrap_or_default().to_owned(), kind.to_owned()));
    Some((items, of_items))
}

/// `apiVersion` and `kind`.
fn head(value: &Value, of_list: Option<&OfList>) -> Result<(String, String), Vec<Issue>> {
    if !value.is_object() {
        return Err(vec![Issue::whole("expected a Kubernetes object, found something that is no mapping")]);
    }
    let field = |name: &str, inherited: Option<&String>| match (value.get(name), inherited) {
        (Some(Value::String(text)), _) if !text.is_empty() => Ok(text.clone()),
        (None, Some(inherited)) => Ok(inherited.clone()),
        (None, None) => Err(vec![Issue::whole(format!("{name} is not set"))]),
        (Some(_), _) => Err(vec![at(name, "must be a string that is not empty")]),
    };
    let api_version = field("apiVersion", of_list.map(|(version, _)| version))?;
    Ok((api_version, field("kind", of_list.map(|(_, kind)| kind))?))
}

fn at(field: &str, message: &str) -> Issue {
    Issue { path: Path(vec![Segment::Key(field.to_owned())]), ..Issue::whole(message) }
}

/// The same field of all items of a list.
fn without_indexes(path: &Path) -> String {
    let keys = path.0.iter().filter(|segment| matches!(segment, Segment::Key(_)));
    Path(keys.cloned().collect()).to_string()
}

#[cfg(test)]
mod tests;
