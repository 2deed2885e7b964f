//! The Deployment controller: replaces pods by those of a new template, step by step, with a way back.
//! Upstream: `pkg/controller/deployment`.
//!
//! Left out: the deprecated rollback annotation of `extensions/v1beta1`; metrics.

pub mod revision;
pub mod rolling;
pub mod status;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

pub use revision::{Rollback, revision as revision_of, rollback_template};

use super::pod_util::selects;
use super::replicaset::TERMINATING_REPLICAS;
use super::script::{Run, Script, Stop};
use crate::api::{Deployment, DeploymentStrategy, Kind, Meta, Obj, ObjectId, OwnerReference, Pod, ReplicaSet};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind};
use sync::{Flow, Snapshot};

/// How often a failing Deployment is tried again before it is left until something changes. Upstream: `maxRetries`.
const MAX_RETRIES: u32 = 15;

/// `--concurrent-deployment-syncs`.
pub const CONCURRENT_DEPLOYMENT_SYNCS: Flag = Flag {
    name: "concurrent-deployment-syncs",
    default: FlagValue::Int(5),
    doc: "Deployments that are synced at the same time",
};

/// The line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "deployment-controller",
    doc: "rolls a Deployment's pods over to its template through ReplicaSets; leaves out the old rollback annotation",
    source: "pkg/controller/deployment",
    watches: Watches::Kinds(&[Kind::Deployment, Kind::ReplicaSet, Kind::Pod]),
    workers: &CONCURRENT_DEPLOYMENT_SYNCS,
    flags: &[&TERMINATING_REPLICAS],
    build,
};

fn build(flags: &Flags) -> Box<dyn Controller> {
    Box::new(DeploymentController {
        count_terminating: flags.bool(&TERMINATING_REPLICAS),
        syncs: BTreeMap::new(),
        failures: BTreeMap::new(),
    })
}

/// The controller and its memory.
#[derive(Clone, Debug)]
struct DeploymentController {
    count_terminating: bool,
    /// Syncs that wait for an answer.
    syncs: BTreeMap<ObjectId, (Snapshot, Script)>,
    /// How often each Deployment has failed in a row.
    failures: BTreeMap<ObjectId, u32>,
}

impl Controller for DeploymentController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if let Some(pod) = change.new.get::<Pod>() {
            if change.kind == ChangeKind::Deleted {
                pod_deleted(pod, change.cause, view, queue);
            }
        } else if let Some(set) = change.new.get::<ReplicaSet>() {
            if !change.resync {
                set_observed(change, set, view, queue);
            }
        } else if change.new.kind() == Kind::Deployment {
            queue.add(change.new.meta().id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        match view.caches.deployments.get(key) {
            Some(deployment) => {
                let snapshot = Snapshot::new(deployment.clone(), view.caches);
                self.run(key, snapshot, Script::new(view.now), view, plan);
            }
            None => {
                self.failures.remove(&key);
            }
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        let (snapshot, mut script) = self.syncs.remove(&key).expect("an answer belongs to a sync under way");
        script.answer(outcome.replies[0].clone(), view.now);
        self.run(key, snapshot, script, view, plan);
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn Hasher) {
        for key in self.syncs.keys() {
            hasher.write_u32(key.slot);
        }
        for (key, failures) in &self.failures {
            hasher.write_u32(key.slot);
            hasher.write_u32(*failures);
        }
    }
}

impl DeploymentController {
    /// Runs a sync up to the next question or its end.
    fn run(&mut self, key: ObjectId, snapshot: Snapshot, mut script: Script, view: &View, plan: &mut Plan) {
        let result = Flow {
            deployment: Obj::clone(&snapshot.deployment),
            snapshot: &snapshot,
            run: Run::new(&mut script, view.clock, plan),
            caches: view.caches,
            count_terminating: self.count_terminating,
        }
        .sync();
        match result {
            Err(Stop::Asked) => {
                self.syncs.insert(key, (snapshot, script));
            }
            Ok(()) | Err(Stop::NamespaceTerminating) => {
                self.failures.remove(&key);
            }
            Err(Stop::Failed(message)) => {
                let failures = self.failures.entry(key).or_default();
                if *failures < MAX_RETRIES {
                    *failures += 1;
                    plan.fail(message);
                } else {
                    self.failures.remove(&key);
                }
            }
        }
    }
}

/// Upstream: `addReplicaSet`, `updateReplicaSet`, `deleteReplicaSet`.
fn set_observed(change: Observed, set: &Arc<Obj<ReplicaSet>>, view: &View, queue: &mut WorkQueue) {
    let old = change.old.and_then(|old| old.get::<ReplicaSet>());
    let (before, after) = (old.and_then(|old| old.meta.controller()), set.meta.controller());
    let modified = change.kind == ChangeKind::Modified;
    if modified
        && before != after
        && let Some(deployment) = before.and_then(|reference| resolve(&set.meta, reference, view))
    {
        queue.add(deployment.meta.id, change.cause);
    }
    if let Some(reference) = after {
        if let Some(deployment) = resolve(&set.meta, reference, view) {
            queue.add(deployment.meta.id, change.cause);
        }
        return;
    }
    let relabelled = old.is_some_and(|old| old.meta.labels != set.meta.labels);
    let adoptable = match change.kind {
        ChangeKind::Added => !set.meta.is_terminating(),
        ChangeKind::Modified => before != after || relabelled,
        ChangeKind::Deleted => false,
    };
    if !adoptable || set.meta.labels.is_empty() {
        return;
    }
    for deployment in view.caches.deployments.in_namespace(&set.meta.namespace) {
        let selector = &deployment.body.selector;
        if !selector.parsed.is_everything() && selects(selector, &set.meta.labels) {
            queue.add(deployment.meta.id, change.cause);
        }
    }
}

/// Asks for a sync of a Deployment with `Recreate` whose last pod is gone. Upstream: `deletePod`.
fn pod_deleted(pod: &Arc<Obj<Pod>>, cause: Cause, view: &View, queue: &mut WorkQueue) {
    let caches = view.caches;
    let Some(owner) = pod.meta.controller().filter(|owner| owner.kind == "ReplicaSet") else { return };
    let Some(set) = caches.replica_sets.by_name(&pod.meta.namespace, &owner.name) else { return };
    if set.meta.uid != owner.uid {
        return;
    }
    let Some(deployment) = set.meta.controller().and_then(|owner| resolve(&set.meta, owner, view)) else { return };
    if deployment.body.strategy != DeploymentStrategy::Recreate {
        return;
    }
    let selector = &deployment.body.selector;
    let sets = caches.replica_set_owners.owned_by(deployment.meta.uid);
    let mut uids = sets
        .filter_map(|slot| caches.replica_sets.by_slot(slot))
        .filter(|set| selects(selector, &set.meta.labels))
        .map(|set| set.meta.uid);
    let has_pod = |uid| caches.pods_of(uid).any(|pod| selects(selector, &pod.meta.labels));
    if !uids.any(has_pod) {
        queue.add(deployment.meta.id, cause);
    }
}

/// The Deployment that a reference means, if it is one and still the same life. Upstream: `resolveControllerRef`.
fn resolve<'a>(of: &Meta, reference: &OwnerReference, view: &View<'a>) -> Option<&'a Arc<Obj<Deployment>>> {
    if reference.kind != "Deployment" {
        return None;
    }
    let deployment = view.caches.deployments.by_name(&of.namespace, &reference.name)?;
    (deployment.meta.uid == reference.uid).then_some(deployment)
}
