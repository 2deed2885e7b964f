//! `--set PATH=VALUE`: values of a scenario file replaced before it is read into its types.
//!
//! A path names keys and items with dots: `nodes.0.count`, `nodes[0].count`, or by its name `nodes.worker.count`. The
//! value is YAML: `3`, `90s`, `{cpu: 4}`. The last key may be new; so may sections that the format knows, such as
//! `components`. Axes use the same paths.

use super::file::ScenarioFile;
use crate::api::located::{
    Entry, InputError, InputErrors, Located, Node, Path, Segment, from_located, parse, suggestion,
};

/// A replacement as it was typed, and the path that it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Override {
    typed: String,
    pub(super) path: Path,
}

/// A place that is to be given a value.
pub(super) struct Slot<'a> {
    pub(super) value: &'a mut Located,
    /// The path that was meant: positions in place of names.
    pub(super) path: Path,
}

/// Why a path leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NoPath {
    /// Where in the text of the path, from 1 on.
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Replaces values of a document, in the given order.
///
/// # Errors
/// A text without `=`, a value that is no YAML, a path that leads nowhere: each with its column in the text.
pub(super) fn apply(document: &mut Located, overrides: &[String]) -> Result<Vec<Override>, InputErrors> {
    overrides.iter().map(|typed| apply_one(document, typed)).collect()
}

/// Whether a path of an error is the given one or lies within it.
pub(super) fn is_within(error: &str, path: &str) -> bool {
    error.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Errors that are about a replaced value name the replacement in place of the file.
pub(super) fn blame(errors: &mut [InputError], file: &str, overrides: &[Override]) {
    for error in errors.iter_mut().filter(|error| error.file == file) {
        let about = |over: &&Override| is_within(&error.path, &over.path.to_string());
        if let Some(over) = overrides.iter().rev().find(about) {
            error.file = format!("--set {}", over.typed);
            (error.line, error.column) = (1, over.typed.find('=').map_or(1, |at| over.typed[..at].chars().count() + 2));
        }
    }
}

fn apply_one(document: &mut Located, typed: &str) -> Result<Override, InputErrors> {
    let error = |column: usize, message: String, help: Option<String>| InputError {
        file: format!("--set {typed}"),
        line: 1,
        column,
        path: String::new(),
        message,
        help,
    };
    let Some((path, value)) = typed.split_once('=') else {
        let help = "write PATH=VALUE, as in nodes.0.count=10".to_owned();
        return Err(error(1, "there is no =".to_owned(), Some(help)).into());
    };
    let value = value_of(value).map_err(|message| error(path.chars().count() + 2, message, None))?;
    let at = (document.line, document.column);
    let slot = slot(document, path, at).map_err(|why| error(why.column, why.message, why.help))?;
    let (line, column) = (slot.value.line, slot.value.column);
    *slot.value = moved(value, line, column);
    Ok(Override { typed: typed.to_owned(), path: slot.path })
}

/// The place of a path. What is new there stands at `at` in the file.
///
/// # Errors
/// The path leads nowhere.
pub(super) fn slot<'a>(document: &'a mut Located, path: &str, at: (usize, usize)) -> Result<Slot<'a>, NoPath> {
    let steps = steps(path);
    let mut meant = Path::default();
    for (index, (column, step)) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        let refuse = |(message, help)| NoPath { column: *column, message, help };
        // Looked up from the root each time: a section that is missing is tried out on the whole document.
        if let Some(segment) = segment(at_path(document, &meant), step, &meant).map_err(refuse)? {
            meant.0.push(segment);
            continue;
        }
        let key = Segment::Key(step.clone());
        let keys = keys(at_path(document, &meant));
        let value = if last { Node::Null } else { Node::Map(Vec::new()) };
        let mut tried = document.clone();
        insert(at_path(&mut tried, &meant), step, value, at);
        let longer = Path(meant.0.iter().cloned().chain([key]).collect());
        if step.is_empty() || (!last && !is_section(&tried, &longer)) {
            let place = if meant.0.is_empty() { "the scenario".to_owned() } else { meant.to_string() };
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            return Err(refuse((format!("{place} has no {step:?}"), suggestion(step, &keys))));
        }
        *document = tried;
        meant = longer;
    }
    Ok(Slot { value: at_path(document, &meant), path: meant })
}

/// Whether the format has a mapping at a path.
fn is_section(document: &Located, path: &Path) -> bool {
    let path = path.to_string();
    match from_located::<ScenarioFile>("", document) {
        Ok(_) => true,
        // What it must hold may follow.
        Err(errors) => {
            errors.0.iter().all(|error| error.path != path || error.message.starts_with("missing required field"))
        }
    }
}

fn at_path<'a>(document: &'a mut Located, path: &Path) -> &'a mut Located {
    path.0.iter().fold(document, |here, segment| match (segment, &mut here.value) {
        (Segment::Key(key), Node::Map(entries)) => {
            let found = entries.iter_mut().find(|entry| entry.key == *key);
            &mut found.expect("the path has been walked before").value
        }
        (Segment::Index(index), Node::List(items)) => &mut items[*index],
        (Segment::Key(_) | Segment::Index(_), _) => panic!("the path has been walked before"),
    })
}

fn keys(here: &Located) -> Vec<String> {
    match &here.value {
        Node::Map(entries) => entries.iter().map(|entry| entry.key.clone()).collect(),
        Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::UInt(_)
        | Node::Float(_)
        | Node::String(_)
        | Node::List(_) => Vec::new(),
    }
}

fn insert(here: &mut Located, key: &str, value: Node, (line, column): (usize, usize)) {
    if let Node::Map(entries) = &mut here.value {
        let value = Located { value, line, column };
        entries.push(Entry { key: key.to_owned(), line, column, value });
    }
}

/// The steps of a path with their columns.
fn steps(path: &str) -> Vec<(usize, String)> {
    let mut steps = Vec::new();
    let mut column = 1;
    for part in path.split(['.', '[']) {
        let width = part.chars().count() + 1;
        steps.push((column, part.strip_suffix(']').unwrap_or(part).to_owned()));
        column += width;
    }
    steps
}

/// What a step means here; `None`: a key that is not there.
fn segment(here: &Located, step: &str, meant: &Path) -> Result<Option<Segment>, (String, Option<String>)> {
    match &here.value {
        Node::Map(entries) => Ok(entries.iter().any(|entry| entry.key == step).then(|| Segment::Key(step.to_owned()))),
        Node::List(items) => {
            let named = |item: &Located| item.get("name").and_then(Located::as_str) == Some(step);
            let position = step.parse().ok().or_else(|| items.iter().position(named));
            match position.filter(|position| *position < items.len()) {
                Some(position) => Ok(Some(Segment::Index(position))),
                None => {
                    let help = match items.len() {
                        0 => "it is empty".to_owned(),
                        count => format!("it goes from 0 to {}", count - 1),
                    };
                    Err((format!("{meant} has no item {step:?}"), Some(help)))
                }
            }
        }
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) | Node::String(_) => {
            Err((format!("{meant} is neither a mapping nor a list, so it has no {step:?}"), None))
        }
    }
}

/// Whether a text is the same text when it is read as a value.
pub(super) fn reads_as_text(text: &str) -> bool {
    value_of(text) == Ok(Node::String(text.to_owned()))
}

fn value_of(text: &str) -> Result<Node, String> {
    let mut documents = parse("--set", text).map_err(|error| error.message)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document.value),
        (None, _) => Ok(Node::Null),
        (Some(_), false) => Err("there is more than one value".to_owned()),
    }
}

/// A value that stands, with all that is in it, at one place of the file.
fn moved(value: Node, line: usize, column: usize) -> Located {
    let value = match value {
        Node::List(items) => Node::List(items.into_iter().map(|item| moved(item.value, line, column)).collect()),
        Node::Map(entries) => {
            let entry =
                |entry: Entry| Entry { key: entry.key, line, column, value: moved(entry.value.value, line, column) };
            Node::Map(entries.into_iter().map(entry).collect())
        }
        scalar @ (Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) | Node::String(_)) => {
            scalar
        }
    };
    Located { value, line, column }
}
