//! Preferred terms, the incoming pod's and the others', and the required affinity of the others. Upstream:
//! `interpodaffinity/scoring.go`.

use rustc_hash::FxHashMap;

use super::topologies::Topologies;
use super::topology;
use crate::api::{Labels, Name};
use crate::scheduler::{
    AffinityTerm, AffinityTerms, ClassIndex, Cluster, Cycle, NodeScore, NodeView, PodClass, Reach, namespace_labels,
};

/// The incoming pod, with its terms merged.
#[derive(Debug)]
pub(super) struct Incoming {
    namespace: Name,
    namespace_labels: Labels,
    labels: Labels,
    preferred: Vec<AffinityTerm>,
    anti_preferred: Vec<AffinityTerm>,
    hard_weight: i64,
}

impl Incoming {
    /// The pod that is decided, with these terms.
    pub(super) fn of(cycle: &Cycle, terms: &AffinityTerms) -> Incoming {
        let merged = |terms: &[AffinityTerm]| terms.iter().map(|term| term.merged(cycle.cluster)).collect();
        let meta = &cycle.pod.meta;
        Incoming {
            namespace: meta.namespace.clone(),
            namespace_labels: namespace_labels(cycle.cluster, &meta.namespace),
            labels: meta.labels.clone(),
            preferred: merged(&terms.preferred),
            anti_preferred: merged(&terms.anti_preferred),
            hard_weight: cycle.args.inter_pod_affinity.hard_pod_affinity_weight,
        }
    }

    /// Whether it has preferred terms.
    pub(super) fn has_preferences(&self) -> bool {
        !self.preferred.is_empty() || !self.anti_preferred.is_empty()
    }

    /// What a pod of a class is worth to its topologies. Upstream: `processExistingPod`.
    pub(super) fn worth(&self, class: &PodClass) -> Vec<(Name, i64)> {
        let unlabelled = Labels::default();
        let is_met = |term: &&AffinityTerm| term.matches(&class.namespace, &unlabelled, &class.labels);
        let is_about = |term: &&AffinityTerm| term.matches(&self.namespace, &self.namespace_labels, &self.labels);
        let mut worth = Vec::new();
        let mut add = |term: &AffinityTerm, weight: i64| worth.push((term.topology_key.clone(), weight));
        self.preferred.iter().filter(is_met).for_each(|term| add(term, term.weight));
        self.anti_preferred.iter().filter(is_met).for_each(|term| add(term, -term.weight));
        if self.hard_weight > 0 {
            class.terms.affinity.iter().filter(is_about).for_each(|term| add(term, self.hard_weight));
        }
        class.terms.preferred.iter().filter(is_about).for_each(|term| add(term, term.weight));
        class.terms.anti_preferred.iter().filter(is_about).for_each(|term| add(term, -term.weight));
        worth
    }
}

/// What each topology is worth to the incoming pod. Upstream: `preScoreState`.
#[derive(Debug)]
pub(super) struct Score {
    sums: Topologies,
}

impl Score {
    /// Adds up over all nodes, feasible or not; nothing where no term is about any pod.
    pub(super) fn of(cycle: &Cycle, terms: &AffinityTerms) -> Option<Score> {
        let Cluster { nodes, classes, .. } = cycle.cluster;
        let incoming = Incoming::of(cycle, terms);
        let counts = |class: &ClassIndex| !incoming.worth(classes.get(*class)).is_empty();
        if !incoming.has_preferences() && !classes.with_terms().iter().any(counts) {
            return None;
        }
        let mut worth: FxHashMap<ClassIndex, Vec<(Name, i64)>> = FxHashMap::default();
        let mut sums = Topologies::default();
        for node in nodes.order() {
            let node = nodes.view(*node);
            for (class, count) in &node.info.classes {
                let worth = worth.entry(*class).or_insert_with(|| incoming.worth(classes.get(*class)));
                for (key, weight) in worth.iter() {
                    if let Some(value) = topology(node, key) {
                        sums.add(key, value, weight * i64::from(*count));
                    }
                }
            }
        }
        (sums.len() > 0).then_some(Score { sums })
    }
}

impl NodeScore for Score {
    fn score(&self, _cluster: &Cluster, node: NodeView) -> i64 {
        let sum = |(key, sums): (&Name, &FxHashMap<Name, i64>)| sums.get(topology(node, key)?).copied();
        self.sums.keys().filter_map(sum).sum()
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

/// The worst node gets 0, the best 100; where all are the same, all get 0. Upstream: `NormalizeScore`.
pub(super) fn normalize(scores: &mut [i64]) {
    let (Some(min), Some(max)) = (scores.iter().copied().min(), scores.iter().copied().max()) else { return };
    for score in scores {
        let share = (*score - min) as f64 / (max - min) as f64;
        *score = if max > min { (100.0 * share) as i64 } else { 0 };
    }
}
