//! A schema as CRDs write it becomes one that values are judged by.

use serde_json::{Map, Value};

use super::{Additional, Limits, ListType, Pattern, Rule, Schema, Type, format};

impl Schema {
    /// Reads a schema. What it does not understand says nothing: what is wrong with a schema, `violations` tells.
    pub fn read(value: &Value) -> Schema {
        let Some(fields) = value.as_object() else { return Schema::default() };
        let is = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or_default();
        Schema {
            kind: text(fields, "type").and_then(Type::named),
            format: text(fields, "format").filter(|name| format::is_judged(name)).map(str::to_owned),
            properties: fields
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), Schema::read(schema)))
                .collect(),
            additional: match fields.get("additionalProperties") {
                None | Some(Value::Null) => Additional::Unsaid,
                Some(Value::Bool(true)) => Additional::Any,
                Some(Value::Bool(false)) => Additional::None,
                Some(schema) => Additional::Like(Box::new(Schema::read(schema))),
            },
            items: fields.get("items").filter(|items| items.is_object()).map(|items| Box::new(Schema::read(items))),
            required: texts(fields.get("required")),
            nullable: is("nullable"),
            preserves: is("x-kubernetes-preserve-unknown-fields"),
            embedded: is("x-kubernetes-embedded-resource"),
            int_or_string: is("x-kubernetes-int-or-string"),
            list: match text(fields, "x-kubernetes-list-type") {
                Some("set") => ListType::Set,
                Some("map") => ListType::Map(texts(fields.get("x-kubernetes-list-map-keys"))),
                _ => ListType::Atomic,
            },
            default: fields.get("default").filter(|default| !default.is_null()).cloned(),
            limits: limits(fields).map(Box::new),
            rules: Rule::read(fields.get("x-kubernetes-validations")),
        }
    }
}

fn limits(fields: &Map<String, Value>) -> Option<Limits> {
    const NAMES: [&str; 15] = [
        "enum",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "allOf",
        "anyOf",
        "oneOf",
    ];
    if !NAMES.iter().chain(&["not"]).any(|name| fields.contains_key(*name)) {
        return None;
    }
    let whole = |name: &str| fields.get(name).and_then(Value::as_i64);
    let bound = |name: &str, exclusive: &str| {
        let excluded = fields.get(exclusive).and_then(Value::as_bool).unwrap_or_default();
        fields.get(name).and_then(Value::as_f64).map(|bound| (bound, excluded))
    };
    let schemas =
        |name: &str| fields.get(name).and_then(Value::as_array).into_iter().flatten().map(Schema::read).collect();
    Some(Limits {
        allowed: fields.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        minimum: bound("minimum", "exclusiveMinimum"),
        maximum: bound("maximum", "exclusiveMaximum"),
        multiple_of: fields.get("multipleOf").and_then(Value::as_f64),
        length: (whole("minLength"), whole("maxLength")),
        pattern: text(fields, "pattern").filter(|text| !text.is_empty()).and_then(|text| Pattern::new(text).ok()),
        items: (whole("minItems"), whole("maxItems")),
        unique: fields.get("uniqueItems").and_then(Value::as_bool).unwrap_or_default(),
        properties: (whole("minProperties"), whole("maxProperties")),
        all_of: schemas("allOf"),
        any_of: schemas("anyOf"),
        one_of: schemas("oneOf"),
        not: fields.get("not").filter(|not| not.is_object()).map(Schema::read),
    })
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
