//! Events, of `v1` and of `events.k8s.io/v1`, in one record.
//!
//! An Event that the record cannot give back as it was stays whole in `rest`; writing changes in it what the record
//! has changed since. Upstream: `pkg/apis/events/v1/conversion.go`.

use k8s_openapi::api::core::v1;
use serde_json::{Map, Value};
use std::sync::Arc;

use super::{ConvertError, decode, meta_from, meta_to, name, text, time, to_value};
use crate::api::{Event, EventType, Kind, Obj, Object, Reference, Uid};

/// Stands for a kind that is not built in; the Event's `rest` has its name.
const UNKNOWN_KIND: Kind = Kind::Custom(u16::MAX);

/// What the two versions call the same fields: `events.k8s.io/v1` first.
const RENAMED: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedCount", "count"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
];

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let mut full: v1::Event = decode(value)?;
    let meta = meta_from(Kind::Event, std::mem::take(&mut full.metadata))?;
    let mut body = known(&full);
    if natural(&body) != full {
        body.rest = Some(Arc::new(full));
    }
    Ok(Obj { meta, body }.into_object())
}

/// The manifest's fields but `metadata`.
pub(super) fn write_fields(event: &Event) -> Map<String, Value> {
    match to_value(&write(event)) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// An Event as `events.k8s.io/v1` shows it.
pub fn to_events_v1(event: &Obj<Event>) -> Value {
    let mut fields = rename(write_fields(&event.body), |(new, old)| (old, new));
    fields.insert("apiVersion".to_owned(), Value::from("events.k8s.io/v1"));
    fields.insert("kind".to_owned(), Value::from("Event"));
    fields.insert("metadata".to_owned(), to_value(&meta_to(&event.meta)));
    Value::Object(fields)
}

/// A manifest of `events.k8s.io/v1` as one of `v1`.
pub(super) fn from_events_v1(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields = rename(fields, |names| names);
            fields.insert("apiVersion".to_owned(), Value::from("v1"));
            Value::Object(fields)
        }
        other => other,
    }
}

fn rename(
    fields: Map<String, Value>,
    direction: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Map<String, Value> {
    let renamed = |key: String| {
        RENAMED.into_iter().map(direction).find(|(from, _)| *from == key).map_or(key, |(_, to)| to.to_owned())
    };
    fields.into_iter().map(|(key, value)| (renamed(key), value)).collect()
}

fn known(full: &v1::Event) -> Event {
    let source = full.source.clone().unwrap_or_default();
    Event {
        involved: read_reference(&full.involved_object),
        reason: name(full.reason.clone()),
        message: name(full.message.clone()),
        kind: if full.type_.as_deref() == Some("Warning") { EventType::Warning } else { EventType::Normal },
        component: name(source.component.or_else(|| full.reporting_component.clone())),
        host: name(source.host.or_else(|| full.reporting_instance.clone())),
        count: full.count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        first: time::read_or_default(full.first_timestamp.as_ref()),
        last: time::read_or_default(full.last_timestamp.as_ref()),
        rest: None,
    }
}

/// What an Event of client-go's recorder has.
fn natural(event: &Event) -> v1::Event {
    let source = v1::EventSource { component: text(&event.component), host: text(&event.host) };
    v1::Event {
        count: (event.count != 0).then(|| i32::try_from(event.count).unwrap_or(i32::MAX)),
        first_timestamp: time::write(event.first),
        involved_object: write_reference(&event.involved),
        last_timestamp: time::write(event.last),
        message: text(&event.message),
        reason: text(&event.reason),
        reporting_component: text(&event.component),
        reporting_instance: text(&event.host),
        source: (source != v1::EventSource::default()).then_some(source),
        type_: Some(event.kind.as_str().to_owned()),
        ..v1::Event::default()
    }
}

fn write(event: &Event) -> v1::Event {
    let natural = natural(event);
    let Some(rest) = event.rest.as_deref() else { return natural };
    let (old, mut full) = (known(rest), rest.clone());
    if old.involved != event.involved {
        full.involved_object = natural.involved_object;
    }
    if old.reason != event.reason {
        full.reason = natural.reason;
    }
    if old.message != event.message {
        full.message = natural.message;
    }
    if old.kind != event.kind {
        full.type_ = natural.type_;
    }
    if (&old.component, &old.host) != (&event.component, &event.host) {
        full.source = natural.source;
        full.reporting_component = natural.reporting_component;
        full.reporting_instance = natural.reporting_instance;
    }
    if old.count != event.count {
        full.count = natural.count;
    }
    if old.first != event.first {
        full.first_timestamp = natural.first_timestamp;
    }
    if old.last != event.last {
        full.last_timestamp = natural.last_timestamp;
    }
    full
}

fn read_reference(full: &v1::ObjectReference) -> Reference {
    let kind_name = full.kind.as_deref().unwrap_or_default();
    let by_name = || Kind::ALL.iter().copied().find(|kind| kind.info().is_some_and(|info| info.kind == kind_name));
    let kind = match full.api_version.as_deref() {
        None | Some("") => by_name(),
        Some(version) => Kind::from_gvk(version, kind_name).ok(),
    };
    Reference {
        kind: kind.unwrap_or(UNKNOWN_KIND),
        namespace: name(full.namespace.clone()),
        name: name(full.name.clone()),
        uid: full.uid.as_deref().filter(|uid| !uid.is_empty()).and_then(|uid| uid.parse().ok()).unwrap_or_default(),
    }
}

fn write_reference(reference: &Reference) -> v1::ObjectReference {
    v1::ObjectReference {
        api_version: reference.kind.api_version(),
        kind: Some(reference.kind_name().to_owned()),
        name: text(&reference.name),
        namespace: text(&reference.namespace),
        uid: (reference.uid != Uid::default()).then(|| reference.uid.to_string()),
        ..v1::ObjectReference::default()
    }
}
