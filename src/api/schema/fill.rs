//! Defaults of a schema. Upstream: `schema/defaulting/algorithm.go` and `prunenulls.go`.

use serde_json::Value;

use super::Schema;

impl Schema {
    /// Fills in what is missing, and what is null and must not be. A null that must not be and has no default goes away.
    pub fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let is_wrong_null = |schema: &Schema, value: &Value| value.is_null() && !schema.nullable;
                fields.retain(|name, value| {
                    let schema = self.properties.get(name).or(self.additional.schema());
                    !schema.is_some_and(|schema| is_wrong_null(schema, value) && schema.default.is_none())
                });
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    if fields.get(name).is_none_or(|value| is_wrong_null(schema, value)) {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in fields.iter_mut() {
                    let Some(schema) = self.properties.get(name).or(self.additional.schema()) else { continue };
                    schema.fill_one(value);
                }
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                items.iter_mut().for_each(|item| schema.fill_one(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn fill_one(&self, value: &mut Value) {
        if value.is_null()
            && !self.nullable
            && let Some(default) = &self.default
        {
            *value = default.clone();
        }
        self.fill(value);
    }
}
