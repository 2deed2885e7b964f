//! The namespace controller: empties namespaces that are being deleted, then lets go of them.
//!
//! Follows `pkg/controller/namespace` of Kubernetes 1.34: pods first (`OrderedNamespaceDeletion`), then all other kinds.
//! Upstream goes through these kinds one by one; here all deletions go out together, then all lists. Left out:
//! discovery and its failures, kinds without `deletecollection`, and custom kinds, which the controller cannot know.

mod conditions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use conditions::Findings;

use crate::api::{Kind, KindInfo, Name, Namespace, Obj, Object, ObjectId, Selector};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, ItemBackoff, Observed, Outcome, Plan, TokenBucket, View, Watches,
    WorkQueue,
};
use crate::event::{
    Answer, ApiError, ChangeKind, DeleteOptions, ErrorReason, Filter, ListAt, Preconditions, Propagation, Query, Reply,
    Request, Target,
};
use crate::kernel::Span;

/// `--concurrent-namespace-syncs`.
pub const CONCURRENT_NAMESPACE_SYNCS: Flag = Flag {
    name: "concurrent-namespace-syncs",
    default: FlagValue::Int(10),
    doc: "namespaces that are emptied at a time",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "namespace-controller",
    doc: "deletes all that is in a namespace that is being deleted, and lets go of the namespace when it is empty",
    source: "pkg/controller/namespace",
    watches: Watches::Kinds(&[Kind::Namespace]),
    workers: &CONCURRENT_NAMESPACE_SYNCS,
    flags: &[],
    build: |_| Box::new(NamespaceController { running: BTreeMap::new(), content: content_kinds().collect() }),
};

/// How long a namespace rests before it is looked at, so that all API servers know of its deletion.
/// Upstream: `namespaceDeletionGracePeriod`.
const DELETION_GRACE_PERIOD: Span = Span::from_secs(5);
/// How long finalizers are expected to take. Upstream: `finalizerEstimateSeconds`.
const FINALIZER_ESTIMATE_SECONDS: i64 = 15;
/// The finalizer that this controller takes out of `spec.finalizers`.
const FINALIZER: &str = "kubernetes";

// Labels of the plan's steps, in the order in which they are taken.
const SHOWN: u32 = 0;
const MARKED: u32 = 1;
const PODS_ESTIMATED: u32 = 2;
const PODS_DELETED: u32 = 3;
const PODS_LEFT: u32 = 4;
const OTHERS_DELETED: u32 = 5;
const OTHERS_LEFT: u32 = 6;
const CONDITIONS_SET: u32 = 7;
const FINALIZED: u32 = 8;
const SHOWN_AGAIN: u32 = 9;

/// The namespace controller's memory.
#[derive(Clone, Debug)]
pub struct NamespaceController {
    running: BTreeMap<ObjectId, Work>,
    /// The kinds whose objects live in namespaces.
    content: Arc<[Kind]>,
}

/// How far one attempt to empty a namespace has come.
#[derive(Clone, Debug)]
struct Work {
    namespace: Arc<Obj<Namespace>>,
    /// How long the pods may still take, in seconds.
    pods_estimate: i64,
    /// How long all that is left may still take, in seconds.
    estimate: i64,
    /// The kinds whose objects live in namespaces.
    content: Arc<[Kind]>,
    /// The kinds that the batch under way is about.
    kinds: Vec<Kind>,
    findings: Findings,
}

impl Work {
    fn new(namespace: Arc<Obj<Namespace>>, content: Arc<[Kind]>) -> Work {
        Work { namespace, content, pods_estimate: 0, estimate: 0, kinds: Vec::new(), findings: Findings::default() }
    }

    fn query(&self, kind: Kind) -> Query {
        let namespace = Some(self.namespace.meta.name.clone());
        Query { kind, namespace, labels: Selector::everything(), filter: Filter::All }
    }

    fn list(&self, kind: Kind) -> Request {
        Request::List { query: self.query(kind), at: ListAt::Quorum }
    }

    fn delete_all(&self, kind: Kind) -> Request {
        let options = DeleteOptions {
            grace_seconds: None,
            propagation: Some(Propagation::Background),
            preconditions: Preconditions::default(),
        };
        Request::DeleteCollection { query: self.query(kind), options }
    }

    /// The longest grace period of the pods that have not finished, unless it has passed since the namespace was
    /// deleted. Upstream: `estimateGracefulTermination`.
    fn estimate_pods(&mut self, reply: &Reply, view: &View) -> Result<(), ApiError> {
        let pods = listed(reply)?.iter().filter_map(|object| match object {
            Object::Pod(pod) if !pod.body.status.phase.is_finished() => Some(pod.body.spec.grace_seconds),
            _ => None,
        });
        let longest = pods.max().unwrap_or(0).max(0);
        let deleted =
            self.namespace.meta.deletion.map_or(0, |deletion| view.timestamp().seconds_since(deletion.timestamp));
        self.pods_estimate = if deleted >= longest { 0 } else { longest };
        Ok(())
    }

    /// Counts what is left of a kind after its deletion. Upstream: the second half of
    /// `deleteAllContentForGroupVersionResource`.
    fn count(&mut self, kind: Kind, reply: &Reply) {
        let estimate = if kind == Kind::Pod { self.pods_estimate } else { 0 };
        let left = match listed(reply) {
            Ok(items) => items,
            Err(error) => {
                self.estimate = self.estimate.max(estimate);
                if !is_unsupported(&error) {
                    self.findings.errors.push(error.message);
                }
                return;
            }
        };
        if left.is_empty() {
            return;
        }
        self.findings.remaining.insert(kind, left.len());
        let finalizers = left.iter().flat_map(|object| object.meta().finalizers.iter());
        let mut waits = false;
        for finalizer in finalizers {
            *self.findings.finalizers.entry(finalizer.clone()).or_default() += 1;
            waits = true;
        }
        if estimate == 0 && !waits {
            self.findings.errors.push(unexpected(&self.namespace.meta.name, kind));
        }
        let estimate = if estimate == 0 && waits { FINALIZER_ESTIMATE_SECONDS } else { estimate };
        self.estimate = self.estimate.max(estimate);
    }

    /// Asks for the deletion of all kinds but pods.
    fn delete_others(&mut self, plan: &mut Plan) {
        self.kinds = self.content.iter().copied().filter(|kind| *kind != Kind::Pod).collect();
        plan.batch(OTHERS_DELETED, self.kinds.iter().map(|kind| self.delete_all(*kind)).collect());
    }

    /// Notes what could not be deleted, and asks what is left of the other kinds.
    fn others_deleted(&mut self, replies: &[Reply], view: &View, plan: &mut Plan) {
        let kinds = std::mem::take(&mut self.kinds);
        for (kind, reply) in kinds.into_iter().zip(replies) {
            match reply {
                Err(error) if !is_unsupported(error) => self.findings.errors.push(error.message.clone()),
                Ok(_) | Err(_) => self.kinds.push(kind),
            }
        }
        if self.kinds.is_empty() {
            return self.set_conditions(view, plan);
        }
        plan.batch(OTHERS_LEFT, self.kinds.iter().map(|kind| self.list(*kind)).collect());
    }

    /// Says in the namespace's status what was found.
    fn set_conditions(&mut self, view: &View, plan: &mut Plan) {
        let namespace = Arc::make_mut(&mut self.namespace);
        if conditions::update(&mut namespace.body.conditions, &self.findings, view.timestamp()) {
            plan.ask(CONDITIONS_SET, Request::UpdateStatus(Object::Namespace(self.namespace.clone())));
        } else {
            self.finish(plan);
        }
    }

    /// Lets go of the namespace, or says when to look again.
    fn finish(&self, plan: &mut Plan) {
        if let Some(error) = self.findings.errors.first() {
            plan.fail(ecow::eco_format!("deletion of namespace {} failed: {error}", self.namespace.meta.name));
        } else if self.estimate > 0 {
            plan.requeue_after(Span::from_secs(self.estimate as u64 / 2 + 1));
        } else {
            self.finalize(plan);
        }
    }

    fn finalize(&self, plan: &mut Plan) {
        let mut namespace = (*self.namespace).clone();
        let mut finalizers: Vec<Name> =
            namespace.body.finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).cloned().collect();
        finalizers.sort();
        finalizers.dedup();
        namespace.body.finalizers = finalizers.into();
        plan.ask(FINALIZED, Request::FinalizeNamespace(namespace.into_object()));
    }
}

impl NamespaceController {
    /// The namespace as it is now. Upstream: the first half of `Delete`.
    fn shown(&mut self, key: ObjectId, reply: &Reply, plan: &mut Plan) {
        let namespace = match reply {
            Ok(answer) => answer.object().and_then(|object| object.get::<Namespace>()),
            Err(error) if error.reason == ErrorReason::NotFound => None,
            Err(error) => return plan.fail(error.message.clone()),
        };
        let Some(namespace) = namespace.filter(|namespace| namespace.meta.is_terminating()) else { return };
        if !namespace.body.terminating {
            let mut marked = (**namespace).clone();
            marked.body.terminating = true;
            return plan.ask(MARKED, Request::UpdateStatus(marked.into_object()));
        }
        if namespace.body.finalizers.is_empty() {
            return;
        }
        let work = Work::new(namespace.clone(), self.content.clone());
        plan.ask(PODS_ESTIMATED, work.list(Kind::Pod));
        self.running.insert(key, work);
    }

    /// The answer to the request that says `Terminating`.
    fn marked(&mut self, key: ObjectId, reply: &Reply, plan: &mut Plan) {
        match reply {
            Err(error) if error.reason == ErrorReason::Conflict => plan.ask(SHOWN, Request::Get(Target::Id(key))),
            Ok(_) | Err(_) => self.shown(key, reply, plan),
        }
    }

    /// The answer to the request that lets go. Upstream: `retryOnConflictError(finalizeNamespace)`.
    fn finalized(&mut self, key: ObjectId, work: Work, reply: &Reply, plan: &mut Plan) {
        match reply {
            Err(error) if error.reason == ErrorReason::Conflict => {
                plan.ask(SHOWN_AGAIN, Request::Get(Target::Id(key)));
                self.running.insert(key, work);
            }
            Err(error) if error.reason != ErrorReason::NotFound => plan.fail(error.message.clone()),
            Ok(_) | Err(_) => {}
        }
    }

    fn shown_again(&mut self, key: ObjectId, mut work: Work, reply: &Reply, plan: &mut Plan) {
        match reply {
            Ok(answer) => match answer.object().and_then(|object| object.get::<Namespace>()) {
                Some(namespace) if namespace.meta.uid == work.namespace.meta.uid => {
                    work.namespace = namespace.clone();
                    work.finalize(plan);
                    self.running.insert(key, work);
                }
                Some(_) | None => plan.fail("namespace uid has changed across retries"),
            },
            Err(error) if error.reason == ErrorReason::NotFound => {}
            Err(error) => plan.fail(error.message.clone()),
        }
    }

    /// The steps from the first list of pods to the conditions.
    fn content(&mut self, key: ObjectId, mut work: Work, outcome: Outcome, view: &View, plan: &mut Plan) {
        let first = outcome.replies.first();
        match (outcome.label, first) {
            (PODS_ESTIMATED, Some(reply)) => match work.estimate_pods(reply, view) {
                Ok(()) => plan.ask(PODS_DELETED, work.delete_all(Kind::Pod)),
                Err(error) => {
                    work.findings.errors.push(error.message);
                    work.delete_others(plan);
                }
            },
            (PODS_DELETED, Some(Err(error))) if !is_unsupported(error) => {
                work.estimate = work.pods_estimate;
                work.findings.errors.push(error.message.clone());
                work.delete_others(plan);
            }
            (PODS_DELETED, _) => plan.ask(PODS_LEFT, work.list(Kind::Pod)),
            (PODS_LEFT, Some(reply)) => {
                work.count(Kind::Pod, reply);
                if work.findings.remaining.is_empty() {
                    work.delete_others(plan);
                } else {
                    work.set_conditions(view, plan);
                }
            }
            (OTHERS_DELETED, _) => work.others_deleted(outcome.replies, view, plan),
            (OTHERS_LEFT, _) => {
                for (kind, reply) in std::mem::take(&mut work.kinds).into_iter().zip(outcome.replies) {
                    work.count(kind, reply);
                }
                work.set_conditions(view, plan);
            }
            // Whatever came of the conditions: upstream logs and goes on.
            (CONDITIONS_SET, _) => work.finish(plan),
            (label, _) => panic!("the namespace controller knows no step {label}"),
        }
        self.running.insert(key, work);
    }
}

impl Controller for NamespaceController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn discover(&mut self, custom: &[(Kind, Arc<KindInfo>)]) {
        let custom = custom.iter().filter(|(_, info)| info.namespaced).map(|(kind, _)| *kind);
        self.content = self.content.iter().copied().chain(custom).collect();
    }

    fn observe(&mut self, change: Observed, _view: &View, queue: &mut WorkQueue) {
        if change.kind != ChangeKind::Deleted && change.new.meta().is_terminating() {
            queue.add_after(change.new.meta().id, DELETION_GRACE_PERIOD, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        self.running.remove(&key);
        if view.caches.namespaces.get(key).is_some() {
            plan.ask(SHOWN, Request::Get(Target::Id(key)));
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let work = self.running.remove(&key);
        let Some(reply) = outcome.replies.first() else { return };
        match (outcome.label, work) {
            (SHOWN, _) => self.shown(key, reply, plan),
            (MARKED, _) => self.marked(key, reply, plan),
            (FINALIZED, Some(work)) => self.finalized(key, work, reply, plan),
            (SHOWN_AGAIN, Some(work)) => self.shown_again(key, work, reply, plan),
            (_, Some(work)) => self.content(key, work, outcome, view, plan),
            (_, None) => {}
        }
        if plan.is_empty() {
            self.running.remove(&key);
        }
    }

    /// Emptying a namespace takes many requests. Upstream: `nsKubeconfig.QPS *= 20; Burst *= 100`.
    fn client_factors(&self) -> (f64, u64) {
        (20.0, 100)
    }

    /// Upstream: `nsControllerRateLimiter`, which never waits longer than a minute.
    fn empty_queue(&self) -> WorkQueue {
        let backoff = ItemBackoff { base: Span::from_millis(5), max: Span::from_secs(60) };
        WorkQueue::new(backoff, TokenBucket::new(10.0, 100))
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for (key, work) in &self.running {
            (key, work.pods_estimate, work.estimate, &work.kinds, &work.findings.errors).hash(&mut hasher);
        }
    }
}

/// The kinds whose objects live in namespaces, each in the one version that is stored.
fn content_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL
        .iter()
        .copied()
        .filter(|kind| !matches!(kind, Kind::HorizontalPodAutoscalerV1 | Kind::EventsV1Event))
        .filter(|kind| kind.info().is_some_and(|info| info.namespaced))
}

fn listed(reply: &Reply) -> Result<&[Object], ApiError> {
    match reply {
        Ok(Answer::List { items, .. }) => Ok(items),
        Ok(Answer::Object(_) | Answer::Created(_) | Answer::Deleted(_) | Answer::Done) => {
            panic!("a list is answered with a list")
        }
        Err(error) => Err(error.clone()),
    }
}

/// Upstream takes these two errors for a kind that has no such request.
fn is_unsupported(error: &ApiError) -> bool {
    matches!(error.reason, ErrorReason::NotFound | ErrorReason::MethodNotAllowed)
}

fn unexpected(namespace: &Name, kind: Kind) -> Name {
    let resource = kind
        .info()
        .map_or_else(String::new, |info| format!("{}/{}, Resource={}", info.group, info.version, info.plural));
    ecow::eco_format!("unexpected items still remain in namespace: {namespace} for gvr: {resource}")
}
