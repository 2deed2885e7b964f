//! The timeline as it is typed: at each entry's instant one action, named as kubectl names it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::scalar::short_or_whole;
use super::{Duration, ManifestFiles, ShortForm};

/// What a user does at an instant: exactly one of the actions.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "TimelineEntry")]
#[cfg_attr(feature = "cli", schemars(transform = crate::scenario::schema::one_action))]
pub struct ActionFile {
    /// When, from the start of the simulation on.
    pub at: Duration,
    /// Whether it may fail: an action that kubectl ends with an error is a failed run otherwise. Default: false.
    #[serde(default)]
    pub may_fail: bool,
    /// `kubectl --as`: in whose name, as `system:serviceaccount:shop:deployer`; RBAC decides what they may do. Default:
    /// the administrator's.
    #[serde(rename = "as")]
    pub as_user: Option<String>,
    /// `kubectl apply -f`: a path, an object, or a list of both.
    pub apply: Option<ManifestFiles>,
    /// `kubectl delete`: `deployment/web`, or a mapping with more.
    #[serde(default, deserialize_with = "short_or_whole")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::scenario::schema::ShortOrWhole<DeleteFile>"))]
    pub delete: Option<DeleteFile>,
    /// `kubectl scale`.
    pub scale: Option<ScaleFile>,
    /// `kubectl patch`.
    pub patch: Option<PatchFile>,
    /// `kubectl set image`.
    pub set_image: Option<SetImageFile>,
    /// `kubectl rollout`.
    pub rollout: Option<RolloutFile>,
    /// `kubectl cordon`: a node's name.
    #[serde(default, deserialize_with = "short_or_whole")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::scenario::schema::ShortOrWhole<CordonFile>"))]
    pub cordon: Option<CordonFile>,
    /// `kubectl uncordon`: a node's name.
    #[serde(default, deserialize_with = "short_or_whole")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::scenario::schema::ShortOrWhole<CordonFile>"))]
    pub uncordon: Option<CordonFile>,
    /// `kubectl drain --ignore-daemonsets --delete-emptydir-data --force`: a node's name, or a mapping with more.
    #[serde(default, deserialize_with = "short_or_whole")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::scenario::schema::ShortOrWhole<DrainFile>"))]
    pub drain: Option<DrainFile>,
}

/// `kubectl delete`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Delete")]
pub struct DeleteFile {
    /// What: `deployment/web`.
    pub resource: String,
    /// Its namespace. Default: `default`.
    pub namespace: Option<String>,
    /// `--cascade`. Default: `background`.
    pub cascade: Option<PropagationFile>,
    /// `--grace-period`, in seconds. Default: that of the object.
    pub grace_period_seconds: Option<u32>,
}

/// `--cascade` of `kubectl delete`.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PropagationFile {
    /// The garbage collector deletes dependents afterwards.
    Background,
    /// Dependents go first.
    Foreground,
    /// Dependents stay, without their owner.
    Orphan,
}

/// `kubectl scale`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Scale")]
pub struct ScaleFile {
    /// What: `deployment/web`.
    pub resource: String,
    /// Its namespace. Default: `default`.
    pub namespace: Option<String>,
    /// `--replicas`.
    #[cfg_attr(feature = "cli", schemars(range(min = 0)))]
    pub replicas: i32,
}

/// `kubectl patch`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Patch")]
pub struct PatchFile {
    /// What: `deployment/web`.
    pub resource: String,
    /// Its namespace. Default: `default`.
    pub namespace: Option<String>,
    /// `--type`. Default: `strategic`.
    #[serde(rename = "type")]
    pub kind: Option<PatchType>,
    /// The patch: a mapping, or for `json` a list of operations.
    pub patch: Value,
}

/// `--type` of `kubectl patch`.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PatchType {
    /// Lists are merged by their keys; not for custom resources.
    Strategic,
    /// Lists are replaced.
    Merge,
    /// A list of operations (RFC 6902).
    Json,
}

/// `kubectl set image`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "SetImage")]
pub struct SetImageFile {
    /// What: `deployment/web`.
    pub resource: String,
    /// Its namespace. Default: `default`.
    pub namespace: Option<String>,
    /// The new image of each container, by the container's name; `*` means all.
    pub images: BTreeMap<String, String>,
}

/// `kubectl rollout`: exactly one of undo, pause, resume, restart, history and status.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Rollout")]
#[cfg_attr(feature = "cli", schemars(transform = crate::scenario::schema::one_verb))]
pub struct RolloutFile {
    /// Goes back to an earlier revision of this: `deployment/web`.
    pub undo: Option<String>,
    /// Stops rolling this out.
    pub pause: Option<String>,
    /// Goes on rolling this out.
    pub resume: Option<String>,
    /// Replaces all pods of this, step by step.
    pub restart: Option<String>,
    /// Prints the revisions of this, or with `revision` the template of one.
    pub history: Option<String>,
    /// Waits until this is rolled out, and says what it waits for.
    pub status: Option<String>,
    /// The namespace. Default: `default`.
    pub namespace: Option<String>,
    /// `--to-revision` of undo. Default: the one before.
    pub to_revision: Option<i64>,
    /// `--revision` of history. Default: the list of all.
    pub revision: Option<i64>,
}

/// `kubectl cordon` and `uncordon`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Cordon")]
pub struct CordonFile {
    /// The node.
    pub node: String,
}

/// `kubectl drain`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Drain")]
pub struct DrainFile {
    /// The node.
    pub node: String,
    /// `--grace-period`, in seconds. Default: that of each pod.
    pub grace_period_seconds: Option<u32>,
}

impl ShortForm for DeleteFile {
    const EXPECTED: &'static str = "what to delete, such as deployment/web";

    fn short(resource: String) -> DeleteFile {
        DeleteFile { resource, namespace: None, cascade: None, grace_period_seconds: None }
    }
}

impl ShortForm for CordonFile {
    const EXPECTED: &'static str = "the name of a node";

    fn short(node: String) -> CordonFile {
        CordonFile { node }
    }
}

impl ShortForm for DrainFile {
    const EXPECTED: &'static str = "the name of a node";

    fn short(node: String) -> DrainFile {
        DrainFile { node, grace_period_seconds: None }
    }
}
