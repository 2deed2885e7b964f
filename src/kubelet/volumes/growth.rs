//! A volume has been made larger: its file system follows, when a sync of its pod finds it or when it is mounted.
//! Upstream: `operation_generator.go` (`GenerateExpandInUseVolumeFunc`, `nodeExpandVolume`), `resize_util.go`.
//!
//! A pod is synced every 60 to 90 s; when a sync comes after a change is drawn. Left out: resizes that fail.

use serde_json::{Value, json};

use super::super::Kubelet;
use super::super::settings::VOLUME_GROW;
use super::super::token::{Ask, Timer};
use super::claims::{State, Stored};
use super::text;
use crate::api::disk::Disk;
use crate::api::{EventType, Kind, Name, Quantity};
use crate::client::{FORGET, Outbox};
use crate::event::{Patch, PatchKind, Request, Subresource, Target};
use crate::kernel::{Span, object_hash};
use std::sync::Arc;

/// How often a pod is synced, at most. Upstream: `syncFrequency` with a jitter of half of it.
const SYNC_MAX: Span = Span::from_secs(90);
/// What a claim's status says while its file system is to grow.
const PENDING: &str = "NodeResizePending";

/// Whether a claim waits for the node to make its file system larger.
fn is_pending(claim: &Stored) -> bool {
    text(claim, "status", "/allocatedResourceStatuses/storage") == PENDING
}

fn given(claim: &Stored) -> Quantity {
    text(claim, "status", "/capacity/storage").parse().unwrap_or_else(|_| Quantity::zero())
}

impl Kubelet {
    /// The claim of a mounted volume has changed: whether a sync is to find that it has grown.
    pub(super) fn notice_growth(&mut self, at: usize, number: u16, claim: &Stored, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, path) = (record.serial, object_hash(&record.pod.meta.key()));
        let Some(volume) = self.claims.volume(serial, number) else { return };
        if is_pending(claim) && !std::mem::replace(&mut volume.grows, true) {
            let late = out.chance.draw(VOLUME_GROW, path, u64::from(number)).span_between(Span::ZERO, SYNC_MAX);
            out.timer_after(late, Timer::Grow(serial, number).token());
        }
    }

    /// A volume that is mounted may be larger than its file system.
    pub(super) fn grow_where_smaller(&mut self, at: usize, number: u16, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, namespace) = (record.serial, record.pod.meta.namespace.clone());
        let Some(claim) = self.claims.volume(serial, number).map(|volume| volume.claim.clone()) else { return };
        if self.claims.get(&namespace, &claim).is_some_and(is_pending) {
            if let Some(volume) = self.claims.volume(serial, number) {
                volume.grows = true;
            }
            self.grow_due(serial, number, out);
        }
    }

    /// A sync asks how large a volume is now.
    pub(in crate::kubelet) fn grow_due(&mut self, serial: u32, number: u16, out: &mut Outbox) {
        let Some(volume) = self.claims.volume(serial, number) else { return };
        if volume.grows && volume.state == State::Mounted {
            let target = Target::Name(Kind::PersistentVolume, Name::new(), volume.volume.clone());
            out.send(&mut self.api, Ask::Volume(serial, number).token(), Request::Get(target));
        }
    }

    /// The API server has told how large it is.
    pub(super) fn grow(&mut self, at: usize, number: u16, found: Option<&Stored>, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, namespace, pod) = (record.serial, record.pod.meta.namespace.clone(), record.pod.meta.reference());
        let Some(volume) = self.claims.volume(serial, number) else { return };
        let Some(disk) = found.and_then(|found| Disk::of(found)) else {
            // The next sync asks again.
            return out.timer_after(SYNC_MAX, Timer::Grow(serial, number).token());
        };
        volume.grows = false;
        let message = ecow::eco_format!(
            "MountVolume.NodeExpandVolume succeeded for volume {:?} {}",
            volume.volume,
            self.fixed.name
        );
        let size = disk.size.clone();
        volume.disk = Some(disk);
        let claim = volume.claim.clone();
        let Some(claim) = self.claims.get(&namespace, &claim).cloned() else { return };
        if !is_pending(&claim) || size <= given(&claim) {
            return;
        }
        let patch = Patch { kind: PatchKind::Merge, body: json!({"status": finished(&claim, size)}) };
        let request = Request::Patch {
            target: Target::Id(claim.meta.id),
            subresource: Subresource::Status,
            patch: Arc::new(patch),
        };
        out.send(&mut self.api, FORGET, request);
        self.say(out, pod, EventType::Normal, "FileSystemResizeSuccessful", message.clone());
        self.say(out, claim.meta.reference(), EventType::Normal, "FileSystemResizeSuccessful", message);
    }
}

/// The status of a claim whose file system has grown. Upstream: `MarkFSResizeFinished`.
fn finished(claim: &Stored, size: Quantity) -> Value {
    let status = claim.body.fields.get("status");
    let conditions = status.and_then(|status| status.get("conditions")).and_then(Value::as_array);
    let is_about_size = |condition: &&Value| {
        let kind = condition.get("type").and_then(Value::as_str).unwrap_or_default();
        ["Resizing", "FileSystemResizePending"].contains(&kind)
    };
    let kept: Vec<Value> =
        conditions.into_iter().flatten().filter(|condition| !is_about_size(condition)).cloned().collect();
    let conditions = if kept.is_empty() { Value::Null } else { Value::Array(kept) };
    json!({"capacity": {"storage": size.to_string()}, "conditions": conditions, "allocatedResourceStatuses": null})
}
