//! The end state of a step, exactly as `expected.json` writes it.

mod network;
mod objects;
mod pods;
mod storage;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::names::Names;
use super::tank::{NAMESPACE, Tank};
use crate::api::{Kind, Object, convert};

/// Events that are noise of optimistic locking.
const NOISE: [&str; 3] = ["FailedToUpdateEndpoint", "FailedToUpdateEndpointSlices", "CIDRAssignmentFailed"];

/// The step's dump. `unstable` is empty: one run says nothing about others.
pub(super) fn step(tank: &Tank<'_>, number: usize, op: &str, result: Value) -> Value {
    let (events, totals) = events(tank);
    let mut step = json!({
        "step": number,
        "op": op,
        "result": result,
        "objects": objects::all(tank),
        "podGroups": pods::groups(tank),
        "pods": pods::named(tank),
        "events": events,
        "eventTotals": totals,
        "timeline": tank.timeline.to_json(),
        "unstable": [],
    });
    if tank.case.exclusive {
        step["podsPerNode"] = pods::per_node(tank);
    }
    step
}

/// Events by object, reason, type and message, and without the message.
fn events(tank: &Tank<'_>) -> (Value, Value) {
    let mut events: BTreeMap<String, u64> = BTreeMap::new();
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    for object in tank.sim.store().objects(Kind::Event, tank.sim.now()) {
        let Object::Event(event) = &object else { continue };
        let involved = &event.body.involved;
        let is_ours = event.meta.namespace == NAMESPACE || (tank.case.exclusive && involved.kind == Kind::Node);
        let is_noise = NOISE.contains(&event.body.reason.as_str());
        if !is_ours || is_noise {
            continue;
        }
        let name = tank.names.word(&involved.name);
        let total = format!("{}/{name}|{}|{}", involved.kind_name(), event.body.reason, event.body.kind.as_str());
        let message = tank.names.text(&event.body.message);
        *events.entry(format!("{total}|{message}")).or_default() += u64::from(event.body.count);
        *totals.entry(total).or_default() += u64::from(event.body.count);
    }
    (json!(events), json!(totals))
}

/// A controller owner as `Kind/name`.
fn owner_of(object: &Object, names: &Names) -> Option<String> {
    object.meta().controller().map(|owner| format!("{}/{}", owner.kind, names.word(&owner.name)))
}

/// `owner`, `deleting` and `finalizers`, where they are set.
fn common(object: &Object, names: &Names) -> Map<String, Value> {
    let meta = object.meta();
    let mut fields = Map::new();
    if let Some(owner) = owner_of(object, names) {
        fields.insert("owner".to_owned(), json!(owner));
    }
    if meta.is_terminating() {
        fields.insert("deleting".to_owned(), json!(true));
    }
    if !meta.finalizers.is_empty() {
        let mut finalizers: Vec<&str> = meta.finalizers.iter().map(|finalizer| finalizer.as_str()).collect();
        finalizers.sort_unstable();
        fields.insert("finalizers".to_owned(), json!(finalizers));
    }
    fields
}

/// `current`, `behind` or `none`: what the status has seen of the spec.
fn observed(json: &Value) -> &'static str {
    match json["status"]["observedGeneration"].as_i64() {
        None | Some(0) => "none",
        Some(seen) if seen == json["metadata"]["generation"].as_i64().unwrap_or(0) => "current",
        Some(_) => "behind",
    }
}

/// Conditions by type.
fn conditions(status: &Value, names: &Names) -> Value {
    let mut conditions = Map::new();
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let text = |field: &str| condition[field].as_str();
        let Some(kind) = text("type") else { continue };
        let reason = text("reason").filter(|reason| !reason.is_empty());
        let message = names.text(text("message").unwrap_or_default());
        conditions.insert(kind.to_owned(), json!({"status": text("status"), "reason": reason, "message": message}));
    }
    Value::Object(conditions)
}

/// Counters; those that are missing are 0.
fn counters(status: &Value, fields: &[&str]) -> Value {
    let counts = fields.iter().map(|field| ((*field).to_owned(), json!(status[*field].as_i64().unwrap_or(0))));
    Value::Object(counts.collect())
}

/// An object as JSON beside itself.
fn with_json(object: Object) -> (Object, Value) {
    let json = convert::to_json(&object);
    (object, json)
}
