//! The smallest changes that place a pod: tried on every filter and node, then decided again.
//!
//! For each node, and each plugin that rejects it, the cheapest change after which the plugin takes the node; where no
//! single one does, a set of which nothing can be left out. The changes that a node needs are those of all plugins that
//! reject it. Of all nodes' needs the smallest are kept, loosened no further than needed, and decided again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{apply, left_of};
use super::obstacles::{Obstacles, Opinion};
use super::{Change, Remedy, WhyNowhere, words};
use crate::api::{Name, Obj, Pod};
use crate::scheduler::{Cluster, Decision, NodeIndex, Profile, Scope, decide, pre_enqueue};

/// The most remedies that are told.
const REMEDIES_MAX: usize = 8;
/// The most changes of one remedy.
const CHANGES_MAX: usize = 4;
/// The most needs of one size that are decided again.
const DECIDED_MAX: usize = 16;
/// The most sets that are looked for where no single change satisfies a plugin.
const SETS_MAX: usize = 16;
/// The highest priority that users may give.
const PRIORITY_MAX: i32 = 1_000_000_000;

/// Changes by number, rising.
type Need = Vec<usize>;

/// Explains a pod that fits nowhere; `preempts` where it is nominated for a node all the same.
pub(super) fn find(cluster: &Cluster, profile: &Profile, pod: &Arc<Obj<Pod>>, preempts: bool) -> WhyNowhere {
    let search = Search { cluster, profile, pod };
    if pre_enqueue(profile, pod).is_some() {
        return search.gated();
    }
    let obstacles = Obstacles::of(cluster, profile, pod);
    let changes = Change::all(cluster, pod);
    let needs = search.needs(&obstacles, &changes);
    let mut remedies = search.smallest(&needs, &changes);
    if !preempts {
        remedies.extend(search.priority());
    }
    remedies.sort_by(|a, b| {
        let key = |remedy: &Remedy| (remedy.changes.len(), remedy.cost, std::cmp::Reverse(remedy.nodes.len()));
        key(a).cmp(&key(b))
    });
    remedies.truncate(REMEDIES_MAX);
    WhyNowhere { remedies, obstacles: obstacles.list }
}

struct Search<'a> {
    cluster: &'a Cluster,
    profile: &'a Profile,
    pod: &'a Arc<Obj<Pod>>,
}

impl Search<'_> {
    fn decide(&self, changes: &[Change]) -> Decision {
        decide(self.cluster, self.profile, &apply(self.pod, changes), Scope::Everything)
    }

    fn remedy(&self, changes: Vec<Change>, decision: &Decision) -> Option<Remedy> {
        let name = |node: &NodeIndex| self.cluster.nodes.name(*node).clone();
        let mut nodes: Vec<Name> = decision.feasible.iter().map(name).collect();
        let mut victims = Vec::new();
        if let (true, Some(nomination)) = (nodes.is_empty(), decision.nomination()) {
            nodes.push(name(&nomination.node));
            victims.extend(nomination.victims.iter().map(|victim| victim.meta.key()));
        }
        nodes.sort();
        victims.sort();
        let text = words::remedy(&changes, &nodes, &victims);
        let cost = changes.iter().map(Change::cost).sum();
        (!nodes.is_empty()).then_some(Remedy { changes, nodes, victims, text, cost })
    }

    /// The gates first: then the pod may fit, or not.
    fn gated(&self) -> WhyNowhere {
        let gates = [Change::RemoveGates];
        let ungated = apply(self.pod, &gates);
        let decision = decide(self.cluster, self.profile, &ungated, Scope::Everything);
        if let Some(remedy) = self.remedy(gates.to_vec(), &decision) {
            return WhyNowhere { remedies: vec![remedy], obstacles: Vec::new() };
        }
        let mut why = find(self.cluster, self.profile, &ungated, false);
        for remedy in &mut why.remedies {
            remedy.changes.insert(0, Change::RemoveGates);
            remedy.text = words::remedy(&remedy.changes, &remedy.nodes, &remedy.victims);
        }
        why
    }

    /// What each node needs: its nodes by need. Nodes that no change helps are left out.
    fn needs(&self, obstacles: &Obstacles, changes: &[Change]) -> BTreeMap<Need, Vec<NodeIndex>> {
        let mut needs: BTreeMap<NodeIndex, (usize, BTreeSet<usize>)> = BTreeMap::new();
        for (plugin, nodes) in &obstacles.by_plugin {
            for (node, need) in self.cures(*plugin, nodes, changes) {
                let (cured, all) = needs.entry(node).or_default();
                *cured += 1;
                all.extend(need);
            }
        }
        let mut by_need: BTreeMap<Need, Vec<NodeIndex>> = BTreeMap::new();
        for (node, (cured, need)) in needs {
            if cured == obstacles.plugins_of[&node] {
                by_need.entry(need.into_iter().collect()).or_default().push(node);
            }
        }
        by_need
    }

    fn opinion(&self, plugin: u8, changes: &[Change], need: &[usize]) -> Opinion {
        let made: Vec<Change> = need.iter().map(|number| changes[*number].clone()).collect();
        Opinion::of(self.cluster, self.profile, plugin, &apply(self.pod, &made))
    }

    /// What makes one plugin take each of the nodes that it rejects.
    fn cures(&self, plugin: u8, nodes: &[NodeIndex], changes: &[Change]) -> BTreeMap<NodeIndex, Need> {
        let ahead = self.cluster.nominated.ahead_of(self.pod, &self.cluster.nodes);
        let takes = |opinion: &Opinion, node: &NodeIndex| {
            opinion.check(self.cluster, &ahead, self.cluster.nodes.view(*node)).is_none()
        };
        let mut cures: BTreeMap<NodeIndex, Need> = BTreeMap::new();
        let mut cheapest: Vec<usize> = (0..changes.len()).collect();
        cheapest.sort_by_key(|number| changes[*number].cost());
        let mut left: Vec<NodeIndex> = nodes.to_vec();
        let mut cure = |left: &mut Vec<NodeIndex>, need: &[usize]| {
            let opinion = self.opinion(plugin, changes, need);
            left.retain(|node| {
                let taken = takes(&opinion, node);
                if taken {
                    cures.insert(*node, need.to_vec());
                }
                !taken
            });
        };
        for number in &cheapest {
            if !left.is_empty() {
                cure(&mut left, &[*number]);
            }
        }
        let everything: Need = (0..changes.len()).collect();
        let hopeful = self.opinion(plugin, changes, &everything);
        left.retain(|node| takes(&hopeful, node));
        for _ in 0..SETS_MAX {
            let Some(node) = left.first().copied() else { break };
            let mut need = everything.clone();
            // The dearest are left out first.
            for number in cheapest.iter().rev() {
                let fewer: Need = need.iter().copied().filter(|kept| kept != number).collect();
                if takes(&self.opinion(plugin, changes, &fewer), &node) {
                    need = fewer;
                }
            }
            cure(&mut left, &need);
        }
        cures
    }

    /// The remedies of as few changes as possible.
    fn smallest(&self, needs: &BTreeMap<Need, Vec<NodeIndex>>, changes: &[Change]) -> Vec<Remedy> {
        for size in 1..=CHANGES_MAX {
            let mut of_size: Vec<(&Need, usize)> =
                needs.iter().filter(|(need, _)| need.len() == size).map(|(need, nodes)| (need, nodes.len())).collect();
            of_size.sort_by_key(|(_, nodes)| std::cmp::Reverse(*nodes));
            let made = |need: &Need| need.iter().map(|number| changes[*number].clone()).collect();
            let remedies: Vec<Remedy> =
                of_size.into_iter().take(DECIDED_MAX).filter_map(|(need, _)| self.tightened(made(need))).collect();
            if !remedies.is_empty() {
                return remedies;
            }
        }
        Vec::new()
    }

    /// The same changes, none further than needed.
    fn tightened(&self, mut changes: Vec<Change>) -> Option<Remedy> {
        let mut decision = self.decide(&changes);
        if decision.feasible.is_empty() {
            return None;
        }
        if let Some((lowered, of_lowered)) = self.least_lowered(&changes, &decision.feasible) {
            (changes, decision) = (lowered, of_lowered);
        }
        for at in 0..changes.len() {
            if let Some((loosened, of_loosened)) = self.least_skew(&changes, at) {
                (changes, decision) = (loosened, of_loosened);
            }
        }
        self.remedy(changes, &decision)
    }

    /// Requests lowered to what the node has left that needs the least of it.
    fn least_lowered(&self, changes: &[Change], feasible: &[NodeIndex]) -> Option<(Vec<Change>, Decision)> {
        if !changes.iter().any(|change| matches!(change, Change::LowerRequest { .. })) {
            return None;
        }
        let for_node = |node: &NodeIndex| -> Vec<Change> {
            let view = self.cluster.nodes.view(*node);
            let lower = |change: &Change| match change {
                Change::LowerRequest { resource, from, .. } => {
                    let to = rounded(resource, left_of(view, resource)).min(*from);
                    Change::LowerRequest { resource: resource.clone(), from: *from, to }
                }
                other => other.clone(),
            };
            changes.iter().map(lower).collect()
        };
        let mut candidates: Vec<(i64, Vec<Change>)> = feasible
            .iter()
            .map(|node| {
                let lowered = for_node(node);
                (lowered.iter().map(Change::cost).sum(), lowered)
            })
            .collect();
        candidates.sort_by_key(|(cost, _)| *cost);
        // Pods that are nominated may need what seems to be left.
        candidates.into_iter().take(3).find_map(|(_, lowered)| {
            let decision = self.decide(&lowered);
            (!decision.feasible.is_empty()).then_some((lowered, decision))
        })
    }

    /// The smallest `maxSkew` that places the pod, where the change is one of a spread constraint and there is one.
    fn least_skew(&self, changes: &[Change], at: usize) -> Option<(Vec<Change>, Decision)> {
        let Change::LoosenSpread { number, topology_key, from, .. } = &changes[at] else { return None };
        let with = |skew: i32| {
            let mut changes = changes.to_vec();
            changes[at] = Change::LoosenSpread {
                number: *number,
                topology_key: topology_key.clone(),
                from: *from,
                to: Some(skew),
            };
            let decision = self.decide(&changes);
            (!decision.feasible.is_empty()).then_some((changes, decision))
        };
        let pods = i32::try_from(self.cluster.pods.len()).unwrap_or(i32::MAX);
        let (mut low, mut high) = (*from, from.saturating_add(pods).saturating_add(1));
        let mut best = with(high)?;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match with(middle) {
                Some(found) => (best, high) = (found, middle),
                None => low = middle,
            }
        }
        Some(best)
    }

    /// The lowest priority with which the pod may preempt others.
    fn priority(&self) -> Option<Remedy> {
        let from = self.pod.body.spec.priority;
        let priorities = self.cluster.pods.iter().map(|entry| entry.pod.body.spec.priority);
        let above = priorities.filter(|priority| *priority >= from && *priority < PRIORITY_MAX);
        let steps: Vec<i32> = above.collect::<BTreeSet<i32>>().into_iter().map(|priority| priority + 1).collect();
        let raised = |to: i32| {
            let changes = vec![Change::RaisePriority { from, to }];
            let decision = self.decide(&changes);
            decision.nomination().is_some().then_some((changes, decision))
        };
        let (mut low, mut high) = (0, steps.len().checked_sub(1)?);
        let mut best = raised(steps[high])?;
        while low < high {
            let middle = low + (high - low) / 2;
            match raised(steps[middle]) {
                Some(found) => (best, high) = (found, middle),
                None => low = middle + 1,
            }
        }
        self.remedy(best.0, &best.1)
    }
}

/// Amounts in bytes are cut to something that can be read.
fn rounded(resource: &str, amount: i64) -> i64 {
    const MEBI: i64 = 1 << 20;
    match resource {
        "memory" | "ephemeral-storage" if amount >= 10 * MEBI => amount / MEBI * MEBI,
        _ => amount,
    }
}
