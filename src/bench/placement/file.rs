//! A study as it is typed. Every list is an axis: the study has a run for each combination and seed.

use serde::Deserialize;

use crate::scenario::file::Duration;
use crate::trace::synthetic::SyntheticFile;

/// `apiVersion` of study files.
pub const API_VERSION: &str = "wavetank.dev/v1";
/// `kind` of study files.
pub const KIND: &str = "Study";

/// A placement study.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Study")]
pub struct StudyFile {
    /// `wavetank.dev/v1`.
    pub api_version: String,
    /// `Study`.
    pub kind: String,
    /// Names it.
    pub metadata: StudyMetadata,
    /// What is asked, for the head of the page.
    #[serde(default)]
    pub description: String,
    /// The list of machines in openb's format, beside the study file. Left out where workloads bring their own.
    pub nodes: Option<String>,
    /// Lists of tasks in openb's format, each a workload of its own.
    #[serde(default)]
    pub pods: Vec<String>,
    /// Workloads that are made anew for each seed.
    #[serde(default)]
    pub synthetic: Vec<NamedSynthetic>,
    /// The policies, by name: see `wavetank list policies`.
    pub policies: Vec<String>,
    /// The seeds: `42..51`, both ends included, or one.
    pub seeds: String,
    /// How much is asked for, each a condition of its own: `1.3` for pods in a drawn order up to 1.3 times what there is,
    /// none of which departs; `asRecorded` for pods that come and depart when the workload says so. Default: `1.3` for
    /// lists of tasks, `asRecorded` where there are none.
    #[serde(default)]
    pub arrive: Vec<ArriveFile>,
    /// What becomes of pods without room, each a condition of its own. Default: `none`.
    #[serde(default)]
    pub queue: Vec<QueueFile>,
    /// Nodes that fail, each a condition of its own. Default: none do.
    #[serde(default)]
    pub failures: Vec<FailuresFile>,
    /// Nodes that are drained in turn, each a condition of its own. Default: none are.
    #[serde(default)]
    pub drains: Vec<DrainsFile>,
    /// When nodes are looked at one by one: after so many percent have arrived. Default: 100.
    pub moment: Option<f64>,
    /// How intervals are made. Default: `t`.
    pub intervals: Option<IntervalsFile>,
    /// With which probability they hold the mean. Default: 0.95.
    pub level: Option<f64>,
}

/// What a study is called.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StudyMetadata {
    /// The name.
    pub name: String,
}

/// A workload that is made.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NamedSynthetic {
    /// What results call it.
    pub name: String,
    /// How it is made. Machines may be left out where the study has `nodes`; sizes of a trace are those of the first list
    /// of `pods`.
    pub trace: SyntheticFile,
}

/// How much is asked for.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ArriveFile {
    /// So many times what there is.
    Times(f64),
    /// `asRecorded`.
    Word(ArriveWord),
}

/// A word for how pods come.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ArriveWord {
    /// When the workload says so.
    AsRecorded,
}

/// What becomes of pods without room.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum QueueFile {
    /// They are turned away.
    None,
    /// They wait, and all are tried whenever something becomes free.
    Retry,
    /// They wait, and nothing goes before the first.
    Fifo,
}

/// Each node fails by itself.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FailuresFile {
    /// The mean time until a node fails, exponentially distributed.
    pub mean_between: Duration,
    /// How long it is away.
    pub lasts: Duration,
}

/// Nodes are drained one after another.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DrainsFile {
    /// How long after one begins the next does.
    pub every: Duration,
    /// How long a node stays closed.
    pub lasts: Duration,
}

/// How intervals are made.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum IntervalsFile {
    /// By Student's t.
    T,
    /// By the percentile bootstrap.
    Bootstrap,
}
