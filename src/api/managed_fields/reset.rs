//! Fields that nobody owns: what the server writes itself, and what a resource or subresource puts back.
//!
//! Follows apimachinery `pkg/util/managedfields/internal/stripmeta.go` and `GetResetFields` of the strategies under
//! `pkg/registry`.

use super::set::FieldSet;
use crate::api::Kind;

/// What a request through a resource or subresource of a built-in kind cannot own.
pub(super) fn built_in(kind: Kind, subresource: &str) -> FieldSet {
    let paths: &[&[&str]] = match (kind, subresource) {
        (Kind::Pod, "status") => &[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
        (Kind::Deployment, "status") => &[&["spec"], &["metadata", "labels"]],
        (
            Kind::CustomResourceDefinition
            | Kind::VolumeAttachment
            | Kind::FlowSchema
            | Kind::PriorityLevelConfiguration,
            "status",
        ) => &[&["spec"], &["metadata"]],
        (Kind::CertificateSigningRequest, "approval") => &[&["spec"], &["status", "certificate"]],
        (_, "status") => &[&["spec"]],
        // An exec, an eviction and the like change no field of the object; a scale changes only the number.
        (kind, _) if has_status(kind) => &[&["status"]],
        _ => &[],
    };
    FieldSet::of_names(paths)
}

/// The same of a custom kind, with the status subresource or without.
pub(super) fn custom(status: bool, subresource: &str) -> FieldSet {
    match (status, subresource) {
        (true, "status") => FieldSet::of_names(&[&["spec"]]),
        (true, _) => FieldSet::of_names(&[&["status"]]),
        (false, _) => FieldSet::new(),
    }
}

/// Whether a kind has a status that a subresource writes.
pub(super) fn has_status(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::Node
            | Kind::Namespace
            | Kind::Service
            | Kind::PersistentVolume
            | Kind::PersistentVolumeClaim
            | Kind::ReplicationController
            | Kind::ResourceQuota
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob
            | Kind::HorizontalPodAutoscaler
            | Kind::HorizontalPodAutoscalerV1
            | Kind::PodDisruptionBudget
            | Kind::Ingress
            | Kind::ServiceCIDR
            | Kind::VolumeAttachment
            | Kind::CustomResourceDefinition
            | Kind::APIService
            | Kind::CertificateSigningRequest
            | Kind::PodCertificateRequest
            | Kind::ResourceClaim
            | Kind::FlowSchema
            | Kind::PriorityLevelConfiguration
            | Kind::ValidatingAdmissionPolicy
            | Kind::DeviceTaintRule
    )
}

/// What the server writes itself.
pub(super) fn stripped() -> FieldSet {
    FieldSet::of_names(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}
