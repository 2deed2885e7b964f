//! Patches with a JSON body, as users, files and guests send them.

use super::{Context, Store};
use crate::api::{Kind, Object, convert, merge};
use crate::event::{ApiError, ErrorReason, Patch, PatchKind, Preconditions, Subresource, Target};

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
        if subresource == Subresource::Scale {
            return self.patch_scale(target, &stored, patch, context);
        }
        let new = self.patched(&stored, patch)?;
        match subresource {
            Subresource::None | Subresource::Scale => self.update(new, context),
            Subresource::Status => self.update_status(new, context),
        }
    }

    /// Patches what `scale` shows of an object: its wish counts, and its uid and revision where the patch names them.
    fn patch_scale(
        &mut self,
        target: &Target,
        stored: &Object,
        patch: &Patch,
        context: &Context,
    ) -> Result<Object, ApiError> {
        let original = convert::scale_json(stored).ok_or_else(no_scale)?;
        let patched = match patch.kind {
            PatchKind::StrategicMerge | PatchKind::Merge => Ok(merge::merge_patch(&original, &patch.body)),
            PatchKind::Json => merge::json_patch(&original, &patch.body),
            PatchKind::Apply { .. } => Ok(original),
        }
        .map_err(|error| refused(patch, error))?;
        let named = |place: &str| patch.body.pointer(place).is_some();
        let text = |place: &str| patched.pointer(place).and_then(serde_json::Value::as_str);
        let preconditions = Preconditions {
            uid: text("/metadata/uid").filter(|_| named("/metadata/uid")).and_then(|uid| uid.parse().ok()),
            resource_version: text("/metadata/resourceVersion")
                .filter(|_| named("/metadata/resourceVersion"))
                .and_then(|version| version.parse().ok()),
        };
        let replicas = match patched.pointer("/spec/replicas") {
            None | Some(serde_json::Value::Null) => 0,
            Some(written) => written.as_i64().and_then(|replicas| i32::try_from(replicas).ok()).ok_or_else(|| {
                let message = "unable to decode the patched object as autoscaling/v1 Scale: spec.replicas is no int32";
                ApiError::new(ErrorReason::BadRequest, message)
            })?,
        };
        self.scale(target, preconditions, replicas, context)
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

/// The answer where a kind has no `scale`.
pub(super) fn no_scale() -> ApiError {
    ApiError::new(ErrorReason::NotFound, "the server could not find the requested resource")
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
