//! How many pods a Job shall run, which go and which come. Upstream: `manageJob` and what it calls.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::backoff::{Failures, finished_at};
use super::policy::Judgement;
use super::state::{SharedPod, State, all_failures, indexes_of};
use super::view::{COMPLETION_INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES, annotated_count, completion_index};
use crate::api::{Clock, Obj, Object, Pod, PodSpec};
use crate::controllers::pod_util::{controller_reference, is_terminating, pod_from_template};
use crate::controllers::replicaset::ranking::Candidate;
use crate::kernel::{Span, Time};

/// How many pods one sync creates or deletes at most. Upstream: `MaxPodCreateDeletePerSync`.
const MAX_PER_SYNC: usize = 500;
/// The longest prefix of a generated name. Upstream: `names.MaxGeneratedNameLength`.
const MAX_PREFIX: usize = 58;

/// What is to be done about the number of pods.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Decision {
    /// Nothing.
    Keep,
    /// These go.
    Remove(Vec<SharedPod>),
    /// So many come.
    Add(usize),
    /// Pods of these indexes come.
    AddIndexes(Vec<i32>),
    /// Some would come, but not before so long.
    Wait(Span),
}

/// Decides. Upstream: the decisions in `manageJob`.
pub(super) fn decide(state: &State, now: Time, clock: Clock) -> Decision {
    let spec = state.spec;
    let active = state.active.len() as i32;
    if spec.is_suspended() {
        return Decision::Remove(to_remove(state, state.active.len()));
    }
    let wanted = match spec.full.completions {
        None if state.succeeded > 0 => active,
        None => spec.parallelism(),
        Some(completions) => (completions - state.succeeded).min(spec.parallelism()).max(0),
    };
    let mut removed = to_remove(state, usize::try_from(active - wanted).unwrap_or(0));
    removed.truncate(MAX_PER_SYNC);
    if !removed.is_empty() {
        return Decision::Remove(removed);
    }
    let terminating = if spec.replaces_failed_only() { state.terminating } else { 0 };
    let Some(missing) = usize::try_from(wanted - terminating - active).ok().filter(|missing| *missing > 0) else {
        return Decision::Keep;
    };
    let per_index = spec.full.backoff_limit_per_index.is_some();
    let remaining = if per_index { Span::ZERO } else { state.failures.remaining(now, clock) };
    if remaining > Span::ZERO {
        return Decision::Wait(remaining);
    }
    let count = missing.min(MAX_PER_SYNC);
    if !spec.is_indexed() {
        return Decision::Add(count);
    }
    let pending = pending_indexes(state, count);
    if !per_index {
        return Decision::AddIndexes(pending);
    }
    let wait = |index: &i32| {
        let last = state.delayed.get(index);
        let failures = last.map(|pod| Failures { count: all_failures(pod) as u32 + 1, last: Some(finished_at(pod)) });
        failures.map_or(Span::ZERO, |failures| failures.remaining(now, clock))
    };
    let ready: Vec<i32> = pending.iter().filter(|index| wait(index) == Span::ZERO).copied().collect();
    match pending.iter().map(wait).min() {
        Some(least) if ready.is_empty() => Decision::Wait(least),
        Some(_) | None => Decision::AddIndexes(ready),
    }
}

/// The first indexes that neither have ended nor run. Upstream: `firstPendingIndexes`.
fn pending_indexes(state: &State, count: usize) -> Vec<i32> {
    let mut taken = state.succeeded_indexes.with(&indexes_of(&state.active));
    if state.spec.replaces_failed_only() {
        let terminating: Vec<SharedPod> = state.pods.iter().filter(|pod| is_terminating(pod)).cloned().collect();
        taken = taken.with(&indexes_of(&terminating));
    }
    if let Some(failed) = &state.failed_indexes {
        taken = taken.merged(failed);
    }
    taken.first_missing(count, state.spec.completions())
}

/// The pods that go: those whose index is unknown, too high or there twice, then the least advanced ones, `at_least` in
/// all. Upstream: `activePodsForRemoval`.
fn to_remove(state: &State, at_least: usize) -> Vec<SharedPod> {
    let mut removed = Vec::new();
    let mut left = Vec::new();
    if state.spec.is_indexed() {
        let mut by_index: BTreeMap<i32, Vec<SharedPod>> = BTreeMap::new();
        let mut invalid = Vec::new();
        for pod in &state.active {
            match completion_index(pod) {
                None => removed.push(pod.clone()),
                Some(index) if index >= state.spec.completions() => invalid.push(pod.clone()),
                Some(index) => by_index.entry(index).or_default().push(pod.clone()),
            }
        }
        for mut pods in by_index.into_values() {
            pods.sort_by(goes_first);
            left.extend(pods.pop());
            removed.append(&mut pods);
        }
        removed.append(&mut invalid);
    } else {
        left.clone_from(&state.active);
    }
    if let Some(more) = at_least.checked_sub(removed.len()).filter(|more| *more > 0) {
        left.sort_by(goes_first);
        left.truncate(more);
        removed.append(&mut left);
    }
    removed
}

/// The order in which pods go: those that have got less far first. Upstream: `ActivePods.Less`.
fn goes_first(one: &SharedPod, other: &SharedPod) -> Ordering {
    let (a, b) = (Candidate::of(one, 0), Candidate::of(other, 0));
    let later = |one, other| Ord::cmp(&other, &one);
    a.assigned
        .cmp(&b.assigned)
        .then(a.phase.cmp(&b.phase))
        .then(a.ready_since.is_some().cmp(&b.ready_since.is_some()))
        .then(later(a.ready_since, b.ready_since))
        .then(b.restarts.cmp(&a.restarts))
        .then(b.sidecar_restarts.cmp(&a.sidecar_restarts))
        .then(later(Some(a.created), Some(b.created)))
}

/// A new pod of the Job.
pub(super) fn new_pod(state: &State, index: Option<i32>) -> Object {
    let reference = controller_reference(&state.job.meta, "batch/v1", "Job");
    let object = pod_from_template(&state.spec.template, &state.job.meta, reference);
    match (index, object) {
        (Some(index), Object::Pod(mut pod)) => {
            give_index(state, Arc::make_mut(&mut pod), index);
            Object::Pod(pod)
        }
        (_, object) => object,
    }
}

/// Name, host name, annotations and label of an index.
fn give_index(state: &State, pod: &mut Obj<Pod>, index: i32) {
    let name = &state.job.meta.name;
    let suffix = format!("-{index}-");
    let kept: String = name.chars().take(MAX_PREFIX - suffix.len()).collect();
    pod.meta.generate_name = ecow::eco_format!("{kept}{suffix}");
    pod.meta.labels = pod.meta.labels.with(COMPLETION_INDEX, ecow::eco_format!("{index}"));
    pod.meta.annotations = pod.meta.annotations.with(COMPLETION_INDEX, ecow::eco_format!("{index}"));
    if state.spec.full.backoff_limit_per_index.is_some() {
        let (failures, ignored) = state.delayed.get(&index).map_or((0, 0), |before| handed_on(state, before));
        let annotations = pod.meta.annotations.with(INDEX_FAILURES, ecow::eco_format!("{failures}"));
        pod.meta.annotations = match ignored {
            0 => annotations,
            _ => annotations.with(INDEX_IGNORED_FAILURES, ecow::eco_format!("{ignored}")),
        };
    }
    let full = pod.body.spec.full.clone();
    pod.body.spec =
        PodSpec::new(k8s_openapi::api::core::v1::PodSpec { hostname: Some(format!("{name}-{index}")), ..full });
}

/// The failures of an index with those of its last pod. Upstream: `getNewIndexFailureCounts`.
fn handed_on(state: &State, before: &Obj<Pod>) -> (i32, i32) {
    let (failures, ignored) =
        (annotated_count(before, INDEX_FAILURES), annotated_count(before, INDEX_IGNORED_FAILURES));
    match state.judge(before) {
        Judgement::Ignore => (failures, ignored.saturating_add(1)),
        Judgement::Count | Judgement::FailIndex | Judgement::FailJob(_) => (failures.saturating_add(1), ignored),
    }
}
