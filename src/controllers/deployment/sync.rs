//! One sync of a Deployment, from adoption to status. It is written as upstream is, and run again from its start after
//! each answer (see `script`). Upstream: `syncDeployment`, `sync.go`, `rolling.go`, `recreate.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::revision::{self, MAX_REPLICAS, POD_TEMPLATE_HASH, REVISION};
use super::rolling::{self, Fenceposts, Share, Size, fenceposts};
use super::status::{self, PROGRESSING};
use crate::api::{
    ConditionStatus, Deployment, DeploymentStatus, DeploymentStrategy, EventType, Kind, Labels, Meta, Name, Obj,
    Object, PodTemplate, ReplicaSet, ReplicaSetStatus, Selector, Uid, WorkloadSelector, find_condition,
};
use crate::client::Caches;
use crate::controllers::pod_util::{controller_reference, is_namespace_terminating, selects};
use crate::controllers::refs::{self, Claims};
use crate::controllers::script::{Run, Stop};
use crate::event::{DeleteOptions, ErrorReason, Reply, Request, Target};

/// A shared ReplicaSet.
type Set = Arc<Obj<ReplicaSet>>;

/// What a sync works on: what the caches showed when it began.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) deployment: Arc<Obj<Deployment>>,
    claims: Claims<ReplicaSet>,
    /// ReplicaSets with pods that have not finished; looked at with `Recreate` only.
    busy: BTreeSet<Uid>,
}

impl Snapshot {
    /// Reads what a sync needs.
    pub(super) fn new(deployment: Arc<Obj<Deployment>>, caches: &Caches) -> Snapshot {
        let owners = &caches.replica_set_owners;
        let (meta, body) = (&deployment.meta, &deployment.body);
        let slots = owners.owned_by(meta.uid).chain(owners.orphans_in(&meta.namespace));
        let claims = refs::claim(meta, &body.selector, slots.filter_map(|slot| caches.replica_sets.by_slot(slot)));
        let busy = match body.strategy {
            DeploymentStrategy::RollingUpdate { .. } => BTreeSet::new(),
            DeploymentStrategy::Recreate => {
                let running = |set: &&Set| {
                    caches
                        .pods_of(set.meta.uid)
                        .any(|pod| selects(&body.selector, &pod.meta.labels) && !pod.body.status.phase.is_finished())
                };
                claims.owned.iter().chain(&claims.adopt).filter(running).map(|set| set.meta.uid).collect()
            }
        };
        Snapshot { deployment, claims, busy }
    }
}

/// The ReplicaSet with the Deployment's template, and all others.
struct Sets {
    new: Option<Set>,
    old: Vec<Set>,
}

impl Sets {
    fn all(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    fn total(&self) -> i32 {
        self.all().map(|set| set.body.replicas).sum()
    }
}

/// One run through a sync.
pub(super) struct Flow<'a> {
    /// The Deployment as this sync has changed it so far. Its revision stays that of the cache, so that a second write
    /// of the status in one sync fails with a conflict, as upstream's does.
    pub(super) deployment: Obj<Deployment>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) run: Run<'a>,
    pub(super) caches: &'a Caches,
    pub(super) count_terminating: bool,
}

impl Flow<'_> {
    /// The whole sync. Upstream: `syncDeployment`.
    pub(super) fn sync(&mut self) -> Result<(), Stop> {
        if self.deployment.body.selector.parsed.is_everything() {
            return self.refuse_to_select_all();
        }
        let sets = self.claim()?;
        if self.deployment.meta.is_terminating() {
            let sets = self.sets(&sets, false)?;
            return self.write_status(&sets, false);
        }
        self.check_paused()?;
        if self.deployment.body.paused || self.is_scaling_event(&sets)? {
            return self.scale_only(&sets);
        }
        match self.deployment.body.strategy {
            DeploymentStrategy::Recreate => self.recreate(&sets),
            DeploymentStrategy::RollingUpdate { .. } => self.roll(&sets),
        }
    }

    fn refuse_to_select_all(&mut self) -> Result<(), Stop> {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        self.say(EventType::Warning, "SelectingAll", message);
        let generation = self.deployment.meta.generation;
        if self.deployment.body.status.observed_generation < generation {
            self.deployment.body.status.observed_generation = generation;
            let _ignored = self.send_status()?;
        }
        Ok(())
    }

    /// Adopts and releases. Upstream: `getReplicaSetsForDeployment`.
    fn claim(&mut self) -> Result<Vec<Set>, Stop> {
        let Claims { mut owned, adopt, release } = self.snapshot.claims.clone();
        let meta = self.deployment.meta.clone();
        let mut error = None;
        if !adopt.is_empty() {
            let reply = self.run.send(refs::recheck(meta.id))?;
            match refs::may_adopt(&meta, &reply) {
                Ok(()) => {
                    for set in adopt {
                        let reference = controller_reference(&meta, "apps/v1", "Deployment");
                        match refs::adopted(&self.run.send(refs::adoption(&set.meta, reference))?) {
                            Ok(true) => owned.push(set),
                            Ok(false) => {}
                            Err(sentence) => error = error.or(Some(sentence)),
                        }
                    }
                }
                Err(sentence) => error = Some(sentence),
            }
        }
        for set in release {
            let reply = self.run.send(refs::release(&set.meta, meta.uid))?;
            error = error.or(refs::released(&reply).err());
        }
        error.map_or(Ok(owned), |sentence| Err(Stop::Failed(sentence)))
    }

    /// Notes in the conditions that the Deployment was paused or resumed, so that the deadline rests meanwhile.
    /// Upstream: `checkPausedConditions`.
    fn check_paused(&mut self) -> Result<(), Stop> {
        let body = &self.deployment.body;
        let current = find_condition(&body.status.conditions, PROGRESSING);
        let reason = current.map(|condition| condition.reason.as_str());
        if status::progress_deadline(body).is_none() || reason == Some(status::PROGRESS_DEADLINE_EXCEEDED) {
            return Ok(());
        }
        let noted = reason == Some(status::DEPLOYMENT_PAUSED);
        let (reason, message) = match (body.paused, noted) {
            (true, false) => (status::DEPLOYMENT_PAUSED, "Deployment is paused"),
            (false, true) => (status::DEPLOYMENT_RESUMED, "Deployment is resumed"),
            (true, true) | (false, false) => return Ok(()),
        };
        self.note_progress(ConditionStatus::Unknown, reason, message.into());
        self.send_status()?.map_err(Stop::from)?;
        Ok(())
    }

    /// Whether the Deployment was resized since its ReplicaSets were. Upstream: `isScalingEvent`.
    fn is_scaling_event(&mut self, sets: &[Set]) -> Result<bool, Stop> {
        let sets = self.sets(sets, false)?;
        let desired = self.deployment.body.replicas;
        let resized = |set: &Set| {
            set.body.replicas > 0
                && revision::number(&set.meta.annotations, revision::DESIRED_REPLICAS).is_some_and(|was| was != desired)
        };
        Ok(sets.all().any(resized))
    }

    /// Resizes without rolling: for a scaling event, and while paused. Upstream: `sync`.
    fn scale_only(&mut self, sets: &[Set]) -> Result<(), Stop> {
        let sets = self.sets(sets, false)?;
        self.scale(&sets)?;
        if self.deployment.body.paused {
            self.clean_up_history(&sets.old)?;
        }
        self.write_status(&sets, false)
    }

    /// Upstream: `rolloutRolling`.
    fn roll(&mut self, sets: &[Set]) -> Result<(), Stop> {
        let sets = self.sets(sets, true)?;
        let new = sets.new.clone().expect("the new ReplicaSet has just been found or created");
        if !self.grow_new_set(&sets, &new)?
            && !self.shrink_old_sets(&sets, &new)?
            && status::is_complete(&self.deployment, &self.deployment.body.status)
        {
            self.clean_up_history(&sets.old)?;
        }
        self.write_status(&sets, true)
    }

    /// Upstream: `reconcileNewReplicaSet`.
    fn grow_new_set(&mut self, sets: &Sets, new: &Set) -> Result<bool, Stop> {
        let desired = self.deployment.body.replicas;
        let replicas = match new.body.replicas.cmp(&desired) {
            std::cmp::Ordering::Equal => return Ok(false),
            std::cmp::Ordering::Greater => desired,
            std::cmp::Ordering::Less => {
                let strategy = &self.deployment.body.strategy;
                rolling::new_set_replicas(strategy, desired, sets.total(), new.body.replicas)
            }
        };
        Ok(self.resize(new, replicas)?.0)
    }

    /// Upstream: `reconcileOldReplicaSets`, which takes an error for 'nothing was scaled'.
    fn shrink_old_sets(&mut self, sets: &Sets, new: &Set) -> Result<bool, Stop> {
        let mut old: Vec<Set> = sets.old.iter().filter(|set| set.body.replicas > 0).cloned().collect();
        if old.is_empty() {
            return Ok(false);
        }
        let min_available = self.deployment.body.replicas - self.limits().max_unavailable;
        let limit = rolling::scale_down_limit(sets.total(), min_available, size(new));
        if limit <= 0 {
            return Ok(false);
        }
        sort_by_age(&mut old);
        let mut scaled = false;
        let sizes: Vec<Size> = old.iter().map(size).collect();
        let clean_up = rolling::clean_up_unhealthy(&sizes, limit);
        for (index, replicas) in clean_up.changes {
            match self.resize(&old[index], replicas) {
                Ok((_, updated)) => old[index] = updated,
                Err(Stop::Asked) => return Err(Stop::Asked),
                Err(Stop::Failed(_) | Stop::NamespaceTerminating) => return Ok(false),
            }
            scaled = true;
        }
        if clean_up.stale {
            return Ok(false);
        }
        let available: i32 = old.iter().chain([new]).map(|set| set.body.status.available_replicas).sum();
        let sizes: Vec<Size> = old.iter().map(size).collect();
        for (index, replicas) in rolling::scale_down(&sizes, available - min_available) {
            match self.resize(&old[index], replicas) {
                Ok(_) => scaled = true,
                Err(Stop::Asked) => return Err(Stop::Asked),
                Err(Stop::Failed(_) | Stop::NamespaceTerminating) => return Ok(false),
            }
        }
        Ok(scaled)
    }

    /// Upstream: `rolloutRecreate`.
    fn recreate(&mut self, all: &[Set]) -> Result<(), Stop> {
        let mut sets = self.sets(all, false)?;
        let mut scaled = false;
        for set in sets.old.iter().filter(|set| set.body.replicas > 0) {
            scaled |= self.resize(set, 0)?.0;
        }
        let new_uid = sets.new.as_ref().map(|set| set.meta.uid);
        let old_pods = sets.old.iter().any(|set| set.body.status.replicas > 0)
            || self.snapshot.busy.iter().any(|uid| Some(*uid) != new_uid);
        if scaled || old_pods {
            return self.write_status(&sets, true);
        }
        if sets.new.is_none() {
            sets = self.sets(all, true)?;
        }
        if let Some(new) = &sets.new {
            self.resize(new, self.deployment.body.replicas)?;
        }
        if status::is_complete(&self.deployment, &self.deployment.body.status) {
            self.clean_up_history(&sets.old)?;
        }
        self.write_status(&sets, true)
    }

    /// Tells the new ReplicaSet from the old, and sees to its revision and the Deployment's.
    /// Upstream: `getAllReplicaSetsAndSyncRevision`, `getNewReplicaSet`.
    fn sets(&mut self, all: &[Set], create: bool) -> Result<Sets, Stop> {
        let mut all = all.to_vec();
        sort_by_age(&mut all);
        let template = &self.deployment.body.template;
        let found = all.iter().position(|set| revision::same_template(&set.body.template, template));
        let existing = found.map(|index| all.remove(index));
        let new_revision = revision::max_revision(all.iter()) + 1;
        let new = match existing {
            Some(set) => Some(self.keep_new_set(set, new_revision)?),
            None if create => Some(self.create_new_set(&all, new_revision)?),
            None => None,
        };
        Ok(Sets { new, old: all })
    }

    /// Brings the new ReplicaSet's annotations up to date, else the Deployment's.
    fn keep_new_set(&mut self, set: Set, new_revision: i64) -> Result<Set, Stop> {
        let (meta, body) = (&self.deployment.meta, &self.deployment.body);
        let annotations = revision::for_new_set(&set.meta.annotations, &meta.annotations, new_revision);
        let min_ready_seconds = body.min_ready_seconds;
        if annotations != set.meta.annotations || set.body.min_ready_seconds != min_ready_seconds {
            let meta = Meta { annotations, ..set.meta.clone() };
            return self.update_set(Obj { meta, body: ReplicaSet { min_ready_seconds, ..set.body.clone() } });
        }
        let mut changed = self.set_revision(annotations.get(REVISION).cloned().unwrap_or_default());
        let body = &self.deployment.body;
        let unknown = find_condition(&body.status.conditions, PROGRESSING).is_none();
        if status::progress_deadline(body).is_some() && unknown {
            let message = ecow::eco_format!("Found new replica set {:?}", set.meta.name.as_str());
            self.note_progress(ConditionStatus::True, status::FOUND_NEW_REPLICA_SET, message);
            changed = true;
        }
        if changed {
            self.send_status()?.map_err(Stop::from)?;
        }
        Ok(set)
    }

    /// Creates the new ReplicaSet. `old` are all there are.
    fn create_new_set(&mut self, old: &[Set], new_revision: i64) -> Result<Set, Stop> {
        let set = self.new_set(old, new_revision);
        let (namespace, name) = (set.meta.namespace.clone(), set.meta.name.clone());
        let replicas = set.body.replicas;
        let has_deadline = status::progress_deadline(&self.deployment.body).is_some();
        let (created, existed) = match self.run.send(Request::Create(set.into_object()))? {
            Ok(answer) => (replica_set(answer.object()), false),
            Err(error) if error.reason == ErrorReason::AlreadyExists => {
                let caches = self.caches;
                let cached = || caches.replica_sets.by_name(&namespace, &name).cloned().map(Object::ReplicaSet);
                let Some(found) = self.run.look_up(cached) else {
                    return Err(Stop::Failed(ecow::eco_format!("replicaset.apps {:?} not found", name.as_str())));
                };
                let found = replica_set(Some(&found));
                let ours = found.meta.controller().is_some_and(|owner| owner.uid == self.deployment.meta.uid);
                if !ours || !revision::same_template(&found.body.template, &self.deployment.body.template) {
                    let count = &mut self.deployment.body.status.collision_count;
                    *count = Some(count.unwrap_or(0) + 1);
                    let _ignored = self.send_status()?;
                    return Err(Stop::from(error));
                }
                (found, true)
            }
            Err(error) if is_namespace_terminating(&error) => return Err(Stop::NamespaceTerminating),
            Err(error) => {
                let message = ecow::eco_format!("Failed to create new replica set {:?}: {error}", name.as_str());
                if has_deadline {
                    let reason = status::REPLICA_SET_CREATE_ERROR;
                    self.note_progress(ConditionStatus::False, reason, message.clone());
                    let _ignored = self.send_status()?;
                }
                self.say(EventType::Warning, status::REPLICA_SET_CREATE_ERROR, message);
                return Err(Stop::from(error));
            }
        };
        if !existed && replicas > 0 {
            let message = ecow::eco_format!("Scaled up replica set {} from 0 to {replicas}", created.meta.name);
            self.say(EventType::Normal, "ScalingReplicaSet", message);
        }
        let mut changed = self.set_revision(ecow::eco_format!("{new_revision}"));
        if !existed && has_deadline {
            let message = ecow::eco_format!("Created new replica set {:?}", created.meta.name.as_str());
            self.note_progress(ConditionStatus::True, status::NEW_REPLICA_SET_CREATED, message);
            changed = true;
        }
        if changed {
            self.send_status()?.map_err(Stop::from)?;
        }
        Ok(created)
    }

    /// The new ReplicaSet as it is to be created.
    fn new_set(&self, old: &[Set], new_revision: i64) -> Obj<ReplicaSet> {
        let Deployment { template, selector, strategy, replicas: desired, min_ready_seconds, .. } =
            &self.deployment.body;
        let owner = &self.deployment.meta;
        let hash = revision::template_hash(template, self.deployment.body.status.collision_count);
        let labels = template.labels.with(POD_TEMPLATE_HASH, hash.as_str());
        let mut written = selector.written.clone();
        written.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.into(), hash.clone());
        let parsed = Selector::from_label_selector(Some(&written)).unwrap_or(Selector::Nothing);
        let total = old.iter().map(|set| set.body.replicas).sum();
        let mut meta = Meta::new(Kind::ReplicaSet, owner.namespace.clone(), ecow::eco_format!("{}-{hash}", owner.name));
        meta.owners = [controller_reference(owner, "apps/v1", "Deployment")].into();
        meta.labels = labels.clone();
        let annotations = revision::for_new_set(&Labels::default(), &owner.annotations, new_revision);
        meta.annotations = revision::with_sizes(&annotations, *desired, desired + self.limits().max_surge);
        let body = ReplicaSet {
            replicas: rolling::new_set_replicas(strategy, *desired, total, 0),
            min_ready_seconds: *min_ready_seconds,
            selector: Arc::new(WorkloadSelector { written, parsed }),
            template: Arc::new(PodTemplate { labels, ..PodTemplate::clone(template) }),
            status: ReplicaSetStatus::default(),
        };
        Obj { meta, body }
    }

    /// Upstream: `scale`.
    fn scale(&mut self, sets: &Sets) -> Result<(), Stop> {
        let desired = self.deployment.body.replicas;
        let mut active: Vec<Set> = sets.all().filter(|set| set.body.replicas > 0).cloned().collect();
        if active.len() < 2 {
            let latest = || sets.old.iter().max_by_key(|set| (set.meta.created, set.meta.name.clone()));
            let only = active.first().or(sets.new.as_ref()).or_else(latest).cloned();
            if let Some(set) = only {
                self.resize(&set, desired)?;
            }
            return Ok(());
        }
        if sets.new.as_ref().is_some_and(|new| is_saturated(new, desired)) {
            for set in sets.old.iter().filter(|set| set.body.replicas > 0) {
                self.resize(set, 0)?;
            }
            return Ok(());
        }
        if matches!(self.deployment.body.strategy, DeploymentStrategy::RollingUpdate { .. }) {
            sort_by_age(&mut active);
            let shares: Vec<Share> = active.iter().map(share).collect();
            let replicas = self.deployment.body.status.replicas;
            for (index, replicas) in rolling::proportional(&shares, desired, self.limits().max_surge, replicas) {
                self.write_size(&active[index], replicas)?;
            }
        }
        Ok(())
    }

    /// Resizes a ReplicaSet, unless it has that size. Says whether it did, and what the set is now.
    /// Upstream: `scaleReplicaSetAndRecordEvent`.
    fn resize(&mut self, set: &Set, replicas: i32) -> Result<(bool, Set), Stop> {
        if set.body.replicas == replicas { Ok((false, set.clone())) } else { self.write_size(set, replicas) }
    }

    /// Writes size and annotations where one of them has changed. Upstream: `scaleReplicaSet`.
    fn write_size(&mut self, set: &Set, replicas: i32) -> Result<(bool, Set), Stop> {
        let desired = self.deployment.body.replicas;
        let annotations = revision::with_sizes(&set.meta.annotations, desired, desired + self.limits().max_surge);
        let before = set.body.replicas;
        if before == replicas && annotations == set.meta.annotations {
            return Ok((false, set.clone()));
        }
        let meta = Meta { annotations, ..set.meta.clone() };
        let updated = self.update_set(Obj { meta, body: ReplicaSet { replicas, ..set.body.clone() } })?;
        if before != replicas {
            let direction = if before < replicas { "up" } else { "down" };
            let name = &set.meta.name;
            let message = ecow::eco_format!("Scaled {direction} replica set {name} from {before} to {replicas}");
            self.say(EventType::Normal, "ScalingReplicaSet", message);
        }
        Ok((before != replicas, updated))
    }

    fn update_set(&mut self, set: Obj<ReplicaSet>) -> Result<Set, Stop> {
        let answer = self.run.send(Request::Update(set.into_object()))??;
        Ok(replica_set(answer.object()))
    }

    /// Deletes the oldest of the old ReplicaSets beyond the history limit. Upstream: `cleanupDeployment`.
    fn clean_up_history(&mut self, old: &[Set]) -> Result<(), Stop> {
        let Some(limit) = self.deployment.body.revision_history_limit.filter(|limit| *limit != i32::MAX) else {
            return Ok(());
        };
        let mut sets: Vec<Set> = old.iter().filter(|set| !set.meta.is_terminating()).cloned().collect();
        let excess = sets.len().saturating_sub(limit.max(0) as usize);
        sets.sort_by_cached_key(|set| {
            (revision::revision(&set.meta.annotations).unwrap_or(0), set.meta.created, set.meta.name.clone())
        });
        for set in sets.iter().take(excess) {
            let status = &set.body.status;
            if status.replicas != 0 || set.body.replicas != 0 || set.meta.generation > status.observed_generation {
                continue;
            }
            let delete = Request::Delete { target: Target::Id(set.meta.id), options: DeleteOptions::default() };
            match self.run.send(delete)? {
                Err(error) if error.reason != ErrorReason::NotFound => return Err(Stop::from(error)),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Writes the status where it has changed. `rollout`: with progress, and a look at the deadline later on.
    /// Upstream: `syncRolloutStatus`, `syncDeploymentStatus`.
    fn write_status(&mut self, sets: &Sets, rollout: bool) -> Result<(), Stop> {
        let (now, clock) = (self.run.now(), self.run.clock());
        let (old, new) = (&sets.old, sets.new.as_ref());
        let stamp = self.run.timestamp();
        let mut status: DeploymentStatus = status::calculate(&self.deployment, old, new, self.count_terminating, stamp);
        if rollout {
            status::add_progress(&mut status, &self.deployment, old, new, clock, now);
        }
        if status != self.deployment.body.status {
            self.deployment.body.status = status;
            self.send_status()?.map_err(Stop::from)?;
        } else if rollout && let Some(after) = status::next_progress_check(&self.deployment, &status, clock, now) {
            match after {
                status::ProgressCheck::After(after) => self.run.requeue_after(after),
                status::ProgressCheck::Soon => self.run.requeue_rate_limited(),
            }
        }
        Ok(())
    }

    fn send_status(&mut self) -> Result<Reply, Stop> {
        self.run.send(Request::UpdateStatus(self.deployment.clone().into_object()))
    }

    fn set_revision(&mut self, revision: Name) -> bool {
        let annotations = &self.deployment.meta.annotations;
        let changed = annotations.get(REVISION).map_or(!revision.is_empty(), |current| *current != revision);
        if changed {
            self.deployment.meta.annotations = annotations.with(REVISION, revision);
        }
        changed
    }

    fn note_progress(&mut self, status: ConditionStatus, reason: &str, message: Name) {
        let condition = status::condition(PROGRESSING, status, reason, message, self.run.timestamp());
        status::set_condition(&mut self.deployment.body.status, condition);
    }

    fn say(&mut self, kind: EventType, reason: &'static str, message: impl Into<Name>) {
        self.run.record(self.deployment.meta.reference(), kind, reason, message);
    }

    fn limits(&self) -> Fenceposts {
        fenceposts(&self.deployment.body.strategy, self.deployment.body.replicas)
    }
}

/// Oldest first, by name where two are of one age. Upstream: `ReplicaSetsByCreationTimestamp`.
fn sort_by_age(sets: &mut [Set]) {
    sets.sort_by(|a, b| (a.meta.created, &a.meta.name).cmp(&(b.meta.created, &b.meta.name)));
}

fn size(set: &Set) -> Size {
    Size { replicas: set.body.replicas, available: set.body.status.available_replicas }
}

fn share(set: &Set) -> Share {
    Share {
        replicas: set.body.replicas,
        max_replicas: revision::number(&set.meta.annotations, MAX_REPLICAS),
        created: set.meta.created,
        name: set.meta.name.clone(),
    }
}

/// Whether a new ReplicaSet has all pods that the Deployment wishes, and they are available. Upstream: `IsSaturated`.
fn is_saturated(set: &Set, desired: i32) -> bool {
    set.body.replicas == desired
        && revision::number(&set.meta.annotations, revision::DESIRED_REPLICAS) == Some(desired)
        && set.body.status.available_replicas == desired
}

fn replica_set(object: Option<&Object>) -> Set {
    object.and_then(|object| object.get::<ReplicaSet>()).expect("a ReplicaSet is answered with a ReplicaSet").clone()
}
