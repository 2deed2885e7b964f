//! A stand-in for the provisioners of CSI drivers: makes the volumes that claims wait for, and deletes those whose claims
//! are gone. Upstream: `sigs.k8s.io/sig-storage-lib-external-provisioner`, `kubernetes-csi/external-provisioner`.
//!
//! A driver's own controller is a Deployment in a real cluster; here one stands for all drivers, and runs beside the
//! built-in controllers. A volume that is made for a node can be reached from the node's zone, if it has one, any other
//! from everywhere. A volume that is still attached is not deleted; where the cloud refuses, that is told and tried again.
//! Left out: capacity of the storage, snapshots and clones, parameters of classes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use serde_json::{Value, json};

use super::persistent_volume::objects::{
    PROVISIONED_BY, SELECTED_NODE, STORAGE_PROVISIONER, Stored, at, claim_of, class, requested, text,
};
use super::script::{Run, Script, Stop};
use crate::api::{EventType, Kind, Name, Object, ObjectId, convert};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan, TokenBucket, View,
    Watches, WorkQueue,
};
use crate::event::{
    ChangeKind, DeleteOptions, DiskEffect, DiskFacts, ErrorReason, MetaEdit, Preconditions, Request, Target,
};
use crate::kernel::{Span, Time};

/// How long it takes to make or delete a volume.
pub const EXTERNAL_PROVISIONER_LATENCY: Flag = Flag {
    name: "external-provisioner-latency",
    default: FlagValue::Span(Span::from_secs(3)),
    doc: "how long a volume takes to be made or deleted",
};
/// `--worker-threads` of csi-provisioner.
pub const EXTERNAL_PROVISIONER_WORKERS: Flag = Flag {
    name: "external-provisioner-worker-threads",
    default: FlagValue::Int(100),
    doc: "volumes that are made or deleted at a time",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "external-provisioner",
    doc: "stands for the provisioners of all CSI drivers: makes and deletes volumes; knows no capacity, no snapshots and no clones",
    source: "kubernetes-csi/external-provisioner",
    watches: Watches::Kinds(&[
        Kind::PersistentVolume,
        Kind::PersistentVolumeClaim,
        Kind::StorageClass,
        Kind::Node,
        Kind::VolumeAttachment,
    ]),
    workers: &EXTERNAL_PROVISIONER_WORKERS,
    flags: &[&EXTERNAL_PROVISIONER_LATENCY],
    build: |flags| Box::new(ExternalProvisioner::new(flags)),
};

const FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
const ZONE: &str = "topology.kubernetes.io/zone";
/// What the cloud answers where it makes and deletes nothing.
const UNAVAILABLE: &str = "rpc error: code = Unavailable desc = the storage service is unavailable";
/// Upstream: `--retry-interval-start` and `--retry-interval-max` of csi-provisioner.
const RETRY: ItemBackoff = ItemBackoff { base: Span::from_secs(1), max: Span::from_mins(5) };

/// What is to be done.
#[derive(Clone, Debug)]
enum Work {
    /// A claim gets this volume.
    Make(Stored, Object),
    /// A volume goes.
    Delete(Stored),
}

/// The provisioner's memory.
#[derive(Clone, Debug)]
pub struct ExternalProvisioner {
    latency: Span,
    /// When what was begun will be done.
    begun: BTreeMap<ObjectId, Time>,
    running: BTreeMap<ObjectId, (Work, Script)>,
    /// The VolumeAttachments of each volume, by its name.
    attached: BTreeMap<Name, BTreeSet<u32>>,
}

impl ExternalProvisioner {
    fn new(flags: &Flags) -> ExternalProvisioner {
        let latency = flags.span(&EXTERNAL_PROVISIONER_LATENCY);
        ExternalProvisioner { latency, begun: BTreeMap::new(), running: BTreeMap::new(), attached: BTreeMap::new() }
    }

    fn run(&mut self, key: ObjectId, work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        match carry_out(&mut Run::new(&mut script, view.clock, plan), &work) {
            Err(Stop::Asked) => drop(self.running.insert(key, (work, script))),
            Err(Stop::Failed(why)) => plan.fail(why),
            Err(Stop::NamespaceTerminating) | Ok(()) => drop(self.begun.remove(&key)),
        }
    }
}

fn carry_out(run: &mut Run, work: &Work) -> Result<(), Stop> {
    match work {
        Work::Make(claim, volume) => {
            match run.send(Request::Create(volume.clone()))? {
                Ok(_) => {}
                Err(error) if error.reason == ErrorReason::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
            let message = ecow::eco_format!("Successfully provisioned volume {}", volume.meta().name);
            run.record(claim.meta.reference(), EventType::Normal, "ProvisioningSucceeded", message);
        }
        Work::Delete(volume) => {
            let target = Target::Id(volume.meta.id);
            if !volume.meta.is_terminating() {
                run.send(Request::Delete { target: target.clone(), options: DeleteOptions::default() })??;
            }
            let edit = Arc::new(MetaEdit { remove_finalizers: vec![FINALIZER.into()], ..MetaEdit::default() });
            let preconditions = Preconditions { uid: Some(volume.meta.uid), resource_version: None };
            match run.send(Request::PatchMeta { target, preconditions, edit })? {
                Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a claim waits for a volume to be made now. Upstream: `shouldProvision`.
fn is_wanted(claim: &Stored, class: &Stored) -> bool {
    let waits = text(class, &["volumeBindingMode"]) == "WaitForFirstConsumer";
    claim.meta.annotations.get(STORAGE_PROVISIONER[1]).is_some()
        && text(claim, &["spec", "volumeName"]).is_empty()
        && (!waits || claim.meta.annotations.get(SELECTED_NODE).is_some())
        && !claim.meta.is_terminating()
}

/// Whether a volume is to be deleted. Upstream: `shouldDelete`.
fn is_to_go(volume: &Stored) -> bool {
    volume.meta.annotations.get(PROVISIONED_BY).is_some()
        && text(volume, &["spec", "persistentVolumeReclaimPolicy"]) == "Delete"
        && text(volume, &["status", "phase"]) == "Released"
        && volume.meta.has_finalizer(FINALIZER)
}

/// The volume of a claim.
fn volume_for(claim: &Stored, class: &Stored, provisioner: &Name, zone: Option<&Name>) -> Result<Object, Name> {
    let name = format!("pvc-{}", claim.meta.uid);
    let policy = match text(class, &["reclaimPolicy"]) {
        "" => "Delete",
        policy => policy,
    };
    let or_null = |path: &[&str]| at(claim, path).cloned().unwrap_or(Value::Null);
    let mut spec = json!({
        "capacity": {"storage": requested(claim).to_string()},
        "accessModes": or_null(&["spec", "accessModes"]),
        "volumeMode": or_null(&["spec", "volumeMode"]),
        "persistentVolumeReclaimPolicy": policy,
        "storageClassName": *class.meta.name,
        "csi": {"driver": **provisioner, "volumeHandle": name},
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": *claim.meta.namespace,
            "name": *claim.meta.name,
            "uid": claim.meta.uid.to_string(),
            "resourceVersion": claim.meta.resource_version.to_string(),
        },
    });
    if let Some(zone) = zone {
        let among = json!({"key": ZONE, "operator": "In", "values": [**zone]});
        spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [among]}]}});
    }
    let finalizers = if policy == "Delete" { vec![FINALIZER] } else { Vec::new() };
    let metadata = json!({"name": name, "annotations": {PROVISIONED_BY: **provisioner}, "finalizers": finalizers});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec});
    convert::from_json(Kind::PersistentVolume, volume).map_err(|error| ecow::eco_format!("{error}"))
}

impl ExternalProvisioner {
    fn attachment_changed(&mut self, stored: &Stored, kind: ChangeKind) {
        let volume: Name = text(stored, &["spec", "source", "persistentVolumeName"]).into();
        let slots = self.attached.entry(volume.clone()).or_default();
        match kind {
            ChangeKind::Deleted => drop(slots.remove(&stored.meta.id.slot)),
            ChangeKind::Added | ChangeKind::Modified => drop(slots.insert(stored.meta.id.slot)),
        }
        if slots.is_empty() {
            self.attached.remove(&volume);
        }
    }

    /// The node to which a volume is attached.
    fn node_of<'a>(&self, volume: &Stored, view: &'a View) -> Option<&'a str> {
        let slot = self.attached.get(&volume.meta.name)?.first()?;
        let attachment = view.caches.others.get(&Kind::VolumeAttachment)?.by_slot(*slot)?;
        Some(text(attachment, &["spec", "nodeName"]))
    }

    /// Deletes a volume, unless a node has it.
    fn delete(&mut self, key: ObjectId, volume: Stored, view: &View, plan: &mut Plan) {
        let refused = match self.node_of(&volume, view) {
            Some(node) => {
                Some(ecow::eco_format!("persistentvolume {} is still attached to node {node}", volume.meta.name))
            }
            None => refused_by_cloud(&volume, text(&volume, &["spec", "csi", "driver"]), "", view),
        };
        if let Some(why) = refused {
            self.begun.remove(&key);
            plan.record(volume.meta.reference(), EventType::Warning, "VolumeFailedDelete", why.clone());
            return plan.fail(why);
        }
        self.begin(key, Work::Delete(volume), view, plan);
    }

    /// Does something that takes the cloud a while.
    fn begin(&mut self, key: ObjectId, work: Work, view: &View, plan: &mut Plan) {
        let done = *self.begun.entry(key).or_insert(view.now + self.latency);
        if done > view.now {
            return plan.requeue_after(done.since(view.now));
        }
        self.run(key, work, Script::new(view.now), view, plan);
    }
}

/// What the cloud says where it makes and deletes nothing.
pub(super) fn refused_by_cloud(object: &Stored, driver: &str, zone: &str, view: &View) -> Option<Name> {
    let of_claim = || (object.meta.namespace.clone(), object.meta.name.clone());
    let (namespace, name) = match object.meta.id.kind {
        Kind::PersistentVolume => claim_of(object).unwrap_or_default(),
        _ => of_claim(),
    };
    let disk = DiskFacts { driver, zone, claim: (&namespace, &name) };
    view.disks.suffers(DiskEffect::Outage, disk).then(|| UNAVAILABLE.into())
}

impl Controller for ExternalProvisioner {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::new(RETRY, TokenBucket::unlimited())
    }

    fn observe(&mut self, change: Observed, _view: &View, queue: &mut WorkQueue) {
        let Object::Untyped(stored) = change.new else { return };
        let id = stored.meta.id;
        if id.kind == Kind::VolumeAttachment {
            return self.attachment_changed(stored, change.kind);
        }
        let is_ours = match id.kind {
            Kind::PersistentVolume => is_to_go(stored),
            Kind::PersistentVolumeClaim => stored.meta.annotations.get(STORAGE_PROVISIONER[1]).is_some(),
            _ => false,
        };
        if change.kind == ChangeKind::Deleted {
            self.begun.remove(&id);
        } else if is_ours && !change.resync {
            queue.add(id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(stored) = view.caches.others.get(&key.kind).and_then(|cache| cache.get(key)).cloned() else { return };
        if key.kind == Kind::PersistentVolume {
            if is_to_go(&stored) {
                self.delete(key, stored, view, plan);
            }
            return;
        }
        let classes = view.caches.others.get(&Kind::StorageClass);
        let Some(class) = classes.and_then(|classes| classes.by_name("", &class(&stored))) else { return };
        if !is_wanted(&stored, class) {
            self.begun.remove(&key);
            return;
        }
        let provisioner = stored.meta.annotations.get(STORAGE_PROVISIONER[1]).cloned().unwrap_or_default();
        if !self.begun.contains_key(&key) {
            let message =
                ecow::eco_format!("External provisioner is provisioning volume for claim {:?}", stored.meta.key());
            plan.record(stored.meta.reference(), EventType::Normal, "Provisioning", message);
        }
        let node = stored.meta.annotations.get(SELECTED_NODE);
        let node = node.and_then(|node| view.caches.nodes.by_name("", node));
        let zone = node.and_then(|node| node.meta.labels.get(ZONE));
        if let Some(why) = refused_by_cloud(&stored, &provisioner, zone.map_or("", Name::as_str), view) {
            self.begun.remove(&key);
            let message =
                ecow::eco_format!("failed to provision volume with StorageClass {:?}: {why}", class.meta.name);
            plan.record(stored.meta.reference(), EventType::Warning, "ProvisioningFailed", message.clone());
            return plan.fail(message);
        }
        match volume_for(&stored, class, &provisioner, zone) {
            Ok(volume) => self.begin(key, Work::Make(stored, volume), view, plan),
            Err(why) => plan.fail(why),
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((work, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            script.answer(reply.clone(), view.now);
            self.run(key, work, script, view, plan);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.begun.len(), self.running.len()).hash(&mut hasher);
    }
}
