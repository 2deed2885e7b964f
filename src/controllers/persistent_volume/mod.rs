//! The PersistentVolume binder: gives claims volumes, says who is to make one where there is none, and what becomes of a
//! volume whose claim is gone. Upstream: `pkg/controller/volume/persistentvolume`.
//!
//! Upstream has a worker for claims and one for volumes; here both share one. As upstream, a sync that fails is not tried
//! again before the next resync or change. Left out: provisioners and deleters that upstream compiles in (all volumes are
//! made by others, see `external_provisioner`), recycling, CSI migration, VolumeAttributesClass. Expansion is in
//! `volume_expand` and `external_resizer`.

mod decide;
mod matching;
pub mod objects;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use serde_json::{Value, json};

use super::claim_users::ClaimUsers;
use super::script::{Run, Script, Stop};
use crate::api::{EventType, Kind, Name, Obj, Object, ObjectId, Pod, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind, Request};
use crate::kernel::{Span, Time};
use decide::{Decision, Known};
use objects::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, PROVISIONED_BY, STORAGE_PROVISIONER, Stored, annotated, at, claim_of, class,
    is_for, object, text, with,
};

/// `--pvclaimbinder-sync-period`.
pub const PVCLAIMBINDER_SYNC_PERIOD: Flag = Flag {
    name: "pvclaimbinder-sync-period",
    default: FlagValue::Span(Span::from_secs(15)),
    doc: "how often claims and volumes that are not as wished are looked at again",
};
/// How many claims and volumes are worked on at a time. Upstream: one of each.
pub const PERSISTENT_VOLUME_WORKERS: Flag = Flag {
    name: "persistentvolume-binder-workers",
    default: FlagValue::Int(1),
    doc: "claims and volumes that are worked on at a time; one of each upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "persistentvolume-binder-controller",
    doc: "binds claims to volumes; leaves out volume plugins that are compiled in, and recycling",
    source: "pkg/controller/volume/persistentvolume",
    watches: Watches::Kinds(&[Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::StorageClass, Kind::Pod]),
    workers: &PERSISTENT_VOLUME_WORKERS,
    flags: &[&PVCLAIMBINDER_SYNC_PERIOD],
    build: |flags| Box::new(PersistentVolumeController::new(flags)),
};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const EXTERNAL: &str = "Waiting for a volume to be created either by the external provisioner";
const EXTERNAL_HELP: &str = "or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is \
     running and correctly registered.";

/// The binder's memory.
#[derive(Clone, Debug)]
pub struct PersistentVolumeController {
    period: Span,
    next: Option<Time>,
    /// What it has written that its cache may not show yet. Upstream: `storeObjectUpdate`.
    written: BTreeMap<ObjectId, Stored>,
    /// The volumes without a claim, by class.
    free: BTreeMap<Name, BTreeSet<u32>>,
    /// The volumes that are for a claim, by its namespace and name.
    reserved: BTreeMap<(Name, Name), BTreeSet<u32>>,
    users: ClaimUsers,
    /// Claims and volumes that are not as wished.
    unsettled: BTreeSet<ObjectId>,
    running: BTreeMap<ObjectId, (Stored, Decision, Script)>,
}

impl PersistentVolumeController {
    fn new(flags: &Flags) -> PersistentVolumeController {
        PersistentVolumeController {
            period: flags.span(&PVCLAIMBINDER_SYNC_PERIOD).max(Span::from_secs(1)),
            next: None,
            written: BTreeMap::new(),
            free: BTreeMap::new(),
            reserved: BTreeMap::new(),
            users: ClaimUsers::default(),
            unsettled: BTreeSet::new(),
            running: BTreeMap::new(),
        }
    }

    /// A volume is as this says, or gone: it is found where it belongs.
    fn index(&mut self, old: Option<&Obj<Untyped>>, new: Option<&Obj<Untyped>>) {
        if let Some(old) = old {
            let slot = old.meta.id.slot;
            match claim_of(old) {
                None => remove(&mut self.free, &class(old), slot),
                Some(claim) => remove(&mut self.reserved, &claim, slot),
            }
        }
        if let Some(new) = new {
            let slot = new.meta.id.slot;
            match claim_of(new) {
                None => self.free.entry(class(new)).or_default().insert(slot),
                Some(claim) => self.reserved.entry(claim).or_default().insert(slot),
            };
        }
    }

    /// The object as it was last seen or written.
    fn latest<'a>(&'a self, id: ObjectId, view: &'a View<'_>) -> Option<&'a Stored> {
        let cached = view.caches.others.get(&id.kind)?.get(id)?;
        let written = self.written.get(&id).filter(|own| own.meta.resource_version > cached.meta.resource_version);
        Some(written.unwrap_or(cached))
    }

    /// Keeps what a reply shows.
    fn note(&mut self, written: Stored, view: &View<'_>) {
        let id = written.meta.id;
        if id.kind == Kind::PersistentVolume {
            let before = self.latest(id, view).cloned();
            self.index(before.as_deref(), Some(&written));
        }
        self.written.insert(id, written);
    }

    fn run(&mut self, stored: Stored, decision: Decision, mut script: Script, view: &View, plan: &mut Plan) {
        let id = stored.meta.id;
        let mut run = Run::new(&mut script, view.clock, plan);
        let outcome = carry_out(&mut run, &stored, &decision);
        match outcome {
            Err(Stop::Asked) => {
                self.running.insert(id, (stored, decision, script));
            }
            Err(Stop::Failed(_)) => {
                self.unsettled.insert(id);
            }
            Err(Stop::NamespaceTerminating) | Ok(()) => match decision {
                Decision::Pending(_) | Decision::Fail(_) | Decision::Provision(_) => {
                    self.unsettled.insert(id);
                }
                Decision::LookAtClaim(namespace, name) => {
                    if let Some(claim) = view.caches.meta_by_name(Kind::PersistentVolumeClaim, &namespace, &name) {
                        plan.enqueue(claim.id);
                    }
                }
                _ => {}
            },
        }
    }
}

fn remove<K: Ord>(index: &mut BTreeMap<K, BTreeSet<u32>>, key: &K, slot: u32) {
    if let Some(slots) = index.get_mut(key) {
        slots.remove(&slot);
        if slots.is_empty() {
            index.remove(key);
        }
    }
}

/// What a decision can see.
struct Seen<'a> {
    controller: &'a PersistentVolumeController,
    view: &'a View<'a>,
}

impl Known for Seen<'_> {
    fn claim(&self, namespace: &str, name: &str) -> Option<&Stored> {
        let id = self.view.caches.meta_by_name(Kind::PersistentVolumeClaim, namespace, name)?.id;
        self.controller.latest(id, self.view)
    }

    fn volume(&self, name: &str) -> Option<&Stored> {
        let id = self.view.caches.meta_by_name(Kind::PersistentVolume, "", name)?.id;
        self.controller.latest(id, self.view)
    }

    fn candidates(&self, claim: &Obj<Untyped>) -> Vec<&Stored> {
        let key = (claim.meta.namespace.clone(), claim.meta.name.clone());
        let free = self.controller.free.get(&class(claim)).into_iter().flatten();
        let reserved = self.controller.reserved.get(&key).into_iter().flatten();
        let id = |slot: &u32| ObjectId { kind: Kind::PersistentVolume, slot: *slot };
        free.chain(reserved).filter_map(|slot| self.controller.latest(id(slot), self.view)).collect()
    }

    fn class(&self, name: &str) -> Option<&Stored> {
        self.view.caches.others.get(&Kind::StorageClass)?.by_name("", name)
    }

    fn default_class(&self) -> Option<Name> {
        default_class(self.view)
    }

    fn waiting_pod(&self, claim: &Obj<Untyped>) -> Option<Name> {
        let pods = self.controller.users.of(&claim.meta.namespace, &claim.meta.name);
        let pods = pods.filter_map(|slot| self.view.caches.pods.by_slot(slot));
        pods.filter(|pod| pod.body.node_name.is_empty()).map(|pod| pod.meta.name.clone()).next()
    }
}

/// The default class: the newest, the first by name among equals. Upstream: `GetDefaultClass`.
fn default_class(view: &View<'_>) -> Option<Name> {
    let classes = view.caches.others.get(&Kind::StorageClass)?.iter();
    let defaults =
        classes.filter(|class| class.meta.annotations.get(DEFAULT_CLASS).is_some_and(|value| value == "true"));
    let key = |class: &&Arc<Obj<Untyped>>| (std::cmp::Reverse(class.meta.created), class.meta.name.clone());
    defaults.min_by_key(key).map(|class| class.meta.name.clone())
}

/// Does what was decided about a claim or a volume.
fn carry_out(run: &mut Run, stored: &Stored, decision: &Decision) -> Result<(), Stop> {
    match decision {
        Decision::LookAtClaim(..) => Ok(()),
        Decision::Bind(volume) => bind(run, volume, stored),
        Decision::Pending(told) => {
            if let Some((kind, reason, message)) = told {
                run.record(stored.meta.reference(), *kind, reason, message.clone());
            }
            set_claim_status(run, stored.clone(), "Pending", None).map(|_| ())
        }
        Decision::Provision(provisioner) => {
            let marked = STORAGE_PROVISIONER
                .iter()
                .fold(stored.clone(), |claim, annotation| annotated(&claim, annotation, provisioner));
            if marked.meta.annotations != stored.meta.annotations {
                write(run, Request::Update(object(&marked)))?;
            }
            let message = ecow::eco_format!("{EXTERNAL} '{provisioner}' {EXTERNAL_HELP}");
            run.record(stored.meta.reference(), EventType::Normal, "ExternalProvisioning", message);
            Ok(())
        }
        Decision::SetClass(class) => {
            let named = with(stored, "spec", |spec| drop(spec.insert("storageClassName".to_owned(), json!(**class))));
            write(run, Request::Update(object(&named))).map(|_| ())
        }
        Decision::Lost(reason, message) => {
            if text(stored, &["status", "phase"]) == "Lost" {
                return Ok(());
            }
            let lost = set_claim_status(run, stored.clone(), "Lost", None)?;
            run.record(lost.meta.reference(), EventType::Warning, reason, *message);
            Ok(())
        }
        Decision::Fail(why) => Err(Stop::Failed(why.clone())),
        Decision::Phase(phase) => set_phase(run, stored.clone(), phase, "").map(|_| ()),
        Decision::Unbind => unbind(run, stored),
        Decision::Release => release(run, stored),
    }
}

/// Sends a write and gives the object as it is then.
fn write(run: &mut Run, request: Request) -> Result<Stored, Stop> {
    match run.send(request)??.object() {
        Some(Object::Untyped(stored)) => Ok(stored.clone()),
        _ => Err(Stop::Failed("the server did not answer with the object".into())),
    }
}

/// Upstream: `bind`.
fn bind(run: &mut Run, volume: &Stored, claim: &Stored) -> Result<(), Stop> {
    let mut volume = volume.clone();
    let uid = claim.meta.uid.to_string();
    if objects::claim_uid(&volume) != uid {
        let was_reserved = is_for(&volume, claim);
        volume = with(&volume, "spec", |spec| {
            let reference = json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": *claim.meta.namespace,
                "name": *claim.meta.name,
                "uid": uid,
                "resourceVersion": claim.meta.resource_version.to_string(),
            });
            spec.insert("claimRef".to_owned(), reference);
        });
        if !was_reserved {
            volume = annotated(&volume, BOUND_BY_CONTROLLER, "yes");
        }
        volume = write(run, Request::Update(object(&volume)))?;
    }
    volume = set_phase(run, volume, "Bound", "")?;
    let mut bound = claim.clone();
    if text(claim, &["spec", "volumeName"]) != volume.meta.name {
        let name = json!(*volume.meta.name);
        bound = with(&bound, "spec", |spec| drop(spec.insert("volumeName".to_owned(), name)));
        bound = annotated(&bound, BOUND_BY_CONTROLLER, "yes");
    }
    if bound.meta.annotations.get(BIND_COMPLETED).is_none() {
        bound = annotated(&bound, BIND_COMPLETED, "yes");
        bound = write(run, Request::Update(object(&bound)))?;
    }
    set_claim_status(run, bound, "Bound", Some(&volume)).map(|_| ())
}

/// Upstream: `updateClaimStatus`.
fn set_claim_status(run: &mut Run, claim: Stored, phase: &str, volume: Option<&Stored>) -> Result<Stored, Stop> {
    let becomes = text(&claim, &["status", "phase"]) != phase;
    let wanted = with(&claim, "status", |status| {
        status.insert("phase".to_owned(), json!(phase));
        // The size of a claim that is bound already is that of its file system, which may lag behind the volume.
        let given = [("accessModes", "accessModes"), ("capacity", "capacity")];
        let given = given.into_iter().filter(|(field, _)| becomes || *field != "capacity");
        for (field, of_volume) in given {
            match volume.and_then(|volume| at(volume, &["spec", of_volume])) {
                Some(value) => drop(status.insert(field.to_owned(), value.clone())),
                None => drop(status.remove(field)),
            }
        }
    });
    // What else a volume has than storage does not count.
    let same = |path: &[&str]| at(&claim, path) == at(&wanted, path);
    if same(&["status", "phase"]) && same(&["status", "accessModes"]) && same(&["status", "capacity", "storage"]) {
        return Ok(claim);
    }
    write(run, Request::UpdateStatus(object(&wanted)))
}

/// Upstream: `updateVolumePhase`.
fn set_phase(run: &mut Run, volume: Stored, phase: &str, message: &str) -> Result<Stored, Stop> {
    if text(&volume, &["status", "phase"]) == phase {
        return Ok(volume);
    }
    let wanted = with(&volume, "status", |status| {
        status.insert("phase".to_owned(), json!(phase));
        match message {
            "" => drop(status.remove("message")),
            message => drop(status.insert("message".to_owned(), json!(message))),
        }
    });
    write(run, Request::UpdateStatus(object(&wanted)))
}

/// Upstream: `unbindVolume`.
fn unbind(run: &mut Run, volume: &Stored) -> Result<(), Stop> {
    let by_controller = volume.meta.annotations.get(BOUND_BY_CONTROLLER).is_some();
    let mut free = with(volume, "spec", |spec| match spec.get_mut("claimRef") {
        Some(Value::Object(claim)) if !by_controller => drop(claim.remove("uid")),
        _ => drop(spec.remove("claimRef")),
    });
    if by_controller {
        let mut copy = Obj::clone(&free);
        copy.meta.annotations = copy.meta.annotations.without(BOUND_BY_CONTROLLER);
        free = Arc::new(copy);
    }
    let free = write(run, Request::Update(object(&free)))?;
    set_phase(run, free, "Available", "").map(|_| ())
}

/// Upstream: the half of `syncVolume` for volumes without claim, and `reclaimVolume`.
fn release(run: &mut Run, volume: &Stored) -> Result<(), Stop> {
    let mut volume = volume.clone();
    if !["Released", "Failed"].contains(&text(&volume, &["status", "phase"])) {
        volume = set_phase(run, volume, "Released", "")?;
    }
    let is_external = volume.meta.annotations.get(PROVISIONED_BY).is_some();
    let refused = match text(&volume, &["spec", "persistentVolumeReclaimPolicy"]) {
        "Delete" if !is_external => (
            "VolumeFailedDelete",
            ecow::eco_format!(
                "error getting deleter volume plugin for volume {:?}: no deletable volume plugin matched",
                volume.meta.name
            ),
        ),
        "Recycle" => ("VolumeFailedRecycle", "No recycler plugin found for the volume!".into()),
        _ => return Ok(()),
    };
    if text(&volume, &["status", "phase"]) != "Failed" {
        let failed = set_phase(run, volume, "Failed", &refused.1)?;
        run.record(failed.meta.reference(), EventType::Warning, refused.0, refused.1);
    }
    Ok(())
}

impl Controller for PersistentVolumeController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let is_gone = change.kind == ChangeKind::Deleted;
        if let Some(pod) = change.new.get::<Pod>() {
            self.users.observe(pod, is_gone);
            return;
        }
        let Object::Untyped(stored) = change.new else { return };
        let id = stored.meta.id;
        if change.resync || !matches!(id.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim) {
            return;
        }
        let old = change.old.and_then(|old| if let Object::Untyped(old) = old { Some(&**old) } else { None });
        let own = self.written.get(&id).map(|own| own.meta.resource_version);
        let is_old = own.is_some_and(|own| own > stored.meta.resource_version) && !is_gone;
        if id.kind == Kind::PersistentVolume && !is_old {
            let before = self.written.get(&id).cloned();
            self.index(before.as_deref().or(old), (!is_gone).then_some(&**stored));
        }
        if !is_old {
            self.written.remove(&id);
        }
        if !is_gone {
            queue.add(id, change.cause);
            return;
        }
        self.unsettled.remove(&id);
        let other = match (id.kind, claim_of(stored)) {
            (Kind::PersistentVolume, Some((namespace, name))) => {
                view.caches.meta_by_name(Kind::PersistentVolumeClaim, &namespace, &name)
            }
            (Kind::PersistentVolumeClaim, _) => {
                view.caches.meta_by_name(Kind::PersistentVolume, "", text(stored, &["spec", "volumeName"]))
            }
            _ => None,
        };
        if let Some(other) = other {
            queue.add(other.id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(stored) = self.latest(key, view).cloned() else { return };
        self.unsettled.remove(&key);
        let seen = Seen { controller: self, view };
        let decision = match key.kind {
            Kind::PersistentVolume => decide::volume(&stored, &seen),
            _ => decide::claim(&stored, &seen),
        };
        self.run(stored, decision, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let (Some((stored, decision, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first())
        else {
            return;
        };
        if let Ok(answer) = reply
            && let Some(Object::Untyped(written)) = answer.object()
        {
            self.note(written.clone(), view);
        }
        script.answer(reply.clone(), view.now);
        self.run(stored, decision, script, view, plan);
    }

    fn next_tick(&mut self, view: &View) -> Option<Tick> {
        // Looks that would have found nothing have not been made: the grid goes on.
        let next = *self.next.get_or_insert(view.now + self.period);
        if self.unsettled.is_empty() {
            return None;
        }
        let missed = view.now.since(next).as_nanos().div_ceil(self.period.as_nanos());
        let at = next + self.period * missed;
        self.next = Some(at);
        Some(Tick { at, background: true })
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        self.next = Some(view.now + self.period);
        self.unsettled.iter().for_each(|id| queue.add(*id, Cause::START));
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        (self.unsettled.len(), self.running.len(), self.free.len(), self.reserved.len()).hash(&mut hasher);
    }
}
