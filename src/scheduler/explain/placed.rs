//! Why this node: who came next, by how much and in what, and which opinion alone decided.

use serde::Serialize;

use super::nodes;
use crate::api::Name;
use crate::scheduler::{Cluster, Decision, NodeIndex, Profile};

/// Why a pod is on its node.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyHere {
    /// The node.
    pub node: Name,
    /// Its total.
    pub total: i64,
    /// How many nodes could have taken the pod.
    pub feasible: usize,
    /// How many of them have the same total: 1 where the choice was clear.
    pub best: usize,
    /// The nearest other node, by total and then by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rival: Option<Rival>,
    /// Opinions without which another node would be best.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tips: Vec<Tip>,
}

/// The node that came next.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rival {
    /// The node.
    pub node: Name,
    /// Its total.
    pub total: i64,
    /// Where the two differ, the largest difference first.
    pub gaps: Vec<ScoreGap>,
}

/// How differently a plugin scored two nodes.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreGap {
    /// The plugin.
    pub plugin: &'static str,
    /// What it gave the chosen node.
    pub chosen: i64,
    /// What it gave the other.
    pub other: i64,
}

/// A plugin that alone decided.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tip {
    /// The plugin.
    pub plugin: &'static str,
    /// The node that would be best without its scores.
    pub node: Name,
    /// By how much.
    pub by: i64,
}

impl WhyHere {
    pub(super) fn of(cluster: &Cluster, profile: &Profile, decision: &Decision, chosen: NodeIndex) -> WhyHere {
        let name = |node: NodeIndex| cluster.nodes.name(node).clone();
        let at = decision.feasible.iter().position(|node| *node == chosen).unwrap_or(0);
        let total = |place: usize| decision.totals.get(place).copied().unwrap_or(0);
        let others = (0..decision.feasible.len()).filter(|place| *place != at);
        let nearest = others.min_by_key(|place| (-total(*place), cluster.nodes.name(decision.feasible[*place])));
        let rival = nearest.map(|place| Rival {
            node: name(decision.feasible[place]),
            total: total(place),
            gaps: gaps(profile, decision, at, place),
        });
        WhyHere {
            node: name(chosen),
            total: total(at),
            feasible: decision.feasible.len(),
            best: decision.ties.len().max(1),
            rival,
            tips: tips(cluster, profile, decision, at),
        }
    }

    /// The same as sentences.
    pub fn sentences(&self) -> Vec<String> {
        let Some(rival) = &self.rival else {
            return vec![format!("{} is the only node that can take it", self.node)];
        };
        let of = format!("of {} that can take it", nodes(self.feasible));
        let mut sentences = Vec::new();
        if self.best > 1 {
            let others = self.best - 1;
            let as_good = if others == 1 { format!("{} is", rival.node) } else { format!("{others} others are") };
            sentences.push(format!(
                "{} is best with {} {of}; {as_good} as good: the choice was a draw",
                self.node, self.total
            ));
        } else {
            let by = self.total - rival.total;
            let lead = format!("{} is best with {} {of}, {by} ahead of {}", self.node, self.total, rival.node);
            sentences.push(lead);
        }
        if !rival.gaps.is_empty() {
            let gap = |gap: &ScoreGap| {
                format!("{} {:+} ({} to {})", gap.plugin, gap.chosen - gap.other, gap.chosen, gap.other)
            };
            let gaps: Vec<String> = rival.gaps.iter().map(gap).collect();
            sentences.push(format!("against {}: {}", rival.node, gaps.join(", ")));
        }
        for tip in &self.tips {
            sentences.push(format!("without {} {} would be best, {} ahead", tip.plugin, tip.node, tip.by));
        }
        sentences
    }
}

fn gaps(profile: &Profile, decision: &Decision, at: usize, place: usize) -> Vec<ScoreGap> {
    let gap = |plugin: u8, scores: &[i64]| ScoreGap {
        plugin: profile.name(plugin),
        chosen: scores[at],
        other: scores[place],
    };
    let all = decision.scores.iter().map(|given| gap(given.plugin, &given.scores));
    let mut gaps: Vec<ScoreGap> = all.filter(|gap| gap.chosen != gap.other).collect();
    gaps.sort_by_key(|gap| (-(gap.chosen - gap.other).abs(), gap.plugin));
    gaps
}

/// Scores of one plugin do not depend on those of another, so leaving one out leaves the rest as it is.
fn tips(cluster: &Cluster, profile: &Profile, decision: &Decision, at: usize) -> Vec<Tip> {
    let mut tips = Vec::new();
    for given in &decision.scores {
        let without = |place: usize| decision.totals[place] - given.scores[place];
        let places = 0..decision.feasible.len();
        let best = places.min_by_key(|place| (-without(*place), cluster.nodes.name(decision.feasible[*place])));
        let Some(best) = best.filter(|best| without(*best) > without(at)) else { continue };
        tips.push(Tip {
            plugin: profile.name(given.plugin),
            node: cluster.nodes.name(decision.feasible[best]).clone(),
            by: without(best) - without(at),
        });
    }
    tips
}
