//! Classes of pods: what a pod is to the spread constraints and affinity terms of others, interned. Pods of a template
//! are one class, so that a node holds a few counts instead of many pods to be matched.

use std::sync::Arc;

use k8s_openapi::api::core::v1;
use rustc_hash::FxHashMap;

use super::AffinityTerms;
use crate::api::{Labels, Name, Obj, Pod};

/// The number of a class, given out in the order in which classes are first seen.
pub type ClassIndex = u32;

/// What pods of a class have in common.
#[derive(Clone, Debug)]
pub struct PodClass {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.labels`.
    pub labels: Labels,
    /// Whether `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// Pod affinity and anti-affinity.
    pub terms: Arc<AffinityTerms>,
    affinity: (Option<v1::PodAffinity>, Option<v1::PodAntiAffinity>),
}

impl PodClass {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(Name::as_str)
    }
}

/// All classes that were ever seen; those without pods stay.
#[derive(Clone, Debug, Default)]
pub struct PodClasses {
    list: Vec<Arc<PodClass>>,
    numbers: FxHashMap<(Name, Labels, bool), Vec<ClassIndex>>,
    with_terms: Vec<ClassIndex>,
    with_anti_affinity: Vec<ClassIndex>,
}

fn affinity_of(pod: &Obj<Pod>) -> (Option<&v1::PodAffinity>, Option<&v1::PodAntiAffinity>) {
    match &pod.body.spec.full.affinity {
        None => (None, None),
        Some(affinity) => (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref()),
    }
}

impl PodClasses {
    /// The class of a pod, new where it was never seen.
    pub fn of(&mut self, pod: &Obj<Pod>) -> ClassIndex {
        if let Some(class) = self.find(pod) {
            return class;
        }
        let class = self.list.len() as ClassIndex;
        let (affinity, anti_affinity) = affinity_of(pod);
        let (namespace, labels) = (pod.meta.namespace.clone(), pod.meta.labels.clone());
        let key = (namespace.clone(), labels.clone(), pod.meta.is_terminating());
        let terms = Arc::new(AffinityTerms::of(pod));
        if !terms.is_empty() {
            self.with_terms.push(class);
        }
        if !terms.anti_affinity.is_empty() {
            self.with_anti_affinity.push(class);
        }
        self.list.push(Arc::new(PodClass {
            namespace,
            labels,
            terminating: key.2,
            terms,
            affinity: (affinity.cloned(), anti_affinity.cloned()),
        }));
        self.numbers.entry(key).or_default().push(class);
        class
    }

    /// The class of a pod, if it was seen.
    pub fn find(&self, pod: &Obj<Pod>) -> Option<ClassIndex> {
        let key = (pod.meta.namespace.clone(), pod.meta.labels.clone(), pod.meta.is_terminating());
        let affinity = affinity_of(pod);
        let same = |class: &&ClassIndex| {
            let known = &self.list[**class as usize].affinity;
            (known.0.as_ref(), known.1.as_ref()) == affinity
        };
        self.numbers.get(&key)?.iter().find(same).copied()
    }

    /// A class by its number.
    pub fn get(&self, class: ClassIndex) -> &Arc<PodClass> {
        &self.list[class as usize]
    }

    /// The classes whose pods have affinity terms of any kind. Upstream: `NodeInfo.PodsWithAffinity`.
    pub fn with_terms(&self) -> &[ClassIndex] {
        &self.with_terms
    }

    /// The classes whose pods have required anti-affinity. Upstream: `NodeInfo.PodsWithRequiredAntiAffinity`.
    pub fn with_anti_affinity(&self) -> &[ClassIndex] {
        &self.with_anti_affinity
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
