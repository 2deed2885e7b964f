//! What `wavetank list` lists: each family of the program, its members read from their registries.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::check::{self, InvariantEntry};
use crate::client::{ControllerEntry, Flag, FlagValue, Watches};
use crate::fault::{self, FaultEntry, Parameter, ParameterKind};
use crate::scenario::{API_SERVER_FLAGS, controller_manager_flags, schema};
use crate::scheduler::{PluginEntry, SchedulerSettings, plugins, policies};
use crate::trace::{self, FormatEntry};
use crate::{controllers, kubelet};

/// A family.
pub(super) struct Family {
    /// As the command line names it.
    pub(super) name: &'static str,
    /// What its members are.
    pub(super) doc: &'static str,
    /// The facts that its table shows, beside name and doc.
    pub(super) columns: &'static [&'static str],
    /// Its members, in the order of their registry.
    pub(super) members: fn() -> Vec<Member>,
}

/// A member of a family.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    /// Its name.
    pub(super) name: String,
    /// What it is or does.
    pub(super) doc: String,
    /// What else is known of it, by what it is called.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) facts: BTreeMap<&'static str, String>,
    /// What it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<ParameterLine>,
    /// How a scenario names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) example: Option<String>,
}

/// A parameter, flag or field of a member.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParameterLine {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default: Option<String>,
    pub(super) doc: String,
}

/// All families.
pub(super) const FAMILIES: &[Family] = &[
    Family { name: "controllers", doc: "control loops of kube-controller-manager", columns: &[], members: controllers },
    Family { name: "plugins", doc: "scheduler plugins", columns: &["weight"], members: plugins },
    Family { name: "policies", doc: "placement algorithms", columns: &[], members: policies },
    Family { name: "behaviours", doc: "what a scenario says of containers", columns: &["type"], members: behaviours },
    Family { name: "actions", doc: "what a scenario's timeline does", columns: &["type"], members: actions },
    Family { name: "flags", doc: "settings of components", columns: &["component", "type", "default"], members: flags },
    Family { name: "faults", doc: "what breaks, and mends", columns: &[], members: faults },
    Family { name: "checks", doc: "invariants that hold in any run", columns: &[], members: checks },
    Family { name: "traces", doc: "formats of traces", columns: &["files"], members: traces },
];

/// The names of all families.
pub(super) fn names() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name).collect()
}

fn controllers() -> Vec<Member> {
    let member = |entry: &&ControllerEntry| {
        let watches = match entry.watches {
            Watches::Kinds(kinds) => {
                let plurals = kinds.iter().filter_map(|kind| kind.info()).map(|info| info.plural.to_string());
                plurals.collect::<Vec<_>>().join(", ")
            }
            Watches::Everything => "every kind whose objects can be deleted".to_owned(),
        };
        let flags = [entry.workers].into_iter().chain(entry.flags.iter().copied());
        Member {
            name: entry.name.to_owned(),
            doc: entry.doc.to_owned(),
            facts: BTreeMap::from([("source", entry.source.to_owned()), ("watches", watches)]),
            parameters: flags.map(of_flag).collect(),
            example: None,
        }
    };
    controllers::ALL.iter().map(member).collect()
}

fn plugins() -> Vec<Member> {
    let member = |entry: &&PluginEntry| {
        let points = entry.points.iter().map(|point| format!("{point:?}")).collect::<Vec<_>>().join(", ");
        let weight = if entry.weight == 0 { "-".to_owned() } else { entry.weight.to_string() };
        Member {
            name: entry.name.to_owned(),
            doc: entry.doc.to_owned(),
            facts: BTreeMap::from([("points", points), ("weight", weight), ("source", entry.source.to_owned())]),
            parameters: Vec::new(),
            example: None,
        }
    };
    plugins::ALL.iter().map(member).collect()
}

fn policies() -> Vec<Member> {
    let member = |policy: &&dyn policies::Policy| Member {
        name: policy.name().to_owned(),
        doc: policy.doc().to_owned(),
        facts: BTreeMap::new(),
        parameters: Vec::new(),
        example: Some(format!("components: {{kubeScheduler: {{policy: {}}}}}", policy.name())),
    };
    policies::ALL.iter().map(member).collect()
}

fn flags() -> Vec<Member> {
    let of = |component: &'static str, flags: &[&Flag]| -> Vec<Member> {
        let member = |flag: &&Flag| {
            let ParameterLine { name, kind, default, doc } = of_flag(flag);
            let default = default.unwrap_or_default();
            let facts = BTreeMap::from([("component", component.to_owned()), ("type", kind), ("default", default)]);
            Member { name, doc, facts, parameters: Vec::new(), example: None }
        };
        flags.iter().map(member).collect()
    };
    let mut all = of("kubeControllerManager", &controller_manager_flags());
    all.extend(of("kubeApiserver", API_SERVER_FLAGS));
    all.extend(of("kubeScheduler", SchedulerSettings::FLAGS));
    all.extend(of("kubelet", kubelet::FLAGS));
    all
}

fn of_flag(flag: &Flag) -> ParameterLine {
    let (kind, default) = match flag.default {
        FlagValue::Int(number) => ("whole number", number.to_string()),
        FlagValue::Float(number) => ("number", number.to_string()),
        FlagValue::Span(span) => ("duration", span.to_string()),
        FlagValue::Bool(switch) => ("true or false", switch.to_string()),
        FlagValue::Text(text) => ("text", text.to_owned()),
    };
    let default = (!default.is_empty()).then_some(default);
    ParameterLine { name: flag.name.to_owned(), kind: kind.to_owned(), default, doc: flag.doc.to_owned() }
}

fn faults() -> Vec<Member> {
    let parameter = |parameter: &Parameter| ParameterLine {
        name: parameter.name.to_owned(),
        kind: match parameter.kind {
            ParameterKind::Nodes => "nodes".to_owned(),
            ParameterKind::Parts => "components".to_owned(),
            ParameterKind::Range => "duration or range".to_owned(),
            ParameterKind::Kind => "kind".to_owned(),
            ParameterKind::Count => "whole number".to_owned(),
            ParameterKind::Text => "text".to_owned(),
            ParameterKind::Webhooks => "webhooks".to_owned(),
            ParameterKind::Choice(words) => words.join(" or "),
        },
        default: parameter.default.map(|default| if default.is_empty() { "\"\"" } else { default }.to_owned()),
        doc: parameter.doc.to_owned(),
    };
    let member = |entry: &&FaultEntry| Member {
        name: entry.name.to_owned(),
        doc: entry.doc.to_owned(),
        facts: BTreeMap::new(),
        parameters: entry.parameters.iter().map(parameter).collect(),
        // An entry of a list.
        example: Some(format!("faults:\n- {}", entry.example.replace('\n', "\n  "))),
    };
    fault::ALL.iter().map(member).collect()
}

fn checks() -> Vec<Member> {
    let member = |entry: &&InvariantEntry| {
        let needs = entry.needs.map(|needs| ("needs", needs.to_owned()));
        let facts = [("leaves out", entry.leaves_out.to_owned()), ("source", entry.source.to_owned())];
        Member {
            name: entry.name.to_owned(),
            doc: entry.doc.to_owned(),
            facts: facts.into_iter().chain(needs).collect(),
            parameters: Vec::new(),
            example: Some(format!("checks: {{invariants: [{}]}}", entry.name)),
        }
    };
    check::ALL.iter().map(member).collect()
}

fn traces() -> Vec<Member> {
    let member = |entry: &&FormatEntry| Member {
        name: entry.name.to_owned(),
        doc: entry.doc.to_owned(),
        facts: BTreeMap::from([
            ("files", entry.files.join("; ")),
            ("leaves out", entry.leaves_out.to_owned()),
            ("source", entry.source.to_owned()),
        ]),
        parameters: Vec::new(),
        example: None,
    };
    trace::ALL.iter().map(member).collect()
}

fn behaviours() -> Vec<Member> {
    fields("Behaviour", &[])
}

fn actions() -> Vec<Member> {
    fields("TimelineEntry", &["at", "mayFail"])
}

/// The fields of a type of scenario files as the schema has them, without those that are named.
fn fields(definition: &str, without: &[&str]) -> Vec<Member> {
    let schema = schema();
    let member = |(name, field): (&String, &Value)| {
        let whole = target(&schema, field);
        let parameter = |(name, field): (&String, &Value)| ParameterLine {
            name: name.clone(),
            kind: type_of(&schema, field),
            default: None,
            doc: doc_of(&schema, field),
        };
        Member {
            name: name.clone(),
            doc: doc_of(&schema, field),
            facts: BTreeMap::from([("type", type_of(&schema, field))]),
            parameters: properties(whole).map(parameter).collect(),
            example: None,
        }
    };
    let wanted = |(name, _): &(&String, &Value)| !without.contains(&name.as_str());
    properties(&schema["$defs"][definition]).filter(wanted).map(member).collect()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn doc_of(schema: &Value, field: &Value) -> String {
    let of = |value: &Value| value["description"].as_str().map(str::to_owned);
    of(field).or_else(|| of(target(schema, field))).unwrap_or_default()
}

/// What a field refers to: itself, or a definition, through the choices that it leaves.
fn target<'a>(schema: &'a Value, field: &'a Value) -> &'a Value {
    if let Some(name) = field["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return &schema["$defs"][name];
    }
    let choices = field["anyOf"].as_array().into_iter().flatten();
    choices.map(|choice| target(schema, choice)).find(|found| found["properties"].is_object()).unwrap_or(field)
}

/// The type of a field in plain words.
fn type_of(schema: &Value, field: &Value) -> String {
    if let Some(name) = field["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return match name {
            "Duration" => "duration".to_owned(),
            "DurationRange" => "duration or range".to_owned(),
            "Quantity" => "quantity".to_owned(),
            _ => type_of(schema, &schema["$defs"][name]),
        };
    }
    let words = |kind: &str| match kind {
        "integer" => Some("whole number"),
        "number" => Some("number"),
        "boolean" => Some("true or false"),
        "string" => Some("text"),
        "array" => Some("list"),
        "object" => Some("mapping"),
        _ => None,
    };
    let choices = ["anyOf", "oneOf"].iter().flat_map(|key| field[*key].as_array().into_iter().flatten());
    let of_choices = choices.map(|choice| type_of(schema, choice));
    let kinds = match &field["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect::<Vec<_>>(),
    };
    let own = kinds.into_iter().filter_map(words).map(str::to_owned);
    let mut all: Vec<String> = own.chain(of_choices).filter(|kind| !kind.is_empty()).collect();
    all.dedup();
    all.join(" or ")
}
