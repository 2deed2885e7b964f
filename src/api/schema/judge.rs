//! Values against schemas, with upstream's messages. Upstream: kube-openapi `pkg/validation/validate`, and
//! apiextensions-apiserver `pkg/apiserver/validation`, which makes field errors of its findings.

use serde_json::{Number, Value};

use super::{Additional, Limits, Schema, Type, format};
use crate::api::validation::{FieldError, FieldErrorKind};

impl Schema {
    /// What is wrong with an object, in upstream's words.
    pub fn judge(&self, object: &Value) -> Vec<FieldError> {
        let mut found = Findings::default();
        self.look_at("", object, &mut found);
        found.errors
    }

    /// What is wrong with one field of an object.
    pub fn judge_field(&self, name: &str, value: &Value) -> Vec<FieldError> {
        let mut found = Findings::default();
        if let Some(schema) = self.properties.get(name) {
            schema.look_at(&format!(".{name}"), value, &mut found);
        }
        found.errors
    }

    /// Judges a value at a path; paths of fields begin with a dot, as upstream keeps them.
    fn look_at(&self, path: &str, value: &Value, found: &mut Findings) {
        self.look_at_type(path, value, found);
        if value.is_null() {
            self.look_at_enum(path, value, found);
            return;
        }
        if let Some(limits) = &self.limits {
            limits.look_at_parts(path, value, found);
        }
        match value {
            Value::String(text) => self.look_at_text(path, text, found),
            Value::Number(number) => self.look_at_number(path, number, found),
            Value::Array(items) => self.look_at_items(path, items, found),
            Value::Null | Value::Bool(_) | Value::Object(_) => {}
        }
        self.look_at_enum(path, value, found);
        if let Value::Object(fields) = value {
            self.look_at_fields(path, fields, found);
        }
        // Upstream counts each of its validators that applied; which ones do depends on the value alone.
        found.matches += 4;
    }

    fn look_at_type(&self, path: &str, value: &Value, found: &mut Findings) {
        let format = self.format.as_deref().unwrap_or_default();
        let types: &[Type] = match (&self.kind, self.int_or_string) {
            (_, true) => &[Type::Integer, Type::String],
            (Some(kind), false) => std::slice::from_ref(kind),
            (None, false) => return,
        };
        let wanted = types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",");
        if value.is_null() {
            if !self.nullable {
                found.wrong_type(path, &wanted, "null");
            }
            return;
        }
        let (kind, own_format) = type_of(value);
        let wants = |kind: Type| types.contains(&kind);
        let is_whole = kind == Type::Number && value.as_f64().is_some_and(is_whole) && wants(Type::Integer);
        let fits = wants(kind) || is_whole || kind == Type::Integer && wants(Type::Number);
        if !matches!(kind, Type::String | Type::Array) && !format.is_empty() && !fits && own_format != format {
            return found.wrong_type(path, format, own_format);
        }
        let is_listed = matches!(kind, Type::String | Type::Array);
        if !wants(Type::Number) && !wants(Type::Integer) && !format.is_empty() && is_listed {
            found.matches += 1;
            return;
        }
        if fits { found.matches += 1 } else { found.wrong_type(path, &wanted, kind.as_str()) }
    }

    fn look_at_enum(&self, path: &str, value: &Value, found: &mut Findings) {
        let Some(limits) = self.limits.as_ref().filter(|limits| !limits.allowed.is_empty()) else { return };
        if limits.allowed.iter().any(|allowed| equal(allowed, value)) {
            return;
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let supported = limits.allowed.iter().map(text).collect();
        found.add(path, FieldErrorKind::NotSupported(supported), value.clone(), String::new());
    }

    fn look_at_text(&self, path: &str, text: &str, found: &mut Findings) {
        if let Some(limits) = &self.limits {
            let length = text.chars().count() as i64;
            let name = name(path);
            if let Some(max) = limits.length.1.filter(|max| length > *max) {
                found.add(path, FieldErrorKind::TooLong, text.into(), format!("may not be more than {max} bytes"));
                return;
            }
            if let Some(min) = limits.length.0.filter(|min| length < *min) {
                found.invalid(path, text, format!("{name} in body should be at least {min} chars long"));
                return;
            }
            if let Some(pattern) = limits.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
                found.invalid(path, text, format!("{name} in body should match '{}'", pattern.text));
            }
        }
        if let Some(format) = self.format.as_deref().filter(|format| !format::fits(format, text)) {
            found.wrong_type(path, format, text);
        }
    }

    fn look_at_number(&self, path: &str, number: &Number, found: &mut Findings) {
        let Some(limits) = &self.limits else { return };
        let Some(value) = number.as_f64() else { return };
        let name = name(path);
        let number = shortest(number);
        let mut refuse = |what: String| found.invalid(path, number.clone(), format!("{name} in body should be {what}"));
        if let Some(factor) = limits.multiple_of.filter(|factor| *factor > 0.0 && !is_whole(value / factor)) {
            refuse(format!("a multiple of {factor}"));
        }
        match limits.maximum {
            Some((max, false)) if value > max => refuse(format!("less than or equal to {max}")),
            Some((max, true)) if value >= max => refuse(format!("less than {max}")),
            Some(_) | None => {}
        }
        match limits.minimum {
            Some((min, false)) if value < min => refuse(format!("greater than or equal to {min}")),
            Some((min, true)) if value <= min => refuse(format!("greater than {min}")),
            Some(_) | None => {}
        }
    }

    fn look_at_items(&self, path: &str, items: &[Value], found: &mut Findings) {
        if let Some(schema) = &self.items {
            for (index, item) in items.iter().enumerate() {
                schema.look_at(&format!("{path}[{index}]"), item, found);
            }
        }
        let Some(limits) = &self.limits else { return };
        let count = items.len() as i64;
        if let Some(min) = limits.items.0.filter(|min| count < *min) {
            found.invalid(path, count, format!("{} in body should have at least {min} items", name(path)));
        }
        if let Some(max) = limits.items.1.filter(|max| count > *max) {
            found.add(path, FieldErrorKind::TooMany, count.into(), format!("must have at most {max} items"));
        }
        if limits.unique && items.iter().enumerate().any(|(index, item)| items[..index].contains(item)) {
            found.invalid(path, "", format!("{} in body shouldn't contain duplicates", name(path)));
        }
    }

    fn look_at_fields(&self, path: &str, fields: &serde_json::Map<String, Value>, found: &mut Findings) {
        let count = fields.len() as i64;
        let bounds = self.limits.as_ref().map_or((None, None), |limits| limits.properties);
        if let Some(min) = bounds.0.filter(|min| count < *min) {
            return found.invalid(path, count, format!("{} in body should have at least {min} properties", name(path)));
        }
        if let Some(max) = bounds.1.filter(|max| count > *max) {
            return found.add(path, FieldErrorKind::TooMany, count.into(), format!("must have at most {max} items"));
        }
        for (key, value) in fields.iter().filter(|(key, _)| !self.properties.contains_key(*key)) {
            match &self.additional {
                Additional::Like(schema) => schema.look_at(&format!("{path}.{key}"), value, found),
                Additional::None => {
                    let message = format!("{}.{key} in body is a forbidden property", name(path));
                    found.invalid(path, key.as_str(), message);
                }
                Additional::Unsaid | Additional::Any => {}
            }
        }
        for (key, schema) in &self.properties {
            if let Some(value) = fields.get(key) {
                schema.look_at(&format!("{path}.{key}"), value, found);
            }
        }
        for key in self.required.iter().filter(|key| !fields.contains_key(*key)) {
            found.add(&format!("{path}.{key}"), FieldErrorKind::Required, Value::Null, String::new());
        }
    }
}

impl Limits {
    /// `anyOf`, `oneOf`, `allOf` and `not`, in upstream's order. Of alternatives that all fail, the one that fits best
    /// tells why.
    fn look_at_parts(&self, path: &str, value: &Value, found: &mut Findings) {
        let shown = crate::api::text::go_quote(name(path));
        if !self.any_of.is_empty() {
            let tried = tried(&self.any_of, path, value);
            if !tried.iter().any(|one| one.errors.is_empty()) {
                found.whole(format!("{shown} must validate at least one schema (anyOf)"));
                found.take(best(tried));
            }
        }
        if !self.one_of.is_empty() {
            let tried = tried(&self.one_of, path, value);
            match tried.iter().filter(|one| one.errors.is_empty()).count() {
                1 => {}
                0 => {
                    found.whole(format!("{shown} must validate one and only one schema (oneOf). Found none valid"));
                    found.take(best(tried));
                }
                more => found.whole(format!(
                    "{shown} must validate one and only one schema (oneOf). Found {more} valid alternatives"
                )),
            }
        }
        if !self.all_of.is_empty() {
            let tried = tried(&self.all_of, path, value);
            let valid = tried.iter().filter(|one| one.errors.is_empty()).count();
            let all = tried.len();
            tried.into_iter().for_each(|one| found.take(one));
            if valid != all {
                let none = if valid == 0 { ". None validated" } else { "" };
                found.whole(format!("{shown} must validate all the schemas (allOf){none}"));
            }
        }
        if let Some(not) = &self.not
            && tried(std::slice::from_ref(not), path, value)[0].errors.is_empty()
        {
            found.whole(format!("{shown} must not validate the schema (not)"));
        }
    }
}

fn tried(schemas: &[Schema], path: &str, value: &Value) -> Vec<Findings> {
    let one = |schema: &Schema| {
        let mut found = Findings::default();
        schema.look_at(path, value, &mut found);
        found
    };
    schemas.iter().map(one).collect()
}

/// The first of those that match most.
fn best(tried: Vec<Findings>) -> Findings {
    tried.into_iter().reduce(|best, next| if next.matches > best.matches { next } else { best }).unwrap_or_default()
}

/// What was found so far, and how much of it fits.
#[derive(Default)]
struct Findings {
    errors: Vec<FieldError>,
    matches: u32,
}

impl Findings {
    fn add(&mut self, path: &str, kind: FieldErrorKind, value: Value, detail: String) {
        self.errors.push(FieldError { path: shown(path), kind, value, detail });
    }

    fn invalid(&mut self, path: &str, value: impl Into<Value>, detail: String) {
        self.add(path, FieldErrorKind::Invalid, value.into(), detail);
    }

    fn wrong_type(&mut self, path: &str, wanted: &str, value: &str) {
        let detail = format!("{} in body must be of type {wanted}: {}", name(path), crate::api::text::go_quote(value));
        self.add(path, FieldErrorKind::TypeInvalid, value.into(), detail);
    }

    /// A finding that upstream puts at no field.
    fn whole(&mut self, detail: String) {
        self.errors.push(FieldError {
            path: "<nil>".to_owned(),
            kind: FieldErrorKind::Invalid,
            value: Value::from(""),
            detail,
        });
    }

    fn take(&mut self, other: Findings) {
        self.matches += other.matches;
        self.errors.extend(other.errors);
    }
}

/// A path as messages have it. Upstream's properties of the root have no dot before them.
fn name(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

fn shown(path: &str) -> String {
    if path.is_empty() { "<nil>".to_owned() } else { name(path).to_owned() }
}

fn type_of(value: &Value) -> (Type, &'static str) {
    match value {
        Value::Object(_) | Value::Null => (Type::Object, ""),
        Value::Array(_) => (Type::Array, ""),
        Value::String(_) => (Type::String, ""),
        Value::Bool(_) => (Type::Boolean, ""),
        Value::Number(number) if number.is_f64() => (Type::Number, "double"),
        Value::Number(_) => (Type::Integer, "int64"),
    }
}

/// A number as Go writes it: whole ones without a point.
fn shortest(number: &Number) -> Value {
    match number.as_f64().filter(|value| number.is_f64() && is_whole(*value) && value.abs() < 1e15) {
        Some(value) => Value::from(value as i64),
        None => Value::Number(number.clone()),
    }
}

fn is_whole(number: f64) -> bool {
    number.is_finite() && number.fract() == 0.0
}

/// Whether a value is one of an enum's: numbers by what they are worth.
fn equal(allowed: &Value, value: &Value) -> bool {
    match (allowed, value) {
        (Value::Number(allowed), Value::Number(value)) => allowed.as_f64() == value.as_f64(),
        (allowed, value) => allowed == value,
    }
}
