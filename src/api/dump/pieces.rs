//! YAML files in pieces: documents, and the items of a list that kubectl has printed, each parsed by itself.

use super::{OfList, Reading};
use crate::api::located::{Node, parse};

/// A part of a file that can be parsed alone.
struct Piece<'t> {
    text: &'t str,
    /// How many lines stand before it.
    lines_before: usize,
    /// Where it is an item of a list: what the list says of it.
    item: Option<Option<OfList>>,
}

/// Reads all documents. Nothing where one of the pieces is no YAML by itself: it may hold an alias to another.
pub(super) fn read<T>(text: &str, reading: &mut Reading<'_, T>) -> Option<()> {
    if lines(text).any(|(_, line)| line.starts_with('%')) {
        return None;
    }
    for document in documents(text) {
        let items = items(&document);
        let pieces = if items.is_empty() { vec![document] } else { items };
        pieces.iter().try_for_each(|piece| read_piece(piece, reading))?;
    }
    reading.lines_before = 0;
    Some(())
}

fn read_piece<T>(piece: &Piece<'_>, reading: &mut Reading<'_, T>) -> Option<()> {
    let parsed = parse(reading.file, piece.text).ok()?;
    reading.lines_before = piece.lines_before;
    let Some(of_list) = &piece.item else {
        parsed.iter().for_each(|document| reading.located(document, None));
        return Some(());
    };
    let [list] = parsed.as_slice() else { return None };
    let Node::List(items) = &list.value else { return None };
    items.iter().for_each(|item| reading.located(item, of_list.as_ref()));
    Some(())
}

/// Lines with where they begin and end.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end())
    })
}

fn documents(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut start, mut lines_before) = (0, 0);
    for (number, (at, line)) in lines(text).enumerate() {
        if line == "---" || line.starts_with("--- ") || line == "..." {
            found.push(Piece { text: &text[start..at], lines_before, item: None });
            (start, lines_before) = (at, number);
        }
    }
    found.push(Piece { text: &text[start..], lines_before, item: None });
    found
}

/// The items of a document that is a list in block style. Empty where it is anything else.
fn items<'t>(document: &Piece<'t>) -> Vec<Piece<'t>> {
    let text = document.text;
    let (mut found, mut starts): (Vec<Piece<'t>>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
    let (mut kind, mut api_version) = (None, None);
    let mut indent = None;
    let mut end = None;
    let mut is_inside = false;
    for (number, (at, line)) in lines(text).enumerate() {
        let content = line.trim_start();
        let depth = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let is_item = content == "-" || content.starts_with("- ");
        if is_inside && is_item && depth == *indent.get_or_insert(depth) {
            starts.push((at, number));
            continue;
        }
        if is_inside && indent.is_none_or(|indent| depth <= indent) {
            is_inside = false;
            end = Some(at);
        }
        if depth == 0 {
            let value = |key: &str| {
                let text = content.strip_prefix(key)?.trim().trim_matches(['"', '\'']);
                Some(text.to_owned())
            };
            kind = value("kind:").or(kind);
            api_version = value("apiVersion:").or(api_version);
            is_inside |= content == "items:";
        }
    }
    let Some(kind) = kind.as_deref().and_then(|kind| kind.strip_suffix("List")) else { return found };
    let of_list = (!kind.is_empty()).then(|| (api_version.unwrap_or_default(), kind.to_owned()));
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([end.unwrap_or(text.len())]);
    for ((start, number), end) in starts.iter().zip(ends) {
        let lines_before = document.lines_before + number;
        found.push(Piece { text: &text[*start..end], lines_before, item: Some(of_list.clone()) });
    }
    found
}
