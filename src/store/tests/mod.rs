//! Stories and tables of the API server.

mod objects;
mod pods;
mod quota;
mod rbac;
mod watches;

use serde_json::{Value, json};

use super::{ApiServerSettings, Context, ServiceRanges, Store};
use crate::api::{Clock, Kind, Labels, Name, Object, Selector, Uid, convert};
use crate::event::{Answer, ApiError, Cause, Filter, ListAt, PartId, Query, Reply, Request, Target};
use crate::kernel::{Chance, Span, Time};

/// A server, the time, and who asks.
pub(super) struct Server {
    pub(super) store: Store,
    now: Time,
    from: PartId,
    replica: u8,
}

impl Server {
    /// A server as it is after the start, with one replica that does not lag; a user asks.
    pub(super) fn new() -> Server {
        Server::with_lags(&[Span::ZERO])
    }

    /// The same with so many replicas and these lags.
    fn with_lags(lags: &[Span]) -> Server {
        let cluster_ips = ServiceRanges::cluster_ips("10.0.0.0/16,fd00:10::/108").expect("two ranges");
        Server::with_ranges(lags, &ServiceRanges { cluster_ips, ..ServiceRanges::default() })
    }

    /// The same with these ranges for Services.
    pub(super) fn with_ranges(lags: &[Span], ranges: &ServiceRanges) -> Server {
        let mut store = Store::new(Chance { seed: 1 }, Clock::DEFAULT, lags);
        store.configure(&ApiServerSettings { service_ranges: ranges.clone(), ..ApiServerSettings::default() });
        store.bootstrap(&Context { now: Time::ZERO, cause: Cause::START, from: PartId::User, replica: 0 });
        store.take_commits();
        Server { store, now: Time::ZERO, from: PartId::User, replica: 0 }
    }

    /// Lets seconds pass.
    fn sleep(&mut self, seconds: u64) {
        self.now += Span::from_secs(seconds);
    }

    pub(super) fn context(&self) -> Context {
        Context { now: self.now, cause: Cause::START, from: self.from, replica: self.replica }
    }

    pub(super) fn handle(&mut self, request: Request) -> Reply {
        let context = self.context();
        self.store.handle(request, &context)
    }

    /// Handles a request that is answered with an object.
    #[track_caller]
    fn object(&mut self, request: Request) -> Object {
        match self.handle(request) {
            Ok(Answer::Object(object)) => object,
            other => panic!("an object was expected, not {other:?}"),
        }
    }

    /// Handles a request that is refused.
    #[track_caller]
    fn refused(&mut self, request: Request) -> ApiError {
        self.handle(request).expect_err("the request should be refused")
    }

    #[track_caller]
    fn create(&mut self, manifest: Value) -> Object {
        self.object(Request::Create(read(manifest)))
    }

    /// Binds a pod of the default namespace.
    fn bind(&mut self, pod: &str, node: &str) -> Result<Answer, ApiError> {
        let pod = Target::Name(Kind::Pod, "default".into(), pod.into());
        self.handle(Request::Bind { pod, uid: Uid(0), node: node.into(), annotations: Labels::default() })
    }

    /// Sets the status of a pod of the default namespace.
    #[track_caller]
    fn set_status(&mut self, pod: &str, status: Value) {
        let stored = self.store.by_name(Kind::Pod, "default", pod).expect("the pod is there");
        let mut manifest = convert::to_json(stored);
        manifest["status"] = status;
        self.object(Request::UpdateStatus(read(manifest)));
    }

    /// A list of all objects of a kind, and its revision.
    #[track_caller]
    fn list(&mut self, kind: Kind, filter: Filter, at: ListAt) -> (Vec<Object>, u64) {
        let query = Query { kind, namespace: None, labels: Selector::everything(), filter };
        match self.handle(Request::List { query, at }) {
            Ok(Answer::List { items, resource_version }) => (items, resource_version),
            other => panic!("a list was expected, not {other:?}"),
        }
    }

    /// The names of all objects of a kind.
    #[track_caller]
    fn names(&mut self, kind: Kind) -> Vec<Name> {
        self.list(kind, Filter::All, ListAt::Quorum).0.iter().map(|object| object.meta().name.clone()).collect()
    }

    fn create_namespace(&mut self, name: &str) -> Object {
        self.create(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }))
    }
}

/// An object of a manifest, as the server reads it.
#[track_caller]
pub(super) fn read(manifest: Value) -> Object {
    let (api_version, kind) = (manifest["apiVersion"].as_str(), manifest["kind"].as_str());
    let kind = Kind::from_gvk(api_version.unwrap_or("v1"), kind.unwrap_or("Pod")).expect("a built-in kind");
    convert::from_json(kind, manifest).expect("a readable manifest")
}

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" } })
}

fn pod(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": "a" } },
        "spec": { "containers": [{ "name": "c", "image": "app" }] } })
}

fn deployment(name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": "a" } },
        "spec": { "selector": { "matchLabels": { "app": "a" } }, "template": {
            "metadata": { "labels": { "app": "a" } },
            "spec": { "containers": [{ "name": "c", "image": "a" }] } } } })
}
