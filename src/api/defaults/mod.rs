//! Server-side defaulting: what the API server fills into an object whenever it decodes one, and what it prepares when
//! one is created.
//!
//! Pure functions over JSON, one a kind, so that kinds without a record are served as well. Values that are there are
//! never changed. Upstream: `pkg/apis/*/v*/defaults.go` at 1.34, and the strategies' `PrepareForCreate` under
//! `pkg/registry` for [`prepare_for_create`]. Left out: defaults of alpha gates, pod-level resources, rbd, iscsi and
//! ScaleIO volumes, priority levels; what the API server gives to Services (`store`); what
//! admission plugins do, except the protection finalizers of volumes and claims.

use serde_json::{Map, Value};

use super::Kind;

mod create;
mod others;
mod pod;
mod service;
mod storage;
#[cfg(test)]
mod tests;
mod workloads;

pub use create::{prepare_for_create, qos_class};

type Fields = Map<String, Value>;

/// Fills in the defaults of a kind. Doing it twice changes nothing.
pub fn apply(kind: Kind, value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    match kind {
        Kind::Pod => pod::pod(object),
        Kind::PodTemplate => within(object, "template", pod::template),
        Kind::ReplicationController => workloads::replication_controller(object),
        Kind::Deployment => workloads::deployment(object),
        Kind::ReplicaSet => workloads::replica_set(object),
        Kind::StatefulSet => workloads::stateful_set(object),
        Kind::DaemonSet => workloads::daemon_set(object),
        Kind::Job => workloads::job(object),
        Kind::CronJob => workloads::cron_job(object),
        Kind::Service => service::service(object),
        Kind::Endpoints => service::endpoints(object),
        Kind::EndpointSlice => service::endpoint_slice(object),
        Kind::Ingress | Kind::IngressClass => service::ingress_class(object),
        Kind::NetworkPolicy => service::network_policy(object),
        Kind::PersistentVolume => storage::persistent_volume(object),
        Kind::PersistentVolumeClaim => storage::claim(object),
        Kind::StorageClass => storage::storage_class(object),
        Kind::CSIDriver => storage::csi_driver(object),
        Kind::Namespace => others::namespace(object),
        Kind::Node => others::node(object),
        Kind::Secret => others::secret(object),
        Kind::LimitRange => others::limit_range(object),
        Kind::PriorityClass => default(object, "preemptionPolicy", "PreemptLowerPriority"),
        Kind::HorizontalPodAutoscaler => others::autoscaler(object),
        Kind::HorizontalPodAutoscalerV1 => within(object, "spec", |spec| default(spec, "minReplicas", 1)),
        Kind::RoleBinding | Kind::ClusterRoleBinding => others::role_binding(object),
        Kind::CustomResourceDefinition => others::custom_resource_definition(object),
        Kind::ValidatingWebhookConfiguration => others::webhooks(object, false),
        Kind::MutatingWebhookConfiguration => others::webhooks(object, true),
        Kind::APIService => within(object, "spec", |spec| {
            within(spec, "service", |service| default(service, "port", 443));
        }),
        Kind::FlowSchema => within(object, "spec", |spec| default(spec, "matchingPrecedence", 1000)),
        // The rest has no defaults of its own.
        _ => {}
    }
}

/// Sets a field that is absent or null.
fn default(fields: &mut Fields, key: &str, value: impl Into<Value>) {
    if fields.get(key).is_none_or(Value::is_null) {
        fields.insert(key.to_owned(), value.into());
    }
}

/// Sets a field that is absent, null, or an empty text: one whose Go type is a plain string.
fn default_text(fields: &mut Fields, key: &str, value: &str) {
    if fields.get(key).is_none_or(|found| found.is_null() || found.as_str() == Some("")) {
        fields.insert(key.to_owned(), Value::from(value));
    }
}

/// Changes a field that is a mapping, where it is there.
fn within(fields: &mut Fields, key: &str, change: impl FnOnce(&mut Fields)) {
    if let Some(Value::Object(child)) = fields.get_mut(key) {
        change(child);
    }
}

/// Changes a field that is a mapping, making an empty one where there is none.
fn within_new(fields: &mut Fields, key: &str, change: impl FnOnce(&mut Fields)) {
    default(fields, key, Value::Object(Map::new()));
    within(fields, key, change);
}

/// Changes every mapping of a list.
fn each(fields: &mut Fields, key: &str, change: impl Fn(&mut Fields)) {
    if let Some(Value::Array(items)) = fields.get_mut(key) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(change);
    }
}

/// Whether a field is there and not null.
fn has(fields: &Fields, key: &str) -> bool {
    fields.get(key).is_some_and(|value| !value.is_null())
}

fn text<'a>(fields: &'a Fields, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Copies the entries of one mapping into another where they are missing there.
fn copy_missing(fields: &mut Fields, from: &str, to: &str) {
    let Some(source) = fields.get(from).and_then(Value::as_object).cloned() else { return };
    if source.is_empty() {
        return;
    }
    within_new(fields, to, |target| {
        for (key, value) in source {
            target.entry(key).or_insert(value);
        }
    });
}
