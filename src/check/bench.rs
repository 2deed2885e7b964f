//! What the tests of invariants share: a store, and one invariant that sees its commits.

use serde_json::{Value, json};

use super::invariant::{By, InvariantEntry, Invariants, Look, Sight};
use crate::api::{Clock, Kind, Labels, Object, ObjectId, Uid, convert};
use crate::event::{Answer, Cause, DeleteOptions, PartId, Patch, PatchKind, Request, Subresource, Target};
use crate::kernel::{Chance, Span, Time};
use crate::store::{Context, Store};
use std::sync::Arc;

pub(super) const MANAGER: PartId = PartId::ControllerManager(0);
pub(super) const SCHEDULER: PartId = PartId::Scheduler(0);

/// A store and an invariant.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) now: Time,
    pub(super) invariants: Invariants,
    /// Whether what comes was asked for by processes that have ended since.
    pub(super) outlived: bool,
}

impl Bench {
    pub(super) fn new(entry: &'static InvariantEntry) -> Bench {
        let mut store = Store::new(Chance { seed: 1 }, Clock::DEFAULT, &[Span::ZERO]);
        store.bootstrap(&Context { now: Time::ZERO, cause: Cause::START, from: PartId::User, replica: 0 });
        store.take_commits();
        Bench { store, now: Time::ZERO, invariants: Invariants::new([&entry]), outlived: false }
    }

    /// Lets a part ask, and shows the invariant what comes of it.
    #[track_caller]
    pub(super) fn ask(&mut self, part: PartId, request: Request) -> Option<Object> {
        let context = Context { now: self.now, cause: Cause::START, from: part, replica: 0 };
        let answer = self.store.handle(request, &context).expect("the request is granted");
        for commit in self.store.take_commits() {
            let by = By { part, outlived: self.outlived };
            let look = Look { store: &self.store, now: self.now };
            self.invariants.observe(&Sight::Commit(&commit, by), look, Cause::START);
        }
        if let Answer::Object(object) = answer { Some(object) } else { None }
    }

    pub(super) fn show(&mut self, sight: &Sight<'_>) {
        let look = Look { store: &self.store, now: self.now };
        self.invariants.observe(sight, look, Cause::START);
    }

    #[track_caller]
    pub(super) fn create(&mut self, part: PartId, manifest: Value) -> Object {
        let (version, kind) = (manifest["apiVersion"].as_str(), manifest["kind"].as_str());
        let kind = Kind::from_gvk(version.expect("a version"), kind.expect("a kind")).expect("a built-in kind");
        let object = convert::from_json(kind, manifest).expect("a readable manifest");
        self.ask(part, Request::Create(object)).expect("what was created is answered")
    }

    /// A merge patch of an object, or of its status.
    #[track_caller]
    pub(super) fn patch(&mut self, part: PartId, kind: Kind, name: &str, body: Value) {
        let subresource = if body.get("status").is_some() { Subresource::Status } else { Subresource::None };
        let patch = Arc::new(Patch { kind: PatchKind::Merge, body });
        self.ask(part, Request::Patch { target: target(kind, name), subresource, patch });
    }

    #[track_caller]
    pub(super) fn bind(&mut self, part: PartId, pod: &str, node: &str) {
        self.ask(
            part,
            Request::Bind {
                pod: target(Kind::Pod, pod),
                uid: Uid(0),
                node: node.into(),
                annotations: Labels::default(),
            },
        );
    }

    /// Deletes without grace.
    #[track_caller]
    pub(super) fn delete(&mut self, part: PartId, kind: Kind, name: &str) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.ask(part, Request::Delete { target: target(kind, name), options });
    }

    pub(super) fn id(&self, kind: Kind, name: &str) -> ObjectId {
        let Target::Name(kind, namespace, name) = target(kind, name) else { panic!("a name is a name") };
        self.store.id_of(kind, &namespace, &name).expect("it is there")
    }

    pub(super) fn uid(&self, kind: Kind, name: &str) -> String {
        self.store.by_id(self.id(kind, name)).expect("it is there").meta().uid.to_string()
    }

    /// Fails unless this is what was found first, `object: message`; empty: nothing.
    #[track_caller]
    pub(super) fn expect(&self, expected: &str) {
        let found = self.invariants.violations().first();
        let found = found.map_or_else(String::new, |found| format!("{}: {}", found.object, found.message));
        assert_eq!(found, expected);
    }
}

fn target(kind: Kind, name: &str) -> Target {
    let namespaced = kind.info().is_some_and(|info| info.namespaced);
    Target::Name(kind, if namespaced { "default" } else { "" }.into(), name.into())
}

/// A node that offers 4 CPUs, 8Gi, two devices and room for three pods.
pub(super) fn node(name: &str, pod_cidr: &str) -> Value {
    let room = json!({"cpu": "4", "memory": "8Gi", "pods": "3", "example.com/device": "2"});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]}, "status": {"capacity": room, "allocatable": room}})
}

/// A pod that asks for so much.
pub(super) fn pod(name: &str, requests: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "app", "resources": {"requests": requests}}]}})
}
