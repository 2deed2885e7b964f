//! The attach/detach controller: brings disks to the nodes whose pods need them, and takes them away when none does.
//! Upstream: `pkg/controller/volume/attachdetach` (`attach_detach_controller.go`, `reconciler`, `cache`,
//! `statusupdater`), `pkg/volume/csi` (`csi_attacher.go`).
//!
//! Disks are those of CSI drivers behind claims. A driver attaches unless its CSIDriver has `attachRequired: false`; one
//! without a CSIDriver attaches. Nodes take part that have the annotation
//! `volumes.kubernetes.io/controller-managed-attach-detach`, which kubelets set.
//!
//! Upstream compares two worlds ten times a second. Here a change of a pod, claim, volume, node or VolumeAttachment has
//! the volume looked at that it concerns, so that what rests costs nothing; what upstream's actual world knows is read
//! from VolumeAttachments and nodes. What is late by a tenth of a second at most there comes at once here.
//! Left out: plugins that are compiled in and their migration, volumes named in pods without a claim (a CSI driver's
//! are never attached), metrics, the annotation that keeps the volumes of pods that have ended.

mod desired;
mod steps;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use super::claim_users::{ClaimUsers, claims_of};
use super::persistent_volume::objects::{Stored, at, claim_of, text};
use super::script::{Run, Script, Stop};
use crate::api::disk::{Disk, needs_attachment};
use crate::api::{EventType, Kind, Name, Node, Obj, Object, ObjectId, Pod};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind};
use crate::kernel::{Span, Time};
use desired::Users;
use steps::{Step, attached, carry_out, report};

/// `--attach-detach-reconcile-sync-period`.
pub const RECONCILE_SYNC_PERIOD: Flag = Flag {
    name: "attach-detach-reconcile-sync-period",
    default: FlagValue::Span(Span::from_mins(1)),
    doc: "how often it is checked whether volumes are still attached that somebody else may have detached",
};
/// `--disable-attach-detach-reconcile-sync`.
pub const DISABLE_RECONCILE_SYNC: Flag =
    Flag { name: "disable-attach-detach-reconcile-sync", default: FlagValue::Bool(false), doc: "do not check it" };
/// `--disable-force-detach-on-timeout`.
pub const DISABLE_FORCE_DETACH: Flag = Flag {
    name: "disable-force-detach-on-timeout",
    default: FlagValue::Bool(false),
    doc: "do not detach volumes from nodes that are not ready and have not unmounted them for 6 minutes",
};
/// How many volumes are worked on at a time. Upstream starts a goroutine for each operation.
pub const ATTACH_DETACH_WORKERS: Flag = Flag {
    name: "attach-detach-workers",
    default: FlagValue::Int(100),
    doc: "volumes that are worked on at a time; without a limit upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "persistentvolume-attach-detach-controller",
    doc: "attaches the disks of CSI drivers to nodes and detaches them, by force after 6 minutes; leaves out plugins that \
          are compiled in and their migration",
    source: "pkg/controller/volume/attachdetach",
    watches: Watches::Kinds(&[
        Kind::Pod,
        Kind::Node,
        Kind::PersistentVolumeClaim,
        Kind::PersistentVolume,
        Kind::VolumeAttachment,
        Kind::CSIDriver,
    ]),
    workers: &ATTACH_DETACH_WORKERS,
    flags: &[&RECONCILE_SYNC_PERIOD, &DISABLE_RECONCILE_SYNC, &DISABLE_FORCE_DETACH],
    build: |flags| Box::new(AttachDetach::new(flags)),
};

/// On nodes whose volumes this controller attaches.
const MANAGED: &str = "volumes.kubernetes.io/controller-managed-attach-detach";
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// How long a node may take to unmount. Upstream: `ReconcilerMaxWaitForUnmountDuration`.
const UNMOUNT_MAX: Span = Span::from_mins(6);
/// How long a driver's attacher may take. Upstream: `csiTimeout`.
const ATTACH_MAX: Span = Span::from_mins(2);
/// Upstream: `initialDurationBeforeRetry` and `maxDurationBeforeRetry` of `exponentialbackoff`.
const RETRY_FIRST: Span = Span::from_millis(500);
const RETRY_MAX: Span = Span::from_secs(122);

/// The controller's memory.
#[derive(Clone, Debug)]
pub struct AttachDetach {
    sync_period: Option<Span>,
    forces: bool,
    users: ClaimUsers,
    /// The VolumeAttachments of each volume, by its name.
    of_volume: BTreeMap<Name, BTreeSet<u32>>,
    /// The volumes with VolumeAttachments to a node.
    on_node: BTreeMap<Name, BTreeSet<Name>>,
    /// What is known of a volume on a node.
    places: BTreeMap<(Name, Name), Place>,
    running: BTreeMap<ObjectId, (Disk, Vec<Step>, Script)>,
}

/// What is known of a volume on a node.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Whether the node's status shows it, or is to.
    reported: bool,
    /// Since when nobody needs it there.
    leaving_since: Option<Time>,
    /// Whether it has been told that it is attached elsewhere.
    told: bool,
    /// Until when the present attempt to attach waits.
    waits_until: Option<Time>,
    /// When the next attempt begins.
    retry_at: Option<Time>,
    failures: u32,
}

impl AttachDetach {
    fn new(flags: &Flags) -> AttachDetach {
        let period = flags.span(&RECONCILE_SYNC_PERIOD);
        let syncs = !flags.bool(&DISABLE_RECONCILE_SYNC) && period >= Span::from_secs(1);
        AttachDetach {
            sync_period: syncs.then_some(period),
            forces: !flags.bool(&DISABLE_FORCE_DETACH),
            users: ClaimUsers::default(),
            of_volume: BTreeMap::new(),
            on_node: BTreeMap::new(),
            places: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// The VolumeAttachments of a volume, by node.
    fn attachments(&self, volume: &str, view: &View) -> BTreeMap<Name, Stored> {
        let slots = self.of_volume.get(volume).into_iter().flatten();
        let cache = view.caches.others.get(&Kind::VolumeAttachment);
        let known = slots.filter_map(|slot| cache?.by_slot(*slot));
        known.map(|stored| (text(stored, &["spec", "nodeName"]).into(), stored.clone())).collect()
    }

    /// What is known of a disk on a node; where nothing is, what the node's status shows holds.
    fn place(&mut self, disk: &Disk, node: &Name, attachment: Option<&Stored>, view: &View) -> &mut Place {
        self.places.entry((disk.volume.clone(), node.clone())).or_insert_with(|| {
            let found = view.caches.nodes.by_name("", node).filter(|_| attachment.is_some_and(attached));
            let reported = found.is_some_and(|node| steps::is_shown(&node.body, &disk.unique_name()));
            Place { reported, ..Place::default() }
        })
    }

    fn look_at(&mut self, stored: &Stored, view: &View, plan: &mut Plan) {
        let Some(disk) = Disk::of(stored) else { return };
        let attachments = self.attachments(&disk.volume, view);
        let driver = view.caches.others.get(&Kind::CSIDriver).and_then(|drivers| drivers.by_name("", &disk.driver));
        let users = if needs_attachment(driver.map(|driver| &**driver)) {
            desired::users(stored, &self.users, view)
        } else {
            Users::new()
        };
        let mut steps = Vec::new();
        for (node, attachment) in attachments.iter().filter(|(node, _)| !users.contains_key(*node)) {
            self.leave(&disk, node, attachment, view, &mut steps, plan);
        }
        for node in users.keys() {
            self.enter(&disk, node, &users, &attachments, view, &mut steps, plan);
        }
        let stays = |node: &Name| users.contains_key(node) || attachments.contains_key(node);
        let own = self.places.range((disk.volume.clone(), Name::new())..).map(|(key, _)| key);
        let own = own.take_while(|(volume, _)| *volume == disk.volume);
        let left: Vec<(Name, Name)> = own.filter(|(_, node)| !stays(node)).cloned().collect();
        for key in left {
            self.places.remove(&key);
        }
        if !steps.is_empty() {
            self.run(stored.meta.id, disk, steps, Script::new(view.now), view, plan);
        }
    }

    /// Nobody needs a disk on a node to which it is attached. Upstream: the first half of `reconcile`.
    fn leave(
        &mut self,
        disk: &Disk,
        node: &Name,
        attachment: &Stored,
        view: &View,
        steps: &mut Vec<Step>,
        plan: &mut Plan,
    ) {
        let place = self.place(disk, node, Some(attachment), view);
        if attachment.meta.is_terminating() {
            return;
        }
        if let Some(until) = place.waits_until.filter(|until| !attached(attachment) && *until > view.now) {
            // The attempt to attach goes on until it is over.
            return plan.requeue_after(until.since(view.now));
        }
        let since = *place.leaving_since.get_or_insert(view.now);
        let found = view.caches.nodes.by_name("", node);
        let is_over = view.now.since(since) >= UNMOUNT_MAX;
        let by_force = is_over && self.forces && found.is_none_or(|node| !node.body.is_ready());
        let out_of_service =
            found.is_some_and(|node| node.body.taints().iter().any(|taint| taint.key == OUT_OF_SERVICE));
        let in_use = found.is_some_and(|node| steps::is_in_use(&node.body, &disk.unique_name()));
        if in_use && !by_force && !out_of_service {
            if !is_over && self.forces {
                plan.requeue_after((since + UNMOUNT_MAX).since(view.now));
            }
            return;
        }
        self.place(disk, node, Some(attachment), view).reported = false;
        let shown = found.map(|node| (node.meta.id, self.shown_on(&node.meta.name, view)));
        let careful = !(by_force || out_of_service);
        steps.push(Step::Detach { node: node.clone(), attachment: attachment.meta.id, shown, careful });
    }

    /// Pods on a node need a disk. Upstream: `attachDesiredVolumes`.
    #[expect(clippy::too_many_arguments, reason = "one decision, read from top to bottom")]
    fn enter(
        &mut self,
        disk: &Disk,
        node: &Name,
        users: &Users,
        attachments: &BTreeMap<Name, Stored>,
        view: &View,
        steps: &mut Vec<Step>,
        plan: &mut Plan,
    ) {
        let pods = &users[node];
        let sync_period = self.sync_period;
        let place = self.place(disk, node, attachments.get(node), view);
        place.leaving_since = None;
        let Some(attachment) = attachments.get(node) else {
            if place.reported {
                // Somebody else has taken it away, which the next look at all of them finds out.
                let Some(period) = sync_period else { return };
                let late = period.as_nanos() - view.now.nanos() % period.as_nanos();
                place.reported = false;
                place.retry_at = Some(view.now + Span::from_nanos(late));
            }
            if let Some(at) = place.retry_at.filter(|at| *at > view.now) {
                return plan.requeue_after(at.since(view.now));
            }
            let others = || attachments.iter().filter(|(other, _)| *other != node);
            let is_busy = |stored: &Stored| stored.meta.is_terminating() || !attached(stored);
            let leaves = steps.iter().any(|step| matches!(step, Step::Detach { .. }));
            if !disk.is_shared && (leaves || others().any(|(_, stored)| is_busy(stored))) {
                return;
            }
            if !disk.is_shared && others().next().is_some() {
                if !std::mem::replace(&mut place.told, true) {
                    let at: Vec<Name> = others().map(|(other, _)| other.clone()).collect();
                    texts::tell_multi_attach(disk, pods, users, &at, plan);
                }
                return;
            }
            place.waits_until = Some(view.now + ATTACH_MAX);
            plan.requeue_after(ATTACH_MAX);
            let pods = pods.iter().map(|pod| pod.meta.reference()).collect();
            return steps.push(Step::Attach { node: node.clone(), pods });
        };
        if attachment.meta.is_terminating() {
            return;
        }
        if attached(attachment) {
            let found = view.caches.nodes.by_name("", node);
            if !place.reported {
                let is_shown = found.is_some_and(|node| steps::is_shown(&node.body, &disk.unique_name()));
                *place = Place { reported: true, ..Place::default() };
                if !is_shown {
                    texts::tell(pods, EventType::Normal, "SuccessfulAttachVolume", &texts::succeeded(disk), plan);
                }
            }
            if let Some(node) = found {
                plan.enqueue(node.meta.id);
            }
            return;
        }
        self.wait(disk, node, pods, attachment, view, plan);
    }

    /// The driver's attacher has not attached a disk yet. Upstream: `waitForVolumeAttachment`.
    fn wait(
        &mut self,
        disk: &Disk,
        node: &Name,
        pods: &[Arc<Obj<Pod>>],
        attachment: &Stored,
        view: &View,
        plan: &mut Plan,
    ) {
        let place = self.places.entry((disk.volume.clone(), node.clone())).or_default();
        if let Some(at) = place.retry_at.filter(|at| *at > view.now) {
            return plan.requeue_after(at.since(view.now));
        }
        place.retry_at = None;
        let until = *place.waits_until.get_or_insert(view.now + ATTACH_MAX);
        let refused = text(attachment, &["status", "attachError", "message"]);
        let why = match refused {
            "" if until > view.now => return plan.requeue_after(until.since(view.now)),
            "" => texts::timed_out(disk),
            refused => refused.into(),
        };
        let delay = (RETRY_FIRST * (1 << place.failures.min(8))).min(RETRY_MAX);
        (place.waits_until, place.retry_at) = (None, Some(view.now + delay));
        place.failures += 1;
        let message = ecow::eco_format!("AttachVolume.Attach failed for volume {:?} : {why}", disk.volume);
        texts::tell(pods, EventType::Warning, "FailedAttachVolume", &message, plan);
        plan.requeue_after(delay);
    }

    /// The disks that the status of a node is to show, by name.
    fn shown_on(&self, node: &Name, view: &View) -> Vec<Name> {
        let volumes = view.caches.others.get(&Kind::PersistentVolume);
        let on_node = self.on_node.get(node).into_iter().flatten();
        let shown = on_node
            .filter(|volume| self.places.get(&((*volume).clone(), node.clone())).is_some_and(|place| place.reported));
        let disks = shown.filter_map(|volume| Disk::of(volumes?.by_name("", volume)?));
        disks.map(|disk| disk.unique_name()).collect()
    }

    fn run(&mut self, key: ObjectId, disk: Disk, steps: Vec<Step>, mut script: Script, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut script, view.clock, plan);
        match carry_out(&mut run, &disk, &steps) {
            Err(Stop::Asked) => drop(self.running.insert(key, (disk, steps, script))),
            Err(Stop::Failed(why)) => plan.fail(why),
            Err(Stop::NamespaceTerminating) | Ok(()) => {}
        }
    }

    /// Has the volumes of some claims looked at.
    fn queue_claims(
        &self,
        claims: impl Iterator<Item = (Name, Name)>,
        cause: Cause,
        view: &View,
        queue: &mut WorkQueue,
    ) {
        let known = view.caches.others.get(&Kind::PersistentVolumeClaim);
        for (namespace, name) in claims {
            let Some(claim) = known.and_then(|known| known.by_name(&namespace, &name)) else { continue };
            queue_volume(text(claim, &["spec", "volumeName"]), cause, view, queue);
        }
    }

    fn pod_changed(&mut self, pod: &Obj<Pod>, change: Observed, view: &View, queue: &mut WorkQueue) {
        let is_gone = change.kind == ChangeKind::Deleted;
        let same = |old: &Obj<Pod>| {
            old.meta.uid == pod.meta.uid
                && old.body.node_name == pod.body.node_name
                && old.body.status.phase.is_finished() == pod.body.status.phase.is_finished()
        };
        if !is_gone && change.old.and_then(Object::get::<Pod>).is_some_and(|old| same(old)) {
            return;
        }
        if claims_of(pod).next().is_some() {
            self.users.observe(pod, is_gone);
            let claims = claims_of(pod).map(|claim| (pod.meta.namespace.clone(), claim));
            self.queue_claims(claims, change.cause, view, queue);
        }
    }

    fn node_changed(&self, node: &Obj<Node>, change: Observed, view: &View, queue: &mut WorkQueue) {
        let old = change.old.and_then(Object::get::<Node>);
        let managed = |node: &Obj<Node>| node.meta.annotations.get(MANAGED).is_some();
        let same = |old: &Obj<Node>| {
            old.body.status.volumes_in_use == node.body.status.volumes_in_use
                && old.body.status.volumes_attached == node.body.status.volumes_attached
                && old.body.is_ready() == node.body.is_ready()
                && old.body.taints() == node.body.taints()
        };
        let appears = change.kind == ChangeKind::Added || old.is_none_or(|old| managed(old) != managed(node));
        if appears && change.kind != ChangeKind::Deleted {
            for pod in view.caches.pods_on(&node.meta.name) {
                let claims = claims_of(pod).map(|claim| (pod.meta.namespace.clone(), claim));
                self.queue_claims(claims, change.cause, view, queue);
            }
        }
        if change.kind == ChangeKind::Modified && old.is_some_and(|old| same(old)) {
            return;
        }
        for volume in self.on_node.get(&node.meta.name).into_iter().flatten() {
            queue_volume(volume, change.cause, view, queue);
        }
        if change.kind != ChangeKind::Deleted && node.body.status.volumes_attached.is_some() {
            queue.add(node.meta.id, change.cause);
        }
    }

    fn attachment_changed(&mut self, stored: &Stored, change: Observed, view: &View, queue: &mut WorkQueue) {
        let volume: Name = text(stored, &["spec", "source", "persistentVolumeName"]).into();
        let node: Name = text(stored, &["spec", "nodeName"]).into();
        if change.kind == ChangeKind::Deleted {
            let slots = self.of_volume.entry(volume.clone()).or_default();
            slots.remove(&stored.meta.id.slot);
            if slots.is_empty() {
                self.of_volume.remove(&volume);
            }
            let volumes = self.on_node.entry(node.clone()).or_default();
            volumes.remove(&volume);
            if volumes.is_empty() {
                self.on_node.remove(&node);
            }
        } else {
            self.of_volume.entry(volume.clone()).or_default().insert(stored.meta.id.slot);
            self.on_node.entry(node.clone()).or_default().insert(volume.clone());
        }
        queue_volume(&volume, change.cause, view, queue);
        if let Some(node) = view.caches.nodes.by_name("", &node) {
            queue.add(node.meta.id, change.cause);
        }
    }
}

fn queue_volume(name: &str, cause: Cause, view: &View, queue: &mut WorkQueue) {
    if let Some(volume) = view.caches.meta_by_name(Kind::PersistentVolume, "", name) {
        queue.add(volume.id, cause);
    }
}

impl Controller for AttachDetach {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if change.resync {
            return;
        }
        match change.new {
            Object::Pod(pod) => self.pod_changed(pod, change, view, queue),
            Object::Node(node) => self.node_changed(node, change, view, queue),
            Object::Untyped(stored) => match stored.meta.id.kind {
                Kind::VolumeAttachment => self.attachment_changed(stored, change, view, queue),
                Kind::PersistentVolumeClaim => {
                    queue_volume(text(stored, &["spec", "volumeName"]), change.cause, view, queue);
                }
                Kind::PersistentVolume if claim_of(stored).is_some() && at(stored, &["spec", "csi"]).is_some() => {
                    queue.add(stored.meta.id, change.cause);
                }
                _ => {}
            },
            Object::Namespace(_)
            | Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        if key.kind == Kind::Node {
            let managed = |node: &&Arc<Obj<Node>>| node.meta.annotations.get(MANAGED).is_some();
            let Some(node) = view.caches.nodes.get(key).filter(managed) else { return };
            let shown = self.shown_on(&node.meta.name, view);
            if !steps::shows(&node.body, &shown) {
                plan.send_tolerating(report(key, &shown), &[crate::event::ErrorReason::NotFound]);
            }
            return;
        }
        let volumes = view.caches.others.get(&Kind::PersistentVolume);
        if let Some(stored) = volumes.and_then(|volumes| volumes.get(key)).cloned() {
            self.look_at(&stored, view, plan);
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((disk, steps, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            script.answer(reply.clone(), view.now);
            self.run(key, disk, steps, script, view, plan);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.of_volume.len(), self.places.len(), self.running.len()).hash(&mut hasher);
    }
}
