//! What watches tell.

use crate::api::{Name, Object};

use super::Cause;

/// Which of a part's informers a watch belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InformerIndex(pub u16);

/// `type` of a watch event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChangeKind {
    /// The object appeared, or began to match the filter.
    Added,
    /// The object changed.
    Modified,
    /// The object is gone, or no longer matches the filter.
    Deleted,
}

/// One watch event.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// `type`.
    pub kind: ChangeKind,
    /// The object after the change; before it, for a deletion (with the revision of the deletion).
    pub object: Object,
    /// The revision of the change.
    pub revision: u64,
    /// What made it.
    pub cause: Cause,
}

/// Which objects of a kind a watch or an informer's list is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// All of them.
    All,
    /// Pods whose `spec.nodeName` is this.
    OnNode(Name),
    /// The object of this name (and namespace, empty for cluster-scoped kinds).
    Named(Name, Name),
    /// All of one namespace.
    InNamespace(Name),
}

/// Why a watch ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchEnd {
    /// The connection was cut or its time was up: resume from the last revision seen.
    Closed,
    /// `403 Forbidden`: list again.
    Forbidden,
    /// `410 Gone`, the revision is compacted: list again.
    Expired,
    /// It could not be opened, since nobody listens: try again later.
    Refused,
    /// Nothing was heard for so long that the connection counts as lost: list again, at least at the last revision seen.
    /// Upstream: `http2: client connection lost` is an error of the stream, after which a reflector does not resume.
    Lost,
}
