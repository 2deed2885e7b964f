//! The JSON Schema (draft 2020-12) of scenario files, made from the types that read them, their docs, and the registries
//! of flags, faults and invariants.
//!
//! It says what can be told of one value at its place: names, types, patterns, which keys exclude one another. What
//! depends on other values (a node's name, a time after the end) is left to loading, as are the manifests themselves.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::components::controller_manager_flags;
use super::file::{
    Arrive, Duration, DurationRange, Every, FlagText, Instant, ManifestFile, ManifestFiles, NodeTypeEntry,
    NodeTypeFile, NodeTypesInFile, QuantityText, RepeatFile, ScenarioFile, TaintFields, TaintFile,
};
use crate::api::json_schema::{self, schema_of};
use crate::check;
use crate::client::{Flag, FlagValue};
use crate::fault::{self, FaultEntry, Parameter, ParameterKind};
use crate::scheduler::{CONFIG, SchedulerSettings, configuration};

/// Go's durations, and days.
const DURATION: &str = r"\+?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d))+)";

/// The schema of a scenario: one document of a file. Documents of other kinds are Kubernetes' own.
pub fn schema() -> Value {
    json_schema::of::<ScenarioFile>()
}

/// Exactly one of these keys stands in a mapping.
fn exactly_one<'a>(schema: &mut Schema, keys: impl IntoIterator<Item = &'a str>) {
    let one: Vec<Value> = keys.into_iter().map(|key| json!({"required": [key]})).collect();
    match schema.get_mut("allOf").and_then(Value::as_array_mut) {
        Some(all) => all.push(json!({"oneOf": one})),
        None => {
            schema.insert("allOf".to_owned(), json!([{"oneOf": one}]));
        }
    }
}

fn property_names(schema: &Schema) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

/// An entry of the timeline has one action.
pub(super) fn one_action(schema: &mut Schema) {
    let names = property_names(schema);
    exactly_one(schema, names.iter().map(String::as_str).filter(|name| !["at", "mayFail", "as"].contains(name)));
}

/// `kubectl rollout` has one verb.
pub(super) fn one_verb(schema: &mut Schema) {
    exactly_one(schema, ["undo", "pause", "resume", "restart", "history", "status"]);
}

/// An expectation is of one kind.
pub(super) fn one_mode(schema: &mut Schema) {
    exactly_one(schema, ["eventually", "always"]);
}

/// A condition has one test.
pub(super) fn one_test(schema: &mut Schema) {
    exactly_one(schema, ["equals", "notEquals", "atLeast", "atMost", "exists"]);
}

/// A claim is about one resource or about all of a kind.
pub(super) fn one_subject(schema: &mut Schema) {
    exactly_one(schema, ["resource", "all"]);
}

/// A pool has a capacity of its own or a type, and a count or names.
pub(super) fn pool_of_nodes(schema: &mut Schema) {
    schema.insert("anyOf".to_owned(), json!([{"required": ["capacity"]}, {"required": ["type"]}]));
    schema.insert("oneOf".to_owned(), json!([{"required": ["count"]}, {"required": ["names"]}]));
}

/// The faults of the registry become keys, of which one is given, as is one trigger.
pub(super) fn with_faults(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.extend(fault::ALL.iter().map(|entry| (entry.name.to_owned(), of_fault(entry))));
    }
    exactly_one(schema, ["at", "every", "when"]);
    exactly_one(schema, fault::ALL.iter().map(|entry| entry.name));
}

fn of_fault(entry: &FaultEntry) -> Value {
    let properties: Map<String, Value> =
        entry.parameters.iter().map(|parameter| (parameter.name.to_owned(), of_parameter(parameter))).collect();
    let needed: Vec<&str> = entry
        .parameters
        .iter()
        .filter(|parameter| parameter.default.is_none())
        .map(|parameter| parameter.name)
        .collect();
    // Without a needed parameter nothing need stand behind the name.
    let kind = if needed.is_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({
        "description": entry.doc,
        "type": kind,
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}

fn of_parameter(parameter: &Parameter) -> Value {
    let names = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
    let count = json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]});
    let mut schema = match parameter.kind {
        ParameterKind::Nodes => json!({"anyOf": [{"type": "string"}, names, {
            "type": "object",
            "properties": {
                "names": {"anyOf": [{"type": "string"}, names]},
                "selector": {"type": "string"},
                "zone": {"type": "string"},
                "count": count,
                "fraction": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            },
            "additionalProperties": false,
        }]}),
        ParameterKind::Parts | ParameterKind::Webhooks => json!({"anyOf": [{"type": "string"}, names]}),
        ParameterKind::Range => json!({"type": "string", "pattern": range_pattern()}),
        ParameterKind::Kind | ParameterKind::Text => json!({"type": "string"}),
        ParameterKind::Count => count,
        ParameterKind::Choice(words) => json!({"type": "string", "enum": words}),
    };
    schema["description"] = json!(parameter.doc);
    if let Some(default) = parameter.default {
        schema["default"] = json!(default);
    }
    schema
}

/// Flags of kube-controller-manager.
pub(super) fn flags_of_controller_manager(_: &mut SchemaGenerator) -> Schema {
    of_flags(&controller_manager_flags())
}

/// Flags of kube-scheduler.
pub(super) fn flags_of_scheduler(_: &mut SchemaGenerator) -> Schema {
    let mut schema = of_flags(SchedulerSettings::FLAGS);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let document = json!({
            "type": "object",
            "properties": {
                "apiVersion": {"const": configuration::API_VERSION},
                "kind": {"const": configuration::KIND},
            },
            "required": ["apiVersion", "kind"],
        });
        let config = json!({"description": CONFIG.doc, "anyOf": [{"type": "string"}, document]});
        properties.insert(CONFIG.name.to_owned(), config);
    }
    schema
}

/// Flags of kubelets.
pub(super) fn flags_of_kubelet(_: &mut SchemaGenerator) -> Schema {
    of_flags(crate::kubelet::FLAGS)
}

/// Flags of kube-apiserver.
pub(super) fn flags_of_api_server(_: &mut SchemaGenerator) -> Schema {
    of_flags(super::api_server::API_SERVER_FLAGS)
}

/// Invariants by name.
pub(super) fn names_of_invariants(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = check::ALL.iter().map(|entry| entry.name).collect();
    json_schema!({"type": ["array", "null"], "items": {"enum": names}, "uniqueItems": true})
}

fn of_flags(flags: &[&Flag]) -> Schema {
    let properties: Map<String, Value> = flags.iter().map(|flag| (flag.name.to_owned(), of_flag(flag))).collect();
    json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// A flag may be written as a text too, as on a command line.
fn of_flag(flag: &Flag) -> Value {
    let (kind, default) = match flag.default {
        FlagValue::Int(number) => (json!(["integer", "string"]), json!(number)),
        FlagValue::Float(number) => (json!(["number", "string"]), json!(number)),
        FlagValue::Span(span) => (json!("string"), json!(span.to_string())),
        FlagValue::Bool(switch) => (json!(["boolean", "string"]), json!(switch)),
        FlagValue::Text(text) => (json!(["string", "number", "boolean"]), json!(text)),
    };
    json!({"description": flag.doc, "type": kind, "default": default})
}

fn range_pattern() -> String {
    format!(r"^\s*{DURATION}\s*(\.\.\s*{DURATION}\s*)?$")
}

/// A text that stands for a mapping with one entry, or the mapping.
pub(super) struct ShortOrWhole<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for ShortOrWhole<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrText", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, generator.subschema_for::<T>(), {"type": "null"}]})
    }
}

schema_of!(Duration, "Duration", _generator => json_schema!({
    "description": "A duration in Go's syntax: 300ms, 90s, 1h30m; days (2d) as well. At most 366 days.",
    "type": "string",
    "pattern": format!(r"^\s*{DURATION}\s*$"),
}));

schema_of!(DurationRange, "DurationRange", _generator => json_schema!({
    "description": "A duration, 2s, or a range from which it is drawn anew each time, both ends included: 500ms..2s.",
    "type": "string",
    "pattern": range_pattern(),
}));

schema_of!(Every, "Every", _generator => json_schema!({
    "description": "A period, 10m, or one that is off by a drawn span at most, either way: 10m ±2m.",
    "type": "string",
    "pattern": format!(r"^\s*{DURATION}\s*((±|\+-)\s*{DURATION}\s*)?$"),
}));

schema_of!(QuantityText, "Quantity", _generator => json_schema!({
    "description": "A Kubernetes quantity: 500m, 4, 16Gi.",
    "anyOf": [
        {"type": "string", "pattern": "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"},
        {"type": "number", "minimum": 0},
    ],
}));

schema_of!(FlagText, "FlagValue", _generator => json_schema!({"type": ["string", "number", "boolean"]}));

schema_of!(Instant, "Instant", _generator => json_schema!({
    "description": "An instant in RFC 3339: 2026-01-01T00:00:00Z.",
    "type": "string",
    "format": "date-time",
}));

schema_of!(Arrive, "Arrive", _generator => json_schema!({
    "description": "At time zero, as recorded, or so many a second, as 50/s.",
    "type": "string",
    "pattern": "^(atOnce|recorded|[1-9][0-9]*/s)$",
}));

schema_of!(TaintFile, "TaintOrText", generator => json_schema!({"anyOf": [
    {
        "description": "As kubectl taint takes it: dedicated=gpu:NoSchedule.",
        "type": "string",
        "pattern": "^[^=:]+(=[^=:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$",
    },
    generator.subschema_for::<TaintFields>(),
]}));

schema_of!(NodeTypeEntry, "NodeTypeEntry", generator => json_schema!({"anyOf": [
    generator.subschema_for::<NodeTypeFile>(),
    generator.subschema_for::<NodeTypesInFile>(),
]}));

schema_of!(ManifestFile, "Manifest", generator => json_schema!({"anyOf": [
    {"description": "A path, from the scenario file's folder on, of a file or folder.", "type": "string"},
    {
        "description": "A Kubernetes object.",
        "type": "object",
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}},
        "required": ["apiVersion", "kind"],
    },
    generator.subschema_for::<RepeatFile>(),
]}));

schema_of!(ManifestFiles, "Manifests", generator => json_schema!({"anyOf": [
    generator.subschema_for::<ManifestFile>(),
    {"type": "array", "items": generator.subschema_for::<ManifestFile>()},
]}));
