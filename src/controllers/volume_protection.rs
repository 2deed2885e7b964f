//! Claims that pods use and volumes that are bound are not deleted before nobody needs them: the finalizers
//! `kubernetes.io/pvc-protection` and `kubernetes.io/pv-protection` go only then.
//! Upstream: `pkg/controller/volume/pvcprotection`, `pkg/controller/volume/pvprotection`.
//!
//! Before it lets go of a claim upstream lists the pods of the namespace anew, in case its cache lags; so it is here, for
//! all pods at once. The server adds the finalizers on creation; that an object without one gets it is left out.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use super::claim_users::{ClaimUsers, claims_of};
use super::persistent_volume::objects::text;
use super::script::{Run, Script, Stop};
use crate::api::{Kind, Meta, Name, Obj, Object, ObjectId, Pod, Selector};
use crate::client::{Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue};
use crate::event::{Answer, ChangeKind, Filter, ListAt, MetaEdit, Preconditions, Query, Request, Target};

/// How many claims or volumes are worked on at a time. Upstream: one.
pub const PROTECTION_WORKERS: Flag = Flag {
    name: "volume-protection-workers",
    default: FlagValue::Int(1),
    doc: "claims or volumes in deletion that are worked on at a time; one upstream",
};

/// Of claims.
pub static OF_CLAIMS: ControllerEntry = ControllerEntry {
    name: "persistentvolumeclaim-protection-controller",
    doc: "lets go of claims in deletion once no pod uses them",
    source: "pkg/controller/volume/pvcprotection",
    watches: Watches::Kinds(&[Kind::PersistentVolumeClaim, Kind::Pod]),
    workers: &PROTECTION_WORKERS,
    flags: &[],
    build: |_| Box::new(Protection::of(Kind::PersistentVolumeClaim)),
};

/// Of volumes.
pub static OF_VOLUMES: ControllerEntry = ControllerEntry {
    name: "persistentvolume-protection-controller",
    doc: "lets go of volumes in deletion once they are not bound",
    source: "pkg/controller/volume/pvprotection",
    watches: Watches::Kinds(&[Kind::PersistentVolume]),
    workers: &PROTECTION_WORKERS,
    flags: &[],
    build: |_| Box::new(Protection::of(Kind::PersistentVolume)),
};

/// Either controller's memory.
#[derive(Clone, Debug)]
struct Protection {
    kind: Kind,
    users: ClaimUsers,
    running: BTreeMap<ObjectId, (Meta, Script)>,
}

impl Protection {
    fn of(kind: Kind) -> Protection {
        Protection { kind, users: ClaimUsers::default(), running: BTreeMap::new() }
    }

    fn finalizer(&self) -> &'static str {
        match self.kind {
            Kind::PersistentVolume => "kubernetes.io/pv-protection",
            _ => "kubernetes.io/pvc-protection",
        }
    }

    fn run(&mut self, meta: Meta, mut script: Script, view: &View, plan: &mut Plan) {
        let mut run = Run::new(&mut script, view.clock, plan);
        match let_go(&mut run, &meta, self.kind, self.finalizer()) {
            Err(Stop::Asked) => drop(self.running.insert(meta.id, (meta, script))),
            Err(Stop::Failed(why)) => plan.fail(why),
            Err(Stop::NamespaceTerminating) | Ok(()) => {}
        }
    }
}

fn let_go(run: &mut Run, meta: &Meta, kind: Kind, finalizer: &str) -> Result<(), Stop> {
    if kind == Kind::PersistentVolumeClaim {
        let namespace = Some(meta.namespace.clone());
        let query = Query { kind: Kind::Pod, namespace, labels: Selector::everything(), filter: Filter::All };
        let Answer::List { items, .. } = run.send(Request::List { query, at: ListAt::Quorum })?? else {
            return Err(Stop::Failed("the server did not answer with a list".into()));
        };
        if items.iter().filter_map(|item| item.get::<Pod>()).any(|pod| uses(pod, &meta.name)) {
            return Ok(());
        }
    }
    let edit = MetaEdit { remove_finalizers: vec![finalizer.into()], ..MetaEdit::default() };
    let preconditions = Preconditions { uid: Some(meta.uid), resource_version: Some(meta.resource_version) };
    run.send(Request::PatchMeta { target: Target::Id(meta.id), preconditions, edit: Arc::new(edit) })??;
    Ok(())
}

/// A pod that has ended uses its claims as long as it is there; one without a node does not. Upstream: `podUsesPVC`.
fn uses(pod: &Obj<Pod>, claim: &Name) -> bool {
    !pod.body.node_name.is_empty() && claims_of(pod).any(|name| name == *claim)
}

impl Controller for Protection {
    fn entry(&self) -> &'static ControllerEntry {
        if self.kind == Kind::PersistentVolume { &OF_VOLUMES } else { &OF_CLAIMS }
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let is_gone = change.kind == ChangeKind::Deleted;
        match change.new {
            Object::Pod(pod) => {
                for (namespace, name) in self.users.observe(pod, is_gone) {
                    let claim = view.caches.meta_by_name(Kind::PersistentVolumeClaim, &namespace, &name);
                    if let Some(claim) = claim.filter(|claim| claim.is_terminating()) {
                        queue.add(claim.id, change.cause);
                    }
                }
            }
            Object::Untyped(stored)
                if stored.meta.id.kind == self.kind
                    && !is_gone
                    && stored.meta.is_terminating()
                    && stored.meta.has_finalizer(self.finalizer()) =>
            {
                queue.add(stored.meta.id, change.cause);
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(stored) = view.caches.others.get(&self.kind).and_then(|cache| cache.get(key)) else { return };
        let meta = &stored.meta;
        let is_used = match self.kind {
            Kind::PersistentVolume => text(stored, &["status", "phase"]) == "Bound",
            _ => {
                let pods = self.users.of(&meta.namespace, &meta.name);
                pods.filter_map(|slot| view.caches.pods.by_slot(slot)).any(|pod| uses(pod, &meta.name))
            }
        };
        if meta.is_terminating() && meta.has_finalizer(self.finalizer()) && !is_used {
            self.run(meta.clone(), Script::new(view.now), view, plan);
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        if let (Some((meta, mut script)), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            script.answer(reply.clone(), view.now);
            self.run(meta, script, view, plan);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        self.running.len().hash(&mut hasher);
    }
}
