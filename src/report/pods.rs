//! How the pods are: by phase, by kubectl's STATUS, and those that are not ready with what is known of why.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pod_status;
use super::table::Table;
use crate::api::{
    ConditionStatus, ContainerState, Kind, Name, Obj, Object, Pod, PodConditionType, PodPhase, Timestamp,
};
use crate::report::human_duration;
use crate::store::Store;

/// How many pods that are not ready are shown.
const SHOWN: usize = 10;

/// The pods of a cluster.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodsReport {
    /// All of them.
    pub total: u64,
    /// Those with the condition `Ready`.
    pub ready: u64,
    /// How many there are in each phase.
    pub by_phase: BTreeMap<Name, u64>,
    /// How many there are of each of kubectl's STATUS words.
    pub by_status: BTreeMap<Name, u64>,
    /// Those that have not ended well and are not ready.
    pub not_ready_total: u64,
    /// The first of them by namespace and name, ten at most.
    pub not_ready: Vec<PodLine>,
}

/// A pod as `kubectl get pods` shows it, and why it is not ready.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLine {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Containers that are ready.
    pub ready_containers: usize,
    /// Containers that there are to be.
    pub containers: usize,
    /// kubectl's STATUS.
    pub status: Name,
    /// The sum of restarts over all containers.
    pub restarts: u32,
    /// Whole seconds since creation.
    pub age_seconds: i64,
    /// Where it is bound to; empty where it is not.
    pub node: Name,
    /// What the scheduler or the kubelet says about it; may be empty.
    pub message: Name,
}

/// The pods of a store at an instant.
pub fn pods_report(store: &Store, now: Timestamp) -> PodsReport {
    report_of(store.unordered(Kind::Pod).filter_map(Object::get::<Pod>).map(|pod| &**pod), now, SHOWN)
}

/// The first so many pods that have not ended well and are not ready, by namespace and name, and how many there are.
pub(super) fn pods_not_ready(store: &Store, now: Timestamp, most: usize) -> (Vec<PodLine>, usize) {
    let pods = store.unordered(Kind::Pod).filter_map(Object::get::<Pod>).map(|pod| &**pod);
    let report = report_of(pods, now, most);
    (report.not_ready, report.not_ready_total as usize)
}

fn report_of<'a>(pods: impl Iterator<Item = &'a Obj<Pod>>, now: Timestamp, most: usize) -> PodsReport {
    let mut report = PodsReport {
        total: 0,
        ready: 0,
        by_phase: BTreeMap::new(),
        by_status: BTreeMap::new(),
        not_ready_total: 0,
        not_ready: Vec::new(),
    };
    let mut not_ready = Vec::new();
    for pod in pods {
        report.total += 1;
        *report.by_phase.entry(pod.body.status.phase.as_str().into()).or_default() += 1;
        *report.by_status.entry(pod_status(pod)).or_default() += 1;
        if pod.body.is_ready() {
            report.ready += 1;
        } else if pod.body.status.phase != PodPhase::Succeeded {
            not_ready.push(pod);
        }
    }
    report.not_ready_total = not_ready.len() as u64;
    not_ready.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
    report.not_ready = not_ready.into_iter().take(most).map(|pod| line(pod, now)).collect();
    report
}

fn line(pod: &Obj<Pod>, now: Timestamp) -> PodLine {
    PodLine {
        namespace: pod.meta.namespace.clone(),
        name: pod.meta.name.clone(),
        ready_containers: pod.body.status.containers.iter().filter(|container| container.ready).count(),
        containers: pod.body.spec.containers().len(),
        status: pod_status(pod),
        restarts: pod.body.restarts(),
        age_seconds: now.seconds_since(pod.meta.created),
        node: pod.body.node_name.clone(),
        message: message(&pod.body),
    }
}

/// What is said about a pod that is not ready: by a container, by the scheduler, by the status itself.
fn message(pod: &Pod) -> Name {
    let containers = pod.status.init_containers.iter().chain(&pod.status.containers);
    let of_containers = containers.filter_map(|container| match &container.state {
        ContainerState::Waiting(text) => Some(&text.message),
        ContainerState::Terminated(ended) => Some(&ended.message),
        ContainerState::Running { .. } => None,
    });
    let of_conditions = [PodConditionType::PodScheduled, PodConditionType::Ready]
        .into_iter()
        .filter_map(|kind| pod.condition(kind))
        .filter(|condition| condition.status != ConditionStatus::True)
        .filter_map(|condition| condition.text.as_ref())
        .map(|text| &text.message);
    let own = std::iter::once(&pod.status.message);
    let mut messages = own.chain(of_containers).chain(of_conditions);
    messages.find(|message| !message.is_empty()).cloned().unwrap_or_default()
}

impl PodsReport {
    /// How many pods there are of each STATUS.
    pub(super) fn counts(&self) -> Table {
        let mut table = Table::new(["STATUS", "PODS"]);
        for (status, count) in &self.by_status {
            table.add([status.to_string(), count.to_string()]);
        }
        table
    }

    /// The pods that are not ready, as `kubectl get pods --all-namespaces` shows them, with the message.
    pub(super) fn not_ready_table(&self) -> Table {
        let mut table = Table::new(["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE", "MESSAGE"]);
        for pod in &self.not_ready {
            table.add([
                pod.namespace.to_string(),
                pod.name.to_string(),
                format!("{}/{}", pod.ready_containers, pod.containers),
                pod.status.to_string(),
                pod.restarts.to_string(),
                human_duration(pod.age_seconds),
                if pod.node.is_empty() { "<none>".to_owned() } else { pod.node.to_string() },
                pod.message.to_string(),
            ]);
        }
        table
    }
}

#[cfg(test)]
pub(super) mod made_up {
    //! Pods for tests.

    use std::sync::Arc;

    use k8s_openapi::api::core::v1;

    use crate::api::{
        ContainerState, ContainerStatus, Kind, Meta, Name, Obj, Pod, PodPhase, PodSpec, PodStatus, Terminated,
        Timestamp,
    };

    /// A pod with so many containers in these states.
    pub(crate) fn pod(name: &str, phase: PodPhase, containers: Vec<ContainerStatus>) -> Obj<Pod> {
        let spec = v1::PodSpec {
            containers: containers.iter().map(|_| v1::Container::default()).collect(),
            ..v1::PodSpec::default()
        };
        let status = PodStatus { phase, containers, ..PodStatus::default() };
        let body = Pod { spec: PodSpec::new(spec), node_name: Name::new(), status };
        Obj { meta: Meta::new(Kind::Pod, "default", name), body }
    }

    pub(crate) fn with_init_containers(pod: &mut Obj<Pod>, containers: Vec<ContainerStatus>) {
        let mut full = pod.body.spec.full.clone();
        full.init_containers = Some(containers.iter().map(|_| v1::Container::default()).collect());
        pod.body.spec = PodSpec::new(full);
        pod.body.status.init_containers = containers;
    }

    pub(crate) fn waiting(reason: &str) -> ContainerStatus {
        ContainerStatus::waiting(reason)
    }

    pub(crate) fn waiting_with(reason: &str, message: &str) -> ContainerStatus {
        let text = crate::api::ReasonText { reason: reason.into(), message: message.into() };
        ContainerStatus { state: ContainerState::Waiting(Arc::new(text)), ..ContainerStatus::waiting(reason) }
    }

    pub(crate) fn running() -> ContainerStatus {
        let state = ContainerState::Running { started_at: Timestamp(1) };
        ContainerStatus { state, ready: true, started: true, ..ContainerStatus::waiting("") }
    }

    pub(crate) fn terminated(exit_code: i32, reason: &str) -> ContainerStatus {
        let ended = Terminated {
            exit_code,
            reason: reason.into(),
            message: Name::new(),
            started_at: Timestamp(1),
            finished_at: Timestamp(2),
        };
        ContainerStatus { state: ContainerState::Terminated(Box::new(ended)), ..ContainerStatus::waiting("") }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::made_up::{pod, running, terminated, waiting_with};
    use super::*;
    use crate::api::ReasonText;

    fn ready(mut pod: Obj<Pod>) -> Obj<Pod> {
        pod.body.status.set_condition(PodConditionType::Ready, ConditionStatus::True, None, Timestamp(5));
        pod.body.node_name = "node-1".into();
        pod
    }

    #[test]
    fn pods_are_counted_by_status_and_the_unready_ones_shown() {
        let mut unscheduled = pod("c", PodPhase::Pending, Vec::new());
        let text = ReasonText { reason: "Unschedulable".into(), message: "0/3 nodes are available.".into() };
        unscheduled.body.status.set_condition(
            PodConditionType::PodScheduled,
            ConditionStatus::False,
            Some(Arc::new(text)),
            Timestamp(0),
        );
        let mut waits =
            pod("b", PodPhase::Pending, vec![waiting_with("ImagePullBackOff", "Back-off pulling image \"x\"")]);
        waits.body.node_name = "node-2".into();
        let pods = [
            ready(pod("a", PodPhase::Running, vec![running()])),
            unscheduled,
            waits,
            pod("d", PodPhase::Succeeded, vec![terminated(0, "Completed")]),
        ];
        let report = report_of(pods.iter(), Timestamp(65), SHOWN);
        assert_eq!((report.total, report.ready, report.not_ready_total), (4, 1, 2));
        assert_eq!(
            report.counts().to_string(),
            "STATUS             PODS\n\
             Completed          1\n\
             ImagePullBackOff   1\n\
             Pending            1\n\
             Running            1\n"
        );
        assert_eq!(
            report.not_ready_table().to_string(),
            "NAMESPACE   NAME   READY   STATUS             RESTARTS   AGE   NODE     MESSAGE\n\
             default     b      0/1     ImagePullBackOff   0          65s   node-2   Back-off pulling image \"x\"\n\
             default     c      0/0     Pending            0          65s   <none>   0/3 nodes are available.\n"
        );
    }

    #[test]
    fn of_many_pods_that_are_not_ready_ten_are_shown() {
        let pods: Vec<Obj<Pod>> = (0..25).map(|n| pod(&format!("p{n:02}"), PodPhase::Pending, Vec::new())).collect();
        let report = report_of(pods.iter(), Timestamp(0), SHOWN);
        assert_eq!(report.not_ready_total, 25);
        assert_eq!(report.not_ready.len(), 10);
        assert_eq!(report.by_phase.get("Pending"), Some(&25));
    }
}
