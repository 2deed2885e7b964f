//! The node as its kubelet registers it and describes it.
//! Upstream: `pkg/kubelet/kubelet_node_status.go`, `nodestatus/setters.go`.
//!
//! A node registers ready: there is no container runtime here whose network could be missing, and admission
//! (TaintNodesByCondition) taints only what is created unready. A deleted node is not registered again until the kubelet
//! starts again, as upstream. Of the Events of a start only `Starting`, `Rebooted` and `NodeReady` are said.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta_v1;
use k8s_openapi::jiff;

use super::Kubelet;
use super::eviction::Pressure;
use super::settings::{REGISTER, RELIST};
use super::token::{Ask, Timer};
use crate::api::resources::Resources;
use crate::api::{Cidr, EventType, IpFamily, Kind, Labels, Lease, Meta, Name, Node, Obj, Object, Timestamp};
use crate::client::{FORGET, ItemBackoff, Outbox};
use crate::event::{
    Answer, ApiError, Change, ChangeKind, ErrorReason, MetaEdit, Preconditions, Reply, Request, Target,
};
use crate::kernel::{Span, Time, object_hash};

/// Says that the attach/detach controller attaches the node's disks. Upstream: `--enable-controller-attach-detach`.
const CONTROLLER_MANAGED: &str = "volumes.kubernetes.io/controller-managed-attach-detach";

/// Waits between tries to register or to create the Lease. Upstream: `registerWithAPIServer`.
pub(super) const TRY_AGAIN: ItemBackoff = ItemBackoff { base: Span::from_millis(100), max: Span::from_secs(7) };

/// What the nodes of a pool have in common.
#[derive(Clone, Debug)]
pub struct NodeTemplate {
    /// Labels beside the standard ones (`kubernetes.io/hostname`, `kubernetes.io/os`, `kubernetes.io/arch`).
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// `spec.taints`.
    pub taints: Vec<v1::Taint>,
    /// `spec.providerID`; empty where absent.
    pub provider_id: Name,
    /// `status.capacity`.
    pub capacity: BTreeMap<String, WireQuantity>,
    /// `status.allocatable`.
    pub allocatable: BTreeMap<String, WireQuantity>,
    /// `status.nodeInfo.architecture` and the label.
    pub architecture: Name,
    /// `status.nodeInfo.kubeletVersion`.
    pub kubelet_version: Name,
    /// How many disks of each CSI driver a node can hold.
    pub disk_limits: BTreeMap<Name, u32>,
    /// The families of addresses of the node and its pods, the primary one first; empty: the node has IPv4, its pods what
    /// node IPAM gives.
    pub ip_families: Vec<IpFamily>,
    /// Where pods get their addresses before node IPAM gives the node a range; usually empty.
    pub pod_cidrs: Vec<Cidr>,
    /// `allocatable` as integers.
    pub(super) room: Resources,
}

impl NodeTemplate {
    /// A Linux machine whose whole capacity is allocatable, without labels and taints. Where `capacity` has no `pods`,
    /// it gets 110 (upstream: `maxPods`).
    pub fn new(mut capacity: BTreeMap<String, WireQuantity>) -> NodeTemplate {
        capacity.entry("pods".to_owned()).or_insert_with(|| WireQuantity("110".to_owned()));
        let room = Resources::of_list(Some(&capacity));
        NodeTemplate {
            labels: Labels::default(),
            annotations: Labels::default(),
            taints: Vec::new(),
            provider_id: Name::new(),
            allocatable: capacity.clone(),
            capacity,
            architecture: "amd64".into(),
            kubelet_version: "v1.34.0".into(),
            disk_limits: BTreeMap::new(),
            ip_families: Vec::new(),
            pod_cidrs: Vec::new(),
            room,
        }
    }

    /// The same with less allocatable than there is.
    #[must_use]
    pub fn with_allocatable(mut self, allocatable: BTreeMap<String, WireQuantity>) -> NodeTemplate {
        self.room = Resources::of_list(Some(&allocatable));
        self.allocatable = allocatable;
        self
    }
}

/// What a kubelet remembers of its node.
#[derive(Clone, Debug)]
pub(super) struct NodeState {
    /// As the API server showed it last.
    pub(super) object: Option<Arc<Obj<Node>>>,
    /// The node's Lease, as this process has created or renewed it.
    pub(super) lease: Option<Arc<Obj<Lease>>>,
    /// Failed tries to register or to create the Lease.
    pub(super) failures: u32,
    /// Where the grid of status updates begins.
    pub(super) registered_at: Time,
    /// The status update that has a timer; `Time::MAX`: none.
    pub(super) status_at: Time,
    /// Failed tries of the present status update.
    pub(super) status_tries: u32,
    /// Whether the next status update asks for the Node first: others may have changed it unseen.
    pub(super) look: bool,
    /// Where the grid of heartbeats begins; `Time::MAX`: there is no Lease yet.
    pub(super) beats_from: Time,
    /// Where the grid of repeated statuses begins.
    pub(super) statuses_from: Time,
    /// The renewal that has a timer; `Time::MAX`: none.
    pub(super) renew_at: Time,
    /// When the Lease was last sent.
    pub(super) renewed_at: Time,
    /// Whether the last renewal failed.
    pub(super) renewal_failed: bool,
}

impl Default for NodeState {
    fn default() -> NodeState {
        NodeState {
            object: None,
            lease: None,
            failures: 0,
            registered_at: Time::ZERO,
            status_at: Time::MAX,
            status_tries: 0,
            look: false,
            beats_from: Time::MAX,
            statuses_from: Time::MAX,
            renew_at: Time::MAX,
            renewed_at: Time::ZERO,
            renewal_failed: false,
        }
    }
}

impl Kubelet {
    /// The process starts.
    pub(super) fn start(&mut self, out: &mut Outbox) {
        let node = object_hash(&self.fixed.name);
        let every = self.settings().relist_every;
        if every > Span::ZERO {
            self.relist_phase = Span::from_nanos(out.chance.draw(RELIST, node, 0).below(every.as_nanos()));
        }
        let n = u64::from(self.machine.starts.saturating_sub(1));
        let delay = self.settings().registration_delay.draw(out.chance, REGISTER, node, n);
        out.timer_after(delay, Timer::Register.token());
    }

    /// The kubelet of a node that has been part of the cluster before the simulation began: its start at time zero is no
    /// start that anybody is told of.
    #[must_use]
    pub fn registered_before(mut self) -> Kubelet {
        self.machine.ran_before = true;
        self
    }

    /// Creates the Node.
    pub(super) fn register(&mut self, out: &mut Outbox) {
        let node = self.new_node(out.timestamp());
        out.send(&mut self.api, Ask::Register.token(), Request::Create(node));
    }

    /// The Node as the kubelet registers it.
    pub fn new_node(&self, now: Timestamp) -> Object {
        let template = &self.fixed.template;
        let name = &self.fixed.name;
        let mut meta = Meta::new(Kind::Node, "", name.clone());
        let standard = [
            ("beta.kubernetes.io/arch", template.architecture.clone()),
            ("beta.kubernetes.io/os", "linux".into()),
            ("kubernetes.io/arch", template.architecture.clone()),
            ("kubernetes.io/hostname", name.clone()),
            ("kubernetes.io/os", "linux".into()),
        ];
        let declared = template.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
        meta.labels = standard.into_iter().map(|(key, value)| (Name::from(key), value)).chain(declared).collect();
        meta.annotations = template.annotations.with(CONTROLLER_MANAGED, "true");
        let spec = v1::NodeSpec {
            provider_id: (!template.provider_id.is_empty()).then(|| template.provider_id.to_string()),
            taints: (!template.taints.is_empty()).then(|| template.taints.clone()),
            ..v1::NodeSpec::default()
        };
        let status = self.node_status(None, now);
        Obj { meta, body: Node { spec: Arc::new(spec), status: Arc::new(status) } }.into_object()
    }

    fn get_node(&mut self, out: &mut Outbox) {
        let target = Target::Name(Kind::Node, Name::new(), self.fixed.name.clone());
        out.send(&mut self.api, Ask::GetNode.token(), Request::Get(target));
    }

    /// The Node has been created, or is there already, or could not be.
    pub(super) fn registered(&mut self, reply: Reply, out: &mut Outbox) {
        match reply {
            Ok(answer) => self.has_node(&answer, out),
            Err(ApiError { reason: ErrorReason::AlreadyExists, .. }) => self.get_node(out),
            Err(_) => self.try_again(Timer::Register, out),
        }
    }

    /// The Node was there already: a kubelet starts again.
    pub(super) fn found_node(&mut self, reply: Reply, out: &mut Outbox) {
        match reply {
            Ok(answer) => {
                self.has_node(&answer, out);
                self.take_part_in_attaching(out);
                self.report_node(out);
            }
            Err(_) => self.try_again(Timer::Register, out),
        }
    }

    /// A Node that somebody else has made does not say who attaches its disks. Upstream:
    /// `reconcileCMADAnnotationWithExistingNode`.
    fn take_part_in_attaching(&mut self, out: &mut Outbox) {
        let Some(node) =
            self.node.object.as_ref().filter(|node| node.meta.annotations.get(CONTROLLER_MANAGED).is_none())
        else {
            return;
        };
        let annotation = [(Name::from(CONTROLLER_MANAGED), Name::from("true"))].into_iter().collect();
        let edit = Arc::new(MetaEdit { set_annotations: annotation, ..MetaEdit::default() });
        let (target, preconditions) = (Target::Id(node.meta.id), Preconditions::default());
        out.send(&mut self.heartbeats, FORGET, Request::PatchMeta { target, preconditions, edit });
    }

    fn has_node(&mut self, answer: &Answer, out: &mut Outbox) {
        let Some(Object::Node(node)) = answer.object() else { panic!("a Node's request was answered without a Node") };
        self.node.failures = 0;
        self.node.registered_at = out.now;
        self.node_seen(node);
        if self.machine.starts > 1 || !self.machine.ran_before {
            self.say(out, node.meta.reference(), EventType::Normal, "Starting", "Starting kubelet.".into());
        }
        if let Some(limits) = self.disk_limits(node) {
            out.send(&mut self.api, FORGET, Request::Create(limits));
        }
        self.create_lease(out);
        self.list(super::NODE, out);
        self.list(super::PODS, out);
    }

    /// Its own node has changed.
    pub(super) fn node_changed(&mut self, node: &Arc<Obj<Node>>, change: &Change, out: &mut Outbox) {
        if change.kind == ChangeKind::Deleted {
            return;
        }
        self.node_seen(node);
        if !self.seems_healthy() {
            self.arm_node_status(out);
        }
        self.look_at_attached(out);
        self.start_waiting_sandboxes(out);
    }

    /// Whether the Node, as last seen, has the conditions that its kubelet gives it.
    pub(super) fn seems_healthy(&self) -> bool {
        let Some(node) = &self.node.object else { return true };
        self.conditions()
            .iter()
            .all(|(kind, status, _, _)| node.body.condition(kind).is_some_and(|condition| condition.status == *status))
    }

    pub(super) fn node_seen(&mut self, node: &Arc<Obj<Node>>) {
        let newer = |seen: &Arc<Obj<Node>>| node.meta.resource_version >= seen.meta.resource_version;
        if !self.node.object.as_ref().is_none_or(newer) {
            return;
        }
        let spec = &node.body.spec;
        let one = spec.pod_cidr.iter();
        let ranges = spec.pod_cidrs.as_ref().map_or_else(|| one.collect::<Vec<_>>(), |many| many.iter().collect());
        let families = &self.fixed.template.ip_families;
        let has = |range: &Cidr| families.is_empty() || families.contains(&IpFamily::of(range.base()));
        let ranges: Vec<Cidr> = ranges.into_iter().filter_map(|text| text.parse().ok()).filter(has).collect();
        if !ranges.is_empty() {
            self.pod_cidrs = ranges;
        }
        self.node.object = Some(node.clone());
    }

    pub(super) fn node_status(&self, before: Option<&v1::NodeStatus>, now: Timestamp) -> v1::NodeStatus {
        let template = &self.fixed.template;
        let address = |kind: &str, address: String| v1::NodeAddress { type_: kind.to_owned(), address };
        let internal = self.fixed.host_ips.iter().map(|ip| address("InternalIP", ip.to_string()));
        let addresses = internal.chain([address("Hostname", self.fixed.name.to_string())]).collect();
        let images = self.images.report(self.settings().images_reported_max);
        let mut status = before.cloned().unwrap_or_default();
        status.addresses = Some(addresses);
        status.capacity = Some(template.capacity.clone());
        status.allocatable = Some(template.allocatable.clone());
        status.images = (!images.is_empty()).then_some(images);
        status.volumes_in_use = self.claims.in_use();
        status.daemon_endpoints =
            Some(v1::NodeDaemonEndpoints { kubelet_endpoint: Some(v1::DaemonEndpoint { port: 10_250 }) });
        status.node_info = Some(v1::NodeSystemInfo {
            architecture: template.architecture.to_string(),
            container_runtime_version: "containerd://2.1.0".to_owned(),
            kernel_version: "6.12.0".to_owned(),
            kubelet_version: template.kubelet_version.to_string(),
            operating_system: "linux".to_owned(),
            os_image: "wavetank".to_owned(),
            machine_id: self.fixed.name.to_string(),
            system_uuid: self.fixed.name.to_string(),
            boot_id: self.boot_id(),
            ..v1::NodeSystemInfo::default()
        });
        let conditions = status.conditions.get_or_insert_default();
        for (kind, holds, reason, message) in self.conditions() {
            set_condition(conditions, kind, holds, reason, message, now);
        }
        status
    }
}

impl Kubelet {
    /// The node's conditions, in upstream's order.
    fn conditions(&self) -> [Condition; 4] {
        let of = |at: usize| {
            let (pressure, [holds, holds_not]) = PRESSURES[at];
            if self.has_pressure(pressure) { holds } else { holds_not }
        };
        [of(0), of(1), of(2), READY]
    }

    /// The machine's boot id: another one after each boot.
    fn boot_id(&self) -> String {
        let part = |number: u32| object_hash(&format!("boot/{}/{}/{number}", self.fixed.name, self.machine.boots));
        let (high, low) = (part(0), part(1));
        let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
        format!(
            "{first:08x}-{second:04x}-4{third:03x}-{:04x}-{:012x}",
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

/// Type, status, reason and message of a condition.
type Condition = (&'static str, &'static str, &'static str, &'static str);

/// A node's pressure conditions where they hold and where they do not.
const PRESSURES: [(Pressure, [Condition; 2]); 3] = [
    (
        Pressure::Memory,
        [
            ("MemoryPressure", "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ],
    ),
    (
        Pressure::Disk,
        [
            ("DiskPressure", "True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ],
    ),
    (
        Pressure::Pid,
        [
            ("PIDPressure", "True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ],
    ),
];
const READY: Condition = ("Ready", "True", "KubeletReady", "kubelet is posting ready status");

fn set_condition(
    conditions: &mut Vec<v1::NodeCondition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let now = jiff::Timestamp::from_second(now.0).ok().map(meta_v1::Time);
    let before = conditions.iter().position(|condition| condition.type_ == kind);
    let since =
        before.filter(|at| conditions[*at].status == status).and_then(|at| conditions[at].last_transition_time.clone());
    let condition = v1::NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: now.clone(),
        last_transition_time: since.or(now),
    };
    match before {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}
