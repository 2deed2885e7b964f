//! Pod affinity terms, parsed once and shared. Upstream: `framework.AffinityTerm`, `framework.PodInfo`.

use k8s_openapi::api::core::v1;

use super::Cluster;
use crate::api::{Labels, Name, Obj, Pod, Selector};

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
        let selector = Selector::from_label_selector(term.label_selector.as_ref())?;
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
            selector,
            topology_key: term.topology_key.as_str().into(),
            weight: i64::from(weight),
        })
    }

    /// Whether the term is about a pod of a namespace, by the labels of both. Upstream: `AffinityTerm.Matches`.
    pub fn matches(&self, namespace: &Name, namespace_labels: &Labels, labels: &Labels) -> bool {
        let selects = |selector: &Selector, labels: &Labels| selector.matches(|key| labels.get(key).map(Name::as_str));
        (self.namespaces.binary_search(namespace).is_ok()
            || self.namespace_selector.as_ref().is_some_and(|selector| selects(selector, namespace_labels)))
            && selects(&self.selector, labels)
    }

    /// The term as the pod that is decided has it: the namespaces that its selector selects are added to those that it
    /// names, so that it can be matched without labels of namespaces. As in 1.34, the selector stays beside them (until
    /// kubernetes/kubernetes#141563): one that is content without labels, by `NotIn` or `DoesNotExist`, selects every
    /// namespace. Upstream: `mergeAffinityTermNamespacesIfNotEmpty`.
    pub fn merged(&self, cluster: &Cluster) -> AffinityTerm {
        let mut merged = self.clone();
        if let Some(selector) = self.namespace_selector.as_ref().filter(|selector| !selector.is_everything()) {
            let selected = cluster.namespaces.iter().filter(|namespace| {
                let labels = &namespace.meta.labels;
                selector.matches(|key| labels.get(key).map(Name::as_str))
            });
            merged.namespaces.extend(selected.map(|namespace| namespace.meta.name.clone()));
            merged.namespaces.sort();
        }
        merged
    }
}

/// The labels of a namespace; none where there is no object. Upstream: `GetNamespaceLabelsSnapshot`.
pub fn namespace_labels(cluster: &Cluster, namespace: &Name) -> Labels {
    cluster.namespaces.by_name("", namespace).map(|object| object.meta.labels.clone()).unwrap_or_default()
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
    /// What cannot be parsed of the required terms, as upstream words it.
    pub required_errors: Vec<String>,
    /// What cannot be parsed of the preferred terms.
    pub preferred_errors: Vec<String>,
}

impl AffinityTerms {
    /// Those of a pod. A list with a term that cannot be parsed is empty, as it is upstream. Upstream: `PodInfo.Update`.
    pub fn of(pod: &Obj<Pod>) -> AffinityTerms {
        let mut terms = AffinityTerms::default();
        let Some(affinity) = &pod.body.spec.full.affinity else { return terms };
        let namespace = &pod.meta.namespace;
        let required = |list: Option<&Vec<v1::PodAffinityTerm>>| -> Result<Vec<AffinityTerm>, String> {
            list.into_iter().flatten().map(|term| AffinityTerm::of(term, 0, namespace)).collect()
        };
        let preferred = |list: Option<&Vec<v1::WeightedPodAffinityTerm>>| -> Result<Vec<AffinityTerm>, String> {
            let weighted = list.into_iter().flatten();
            weighted.map(|term| AffinityTerm::of(&term.pod_affinity_term, term.weight, namespace)).collect()
        };
        let parsed = |result: Result<Vec<AffinityTerm>, String>, list: &str, errors: &mut Vec<String>| {
            result.unwrap_or_else(|error| {
                errors.push(format!("{list}: {error}"));
                Vec::new()
            })
        };
        let (attract, repel) = (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref());
        let list = attract.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        terms.affinity = parsed(required(list), "requiredAffinityTerms", &mut terms.required_errors);
        let list = repel.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        terms.anti_affinity = parsed(required(list), "requiredAntiAffinityTerms", &mut terms.required_errors);
        let list = attract.and_then(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.as_ref());
        terms.preferred = parsed(preferred(list), "preferredAffinityTerms", &mut terms.preferred_errors);
        let list = repel.and_then(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.as_ref());
        terms.anti_preferred = parsed(preferred(list), "preferredAntiAffinityTerms", &mut terms.preferred_errors);
        terms
    }

    /// What cannot be parsed, in one sentence, as Go prints aggregated errors.
    pub fn error(&self) -> Option<String> {
        let errors: Vec<&str> = self.required_errors.iter().chain(&self.preferred_errors).map(String::as_str).collect();
        match errors.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            several => Some(format!("[{}]", several.join(", "))),
        }
    }

    /// Whether there is no term.
    pub fn is_empty(&self) -> bool {
        self.affinity.is_empty()
            && self.anti_affinity.is_empty()
            && self.preferred.is_empty()
            && self.anti_preferred.is_empty()
    }
}
