//! The `scale` subresource, of every built-in kind that has it. Upstream: the `ScaleREST` of `pkg/registry/apps/*`.
//! Custom kinds say in their CRD where the numbers stand; one without a CRD is taken to have `spec.replicas`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Map, Value, json};
use std::sync::Arc;

use super::decode;
use crate::api::definition::FieldPath;
use crate::api::{Kind, Object, Selector, Untyped};

/// What `scale` shows of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scale {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.selector`, in the form of query strings.
    pub selector: String,
}

/// The scale of an object; none for kinds that cannot be scaled.
pub fn scale_of(object: &Object) -> Option<Scale> {
    match object {
        Object::Deployment(deployment) => Some(Scale {
            replicas: deployment.body.replicas,
            status_replicas: deployment.body.status.replicas,
            selector: deployment.body.selector.parsed.to_string(),
        }),
        Object::ReplicaSet(set) => Some(Scale {
            replicas: set.body.replicas,
            status_replicas: set.body.status.replicas,
            selector: set.body.selector.parsed.to_string(),
        }),
        Object::Untyped(untyped) => match &untyped.body.info.definition {
            Some(_) => scale_of_custom(&untyped.body),
            None => scale_of_fields(untyped.meta.id.kind, &untyped.body.fields),
        },
        Object::Pod(_) | Object::Node(_) | Object::Namespace(_) | Object::Event(_) | Object::Lease(_) => None,
    }
}

/// The object with another `spec.replicas`; none for kinds that cannot be scaled.
pub fn with_replicas(object: &Object, replicas: i32) -> Option<Object> {
    let mut object = object.clone();
    match &mut object {
        Object::Deployment(deployment) => Arc::make_mut(deployment).body.replicas = replicas,
        Object::ReplicaSet(set) => Arc::make_mut(set).body.replicas = replicas,
        Object::Untyped(untyped) => {
            if untyped.body.info.definition.is_some() {
                let paths = untyped.body.info.described()?.scale.clone()?;
                paths.spec_replicas.set(&mut Arc::make_mut(untyped).body.fields, replicas.into());
                return Some(object);
            }
            if !is_scalable(untyped.meta.id.kind) {
                return None;
            }
            let spec = Arc::make_mut(untyped).body.fields.entry("spec").or_insert_with(|| Value::Object(Map::new()));
            spec.as_object_mut()?.insert("replicas".to_owned(), replicas.into());
        }
        Object::Pod(_) | Object::Node(_) | Object::Namespace(_) | Object::Event(_) | Object::Lease(_) => return None,
    }
    Some(object)
}

/// `autoscaling/v1` Scale of an object; none where it cannot be scaled.
pub fn scale_json(object: &Object) -> Option<Value> {
    let scale = scale_of(object)?;
    let meta = super::to_json(object)["metadata"].take();
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut spec = Map::new();
    if scale.replicas != 0 {
        spec.insert("replicas".to_owned(), json!(scale.replicas));
    }
    let mut status = json!({"replicas": scale.status_replicas});
    if !scale.selector.is_empty() {
        status["selector"] = json!(scale.selector);
    }
    Some(json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}))
}

/// Upstream: `scaleFromCustomResource`. What is missing is 0.
fn scale_of_custom(custom: &Untyped) -> Option<Scale> {
    let paths = custom.info.described()?.scale.as_ref()?;
    let number = |path: &FieldPath| path.get(&custom.fields).and_then(Value::as_i64).unwrap_or(0) as i32;
    let selector = paths.label_selector.as_ref().and_then(|path| path.get(&custom.fields)?.as_str());
    Some(Scale {
        replicas: number(&paths.spec_replicas),
        status_replicas: number(&paths.status_replicas),
        selector: selector.unwrap_or_default().to_owned(),
    })
}

fn is_scalable(kind: Kind) -> bool {
    matches!(kind, Kind::StatefulSet | Kind::ReplicationController | Kind::Custom(_))
}

fn scale_of_fields(kind: Kind, fields: &Map<String, Value>) -> Option<Scale> {
    if !is_scalable(kind) {
        return None;
    }
    let spec = fields.get("spec")?;
    let written: LabelSelector = if matches!(kind, Kind::Custom(_)) {
        LabelSelector::default()
    } else if kind == Kind::ReplicationController {
        LabelSelector {
            match_labels: spec.get("selector").and_then(|selector| decode(selector.clone()).ok()),
            ..LabelSelector::default()
        }
    } else {
        decode(spec.get("selector")?.clone()).ok()?
    };
    let number = |part: Option<&Value>, default: i64| {
        part.and_then(|part| part.get("replicas")).and_then(Value::as_i64).unwrap_or(default) as i32
    };
    let is_custom = matches!(kind, Kind::Custom(_));
    let selector = Selector::from_label_selector(Some(&written)).ok()?.to_string();
    Some(Scale {
        replicas: number(Some(spec), i64::from(!is_custom)),
        status_replicas: number(fields.get("status"), 0),
        selector: if is_custom { String::new() } else { selector },
    })
}
