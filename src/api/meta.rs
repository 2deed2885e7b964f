//! What every object has: identity, owners, finalizers, labels. Upstream: apimachinery `meta/v1.ObjectMeta`.

use std::fmt;
use std::sync::Arc;

use super::{Kind, Labels, Name, Timestamp};

/// An interned key: a (kind, namespace, name) that the API server has seen, as a dense number of its kind.
///
/// An object that is deleted and created again under the same name keeps its `ObjectId`, as it keeps its key in a work
/// queue upstream; its [`Uid`] differs. Numbers are never reused for another name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectId {
    /// The kind.
    pub kind: Kind,
    /// The dense number within the kind, in the order of first creation.
    pub slot: u32,
}

impl ObjectId {
    /// The id of an object that the API server has not seen yet.
    pub const fn unset(kind: Kind) -> ObjectId {
        ObjectId { kind, slot: u32::MAX }
    }

    /// Whether the API server has given out this id.
    pub fn is_set(self) -> bool {
        self.slot != u32::MAX
    }
}

/// The identity of one life of an object. Zero means that the server has not assigned one yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Uid(pub u128);

impl Uid {
    /// A random (version 4) UUID of two drawn words.
    pub fn version_4(high: u64, low: u64) -> Uid {
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        Uid((u128::from(high) << 64) | u128::from(low))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let b = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            (b >> 96) as u32,
            (b >> 80) as u16,
            (b >> 64) as u16,
            (b >> 48) as u16,
            b & 0xffff_ffff_ffff
        )
    }
}

impl std::str::FromStr for Uid {
    type Err = String;

    /// Reads a UUID. Other strings, which Kubernetes allows as well, become a digest of themselves.
    fn from_str(text: &str) -> Result<Uid, String> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if text.len() == 36
            && digits.len() == 32
            && let Ok(number) = u128::from_str_radix(&digits, 16)
        {
            return Ok(Uid(number));
        }
        Ok(Uid(xxhash_rust::xxh3::xxh3_128(text.as_bytes())))
    }
}

/// An entry of `metadata.ownerReferences`. Upstream: `meta/v1.OwnerReference`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnerReference {
    /// `apiVersion`, as written.
    pub api_version: Name,
    /// `kind`, as written.
    pub kind: Name,
    /// The owner's name (in the object's own namespace, or cluster-scoped).
    pub name: Name,
    /// The owner's uid.
    pub uid: Uid,
    /// Whether the owner is the managing controller.
    pub controller: Option<bool>,
    /// Whether foreground deletion of the owner waits for this object.
    pub block_owner_deletion: Option<bool>,
}

/// What graceful deletion has set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deletion {
    /// `deletionTimestamp`.
    pub timestamp: Timestamp,
    /// `deletionGracePeriodSeconds`.
    pub grace_seconds: Option<i64>,
}

/// `metadata`, held small: 160 bytes beside the shared parts.
#[derive(Clone, PartialEq, Debug)]
pub struct Meta {
    /// The interned key; unset until the API server has stored the object.
    pub id: ObjectId,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: Name,
    /// The name; empty where the server is to generate one from `generate_name`.
    pub name: Name,
    /// `generateName`; empty where absent.
    pub generate_name: Name,
    /// The identity of this life; zero until stored.
    pub uid: Uid,
    /// The revision of the last change; zero: none, and no precondition in an update.
    pub resource_version: u64,
    /// Counts changes of the wish; zero where the kind has none.
    pub generation: i64,
    /// `creationTimestamp`.
    pub created: Timestamp,
    /// Set while the object waits for its finalizers or its grace period.
    pub deletion: Option<Deletion>,
    /// `labels`.
    pub labels: Labels,
    /// `annotations`.
    pub annotations: Labels,
    /// `ownerReferences`.
    pub owners: Arc<[OwnerReference]>,
    /// `finalizers`.
    pub finalizers: Arc<[Name]>,
    /// `managedFields` and `selfLink`, where an object came with them.
    pub rest: Option<Box<serde_json::Map<String, serde_json::Value>>>,
}

impl Meta {
    /// Metadata of an object to be created.
    pub fn new(kind: Kind, namespace: impl Into<Name>, name: impl Into<Name>) -> Meta {
        Meta {
            id: ObjectId::unset(kind),
            namespace: namespace.into(),
            name: name.into(),
            generate_name: Name::new(),
            uid: Uid(0),
            resource_version: 0,
            generation: 0,
            created: Timestamp::default(),
            deletion: None,
            labels: Labels::default(),
            annotations: Labels::default(),
            owners: no_owners(),
            finalizers: no_finalizers(),
            rest: None,
        }
    }

    /// The reference whose `controller` is true, if there is one.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller == Some(true))
    }

    /// Whether `deletionTimestamp` is set.
    pub fn is_terminating(&self) -> bool {
        self.deletion.is_some()
    }

    /// `namespace/name`, or the name alone where there is no namespace: the form of work queue keys and messages.
    pub fn key(&self) -> String {
        if self.namespace.is_empty() { self.name.to_string() } else { format!("{}/{}", self.namespace, self.name) }
    }

    /// Whether the finalizer is there.
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|f| f == finalizer)
    }
}

/// The shared empty list of owners.
pub fn no_owners() -> Arc<[OwnerReference]> {
    Arc::default()
}

/// The shared empty list of finalizers.
pub fn no_finalizers() -> Arc<[Name]> {
    Arc::default()
}
