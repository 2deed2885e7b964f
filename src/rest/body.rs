//! Bodies: what a call brings, as an object or as options.

use serde_json::Value;

use super::Call;
use super::place::Place;
use crate::api::{Name, Object, convert};
use crate::event::{ApiError, DeleteOptions, ErrorCause, ErrorReason, PatchKind, Preconditions, Propagation};

/// The object of a POST or PUT.
///
/// # Errors
/// 400: it is of another kind, cannot be read, or belongs elsewhere.
pub(super) fn object(place: &Place, body: &Value) -> Result<Object, ApiError> {
    let refuse = |message: String| Err(ApiError::new(ErrorReason::BadRequest, message));
    let info = &place.info;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if !api_version.is_empty() && api_version != info.api_version() || !kind.is_empty() && kind != info.kind {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        return refuse(format!(
            "{} in version {version:?} cannot be handled as a {}: no kind {kind:?} is registered for version \
             {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
            if kind.is_empty() { &info.kind } else { kind },
            info.kind
        ));
    }
    let decoded = match place.kind.info() {
        Some(_) => convert::from_json(place.kind, body.clone()),
        None => convert::custom_from_json(place.kind, info.clone(), body.clone()),
    };
    let mut object = decoded.map_err(|error| ApiError::new(ErrorReason::BadRequest, error.bad_request(place.kind)))?;
    let own = &object.meta().namespace;
    if !own.is_empty() && *own != place.namespace {
        return refuse(
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        );
    }
    object.meta_mut().namespace = place.namespace.clone();
    if !place.name.is_empty() && object.meta().name.is_empty() {
        object.meta_mut().name = place.name.clone();
    }
    same_name(place, &object.meta().name)?;
    Ok(object)
}

/// # Errors
/// 400: a body has another name than the path.
pub(super) fn same_name(place: &Place, name: &str) -> Result<(), ApiError> {
    if place.name.is_empty() || name.is_empty() || name == place.name {
        return Ok(());
    }
    let message = format!("the name of the object ({name}) does not match the name on the URL ({})", place.name);
    Err(ApiError::new(ErrorReason::BadRequest, message))
}

/// The options of a DELETE, from its body or else its query.
pub(super) fn delete_options(call: &Call) -> DeleteOptions {
    let body = &call.body;
    let text = |name: &str| body.get(name).and_then(Value::as_str).or_else(|| call.parameter(name));
    let preconditions = body.get("preconditions").unwrap_or(&Value::Null);
    let seconds = body.get("gracePeriodSeconds").and_then(Value::as_i64);
    DeleteOptions {
        grace_seconds: seconds.or_else(|| call.parameter("gracePeriodSeconds")?.parse().ok()),
        propagation: match text("propagationPolicy") {
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            _ => None,
        },
        preconditions: Preconditions {
            uid: preconditions["uid"].as_str().and_then(|uid| uid.parse().ok()),
            resource_version: preconditions["resourceVersion"].as_str().and_then(|version| version.parse().ok()),
        },
    }
}

/// The format of a patch.
///
/// # Errors
/// 415.
pub(super) fn patch_kind(call: &Call) -> Result<PatchKind, ApiError> {
    match call.content_type.split(';').next().unwrap_or_default().trim() {
        "application/strategic-merge-patch+json" => Ok(PatchKind::StrategicMerge),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/apply-patch+yaml" if call.parameter("fieldManager").is_none() => {
            let what = "Required value: is required for apply patch";
            let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: {what}");
            let mut refusal = ApiError::new(ErrorReason::Invalid, message);
            refusal.causes.push(ErrorCause {
                reason: "FieldValueRequired".into(),
                message: what.into(),
                field: "fieldManager".into(),
            });
            Err(refusal)
        }
        "application/apply-patch+yaml" => Ok(PatchKind::Apply { force: call.parameter("force") == Some("true") }),
        other => Err(ApiError::new(
            ErrorReason::UnsupportedMediaType,
            format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml (got {other:?})"
            ),
        )),
    }
}

/// The node of a Binding.
pub(super) fn bound_to(body: &Value) -> Name {
    body.pointer("/target/name").and_then(Value::as_str).unwrap_or_default().into()
}
