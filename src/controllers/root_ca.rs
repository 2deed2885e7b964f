//! The root CA publisher: every namespace has a ConfigMap `kube-root-ca.crt` with the cluster's certificate.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/certificates/rootcacertpublisher`). The certificate is a mere stand-in. Where
//! `--root-ca-file` is empty, nothing is published; upstream then falls back on the certificate of its own client.

use std::hash::Hash;
use std::sync::Arc;

use serde_json::{Value, json};

use super::service_account::{namespace_of_change, untyped};
use crate::api::{Kind, Meta, Obj, Object, ObjectId, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::{ErrorReason, Request};

/// `--root-ca-file`.
pub const ROOT_CA_FILE: Flag = Flag {
    name: "root-ca-file",
    default: FlagValue::Text("/etc/kubernetes/pki/ca.crt"),
    doc: "the certificate that is published in every namespace; empty: none is",
};
/// How many namespaces are worked on at a time. Upstream: one worker.
pub const ROOT_CA_WORKERS: Flag = Flag {
    name: "root-ca-publisher-workers",
    default: FlagValue::Int(1),
    doc: "namespaces whose certificate is worked on at a time; a single worker upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "root-ca-certificate-publisher-controller",
    doc: "keeps the ConfigMap kube-root-ca.crt in every namespace",
    source: "pkg/controller/certificates/rootcacertpublisher",
    watches: Watches::Kinds(&[Kind::Namespace, Kind::ConfigMap]),
    workers: &ROOT_CA_WORKERS,
    flags: &[&ROOT_CA_FILE],
    build: |flags| Box::new(RootCaPublisher::new(flags)),
};

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "kubernetes.io/description";
const DESCRIPTION_TEXT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nd2F2ZXRhbms=\n-----END CERTIFICATE-----\n";
const WRITTEN: u32 = 1;

/// The root CA publisher's memory.
#[derive(Clone, Debug)]
pub struct RootCaPublisher {
    publishes: bool,
    /// Requests that are under way.
    asked: usize,
}

impl RootCaPublisher {
    fn new(flags: &Flags) -> RootCaPublisher {
        RootCaPublisher { publishes: !flags.text(&ROOT_CA_FILE).is_empty(), asked: 0 }
    }
}

/// Whether a ConfigMap says what it should.
fn is_right(found: &Obj<Untyped>) -> bool {
    found.body.fields.get("data") == Some(&data()) && found.meta.annotations.get(DESCRIPTION).is_some()
}

fn data() -> Value {
    json!({ "ca.crt": CERTIFICATE })
}

impl Controller for RootCaPublisher {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if !self.publishes {
            return;
        }
        let spoilt = match change.new {
            Object::Untyped(object) if object.meta.name == NAME && !is_right(object) => {
                view.caches.namespaces.by_name("", &object.meta.namespace).map(|found| found.meta.id)
            }
            _ => None,
        };
        if let Some(namespace) = spoilt.or_else(|| namespace_of_change(change, NAME, view)) {
            queue.add(namespace, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(namespace) = view.caches.namespaces.get(key).filter(|namespace| !namespace.body.terminating) else {
            return;
        };
        let maps = view.caches.others.get(&Kind::ConfigMap);
        let found = maps.and_then(|maps| maps.by_name(&namespace.meta.name, NAME));
        let request = match found {
            Some(found) if is_right(found) => return,
            Some(found) => Request::Update(filled(Object::Untyped(found.clone()))),
            None => {
                let meta = Meta::new(Kind::ConfigMap, namespace.meta.name.clone(), NAME);
                Request::Create(filled(untyped(meta)))
            }
        };
        self.asked += 1;
        plan.ask(WRITTEN, request);
    }

    fn resume(&mut self, _key: ObjectId, outcome: Outcome, _view: &View, plan: &mut Plan) {
        self.asked -= 1;
        if let Some(Err(error)) = outcome.replies.first()
            && error.reason != ErrorReason::NotFound
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

fn filled(object: Object) -> Object {
    let Object::Untyped(mut map) = object else { return object };
    let Obj { meta, body } = Arc::make_mut(&mut map);
    meta.annotations = meta.annotations.with(DESCRIPTION, DESCRIPTION_TEXT);
    body.fields.insert("data".to_owned(), data());
    Object::Untyped(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Namespace;
    use crate::controllers::test_support::Story;

    fn story(file: &str) -> Story {
        let mut flags = Flags::default();
        flags.set(&ROOT_CA_FILE, file).expect("a text");
        let mut story = Story::new(&[&ENTRY], &flags);
        let body = Namespace { finalizers: Arc::default(), terminating: false, conditions: Vec::new() };
        story.create(Obj { meta: Meta::new(Kind::Namespace, "", "a"), body }.into_object());
        story.settle();
        story
    }

    fn map(story: &Story) -> Option<Arc<Obj<Untyped>>> {
        let maps = story.objects.values().filter(|object| object.kind() == Kind::ConfigMap);
        maps.filter_map(|object| if let Object::Untyped(map) = object { Some(map.clone()) } else { None }).next()
    }

    #[test]
    fn the_certificate_is_published_and_mended() {
        let mut story = story("/ca.crt");
        let found = map(&story).expect("a ConfigMap");
        assert_eq!(found.meta.key(), "a/kube-root-ca.crt");
        let mut spoilt = found.clone();
        Arc::make_mut(&mut spoilt).body.fields.insert("data".to_owned(), json!({ "ca.crt": "x" }));
        story.put(Object::Untyped(spoilt));
        story.settle();
        assert!(map(&story).is_some_and(|map| is_right(&map)));
        story.delete(found.meta.id);
        story.settle();
        assert!(map(&story).is_some_and(|map| is_right(&map)));
        assert!(story.is_at_rest());
    }

    #[test]
    fn without_a_file_nothing_is_published() {
        assert!(map(&story("")).is_none());
    }
}
