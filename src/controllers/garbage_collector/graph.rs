//! The dependency graph: who depends on whom, by uid. Upstream: `pkg/controller/garbagecollector/graph_builder.go`,
//! `graph.go`.
//!
//! The graph only knows; what is to be tried it tells in [`Wants`]. Left out: kinds that come and go while objects of
//! theirs live (`syncMonitors`), and objects whose stored version changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::absent::AbsentOwners;
use crate::api::{Kind, Meta, Name, Object, ObjectId, OwnerReference, Uid, no_owners};

/// `metav1.FinalizerDeleteDependents`.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// `metav1.FinalizerOrphanDependents`.
pub(super) const ORPHAN: &str = "orphan";

/// How an object is found, and which life of it is meant. The order is upstream's `referenceLessThan`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Identity {
    pub(super) kind: Name,
    pub(super) api_version: Name,
    pub(super) namespace: Name,
    pub(super) name: Name,
    pub(super) uid: Uid,
}

impl Identity {
    /// What an observed object is.
    pub(super) fn of(object: &Object) -> Identity {
        let meta = object.meta();
        let (kind, api_version) = match (object, meta.id.kind.info()) {
            (Object::Untyped(untyped), None) => {
                (untyped.body.info.kind.as_ref().into(), untyped.body.info.api_version().into())
            }
            (_, Some(info)) => (info.kind.as_ref().into(), info.api_version().into()),
            (_, None) => panic!("an object of a custom kind carries the description of its kind"),
        };
        Identity { kind, api_version, namespace: meta.namespace.clone(), name: meta.name.clone(), uid: meta.uid }
    }

    /// What a reference means, seen from a namespace.
    pub(super) fn referred(owner: &OwnerReference, namespace: Name) -> Identity {
        Identity {
            kind: owner.kind.clone(),
            api_version: owner.api_version.clone(),
            namespace,
            name: owner.name.clone(),
            uid: owner.uid,
        }
    }

    /// Whether a reference names this object in all it says. Upstream: `ownerReferenceMatchesCoordinates`.
    fn is_named_by(&self, owner: &OwnerReference) -> bool {
        self.uid == owner.uid
            && self.name == owner.name
            && self.kind == owner.kind
            && self.api_version == owner.api_version
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Identity { kind, api_version, namespace, name, uid } = self;
        write!(f, "[{api_version}/{kind}, namespace: {namespace}, name: {name}, uid: {uid}]")
    }
}

/// One object, or an owner that nobody has observed yet.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// How it is found.
    pub(super) identity: Identity,
    /// The key that work on it is queued under: its own, or for a virtual node that of the first dependent.
    pub(super) key: ObjectId,
    /// Its `ownerReferences` as last observed, shared with the object.
    pub(super) owners: Arc<[OwnerReference]>,
    /// The uids of those that name it as an owner.
    pub(super) dependents: imbl::OrdSet<Uid>,
    /// It has a `deletionTimestamp`.
    pub(super) being_deleted: bool,
    /// It waits for its dependents to be deleted.
    pub(super) deleting_dependents: bool,
    /// Known from references alone.
    pub(super) is_virtual: bool,
}

impl Node {
    fn blocks(&self, owner: Uid) -> bool {
        self.owners.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }
}

/// What is to be done about a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Job {
    /// An Event says that the dependent names an owner (this one) of another namespace.
    Report(Uid),
    /// Upstream's queue `attemptToOrphan`.
    Orphan,
    /// Upstream's queue `attemptToDelete`.
    Delete,
}

/// What a change of the graph makes worth trying, in order.
pub(super) type Wants = Vec<(Uid, Job)>;

/// The graph, and the owners known to be absent.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    nodes: imbl::OrdMap<Uid, Node>,
    /// Owners known not to exist.
    pub(super) absent: AbsentOwners,
}

impl Graph {
    /// An empty graph. Upstream remembers 500 absent owners.
    pub(super) fn new() -> Graph {
        Graph { nodes: imbl::OrdMap::new(), absent: AbsentOwners::new(500) }
    }

    /// The node of a uid.
    pub(super) fn get(&self, uid: Uid) -> Option<&Node> {
        self.nodes.get(&uid)
    }

    /// The nodes that no informer has shown.
    pub(super) fn virtual_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.is_virtual)
    }

    /// The uids of the dependents of a node, in the order of their keys.
    pub(super) fn dependents(&self, owner: Uid) -> Vec<Uid> {
        self.get(owner).map(|node| self.in_order(&node.dependents)).unwrap_or_default()
    }

    /// The dependents that foreground deletion of the owner waits for, in the order of their keys.
    pub(super) fn blocking_dependents(&self, owner: Uid) -> Vec<Uid> {
        let blocks = |uid: &Uid| self.get(*uid).is_some_and(|node| node.blocks(owner));
        self.dependents(owner).into_iter().filter(blocks).collect()
    }

    /// Uids are drawn by chance: what follows shall not depend on their order.
    fn in_order(&self, uids: &imbl::OrdSet<Uid>) -> Vec<Uid> {
        let mut keyed: Vec<(ObjectId, Uid)> =
            uids.iter().filter_map(|uid| self.get(*uid).map(|node| (node.key, *uid))).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, uid)| uid).collect()
    }

    /// Takes in an object that was added or modified. `old` is what the informer's cache held before.
    pub(super) fn put(&mut self, old: Option<&Object>, new: &Object, wants: &mut Wants) {
        let meta = new.meta();
        match self.nodes.get(&meta.uid) {
            None => {
                let node = Node {
                    identity: Identity::of(new),
                    key: meta.id,
                    owners: meta.owners.clone(),
                    dependents: imbl::OrdSet::new(),
                    being_deleted: meta.is_terminating(),
                    deleting_dependents: meta.is_terminating() && meta.has_finalizer(FOREGROUND),
                    is_virtual: false,
                };
                self.nodes.insert(meta.uid, node);
                self.link(meta.uid, &meta.owners, wants);
            }
            Some(node) => {
                let (is_virtual, same_owners) = (node.is_virtual, Arc::ptr_eq(&node.owners, &meta.owners));
                if is_virtual {
                    self.observe_virtual(new, wants);
                }
                if !same_owners {
                    self.change_owners(meta, wants);
                }
                if meta.is_terminating()
                    && let Some(node) = self.nodes.get_mut(&meta.uid)
                {
                    node.being_deleted = true;
                }
            }
        }
        self.transitions(old.map(Object::meta), meta, wants);
    }

    /// An owner that was known from references alone has been observed.
    fn observe_virtual(&mut self, new: &Object, wants: &mut Wants) {
        let observed = Identity::of(new);
        let Some(node) = self.nodes.get_mut(&observed.uid) else { return };
        node.is_virtual = false;
        node.key = new.meta().id;
        if node.identity == observed {
            return;
        }
        node.identity = observed.clone();
        let (_, doubtful) = self.partition(observed.uid, &observed);
        for dependent in doubtful {
            let elsewhere = self.get(dependent).is_some_and(|node| node.identity.namespace != observed.namespace);
            if !observed.namespace.is_empty() && elsewhere {
                wants.push((dependent, Job::Report(observed.uid)));
            }
            wants.push((dependent, Job::Delete));
        }
    }

    fn change_owners(&mut self, meta: &Meta, wants: &mut Wants) {
        let Some(node) = self.nodes.get_mut(&meta.uid) else { return };
        let before = std::mem::replace(&mut node.owners, meta.owners.clone());
        let added: Vec<OwnerReference> =
            meta.owners.iter().filter(|new| !before.iter().any(|old| old.uid == new.uid)).cloned().collect();
        for old in before.iter() {
            let new = meta.owners.iter().find(|new| new.uid == old.uid);
            let still_blocked = new.is_some_and(|new| new.block_owner_deletion == Some(true));
            if old.block_owner_deletion == Some(true) && !still_blocked && self.get(old.uid).is_some() {
                wants.push((old.uid, Job::Delete));
            }
        }
        self.link(meta.uid, &added, wants);
        for old in before.iter().filter(|old| !meta.owners.iter().any(|new| new.uid == old.uid)) {
            self.unlink(meta.uid, old.uid);
        }
    }

    /// Adds a node to the dependents of its owners; owners that are not there become virtual nodes.
    /// Upstream: `addDependentToOwners`.
    fn link(&mut self, uid: Uid, owners: &[OwnerReference], wants: &mut Wants) {
        let Some(node) = self.get(uid) else { return };
        let (namespace, key) = (node.identity.namespace.clone(), node.key);
        let mut doubtful = false;
        for owner in owners {
            let Some(node) = self.nodes.get_mut(&owner.uid) else {
                let node = Node {
                    identity: Identity::referred(owner, namespace.clone()),
                    key,
                    owners: no_owners(),
                    dependents: imbl::OrdSet::unit(uid),
                    being_deleted: false,
                    deleting_dependents: false,
                    is_virtual: true,
                };
                self.nodes.insert(owner.uid, node);
                wants.push((owner.uid, Job::Delete));
                continue;
            };
            node.dependents.insert(uid);
            if doubtful {
                continue;
            }
            let elsewhere = node.identity.namespace != namespace;
            if !node.identity.namespace.is_empty() && elsewhere {
                if !node.is_virtual {
                    wants.push((uid, Job::Report(owner.uid)));
                }
                doubtful = true;
            } else {
                // A cluster-scoped owner nobody has seen may be a namespaced one that a cluster-scoped object names.
                doubtful = !node.identity.is_named_by(owner) || (elsewhere && node.is_virtual);
            }
        }
        if doubtful {
            wants.push((uid, Job::Delete));
        }
    }

    fn unlink(&mut self, dependent: Uid, owner: Uid) {
        if let Some(node) = self.nodes.get_mut(&owner) {
            node.dependents.remove(&dependent);
        }
    }

    /// Upstream: `processTransitions`.
    fn transitions(&mut self, old: Option<&Meta>, new: &Meta, wants: &mut Wants) {
        let starts = |finalizer: &str| {
            let waits = |meta: &Meta| meta.is_terminating() && meta.has_finalizer(finalizer);
            waits(new) && !old.is_some_and(waits)
        };
        if starts(ORPHAN) {
            wants.push((new.uid, Job::Orphan));
        } else if starts(FOREGROUND) {
            if let Some(node) = self.nodes.get_mut(&new.uid) {
                node.deleting_dependents = true;
            }
            wants.extend(self.dependents(new.uid).into_iter().map(|uid| (uid, Job::Delete)));
            wants.push((new.uid, Job::Delete));
        }
    }

    /// Takes in that an object is gone.
    pub(super) fn delete(&mut self, object: &Object, wants: &mut Wants) {
        let uid = object.meta().uid;
        if let Some(node) = self.nodes.get(&uid) {
            let identity = if node.is_virtual { Identity::of(object) } else { node.identity.clone() };
            self.remove(uid, identity, wants);
        }
    }

    fn remove(&mut self, uid: Uid, identity: Identity, wants: &mut Wants) {
        let dependents = self.dependents(uid);
        let Some(node) = self.nodes.remove(&uid) else { return };
        for owner in node.owners.iter() {
            self.unlink(uid, owner.uid);
        }
        if !dependents.is_empty() {
            self.absent.add(identity);
        }
        wants.extend(dependents.into_iter().map(|dependent| (dependent, Job::Delete)));
        for owner in node.owners.iter() {
            // Perhaps this was the last dependent that the owner waits for.
            if self.get(owner.uid).is_some_and(|node| node.deleting_dependents) {
                wants.push((owner.uid, Job::Delete));
            }
        }
    }

    /// Takes in that the API server knows no such object, as a live GET has shown. Returns whether the node lives on
    /// under another name that has to be tried after a back-off. Upstream: `enqueueVirtualDeleteEvent`, and what
    /// `processGraphChanges` does about it.
    #[must_use]
    pub(super) fn delete_verified(&mut self, gone: &Identity, wants: &mut Wants) -> bool {
        let Some(node) = self.nodes.get(&gone.uid) else { return false };
        let (is_virtual, agrees) = (node.is_virtual, node.identity == *gone);
        let (matching, others) = self.partition(gone.uid, gone);
        let stays = if is_virtual { !others.is_empty() } else { !agrees };
        if !stays {
            self.remove(gone.uid, gone.clone(), wants);
            return false;
        }
        if !matching.is_empty() {
            self.absent.add(gone.clone());
            wants.extend(matching.into_iter().map(|dependent| (dependent, Job::Delete)));
        }
        if !(is_virtual && agrees) {
            return false;
        }
        match (self.alternate(&others, gone), self.nodes.get_mut(&gone.uid)) {
            (Some(alternate), Some(node)) => {
                node.identity = alternate;
                true
            }
            (None, _) | (_, None) => false,
        }
    }

    /// The dependents of a node whose references fit an identity, and those that have references which do not; one may
    /// be among both. Upstream: `partitionDependents`.
    fn partition(&self, owner: Uid, identity: &Identity) -> (Vec<Uid>, Vec<Uid>) {
        let (mut matching, mut others) = (Vec::new(), Vec::new());
        for uid in self.dependents(owner) {
            let Some(node) = self.get(uid) else { continue };
            if !identity.namespace.is_empty() && identity.namespace != node.identity.namespace {
                others.push(uid);
                continue;
            }
            let mut references = node.owners.iter().filter(|reference| reference.uid == identity.uid);
            if references.clone().any(|reference| identity.is_named_by(reference)) {
                matching.push(uid);
            }
            if references.any(|reference| !identity.is_named_by(reference)) {
                others.push(uid);
            }
        }
        (matching, others)
    }

    /// Another name under which these dependents know the owner: the first after the absent one, or the first.
    /// Upstream: `getAlternateOwnerIdentity`.
    fn alternate(&self, dependents: &[Uid], absent: &Identity) -> Option<Identity> {
        let is_cluster_scoped = absent.namespace.is_empty();
        let mut names = BTreeSet::new();
        for node in dependents.iter().filter_map(|uid| self.get(*uid)) {
            for reference in node.owners.iter().filter(|reference| reference.uid == absent.uid) {
                let mut name = Identity::referred(reference, node.identity.namespace.clone());
                if is_cluster_scoped && name.kind == absent.kind && name.api_version == absent.api_version {
                    name.namespace = Name::new();
                }
                names.insert(name);
            }
        }
        names.remove(absent);
        names.range(absent.clone()..).next().or_else(|| names.first()).cloned()
    }

    /// Kinds whose objects the graph does not hold. Upstream: `ignoredResources`.
    pub(super) fn ignores(kind: Kind) -> bool {
        matches!(kind, Kind::Event | Kind::EventsV1Event)
    }
}
