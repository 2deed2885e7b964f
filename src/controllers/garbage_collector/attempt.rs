//! What is tried for one item, question by question. Upstream: `attemptToDeleteItem`, `attemptToOrphanWorker` and
//! `operations.go` of `pkg/controller/garbagecollector`.
//!
//! Each function takes what is known so far and says what to ask [`Next`]. Left out: patches of custom objects go out
//! as one request, where upstream tries a strategic merge patch first and then a merge patch; a finalizer that is
//! dropped in vain is tried again at once, where upstream waits 10 ms, then 50 and 250.

use std::sync::Arc;

use super::GarbageCollector;
use super::graph::{FOREGROUND, Identity, Job, Node, ORPHAN, Wants};
use crate::api::{Kind, Meta, Name, Object, OwnerReference, Uid};
use crate::event::{Answer, DeleteOptions, ErrorReason, MetaEdit, Preconditions, Propagation, Reply, Request, Target};

/// How often the removal of a finalizer is tried. Upstream: `retry.DefaultBackoff`.
const FINALIZER_TRIES: u32 = 4;

/// The question under way for an item.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// A live GET of the item.
    Item(Identity),
    /// A live GET of one of its owners.
    Owner(Classification),
    /// The patch that drops owner references: the last step.
    DropOwners,
    /// The patch after which no owner waits for the item any more; then it is deleted.
    Unblock(Deletion),
    /// The deletion.
    Delete(Deletion),
    /// A live GET after a conflict: did the owners change, or something that does not matter?
    Recheck(Deletion),
    /// The deletion without a revision to insist on: the last step.
    DeleteAgain(Deletion),
    /// A live GET before a finalizer is dropped.
    Finalizer(Finalizer),
    /// The patch that drops it.
    DropFinalizer(Finalizer),
    /// The patches that take an owner away from its dependents.
    Orphan(Identity),
}

/// What follows for an item.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// Ask, and go on with the answer.
    Ask(Stage, Request),
    /// Ask all at once, and go on with the answers.
    Batch(Stage, Vec<Request>),
    /// Ready; a node that is still virtual is looked at again after a back-off.
    Done,
    /// Ready, and not to be looked at again.
    Drop,
    /// To be tried again after a back-off.
    Fail(Name),
}

/// Why a node's object cannot be asked for.
#[derive(Clone, Debug)]
enum Nowhere {
    /// No such kind is known; one may come.
    UnknownKind(Name),
    /// A cluster-scoped object names a namespaced owner, which is wrong for good.
    NoNamespace,
}

impl From<Nowhere> for Next {
    fn from(nowhere: Nowhere) -> Next {
        match nowhere {
            Nowhere::UnknownKind(message) => Next::Fail(message),
            Nowhere::NoNamespace => Next::Drop,
        }
    }
}

/// The owners of an item, as far as they have been looked up.
#[derive(Clone, Debug)]
pub(super) struct Classification {
    item: Identity,
    latest: Latest,
    /// How many owners have been classified.
    looked_up: usize,
    /// Owners that exist.
    solid: usize,
    /// Owners that do not exist.
    dangling: Vec<Uid>,
    /// Owners that wait for the item to be deleted.
    waiting: Vec<Uid>,
}

/// What a live GET has shown of the item.
#[derive(Clone, Debug)]
struct Latest {
    resource_version: u64,
    owners: Arc<[OwnerReference]>,
    /// By the finalizers that the item has.
    propagation: Propagation,
}

/// A deletion to be sent.
#[derive(Clone, Debug)]
pub(super) struct Deletion {
    item: Identity,
    target: Target,
    latest: Latest,
    propagation: Propagation,
}

/// A finalizer to be dropped.
#[derive(Clone, Debug)]
pub(super) struct Finalizer {
    item: Identity,
    target: Target,
    name: &'static str,
    tries: u32,
}

impl GarbageCollector {
    /// Begins a job.
    pub(super) fn start(&mut self, uid: Uid, job: Job) -> Next {
        let Some(node) = self.graph.get(uid) else { return Next::Drop };
        match job {
            Job::Delete => self.start_delete(node),
            Job::Orphan => self.start_orphan(node),
            Job::Report(_) => Next::Drop,
        }
    }

    fn start_delete(&self, node: &Node) -> Next {
        if node.being_deleted && !node.deleting_dependents {
            return Next::Done;
        }
        match self.target(node) {
            Ok(target) => Next::Ask(Stage::Item(node.identity.clone()), Request::Get(target)),
            Err(nowhere) => nowhere.into(),
        }
    }

    fn start_orphan(&self, owner: &Node) -> Next {
        let patches: Vec<Request> = self
            .graph
            .dependents(owner.identity.uid)
            .into_iter()
            .filter_map(|uid| self.graph.get(uid))
            .map(|dependent| drop_owners(Target::Id(dependent.key), dependent.identity.uid, vec![owner.identity.uid]))
            .collect();
        if patches.is_empty() {
            return self.remove_finalizer(&owner.identity, ORPHAN);
        }
        Next::Batch(Stage::Orphan(owner.identity.clone()), patches)
    }

    /// Goes on with the answers to a question.
    pub(super) fn answered(&mut self, stage: Stage, replies: &[Reply], wants: &mut Wants) -> Next {
        if let Stage::Orphan(owner) = stage {
            return self.orphaned(&owner, replies);
        }
        let Some(reply) = replies.first() else { panic!("a question has an answer") };
        match stage {
            Stage::Item(item) => self.item_shown(item, reply, wants),
            Stage::Owner(classification) => self.owner_shown(classification, reply),
            Stage::DropOwners => done_or_fail(reply),
            Stage::Unblock(deletion) => match reply {
                Ok(_) => deletion.send(),
                Err(error) => Next::Fail(error.message.clone()),
            },
            Stage::Delete(deletion) => match reply {
                Err(error) if error.reason == ErrorReason::Conflict => {
                    let get = Request::Get(deletion.target.clone());
                    Next::Ask(Stage::Recheck(deletion), get)
                }
                Ok(_) | Err(_) => self.deleted(&deletion.item, reply, wants),
            },
            Stage::Recheck(deletion) => self.rechecked(deletion, reply, wants),
            Stage::DeleteAgain(deletion) => self.deleted(&deletion.item, reply, wants),
            Stage::Finalizer(finalizer) => finalizer.shown(reply),
            Stage::DropFinalizer(finalizer) => finalizer.dropped(reply),
            Stage::Orphan(_) => panic!("handled above"),
        }
    }

    fn item_shown(&mut self, item: Identity, reply: &Reply, wants: &mut Wants) -> Next {
        let latest = match shown(reply) {
            Ok(object) => object.meta(),
            Err(error) if error.reason == ErrorReason::NotFound => return self.gone(&item, wants),
            Err(error) => return Next::Fail(error.message.clone()),
        };
        if latest.uid != item.uid {
            return self.gone(&item, wants);
        }
        if self.graph.get(item.uid).is_some_and(|node| node.deleting_dependents) {
            return self.process_deleting_dependents(&item, wants);
        }
        if latest.owners.is_empty() {
            return Next::Done;
        }
        self.classify(Classification {
            item,
            latest: Latest::of(latest),
            looked_up: 0,
            solid: 0,
            dangling: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// Looks the next owner up, or decides where all have been. Upstream: `classifyReferences`, `isDangling`.
    fn classify(&mut self, mut known: Classification) -> Next {
        while let Some(owner) = known.latest.owners.get(known.looked_up) {
            let anywhere = Identity::referred(owner, Name::new());
            let here = Identity::referred(owner, known.item.namespace.clone());
            if self.graph.absent.has(&anywhere) || self.graph.absent.has(&here) {
                known.dangling.push(owner.uid);
                known.looked_up += 1;
                continue;
            }
            let Some((kind, namespaced)) = self.resolve(&owner.api_version, &owner.kind) else {
                return Next::Fail(unmapped(&here));
            };
            if namespaced && known.item.namespace.is_empty() {
                return Next::Drop;
            }
            let namespace = if namespaced { here.namespace } else { Name::new() };
            let get = Request::Get(Target::Name(kind, namespace, owner.name.clone()));
            return Next::Ask(Stage::Owner(known), get);
        }
        self.decide(known)
    }

    fn owner_shown(&mut self, mut known: Classification, reply: &Reply) -> Next {
        let Some(owner) = known.latest.owners.get(known.looked_up).cloned() else { return Next::Drop };
        match shown(reply) {
            Ok(object) if object.meta().uid == owner.uid => {
                let meta = object.meta();
                if meta.is_terminating() && meta.has_finalizer(FOREGROUND) {
                    known.waiting.push(owner.uid);
                } else {
                    known.solid += 1;
                }
            }
            Err(error) if error.reason != ErrorReason::NotFound => return Next::Fail(error.message.clone()),
            Ok(_) | Err(_) => {
                let namespaced = self.resolve(&owner.api_version, &owner.kind).is_none_or(|(_, namespaced)| namespaced);
                let namespace = if namespaced { known.item.namespace.clone() } else { Name::new() };
                self.graph.absent.add(Identity::referred(&owner, namespace));
                known.dangling.push(owner.uid);
            }
        }
        known.looked_up += 1;
        self.classify(known)
    }

    fn decide(&self, known: Classification) -> Next {
        let Classification { item, latest, solid, dangling, waiting, .. } = known;
        let target = match self.graph.get(item.uid).map(|node| self.target(node)) {
            Some(Ok(target)) => target,
            Some(Err(nowhere)) => return nowhere.into(),
            None => return Next::Drop,
        };
        if solid > 0 {
            if dangling.is_empty() && waiting.is_empty() {
                return Next::Done;
            }
            let lost = dangling.into_iter().chain(waiting).collect();
            return Next::Ask(Stage::DropOwners, drop_owners(target, item.uid, lost));
        }
        let dependents = self.graph.dependents(item.uid);
        if waiting.is_empty() || dependents.is_empty() {
            let propagation = latest.propagation;
            return Deletion { item, target, latest, propagation }.send();
        }
        // A dependent that waits for its own dependents may be part of a circle: then nobody shall wait for the item.
        let waits = |uid: &Uid| self.graph.get(*uid).is_some_and(|node| node.deleting_dependents);
        let in_circle = dependents.iter().any(waits);
        let deletion = Deletion { item, target, latest, propagation: Propagation::Foreground };
        if in_circle { self.unblock(deletion) } else { deletion.send() }
    }

    fn unblock(&self, deletion: Deletion) -> Next {
        let owners = self.graph.get(deletion.item.uid).map(|node| node.owners.clone()).unwrap_or_default();
        let blocked = owners.iter().filter(|owner| owner.block_owner_deletion == Some(true));
        let edit = MetaEdit { unblock_owners: blocked.map(|owner| owner.uid).collect(), ..MetaEdit::default() };
        let request = Request::PatchMeta {
            target: deletion.target.clone(),
            preconditions: Preconditions { uid: Some(deletion.item.uid), resource_version: None },
            edit: Arc::new(edit),
        };
        Next::Ask(Stage::Unblock(deletion), request)
    }

    fn deleted(&mut self, item: &Identity, reply: &Reply, wants: &mut Wants) -> Next {
        match reply {
            Err(error) if error.reason == ErrorReason::NotFound => self.gone(item, wants),
            Ok(_) | Err(_) => done_or_fail(reply),
        }
    }

    fn rechecked(&mut self, deletion: Deletion, reply: &Reply, wants: &mut Wants) -> Next {
        let live = match shown(reply) {
            Ok(object) => object.meta(),
            Err(error) if error.reason == ErrorReason::NotFound => return self.gone(&deletion.item, wants),
            Err(error) => return Next::Fail(error.message.clone()),
        };
        let same_life = live.uid == deletion.item.uid;
        let changed = live.resource_version != deletion.latest.resource_version;
        if same_life && changed && live.owners == deletion.latest.owners {
            let request = deletion.request(None);
            return Next::Ask(Stage::DeleteAgain(deletion), request);
        }
        Next::Fail(ecow::eco_format!("{} changed while it was being deleted", deletion.item))
    }

    fn process_deleting_dependents(&self, item: &Identity, wants: &mut Wants) -> Next {
        let blocking = self.graph.blocking_dependents(item.uid);
        if blocking.is_empty() {
            return self.remove_finalizer(item, FOREGROUND);
        }
        let idle = |uid: &Uid| self.graph.get(*uid).is_some_and(|node| !node.deleting_dependents);
        wants.extend(blocking.into_iter().filter(idle).map(|uid| (uid, Job::Delete)));
        Next::Done
    }

    fn orphaned(&self, owner: &Identity, replies: &[Reply]) -> Next {
        let error = replies.iter().filter_map(|reply| reply.as_ref().err());
        match error.clone().find(|error| error.reason != ErrorReason::NotFound) {
            Some(error) => Next::Fail(ecow::eco_format!("failed to orphan dependents of owner {owner}: {error}")),
            None => self.remove_finalizer(owner, ORPHAN),
        }
    }

    fn remove_finalizer(&self, item: &Identity, name: &'static str) -> Next {
        match self.graph.get(item.uid).map(|node| self.target(node)) {
            Some(Ok(target)) => Finalizer { item: item.clone(), target, name, tries: 0 }.look(),
            Some(Err(nowhere)) => nowhere.into(),
            None => Next::Drop,
        }
    }

    /// The API server knows no such object.
    fn gone(&mut self, item: &Identity, wants: &mut Wants) -> Next {
        if self.graph.delete_verified(item, wants) {
            return Next::Fail(ecow::eco_format!("{item} not found, its dependents know it by another name"));
        }
        Next::Drop
    }

    /// Where a node's object is found.
    fn target(&self, node: &Node) -> Result<Target, Nowhere> {
        if !node.is_virtual {
            return Ok(Target::Id(node.key));
        }
        let identity = &node.identity;
        let Some((kind, namespaced)) = self.resolve(&identity.api_version, &identity.kind) else {
            return Err(Nowhere::UnknownKind(unmapped(identity)));
        };
        if namespaced && identity.namespace.is_empty() {
            return Err(Nowhere::NoNamespace);
        }
        let namespace = if namespaced { identity.namespace.clone() } else { Name::new() };
        Ok(Target::Name(kind, namespace, identity.name.clone()))
    }

    /// The kind that a reference means, and whether its objects live in namespaces. Custom kinds are known once an
    /// object of theirs has been seen.
    fn resolve(&self, api_version: &Name, kind: &Name) -> Option<(Kind, bool)> {
        if let Some(known) = self.custom_kinds.get(&(api_version.clone(), kind.clone())) {
            return Some(*known);
        }
        // The versions that are served beside the stored one.
        let kind = match Kind::from_gvk(api_version, kind).ok()? {
            Kind::HorizontalPodAutoscalerV1 => Kind::HorizontalPodAutoscaler,
            Kind::EventsV1Event => Kind::Event,
            other => other,
        };
        kind.info().map(|info| (kind, info.namespaced))
    }
}

impl Latest {
    fn of(meta: &Meta) -> Latest {
        let propagation = if meta.has_finalizer(ORPHAN) {
            Propagation::Orphan
        } else if meta.has_finalizer(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        Latest { resource_version: meta.resource_version, owners: meta.owners.clone(), propagation }
    }
}

impl Deletion {
    fn request(&self, resource_version: Option<u64>) -> Request {
        Request::Delete {
            target: self.target.clone(),
            options: DeleteOptions {
                grace_seconds: None,
                propagation: Some(self.propagation),
                preconditions: Preconditions { uid: Some(self.item.uid), resource_version },
            },
        }
    }

    fn send(self) -> Next {
        let request = self.request(Some(self.latest.resource_version));
        Next::Ask(Stage::Delete(self), request)
    }
}

impl Finalizer {
    fn look(self) -> Next {
        let get = Request::Get(self.target.clone());
        Next::Ask(Stage::Finalizer(self), get)
    }

    fn shown(self, reply: &Reply) -> Next {
        let meta = match shown(reply) {
            Ok(object) => object.meta(),
            Err(error) if error.reason == ErrorReason::NotFound => return Next::Done,
            Err(error) => return Next::Fail(error.message.clone()),
        };
        if !meta.has_finalizer(self.name) {
            return Next::Done;
        }
        let edit = MetaEdit { remove_finalizers: vec![self.name.into()], ..MetaEdit::default() };
        let request = Request::PatchMeta {
            target: self.target.clone(),
            preconditions: Preconditions { uid: None, resource_version: Some(meta.resource_version) },
            edit: Arc::new(edit),
        };
        Next::Ask(Stage::DropFinalizer(self), request)
    }

    fn dropped(self, reply: &Reply) -> Next {
        match reply {
            Err(error) if error.reason == ErrorReason::Conflict => {
                let tries = self.tries + 1;
                if tries < FINALIZER_TRIES {
                    return Finalizer { tries, ..self }.look();
                }
                Next::Fail(ecow::eco_format!("{} was in conflict {tries} times", self.item))
            }
            Ok(_) | Err(_) => done_or_fail(reply),
        }
    }
}

fn drop_owners(target: Target, uid: Uid, owners: Vec<Uid>) -> Request {
    Request::PatchMeta {
        target,
        preconditions: Preconditions { uid: Some(uid), resource_version: None },
        edit: Arc::new(MetaEdit { remove_owners: owners, ..MetaEdit::default() }),
    }
}

fn done_or_fail(reply: &Reply) -> Next {
    match reply {
        Ok(_) => Next::Done,
        Err(error) => Next::Fail(error.message.clone()),
    }
}

fn shown(reply: &Reply) -> Result<&Object, &crate::event::ApiError> {
    match reply {
        Ok(Answer::Object(object)) => Ok(object),
        Ok(Answer::Created(_) | Answer::Deleted(_) | Answer::Done | Answer::List { .. }) => {
            panic!("a GET is answered with an object")
        }
        Err(error) => Err(error),
    }
}

fn unmapped(identity: &Identity) -> Name {
    ecow::eco_format!("unable to get REST mapping for {}/{}.", identity.api_version, identity.kind)
}
