//! Required terms, the incoming pod's and the others'. Upstream: `interpodaffinity/filtering.go`.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::topologies::{Counts, Topologies};
use super::{meets_all, topology};
use crate::api::{Labels, Name, Obj, Pod};
use crate::scheduler::{
    AffinityTerm, AffinityTerms, ClassIndex, Cluster, Code, Cycle, NodeFilter, NodeView, PodClass, Reach, Status,
    namespace_labels,
};

/// What a node is rejected for, in the order in which they are asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// The pods that the incoming pod wants to be with are elsewhere.
    Affinity,
    /// Pods that it wants to be away from are there.
    AntiAffinity,
    /// Pods that want to be away from it are there.
    Existing,
}

impl Reason {
    /// The rejection.
    pub(super) fn status(self) -> Status {
        let (code, reason) = match self {
            Reason::Affinity => (Code::UnschedulableAndUnresolvable, "node(s) didn't match pod affinity rules"),
            Reason::AntiAffinity => (Code::Unschedulable, "node(s) didn't match pod anti-affinity rules"),
            Reason::Existing => (Code::Unschedulable, "node(s) didn't satisfy existing pods anti-affinity rules"),
        };
        Status::fixed(code, reason)
    }
}

/// The incoming pod, with its terms merged.
#[derive(Debug)]
pub(super) struct Incoming {
    namespace: Name,
    namespace_labels: Labels,
    labels: Labels,
    /// Required affinity.
    pub(super) affinity: Vec<AffinityTerm>,
    /// Required anti-affinity.
    pub(super) anti_affinity: Vec<AffinityTerm>,
    /// Whether it meets its own affinity.
    pub(super) meets_itself: bool,
}

/// What a pod elsewhere is to the incoming one.
#[derive(Debug)]
pub(super) struct Relation {
    /// Topologies in which it wants to be away from the incoming pod.
    pub(super) repels: Vec<Name>,
    /// Whether it meets all terms of the incoming pod's affinity.
    pub(super) attracts: bool,
    /// Topologies in which the incoming pod wants to be away from it.
    pub(super) is_repelled: Vec<Name>,
}

impl Incoming {
    /// The pod that is decided, with these terms.
    pub(super) fn of(cycle: &Cycle, terms: &AffinityTerms) -> Incoming {
        let merged = |terms: &[AffinityTerm]| terms.iter().map(|term| term.merged(cycle.cluster)).collect();
        let meta = &cycle.pod.meta;
        let affinity: Vec<AffinityTerm> = merged(&terms.affinity);
        Incoming {
            namespace: meta.namespace.clone(),
            namespace_labels: namespace_labels(cycle.cluster, &meta.namespace),
            labels: meta.labels.clone(),
            meets_itself: meets_all(&affinity, &meta.namespace, &meta.labels),
            affinity,
            anti_affinity: merged(&terms.anti_affinity),
        }
    }

    fn has_terms(&self) -> bool {
        !self.affinity.is_empty() || !self.anti_affinity.is_empty()
    }

    /// The topologies in which a pod with these terms wants to be away from this one.
    pub(super) fn repelled_by<'t>(&'t self, terms: &'t AffinityTerms) -> impl Iterator<Item = &'t Name> {
        let about = |term: &&AffinityTerm| term.matches(&self.namespace, &self.namespace_labels, &self.labels);
        terms.anti_affinity.iter().filter(about).map(|term| &term.topology_key)
    }

    fn relation(&self, namespace: &Name, labels: &Labels, terms: &AffinityTerms) -> Relation {
        let unlabelled = Labels::default();
        let about = |term: &&AffinityTerm| term.matches(namespace, &unlabelled, labels);
        Relation {
            repels: self.repelled_by(terms).cloned().collect(),
            attracts: meets_all(&self.affinity, namespace, labels),
            is_repelled: self.anti_affinity.iter().filter(about).map(|term| term.topology_key.clone()).collect(),
        }
    }

    /// What pods of a class are to it.
    pub(super) fn relation_to(&self, class: &PodClass) -> Relation {
        self.relation(&class.namespace, &class.labels, &class.terms)
    }
}

/// Where pods are that matter to the incoming pod. Upstream: `preFilterState`.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    incoming: Arc<Incoming>,
    existing: Counts,
    affinity: Counts,
    anti_affinity: Counts,
}

impl Filter {
    /// Counts pods; nothing where none could reject a node.
    pub(super) fn of(cycle: &Cycle, terms: &AffinityTerms) -> Option<Filter> {
        let Cluster { nodes, classes, .. } = cycle.cluster;
        let incoming = Incoming::of(cycle, terms);
        let repels = |class: &&ClassIndex| incoming.repelled_by(&classes.get(**class).terms).next().is_some();
        let matters = incoming.has_terms() || classes.with_anti_affinity().iter().any(|class| repels(&class));
        if !matters {
            return None;
        }
        let mut relations: FxHashMap<ClassIndex, Relation> = FxHashMap::default();
        let (mut existing, mut affinity, mut anti_affinity) =
            (Topologies::default(), Topologies::default(), Topologies::default());
        for node in nodes.order() {
            let node = nodes.view(*node);
            for (class, count) in &node.info.classes {
                let relation = relations.entry(*class).or_insert_with(|| incoming.relation_to(classes.get(*class)));
                let count = i64::from(*count);
                let add = |sums: &mut Topologies, key: &Name| {
                    if let Some(value) = topology(node, key) {
                        sums.add(key, value, count);
                    }
                };
                relation.repels.iter().for_each(|key| add(&mut existing, key));
                relation.is_repelled.iter().for_each(|key| add(&mut anti_affinity, key));
                if relation.attracts {
                    incoming.affinity.iter().for_each(|term| add(&mut affinity, &term.topology_key));
                }
            }
        }
        if existing.len() == 0 && !incoming.has_terms() {
            return None;
        }
        Some(Filter {
            incoming: Arc::new(incoming),
            existing: Counts::new(existing),
            affinity: Counts::new(affinity),
            anti_affinity: Counts::new(anti_affinity),
        })
    }

    /// Upstream: `updateWithPod`.
    fn change(&mut self, cluster: &Cluster, pod: &Obj<Pod>, node: NodeView, by: i64) {
        let relation = match cluster.classes.find(pod) {
            Some(class) => self.incoming.relation_to(cluster.classes.get(class)),
            None => self.incoming.relation(&pod.meta.namespace, &pod.meta.labels, &AffinityTerms::of(pod)),
        };
        let change = |counts: &mut Counts, key: &Name| {
            if let Some(value) = topology(node, key) {
                counts.change(key, value, by);
            }
        };
        relation.repels.iter().for_each(|key| change(&mut self.existing, key));
        relation.is_repelled.iter().for_each(|key| change(&mut self.anti_affinity, key));
        if relation.attracts {
            self.incoming.affinity.iter().for_each(|term| change(&mut self.affinity, &term.topology_key));
        }
    }

    /// The first pod of a group that wants to be together may go wherever the topologies are. Upstream:
    /// `satisfyPodAffinity`.
    fn is_attracted(&self, node: NodeView) -> bool {
        let mut all_counted = true;
        for term in &self.incoming.affinity {
            let Some(value) = topology(node, &term.topology_key) else { return false };
            all_counted &= self.affinity.get(&term.topology_key, value) > 0;
        }
        all_counted || self.affinity.is_empty() && self.incoming.meets_itself
    }
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        if !self.is_attracted(node) {
            return Some(Reason::Affinity.status());
        }
        if self.anti_affinity.holds(|key| topology(node, key)) {
            return Some(Reason::AntiAffinity.status());
        }
        self.existing.holds(|key| topology(node, key)).then(|| Reason::Existing.status())
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn add_pod(&mut self, cluster: &Cluster, pod: &Obj<Pod>, node: NodeView) {
        self.change(cluster, pod, node, 1);
    }

    fn remove_pod(&mut self, cluster: &Cluster, pod: &Obj<Pod>, node: NodeView) {
        self.change(cluster, pod, node, -1);
    }
}
