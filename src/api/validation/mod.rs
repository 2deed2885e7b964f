//! What the API server refuses, in its words: one list of mistakes an object, in upstream's order.
//!
//! Judges manifests that `convert::normalise` has gone over. Objects that parts make natively do not pass here. Upstream:
//! `pkg/apis/*/validation` at 1.34. Kinds that controllers here work with are judged by their fields as far as users get
//! them wrong; all others by their metadata alone. Left out: security contexts, Windows, device claims, resize, ephemeral
//! containers, cloud volumes, most of secrets' types, declarative validation.

use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, coordination::v1 as coordination, core::v1,
    networking::v1 as networking, policy::v1 as policy, scheduling::v1 as scheduling,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Kind;

mod container;
mod definitions;
mod field;
mod jobs;
mod metadata;
mod others;
mod placement;
mod pod;
mod pod_update;
mod quantities;
mod selectors;
mod service;
mod service_addresses;
mod storage;
#[cfg(test)]
mod tests;
mod updates;
mod volumes;
mod webhooks;
mod workloads;

use field::Errors;
pub use field::{FieldError, FieldErrorKind, invalid_message, invalid_text};

/// The mistakes of a manifest of a kind that is to be created; empty where it is valid. Its `metadata.namespace` must
/// be set before, as the server sets it from the URL.
pub fn validate_create(kind: Kind, value: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    // The strategy of budgets leaves metadata to the checks that follow it, which run only where it found nothing.
    let body_first = kind == Kind::PodDisruptionBudget;
    if body_first {
        body(kind, value, &mut errors);
    }
    if errors.0.is_empty() {
        metadata::create(kind, value, &mut errors);
    }
    if !body_first {
        body(kind, value, &mut errors);
    }
    errors.0
}

/// The mistakes of a manifest that is to replace another.
pub fn validate_update(kind: Kind, new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::update(new, old, &mut errors);
    if updates::before_body(kind, new, old, &mut errors) {
        body(kind, new, &mut errors);
        updates::after_body(kind, new, old, &mut errors);
    }
    errors.0
}

/// The mistakes in the cluster IPs and families of a Service.
pub fn service_addresses(spec: &v1::ServiceSpec) -> Vec<FieldError> {
    let mut errors = Errors::default();
    service_addresses::addresses(spec, &mut errors);
    errors.0
}

/// Judges everything but the metadata.
fn body(kind: Kind, value: &Value, errors: &mut Errors) {
    match kind {
        Kind::Pod => typed(value, |pod: v1::Pod| pod::pod(&pod, errors)),
        Kind::Node => typed(value, |node: v1::Node| others::node(&node, errors)),
        Kind::Deployment => typed(value, |object: apps::Deployment| workloads::deployment(&object, errors)),
        Kind::ReplicaSet => typed(value, |object: apps::ReplicaSet| workloads::replica_set(&object, errors)),
        Kind::ReplicationController => {
            typed(value, |object: v1::ReplicationController| workloads::replication_controller(&object, errors));
        }
        Kind::StatefulSet => typed(value, |object: apps::StatefulSet| workloads::stateful_set(&object, errors)),
        Kind::DaemonSet => typed(value, |object: apps::DaemonSet| workloads::daemon_set(&object, errors)),
        Kind::Job => typed(value, |job: batch::Job| jobs::job(&job, errors)),
        Kind::CronJob => typed(value, |job: batch::CronJob| jobs::cron_job(&job, errors)),
        Kind::Service => typed(value, |object: v1::Service| service::service(&object, errors)),
        Kind::Ingress => typed(value, |object: networking::Ingress| service::ingress(&object, errors)),
        Kind::ConfigMap => typed(value, |object: v1::ConfigMap| others::config_map(&object, errors)),
        Kind::Secret => typed(value, |object: v1::Secret| others::secret(&object, errors)),
        Kind::PersistentVolumeClaim => {
            typed(value, |claim: v1::PersistentVolumeClaim| storage::claim(&claim, errors));
        }
        Kind::PersistentVolume => typed(value, |volume: v1::PersistentVolume| storage::volume(&volume, errors)),
        Kind::HorizontalPodAutoscaler => {
            typed(value, |object: autoscaling::HorizontalPodAutoscaler| others::autoscaler(&object, errors));
        }
        Kind::PodDisruptionBudget => {
            typed(value, |object: policy::PodDisruptionBudget| others::disruption_budget(&object, errors));
        }
        Kind::PriorityClass => typed(value, |class: scheduling::PriorityClass| others::priority_class(&class, errors)),
        Kind::Lease => typed(value, |lease: coordination::Lease| others::lease(&lease, errors)),
        Kind::Event => typed(value, |event: v1::Event| others::event(&event, errors)),
        Kind::CustomResourceDefinition => definitions::definition(value, errors),
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => {
            webhooks::configuration(value, errors);
        }
        // By their metadata alone.
        _ => {}
    }
}

/// Judges the typed form; what does not fit its type is refused by `convert`.
fn typed<T: DeserializeOwned>(value: &Value, judge: impl FnOnce(T)) {
    if let Ok(object) = super::convert::decode(value.clone()) {
        judge(object);
    }
}

/// JSON of a part of an object, to be shown in a message.
fn shown<T: serde::Serialize>(part: &T) -> Value {
    super::convert::to_value(part)
}
