//! Paths into objects, as `status.containerStatuses[0].ready` or `metadata.labels['app.kubernetes.io/name']`, and
//! comparisons of what stands there.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use crate::api::Quantity;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// A path into an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldPath {
    written: String,
    steps: Vec<Step>,
}

/// How a field is compared.
#[derive(Clone, PartialEq, Debug)]
pub enum Comparison {
    /// Its value is this.
    Equals(Value),
    /// Its value is anything but this.
    NotEquals(Value),
    /// It is not below this number or quantity.
    AtLeast(Value),
    /// It is not above this number or quantity.
    AtMost(Value),
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Comparison::Equals(value) => write!(f, "= {}", shown(value)),
            Comparison::NotEquals(value) => write!(f, "≠ {}", shown(value)),
            Comparison::AtLeast(value) => write!(f, "≥ {}", shown(value)),
            Comparison::AtMost(value) => write!(f, "≤ {}", shown(value)),
        }
    }
}

/// A value as a sentence has it: texts without quotes.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<FieldPath, String> {
        let mut steps = Vec::new();
        let mut rest = text.trim().trim_start_matches('.');
        if rest.is_empty() {
            return Err("the path is empty".to_owned());
        }
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let Some((index, tail)) = inside.split_once(']') else { return Err("a ] is missing".to_owned()) };
                steps.push(match quoted(index) {
                    // A quoted key may hold a closing bracket no more than a label may.
                    Some(key) => Step::Key(key.to_owned()),
                    None => Step::Index(index.parse().map_err(|_| {
                        format!("[{index}] is neither a position such as [0] nor a quoted key such as ['app']")
                    })?),
                });
                rest = tail;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (key, tail) = rest.split_at(end);
                if key.is_empty() {
                    return Err("a name is missing between two dots".to_owned());
                }
                steps.push(Step::Key(key.to_owned()));
                rest = tail;
            }
            if let Some(tail) = rest.strip_prefix('.') {
                if tail.is_empty() {
                    return Err("a name is missing after the last dot".to_owned());
                }
                rest = tail;
            }
        }
        Ok(FieldPath { written: text.trim().to_owned(), steps })
    }

    /// What stands at the path; null where nothing does.
    pub fn of<'a>(&self, object: &'a Value) -> &'a Value {
        self.steps.iter().fold(object, |here, step| {
            let next = match step {
                Step::Key(key) => here.get(key),
                Step::Index(index) => here.get(index),
            };
            next.unwrap_or(&Value::Null)
        })
    }
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

impl Comparison {
    /// Whether a value passes. Null stands for an absent field and counts as zero, empty or false.
    pub fn holds(&self, found: &Value) -> bool {
        match self {
            Comparison::Equals(wanted) => same(found, wanted),
            Comparison::NotEquals(wanted) => !same(found, wanted),
            Comparison::AtLeast(wanted) => order(found, wanted).is_some_and(Ordering::is_ge),
            Comparison::AtMost(wanted) => order(found, wanted).is_some_and(Ordering::is_le),
        }
    }
}

fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Null, Value::Bool(switch)) => !switch,
        (Value::Null, Value::String(text)) => text.is_empty(),
        (Value::Null, Value::Array(items)) => items.is_empty(),
        (Value::Null, Value::Object(fields)) => fields.is_empty(),
        (Value::Null | Value::Number(_), Value::Number(_)) => order(found, wanted) == Some(Ordering::Equal),
        (_, _) => found == wanted,
    }
}

fn order(found: &Value, wanted: &Value) -> Option<Ordering> {
    if found.is_null() {
        return Some(0.cmp(&amount(wanted)?));
    }
    Some(amount(found)?.cmp(&amount(wanted)?))
}

/// A number or quantity in billionths.
/// The number or quantity that a value stands for, in thousandths of a thousand-thousandth (nano); `None`: it is neither.
pub fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(i128::from(number) * 1_000_000_000),
            None => number.to_string().parse::<Quantity>().ok().map(|amount| amount.nanos()),
        },
        Value::String(text) => text.parse::<Quantity>().ok().map(|amount| amount.nanos()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(path: &str, expected: Value) {
        let object =
            json!({"status": {"ready": 3, "list": [{"a": "x"}]}, "metadata": {"labels": {"app.io/name": "web"}}});
        let found = match FieldPath::parse(path) {
            Ok(path) => path.of(&object).clone(),
            Err(why) => json!({ "error": why }),
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_lead_to_values() {
        check("status.ready", json!(3));
        check(".status.list[0].a", json!("x"));
        check("metadata.labels['app.io/name']", json!("web"));
        check("status.list[1].a", Value::Null);
        check("status.ready.more", Value::Null);
    }

    #[test]
    fn broken_paths_say_why() {
        check("", json!({"error": "the path is empty"}));
        check("a..b", json!({"error": "a name is missing between two dots"}));
        check("a.", json!({"error": "a name is missing after the last dot"}));
        check("a[0", json!({"error": "a ] is missing"}));
        check("a[x]", json!({"error": "[x] is neither a position such as [0] nor a quoted key such as ['app']"}));
    }

    #[test]
    fn absent_fields_count_as_zero() {
        assert!(Comparison::Equals(json!(0)).holds(&Value::Null));
        assert!(!Comparison::AtLeast(json!(1)).holds(&Value::Null));
        assert!(Comparison::AtMost(json!(1)).holds(&Value::Null));
        assert!(Comparison::Equals(json!(false)).holds(&Value::Null));
        assert!(Comparison::NotEquals(json!("x")).holds(&Value::Null));
        assert!(Comparison::AtLeast(json!("1Gi")).holds(&json!("2Gi")));
        assert!(!Comparison::AtLeast(json!(1)).holds(&json!("many")));
    }
}
