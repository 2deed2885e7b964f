//! A value of a file with the place where it stands, for errors about what it means.

use serde::de::DeserializeOwned;

use super::{Half, InputError, InputErrors, Issue, Located, Node, Path, Segment, from_located, nearest};

/// A place in a document of a file.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The file as the user named it.
    pub file: &'a str,
    root: &'a Located,
    path: Path,
}

impl<'a> Place<'a> {
    /// The root of a document.
    pub fn new(file: &'a str, root: &'a Located) -> Place<'a> {
        Place { file, root, path: Path::default() }
    }

    /// The value behind a key, whether it is there or not.
    pub fn key(&self, key: &str) -> Place<'a> {
        self.step(Segment::Key(key.to_owned()))
    }

    /// An item of a list, whether it is there or not.
    pub fn index(&self, index: usize) -> Place<'a> {
        self.step(Segment::Index(index))
    }

    fn step(&self, segment: Segment) -> Place<'a> {
        let mut place = self.clone();
        place.path.0.push(segment);
        place
    }

    /// What stands here.
    pub fn value(&self) -> Option<&'a Located> {
        self.path.0.iter().try_fold(self.root, |here, segment| match (segment, &here.value) {
            (Segment::Key(key), Node::Map(_)) => here.get(key),
            (Segment::Index(index), Node::List(items)) => items.get(*index),
            (Segment::Key(_) | Segment::Index(_), _) => None,
        })
    }

    /// The path of the place in its document.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what stands here into a type of ours.
    ///
    /// # Errors
    /// As [`from_located`], with paths from the document's root on.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, InputErrors> {
        let Some(located) = self.value() else { return Err(self.error("nothing stands here").into()) };
        from_located(self.file, located).map_err(|mut errors| {
            for error in errors.0.iter_mut().filter(|_| !self.path.0.is_empty()) {
                let inside = std::mem::take(&mut error.path);
                let dot = if inside.is_empty() || inside.starts_with('[') { "" } else { "." };
                error.path = format!("{}{dot}{inside}", self.path);
                if !inside.is_empty() {
                    error.message = error.message.replace(&format!("\"{inside}\""), &format!("\"{}\"", error.path));
                }
            }
            errors
        })
    }

    /// The text that stands here.
    pub fn text(&self) -> Option<&'a str> {
        self.value().and_then(Located::as_str)
    }

    /// An error about the value here.
    pub fn error(&self, message: impl Into<String>) -> InputError {
        self.issue(Half::Value, message.into(), None)
    }

    /// The same, saying what would be right.
    pub fn error_help(&self, message: impl Into<String>, help: impl Into<String>) -> InputError {
        self.issue(Half::Value, message.into(), Some(help.into()))
    }

    /// An error about the key here, with the nearest of the valid names.
    pub fn unknown_key(&self, message: impl Into<String>, name: &str, valid: &[&str]) -> InputError {
        self.issue(Half::Key, message.into(), suggestion(name, valid))
    }

    /// An error about the key here.
    pub fn key_error(&self, message: impl Into<String>, help: Option<String>) -> InputError {
        self.issue(Half::Key, message.into(), help)
    }

    /// An error about a name here, with the nearest of the valid ones.
    pub fn unknown_name(&self, message: impl Into<String>, name: &str, valid: &[&str]) -> InputError {
        self.issue(Half::Value, message.into(), suggestion(name, valid))
    }

    fn issue(&self, place: Half, message: String, help: Option<String>) -> InputError {
        self.root.error(self.file, &Issue { path: self.path.clone(), message, help, place })
    }
}

/// What a wrong name was probably meant to be, or what there is where that is little.
pub fn suggestion(name: &str, valid: &[&str]) -> Option<String> {
    const LISTED_MAX: usize = 12;
    match nearest(name, valid.iter().copied()) {
        Some(near) => Some(format!("did you mean {near:?}?")),
        None if valid.is_empty() || valid.len() > LISTED_MAX => None,
        None => Some(format!("valid here: {}", valid.join(", "))),
    }
}
