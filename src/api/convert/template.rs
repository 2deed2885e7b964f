//! What workloads share: pod templates and label selectors.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::sync::Arc;

use super::metadata::{labels_from, labels_to};
use super::{name, text};
use crate::api::{Name, PodSpec, PodTemplate, Selector, WorkloadSelector};

/// A pod template of a kind that stays JSON, as its controller reads it.
pub fn pod_template(full: v1::PodTemplateSpec) -> Arc<PodTemplate> {
    read(full)
}

pub(super) fn read(full: v1::PodTemplateSpec) -> Arc<PodTemplate> {
    let metadata = full.metadata.unwrap_or_default();
    let mut spec = full.spec.unwrap_or_default();
    let node_name = name(spec.node_name.take());
    Arc::new(PodTemplate {
        labels: labels_from(metadata.labels),
        annotations: labels_from(metadata.annotations),
        finalizers: metadata.finalizers.unwrap_or_default().into_iter().map(Name::from).collect(),
        node_name,
        spec: PodSpec::new(spec),
    })
}

pub(super) fn write(template: &PodTemplate) -> v1::PodTemplateSpec {
    let finalizers: Vec<String> = template.finalizers.iter().map(Name::to_string).collect();
    let metadata = ObjectMeta {
        annotations: labels_to(&template.annotations),
        finalizers: (!finalizers.is_empty()).then_some(finalizers),
        labels: labels_to(&template.labels),
        ..ObjectMeta::default()
    };
    v1::PodTemplateSpec {
        metadata: (metadata != ObjectMeta::default()).then_some(metadata),
        spec: Some(v1::PodSpec { node_name: text(&template.node_name), ..template.spec.full.clone() }),
    }
}

/// One that does not parse selects nothing; validation refuses it with its path.
pub(super) fn read_selector(written: LabelSelector) -> Arc<WorkloadSelector> {
    let parsed = Selector::from_label_selector(Some(&written)).unwrap_or_else(|_| Selector::nothing());
    Arc::new(WorkloadSelector { written, parsed })
}
