//! Rows of comma-separated values under a header: strict about columns, exact about where a mistake stands.
//!
//! The first mistakes of a file are told together. Columns of a mistake are counted as if no field were quoted.

use std::io::{Chain, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator};

use crate::api::located::{InputError, InputErrors, nearest};
use crate::kernel::Time;

/// How many mistakes of a file are told.
const MISTAKES: usize = 10;

/// Whether a column must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Presence {
    /// The reader needs it.
    Required,
    /// The reader takes it where it is; where not, its fields are empty.
    Optional,
}

/// A column by the name in its header.
pub(super) type Column = (&'static str, Presence);

/// A line of the file with what is known about its columns.
pub(super) struct Row<'a> {
    file: &'a str,
    line: usize,
    columns: &'a [Column],
    places: &'a [Option<usize>],
    record: &'a StringRecord,
}

/// Reads every row, in the order of the file. Empty lines are passed over.
///
/// # Errors
/// The first mistakes: of the file as such, of its header, or those that `each` finds.
pub(super) fn read<T>(
    input: impl Read,
    file: &Path,
    columns: &[Column],
    mut each: impl FnMut(&Row<'_>) -> Result<T, InputError>,
) -> Result<Vec<T>, InputErrors> {
    let file = file.display().to_string();
    let mut lines = Lines::of(input);
    let header = match lines.next(&file) {
        Some(Ok((_, header))) => header.clone(),
        Some(Err(error)) => return Err(error.into()),
        None => StringRecord::new(),
    };
    let places = places(&header, &file, columns)?;
    let (mut items, mut mistakes) = (Vec::new(), Vec::new());
    while mistakes.len() < MISTAKES
        && let Some(line) = lines.next(&file)
    {
        let item = line.and_then(|(line, record)| {
            let row = Row { file: &file, line, columns, places: &places, record };
            if record.len() == header.len() { each(&row) } else { Err(row.uneven(header.len())) }
        });
        match item {
            Ok(item) => items.push(item),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(items) } else { Err(InputErrors(mistakes)) }
}

/// The lines of a file that have text, with their numbers.
struct Lines<R> {
    reader: csv::Reader<Chain<R, &'static [u8]>>,
    record: StringRecord,
}

impl<R: Read> Lines<R> {
    /// Lines are only counted right where a record ends with the line feed itself, so the carriage return before it is
    /// taken off here, and the last line gets a line feed as well.
    fn of(input: R) -> Lines<R> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).terminator(Terminator::Any(b'\n'));
        Lines { reader: builder.from_reader(input.chain(b"\n".as_slice())), record: StringRecord::new() }
    }

    fn next(&mut self, file: &str) -> Option<Result<(usize, &StringRecord), InputError>> {
        loop {
            match self.reader.read_record(&mut self.record) {
                Ok(true) if self.record.len() == 1 && self.record[0].trim_ascii().is_empty() => {}
                Ok(true) => break,
                Ok(false) => return None,
                Err(error) => return Some(Err(broken(file, self.reader.position().line() as usize, &error))),
            }
        }
        if self.record.get(self.record.len() - 1).is_some_and(|last| last.ends_with('\r')) {
            let last = self.record.len() - 1;
            self.record =
                self.record.iter().enumerate().map(|(i, f)| if i == last { &f[..f.len() - 1] } else { f }).collect();
        }
        let within: usize = self.record.iter().map(|field| field.matches('\n').count()).sum();
        Some(Ok((self.reader.position().line() as usize - 1 - within, &self.record)))
    }
}

/// Where each column stands; its complaints are about the header.
fn places(header: &StringRecord, file: &str, columns: &[Column]) -> Result<Vec<Option<usize>>, InputErrors> {
    let error = |index: usize, message: String, help: String| InputError {
        file: file.to_owned(),
        line: 1,
        column: column_of(header, index),
        path: String::new(),
        message,
        help: Some(help),
    };
    let known: Vec<&str> = columns.iter().map(|column| column.0).collect();
    let mut mistakes = Vec::new();
    for (index, name) in header.iter().enumerate() {
        if !known.contains(&name) {
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the columns are {}", known.join(", ")),
            };
            mistakes.push(error(index, format!("unknown column {name:?}"), help));
        } else if header.iter().take(index).any(|earlier| earlier == name) {
            mistakes.push(error(index, format!("a second column {name:?}"), "each column stands once".to_owned()));
        }
    }
    let places: Vec<Option<usize>> =
        known.iter().map(|name| header.iter().position(|column| column == *name)).collect();
    for ((name, presence), place) in columns.iter().zip(&places) {
        if place.is_none() && *presence == Presence::Required {
            let help = format!("the first line names the columns: {}", known.join(", "));
            mistakes.push(error(0, format!("missing column {name:?}"), help));
        }
    }
    if mistakes.is_empty() { Ok(places) } else { Err(InputErrors(mistakes)) }
}

/// A file that cannot be read, or a line that is no text.
fn broken(file: &str, line: usize, error: &csv::Error) -> InputError {
    let (line, message) = match error.kind() {
        ErrorKind::Utf8 { .. } => (line - 1, "the line is not text in UTF-8".to_owned()),
        _ => (line, error.to_string()),
    };
    InputError { file: file.to_owned(), line, column: 1, path: String::new(), message, help: None }
}

/// The column in characters, from 1, where a field begins if none is quoted.
fn column_of(record: &StringRecord, index: usize) -> usize {
    record.iter().take(index).map(|field| field.chars().count() + 1).sum::<usize>() + 1
}

impl Row<'_> {
    /// The text of a field; empty where it is, or where the file has no such column.
    pub(super) fn text(&self, name: &str) -> &str {
        self.place(name).and_then(|place| self.record.get(place)).unwrap_or_default()
    }

    /// The text of a field that must not be empty.
    pub(super) fn filled(&self, name: &str) -> Result<&str, InputError> {
        match self.text(name) {
            "" => Err(self.error(name, "nothing stands here", "every line has one")),
            text => Ok(text),
        }
    }

    /// A whole number within limits.
    pub(super) fn whole(&self, name: &str, limits: RangeInclusive<i64>) -> Result<i64, InputError> {
        let text = self.text(name);
        match text.parse::<i64>() {
            Ok(number) if limits.contains(&number) => Ok(number),
            Ok(_) | Err(_) => {
                let help = format!("a whole number from {} to {}", limits.start(), limits.end());
                Err(self.error(name, format!("{text:?} is not possible here"), help))
            }
        }
    }

    /// A time in seconds, decimals allowed; nothing where the field is empty.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<Time>, InputError> {
        match self.text(name) {
            "" => Ok(None),
            text => match nanos(text) {
                Some(nanos) => Ok(Some(Time(nanos))),
                None => {
                    let help = "seconds since the start of the trace, as 427061 or 427061.5";
                    Err(self.error(name, format!("{text:?} is not a time"), help))
                }
            },
        }
    }

    /// A mistake in a field.
    pub(super) fn error(&self, name: &str, message: impl Into<String>, help: impl Into<String>) -> InputError {
        InputError {
            file: self.file.to_owned(),
            line: self.line,
            column: self.place(name).map_or(1, |place| column_of(self.record, place)),
            path: name.to_owned(),
            message: message.into(),
            help: Some(help.into()),
        }
    }

    fn uneven(&self, columns: usize) -> InputError {
        InputError {
            file: self.file.to_owned(),
            line: self.line,
            column: 1,
            path: String::new(),
            message: format!("{} fields where the header has {columns}", self.record.len()),
            help: Some("a line has a field for each column, empty ones too".to_owned()),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        let index = self.columns.iter().position(|column| column.0 == name);
        self.places[index.expect("a reader asks only for columns that it has declared")]
    }
}

/// Decimal seconds in nanoseconds, exactly; at most nine decimals.
fn nanos(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_decimal = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal(whole) || !is_decimal(part) || part.len() > 9 {
        return None;
    }
    let part: u64 = format!("{part:0<9}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[("name", Presence::Required), ("size", Presence::Required), ("at", Presence::Optional)];

    fn sizes(text: &str) -> Result<Vec<(usize, i64)>, String> {
        read(text.as_bytes(), Path::new("a.csv"), COLUMNS, |row| Ok((row.line, row.whole("size", 0..=9)?)))
            .map_err(|errors| errors.to_string())
    }

    #[track_caller]
    fn check(text: &str, message: &str) {
        assert_eq!(sizes(text), Err(message.to_owned()));
    }

    #[test]
    fn columns_may_stand_in_any_order_and_lines_may_end_in_any_way() {
        for end in ["\n", "\r\n"] {
            let text = ["size,name", "1,a", "", "2,\"b,c\"", "3,d"].join(end);
            assert_eq!(sizes(&text), Ok(vec![(2, 1), (4, 2), (5, 3)]), "{end:?}");
            assert_eq!(sizes(&(text + end)), Ok(vec![(2, 1), (4, 2), (5, 3)]), "{end:?}");
        }
        assert_eq!(sizes("\u{feff}name,size\na,1\n"), Ok(vec![(2, 1)]));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        check(
            "name,size\na,b\nc,12\n",
            "a.csv:2:3: size: \"b\" is not possible here\n  help: a whole number from 0 to 9\n\
             a.csv:3:3: size: \"12\" is not possible here\n  help: a whole number from 0 to 9",
        );
        check(
            "name,sizes\n",
            "a.csv:1:6: unknown column \"sizes\"\n  help: did you mean \"size\"?\n\
             a.csv:1:1: missing column \"size\"\n  help: the first line names the columns: name, size, at",
        );
        check("name,size,name\n", "a.csv:1:11: a second column \"name\"\n  help: each column stands once");
        check(
            "name,size\na\n",
            "a.csv:2:1: 1 fields where the header has 2\n  help: a line has a field for each column, empty ones too",
        );
        assert_eq!(
            read(b"name,size\na,1\n\xff,2\n".as_slice(), Path::new("a.csv"), COLUMNS, |_| Ok(()))
                .map_err(|e| e.to_string()),
            Err("a.csv:3:1: the line is not text in UTF-8".to_owned()),
        );
        assert!(sizes("").is_err_and(|errors| errors.starts_with("a.csv:1:1: missing column \"name\"")));
    }

    #[test]
    fn times_are_exact() {
        let cases = [
            ("0", Some(0)),
            ("427061", Some(427_061_000_000_000)),
            ("1.5", Some(1_500_000_000)),
            ("-1", None),
            ("1e3", None),
            ("1.", None),
            ("99999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nanos(text), expected, "{text}");
        }
    }
}
