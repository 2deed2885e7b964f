//! Stories, recorded conversations and properties of server-side apply.

mod conversations;
mod properties;
mod stories;

use serde_json::Value;

use super::{Resource, Writer};
use crate::api::Kind;

fn resource(kind: Kind) -> Resource<'static> {
    Resource::built_in(kind).expect("the kind is built in")
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, subresource: "", now: "2024-01-01T00:00:00Z" }
}

/// The fields of a manager's entry.
fn fields_of_manager(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let entry = entries.into_iter().find(|entry| entry["manager"] == manager);
    entry.map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}
