//! A toy world for stories about controllers: one host, an API server of a few dozen lines, a stand-in kubelet.
//!
//! The server knows revisions, conflicts, uids, generated names, generations, finalizers and the status subresource,
//! and tells watches of each change a millisecond later. It has no defaulting, validation, admission or garbage
//! collection. Requests take a millisecond each way.

mod kubelet;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::api::{
    Body, Clock, ConditionStatus, Deployment, DeploymentStrategy, IntOrPercent, Kind, Labels, Meta, Name, Node, Obj,
    Object, ObjectId, Pod, PodConditionType, PodPhase, PodSpec, PodStatus, PodTemplate, ReplicaSet, Selector, Uid,
    WorkloadSelector,
};
use crate::client::{ControllerEntry, Flags, Host, Outbox, Part};
use crate::event::{
    ApiError, Cause, Change, DeleteOptions, Effect, InformerIndex, Input, Request, Target, TimerToken, Token,
};
use crate::kernel::{Chance, Span, Time};
use kubelet::Kubelet;

const HOP: Span = Span::from_millis(1);

/// The world of a story.
pub struct Story {
    /// The controllers.
    pub host: Host,
    /// Now.
    pub now: Time,
    /// All objects.
    pub objects: BTreeMap<ObjectId, Object>,
    /// The Kubernetes Events, as `Kind/name reason message`.
    pub events: Vec<String>,
    /// What the controllers asked for, but for reads and Events, as `VERB Kind`.
    pub requests: Vec<String>,
    /// Requests that the server answers with an error.
    pub refuse: Option<fn(&Request) -> Option<ApiError>>,
    /// The stand-in kubelet.
    pub kubelet: Kubelet,
    /// The sizes of all ReplicaSets of a Deployment, by the order in which they came, each time they changed.
    pub rollout: Vec<String>,
    /// The fewest ready pods since [`Story::forget`].
    pub fewest_ready: usize,
    /// The most pods since [`Story::forget`].
    pub most_pods: usize,
    /// The most pods that had not ended since [`Story::forget`].
    pub most_pods_active: usize,
    agenda: BTreeMap<(Time, u64), Todo>,
    posted: u64,
    slots: BTreeMap<(Kind, Name, Name), u32>,
    lives: u128,
    log: Vec<Change>,
    watches: BTreeMap<Kind, InformerIndex>,
    last_change: Time,
}

enum Todo {
    Hand(Input),
    Serve(Token, Request),
    Kubelet,
    Finish(ObjectId, Uid),
}

impl Story {
    /// A world with these controllers, and nothing else in it.
    pub fn new(entries: &[&ControllerEntry], flags: &Flags) -> Story {
        let controllers = entries.iter().map(|entry| (entry.build)(flags)).collect();
        let mut story = Story {
            host: Host::new("kube-controller-manager", controllers, Kind::ALL, flags),
            now: Time::ZERO,
            objects: BTreeMap::new(),
            events: Vec::new(),
            requests: Vec::new(),
            refuse: None,
            kubelet: Kubelet::default(),
            rollout: Vec::new(),
            fewest_ready: usize::MAX,
            most_pods: 0,
            most_pods_active: 0,
            agenda: BTreeMap::new(),
            posted: 0,
            slots: BTreeMap::new(),
            lives: 0,
            log: Vec::new(),
            watches: BTreeMap::new(),
            last_change: Time::ZERO,
        };
        story.hand(Input::Start);
        story.settle();
        story
    }

    /// A world whose host has its client limits raised out of the way.
    pub fn without_limits(entries: &[&ControllerEntry]) -> Story {
        let mut flags = Flags::default();
        flags.set(&crate::client::KUBE_API_QPS, "0").expect("a number");
        Story::new(entries, &flags)
    }

    /// Lets time pass until nothing has changed for eight seconds.
    pub fn settle(&mut self) {
        self.last_change = self.now;
        while let Some((&(at, _), _)) = self.agenda.first_key_value()
            && at <= self.last_change + Span::from_secs(8)
        {
            self.step();
        }
        self.now = self.now.max(self.last_change + Span::from_secs(8));
    }

    /// Lets a span pass.
    pub fn run_for(&mut self, span: Span) {
        let end = self.now + span;
        while let Some((&(at, _), _)) = self.agenda.first_key_value()
            && at <= end
        {
            self.step();
        }
        self.now = end;
    }

    /// Forgets what has been noted so far.
    pub fn forget(&mut self) {
        self.events.clear();
        self.requests.clear();
        self.rollout.clear();
        (self.fewest_ready, self.most_pods, self.most_pods_active) = (usize::MAX, 0, 0);
        self.note_pods();
        self.note_sizes();
    }

    /// Creates an object as a user.
    pub fn create(&mut self, object: Object) -> ObjectId {
        let reply = self.serve(Request::Create(object)).expect("the toy server takes it");
        reply.object().expect("a create is answered with the object").meta().id
    }

    /// Changes an object as a user.
    pub fn change<T: Body>(&mut self, id: ObjectId, change: impl FnOnce(&mut Obj<T>)) {
        let mut object = Obj::clone(self.get::<T>(id));
        change(&mut object);
        object.meta.resource_version = 0;
        self.serve(Request::Update(object.into_object())).expect("the toy server takes it");
    }

    /// Replaces an object as a user.
    pub fn put(&mut self, mut object: Object) {
        object.meta_mut().resource_version = 0;
        self.serve(Request::Update(object)).expect("the toy server takes it");
    }

    /// Replaces the status of an object, whoever would.
    pub fn put_status(&mut self, mut object: Object) {
        object.meta_mut().resource_version = 0;
        self.serve(Request::UpdateStatus(object)).expect("the toy server takes it");
    }

    /// The process of the controllers dies, its memory with it, and starts anew. What it has asked for still happens.
    pub fn restart(&mut self) {
        let (to_process, other): (Vec<_>, Vec<_>) = std::mem::take(&mut self.agenda)
            .into_iter()
            .partition(|(_, todo)| matches!(todo, Todo::Hand(_) | Todo::Serve(..)));
        self.agenda = other.into_iter().collect();
        self.watches.clear();
        for (_, todo) in to_process {
            if let Todo::Serve(_, request) = todo {
                self.serve(request).ok();
            }
        }
        self.hand(Input::Boot);
    }

    /// Changes the status of an object as its kubelet would.
    pub fn change_status<T: Body>(&mut self, id: ObjectId, change: impl FnOnce(&mut Obj<T>)) {
        let mut object = Obj::clone(self.get::<T>(id));
        change(&mut object);
        object.meta.resource_version = 0;
        self.serve(Request::UpdateStatus(object.into_object())).expect("the toy server takes it");
    }

    /// Whether nothing is going to happen any more.
    pub fn is_at_rest(&self) -> bool {
        self.agenda.is_empty()
    }

    /// Deletes an object as a user.
    pub fn delete(&mut self, id: ObjectId) {
        let options = DeleteOptions::default();
        self.serve(Request::Delete { target: Target::Id(id), options }).expect("the toy server takes it");
    }

    /// The object of an id.
    #[track_caller]
    pub fn get<T: Body>(&self, id: ObjectId) -> &Arc<Obj<T>> {
        self.objects.get(&id).and_then(|object| object.get::<T>()).expect("the object is there")
    }

    /// All objects of a type.
    pub fn all<T: Body>(&self) -> impl Iterator<Item = &Arc<Obj<T>>> {
        self.objects.values().filter_map(|object| object.get::<T>())
    }

    /// The names of all pods that are not terminating.
    pub fn pods(&self) -> Vec<&str> {
        self.all::<Pod>().filter(|pod| !pod.meta.is_terminating()).map(|pod| pod.meta.name.as_str()).collect()
    }

    fn step(&mut self) {
        let ((at, _), todo) = self.agenda.pop_first().expect("there is something to do");
        self.now = self.now.max(at);
        match todo {
            Todo::Hand(input) => self.hand(input),
            Todo::Serve(token, request) => {
                let result = self.serve(request);
                self.post(HOP, Todo::Hand(Input::Reply { token, result }));
            }
            Todo::Kubelet => self.run_kubelet(),
            Todo::Finish(id, uid) => self.finish_pod(id, uid),
        }
    }

    fn hand(&mut self, input: Input) {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 1 }, Cause::START);
        self.host.handle(input, &mut out);
        for effect in out.effects {
            match effect {
                Effect::Send { at, token, request, .. } => {
                    let request = (at + HOP, Todo::Serve(token, request));
                    self.post_at(request.0, request.1);
                }
                // Informers play their caches again after twelve hours: no story here is so long.
                Effect::Timer { at, background: true, .. } if at.since(self.now) > Span::from_hours(1) => {}
                Effect::Timer { at, token: TimerToken(token), .. } => {
                    self.post_at(at, Todo::Hand(Input::Timer(TimerToken(token))));
                }
                Effect::Watch { informer, kind, from, .. } => {
                    self.watches.insert(kind, informer);
                    let missed = |change: &&Change| change.object.kind() == kind && change.revision > from;
                    let changes: Vec<Change> = self.log.iter().filter(missed).cloned().collect();
                    if !changes.is_empty() {
                        self.post(HOP, Todo::Hand(Input::Notice { informer, changes }));
                    }
                }
                Effect::Note(_) | Effect::Heartbeat(_) | Effect::Exit => {}
            }
        }
    }

    fn post(&mut self, after: Span, todo: Todo) {
        self.post_at(self.now + after, todo);
    }

    fn post_at(&mut self, at: Time, todo: Todo) {
        self.posted += 1;
        self.agenda.insert((at, self.posted), todo);
    }

    fn note_sizes(&mut self) {
        let owned = self.all::<ReplicaSet>().filter(|set| set.meta.controller().is_some());
        let line = owned.map(|set| set.body.replicas.to_string()).collect::<Vec<_>>().join(" ");
        if self.rollout.last() != Some(&line) {
            self.rollout.push(line);
        }
    }

    fn note_pods(&mut self) {
        let pods = self.all::<Pod>().filter(|pod| !pod.meta.is_terminating());
        let (mut most, mut active, mut ready) = (0, 0, 0);
        for pod in pods {
            most += 1;
            active += usize::from(!pod.body.status.phase.is_finished());
            ready += usize::from(pod.body.is_ready());
        }
        self.most_pods = self.most_pods.max(most);
        self.most_pods_active = self.most_pods_active.max(active);
        self.fewest_ready = self.fewest_ready.min(ready);
    }
}

/// Labels from text such as `app=web,tier=a`.
pub fn labels(text: &str) -> Labels {
    text.split(',').filter_map(|entry| entry.split_once('=')).collect()
}

/// A template with one container of an image.
pub fn template(labels_text: &str, image: &str) -> Arc<PodTemplate> {
    let container = v1::Container { name: "c".into(), image: Some(image.into()), ..Default::default() };
    let spec = PodSpec::new(v1::PodSpec { containers: vec![container], ..Default::default() });
    let labels = labels(labels_text);
    Arc::new(PodTemplate {
        labels,
        annotations: Labels::default(),
        finalizers: Arc::default(),
        node_name: "".into(),
        spec,
    })
}

/// A selector of labels.
pub fn selector(text: &str) -> Arc<WorkloadSelector> {
    let pairs = labels(text).iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let written = LabelSelector { match_labels: Some(pairs), match_expressions: None };
    let parsed = Selector::from_label_selector(Some(&written)).expect("plain labels are a selector");
    Arc::new(WorkloadSelector { written, parsed })
}

/// A Deployment of pods `app=<name>` with a rolling update.
pub fn deployment(name: &str, replicas: i32, image: &str, max_surge: &str, max_unavailable: &str) -> Obj<Deployment> {
    let own = format!("app={name}");
    let body = Deployment {
        replicas,
        selector: selector(&own),
        template: template(&own, image),
        strategy: DeploymentStrategy::RollingUpdate {
            max_unavailable: IntOrPercent::parse(max_unavailable),
            max_surge: IntOrPercent::parse(max_surge),
        },
        min_ready_seconds: 0,
        revision_history_limit: Some(10),
        paused: false,
        progress_deadline_seconds: Some(600),
        status: Default::default(),
    };
    Obj { meta: Meta::new(Kind::Deployment, "default", name), body }
}

/// A ReplicaSet of pods `app=<name>`.
pub fn replica_set(name: &str, replicas: i32, image: &str) -> Obj<ReplicaSet> {
    let own = format!("app={name}");
    let body = ReplicaSet {
        replicas,
        min_ready_seconds: 0,
        selector: selector(&own),
        template: template(&own, image),
        status: Default::default(),
    };
    Obj { meta: Meta::new(Kind::ReplicaSet, "default", name), body }
}

/// A node that is ready, with labels such as `a=b,c=d`.
pub fn ready_node(name: &str, labels_text: &str) -> Obj<Node> {
    let conditions =
        [("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True")];
    let conditions = conditions.map(|(kind, status)| v1::NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        ..v1::NodeCondition::default()
    });
    let status = v1::NodeStatus { conditions: Some(conditions.to_vec()), ..v1::NodeStatus::default() };
    let mut meta = Meta::new(Kind::Node, "", name);
    meta.labels = labels(labels_text);
    Obj { meta, body: Node { spec: Arc::default(), status: Arc::new(status) } }
}

/// A pod that runs on a node and is ready.
pub fn running_pod(name: &str, node: &str) -> Obj<Pod> {
    let mut status = PodStatus { phase: PodPhase::Running, ..PodStatus::default() };
    status.set_condition(PodConditionType::Ready, ConditionStatus::True, None, Clock::DEFAULT.timestamp(Time::ZERO));
    let body = Pod { spec: template("", "app:ok").spec.clone(), node_name: node.into(), status };
    Obj { meta: Meta::new(Kind::Pod, "default", name), body }
}

/// A pod without an owner.
pub fn bare_pod(name: &str, labels_text: &str, image: &str) -> Object {
    let mut meta = Meta::new(Kind::Pod, "default", name);
    meta.labels = labels(labels_text);
    let body = Pod { spec: template("", image).spec.clone(), node_name: Name::new(), status: Default::default() };
    Obj { meta, body }.into_object()
}
