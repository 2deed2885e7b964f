//! Kinds that no part reads: their fields stay JSON.

use serde_json::Value;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use super::{ConvertError, decode, meta_from};
use crate::api::{Kind, KindInfo, Obj, Object, Untyped};

/// The shared description of a built-in kind.
pub(super) fn info_of(kind: Kind) -> Option<Arc<KindInfo>> {
    static INFOS: OnceLock<Vec<(Kind, Arc<KindInfo>)>> = OnceLock::new();
    let infos = INFOS
        .get_or_init(|| Kind::ALL.iter().filter_map(|kind| Some((*kind, Arc::new(kind.info()?.clone())))).collect());
    infos.iter().find(|(known, _)| *known == kind).map(|(_, info)| info.clone())
}

pub(super) fn read(kind: Kind, info: Arc<KindInfo>, value: Value) -> Result<Object, ConvertError> {
    let Value::Object(mut fields) = value else {
        return Err(ConvertError::new("", "a manifest is a mapping"));
    };
    let metadata = decode(
        fields.remove("metadata").filter(|value| !value.is_null()).unwrap_or_else(|| Value::Object(Default::default())),
    )?;
    let info = match fields.remove("apiVersion") {
        Some(Value::String(api_version)) if kind.info().is_none() => in_version(info, &api_version),
        _ => info,
    };
    fields.remove("kind");
    Ok(Object::Untyped(Arc::new(Obj { meta: meta_from(kind, metadata)?, body: Untyped { info, fields } })))
}

/// The description of a custom kind in another version that it is served in.
fn in_version(info: Arc<KindInfo>, api_version: &str) -> Arc<KindInfo> {
    let version = api_version.rsplit('/').next().unwrap_or_default();
    if version == info.version || !info.served_versions.iter().any(|served| served == version) {
        return info;
    }
    Arc::new(KindInfo { version: Cow::Owned(version.to_owned()), ..KindInfo::clone(&info) })
}
