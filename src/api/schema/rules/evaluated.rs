//! Rules as the library evaluates them, with upstream's messages.

use std::fmt;

use kube_cel::{CompiledSchema, ErrorKind, RootContext, ValidationError, Validator, compile_schema};
use serde_json::Value;

use crate::api::schema::{Schema, Type};
use crate::api::validation::{FieldError, FieldErrorKind};

/// The rules of a schema, compiled.
pub(super) struct Compiled(CompiledSchema);

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compiled(…)")
    }
}

impl Compiled {
    pub(super) fn read(schema: &Value) -> Compiled {
        Compiled(compile_schema(schema))
    }

    /// What could not be compiled.
    pub(super) fn unknown(&self) -> Vec<String> {
        self.0.compilation_errors().iter().map(ToString::to_string).collect()
    }

    pub(super) fn evaluate(&self, schema: &Schema, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let text = |name: &str| new[name].as_str().unwrap_or_default().to_owned();
        let api_version = text("apiVersion");
        let api_group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let root = RootContext { api_version, api_group, kind: text("kind") };
        let Err(errors) = Validator::new().validate_compiled_with_context(&self.0, new, old, Some(&root)) else {
            return Vec::new();
        };
        let mut errors = errors.into_vec();
        // The library goes through properties in any order.
        errors.sort_by(|a, b| (&a.field_path, &a.rule).cmp(&(&b.field_path, &b.rule)));
        errors.iter().filter_map(|error| field_error(schema, error)).collect()
    }
}

/// None for rules that the library does not understand.
fn field_error(schema: &Schema, error: &ValidationError) -> Option<FieldError> {
    let detail = match error.kind {
        ErrorKind::ValidationFailure => error.message.clone(),
        ErrorKind::EvaluationError | ErrorKind::InvalidResult => {
            let why = error.message.trim_start_matches("rule evaluation error: ");
            format!("{why} evaluating rule: {}", error.rule)
        }
        _ => return None,
    };
    let path = if error.field_path.is_empty() { "<nil>".to_owned() } else { error.field_path.clone() };
    // Upstream shows the type instead of the value.
    let value = Value::from(type_at(schema, &error.field_path).map_or("object", Type::as_str));
    let (kind, value) = match error.reason.as_deref() {
        Some("FieldValueForbidden") => (FieldErrorKind::Forbidden, Value::Null),
        Some("FieldValueRequired") => (FieldErrorKind::Required, Value::Null),
        Some("FieldValueDuplicate") => (FieldErrorKind::Duplicate, value),
        _ => (FieldErrorKind::Invalid, value),
    };
    Some(FieldError { path, kind, value, detail })
}

fn type_at(schema: &Schema, path: &str) -> Option<Type> {
    let mut schema = schema;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        schema = match step.strip_suffix(']') {
            Some(_) => schema.items.as_deref()?,
            None => schema.properties.get(step).or(schema.additional.schema())?,
        };
    }
    schema.kind
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::schema::{Rules, Schema};

    #[track_caller]
    fn check(spec: Value, old: Option<Value>, expected: &[&str]) {
        let written = json!({"type": "object", "properties": {"spec": {
            "type": "object",
            "properties": {"replicas": {"type": "integer"}, "max": {"type": "integer"}, "name": {
                "type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "name is immutable"}],
            }},
            "x-kubernetes-validations": [
                {"rule": "self.replicas <= self.max", "messageExpression": "'at most ' + string(self.max)", "fieldPath": ".replicas"},
                {"rule": "!has(self.name) || self.name != 'root'", "reason": "FieldValueForbidden"},
                {"rule": "oldSelf == null || self.max >= 1", "optionalOldSelf": true},
            ],
        }}});
        let schema = Schema::read(&written);
        let rules = Rules::read(&schema, &written).expect("there are rules");
        assert_eq!(rules.unchecked(), Vec::<String>::new());
        let object = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Tank", "spec": spec});
        let (new, old) = (object(spec), old.map(object));
        let found: Vec<String> =
            rules.judge(&schema, &new, old.as_ref(), &schema.judge(&new)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn rules_hold_or_are_told_in_the_words_of_the_api_server() {
        check(json!({"replicas": 1, "max": 2}), None, &[]);
        check(json!({"replicas": 3, "max": 2}), None, &["spec.replicas: Invalid value: \"integer\": at most 2"]);
        check(
            json!({"replicas": 1, "max": 2, "name": "root"}),
            None,
            &["spec: Forbidden: failed rule: !has(self.name) || self.name != 'root'"],
        );
    }

    #[test]
    fn transition_rules_compare_with_what_was() {
        let spec = |name: &str| json!({"replicas": 1, "max": 2, "name": name});
        check(spec("a"), None, &[]);
        check(spec("a"), Some(spec("a")), &[]);
        check(spec("b"), Some(spec("a")), &["spec.name: Invalid value: \"string\": name is immutable"]);
    }

    #[test]
    fn nothing_is_evaluated_on_what_is_of_the_wrong_type() {
        let told = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
                    correct the existing errors to complete validation";
        check(json!({"replicas": "many", "max": 2}), None, &[told]);
    }
}
