//! Conversations recorded from a real API server (1.23), played to as little of a server as they need.
//!
//! `managedFields` and failures are compared to the letter, the rest as the store's conversations are: marks match
//! anything, and zeros that the real server writes out count as absent. Left out of our answers: `generation`, where
//! 1.23 had none.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

use super::super::{ApplyError, Resource, Writer, apply, keep_times, update};
use crate::api::{Kind, convert, defaults, merge};

/// Conversations that must go on agreeing.
const KEPT: &str = include_str!("../conversations.jsonl");

#[test]
fn kept_conversations_agree() {
    assert_eq!(differences(KEPT), (KEPT.lines().count(), Vec::new()));
    assert!(KEPT.lines().count() >= 10, "conversations are kept");
}

/// With `WAVETANK_CONVERSATIONS` set to the path of all recorded conversations, those about apply are all played.
#[test]
fn conversations_that_are_named_from_outside_agree() {
    let Ok(path) = std::env::var("WAVETANK_CONVERSATIONS") else { return };
    let unpacked = Command::new("gzip").args(["-dc", &path]).output().expect("gzip can be run").stdout;
    let text = String::from_utf8(unpacked).expect("conversations are text");
    let about_apply: Vec<&str> =
        text.lines().filter(|line| line.contains("\"name\": \"apply-") || line.contains("\"name\":\"apply-")).collect();
    assert_eq!(differences(&about_apply.join("\n")), (about_apply.len(), Vec::new()));
}

/// How many conversations there are, and what differs in them.
fn differences(conversations: &str) -> (usize, Vec<String>) {
    let mut differences = Vec::new();
    for line in conversations.lines() {
        let conversation: Value = serde_json::from_str(&line.replace("{ns}", "ns")).expect("a line is a conversation");
        let mut server = Server::default();
        let calls = conversation["requests"].as_array().expect("there are requests");
        let heard = conversation["expected"].as_array().expect("there are answers");
        for (number, (call, heard)) in calls.iter().zip(heard).enumerate() {
            let (code, ours) = server.answer(call);
            if let Some(difference) = difference(heard, code, ours) {
                differences.push(format!("{} {number}: {difference}", conversation["name"]));
            }
        }
    }
    (conversations.lines().count(), differences)
}

fn difference(heard: &Value, code: u16, mut ours: Value) -> Option<String> {
    let mut theirs = heard["body"].clone();
    if heard["code"] != code {
        return Some(format!("code {code}, not {}: {ours}", heard["code"]));
    }
    if theirs["kind"] == "Status" {
        return (ours != theirs).then(|| format!("{ours}, not {theirs}"));
    }
    if theirs["metadata"].get("generation").is_none() {
        ours["metadata"].as_object_mut().expect("it has metadata").remove("generation");
    }
    let (mut our_managers, their_managers) = (managers(&mut ours), managers(&mut theirs));
    for entry in our_managers.as_array_mut().into_iter().flatten() {
        entry["time"] = json!("<time>");
    }
    if our_managers != their_managers {
        return Some(format!("managedFields {our_managers}, not {their_managers}"));
    }
    first_difference("", &theirs, &ours)
}

fn managers(object: &mut Value) -> Value {
    object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields")).unwrap_or_default()
}

fn first_difference(path: &str, theirs: &Value, ours: &Value) -> Option<String> {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let names = theirs.keys().chain(ours.keys());
            names.into_iter().find_map(|name| {
                let (theirs, ours) = (theirs.get(name), ours.get(name));
                let nothing = Value::Null;
                first_difference(&format!("{path}/{name}"), theirs.unwrap_or(&nothing), ours.unwrap_or(&nothing))
            })
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            let mut pairs = theirs.iter().zip(ours).enumerate();
            pairs.find_map(|(index, (theirs, ours))| first_difference(&format!("{path}/{index}"), theirs, ours))
        }
        (Value::String(mark), Value::String(_)) if mark.starts_with('<') && mark.ends_with('>') => None,
        (theirs, ours) if theirs == ours || is_empty(theirs) && is_empty(ours) => None,
        (theirs, ours) => Some(format!("{path} is {ours}, not {theirs}")),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The recorded conversations took less than a second each.
const NOW: &str = "2024-01-01T00:00:00Z";

#[derive(Default)]
struct Server {
    objects: BTreeMap<String, Value>,
}

impl Server {
    fn answer(&mut self, call: &Value) -> (u16, Value) {
        let path = call["path"].as_str().expect("a call has a path").to_owned();
        let live = self.objects.get(&path).cloned();
        let found = |live: Option<Value>| live.map_or((404, Value::Null), |live| (200, live));
        if call["method"] == "GET" {
            return found(live);
        }
        let manager = call["query"]["fieldManager"].as_str().unwrap_or_default();
        let writer = Writer { manager, subresource: "", now: NOW };
        let kind = if path.contains("/configmaps/") {
            Kind::ConfigMap
        } else if path.contains("/services/") {
            Kind::Service
        } else {
            Kind::Deployment
        };
        let resource = Resource::built_in(kind).expect("the kind is built in");
        let mut object = if call["contentType"] == "application/apply-patch+yaml" {
            let force = call["query"]["force"] == "true";
            match apply(&resource, live.as_ref(), &call["body"], &writer, force) {
                Ok(object) => convert::normalise(kind, object).expect("it can be decoded"),
                Err(error) => return (error.code(), status(&error)),
            }
        } else {
            let Some(live) = &live else { return found(None) };
            let patched = merge::merge_patch(live, &call["body"]);
            let mut object = convert::normalise(kind, patched).expect("it can be decoded");
            object["metadata"]["managedFields"] = update(&resource, Some(live), &object, &writer);
            object
        };
        let created = live.is_none();
        match &live {
            Some(live) => {
                if kind == Kind::Deployment && live["spec"] != object["spec"] {
                    let generation = live["metadata"]["generation"].as_i64().unwrap_or_default();
                    object["metadata"]["generation"] = json!(generation + 1);
                }
                keep_times(live, &mut object);
            }
            None => prepare(kind, &mut object),
        }
        self.objects.insert(path, object.clone());
        (if created { 201 } else { 200 }, object)
    }
}

/// What a server adds to a new object.
fn prepare(kind: Kind, object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().expect("it has metadata");
    metadata.insert("namespace".to_owned(), json!("ns"));
    metadata.insert("uid".to_owned(), json!("5c7f5bb4-5f5e-4d6c-9d0a-000000000001"));
    metadata.insert("resourceVersion".to_owned(), json!("1"));
    metadata.insert("creationTimestamp".to_owned(), json!(NOW));
    metadata.insert("generation".to_owned(), json!(1));
    if kind == Kind::Service {
        let spec = object["spec"].as_object_mut().expect("it has a spec");
        spec.insert("clusterIP".to_owned(), json!("10.0.0.1"));
        spec.insert("clusterIPs".to_owned(), json!(["10.0.0.1"]));
        spec.insert("ipFamilies".to_owned(), json!(["IPv4"]));
        spec.insert("ipFamilyPolicy".to_owned(), json!("SingleStack"));
    }
    defaults::prepare_for_create(kind, object);
}

fn status(error: &ApplyError) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": error.to_string(),
        "code": error.code(),
    });
    if let ApplyError::Conflicts(conflicts) = error {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|conflict| {
                json!({"reason": "FieldManagerConflict", "message": conflict.message(), "field": conflict.field})
            })
            .collect();
        status["reason"] = json!("Conflict");
        status["details"] = json!({"causes": causes});
    }
    status
}
