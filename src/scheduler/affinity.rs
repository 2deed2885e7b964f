//! Pod affinity terms, parsed once and shared. Upstream: `framework.AffinityTerm`, `framework.PodInfo`.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::Cluster;
use crate::api::{Labels, Name, Namespace, Obj, Pod, Selector};

/// A term of pod affinity or anti-affinity. `matchLabelKeys` and `mismatchLabelKeys` have been merged into the
/// selector by the API server.
#[derive(Clone, Debug)]
pub struct AffinityTerm {
    /// `namespaces`, sorted; the pod's own where neither they nor a selector is given.
    pub namespaces: Vec<Name>,
    /// `namespaceSelector`; absent: selects none.
    pub namespace_selector: Option<Selector>,
    /// `labelSelector`.
    pub selector: Selector,
    /// `topologyKey`.
    pub topology_key: Name,
    /// The weight of a preferred term, zero of a required one.
    pub weight: i64,
}

impl AffinityTerm {
    fn of(term: &v1::PodAffinityTerm, weight: i32, namespace: &Name) -> Result<AffinityTerm, String> {
        let mut namespaces: Vec<Name> = term.namespaces.iter().flatten().map(Name::from).collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.push(namespace.clone());
        }
        namespaces.sort();
        let namespace_selector = match &term.namespace_selector {
            None => None,
            Some(selector) => Some(Selector::from_label_selector(Some(selector))?),
        };
        Ok(AffinityTerm {
            namespaces,
            namespace_selector,
            selector: Selector::from_label_selector(term.label_selector.as_ref())?,
            topology_key: term.topology_key.as_str().into(),
            weight: i64::from(weight),
        })
    }

    /// Whether the term is about pods of a namespace with these labels; `namespaces` gives the labels of the namespace.
    pub fn matches(&self, cluster: &Cluster, namespace: &Name, labels: &Labels) -> bool {
        self.is_about(cluster, namespace) && self.selector.matches(|key| labels.get(key).map(Name::as_str))
    }

    /// Whether the term is about a namespace.
    pub fn is_about(&self, cluster: &Cluster, namespace: &Name) -> bool {
        if self.namespaces.binary_search(namespace).is_ok() {
            return true;
        }
        let Some(selector) = &self.namespace_selector else { return false };
        let object = cluster.namespaces.by_name("", namespace);
        let labels = |object: &Arc<Obj<Namespace>>| object.meta.labels.clone();
        let labels = object.map(labels).unwrap_or_default();
        selector.matches(|key| labels.get(key).map(Name::as_str))
    }
}

/// The terms of a pod.
#[derive(Clone, Debug, Default)]
pub struct AffinityTerms {
    /// Required affinity.
    pub affinity: Vec<AffinityTerm>,
    /// Required anti-affinity.
    pub anti_affinity: Vec<AffinityTerm>,
    /// Preferred affinity.
    pub preferred: Vec<AffinityTerm>,
    /// Preferred anti-affinity.
    pub anti_preferred: Vec<AffinityTerm>,
    /// What cannot be parsed, as upstream words it.
    pub error: Option<String>,
}

impl AffinityTerms {
    /// Those of a pod. A list with a term that cannot be parsed is empty, as it is upstream.
    pub fn of(pod: &Obj<Pod>) -> AffinityTerms {
        let mut terms = AffinityTerms::default();
        let Some(affinity) = &pod.body.spec.full.affinity else { return terms };
        let namespace = &pod.meta.namespace;
        let mut errors = Vec::new();
        let mut required = |list: &Option<Vec<v1::PodAffinityTerm>>| {
            let parsed: Result<Vec<_>, String> =
                list.iter().flatten().map(|term| AffinityTerm::of(term, 0, namespace)).collect();
            parsed.unwrap_or_else(|error| {
                errors.push(error);
                Vec::new()
            })
        };
        if let Some(pod_affinity) = &affinity.pod_affinity {
            terms.affinity = required(&pod_affinity.required_during_scheduling_ignored_during_execution);
        }
        if let Some(anti) = &affinity.pod_anti_affinity {
            terms.anti_affinity = required(&anti.required_during_scheduling_ignored_during_execution);
        }
        let mut preferred = |list: &Option<Vec<v1::WeightedPodAffinityTerm>>| {
            let parsed: Result<Vec<_>, String> = (list.iter().flatten())
                .map(|term| AffinityTerm::of(&term.pod_affinity_term, term.weight, namespace))
                .collect();
            parsed.unwrap_or_else(|error| {
                errors.push(error);
                Vec::new()
            })
        };
        if let Some(pod_affinity) = &affinity.pod_affinity {
            terms.preferred = preferred(&pod_affinity.preferred_during_scheduling_ignored_during_execution);
        }
        if let Some(anti) = &affinity.pod_anti_affinity {
            terms.anti_preferred = preferred(&anti.preferred_during_scheduling_ignored_during_execution);
        }
        terms.error = (!errors.is_empty()).then(|| errors.join(", "));
        terms
    }

    /// Whether there is no term.
    pub fn is_empty(&self) -> bool {
        self.affinity.is_empty()
            && self.anti_affinity.is_empty()
            && self.preferred.is_empty()
            && self.anti_preferred.is_empty()
    }
}
