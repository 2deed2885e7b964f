//! One sync of a DaemonSet: revisions, pods that are missing or too many, the update, the status. It is written as
//! upstream is, and run again from its start after each answer (see `script`); what it has decided is kept meanwhile.
//! Upstream: `syncDaemonSet`, `manage`, `syncNodes`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backoff::FailedPods;
use super::fit::{SharedPod, Wanted, new_pods};
use super::nodes::{self, Changes, Context, NodeState};
use super::set::{DaemonSet, Status, Strategy, reference};
use crate::api::{EventType, Name, Pod};
use crate::client::{Caches, Expectations};
use crate::controllers::history::{Histories, REVISION_HASH, Revision};
use crate::controllers::pod_util::{is_namespace_terminating, selects};
use crate::controllers::refs::{self, Claims};
use crate::controllers::script::{Run, Stop};
use crate::event::{ApiError, DeleteOptions, ErrorReason, Request, Target};
use crate::kernel::Span;

/// How many pods are created, and how many deleted, at a time. Upstream: `BurstReplicas`.
const BURST: usize = 250;

/// What the controller remembers between syncs.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) expectations: Expectations,
    pub(super) failed: FailedPods,
}

/// A sync under way: what the caches showed when it began, and what it has decided so far.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) set: Arc<DaemonSet>,
    pub(super) revisions: Vec<Revision>,
    /// Revisions that it has and no longer selects.
    pub(super) strangers: Vec<Revision>,
    /// Revisions that it selects and nobody has.
    pub(super) orphans: Vec<Revision>,
    pub(super) pods: Claims<Pod>,
    /// Revisions to be deleted.
    pub(super) obsolete: Option<Vec<Revision>>,
    satisfied: Option<bool>,
    managed: Option<Changes>,
    /// What the update does; nothing while pods are awaited.
    rolled: Option<Option<Result<Changes, String>>>,
    counted: Option<Status>,
}

impl Work {
    /// Reads what a sync begins with.
    pub(super) fn new(set: Arc<DaemonSet>, histories: &Histories, caches: &Caches) -> Work {
        let (meta, selector) = (set.meta(), &set.spec.selector);
        let selected = |revision: &Revision| selects(selector, &revision.meta().labels);
        let (revisions, strangers) = histories.owned_by(meta.uid, caches).partition(selected);
        let orphans = histories.orphans(&meta.namespace, selector, caches).collect();
        let candidates = caches.pods_of(meta.uid).chain(caches.orphan_pods(&meta.namespace));
        let pods = refs::claim(meta, selector, candidates);
        Work {
            revisions,
            strangers,
            orphans,
            pods,
            obsolete: None,
            satisfied: None,
            managed: None,
            rolled: None,
            counted: None,
            set,
        }
    }
}

/// One run through a sync.
pub(super) struct Flow<'a> {
    pub(super) work: &'a mut Work,
    pub(super) run: Run<'a>,
    pub(super) caches: &'a Caches,
    /// What the set wants of each node.
    pub(super) wanted: &'a BTreeMap<Name, Wanted>,
    pub(super) memory: &'a mut Memory,
}

impl Flow<'_> {
    /// The whole sync. Upstream: `syncDaemonSet`.
    pub(super) fn sync(&mut self) -> Result<(), Stop> {
        let set = self.work.set.clone();
        if set.spec.selector.parsed.is_everything() {
            let message = "This daemon set is selecting all pods. A non-empty selector is required.";
            self.say(EventType::Warning, "SelectingAll", message);
            return Ok(());
        }
        if set.meta().is_terminating() {
            return Ok(());
        }
        let (current, old) = self.construct_history().map_err(|stop| match stop {
            Stop::Failed(why) => Stop::Failed(ecow::eco_format!("failed to construct revisions of DaemonSet: {why}")),
            other => other,
        })?;
        let hash = current.label(REVISION_HASH);
        let (key, now) = (set.meta().id, self.run.now());
        let satisfied = *self.work.satisfied.get_or_insert_with(|| self.memory.expectations.satisfied(key, now));
        if !satisfied {
            return self.write_status(&hash, false);
        }
        let updated = self.update(&hash, &old);
        if updated == Err(Stop::Asked) {
            return Err(Stop::Asked);
        }
        let written = self.write_status(&hash, true);
        if written == Err(Stop::Asked) {
            return Err(Stop::Asked);
        }
        updated?;
        written
    }

    /// Upstream: `updateDaemonSet`.
    fn update(&mut self, hash: &Name, old: &[Revision]) -> Result<(), Stop> {
        self.claim_pods()?;
        let changes = match self.work.managed.clone() {
            Some(changes) => changes,
            None => {
                let changes = self.manage(hash);
                self.work.managed.insert(changes).clone()
            }
        };
        self.sync_nodes(&changes, hash)?;
        let rolled = match self.work.rolled.clone() {
            Some(rolled) => rolled,
            None => {
                let rolled = self.roll(hash);
                self.work.rolled.insert(rolled).clone()
            }
        };
        if let Some(rolled) = rolled {
            let changes = rolled.map_err(|why| Stop::Failed(why.into()))?;
            self.sync_nodes(&changes, hash)?;
        }
        self.clean_up_history(old)
    }

    /// Adopts and releases pods. Upstream: `getDaemonPods`.
    fn claim_pods(&mut self) -> Result<(), Stop> {
        let set = self.work.set.clone();
        let meta = set.meta();
        let mut error = None;
        if !self.work.pods.adopt.is_empty() {
            let reply = self.run.send(refs::recheck(meta.id))?;
            match refs::may_adopt(meta, &reply) {
                Ok(()) => {
                    for pod in self.work.pods.adopt.clone() {
                        let reply = self.run.send(refs::adoption(&pod.meta, reference(meta)))?;
                        error = error.or(refs::adopted(&reply).err());
                    }
                }
                Err(sentence) => error = Some(sentence),
            }
        }
        for pod in self.work.pods.release.clone() {
            let reply = self.run.send(refs::release(&pod.meta, meta.uid))?;
            error = error.or(refs::released(&reply).err());
        }
        let why = |sentence: Name| {
            let name = meta.name.as_str();
            Stop::Failed(ecow::eco_format!(
                "couldn't get node to daemon pod mapping for daemon set {name:?}: {sentence}"
            ))
        };
        error.map_or(Ok(()), |sentence| Err(why(sentence)))
    }

    /// All nodes with the set's pods, as the caches show them now. Upstream: `getNodesToDaemonPods`.
    fn look(&self) -> Vec<NodeState> {
        let set = &self.work.set;
        let mut by_node: BTreeMap<Name, Vec<SharedPod>> = BTreeMap::new();
        let adopted = self.work.pods.adopt.iter().filter_map(|pod| self.caches.pods.get(pod.meta.id));
        let adopted = adopted.filter(|pod| pod.meta.controller().is_none());
        for pod in self.caches.pods_of(set.meta().uid).chain(adopted) {
            let has_gone = pod.body.status.phase.is_finished() && pod.meta.is_terminating();
            if has_gone || !selects(&set.spec.selector, &pod.meta.labels) {
                continue;
            }
            if let Some(node) = super::fit::target(pod) {
                by_node.entry(node).or_default().push(pod.clone());
            }
        }
        let state = |(name, wanted): (&Name, &Wanted)| NodeState {
            name: name.clone(),
            wanted: Some(*wanted),
            pods: by_node.remove(name).unwrap_or_default(),
        };
        let mut nodes: Vec<NodeState> = self.wanted.iter().map(state).collect();
        nodes.extend(by_node.into_iter().map(|(name, pods)| NodeState { name, wanted: None, pods }));
        nodes
    }

    /// What is missing and what is too much. Upstream: `manage`.
    fn manage(&mut self, hash: &Name) -> Changes {
        let set = self.work.set.clone();
        let generation = set.template_generation();
        let (now, stamp) = (self.run.now(), self.run.timestamp());
        let context = Context { set: &set, hash, generation: generation.as_ref(), now: stamp };
        let mut changes = Changes::default();
        for node in self.look() {
            let needs = nodes::on_node(&node, context);
            if needs.create {
                changes.create.push(node.name.clone());
            }
            for pod in needs.failed {
                let place = (set.meta().uid, set.status.observed_generation, node.name.clone());
                if let Some(delay) = self.memory.failed.wait(place, now) {
                    self.run.requeue_after(delay);
                    continue;
                }
                let message = found("failed", &pod, &node.name, "kill");
                self.say(EventType::Warning, "FailedDaemonPod", message);
                changes.delete.push(pod);
            }
            for pod in needs.succeeded {
                let message = found("succeeded", &pod, &node.name, "delete");
                self.say(EventType::Normal, "SucceededDaemonPod", message);
                changes.delete.push(pod);
            }
            changes.delete.extend(needs.delete);
        }
        changes
    }

    /// What the update does, unless pods are awaited. Upstream: `updateDaemonSet`.
    fn roll(&mut self, hash: &Name) -> Option<Result<Changes, String>> {
        let set = self.work.set.clone();
        let is_due = self.memory.expectations.satisfied(set.meta().id, self.run.now());
        if !is_due || set.spec.strategy == Strategy::OnDelete {
            return None;
        }
        let generation = set.template_generation();
        let context = Context { set: &set, hash, generation: generation.as_ref(), now: self.run.timestamp() };
        Some(nodes::rolling(&self.look(), context))
    }

    /// Creates and deletes. Upstream: `syncNodes`.
    fn sync_nodes(&mut self, changes: &Changes, hash: &Name) -> Result<(), Stop> {
        let create = &changes.create[..changes.create.len().min(BURST)];
        let delete = &changes.delete[..changes.delete.len().min(BURST)];
        if create.is_empty() && delete.is_empty() {
            return Ok(());
        }
        let set = self.work.set.clone();
        let key = set.meta().id;
        if self.run.is_new() {
            let going = delete.iter().map(|pod| pod.meta.uid);
            self.memory.expectations.expect(key, create.len(), going, self.run.now());
        }
        let mut errors: Vec<Name> = Vec::new();
        let replies =
            self.run.send_slowly(|| new_pods(&set, hash, create).into_iter().map(Request::Create).collect())?;
        let mut missing = create.len() - replies.len();
        for reply in &replies {
            match reply {
                Ok(answer) => {
                    let name = answer.object().map(|pod| pod.meta().name.clone()).unwrap_or_default();
                    self.say(EventType::Normal, "SuccessfulCreate", ecow::eco_format!("Created pod: {name}"));
                }
                // Upstream takes these for done: they stay expected until the expectations run out.
                Err(error) if is_namespace_terminating(error) => {}
                Err(error) => {
                    self.say(EventType::Warning, "FailedCreate", ecow::eco_format!("Error creating: {error}"));
                    errors.push(error.message.clone());
                    missing += 1;
                }
            }
        }
        if self.run.is_new() && missing > 0 {
            self.memory.expectations.creations_observed(key, missing);
        }
        let deletion =
            |pod: &SharedPod| Request::Delete { target: Target::Id(pod.meta.id), options: DeleteOptions::default() };
        let replies = self.run.send_all(|| delete.iter().map(deletion).collect())?;
        for (pod, reply) in delete.iter().zip(replies) {
            let name = &pod.meta.name;
            match reply {
                Ok(_) => self.say(EventType::Normal, "SuccessfulDelete", ecow::eco_format!("Deleted pod: {name}")),
                Err(error) => {
                    if self.run.is_new() {
                        self.memory.expectations.deletion_observed(key, pod.meta.uid);
                    }
                    if error.reason != ErrorReason::NotFound {
                        self.say(EventType::Warning, "FailedDelete", ecow::eco_format!("Error deleting: {error}"));
                        errors.push(error.message.clone());
                    }
                }
            }
        }
        match &errors[..] {
            [] => Ok(()),
            [error] => Err(Stop::Failed(error.clone())),
            several => Err(Stop::Failed(ecow::eco_format!("[{}]", several.join(", ")))),
        }
    }

    /// Writes the status where it has changed, and once more with a fresh copy where that fails.
    /// Upstream: `updateDaemonSetStatus`, `storeDaemonSetStatus`.
    fn write_status(&mut self, hash: &Name, observed: bool) -> Result<(), Stop> {
        let set = self.work.set.clone();
        let counted = match self.work.counted.clone() {
            Some(counted) => counted,
            None => {
                let generation = set.template_generation();
                let now = self.run.timestamp();
                let context = Context { set: &set, hash, generation: generation.as_ref(), now };
                let counted = nodes::count(&self.look(), context);
                self.work.counted.insert(counted).clone()
            }
        };
        let generation = set.meta().generation;
        let is_current = set.status.observed_generation >= generation;
        if !is_current || counted.counted_onto(&set.status) != set.status {
            let mut fresh = DaemonSet::clone(&set);
            for attempt in 0.. {
                let mut status = counted.counted_onto(&fresh.status);
                if observed {
                    status.observed_generation = generation;
                }
                let error = match self.run.send(Request::UpdateStatus(fresh.with_status(&status)))? {
                    Ok(_) => break,
                    Err(error) => error,
                };
                if attempt == 1 {
                    return Err(not_stored(&set, &error));
                }
                let read = self.run.send(Request::Get(Target::Id(set.meta().id)))?;
                let read = read.map_err(|error| not_stored(&set, &error))?;
                match read.object().and_then(|read| DaemonSet::of(read, Some(&fresh))) {
                    Some(read) => fresh = read,
                    None => return Err(not_stored(&set, &error)),
                }
            }
        }
        if set.spec.min_ready_seconds > 0 && counted.ready != counted.available {
            self.run.requeue_after(Span::from_secs(set.spec.min_ready_seconds as u64));
        }
        Ok(())
    }

    fn say(&mut self, kind: EventType, reason: &'static str, message: impl Into<Name>) {
        self.run.record(self.work.set.meta().reference(), kind, reason, message);
    }
}

fn found(what: &str, pod: &SharedPod, node: &Name, will: &str) -> Name {
    let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
    ecow::eco_format!("Found {what} daemon pod {namespace}/{name} on node {node}, will try to {will} it")
}

fn not_stored(set: &DaemonSet, error: &ApiError) -> Stop {
    Stop::Failed(ecow::eco_format!("error storing status for daemon set {}: {error}", set.meta().key()))
}

/// An error that ends the sync; it is tried again.
pub(super) fn failed(error: ApiError) -> Stop {
    Stop::Failed(error.message)
}
