//! JSON manifests into the records that the simulation works with, and back. Nothing is lost either way.
//!
//! This is the only place where upstream's full types and JSON meet the small records. Reading goes as in the real
//! API server: quantities into their canonical form, through the kind's type (unknown fields and nulls go away),
//! defaults filled in, then into the record. What a record has no field for stays in its boxed `rest`.
//! Writing gives what `kubectl get -o json` shows, without nulls. Left out: `metadata` of pod templates beyond labels,
//! annotations and finalizers, which no controller reads, and the difference between an empty list and none.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

use super::{Kind, KindInfo, Meta, Name, Object, defaults, located};

mod deployment;
mod event;
mod lease;
mod metadata;
mod namespace;
mod node;
mod pod;
mod pod_status;
mod quantities;
mod replicaset;
mod scale;
mod template;
#[cfg(test)]
mod tests;
mod time;
mod untyped;

pub use event::to_events_v1;
pub use metadata::{meta_from, meta_to};
pub use replicaset::status as replica_set_status;
pub use scale::{Scale, scale_json, scale_of, with_replicas};
pub use template::pod_template;

/// Why a manifest cannot become an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConvertError {
    /// The field; empty for the whole object.
    pub path: String,
    /// What is wrong, in the API server's words where it has some.
    pub message: String,
}

impl ConvertError {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> ConvertError {
        ConvertError { path: path.into(), message: message.into() }
    }

    /// The same for whoever can say where in a file it stands.
    pub(crate) fn issue(&self) -> located::Issue {
        let mut path = Vec::new();
        let mut rest = self.path.as_str();
        while !rest.is_empty() {
            let (segment, after) = match rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
                Some((inside, after)) => {
                    let index = inside.parse().map(located::Segment::Index);
                    (index.unwrap_or_else(|_| located::Segment::Key(inside.to_owned())), after)
                }
                None => {
                    let end = rest.find(['.', '[']).unwrap_or(rest.len());
                    (located::Segment::Key(rest[..end].to_owned()), &rest[end..])
                }
            };
            path.push(segment);
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        located::Issue { path: located::Path(path), ..located::Issue::whole(self.message.clone()) }
    }

    /// The message of the API server's 400 for an object of this kind.
    pub fn bad_request(&self, kind: Kind) -> String {
        let (kind, version) = kind.info().map_or(("", ""), |info| (info.kind.as_ref(), info.version.as_ref()));
        format!("{kind} in version {version:?} cannot be handled as a {kind}: {}", self.message)
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for ConvertError {}

/// The manifest as the API server decodes it: canonical quantities, known fields only, defaults filled in. What
/// `validation` judges. Doing it twice changes nothing.
///
/// # Errors
/// A quantity that cannot be read, or a value that does not fit its type.
pub fn normalise(kind: Kind, mut value: Value) -> Result<Value, ConvertError> {
    quantities::canonicalise(kind, &mut value)?;
    if let Some(decoder) = kind.decoder() {
        let (object, issues) = decoder(&value);
        value = object.ok_or_else(|| misfit(issues))?;
    }
    defaults::apply(kind, &mut value);
    Ok(value)
}

/// Reads a manifest of a built-in kind, defaults filled in. Fields that the kind does not have are dropped: who wants
/// them refused checks with `strict` before.
///
/// # Errors
/// What [`normalise`] refuses, a `resourceVersion` that is no number, and custom kinds (see [`custom_from_json`]).
pub fn from_json(kind: Kind, value: Value) -> Result<Object, ConvertError> {
    if !value.is_object() {
        return Err(ConvertError::new("", "a manifest is a mapping"));
    }
    record(kind, normalise(kind, value)?)
}

/// Reads an object of a built-in kind as it stands, strictly and without defaults: what never passed an API server.
///
/// # Errors
/// Every unknown field, then what [`from_json`] refuses.
pub fn from_json_as_given(kind: Kind, value: Value) -> Result<Object, Vec<located::Issue>> {
    let (value, unknown) = decoded(kind, value)?;
    if !unknown.is_empty() {
        return Err(unknown);
    }
    record(kind, value).map_err(|error| vec![error.issue()])
}

/// The object as its kind's type has it, quantities in their canonical form, and the fields that the type does not have.
///
/// # Errors
/// Every unknown field, then the first misfit.
pub(crate) fn decoded(kind: Kind, mut value: Value) -> Result<(Value, Vec<located::Issue>), Vec<located::Issue>> {
    if !value.is_object() {
        return Err(vec![located::Issue::whole("expected a mapping")]);
    }
    quantities::canonicalise(kind, &mut value).map_err(|error| vec![error.issue()])?;
    let Some(decoder) = kind.decoder() else { return Ok((value, Vec::new())) };
    let (object, issues) = decoder(&value);
    match object {
        Some(object) => Ok((object, issues)),
        None => Err(issues),
    }
}

/// Reads what [`decoded`] gave, defaults filled in.
///
/// # Errors
/// As [`from_json`].
pub(crate) fn from_decoded(kind: Kind, mut value: Value) -> Result<Object, ConvertError> {
    defaults::apply(kind, &mut value);
    record(kind, value)
}

fn record(kind: Kind, value: Value) -> Result<Object, ConvertError> {
    match kind {
        Kind::Pod => pod::read(value),
        Kind::Node => node::read(value),
        Kind::Namespace => namespace::read(value),
        Kind::Deployment => deployment::read(value),
        Kind::ReplicaSet => replicaset::read(value),
        Kind::Event => event::read(value),
        Kind::EventsV1Event => event::read(event::from_events_v1(value)),
        Kind::Lease => lease::read(value),
        _ => match untyped::info_of(kind) {
            Some(info) => untyped::read(kind, info, value),
            None => Err(ConvertError::new("kind", "the description of a custom kind is needed to read its objects")),
        },
    }
}

/// Reads an object of a custom kind; its schema has been applied before.
///
/// # Errors
/// `metadata` that does not fit its type.
pub fn custom_from_json(kind: Kind, info: Arc<KindInfo>, value: Value) -> Result<Object, ConvertError> {
    untyped::read(kind, info, value)
}

/// The whole manifest: `apiVersion`, `kind`, `metadata` and the fields of the kind, without nulls.
pub fn to_json(object: &Object) -> Value {
    match object {
        Object::Pod(pod) => manifest(Kind::Pod, &pod.meta, pod::write(pod)),
        Object::Node(node) => manifest(Kind::Node, &node.meta, node::write(&node.body)),
        Object::Namespace(namespace) => manifest(Kind::Namespace, &namespace.meta, namespace::write(&namespace.body)),
        Object::Deployment(deployment) => {
            manifest(Kind::Deployment, &deployment.meta, deployment::write(&deployment.body))
        }
        Object::ReplicaSet(set) => manifest(Kind::ReplicaSet, &set.meta, replicaset::write(&set.body)),
        Object::Event(event) => manifest(Kind::Event, &event.meta, event::write_fields(&event.body)),
        Object::Lease(lease) => manifest(Kind::Lease, &lease.meta, lease::write(&lease.body)),
        Object::Untyped(object) => {
            assemble(object.body.info.api_version(), &object.body.info.kind, &object.meta, object.body.fields.clone())
        }
    }
}

fn manifest(kind: Kind, meta: &Meta, fields: Map<String, Value>) -> Value {
    let name = kind.info().map_or("", |info| info.kind.as_ref());
    assemble(kind.api_version().unwrap_or_default(), name, meta, fields)
}

fn assemble(api_version: String, kind: &str, meta: &Meta, mut fields: Map<String, Value>) -> Value {
    fields.insert("apiVersion".to_owned(), Value::String(api_version));
    fields.insert("kind".to_owned(), Value::String(kind.to_owned()));
    fields.insert("metadata".to_owned(), to_value(&meta_to(meta)));
    Value::Object(fields)
}

/// The one way from JSON to a Kubernetes type.
pub(super) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, ConvertError> {
    let (object, issues) = located::read::<T>(&value, located::Rules::Kubernetes);
    object.ok_or_else(|| misfit(issues))
}

/// The one way from a Kubernetes type to JSON.
pub fn to_value<T: Serialize>(object: &T) -> Value {
    match serde_json::to_value(object) {
        Ok(value) => value,
        Err(error) => panic!("a Kubernetes type has texts as keys and times that can be printed: {error}"),
    }
}

/// The misfit is the last issue; unknown fields come before it.
fn misfit(mut issues: Vec<located::Issue>) -> ConvertError {
    match issues.pop() {
        Some(issue) => ConvertError::new(issue.path.to_string(), issue.message),
        None => ConvertError::new("", "cannot be decoded"),
    }
}

/// Fields of a manifest by name; parts that came out as `{}` are left out.
fn fields<const N: usize>(parts: [(&str, Value); N]) -> Map<String, Value> {
    parts
        .into_iter()
        .filter(|(_, value)| value.as_object().is_none_or(|map| !map.is_empty()))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn text(name: &Name) -> Option<String> {
    (!name.is_empty()).then(|| name.to_string())
}

fn name(text: Option<String>) -> Name {
    text.map(Name::from).unwrap_or_default()
}

fn nonzero<T: Default + PartialEq>(number: T) -> Option<T> {
    (number != T::default()).then_some(number)
}
