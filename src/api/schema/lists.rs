//! Lists that are sets or maps hold nothing twice. Upstream: `schema/listtype/validation.go`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ListType, Schema};
use crate::api::validation::{FieldError, FieldErrorKind};

impl Schema {
    /// The items of sets and maps that are there twice.
    pub fn duplicates(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.look_for_duplicates("", object, &mut errors);
        errors
    }

    fn look_for_duplicates(&self, path: &str, value: &Value, errors: &mut Vec<FieldError>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let Some(schema) = self.properties.get(name) {
                        let dot = if path.is_empty() { "" } else { "." };
                        schema.look_for_duplicates(&format!("{path}{dot}{name}"), value, errors);
                    } else if let Some(schema) = self.additional.schema() {
                        schema.look_for_duplicates(&format!("{path}[{name}]"), value, errors);
                    }
                }
            }
            Value::Array(items) => {
                match &self.list {
                    ListType::Atomic => {}
                    ListType::Set => twice(path, items.iter().cloned(), errors),
                    ListType::Map(keys) => in_map(path, keys, items, errors),
                }
                if let Some(schema) = &self.items {
                    for (index, item) in items.iter().enumerate() {
                        schema.look_for_duplicates(&format!("{path}[{index}]"), item, errors);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn in_map(path: &str, keys: &[String], items: &[Value], errors: &mut Vec<FieldError>) {
    let odd = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null());
    if let Some((index, item)) = odd {
        errors.push(FieldError {
            path: format!("{path}[{index}]"),
            kind: FieldErrorKind::Invalid,
            value: item.clone(),
            detail: "must be an object for an array of list-type map".to_owned(),
        });
        return;
    }
    let key = |item: &Value| {
        let fields = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    twice(path, items.iter().map(key), errors);
}

/// Tells of the second of equal items, and not of a third.
fn twice(path: &str, items: impl Iterator<Item = Value>, errors: &mut Vec<FieldError>) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (index, item) in items.enumerate() {
        let times = seen.entry(item.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            errors.push(FieldError {
                path: format!("{path}[{index}]"),
                kind: FieldErrorKind::Duplicate,
                value: item,
                detail: String::new(),
            });
        }
    }
}
