//! The stand-in kubelet: one for all nodes, outside of the tank, with a clock of its own.
//!
//! A bound pod's first status comes 0.5 s after the bind, its further changes as its containers' [`Behaviour`]s say,
//! its end 0.5 s after its `deletionTimestamp`. With a serial gap all status transitions form one queue by the time at
//! which they fall due, and each comes at the earliest one gap after the one before; those that no longer apply take no
//! slot. Leases are renewed every 10 s, node statuses posted every 60 s. A stopped node does nothing; when it returns,
//! it posts its status at once, and 0.5 s later those of its pods, and finishes those that were deleted meanwhile.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::behaviour::{Behaviour, Container, Restart, Stage, phase};
use super::case::NodeFile;
use crate::api::{Cidr, Clock, Kind, Name, Obj, Pod, Uid, convert};
use crate::event::{
    ChangeKind, DeleteOptions, NODE_LEASES, Patch, PatchKind, Preconditions, Request, Subresource, Target,
};
use crate::kernel::{Span, Time};

/// From a bind to the first status, from a deletion to the end, and from a node's return to its pods' statuses.
const REACTS_AFTER: Span = Span::from_millis(500);
const RENEWS_EVERY: Span = Span::from_secs(10);
const REPORTS_EVERY: Span = Span::from_secs(60);
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The stand-in kubelet.
#[derive(Debug)]
pub(super) struct Kubelet {
    clock: Clock,
    serial: Span,
    nodes: BTreeMap<Name, Machine>,
    pods: BTreeMap<Uid, Record>,
    /// Status transitions by the time at which they fall due, and by the order in which they were foreseen.
    queue: BTreeMap<(Time, u64), Transition>,
    /// When the last transition took place.
    last: Option<Time>,
    /// What comes at its time whatever else does.
    others: BTreeMap<(Time, u64), Other>,
    foreseen: u64,
}

#[derive(Debug)]
struct Machine {
    address: IpAddr,
    is_up: bool,
    /// How often it has returned: what an earlier life has planned is void.
    life: u32,
    has_lease: bool,
    cidrs: Vec<Cidr>,
    /// Addresses given to pods.
    given: u128,
}

#[derive(Debug)]
struct Record {
    namespace: Name,
    name: Name,
    node: Name,
    deleting: bool,
    restart: Restart,
    containers: Vec<Container>,
    /// When it was started, once it was, and its addresses.
    started: Option<(Time, Vec<IpAddr>)>,
}

#[derive(Clone, Copy, Debug)]
struct Transition {
    pod: Uid,
    /// Which container changes; `None`: the first status.
    container: Option<usize>,
}

#[derive(Clone, Debug)]
enum Other {
    End(Uid),
    Renew(Name, u32),
    /// The node's status; whether its conditions count as changed.
    Report(Name, u32, bool),
    /// The pods of a node that has returned.
    Pods(Name),
}

impl Kubelet {
    pub(super) fn new(clock: Clock, serial: Span) -> Kubelet {
        Kubelet {
            clock,
            serial,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            queue: BTreeMap::new(),
            last: None,
            others: BTreeMap::new(),
            foreseen: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.foreseen += 1;
        self.foreseen
    }

    fn foresee(&mut self, at: Time, transition: Transition) {
        let number = self.number();
        self.queue.insert((at, number), transition);
    }

    fn plan(&mut self, at: Time, other: Other) {
        let number = self.number();
        self.others.insert((at, number), other);
    }

    /// A node of the case registers: its Node object, to be created now.
    pub(super) fn add_node(&mut self, node: &NodeFile, now: Time) -> Value {
        let number = self.nodes.len() as u8 + 1;
        let address = IpAddr::from([192, 168, 0, number]);
        let name = Name::from(node.name.as_str());
        self.nodes.insert(name.clone(), Machine::new(address));
        self.plan(now, Other::Renew(name.clone(), 0));
        self.plan(now + REPORTS_EVERY, Other::Report(name, 0, false));
        let standard = [
            ("kubernetes.io/hostname", node.name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ];
        let mut labels: BTreeMap<&str, &str> = standard.into_iter().collect();
        labels.extend(node.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let mut capacity: BTreeMap<&str, &str> = [("ephemeral-storage", "100Gi")].into_iter().collect();
        capacity.extend(node.capacity.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node.name, "labels": labels},
            "spec": {"taints": node.taints},
            "status": {
                "capacity": capacity, "allocatable": capacity,
                "addresses": [
                    {"type": "InternalIP", "address": address.to_string()},
                    {"type": "Hostname", "address": node.name},
                ],
                "conditions": self.node_conditions(now, true),
            },
        })
    }

    fn node_conditions(&self, now: Time, changed: bool) -> Value {
        let time = self.clock.timestamp(now).to_string();
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            let mut condition = json!({
                "type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": time,
            });
            if changed {
                condition["lastTransitionTime"] = json!(time);
            }
            condition
        };
        let healthy = |kind: &str, reason: &str, message: &str| condition(kind, "False", reason, message);
        json!([
            healthy("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            healthy("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            healthy("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ])
    }

    /// A node's ranges of addresses, as its object shows them.
    pub(super) fn see_node(&mut self, name: &str, cidrs: &[String]) {
        if let Some(machine) = self.nodes.get_mut(name) {
            machine.cidrs = cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect();
        }
    }

    /// The kubelet of a node stops.
    pub(super) fn stop(&mut self, node: &str) {
        if let Some(machine) = self.nodes.get_mut(node) {
            machine.is_up = false;
        }
    }

    /// It comes back.
    pub(super) fn start(&mut self, node: &str, now: Time) {
        let Some(machine) = self.nodes.get_mut(node) else { return };
        if std::mem::replace(&mut machine.is_up, true) {
            return;
        }
        machine.life += 1;
        let life = machine.life;
        let name = Name::from(node);
        self.plan(now, Other::Report(name.clone(), life, true));
        self.plan(now, Other::Renew(name.clone(), life));
        self.plan(now + REACTS_AFTER, Other::Pods(name));
    }

    /// It is gone for good.
    pub(super) fn remove(&mut self, node: &str) {
        self.nodes.remove(node);
    }

    fn is_up(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|machine| machine.is_up)
    }

    fn lives(&self, node: &str, life: u32) -> bool {
        self.nodes.get(node).is_some_and(|machine| machine.is_up && machine.life == life)
    }

    /// A pod has changed.
    pub(super) fn see_pod(&mut self, kind: ChangeKind, pod: &Arc<Obj<Pod>>, now: Time) {
        let uid = pod.meta.uid;
        if kind == ChangeKind::Deleted {
            self.pods.remove(&uid);
            return;
        }
        if pod.body.node_name.is_empty() || !self.nodes.contains_key(&pod.body.node_name) {
            return;
        }
        let is_up = self.is_up(&pod.body.node_name);
        let is_known = self.pods.contains_key(&uid);
        let record = self.pods.entry(uid).or_insert_with(|| Record::of(pod));
        let begins_to_end = pod.meta.is_terminating() && !record.deleting;
        record.deleting |= begins_to_end;
        if begins_to_end && is_up {
            self.plan(now + REACTS_AFTER, Other::End(uid));
        } else if !is_known && is_up {
            self.foresee(now + REACTS_AFTER, Transition { pod: uid, container: None });
        }
    }

    /// Whether a transition still has something to change.
    fn applies(&self, transition: Transition) -> bool {
        let Some(record) = self.pods.get(&transition.pod) else { return false };
        !record.deleting
            && self.is_up(&record.node)
            && match transition.container {
                None => record.started.is_none(),
                Some(_) => record.started.is_some(),
            }
    }

    /// When it does something next.
    pub(super) fn next_time(&mut self) -> Option<Time> {
        while let Some((key, transition)) = self.queue.first_key_value().map(|(key, value)| (*key, *value)) {
            if self.applies(transition) {
                break;
            }
            self.queue.remove(&key);
        }
        let transition = self.queue.first_key_value().map(|((due, _), _)| match self.last {
            Some(last) if self.serial > Span::ZERO => (*due).max(last + self.serial),
            _ => *due,
        });
        let other = self.others.first_key_value().map(|((due, _), _)| *due);
        [transition, other].into_iter().flatten().min()
    }

    /// Does what is due now.
    pub(super) fn act(&mut self, now: Time) -> Vec<Request> {
        let mut requests = Vec::new();
        while self.others.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            let Some((_, other)) = self.others.pop_first() else { break };
            self.do_other(other, now, &mut requests);
        }
        while self.next_time().is_some_and(|due| due <= now) {
            let Some((_, transition)) = self.queue.pop_first() else { break };
            self.last = Some(now);
            requests.extend(self.transit(transition, now));
        }
        requests
    }

    fn do_other(&mut self, other: Other, now: Time, requests: &mut Vec<Request>) {
        match other {
            Other::End(uid) => {
                if let Some(record) = self.pods.get(&uid)
                    && self.is_up(&record.node)
                {
                    requests.push(record.end(uid));
                }
            }
            Other::Renew(node, life) => {
                if self.lives(&node, life) {
                    requests.extend(self.lease(&node, now));
                    self.plan(now + RENEWS_EVERY, Other::Renew(node, life));
                }
            }
            Other::Report(node, life, changed) => {
                if self.lives(&node, life) {
                    let body = json!({"status": {"conditions": self.node_conditions(now, changed)}});
                    requests.push(patch_status(Target::Name(Kind::Node, Name::new(), node.clone()), body));
                    self.plan(now + REPORTS_EVERY, Other::Report(node, life, false));
                }
            }
            Other::Pods(node) => {
                if self.is_up(&node) {
                    self.post_pods(&node, now, requests);
                }
            }
        }
    }

    /// All pods of a node that has returned: those that were deleted are ended, the others show their status again.
    fn post_pods(&mut self, node: &str, now: Time, requests: &mut Vec<Request>) {
        let mut fresh = Vec::new();
        for (uid, record) in self.pods.iter().filter(|(_, record)| record.node == node) {
            if record.deleting {
                requests.push(record.end(*uid));
            } else if record.started.is_some() {
                requests.extend(self.status(record, now));
            } else {
                fresh.push(*uid);
            }
        }
        for pod in fresh {
            self.foresee(now, Transition { pod, container: None });
        }
    }

    fn transit(&mut self, transition: Transition, now: Time) -> Option<Request> {
        let uid = transition.pod;
        let addresses = match transition.container {
            None => {
                let node = self.pods.get(&uid)?.node.clone();
                self.nodes.get_mut(&node).map(Machine::give)
            }
            Some(_) => None,
        };
        let record = self.pods.get_mut(&uid)?;
        let restart = record.restart;
        let next: Vec<(usize, Span)> = match transition.container {
            None => {
                record.started = Some((now, addresses.unwrap_or_default()));
                let firsts = record.containers.iter_mut().enumerate();
                firsts.filter_map(|(index, container)| Some((index, container.first(restart)?))).collect()
            }
            Some(index) => {
                let container = record.containers.get_mut(index)?;
                container.next(restart).map(|after| (index, after)).into_iter().collect()
            }
        };
        for (index, after) in next {
            self.foresee(now + after, Transition { pod: uid, container: Some(index) });
        }
        self.status(self.pods.get(&uid)?, now)
    }

    /// The whole status of a pod.
    fn status(&self, record: &Record, now: Time) -> Option<Request> {
        let (started, addresses) = record.started.as_ref()?;
        let now = self.clock.timestamp(now).to_string();
        let started = self.clock.timestamp(*started).to_string();
        let phase = phase(&record.containers);
        let ended = matches!(phase, "Succeeded" | "Failed");
        let is_ready = record.containers.iter().all(Container::is_ready);
        let condition = |kind: &str, holds: bool| {
            let reason = match (holds, kind) {
                (true, _) | (false, "Initialized") => None,
                (false, _) if ended => Some("PodCompleted"),
                (false, _) => Some("ContainersNotReady"),
            };
            let status = if holds { "True" } else { "False" };
            let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": now});
            condition["reason"] = json!(reason);
            condition
        };
        let mut status = json!({
            "phase": phase,
            "startTime": started,
            "conditions": [
                condition("Initialized", true), condition("Ready", is_ready), condition("ContainersReady", is_ready),
            ],
            "containerStatuses":
                record.containers.iter().map(|container| container.status(&started)).collect::<Vec<Value>>(),
        });
        if let Some(machine) = self.nodes.get(&record.node) {
            status["hostIP"] = json!(machine.address.to_string());
        }
        if let Some(first) = addresses.first() {
            status["podIP"] = json!(first.to_string());
            status["podIPs"] = addresses.iter().map(|address| json!({"ip": address.to_string()})).collect();
        }
        let target = Target::Name(Kind::Pod, record.namespace.clone(), record.name.clone());
        Some(patch_status(target, json!({"status": status})))
    }

    /// The Lease of a node, made or renewed.
    fn lease(&mut self, node: &Name, now: Time) -> Option<Request> {
        let has_lease = std::mem::replace(&mut self.nodes.get_mut(node)?.has_lease, true);
        let micros = self.clock.micro_timestamp(now).0;
        let renewed = jiff::Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| format!("{at:.6}"));
        let manifest = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": node.as_str(), "namespace": NODE_LEASES},
            "spec": {"holderIdentity": node.as_str(), "leaseDurationSeconds": 40, "renewTime": renewed},
        });
        let lease = convert::from_json(Kind::Lease, manifest).expect("a Lease is well-formed");
        Some(if has_lease { Request::Update(lease) } else { Request::Create(lease) })
    }
}

impl Machine {
    fn new(address: IpAddr) -> Machine {
        Machine { address, is_up: true, life: 0, has_lease: false, cidrs: Vec::new(), given: 0 }
    }

    /// An address of each of the node's ranges.
    fn give(&mut self) -> Vec<IpAddr> {
        self.given += 1;
        // The first two of a range are the network's own and the bridge's.
        let number = 2 + (self.given - 1) % 250;
        self.cidrs.iter().filter_map(|cidr| cidr.host(number).ok()).collect()
    }
}

impl Record {
    fn of(pod: &Arc<Obj<Pod>>) -> Record {
        let index = pod.meta.annotations.get(INDEX).map(Name::as_str);
        let container = |container: &k8s_openapi::api::core::v1::Container| {
            let image = container.image.clone().unwrap_or_default();
            let behaviour = Behaviour::of(&image, index);
            let stage = Stage::Running { ready: false };
            Container { name: container.name.clone(), image, behaviour, stage, restarts: 0 }
        };
        Record {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
            node: pod.body.node_name.clone(),
            deleting: false,
            restart: match pod.body.spec.restart_policy() {
                "Never" => Restart::Never,
                "OnFailure" => Restart::OnFailure,
                _ => Restart::Always,
            },
            containers: pod.body.spec.containers().iter().map(container).collect(),
            started: None,
        }
    }

    /// The final deletion.
    fn end(&self, uid: Uid) -> Request {
        let preconditions = Preconditions { uid: Some(uid), resource_version: None };
        let options = DeleteOptions { grace_seconds: Some(0), propagation: None, preconditions };
        Request::Delete { target: Target::Name(Kind::Pod, self.namespace.clone(), self.name.clone()), options }
    }
}

fn patch_status(target: Target, body: Value) -> Request {
    let patch = Arc::new(Patch { kind: PatchKind::StrategicMerge, body });
    Request::Patch { target, subresource: Subresource::Status, patch }
}
