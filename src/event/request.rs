//! Requests to the API server and their answers.

use std::sync::Arc;

use crate::api::{Kind, Labels, Name, Object, ObjectId, OwnerReference, Selector, Timestamp, Uid};
use crate::kernel::{Span, Time};

use super::{ApiError, Cause, ClientIndex, PartId, Token, WebhookVerdict};

/// What a request is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// An object that the sender has seen, by its interned key.
    Id(ObjectId),
    /// An object by name; the namespace is empty for cluster-scoped kinds.
    Name(Kind, Name, Name),
}

impl Target {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Target::Id(id) => id.kind,
            Target::Name(kind, _, _) => *kind,
        }
    }
}

/// A part of an object with a URL of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subresource {
    /// The object itself.
    None,
    /// `…/status`.
    Status,
    /// `…/scale`.
    Scale,
}

/// `deleteOptions.preconditions`, and what a native patch insists on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Preconditions {
    /// Fail with a conflict unless this is the object's uid.
    pub uid: Option<Uid>,
    /// Fail with a conflict unless this is the object's revision.
    pub resource_version: Option<u64>,
}

/// `propagationPolicy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Propagation {
    /// Dependents lose the owner and stay.
    Orphan,
    /// The garbage collector deletes dependents afterwards.
    Background,
    /// Dependents go first.
    Foreground,
}

/// `DeleteOptions`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`; absent: the kind's default.
    pub grace_seconds: Option<i64>,
    /// `propagationPolicy`; absent: the kind's default.
    pub propagation: Option<Propagation>,
    /// `preconditions`.
    pub preconditions: Preconditions,
}

/// The format of a JSON patch body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PatchKind {
    /// `application/strategic-merge-patch+json`.
    StrategicMerge,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/json-patch+json`.
    Json,
    /// `application/apply-patch+yaml`: server-side apply.
    Apply {
        /// Take fields of other managers over.
        force: bool,
    },
}

/// A patch as JSON: from users, files and guests. Native parts send [`MetaEdit`]s and statuses.
#[derive(Clone, PartialEq, Debug)]
pub struct Patch {
    /// The format.
    pub kind: PatchKind,
    /// The body.
    pub body: serde_json::Value,
}

/// A native part's patch of metadata: what upstream's controllers do with small merge patches.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MetaEdit {
    /// Owner references to add, or to replace where the uid is there already.
    pub add_owners: Vec<OwnerReference>,
    /// Owner references to drop, by uid.
    pub remove_owners: Vec<Uid>,
    /// Owner references whose `blockOwnerDeletion` becomes false, by uid.
    pub unblock_owners: Vec<Uid>,
    /// Finalizers to add where they are not there.
    pub add_finalizers: Vec<Name>,
    /// Finalizers to drop.
    pub remove_finalizers: Vec<Name>,
    /// Labels to set.
    pub set_labels: Labels,
    /// Annotations to set.
    pub set_annotations: Labels,
}

/// How fresh a list must be. Upstream: the semantics of `resourceVersion` and `resourceVersionMatch`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListAt {
    /// `resourceVersion` unset: as of now, through etcd.
    Quorum,
    /// `resourceVersion=0`: whatever the replica's watch cache holds.
    Any,
    /// `resourceVersion=n`: at least as fresh as this.
    NotOlderThan(u64),
    /// `resourceVersionMatch=Exact`.
    Exact(u64),
}

/// What a list selects.
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    /// The kind.
    pub kind: Kind,
    /// One namespace, or all.
    pub namespace: Option<Name>,
    /// Labels.
    pub labels: Selector,
    /// Which objects, as an informer's watch would be opened afterwards.
    pub filter: super::Filter,
}

/// A request to the API server.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// POST. An empty name with a `generate_name` asks for a generated one.
    Create(Object),
    /// PUT. `resource_version` is the precondition where it is not zero; status is kept as it is stored.
    Update(Object),
    /// PUT of `…/status`: spec and metadata are kept as they are stored, except labels and annotations upstream keeps.
    UpdateStatus(Object),
    /// PATCH of `…/status` as kubelets and the scheduler send it: no precondition but the uid, last writer wins.
    PatchStatus(Object),
    /// POST of a pod's `…/binding`.
    Bind {
        /// The pod.
        pod: Target,
        /// Its uid; zero: any.
        uid: Uid,
        /// The node.
        node: Name,
        /// Annotations that the pod gets, too.
        annotations: Labels,
    },
    /// POST of a pod's `…/eviction`.
    Evict {
        /// The pod.
        pod: Target,
        /// What to do if it is allowed.
        options: DeleteOptions,
    },
    /// PATCH of metadata by a native part.
    PatchMeta {
        /// The object.
        target: Target,
        /// What must hold.
        preconditions: Preconditions,
        /// What changes.
        edit: Arc<MetaEdit>,
    },
    /// PATCH of an Event that has happened again.
    PatchEvent {
        /// The Event.
        target: Target,
        /// `count`.
        count: u32,
        /// `lastTimestamp`.
        last: Timestamp,
        /// `message`.
        message: Name,
    },
    /// PATCH with a JSON body.
    Patch {
        /// The object.
        target: Target,
        /// The part of it.
        subresource: Subresource,
        /// The patch.
        patch: Arc<Patch>,
    },
    /// PUT of `…/scale`.
    Scale {
        /// The object.
        target: Target,
        /// What must hold.
        preconditions: Preconditions,
        /// `spec.replicas`.
        replicas: i32,
    },
    /// PUT of a namespace's `…/finalize`: drops the finalizer `kubernetes` from its spec.
    FinalizeNamespace(Object),
    /// DELETE of one object.
    Delete {
        /// The object.
        target: Target,
        /// How.
        options: DeleteOptions,
    },
    /// DELETE of a collection.
    DeleteCollection {
        /// Which.
        query: Query,
        /// How.
        options: DeleteOptions,
    },
    /// GET of one object.
    Get(Target),
    /// GET of a collection.
    List {
        /// Which.
        query: Query,
        /// How fresh.
        at: ListAt,
    },
}

/// A request on its way, with what the reply needs to find back.
#[derive(Clone, PartialEq, Debug)]
pub struct Envelope {
    /// Who asks.
    pub from: PartId,
    /// Which life of the part: a reply to an earlier one is lost.
    pub incarnation: u32,
    /// Which of its clients.
    pub client: ClientIndex,
    /// The sender's own name for it.
    pub token: Token,
    /// What made it.
    pub cause: Cause,
    /// When it left.
    pub sent: Time,
    /// How long the reply will be on its way.
    pub reply_takes: Span,
    /// The request.
    pub request: Request,
    /// What admission webhooks have said of it, where it has waited for them.
    pub verdict: Option<Arc<WebhookVerdict>>,
}

impl Request {
    /// The verb, as audit logs and metrics call it.
    pub fn verb(&self) -> Verb {
        match self {
            Request::Create(_) | Request::Bind { .. } | Request::Evict { .. } => Verb::Create,
            Request::Update(_) | Request::UpdateStatus(_) | Request::Scale { .. } | Request::FinalizeNamespace(_) => {
                Verb::Update
            }
            Request::PatchStatus(_)
            | Request::PatchMeta { .. }
            | Request::PatchEvent { .. }
            | Request::Patch { .. } => Verb::Patch,
            Request::Delete { .. } => Verb::Delete,
            Request::DeleteCollection { .. } => Verb::DeleteCollection,
            Request::Get(_) => Verb::Get,
            Request::List { .. } => Verb::List,
        }
    }

    /// The kind that it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Request::Create(object)
            | Request::Update(object)
            | Request::UpdateStatus(object)
            | Request::PatchStatus(object)
            | Request::FinalizeNamespace(object) => object.kind(),
            Request::Bind { pod: target, .. }
            | Request::Evict { pod: target, .. }
            | Request::PatchMeta { target, .. }
            | Request::PatchEvent { target, .. }
            | Request::Patch { target, .. }
            | Request::Scale { target, .. }
            | Request::Delete { target, .. }
            | Request::Get(target) => target.kind(),
            Request::DeleteCollection { query, .. } | Request::List { query, .. } => query.kind,
        }
    }

    /// Whether it changes anything.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb(), Verb::Get | Verb::List)
    }
}

/// What a request does. Upstream: the verbs of `RequestInfo`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Verb {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
    /// GET of one.
    Get,
    /// GET of many.
    List,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 7] =
        [Verb::Create, Verb::Update, Verb::Patch, Verb::Delete, Verb::DeleteCollection, Verb::Get, Verb::List];

    /// As audit logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Get => "get",
            Verb::List => "list",
        }
    }
}

/// A successful answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// The object as stored (after a deletion that is not complete: with its `deletionTimestamp`).
    Object(Object),
    /// The object that an applied configuration has made.
    Created(Object),
    /// The object is gone; what it was last.
    Deleted(Object),
    /// `Status: Success`: bound, evicted.
    Done,
    /// A list.
    List {
        /// The objects, by namespace and name.
        items: Vec<Object>,
        /// The revision that it shows.
        resource_version: u64,
    },
}

impl Answer {
    /// The object, if the answer is one.
    pub fn object(&self) -> Option<&Object> {
        match self {
            Answer::Object(object) | Answer::Created(object) => Some(object),
            Answer::Deleted(_) | Answer::Done | Answer::List { .. } => None,
        }
    }
}

/// A reply, as the net carries it.
pub type Reply = Result<Answer, ApiError>;
