//! Pods: the spec shared, the node's name beside it, the status in its small form.

use k8s_openapi::api::core::v1;
use serde_json::{Map, Value};

use super::{ConvertError, decode, fields, meta_from, name, pod_status, to_value};
use crate::api::{Kind, Obj, Object, Pod, PodSpec};

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let full: v1::Pod = decode(value)?;
    let meta = meta_from(Kind::Pod, full.metadata)?;
    let mut spec = full.spec.unwrap_or_default();
    let node_name = name(spec.node_name.take());
    let spec = PodSpec::new(spec);
    let status = pod_status::read(meta.uid, &spec, full.status.unwrap_or_default());
    Ok(Obj { meta, body: Pod { spec, node_name, status } }.into_object())
}

pub(super) fn write(pod: &Obj<Pod>) -> Map<String, Value> {
    // The spec is written as it stands: cloning the whole type for one field would double the cost of a dump.
    let mut spec = to_value(&pod.body.spec.full);
    if !pod.body.node_name.is_empty()
        && let Value::Object(spec) = &mut spec
    {
        spec.insert("nodeName".to_owned(), Value::from(pod.body.node_name.as_str()));
    }
    let status = pod_status::write(pod.meta.uid, &pod.body.spec, &pod.body.status);
    fields([("spec", spec), ("status", to_value(&status))])
}
