//! Pods, held small: a shared template spec, the node's name, a compact status.
//!
//! A parsed `k8s_openapi` Pod costs 26 kB; one of these some 300 to 500 bytes. `convert::pod` turns one into the
//! other without loss: what is unusual goes into the boxed `rest`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::resources::Resources;
use super::{ConditionStatus, Labels, Name, PodSpec, Timestamp};

/// The body of a Pod.
#[derive(Clone, PartialEq, Debug)]
pub struct Pod {
    /// `spec` without `nodeName`, shared with the template that it came from.
    pub spec: Arc<PodSpec>,
    /// `spec.nodeName`; empty until bound.
    pub node_name: Name,
    /// `status`.
    pub status: PodStatus,
}

/// A pod template as workloads carry it. Upstream: `core/v1.PodTemplateSpec`.
#[derive(Clone, PartialEq, Debug)]
pub struct PodTemplate {
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// `metadata.finalizers`.
    pub finalizers: Arc<[Name]>,
    /// `spec.nodeName`; empty where absent, as nearly always.
    pub node_name: Name,
    /// `spec` without `nodeName`.
    pub spec: Arc<PodSpec>,
}

/// `status.phase`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum PodPhase {
    /// Accepted, not all containers started.
    Pending,
    /// Bound, at least one container runs or is restarting.
    Running,
    /// All containers ended well and will not restart.
    Succeeded,
    /// All containers ended, at least one badly.
    Failed,
    /// The node could not be asked.
    Unknown,
}

impl PodPhase {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            PodPhase::Pending => "Pending",
            PodPhase::Running => "Running",
            PodPhase::Succeeded => "Succeeded",
            PodPhase::Failed => "Failed",
            PodPhase::Unknown => "Unknown",
        }
    }

    /// Reads Kubernetes' text.
    pub fn parse(text: &str) -> Option<PodPhase> {
        [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed, PodPhase::Unknown]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }

    /// Whether all containers have ended for good.
    pub fn is_finished(self) -> bool {
        matches!(self, PodPhase::Succeeded | PodPhase::Failed)
    }
}

/// `status.qosClass`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QosClass {
    /// Every container has equal requests and limits for CPU and memory.
    Guaranteed,
    /// Some container has a request or limit.
    Burstable,
    /// No container has any.
    BestEffort,
}

/// `status` of a Pod.
#[derive(Clone, PartialEq, Debug)]
pub struct PodStatus {
    /// `phase`.
    pub phase: PodPhase,
    /// `qosClass`.
    pub qos: Option<QosClass>,
    /// `conditions`, in the order in which they were first set.
    pub conditions: Vec<PodCondition>,
    /// `containerStatuses`, in the order of `spec.containers`; empty until the kubelet reports.
    pub containers: Vec<ContainerStatus>,
    /// `initContainerStatuses`, in the order of `spec.initContainers`.
    pub init_containers: Vec<ContainerStatus>,
    /// `startTime`.
    pub start_time: Option<Timestamp>,
    /// `hostIP`.
    pub host_ip: Option<IpAddr>,
    /// `podIP` and, where there are two, `podIPs`.
    pub pod_ips: PodIps,
    /// `nominatedNodeName`; empty where absent.
    pub nominated_node_name: Name,
    /// `reason`; empty where absent.
    pub reason: Name,
    /// `message`; empty where absent.
    pub message: Name,
    /// `observedGeneration`; zero where absent.
    pub observed_generation: i64,
    /// Whatever else `status` had.
    pub rest: Option<Box<v1::PodStatus>>,
}

impl Default for PodStatus {
    /// What a new pod has: Pending and nothing else.
    fn default() -> PodStatus {
        PodStatus {
            phase: PodPhase::Pending,
            qos: None,
            conditions: Vec::new(),
            containers: Vec::new(),
            init_containers: Vec::new(),
            start_time: None,
            host_ip: None,
            pod_ips: PodIps::default(),
            nominated_node_name: Name::new(),
            reason: Name::new(),
            message: Name::new(),
            observed_generation: 0,
            rest: None,
        }
    }
}

/// At most one address of each family; the first is `podIP`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PodIps {
    /// The primary address.
    pub first: Option<IpAddr>,
    /// The address of the other family.
    pub second: Option<IpAddr>,
}

/// The pod conditions that the built-in parts set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum PodConditionType {
    /// Sandbox and network are up.
    PodReadyToStartContainers,
    /// All init containers have ended well.
    Initialized,
    /// The pod can serve requests.
    Ready,
    /// All containers are ready.
    ContainersReady,
    /// The scheduler has found (True) or not found (False) a node.
    PodScheduled,
    /// About to be terminated by preemption, eviction or garbage collection.
    DisruptionTarget,
}

impl PodConditionType {
    /// All of them.
    pub const ALL: [PodConditionType; 6] = [
        PodConditionType::PodReadyToStartContainers,
        PodConditionType::Initialized,
        PodConditionType::Ready,
        PodConditionType::ContainersReady,
        PodConditionType::PodScheduled,
        PodConditionType::DisruptionTarget,
    ];

    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            PodConditionType::PodReadyToStartContainers => "PodReadyToStartContainers",
            PodConditionType::Initialized => "Initialized",
            PodConditionType::Ready => "Ready",
            PodConditionType::ContainersReady => "ContainersReady",
            PodConditionType::PodScheduled => "PodScheduled",
            PodConditionType::DisruptionTarget => "DisruptionTarget",
        }
    }
}

/// One of a pod's conditions.
#[derive(Clone, PartialEq, Debug)]
pub struct PodCondition {
    /// `type`.
    pub kind: PodConditionType,
    /// `status`.
    pub status: ConditionStatus,
    /// `lastTransitionTime`.
    pub last_transition: Timestamp,
    /// `reason` and `message`, where there are any.
    pub text: Option<Arc<ReasonText>>,
}

/// Why a condition or state is as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReasonText {
    /// One word in CamelCase.
    pub reason: Name,
    /// A sentence; empty where absent.
    pub message: Name,
}

/// The status of one container. Name and image are those of the spec at the same index.
#[derive(Clone, PartialEq, Debug)]
pub struct ContainerStatus {
    /// `state`.
    pub state: ContainerState,
    /// `lastState.terminated`.
    pub last: Option<Box<Terminated>>,
    /// `ready`.
    pub ready: bool,
    /// `started`.
    pub started: bool,
    /// `restartCount`.
    pub restart_count: u32,
}

impl ContainerStatus {
    /// A container that has not begun.
    pub fn waiting(reason: &str) -> ContainerStatus {
        ContainerStatus {
            state: ContainerState::Waiting(Arc::new(ReasonText { reason: reason.into(), message: Name::new() })),
            last: None,
            ready: false,
            started: false,
            restart_count: 0,
        }
    }
}

/// `state` of a container.
#[derive(Clone, PartialEq, Debug)]
pub enum ContainerState {
    /// Not started yet, or between two starts.
    Waiting(Arc<ReasonText>),
    /// Running since.
    Running {
        /// `startedAt`.
        started_at: Timestamp,
    },
    /// Ended.
    Terminated(Box<Terminated>),
}

/// How a container ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminated {
    /// `exitCode`.
    pub exit_code: i32,
    /// `reason`: `Completed`, `Error`, `OOMKilled`, ….
    pub reason: Name,
    /// `message`; empty where absent.
    pub message: Name,
    /// `startedAt`.
    pub started_at: Timestamp,
    /// `finishedAt`.
    pub finished_at: Timestamp,
}

impl Pod {
    /// The condition of a type, if it is there.
    pub fn condition(&self, kind: PodConditionType) -> Option<&PodCondition> {
        self.status.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether the condition `Ready` is True. Upstream: `podutil.IsPodReady`.
    pub fn is_ready(&self) -> bool {
        self.condition(PodConditionType::Ready).is_some_and(|ready| ready.status == ConditionStatus::True)
    }

    /// Since when the pod has been ready, if it is.
    pub fn ready_since(&self) -> Option<Timestamp> {
        let ready = self.condition(PodConditionType::Ready)?;
        (ready.status == ConditionStatus::True).then_some(ready.last_transition)
    }

    /// Whether it has been ready for `min_ready_seconds` at `now`. Upstream: `podutil.IsPodAvailable`.
    pub fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        self.ready_since()
            .is_some_and(|since| min_ready_seconds == 0 || now.seconds_since(since) >= i64::from(min_ready_seconds))
    }

    /// What it asks of its node; with `non_zero` as schedulers score. That is what the spec says, but for containers
    /// whose status tells of other amounts: a resize in place. Upstream: `PodInfo.CalculateResource`.
    pub fn requests(&self, non_zero: bool) -> Cow<'_, Resources> {
        let resized = self.status.rest.as_deref();
        match resized.and_then(|status| Resources::of_resized(&self.spec.full, status, non_zero)) {
            Some(resized) => Cow::Owned(resized),
            None if non_zero => Cow::Borrowed(&self.spec.non_zero_requests),
            None => Cow::Borrowed(&self.spec.requests),
        }
    }

    /// The sum of restarts over all containers.
    pub fn restarts(&self) -> u32 {
        self.status.containers.iter().map(|container| container.restart_count).sum()
    }
}

impl PodStatus {
    /// Sets a condition. The transition time stays where the status stays. Upstream: `podutil.UpdatePodCondition`.
    pub fn set_condition(
        &mut self,
        kind: PodConditionType,
        status: ConditionStatus,
        text: Option<Arc<ReasonText>>,
        now: Timestamp,
    ) {
        match self.conditions.iter_mut().find(|condition| condition.kind == kind) {
            Some(condition) => {
                if condition.status != status {
                    condition.last_transition = now;
                }
                condition.status = status;
                condition.text = text;
            }
            None => self.conditions.push(PodCondition { kind, status, last_transition: now, text }),
        }
    }
}
