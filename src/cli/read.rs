//! Reads what the command line names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::scenario::Found;

/// A file's text, or what is in a folder.
///
/// # Errors
/// The operating system's sentence.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    if !path.is_dir() {
        return fs::read_to_string(path).map(Found::File).map_err(sentence);
    }
    let entries = fs::read_dir(path).map_err(sentence)?;
    let paths: Result<Vec<PathBuf>, io::Error> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map(Found::Folder).map_err(sentence)
}

/// What stands for standard input where a file is named.
pub(super) const STDIN: &str = "-";
/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Opens a file, or standard input where it is `-`; what is compressed with gzip comes out as it was before.
///
/// # Errors
/// The operating system's sentence.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    let raw: Box<dyn Read> = match path.to_str() {
        Some(STDIN) => Box::new(io::stdin()),
        Some(_) | None => Box::new(fs::File::open(path).map_err(sentence)?),
    };
    unpacked(raw).map_err(sentence)
}

/// What a path is called in messages.
pub(super) fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(STDIN) => "(standard input)".to_owned(),
        Some(_) | None => path.display().to_string(),
    }
}

fn unpacked(mut raw: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    let mut head = Vec::new();
    raw.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
    let packed = head == GZIP;
    let whole = Cursor::new(head).chain(raw);
    Ok(match packed {
        true => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(whole)))),
        false => Box::new(BufReader::new(whole)),
    })
}

/// The operating system's sentence.
pub(super) fn sentence(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads each path once: what a sweep loads again and again is the same text each time, whatever happens to the files.
#[derive(Default)]
pub(super) struct Once {
    found: Mutex<BTreeMap<PathBuf, Result<Found, String>>>,
}

impl Once {
    /// A file's text, or what is in a folder, as it was when it was first asked for.
    pub(super) fn read(&self, path: &Path) -> Result<Found, String> {
        // A thread that panicked here has left the map whole.
        let mut found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.entry(path.to_path_buf()).or_insert_with(|| read(path)).clone()
    }
}
