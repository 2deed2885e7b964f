//! Text that remembers where it stood: YAML and JSON files read into trees whose every node knows its line and column.
//!
//! JSON and YAML exist only at this edge. Nothing here panics, whatever the text is; every error names file, line,
//! column and path, and the nearest valid name where there is one.
//!
//! Follows what kubectl does with a file before it reaches the API server: `sigs.k8s.io/yaml` (its `goyaml.v2`) turns
//! YAML into JSON, so plain `yes`, `on` and `y` are booleans, `0644` is 420 and map keys become strings.
//! Left out: the `!!binary` tag, and several JSON documents one after the other without `---` between them.
mod misfit;
mod place;
mod reader;
mod scalar;
#[cfg(test)]
mod tests;
mod yaml;

pub(crate) use misfit::nearest;
pub(crate) use reader::{Rules, read};

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

pub use place::{Place, suggestion};
pub use yaml::parse;

/// One mistake in an input file, with the place where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The file as the user named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The field, as `spec.template.spec.containers[0].image`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right, as a sentence.
    pub help: Option<String>,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        // Kubernetes' own texts often hold the path already.
        if !self.path.is_empty() && !self.message.contains(&format!("\"{}\"", self.path)) {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}

/// Every mistake found in one reading, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputErrors(pub Vec<InputError>);

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InputErrors {}

impl From<InputError> for InputErrors {
    fn from(error: InputError) -> Self {
        Self(vec![error])
    }
}

/// One step of a path into a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a mapping.
    Key(String),
    /// A position in a list, counted from 0.
    Index(usize),
}

/// Where in a document a value is; prints as Kubernetes prints field paths: `spec.containers[0].image`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Segment>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if index == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(position) => write!(f, "[{position}]")?,
            }
        }
        Ok(())
    }
}

/// One mistake in a document, before it is known in which file the document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The value or key that is wrong.
    pub path: Path,
    /// What is wrong, in Kubernetes' words where Kubernetes has words for it.
    pub message: String,
    /// What would be right, as a sentence.
    pub help: Option<String>,
    /// Which half of the entry at `path` is meant.
    pub place: Half,
}

/// Which half of a mapping's entry a position means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The key: a field that should not be there.
    Key,
    /// The value: it does not fit.
    Value,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string();
        if !path.is_empty() && !self.message.contains(&format!("\"{path}\"")) {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Issue {}

impl Issue {
    /// An issue with a document as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { path: Path::default(), message: message.into(), help: None, place: Half::Value }
    }
}

/// A value with the place where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The value.
    pub value: Node,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

/// A value as Kubernetes reads it, tags and styles resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Nothing, `~` or `null`.
    Null,
    /// A boolean, in any of YAML 1.1's spellings.
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A finite number with a fraction or an exponent, or one too large for an integer.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Located>),
    /// A mapping, keys in the order of the file, no key twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, always a text: `1:` and `true:` are the keys `1` and `true`.
    pub key: String,
    /// The key's line, counted from 1.
    pub line: usize,
    /// The key's column in characters, counted from 1.
    pub column: usize,
    /// What stands behind the key.
    pub value: Located,
}

impl Located {
    /// The same value as JSON. Numbers without a fraction become integers, as Go's `encoding/json` writes them.
    pub fn to_json(&self) -> Value {
        match &self.value {
            Node::Null => Value::Null,
            Node::Bool(flag) => Value::Bool(*flag),
            Node::Int(number) => Value::from(*number),
            Node::UInt(number) => Value::from(*number),
            Node::Float(number) => float_to_json(*number),
            Node::String(text) => Value::String(text.clone()),
            Node::List(items) => Value::Array(items.iter().map(Located::to_json).collect()),
            Node::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }

    /// The value behind a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Located> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Node::String(text) => Some(text),
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::List(_)
            | Node::Map(_) => None,
        }
    }

    /// Line and column of the value at a path, or of the deepest part of the path that exists.
    pub fn locate(&self, path: &Path) -> (usize, usize) {
        self.locate_place(path, Half::Value)
    }

    /// Line and column of the key or of the value at a path, or of the deepest part of the path that exists.
    pub fn locate_place(&self, path: &Path, place: Half) -> (usize, usize) {
        let mut at = (self.line, self.column);
        let mut here = self;
        for (index, segment) in path.0.iter().enumerate() {
            let next = match segment {
                Segment::Key(key) => {
                    let Some(entry) = here.entry(key) else {
                        return at;
                    };
                    if place == Half::Key && index + 1 == path.0.len() {
                        return (entry.line, entry.column);
                    }
                    &entry.value
                }
                Segment::Index(position) => match here.item(*position) {
                    Some(item) => item,
                    None => return at,
                },
            };
            at = (next.line, next.column);
            here = next;
        }
        at
    }

    /// An issue of this document as an error in a file.
    pub fn error(&self, file: &str, issue: &Issue) -> InputError {
        let (line, column) = self.locate_place(&issue.path, issue.place);
        InputError {
            file: file.to_owned(),
            line,
            column,
            path: issue.path.to_string(),
            message: issue.message.clone(),
            help: issue.help.clone(),
        }
    }

    /// All issues of this document as errors in a file, sorted by position.
    pub fn errors(&self, file: &str, issues: &[Issue]) -> InputErrors {
        let mut errors: Vec<InputError> = issues.iter().map(|issue| self.error(file, issue)).collect();
        errors.sort_by_key(|error| (error.line, error.column));
        InputErrors(errors)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Node::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::String(_)
            | Node::List(_) => None,
        }
    }

    fn item(&self, position: usize) -> Option<&Located> {
        match &self.value {
            Node::List(items) => items.get(position),
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::String(_)
            | Node::Map(_) => None,
        }
    }
}

/// Reads a document into a type of ours, strictly: no unknown field, no text taken from a number or a boolean, no
/// null where a value must be.
///
/// # Errors
/// Every unknown field, and the first value that does not fit its type or is missing.
pub fn from_located<T: DeserializeOwned>(file: &str, located: &Located) -> Result<T, InputErrors> {
    let value = located.to_json();
    let (decoded, issues) = reader::read::<T>(&value, Rules::Strict);
    match decoded {
        Some(decoded) if issues.is_empty() => Ok(decoded),
        Some(_) | None => Err(located.errors(file, &issues)),
    }
}

/// Whole numbers below 2^53 as integers: a float holds each of them exactly.
fn float_to_json(number: f64) -> Value {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        return Value::from(number as i64);
    }
    Value::from(number)
}
