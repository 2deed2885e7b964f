//! One pass of the pod garbage collector. Upstream: `gc` of `pkg/controller/podgc/gc_controller.go`.

use std::sync::Arc;

use crate::api::{ConditionStatus, Name, Obj, Pod, PodConditionType, PodPhase, ReasonText};
use crate::controllers::script::{Run, Stop};
use crate::event::{DeleteOptions, ErrorReason, Request, Target};

/// What a pass has before it, as the cache showed it.
#[derive(Clone, Debug)]
pub(super) struct Heap {
    /// Ended pods beyond the threshold, oldest first.
    pub(super) terminated: Vec<Arc<Obj<Pod>>>,
    /// Pods that hang on a node out of service.
    pub(super) terminating: Vec<Arc<Obj<Pod>>>,
    /// Nodes that have been missing for long enough.
    pub(super) missing: Vec<Name>,
    /// Pods of nodes that are missing.
    pub(super) orphans: Vec<Arc<Obj<Pod>>>,
    /// Pods that are to go and were never scheduled.
    pub(super) unscheduled: Vec<Arc<Obj<Pod>>>,
}

/// Makes the pass. What fails waits for a later one.
pub(super) fn collect(run: &mut Run, heap: &Heap) -> Result<(), Stop> {
    for pod in heap.terminated.iter().chain(&heap.terminating) {
        delete(run, pod, None)?;
    }
    let mut gone = Vec::new();
    for name in &heap.missing {
        let reply = run.send(Request::Get(Target::Name(crate::api::Kind::Node, Name::new(), name.clone())))?;
        if reply.is_err_and(|error| error.reason == ErrorReason::NotFound) {
            gone.push(name);
        }
    }
    for pod in heap.orphans.iter().filter(|pod| gone.contains(&&pod.body.node_name)) {
        delete(run, pod, Some("PodGC: node no longer exists"))?;
    }
    for pod in &heap.unscheduled {
        delete(run, pod, None)?;
    }
    Ok(())
}

/// Marks a pod as failed, unless it has ended, and deletes it at once. `why` is the message of the condition that it
/// gets with that. Upstream: `markFailedAndDeletePodWithCondition`.
fn delete(run: &mut Run, pod: &Obj<Pod>, why: Option<&str>) -> Result<(), Stop> {
    if !pod.body.status.phase.is_finished() {
        let mut failed = pod.clone();
        failed.body.status.phase = PodPhase::Failed;
        if let Some(why) = why {
            let text = ReasonText { reason: "DeletionByPodGC".into(), message: why.into() };
            let (kind, is) = (PodConditionType::DisruptionTarget, ConditionStatus::True);
            failed.body.status.set_condition(kind, is, Some(Arc::new(text)), run.timestamp());
        }
        if run.send(Request::PatchStatus(failed.into_object()))?.is_err() {
            return Ok(());
        }
    }
    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    // Upstream logs the error.
    run.send(Request::Delete { target: Target::Id(pod.meta.id), options })?.ok();
    Ok(())
}

/// Evicted pods first, then by age, then by name. Upstream: `byEvictionAndCreationTimestamp`.
pub(super) fn sort(pods: &mut [Arc<Obj<Pod>>]) {
    let is_evicted = |pod: &Obj<Pod>| pod.body.status.phase == PodPhase::Failed && pod.body.status.reason == "Evicted";
    pods.sort_by(|one, other| {
        let rank = |pod: &Obj<Pod>| (!is_evicted(pod), pod.meta.created);
        rank(one).cmp(&rank(other)).then_with(|| one.meta.name.cmp(&other.meta.name))
    });
}
