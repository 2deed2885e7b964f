//! What is wrong with a field, worded as upstream's `field.Error` (apimachinery `pkg/util/validation/field`).
//!
//! Go's printed values are JSON here, as they are upstream since 1.31 for all but internal types.

use serde_json::Value;
use std::fmt;

use crate::api::Kind;
use crate::api::text::go_quote;

/// The sort of a mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FieldErrorKind {
    /// Something that the value names is not there.
    NotFound,
    /// The field must be there.
    Required,
    /// The value must be unique.
    Duplicate,
    /// The value is not valid.
    Invalid,
    /// The value is not one of these.
    NotSupported(Vec<String>),
    /// The field must not be there, or not change.
    Forbidden,
    /// The value is longer than allowed.
    TooLong,
    /// There are more items than allowed.
    TooMany,
    /// The value is of another type.
    TypeInvalid,
}

/// One mistake in one field.
#[derive(Clone, PartialEq, Debug)]
pub struct FieldError {
    /// The field, as `spec.template.spec.containers[0].image`.
    pub path: String,
    /// The sort.
    pub kind: FieldErrorKind,
    /// The value that was found, where the message shows it.
    pub value: Value,
    /// What is wrong, as a sentence; may be empty.
    pub detail: String,
}

impl FieldError {
    /// `reason` of the cause in a Status.
    pub fn reason(&self) -> &'static str {
        match self.kind {
            FieldErrorKind::NotFound => "FieldValueNotFound",
            FieldErrorKind::Required => "FieldValueRequired",
            FieldErrorKind::Duplicate => "FieldValueDuplicate",
            FieldErrorKind::Invalid => "FieldValueInvalid",
            FieldErrorKind::NotSupported(_) => "FieldValueNotSupported",
            FieldErrorKind::Forbidden => "FieldValueForbidden",
            FieldErrorKind::TooLong => "FieldValueTooLong",
            FieldErrorKind::TooMany => "FieldValueTooMany",
            FieldErrorKind::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    /// The message without the path: `message` of the cause in a Status.
    pub fn body(&self) -> String {
        let shown = || match &self.value {
            Value::String(text) => go_quote(text),
            other => other.to_string(),
        };
        let head = match &self.kind {
            FieldErrorKind::NotFound => format!("Not found: {}", shown()),
            FieldErrorKind::Required => "Required value".to_owned(),
            FieldErrorKind::Duplicate => format!("Duplicate value: {}", shown()),
            FieldErrorKind::Invalid | FieldErrorKind::TypeInvalid => format!("Invalid value: {}", shown()),
            FieldErrorKind::TooMany => format!("Too many: {}", shown()),
            FieldErrorKind::NotSupported(values) => {
                let values: Vec<String> = values.iter().map(|value| go_quote(value)).collect();
                format!("Unsupported value: {}: supported values: {}", shown(), values.join(", "))
            }
            FieldErrorKind::Forbidden => "Forbidden".to_owned(),
            FieldErrorKind::TooLong => "Too long".to_owned(),
        };
        if self.detail.is_empty() { head } else { format!("{head}: {}", self.detail) }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body())
    }
}

/// The message of a Status of reason `Invalid`: `Deployment.apps "web" is invalid: …`. The same mistake twice is told
/// once.
pub fn invalid_message(kind: Kind, name: &str, errors: &[FieldError]) -> String {
    let what = match kind.info() {
        Some(info) if info.group.is_empty() => info.kind.to_string(),
        Some(info) => format!("{}.{}", info.kind, info.group),
        None => String::new(),
    };
    invalid_text(&what, name, errors)
}

/// The same for a kind or resource with its group, as `Widget.example.com`.
pub fn invalid_text(what: &str, name: &str, errors: &[FieldError]) -> String {
    let mut told: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !told.contains(&text) {
            told.push(text);
        }
    }
    let list = if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) };
    format!("{what} {} is invalid: {list}", go_quote(name))
}

/// The place of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn new(name: &str) -> Path {
        Path(name.to_owned())
    }

    pub(super) fn child(&self, name: &str) -> Path {
        Path(format!("{}.{name}", self.0))
    }

    pub(super) fn index(&self, index: usize) -> Path {
        Path(format!("{}[{index}]", self.0))
    }

    pub(super) fn key(&self, key: &str) -> Path {
        Path(format!("{}[{key}]", self.0))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Collects mistakes.
#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<FieldError>);

impl Errors {
    pub(super) fn invalid(&mut self, path: &Path, value: impl Into<Value>, detail: impl Into<String>) {
        self.push(path, FieldErrorKind::Invalid, value.into(), detail.into());
    }

    pub(super) fn required(&mut self, path: &Path, detail: &str) {
        self.push(path, FieldErrorKind::Required, Value::Null, detail.to_owned());
    }

    pub(super) fn forbidden(&mut self, path: &Path, detail: impl Into<String>) {
        self.push(path, FieldErrorKind::Forbidden, Value::Null, detail.into());
    }

    pub(super) fn duplicate(&mut self, path: &Path, value: impl Into<Value>) {
        self.push(path, FieldErrorKind::Duplicate, value.into(), String::new());
    }

    pub(super) fn not_found(&mut self, path: &Path, value: &str) {
        self.push(path, FieldErrorKind::NotFound, Value::from(value), String::new());
    }

    pub(super) fn not_supported(&mut self, path: &Path, value: impl Into<Value>, supported: &[&str]) {
        let supported = supported.iter().map(|value| (*value).to_owned()).collect();
        self.push(path, FieldErrorKind::NotSupported(supported), value.into(), String::new());
    }

    pub(super) fn too_long(&mut self, path: &Path, bytes: usize) {
        self.push(path, FieldErrorKind::TooLong, Value::Null, format!("may not be more than {bytes} bytes"));
    }

    /// Each complaint of a check as an invalid value.
    pub(super) fn complaints(&mut self, path: &Path, value: &str, complaints: Vec<String>) {
        for complaint in complaints {
            self.invalid(path, value, complaint);
        }
    }

    /// A number below zero.
    pub(super) fn non_negative(&mut self, path: &Path, number: Option<impl Into<i64>>) {
        if let Some(number) = number.map(Into::into).filter(|number| *number < 0) {
            self.invalid(path, number, "must be greater than or equal to 0");
        }
    }

    /// A text that must be one of a list; empty where it must be there.
    pub(super) fn one_of(&mut self, path: &Path, value: Option<&str>, supported: &[&str]) {
        match value.unwrap_or_default() {
            "" => self.required(path, ""),
            value if supported.contains(&value) => {}
            value => self.not_supported(path, value, supported),
        }
    }

    /// A field that may not differ from what it was.
    pub(super) fn immutable(&mut self, path: &Path, new: Option<&Value>, old: Option<&Value>) {
        if new != old {
            let shown = new.cloned().unwrap_or_else(|| Value::from("null"));
            self.invalid(path, shown, "field is immutable");
        }
    }

    /// Mistakes that were found elsewhere.
    pub(super) fn take(&mut self, found: Vec<FieldError>) {
        self.0.extend(found);
    }

    fn push(&mut self, path: &Path, kind: FieldErrorKind, value: Value, detail: String) {
        self.0.push(FieldError { path: path.0.clone(), kind, value, detail });
    }
}
