//! The service account controller: every namespace has a ServiceAccount `default`.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/serviceaccount/serviceaccounts_controller.go`). Tokens are left out. A pod
//! that names no account does not wait for `default` to exist: the API server takes it as there.

use std::hash::Hash;
use std::sync::Arc;

use crate::api::{Kind, Meta, Obj, Object, ObjectId, Untyped};
use crate::client::{Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue};
use crate::event::{ChangeKind, Request};

/// How many namespaces are worked on at a time. Upstream: one worker.
pub const SERVICE_ACCOUNT_WORKERS: Flag = Flag {
    name: "serviceaccount-workers",
    default: FlagValue::Int(1),
    doc: "namespaces whose ServiceAccount is worked on at a time; a single worker upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "serviceaccount-controller",
    doc: "keeps a ServiceAccount default in every namespace",
    source: "pkg/controller/serviceaccount/serviceaccounts_controller.go",
    watches: Watches::Kinds(&[Kind::Namespace, Kind::ServiceAccount]),
    workers: &SERVICE_ACCOUNT_WORKERS,
    flags: &[],
    build: |_| Box::new(ServiceAccountController { asked: 0 }),
};

const NAME: &str = "default";
const CREATED: u32 = 1;

/// The service account controller's memory: none that counts.
#[derive(Clone, Debug)]
pub struct ServiceAccountController {
    /// Requests that are under way.
    asked: usize,
}

impl Controller for ServiceAccountController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if let Some(namespace) = namespace_of_change(change, NAME, view) {
            queue.add(namespace, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(namespace) = view.caches.namespaces.get(key).filter(|namespace| !namespace.body.terminating) else {
            return;
        };
        if view.caches.meta_by_name(Kind::ServiceAccount, &namespace.meta.name, NAME).is_none() {
            let meta = Meta::new(Kind::ServiceAccount, namespace.meta.name.clone(), NAME);
            plan.ask(CREATED, Request::Create(untyped(meta)));
            self.asked += 1;
        }
    }

    fn resume(&mut self, _key: ObjectId, outcome: Outcome, _view: &View, plan: &mut Plan) {
        self.asked -= 1;
        if let Some(Err(error)) = outcome.replies.first()
            && !super::pod_util::is_namespace_terminating(error)
        {
            plan.fail(error.message.clone());
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        self.asked.hash(&mut hasher);
    }
}

/// The namespace that a change asks to be looked at: itself, or that of the object of this name once it is gone.
pub(super) fn namespace_of_change(change: Observed, name: &str, view: &View) -> Option<ObjectId> {
    match change.new {
        Object::Namespace(namespace) => (change.kind != ChangeKind::Deleted).then_some(namespace.meta.id),
        object => {
            let meta = object.meta();
            let is_gone = change.kind == ChangeKind::Deleted && meta.name == name;
            is_gone.then(|| view.caches.namespaces.by_name("", &meta.namespace).map(|found| found.meta.id)).flatten()
        }
    }
}

/// An object of a kind without fields.
pub(super) fn untyped(meta: Meta) -> Object {
    let info = Arc::new(meta.id.kind.info().expect("a built-in kind").clone());
    Object::Untyped(Arc::new(Obj { meta, body: Untyped { info, fields: serde_json::Map::new() } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Namespace;
    use crate::controllers::test_support::Story;

    fn namespace(name: &str) -> Object {
        let body = Namespace { finalizers: Arc::default(), terminating: false, conditions: Vec::new() };
        Obj { meta: Meta::new(Kind::Namespace, "", name), body }.into_object()
    }

    fn accounts(story: &Story) -> Vec<String> {
        let accounts = story.objects.values().filter(|object| object.kind() == Kind::ServiceAccount);
        accounts.map(|object| object.meta().key()).collect()
    }

    #[test]
    fn every_namespace_has_an_account_and_gets_a_new_one_where_it_is_deleted() {
        let mut story = Story::without_limits(&[&ENTRY]);
        story.create(namespace("a"));
        story.create(namespace("b"));
        story.settle();
        assert_eq!(accounts(&story), ["a/default", "b/default"]);
        story.forget();
        let account = story.objects.keys().copied().find(|id| id.kind == Kind::ServiceAccount).expect("an account");
        story.delete(account);
        story.settle();
        assert_eq!(accounts(&story), ["a/default", "b/default"]);
        assert_eq!(story.requests, ["DELETE ServiceAccount", "POST ServiceAccount"]);
        assert!(story.is_at_rest());
    }

    #[test]
    fn a_namespace_that_goes_gets_none() {
        let mut story = Story::without_limits(&[&ENTRY]);
        let body = Namespace { finalizers: Arc::default(), terminating: true, conditions: Vec::new() };
        story.create(Obj { meta: Meta::new(Kind::Namespace, "", "a"), body }.into_object());
        story.settle();
        assert_eq!(accounts(&story), Vec::<String>::new());
    }
}
