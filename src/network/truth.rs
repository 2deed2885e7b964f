//! Pods and nodes as they are, as far as requests meet them.
//!
//! A pod answers while its Ready condition holds, which its kubelet reports a little late. One that is deleted goes on
//! answering for as long as a `preStop` hook sleeps, then refuses: a program that has been told to stop no longer
//! listens. What is gone, or stands on a machine without power, says nothing.

use std::collections::BTreeMap;

use super::ledger::Fate;
use super::table::Family;
use crate::api::{Labels, Name, Obj, Pod, PodPhase};
use crate::kernel::{Span, Time};

/// A pod.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PodTruth {
    pub(super) node: Name,
    pub(super) labels: Labels,
    pub(super) families: Vec<Family>,
    ready: bool,
    running: bool,
    /// Until when it answers, where it is being deleted.
    pub(super) stops_at: Option<Time>,
}

impl PodTruth {
    /// Reads a pod; `before` is what it was.
    pub(super) fn of(pod: &Obj<Pod>, before: Option<&PodTruth>, now: Time) -> PodTruth {
        let (body, ips) = (&pod.body, pod.body.status.pod_ips);
        let stops_at = pod.meta.deletion.map(|deletion| {
            let hooks = body.spec.full.containers.iter().filter_map(|container| {
                container.lifecycle.as_ref()?.pre_stop.as_ref()?.sleep.as_ref().map(|sleep| sleep.seconds)
            });
            let grace = deletion.grace_seconds.unwrap_or(0);
            let sleeps = hooks.max().unwrap_or(0).clamp(0, grace.max(0)) as u64;
            before.and_then(|before| before.stops_at).unwrap_or(now.saturating_add(Span::from_secs(sleeps)))
        });
        let family = |address: std::net::IpAddr| if address.is_ipv6() { Family::V6 } else { Family::V4 };
        PodTruth {
            node: body.node_name.clone(),
            labels: pod.meta.labels.clone(),
            families: [ips.first, ips.second].into_iter().flatten().map(family).collect(),
            ready: body.is_ready(),
            running: body.status.phase == PodPhase::Running,
            stops_at,
        }
    }

    /// Whether it sends requests of its own.
    pub(super) fn sends(&self) -> bool {
        self.running && self.stops_at.is_none()
    }
}

/// A node.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct NodeTruth {
    pub(super) zone: Option<Name>,
    pub(super) is_off: bool,
    /// Whether the API server knows it.
    pub(super) is_registered: bool,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    /// By namespace and name.
    pub(super) pods: BTreeMap<(Name, Name), PodTruth>,
    pub(super) nodes: BTreeMap<Name, NodeTruth>,
}

impl Truth {
    /// Whether the machine of a node runs.
    pub(super) fn is_on(&self, node: &Name) -> bool {
        self.nodes.get(node).is_none_or(|node| !node.is_off)
    }

    /// What becomes of a request to a pod.
    pub(super) fn fate(&self, namespace: &Name, pod: &Name, now: Time) -> Fate {
        let Some(pod) = self.pods.get(&(namespace.clone(), pod.clone())) else { return Fate::Lost };
        if !self.is_on(&pod.node) {
            return Fate::Lost;
        }
        let answers = match pod.stops_at {
            Some(stops_at) => pod.running && now < stops_at,
            None => pod.ready,
        };
        if answers { Fate::Served } else { Fate::Refused }
    }
}
