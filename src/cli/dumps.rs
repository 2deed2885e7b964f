//! The files of `-f`: what `kubectl get` has printed, plain or gzip, one or many, folders, or standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::output::to_stderr;
use super::{Failure, read};
use crate::api::Kind;
use crate::api::dump::{self, Notes, Printed};
use crate::api::located::Issue;
use crate::report::counted;

/// The longest list of what was left out.
const NOTES_MAX: usize = 10;

/// Reads the objects of the wanted kinds from all files, in order. What was left out is told on standard error.
///
/// # Errors
/// What cannot be read, is no YAML, or that `take` refuses.
pub(super) fn objects<T>(
    files: &[PathBuf],
    wanted: &dyn Fn(Kind) -> bool,
    take: &mut dyn FnMut(Printed) -> Result<T, Vec<Issue>>,
) -> Result<Vec<T>, Failure> {
    let mut notes = Notes::default();
    let mut objects = Vec::new();
    for path in files {
        for path in inside(path)? {
            let (shown, text) = text(&path)?;
            objects.extend(dump::read(&shown, &text, wanted, &mut notes, take)?);
        }
    }
    tell(&notes);
    Ok(objects)
}

/// A file itself, or what a folder holds, in the order of names.
pub(super) fn inside(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let unreadable = |error: std::io::Error| Failure::of_system(format!("{} cannot be read", path.display()), &error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.to_string_lossy();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if [".yaml", ".yml", ".json"].iter().any(|ending| plain.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::Refused(format!("{} holds no *.yaml, *.yml or *.json", path.display())));
    }
    Ok(found)
}

/// The text of a file, and what it is called in messages.
pub(super) fn text(path: &Path) -> Result<(String, String), Failure> {
    let shown = read::shown(path);
    let unreadable = |why: String| Failure::Refused(format!("{shown} cannot be read: {why}"));
    let mut file = read::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| unreadable(read::sentence(error)))?;
    Ok((shown, text))
}

fn tell(notes: &Notes) {
    let kinds = notes.unknown_kinds.iter().map(|((kind, version), count)| {
        format!("{} of kind {kind} ({version}) left out: the kind is not known", counted(*count as u64, "object"))
    });
    let fields = notes.unknown_fields.iter().map(|(kind, field)| format!("{field} of {kind} left out: not known"));
    let all: Vec<String> = kinds.chain(fields).collect();
    for line in all.iter().take(NOTES_MAX) {
        to_stderr(&format!("note: {line}"));
    }
    if all.len() > NOTES_MAX {
        to_stderr(&format!("note: and {} more", all.len() - NOTES_MAX));
    }
}
