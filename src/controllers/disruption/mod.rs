//! The disruption controller: how many pods of each PodDisruptionBudget may be evicted.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/disruption`). As there, a budget is looked at where it or one of its pods
//! changes, and not where an owner is scaled; a failed look allows nothing. The pods of each budget are remembered with
//! what counts of them, so that a change of one pod costs no look at the others.
//!
//! Upstream chooses among several budgets of a pod at random: here the first by name. Its three queues are one, and
//! events come from `disruption-controller`, upstream's from `controllermanager`. How a custom owner is scaled is told
//! in `scale`.

mod budget;
mod scale;
mod stale;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use budget::{Budget, Findings, go_text};
use scale::LookUp;
use stale::Stale;

use super::script::{Run, Script, Stop};
use crate::api::{
    EventType, IntOrPercent, Kind, KindInfo, Name, Obj, Object, ObjectId, OwnerReference, Pod, Reference, Uid, Untyped,
};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind, ErrorReason, Request, Target};
use crate::kernel::{Span, Time};

/// How many budgets are worked on at a time. Upstream: one worker.
pub const DISRUPTION_WORKERS: Flag = Flag {
    name: "disruption-workers",
    default: FlagValue::Int(1),
    doc: "PodDisruptionBudgets that are worked on at a time; a single worker upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "disruption-controller",
    doc: "says in each PodDisruptionBudget how many of its pods may be evicted",
    source: "pkg/controller/disruption",
    watches: Watches::Kinds(&[
        Kind::PodDisruptionBudget,
        Kind::Pod,
        Kind::ReplicaSet,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::ReplicationController,
    ]),
    workers: &DISRUPTION_WORKERS,
    flags: &[],
    build: |_| Box::new(DisruptionController::default()),
};

/// How long an eviction that was allowed may take to show. Upstream: `DeletionTimeout`.
const DELETION_TIMEOUT: Span = Span::from_secs(120);
/// What upstream's queue adds to the time of the next look.
const REQUEUE: Span = Span::from_millis(5);

/// The disruption controller's memory.
#[derive(Clone, Debug, Default)]
pub struct DisruptionController {
    budgets: BTreeMap<u32, Known>,
    /// The budgets of each namespace by name.
    by_namespace: BTreeMap<Name, BTreeMap<Name, u32>>,
    stale: Stale,
    custom: Vec<(Kind, Arc<KindInfo>)>,
    running: BTreeMap<ObjectId, (Work, Script)>,
}

/// A budget and its pods.
#[derive(Clone, Debug)]
struct Known {
    budget: Arc<Budget>,
    pods: BTreeMap<u32, Share>,
    /// How many of the pods are healthy.
    healthy: usize,
    /// How many have no controller.
    unmanaged: usize,
    /// The controllers of the others.
    owners: BTreeMap<Uid, Owning>,
    /// What is to be said about pods that other budgets select as well.
    ambiguous: Vec<(Reference, Name)>,
}

/// A controller of pods.
#[derive(Clone, Debug)]
struct Owning {
    reference: OwnerReference,
    /// How many of the pods are its own.
    count: usize,
    /// The one that was looked at last.
    pod: Name,
}

/// What a pod adds to its budget.
#[derive(Clone, Copy, Debug)]
struct Share {
    healthy: bool,
    owner: Option<Uid>,
}

/// A sync that is under way.
#[derive(Clone, Debug)]
struct Work {
    budget: Arc<Budget>,
    pods: i32,
    healthy: i32,
    has_unmanaged: bool,
    owners: Vec<Owner>,
    /// The pods that are expected to go.
    disrupted: Vec<String>,
    /// The pods that were expected to go and did not.
    not_deleted: Vec<Reference>,
    /// When to look again.
    recheck_after: Option<Span>,
}

#[derive(Clone, Debug)]
struct Owner {
    reference: OwnerReference,
    /// One of its pods.
    pod: Name,
    found: LookUp,
}

/// Why a sync did not come to its end.
enum Trouble {
    /// It waits, or is to be tried again.
    Stop(Stop),
    /// The pods could not be counted: nothing is to be allowed.
    Error(Name),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Trouble {
        Trouble::Stop(stop)
    }
}

impl Known {
    fn new(budget: Arc<Budget>) -> Known {
        let owners = BTreeMap::new();
        Known { budget, pods: BTreeMap::new(), healthy: 0, unmanaged: 0, owners, ambiguous: Vec::new() }
    }

    /// Takes a pod in as it is now; none: it is gone, or no longer selected.
    fn set(&mut self, slot: u32, pod: Option<&Obj<Pod>>) {
        if let Some(share) = self.pods.remove(&slot) {
            self.healthy -= usize::from(share.healthy);
            match share.owner {
                None => self.unmanaged -= 1,
                Some(owner) => {
                    let owning = self.owners.get_mut(&owner).expect("the owner of a pod is known");
                    owning.count -= 1;
                    if owning.count == 0 {
                        self.owners.remove(&owner);
                    }
                }
            }
        }
        let Some(pod) = pod else { return };
        let healthy = !pod.meta.is_terminating() && pod.body.is_ready();
        let owner = pod.meta.controller();
        self.healthy += usize::from(healthy);
        match owner {
            None => self.unmanaged += 1,
            Some(owner) => {
                let fresh = || Owning { reference: owner.clone(), count: 0, pod: Name::new() };
                let owning = self.owners.entry(owner.uid).or_insert_with(fresh);
                owning.count += 1;
                owning.pod = pod.meta.name.clone();
            }
        }
        self.pods.insert(slot, Share { healthy, owner: owner.map(|owner| owner.uid) });
    }

    /// What a sync is to work on.
    fn work(&self, custom: &[(Kind, Arc<KindInfo>)], view: &View) -> Work {
        let namespace = &self.budget.meta().namespace;
        let (mut healthy, mut disrupted, mut not_deleted) = (self.healthy, Vec::new(), Vec::new());
        let mut recheck: Option<Time> = None;
        for (name, at) in self.budget.disrupted() {
            let Some(pod) = view.caches.pods.by_name(namespace, name) else { continue };
            let Some(share) = self.pods.get(&pod.meta.id.slot).filter(|_| !pod.meta.is_terminating()) else { continue };
            let until = view.clock.time(at) + DELETION_TIMEOUT;
            if until < view.now {
                not_deleted.push(pod.meta.reference());
                continue;
            }
            recheck = Some(recheck.map_or(until, |earlier| earlier.min(until)));
            disrupted.push(name.clone());
            if until > view.now && share.healthy {
                healthy -= 1;
            }
        }
        let owner = |owning: &Owning| {
            let found = scale::look_up(&owning.reference, namespace, view.caches, custom);
            Owner { reference: owning.reference.clone(), pod: owning.pod.clone(), found }
        };
        let owners = self.owners.values().filter(|_| self.budget.depends_on_scale());
        Work {
            budget: self.budget.clone(),
            pods: self.pods.len() as i32,
            healthy: healthy as i32,
            has_unmanaged: self.unmanaged > 0,
            owners: owners.map(owner).collect(),
            disrupted,
            not_deleted,
            recheck_after: recheck.map(|at| at.since(view.now) + REQUEUE),
        }
    }
}

impl DisruptionController {
    /// A budget has changed: its pods are looked for anew where its selector has.
    fn budget_changed(&mut self, object: &Arc<Obj<Untyped>>, is_gone: bool, view: &View) {
        let (slot, meta) = (object.meta.id.slot, &object.meta);
        if is_gone {
            self.budgets.remove(&slot);
            if let Some(budgets) = self.by_namespace.get_mut(&meta.namespace) {
                budgets.remove(&meta.name);
            }
            return;
        }
        let budget = Arc::new(Budget::of(object));
        if let Some(known) = self.budgets.get_mut(&slot)
            && known.budget.spec.selector == budget.spec.selector
        {
            known.budget = budget;
            return;
        }
        let mut known = Known::new(budget);
        for pod in view.caches.pods.in_namespace(&meta.namespace) {
            if known.budget.selects(&pod.meta.labels) {
                known.set(pod.meta.id.slot, Some(pod));
            }
        }
        self.budgets.insert(slot, known);
        self.by_namespace.entry(meta.namespace.clone()).or_default().insert(meta.name.clone(), slot);
    }

    /// A pod has changed. Upstream: `addPod`, `updatePod`, `deletePod`, `getPdbForPod`.
    fn pod_changed(&mut self, pod: &Obj<Pod>, change: Observed, view: &View, queue: &mut WorkQueue) {
        let slot = pod.meta.id.slot;
        let present = (change.kind != ChangeKind::Deleted).then_some(pod);
        self.stale.note(slot, present, view.clock);
        let Some(budgets) = self.by_namespace.get(&pod.meta.namespace) else { return };
        let mut chosen: Option<u32> = None;
        let mut is_ambiguous = false;
        for number in budgets.values() {
            let Some(known) = self.budgets.get_mut(number) else { continue };
            let selected = known.budget.selects(&pod.meta.labels);
            known.set(slot, present.filter(|_| selected));
            is_ambiguous |= selected && chosen.is_some();
            chosen = chosen.or(selected.then_some(*number));
        }
        let Some(known) = chosen.and_then(|number| self.budgets.get_mut(&number)) else { return };
        if is_ambiguous {
            let message = ecow::eco_format!(
                "Pod {:?}/{:?} matches multiple PodDisruptionBudgets.  Chose {:?} arbitrarily.",
                pod.meta.namespace,
                pod.meta.name,
                known.budget.meta().name
            );
            known.ambiguous.push((pod.meta.reference(), message));
        }
        queue.add(known.budget.meta().id, change.cause);
    }

    fn run(&mut self, key: ObjectId, work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut script, view.clock, plan);
        match sync(&mut run, &work) {
            Err(Stop::Asked) => drop(self.running.insert(key, (work, script))),
            Err(Stop::Failed(error)) => plan.fail(error),
            Err(Stop::NamespaceTerminating) | Ok(()) => {}
        }
    }
}

/// Upstream: `sync`.
fn sync(run: &mut Run, work: &Work) -> Result<(), Stop> {
    match try_sync(run, work) {
        Ok(()) => Ok(()),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Error(error)) => {
            let failed = work.budget.failed(&error, run.timestamp());
            run.send(Request::UpdateStatus(failed))??;
            Ok(())
        }
    }
}

fn try_sync(run: &mut Run, work: &Work) -> Result<(), Trouble> {
    let budget = &work.budget;
    let about = budget.meta().reference();
    if let Err(error) = &budget.selector {
        run.record(about, EventType::Warning, "NoPods", ecow::eco_format!("Failed to get pods: {error}"));
        return Err(Trouble::Error(error.clone()));
    }
    if work.pods == 0 {
        run.record(about.clone(), EventType::Normal, "NoPods", "No matching pods found");
    }
    let (expected, desired, has_unmanaged) = match expected(run, work) {
        Ok(counts) => counts,
        Err(Trouble::Stop(stop)) => return Err(Trouble::Stop(stop)),
        Err(Trouble::Error(error)) => {
            let message = ecow::eco_format!("Failed to calculate the number of expected pods: {error}");
            run.record(about, EventType::Warning, "CalculateExpectedPodCountFailed", message);
            return Err(Trouble::Error(error));
        }
    };
    if has_unmanaged {
        let selector = go_text(budget.spec.selector.as_ref());
        let message = ecow::eco_format!(
            "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
        );
        run.record(about, EventType::Warning, "UnmanagedPods", message);
    }
    for pod in &work.not_deleted {
        // Upstream names the namespace twice.
        let namespace = &budget.meta().namespace;
        let message = ecow::eco_format!("Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't");
        run.record(pod.clone(), EventType::Warning, "NotDeleted", message);
    }
    let findings = Findings { healthy: work.healthy, desired, expected };
    if let Some(object) = budget.found(findings, &work.disrupted, run.timestamp()) {
        match run.send(Request::UpdateStatus(object))? {
            Ok(_) => {}
            Err(error) if error.reason == ErrorReason::Conflict => return Err(Stop::Failed(error.message).into()),
            Err(error) => return Err(Trouble::Error(error.message)),
        }
    }
    if let Some(after) = work.recheck_after {
        run.requeue_after(after);
    }
    Ok(())
}

/// How many pods there should be, how many of them healthy, and whether some could not be counted.
/// Upstream: `getExpectedPodCount`.
fn expected(run: &mut Run, work: &Work) -> Result<(i32, i32, bool), Trouble> {
    let scaled = |value: IntOrPercent, total: i32| value.scaled(total, true).map_err(|e| Trouble::Error(e.into()));
    if let Some(most) = work.budget.max_unavailable() {
        let total = scale_of_owners(run, work)?;
        return Ok((total, (total - scaled(most, total)?).max(0), work.has_unmanaged));
    }
    match work.budget.min_available() {
        None => Ok((0, 0, false)),
        Some(IntOrPercent::Int(least)) => Ok((work.pods, least, false)),
        Some(least) => {
            let total = scale_of_owners(run, work)?;
            Ok((total, scaled(least, total)?, work.has_unmanaged))
        }
    }
}

/// The sum of what the owners want, each counted once. Upstream: `getExpectedScale`.
fn scale_of_owners(run: &mut Run, work: &Work) -> Result<i32, Trouble> {
    let mut scales: BTreeMap<Uid, i32> = BTreeMap::new();
    for owner in &work.owners {
        if scales.contains_key(&owner.reference.uid) {
            continue;
        }
        let found = match &owner.found {
            LookUp::Known(uid, scale) => Some((*uid, *scale)),
            LookUp::Error(error) => return Err(Trouble::Error(error.clone())),
            LookUp::Ask(kind, info) => {
                let (namespace, name) = (work.budget.meta().namespace.clone(), owner.reference.name.clone());
                let reply = run.send(Request::Get(Target::Name(*kind, namespace, name)))?;
                scale::answered(&owner.reference, info, &reply).map_err(Trouble::Error)?
            }
        };
        let Some((uid, scale)) = found else {
            return Err(Trouble::Error(ecow::eco_format!("found no controllers for pod {:?}", owner.pod)));
        };
        scales.insert(uid, scale);
    }
    Ok(scales.values().sum())
}

impl Controller for DisruptionController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn discover(&mut self, custom: &[(Kind, Arc<KindInfo>)]) {
        self.custom = custom.to_vec();
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        match change.new {
            Object::Pod(pod) => self.pod_changed(pod, change, view, queue),
            Object::Untyped(object) if object.meta.id.kind == Kind::PodDisruptionBudget => {
                self.budget_changed(object, change.kind == ChangeKind::Deleted, view);
                queue.add(object.meta.id, change.cause);
            }
            Object::Untyped(_)
            | Object::Node(_)
            | Object::Namespace(_)
            | Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        if key.kind == Kind::Pod {
            let stale = view.caches.pods.get(key).and_then(|pod| stale::cleaned(pod, view.clock, view.now));
            if let Some(pod) = stale {
                plan.send(Request::UpdateStatus(pod));
            }
            return;
        }
        let Some(known) = self.budgets.get_mut(&key.slot) else { return };
        for (pod, message) in std::mem::take(&mut known.ambiguous) {
            plan.record(pod, EventType::Warning, "MultiplePodDisruptionBudgets", message);
        }
        let work = known.work(&self.custom, view);
        self.run(key, work, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let (Some((work, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) else {
            return;
        };
        script.answer(reply.clone(), view.now);
        self.run(key, work, script, view, plan);
    }

    fn next_tick(&mut self, view: &View) -> Option<Tick> {
        self.stale.next(view.now)
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        for slot in self.stale.take_due(view.now) {
            queue.add(ObjectId { kind: Kind::Pod, slot }, Cause::START);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for known in self.budgets.values() {
            let meta = known.budget.meta();
            (&meta.namespace, &meta.name, known.pods.len(), known.healthy, known.unmanaged).hash(&mut hasher);
        }
        (self.running.len(), self.stale.len()).hash(&mut hasher);
    }
}
