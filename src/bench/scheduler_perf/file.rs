//! Test cases as they are typed. What they mean is worked out beside this file.
//!
//! Upstream: `testCase` and `workload` of `test/integration/scheduler_perf/scheduler_perf.go` at 1.34, and the ops there.
//! Every field that upstream knows stands here, so that a file of upstream's is refused for what is not run here, and
//! never for what is a slip of the pen.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::scenario::file::{Duration, QuantityText};

/// A test case: a sequence of ops, and the sizes at which it is run.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "TestCase")]
pub(super) struct TestCaseFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) feature_gates: BTreeMap<String, bool>,
    /// Which metrics beside throughput are collected: none is here.
    #[serde(default, rename = "metricsCollectorConfig")]
    pub(super) _metrics_collector_config: Option<IgnoredAny>,
    /// Each is read by its opcode later.
    pub(super) workload_template: Vec<IgnoredAny>,
    pub(super) workloads: Vec<WorkloadFile>,
    pub(super) scheduler_config_path: Option<String>,
    pub(super) default_pod_template_path: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    pub(super) default_threshold_metric_selector: Option<MetricFile>,
}

/// A size.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Workload")]
pub(super) struct WorkloadFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) params: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    pub(super) threshold: Option<f64>,
    pub(super) threshold_metric_selector: Option<MetricFile>,
    #[serde(default)]
    pub(super) feature_gates: BTreeMap<String, bool>,
}

/// What a threshold is about.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "ThresholdMetricSelector")]
pub(super) struct MetricFile {
    pub(super) name: String,
    #[serde(default, rename = "labels")]
    pub(super) _labels: BTreeMap<String, String>,
    #[serde(rename = "dataBucket")]
    pub(super) _data_bucket: Option<String>,
    #[serde(default, rename = "expectLower")]
    pub(super) _expect_lower: bool,
}

/// `createNodes`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "createNodes")]
pub(super) struct CreateNodesFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) count: Option<u32>,
    pub(super) count_param: Option<String>,
    pub(super) node_template_path: Option<String>,
    pub(super) node_allocatable_strategy: Option<AllocatableFile>,
    pub(super) label_node_prepare_strategy: Option<LabelFile>,
    pub(super) unique_node_label_strategy: Option<UniqueLabelFile>,
}

/// Sets amounts of `status.allocatable`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "nodeAllocatableStrategy")]
pub(super) struct AllocatableFile {
    #[serde(default)]
    pub(super) node_allocatable: BTreeMap<String, QuantityText>,
    pub(super) csi_node_allocatable: Option<IgnoredAny>,
    pub(super) migrated_plugins: Option<IgnoredAny>,
}

/// Deals values of a label among the nodes in turn.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "labelNodePrepareStrategy")]
pub(super) struct LabelFile {
    pub(super) label_key: String,
    pub(super) label_values: Vec<String>,
}

/// Gives each node a value of its own.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "uniqueNodeLabelStrategy")]
pub(super) struct UniqueLabelFile {
    pub(super) label_key: String,
}

/// `createNamespaces`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "createNamespaces")]
pub(super) struct CreateNamespacesFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) prefix: String,
    pub(super) count: Option<u32>,
    pub(super) count_param: Option<String>,
    pub(super) namespace_template_path: Option<String>,
}

/// `createPods`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "createPods")]
pub(super) struct CreatePodsFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) count: Option<u32>,
    pub(super) count_param: Option<String>,
    #[serde(default)]
    pub(super) steady_state: bool,
    pub(super) duration: Option<Duration>,
    pub(super) duration_param: Option<String>,
    #[serde(default)]
    pub(super) collect_metrics: bool,
    pub(super) namespace: Option<String>,
    pub(super) pod_template_path: Option<String>,
    #[serde(default)]
    pub(super) skip_wait_to_completion: bool,
    pub(super) persistent_volume_template_path: Option<String>,
    pub(super) persistent_volume_claim_template_path: Option<String>,
}

/// `createPodSets`: a `createPods` in each of several namespaces.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "createPodSets")]
pub(super) struct CreatePodSetsFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) count: Option<u32>,
    pub(super) count_param: Option<String>,
    pub(super) namespace_prefix: String,
    pub(super) create_pods_op: CreatePodsFile,
}

/// `createAny`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "createAny")]
pub(super) struct CreateAnyFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) namespace: Option<String>,
    #[serde(rename = "templatePath")]
    pub(super) _template_path: String,
    pub(super) count: Option<u32>,
    pub(super) count_param: Option<String>,
}

/// `churn`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "churn")]
pub(super) struct ChurnFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) mode: ChurnMode,
    #[serde(default)]
    pub(super) number: u32,
    #[serde(default)]
    pub(super) interval_milliseconds: u64,
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) template_paths: Vec<String>,
}

/// What a churn does at each tick.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub enum ChurnMode {
    /// Creates one object of each template.
    Create,
    /// Creates one of each for so many ticks, deletes them in the next, and so on.
    Recreate,
}

/// `barrier`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "barrier")]
pub(super) struct BarrierFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    #[serde(default)]
    pub(super) label_selector: BTreeMap<String, String>,
    pub(super) stage_requirement: Option<Stage>,
}

/// How far pods have come.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// They have a node, or are known not to have one yet.
    Attempted,
    /// They have a node.
    Scheduled,
}

/// `sleep`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "sleep")]
pub(super) struct SleepFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) duration: Option<Duration>,
    pub(super) duration_param: Option<String>,
}

/// `startCollectingMetrics`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "startCollectingMetrics")]
pub(super) struct StartFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    #[serde(default, rename = "name")]
    pub(super) _name: String,
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    #[serde(default)]
    pub(super) label_selector: BTreeMap<String, String>,
}

/// `stopCollectingMetrics`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "stopCollectingMetrics")]
pub(super) struct StopFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
}

/// `deletePods`.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "deletePods")]
pub(super) struct DeletePodsFile {
    #[serde(rename = "opcode")]
    pub(super) _opcode: String,
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) label_selector: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) skip_wait_to_completion: bool,
    #[serde(default)]
    pub(super) delete_pods_per_second: u32,
}
