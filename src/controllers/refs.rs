//! Adoption and release: which of the objects at hand are a controller's own, which it must take or let go.
//! Upstream: `pkg/controller/controller_ref_manager.go`.

use std::sync::Arc;

use super::pod_util::selects;
use crate::api::{Meta, Name, Obj, ObjectId, OwnerReference, Uid, WorkloadSelector};
use crate::event::{Answer, ErrorReason, MetaEdit, Preconditions, Reply, Request, Target};

/// What a controller is to do about the objects that it owns or could own.
#[derive(Clone, Debug)]
pub struct Claims<T> {
    /// Its own, selected; in the order in which they were given.
    pub owned: Vec<Arc<Obj<T>>>,
    /// Orphans that it selects: to be adopted.
    pub adopt: Vec<Arc<Obj<T>>>,
    /// Its own that it no longer selects: to be released.
    pub release: Vec<Arc<Obj<T>>>,
}

/// Sorts objects into claims. `objects` are the owner's own and the orphans of its namespace.
///
/// Who is being deleted neither adopts nor releases; what is being deleted is not adopted. Upstream: `ClaimObject`.
pub fn claim<'a, T: 'a>(
    owner: &Meta,
    selector: &WorkloadSelector,
    objects: impl Iterator<Item = &'a Arc<Obj<T>>>,
) -> Claims<T> {
    let mut claims = Claims { owned: Vec::new(), adopt: Vec::new(), release: Vec::new() };
    for object in objects {
        let matches = selects(selector, &object.meta.labels);
        match object.meta.controller() {
            Some(reference) if reference.uid != owner.uid => {}
            Some(_) if matches => claims.owned.push(object.clone()),
            Some(_) if owner.is_terminating() => {}
            Some(_) => claims.release.push(object.clone()),
            None if !matches || owner.is_terminating() || object.meta.is_terminating() => {}
            None => claims.adopt.push(object.clone()),
        }
    }
    claims
}

/// The request that makes `owner` the controller of an orphan.
pub fn adoption(object: &Meta, owner: OwnerReference) -> Request {
    edit(object, MetaEdit { add_owners: vec![owner], ..MetaEdit::default() })
}

/// The request that takes the reference to `owner` away.
pub fn release(object: &Meta, owner: Uid) -> Request {
    edit(object, MetaEdit { remove_owners: vec![owner], ..MetaEdit::default() })
}

fn edit(object: &Meta, edit: MetaEdit) -> Request {
    Request::PatchMeta {
        target: Target::Id(object.id),
        preconditions: Preconditions { uid: Some(object.uid), resource_version: None },
        edit: Arc::new(edit),
    }
}

/// The live read of the owner that goes before the first adoption.
pub fn recheck(owner: ObjectId) -> Request {
    Request::Get(Target::Id(owner))
}

/// Whether the owner, as just read, may adopt: it is still the same one and not being deleted.
///
/// # Errors
/// Why it may not. Upstream: `RecheckDeletionTimestamp`.
pub fn may_adopt(owner: &Meta, reply: &Reply) -> Result<(), Name> {
    let fresh = match reply {
        Ok(answer) => answer.object().map(|object| object.meta()),
        Err(error) => return Err(ecow::eco_format!("can't recheck DeletionTimestamp: {error}")),
    };
    match fresh {
        Some(fresh) if fresh.uid == owner.uid => match fresh.deletion {
            None => Ok(()),
            Some(deletion) => Err(ecow::eco_format!("{} has just been deleted at {}", owner.key(), deletion.timestamp)),
        },
        Some(fresh) => {
            Err(ecow::eco_format!("original {} is gone: got uid {}, wanted {}", owner.key(), fresh.uid, owner.uid))
        }
        None => Err("the answer to a GET is no object".into()),
    }
}

/// What came of an adoption: whether the object is ours now. An object that is gone is no error.
///
/// # Errors
/// The server's sentence.
pub fn adopted(reply: &Reply) -> Result<bool, Name> {
    match reply {
        Ok(Answer::Object(_) | Answer::Created(_) | Answer::Deleted(_) | Answer::Done | Answer::List { .. }) => {
            Ok(true)
        }
        Err(error) if error.reason == ErrorReason::NotFound => Ok(false),
        Err(error) => Err(error.message.clone()),
    }
}

/// What came of a release. An object that is gone, or was never ours, is no error.
///
/// # Errors
/// The server's sentence.
pub fn released(reply: &Reply) -> Result<(), Name> {
    match reply {
        Ok(Answer::Object(_) | Answer::Created(_) | Answer::Deleted(_) | Answer::Done | Answer::List { .. }) => Ok(()),
        Err(error) if matches!(error.reason, ErrorReason::NotFound | ErrorReason::Invalid) => Ok(()),
        Err(error) => Err(error.message.clone()),
    }
}
