//! What users do: the verbs of kubectl that a timeline knows.

use std::sync::Arc;

use serde_json::Value;

use crate::api::{Kind, KindInfo, Name, Object};
use crate::event::{PatchKind, Propagation};

/// One object, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resource {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: Name,
    /// The name.
    pub name: Name,
}

/// Something that a user does with the cluster, as kubectl would.
#[derive(Clone, Debug)]
pub enum Action {
    /// `kubectl apply -f`: each document is created, or patched three ways against what was applied last.
    Apply(Arc<[(Kind, Value)]>),
    /// Objects that are created, all at once, by a load generator.
    Create(Arc<[Object]>),
    /// What a CRD brings once it is established: a new kind.
    DefineKind(Arc<KindInfo>),
    /// `kubectl delete`.
    Delete {
        /// What.
        resource: Resource,
        /// `--cascade`.
        propagation: Propagation,
        /// `--grace-period`.
        grace_seconds: Option<i64>,
    },
    /// `kubectl scale --replicas`.
    Scale {
        /// What.
        resource: Resource,
        /// How many.
        replicas: i32,
    },
    /// `kubectl patch`.
    Patch {
        /// What.
        resource: Resource,
        /// `--type`.
        kind: PatchKind,
        /// `--patch`.
        body: Arc<Value>,
    },
    /// `kubectl set image`: container name (or `*`) and image.
    SetImage {
        /// What.
        resource: Resource,
        /// Which containers get which image.
        images: Vec<(Name, Name)>,
    },
    /// `kubectl rollout undo`.
    RolloutUndo {
        /// What.
        resource: Resource,
        /// `--to-revision`; absent: the one before.
        to_revision: Option<i64>,
    },
    /// `kubectl rollout pause` (true) and `resume` (false).
    RolloutPause {
        /// What.
        resource: Resource,
        /// Pause or resume.
        paused: bool,
    },
    /// `kubectl rollout restart`.
    RolloutRestart {
        /// What.
        resource: Resource,
    },
    /// `kubectl rollout history`.
    RolloutHistory {
        /// What.
        resource: Resource,
        /// `--revision`; absent: the list of all.
        revision: Option<i64>,
    },
    /// `kubectl rollout status`: waits until the rollout is done.
    RolloutStatus {
        /// What.
        resource: Resource,
    },
    /// `kubectl cordon` (true) and `uncordon` (false).
    Cordon {
        /// The node.
        node: Name,
        /// Cordon or uncordon.
        unschedulable: bool,
    },
    /// `kubectl drain`: cordons, then evicts all pods but those of DaemonSets, and waits until they are gone.
    Drain {
        /// The node.
        node: Name,
        /// `--grace-period`.
        grace_seconds: Option<i64>,
    },
}
