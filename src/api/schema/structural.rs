//! What makes a schema structural, and what is forbidden in one. Upstream: apiextensions-apiserver
//! `pkg/apiserver/schema/validation.go`, `complete.go`, and `validateCustomResourceDefinitionOpenAPISchema` of
//! `pkg/apis/apiextensions/validation`.
//!
//! Left out: whether defaults are valid and pruned, the cost of rules, `x-kubernetes-map-type`.

use serde_json::{Map, Value};

use super::{Pattern, Schema};
use crate::api::validation::{FieldError, FieldErrorKind};

/// Where in an object a schema stands.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// The mistakes of a schema whose place is `path`, in order of their texts.
pub fn violations(path: &str, schema: &Value) -> Vec<FieldError> {
    let mut found = Found::default();
    let empty = Map::new();
    let fields = schema.as_object().unwrap_or(&empty);
    found.forbidden_words(path, fields);
    if found.0.is_empty() {
        found.structure(path, fields, Level::Root);
        found.completeness(path, fields, Some(fields), path);
        defaults(path, fields, &mut found);
    }
    found.0.sort_by_key(FieldError::to_string);
    found.0
}

#[derive(Default)]
struct Found(Vec<FieldError>);

impl Found {
    fn push(&mut self, path: String, kind: FieldErrorKind, value: Value, detail: &str) {
        self.0.push(FieldError { path, kind, value, detail: detail.to_owned() });
    }

    fn forbidden(&mut self, path: String, detail: &str) {
        self.push(path, FieldErrorKind::Forbidden, Value::Null, detail);
    }

    fn required(&mut self, path: String, detail: &str) {
        self.push(path, FieldErrorKind::Required, Value::Null, detail);
    }

    fn invalid(&mut self, path: String, value: impl Into<Value>, detail: &str) {
        self.push(path, FieldErrorKind::Invalid, value.into(), detail);
    }

    /// Words that no schema of a CRD may have, wherever they stand.
    fn forbidden_words(&mut self, path: &str, fields: &Map<String, Value>) {
        for word in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
            if fields.get(word).is_some_and(is_said) {
                self.forbidden(format!("{path}.{word}"), &format!("{word} is not supported"));
            }
        }
        if text(fields, "type") == "null" {
            self.forbidden(format!("{path}.type"), "type cannot be set to null, use nullable as an alternative");
        }
        if fields.get("items").is_some_and(Value::is_array) {
            self.forbidden(format!("{path}.items"), "items must be a schema object and not an array");
        }
        if is(fields, "uniqueItems") {
            let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.forbidden(format!("{path}.uniqueItems"), why);
        }
        let additional = fields.get("additionalProperties").filter(|additional| !additional.is_null());
        if additional.is_some_and(|additional| additional != true) && !properties(fields).is_empty() {
            let why = "additionalProperties and properties are mutual exclusive";
            self.forbidden(format!("{path}.additionalProperties"), why);
        }
        self.lists(path, fields);
        for (inner, schema) in children(path, fields) {
            self.forbidden_words(&inner, schema);
        }
    }

    /// `x-kubernetes-list-type` and its keys.
    fn lists(&mut self, path: &str, fields: &Map<String, Value>) {
        let at = |name: &str| format!("{path}.{name}");
        let list = fields.get("x-kubernetes-list-type").and_then(Value::as_str);
        if let Some(list) = list {
            if text(fields, "type") != "array" {
                let why = "must be array if x-kubernetes-list-type is specified";
                match text(fields, "type") {
                    "" => self.required(at("type"), why),
                    kind => self.invalid(at("type"), kind, why),
                }
            }
            if !["atomic", "set", "map"].contains(&list) {
                let supported = ["atomic", "set", "map"].map(str::to_owned).to_vec();
                self.push(at("x-kubernetes-list-type"), FieldErrorKind::NotSupported(supported), list.into(), "");
            }
        }
        let keys = fields.get("x-kubernetes-list-map-keys").and_then(Value::as_array).cloned().unwrap_or_default();
        if !keys.is_empty() && list != Some("map") {
            let why = "must be map if x-kubernetes-list-map-keys is non-empty";
            match list {
                None => self.required(at("x-kubernetes-list-type"), why),
                Some(list) => self.invalid(at("x-kubernetes-list-type"), list, why),
            }
        }
        if list != Some("map") {
            return;
        }
        if keys.is_empty() {
            let why = "must not be empty if x-kubernetes-list-type is map";
            self.required(at("x-kubernetes-list-map-keys"), why);
        }
        let Some(items) = fields.get("items").and_then(Value::as_object) else {
            return self.required(at("items"), "must have a schema if x-kubernetes-list-type is map");
        };
        if text(items, "type") != "object" {
            let why = "must be object if parent array's x-kubernetes-list-type is map";
            self.invalid(format!("{path}.items.type"), text(items, "type"), why);
        }
        let needed: Vec<&str> =
            items.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (index, key) in keys.iter().filter_map(Value::as_str).enumerate() {
            match properties(items).get(key).and_then(Value::as_object) {
                None => {
                    let why = "entries must all be names of item properties";
                    self.invalid(format!("{path}.x-kubernetes-list-map-keys[{index}]"), key, why);
                }
                Some(property) => {
                    let inner = format!("{path}.items.properties[{key}]");
                    if ["array", "object"].contains(&text(property, "type")) {
                        let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                        self.invalid(format!("{inner}.type"), text(property, "type"), why);
                    }
                    if !needed.contains(&key) && !property.contains_key("default") {
                        let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                        self.required(format!("{inner}.default"), why);
                    }
                }
            }
        }
    }

    fn structure(&mut self, path: &str, fields: &Map<String, Value>, level: Level) {
        let at = |name: &str| format!("{path}.{name}");
        let kind = text(fields, "type");
        let (embedded, preserves) =
            (is(fields, "x-kubernetes-embedded-resource"), is(fields, "x-kubernetes-preserve-unknown-fields"));
        let int_or_string = is(fields, "x-kubernetes-int-or-string");
        if kind == "array" && !fields.contains_key("items") {
            self.required(at("items"), "must be specified");
        }
        if let Some(items) = fields.get("items").and_then(Value::as_object) {
            self.structure(&at("items"), items, Level::Item);
        }
        for (name, schema) in properties(fields) {
            if let Some(schema) = schema.as_object() {
                self.structure(&format!("{path}.properties[{name}]"), schema, Level::Field);
            }
        }
        let additional = fields.get("additionalProperties").filter(|additional| !additional.is_null());
        if let Some(additional) = additional {
            if level == Level::Root {
                self.forbidden(at("additionalProperties"), "must not be used at the root");
            }
            if embedded {
                let why = "must not be used if x-kubernetes-embedded-resource is set";
                self.forbidden(at("additionalProperties"), why);
            }
            if let Some(schema) = additional.as_object() {
                self.structure(&at("additionalProperties"), schema, Level::Field);
            }
        }
        for (word, wrong) in
            [("x-kubernetes-preserve-unknown-fields", preserves), ("x-kubernetes-embedded-resource", embedded)]
        {
            if int_or_string && wrong {
                self.invalid(at(word), true, "must be false if x-kubernetes-int-or-string is true");
            }
        }
        self.values(path, fields, int_or_string);
        match (kind, level) {
            ("object", _) => {}
            ("", _) if embedded => {
                self.required(at("type"), "must be object if x-kubernetes-embedded-resource is true");
            }
            (kind, _) if embedded => {
                self.invalid(at("type"), kind, "must be object if x-kubernetes-embedded-resource is true");
            }
            ("", _) if int_or_string || preserves => {}
            ("", Level::Root) => self.required(at("type"), "must not be empty at the root"),
            ("", Level::Item) => self.required(at("type"), "must not be empty for specified array items"),
            ("", Level::Field) => self.required(at("type"), "must not be empty for specified object fields"),
            (kind, Level::Root) => self.invalid(at("type"), kind, "must be object at the root"),
            (_, Level::Item | Level::Field) => {}
        }
        if embedded && !preserves && properties(fields).is_empty() {
            let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            self.required(at("properties"), why);
        }
        if level == Level::Root || embedded {
            self.metadata(path, fields, level);
        }
    }

    /// What a resource always has may be said again, and no more.
    fn metadata(&mut self, path: &str, fields: &Map<String, Value>, level: Level) {
        let property = |name: &str| properties(fields).get(name).and_then(Value::as_object);
        for (name, wanted, why) in [
            ("kind", "string", "must be string"),
            ("apiVersion", "string", "must be string"),
            ("metadata", "object", "must be object"),
        ] {
            if let Some(schema) = property(name).filter(|schema| text(schema, "type") != wanted) {
                self.invalid(format!("{path}.properties[{name}].type"), text(schema, "type"), why);
            }
        }
        let Some(metadata) = property("metadata").filter(|_| level == Level::Root) else { return };
        let known = ["name", "generateName"];
        let inner = properties(metadata);
        let harmless =
            metadata.iter().all(|(word, _)| ["type", "properties", "default", "description"].contains(&word.as_str()))
                && inner.keys().all(|name| known.contains(&name.as_str()));
        if !harmless {
            let why =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.forbidden(format!("{path}.properties[metadata]"), why);
        }
    }

    /// The parts of a schema that only judge values: patterns and junctors.
    fn values(&mut self, path: &str, fields: &Map<String, Value>, int_or_string: bool) {
        let pattern = text(fields, "pattern");
        if let Some(why) = Some(pattern).filter(|pattern| !pattern.is_empty()).and_then(|text| Pattern::new(text).err())
        {
            let detail = format!("must be a valid regular expression, but isn't: error parsing regexp: {why}");
            self.invalid(format!("{path}.pattern"), pattern, &detail);
        }
        for junctor in ["anyOf", "allOf", "oneOf"] {
            let schemas = fields.get(junctor).and_then(Value::as_array).into_iter().flatten();
            for (index, schema) in schemas.enumerate().filter_map(|(index, schema)| Some((index, schema.as_object()?)))
            {
                let is_pattern = |schema: Option<&Value>| int_or_string && schema.is_some_and(is_int_or_string);
                let excused = match junctor {
                    "anyOf" => is_pattern(fields.get("anyOf")),
                    _ => false,
                };
                if !excused {
                    let inner_excused = junctor == "allOf" && index == 0 && is_pattern(schema.get("anyOf"));
                    self.nested(&format!("{path}.{junctor}[{index}]"), schema, inner_excused);
                }
            }
        }
        if let Some(not) = fields.get("not").and_then(Value::as_object) {
            self.nested(&format!("{path}.not"), not, false);
        }
    }

    /// A schema under a junctor may only judge values.
    fn nested(&mut self, path: &str, fields: &Map<String, Value>, any_of_excused: bool) {
        const EMPTY: [(&str, &str); 12] = [
            ("type", "must be empty to be structural"),
            ("additionalProperties", "must be undefined to be structural"),
            ("default", "must be undefined to be structural"),
            ("title", "must be empty to be structural"),
            ("description", "must be empty to be structural"),
            ("nullable", "must be false to be structural"),
            ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
            ("x-kubernetes-embedded-resource", "must be false to be structural"),
            ("x-kubernetes-int-or-string", "must be false to be structural"),
            ("x-kubernetes-list-map-keys", "must be empty to be structural"),
            ("x-kubernetes-list-type", "must be undefined to be structural"),
            ("x-kubernetes-validations", "must be empty to be structural"),
        ];
        let without_any_of;
        let judged = if any_of_excused {
            without_any_of =
                fields.iter().filter(|(name, _)| *name != "anyOf").map(|(k, v)| (k.clone(), v.clone())).collect();
            &without_any_of
        } else {
            fields
        };
        self.values(path, judged, false);
        for (word, why) in EMPTY {
            if fields.get(word).is_some_and(is_said) {
                self.forbidden(format!("{path}.{word}"), why);
            }
        }
        for (name, schema) in properties(fields) {
            let inner = format!("{path}.properties[{name}]");
            if name == "metadata" {
                self.forbidden(inner.clone(), "must not be specified in a nested context");
            }
            if let Some(schema) = schema.as_object() {
                self.nested(&inner, schema, false);
            }
        }
        if let Some(items) = fields.get("items").and_then(Value::as_object) {
            self.nested(&format!("{path}.items"), items, false);
        }
    }

    /// What is judged under a junctor must be said outside of it, too.
    fn completeness(
        &mut self,
        path: &str,
        fields: &Map<String, Value>,
        outer: Option<&Map<String, Value>>,
        outer_path: &str,
    ) {
        for (junctor, schema) in junctors(fields) {
            self.nested_completeness(schema, outer, outer_path, &format!("{path}.{junctor}"));
        }
        for (name, schema) in properties(fields).iter().filter_map(|(name, schema)| Some((name, schema.as_object()?))) {
            let inner = format!("{path}.properties[{name}]");
            self.completeness(&inner, schema, Some(schema), &inner);
        }
        for word in ["items", "additionalProperties"] {
            if let Some(schema) = fields.get(word).and_then(Value::as_object) {
                let inner = format!("{path}.{word}");
                self.completeness(&inner, schema, Some(schema), &inner);
            }
        }
    }

    fn nested_completeness(
        &mut self,
        fields: &Map<String, Value>,
        outer: Option<&Map<String, Value>>,
        outer_path: &str,
        path: &str,
    ) {
        let Some(outer) = outer else {
            let why = format!("because it is defined in {path}");
            if !self.0.iter().any(|known| known.path == outer_path) {
                self.required(outer_path.to_owned(), &why);
            }
            return;
        };
        for (junctor, schema) in junctors(fields) {
            self.nested_completeness(schema, Some(outer), outer_path, &format!("{path}.{junctor}"));
        }
        let additional = outer.get("additionalProperties").and_then(Value::as_object);
        for (name, schema) in properties(fields).iter().filter_map(|(name, schema)| Some((name, schema.as_object()?))) {
            let known = properties(outer).get(name).and_then(Value::as_object).or(additional);
            let place = format!("{outer_path}.properties[{name}]");
            self.nested_completeness(schema, known, &place, &format!("{path}.properties[{name}]"));
        }
        if let Some(items) = fields.get("items").and_then(Value::as_object) {
            let known = outer.get("items").and_then(Value::as_object);
            self.nested_completeness(items, known, &format!("{outer_path}.items"), &format!("{path}.items"));
        }
    }
}

/// Defaults must be what their schemas allow.
fn defaults(path: &str, fields: &Map<String, Value>, found: &mut Found) {
    if let Some(default) = fields.get("default").filter(|default| !default.is_null()) {
        let schema = Schema::read(&Value::Object(fields.clone()));
        for error in schema.judge(default) {
            let inner = if error.path == "<nil>" { String::new() } else { format!(".{}", error.path) };
            found.0.push(FieldError { path: format!("{path}.default{inner}"), ..error });
        }
    }
    for (inner, schema) in children(path, fields) {
        defaults(&inner, schema, found);
    }
}

/// The schemas right inside one, with their places.
fn children<'a>(path: &str, fields: &'a Map<String, Value>) -> Vec<(String, &'a Map<String, Value>)> {
    let named = properties(fields).iter().map(|(name, schema)| (format!("{path}.properties[{name}]"), schema));
    let single = ["items", "additionalProperties", "not"];
    let single = single.iter().filter_map(|word| Some((format!("{path}.{word}"), fields.get(*word)?)));
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|word| {
        let schemas = fields.get(word).and_then(Value::as_array).into_iter().flatten();
        schemas.enumerate().map(move |(index, schema)| (format!("{path}.{word}[{index}]"), schema))
    });
    named.chain(single).chain(listed).filter_map(|(path, schema)| Some((path, schema.as_object()?))).collect()
}

/// The schemas under junctors, with their places from here on.
fn junctors(fields: &Map<String, Value>) -> Vec<(String, &Map<String, Value>)> {
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|word| {
        let schemas = fields.get(word).and_then(Value::as_array).into_iter().flatten();
        schemas.enumerate().filter_map(move |(index, schema)| Some((format!("{word}[{index}]"), schema.as_object()?)))
    });
    listed.chain(fields.get("not").and_then(Value::as_object).map(|not| ("not".to_owned(), not))).collect()
}

fn is_int_or_string(any_of: &Value) -> bool {
    *any_of == serde_json::json!([{"type": "integer"}, {"type": "string"}])
}

fn properties(fields: &Map<String, Value>) -> &Map<String, Value> {
    static NONE: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
    fields.get("properties").and_then(Value::as_object).unwrap_or_else(|| NONE.get_or_init(Map::new))
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// Whether a word says anything: neither null nor false nor empty.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) | Value::Number(_) => true,
    }
}
