//! The score: fewer pods in the domains of a node are better, each kind of domain weighed by how many there are.
//! Upstream: `pkg/scheduler/framework/plugins/podtopologyspread/scoring.go`.

use std::collections::BTreeMap;

use super::constraints::{Constraint, Counter, HOSTNAME, Judge, Judged, has_all};
use crate::scheduler::{Cluster, Cycle, NodeIndex, NodeScore, NodeView, Reach};

/// The score of a node that lacks a label: it takes no part, and ends with zero. Upstream: `invalidScore`.
pub(super) const IGNORED: i64 = -1;
/// The number of no domain.
const NONE: u32 = u32::MAX;

/// One constraint on a cluster.
#[derive(Debug)]
struct Spread {
    max_skew: i64,
    /// What a pod counts for. Upstream: `topologyNormalizingWeight`.
    weight: f64,
    /// By the number of a node, the number of its domain; [`NONE`] where it has no such label.
    domains: Vec<u32>,
    pods: Pods,
}

/// How the pods of a domain are counted.
#[derive(Debug)]
enum Pods {
    /// By domain, all nodes of it that the constraint's policies let count.
    Domains(Vec<i64>),
    /// A host: those on the node, whatever the policies say.
    Node(Counter),
}

/// The score for a pod with constraints.
#[derive(Debug)]
pub(super) struct Score {
    spreads: Vec<Spread>,
    /// By the number of a node: it takes no part.
    ignored: Vec<bool>,
}

/// The logarithm, so that many small domains do not weigh less than a few large ones.
pub(super) fn weight_of(domains: usize) -> f64 {
    libm::log((domains + 2) as f64)
}

/// What a node earns for so many pods in its domain. Upstream: `scoreForCount`.
pub(super) fn share(max_skew: i64, pods: i64, weight: f64) -> f64 {
    pods as f64 * weight + (max_skew - 1) as f64
}

/// Turns sums of shares, rounded, into scores: the smallest is the best. Upstream: `NormalizeScore`.
pub(super) fn normalize(scores: &mut [i64]) {
    let valid = || scores.iter().copied().filter(|score| *score != IGNORED);
    let max = valid().max().unwrap_or(0).max(0);
    let min = valid().min().unwrap_or(0);
    for score in scores {
        *score = match *score {
            IGNORED => 0,
            _ if max == 0 => 100,
            given => 100 * (max + min - given) / max,
        };
    }
}

impl Spread {
    /// Counts the pods of the domains that have nodes to be scored; `counting` are the nodes whose pods may count. Nodes
    /// without the label are a domain like those where it is empty.
    fn of(cycle: &Cycle, constraint: &Constraint, scored: &[NodeView], counting: &[(NodeView, Judged)]) -> Spread {
        let counter = Counter::of(cycle, constraint);
        let mut domains = vec![NONE; cycle.cluster.nodes.rows().len()];
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for node in scored {
            let value = constraint.value(node);
            let next = numbers.len() as u32;
            let domain = *numbers.entry(value.unwrap_or_default()).or_insert(next);
            if value.is_some() {
                domains[node.index as usize] = domain;
            }
        }
        let (weight, pods) = if constraint.topology_key == HOSTNAME {
            (weight_of(scored.len()), Pods::Node(counter))
        } else {
            let mut pods = vec![0; numbers.len()];
            for (node, _) in counting.iter().filter(|(_, judged)| constraint.counts(*judged)) {
                if let Some(domain) = numbers.get(constraint.value(node).unwrap_or_default()) {
                    pods[*domain as usize] += counter.on(cycle.cluster, node.info);
                }
            }
            (weight_of(numbers.len()), Pods::Domains(pods))
        };
        Spread { max_skew: constraint.max_skew, weight, domains, pods }
    }
}

impl Score {
    /// Counts the pods of all domains. With `requires_all`, nodes that lack the label of any constraint take no part;
    /// without, they only miss that constraint's share.
    pub(super) fn of(cycle: &Cycle, constraints: &[Constraint], feasible: &[NodeIndex], requires_all: bool) -> Score {
        let nodes = &cycle.cluster.nodes;
        let takes_part = |node: &NodeView| !requires_all || has_all(node, constraints);
        let scored: Vec<NodeView> = feasible.iter().map(|node| nodes.view(*node)).filter(takes_part).collect();
        let mut ignored = vec![true; nodes.rows().len()];
        for node in &scored {
            ignored[node.index as usize] = false;
        }
        let judge = Judge::of(cycle, constraints);
        let all = nodes.order().iter().map(|node| nodes.view(*node)).filter(takes_part);
        let counting: Vec<(NodeView, Judged)> = all.map(|node| (node, judge.judge(node))).collect();
        let spread = |constraint| Spread::of(cycle, constraint, &scored, &counting);
        Score { spreads: constraints.iter().map(spread).collect(), ignored }
    }
}

impl NodeScore for Score {
    fn score(&self, cluster: &Cluster, node: NodeView) -> i64 {
        if self.ignored[node.index as usize] {
            return IGNORED;
        }
        let mut score = 0.0;
        for spread in &self.spreads {
            let domain = spread.domains[node.index as usize];
            if domain != NONE {
                let pods = match &spread.pods {
                    Pods::Domains(pods) => pods[domain as usize],
                    Pods::Node(counter) => counter.on(cluster, node.info),
                };
                score += share(spread.max_skew, pods, spread.weight);
            }
        }
        score.round() as i64
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn normalizes(&self) -> bool {
        true
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores);
    }
}
