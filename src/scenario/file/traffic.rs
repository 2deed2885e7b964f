//! Requests as they are typed.

use serde::Deserialize;

use super::{Duration, DurationRange};

/// A stream of requests to a Service.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Traffic")]
pub struct TrafficFile {
    /// What it is called in reports. Default: `<from> to <to>`.
    pub name: Option<String>,
    /// Who sends them.
    pub from: ClientsFile,
    /// The Service, by name.
    pub to: String,
    /// The Service's namespace. Default: `default`.
    pub namespace: Option<String>,
    /// Requests a second, of all clients together.
    #[cfg_attr(feature = "cli", schemars(range(min = 0.001, max = 1_000_000_000.0)))]
    pub rate: f64,
    /// From when on. Default: from the begin.
    pub start: Option<Duration>,
    /// Until when. Default: to the end.
    pub until: Option<Duration>,
}

/// Who sends requests: pods with these labels, or somebody outside the cluster.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Clients")]
pub struct ClientsFile {
    /// The labels of the pods, as `kubectl -l` takes them.
    pub selector: Option<String>,
    /// The namespace of the pods. Default: `default`.
    pub namespace: Option<String>,
    /// Whether they come from outside, through a load balancer before all nodes. Default: false.
    pub outside: bool,
}

/// How proxies and names follow what happens.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Network")]
pub struct NetworkFile {
    /// From the end of one sync of a kube-proxy to the begin of the next, at least. Default: 1s, as `iptables.minSyncPeriod`.
    pub min_sync_period: Option<Duration>,
    /// How long a sync takes. Default: `20ms..200ms`.
    pub sync_takes: Option<DurationRange>,
    /// How long clients keep an answer of DNS. Default: 30s.
    pub dns_ttl: Option<Duration>,
}
