//! `matchLabelKeys` and `mismatchLabelKeys` of pod affinity: a new pod's own values of them become part of its terms'
//! selectors. Upstream: `mutatePodAffinity` in `pkg/registry/core/pod/strategy.go`.

use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

use crate::api::{Labels, Obj, Pod, PodSpec};

/// The pod with its terms completed; itself where no term has such keys.
pub(super) fn apply(mut pod: Arc<Obj<Pod>>) -> Arc<Obj<Pod>> {
    let has_keys = |term: &v1::PodAffinityTerm| {
        let is_some = |keys: &Option<Vec<String>>| keys.as_ref().is_some_and(|keys| !keys.is_empty());
        term.label_selector.is_some() && (is_some(&term.match_label_keys) || is_some(&term.mismatch_label_keys))
    };
    let Some(affinity) = &pod.body.spec.full.affinity else { return pod };
    let mut affinity = affinity.clone();
    if !terms(&mut affinity).iter().any(|term| has_keys(term)) {
        return pod;
    }
    for term in terms(&mut affinity) {
        complete(term, &pod.meta.labels);
    }
    let full = v1::PodSpec { affinity: Some(affinity), ..pod.body.spec.full.clone() };
    Arc::make_mut(&mut pod).body.spec = PodSpec::new(full);
    pod
}

fn terms(affinity: &mut v1::Affinity) -> Vec<&mut v1::PodAffinityTerm> {
    let mut terms = Vec::new();
    if let Some(near) = &mut affinity.pod_affinity {
        terms.extend(near.required_during_scheduling_ignored_during_execution.iter_mut().flatten());
        let preferred = near.preferred_during_scheduling_ignored_during_execution.iter_mut().flatten();
        terms.extend(preferred.map(|weighted| &mut weighted.pod_affinity_term));
    }
    if let Some(apart) = &mut affinity.pod_anti_affinity {
        terms.extend(apart.required_during_scheduling_ignored_during_execution.iter_mut().flatten());
        let preferred = apart.preferred_during_scheduling_ignored_during_execution.iter_mut().flatten();
        terms.extend(preferred.map(|weighted| &mut weighted.pod_affinity_term));
    }
    terms
}

/// A term without a selector is about no pod, whatever the keys.
fn complete(term: &mut v1::PodAffinityTerm, labels: &Labels) {
    let Some(selector) = &mut term.label_selector else { return };
    for (keys, operator) in [(&term.match_label_keys, "In"), (&term.mismatch_label_keys, "NotIn")] {
        for key in keys.iter().flatten() {
            let Some(value) = labels.get(key) else { continue };
            selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
                key: key.clone(),
                operator: operator.to_owned(),
                values: Some(vec![value.to_string()]),
            });
        }
    }
}
