//! Pods and nodes as they are, as far as requests meet them.
//!
//! A pod answers while its Ready condition holds, which its kubelet reports a little late. One that is deleted goes on
//! answering for as long as a `preStop` hook sleeps, then refuses: a program that has been told to stop no longer
//! listens. What is gone, or stands on a machine without power, says nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Fate;
use crate::api::{IpFamily as Family, Labels, Name, Obj, Pod, PodPhase};
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
        PodTruth {
            node: body.node_name.clone(),
            labels: pod.meta.labels.clone(),
            families: [ips.first, ips.second].into_iter().flatten().map(Family::of).collect(),
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
    /// The families that fail, by the strike of a fault, and on which nodes.
    pub(super) failing: BTreeMap<u32, (Family, BTreeSet<Name>)>,
}

impl Truth {
    /// Whether the machine of a node runs.
    pub(super) fn is_on(&self, node: &Name) -> bool {
        self.nodes.get(node).is_none_or(|node| !node.is_off)
    }

    /// Whether packets of a family come to a node, from outside or from another node.
    pub(super) fn reaches(&self, family: Family, node: &Name) -> bool {
        !self.failing.values().any(|(failing, nodes)| *failing == family && nodes.contains(node))
    }

    /// What becomes of a request from a node to a pod. Packets within one node need no network.
    pub(super) fn fate(&self, from: &Name, family: Family, (namespace, pod): (&Name, &Name), now: Time) -> Fate {
        let Some(pod) = self.pods.get(&(namespace.clone(), pod.clone())) else { return Fate::Lost };
        let passes = pod.node == *from || (self.reaches(family, from) && self.reaches(family, &pod.node));
        if !self.is_on(&pod.node) || !passes {
            return Fate::Lost;
        }
        let answers = match pod.stops_at {
            Some(stops_at) => pod.running && now < stops_at,
            None => pod.ready,
        };
        if answers { Fate::Served } else { Fate::Refused }
    }
}
