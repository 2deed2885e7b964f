//! Collects what is wrong with a configuration, each mistake at its place, in upstream's words.

use serde_json::Value;

use crate::api::located::{InputError, InputErrors, Place};
use crate::api::validation::{FieldError, FieldErrorKind};

/// The mistakes so far.
#[derive(Debug, Default)]
pub(super) struct Complaints(Vec<InputError>);

impl Complaints {
    pub(super) fn say(&mut self, error: InputError) {
        self.0.push(error);
    }

    pub(super) fn extend(&mut self, errors: InputErrors) {
        self.0.extend(errors.0);
    }

    pub(super) fn invalid(&mut self, place: &Place<'_>, value: impl Into<Value>, detail: impl Into<String>) {
        self.field(place, FieldErrorKind::Invalid, value.into(), detail.into());
    }

    pub(super) fn required(&mut self, place: &Place<'_>, detail: &str) {
        self.field(place, FieldErrorKind::Required, Value::Null, detail.to_owned());
    }

    pub(super) fn duplicate(&mut self, place: &Place<'_>, value: impl Into<Value>) {
        self.field(place, FieldErrorKind::Duplicate, value.into(), String::new());
    }

    pub(super) fn forbidden(&mut self, place: &Place<'_>, detail: &str) {
        self.field(place, FieldErrorKind::Forbidden, Value::Null, detail.to_owned());
    }

    pub(super) fn not_supported(&mut self, place: &Place<'_>, value: &str, supported: &[&str]) {
        let supported = supported.iter().map(|value| (*value).to_owned()).collect();
        self.field(place, FieldErrorKind::NotSupported(supported), value.into(), String::new());
    }

    /// A number that must lie between two others, both ends included.
    pub(super) fn in_range(&mut self, place: &Place<'_>, number: impl Into<i64>, low: i64, high: i64) {
        let number = number.into();
        if !(low..=high).contains(&number) {
            self.invalid(place, number, format!("not in valid range [{low}, {high}]"));
        }
    }

    /// Each complaint about a text.
    pub(super) fn each(&mut self, place: &Place<'_>, value: &str, complaints: Vec<String>) {
        for complaint in complaints {
            self.invalid(place, value, complaint);
        }
    }

    fn field(&mut self, place: &Place<'_>, kind: FieldErrorKind, value: Value, detail: String) {
        let error = FieldError { path: place.path().to_string(), kind, value, detail };
        self.0.push(place.error(error.body()));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What was read, if nothing is wrong with it; else all mistakes in the order of the file.
    pub(super) fn or<T>(self, value: T) -> Result<T, InputErrors> {
        if self.0.is_empty() {
            return Ok(value);
        }
        let mut errors = self.0;
        errors.sort_by_key(|error| (error.line, error.column));
        Err(InputErrors(errors))
    }
}
