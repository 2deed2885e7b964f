//! `--set PATH=VALUE`: values of a scenario file replaced before it is read into its types.
//!
//! A path names keys and items with dots: `nodes.0.count`, `nodes[0].count`, or by its name `nodes.worker.count`. The
//! value is YAML: `3`, `90s`, `{cpu: 4}`. The last key may be new; everything before it must be there.

use crate::api::located::{Entry, InputError, InputErrors, Located, Node, Segment, parse};

use super::place::suggestion;

/// A replacement as it was typed, and the path that it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Override {
    typed: String,
    path: String,
}

/// Replaces values of a document, in the given order.
///
/// # Errors
/// A text without `=`, a value that is no YAML, a path that leads nowhere: each with its column in the text.
pub(super) fn apply(document: &mut Located, overrides: &[String]) -> Result<Vec<Override>, InputErrors> {
    overrides.iter().map(|typed| apply_one(document, typed)).collect()
}

/// Errors that are about a replaced value name the replacement in place of the file.
pub(super) fn blame(errors: &mut [InputError], file: &str, overrides: &[Override]) {
    for error in errors.iter_mut().filter(|error| error.file == file) {
        let about = |over: &&Override| {
            error.path.strip_prefix(&over.path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
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
    let steps = steps(path);
    let mut here = document;
    let mut meant = crate::api::located::Path::default();
    for (index, (column, step)) in steps.iter().enumerate() {
        let last = index + 1 == steps.len();
        here = enter(here, step, last, &mut meant).map_err(|(message, help)| error(*column, message, help))?;
    }
    let (line, column) = (here.line, here.column);
    *here = moved(value, line, column);
    Ok(Override { typed: typed.to_owned(), path: meant.to_string() })
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

type Refusal = (String, Option<String>);

/// The value behind a step.
fn enter<'a>(
    here: &'a mut Located,
    step: &str,
    last: bool,
    meant: &mut crate::api::located::Path,
) -> Result<&'a mut Located, Refusal> {
    let (line, column) = (here.line, here.column);
    match &mut here.value {
        Node::Map(entries) => {
            let position = match entries.iter().position(|entry| entry.key == step) {
                Some(position) => position,
                None if last && !step.is_empty() => {
                    let value = Located { value: Node::Null, line, column };
                    entries.push(Entry { key: step.to_owned(), line, column, value });
                    entries.len() - 1
                }
                None => {
                    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
                    let place = if meant.0.is_empty() { "the scenario".to_owned() } else { meant.to_string() };
                    return Err((format!("{place} has no {step:?}"), suggestion(step, &keys)));
                }
            };
            meant.0.push(Segment::Key(step.to_owned()));
            Ok(&mut entries[position].value)
        }
        Node::List(items) => {
            let named = |item: &Located| item.get("name").and_then(Located::as_str) == Some(step);
            let position = step.parse().ok().or_else(|| items.iter().position(named));
            let count = items.len();
            match position.and_then(|position: usize| Some((position, items.get_mut(position)?))) {
                Some((position, item)) => {
                    meant.0.push(Segment::Index(position));
                    Ok(item)
                }
                None => {
                    let help =
                        if count == 0 { "it is empty".to_owned() } else { format!("it goes from 0 to {}", count - 1) };
                    Err((format!("{meant} has no item {step:?}"), Some(help)))
                }
            }
        }
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) | Node::String(_) => {
            Err((format!("{meant} is neither a mapping nor a list, so it has no {step:?}"), None))
        }
    }
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
