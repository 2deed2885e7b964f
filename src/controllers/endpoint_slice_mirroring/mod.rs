//! The EndpointSlice mirroring controller: Endpoints that users write for Services without selectors get slices, so that
//! whoever reads slices alone sees them.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/endpointslicemirroring`). At most 1,000 addresses of a subset are mirrored;
//! labels and annotations are mirrored too, but for what `kubectl apply` and the endpoints controller put there. Left out:
//! `--mirroring-endpointslice-updates-batch-period` is heeded for Endpoints alone; the end of retries after the fifteenth;
//! metrics. Recent writes are told by revision, not by generation.

mod mirror;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use mirror::{LEADER, MANAGED_BY, MANAGER, SERVICE_NAME, changes};

use super::pod_util::is_namespace_terminating;
use crate::api::{EventType, Kind, Labels, Meta, Name, Obj, Object, ObjectId, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan, TokenBucket, View,
    Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind, DeleteOptions, ErrorReason, Request, Target};
use crate::kernel::Span;

/// `--mirroring-concurrent-service-endpoint-syncs`.
pub const MIRRORING_CONCURRENT_SERVICE_ENDPOINT_SYNCS: Flag = Flag {
    name: "mirroring-concurrent-service-endpoint-syncs",
    default: FlagValue::Int(5),
    doc: "Endpoints that are mirrored at a time",
};
/// `--mirroring-max-endpoints-per-subset`.
pub const MIRRORING_MAX_ENDPOINTS_PER_SUBSET: Flag = Flag {
    name: "mirroring-max-endpoints-per-subset",
    default: FlagValue::Int(1000),
    doc: "how many addresses of a subset are mirrored, 1 to 1000",
};
/// `--mirroring-endpointslice-updates-batch-period`.
pub const MIRRORING_ENDPOINTSLICE_UPDATES_BATCH_PERIOD: Flag = Flag {
    name: "mirroring-endpointslice-updates-batch-period",
    default: FlagValue::Span(Span::ZERO),
    doc: "how long changes of Endpoints are gathered before they are mirrored",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "endpointslice-mirroring-controller",
    doc: "keeps EndpointSlices of the Endpoints that users write for Services without selectors",
    source: "pkg/controller/endpointslicemirroring",
    watches: Watches::Kinds(&[Kind::Service, Kind::Endpoints, Kind::EndpointSlice]),
    workers: &MIRRORING_CONCURRENT_SERVICE_ENDPOINT_SYNCS,
    flags: &[&MIRRORING_MAX_ENDPOINTS_PER_SUBSET, &MIRRORING_ENDPOINTSLICE_UPDATES_BATCH_PERIOD],
    build: |flags| Box::new(MirroringController::new(flags)),
};

/// The wait after the first failure. Upstream: `defaultSyncBackOff`, `maxSyncBackOff`.
const BACKOFF: ItemBackoff = ItemBackoff { base: Span::from_secs(1), max: Span::from_secs(100) };
/// The wait after somebody else has changed a slice. Upstream: `minSyncDelay`.
const SLICE_DELAY: Span = Span::from_secs(1);
/// The label of what it asks.
const WROTE: u32 = 1;

/// The controller's memory.
#[derive(Clone, Debug)]
pub struct MirroringController {
    max: usize,
    batch: Span,
    /// The names of Endpoints that it was told of, by number.
    names: BTreeMap<u32, (Name, Name)>,
    /// Its slices of each Service, by namespace and name: number and the revision that it has seen or written.
    slices: BTreeMap<(Name, Name), BTreeMap<u32, u64>>,
    running: BTreeMap<ObjectId, Work>,
}

/// A sync under way.
#[derive(Clone, Debug)]
struct Work {
    /// What is still to be sent; the first of it is on its way.
    requests: VecDeque<Request>,
    errors: Vec<Name>,
}

impl MirroringController {
    fn new(flags: &Flags) -> MirroringController {
        MirroringController {
            max: flags.int(&MIRRORING_MAX_ENDPOINTS_PER_SUBSET).clamp(1, 1000) as usize,
            batch: flags.span(&MIRRORING_ENDPOINTSLICE_UPDATES_BATCH_PERIOD),
            names: BTreeMap::new(),
            slices: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// A slice has changed: news where this controller has not written it.
    fn slice_changed(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let (meta, is_gone) = (change.new.meta(), change.kind == ChangeKind::Deleted);
        let was_ours = change.old.is_some_and(|old| is_ours(&old.meta().labels));
        if !is_ours(&meta.labels) && !was_ours {
            return;
        }
        let key = service_of(meta);
        if let Some(old) = change.old.map(|old| service_of(old.meta())).filter(|old| *old != key) {
            self.slices.get_mut(&old).map(|slices| slices.remove(&meta.id.slot));
            enqueue(&old, SLICE_DELAY, change.cause, view, queue);
        }
        let slices = self.slices.entry(key.clone()).or_default();
        let seen = if is_ours(&meta.labels) && !is_gone {
            slices.insert(meta.id.slot, meta.resource_version.max(slices.get(&meta.id.slot).copied().unwrap_or(0)))
        } else {
            slices.remove(&meta.id.slot)
        };
        if slices.is_empty() {
            self.slices.remove(&key);
        }
        let is_news = if is_gone { seen.is_some() } else { seen.is_none_or(|seen| seen < meta.resource_version) };
        if is_news || was_ours != is_ours(&meta.labels) {
            enqueue(&key, SLICE_DELAY, change.cause, view, queue);
        }
    }

    /// Whether the cache shows everything that was written, and the slices that it shows.
    ///
    /// # Errors
    /// It does not.
    fn slices_of(&self, key: &(Name, Name), view: &View) -> Result<Vec<Arc<Obj<Untyped>>>, &'static str> {
        let cache = view.caches.others.get(&Kind::EndpointSlice);
        let known = self.slices.get(key).into_iter().flatten();
        let shown = known.map(|(slot, revision)| {
            let slice = cache.and_then(|cache| cache.by_slot(*slot));
            slice.filter(|slice| slice.meta.resource_version >= *revision).cloned()
        });
        shown.collect::<Option<Vec<_>>>().ok_or("EndpointSlice informer cache is out of date")
    }

    fn go_on(&mut self, key: ObjectId, work: Work, plan: &mut Plan) {
        match work.requests.front().cloned() {
            Some(request) => {
                plan.ask(WROTE, request);
                self.running.insert(key, work);
            }
            None if work.errors.is_empty() => {}
            None if work.errors.len() == 1 => plan.fail(work.errors[0].clone()),
            None => plan.fail(ecow::eco_format!("[{}]", work.errors.join(", "))),
        }
    }
}

fn is_ours(labels: &Labels) -> bool {
    labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
}

/// The Service of a slice.
fn service_of(slice: &Meta) -> (Name, Name) {
    (slice.namespace.clone(), slice.labels.get(SERVICE_NAME).cloned().unwrap_or_default())
}

/// Asks for a sync of the Endpoints of a name, where there are any.
fn enqueue(key: &(Name, Name), after: Span, cause: Cause, view: &View, queue: &mut WorkQueue) {
    if let Some(meta) = view.caches.meta_by_name(Kind::Endpoints, &key.0, &key.1) {
        queue.add_after(meta.id, after, cause);
    }
}

/// Whether somebody wants Endpoints mirrored: not those that replicas elect their leader with. Upstream: `shouldMirror`.
fn should_mirror(endpoints: &Meta) -> bool {
    let skips = endpoints.labels.get("endpointslice.kubernetes.io/skip-mirror").is_some_and(|skip| skip == "true");
    !skips && endpoints.annotations.get(LEADER).is_none()
}

/// Whether there is a Service of a name, without a selector.
fn has_plain_service((namespace, name): &(Name, Name), view: &View) -> bool {
    let service = view.caches.others.get(&Kind::Service).and_then(|cache| cache.by_name(namespace, name));
    service.is_some_and(|service| {
        let selector = service.body.fields.get("spec").and_then(|spec| spec.get("selector"));
        selector.and_then(|selector| selector.as_object()).is_none_or(|selector| selector.is_empty())
    })
}

impl Controller for MirroringController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn event_source(&self) -> &'static str {
        "endpoint-slice-mirroring-controller"
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let meta = change.new.meta();
        let key = (meta.namespace.clone(), meta.name.clone());
        match meta.id.kind {
            Kind::Endpoints => {
                // What is not to be mirrored and never was is no news.
                let concerns = |object: &Object| should_mirror(object.meta());
                self.names.insert(meta.id.slot, key);
                if concerns(change.new) || change.old.is_some_and(concerns) {
                    queue.add_after(meta.id, self.batch, change.cause);
                }
            }
            Kind::Service => enqueue(&key, Span::ZERO, change.cause, view, queue),
            Kind::EndpointSlice => self.slice_changed(change, view, queue),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(of) = self.names.get(&key.slot).cloned() else { return };
        let slices = match self.slices_of(&of, view) {
            Ok(slices) => slices,
            Err(why) => return plan.fail(why),
        };
        let endpoints = view.caches.others.get(&Kind::Endpoints).and_then(|cache| cache.get(key));
        if endpoints.is_none() && slices.is_empty() {
            self.names.remove(&key.slot);
            return;
        }
        let endpoints = endpoints.filter(|endpoints| should_mirror(&endpoints.meta) && has_plain_service(&of, view));
        let requests = match endpoints {
            None => slices.iter().map(|slice| deletion(&slice.meta)).collect(),
            Some(endpoints) => {
                let changes = changes(endpoints, &slices, self.max);
                for (reason, message) in changes.skipped {
                    plan.record(endpoints.meta.reference(), EventType::Warning, reason, message);
                }
                // Who deletes the Endpoints deletes their slices as well: none is added meanwhile.
                let create = changes.create.into_iter().filter(|_| !endpoints.meta.is_terminating());
                create
                    .map(Request::Create)
                    .chain(changes.update.into_iter().map(Request::Update))
                    .chain(changes.delete.iter().map(|slice| deletion(&slice.meta)))
                    .collect()
            }
        };
        self.go_on(key, Work { requests, errors: Vec::new() }, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, _: &View, plan: &mut Plan) {
        let (Some(mut work), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) else { return };
        let Some(request) = work.requests.pop_front() else { return };
        let Some(of) = self.names.get(&key.slot).cloned() else { return };
        let failed = |what: &str, error: &crate::event::ApiError| {
            let (namespace, name) = &of;
            ecow::eco_format!("failed to {what} EndpointSlice for Endpoints {namespace}/{name}: {error}")
        };
        match (request, reply) {
            (Request::Create(_) | Request::Update(_), Ok(answer)) => {
                if let Some(meta) = answer.object().map(Object::meta) {
                    let slices = self.slices.entry(of.clone()).or_default();
                    slices.insert(meta.id.slot, meta.resource_version);
                }
            }
            (Request::Delete { target: Target::Id(id), .. }, Ok(_)) => {
                self.slices.get_mut(&of).map(|slices| slices.remove(&id.slot));
            }
            (Request::Delete { .. }, Err(error)) if error.reason == ErrorReason::NotFound => {}
            // Creates go on failing there: the sync is dropped.
            (Request::Create(_), Err(error)) if is_namespace_terminating(error) => return,
            (Request::Create(_), Err(error)) => work.errors.push(failed("create", error)),
            (Request::Update(_), Err(error)) => work.errors.push(failed("update", error)),
            (_, Err(error)) => work.errors.push(failed("delete", error)),
            (_, Ok(_)) => {}
        }
        self.go_on(key, work, plan);
    }

    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::new(BACKOFF, TokenBucket::new(10.0, 100))
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for (key, slices) in &self.slices {
            (key, slices.len()).hash(&mut hasher);
        }
        self.running.len().hash(&mut hasher);
    }
}

fn deletion(slice: &Meta) -> Request {
    Request::Delete { target: Target::Id(slice.id), options: DeleteOptions::default() }
}
