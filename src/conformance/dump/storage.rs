//! Claims and volumes.

use serde_json::{Value, json};

use super::objects::annotations;

/// A claim's fields.
pub(super) fn claim(json: &Value) -> Value {
    json!({
        "phase": json["status"]["phase"],
        "volume": text(&json["spec"]["volumeName"]),
        "capacity": json["status"]["capacity"]["storage"],
        "annotations": of_kubernetes(json),
    })
}

/// A volume's fields.
pub(super) fn volume(json: &Value) -> Value {
    json!({
        "phase": json["status"]["phase"],
        "claim": text(&json["spec"]["claimRef"]["name"]),
        "annotations": of_kubernetes(json),
    })
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn of_kubernetes(json: &Value) -> Value {
    annotations(json, |key| key.contains("kubernetes.io/").then_some(key))
}
