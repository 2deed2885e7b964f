//! Custom kinds: a CRD that is stored takes effect, and objects of its kind are pruned, defaulted and judged by it.
//!
//! Upstream: apiextensions-apiserver `pkg/apiserver/customresource_handler.go`, `pkg/registry/customresource`, and the
//! naming, establishing and finalizing controllers of `pkg/controller`, which live in the API server.
//!
//! What upstream's controllers do takes them a moment and happens here with the request that is its cause: a definition
//! is established, or refused for its names, when it is stored, and its objects are deleted with it. An object is kept in
//! the version that is stored; in another one only `apiVersion` differs.
//!
//! Left out: conversion webhooks, CRDs whose group is a built-in one, refreshing `storedVersions` after a migration,
//! ratcheting; the garbage collector knows the custom kinds of the set-up alone.

mod definitions;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::validate::{causes, is_foreign};
use super::{Context, Store};
use crate::api::validation::{self, FieldError, FieldErrorKind};
use crate::api::{Kind, KindInfo, Object, convert};
use crate::event::{ApiError, ErrorReason};

/// Which kinds are served only as a definition says so.
#[derive(Clone, Debug, Default)]
pub(super) struct CustomKinds {
    /// Their definition is not there: not yet, or no more.
    undefined: BTreeSet<Kind>,
    /// Their definition is being deleted.
    leaving: BTreeSet<Kind>,
}

impl Store {
    /// Adds a custom kind that is served once its CRD is stored.
    pub fn announce_kind(&mut self, info: KindInfo) -> Kind {
        let before = self.custom.len();
        let kind = self.add_kind(info);
        if self.custom.len() > before {
            self.custom_kinds.undefined.insert(kind);
        }
        kind
    }

    /// Whether objects of a kind can be made.
    pub(super) fn check_served(&self, kind: Kind) -> Result<(), ApiError> {
        let Kind::Custom(_) = kind else { return Ok(()) };
        if self.custom_kinds.undefined.contains(&kind) {
            let message =
                format!("the server could not find the requested resource (post {})", self.info(kind).group_resource());
            return Err(ApiError::new(ErrorReason::NotFound, message));
        }
        if self.custom_kinds.leaving.contains(&kind) {
            let message = "create not allowed while custom resource definition is terminating";
            return Err(ApiError::new(ErrorReason::MethodNotAllowed, message));
        }
        Ok(())
    }

    /// The kind of a resource, described in the version that is asked for.
    pub fn served(&self, group: &str, version: &str, plural: &str) -> Option<(Kind, Arc<KindInfo>)> {
        let mut kinds = self.tables.iter().filter(|(kind, _)| !self.custom_kinds.undefined.contains(kind));
        let (kind, table) = kinds.find(|(_, table)| {
            let info = &table.info;
            info.group == group
                && info.plural == plural
                && (info.version == version || info.served_versions.iter().any(|served| served == version))
        })?;
        let info = &table.info;
        if info.version == version {
            return Some((*kind, info.clone()));
        }
        Some((*kind, Arc::new(KindInfo { version: Cow::Owned(version.to_owned()), ..KindInfo::clone(info) })))
    }

    /// What decoding does to an object of a custom kind: fields that its version does not know go, defaults come.
    pub(super) fn conform(&self, object: Object) -> Object {
        let Kind::Custom(_) = object.kind() else { return object };
        let Object::Untyped(mut custom) = object else { return object };
        let stored = &self.table(custom.meta.id.kind).info;
        let body = &mut Arc::make_mut(&mut custom).body;
        body.info = match &stored.definition {
            Some(definition) if body.info.version != stored.version => match definition.version(&body.info.version) {
                Some(_) => {
                    Arc::new(KindInfo { version: Cow::Owned(body.info.version.to_string()), ..KindInfo::clone(stored) })
                }
                None => stored.clone(),
            },
            Some(_) | None => stored.clone(),
        };
        if let Some(version) = body.info.clone().described() {
            let mut value = Value::Object(std::mem::take(&mut body.fields));
            version.schema.prune(&mut value);
            version.schema.fill(&mut value);
            if let Value::Object(fields) = value {
                body.fields = fields;
            }
        }
        Object::Untyped(custom)
    }

    /// The object in the version that is stored.
    pub(super) fn in_stored_version(&self, mut object: Object) -> Object {
        let Kind::Custom(_) = object.kind() else { return object };
        if let Object::Untyped(custom) = &mut object {
            let stored = &self.table(custom.meta.id.kind).info;
            if !Arc::ptr_eq(&custom.body.info, stored) {
                Arc::make_mut(custom).body.info = stored.clone();
            }
        }
        object
    }

    /// Judges an object of a custom kind that is to be stored; `stored` is what it replaces.
    pub(super) fn judge_custom(
        &self,
        new: &Object,
        stored: Option<&Object>,
        context: &Context,
    ) -> Result<(), ApiError> {
        let Object::Untyped(custom) = new else { return Ok(()) };
        let value = convert::to_json(new);
        let stored_value = stored.map(convert::to_json);
        let mut errors = match &stored_value {
            _ if !is_foreign(context.from) => Vec::new(),
            None => validation::validate_create(new.kind(), &value),
            Some(stored) => validation::validate_update(new.kind(), &value, stored),
        };
        if let Some(version) = custom.body.info.described() {
            errors.extend(version.schema.judge(&value));
            errors.extend(judge_scale(new));
            let had_duplicates =
                stored_value.as_ref().is_some_and(|stored| !version.schema.duplicates(stored).is_empty());
            if !had_duplicates {
                errors.extend(version.schema.duplicates(&value));
            }
            if let Some(rules) = &version.rules {
                errors.extend(rules.judge(&version.schema, &value, stored_value.as_ref(), &errors));
            }
        }
        refuse_custom(new, errors)
    }

    /// Judges the status of an object of a custom kind, as writes of the subresource do.
    pub(super) fn judge_custom_status(&self, new: &Object) -> Result<(), ApiError> {
        let (Kind::Custom(_), Object::Untyped(custom)) = (new.kind(), new) else { return Ok(()) };
        let Some(version) = custom.body.info.described() else { return Ok(()) };
        let errors = match custom.body.fields.get("status") {
            Some(status) => version.schema.judge_field("status", status),
            None => Vec::new(),
        };
        refuse_custom(new, errors)
    }

    /// A PUT of a custom object must say what it replaces.
    pub(super) fn check_custom_version(&self, new: &Object, context: &Context) -> Result<(), ApiError> {
        let is_said = new.meta().resource_version != 0 || self.has_settled_owners() || !is_foreign(context.from);
        if is_said || !matches!(new.kind(), Kind::Custom(_)) {
            return Ok(());
        }
        let error = FieldError {
            path: "metadata.resourceVersion".to_owned(),
            kind: FieldErrorKind::Invalid,
            value: Value::from(0),
            detail: "must be specified for an update".to_owned(),
        };
        // Upstream prints the number as Go prints an unsigned one, and names the resource instead of the kind.
        let what = self.info(new.kind()).group_resource();
        let message = validation::invalid_text(&what, &new.meta().name, std::slice::from_ref(&error));
        let mut refusal = ApiError::new(ErrorReason::Invalid, message.replace("value: 0:", "value: 0x0:"));
        refusal.causes = causes(&[error]);
        Err(refusal)
    }
}

/// The numbers of the scale subresource. Upstream: `ValidateScaleSpec` and `ValidateScaleStatus`.
fn judge_scale(object: &Object) -> Vec<FieldError> {
    let Object::Untyped(custom) = object else { return Vec::new() };
    let Some(paths) = custom.body.info.described().and_then(|version| version.scale.as_ref()) else {
        return Vec::new();
    };
    let numbers = [&paths.spec_replicas, &paths.status_replicas].into_iter().filter_map(|path| {
        let number = path.get(&custom.body.fields)?.as_i64()?;
        let detail = if number < 0 {
            "should be a non-negative integer".to_owned()
        } else if number > i64::from(i32::MAX) {
            format!("should be less than or equal to {}", i32::MAX)
        } else {
            return None;
        };
        let path = format!(".{}", path.0.join("."));
        Some(FieldError { path, kind: FieldErrorKind::Invalid, value: number.into(), detail })
    });
    numbers.collect()
}

fn refuse_custom(object: &Object, errors: Vec<FieldError>) -> Result<(), ApiError> {
    if errors.is_empty() {
        return Ok(());
    }
    let Object::Untyped(custom) = object else { return Ok(()) };
    let info = &custom.body.info;
    let what = format!("{}.{}", info.kind, info.group);
    let mut refusal = ApiError::new(ErrorReason::Invalid, validation::invalid_text(&what, &custom.meta.name, &errors));
    refusal.causes = causes(&errors);
    Err(refusal)
}
