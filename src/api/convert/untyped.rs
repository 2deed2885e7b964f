//! Kinds that no part reads: their fields stay JSON.

use serde_json::Value;
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
    fields.remove("apiVersion");
    fields.remove("kind");
    Ok(Object::Untyped(Arc::new(Obj { meta: meta_from(kind, metadata)?, body: Untyped { info, fields } })))
}
