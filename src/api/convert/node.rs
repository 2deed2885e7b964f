//! Nodes: spec and status stay what they are.

use k8s_openapi::api::core::v1;
use serde_json::{Map, Value};
use std::sync::Arc;

use super::{ConvertError, decode, fields, meta_from, to_value};
use crate::api::{Kind, Node, Obj, Object};

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let full: v1::Node = decode(value)?;
    let body =
        Node { spec: Arc::new(full.spec.unwrap_or_default()), status: Arc::new(full.status.unwrap_or_default()) };
    Ok(Obj { meta: meta_from(Kind::Node, full.metadata)?, body }.into_object())
}

pub(super) fn write(node: &Node) -> Map<String, Value> {
    fields([("spec", to_value(&*node.spec)), ("status", to_value(&*node.status))])
}
