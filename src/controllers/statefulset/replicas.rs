//! What a sync does to the pods: creates what is missing, removes what is too much, replaces what is out of date, one
//! after the other or, where the set is Parallel, in rounds of 1, 2, 4, ….
//! Upstream: `stateful_set_control.go` (`updateStatefulSet`), `stateful_pod_control.go`.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use super::claims::{Owners, conflicting, new_claim};
use super::identity::{
    belongs_to_current, claim_name, identity_matches, is_running_and_ready, is_unavailable, new_pod, ordinal,
    parent_and_ordinal, revision, storage_matches, with_identity, with_storage,
};
use super::set::{Status, Strategy};
use super::sync::{Flow, Revisions, Verb, failed};
use crate::api::{
    EventType, IntOrPercent, Kind, Meta, Name, Obj, Object, Pod, PodPhase, PodSpec, PodTemplate, convert,
};
use crate::controllers::script::Stop;
use crate::event::{ApiError, DeleteOptions, ErrorReason, Reply, Request, Target};

/// How many pods a round of a Parallel set works on at most. Upstream: `MaxBatchSize`.
const ROUND_MAX: usize = 500;

type SharedPod = Arc<Obj<Pod>>;

/// One of the pods that the set wishes for.
#[derive(Clone, Debug)]
enum Replica {
    /// It is there.
    Live(SharedPod),
    /// It is to be created.
    Missing(i32),
}

/// Something to be done for one pod.
struct Task {
    /// The pod's metadata; for one that is to be created only its names.
    meta: Meta,
    deed: Deed,
    /// Its claims by template, as the cache has them.
    claims: Vec<(Name, Option<Object>)>,
    error: Option<Name>,
}

enum Deed {
    Create(i32),
    Delete,
    /// Its claims are to be there while it is pending.
    Claims,
    /// Labels, volumes or owners of claims are to be put right.
    Correct(SharedPod),
}

/// What the judgement of one replica comes to.
enum Verdict {
    /// It is as it should be.
    Fine,
    /// It blocks those after it in an ordered set.
    Wait,
    /// Something is to be done; whether it blocks those after it in an ordered set.
    Do(Box<Task>, bool),
}

impl Flow<'_> {
    /// Brings the pods closer to the wish. Gives the status, and why it went no further. Upstream: `updateStatefulSet`.
    pub(super) fn converge(
        &mut self,
        revisions: &Revisions,
        pods: &[SharedPod],
    ) -> Result<(Status, Result<(), Stop>), Stop> {
        let set = self.snapshot.set.clone();
        let mut status = Status {
            observed_generation: set.meta().generation,
            current_revision: revisions.current.name().clone(),
            update_revision: revisions.update.name().clone(),
            collisions: revisions.collisions,
            ..Status::default()
        };
        self.count(&mut status, pods.iter());
        let mut replicas: Vec<Replica> =
            (0..set.spec.replicas).map(|index| Replica::Missing(set.spec.start.saturating_add(index))).collect();
        let mut condemned: Vec<SharedPod> = Vec::new();
        for pod in pods {
            match ordinal(&pod.meta) {
                ordinal if set.has_ordinal(ordinal) => {
                    replicas[(ordinal - set.spec.start) as usize] = Replica::Live(pod.clone());
                }
                ordinal if ordinal >= 0 => condemned.push(pod.clone()),
                _ => {}
            }
        }
        condemned.sort_by_key(|pod| std::cmp::Reverse(ordinal(&pod.meta)));
        if set.meta().is_terminating() {
            return Ok((status, Ok(())));
        }
        let result = self.process(revisions, &replicas, &condemned);
        if result == Err(Stop::Asked) {
            return Err(Stop::Asked);
        }
        self.count(&mut status, live(&replicas).chain(&condemned));
        match result {
            Ok(true) if set.spec.strategy != Strategy::OnDelete => {
                let rolled = self.roll(&mut status, revisions, &replicas);
                if rolled == Err(Stop::Asked) { Err(Stop::Asked) } else { Ok((status, rolled)) }
            }
            Ok(_) => Ok((status, Ok(()))),
            Err(stop) => Ok((status, Err(stop))),
        }
    }

    /// Creates and removes pods. Gives whether all is as the wish has it, but for revisions.
    fn process(&mut self, revisions: &Revisions, replicas: &[Replica], condemned: &[SharedPod]) -> Result<bool, Stop> {
        let monotonic = !self.snapshot.set.spec.parallel;
        if self.for_all(replicas.len(), monotonic, |flow, round| {
            flow.process_replicas(revisions, &replicas[round], monotonic)
        })? {
            return Ok(false);
        }
        if self.for_all(condemned.len(), monotonic, |flow, round| flow.fix_claims(&condemned[round]))? {
            return Ok(false);
        }
        let first_unavailable = self.first_unavailable(replicas, condemned);
        let stopped = self.for_all(condemned.len(), monotonic, |flow, round| {
            flow.process_condemned(&condemned[round], first_unavailable.as_ref(), monotonic)
        })?;
        Ok(!stopped)
    }

    /// Works on pods one by one until one stops it, or in growing rounds. Upstream: `runForAll`, `slowStartBatch`.
    fn for_all(
        &mut self,
        count: usize,
        monotonic: bool,
        mut work: impl FnMut(&mut Self, Range<usize>) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        let (mut at, mut size) = (0, 1);
        while at < count {
            let round = at..(at + size).min(count);
            at = round.end;
            let stops = work(self, round)?;
            if monotonic && stops {
                return Ok(true);
            }
            size = if monotonic { 1 } else { (size * 2).min(ROUND_MAX) };
        }
        Ok(false)
    }

    /// Sends the requests of a round one after the other, all of them whatever becomes of each. Upstream sends them at the
    /// same time over one connection, which keeps their order; messages here would overtake one another.
    fn send_each(&mut self, count: usize, request: impl Fn(usize) -> Request) -> Result<Vec<Reply>, Stop> {
        let mut replies = Vec::with_capacity(count);
        for number in 0..count {
            replies.extend(self.run.send_all(|| vec![request(number)])?);
        }
        Ok(replies)
    }

    /// The condemned pod that may go although it does not serve: the only thing that is wrong below it is itself.
    fn first_unavailable(&self, replicas: &[Replica], condemned: &[SharedPod]) -> Option<SharedPod> {
        let (now, min) = (self.run.timestamp(), self.snapshot.set.spec.min_ready_seconds);
        let unavailable = |replica: &Replica| match replica {
            Replica::Live(pod) => is_unavailable(pod, min, now),
            Replica::Missing(_) => true,
        };
        if replicas.iter().any(unavailable) {
            return None;
        }
        condemned.iter().rev().find(|pod| is_unavailable(pod, min, now)).cloned()
    }

    /// Upstream: `processReplica`, for the replicas of a round.
    fn process_replicas(&mut self, revisions: &Revisions, replicas: &[Replica], monotonic: bool) -> Result<bool, Stop> {
        let (mut tasks, mut stops) = (Vec::new(), false);
        for replica in replicas {
            match self.judge(replica, monotonic)? {
                Verdict::Fine => {}
                Verdict::Wait => stops = true,
                Verdict::Do(task, blocks) => {
                    stops |= blocks;
                    tasks.push(*task);
                }
            }
        }
        if !tasks.is_empty() {
            self.create_claims(&mut tasks)?;
            self.write_pods(revisions, &mut tasks)?;
            self.write_claim_owners(&mut tasks)?;
            errors_of(&tasks)?;
        }
        Ok(stops)
    }

    fn judge(&mut self, replica: &Replica, monotonic: bool) -> Result<Verdict, Stop> {
        let set = self.snapshot.set.clone();
        let pod = match replica {
            Replica::Live(pod) => pod,
            Replica::Missing(ordinal) => {
                let name = ecow::eco_format!("{}-{ordinal}", set.meta().name);
                let meta = Meta::new(Kind::Pod, set.meta().namespace.clone(), name);
                let claims = self.claims_of(*ordinal);
                let owners = self.owners(&meta);
                let mut cached = claims.iter().filter_map(|(_, claim)| claim.as_ref());
                if set.spec.retention.delete_with_pod && cached.any(|claim| owners.has_stale_pod(claim.meta())) {
                    return Ok(Verdict::Wait);
                }
                let task = Task { meta, deed: Deed::Create(*ordinal), claims, error: None };
                return Ok(Verdict::Do(Box::new(task), true));
            }
        };
        let task = |deed, claims| Box::new(Task { meta: pod.meta.clone(), deed, claims, error: None });
        let (phase, now) = (pod.body.status.phase, self.run.timestamp());
        if phase.is_finished() {
            return Ok(match pod.meta.is_terminating() {
                true => Verdict::Wait,
                false => Verdict::Do(task(Deed::Delete, Vec::new()), true),
            });
        }
        let claims = self.claims_of(ordinal(&pod.meta));
        let unfinished = pod.meta.is_terminating()
            || !is_running_and_ready(pod)
            || !pod.body.is_available(set.spec.min_ready_seconds, now);
        if phase == PodPhase::Pending && !claims.is_empty() {
            return Ok(Verdict::Do(task(Deed::Claims, claims), true));
        }
        if unfinished && monotonic {
            return Ok(Verdict::Wait);
        }
        let owners = self.owners(&pod.meta);
        let owned_right = claims.iter().filter_map(|(_, claim)| claim.as_ref()).all(|c| owners.are_right(c.meta()));
        if identity_matches(set.meta(), &pod.meta) && storage_matches(&set, pod) && owned_right {
            return Ok(Verdict::Fine);
        }
        Ok(Verdict::Do(task(Deed::Correct(pod.clone()), claims), false))
    }

    /// The claims of an ordinal, as the cache has them now.
    fn claims_of(&mut self, ordinal: i32) -> Vec<(Name, Option<Object>)> {
        let (set, caches) = (self.snapshot.set.clone(), self.caches);
        let cache = caches.others.get(&Kind::PersistentVolumeClaim);
        let names = set.spec.claims.iter().map(|claim| claim_name(&claim.name, &set.meta().name, ordinal));
        names
            .map(|name| {
                let cached = || Some(Object::Untyped(cache?.by_name(&set.meta().namespace, &name)?.clone()));
                let found = self.run.look_up(cached);
                (name, found)
            })
            .collect()
    }

    fn owners<'a>(&'a self, pod: &'a Meta) -> Owners<'a> {
        let set = &self.snapshot.set;
        let scaled_down = !set.has_ordinal(ordinal(pod));
        Owners { set: set.meta(), pod, scaled_down, retention: set.spec.retention }
    }

    /// Upstream: `createPersistentVolumeClaims`.
    fn create_claims(&mut self, tasks: &mut [Task]) -> Result<(), Stop> {
        let set = self.snapshot.set.clone();
        let wants = |task: &&Task| !matches!(task.deed, Deed::Delete);
        let missing: Vec<(usize, usize, Name)> = tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| wants(task))
            .flat_map(|(index, task)| {
                let absent = task.claims.iter().enumerate().filter(|(_, (_, claim))| claim.is_none());
                absent.map(move |(template, (name, _))| (index, template, name.clone()))
            })
            .collect();
        let mut errors: Vec<Vec<Name>> = vec![Vec::new(); tasks.len()];
        for (index, task) in tasks.iter().enumerate().filter(|(_, task)| wants(task)) {
            let going = |claim: &Object| claim.meta().is_terminating();
            let going = task.claims.iter().filter(|(_, claim)| claim.as_ref().is_some_and(going));
            errors[index].extend(going.map(|(name, _)| ecow::eco_format!("pvc {name} is being deleted")));
        }
        if !missing.is_empty() {
            let replies = self.send_each(missing.len(), |number| {
                let (_, template, name) = &missing[number];
                let (_, ordinal) = parent_and_ordinal(name).unwrap_or_default();
                Request::Create(new_claim(&set, &set.spec.claims[*template], ordinal))
            })?;
            for ((index, _, name), reply) in missing.iter().zip(&replies) {
                let error = reply.as_ref().err();
                if let Some(error) = error {
                    errors[*index].push(ecow::eco_format!("failed to create PVC {name}: {error}"));
                }
                if error.is_none_or(|error| error.reason != ErrorReason::AlreadyExists) {
                    self.tell_of_claim(name, &tasks[*index].meta.name, error);
                }
            }
        }
        for (task, errors) in tasks.iter_mut().zip(errors) {
            task.error = aggregate(&errors);
            let verb = match task.deed {
                Deed::Create(_) => Verb::Create,
                Deed::Correct(_) => Verb::Update,
                Deed::Claims | Deed::Delete => continue,
            };
            if let Some(error) = &task.error {
                self.tell_of_pod(verb, &task.meta.name, Some(error));
            }
        }
        Ok(())
    }

    /// Creates, deletes and updates the pods themselves.
    fn write_pods(&mut self, revisions: &Revisions, tasks: &mut [Task]) -> Result<(), Stop> {
        let set = self.snapshot.set.clone();
        let concerns = |task: &&mut Task| task.error.is_none() && !matches!(task.deed, Deed::Claims);
        let mut concerned: Vec<&mut Task> = tasks.iter_mut().filter(concerns).collect();
        if concerned.is_empty() {
            return Ok(());
        }
        let former = OnceCell::new();
        let replies = self.send_each(concerned.len(), |number| match &concerned[number].deed {
            Deed::Create(ordinal) => {
                let former = former.get_or_init(|| former_template(revisions));
                let (template, revision) = match former {
                    Some(former) if belongs_to_current(&set, *ordinal) => (former, &revisions.current),
                    Some(_) | None => (&set.spec.template, &revisions.update),
                };
                Request::Create(new_pod(&set, template, revision.name(), *ordinal).into_object())
            }
            Deed::Correct(pod) => {
                let mut pod = Obj::clone(pod);
                with_identity(&mut pod);
                if !storage_matches(&set, &pod) {
                    let mut full = pod.body.spec.full.clone();
                    with_storage(&set, ordinal(&pod.meta), &mut full);
                    pod.body.spec = PodSpec::new(full);
                }
                Request::Update(pod.into_object())
            }
            Deed::Delete | Deed::Claims => deletion(&concerned[number].meta),
        })?;
        for (task, reply) in concerned.iter_mut().zip(replies) {
            let verb = match task.deed {
                Deed::Create(_) => Verb::Create,
                Deed::Correct(_) => Verb::Update,
                Deed::Delete | Deed::Claims => Verb::Delete,
            };
            let error = reply.err();
            // Somebody else's pod bears the name: nothing is said, and the sync is tried again.
            let is_taken = |error: &ApiError| verb == Verb::Create && error.reason == ErrorReason::AlreadyExists;
            if !error.as_ref().is_some_and(is_taken) {
                self.tell_of_pod(verb, &task.meta.name, error.as_ref().map(|error| error.message.as_str()));
            }
            task.error = error.map(|error| error.message);
        }
        Ok(())
    }

    /// Upstream: `UpdatePodClaimForRetentionPolicy`.
    fn write_claim_owners(&mut self, tasks: &mut [Task]) -> Result<(), Stop> {
        let mut wrong: Vec<(usize, Object)> = Vec::new();
        let mut conflicts: Vec<Name> = Vec::new();
        for (index, task) in tasks.iter().enumerate().filter(|(_, task)| task.error.is_none()) {
            let owners = self.owners(&task.meta);
            for claim in task.claims.iter().filter_map(|(_, claim)| claim.as_ref()) {
                if owners.has_other_controller(claim.meta()) {
                    conflicts.push(claim.meta().name.clone());
                }
                if !owners.are_right(claim.meta()) {
                    let mut claim = claim.clone();
                    claim.meta_mut().owners = owners.corrected(claim.meta()).into();
                    wrong.push((index, claim));
                }
            }
        }
        for claim in conflicts {
            self.say(EventType::Warning, "ConflictingController", conflicting(&claim));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let replies = self.send_each(wrong.len(), |number| Request::Update(wrong[number].1.clone()))?;
        for ((index, claim), reply) in wrong.iter().zip(replies) {
            if let Err(error) = reply {
                let name = &claim.meta().name;
                let error = ecow::eco_format!("could not update claim {name} for delete policy ownerRefs: {error}");
                self.tell_of_pod(Verb::Update, &tasks[*index].meta.name, Some(&error));
                tasks[*index].error.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// The owners of the claims of pods that are to go.
    fn fix_claims(&mut self, condemned: &[SharedPod]) -> Result<bool, Stop> {
        if self.snapshot.set.spec.claims.is_empty() {
            return Ok(false);
        }
        let mut tasks: Vec<Task> = Vec::new();
        for pod in condemned {
            let claims = self.claims_of(ordinal(&pod.meta));
            tasks.push(Task { meta: pod.meta.clone(), deed: Deed::Claims, claims, error: None });
        }
        self.write_claim_owners(&mut tasks)?;
        errors_of(&tasks)?;
        Ok(false)
    }

    /// Upstream: `processCondemned`, for the pods of a round.
    fn process_condemned(
        &mut self,
        condemned: &[SharedPod],
        first_unavailable: Option<&SharedPod>,
        monotonic: bool,
    ) -> Result<bool, Stop> {
        let (now, min) = (self.run.timestamp(), self.snapshot.set.spec.min_ready_seconds);
        let mut victims: Vec<&SharedPod> = Vec::new();
        for pod in condemned {
            let is_first = first_unavailable.is_some_and(|first| Arc::ptr_eq(first, pod));
            let serves = is_running_and_ready(pod) && pod.body.is_available(min, now);
            match pod.meta.is_terminating() {
                true if monotonic => return Ok(true),
                true => {}
                false if monotonic && !serves && !is_first => return Ok(true),
                false => victims.push(pod),
            }
        }
        if victims.is_empty() {
            return Ok(false);
        }
        let replies = self.send_each(victims.len(), |number| deletion(&victims[number].meta))?;
        let mut first_error = None;
        for (pod, reply) in victims.iter().zip(replies) {
            let error = reply.err();
            self.tell_of_pod(Verb::Delete, &pod.meta.name, error.as_ref().map(|error| error.message.as_str()));
            first_error = first_error.or(error);
        }
        first_error.map_or(Ok(true), |error| Err(failed(error)))
    }

    /// Deletes pods that are out of date, highest ordinal first: one, once all above it serve, or as many as
    /// `maxUnavailable` leaves room for. Upstream: the end of `updateStatefulSet`.
    fn roll(&mut self, status: &mut Status, revisions: &Revisions, replicas: &[Replica]) -> Result<(), Stop> {
        let set = self.snapshot.set.clone();
        let Strategy::RollingUpdate { partition, max_unavailable } = &set.spec.strategy else { return Ok(()) };
        let (now, min) = (self.run.timestamp(), set.spec.min_ready_seconds);
        let target = revisions.update.name();
        let lowest = (*partition).max(0) as usize;
        let is_old = |pod: &SharedPod| revision(pod) != *target && !pod.meta.is_terminating();
        let highest_first = replicas.iter().enumerate().rev().take_while(|(index, _)| *index >= lowest);
        if !self.max_unavailable {
            for (_, replica) in highest_first {
                // What was created in this sync is at the right revision and does not serve yet.
                let Replica::Live(pod) = replica else { return Ok(()) };
                if is_old(pod) {
                    return self.replace(pod, status);
                }
                if is_unavailable(pod, min, now) {
                    return Ok(());
                }
            }
            return Ok(());
        }
        let unavailable = |replica: &&Replica| match replica {
            Replica::Live(pod) => is_unavailable(pod, min, now),
            Replica::Missing(_) => true,
        };
        let one = IntOrPercent::Int(1);
        let allowed = max_unavailable.as_ref().unwrap_or(&one).scaled(set.spec.replicas, false);
        let allowed = allowed.map_err(|why| Stop::Failed(why.into()))?.max(1) as usize;
        let room = allowed.saturating_sub(replicas.iter().filter(unavailable).count());
        let old = highest_first.filter_map(|(_, replica)| match replica {
            Replica::Live(pod) if is_old(pod) => Some(pod),
            Replica::Live(_) | Replica::Missing(_) => None,
        });
        for pod in old.take(room) {
            self.replace(pod, status)?;
        }
        Ok(())
    }

    /// Deletes a pod that is out of date; the next sync creates it anew.
    fn replace(&mut self, pod: &SharedPod, status: &mut Status) -> Result<(), Stop> {
        let error = self.run.send(deletion(&pod.meta))?.err();
        self.tell_of_pod(Verb::Delete, &pod.meta.name, error.as_ref().map(|error| error.message.as_str()));
        match error {
            Some(error) if error.reason != ErrorReason::NotFound => Err(failed(error)),
            Some(_) | None => {
                status.current -= 1;
                Ok(())
            }
        }
    }

    /// Counts pods into a status. Upstream: `updateStatus`.
    fn count<'a>(&self, status: &mut Status, pods: impl Iterator<Item = &'a SharedPod>) {
        let (now, min) = (self.run.timestamp(), self.snapshot.set.spec.min_ready_seconds);
        let numbers = Status { replicas: 0, ready: 0, available: 0, current: 0, updated: 0, ..status.clone() };
        *status = pods.fold(numbers, |mut status, pod| {
            let of = |name: &Name| i32::from(!pod.meta.is_terminating() && revision(pod) == *name);
            let is_ready = is_running_and_ready(pod);
            status.replicas += 1;
            status.ready += i32::from(is_ready);
            status.available += i32::from(is_ready && pod.body.is_available(min, now));
            status.current += of(&status.current_revision);
            status.updated += of(&status.update_revision);
            status
        });
    }
}

fn live(replicas: &[Replica]) -> impl Iterator<Item = &SharedPod> {
    replicas.iter().filter_map(|replica| match replica {
        Replica::Live(pod) => Some(pod),
        Replica::Missing(_) => None,
    })
}

/// The template of the revision that is fully rolled out, where it is not the set's.
fn former_template(revisions: &Revisions) -> Option<Arc<PodTemplate>> {
    if revisions.current.name() == revisions.update.name() {
        return None;
    }
    let full = serde_json::from_value(revisions.current.template()?).ok()?;
    Some(convert::pod_template(full))
}

fn deletion(pod: &Meta) -> Request {
    Request::Delete { target: Target::Id(pod.id), options: DeleteOptions::default() }
}

/// Several errors as one sentence. Upstream: `utilerrors.NewAggregate`.
fn aggregate(errors: &[Name]) -> Option<Name> {
    match errors {
        [] => None,
        [error] => Some(error.clone()),
        several => Some(ecow::eco_format!("[{}]", several.join(", "))),
    }
}

fn errors_of(tasks: &[Task]) -> Result<(), Stop> {
    let errors: Vec<Name> = tasks.iter().filter_map(|task| task.error.clone()).collect();
    aggregate(&errors).map_or(Ok(()), |error| Err(Stop::Failed(error)))
}
