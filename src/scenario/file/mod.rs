//! Scenario files as they are typed. What they mean is worked out by the files beside this folder.
//!
//! Every field of the format is documented here; field names are in camelCase, as in Kubernetes. Unknown fields are
//! errors. Numbers and durations have their units in the text (`90s`, `16Gi`).

mod behaviour;
mod expectation;
mod fault;
mod manifest;
mod nodes;
mod scalar;
mod scheduler;
mod timeline;
mod trace;
mod traffic;
mod webhook;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub use behaviour::{
    BehaviourFile, CourseFile, ExitFile, ImageFile, LapseFile, MatchFile, RampFile, SightFile, StepFile, UsageFile,
};
pub use expectation::{ClaimFile, CountFile, ExpectationFile};
pub use fault::FaultFile;
pub use manifest::{ManifestFile, ManifestFiles, RepeatBlock, RepeatFile};
pub use nodes::{IpFamilyFile, NodePoolFile, NodeTypeEntry, NodeTypeFile, NodeTypesInFile, TaintFields, TaintFile};
pub(super) use scalar::read_range;
pub use scalar::{Duration, DurationRange, Every, FlagText, Instant, QuantityText, ShortForm};
pub use scheduler::{SchedulerConfigFile, SchedulerFlagsFile};
pub use timeline::{
    ActionFile, CordonFile, DeleteFile, DrainFile, PatchFile, PatchType, PropagationFile, RolloutFile, ScaleFile,
    SetImageFile,
};
pub use trace::{Arrive, TraceFile, TraceFormat, TraceNodesFile, TraceOnly, TracePodsFile};
pub use traffic::{ClientsFile, NetworkFile, TrafficFile};
pub use webhook::{WebhookConditionFile, WebhookDenialFile, WebhookFile, WebhookPatchFile};

/// `apiVersion` of scenario files.
pub const API_VERSION: &str = "wavetank.dev/v1";
/// `kind` of scenario files.
pub const KIND: &str = "Scenario";

/// A scenario: a cluster, what is applied to it, what happens to it, and what is expected of it.
///
/// Further documents of the same file that are Kubernetes objects are applied with `manifests`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Scenario")]
pub struct ScenarioFile {
    /// `wavetank.dev/v1`.
    #[cfg_attr(feature = "cli", schemars(extend("const" = API_VERSION)))]
    pub api_version: String,
    /// `Scenario`.
    #[cfg_attr(feature = "cli", schemars(extend("const" = KIND)))]
    pub kind: String,
    /// The scenario's name.
    pub metadata: MetadataFile,
    /// What the scenario shows, for people.
    pub description: Option<String>,
    /// The seed of all draws where the command line gives none. Default: 1.
    pub seed: Option<u64>,
    /// The instant at which simulated time is zero. Default: `2026-01-01T00:00:00Z`.
    pub start: Option<Instant>,
    /// How much simulated time is run. Default: until nothing is going to happen any more, one hour at most (more where
    /// the timeline or an expectation reaches further).
    pub duration: Option<Duration>,
    /// Whether the run ends as soon as every expectation is decided and every `eventually` is met. Default: false.
    #[serde(default)]
    pub stop_when_met: bool,
    /// Named machine types that pools can be of: in place, or `{file: types.yaml}` for a file that holds a list of them.
    #[serde(default)]
    pub node_types: Vec<NodeTypeEntry>,
    /// Pools of equal nodes. Default: one pool `node` of three nodes with 8 CPUs and 32Gi each.
    pub nodes: Option<Vec<NodePoolFile>>,
    /// What is applied at time zero, as with one `kubectl apply -f`.
    #[serde(default)]
    pub manifests: Vec<ManifestFile>,
    /// Nodes and pods of a trace, beside those of `nodes` and `manifests`. Where it has nodes and `nodes` is left out, there
    /// are no others.
    pub trace: Option<TraceFile>,
    /// Settings of the control plane and of kubelets, under upstream's flag names.
    #[serde(default)]
    pub components: ComponentsFile,
    /// How long messages between components and the API server take.
    #[serde(default)]
    pub latency: LatencyFile,
    /// What containers do. The first entry that matches a container holds; without one it is a server that is ready at
    /// once and runs until it is stopped.
    #[serde(default)]
    pub behaviours: Vec<BehaviourFile>,
    /// What users do, and when.
    #[serde(default)]
    pub timeline: Vec<ActionFile>,
    /// What breaks, and when.
    #[serde(default)]
    pub faults: Vec<FaultFile>,
    /// Requests to Services, which are counted as served, refused or lost.
    #[serde(default)]
    pub traffic: Vec<TrafficFile>,
    /// What admission webhooks answer, beside admitting everything.
    #[serde(default)]
    pub webhooks: Vec<WebhookFile>,
    /// How proxies and names follow what happens.
    #[serde(default)]
    pub network: NetworkFile,
    /// What must come true.
    #[serde(default)]
    pub expect: Vec<ExpectationFile>,
    /// What is checked all the time.
    #[serde(default)]
    pub checks: ChecksFile,
    /// Axes of a sweep: paths as `--set` takes them, each with a list of values: `nodes[0].count: [3, 5, 9]`. The whole
    /// grid is run, every point with each seed. An axis whose value `--set` gives is left out.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(extend("additionalProperties" = {"type": "array", "minItems": 1})))]
    pub axes: BTreeMap<String, Vec<Value>>,
}

/// What is checked all the time, whatever is expected.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Checks")]
pub struct ChecksFile {
    /// The invariants, by name. Default: all of them.
    #[cfg_attr(feature = "cli", schemars(schema_with = "crate::scenario::schema::names_of_invariants"))]
    pub invariants: Option<Vec<String>>,
}

/// `metadata` of a scenario.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "ScenarioMetadata")]
pub struct MetadataFile {
    /// The name: lower-case letters, digits, `-` and `.`.
    #[cfg_attr(feature = "cli", schemars(regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")))]
    pub name: String,
}

/// Flags of one component: upstream's name without dashes in front, and a value.
pub type FlagsFile = BTreeMap<String, FlagText>;

/// Settings of components.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Components")]
pub struct ComponentsFile {
    /// Flags of kube-controller-manager and of its controllers, such as `concurrent-deployment-syncs`, `kube-api-qps`,
    /// `cluster-cidr`. `controllers` chooses among them as upstream: `*,-namespace-controller`.
    #[cfg_attr(feature = "cli", schemars(schema_with = "crate::scenario::schema::flags_of_controller_manager"))]
    pub kube_controller_manager: FlagsFile,
    /// Flags of kube-scheduler. `config` is the path of a KubeSchedulerConfiguration, from this file's folder on, or the
    /// document itself.
    #[cfg_attr(feature = "cli", schemars(schema_with = "crate::scenario::schema::flags_of_scheduler"))]
    pub kube_scheduler: SchedulerFlagsFile,
    /// Flags of all kubelets.
    #[cfg_attr(feature = "cli", schemars(schema_with = "crate::scenario::schema::flags_of_kubelet"))]
    pub kubelet: FlagsFile,
    /// Flags of kube-apiserver, such as `service-cluster-ip-range`.
    #[cfg_attr(feature = "cli", schemars(schema_with = "crate::scenario::schema::flags_of_api_server"))]
    pub kube_apiserver: FlagsFile,
    /// The API server.
    pub api_server: ApiServerFile,
    /// How many replicas of other components there are.
    pub replicas: ReplicasFile,
}

/// How many replicas of a component there are, of which one works, the leader, and the others stand by: 1 to 9 each.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Replicas")]
pub struct ReplicasFile {
    /// Of kube-controller-manager. Default: 1.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 9)))]
    pub kube_controller_manager: Option<u8>,
    /// Of kube-scheduler. Default: 1.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 9)))]
    pub kube_scheduler: Option<u8>,
}

/// Settings of the API server.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "ApiServer")]
pub struct ApiServerFile {
    /// How many replicas there are, each with a watch cache of its own: 1 to 9. Default: 1.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 9)))]
    pub replicas: Option<u8>,
}

/// Latencies; what is not given is that of a small control plane in one data centre.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Latency")]
pub struct LatencyFile {
    /// From sending a GET or LIST until its answer is ready. Default: `500us..2ms`.
    pub read: Option<DurationRange>,
    /// From sending a write until it is committed. Default: `2ms..6ms`.
    pub write: Option<DurationRange>,
    /// From the answer to its arrival. Default: `200us..1ms`.
    pub reply: Option<DurationRange>,
    /// From a replica's watch cache to the watcher. Default: `1ms`.
    pub watch: Option<Duration>,
    /// How far each replica's watch cache is behind etcd. Default: `1ms`.
    pub watch_cache_lag: Option<Duration>,
}
