//! Patches with a JSON body, as users, files and guests send them.

use super::{Context, Store};
use crate::api::{Kind, Object, convert, merge};
use crate::event::{ApiError, ErrorReason, Patch, PatchKind, Subresource, Target};

impl Store {
    pub(super) fn patch(
        &mut self,
        target: &Target,
        subresource: Subresource,
        patch: &Patch,
        context: &Context,
    ) -> Result<Object, ApiError> {
        if let PatchKind::Apply { force } = patch.kind {
            return self.apply(target, subresource, (patch, force), context);
        }
        let stored = self.live(target)?;
        let new = self.patched(&stored, patch)?;
        match subresource {
            Subresource::None => self.update(new, context),
            Subresource::Status => self.update_status(new, context),
            Subresource::Scale => {
                let replicas = patch.body.pointer("/spec/replicas").and_then(serde_json::Value::as_i64);
                match replicas {
                    Some(replicas) => self.scale(target, Default::default(), replicas as i32, context),
                    None => Ok(stored),
                }
            }
        }
    }

    /// The object as a patch wants it. Of an applied configuration what it says counts, whoever owns it.
    pub(super) fn patched(&self, stored: &Object, patch: &Patch) -> Result<Object, ApiError> {
        let kind = stored.kind();
        let info = self.info(kind).clone();
        let original = convert::to_json(stored);
        let patched = match patch.kind {
            PatchKind::StrategicMerge => merge::strategic_merge(&info.kind, &original, &patch.body),
            PatchKind::Merge => Ok(merge::merge_patch(&original, &patch.body)),
            PatchKind::Json => merge::json_patch(&original, &patch.body),
            PatchKind::Apply { .. } => Ok(merge::merge_patch(&original, &patch.body)),
        }
        .map_err(|error| refused(patch, error))?;
        let mut new = match kind {
            Kind::Custom(_) => convert::custom_from_json(kind, info, patched),
            _ => convert::from_json(kind, patched),
        }
        .map_err(|error| ApiError::new(ErrorReason::BadRequest, error.to_string()))?;
        new.meta_mut().id = stored.meta().id;
        Ok(new)
    }

    /// The object that an applied configuration makes where there is none.
    pub(super) fn applied_anew(&self, target: &Target, patch: &Patch) -> Option<Object> {
        let kind = target.kind();
        let read = match kind {
            Kind::Custom(_) => convert::custom_from_json(kind, self.info(kind).clone(), patch.body.clone()),
            _ => convert::from_json(kind, patch.body.clone()),
        };
        let mut object = read.ok()?;
        let (namespace, name) = self.path_of(target)?;
        object.meta_mut().namespace = namespace;
        object.meta_mut().name = name;
        Some(object)
    }
}

/// A JSON patch that can be read and does not apply is 422 without a reason that anyone could use; everything else 400.
fn refused(patch: &Patch, error: String) -> ApiError {
    let readable = || serde_json::from_value::<json_patch::Patch>(patch.body.clone()).is_ok();
    if patch.kind == PatchKind::Json && readable() {
        let message = "the server rejected our request due to an error in our request";
        return ApiError::new(ErrorReason::Invalid, message);
    }
    ApiError::new(ErrorReason::BadRequest, error)
}
