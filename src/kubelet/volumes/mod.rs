//! Pods wait for the volumes of their claims: until the claim is bound, the disk attached and the volume mounted.
//! Upstream: `volumemanager` (`volume_manager.go`, `populator`, `reconciler`), `operation_generator.go`.
//!
//! ```text
//!  claim bound ─► PersistentVolume, CSIDriver ─┬─ disk to be attached ─► in use ─► attached ─► mounted
//!                                              └─ any other volume ──────────────────────────► mounted
//! ```
//!
//! A disk that has to be attached is first shown in `status.volumesInUse`, with the next status of the node; from then on
//! `status.volumesAttached` is looked at, after half a second and then twice as long each time, two minutes at most.
//! A pod's volumes are unmounted when it has ended, and only then is it deleted. Pods without claims cost nothing.
//!
//! Left out: what is mounted in several pods of a node at a time, devices apart from their mounts (raw blocks, too, are
//! 'mounted'), reconstruction of mounts that no pod is known for, SELinux, ownership of files (`fsGroup`).

mod claims;
mod growth;
mod trouble;

pub(in crate::kubelet) use claims::{Claims, FIRST_INFORMER};

use claims::{PodClaims, State, Stored};

use super::Kubelet;
use super::pod::{Life, Sandbox};
use super::settings::{MOUNT_WAIT, VOLUME_MOUNT, VOLUME_UNMOUNT};
use super::token::{Ask, Timer};
use crate::api::disk::{Disk, needs_attachment};
use crate::api::{EventType, Kind, Name, Object};
use crate::client::Outbox;
use crate::event::{ChangeKind, ErrorReason, Reply, Request, Target};
use crate::kernel::{Span, object_hash};

/// Upstream: `initialDurationBeforeRetry` and `maxDurationBeforeRetry` of `exponentialbackoff`.
const RETRY_FIRST: Span = Span::from_millis(500);
const RETRY_MAX: Span = Span::from_secs(122);
/// How long a sync waits for volumes. Upstream: `podAttachAndMountTimeout`.
const TIMEOUT: Span = Span::from_secs(123);
/// How long after a failed sync the next begins, at least; at most half as long again. Upstream: `backOffPeriod`.
const RESYNC_AFTER: Span = Span::from_secs(10);

/// How long a step waits that has failed so often.
fn delay(failures: u32) -> Span {
    (RETRY_FIRST * (1 << failures.min(8))).min(RETRY_MAX)
}

/// A text in a claim or a volume; empty where there is none.
fn text<'a>(object: &'a Stored, field: &str, path: &str) -> &'a str {
    object.body.fields.get(field).and_then(|value| value.pointer(path)?.as_str()).unwrap_or_default()
}

impl Kubelet {
    /// Notes the claims of a pod that has come to the node, and watches them.
    pub(super) fn note_claims(&mut self, at: usize, out: &mut Outbox) {
        if let Some(claims) = PodClaims::of(&self.pods[at].pod) {
            self.claims.pods.insert(self.pods[at].serial, claims);
            self.watch_claims(at, out);
        }
    }

    /// Watches the claims of a pod.
    pub(super) fn watch_claims(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let Some(claims) = self.claims.pods.get(&record.serial) else { return };
        let names: Vec<Name> = claims.volumes.iter().map(|volume| volume.claim.clone()).collect();
        for name in names {
            self.claims.watch(&record.pod.meta.namespace, &name, &mut self.api, out);
        }
    }

    /// Whether all claimed volumes of a pod are there; where not, the next is done for them.
    pub(super) fn has_claims(&mut self, at: usize, out: &mut Outbox) -> bool {
        let serial = self.pods[at].serial;
        let Some(claims) = self.claims.pods.get_mut(&serial) else { return true };
        if claims.are_mounted() {
            return true;
        }
        if claims.waits_until.is_none() {
            let until = out.now + TIMEOUT;
            claims.waits_until = Some(until);
            out.timer_at(until, Timer::ClaimWait(serial).token());
        }
        for number in 0..claims.volumes.len() as u16 {
            self.step(at, number, out);
        }
        self.claims.pods.get(&serial).is_none_or(PodClaims::are_mounted)
    }

    /// Does what can be done now for a volume of a pod.
    fn step(&mut self, at: usize, number: u16, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, namespace) = (record.serial, record.pod.meta.namespace.clone());
        let Some(volume) = self.claims.volume(serial, number) else { return };
        match volume.state {
            State::Unbound => {
                let name = volume.claim.clone();
                let Some(claim) = self.claims.get(&namespace, &name) else { return };
                if text(claim, "status", "/phase") == "Bound" && !claim.meta.is_terminating() {
                    let of: Name = text(claim, "spec", "/volumeName").into();
                    self.ask_for_volume(serial, number, of, out);
                }
            }
            State::AskAgain(due) if due <= out.now => {
                let of = volume.volume.clone();
                self.ask_for_volume(serial, number, of, out);
            }
            State::Detached(due) if due <= out.now => self.look_whether_attached(at, number, out),
            State::Failed(due) if due <= out.now => self.mount(at, number, out),
            State::Mounting(due) if due <= out.now => self.mount_done(at, number, out),
            State::Asked
            | State::AskAgain(_)
            | State::Detached(_)
            | State::Failed(_)
            | State::Mounting(_)
            | State::Mounted => {}
        }
    }

    fn ask_for_volume(&mut self, serial: u32, number: u16, name: Name, out: &mut Outbox) {
        let Some(volume) = self.claims.volume(serial, number) else { return };
        (volume.state, volume.volume) = (State::Asked, name.clone());
        let target = Target::Name(Kind::PersistentVolume, Name::new(), name);
        out.send(&mut self.api, Ask::Volume(serial, number).token(), Request::Get(target));
    }

    /// Looks again later for what the API server has not told.
    fn ask_again(&mut self, serial: u32, number: u16, out: &mut Outbox) {
        let Some(volume) = self.claims.volume(serial, number) else { return };
        let due = out.now + delay(volume.failures);
        volume.failures += 1;
        volume.state = State::AskAgain(due);
        out.timer_at(due, Timer::Claim(serial, number).token());
    }

    /// The API server has answered for the PersistentVolume of a pod's volume.
    pub(super) fn volume_answered(&mut self, serial: u32, number: u16, reply: &Reply, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        let Some(volume) = self.claims.volume(serial, number) else { return };
        let found = reply.as_ref().ok().and_then(|answer| match answer.object() {
            Some(Object::Untyped(found)) => Some(found),
            _ => None,
        });
        if volume.grows {
            return self.grow(at, number, found, out);
        }
        if volume.state != State::Asked {
            return;
        }
        let Some(found) = found else { return self.ask_again(serial, number, out) };
        volume.disk = Disk::of(found);
        match &volume.disk {
            Some(disk) => {
                let target = Target::Name(Kind::CSIDriver, Name::new(), disk.driver.clone());
                out.send(&mut self.api, Ask::Driver(serial, number).token(), Request::Get(target));
            }
            None => self.mount(at, number, out),
        }
    }

    /// The API server has answered for its driver.
    pub(super) fn driver_answered(&mut self, serial: u32, number: u16, reply: &Reply, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        let Some(volume) = self.claims.volume(serial, number).filter(|volume| volume.state == State::Asked) else {
            return;
        };
        let driver = match reply {
            Ok(answer) => {
                answer.object().and_then(|found| if let Object::Untyped(found) = found { Some(found) } else { None })
            }
            Err(error) if error.reason == ErrorReason::NotFound => None,
            Err(_) => return self.ask_again(serial, number, out),
        };
        volume.failures = 0;
        volume.needs_attachment = needs_attachment(driver.map(|driver| &**driver));
        if !volume.needs_attachment {
            return self.mount(at, number, out);
        }
        volume.state = State::Detached(out.now);
        self.show_in_use(out);
        self.step(at, number, out);
    }

    /// Looks whether the node's status shows a disk in use and attached. Upstream: `VerifyControllerAttachedVolume`.
    fn look_whether_attached(&mut self, at: usize, number: u16, out: &mut Outbox) {
        let serial = self.pods[at].serial;
        let Some(volume) = self.claims.pods.get_mut(&serial).and_then(|pod| pod.volumes.get_mut(usize::from(number)))
        else {
            return;
        };
        let Some(disk) = volume.disk.as_ref().map(Disk::unique_name) else { return };
        let status = self.node.object.as_ref().map(|node| &node.body.status);
        let in_use = status.is_some_and(|status| status.volumes_in_use.iter().flatten().any(|name| *name == disk));
        if !in_use {
            // The status that shows it is on its way.
            return;
        }
        if status.is_some_and(|status| status.volumes_attached.iter().flatten().any(|found| found.name == *disk)) {
            volume.failures = 0;
            return self.mount(at, number, out);
        }
        let due = out.now + delay(volume.failures);
        volume.failures += 1;
        volume.state = State::Detached(due);
        out.timer_at(due, Timer::Claim(serial, number).token());
    }

    fn mount(&mut self, at: usize, number: u16, out: &mut Outbox) {
        let record = &self.pods[at];
        let serial = record.serial;
        let path = object_hash(&record.pod.meta.key());
        let Some(volume) = self.claims.pods.get_mut(&serial).and_then(|pod| pod.volumes.get_mut(usize::from(number)))
        else {
            return;
        };
        let n = u64::from(number) << 32 | u64::from(volume.failures);
        let due = out.now + self.fixed.settings.volume_mount.draw(out.chance, VOLUME_MOUNT, path, n);
        volume.state = State::Mounting(due);
        out.timer_at(due, Timer::Claim(serial, number).token());
    }

    fn mount_done(&mut self, at: usize, number: u16, out: &mut Outbox) {
        let serial = self.pods[at].serial;
        let refused = self.mount_refused(at, number, out);
        let Some(claims) = self.claims.pods.get_mut(&serial) else { return };
        let volume = &mut claims.volumes[usize::from(number)];
        if let Some(why) = refused {
            let due = out.now + delay(volume.failures);
            volume.failures += 1;
            volume.state = State::Failed(due);
            let message = ecow::eco_format!("MountVolume.MountDevice failed for volume {:?} : {why}", volume.volume);
            out.timer_at(due, Timer::Claim(serial, number).token());
            let reference = self.pods[at].pod.meta.reference();
            return self.say(out, reference, EventType::Warning, "FailedMount", message);
        }
        (volume.state, volume.failures) = (State::Mounted, 0);
        if claims.are_mounted() {
            claims.waits_until = None;
        }
        self.note_full(at, number, out);
        self.grow_where_smaller(at, number, out);
        if self.pods[at].sandbox == Sandbox::Waiting && self.claims.pods[&serial].are_mounted() {
            self.start_sandbox(at, out);
        }
    }

    /// Whether a pod still wants its volumes.
    fn wants_volumes(&self, serial: u32) -> Option<usize> {
        let at = self.at(serial)?;
        (self.pods[at].life == Life::Live && self.pods[at].confirmed).then_some(at)
    }

    /// The next step of a volume is due.
    pub(super) fn claim_due(&mut self, serial: u32, number: u16, out: &mut Outbox) {
        if let Some(at) = self.wants_volumes(serial) {
            self.step(at, number, out);
        }
    }

    /// A claim has changed.
    pub(super) fn claim_changed(&mut self, claim: &Stored, kind: ChangeKind, out: &mut Outbox) {
        self.claims.put(claim, kind);
        let concerned = |at: &usize| {
            let record = &self.pods[*at];
            record.pod.meta.namespace == claim.meta.namespace && self.claims.pods.contains_key(&record.serial)
        };
        let concerned: Vec<u32> = (0..self.pods.len()).filter(concerned).map(|at| self.pods[at].serial).collect();
        for serial in concerned {
            let Some(at) = self.wants_volumes(serial) else { continue };
            for number in 0..self.claims.pods[&serial].volumes.len() as u16 {
                let Some(volume) = self.claims.volume(serial, number) else { continue };
                if volume.claim != claim.meta.name {
                    continue;
                }
                match volume.state {
                    State::Unbound => self.step(at, number, out),
                    State::Mounted => self.notice_growth(at, number, claim, out),
                    State::Asked | State::AskAgain(_) | State::Detached(_) | State::Mounting(_) | State::Failed(_) => {}
                }
            }
        }
    }

    /// A sync has waited for the claimed volumes of a pod for as long as it does. The next one waits anew.
    pub(super) fn claim_wait_over(&mut self, serial: u32, out: &mut Outbox) {
        let Some(at) = self.wants_volumes(serial) else { return };
        let speaks = !self.waits_for_sources(serial);
        let Some(claims) = self.claims.pods.get_mut(&serial) else { return };
        if claims.waits_until.is_none_or(|until| until > out.now) {
            return;
        }
        let (path, failures) = (object_hash(&self.pods[at].pod.meta.key()), u64::from(claims.failures));
        let pause = out.chance.draw(MOUNT_WAIT, path, failures).span_between(RESYNC_AFTER, RESYNC_AFTER * 3 / 2);
        claims.failures += 1;
        let until = out.now + pause + TIMEOUT;
        claims.waits_until = Some(until);
        out.timer_at(until, Timer::ClaimWait(serial).token());
        // Where volumes of other kinds are missing as well, whoever waits for those speaks of all.
        if speaks {
            let message = self.claims.missing_text(serial, Vec::new());
            let reference = self.pods[at].pod.meta.reference();
            self.say(out, reference, EventType::Warning, "FailedMount", message);
        }
    }

    /// Whether the node's status, as last seen, shows what is in use.
    pub(super) fn shows_in_use(&self) -> bool {
        let shown = self.node.object.as_ref().and_then(|node| node.body.status.volumes_in_use.as_ref());
        if self.claims.pods.is_empty() && shown.is_none() {
            return true;
        }
        let in_use = self.claims.in_use().unwrap_or_default();
        shown.map_or(in_use.is_empty(), |shown| *shown == in_use)
    }

    /// The next status of the node shows what is in use.
    fn show_in_use(&mut self, out: &mut Outbox) {
        if !self.shows_in_use() {
            self.arm_node_status(out);
        }
    }

    /// The node's status is another: disks that were not shown in use may be now.
    pub(super) fn look_at_attached(&mut self, out: &mut Outbox) {
        if self.claims.pods.is_empty() {
            return;
        }
        let waits = |state: State| matches!(state, State::Detached(due) if due <= out.now);
        let pods = self.claims.pods.iter();
        let waiting: Vec<(u32, u16)> = pods
            .flat_map(|(serial, pod)| {
                (0..).zip(&pod.volumes).map(move |(number, volume)| (*serial, number, volume.state))
            })
            .filter(|(_, _, state)| waits(*state))
            .map(|(serial, number, _)| (serial, number))
            .collect();
        for (serial, number) in waiting {
            self.claim_due(serial, number, out);
        }
    }

    /// A pod has ended: its volumes are unmounted.
    pub(super) fn unmount(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, path) = (record.serial, object_hash(&record.pod.meta.key()));
        let Some(claims) = self.claims.pods.get_mut(&serial) else { return };
        if claims.unmounted_at.is_some() {
            return;
        }
        if claims.volumes.iter().all(|volume| volume.state != State::Mounted) {
            return self.drop_claims(serial, out);
        }
        let due = out.now + self.fixed.settings.volume_unmount.draw(out.chance, VOLUME_UNMOUNT, path, 0);
        claims.unmounted_at = Some(due);
        out.timer_at(due, Timer::Unmount(serial).token());
    }

    /// The volumes of a pod that has ended are unmounted: it can be deleted.
    pub(super) fn unmounted(&mut self, serial: u32, out: &mut Outbox) {
        let is_due = |claims: &PodClaims| claims.unmounted_at.is_some_and(|due| due <= out.now);
        if self.claims.pods.get(&serial).is_some_and(is_due) {
            self.drop_claims(serial, out);
            if let Some(at) = self.at(serial) {
                self.delete_if_over(at, out);
            }
        }
    }

    /// The node uses nothing for a pod any more.
    pub(super) fn drop_claims(&mut self, serial: u32, out: &mut Outbox) {
        if self.claims.pods.remove(&serial).is_some() {
            self.show_in_use(out);
        }
    }
}
