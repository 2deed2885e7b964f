//! What Go writes of an object even where it is empty: structs that are no pointers, and lists without `omitempty`.
//!
//! Upstream compares objects as Go writes them, so nobody comes to own such a parent by filling it: a new Deployment's
//! creator owns `f:type` of `f:strategy`, not `f:strategy` itself. Follows the types in `staging/src/k8s.io/api`.
//! Scalars without `omitempty` are not needed: they are owned by whoever sets them, either way. Left out: fields of
//! kinds that only few write by hand (CRD names, APIService, admission policies).

use serde_json::{Map, Value};

use super::reset::has_status;
use crate::api::Kind;

type Fields = Map<String, Value>;

/// The object as Go writes it.
pub(super) fn filled(kind: Kind, value: &Value) -> Value {
    let mut value = value.clone();
    let Some(object) = value.as_object_mut() else { return value };
    within(object, &["metadata"], |_| {});
    let (spec, status): (&[&str], &[&str]) = match kind {
        Kind::Deployment => (&["strategy"], &[]),
        Kind::StatefulSet | Kind::DaemonSet => (&["updateStrategy"], &[]),
        Kind::PersistentVolumeClaim => (&["resources"], &[]),
        Kind::Service | Kind::Ingress => (&[], &["loadBalancer"]),
        Kind::Node => (&[], &["daemonEndpoints", "nodeInfo"]),
        Kind::NetworkPolicy => (&["podSelector"], &[]),
        Kind::HorizontalPodAutoscaler | Kind::HorizontalPodAutoscalerV1 => (&["scaleTargetRef"], &[]),
        Kind::VolumeAttachment => (&["source"], &[]),
        Kind::CustomResourceDefinition => (&["names"], &["acceptedNames"]),
        _ => (&[], &[]),
    };
    if has_spec(kind) {
        within(object, &["spec"], |object| spec.iter().for_each(|name| within(object, &[*name], |_| {})));
    }
    if has_status(kind) {
        within(object, &["status"], |object| status.iter().for_each(|name| within(object, &[*name], |_| {})));
    }
    match kind {
        Kind::Pod => within(object, &["spec"], pod_spec),
        Kind::PodTemplate => within(object, &["template"], template),
        Kind::ReplicationController => within_present(object, &["spec", "template"], template),
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => {
            within(object, &["spec"], |spec| null(spec, "selector"));
            within(object, &["spec", "template"], template);
        }
        Kind::Job => within(object, &["spec", "template"], template),
        Kind::CronJob => {
            within(object, &["spec", "jobTemplate", "metadata"], |_| {});
            within(object, &["spec", "jobTemplate", "spec", "template"], template);
        }
        Kind::Role | Kind::ClusterRole => null(object, "rules"),
        Kind::RoleBinding | Kind::ClusterRoleBinding => within(object, &["roleRef"], |_| {}),
        Kind::EndpointSlice => {
            null(object, "endpoints");
            null(object, "ports");
        }
        Kind::Event => ["involvedObject", "source"].iter().for_each(|name| within(object, &[*name], |_| {})),
        _ => {}
    }
    value
}

fn has_spec(kind: Kind) -> bool {
    has_status(kind)
        || matches!(
            kind,
            Kind::Lease
                | Kind::NetworkPolicy
                | Kind::LimitRange
                | Kind::IngressClass
                | Kind::CSIDriver
                | Kind::CSINode
                | Kind::IPAddress
                | Kind::DeviceClass
                | Kind::ResourceSlice
                | Kind::ResourceClaimTemplate
                | Kind::MutatingAdmissionPolicy
                | Kind::MutatingAdmissionPolicyBinding
                | Kind::ValidatingAdmissionPolicyBinding
                | Kind::ClusterTrustBundle
        )
}

fn template(template: &mut Fields) {
    within(template, &["metadata"], |_| {});
    within(template, &["spec"], pod_spec);
}

fn pod_spec(spec: &mut Fields) {
    null(spec, "containers");
    for name in ["containers", "initContainers", "ephemeralContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(name) else { continue };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            within(container, &["resources"], |_| {});
        }
    }
}

fn null(fields: &mut Fields, name: &str) {
    fields.entry(name).or_insert(Value::Null);
}

/// Changes the object at a path, which is made where it is absent.
fn within(fields: &mut Fields, path: &[&str], change: impl FnOnce(&mut Fields)) {
    let [first, rest @ ..] = path else { return change(fields) };
    let child = fields.entry(*first).or_insert(Value::Null);
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    if let Value::Object(child) = child {
        within(child, rest, change);
    }
}

/// Changes the object at a path, where it is there.
fn within_present(fields: &mut Fields, path: &[&str], change: impl FnOnce(&mut Fields)) {
    let [first, rest @ ..] = path else { return change(fields) };
    if let Some(Value::Object(child)) = fields.get_mut(*first) {
        within_present(child, rest, change);
    }
}
