//! Decisions in the form in which those of the real kube-scheduler were recorded.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::{Obj, Pod};
use crate::scheduler::{Cluster, Decision, NodeIndex, Profile, Status};

/// A decision about one pod.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DecisionRecord<'a> {
    /// `namespace/name`.
    pub(super) pod: String,
    /// What rejected the pod in PreEnqueue or PreFilter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pre_filter: Option<RejectionRecord<'a>>,
    /// What came of each node that was looked at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) nodes: BTreeMap<&'a str, NodeRecord<'a>>,
    /// The whole text of the failure.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) message: &'a str,
    /// What PostFilter added to it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) post_filter_message: &'a str,
    /// The node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chosen: Option<&'a str>,
    /// All nodes with the best total, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ties: Vec<&'a str>,
    /// The node that preemption nominated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nominated: Option<&'a str>,
    /// The pods that must go from it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) victims: Vec<String>,
}

/// A rejection.
#[derive(Serialize)]
pub(super) struct RejectionRecord<'a> {
    pub(super) plugin: &'static str,
    pub(super) code: &'static str,
    /// Sorted.
    pub(super) reasons: Vec<&'a str>,
}

/// What came of one node.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum NodeRecord<'a> {
    /// It cannot take the pod.
    Rejected(RejectionRecord<'a>),
    /// It can.
    Scored {
        /// By plugin; those without an opinion are absent.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        scores: BTreeMap<&'static str, i64>,
        /// Their sum.
        total: i64,
    },
}

impl<'a> RejectionRecord<'a> {
    pub(super) fn of(profile: &Profile, plugin: u8, status: &'a Status) -> RejectionRecord<'a> {
        let mut reasons: Vec<&str> = status.reasons.as_slice().iter().map(|reason| reason.as_str()).collect();
        reasons.sort_unstable();
        RejectionRecord { plugin: profile.name(plugin), code: status.code.as_str(), reasons }
    }
}

impl<'a> DecisionRecord<'a> {
    /// A pod that may not even enter the queue.
    pub(super) fn gated(profile: &Profile, pod: &Obj<Pod>, rejection: &'a (u8, Status)) -> DecisionRecord<'a> {
        let (plugin, status) = rejection;
        let pre_filter = Some(RejectionRecord::of(profile, *plugin, status));
        DecisionRecord { pre_filter, ..DecisionRecord::empty(pod) }
    }

    /// Only where the pod is now, or why nowhere.
    pub(super) fn without_nodes(self) -> DecisionRecord<'a> {
        DecisionRecord { nodes: BTreeMap::new(), ties: Vec::new(), ..self }
    }

    fn empty(pod: &Obj<Pod>) -> DecisionRecord<'a> {
        DecisionRecord {
            pod: pod.meta.key(),
            pre_filter: None,
            nodes: BTreeMap::new(),
            message: "",
            post_filter_message: "",
            chosen: None,
            ties: Vec::new(),
            nominated: None,
            victims: Vec::new(),
        }
    }

    /// A decision, and the node that was chosen among the best.
    pub(super) fn of(
        cluster: &'a Cluster,
        profile: &Profile,
        pod: &Obj<Pod>,
        decision: &'a Decision,
        chosen: Option<NodeIndex>,
    ) -> DecisionRecord<'a> {
        let name = |node: NodeIndex| cluster.nodes.name(node).as_str();
        let pre_filter = decision.pre_filter.as_ref();
        let mut ties: Vec<&str> = decision.ties.iter().map(|node| name(*node)).collect();
        ties.sort_unstable();
        let mut record = DecisionRecord {
            pre_filter: pre_filter.map(|(plugin, status)| RejectionRecord::of(profile, *plugin, status)),
            nodes: nodes(cluster, profile, decision),
            chosen: chosen.map(name),
            ties,
            ..DecisionRecord::empty(pod)
        };
        if let Some(failure) = &decision.failure {
            record.message = &failure.message;
            record.post_filter_message = &failure.post_filter;
        }
        if let Some(nomination) = decision.nomination() {
            record.nominated = Some(name(nomination.node));
            record.victims = nomination.victims.iter().map(|victim| victim.meta.key()).collect();
            record.victims.sort_unstable();
        }
        record
    }
}

fn nodes<'a>(cluster: &'a Cluster, profile: &Profile, decision: &'a Decision) -> BTreeMap<&'a str, NodeRecord<'a>> {
    let name = |node: NodeIndex| cluster.nodes.name(node).as_str();
    let rejected = decision.rejected.iter().map(|rejected| {
        let rejection = RejectionRecord::of(profile, rejected.plugin, &rejected.status);
        (name(rejected.node), NodeRecord::Rejected(rejection))
    });
    let scored = decision.feasible.iter().enumerate().map(|(place, node)| {
        let of_plugin = decision.scores.iter().map(|given| (profile.name(given.plugin), given.scores[place]));
        let total = decision.totals.get(place).copied().unwrap_or(0);
        (name(*node), NodeRecord::Scored { scores: of_plugin.collect(), total })
    });
    rejected.chain(scored).collect()
}
