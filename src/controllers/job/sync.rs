//! One sync of a Job, from the claim of its pods to its status. Upstream: `syncJob`, `deleteJobPods`, and the requests of
//! `manageJob`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::backoff::Failures;
use super::manage::{Decision, decide, new_pod};
use super::state::{SharedPod, State};
use super::track::track;
use super::view::{Job, TRACKING, condition, counted, ensure_condition, is_tracked, meta_time};
use crate::api::{EventType, Name, ObjectId, Pod, Uid};
use crate::client::Expectations;
use crate::controllers::pod_util::{controller_reference, is_namespace_terminating};
use crate::controllers::refs::{self, Claims};
use crate::controllers::script::{Run, Stop};
use crate::event::{DeleteOptions, ErrorReason, MetaEdit, Preconditions, Request, Target};
use crate::kernel::Span;

/// The least delay of a sync that was not asked for by a change of the Job's wish. Upstream: `syncJobBatchPeriod`.
pub(super) const BATCH: Span = Span::from_secs(1);

/// What a sync starts from: caches and memory at one instant.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// The Job.
    pub(super) job: Arc<Job>,
    /// Whether all that was expected had been seen.
    pub(super) satisfied: bool,
    /// Its pods, and those that could be.
    pub(super) claims: Claims<Pod>,
    /// Pods whose finalizer was removed, not yet seen.
    pub(super) removing: BTreeSet<Uid>,
    /// Its failures so far.
    pub(super) failures: Failures,
}

/// What the controller remembers from sync to sync.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Pods to be created and deleted.
    pub(super) expectations: Expectations,
    /// Finalizers to be removed, by Job. Upstream: `finalizerExpectations`.
    pub(super) removing: BTreeMap<ObjectId, BTreeSet<Uid>>,
    /// Failures by Job. Upstream: `podBackoffStore`.
    pub(super) failures: BTreeMap<ObjectId, Failures>,
}

impl Memory {
    /// A finalizer is gone, or will not go.
    pub(super) fn removal_observed(&mut self, job: ObjectId, pod: Uid) {
        if let Some(pods) = self.removing.get_mut(&job) {
            pods.remove(&pod);
            if pods.is_empty() {
                self.removing.remove(&job);
            }
        }
    }

    /// Forgets a Job that is gone.
    pub(super) fn forget(&mut self, job: ObjectId) {
        self.expectations.forget(job);
        self.removing.remove(&job);
        self.failures.remove(&job);
    }
}

/// Runs a sync until it waits for an answer, or to its end.
pub(super) fn sync(run: &mut Run, work: &Work, memory: &mut Memory) -> Result<(), Stop> {
    let pods = claim(run, work)?;
    let mut state = State::new(&work.job, pods, &work.removing, work.failures);
    let suspended = state.spec.is_suspended();
    if state.status.start_time.is_none() && !suspended {
        state.status.start_time = meta_time(run.timestamp());
    }
    if let Some(left) = state.judge_end(run.now(), run.clock()) {
        run.requeue_after(left);
    }
    let mut active = state.active.len() as i32;
    let mut error = None;
    let mut changed = false;
    if state.finished.is_some() {
        let pods = state.active.clone();
        let removed = remove(run, &mut state, memory, &pods, false)?;
        // Pods may be left, or not be in the cache yet: the Job has not ended.
        if removed.count != active || !work.satisfied {
            state.finished = None;
        }
        active -= removed.count;
        error = removed.error;
    } else {
        let managed = work.satisfied && !work.job.meta.is_terminating();
        if managed {
            (active, error) = manage(run, &mut state, memory)?;
        }
        let enough = match state.spec.full.completions {
            None => state.succeeded > 0,
            Some(completions) => state.succeeded >= completions,
        };
        if enough && active == 0 {
            let message = "Reached expected number of succeeded pods";
            state.finished = Some(condition("SuccessCriteriaMet", "CompletionsReached", message, run.timestamp()));
        } else if managed {
            changed = set_suspended(run, &mut state, suspended);
        }
    }
    let status = &work.job.status;
    let flush = changed
        || active != status.active.unwrap_or(0)
        || status.ready != Some(state.ready)
        || status.terminating != Some(state.terminating);
    state.status.active = counted(active);
    state.status.ready = Some(state.ready);
    state.status.terminating = Some(state.terminating);
    track(run, &mut state, memory, flush)?;
    error.map_or(Ok(()), |error| Err(Stop::Failed(error)))
}

/// The Job's pods, those that it adopts included. Upstream: `getPodsForJob`.
fn claim(run: &mut Run, work: &Work) -> Result<Vec<SharedPod>, Stop> {
    let Claims { owned, adopt, release } = &work.claims;
    let meta = &work.job.meta;
    let mut pods = owned.clone();
    let mut error = None;
    if !adopt.is_empty() {
        let fresh = run.send(refs::recheck(meta.id))?;
        match refs::may_adopt(meta, &fresh) {
            Err(refused) => error = Some(refused),
            Ok(()) => {
                for pod in adopt {
                    let owner = controller_reference(meta, "batch/v1", "Job");
                    let edit = MetaEdit {
                        add_owners: vec![owner],
                        add_finalizers: vec![TRACKING.into()],
                        ..MetaEdit::default()
                    };
                    let reply = run.send(edit_request(pod, edit))?;
                    match refs::adopted(&reply) {
                        Ok(true) => pods.extend(reply.ok().and_then(|answer| answer.object()?.get::<Pod>().cloned())),
                        Ok(false) => {}
                        Err(refused) => drop(error.get_or_insert(refused)),
                    }
                }
            }
        }
    }
    for pod in release {
        let edit =
            MetaEdit { remove_owners: vec![meta.uid], remove_finalizers: vec![TRACKING.into()], ..MetaEdit::default() };
        let reply = run.send(edit_request(pod, edit))?;
        if let Err(refused) = refs::released(&reply) {
            error.get_or_insert(refused);
        }
    }
    error.map_or(Ok(pods), |error| Err(Stop::Failed(error)))
}

fn edit_request(pod: &SharedPod, edit: MetaEdit) -> Request {
    Request::PatchMeta {
        target: Target::Id(pod.meta.id),
        preconditions: Preconditions { uid: Some(pod.meta.uid), resource_version: None },
        edit: Arc::new(edit),
    }
}

/// The request that takes the finalizer off a pod.
pub(super) fn untrack(pod: &SharedPod) -> Request {
    edit_request(pod, MetaEdit { remove_finalizers: vec![TRACKING.into()], ..MetaEdit::default() })
}

/// What came of deleting pods.
struct Removed {
    /// How many are on their way out.
    count: i32,
    /// The first error.
    error: Option<Name>,
}

/// Deletes pods; where they are surplus and not to be counted, their finalizers go first.
/// Upstream: `deleteActivePods`, `deleteJobPods`.
fn remove(
    run: &mut Run,
    state: &mut State,
    memory: &mut Memory,
    pods: &[SharedPod],
    surplus: bool,
) -> Result<Removed, Stop> {
    let meta = &state.job.meta;
    if surplus && run.is_new() {
        memory.expectations.expect_deletions(meta.id, pods.iter().map(|pod| pod.meta.uid), run.now());
    }
    let tracked: Vec<&SharedPod> = pods.iter().filter(|pod| surplus && is_tracked(pod)).collect();
    let replies = run.send_all(|| tracked.iter().map(|pod| untrack(pod)).collect())?;
    let mut failed: BTreeMap<Uid, Option<Name>> = BTreeMap::new();
    let lasting = |reason: ErrorReason, message: Name| (reason != ErrorReason::NotFound).then_some(message);
    for (pod, reply) in tracked.iter().zip(replies) {
        if let Err(error) = reply {
            let message = ecow::eco_format!("removing completion finalizer: {error}");
            failed.insert(pod.meta.uid, lasting(error.reason, message));
        }
    }
    let rest: Vec<&SharedPod> = pods.iter().filter(|pod| !failed.contains_key(&pod.meta.uid)).collect();
    let delete =
        |pod: &&SharedPod| Request::Delete { target: Target::Id(pod.meta.id), options: DeleteOptions::default() };
    let replies = run.send_all(|| rest.iter().map(delete).collect())?;
    for (pod, reply) in rest.iter().zip(replies) {
        match reply {
            Ok(_) => {
                let message = ecow::eco_format!("Deleted pod: {}", pod.meta.name);
                run.record(meta.reference(), EventType::Normal, "SuccessfulDelete", message);
            }
            Err(error) => {
                if error.reason != ErrorReason::NotFound {
                    let message = ecow::eco_format!("Error deleting: {error}");
                    run.record(meta.reference(), EventType::Warning, "FailedDelete", message);
                }
                failed.insert(pod.meta.uid, lasting(error.reason, ecow::eco_format!("unable to delete pods: {error}")));
            }
        }
    }
    if surplus && run.is_new() {
        failed.keys().for_each(|pod| memory.expectations.deletion_observed(meta.id, *pod));
    }
    let count = pods.len() as i32 - failed.values().flatten().count() as i32;
    state.terminating += count;
    state.ready -= pods.iter().filter(|pod| pod.body.is_ready()).count() as i32;
    Ok(Removed { count, error: failed.into_values().flatten().next() })
}

/// Creates or deletes pods. Gives how many are active then. Upstream: `manageJob`.
fn manage(run: &mut Run, state: &mut State, memory: &mut Memory) -> Result<(i32, Option<Name>), Stop> {
    let active = state.active.len() as i32;
    match decide(state, run.now(), run.clock()) {
        Decision::Keep => Ok((active, None)),
        Decision::Remove(pods) => {
            let removed = remove(run, state, memory, &pods, true)?;
            Ok((active - removed.count, removed.error))
        }
        // Upstream reports no active pod while it waits, though there may be some.
        Decision::Wait(remaining) => {
            run.requeue_after(remaining.max(BATCH));
            Ok((0, None))
        }
        Decision::Add(count) => create(run, state, memory, &vec![None; count]),
        Decision::AddIndexes(indexes) => {
            let indexes: Vec<Option<i32>> = indexes.into_iter().map(Some).collect();
            create(run, state, memory, &indexes)
        }
    }
}

/// Creates pods, slowly at first.
fn create(
    run: &mut Run,
    state: &State,
    memory: &mut Memory,
    indexes: &[Option<i32>],
) -> Result<(i32, Option<Name>), Stop> {
    let meta = &state.job.meta;
    if run.is_new() {
        memory.expectations.expect_creations(meta.id, indexes.len(), run.now());
    }
    let requests = || indexes.iter().map(|index| Request::Create(new_pod(state, *index))).collect();
    let replies = run.send_slowly(requests)?;
    let mut missing = indexes.len() - replies.len();
    let mut failure = None;
    for reply in replies {
        match reply {
            Ok(answer) => {
                let name = answer.object().map(|pod| pod.meta().name.clone()).unwrap_or_default();
                let message = ecow::eco_format!("Created pod: {name}");
                run.record(meta.reference(), EventType::Normal, "SuccessfulCreate", message);
            }
            Err(error) if is_namespace_terminating(&error) => {}
            Err(error) => {
                missing += 1;
                let message = ecow::eco_format!("Error creating: {error}");
                run.record(meta.reference(), EventType::Warning, "FailedCreate", message);
                failure.get_or_insert(error.message);
            }
        }
    }
    if run.is_new() {
        memory.expectations.creations_observed(meta.id, missing);
    }
    Ok((state.active.len() as i32 + (indexes.len() - missing) as i32, failure))
}

/// Tells in conditions and Events whether the Job is suspended; whether that is new.
fn set_suspended(run: &mut Run, state: &mut State, suspended: bool) -> bool {
    let now = run.timestamp();
    let (reason, word, message) = if suspended {
        ("JobSuspended", "Suspended", "Job suspended")
    } else {
        ("JobResumed", "Resumed", "Job resumed")
    };
    let mut wanted = condition("Suspended", reason, message, now);
    if !suspended {
        wanted.status = "False".to_owned();
    }
    let changed = ensure_condition(&mut state.status, wanted);
    if changed {
        run.record(state.job.meta.reference(), EventType::Normal, word, message);
        if !suspended {
            // The deadline counts from the resumption.
            state.status.start_time = meta_time(now);
        }
    }
    changed
}
