//! The STATUS column of `kubectl get pods`. Follows `printPod` of `pkg/printers/internalversion` (1.34).
//!
//! Left out: exit by signal, which the records do not tell from an exit code.

use crate::api::{
    ConditionStatus, ContainerState, ContainerStatus, Name, Obj, Pod, PodConditionType, PodPhase, Terminated,
};

/// One word for how a pod is: `Running`, `ContainerCreating`, `CrashLoopBackOff`, `Init:0/1`, `Terminating`, ….
pub fn pod_status(pod: &Obj<Pod>) -> Name {
    let status = &pod.body.status;
    if pod.meta.is_terminating() {
        if status.reason == "NodeLost" {
            return "Unknown".into();
        }
        if !status.phase.is_finished() {
            return "Terminating".into();
        }
    }
    let base = if is_gated(&pod.body) {
        "SchedulingGated".into()
    } else if status.reason.is_empty() {
        Name::from(status.phase.as_str())
    } else {
        status.reason.clone()
    };
    let initialising = of_init_containers(&pod.body);
    let initialised = is_true(&pod.body, PodConditionType::Initialized);
    match initialising {
        Some(reason) if !initialised => reason,
        Some(reason) => of_containers(&pod.body, reason),
        None => of_containers(&pod.body, base),
    }
}

fn is_true(pod: &Pod, kind: PodConditionType) -> bool {
    pod.condition(kind).is_some_and(|condition| condition.status == ConditionStatus::True)
}

fn is_gated(pod: &Pod) -> bool {
    let scheduled = pod.condition(PodConditionType::PodScheduled);
    scheduled.and_then(|condition| condition.text.as_ref()).is_some_and(|text| text.reason == "SchedulingGated")
}

/// The first init container that holds the others up, if there is one.
fn of_init_containers(pod: &Pod) -> Option<Name> {
    let total = pod.spec.init_containers().len();
    for (index, container) in pod.status.init_containers.iter().enumerate() {
        let spec = pod.spec.init_containers().get(index);
        let is_sidecar = spec.is_some_and(|spec| spec.restart_policy.as_deref() == Some("Always"));
        return Some(match &container.state {
            ContainerState::Terminated(ended) if ended.exit_code == 0 => continue,
            ContainerState::Terminated(ended) => ecow::eco_format!("Init:{}", reason_of(ended)),
            _ if is_sidecar && container.started => continue,
            ContainerState::Waiting(text) if !text.reason.is_empty() && text.reason != "PodInitializing" => {
                ecow::eco_format!("Init:{}", text.reason)
            }
            ContainerState::Waiting(_) | ContainerState::Running { .. } => ecow::eco_format!("Init:{index}/{total}"),
        });
    }
    None
}

/// The reason of the first container that does not run, or `otherwise`.
fn of_containers(pod: &Pod, otherwise: Name) -> Name {
    let runs =
        |container: &ContainerStatus| container.ready && matches!(container.state, ContainerState::Running { .. });
    let stopped = pod.status.containers.iter().find_map(|container| match &container.state {
        ContainerState::Waiting(text) => (!text.reason.is_empty()).then(|| text.reason.clone()),
        ContainerState::Terminated(ended) => Some(reason_of(ended)),
        ContainerState::Running { .. } => None,
    });
    let reason = stopped.unwrap_or(otherwise);
    if reason == "Completed" && pod.status.containers.iter().any(runs) {
        return if is_true(pod, PodConditionType::Ready) {
            PodPhase::Running.as_str().into()
        } else {
            "NotReady".into()
        };
    }
    reason
}

fn reason_of(ended: &Terminated) -> Name {
    if ended.reason.is_empty() { ecow::eco_format!("ExitCode:{}", ended.exit_code) } else { ended.reason.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::pods::made_up::{pod, terminated, waiting, with_init_containers};

    #[track_caller]
    fn check(pod: &Obj<Pod>, expected: &str) {
        assert_eq!(pod_status(pod), expected);
    }

    #[test]
    fn the_phase_stands_where_nothing_else_is_known() {
        check(&pod("a", PodPhase::Pending, Vec::new()), "Pending");
        check(&pod("a", PodPhase::Running, Vec::new()), "Running");
        check(&pod("a", PodPhase::Unknown, Vec::new()), "Unknown");
    }

    #[test]
    fn the_first_container_that_does_not_run_says_why() {
        check(&pod("a", PodPhase::Pending, vec![waiting("ContainerCreating")]), "ContainerCreating");
        check(
            &pod("a", PodPhase::Running, vec![waiting("CrashLoopBackOff"), waiting("ImagePullBackOff")]),
            "CrashLoopBackOff",
        );
        check(&pod("a", PodPhase::Failed, vec![terminated(1, "Error")]), "Error");
        check(&pod("a", PodPhase::Failed, vec![terminated(137, "")]), "ExitCode:137");
        check(&pod("a", PodPhase::Succeeded, vec![terminated(0, "Completed")]), "Completed");
    }

    #[test]
    fn init_containers_come_first() {
        let mut one = pod("a", PodPhase::Pending, vec![waiting("PodInitializing")]);
        with_init_containers(&mut one, vec![terminated(0, "Completed"), waiting("PodInitializing")]);
        check(&one, "Init:1/2");
        with_init_containers(&mut one, vec![waiting("ImagePullBackOff")]);
        check(&one, "Init:ImagePullBackOff");
        with_init_containers(&mut one, vec![terminated(2, "Error")]);
        check(&one, "Init:Error");
        with_init_containers(&mut one, vec![terminated(0, "Completed")]);
        check(&one, "PodInitializing");
    }

    #[test]
    fn a_pod_that_is_being_deleted_terminates() {
        let mut one = pod("a", PodPhase::Running, vec![waiting("CrashLoopBackOff")]);
        one.meta.deletion = Some(crate::api::Deletion { timestamp: crate::api::Timestamp(1), grace_seconds: Some(30) });
        check(&one, "Terminating");
        one.body.status.phase = PodPhase::Succeeded;
        check(&one, "CrashLoopBackOff");
    }

    #[test]
    fn an_evicted_pod_says_so() {
        let mut one = pod("a", PodPhase::Failed, Vec::new());
        one.body.status.reason = "Evicted".into();
        check(&one, "Evicted");
    }
}
