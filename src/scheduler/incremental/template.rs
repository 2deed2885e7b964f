//! What is known of all nodes for the pods of one template, kept up to date node by node.

use std::sync::Arc;

use super::board::{Board, Position};
use super::counter::{Counter, Topology};
use crate::api::{Name, Obj, Pod};
use crate::scheduler::decide::prepare_but;
use crate::scheduler::log::NodeChange;
use crate::scheduler::spanning::Spanning;
use crate::scheduler::{
    ClassIndex, Cluster, Cycle, ExtensionPoint, NodeFilter, NodeIndex, NodeScore, PreScore, Profile, Reach, Rejected,
    Status,
};

/// A rejection by number; zero is none.
type StatusIndex = u16;

/// A plugin that reaches beyond one node.
#[derive(Debug)]
pub(super) struct Span {
    /// The plugin, by its number in the profile.
    pub(super) plugin: u8,
    /// What its scores are multiplied with; zero where it does not score.
    pub(super) weight: i64,
    /// Its incremental form.
    pub(super) form: Box<dyn Spanning>,
    /// Whether it filters in this profile.
    pub(super) filters: bool,
    /// Its counters: from, to.
    pub(super) counters: (usize, usize),
}

/// A score that is normalised over all nodes: its raw value is part of a group's key.
#[derive(Debug)]
pub(super) struct Grouped {
    /// What it is multiplied with.
    pub(super) weight: i64,
    /// The score.
    pub(super) score: Box<dyn NodeScore>,
    /// On what it depends.
    reach: Reach,
}

/// All nodes, as the pods of one template see them.
#[derive(Debug)]
pub(super) struct Template {
    /// One of the pods.
    pub(super) pod: Arc<Obj<Pod>>,
    /// The number of its profile.
    pub(super) profile: u8,
    /// When it was used last.
    pub(super) used: u64,
    /// The nodes that pass the filters that look at one node.
    pub(super) board: Board,
    /// Scores that are normalised.
    pub(super) grouped: Vec<Grouped>,
    /// Plugins that reach beyond one node.
    pub(super) spans: Vec<Span>,
    /// Their sums.
    pub(super) counters: Vec<Counter>,
    /// Whether all normalised scores look at the Node object alone.
    grouped_by_object: bool,
    /// Whether some counter minds pods of each class, as far as asked.
    minded: Vec<Option<bool>>,
    epoch: u64,
    version: u64,
    seen: u64,
    classes: usize,
    /// Filters that look at the Node object only, and come before all others.
    object_filters: Vec<(u8, Box<dyn NodeFilter>)>,
    /// The other filters that look at one node.
    node_filters: Vec<(u8, Box<dyn NodeFilter>)>,
    object_scores: Vec<(i64, Box<dyn NodeScore>)>,
    node_scores: Vec<(i64, Box<dyn NodeScore>)>,
    statuses: Vec<(u8, Status)>,
    key: Vec<i64>,
}

/// Where the nodes stand in their order; shared by all templates of an epoch.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// The epoch that this is true of.
    pub(super) epoch: u64,
    /// By number of the node.
    pub(super) of: Vec<Position>,
    /// The topologies that axes have asked for: by label, and by node.
    topologies: Vec<(Name, bool, Arc<Topology>)>,
}

impl Positions {
    const NONE: Position = Position::MAX;

    /// Follows the cluster into its epoch.
    pub(super) fn follow(&mut self, cluster: &Cluster) {
        let nodes = &cluster.nodes;
        if self.epoch == nodes.log.epoch() && !self.of.is_empty() {
            return;
        }
        self.epoch = nodes.log.epoch();
        self.topologies.clear();
        self.of.clear();
        self.of.resize(nodes.rows().len(), Positions::NONE);
        for (position, node) in nodes.order().iter().enumerate() {
            self.of[*node as usize] = position as Position;
        }
    }

    fn topology(&mut self, cluster: &Cluster, key: &Name, by_node: bool) -> Arc<Topology> {
        let known = self.topologies.iter().find(|(name, single, _)| name == key && *single == by_node);
        if let Some((_, _, topology)) = known {
            return topology.clone();
        }
        let order = cluster.nodes.order();
        let topology = Arc::new(match by_node {
            true => Topology::of_nodes(cluster, order, key),
            false => Topology::of_label(cluster, order, key),
        });
        self.topologies.push((key.clone(), by_node, topology.clone()));
        topology
    }

    fn find(&self, node: NodeIndex) -> Option<usize> {
        self.of.get(node as usize).filter(|position| **position != Positions::NONE).map(|position| *position as usize)
    }
}

impl Template {
    /// Looks at all nodes for the pods of a template; nothing where some plugin has no incremental form for it, or
    /// rejects the pod before the nodes are looked at.
    pub(super) fn new(
        cluster: &Cluster,
        positions: &mut Positions,
        (number, profile): (u8, &Profile),
        pod: &Arc<Obj<Pod>>,
    ) -> Option<Template> {
        let cycle = Cycle { pod, cluster, args: &profile.args };
        let spans = spans_of(&cycle, profile);
        let without = spans.iter().fold(0, |set, span| set | 1 << span.plugin);
        let prepared = prepare_but(&cycle, profile, without);
        if !prepared.looks_at_all_nodes() {
            return None;
        }
        let nodes = cluster.nodes.order().len();
        let mut template = Template {
            pod: pod.clone(),
            profile: number,
            used: 0,
            board: Board::new(nodes),
            grouped: Vec::new(),
            spans,
            counters: Vec::new(),
            minded: Vec::new(),
            grouped_by_object: true,
            epoch: cluster.nodes.log.epoch(),
            version: cluster.version,
            seen: cluster.nodes.log.end(),
            classes: cluster.classes.len(),
            object_filters: Vec::new(),
            node_filters: Vec::new(),
            object_scores: Vec::new(),
            node_scores: Vec::new(),
            statuses: Vec::new(),
            key: Vec::new(),
        };
        for (plugin, filter) in prepared.filters.list {
            match filter.reach() {
                Reach::Cluster => return None,
                // Of several rejections the first counts.
                Reach::Object | Reach::Node if template.is_judged_before(profile, plugin) => return None,
                Reach::Object if template.node_filters.is_empty() => template.object_filters.push((plugin, filter)),
                Reach::Object | Reach::Node => template.node_filters.push((plugin, filter)),
            }
        }
        template.prepare_scores(&cycle, profile)?;
        let order = cluster.nodes.order();
        for span in &mut template.spans {
            let from = template.counters.len();
            for axis in span.form.axes() {
                let topology = positions.topology(cluster, &axis.key, axis.by_node);
                template.counters.push(Counter::new(axis, topology, cluster, order));
            }
            span.counters = (from, template.counters.len());
        }
        for (position, node) in order.iter().enumerate() {
            template.look_at_object(cluster, *node, position)?;
            template.look_at_node(cluster, *node, position, false)?;
        }
        Some(template)
    }

    fn prepare_scores(&mut self, cycle: &Cycle, profile: &Profile) -> Option<()> {
        let mut most: i64 = 0;
        for (plugin, enabled) in profile.at(ExtensionPoint::Score) {
            // Upstream allows weights below zero; what is kept for each node is not made for them.
            if enabled.weight < 0 {
                return None;
            }
            most = most.checked_add(enabled.weight.checked_mul(100)?)?;
            if self.spans.iter().any(|span| span.plugin == plugin) {
                continue;
            }
            let score = match enabled.entry.plugin.pre_score(cycle, &[]) {
                PreScore::Skip => continue,
                PreScore::Score(score) => score,
                PreScore::Fail(_) => return None,
            };
            match (score.reach(), score.normalizes()) {
                (Reach::Cluster, _) => return None,
                (reach @ (Reach::Object | Reach::Node), true) => {
                    self.grouped_by_object &= reach == Reach::Object;
                    self.grouped.push(Grouped { weight: enabled.weight, score, reach });
                }
                (Reach::Object, false) => self.object_scores.push((enabled.weight, score)),
                (Reach::Node, false) => self.node_scores.push((enabled.weight, score)),
            }
        }
        i32::try_from(most).ok().map(|_| ())
    }

    /// Whether a plugin that reaches beyond one node filters before this one.
    fn is_judged_before(&self, profile: &Profile, plugin: u8) -> bool {
        let place = |plugin| profile.place(ExtensionPoint::Filter, plugin);
        self.spans.iter().any(|span| span.filters && place(span.plugin) < place(plugin))
    }

    fn minds(&mut self, cluster: &Cluster, class: ClassIndex) -> bool {
        let at = class as usize;
        if self.minded.len() <= at {
            self.minded.resize(at + 1, None);
        }
        if let Some(minds) = self.minded[at] {
            return minds;
        }
        let minds = self.counters.iter_mut().any(|counter| counter.minds(cluster, class));
        self.minded[at] = Some(minds);
        minds
    }

    /// Follows the cluster; whether it could.
    pub(super) fn follow(&mut self, cluster: &Cluster, positions: &Positions) -> bool {
        let log = &cluster.nodes.log;
        if self.epoch != log.epoch() || self.version != cluster.version {
            return false;
        }
        for class in self.classes..cluster.classes.len() {
            let class = cluster.classes.get(class as ClassIndex);
            if !self.spans.iter().all(|span| span.form.covers(cluster, class)) {
                return false;
            }
        }
        self.classes = cluster.classes.len();
        let Some(changes) = log.since(self.seen) else { return false };
        self.seen = log.end();
        // Nodes that may have moved to another group.
        let may_move = self.counters.iter().any(Counter::is_single);
        let mut moved: Vec<usize> = Vec::new();
        for (number, node, change) in changes {
            let Some(position) = positions.find(node) else { continue };
            match change {
                NodeChange::Pod { class, count } if self.minds(cluster, class) => {
                    for counter in &mut self.counters {
                        counter.change(cluster, position, class, i64::from(count));
                    }
                    if may_move {
                        moved.push(position);
                    }
                }
                NodeChange::Pod { .. } => {}
                // What a Node object says may decide whether its pods count.
                NodeChange::Object if !self.counters.is_empty() => return false,
                NodeChange::Object => {
                    if self.look_at_object(cluster, node, position).is_none() {
                        return false;
                    }
                }
            }
            if log.is_latest(number, node) {
                let stays = !moved.contains(&position);
                if self.look_at_node(cluster, node, position, stays).is_none() {
                    return false;
                }
            }
        }
        true
    }

    /// Nothing where there are too many different rejections to keep, or too large scores.
    fn look_at_object(&mut self, cluster: &Cluster, node: NodeIndex, position: usize) -> Option<()> {
        let view = cluster.nodes.view(node);
        let rejection = self.object_filters.iter().find_map(|(plugin, f)| Some((*plugin, f.check(cluster, view)?)));
        self.board.cells[position].object_status = self.status_index(rejection)?;
        let scores = self.object_scores.iter().map(|(weight, score)| weight * score.score(cluster, view));
        self.board.cells[position].object_score = i32::try_from(scores.sum::<i64>()).ok()?;
        // What the node says of itself is to be asked again.
        self.board.take(position as Position);
        Some(())
    }

    /// Looks at a node again; `stays` where it is in the same group as before if it is in one.
    fn look_at_node(&mut self, cluster: &Cluster, node: NodeIndex, position: usize, stays: bool) -> Option<()> {
        let view = cluster.nodes.view(node);
        let mut status = self.board.cells[position].object_status;
        if status == 0 {
            let rejection = self.node_filters.iter().find_map(|(plugin, f)| Some((*plugin, f.check(cluster, view)?)));
            status = self.status_index(rejection)?;
        }
        self.board.cells[position].status = status;
        if status != 0 {
            self.board.take(position as Position);
            return Some(());
        }
        let scores = self.node_scores.iter().map(|(weight, score)| weight * score.score(cluster, view));
        let base = i32::try_from(i64::from(self.board.cells[position].object_score) + scores.sum::<i64>()).ok()?;
        if stays && self.grouped_by_object && self.board.rescore(position as Position, base) {
            return Some(());
        }
        self.key.clear();
        let before = self.board.group_of(position as Position).map(|group| &self.board.groups()[group as usize].key);
        self.key.extend(self.grouped.iter().enumerate().map(|(at, grouped)| match before {
            // Pods of the node do not change what its Node object is worth.
            Some(before) if grouped.reach == Reach::Object => before[at],
            _ => grouped.score.score(cluster, view),
        }));
        self.key.extend(self.counters.iter().map(|counter| counter.coordinate(position)));
        self.board.put(position as Position, &self.key, base);
        Some(())
    }

    fn status_index(&mut self, rejection: Option<(u8, Status)>) -> Option<StatusIndex> {
        let Some(rejection) = rejection else { return Some(0) };
        let known = self.statuses.iter().rposition(|known| *known == rejection);
        let index = known.unwrap_or_else(|| {
            self.statuses.push(rejection);
            self.statuses.len() - 1
        });
        StatusIndex::try_from(index + 1).ok()
    }

    /// All rejections, from a place in the order of nodes on; `of_group` are those by plugins that reach beyond a node.
    pub(super) fn rejected(
        &self,
        order: &[NodeIndex],
        start: usize,
        of_group: &[Option<(u8, Status)>],
    ) -> Vec<Rejected> {
        let places = (0..order.len()).map(|offset| (start + offset) % order.len());
        places
            .filter_map(|position| {
                let rejection = match self.board.cells[position].status {
                    0 => of_group[self.board.group_of(position as Position)? as usize].as_ref()?,
                    status => &self.statuses[usize::from(status) - 1],
                };
                Some(Rejected { node: order[position], plugin: rejection.0, status: rejection.1.clone() })
            })
            .collect()
    }
}

/// The plugins that reach beyond one node, as far as they have a form for the pod.
fn spans_of(cycle: &Cycle, profile: &Profile) -> Vec<Span> {
    let at = |point: ExtensionPoint, plugin: usize| profile.place(point, plugin as u8).is_some();
    let plugins = profile.plugins.iter().enumerate();
    let asked = plugins.filter(|(plugin, _)| at(ExtensionPoint::Filter, *plugin) || at(ExtensionPoint::Score, *plugin));
    asked
        .filter_map(|(plugin, enabled)| {
            let form = enabled.entry.plugin.spanning(cycle)?;
            let scores = at(ExtensionPoint::Score, plugin) && form.scores();
            let weight = if scores { enabled.weight } else { 0 };
            let filters = at(ExtensionPoint::Filter, plugin);
            Some(Span { plugin: plugin as u8, weight, form, filters, counters: (0, 0) })
        })
        .collect()
}
