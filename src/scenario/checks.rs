//! Invariants: looked up where they are listed.

use super::file::ChecksFile;
use crate::api::located::{InputError, Place};
use crate::check::{self, InvariantEntry};

pub(super) fn lower(
    file: &ChecksFile,
    place: &Place<'_>,
    errors: &mut Vec<InputError>,
) -> Vec<&'static InvariantEntry> {
    let Some(names) = &file.invariants else { return check::ALL.to_vec() };
    let place = place.key("invariants");
    let mut chosen = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let here = place.index(index);
        match check::find(name) {
            Some(entry) if names[..index].contains(name) => {
                errors.push(here.error(format!("{} is named twice", entry.name)));
            }
            Some(entry) => chosen.push(entry),
            None => {
                let known: Vec<&str> = check::ALL.iter().map(|entry| entry.name).collect();
                errors.push(here.unknown_name(format!("no invariant is named {name:?}"), name, &known));
            }
        }
    }
    chosen
}
