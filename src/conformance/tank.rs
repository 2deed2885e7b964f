//! The cluster of the recording and the clock that drives it.
//!
//! Flags as recorded (see the README beside the recordings); everything else has upstream's defaults. The nodes are made
//! before the first step and waited for until they are Ready with pod CIDRs and without taints of the node life cycle.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::case::{Case, NodeFile, Wait};
use super::kubelet::Kubelet;
use super::names::Names;
use super::timeline::Timeline;
use crate::api::{Kind, Name, Object, convert};
use crate::event::{Answer, ApiError, ChangeKind, Reply, Request, Target};
use crate::kernel::{Span, Time};
use crate::scenario::{Draft, Found};
use crate::sim::Sim;

/// The namespace of a case.
pub(super) const NAMESPACE: &str = "conformance-case";
/// Between two requests of one op: what a round trip takes.
pub(super) const ROUND_TRIP: Span = Span::from_millis(5);
/// How long nodes are waited for.
const NODES_AT_MOST: Span = Span::from_secs(60);
/// How often is looked whether it is quiet.
const LOOKS_EVERY: Span = Span::from_millis(100);

/// The cluster as recorded, as a scenario: `leader-elect=false` everywhere.
const SCENARIO: &str = "
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: conformance}
nodes: [{name: none, count: 1, capacity: {cpu: 1, memory: 1Gi}}]
components:
  kubeControllerManager:
    kube-api-qps: 200
    kube-api-burst: 400
    node-monitor-grace-period: 40s
    cluster-cidr: 10.244.0.0/16,fd00:244::/56
    service-cluster-ip-range: 10.0.0.0/16,fd00:10::/108
    root-ca-file: ''
    leader-elect: false
  kubeScheduler: {tie: first, leader-elect: false}
  kubeApiserver: {service-cluster-ip-range: '10.0.0.0/16,fd00:10::/108'}
# All of it stood on one machine.
latency: {watch: 100us, watchCacheLag: 100us}
";

/// A case under way.
#[derive(Debug)]
pub(super) struct Tank<'a> {
    pub(super) case: &'a Case,
    pub(super) sim: Sim,
    pub(super) kubelet: Kubelet,
    pub(super) names: Names,
    pub(super) timeline: Timeline,
    /// Up to where the change log of each kind was read.
    read: Vec<(Kind, u64)>,
    /// The revision up to which all logs were read.
    seen: u64,
    /// When something last happened that settling waits for.
    stirred: Time,
}

impl Tank<'_> {
    /// The cluster of a case, its nodes ready and its namespace made.
    pub(super) fn new(case: &Case, seed: u64) -> Tank<'_> {
        let sim = cluster(seed);
        let read = sim.store().kinds().into_iter().filter(|kind| is_watched(*kind)).map(|kind| (kind, 0)).collect();
        let mut tank = Tank {
            case,
            kubelet: Kubelet::new(sim.clock(), case.serial),
            sim,
            names: Names::new(NAMESPACE),
            timeline: Timeline::default(),
            read,
            seen: 0,
            stirred: Time::ZERO,
        };
        // Informers have synced by then.
        tank.run_for(Span::from_secs(1));
        for node in &case.nodes {
            let made = tank.add_node(node);
            made.expect("a node of an empty cluster can be created");
        }
        let until = tank.sim.now() + NODES_AT_MOST;
        while tank.sim.now() < until && !tank.nodes_are_ready() {
            tank.run_for(LOOKS_EVERY);
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        tank.create(Kind::Namespace, namespace).expect("a namespace of an empty cluster can be created");
        tank.run_for(Span::from_secs(1));
        tank
    }

    fn nodes_are_ready(&self) -> bool {
        self.sim.store().unordered(Kind::Node).all(|node| {
            let Object::Node(node) = node else { return false };
            let spec = &node.body.spec;
            let is_tainted = node.body.taints().iter().any(|taint| taint.key.starts_with("node.kubernetes.io/"));
            node.body.is_ready() && spec.pod_cidrs.as_ref().is_some_and(|cidrs| !cidrs.is_empty()) && !is_tainted
        })
    }

    /// A node registers.
    pub(super) fn add_node(&mut self, node: &NodeFile) -> Result<Object, ApiError> {
        let manifest = self.kubelet.add_node(node, self.sim.now());
        self.create(Kind::Node, manifest)
    }

    /// Creates an object from its manifest.
    pub(super) fn create(&mut self, kind: Kind, manifest: Value) -> Result<Object, ApiError> {
        let object = convert::from_json(kind, manifest)
            .map_err(|error| ApiError::new(crate::event::ErrorReason::BadRequest, error.bad_request(kind)))?;
        object_of(self.ask(Request::Create(object)))
    }

    /// Sends a request, and lets a round trip pass.
    pub(super) fn ask(&mut self, request: Request) -> Reply {
        let reply = self.sim.ask(request);
        self.look();
        self.run_for(ROUND_TRIP);
        reply
    }

    /// A live object of the case's namespace, or of the cluster.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<&Object> {
        self.sim.store().by_name(kind, namespace_of(kind), name)
    }

    /// The live objects of a kind in the case's namespace (or in the cluster, for those without one), by name.
    pub(super) fn objects(&self, kind: Kind) -> Vec<Object> {
        let namespace = namespace_of(kind);
        let all = self.sim.store().objects(kind, self.sim.now());
        all.filter(|object| object.meta().namespace == namespace).collect()
    }

    /// Lets time pass.
    pub(super) fn run_for(&mut self, span: Span) {
        self.run_until(self.sim.now() + span);
    }

    /// Lets time pass up to an instant: the tank's events and the kubelet's doings, in order.
    pub(super) fn run_until(&mut self, until: Time) {
        loop {
            let next = self.sim.next_time();
            match self.kubelet.next_time() {
                Some(due) if due <= until && next.is_none_or(|next| due <= next) => {
                    self.sim.run_until(due);
                    let now = self.sim.now();
                    for request in self.kubelet.act(now) {
                        self.sim.request_at(now, request);
                    }
                }
                _ if next.is_some_and(|next| next <= until) => {
                    self.sim.step();
                    self.look();
                }
                _ => break,
            }
        }
        self.sim.run_until(until);
    }

    /// Reads what has changed.
    fn look(&mut self) {
        if self.sim.store().revision() == self.seen {
            return;
        }
        self.seen = self.sim.store().revision();
        let now = self.sim.now();
        for (kind, version) in &mut self.read {
            let store = self.sim.store();
            if store.version(*kind) == *version {
                continue;
            }
            let changes = store.changes_since(*kind, *version).expect("the log is read after every event");
            for (change, object) in changes {
                match object {
                    Object::Pod(pod) => self.kubelet.see_pod(change, pod, now),
                    Object::Node(node) => {
                        let cidrs = node.body.spec.pod_cidrs.as_deref().unwrap_or_default();
                        self.kubelet.see_node(&node.meta.name, cidrs);
                    }
                    _ => {}
                }
                let is_ours = object.meta().namespace == NAMESPACE;
                if is_ours && change != ChangeKind::Deleted {
                    self.names.see(object);
                }
                if is_ours {
                    self.timeline.see(change, object, &self.names);
                }
                if is_ours || (self.case.exclusive && self.timeline.is_new(change, object)) {
                    self.stirred = now;
                }
            }
            *version = store.version(*kind);
        }
    }

    /// Forgets what the watches have shown: a step begins.
    pub(super) fn begin_step(&mut self) {
        self.timeline.begin_step();
        self.stirred = self.sim.now();
    }

    /// Waits as a step says.
    pub(super) fn wait(&mut self, wait: Wait) {
        match wait {
            Wait::Exactly(span) => self.run_for(span),
            Wait::Settle { quiet, at_most } => {
                let until = self.sim.now() + at_most;
                self.stirred = self.sim.now();
                while self.sim.now() < until && self.sim.now() - self.stirred < quiet {
                    self.run_for(LOOKS_EVERY);
                }
            }
        }
    }

    /// Waits for a second of the minute.
    pub(super) fn wait_for_second(&mut self, second: u32) {
        let start = self.sim.clock().start_unix_seconds.rem_euclid(60) as u64;
        let now = self.sim.now();
        let mut target = u64::from(second % 60) + 60 - start;
        while Time::ZERO + Span::from_secs(target) < now {
            target += 60;
        }
        self.run_until(Time::ZERO + Span::from_secs(target));
    }
}

/// The namespace in which a case has objects of a kind.
pub(super) fn namespace_of(kind: Kind) -> &'static str {
    if kind.info().is_some_and(|info| info.namespaced) { NAMESPACE } else { "" }
}

/// How a case names an object.
pub(super) fn target(kind: Kind, name: &str) -> Target {
    Target::Name(kind, namespace_of(kind).into(), Name::from(name))
}

/// The object of a reply.
pub(super) fn object_of(reply: Reply) -> Result<Object, ApiError> {
    match reply? {
        Answer::Object(object) => Ok(object),
        answer @ (Answer::Created(_) | Answer::Deleted(_) | Answer::Done | Answer::List { .. }) => {
            panic!("an object was asked for, and {answer:?} came")
        }
    }
}

/// Whether changes of a kind are looked at: all but Events and heartbeats.
fn is_watched(kind: Kind) -> bool {
    !matches!(kind, Kind::Event | Kind::EventsV1Event | Kind::Lease)
}

fn cluster(seed: u64) -> Sim {
    let path = PathBuf::from("conformance.yaml");
    let read = |_: &Path| Ok(Found::File(SCENARIO.to_owned()));
    let scenario = Draft::open(&[path], &[], &read).and_then(|draft| draft.scenario(&read));
    let mut scenario = match scenario {
        Ok(scenario) => scenario,
        Err(errors) => panic!("the recording's cluster is well-formed: {errors}"),
    };
    // The stand-in kubelet registers the nodes.
    scenario.setup.pools.clear();
    scenario.setup.build(seed)
}
