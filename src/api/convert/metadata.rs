//! `metadata` between [`Meta`] and upstream's `ObjectMeta`.
//!
//! Uids that are no UUIDs in their usual form are kept as digests; their texts stay in `rest` under `uids`, by digest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self as meta, ObjectMeta};
use serde_json::{Map, Value};

use super::{ConvertError, decode, name, nonzero, text, time, to_value};
use crate::api::{Deletion, Kind, Labels, Meta, Name, ObjectId, OwnerReference, Uid};

/// Takes upstream's metadata of an object of a kind.
///
/// # Errors
/// A `resourceVersion` that is no number.
pub fn meta_from(kind: Kind, full: ObjectMeta) -> Result<Meta, ConvertError> {
    let resource_version = match full.resource_version.as_deref() {
        None | Some("") => 0,
        Some(digits) => digits.parse().map_err(|_| {
            ConvertError::new("metadata.resourceVersion", format!("Invalid value: {digits:?}: must be a number"))
        })?,
    };
    let mut uids = Map::new();
    let uid = read_uid(full.uid.unwrap_or_default(), &mut uids);
    let owners =
        full.owner_references.unwrap_or_default().into_iter().map(|owner| read_owner(owner, &mut uids)).collect();
    let mut rest = Map::new();
    if !uids.is_empty() {
        rest.insert("uids".to_owned(), Value::Object(uids));
    }
    if let Some(managed) = full.managed_fields.filter(|managed| !managed.is_empty()) {
        rest.insert("managedFields".to_owned(), to_value(&managed));
    }
    if let Some(link) = full.self_link.filter(|link| !link.is_empty()) {
        rest.insert("selfLink".to_owned(), Value::String(link));
    }
    Ok(Meta {
        id: ObjectId::unset(kind),
        namespace: name(full.namespace),
        name: name(full.name),
        generate_name: name(full.generate_name),
        uid,
        resource_version,
        generation: full.generation.unwrap_or_default(),
        created: time::read_or_default(full.creation_timestamp.as_ref()),
        deletion: full.deletion_timestamp.map(|timestamp| Deletion {
            timestamp: time::read(&timestamp),
            grace_seconds: full.deletion_grace_period_seconds,
        }),
        labels: labels_from(full.labels),
        annotations: labels_from(full.annotations),
        owners,
        finalizers: full.finalizers.unwrap_or_default().into_iter().map(Name::from).collect(),
        rest: (!rest.is_empty()).then(|| Box::new(rest)),
    })
}

/// Gives upstream's metadata; fields that are empty are absent.
pub fn meta_to(meta: &Meta) -> ObjectMeta {
    let rest = meta.rest.as_deref();
    let uids = rest.and_then(|rest| rest.get("uids")).and_then(Value::as_object);
    let owners: Vec<_> = meta.owners.iter().map(|owner| write_owner(owner, uids)).collect();
    let finalizers: Vec<String> = meta.finalizers.iter().map(Name::to_string).collect();
    ObjectMeta {
        annotations: labels_to(&meta.annotations),
        creation_timestamp: time::write(meta.created),
        deletion_grace_period_seconds: meta.deletion.and_then(|deletion| deletion.grace_seconds),
        deletion_timestamp: meta.deletion.and_then(|deletion| time::write_always(deletion.timestamp)),
        finalizers: (!finalizers.is_empty()).then_some(finalizers),
        generate_name: text(&meta.generate_name),
        generation: nonzero(meta.generation),
        labels: labels_to(&meta.labels),
        managed_fields: rest
            .and_then(|rest| rest.get("managedFields"))
            .and_then(|managed| decode(managed.clone()).ok()),
        name: text(&meta.name),
        namespace: text(&meta.namespace),
        owner_references: (!owners.is_empty()).then_some(owners),
        resource_version: nonzero(meta.resource_version).map(|revision| revision.to_string()),
        self_link: rest.and_then(|rest| rest.get("selfLink")).and_then(Value::as_str).map(str::to_owned),
        uid: (meta.uid != Uid::default()).then(|| write_uid(meta.uid, uids)),
    }
}

/// Labels or annotations from the wire.
pub(super) fn labels_from(map: Option<std::collections::BTreeMap<String, String>>) -> Labels {
    map.into_iter().flatten().collect()
}

/// Labels or annotations for the wire; none where there are none.
pub(super) fn labels_to(labels: &Labels) -> Option<std::collections::BTreeMap<String, String>> {
    (!labels.is_empty()).then(|| labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
}

fn read_owner(owner: meta::OwnerReference, uids: &mut Map<String, Value>) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.into(),
        kind: owner.kind.into(),
        name: owner.name.into(),
        uid: read_uid(owner.uid, uids),
        controller: owner.controller,
        block_owner_deletion: owner.block_owner_deletion,
    }
}

fn write_owner(owner: &OwnerReference, uids: Option<&Map<String, Value>>) -> meta::OwnerReference {
    meta::OwnerReference {
        api_version: owner.api_version.to_string(),
        block_owner_deletion: owner.block_owner_deletion,
        controller: owner.controller,
        kind: owner.kind.to_string(),
        name: owner.name.to_string(),
        uid: if owner.uid == Uid::default() { String::new() } else { write_uid(owner.uid, uids) },
    }
}

impl Meta {
    /// The uid as it was written.
    pub fn uid_text(&self) -> String {
        let uids = self.rest.as_ref().and_then(|rest| rest.get("uids")?.as_object());
        write_uid(self.uid, uids)
    }
}

fn read_uid(text: String, uids: &mut Map<String, Value>) -> Uid {
    if text.is_empty() {
        return Uid::default();
    }
    let uid: Uid = text.parse().unwrap_or_default();
    // The one of zeros would read as none.
    if uid.to_string() == text && uid != Uid::default() {
        return uid;
    }
    let digest = Uid(xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    uids.insert(digest.to_string(), Value::String(text));
    digest
}

fn write_uid(uid: Uid, uids: Option<&Map<String, Value>>) -> String {
    let printed = uid.to_string();
    match uids.and_then(|uids| uids.get(&printed)).and_then(Value::as_str) {
        Some(typed) => typed.to_owned(),
        None => printed,
    }
}
