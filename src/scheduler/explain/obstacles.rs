//! What is in the way of a pod: every filter asked about every node, not only until the first that rejects it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::api::{Name, Obj, Pod};
use crate::scheduler::{
    Ahead, Cluster, Code, Cycle, ExtensionPoint, Filters, NodeIndex, NodeView, Plugin, PreFilter, Profile, Status,
};

/// A reason of a plugin, and where it is in the way.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// The plugin.
    pub plugin: &'static str,
    /// Its reasons.
    pub reasons: String,
    /// On how many nodes.
    pub nodes: usize,
    /// The nodes on which nothing else is in the way, by name.
    pub alone_on: Vec<Name>,
}

/// What a plugin has to say of a pod.
pub(super) enum Opinion {
    /// Nothing.
    None,
    /// It filters nodes, perhaps all but a few at once.
    Filter(Option<BTreeSet<Name>>, Filters),
    /// No node can take the pod.
    Reject(Status),
}

impl Opinion {
    /// Asks a plugin.
    pub(super) fn of(cluster: &Cluster, profile: &Profile, number: u8, pod: &Arc<Obj<Pod>>) -> Opinion {
        let plugin: &dyn Plugin = profile.plugins[usize::from(number)].entry.plugin;
        let is_asked = profile.place(ExtensionPoint::Filter, number).is_some();
        let filters = |filter| Filters { list: is_asked.then_some((number, filter)).into_iter().collect() };
        match plugin.pre_filter(&Cycle { pod, cluster, args: &profile.args }) {
            PreFilter::Skip => Opinion::None,
            PreFilter::Filter(filter) => Opinion::Filter(None, filters(filter)),
            PreFilter::Nodes(names, filter) => Opinion::Filter(Some(names), filters(filter)),
            PreFilter::Reject(status) => Opinion::Reject(status),
            PreFilter::Fail(error) => Opinion::Reject(Status::text(Code::UnschedulableAndUnresolvable, error)),
        }
    }

    /// Why the node cannot take the pod, with or without the pods that are ahead of it there.
    pub(super) fn check(&self, cluster: &Cluster, ahead: &Ahead, node: NodeView) -> Option<Status> {
        match self {
            Opinion::None => None,
            Opinion::Reject(status) => Some(status.clone()),
            Opinion::Filter(names, filters) => {
                if names.as_ref().is_some_and(|names| !names.contains(&node.info.name)) {
                    const NOT_NAMED: &str = "node(s) are not among those that the pod names";
                    return Some(Status::fixed(Code::UnschedulableAndUnresolvable, NOT_NAMED));
                }
                filters.check_behind(cluster, ahead.on(node.index), node).map(|(_, status)| status)
            }
        }
    }
}

/// Everything that is in the way of a pod.
pub(super) struct Obstacles {
    /// The plugins that reject nodes, and which: by number, nodes in the order in which they are looked at.
    pub(super) by_plugin: BTreeMap<u8, Vec<NodeIndex>>,
    /// How many plugins reject a node.
    pub(super) plugins_of: BTreeMap<NodeIndex, usize>,
    /// For people.
    pub(super) list: Vec<Obstacle>,
}

impl Obstacles {
    /// Asks all plugins about all nodes.
    pub(super) fn of(cluster: &Cluster, profile: &Profile, pod: &Arc<Obj<Pod>>) -> Obstacles {
        let mut by_plugin: BTreeMap<u8, Vec<NodeIndex>> = BTreeMap::new();
        let mut plugins_of: BTreeMap<NodeIndex, usize> = BTreeMap::new();
        let mut by_reason: BTreeMap<(u8, String), Vec<NodeIndex>> = BTreeMap::new();
        let ahead = cluster.nominated.ahead_of(pod, &cluster.nodes);
        for (number, _) in profile.preparing() {
            let opinion = Opinion::of(cluster, profile, number, pod);
            for node in cluster.nodes.order() {
                let Some(status) = opinion.check(cluster, &ahead, cluster.nodes.view(*node)) else { continue };
                by_plugin.entry(number).or_default().push(*node);
                *plugins_of.entry(*node).or_default() += 1;
                by_reason.entry((number, status.message())).or_default().push(*node);
            }
        }
        let mut list: Vec<Obstacle> = Vec::new();
        for ((number, reasons), nodes) in by_reason {
            let alone = nodes.iter().filter(|node| plugins_of[*node] == 1);
            let mut alone_on: Vec<Name> = alone.map(|node| cluster.nodes.name(*node).clone()).collect();
            alone_on.sort();
            list.push(Obstacle { plugin: profile.name(number), reasons, nodes: nodes.len(), alone_on });
        }
        list.sort_by_key(|obstacle| std::cmp::Reverse((obstacle.alone_on.len(), obstacle.nodes)));
        Obstacles { by_plugin, plugins_of, list }
    }
}
