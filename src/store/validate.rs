//! Validation of what users and guests send. Native parts make only what is valid; their objects are not turned into
//! JSON to be looked at again.

use super::{Context, Store};
use crate::api::{Kind, Object, convert, validation};
use crate::event::{ApiError, ErrorCause, ErrorReason, PartId};

impl Store {
    pub(super) fn validate_create(&self, object: &Object, context: &Context) -> Result<(), ApiError> {
        if let Kind::Custom(_) = object.kind() {
            return self.judge_custom(object, None, context);
        }
        if !is_foreign(context.from) {
            return Ok(());
        }
        invalid(object, validation::validate_create(object.kind(), &convert::to_json(object)))
    }

    pub(super) fn validate_update(&self, new: &Object, stored: &Object, context: &Context) -> Result<(), ApiError> {
        // Two allocations of one node race upstream, too: the loser finds out here.
        invalid(new, changed_pod_cidrs(new, stored))?;
        if let Kind::Custom(_) = new.kind() {
            return self.judge_custom(new, Some(stored), context);
        }
        if !is_foreign(context.from) {
            return Ok(());
        }
        let (new_json, stored_json) = (convert::to_json(new), convert::to_json(stored));
        let errors = validation::validate_update(new.kind(), &new_json, &stored_json);
        invalid(new, errors.into_iter().flat_map(|error| told_again(new.kind(), error)).collect())
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

/// Upstream looks at the metadata of an update several times, as `BeforeUpdate`, as what the kind's strategy calls, and
/// as part of its other checks; the causes of a refusal show it, the message does not.
fn told_again(kind: Kind, error: validation::FieldError) -> Vec<validation::FieldError> {
    let times = match (error.path.as_str(), kind) {
        ("metadata.finalizers", _) if error.detail.starts_with("no new finalizers") => 2,
        ("metadata.ownerReferences", Kind::Deployment) => 3,
        ("metadata.ownerReferences", _) => 4,
        _ => 1,
    };
    vec![error; times]
}

fn invalid(object: &Object, errors: Vec<validation::FieldError>) -> Result<(), ApiError> {
    if errors.is_empty() {
        return Ok(());
    }
    let message = validation::invalid_message(object.kind(), &object.meta().name, &errors);
    let mut refusal = ApiError::new(ErrorReason::Invalid, message);
    refusal.causes = causes(&errors);
    Err(refusal)
}

/// The causes of a refusal: one a mistake.
pub(super) fn causes(errors: &[validation::FieldError]) -> Vec<ErrorCause> {
    let cause = |error: &validation::FieldError| ErrorCause {
        reason: error.reason().into(),
        message: error.body().into(),
        field: error.path.as_str().into(),
    };
    errors.iter().map(cause).collect()
}
