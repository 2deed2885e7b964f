//! Why a value does not fit, in words for people who write YAML rather than Rust or Go.
use super::{Half, Issue, Path, Segment};
use serde::de::{self, Expected, Unexpected};
use serde_json::Value;
use std::fmt;

/// Why a value does not fit, before it is known where.
#[derive(Debug, Clone)]
pub(crate) enum Misfit {
    Message(String),
    Type { found: Found, expected: String },
    Field { name: String, valid: &'static [&'static str] },
    Variant { name: String, valid: &'static [&'static str] },
    Missing(&'static str),
}

/// What stood there instead.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Text,
    Scalar,
    Other,
}

impl Misfit {
    /// The issue, in words for people who write YAML rather than Rust or Go.
    pub(super) fn at(self, mut path: Path, value: &Value) -> Issue {
        let (message, help) = match self {
            Self::Message(message) => (message, None),
            Self::Type { found, expected } => {
                let wanted = plain_words(&expected);
                let help = match (found, value) {
                    (Found::Scalar, Value::Bool(_) | Value::Number(_)) if wanted == "a string" => {
                        Some(format!("write it in quotes: \"{value}\""))
                    }
                    (Found::Text, Value::String(text)) if is_plain_scalar(text, &wanted) => {
                        Some(format!("write it without quotes: {text}"))
                    }
                    (Found::Text | Found::Scalar | Found::Other, _) => None,
                };
                (format!("expected {wanted}, found {}", describe(value)), help)
            }
            Self::Field { name, valid } => {
                path.0.push(Segment::Key(name.clone()));
                return unknown_field(path, &name, valid);
            }
            Self::Variant { name, valid } => {
                let help = help_for_name(&name, valid);
                (format!("unknown value {name:?}"), help)
            }
            Self::Missing(field) => (format!("missing required field {field:?}"), None),
        };
        Issue { path, message, help, place: Half::Value }
    }
}

fn is_plain_scalar(text: &str, wanted: &str) -> bool {
    match wanted {
        "true or false" => matches!(text, "true" | "false"),
        _ => wanted.contains("integer") && text.parse::<i64>().is_ok(),
    }
}

/// Serde's names of what was expected, in plain words.
fn plain_words(expected: &str) -> String {
    match expected {
        "a string" | "str" | "a borrowed string" => "a string".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer not below 0".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a sequence" => "a list".to_owned(),
        "unit" => "nothing".to_owned(),
        "Quantity" => "a quantity such as 500m or 2Gi".to_owned(),
        "IntOrString" => "an integer or a string".to_owned(),
        _ => match expected.strip_prefix("struct ") {
            Some(name) => format!("a mapping ({name})"),
            // Kubernetes' types give their bare name.
            None if is_type_name(expected) => format!("a mapping ({expected})"),
            None => expected.to_owned(),
        },
    }
}

/// What an integer type can hold, for a number that is out of its range.
fn integer_range(expected: &str) -> Option<String> {
    let (min, max) = match expected {
        "i8" => (i128::from(i8::MIN), i128::from(i8::MAX)),
        "i16" => (i128::from(i16::MIN), i128::from(i16::MAX)),
        "i32" => (i128::from(i32::MIN), i128::from(i32::MAX)),
        "i64" | "isize" => (i128::from(i64::MIN), i128::from(i64::MAX)),
        "u8" => (0, i128::from(u8::MAX)),
        "u16" => (0, i128::from(u16::MAX)),
        "u32" => (0, i128::from(u32::MAX)),
        "u64" | "usize" => (0, i128::from(u64::MAX)),
        _ => return None,
    };
    Some(format!("an integer from {min} to {max}"))
}

fn is_type_name(expected: &str) -> bool {
    expected.starts_with(|first: char| first.is_ascii_uppercase())
        && expected.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 40 => {
            format!("the string {:?}…", text.chars().take(40).collect::<String>())
        }
        Value::String(text) => format!("the string {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.clone().at(Path::default(), &Value::Null).message)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Str(_) | Unexpected::Char(_) => Found::Text,
            Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => {
                Found::Scalar
            }
            _ => Found::Other,
        };
        Self::Type { found, expected: expected.to_string() }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let wanted = integer_range(&expected).unwrap_or_else(|| plain_words(&expected));
        Self::Message(format!("expected {wanted}, found {unexpected}"))
    }

    fn unknown_variant(name: &str, valid: &'static [&'static str]) -> Self {
        Self::Variant { name: name.to_owned(), valid }
    }

    fn unknown_field(name: &str, valid: &'static [&'static str]) -> Self {
        Self::Field { name: name.to_owned(), valid }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// The issue of a field that its type does not have.
pub(super) fn unknown_field(path: Path, key: &str, fields: &[&str]) -> Issue {
    Issue { message: format!("unknown field \"{path}\""), help: help_for_name(key, fields), place: Half::Key, path }
}

fn help_for_name(name: &str, valid: &[&str]) -> Option<String> {
    const LISTED_MAX: usize = 12;
    if let Some(near) = nearest(name, valid.iter().copied()) {
        return Some(format!("did you mean {near:?}?"));
    }
    match valid.len() {
        0 => None,
        1..=LISTED_MAX => Some(format!("valid here: {}", valid.join(", "))),
        _ => None,
    }
}

/// The nearest of the valid names, if one is near enough to be meant.
pub(crate) fn nearest<'n>(name: &str, valid: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = name.to_lowercase();
    valid
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().min(name.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
