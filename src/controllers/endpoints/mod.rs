//! The Endpoints controller: the older form of what EndpointSlices say, one object a Service, at most 1,000 addresses.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/endpoint`), which still runs it; the addresses are those of the Service's
//! first family. A change of a pod is work only for the Services that select it.
//!
//! Left out: the annotation `endpoints.kubernetes.io/last-change-trigger-time`, and the end of retries after the
//! fifteenth.

mod subsets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::pod_util::is_namespace_terminating;
use super::service_view::{Memberships, Service};
use crate::api::{EventType, Kind, Labels, Meta, Name, Obj, Object, ObjectId, Pod, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue,
};
use crate::event::{ChangeKind, DeleteOptions, ErrorReason, Request, Target};
use crate::kernel::{Span, Time};

/// `--concurrent-endpoint-syncs`.
pub const CONCURRENT_ENDPOINT_SYNCS: Flag = Flag {
    name: "concurrent-endpoint-syncs",
    default: FlagValue::Int(5),
    doc: "Services whose Endpoints are worked on at a time",
};
/// `--endpoint-updates-batch-period`.
pub const ENDPOINT_UPDATES_BATCH_PERIOD: Flag = Flag {
    name: "endpoint-updates-batch-period",
    default: FlagValue::Span(Span::ZERO),
    doc: "how long changes of pods are gathered before the Endpoints of their Services are written",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "endpoints-controller",
    doc: "keeps the Endpoints of Services with selectors, at most 1,000 addresses each",
    source: "pkg/controller/endpoint",
    watches: Watches::Kinds(&[Kind::Service, Kind::Pod, Kind::Endpoints]),
    workers: &CONCURRENT_ENDPOINT_SYNCS,
    flags: &[&ENDPOINT_UPDATES_BATCH_PERIOD],
    build: |flags| Box::new(EndpointsController::new(flags)),
};

const HEADLESS: &str = "service.kubernetes.io/headless";
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The mark of an object that replicas of a component elect their leader with.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// The label of the step that writes.
const WROTE: u32 = 1;

/// The Endpoints controller's memory.
#[derive(Clone, Debug)]
pub struct EndpointsController {
    batch: Span,
    members: Memberships,
    /// The names of Services that are gone and whose Endpoints may not be, by number.
    gone: BTreeMap<u32, (Name, Name)>,
    /// The revisions of Endpoints that it has replaced, by the number of the Service: a cache that still shows one is
    /// out of date. Upstream: `staleEndpointsTracker`.
    stale: BTreeMap<u32, u64>,
    /// What is being written, by Service: the revision that it replaces, or none where it is created.
    writing: BTreeMap<u32, Option<u64>>,
    /// Whether Endpoints without a Service are still to be looked for, once. Upstream: `checkLeftoverEndpoints`.
    leftovers: bool,
}

impl EndpointsController {
    fn new(flags: &Flags) -> EndpointsController {
        EndpointsController {
            batch: flags.span(&ENDPOINT_UPDATES_BATCH_PERIOD),
            members: Memberships::default(),
            gone: BTreeMap::new(),
            stale: BTreeMap::new(),
            writing: BTreeMap::new(),
            leftovers: true,
        }
    }

    fn service_changed(&mut self, object: &Obj<Untyped>, is_gone: bool, view: &View) {
        let meta = &object.meta;
        self.members.service_changed(object, is_gone, view);
        if is_gone {
            self.gone.insert(meta.id.slot, (meta.namespace.clone(), meta.name.clone()));
            self.stale.remove(&meta.id.slot);
        } else {
            self.gone.remove(&meta.id.slot);
        }
    }

    fn write(&mut self, service: &Service, pods: &[Arc<Obj<Pod>>], view: &View, plan: &mut Plan) {
        let (slot, meta) = (service.meta.id.slot, &service.meta);
        let cache = view.caches.others.get(&Kind::Endpoints);
        let current = cache.and_then(|cache| cache.by_name(&meta.namespace, &meta.name));
        let revision = current.map(|current| current.meta.resource_version);
        if revision.is_some() && self.stale.get(&slot).copied() == revision {
            let revision = revision.unwrap_or_default();
            return plan.fail(ecow::eco_format!(
                "endpoints informer cache is out of date, resource version {revision} already processed for endpoints {}/{}",
                meta.namespace,
                meta.name
            ));
        }
        let mut wanted = subsets::subsets(service, pods);
        let full = subsets::to_json(&wanted);
        if let Some(current) = current
            && is_up_to_date(current, &full, &meta.labels)
        {
            return;
        }
        let truncated = subsets::truncate(&mut wanted);
        let mut new = match current {
            Some(current) => current.meta.clone(),
            None => Meta::new(Kind::Endpoints, meta.namespace.clone(), meta.name.clone()),
        };
        new.labels = meta.labels.with(MANAGED_BY, MANAGER);
        new.labels = if service.is_headless() { new.labels.with(HEADLESS, "") } else { new.labels.without(HEADLESS) };
        new.annotations = if truncated {
            new.annotations.with(OVER_CAPACITY, "truncated")
        } else {
            new.annotations.without(OVER_CAPACITY)
        };
        let object = object(new, subsets::to_json(&wanted));
        self.writing.insert(slot, revision);
        plan.ask(WROTE, if current.is_some() { Request::Update(object) } else { Request::Create(object) });
    }
}

fn object(meta: Meta, subsets: Value) -> Object {
    let info = Arc::new(Kind::Endpoints.info().expect("a built-in kind").clone());
    let mut fields = Map::new();
    if subsets.as_array().is_some_and(|subsets| !subsets.is_empty()) {
        fields.insert("subsets".to_owned(), subsets);
    }
    Object::Untyped(Arc::new(Obj { meta, body: Untyped { info, fields } }))
}

/// Whether an object says what it should. Upstream: the comparison in `syncService`, `labelsCorrectForEndpoints`,
/// `capacityAnnotationSetCorrectly`.
fn is_up_to_date(current: &Obj<Untyped>, subsets: &Value, labels: &Labels) -> bool {
    let found = current.body.fields.get("subsets");
    let same = match found.and_then(Value::as_array) {
        None => subsets.as_array().is_some_and(Vec::is_empty),
        Some(_) => found == Some(subsets),
    };
    let own = current.meta.labels.without(MANAGED_BY).without(HEADLESS);
    same && current.meta.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
        && own == labels.without(MANAGED_BY).without(HEADLESS)
        && current.meta.annotations.get(OVER_CAPACITY).is_none()
}

impl Controller for EndpointsController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn event_source(&self) -> &'static str {
        "endpoint-controller"
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        match change.new {
            Object::Pod(pod) if !change.resync => {
                let old = change.old.and_then(|old| old.get::<Pod>()).map(AsRef::as_ref);
                for service in self.members.pod_changed(old, pod, change) {
                    queue.add_after(service, self.batch, change.cause);
                }
            }
            Object::Untyped(object) => {
                let (meta, is_gone) = (&object.meta, change.kind == ChangeKind::Deleted);
                if meta.id.kind == Kind::Service {
                    self.service_changed(object, is_gone, view);
                    queue.add(meta.id, change.cause);
                } else if meta.id.kind == Kind::Endpoints
                    && is_gone
                    && let Some(service) = view.caches.meta_by_name(Kind::Service, &meta.namespace, &meta.name)
                {
                    queue.add(service.id, change.cause);
                }
            }
            Object::Pod(_)
            | Object::Node(_)
            | Object::Namespace(_)
            | Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let delete = |target: Target, plan: &mut Plan| {
            let request = Request::Delete { target, options: DeleteOptions::default() };
            plan.send_tolerating(request, &[ErrorReason::NotFound]);
        };
        if key.kind == Kind::Endpoints {
            // A leftover.
            let found = view.caches.others.get(&Kind::Endpoints).and_then(|cache| cache.get(key));
            let without_service =
                |meta: &Meta| view.caches.meta_by_name(Kind::Service, &meta.namespace, &meta.name).is_none();
            if found.is_some_and(|object| without_service(&object.meta)) {
                delete(Target::Id(key), plan);
            }
            return;
        }
        if let Some((namespace, name)) = self.gone.remove(&key.slot) {
            return delete(Target::Name(Kind::Endpoints, namespace, name), plan);
        }
        let Some(member) = self.members.get(key.slot) else { return };
        let service = member.service.clone();
        let in_endpoints = |pod: &&Arc<Obj<Pod>>| {
            !pod.body.status.phase.is_finished()
                && pod.body.status.pod_ips.first.is_some()
                && (service.publishes_not_ready() || !pod.meta.is_terminating())
        };
        let pods = member.pods.iter().filter_map(|slot| view.caches.pods.by_slot(*slot));
        let pods: Vec<Arc<Obj<Pod>>> = pods.filter(in_endpoints).cloned().collect();
        self.write(&service, &pods, view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, _: &View, plan: &mut Plan) {
        let (Some(before), Some(reply)) = (self.writing.remove(&key.slot), outcome.replies.first()) else { return };
        let error = match reply {
            Ok(answer) => {
                let after = answer.object().map(|object| object.meta().resource_version);
                if let Some(before) = before.filter(|before| after != Some(*before)) {
                    self.stale.insert(key.slot, before);
                }
                return;
            }
            Err(error) if before.is_none() && is_namespace_terminating(error) => return,
            Err(error) => error,
        };
        if let Some(member) = self.members.get(key.slot) {
            let meta = &member.service.meta;
            let about = Meta::new(Kind::Endpoints, meta.namespace.clone(), meta.name.clone()).reference();
            let (namespace, name) = (&meta.namespace, &meta.name);
            let (reason, message) = if before.is_none() {
                let message = ecow::eco_format!("Failed to create endpoint for service {namespace}/{name}: {error}");
                ("FailedToCreateEndpoint", message)
            } else {
                ("FailedToUpdateEndpoint", ecow::eco_format!("Failed to update endpoint {namespace}/{name}: {error}"))
            };
            plan.record(about, EventType::Warning, reason, message);
        }
        plan.fail(error.message.clone());
    }

    fn next_tick(&mut self, _: &View) -> Option<Tick> {
        self.leftovers.then_some(Tick { at: Time::ZERO, background: false })
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        self.leftovers = false;
        let Some(endpoints) = view.caches.others.get(&Kind::Endpoints) else { return };
        let left: BTreeSet<ObjectId> = endpoints
            .iter()
            .map(|object| &object.meta)
            .filter(|meta| meta.annotations.get(LEADER).is_none())
            .filter(|meta| view.caches.meta_by_name(Kind::Service, &meta.namespace, &meta.name).is_none())
            .map(|meta| meta.id)
            .collect();
        left.into_iter().for_each(|id| queue.add(id, crate::event::Cause::START));
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for member in self.members.iter() {
            (&member.service.meta.namespace, &member.service.meta.name, member.pods.len()).hash(&mut hasher);
        }
        (&self.gone, self.writing.len(), self.leftovers).hash(&mut hasher);
    }
}
