//! `x-kubernetes-validations`: rules in CEL, as they are written.

use serde_json::Value;

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `rule`.
    pub rule: String,
    /// `message`.
    pub message: String,
    /// `messageExpression`.
    pub message_expression: String,
    /// `reason`; empty: `FieldValueInvalid`.
    pub reason: String,
    /// `fieldPath`.
    pub field_path: String,
    /// `optionalOldSelf`.
    pub optional_old_self: bool,
}

impl Rule {
    /// The rules of a schema.
    pub(super) fn read(value: Option<&Value>) -> Vec<Rule> {
        let rules = value.and_then(Value::as_array).into_iter().flatten();
        let rule = |rule: &Value| {
            let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Rule {
                rule: text("rule"),
                message: text("message"),
                message_expression: text("messageExpression"),
                reason: text("reason"),
                field_path: text("fieldPath"),
                optional_old_self: rule.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or_default(),
            }
        };
        rules.map(rule).collect()
    }
}
