//! `KubeSchedulerConfiguration` as it is typed. Upstream: `staging/src/k8s.io/kube-scheduler/config/v1/types.go` of 1.34.
//!
//! Strict: what is not here is an unknown field. What upstream fills in where nothing is said is filled in by the files
//! beside this one.

use serde::Deserialize;
use serde_json::Value;

/// The whole document.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "KubeSchedulerConfiguration")]
pub(super) struct ConfigurationFile {
    #[serde(rename = "apiVersion")]
    pub(super) _api_version: String,
    #[serde(rename = "kind")]
    pub(super) _kind: String,
    pub(super) parallelism: Option<i32>,
    pub(super) leader_election: Option<LeaderElectionFile>,
    pub(super) client_connection: Option<ClientConnectionFile>,
    #[serde(rename = "enableProfiling")]
    pub(super) _enable_profiling: Option<bool>,
    #[serde(rename = "enableContentionProfiling")]
    pub(super) _enable_contention_profiling: Option<bool>,
    pub(super) percentage_of_nodes_to_score: Option<i32>,
    pub(super) pod_initial_backoff_seconds: Option<i64>,
    pub(super) pod_max_backoff_seconds: Option<i64>,
    pub(super) profiles: Option<Vec<ProfileFile>>,
    pub(super) extenders: Option<Vec<Value>>,
    pub(super) delay_cache_until_active: Option<bool>,
}

/// `leaderElection`. Texts and durations that are empty or zero count as not given.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "LeaderElectionConfiguration")]
pub(super) struct LeaderElectionFile {
    pub(super) leader_elect: Option<bool>,
    pub(super) lease_duration: Option<String>,
    pub(super) renew_deadline: Option<String>,
    pub(super) retry_period: Option<String>,
    pub(super) resource_lock: Option<String>,
    pub(super) resource_name: Option<String>,
    pub(super) resource_namespace: Option<String>,
}

/// `clientConnection`; nothing but the two limits has an effect here.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "ClientConnectionConfiguration")]
pub(super) struct ClientConnectionFile {
    #[serde(rename = "kubeconfig")]
    pub(super) _kubeconfig: Option<String>,
    #[serde(rename = "acceptContentTypes")]
    pub(super) _accept_content_types: Option<String>,
    #[serde(rename = "contentType")]
    pub(super) _content_type: Option<String>,
    pub(super) qps: Option<f64>,
    pub(super) burst: Option<i32>,
}

/// An entry of `profiles`.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "KubeSchedulerProfile")]
pub(super) struct ProfileFile {
    pub(super) scheduler_name: Option<String>,
    pub(super) percentage_of_nodes_to_score: Option<i32>,
    pub(super) plugins: Option<PluginsFile>,
    pub(super) plugin_config: Option<Vec<PluginConfigFile>>,
}

/// `plugins`: a set for each extension point, and one for all of them.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Plugins")]
pub(super) struct PluginsFile {
    pub(super) pre_enqueue: Option<PluginSetFile>,
    pub(super) queue_sort: Option<PluginSetFile>,
    pub(super) pre_filter: Option<PluginSetFile>,
    pub(super) filter: Option<PluginSetFile>,
    pub(super) post_filter: Option<PluginSetFile>,
    pub(super) pre_score: Option<PluginSetFile>,
    pub(super) score: Option<PluginSetFile>,
    pub(super) reserve: Option<PluginSetFile>,
    pub(super) permit: Option<PluginSetFile>,
    pub(super) pre_bind: Option<PluginSetFile>,
    pub(super) bind: Option<PluginSetFile>,
    pub(super) post_bind: Option<PluginSetFile>,
    pub(super) multi_point: Option<PluginSetFile>,
}

/// What is enabled and disabled at an extension point.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "PluginSet")]
pub(super) struct PluginSetFile {
    pub(super) enabled: Option<Vec<PluginFile>>,
    pub(super) disabled: Option<Vec<PluginFile>>,
}

/// A plugin of a set; `*` stands for all where it is disabled. A weight of zero counts as not given.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Plugin")]
pub(super) struct PluginFile {
    pub(super) name: String,
    pub(super) weight: Option<i32>,
}

/// An entry of `pluginConfig`. The arguments are read when it is known of which plugin they are.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "PluginConfig")]
pub(super) struct PluginConfigFile {
    pub(super) name: String,
    pub(super) args: Option<Value>,
}
