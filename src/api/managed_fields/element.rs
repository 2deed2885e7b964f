//! One step of a path to a field: `f:name`, `k:{"name":"x"}`, `v:…` or `i:n`.
//!
//! Follows structured-merge-diff `fieldpath/element.go` and `fieldpath/serialize-pe.go`: the order of steps, their
//! JSON keys and how messages print them.

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::fmt;

/// One step of a path to a field.
#[derive(Clone, Debug)]
pub enum Element {
    /// A field of an object.
    Field(String),
    /// The element of a list that has these values under its keys, which are sorted by name.
    Key(Vec<(String, Value)>),
    /// This value in a set.
    Value(Value),
    /// A position in a list.
    Index(i64),
}

impl Element {
    /// A field of this name.
    pub fn field(name: &str) -> Element {
        Element::Field(name.to_owned())
    }

    /// The key of a step in `fieldsV1`.
    pub fn to_key(&self) -> String {
        match self {
            Element::Field(name) => format!("f:{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{}:{}", go_text(name), go_json(value))).collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Element::Value(value) => format!("v:{}", go_json(value)),
            Element::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads a key of `fieldsV1`; none where it is of a kind that is not known, which is passed over.
    ///
    /// # Errors
    /// What stands behind the colon cannot be read.
    pub fn from_key(text: &str) -> Result<Option<Element>, String> {
        if text.len() < 2 {
            return Err("key must be 2 characters long:".to_owned());
        }
        let Some((kind, rest)) = text.split_at_checked(2).filter(|(kind, _)| kind.ends_with(':')) else {
            return Err(format!("missing colon: {text}"));
        };
        let json = || serde_json::from_str::<Value>(rest).map_err(|error| error.to_string());
        Ok(Some(match kind {
            "f:" => Element::field(rest),
            "v:" => Element::Value(json()?),
            "k:" => match json()? {
                Value::Object(keys) => Element::keys(keys.into_iter().collect()),
                other => return Err(format!("expected an object of keys, found {other}")),
            },
            "i:" => Element::Index(rest.parse().map_err(|_| format!("{rest:?} is no index"))?),
            _ => return Ok(None),
        }))
    }

    /// The element of a list with these keys.
    pub(super) fn keys(mut keys: Vec<(String, Value)>) -> Element {
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Element::Key(keys)
    }
}

/// As messages print it: `.name`, `[name="x"]`, `[="v"]`, `[0]`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", printed(value))).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Element::Value(value) => write!(f, "[={}]", printed(value)),
            Element::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Element) -> Ordering {
        match (self, other) {
            (Element::Field(a), Element::Field(b)) => a.cmp(b),
            (Element::Key(a), Element::Key(b)) => compare_keys(a, b),
            (Element::Value(a), Element::Value(b)) => compare(a, b),
            (Element::Index(a), Element::Index(b)) => a.cmp(b),
            (a, b) => a.place().cmp(&b.place()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Element) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Element) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

impl Element {
    fn place(&self) -> u8 {
        match self {
            Element::Field(_) => 0,
            Element::Key(_) => 1,
            Element::Value(_) => 2,
            Element::Index(_) => 3,
        }
    }
}

fn compare_keys(a: &[(String, Value)], b: &[(String, Value)]) -> Ordering {
    for ((a_name, a_value), (b_name, b_value)) in a.iter().zip(b) {
        let order = a_name.cmp(b_name).then_with(|| compare(a_value, b_value));
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Upstream's order of values: numbers, texts, booleans, lists, objects, null.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or_default().total_cmp(&y.as_f64().unwrap_or_default()),
        },
        (Value::String(x), Value::String(y)) => x.cmp(y),
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        (Value::Array(x), Value::Array(y)) => {
            let order = x.iter().zip(y).map(|(x, y)| compare(x, y)).find(|order| *order != Ordering::Equal);
            order.unwrap_or_else(|| x.len().cmp(&y.len()))
        }
        (Value::Object(x), Value::Object(y)) => compare_keys(&pairs(x), &pairs(y)),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn pairs(map: &Map<String, Value>) -> Vec<(String, Value)> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn go_text(text: &str) -> String {
    go_json(&Value::String(text.to_owned()))
}

/// Compact JSON with the characters escaped that Go escapes for HTML's sake.
fn go_json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
