//! An API server for one kubelet: keeps one node and its pods, answers requests, runs timers in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::*;
use crate::api::{
    Clock, Deletion, Event, Meta, Node, Obj, Object, ObjectId, Pod, PodPhase, PodSpec, PodStatus, Timestamp, Uid,
};
use crate::event::{Answer, ApiError, Cause, Change, ChangeKind, Effect, ErrorReason, Filter, Input, Request, Target};
use crate::kernel::Chance;

/// What an answer or a notice takes.
const LATENCY: Span = Span::from_millis(1);

pub(super) struct Story {
    pub(super) kubelet: Kubelet,
    pub(super) now: Time,
    pub(super) pods: BTreeMap<u32, Arc<Obj<Pod>>>,
    pub(super) node: Option<Arc<Obj<Node>>>,
    /// Events as `seconds reason: message`, times cut to tenths.
    pub(super) events: Vec<String>,
    /// Status requests for pods, as `seconds phase`.
    pub(super) statuses: usize,
    pub(super) heartbeats: usize,
    pub(super) renewals: usize,
    /// Statuses of the node that have been stored, and that have been sent.
    pub(super) node_statuses: usize,
    pub(super) node_status_tries: usize,
    /// ConfigMaps and Secrets by name.
    pub(super) sources: BTreeMap<(Kind, Name), Object>,
    /// ConfigMaps and Secrets that are watched, by the order of their informers.
    pub(super) watched: Vec<(Kind, Name)>,
    /// ConfigMaps and Secrets that were asked for.
    pub(super) look_ups: usize,
    /// While set, requests about pods fail with it.
    pub(super) outage: Option<ErrorReason>,
    /// While set, all requests fail: there is no way to the API server, and no notice comes.
    pub(super) cut: bool,
    /// While set, the process is down: nothing reaches it, nothing that it has asked for comes back.
    down: bool,
    has_lease: bool,
    incarnation: u64,
    /// Notes about pods, as `seconds kind`.
    pub(super) notes: Vec<String>,
    jobs: BTreeMap<(Time, u64), (u64, Input)>,
    posted: u64,
    revision: u64,
    with_cidr: bool,
}

/// Settings without chance: 0.5 s for a sandbox, 1.5 s for a pull of 100 MB, 0.2 s for a start, noticed at once.
pub(super) fn settings() -> KubeletSettings {
    KubeletSettings {
        registration_delay: Range::ZERO,
        relist_every: Span::ZERO,
        sandbox_start: Range::millis(500, 500),
        container_start: Range::millis(200, 200),
        init_run: Range::millis(1_000, 1_000),
        bandwidth: 100_000_000,
        pull_overhead: Range::millis(500, 500),
        image_bytes: 100_000_000,
        ..KubeletSettings::defaults()
    }
}

/// A server that stops exactly a second after SIGTERM.
pub(super) fn server() -> Behaviour {
    Behaviour::server().stops_after(Range::millis(1_000, 1_000))
}

/// One entry for a container's name.
pub(super) fn named(container: &str, behaviour: Behaviour) -> BehaviourEntry {
    BehaviourEntry { matching: Matching { container: Some(container.into()), ..Matching::default() }, behaviour }
}

pub(super) fn container(name: &str) -> v1::Container {
    v1::Container { name: name.into(), image: Some(format!("{name}:1")), ..v1::Container::default() }
}

pub(super) fn spec(restart_policy: &str, containers: Vec<v1::Container>) -> v1::PodSpec {
    v1::PodSpec { restart_policy: Some(restart_policy.into()), containers, ..v1::PodSpec::default() }
}

impl Story {
    pub(super) fn new(entries: Vec<BehaviourEntry>) -> Story {
        Story::with(settings(), entries, true)
    }

    pub(super) fn with(settings: KubeletSettings, entries: Vec<BehaviourEntry>, with_cidr: bool) -> Story {
        let quantity = |text: &str| Quantity(text.to_owned());
        let capacity = [("cpu".to_owned(), quantity("2")), ("memory".to_owned(), quantity("4Gi"))].into();
        let kubelet = Kubelet::new(
            "n1",
            vec!["192.168.0.1".parse().unwrap()],
            Arc::new(NodeTemplate::new(capacity)),
            Arc::new(settings),
            Arc::new(Behaviours::new(entries, server())),
        )
        .registered_before();
        let mut story = Story {
            kubelet,
            now: Time::ZERO,
            pods: BTreeMap::new(),
            node: None,
            events: Vec::new(),
            statuses: 0,
            heartbeats: 0,
            renewals: 0,
            node_statuses: 0,
            node_status_tries: 0,
            sources: BTreeMap::new(),
            watched: Vec::new(),
            look_ups: 0,
            outage: None,
            cut: false,
            down: false,
            has_lease: false,
            incarnation: 0,
            notes: Vec::new(),
            jobs: BTreeMap::new(),
            posted: 0,
            revision: 0,
            with_cidr,
        };
        story.post(Time::ZERO, Input::Start);
        story.run_for(1);
        story
    }

    /// The process dies, alone or with its machine.
    pub(super) fn stop(&mut self) {
        self.down = true;
        self.incarnation += 1;
    }

    /// The process starts anew, on a machine that has gone on.
    pub(super) fn restart(&mut self) {
        self.revision += 100;
        self.down = false;
        self.post(self.now, Input::Start);
    }

    /// The machine is switched on.
    pub(super) fn boot(&mut self) {
        self.down = false;
        self.post(self.now, Input::Boot);
    }

    /// The process stands still for a while: all that is to come, comes later.
    pub(super) fn delay_all(&mut self, by: Span) {
        let until = self.now + by;
        let jobs = std::mem::take(&mut self.jobs);
        self.jobs = jobs.into_iter().map(|((at, number), job)| ((at.max(until), number), job)).collect();
    }

    /// Stores a ConfigMap or Secret, and tells whoever watches it.
    pub(super) fn store_source(&mut self, mut source: Object, name: &str) {
        let Object::Untyped(object) = &mut source else { panic!("no ConfigMap, no Secret") };
        let object = Arc::make_mut(object);
        self.stamp(&mut object.meta);
        let key = (object.meta.id.kind, Name::from(name));
        let watch = self.watched.iter().position(|watched| *watched == key);
        self.sources.insert(key, source.clone());
        if let Some(watch) = watch {
            self.notice(InformerIndex(2 + watch as u16), ChangeKind::Modified, source);
        }
    }

    /// A fault, by its number, makes a program of the machine take so much of it in the end.
    pub(super) fn load(&mut self, strike: u32, resource: crate::event::MachineResource, percent: u32, over_s: u64) {
        self.kubelet.bear(strike, resource, percent, Span::from_secs(over_s), self.now);
        self.post(self.now, Input::Loaded);
    }

    /// The fault ends.
    pub(super) fn unload(&mut self, strike: u32) {
        self.kubelet.relieve(strike);
        self.post(self.now, Input::Loaded);
    }

    /// Heartbeats may be computed, or not.
    pub(super) fn compute_heartbeats(&mut self, computed: bool) {
        self.post(self.now, Input::Heartbeats { computed });
    }

    fn post(&mut self, at: Time, input: Input) {
        self.posted += 1;
        self.jobs.insert((at, self.posted), (self.incarnation, input));
    }

    /// Runs until so many seconds after the start of the story's next full second.
    pub(super) fn run_for(&mut self, seconds: u64) {
        self.run_until(self.now + Span::from_secs(seconds));
    }

    pub(super) fn run_until(&mut self, end: Time) {
        while let Some((&(at, _), _)) = self.jobs.first_key_value()
            && at <= end
        {
            let (_, (incarnation, input)) = self.jobs.pop_first().unwrap();
            self.now = at;
            if self.down || incarnation != self.incarnation {
                continue;
            }
            let mut out = Outbox::new(at, Clock::DEFAULT, Chance { seed: 1 }, Cause::START);
            self.kubelet.handle(input, &mut out);
            for effect in out.effects {
                self.take(effect);
            }
        }
        self.now = end;
    }

    /// How many inputs are still to come.
    pub(super) fn to_come(&self) -> usize {
        self.jobs.len()
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Send { at, token, request, .. } => {
                let is_node_status = matches!(request, Request::PatchStatus(Object::Node(_)));
                self.node_status_tries += usize::from(is_node_status);
                let lost = ApiError::new(ErrorReason::ConnectionRefused, "connection refused");
                let result = if self.cut { Err(lost) } else { self.answer(request) };
                self.post(at.max(self.now) + LATENCY, Input::Reply { token, result });
            }
            Effect::Timer { at, token, .. } => self.post(at.max(self.now), Input::Timer(token)),
            Effect::Heartbeat(_) => self.heartbeats += 1,
            Effect::Note(note) => self.notes.push(format!("{} {:?}", self.clock(), note.kind)),
            Effect::Watch { .. } | Effect::Exit => {}
        }
    }

    fn notice(&mut self, informer: InformerIndex, kind: ChangeKind, object: Object) {
        self.revision += u64::from(kind == ChangeKind::Deleted);
        if self.cut || self.down {
            return;
        }
        let change = Change { kind, object, revision: self.revision, cause: Cause::START };
        self.post(self.now + LATENCY, Input::Notice { informer, changes: vec![change] });
    }

    fn stamp(&mut self, meta: &mut Meta) {
        self.revision += 1;
        meta.resource_version = self.revision;
    }

    fn answer(&mut self, request: Request) -> Reply {
        let not_found = || ApiError::new(ErrorReason::NotFound, "not found");
        match request {
            Request::Create(Object::Node(_)) if self.node.is_some() => {
                Err(ApiError::new(ErrorReason::AlreadyExists, "it is there"))
            }
            Request::Get(Target::Name(kind @ (Kind::ConfigMap | Kind::Secret), _, name)) => {
                self.look_ups += 1;
                self.sources.get(&(kind, name)).cloned().map(Answer::Object).ok_or_else(not_found)
            }
            Request::Get(_) => Ok(Answer::Object(Object::Node(self.node.clone().unwrap()))),
            Request::Create(Object::Node(node)) => {
                let mut node = (*node).clone();
                node.meta.id = ObjectId { kind: Kind::Node, slot: 0 };
                node.meta.uid = Uid(7);
                if self.with_cidr {
                    node.body.spec =
                        Arc::new(v1::NodeSpec { pod_cidr: Some("10.0.0.0/24".into()), ..v1::NodeSpec::default() });
                }
                self.stamp(&mut node.meta);
                let node = Arc::new(node);
                self.node = Some(node.clone());
                Ok(Answer::Object(Object::Node(node)))
            }
            Request::Create(Object::Event(event)) => {
                self.told(&event);
                Ok(Answer::Done)
            }
            Request::Create(Object::Lease(_)) if std::mem::replace(&mut self.has_lease, true) => {
                Err(ApiError::new(ErrorReason::AlreadyExists, "it is there"))
            }
            Request::Create(object) => Ok(Answer::Object(object)),
            Request::Update(_) => {
                self.renewals += 1;
                Ok(Answer::Done)
            }
            Request::PatchEvent { message, .. } => {
                self.events.push(format!("{} again: {message}", self.clock()));
                Ok(Answer::Done)
            }
            Request::PatchStatus(Object::Pod(pod)) => {
                if let Some(reason) = self.outage {
                    return Err(ApiError::new(reason, "no"));
                }
                self.statuses += 1;
                let stored = self.pods.get(&pod.meta.id.slot).ok_or_else(not_found)?;
                let mut stored = (**stored).clone();
                stored.body.status = pod.body.status.clone();
                Ok(Answer::Object(self.store(stored, ChangeKind::Modified)))
            }
            Request::PatchStatus(Object::Node(node)) => {
                let mut node = (*node).clone();
                self.stamp(&mut node.meta);
                self.node = Some(Arc::new(node.clone()));
                self.node_statuses += 1;
                Ok(Answer::Object(node.into_object()))
            }
            Request::Delete { target: Target::Id(id), options } => {
                if let Some(reason) = self.outage {
                    return Err(ApiError::new(reason, "no"));
                }
                let pod = self.pods.remove(&id.slot).ok_or_else(not_found)?;
                assert_eq!(options.grace_seconds, Some(0));
                assert_eq!(options.preconditions.uid, Some(pod.meta.uid));
                self.notice(PODS, ChangeKind::Deleted, Object::Pod(pod));
                Ok(Answer::Done)
            }
            Request::List { query, .. } => Ok(Answer::List {
                items: match query.kind {
                    Kind::Pod => self.pods.values().cloned().map(Object::Pod).collect(),
                    kind @ (Kind::ConfigMap | Kind::Secret) => {
                        let Filter::Named(_, name) = query.filter else { panic!("no kubelet lists all of them") };
                        self.watched.push((kind, name.clone()));
                        self.sources.get(&(kind, name)).cloned().into_iter().collect()
                    }
                    _ => self.node.iter().cloned().map(Object::Node).collect(),
                },
                resource_version: self.revision,
            }),
            other => panic!("no kubelet asks this: {other:?}"),
        }
    }

    fn store(&mut self, mut pod: Obj<Pod>, kind: ChangeKind) -> Object {
        self.stamp(&mut pod.meta);
        let object = Arc::new(pod);
        self.pods.insert(object.meta.id.slot, object.clone());
        self.notice(PODS, kind, Object::Pod(object.clone()));
        Object::Pod(object)
    }

    fn told(&mut self, event: &Obj<Event>) {
        self.events.push(format!("{} {}: {}", self.clock(), event.body.reason, event.body.message));
    }

    fn clock(&self) -> String {
        let tenths = self.now.nanos() / 100_000_000;
        format!("{}.{}", tenths / 10, tenths % 10)
    }

    /// Binds a new pod to the node.
    pub(super) fn apply(&mut self, name: &str, spec: v1::PodSpec) {
        let mut meta = Meta::new(Kind::Pod, "default", name);
        let slot = self.revision as u32;
        meta.id = ObjectId { kind: Kind::Pod, slot };
        meta.uid = Uid(100 + u128::from(slot));
        meta.generation = 1;
        let qos = Some(crate::api::defaults::qos_class(&spec));
        let status = PodStatus { qos, ..PodStatus::default() };
        let body = Pod { spec: PodSpec::new(spec), node_name: "n1".into(), status };
        self.store(Obj { meta, body }, ChangeKind::Added);
    }

    /// Creates a pod of the same name and spec as one that was there before.
    pub(super) fn apply_again(&mut self, before: &Obj<Pod>) {
        let mut pod = before.clone();
        pod.meta.uid = Uid(before.meta.uid.0 + 1_000);
        pod.body.status = PodStatus::default();
        self.store(pod, ChangeKind::Added);
    }

    /// Deletes a pod as kubectl does, with the given grace period.
    pub(super) fn delete(&mut self, name: &str, grace_seconds: i64) {
        let mut pod = (**self.pod(name)).clone();
        let timestamp = Timestamp(Clock::DEFAULT.timestamp(self.now).0 + grace_seconds);
        pod.meta.deletion = Some(Deletion { timestamp, grace_seconds: Some(grace_seconds) });
        self.store(pod, ChangeKind::Modified);
    }

    /// Takes a pod away without asking the kubelet.
    pub(super) fn force_delete(&mut self, name: &str) {
        let pod = self.pod(name).clone();
        self.pods.remove(&pod.meta.id.slot);
        self.notice(PODS, ChangeKind::Deleted, Object::Pod(pod));
    }

    /// Gives the node taints: keys and effects.
    pub(super) fn taint(&mut self, taints: &[(&str, &str)]) {
        let mut node = (**self.node.as_ref().unwrap()).clone();
        let taint = |(key, effect): &(&str, &str)| v1::Taint {
            key: (*key).to_owned(),
            effect: (*effect).to_owned(),
            ..v1::Taint::default()
        };
        Arc::make_mut(&mut node.body.spec).taints = Some(taints.iter().map(taint).collect());
        self.stamp(&mut node.meta);
        self.node = Some(Arc::new(node.clone()));
        self.notice(NODE, ChangeKind::Modified, node.into_object());
    }

    /// Makes the node's Ready condition Unknown, as the node life-cycle controller does.
    pub(super) fn lose_sight_of_node(&mut self) {
        let mut node = (**self.node.as_ref().unwrap()).clone();
        for condition in Arc::make_mut(&mut node.body.status).conditions.iter_mut().flatten() {
            if condition.type_ == "Ready" {
                condition.status = "Unknown".into();
            }
        }
        self.stamp(&mut node.meta);
        self.node = Some(Arc::new(node.clone()));
        self.notice(NODE, ChangeKind::Modified, node.into_object());
    }

    /// Gives the node a range of pod addresses, as node IPAM does.
    pub(super) fn assign_cidr(&mut self) {
        let mut node = (**self.node.as_ref().unwrap()).clone();
        node.body.spec = Arc::new(v1::NodeSpec { pod_cidr: Some("10.0.0.0/24".into()), ..v1::NodeSpec::default() });
        self.stamp(&mut node.meta);
        self.node = Some(Arc::new(node.clone()));
        self.notice(NODE, ChangeKind::Modified, node.into_object());
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.pods.values().any(|pod| pod.meta.name == name)
    }

    #[track_caller]
    pub(super) fn pod(&self, name: &str) -> &Arc<Obj<Pod>> {
        self.pods.values().find(|pod| pod.meta.name == name).unwrap_or_else(|| panic!("there is no pod {name}"))
    }

    /// A pod in one line: phase, ready or not, and its containers.
    #[track_caller]
    pub(super) fn line(&self, name: &str) -> String {
        use crate::api::ContainerState::{Running, Terminated, Waiting};
        let pod = self.pod(name);
        let mut line =
            format!("{} {}", pod.body.status.phase.as_str(), if pod.body.is_ready() { "ready" } else { "unready" });
        for status in pod.body.status.init_containers.iter().chain(&pod.body.status.containers) {
            let state = match &status.state {
                Waiting(text) => text.reason.to_string(),
                Running { .. } => "Running".to_owned(),
                Terminated(exit) => format!("{}({})", exit.reason, exit.exit_code),
            };
            line += &format!(" {state}x{}", status.restart_count);
        }
        line
    }

    #[track_caller]
    pub(super) fn expect(&self, name: &str, line: &str) {
        assert_eq!(self.line(name), line, "at {} s; events: {:#?}", self.clock(), self.events);
    }

    /// Events whose reason is one of these, without their messages.
    pub(super) fn times_of(&self, reason: &str) -> Vec<&str> {
        let with = format!(" {reason}: ");
        self.events.iter().filter(|e| e.contains(&with)).map(|e| e.split(' ').next().unwrap()).collect()
    }

    pub(super) fn phase(&self, name: &str) -> PodPhase {
        self.pod(name).body.status.phase
    }
}
