//! Changing objects. Upstream: `generic/registry/store.go` and the strategies' `PrepareForUpdate`.

use std::sync::Arc;

use super::admission::admit_update;
use super::bodies::{adopt_status, has_generation, keep_status, wish_differs};
use super::patch::no_scale;
use super::{Context, MODIFIED, Store, conflict, template_generation};
use crate::api::{
    Kind, KindInfo, Meta, Name, Object, ObjectId, OwnerReference, Timestamp, Uid, convert, no_finalizers,
};
use crate::event::{ApiError, ChangeKind, ErrorCause, ErrorReason, MetaEdit, Preconditions, Target};

impl Store {
    pub(super) fn update(&mut self, new: Object, context: &Context) -> Result<Object, ApiError> {
        let stored = self.live(&target_of(&new))?;
        self.check_versions(&stored, new.meta())?;
        self.check_custom_version(&new, context)?;
        let new = self.conform(new);
        let mut next = keep_status(&stored, self.patched_by_webhooks(new)?);
        self.own_changed(&stored, &mut next, "", context);
        template_generation::count(&stored, &mut next);
        keep_identity(&stored, &mut next, stored.meta().generation);
        let services = self.services_now(stored.kind());
        let next = admit_update(self.update_service(next, &stored)?, &self.settings.disabled_plugins, context);
        let checked = self.check_update(&next, &stored, context);
        checked.inspect_err(|_| self.restore_services(services))?;
        self.replace(stored, |_| next, context)
    }

    /// Validation, limits and quota of an update.
    fn check_update(&mut self, next: &Object, stored: &Object, context: &Context) -> Result<(), ApiError> {
        self.validate_update(next, stored, context)?;
        if next.kind() == Kind::PersistentVolumeClaim {
            self.check_growth(next, stored)?;
            self.check_limits(next)?;
        }
        self.charge_update(next, stored, context)
    }

    pub(super) fn update_status(&mut self, new: Object, context: &Context) -> Result<Object, ApiError> {
        let stored = self.live(&target_of(&new))?;
        if !self.info(stored.kind()).has_status(stored.kind()) {
            return Err(ApiError::new(ErrorReason::NotFound, "the server could not find the requested resource"));
        }
        self.check_versions(&stored, new.meta())?;
        let new = self.conform(new);
        let new = self.patched_by_webhooks(new)?;
        let mut next = adopt_status(&stored, &new);
        self.judge_custom_status(&next)?;
        // Upstream resets the spec alone; only a Deployment keeps its labels as well.
        let (labels, annotations) = (&new.meta().labels, &new.meta().annotations);
        if *labels != stored.meta().labels && stored.kind() != Kind::Deployment {
            next.meta_mut().labels = labels.clone();
        }
        if *annotations != stored.meta().annotations {
            next.meta_mut().annotations = annotations.clone();
        }
        if self.has_settled_owners() {
            next.meta_mut().rest = new.meta().rest.clone();
        }
        self.own_changed(&stored, &mut next, "status", context);
        self.replace(stored, |_| next, context)
    }

    /// A status patch without a revision: the last writer wins, but for conditions of other writers, which stay.
    pub(super) fn patch_status(&mut self, new: &Object, context: &Context) -> Result<Object, ApiError> {
        let stored = self.live(&target_of(new))?;
        self.check_uid(&stored, new.meta())?;
        self.replace(
            stored,
            |stored| {
                let mut next = adopt_status(stored, new);
                super::growth::keep_attached(stored, &mut next);
                if let (Object::Pod(stored), Object::Pod(next)) = (stored, &mut next) {
                    let kept = stored.body.status.conditions.iter();
                    let missing: Vec<_> = kept.filter(|c| next.body.condition(c.kind).is_none()).cloned().collect();
                    if !missing.is_empty() {
                        Arc::make_mut(next).body.status.conditions.extend(missing);
                    }
                }
                next
            },
            context,
        )
    }

    pub(super) fn patch_meta(
        &mut self,
        target: &Target,
        preconditions: Preconditions,
        edit: &MetaEdit,
        context: &Context,
    ) -> Result<Object, ApiError> {
        let stored = self.live(target)?;
        self.check_preconditions(&stored, preconditions)?;
        self.replace(
            stored,
            |stored| {
                let mut next = stored.clone();
                edit_meta(next.meta_mut(), edit);
                next
            },
            context,
        )
    }

    pub(super) fn patch_event(
        &mut self,
        target: &Target,
        count: u32,
        last: Timestamp,
        message: Name,
        context: &Context,
    ) -> Result<Object, ApiError> {
        let stored = self.live(target)?;
        self.replace(
            stored,
            |stored| {
                let mut next = stored.clone();
                if let Object::Event(event) = &mut next {
                    let body = &mut Arc::make_mut(event).body;
                    body.count = count;
                    body.last = last;
                    body.message = message;
                }
                next
            },
            context,
        )
    }

    pub(super) fn scale(
        &mut self,
        target: &Target,
        preconditions: Preconditions,
        replicas: i32,
        context: &Context,
    ) -> Result<Object, ApiError> {
        let stored = self.live(target)?;
        if convert::scale_of(&stored).is_none() {
            return Err(no_scale());
        }
        self.check_preconditions(&stored, preconditions)?;
        if replicas < 0 {
            let message = format!(
                "Scale.autoscaling {:?} is invalid: spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0",
                stored.meta().name
            );
            let mut refusal = ApiError::new(ErrorReason::Invalid, message);
            refusal.causes.push(ErrorCause {
                reason: "FieldValueInvalid".into(),
                message: ecow::eco_format!("Invalid value: {replicas}: must be greater than or equal to 0"),
                field: "spec.replicas".into(),
            });
            return Err(refusal);
        }
        let Some(next) = convert::with_replicas(&stored, replicas) else {
            return Err(no_scale());
        };
        self.replace(stored, |_| next, context)
    }

    pub(super) fn finalize_namespace(&mut self, new: &Object, context: &Context) -> Result<Object, ApiError> {
        let stored = self.live(&target_of(new))?;
        self.check_versions(&stored, new.meta())?;
        self.replace(
            stored,
            |stored| {
                let mut next = stored.clone();
                if let Object::Namespace(namespace) = &mut next {
                    Arc::make_mut(namespace).body.finalizers = no_finalizers();
                }
                next
            },
            context,
        )
    }

    /// Replaces a stored object by what `change` makes of it: nothing where nothing differs, a deletion where the last
    /// finalizer of a terminating object went, else a new revision.
    pub(super) fn replace(
        &mut self,
        stored: Object,
        change: impl FnOnce(&Object) -> Object,
        context: &Context,
    ) -> Result<Object, ApiError> {
        let mut next = self.in_stored_version(change(&stored));
        let generation = has_generation(stored.kind()) && wish_differs(&stored, &next);
        keep_identity(&stored, &mut next, stored.meta().generation + i64::from(generation));
        if next == stored {
            return Ok(stored);
        }
        if is_complete_deletion(&next) {
            return Ok(self.commit(ChangeKind::Deleted, next, Some(stored), context));
        }
        let stored = self.commit(ChangeKind::Modified, next, Some(stored), context);
        if stored.kind() == Kind::CustomResourceDefinition {
            self.define(&stored, context);
        }
        Ok(stored)
    }

    fn check_versions(&self, stored: &Object, new: &Meta) -> Result<(), ApiError> {
        self.check_uid(stored, new)?;
        if new.resource_version != 0 && new.resource_version != stored.meta().resource_version {
            return Err(conflict(self.info(stored.kind()), &stored.meta().name, MODIFIED));
        }
        Ok(())
    }

    /// An object that says its uid means no other of its name.
    fn check_uid(&self, stored: &Object, new: &Meta) -> Result<(), ApiError> {
        let has_other = new.uid != Uid(0) && new.uid != stored.meta().uid;
        if has_other { Err(self.other_uid(stored, &new.uid_text())) } else { Ok(()) }
    }

    fn other_uid(&self, stored: &Object, wanted: &str) -> ApiError {
        let meta = stored.meta();
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
            storage_key(self.info(meta.id.kind), meta),
            meta.uid
        );
        conflict(self.info(stored.kind()), &meta.name, &why)
    }

    /// What a write insists on. Upstream: `Preconditions.Check` of the storage for the uid; a resourceVersion is
    /// compared as that of an update.
    pub(super) fn check_preconditions(&self, stored: &Object, wanted: Preconditions) -> Result<(), ApiError> {
        let meta = stored.meta();
        if let Some(uid) = wanted.uid
            && uid != meta.uid
        {
            return Err(self.other_uid(stored, &uid.to_string()));
        }
        if let Some(version) = wanted.resource_version
            && version != meta.resource_version
        {
            return Err(conflict(self.info(stored.kind()), &meta.name, MODIFIED));
        }
        Ok(())
    }
}

/// Where etcd keeps an object. Upstream: `DefaultStorageFactory` and its special cases.
fn storage_key(info: &KindInfo, meta: &Meta) -> String {
    let prefix = match meta.id.kind {
        Kind::Node => "minions".to_owned(),
        Kind::Service => "services/specs".to_owned(),
        Kind::Endpoints => "services/endpoints".to_owned(),
        Kind::ReplicationController => "controllers".to_owned(),
        Kind::Ingress => "ingress".to_owned(),
        Kind::Custom(_) | Kind::CustomResourceDefinition => format!("{}/{}", info.group, info.plural),
        _ => info.plural.to_string(),
    };
    let slash = if meta.namespace.is_empty() { "" } else { "/" };
    format!("/registry/{prefix}{slash}{}/{}", meta.namespace, meta.name)
}

/// Whether nothing keeps a terminating object any more.
pub(super) fn is_complete_deletion(object: &Object) -> bool {
    let meta = object.meta();
    let Some(deletion) = meta.deletion else { return false };
    if !meta.finalizers.is_empty() {
        return false;
    }
    match object {
        Object::Pod(_) => deletion.grace_seconds == Some(0),
        Object::Namespace(namespace) => namespace.body.finalizers.is_empty(),
        Object::Node(_)
        | Object::Deployment(_)
        | Object::ReplicaSet(_)
        | Object::Event(_)
        | Object::Lease(_)
        | Object::Untyped(_) => true,
    }
}

pub(super) fn target_of(object: &Object) -> Target {
    let meta = object.meta();
    if meta.id.is_set() {
        Target::Id(ObjectId { ..meta.id })
    } else {
        Target::Name(meta.id.kind, meta.namespace.clone(), meta.name.clone())
    }
}

/// Sets what no update can change to what is stored.
fn keep_identity(stored: &Object, next: &mut Object, generation: i64) {
    let (before, now) = (stored.meta(), next.meta());
    let same = now.generation == generation
        && now.resource_version == before.resource_version
        && now.uid == before.uid
        && now.id == before.id
        && now.created == before.created
        && now.deletion == before.deletion
        && now.generate_name == before.generate_name;
    if same {
        return;
    }
    let meta = next.meta_mut();
    meta.generation = generation;
    meta.resource_version = before.resource_version;
    meta.uid = before.uid;
    meta.id = before.id;
    meta.created = before.created;
    meta.deletion = before.deletion;
    meta.generate_name = before.generate_name.clone();
}

pub(super) fn edit_meta(meta: &mut Meta, edit: &MetaEdit) {
    let MetaEdit { add_owners, remove_owners, unblock_owners, .. } = edit;
    let MetaEdit { add_finalizers, remove_finalizers, set_labels, set_annotations, .. } = edit;
    if !(add_owners.is_empty() && remove_owners.is_empty() && unblock_owners.is_empty()) {
        let replaced = |owner: &OwnerReference| add_owners.iter().any(|added| added.uid == owner.uid);
        meta.owners = meta
            .owners
            .iter()
            .filter(|owner| !remove_owners.contains(&owner.uid) && !replaced(owner))
            .cloned()
            .map(|mut owner| {
                if unblock_owners.contains(&owner.uid) {
                    owner.block_owner_deletion = Some(false);
                }
                owner
            })
            .chain(add_owners.iter().cloned())
            .collect();
    }
    if !(add_finalizers.is_empty() && remove_finalizers.is_empty()) {
        let kept = meta.finalizers.iter().filter(|f| !remove_finalizers.contains(f));
        let added = add_finalizers.iter().filter(|f| !meta.has_finalizer(f));
        meta.finalizers = kept.chain(added).cloned().collect();
    }
    for (key, value) in set_labels.iter() {
        meta.labels = meta.labels.with(key.clone(), value.clone());
    }
    for (key, value) in set_annotations.iter() {
        meta.annotations = meta.annotations.with(key.clone(), value.clone());
    }
}
