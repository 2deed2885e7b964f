//! A pod's status, computed from what the kubelet knows.
//! Upstream: `kubelet_pods.go` (`generateAPIPodStatus`, `getPhase`), `status/generate.go`, `mergePodStatus`.

use std::net::IpAddr;
use std::sync::Arc;

use super::eviction::REASON as EVICTED;
use super::pod::{Life, PodRecord, Sandbox, Stage};
use super::texts;
use crate::api::{
    Clock, ConditionStatus, ContainerState, ContainerStatus, Name, PodCondition, PodConditionType, PodIps, PodPhase,
    PodStatus, ReasonText, Terminated, Timestamp,
};

/// What a status needs beside the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Now.
    pub(super) now: Timestamp,
    /// Turns instants into timestamps.
    pub(super) clock: Clock,
    /// The node's primary address.
    pub(super) host_ip: Option<IpAddr>,
    /// The pod's addresses, once its sandbox is there.
    pub(super) addresses: PodIps,
}

/// The conditions that a kubelet owns, in upstream's order. `PodScheduled` is passed on.
const OWN: [PodConditionType; 5] = [
    PodConditionType::PodReadyToStartContainers,
    PodConditionType::Initialized,
    PodConditionType::Ready,
    PodConditionType::ContainersReady,
    PodConditionType::PodScheduled,
];

type Finding = (ConditionStatus, Option<Arc<ReasonText>>);

/// The reason of pods whose `activeDeadlineSeconds` are over. Upstream: `active_deadline.go`.
pub(super) const OVERDUE: &str = "DeadlineExceeded";
/// Its message.
pub(super) const OVERDUE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

/// The reason of `DisruptionTarget` of pods that a kubelet ends. Upstream: `PodReasonTerminationByKubelet`.
const BY_KUBELET: &str = "TerminationByKubelet";

/// The status of a pod.
pub(super) fn of(record: &PodRecord, facts: &Facts) -> PodStatus {
    let before = &record.latest().body.status;
    let init_containers: Vec<_> = (0..record.inits()).map(|index| container(record, index, facts.clock)).collect();
    let containers: Vec<_> =
        (record.inits()..record.containers.len()).map(|index| container(record, index, facts.clock)).collect();
    let overdue = record.overdue && record.life == Life::Finished;
    let evicted = record.evicted.as_deref().filter(|_| record.life == Life::Finished);
    let failed = overdue || evicted.is_some();
    let phase = if failed { PodPhase::Failed } else { phase(record, &init_containers, &containers) };
    let containers_ready = containers_ready(record, &init_containers, &containers, phase);
    let findings = [
        (ConditionStatus::of(record.sandbox == Sandbox::Up), None),
        initialized(record, &init_containers, &containers, phase),
        ready(record, before, &containers_ready),
        containers_ready,
    ];
    let (reason, message) = match evicted {
        Some(message) => (EVICTED.into(), message.clone()),
        None if overdue => (OVERDUE.into(), OVERDUE_MESSAGE.into()),
        None => (before.reason.clone(), before.message.clone()),
    };
    let mut status = PodStatus {
        phase,
        qos: record.pod.body.status.qos,
        conditions: conditions(before, &record.pod.body.status, findings, facts.now),
        containers,
        init_containers,
        start_time: Some(record.start_time),
        host_ip: facts.host_ip,
        pod_ips: match record.sandbox {
            Sandbox::Waiting | Sandbox::Starting(_) | Sandbox::Lost => PodIps::default(),
            Sandbox::Up => facts.addresses,
            Sandbox::Down => before.pod_ips,
        },
        nominated_node_name: record.pod.body.status.nominated_node_name.clone(),
        reason,
        message,
        observed_generation: record.pod.meta.generation,
        rest: record.pod.body.status.rest.clone(),
    };
    if let Some(message) = evicted {
        let text = ReasonText { reason: BY_KUBELET.into(), message: message.clone() };
        let (kind, is) = (PodConditionType::DisruptionTarget, ConditionStatus::True);
        status.set_condition(kind, is, Some(Arc::new(text)), facts.now);
    }
    status
}

/// The status of a pod that the node does not take. Upstream: `rejectPod`.
pub(super) fn refused(record: &PodRecord, reason: Name, message: &str, now: Timestamp) -> PodStatus {
    let mut status = record.pod.body.status.clone();
    status.phase = PodPhase::Failed;
    status.reason = reason;
    status.message = ecow::eco_format!("Pod was rejected: {message}");
    status.start_time = Some(record.start_time);
    status.observed_generation = record.pod.meta.generation;
    for kind in [PodConditionType::Ready, PodConditionType::ContainersReady] {
        status.set_condition(kind, ConditionStatus::False, Some(texts::pod_failed()), now);
    }
    status
}

/// A status made before others have changed the pod: what is theirs is taken from `latest`.
pub(super) fn merged(own: &PodStatus, latest: &PodStatus) -> PodStatus {
    let mut status = own.clone();
    status.conditions = foreign(latest).chain(own.conditions.iter().filter(|c| is_own(c.kind))).cloned().collect();
    // Shared with others: what this kubelet says of it stands.
    let (kind, by_kubelet) = (PodConditionType::DisruptionTarget, |text: &Arc<ReasonText>| text.reason == BY_KUBELET);
    let said = own.conditions.iter().find(|c| c.kind == kind && c.text.as_ref().is_some_and(by_kubelet));
    if let Some(said) = said {
        status.conditions.retain(|c| c.kind != kind);
        status.conditions.push(said.clone());
    }
    status.qos = latest.qos;
    status.nominated_node_name = latest.nominated_node_name.clone();
    status.rest.clone_from(&latest.rest);
    status
}

/// Whether the conditions that a kubelet owns stand differently in the two. Upstream: `needsReconcile`.
pub(super) fn contradicts(one: &PodStatus, other: &PodStatus) -> bool {
    let standing = |status: &PodStatus, kind| status.conditions.iter().find(|c| c.kind == kind).map(|c| c.status);
    OWN.into_iter().any(|kind| standing(one, kind) != standing(other, kind))
}

fn is_own(kind: PodConditionType) -> bool {
    OWN.contains(&kind)
}

fn foreign(status: &PodStatus) -> impl Iterator<Item = &PodCondition> {
    status.conditions.iter().filter(|condition| !is_own(condition.kind))
}

fn conditions(before: &PodStatus, latest: &PodStatus, findings: [Finding; 4], now: Timestamp) -> Vec<PodCondition> {
    let find = |kind| before.conditions.iter().find(|condition| condition.kind == kind);
    let mut conditions = Vec::with_capacity(foreign(latest).count() + OWN.len());
    conditions.extend(foreign(latest).cloned());
    for (kind, (status, text)) in OWN.into_iter().zip(findings) {
        let same = find(kind).filter(|condition| condition.status == status);
        conditions.push(PodCondition {
            kind,
            status,
            last_transition: same.map_or(now, |condition| condition.last_transition),
            text,
        });
    }
    conditions.push(find(PodConditionType::PodScheduled).cloned().unwrap_or(PodCondition {
        kind: PodConditionType::PodScheduled,
        status: ConditionStatus::True,
        last_transition: now,
        text: None,
    }));
    conditions
}

fn container(record: &PodRecord, index: usize, clock: Clock) -> ContainerStatus {
    let container = &record.containers[index];
    let (state, last) = match (container.stage, &container.trouble) {
        (Stage::Running { since, .. }, _) => {
            (ContainerState::Running { started_at: clock.timestamp(since) }, &container.last)
        }
        (Stage::CrashLoop { .. } | Stage::NoImage, Some(trouble)) => {
            let last = if container.exit.is_some() { &container.exit } else { &container.last };
            (ContainerState::Waiting(trouble.waiting.clone()), last)
        }
        (
            Stage::CrashLoop { .. }
            | Stage::NoImage
            | Stage::Wanted
            | Stage::Pulling
            | Stage::Starting
            | Stage::Exited { .. }
            | Stage::Ended,
            _,
        ) => (at_rest(record, index), &container.last),
    };
    let ended_well = matches!(&state, ContainerState::Terminated(exit) if exit.exit_code == 0);
    let running = matches!(container.stage, Stage::Running { .. });
    let plain_init = record.is_plain_init(index);
    ContainerStatus {
        ready: if plain_init { ended_well } else { running && container.ready },
        started: running && container.started,
        state,
        last: last.clone(),
        restart_count: container.restarts,
    }
}

/// The state of a container that does not run and has no trouble of its own.
fn at_rest(record: &PodRecord, index: usize) -> ContainerState {
    let was_to_run = index >= record.inits() && (record.initialized || record.inits() == 0);
    match &record.containers[index].exit {
        Some(exit) => ContainerState::Terminated(exit.clone()),
        // Nobody knows what would have become of it. Upstream: `TerminatePod` of the status manager.
        None if record.life == Life::Finished && was_to_run => ContainerState::Terminated(Box::new(Terminated {
            exit_code: 137,
            reason: "ContainerStatusUnknown".into(),
            message: "The container could not be located when the pod was terminated".into(),
            started_at: Timestamp::default(),
            finished_at: Timestamp::default(),
        })),
        None => ContainerState::Waiting(texts::not_begun(record.inits() > 0)),
    }
}

/// Upstream: `getPhase`.
fn phase(record: &PodRecord, inits: &[ContainerStatus], containers: &[ContainerStatus]) -> PodPhase {
    let policy = record.pod.body.spec.restart_policy();
    let mut pending_inits = 0;
    let mut failed_inits = 0;
    for (index, status) in inits.iter().enumerate() {
        let exit = match &status.state {
            ContainerState::Terminated(exit) => Some(exit),
            ContainerState::Waiting(_) => status.last.as_ref(),
            ContainerState::Running { .. } => None,
        };
        if record.is_sidecar(index) {
            pending_inits += usize::from(!status.started && !record.initialized);
        } else if exit.is_some_and(|exit| exit.exit_code != 0) {
            failed_inits += 1;
        } else if !matches!(status.state, ContainerState::Terminated(_)) {
            pending_inits += 1;
        }
    }
    let (mut running, mut waiting, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for status in containers {
        match &status.state {
            ContainerState::Running { .. } => running += 1,
            ContainerState::Terminated(exit) => {
                stopped += 1;
                succeeded += usize::from(exit.exit_code == 0);
            }
            ContainerState::Waiting(_) if status.last.is_some() => stopped += 1,
            ContainerState::Waiting(_) => waiting += 1,
        }
    }
    let finished = record.life == Life::Finished;
    if failed_inits > 0 && policy == "Never" {
        return PodPhase::Failed;
    }
    if !finished && ((pending_inits > 0 && !record.initialized) || waiting > 0) {
        return PodPhase::Pending;
    }
    if running > 0 {
        return PodPhase::Running;
    }
    let ended_well = waiting == 0 && stopped == succeeded;
    match (finished, policy) {
        (true, _) => {
            if ended_well {
                PodPhase::Succeeded
            } else {
                PodPhase::Failed
            }
        }
        (false, "Always") => PodPhase::Running,
        (false, _) if ended_well => PodPhase::Succeeded,
        (false, "Never") => PodPhase::Failed,
        (false, _) => PodPhase::Running,
    }
}

fn containers_ready(
    record: &PodRecord,
    inits: &[ContainerStatus],
    containers: &[ContainerStatus],
    phase: PodPhase,
) -> Finding {
    match phase {
        PodPhase::Succeeded => return (ConditionStatus::False, Some(texts::pod_completed())),
        PodPhase::Failed => return (ConditionStatus::False, Some(texts::pod_failed())),
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => {}
    }
    let all = inits.iter().chain(containers).enumerate();
    let unready = all.filter(|(index, status)| !record.is_plain_init(*index) && !status.ready);
    let unready: Vec<&str> = unready.map(|(index, _)| record.spec(index).name.as_str()).collect();
    if unready.is_empty() {
        return (ConditionStatus::True, None);
    }
    let message = ecow::eco_format!("containers with unready status: [{}]", unready.join(" "));
    (ConditionStatus::False, Some(Arc::new(ReasonText { reason: "ContainersNotReady".into(), message })))
}

/// Readiness gates are looked up among the known conditions; a gate of any other type is never met here.
fn ready(record: &PodRecord, before: &PodStatus, containers_ready: &Finding) -> Finding {
    if containers_ready.0 != ConditionStatus::True {
        return containers_ready.clone();
    }
    let mut unmet = Vec::new();
    for gate in record.pod.body.spec.full.readiness_gates.iter().flatten() {
        let kind = &gate.condition_type;
        let known = before.conditions.iter().find(|condition| condition.kind.as_str() == kind);
        match known.map(|condition| condition.status) {
            Some(ConditionStatus::True) => {}
            Some(status) => unmet
                .push(format!("the status of pod readiness gate \"{kind}\" is not \"True\", but {}", status.as_str())),
            None => unmet.push(format!("corresponding condition of pod readiness gate \"{kind}\" does not exist.")),
        }
    }
    if unmet.is_empty() {
        return (ConditionStatus::True, None);
    }
    let text = ReasonText { reason: "ReadinessGatesNotReady".into(), message: unmet.join(", ").into() };
    (ConditionStatus::False, Some(Arc::new(text)))
}

fn initialized(
    record: &PodRecord,
    inits: &[ContainerStatus],
    containers: &[ContainerStatus],
    phase: PodPhase,
) -> Finding {
    if phase == PodPhase::Succeeded {
        return (ConditionStatus::True, Some(texts::pod_completed()));
    }
    let has_started =
        |status: &ContainerStatus| status.last.is_some() || !matches!(status.state, ContainerState::Waiting(_));
    if record.initialized && containers.iter().any(has_started) {
        return (ConditionStatus::True, None);
    }
    let through = |index: usize, status: &ContainerStatus| {
        if record.is_sidecar(index) { status.started } else { status.ready }
    };
    let incomplete = inits.iter().enumerate().filter(|(index, status)| !through(*index, status));
    let incomplete: Vec<&str> = incomplete.map(|(index, _)| record.spec(index).name.as_str()).collect();
    if incomplete.is_empty() {
        return (ConditionStatus::True, None);
    }
    let message = ecow::eco_format!("containers with incomplete status: [{}]", incomplete.join(" "));
    (ConditionStatus::False, Some(Arc::new(ReasonText { reason: "ContainersNotInitialized".into(), message })))
}
