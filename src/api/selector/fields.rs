//! Field selectors: conditions on a few fields of an object.
//!
//! Follows apimachinery `pkg/fields/selector.go`. Left out: which fields a kind knows, which is the
//! matter of whoever looks them up.
use std::fmt;

use ecow::EcoString as Name;

/// A field selector: `metadata.name=x,spec.nodeName!=y`. A field that is missing counts as empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldSelector {
    /// The conditions, all of which must hold, in the order of their texts.
    pub terms: Vec<FieldTerm>,
}

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldTerm {
    /// The path of the field, as typed.
    pub field: Name,
    /// The value, escapes resolved.
    pub value: Name,
    /// Whether the field must have the value or must not have it.
    pub wanted: bool,
}

impl FieldSelector {
    /// Matches whatever there is.
    pub fn everything() -> Self {
        Self { terms: Vec::new() }
    }

    /// Reads the text form; `\\`, `\,` and `\=` stand for the character itself in values.
    ///
    /// # Errors
    /// Upstream's sentence on the term that it cannot understand.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse_fields(text).map(|terms| Self { terms })
    }

    /// Whether the fields, of which `get` finds the value by path, are selected.
    pub fn matches<'l>(&self, get: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.terms.iter().all(|term| (get(&term.field).unwrap_or("") == term.value) == term.wanted)
    }

    /// The one value that `field` must have, where the selector says so.
    pub fn requires_exact_match(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.wanted && term.field == field).map(|term| term.value.as_str())
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let relation = if term.wanted { "=" } else { "!=" };
            let value = term.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=");
            write!(f, "{comma}{}{relation}{value}", term.field)?;
        }
        Ok(())
    }
}

/// The terms of a field selector, sorted by their texts.
fn parse_fields(text: &str) -> Result<Vec<FieldTerm>, String> {
    let mut parts = split_terms(text);
    parts.sort_unstable();
    let mut terms = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let Some(at) = part.find("!=").into_iter().chain(part.find('=')).min() else {
            return Err(format!("invalid selector: '{text}'; can't understand '{part}'"));
        };
        let (field, rest) = part.split_at(at);
        let wanted = !rest.starts_with("!=");
        let operator = if rest.starts_with("!=") || rest.starts_with("==") { 2 } else { 1 };
        terms.push(FieldTerm { field: Name::from(field), value: Name::from(unescape(&rest[operator..])?), wanted });
    }
    Ok(terms)
}

/// Cuts at commas that no backslash precedes.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                Some(other) => {
                    return Err(format!("invalid field selector: invalid escape sequence: \\{other}"));
                }
                None => {
                    return Err("invalid field selector: invalid escape sequence: \\".to_string());
                }
            },
            ',' | '=' => {
                // Upstream prints the number of the character.
                return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, bool), &str>) {
        let fields = |path: &str| match path {
            "metadata.name" => Some("x"),
            "status.phase" => Some("Running"),
            _ => None,
        };
        let found = FieldSelector::parse(text).map(|s| (s.to_string(), s.matches(fields)));
        let expected = expected.map(|(printed, matched)| (printed.to_string(), matched));
        assert_eq!(found, expected.map_err(str::to_string), "for {text:?}");
    }

    #[test]
    fn fields_are_equal_or_not() {
        check("", Ok(("", true)));
        check(
            "metadata.name=x,spec.nodeName!=y,status.phase==Running",
            Ok(("metadata.name=x,spec.nodeName!=y,status.phase=Running", true)),
        );
        check("spec.nodeName=", Ok(("spec.nodeName=", true)));
        check("metadata.name!=x", Ok(("metadata.name!=x", false)));
        check("a=b\\,c\\=d\\\\", Ok(("a=b\\,c\\=d\\\\", false)));
    }

    #[test]
    fn terms_that_are_not_understood_are_named() {
        check("abc", Err("invalid selector: 'abc'; can't understand 'abc'"));
        check("a=b\\c", Err("invalid field selector: invalid escape sequence: \\c"));
        check("a=b=c", Err("invalid field selector: unescaped character in value: 61"));
    }
}
