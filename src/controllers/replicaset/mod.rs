//! The ReplicaSet controller and the ReplicationController controller: keep as many pods as their owners wish.
//! Upstream: `pkg/controller/replicaset`, `pkg/controller/replication`.
//!
//! Left out: metrics. Differences: counts of pods are kept up to date instead of made anew in
//! each sync; adoptions go before releases; once a create has failed since the namespace is being deleted, the rest of
//! the batch is not tried; pods that are related to the set count by owner, those without one by selector.

mod observe;
mod owned;
pub mod ranking;
pub mod status;
pub mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;

use owned::{Owned, Sets};
use ranking::pods_to_delete;
use tally::{Counts, Tally};

use super::pod_util::{is_active, is_namespace_terminating, pod_from_template, selects, until_available};
use super::refs::{self, Claims};
use crate::api::{EventType, Kind, Name, Obj, ObjectId, Pod, ReplicaSet, ReplicaSetStatus, Uid};
use crate::client::{
    Controller, ControllerEntry, Expectations, Flag, FlagValue, Observed, Outcome, Plan, Step, View, Watches, WorkQueue,
};
use crate::event::{DeleteOptions, ErrorReason, Reply, Request, Target};
use crate::kernel::{Span, Time};

/// How many pods one sync creates or deletes at most. Upstream: `BurstReplicas`.
pub const BURST_REPLICAS: usize = 500;

/// `--concurrent-replicaset-syncs`.
pub const CONCURRENT_REPLICASET_SYNCS: Flag = Flag {
    name: "concurrent-replicaset-syncs",
    default: FlagValue::Int(5),
    doc: "ReplicaSets that are synced at the same time",
};
/// `--concurrent-rc-syncs`.
pub const CONCURRENT_RC_SYNCS: Flag = Flag {
    name: "concurrent-rc-syncs",
    default: FlagValue::Int(5),
    doc: "ReplicationControllers that are synced at the same time",
};
/// The feature gate of `status.terminatingReplicas`, alpha in 1.34.
pub const TERMINATING_REPLICAS: Flag = Flag {
    name: "DeploymentReplicaSetTerminatingReplicas",
    default: FlagValue::Bool(false),
    doc: "ReplicaSets and Deployments count their terminating pods in status.terminatingReplicas",
};

/// The line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "replicaset-controller",
    doc: "keeps as many pods as a ReplicaSet wishes: creates, deletes, adopts, releases",
    source: "pkg/controller/replicaset",
    watches: Watches::Kinds(&[Kind::ReplicaSet, Kind::Pod]),
    workers: &CONCURRENT_REPLICASET_SYNCS,
    flags: &[&TERMINATING_REPLICAS],
    build: |flags| Box::new(new_controller(Owned::ReplicaSets, flags.bool(&TERMINATING_REPLICAS))),
};

/// The line in the registry of the controller of ReplicationControllers.
pub static OF_REPLICATION_CONTROLLERS: ControllerEntry = ControllerEntry {
    name: "replicationcontroller-controller",
    doc: "keeps as many pods as a ReplicationController wishes: creates, deletes, adopts, releases",
    source: "pkg/controller/replication",
    watches: Watches::Kinds(&[Kind::ReplicationController, Kind::Pod]),
    workers: &CONCURRENT_RC_SYNCS,
    flags: &[],
    build: |_flags| Box::new(new_controller(Owned::ReplicationControllers, false)),
};

fn new_controller(owned: Owned, count_terminating: bool) -> ReplicaSetController {
    ReplicaSetController {
        sets: Sets::new(owned),
        count_terminating,
        expectations: Expectations::default(),
        tallies: BTreeMap::new(),
        syncs: BTreeMap::new(),
    }
}

const RECHECK: u32 = 1;
const ADOPT: u32 = 2;
const RELEASE: u32 = 3;
const CREATE: u32 = 4;
const DELETE: u32 = 5;
const STATUS: u32 = 6;
const STATUS_READ: u32 = 7;
const STATUS_AGAIN: u32 = 8;

/// The controller and its memory.
#[derive(Clone, Debug)]
struct ReplicaSetController {
    sets: Sets,
    count_terminating: bool,
    expectations: Expectations,
    tallies: BTreeMap<Uid, Tally>,
    /// Syncs that wait for an answer.
    syncs: BTreeMap<ObjectId, Sync>,
}

/// A sync under way.
#[derive(Clone, Debug)]
struct Sync {
    owned: Owned,
    set: Arc<Obj<ReplicaSet>>,
    /// Whether the expectations were fulfilled when it began.
    satisfied: bool,
    counts: Counts,
    /// The replicas, where the counts do not suffice.
    pods: Option<Vec<Arc<Obj<Pod>>>>,
    adopt: VecDeque<Arc<Obj<Pod>>>,
    release: VecDeque<Arc<Obj<Pod>>>,
    claim_error: Option<Name>,
    /// Pods to create, and how many of them have been created.
    wanted: usize,
    created: usize,
    /// Pods that are being deleted, in the order of the requests that are not answered yet.
    victims: VecDeque<(Name, Uid)>,
    /// What went wrong when pods were created or deleted.
    failure: Option<Name>,
    /// What the status shall be, and when that was found.
    status: ReplicaSetStatus,
    evaluated: Time,
}

impl Controller for ReplicaSetController {
    fn entry(&self) -> &'static ControllerEntry {
        match self.sets.owned {
            Owned::ReplicaSets => &ENTRY,
            Owned::ReplicationControllers => &OF_REPLICATION_CONTROLLERS,
        }
    }

    fn event_source(&self) -> &'static str {
        match self.sets.owned {
            Owned::ReplicaSets => "replicaset-controller",
            Owned::ReplicationControllers => "replication-controller",
        }
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        self.observed(change, view, queue);
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(set) = self.sets.get(key, view.caches).cloned() else {
            self.expectations.forget(key);
            return;
        };
        let mut sync = self.begin(key, set, view);
        if sync.adopt.is_empty() && sync.release.is_empty() {
            self.manage(key, &mut sync, view, plan);
        } else if sync.adopt.is_empty() {
            claim_next(&mut sync, plan);
        } else {
            plan.ask(RECHECK, refs::recheck(key));
        }
        self.keep(key, sync, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let mut sync = self.syncs.remove(&key).expect("an answer belongs to a sync under way");
        match outcome.label {
            RECHECK | ADOPT | RELEASE => {
                sync.claimed(outcome.label, &outcome.replies[0]);
                if !claim_next(&mut sync, plan) {
                    self.all_claimed(key, &mut sync, view, plan);
                }
            }
            CREATE => self.created(key, &mut sync, outcome, view, plan),
            DELETE => self.deleted(key, &mut sync, outcome, view, plan),
            STATUS | STATUS_AGAIN => match &outcome.replies[0] {
                Ok(_) => finish(&sync, view, plan),
                Err(_) if outcome.label == STATUS => plan.ask(STATUS_READ, Request::Get(Target::Id(key))),
                Err(error) => plan.fail(error.message.clone()),
            },
            STATUS_READ => match outcome.replies[0].as_ref().map(|answer| answer.object()) {
                Ok(object) => {
                    let fresh = object.and_then(|object| sync.owned.read(object));
                    let fresh = fresh.expect("the answer to a GET is the object asked for");
                    plan.ask(STATUS_AGAIN, with_status(sync.owned, &fresh, sync.status.clone()));
                }
                Err(error) => plan.fail(error.message.clone()),
            },
            other => panic!("a controller of replicas asks nothing under label {other}"),
        }
        self.keep(key, sync, plan);
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn Hasher) {
        for (key, creations, deletions) in self.expectations.unfulfilled() {
            hasher.write_u32(key.slot);
            hasher.write_i64(creations);
            hasher.write_usize(deletions);
        }
        for (key, sync) in &self.syncs {
            hasher.write_u32(key.slot);
            hasher.write_usize(sync.adopt.len() + sync.release.len());
            hasher.write_usize(sync.wanted - sync.created + sync.victims.len());
        }
    }
}

impl ReplicaSetController {
    /// Reads what a sync starts from. Upstream: the first part of `syncReplicaSet`.
    fn begin(&mut self, key: ObjectId, set: Arc<Obj<ReplicaSet>>, view: &View) -> Sync {
        let caches = view.caches;
        let counts = self.counts(&set, view);
        let adoptable = |pod: &&Arc<Obj<Pod>>| is_active(pod) && selects(&set.body.selector, &pod.meta.labels);
        let orphans = || caches.orphan_pods(&set.meta.namespace).filter(adoptable);
        let claims_needed = !set.meta.is_terminating() && (counts.strays > 0 || orphans().next().is_some());
        let claims = if claims_needed {
            let own = caches.pods_of(set.meta.uid).filter(|pod| is_active(pod));
            refs::claim(&set.meta, &set.body.selector, own.chain(orphans()))
        } else {
            Claims { owned: Vec::new(), adopt: Vec::new(), release: Vec::new() }
        };
        let pods = if claims_needed {
            Some(claims.owned)
        } else {
            (set.body.min_ready_seconds > 0).then(|| replicas_in_cache(&set, view))
        };
        Sync {
            owned: self.sets.owned,
            satisfied: self.expectations.satisfied(key, view.now),
            counts,
            pods,
            adopt: claims.adopt.into(),
            release: claims.release.into(),
            claim_error: None,
            wanted: 0,
            created: 0,
            victims: VecDeque::new(),
            failure: None,
            status: set.body.status.clone(),
            evaluated: view.now,
            set,
        }
    }

    /// The counts of a set's own pods.
    fn counts(&mut self, set: &Obj<ReplicaSet>, view: &View) -> Counts {
        let tally = self.tallies.get(&set.meta.uid).filter(|tally| tally.fits(&set.body));
        if let Some(tally) = tally {
            return tally.counts;
        }
        let tally = Tally::new(&set.body, view.caches.pods_of(set.meta.uid));
        let counts = tally.counts;
        self.tallies.insert(set.meta.uid, tally);
        counts
    }

    /// All adoptions and releases are answered.
    fn all_claimed(&mut self, key: ObjectId, sync: &mut Sync, view: &View, plan: &mut Plan) {
        if let Some(error) = sync.claim_error.take() {
            plan.fail(error);
            return;
        }
        let terminating = sync.counts.terminating;
        let pods = sync.pods.iter().flatten();
        sync.counts = Counts { terminating, ..Counts::of_all(pods, &sync.set.body) };
        self.manage(key, sync, view, plan);
    }

    /// Creates or deletes pods where the expectations allow it, else goes on to the status. Upstream: `manageReplicas`.
    fn manage(&mut self, key: ObjectId, sync: &mut Sync, view: &View, plan: &mut Plan) {
        let set = sync.set.clone();
        let missing = i64::from(set.body.replicas) - i64::from(sync.counts.active);
        if !sync.satisfied || set.meta.is_terminating() || missing == 0 {
            self.write_status(sync, view, plan);
            return;
        }
        let count = (missing.unsigned_abs() as usize).min(BURST_REPLICAS);
        if missing > 0 {
            self.expectations.expect_creations(key, count, view.now);
            sync.wanted = count;
            let reference = sync.owned.reference(&set.meta);
            let pod = pod_from_template(&set.body.template, &set.meta, reference);
            plan.slow_start(CREATE, vec![Request::Create(pod); count]);
            return;
        }
        let pods = sync.pods.clone().unwrap_or_else(|| replicas_in_cache(&set, view));
        let victims = pods_to_delete(pods, related_pods(&self.sets, &set, view), count, view.now, view.clock);
        self.expectations.expect_deletions(key, victims.iter().map(|pod| pod.meta.uid), view.now);
        sync.victims = victims.iter().map(|pod| (pod.meta.name.clone(), pod.meta.uid)).collect();
        let delete = |pod: &Arc<Obj<Pod>>| Request::Delete {
            target: Target::Id(pod.meta.id),
            options: DeleteOptions::default(),
        };
        plan.batch(DELETE, victims.iter().map(delete).collect());
    }

    /// A round of creates is answered.
    fn created(&mut self, key: ObjectId, sync: &mut Sync, outcome: Outcome, view: &View, plan: &mut Plan) {
        for reply in outcome.replies {
            match reply {
                Ok(answer) => {
                    sync.created += 1;
                    let name = answer.object().map(|pod| pod.meta().name.clone()).unwrap_or_default();
                    sync.say(plan, EventType::Normal, "SuccessfulCreate", ecow::eco_format!("Created pod: {name}"));
                }
                // Upstream takes these for done: they stay expected until the expectations run out.
                Err(error) if is_namespace_terminating(error) => sync.created += 1,
                Err(error) => {
                    sync.say(plan, EventType::Warning, "FailedCreate", ecow::eco_format!("Error creating: {error}"));
                    sync.failure.get_or_insert(error.message.clone());
                }
            }
        }
        if outcome.last {
            if sync.failure.is_some() {
                self.expectations.creations_observed(key, sync.wanted - sync.created);
            }
            self.write_status(sync, view, plan);
        }
    }

    /// The deletes are answered.
    fn deleted(&mut self, key: ObjectId, sync: &mut Sync, outcome: Outcome, view: &View, plan: &mut Plan) {
        for reply in outcome.replies {
            let (name, uid) = sync.victims.pop_front().expect("each reply belongs to a pod");
            match reply {
                Ok(_) => {
                    sync.say(plan, EventType::Normal, "SuccessfulDelete", ecow::eco_format!("Deleted pod: {name}"))
                }
                Err(error) => {
                    self.expectations.deletion_observed(key, uid);
                    if error.reason != ErrorReason::NotFound {
                        let message = ecow::eco_format!("Error deleting: {error}");
                        sync.say(plan, EventType::Warning, "FailedDelete", message);
                        sync.failure.get_or_insert(ecow::eco_format!("unable to delete pods: {error}"));
                    }
                }
            }
        }
        if outcome.last {
            self.write_status(sync, view, plan);
        }
    }

    /// Writes the status where it has changed. Upstream: `updateReplicaSetStatus`, which tries once more with a fresh
    /// copy where the update fails.
    fn write_status(&mut self, sync: &mut Sync, view: &View, plan: &mut Plan) {
        let set = &sync.set;
        let now = view.timestamp();
        let available = match &sync.pods {
            Some(pods) => {
                let available = |pod: &&Arc<Obj<Pod>>| pod.body.is_available(set.body.min_ready_seconds, now);
                pods.iter().filter(available).count() as i32
            }
            None => sync.counts.ready,
        };
        let failure = sync.failure.as_ref();
        sync.evaluated = view.now;
        sync.status = status::calculate(set, sync.counts, available, self.count_terminating, failure, now);
        if sync.status == set.body.status {
            finish(sync, view, plan);
        } else {
            plan.ask(STATUS, with_status(sync.owned, set, sync.status.clone()));
        }
    }

    /// Keeps the sync while an answer is to come.
    fn keep(&mut self, key: ObjectId, sync: Sync, plan: &Plan) {
        if plan.steps().any(|step| !matches!(step, Step::Record { .. })) {
            self.syncs.insert(key, sync);
        }
    }
}

impl Sync {
    /// Takes the answer to a step of the claims.
    fn claimed(&mut self, label: u32, reply: &Reply) {
        let result = match label {
            RECHECK => refs::may_adopt(&self.set.meta, reply).inspect_err(|_| self.adopt.clear()),
            ADOPT => {
                let pod = self.adopt.pop_front().expect("a pod was to be adopted");
                refs::adopted(reply).map(|ours| {
                    if ours {
                        self.pods.get_or_insert_default().push(pod);
                    }
                })
            }
            _ => {
                self.release.pop_front();
                refs::released(reply)
            }
        };
        if let Err(error) = result {
            self.claim_error.get_or_insert(error);
        }
    }

    /// Records an Event about the set.
    fn say(&self, plan: &mut Plan, kind: EventType, reason: &'static str, message: Name) {
        plan.record_now(self.set.meta.reference(), kind, reason, message);
    }
}

/// Asks for the next adoption or release, if there is one.
fn claim_next(sync: &mut Sync, plan: &mut Plan) -> bool {
    if let Some(pod) = sync.adopt.front() {
        let reference = sync.owned.reference(&sync.set.meta);
        plan.ask(ADOPT, refs::adoption(&pod.meta, reference));
        true
    } else if let Some(pod) = sync.release.front() {
        plan.ask(RELEASE, refs::release(&pod.meta, sync.set.meta.uid));
        true
    } else {
        false
    }
}

/// The status is written, or needs no writing: ends the sync.
fn finish(sync: &Sync, view: &View, plan: &mut Plan) {
    if let Some(failure) = &sync.failure {
        plan.fail(failure.clone());
        return;
    }
    let min_ready = sync.set.body.min_ready_seconds;
    if min_ready > 0 && sync.status.ready_replicas != sync.status.available_replicas {
        plan.requeue_after(next_check(sync, view).unwrap_or(Span::from_secs(min_ready as u64)));
    }
}

/// How long until the next pod may become available. Upstream: `FindMinNextPodAvailabilityCheck`.
fn next_check(sync: &Sync, view: &View) -> Option<Span> {
    let ready = sync.pods.iter().flatten().filter_map(|pod| pod.body.ready_since());
    let ready_at = ready.map(|since| view.clock.time(since));
    let min_ready = sync.set.body.min_ready_seconds;
    let first = ready_at.filter(|at| until_available(*at, min_ready, sync.evaluated).is_some()).min()?;
    Some(until_available(first, min_ready, view.now).unwrap_or(Span::ZERO))
}

/// The replicas of a set that the cache shows.
fn replicas_in_cache(set: &Obj<ReplicaSet>, view: &View) -> Vec<Arc<Obj<Pod>>> {
    let replica = |pod: &&Arc<Obj<Pod>>| is_active(pod) && selects(&set.body.selector, &pod.meta.labels);
    view.caches.pods_of(set.meta.uid).filter(replica).cloned().collect()
}

/// The pods of all owners that have the same controller. Upstream: `getIndirectlyRelatedPods`.
fn related_pods<'a>(
    sets: &'a Sets,
    set: &'a Obj<ReplicaSet>,
    view: &View<'a>,
) -> impl Iterator<Item = &'a Arc<Obj<Pod>>> + 'a {
    let caches = view.caches;
    sets.siblings(set, caches).flat_map(|related| {
        let selected = |pod: &&Arc<Obj<Pod>>| selects(&related.body.selector, &pod.meta.labels);
        let orphans = caches.orphan_pods(&related.meta.namespace);
        caches.pods_of(related.meta.uid).chain(orphans).filter(selected)
    })
}

/// The request that writes a status.
fn with_status(owned: Owned, set: &Obj<ReplicaSet>, status: ReplicaSetStatus) -> Request {
    Request::UpdateStatus(owned.with_status(set, status))
}
