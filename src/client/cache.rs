//! Caches: a part's own, possibly stale, copy of the objects of a kind, with the indexes that its controllers need.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{
    Deployment, Kind, Lease, Meta, Name, Namespace, Node, Obj, Object, ObjectId, Pod, ReplicaSet, Uid, Untyped,
};
use crate::event::{Change, ChangeKind};
use crate::kernel::Chunks;

/// The objects of one type that an informer has seen, by interned key.
#[derive(Clone, Debug)]
pub struct Cache<T> {
    items: Chunks<Arc<Obj<T>>>,
    names: imbl::OrdMap<(Name, Name), u32>,
}

impl<T> Default for Cache<T> {
    fn default() -> Cache<T> {
        Cache { items: Chunks::default(), names: imbl::OrdMap::new() }
    }
}

impl<T> Cache<T> {
    /// The object of an interned key.
    pub fn get(&self, id: ObjectId) -> Option<&Arc<Obj<T>>> {
        self.items.get(id.slot)
    }

    /// The object of a name.
    pub fn by_name(&self, namespace: &str, name: &str) -> Option<&Arc<Obj<T>>> {
        self.items.get(*self.names.get(&(Name::from(namespace), Name::from(name)))?)
    }

    /// The object of a number within the kind.
    pub fn by_slot(&self, slot: u32) -> Option<&Arc<Obj<T>>> {
        self.items.get(slot)
    }

    /// All objects, in the order in which their names were first seen by the API server.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Obj<T>>> {
        self.items.iter()
    }

    /// The objects of a namespace, by name.
    pub fn in_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Obj<T>>> + 'a {
        self.names
            .range((Name::from(namespace), Name::new())..)
            .take_while(move |((of, _), _)| of == namespace)
            .filter_map(|(_, slot)| self.items.get(*slot))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts an object in and returns what it replaces.
    pub fn insert(&mut self, object: Arc<Obj<T>>) -> Option<Arc<Obj<T>>> {
        let slot = object.meta.id.slot;
        let key = (object.meta.namespace.clone(), object.meta.name.clone());
        let before = self.items.set(slot, object);
        if before.is_none() {
            self.names.insert(key, slot);
        }
        before
    }

    /// Takes an object out.
    pub fn remove(&mut self, meta: &Meta) -> Option<Arc<Obj<T>>> {
        let before = self.items.take(meta.id.slot);
        if before.is_some() {
            self.names.remove(&(meta.namespace.clone(), meta.name.clone()));
        }
        before
    }
}

/// The dependents of each controller, and the orphans of each namespace.
/// Upstream: `controller.PodControllerIndex` (`FilterPodsByOwner`).
#[derive(Clone, Debug, Default)]
pub struct OwnerIndex {
    by_owner: imbl::OrdMap<Uid, imbl::OrdSet<u32>>,
    orphans: imbl::OrdMap<Name, imbl::OrdSet<u32>>,
}

impl OwnerIndex {
    fn add(&mut self, meta: &Meta) {
        match meta.controller() {
            Some(owner) => self.by_owner.entry(owner.uid).or_default().insert(meta.id.slot),
            None => self.orphans.entry(meta.namespace.clone()).or_default().insert(meta.id.slot),
        };
    }

    fn remove(&mut self, meta: &Meta) {
        match meta.controller() {
            Some(owner) => {
                if let Some(slots) = self.by_owner.get_mut(&owner.uid) {
                    slots.remove(&meta.id.slot);
                    if slots.is_empty() {
                        self.by_owner.remove(&owner.uid);
                    }
                }
            }
            None => {
                if let Some(slots) = self.orphans.get_mut(&meta.namespace) {
                    slots.remove(&meta.id.slot);
                    if slots.is_empty() {
                        self.orphans.remove(&meta.namespace);
                    }
                }
            }
        }
    }

    /// Takes one change in, of an object that was like `before`.
    pub fn changed(&mut self, before: Option<&Meta>, after: &Meta, is_gone: bool) {
        let owner = |meta: &Meta| meta.controller().map(|owner| owner.uid);
        if !is_gone && before.is_some_and(|before| owner(before) == owner(after)) {
            return;
        }
        if let Some(before) = before {
            self.remove(before);
        }
        if !is_gone {
            self.add(after);
        }
    }

    /// The numbers of the objects whose controller has this uid, rising.
    pub fn owned_by(&self, owner: Uid) -> impl Iterator<Item = u32> + '_ {
        self.by_owner.get(&owner).into_iter().flat_map(|slots| slots.iter().copied())
    }

    /// The numbers of the objects of a namespace that have no controller, rising.
    pub fn orphans_in(&self, namespace: &Name) -> impl Iterator<Item = u32> + '_ {
        self.orphans.get(namespace).into_iter().flat_map(|slots| slots.iter().copied())
    }
}

/// The pods of each node. Upstream: the indexer `spec.nodeName`.
#[derive(Clone, Debug, Default)]
pub struct NodeIndex(imbl::OrdMap<Name, imbl::OrdSet<u32>>);

impl NodeIndex {
    fn add(&mut self, pod: &Obj<Pod>) {
        if !pod.body.node_name.is_empty() {
            self.0.entry(pod.body.node_name.clone()).or_default().insert(pod.meta.id.slot);
        }
    }

    fn remove(&mut self, pod: &Obj<Pod>) {
        if let Some(slots) = self.0.get_mut(&pod.body.node_name) {
            slots.remove(&pod.meta.id.slot);
            if slots.is_empty() {
                self.0.remove(&pod.body.node_name);
            }
        }
    }

    /// The numbers of the pods of a node, rising.
    pub fn on(&self, node: &Name) -> impl Iterator<Item = u32> + '_ {
        self.0.get(node).into_iter().flat_map(|slots| slots.iter().copied())
    }
}

/// The caches that the controllers of one process share.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    /// Pods.
    pub pods: Cache<Pod>,
    /// Pods by controller.
    pub pod_owners: OwnerIndex,
    /// Pods by node.
    pub pod_nodes: NodeIndex,
    /// Nodes.
    pub nodes: Cache<Node>,
    /// Namespaces.
    pub namespaces: Cache<Namespace>,
    /// Deployments.
    pub deployments: Cache<Deployment>,
    /// ReplicaSets.
    pub replica_sets: Cache<ReplicaSet>,
    /// ReplicaSets by controller.
    pub replica_set_owners: OwnerIndex,
    /// Leases.
    pub leases: Cache<Lease>,
    /// All other kinds that an informer was opened for.
    pub others: BTreeMap<Kind, Cache<Untyped>>,
}

impl Caches {
    /// Takes one change in and returns what was there before.
    pub fn apply(&mut self, change: &Change) -> Option<Object> {
        let deleted = change.kind == ChangeKind::Deleted;
        match &change.object {
            Object::Pod(pod) => {
                let before = put(&mut self.pods, pod, deleted);
                reindex(&mut self.pod_owners, before.as_deref(), pod, deleted);
                let moved = |before: &Obj<Pod>| deleted || before.body.node_name != pod.body.node_name;
                if let Some(before) = before.as_deref().filter(|before| moved(before)) {
                    self.pod_nodes.remove(before);
                }
                if !deleted && before.as_deref().is_none_or(moved) {
                    self.pod_nodes.add(pod);
                }
                before.map(Object::Pod)
            }
            Object::ReplicaSet(set) => {
                let before = put(&mut self.replica_sets, set, deleted);
                reindex(&mut self.replica_set_owners, before.as_deref(), set, deleted);
                before.map(Object::ReplicaSet)
            }
            Object::Node(node) => put(&mut self.nodes, node, deleted).map(Object::Node),
            Object::Namespace(namespace) => put(&mut self.namespaces, namespace, deleted).map(Object::Namespace),
            Object::Deployment(deployment) => put(&mut self.deployments, deployment, deleted).map(Object::Deployment),
            Object::Lease(lease) => put(&mut self.leases, lease, deleted).map(Object::Lease),
            Object::Untyped(object) => {
                let cache = self.others.entry(object.meta.id.kind).or_default();
                put(cache, object, deleted).map(Object::Untyped)
            }
            // No controller reads Events.
            Object::Event(_) => None,
        }
    }

    /// The metadata of an object of a kind that is cached, by name.
    pub fn meta_by_name(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Meta> {
        fn meta<T>(object: &Arc<Obj<T>>) -> &Meta {
            &object.meta
        }
        match kind {
            Kind::Pod => self.pods.by_name(namespace, name).map(meta),
            Kind::ReplicaSet => self.replica_sets.by_name(namespace, name).map(meta),
            Kind::Deployment => self.deployments.by_name(namespace, name).map(meta),
            Kind::Node => self.nodes.by_name(namespace, name).map(meta),
            Kind::Namespace => self.namespaces.by_name(namespace, name).map(meta),
            Kind::Lease => self.leases.by_name(namespace, name).map(meta),
            other => self.others.get(&other)?.by_name(namespace, name).map(meta),
        }
    }

    /// The pods whose controller has this uid.
    pub fn pods_of(&self, owner: Uid) -> impl Iterator<Item = &Arc<Obj<Pod>>> + '_ {
        self.pod_owners.owned_by(owner).filter_map(|slot| self.pods.by_slot(slot))
    }

    /// The pods that are bound to a node.
    pub fn pods_on<'a>(&'a self, node: &'a Name) -> impl Iterator<Item = &'a Arc<Obj<Pod>>> + 'a {
        self.pod_nodes.on(node).filter_map(|slot| self.pods.by_slot(slot))
    }

    /// The pods of a namespace that have no controller.
    pub fn orphan_pods<'a>(&'a self, namespace: &'a Name) -> impl Iterator<Item = &'a Arc<Obj<Pod>>> + 'a {
        self.pod_owners.orphans_in(namespace).filter_map(|slot| self.pods.by_slot(slot))
    }
}

fn put<T>(cache: &mut Cache<T>, object: &Arc<Obj<T>>, deleted: bool) -> Option<Arc<Obj<T>>> {
    if deleted { cache.remove(&object.meta) } else { cache.insert(object.clone()) }
}

fn reindex<T>(index: &mut OwnerIndex, before: Option<&Obj<T>>, after: &Obj<T>, deleted: bool) {
    index.changed(before.map(|before| &before.meta), &after.meta, deleted);
}
