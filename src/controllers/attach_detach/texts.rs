//! What pods are told. Upstream: `reportMultiAttachError`, `operation_generator.go` (`GenerateAttachVolumeFunc`).

use std::sync::Arc;

use super::desired::Users;
use crate::api::disk::Disk;
use crate::api::{EventType, Name, Obj, Pod};
use crate::client::Plan;

/// Tells all of these pods.
pub(super) fn tell(pods: &[Arc<Obj<Pod>>], kind: EventType, reason: &'static str, message: &Name, plan: &mut Plan) {
    for pod in pods {
        plan.record(pod.meta.reference(), kind, reason, message.clone());
    }
}

/// Upstream's text ends with a blank, too.
pub(super) fn succeeded(disk: &Disk) -> Name {
    ecow::eco_format!("AttachVolume.Attach succeeded for volume {:?} ", disk.volume)
}

/// The attacher has not answered.
pub(super) fn timed_out(disk: &Disk) -> Name {
    ecow::eco_format!(
        "timed out waiting for external-attacher of {} CSI driver to attach volume {}",
        disk.driver,
        disk.handle
    )
}

/// A disk that only one node may have is attached to others. A pod is told the names of pods of its own namespace alone.
pub(super) fn tell_multi_attach(
    disk: &Disk,
    pods: &[Arc<Obj<Pod>>],
    users: &Users,
    elsewhere: &[Name],
    plan: &mut Plan,
) {
    let others: Vec<&Arc<Obj<Pod>>> = elsewhere.iter().filter_map(|node| users.get(node)).flatten().collect();
    for pod in pods {
        let local: Vec<&str> = others
            .iter()
            .filter(|other| other.meta.namespace == pod.meta.namespace)
            .map(|other| other.meta.name.as_str())
            .collect();
        let foreign = others.len() - local.len();
        let why = match (local.as_slice(), foreign) {
            ([], 0) => "Volume is already exclusively attached to one node and can't be attached to another".into(),
            ([], foreign) => ecow::eco_format!("Volume is already used by {foreign} pod(s) in different namespaces"),
            (local, 0) => ecow::eco_format!("Volume is already used by pod(s) {}", local.join(", ")),
            (local, foreign) => ecow::eco_format!(
                "Volume is already used by pod(s) {} and {foreign} pod(s) in different namespaces",
                local.join(", ")
            ),
        };
        let message = ecow::eco_format!("Multi-Attach error for volume {:?} {why}", disk.volume);
        plan.record(pod.meta.reference(), EventType::Warning, "FailedAttachVolume", message);
    }
}
