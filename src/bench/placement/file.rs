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
    /// Recorded workloads in other formats, with machines of their own; see `wavetank list traces`.
    #[serde(default)]
    pub traces: Vec<NamedTrace>,
    /// The policies, by name: see `wavetank list policies`; or `kube-scheduler`, which is its own code with the default
    /// profile.
    pub policies: Vec<String>,
    /// kube-scheduler's own code with profiles of other configurations, each a contender of its own.
    #[serde(default)]
    pub schedulers: Vec<NamedScheduler>,
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
    /// Whether pods without room take that of pods of lower priority, each a condition of its own. Default: `false`.
    #[serde(default)]
    pub preemption: Vec<bool>,
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

/// A workload that was recorded.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NamedTrace {
    /// What results call it.
    pub name: String,
    /// Google's Borg 2019.
    pub borg: Option<BorgFile>,
    /// Azure's packing trace of 2020.
    pub azure: Option<AzureFile>,
    /// Nodes and pods as kubectl prints them.
    pub snapshot: Option<Vec<String>>,
}

/// The files of Borg 2019, beside the study file.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BorgFile {
    /// The table of machine events.
    pub machine_events: String,
    /// The table of instance events.
    pub instance_events: String,
}

/// The files of Azure's packing trace, beside the study file.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AzureFile {
    /// The table of virtual machines.
    pub vms: String,
    /// The table of their types.
    pub types: String,
    /// Which kind of machine they run on, by its `machineId`.
    pub machine_id: String,
    /// How many of these there are: the trace does not say.
    pub machines: u32,
}

/// kube-scheduler with a configuration.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NamedScheduler {
    /// What results call it.
    pub name: String,
    /// A KubeSchedulerConfiguration, beside the study file. Its first profile counts.
    pub config: String,
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
