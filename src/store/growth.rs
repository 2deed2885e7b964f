//! Volumes as the API server has a say in them: which claims may ask for more, and who says what is attached.
//! Upstream: `plugin/pkg/admission/storage/persistentvolume/resize` (PersistentVolumeClaimResize).

use std::sync::Arc;

use super::Store;
use crate::api::{Kind, Name, Obj, Object, Quantity, Untyped};
use crate::event::{ApiError, ErrorReason};

fn text<'a>(object: &'a Obj<Untyped>, path: &str) -> &'a str {
    let (field, rest) = path.split_once('/').unwrap_or((path, ""));
    let value = object.body.fields.get(field);
    value.and_then(|value| value.pointer(&format!("/{rest}"))?.as_str()).unwrap_or_default()
}

fn asked(claim: &Obj<Untyped>) -> Option<Quantity> {
    text(claim, "spec/resources/requests/storage").parse().ok()
}

impl Store {
    /// PersistentVolumeClaimResize: more may be asked for by a claim that is bound and whose class allows it.
    pub(super) fn check_growth(&self, next: &Object, stored: &Object) -> Result<(), ApiError> {
        let (Object::Untyped(next), Object::Untyped(stored)) = (next, stored) else { return Ok(()) };
        if asked(next) <= asked(stored) {
            return Ok(());
        }
        let refuse = |why: &str| {
            let message = format!("persistentvolumeclaims {:?} is forbidden: {why}", next.meta.name);
            Err(ApiError::new(ErrorReason::Forbidden, message))
        };
        if text(stored, "status/phase") != "Bound" {
            return refuse("Only bound persistent volume claims can be expanded");
        }
        let class: Name = text(next, "spec/storageClassName").into();
        let allows = match self.table(Kind::StorageClass).by_name(&Name::new(), &class) {
            Some(Object::Untyped(class)) => class.body.fields.get("allowVolumeExpansion") == Some(&true.into()),
            _ => false,
        };
        if allows && class == text(stored, "spec/storageClassName") {
            return Ok(());
        }
        refuse(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support \
             resize",
        )
    }
}

/// What is attached to a node its kubelet does not say: that stays.
pub(super) fn keep_attached(stored: &Object, next: &mut Object) {
    if let (Object::Node(stored), Object::Node(next)) = (stored, next)
        && stored.body.status.volumes_attached != next.body.status.volumes_attached
    {
        let status = Arc::make_mut(&mut Arc::make_mut(next).body.status);
        status.volumes_attached.clone_from(&stored.body.status.volumes_attached);
    }
}
