//! Counting each pod once: its uid into the status, its finalizer off, then into the counters; and the Job's end.
//! Upstream: `trackJobStatusAndRemoveFinalizers` and what it calls.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1 as batch;

use super::state::{SharedPod, State, failed_for};
use super::sync::{Memory, untrack};
use super::view::{completion_index, condition, counted, ensure_condition, has_condition};
use crate::api::{EventType, Name, PodPhase, Timestamp, Uid};
use crate::controllers::script::{Run, Stop};
use crate::event::{ErrorReason, Request};

/// How many pods a status lists at most. Upstream: `MaxUncountedPods`.
const MAX_UNCOUNTED: usize = 500;

/// Writes what the sync has found, takes finalizers off, and ends the Job where all is counted.
pub(super) fn track(run: &mut Run, state: &mut State, memory: &mut Memory, mut flush: bool) -> Result<(), Stop> {
    let key = state.job.meta.id;
    let to_count = state.pods.iter().filter(|pod| state.is_to_count(pod));
    let mut tracked: BTreeSet<Uid> = to_count.map(|pod| pod.meta.uid).collect();
    flush |= forget_untracked(state, &tracked);
    let counting = count(state);
    flush |= counting.changed;
    flush |= write_indexes(state, &counting.succeeded_indexes);
    flush |= announce(state, run.timestamp());
    let mut revision = state.job.meta.resource_version;
    if flush {
        revision = write(run, state, revision, "adding uncounted pods to status")?;
        if run.is_new() {
            memory.failures.insert(key, state.failures);
        }
        flush = false;
    }
    if run.is_new() && !counting.done.is_empty() {
        memory.removing.entry(key).or_default().extend(counting.done.iter().map(|pod| pod.meta.uid));
    }
    let replies = run.send_all(|| counting.done.iter().map(untrack).collect())?;
    let mut failure: Option<Name> = None;
    for (pod, reply) in counting.done.iter().zip(replies) {
        if let Err(error) = reply {
            if run.is_new() {
                memory.removal_observed(key, pod.meta.uid);
            }
            if error.reason != ErrorReason::NotFound {
                failure.get_or_insert(error.message);
                continue;
            }
        }
        tracked.remove(&pod.meta.uid);
    }
    flush |= forget_untracked(state, &tracked);
    if let Some(failure) = failure {
        if flush {
            write(run, state, revision, "removing uncounted pods from status")?;
        }
        return Err(Stop::Failed(ecow::eco_format!("tracking status: {failure}")));
    }
    let ended = !counting.full && enact(state);
    if ended || flush {
        write(run, state, revision, "removing uncounted pods from status")?;
    }
    if ended {
        record_end(run, state);
    }
    Ok(())
}

/// Takes the pods without finalizer from the lists into the counters. Upstream: `cleanUncountedPodsWithoutFinalizers`.
fn forget_untracked(state: &mut State, tracked: &BTreeSet<Uid>) -> bool {
    let moved = |list: &mut Vec<Uid>, counter: &mut Option<i32>| {
        let before = list.len();
        list.retain(|uid| tracked.contains(uid));
        let gone = (before - list.len()) as i32;
        *counter = counted(counter.unwrap_or(0) + gone);
        gone > 0
    };
    let succeeded = moved(&mut state.uncounted.0, &mut state.status.succeeded);
    let failed = moved(&mut state.uncounted.1, &mut state.status.failed);
    succeeded || failed
}

/// What is to be counted in this sync.
struct Counting {
    /// Pods whose finalizer can go.
    done: Vec<SharedPod>,
    /// Indexes that have succeeded since.
    succeeded_indexes: BTreeSet<i32>,
    /// Whether the status changes.
    changed: bool,
    /// Whether there is more than one sync takes.
    full: bool,
}

/// Finds the pods to count and puts them into the lists.
fn count(state: &mut State) -> Counting {
    let indexed = state.spec.is_indexed();
    let mut pods = state.pods.clone();
    if indexed {
        pods.sort_by_key(|pod| completion_index(pod).unwrap_or(-1));
    }
    let is_success = state.finished.as_ref().is_some_and(|finished| finished.type_ == "SuccessCriteriaMet");
    let ends_badly = state.finished.is_some() && !is_success;
    let mut counting = Counting { done: Vec::new(), succeeded_indexes: BTreeSet::new(), changed: false, full: false };
    for pod in pods {
        let uid = pod.meta.uid;
        let failed = state.has_failed(&pod);
        if !state.is_to_count(&pod) || !can_be_released(state, &pod, failed) {
            continue;
        }
        counting.done.push(pod.clone());
        let index = state.spec.index(&pod);
        if pod.body.status.phase == PodPhase::Succeeded && !state.was_uncounted.1.contains(&uid) {
            if indexed {
                if let Some(index) = index.filter(|index| !state.succeeded_before.has(*index)) {
                    counting.succeeded_indexes.insert(index);
                    counting.changed = true;
                }
            } else if !state.was_uncounted.0.contains(&uid) {
                state.uncounted.0.push(uid);
                counting.changed = true;
            }
        } else if (failed || ends_badly)
            && !state.was_uncounted.1.contains(&uid)
            && (!indexed || index.is_some())
            && state.judge(&pod).counts()
        {
            state.uncounted.1.push(uid);
            counting.changed = true;
        }
        let listed = counting.succeeded_indexes.len() + state.uncounted.0.len() + state.uncounted.1.len();
        if listed >= MAX_UNCOUNTED {
            counting.full = true;
            break;
        }
    }
    counting
}

/// Whether a pod needs its finalizer no longer. Upstream: `canRemoveFinalizer`.
fn can_be_released(state: &State, pod: &SharedPod, failed: bool) -> bool {
    let is_over = state.job.meta.is_terminating() || state.finished.is_some();
    if is_over || pod.body.status.phase == PodPhase::Succeeded {
        return true;
    }
    let waits = || {
        let index = completion_index(pod);
        index.and_then(|index| state.delayed.get(&index)).is_some_and(|delayed| delayed.meta.uid == pod.meta.uid)
    };
    failed && !waits()
}

fn write_indexes(state: &mut State, newly: &BTreeSet<i32>) -> bool {
    if !state.spec.is_indexed() {
        return false;
    }
    state.succeeded_indexes = state.succeeded_indexes.with(newly);
    let text = |text: String| (!text.is_empty()).then_some(text);
    let completed = text(state.succeeded_indexes.to_string());
    let failed = state.failed_indexes.as_ref().map(ToString::to_string);
    let changed = completed != state.status.completed_indexes || failed != state.status.failed_indexes;
    state.status.succeeded = counted(state.succeeded_indexes.total());
    state.status.completed_indexes = completed;
    state.status.failed_indexes = failed;
    changed
}

/// Puts the condition that announces the Job's end into the status, where it is not there yet, and turns it into the one
/// that ends it.
fn announce(state: &mut State, now: Timestamp) -> bool {
    let Some(finished) = state.finished.take() else { return false };
    let conditions = state.status.conditions.get_or_insert_default();
    let mut changed = false;
    state.finished = Some(match finished.type_.as_str() {
        "FailureTarget" => {
            conditions.push(finished.clone());
            changed = true;
            failed_for(&finished, now)
        }
        "SuccessCriteriaMet" => {
            if !has_condition(&state.job.status, "SuccessCriteriaMet") {
                conditions.push(finished.clone());
                changed = true;
            }
            let reason = finished.reason.unwrap_or_default();
            condition("Complete", &reason, finished.message.unwrap_or_default(), now)
        }
        _ => finished,
    });
    changed
}

/// Ends the Job once all its pods are counted and gone. Upstream: `enactJobFinished`.
fn enact(state: &mut State) -> bool {
    let Some(finished) = state.finished.clone() else { return false };
    if !state.uncounted.0.is_empty() || !state.uncounted.1.is_empty() || state.terminating > 0 {
        return false;
    }
    if finished.type_ == "Complete" {
        state.status.completion_time = finished.last_transition_time.clone();
    }
    ensure_condition(&mut state.status, finished);
    true
}

/// Upstream: `recordJobFinished`.
fn record_end(run: &mut Run, state: &State) {
    let Some(finished) = &state.finished else { return };
    let about = state.job.meta.reference();
    if finished.type_ == "Complete" {
        let succeeded = state.status.succeeded.unwrap_or(0);
        if state.spec.full.completions.is_some_and(|completions| succeeded > completions) {
            let message = "Too many succeeded pods running after completion count reached";
            run.record(about.clone(), EventType::Warning, "TooManySucceededPods", message);
        }
        run.record(about, EventType::Normal, "Completed", "Job completed");
        return;
    }
    let message = finished.message.clone().unwrap_or_default();
    run.record(about, EventType::Warning, end_reason(finished), message);
}

/// The reasons with which Jobs fail, as Events have them.
fn end_reason(finished: &batch::JobCondition) -> &'static str {
    let known =
        ["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "MaxFailedIndexesExceeded", "FailedIndexes"];
    let found = known.into_iter().find(|reason| finished.reason.as_deref() == Some(*reason));
    // Somebody else has written a `FailureTarget` of their own.
    found.unwrap_or("Failed")
}

/// Writes the status. Gives the Job's new revision.
fn write(run: &mut Run, state: &State, revision: u64, what: &str) -> Result<u64, Stop> {
    let texts = |list: &[Uid]| (!list.is_empty()).then(|| list.iter().map(Uid::to_string).collect());
    let uncounted =
        batch::UncountedTerminatedPods { succeeded: texts(&state.uncounted.0), failed: texts(&state.uncounted.1) };
    let status = batch::JobStatus { uncounted_terminated_pods: Some(uncounted), ..state.status.clone() };
    match run.send(Request::UpdateStatus(state.job.with_status(&status, revision)))? {
        Ok(answer) => Ok(answer.object().map_or(revision, |job| job.meta().resource_version)),
        Err(error) => Err(Stop::Failed(ecow::eco_format!("tracking status: {what}: {error}"))),
    }
}
