//! The toy API server.

use std::sync::Arc;

use super::{HOP, Story, Todo};
use crate::api::{Clock, Deletion, Kind, Meta, Name, Obj, Object, ObjectId, OwnerReference, Uid, convert, merge};
use crate::event::{Answer, ApiError, Cause, Change, ChangeKind, ErrorReason, Input, MetaEdit, Reply, Request, Target};

impl Story {
    /// Answers one request.
    pub(super) fn serve(&mut self, request: Request) -> Reply {
        if let Some(error) = self.refuse.and_then(|refuse| refuse(&request)) {
            return Err(error);
        }
        match request {
            Request::Create(Object::Event(event)) => {
                let about = &event.body.involved;
                let (reason, message) = (&event.body.reason, &event.body.message);
                self.events.push(format!("{}/{} {reason} {message}", about.kind_name(), about.name));
                Ok(Answer::Object(Object::Event(event)))
            }
            Request::PatchEvent { message, .. } => {
                self.events.push(format!("again {message}"));
                Ok(Answer::Done)
            }
            Request::Create(object) => self.create_object(object),
            Request::Update(object) => self.update(object, false),
            Request::UpdateStatus(object) => self.update(object, true),
            Request::PatchStatus(mut object) => {
                object.meta_mut().resource_version = 0;
                self.update(object, true)
            }
            Request::Patch { target, patch, .. } => {
                let object = self.find(&target)?;
                let kind = object.kind().info().expect("a built-in kind").kind.clone();
                let merged = merge::strategic_merge(&kind, &convert::to_json(&object), &patch.body);
                let merged = convert::from_json(object.kind(), merged.expect("a patch that fits"));
                let mut merged = merged.expect("a patch that makes an object");
                merged.meta_mut().id = object.meta().id;
                self.update(merged, false)
            }
            Request::PatchMeta { target, preconditions, edit } => {
                let mut object = self.find(&target)?;
                if preconditions.uid.is_some_and(|uid| uid != object.meta().uid) {
                    return Err(conflict(object.meta()));
                }
                self.note_request("PATCH", object.kind());
                apply(object.meta_mut(), &edit);
                Ok(Answer::Object(self.store(object)))
            }
            Request::Delete { target, options } => self.delete_object(&target, options.grace_seconds),
            Request::Get(target) => Ok(Answer::Object(self.find(&target)?)),
            Request::List { query, .. } => {
                let items = self.objects.values().filter(|object| object.kind() == query.kind).cloned().collect();
                Ok(Answer::List { items, resource_version: self.log.len() as u64 })
            }
            other => panic!("the toy server does not know {other:?}"),
        }
    }

    fn note_request(&mut self, verb: &str, kind: Kind) {
        self.requests.push(format!("{verb} {kind:?}"));
    }

    fn create_object(&mut self, mut object: Object) -> Reply {
        let kind = object.kind();
        self.note_request("POST", kind);
        self.lives += 1;
        let life = self.lives;
        let meta = object.meta_mut();
        if meta.name.is_empty() {
            meta.name = ecow::eco_format!("{}{life:05}", meta.generate_name);
        }
        let next = self.slots.keys().filter(|(of, _, _)| *of == kind).count() as u32;
        let slot = *self.slots.entry((kind, meta.namespace.clone(), meta.name.clone())).or_insert(next);
        meta.id = ObjectId { kind, slot };
        if self.objects.contains_key(&meta.id) {
            let message = ecow::eco_format!("{kind:?} {:?} already exists", meta.name.as_str());
            return Err(ApiError::new(ErrorReason::AlreadyExists, message));
        }
        meta.uid = Uid(xxhash_rust::xxh3::xxh3_128(&life.to_le_bytes()));
        meta.created = Clock::DEFAULT.timestamp(self.now);
        meta.generation = 1;
        let id = meta.id;
        let stored = self.store(object);
        if kind == Kind::Pod {
            self.pod_created(id);
        }
        Ok(Answer::Object(stored))
    }

    fn update(&mut self, object: Object, status: bool) -> Reply {
        self.note_request(if status { "PUT status" } else { "PUT" }, object.kind());
        let stored = self.find(&Target::Id(object.meta().id))?;
        let revision = object.meta().resource_version;
        if revision != 0 && revision != stored.meta().resource_version {
            return Err(conflict(stored.meta()));
        }
        let mut merged = if status { with_status(&stored, &object) } else { with_status(&object, &stored) };
        let meta = merged.meta_mut();
        if status {
            meta.annotations = object.meta().annotations.clone();
        } else if with_status(&stored, &object) != object {
            let spec_changed = strip(&object) != strip(&stored);
            meta.generation = stored.meta().generation + i64::from(spec_changed);
        }
        if merged == stored {
            return Ok(Answer::Object(stored));
        }
        Ok(Answer::Object(self.store(merged)))
    }

    fn delete_object(&mut self, target: &Target, grace: Option<i64>) -> Reply {
        let mut object = self.find(target)?;
        let (kind, id, uid) = (object.kind(), object.meta().id, object.meta().uid);
        self.note_request("DELETE", kind);
        let is_bound = object.get::<crate::api::Pod>().is_some_and(|pod| !pod.body.node_name.is_empty());
        let graceful = is_bound && grace != Some(0);
        if !graceful && object.meta().finalizers.is_empty() {
            self.remove(id);
            return Ok(Answer::Done);
        }
        if object.meta().deletion.is_none() {
            let timestamp = Clock::DEFAULT.timestamp(self.now);
            object.meta_mut().deletion = Some(Deletion { timestamp, grace_seconds: graceful.then_some(30) });
            object = self.store(object);
            if graceful {
                self.post(super::kubelet::FINISH_AFTER, Todo::Finish(id, uid));
            }
        }
        Ok(Answer::Object(object))
    }

    pub(super) fn find(&self, target: &Target) -> Result<Object, ApiError> {
        let found = match target {
            Target::Id(id) => self.objects.get(id),
            Target::Name(kind, namespace, name) => {
                let slot = self.slots.get(&(*kind, namespace.clone(), name.clone()));
                slot.and_then(|slot| self.objects.get(&ObjectId { kind: *kind, slot: *slot }))
            }
        };
        found.cloned().ok_or_else(|| ApiError::new(ErrorReason::NotFound, "not found"))
    }

    /// Puts an object in and tells the watches; an object that waited for its last finalizer goes.
    pub(super) fn store(&mut self, mut object: Object) -> Object {
        let id = object.meta().id;
        let kind = if self.objects.contains_key(&id) { ChangeKind::Modified } else { ChangeKind::Added };
        object.meta_mut().resource_version = self.log.len() as u64 + 1;
        self.objects.insert(id, object.clone());
        self.tell(kind, object.clone());
        let meta = object.meta();
        if meta.deletion.is_some_and(|deletion| deletion.grace_seconds.is_none()) && meta.finalizers.is_empty() {
            self.remove(id);
        }
        object
    }

    pub(super) fn remove(&mut self, id: ObjectId) {
        if let Some(mut object) = self.objects.remove(&id) {
            object.meta_mut().resource_version = self.log.len() as u64 + 1;
            self.tell(ChangeKind::Deleted, object);
        }
    }

    fn tell(&mut self, kind: ChangeKind, object: Object) {
        let of = object.kind();
        let change = Change { kind, object, revision: self.log.len() as u64 + 1, cause: Cause::START };
        self.log.push(change.clone());
        self.last_change = self.now;
        if let Some(informer) = self.watches.get(&of).copied() {
            self.post(HOP, Todo::Hand(Input::Notice { informer, changes: vec![change] }));
        }
        if of == Kind::Pod {
            self.note_pods();
        } else if of == Kind::ReplicaSet {
            self.note_sizes();
        }
    }
}

fn conflict(meta: &Meta) -> ApiError {
    let name = &meta.name;
    ApiError::new(ErrorReason::Conflict, ecow::eco_format!("{name}: the object has been modified"))
}

/// The one object with the status of the other.
fn with_status(object: &Object, status_of: &Object) -> Object {
    match (object, status_of) {
        (Object::Deployment(one), Object::Deployment(other)) => {
            let mut merged = Obj::clone(one);
            merged.body.status = other.body.status.clone();
            merged.into_object()
        }
        (Object::ReplicaSet(one), Object::ReplicaSet(other)) => {
            let mut merged = Obj::clone(one);
            merged.body.status = other.body.status.clone();
            merged.into_object()
        }
        (Object::Node(one), Object::Node(other)) => {
            let mut merged = Obj::clone(one);
            merged.body.status = other.body.status.clone();
            merged.into_object()
        }
        (Object::Pod(one), Object::Pod(other)) => {
            let mut merged = Obj::clone(one);
            merged.body.status = other.body.status.clone();
            merged.into_object()
        }
        (Object::Untyped(one), Object::Untyped(other)) => {
            let mut merged = Obj::clone(one);
            merged.body.fields.remove("status");
            if let Some(status) = other.body.fields.get("status") {
                merged.body.fields.insert("status".to_owned(), status.clone());
            }
            Object::Untyped(Arc::new(merged))
        }
        (one, _) => one.clone(),
    }
}

/// The object without metadata and status: its spec.
fn strip(object: &Object) -> Object {
    let mut object = match object {
        Object::Deployment(deployment) => {
            let mut stripped = Obj::clone(deployment);
            stripped.body.status = Default::default();
            stripped.into_object()
        }
        Object::ReplicaSet(set) => {
            let mut stripped = Obj::clone(set);
            stripped.body.status = Default::default();
            stripped.into_object()
        }
        Object::Untyped(object) => {
            let mut stripped = Obj::clone(object);
            stripped.body.fields.remove("status");
            Object::Untyped(Arc::new(stripped))
        }
        other => other.clone(),
    };
    *object.meta_mut() = Meta::new(Kind::Pod, "", "");
    object
}

fn apply(meta: &mut Meta, edit: &MetaEdit) {
    let gone = |uid: &Uid| edit.remove_owners.contains(uid) || edit.add_owners.iter().any(|owner| owner.uid == *uid);
    let mut owners: Vec<OwnerReference> = meta.owners.iter().filter(|owner| !gone(&owner.uid)).cloned().collect();
    owners.extend(edit.add_owners.iter().cloned());
    for owner in &mut owners {
        if edit.unblock_owners.contains(&owner.uid) {
            owner.block_owner_deletion = Some(false);
        }
    }
    meta.owners = owners.into();
    let kept = meta.finalizers.iter().filter(|finalizer| !edit.remove_finalizers.contains(finalizer));
    let added = edit.add_finalizers.iter().filter(|finalizer| !meta.has_finalizer(finalizer));
    meta.finalizers = kept.chain(added).cloned().collect::<Arc<[Name]>>();
    for (key, value) in edit.set_labels.iter() {
        meta.labels = meta.labels.with(key.clone(), value.clone());
    }
    for (key, value) in edit.set_annotations.iter() {
        meta.annotations = meta.annotations.with(key.clone(), value.clone());
    }
}
