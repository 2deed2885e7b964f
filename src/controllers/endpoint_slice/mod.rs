//! The EndpointSlice controller: which pods stand behind each Service, and whether they can be asked.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/endpointslice`, `staging/src/k8s.io/endpointslice`). A change of a pod is work
//! only for the Services that select it, whose pods are remembered.
//!
//! Left out: the annotation `service.kubernetes.io/topology-mode` with its hints by the share of CPUs (hints by
//! `trafficDistribution` are there), the annotation `endpoints.kubernetes.io/last-change-trigger-time`, and the end
//! of retries after the fifteenth. Recent writes are told by revision, not by generation.

mod reconcile;
mod slice;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use reconcile::{Changes, changes};
use slice::{MANAGED_BY, MANAGER, SERVICE_NAME, Slice};

use super::pod_util::is_namespace_terminating;
use super::script::{Run, Script, Stop};
use super::service_view::{Memberships, Service};
use crate::api::{EventType, Kind, Labels, Name, Obj, Object, ObjectId, Pod, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, ItemBackoff, Observed, Outcome, Plan, TokenBucket, View,
    Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind, DeleteOptions, ErrorReason, Request, Target};
use crate::kernel::Span;

/// `--max-endpoints-per-slice`.
pub const MAX_ENDPOINTS_PER_SLICE: Flag = Flag {
    name: "max-endpoints-per-slice",
    default: FlagValue::Int(100),
    doc: "how many endpoints a slice holds, 1 to 1000",
};
/// `--concurrent-service-endpoint-syncs`.
pub const CONCURRENT_SERVICE_ENDPOINT_SYNCS: Flag = Flag {
    name: "concurrent-service-endpoint-syncs",
    default: FlagValue::Int(5),
    doc: "Services that are worked on at a time",
};
/// `--endpointslice-updates-batch-period`.
pub const ENDPOINTSLICE_UPDATES_BATCH_PERIOD: Flag = Flag {
    name: "endpointslice-updates-batch-period",
    default: FlagValue::Span(Span::ZERO),
    doc: "how long changes of pods are gathered before the slices of their Services are written",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "endpointslice-controller",
    doc: "keeps the EndpointSlices of Services with selectors",
    source: "pkg/controller/endpointslice, staging/src/k8s.io/endpointslice",
    watches: Watches::Kinds(&[Kind::Service, Kind::Pod, Kind::Node, Kind::EndpointSlice]),
    workers: &CONCURRENT_SERVICE_ENDPOINT_SYNCS,
    flags: &[&MAX_ENDPOINTS_PER_SLICE, &ENDPOINTSLICE_UPDATES_BATCH_PERIOD],
    build: |flags| Box::new(EndpointSliceController::new(flags)),
};

/// The wait after the first failure of a Service. Upstream: `defaultSyncBackOff`, `maxSyncBackOff`.
const BACKOFF: ItemBackoff = ItemBackoff { base: Span::from_secs(1), max: Span::from_secs(1000) };
/// The wait after somebody else has changed a slice. Upstream: `endpointSliceChangeMinSyncDelay`.
const SLICE_DELAY: Span = Span::from_secs(1);

/// A slice as it was written last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    /// With this revision.
    Revision(u64),
    /// It is to go.
    Deleted,
}

/// The EndpointSlice controller's memory.
#[derive(Clone, Debug)]
pub struct EndpointSliceController {
    max: usize,
    batch: Span,
    members: Memberships,
    /// What it has written of each Service that its cache may not show yet. Upstream: `EndpointSliceTracker`.
    written: BTreeMap<u32, BTreeMap<u32, Written>>,
    /// The slices of each Service, by namespace and name.
    slices: BTreeMap<(Name, Name), BTreeSet<u32>>,
    running: BTreeMap<ObjectId, (Work, Script)>,
}

/// A sync that is under way.
#[derive(Clone, Debug)]
struct Work {
    service: Arc<Service>,
    changes: Vec<Changes>,
}

impl EndpointSliceController {
    fn new(flags: &Flags) -> EndpointSliceController {
        EndpointSliceController {
            max: flags.int(&MAX_ENDPOINTS_PER_SLICE).clamp(1, 1000) as usize,
            batch: flags.span(&ENDPOINTSLICE_UPDATES_BATCH_PERIOD),
            members: Memberships::default(),
            written: BTreeMap::new(),
            slices: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// A Service has changed.
    fn service_changed(&mut self, object: &Obj<Untyped>, is_gone: bool, view: &View) {
        let slot = object.meta.id.slot;
        let before = self.members.get(slot).map(|member| member.service.meta.uid);
        self.members.service_changed(object, is_gone, view);
        if before != self.members.get(slot).map(|member| member.service.meta.uid) {
            self.written.remove(&slot);
        }
    }

    /// A slice has changed: nothing new where this controller has written it.
    fn slice_changed(
        &mut self,
        old: Option<&Obj<Untyped>>,
        slice: &Obj<Untyped>,
        change: Observed,
        view: &View,
        queue: &mut WorkQueue,
    ) {
        let slot = slice.meta.id.slot;
        let is_gone = change.kind == ChangeKind::Deleted;
        let name_of = |labels: &Labels| labels.get(SERVICE_NAME).cloned().unwrap_or_default();
        let is_ours = |labels: &Labels| labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER);
        let key = |object: &Obj<Untyped>| (object.meta.namespace.clone(), name_of(&object.meta.labels));
        let mut enqueue = |object: &Obj<Untyped>, cause: Cause| {
            let (namespace, name) = key(object);
            if let Some(service) = view.caches.meta_by_name(Kind::Service, &namespace, &name) {
                queue.add_after(service.id, SLICE_DELAY.max(self.batch), cause);
            }
        };
        if let Some(old) = old {
            remove_from(&mut self.slices, &key(old), slot);
        }
        if is_ours(&slice.meta.labels) && !is_gone {
            self.slices.entry(key(slice)).or_default().insert(slot);
        }
        let (namespace, name) = key(slice);
        let service = view.caches.meta_by_name(Kind::Service, &namespace, &name).map(|meta| meta.id.slot);
        let known = service.filter(|service| self.members.get(*service).is_some());
        let mut known = known.map(|service| self.written.entry(service).or_default());
        if let Some(old) = old.filter(|old| !is_gone && key(old) != key(slice)) {
            enqueue(slice, change.cause);
            enqueue(old, change.cause);
            return;
        }
        let written = known.as_ref().and_then(|known| known.get(&slot)).copied();
        if is_gone {
            if let Some(known) = &mut known {
                known.remove(&slot);
            }
            if is_ours(&slice.meta.labels) && matches!(written, Some(Written::Revision(_))) {
                enqueue(slice, change.cause);
            }
            return;
        }
        let is_news = match written {
            None => true,
            Some(Written::Revision(revision)) => slice.meta.resource_version > revision,
            Some(Written::Deleted) => false,
        };
        let turned = old.is_some_and(|old| is_ours(&old.meta.labels) != is_ours(&slice.meta.labels));
        if turned || (is_ours(&slice.meta.labels) && is_news) {
            enqueue(slice, change.cause);
        }
    }

    /// The slices of a Service as the cache shows them, but for those that are going.
    fn slices_of(&self, service: &Service, view: &View) -> Vec<Slice> {
        let key = (service.meta.namespace.clone(), service.meta.name.clone());
        let cache = view.caches.others.get(&Kind::EndpointSlice);
        let slots = self.slices.get(&key).into_iter().flatten();
        slots
            .filter_map(|slot| cache?.by_slot(*slot))
            .filter(|slice| !slice.meta.is_terminating())
            .map(|slice| Slice::of(slice))
            .collect()
    }

    fn run(&mut self, key: ObjectId, work: Work, mut script: Script, view: &View, plan: &mut Plan) {
        let mut deleted = Vec::new();
        let mut run = Run::new(&mut script, view.clock, plan);
        let errors = match write(&mut run, &work, &mut deleted) {
            Err(Stop::Asked) => return drop(self.running.insert(key, (work, script))),
            Err(Stop::Failed(error)) => vec![error],
            Err(Stop::NamespaceTerminating) => Vec::new(),
            Ok(errors) => errors,
        };
        if self.members.get(key.slot).is_some() {
            let cache = view.caches.others.get(&Kind::EndpointSlice);
            let still = |slot: &u32| cache.is_some_and(|cache| cache.by_slot(*slot).is_some());
            self.written
                .entry(key.slot)
                .or_default()
                .extend(deleted.into_iter().filter(still).map(|slot| (slot, Written::Deleted)));
        }
        if errors.is_empty() {
            return;
        }
        let error = if errors.len() == 1 { errors[0].clone() } else { ecow::eco_format!("[{}]", errors.join(", ")) };
        let meta = &work.service.meta;
        let message =
            ecow::eco_format!("Error updating Endpoint Slices for Service {}/{}: {error}", meta.namespace, meta.name);
        plan.record(meta.reference(), EventType::Warning, "FailedToUpdateEndpointSlices", message);
        plan.fail(error);
    }
}

fn remove_from(slices: &mut BTreeMap<(Name, Name), BTreeSet<u32>>, key: &(Name, Name), slot: u32) {
    if let Some(of_service) = slices.get_mut(key) {
        of_service.remove(&slot);
        if of_service.is_empty() {
            slices.remove(key);
        }
    }
}

/// Sends what is to be changed, family by family. Gives what went wrong. Upstream: `finalize`.
fn write(run: &mut Run, work: &Work, deleted: &mut Vec<u32>) -> Result<Vec<Name>, Stop> {
    let mut errors = Vec::new();
    for changes in &work.changes {
        errors.extend(changes.skipped.iter().cloned());
        if let Some(error) = write_family(run, &work.service, changes, deleted)? {
            errors.push(error);
        }
    }
    Ok(errors)
}

fn write_family(
    run: &mut Run,
    service: &Service,
    changes: &Changes,
    deleted: &mut Vec<u32>,
) -> Result<Option<Name>, Stop> {
    let of = ecow::eco_format!("EndpointSlice for Service {}/{}", service.meta.namespace, service.meta.name);
    // Who deletes the Service deletes its slices as well: none is added meanwhile.
    for slice in changes.create.iter().filter(|_| !service.meta.is_terminating()) {
        match run.send(Request::Create(slice.object()))? {
            Ok(_) => {}
            Err(error) if is_namespace_terminating(&error) => return Ok(None),
            Err(error) => return Ok(Some(ecow::eco_format!("failed to create {of}: {error}"))),
        }
    }
    for slice in &changes.update {
        if let Err(error) = run.send(Request::Update(slice.object()))? {
            return Ok(Some(ecow::eco_format!("failed to update {} {of}: {error}", slice.meta.name)));
        }
    }
    for slice in &changes.delete {
        let target = Target::Id(slice.meta.id);
        match run.send(Request::Delete { target, options: DeleteOptions::default() })? {
            Ok(_) => deleted.push(slice.meta.id.slot),
            Err(error) if error.reason == ErrorReason::NotFound => {}
            Err(error) => return Ok(Some(ecow::eco_format!("failed to delete {} {of}: {error}", slice.meta.name))),
        }
    }
    Ok(None)
}

impl Controller for EndpointSliceController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn event_source(&self) -> &'static str {
        "endpoint-slice-controller"
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
                let old = change.old.and_then(|old| if let Object::Untyped(old) = old { Some(&**old) } else { None });
                if object.meta.id.kind == Kind::Service {
                    self.service_changed(object, change.kind == ChangeKind::Deleted, view);
                    queue.add(object.meta.id, change.cause);
                } else if object.meta.id.kind == Kind::EndpointSlice {
                    self.slice_changed(old, object, change, view, queue);
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
        let Some(member) = self.members.get(key.slot) else { return };
        let slices = self.slices_of(&member.service, view);
        let is_shown = |(slot, written): (&u32, &Written)| {
            let shown = slices.iter().find(|slice| slice.meta.id.slot == *slot);
            match written {
                Written::Deleted => shown.is_none(),
                Written::Revision(revision) => shown.is_some_and(|slice| slice.meta.resource_version >= *revision),
            }
        };
        if !self.written.get(&key.slot).is_none_or(|written| written.iter().all(is_shown)) {
            return plan.fail("EndpointSlice informer cache is out of date");
        }
        let in_endpoints =
            |pod: &&Arc<Obj<Pod>>| !pod.body.status.phase.is_finished() && pod.body.status.pod_ips.first.is_some();
        let pods = member.pods.iter().filter_map(|slot| view.caches.pods.by_slot(*slot));
        let pods: Vec<Arc<Obj<Pod>>> = pods.filter(in_endpoints).cloned().collect();
        let service = member.service.clone();
        let mut families = service.families();
        families.sort();
        let node = |name: &Name| view.caches.nodes.by_name("", name).map(AsRef::as_ref);
        let (kept, foreign): (Vec<Slice>, Vec<Slice>) =
            slices.into_iter().partition(|slice| slice.family.is_some_and(|family| families.contains(&family)));
        let mut all: Vec<Changes> = families
            .into_iter()
            .map(|family| {
                let existing = kept.iter().filter(|slice| slice.family == Some(family)).cloned().collect();
                changes(&service, &pods, existing, family, self.max, node)
            })
            .collect();
        all.push(Changes { delete: foreign, ..Changes::default() });
        self.run(key, Work { service, changes: all }, Script::new(view.now), view, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let (Some((work, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) else {
            return;
        };
        // A slice that is being deleted is answered as well, where something holds it.
        if self.members.get(key.slot).is_some()
            && let Some(meta) = reply.as_ref().ok().and_then(|answer| answer.object()).map(Object::meta)
            && !meta.is_terminating()
        {
            let written = self.written.entry(key.slot).or_default();
            written.insert(meta.id.slot, Written::Revision(meta.resource_version));
        }
        script.answer(reply.clone(), view.now);
        self.run(key, work, script, view, plan);
    }

    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::new(BACKOFF, TokenBucket::new(10.0, 100))
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for member in self.members.iter() {
            (&member.service.meta.namespace, &member.service.meta.name, member.pods.len()).hash(&mut hasher);
        }
        (self.running.len(), self.slices.len()).hash(&mut hasher);
    }
}
