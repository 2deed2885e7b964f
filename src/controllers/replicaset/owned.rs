//! Which kind a controller of replicas serves, and its objects as ReplicaSets: those of the cache themselves, or
//! ReplicationControllers read as if they were ReplicaSets of an older version.
//! Upstream: `pkg/controller/replication/conversion.go`.
//!
//! A ReplicationController is read once a change, its spec anew only where the spec differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Kind, Meta, Obj, Object, ObjectId, OwnerReference, ReplicaSet, ReplicaSetStatus, Untyped, convert};
use crate::client::{Caches, Observed};
use crate::controllers::pod_util::controller_reference;
use crate::event::ChangeKind;

/// The kind that a controller keeps pods for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owned {
    /// `apps/v1` ReplicaSets.
    ReplicaSets,
    /// `v1` ReplicationControllers.
    ReplicationControllers,
}

impl Owned {
    /// The kind.
    pub(super) fn kind(self) -> Kind {
        match self {
            Owned::ReplicaSets => Kind::ReplicaSet,
            Owned::ReplicationControllers => Kind::ReplicationController,
        }
    }

    /// The name of the kind.
    pub(super) fn name(self) -> &'static str {
        match self {
            Owned::ReplicaSets => "ReplicaSet",
            Owned::ReplicationControllers => "ReplicationController",
        }
    }

    /// The reference by which a pod names its owner.
    pub(super) fn reference(self, owner: &Meta) -> OwnerReference {
        match self {
            Owned::ReplicaSets => controller_reference(owner, "apps/v1", "ReplicaSet"),
            Owned::ReplicationControllers => controller_reference(owner, "v1", "ReplicationController"),
        }
    }

    /// An object of the kind, as the API server answered it, as a ReplicaSet.
    pub(super) fn read(self, object: &Object) -> Option<Arc<Obj<ReplicaSet>>> {
        match (self, object) {
            (Owned::ReplicaSets, Object::ReplicaSet(set)) => Some(set.clone()),
            (Owned::ReplicationControllers, Object::Untyped(controller)) => converted(controller, None),
            _ => None,
        }
    }

    /// What a status update sends. The server takes nothing but the status from it, and the revision.
    pub(super) fn with_status(self, set: &Obj<ReplicaSet>, status: ReplicaSetStatus) -> Object {
        let body = ReplicaSet { status, ..set.body.clone() };
        let set = Obj { meta: set.meta.clone(), body };
        match self {
            Owned::ReplicaSets => set.into_object(),
            Owned::ReplicationControllers => controller_of(&set),
        }
    }
}

/// A ReplicationController, and how it reads as a ReplicaSet.
type Converted = (Arc<Obj<Untyped>>, Arc<Obj<ReplicaSet>>);

/// The owners that a controller serves, as it reads them.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    /// Their kind.
    pub(super) owned: Owned,
    /// ReplicationControllers by number.
    converted: BTreeMap<u32, Converted>,
}

impl Sets {
    /// None are known yet.
    pub(super) fn new(owned: Owned) -> Sets {
        Sets { owned, converted: BTreeMap::new() }
    }

    /// Takes a change of an owner in.
    pub(super) fn observed(&mut self, change: &Observed) {
        let Object::Untyped(object) = change.new else { return };
        let slot = object.meta.id.slot;
        let before = self.converted.remove(&slot);
        if change.kind != ChangeKind::Deleted
            && let Some(set) = converted(object, before.as_ref())
        {
            self.converted.insert(slot, (object.clone(), set));
        }
    }

    /// The owner of an interned key.
    pub(super) fn get<'a>(&'a self, key: ObjectId, caches: &'a Caches) -> Option<&'a Arc<Obj<ReplicaSet>>> {
        match self.owned {
            Owned::ReplicaSets => caches.replica_sets.get(key),
            Owned::ReplicationControllers => self.converted.get(&key.slot).map(|(_, set)| set),
        }
    }

    /// The owner of a name.
    pub(super) fn by_name<'a>(
        &'a self,
        namespace: &str,
        name: &str,
        caches: &'a Caches,
    ) -> Option<&'a Arc<Obj<ReplicaSet>>> {
        match self.owned {
            Owned::ReplicaSets => caches.replica_sets.by_name(namespace, name),
            Owned::ReplicationControllers => {
                let meta = caches.meta_by_name(Kind::ReplicationController, namespace, name)?;
                self.get(meta.id, caches)
            }
        }
    }

    /// The owners of a namespace, by name.
    pub(super) fn in_namespace<'a>(
        &'a self,
        namespace: &'a str,
        caches: &'a Caches,
    ) -> Box<dyn Iterator<Item = &'a Arc<Obj<ReplicaSet>>> + 'a> {
        match self.owned {
            Owned::ReplicaSets => Box::new(caches.replica_sets.in_namespace(namespace)),
            Owned::ReplicationControllers => {
                let cache = caches.others.get(&Kind::ReplicationController).into_iter();
                let objects = cache.flat_map(move |cache| cache.in_namespace(namespace));
                Box::new(objects.filter_map(|object| self.get(object.meta.id, caches)))
            }
        }
    }

    /// The owners that have the same controller as one of them, itself among them; none where it has no controller.
    /// Upstream: `getReplicaSetsWithSameController`.
    pub(super) fn siblings<'a>(
        &'a self,
        set: &'a Obj<ReplicaSet>,
        caches: &'a Caches,
    ) -> Box<dyn Iterator<Item = &'a Arc<Obj<ReplicaSet>>> + 'a> {
        let Some(owner) = set.meta.controller().map(|owner| owner.uid) else { return Box::new(std::iter::empty()) };
        match self.owned {
            Owned::ReplicaSets => {
                let slots = caches.replica_set_owners.owned_by(owner);
                Box::new(slots.filter_map(|slot| caches.replica_sets.by_slot(slot)))
            }
            Owned::ReplicationControllers => {
                let of_owner = move |set: &&Arc<Obj<ReplicaSet>>| {
                    set.meta.controller().is_some_and(|reference| reference.uid == owner)
                };
                Box::new(self.in_namespace(&set.meta.namespace, caches).filter(of_owner))
            }
        }
    }
}

/// A ReplicationController as a ReplicaSet. Nothing where it is none that a server would have stored.
fn converted(object: &Arc<Obj<Untyped>>, before: Option<&Converted>) -> Option<Arc<Obj<ReplicaSet>>> {
    let fields = &object.body.fields;
    let spec = fields.get("spec")?;
    let status = fields.get("status").cloned().unwrap_or(Value::Null);
    let status = convert::replica_set_status(status).ok()?;
    let body = match before.filter(|(written, _)| written.body.fields.get("spec") == Some(spec)) {
        Some((_, set)) => ReplicaSet { status, ..set.body.clone() },
        None => {
            let mut spec = spec.clone();
            let selector = spec.get("selector").cloned().unwrap_or(Value::Null);
            spec.as_object_mut()?.insert("selector".to_owned(), json!({"matchLabels": selector}));
            let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {}, "spec": spec});
            let read = convert::from_json(Kind::ReplicaSet, set).ok()?;
            ReplicaSet { status, ..read.get::<ReplicaSet>()?.body.clone() }
        }
    };
    Some(Arc::new(Obj { meta: object.meta.clone(), body }))
}

/// A ReplicaSet as the ReplicationController that it was read from.
fn controller_of(set: &Obj<ReplicaSet>) -> Object {
    let info = Arc::new(Kind::ReplicationController.info().expect("a built-in kind").clone());
    let mut written = convert::to_json(&set.clone().into_object());
    let mut fields = serde_json::Map::new();
    if let Some(mut spec) = written.get_mut("spec").map(Value::take) {
        let labels = spec.pointer("/selector/matchLabels").cloned();
        if let (Some(spec), Some(labels)) = (spec.as_object_mut(), labels) {
            spec.insert("selector".to_owned(), labels);
        }
        fields.insert("spec".to_owned(), spec);
    }
    if let Some(status) = written.get_mut("status").map(Value::take) {
        fields.insert("status".to_owned(), status);
    }
    Object::Untyped(Arc::new(Obj { meta: set.meta.clone(), body: Untyped { info, fields } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::test_support::replica_set;

    #[test]
    fn a_replication_controller_is_a_replica_set_and_back() {
        let mut set = replica_set("web", 3, "app:ok");
        set.meta.id = ObjectId { kind: Kind::ReplicationController, slot: 4 };
        let status = ReplicaSetStatus { replicas: 2, ready_replicas: 1, ..ReplicaSetStatus::default() };
        let object = Owned::ReplicationControllers.with_status(&set, status.clone());
        let Object::Untyped(written) = &object else { panic!("a ReplicationController is untyped") };
        assert_eq!(written.body.fields["spec"]["selector"], json!({"app": "web"}));
        let read = Owned::ReplicationControllers.read(&object).expect("it can be read");
        assert_eq!((read.body.status.clone(), &read.body.selector.written), (status, &set.body.selector.written));
        assert_eq!((read.body.replicas, &read.meta), (3, &set.meta));
        let again = converted(written, Some(&(written.clone(), read.clone()))).expect("it can be read again");
        assert!(Arc::ptr_eq(&again.body.template, &read.body.template), "the same spec is read once");
        assert!(Owned::ReplicaSets.read(&object).is_none());
    }
}
