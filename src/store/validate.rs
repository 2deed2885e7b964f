//! Validation of what users and guests send. Native parts make only what is valid; their objects are not turned into
//! JSON to be looked at again.

use super::{Context, Store};
use crate::api::{Object, convert, validation};
use crate::event::{ApiError, ErrorReason, PartId};

impl Store {
    pub(super) fn validate_create(&self, object: &Object, context: &Context) -> Result<(), ApiError> {
        if !is_foreign(context.from) {
            return Ok(());
        }
        invalid(object, validation::validate_create(object.kind(), &convert::to_json(object)))
    }

    pub(super) fn validate_update(&self, new: &Object, stored: &Object, context: &Context) -> Result<(), ApiError> {
        // Two allocations of one node race upstream, too: the loser finds out here.
        invalid(new, changed_pod_cidrs(new, stored))?;
        if !is_foreign(context.from) {
            return Ok(());
        }
        let (new_json, stored_json) = (convert::to_json(new), convert::to_json(stored));
        invalid(new, validation::validate_update(new.kind(), &new_json, &stored_json))
    }
}

/// A node's ranges of addresses are given once. Upstream: `ValidateNodeUpdate`.
fn changed_pod_cidrs(new: &Object, stored: &Object) -> Vec<validation::FieldError> {
    let (Object::Node(new), Object::Node(stored)) = (new, stored) else { return Vec::new() };
    let (new, stored) = (new.body.spec.pod_cidrs.as_deref(), stored.body.spec.pod_cidrs.as_deref());
    if stored.is_none_or(<[String]>::is_empty) || new == stored {
        return Vec::new();
    }
    vec![validation::FieldError {
        path: "spec.podCIDRs".to_owned(),
        kind: validation::FieldErrorKind::Forbidden,
        value: serde_json::Value::Null,
        detail: "node updates may not change podCIDR except from \"\" to valid".to_owned(),
    }]
}

pub(super) fn is_foreign(part: PartId) -> bool {
    match part {
        PartId::User | PartId::Guest(_) => true,
        PartId::ControllerManager(_) | PartId::Scheduler(_) | PartId::Kubelet(_) | PartId::World => false,
    }
}

fn invalid(object: &Object, errors: Vec<validation::FieldError>) -> Result<(), ApiError> {
    if errors.is_empty() {
        return Ok(());
    }
    let message = validation::invalid_message(object.kind(), &object.meta().name, &errors);
    Err(ApiError::new(ErrorReason::Invalid, message))
}
