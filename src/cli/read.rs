//! Reads what the command line names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::scenario::Found;

/// A file's text, or what is in a folder.
///
/// # Errors
/// The operating system's sentence.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    let sentence = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
        _ => error.to_string(),
    };
    if !path.is_dir() {
        return fs::read_to_string(path).map(Found::File).map_err(sentence);
    }
    let entries = fs::read_dir(path).map_err(sentence)?;
    let paths: Result<Vec<PathBuf>, io::Error> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map(Found::Folder).map_err(sentence)
}
