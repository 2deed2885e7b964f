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
        let kind = stored.kind();
        let info = self.info(kind).clone();
        let original = convert::to_json(&stored);
        let patched = match patch.kind {
            PatchKind::StrategicMerge => merge::strategic_merge(&info.kind, &original, &patch.body),
            PatchKind::Merge => Ok(merge::merge_patch(&original, &patch.body)),
            PatchKind::Json => merge::json_patch(&original, &patch.body),
            PatchKind::Apply { .. } => Ok(original.clone()),
        }
        .map_err(|error| refused(patch, error))?;
        let mut new = match kind {
            Kind::Custom(_) => convert::custom_from_json(kind, info, patched),
            _ => convert::from_json(kind, patched),
        }
        .map_err(|error| ApiError::new(ErrorReason::BadRequest, error.to_string()))?;
        new.meta_mut().id = stored.meta().id;
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
