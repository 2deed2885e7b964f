//! Fields that a schema does not know go away. Upstream: `schema/pruning/algorithm.go`.

use serde_json::{Map, Value};

use super::{Additional, Schema};

/// What a resource may always have.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl Schema {
    /// Prunes a whole object of this schema.
    pub fn prune(&self, object: &mut Value) {
        if let Value::Object(fields) = object {
            self.prune_fields(fields, true);
        }
    }

    fn prune_value(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => self.prune_fields(fields, self.embedded),
            Value::Array(items) => items.iter_mut().for_each(|item| self.prune_item(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn prune_fields(&self, fields: &mut Map<String, Value>, is_resource: bool) {
        fields.retain(|name, value| {
            if is_resource && META.contains(&name.as_str()) {
                return true;
            }
            match (self.properties.get(name), &self.additional) {
                (Some(schema), _) => schema.prune_value(value),
                (None, Additional::Like(schema)) => schema.prune_value(value),
                (None, Additional::Any | Additional::None) => empty(value),
                (None, Additional::Unsaid) => return self.preserves,
            }
            true
        });
    }

    fn prune_item(&self, item: &mut Value) {
        match &self.items {
            Some(schema) if self.preserves => Schema { preserves: true, ..(**schema).clone() }.prune_value(item),
            Some(schema) => schema.prune_value(item),
            None if self.preserves => {}
            None => empty(item),
        }
    }
}

/// What nothing is known of keeps no fields.
fn empty(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.clear(),
        Value::Array(items) => items.iter_mut().for_each(empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
