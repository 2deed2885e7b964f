//! A toy API server around one host, for stories about controllers: every request is answered after a millisecond,
//! every watch tells at once. It knows finalizers, preconditions and propagation, and no validation or admission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1;

use crate::api::{
    Clock, Deletion, Kind, Meta, Name, Namespace, Node, Obj, Object, ObjectId, OwnerReference, Pod, PodPhase, PodSpec,
    PodStatus, Uid, Untyped,
};
use crate::client::{Controller, Flags, Host, Outbox, Part};
use crate::event::{
    Answer, ApiError, Cause, Change, ChangeKind, DeleteOptions, Effect, ErrorReason, InformerIndex, Input, MetaEdit,
    Preconditions, Propagation, Query, Reply, Request, Target,
};
use crate::kernel::{Chance, Span, Time};

const LATENCY: Span = Span::from_millis(1);

/// What is to happen.
#[derive(Debug)]
enum Coming {
    Input(Input),
    Request(crate::event::Token, Request),
}

/// The toy.
#[derive(Debug)]
pub(super) struct Toy {
    host: Host,
    pub(super) now: Time,
    agenda: BTreeMap<(Time, u64), Coming>,
    posted: u64,
    revision: u64,
    objects: BTreeMap<ObjectId, Object>,
    slots: BTreeMap<(Kind, Name, Name), u32>,
    watches: BTreeMap<Kind, InformerIndex>,
    /// Events as `reason about: message`.
    pub(super) events: Vec<String>,
    /// What was asked of objects, lists and Events excepted.
    pub(super) asked: Vec<String>,
    /// Patches of these nodes are refused.
    pub(super) refuse_patches: BTreeSet<Name>,
    /// Deleted pods stay until their grace period is over.
    pub(super) pods_take_their_time: bool,
}

impl Toy {
    /// A process with one controller, not started.
    pub(super) fn new(controller: Box<dyn Controller>, flags: &Flags) -> Toy {
        let kinds = [Kind::ConfigMap, Kind::Node, Kind::Pod, Kind::Secret, Kind::Service];
        Toy {
            host: Host::new("kube-controller-manager", vec![controller], &kinds, flags),
            now: Time::ZERO,
            agenda: BTreeMap::new(),
            posted: 0,
            revision: 0,
            objects: BTreeMap::new(),
            slots: BTreeMap::new(),
            watches: BTreeMap::new(),
            events: Vec::new(),
            asked: Vec::new(),
            refuse_patches: BTreeSet::new(),
            pods_take_their_time: false,
        }
    }

    /// Starts the process.
    pub(super) fn start(&mut self) {
        self.post(Span::ZERO, Coming::Input(Input::Start));
    }

    /// What the process remembers.
    pub(super) fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        self.host.hash_memory(hasher);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), coming) = entry.remove_entry();
            self.now = at;
            match coming {
                Coming::Input(input) => self.hand(input),
                Coming::Request(token, request) => {
                    let result = self.serve(request);
                    self.post(LATENCY, Coming::Input(Input::Reply { token, result }));
                }
            }
        }
        self.now = end;
    }

    fn post(&mut self, after: Span, coming: Coming) {
        self.posted += 1;
        self.agenda.insert((self.now + after, self.posted), coming);
    }

    fn hand(&mut self, input: Input) {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 1 }, Cause::START);
        self.host.handle(input, &mut out);
        for effect in out.effects {
            match effect {
                Effect::Send { at, token, request, .. } => {
                    self.post(at.since(self.now) + LATENCY, Coming::Request(token, request));
                }
                // Informers play their caches again after twelve hours: no story here is so long.
                Effect::Timer { background: true, .. } => {}
                Effect::Timer { at, token, .. } => self.post(at.since(self.now), Coming::Input(Input::Timer(token))),
                Effect::Watch { informer, kind, .. } => {
                    self.watches.insert(kind, informer);
                }
                Effect::Heartbeat(_) | Effect::Note(_) | Effect::Exit => {}
            }
        }
    }

    fn tell(&mut self, kind: ChangeKind, object: Object) {
        if let Some(informer) = self.watches.get(&object.kind()).copied() {
            let change = Change { kind, object, revision: self.revision, cause: Cause::START };
            self.post(LATENCY, Coming::Input(Input::Notice { informer, changes: vec![change] }));
        }
    }

    /// Stores a new object and returns a reference to it as an owner.
    pub(super) fn create(&mut self, mut object: Object) -> OwnerReference {
        let meta = object.meta();
        let (kind, namespace, name) = (meta.id.kind, meta.namespace.clone(), meta.name.clone());
        let slot = self.slots.len() as u32;
        let slot = *self.slots.entry((kind, namespace, name.clone())).or_insert(slot);
        self.revision += 1;
        let meta = object.meta_mut();
        meta.id = ObjectId { kind, slot };
        meta.uid = Uid(xxhash_rust::xxh3::xxh3_128(&self.revision.to_le_bytes()));
        meta.resource_version = self.revision;
        let uid = meta.uid;
        self.objects.insert(object.meta().id, object.clone());
        self.tell(ChangeKind::Added, object);
        let info = kind.info().expect("a built-in kind");
        OwnerReference {
            api_version: info.api_version().into(),
            kind: info.kind.as_ref().into(),
            name,
            uid,
            controller: None,
            block_owner_deletion: None,
        }
    }

    /// Deletes an object as a user would.
    pub(super) fn delete(&mut self, kind: Kind, namespace: &str, name: &str, propagation: Propagation) {
        let target = Target::Name(kind, namespace.into(), name.into());
        let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        self.serve(Request::Delete { target, options }).expect("the object is there");
    }

    /// Ends a pod as its kubelet would.
    pub(super) fn end_pod(&mut self, namespace: &str, name: &str) {
        let mut pod = self.get(Kind::Pod, namespace, name).cloned().expect("the pod is there");
        let deletion = pod.meta().deletion.expect("the pod is terminating");
        pod.meta_mut().deletion = Some(Deletion { grace_seconds: Some(0), ..deletion });
        self.store(pod);
    }

    /// Changes the metadata of an object as a user would.
    pub(super) fn edit(&mut self, kind: Kind, namespace: &str, name: &str, edit: MetaEdit) {
        let target = Target::Name(kind, namespace.into(), name.into());
        let request = Request::PatchMeta { target, preconditions: Preconditions::default(), edit: Arc::new(edit) };
        self.serve(request).expect("the object is there");
    }

    /// An object, if it is there.
    pub(super) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        let slot = *self.slots.get(&(kind, namespace.into(), name.into()))?;
        self.objects.get(&ObjectId { kind, slot })
    }

    /// The names of all objects of a kind.
    pub(super) fn names(&self, kind: Kind) -> Vec<&str> {
        self.objects.values().filter(|object| object.kind() == kind).map(|object| object.meta().name.as_str()).collect()
    }

    fn find(&self, target: &Target) -> Result<Object, ApiError> {
        let id = match target {
            Target::Id(id) => Some(*id),
            Target::Name(kind, namespace, name) => self
                .slots
                .get(&(*kind, namespace.clone(), name.clone()))
                .map(|slot| ObjectId { kind: *kind, slot: *slot }),
        };
        let object = id.and_then(|id| self.objects.get(&id)).cloned();
        object.ok_or_else(|| ApiError::new(ErrorReason::NotFound, "not found"))
    }

    fn found(&self, target: &Target, preconditions: &Preconditions) -> Result<Object, ApiError> {
        let object = self.find(target)?;
        let meta = object.meta();
        let same_uid = preconditions.uid.is_none_or(|uid| uid == meta.uid);
        let same_version = preconditions.resource_version.is_none_or(|version| version == meta.resource_version);
        if same_uid && same_version { Ok(object) } else { Err(ApiError::new(ErrorReason::Conflict, "conflict")) }
    }

    /// Stores a changed object, or takes it out where nothing holds it any more.
    fn store(&mut self, mut object: Object) -> Answer {
        self.revision += 1;
        object.meta_mut().resource_version = self.revision;
        let held = !object.meta().finalizers.is_empty()
            || object.get::<Namespace>().is_some_and(|namespace| !namespace.body.finalizers.is_empty())
            || object.get::<Pod>().is_some_and(|pod| pod.meta.deletion.is_some_and(|d| d.grace_seconds != Some(0)));
        if object.meta().is_terminating() && !held {
            self.objects.remove(&object.meta().id);
            self.tell(ChangeKind::Deleted, object);
            return Answer::Done;
        }
        self.objects.insert(object.meta().id, object.clone());
        self.tell(ChangeKind::Modified, object.clone());
        Answer::Object(object)
    }

    fn serve(&mut self, request: Request) -> Reply {
        if !matches!(request, Request::List { .. } | Request::Create(_) | Request::PatchEvent { .. }) {
            self.asked.push(self.describe(&request));
        }
        match request {
            Request::Create(Object::Event(event)) => {
                let about = &event.body.involved;
                self.events.push(format!("{} {}: {}", event.body.reason, about.name, event.body.message));
                Ok(Answer::Done)
            }
            Request::PatchEvent { .. } => Ok(Answer::Done),
            Request::Get(target) => self.find(&target).map(Answer::Object),
            Request::List { query, .. } => {
                Ok(Answer::List { items: self.select(&query), resource_version: self.revision })
            }
            Request::Delete { target, options } => self.serve_delete(&target, &options),
            Request::DeleteCollection { query, options } => {
                for object in self.select(&query) {
                    self.serve_delete(&Target::Id(object.meta().id), &options)?;
                }
                Ok(Answer::Done)
            }
            Request::PatchMeta { target, preconditions, edit } => {
                let mut object = self.found(&target, &preconditions)?;
                apply(object.meta_mut(), &edit);
                Ok(self.store(object))
            }
            Request::UpdateStatus(new) => {
                let expected = Preconditions { uid: None, resource_version: Some(new.meta().resource_version) };
                self.found(&Target::Id(new.meta().id), &expected)?;
                Ok(self.store(new))
            }
            Request::FinalizeNamespace(new) => {
                let expected = Preconditions { uid: None, resource_version: Some(new.meta().resource_version) };
                self.found(&Target::Id(new.meta().id), &expected)?;
                Ok(self.store(new))
            }
            Request::Patch { target, patch, .. } => self.serve_node_patch(&target, &patch.body),
            other => panic!("the toy does not know {other:?}"),
        }
    }

    fn serve_delete(&mut self, target: &Target, options: &DeleteOptions) -> Reply {
        let mut object = self.found(target, &options.preconditions)?;
        let grace = match object.get::<Pod>() {
            Some(pod) if self.pods_take_their_time => pod.body.spec.grace_seconds,
            Some(_) | None => 0,
        };
        if let Object::Namespace(namespace) = &mut object {
            Arc::make_mut(namespace).body.terminating = true;
        }
        let timestamp = Clock::DEFAULT.timestamp(self.now);
        let meta = object.meta_mut();
        let finalizer = match options.propagation {
            Some(Propagation::Foreground) => Some("foregroundDeletion"),
            Some(Propagation::Orphan) => Some("orphan"),
            Some(Propagation::Background) | None => None,
        };
        let had = meta.finalizers.iter().filter(|name| !["foregroundDeletion", "orphan"].contains(&name.as_str()));
        meta.finalizers = had.cloned().chain(finalizer.map(Name::from)).collect();
        meta.deletion = meta.deletion.or(Some(Deletion { timestamp, grace_seconds: Some(grace) }));
        Ok(self.store(object))
    }

    fn serve_node_patch(&mut self, target: &Target, body: &serde_json::Value) -> Reply {
        let mut object = self.find(target)?;
        if self.refuse_patches.contains(&object.meta().name) {
            return Err(ApiError::new(ErrorReason::InternalError, "no"));
        }
        let Object::Node(node) = &mut object else { panic!("only nodes are patched") };
        let cidrs: Vec<String> = serde_json::from_value(body["spec"]["podCIDRs"].clone()).expect("a list of ranges");
        let spec = Arc::make_mut(&mut Arc::make_mut(node).body.spec);
        spec.pod_cidr = cidrs.first().cloned();
        spec.pod_cidrs = Some(cidrs);
        Ok(self.store(object))
    }

    fn select(&self, query: &Query) -> Vec<Object> {
        let fits = |object: &&Object| {
            object.kind() == query.kind && query.namespace.as_ref().is_none_or(|of| *of == object.meta().namespace)
        };
        self.objects.values().filter(fits).cloned().collect()
    }

    fn describe(&self, request: &Request) -> String {
        let name = |target: &Target| match self.find(target) {
            Ok(object) => object.meta().name.to_string(),
            Err(_) => "nothing".to_owned(),
        };
        match request {
            Request::Get(target) => format!("get {}", name(target)),
            Request::Delete { target, options } => match options.propagation {
                Some(propagation) => format!("delete {} {propagation:?}", name(target)),
                None => format!("delete {}", name(target)),
            },
            Request::PatchMeta { target, .. } | Request::Patch { target, .. } => format!("patch {}", name(target)),
            Request::DeleteCollection { query, .. } => format!("delete all {:?}", query.kind),
            Request::UpdateStatus(object) => format!("status {}", object.meta().name),
            Request::FinalizeNamespace(object) => format!("finalize {}", object.meta().name),
            other => format!("{other:?}"),
        }
    }
}

fn apply(meta: &mut Meta, edit: &MetaEdit) {
    let kept = meta.owners.iter().filter(|owner| !edit.remove_owners.contains(&owner.uid)).cloned();
    let mut owners: Vec<OwnerReference> = kept.chain(edit.add_owners.iter().cloned()).collect();
    for owner in owners.iter_mut().filter(|owner| edit.unblock_owners.contains(&owner.uid)) {
        owner.block_owner_deletion = Some(false);
    }
    meta.owners = owners.into();
    meta.finalizers = meta.finalizers.iter().filter(|name| !edit.remove_finalizers.contains(name)).cloned().collect();
}

/// An object of a kind without a type of its own.
pub(super) fn untyped(kind: Kind, namespace: &str, name: &str, owners: &[OwnerReference]) -> Object {
    let info = Arc::new(kind.info().expect("a built-in kind").clone());
    let mut meta = Meta::new(kind, namespace, name);
    meta.owners = owners.into();
    Object::Untyped(Arc::new(Obj { meta, body: Untyped { info, fields: serde_json::Map::new() } }))
}

/// A node, perhaps with ranges.
pub(super) fn node(name: &str, ranges: &[&str]) -> Object {
    let ranges: Vec<String> = ranges.iter().map(|range| (*range).to_owned()).collect();
    let spec = v1::NodeSpec {
        pod_cidr: ranges.first().cloned(),
        pod_cidrs: (!ranges.is_empty()).then_some(ranges),
        ..v1::NodeSpec::default()
    };
    let body = Node { spec: Arc::new(spec), status: Arc::default() };
    Obj { meta: Meta::new(Kind::Node, "", name), body }.into_object()
}

/// A namespace as the API server creates it.
pub(super) fn namespace(name: &str) -> Object {
    let body = Namespace { finalizers: Arc::from(["kubernetes".into()]), terminating: false, conditions: Vec::new() };
    Obj { meta: Meta::new(Kind::Namespace, "", name), body }.into_object()
}

/// A running pod.
pub(super) fn pod(namespace: &str, name: &str) -> Object {
    let status = PodStatus { phase: PodPhase::Running, ..PodStatus::default() };
    let body = Pod { spec: PodSpec::new(v1::PodSpec::default()), node_name: "n1".into(), status };
    Obj { meta: Meta::new(Kind::Pod, namespace, name), body }.into_object()
}
