//! What is asked of whom, and how proxies and names behave. Plain values that a scenario is lowered into.

use crate::api::{Name, Selector};
use crate::kernel::{Span, Time};

/// Everything that the network starts from.
#[derive(Clone, Debug)]
pub struct TrafficSettings {
    /// The streams of requests.
    pub lines: Vec<TrafficLine>,
    /// The proxies of the nodes.
    pub proxy: ProxySettings,
    /// How long clients keep what DNS has told them. Upstream: `ttl 30` in kubeadm's Corefile.
    pub dns_ttl: Span,
}

impl TrafficSettings {
    /// No requests at all.
    pub fn none() -> TrafficSettings {
        TrafficSettings { lines: Vec::new(), proxy: ProxySettings::DEFAULT, dns_ttl: Span::from_secs(30) }
    }
}

/// How kube-proxy follows the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxySettings {
    /// From a change to its reaching the proxy.
    pub watch: Span,
    /// From the end of one sync to the begin of the next, at least. Upstream: `iptables.minSyncPeriod`.
    pub min_sync_period: Span,
    /// How long a sync takes, between these two.
    pub sync_takes: (Span, Span),
}

impl ProxySettings {
    /// A second between syncs, as upstream; 20 to 200 ms for one.
    pub const DEFAULT: ProxySettings = ProxySettings {
        watch: Span::from_millis(2),
        min_sync_period: Span::from_secs(1),
        sync_takes: (Span::from_millis(20), Span::from_millis(200)),
    };
}

/// A stream of requests to a Service.
#[derive(Clone, Debug)]
pub struct TrafficLine {
    /// What it is called in reports.
    pub name: Name,
    /// Who asks.
    pub from: Clients,
    /// The namespace and name of the Service.
    pub to: (Name, Name),
    /// How many requests all clients send together, in thousandths a second.
    pub rate_milli: u64,
    /// From when on.
    pub start: Time,
    /// Until when; `None`: to the end.
    pub end: Option<Time>,
}

/// Who sends requests, each as many as another.
#[derive(Clone, Debug)]
pub enum Clients {
    /// The running pods of a namespace with these labels.
    Pods {
        /// The namespace.
        namespace: Name,
        /// Which of them.
        selector: Selector,
    },
    /// Somebody outside, through a load balancer before all nodes that run.
    Outside,
}
