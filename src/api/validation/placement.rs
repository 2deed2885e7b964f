//! Where a pod may run: affinity, tolerations, topology spread. Upstream: `validateAffinity`, `ValidateTolerations`,
//! `validateTopologySpreadConstraints`.

use k8s_openapi::api::core::v1;
use std::collections::BTreeSet;

use super::field::{Errors, Path};
use super::{selectors, shown};
use crate::api::text::{is_qualified_name, is_valid_label_value};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn affinity(path: &Path, affinity: &v1::Affinity, errors: &mut Errors) {
    if let Some(node) = &affinity.node_affinity {
        node_affinity(&path.child("nodeAffinity"), node, errors);
    }
    if let Some(pods) = &affinity.pod_affinity {
        let required = pods.required_during_scheduling_ignored_during_execution.as_deref();
        let preferred = pods.preferred_during_scheduling_ignored_during_execution.as_deref();
        pod_terms(&path.child("podAffinity"), required, preferred, errors);
    }
    if let Some(pods) = &affinity.pod_anti_affinity {
        let required = pods.required_during_scheduling_ignored_during_execution.as_deref();
        let preferred = pods.preferred_during_scheduling_ignored_during_execution.as_deref();
        pod_terms(&path.child("podAntiAffinity"), required, preferred, errors);
    }
}

fn node_affinity(path: &Path, affinity: &v1::NodeAffinity, errors: &mut Errors) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
        if required.node_selector_terms.is_empty() {
            errors.required(&path, "must have at least one node selector term");
        }
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            selectors::node_selector_term(&path.index(index), term, errors);
        }
    }
    let preferred = affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten();
    for (index, term) in preferred.enumerate() {
        let path = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(index);
        weight(&path, term.weight, errors);
        selectors::node_selector_term(&path.child("preference"), &term.preference, errors);
    }
}

fn weight(path: &Path, weight: i32, errors: &mut Errors) {
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.child("weight"), weight, "must be in the range 1-100");
    }
}

fn pod_terms(
    path: &Path,
    required: Option<&[v1::PodAffinityTerm]>,
    preferred: Option<&[v1::WeightedPodAffinityTerm]>,
    errors: &mut Errors,
) {
    for (index, term) in required.into_iter().flatten().enumerate() {
        pod_term(&path.child("requiredDuringSchedulingIgnoredDuringExecution").index(index), term, errors);
    }
    for (index, term) in preferred.into_iter().flatten().enumerate() {
        let path = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(index);
        weight(&path, term.weight, errors);
        pod_term(&path.child("podAffinityTerm"), &term.pod_affinity_term, errors);
    }
}

fn pod_term(path: &Path, term: &v1::PodAffinityTerm, errors: &mut Errors) {
    selectors::label_selector(&path.child("labelSelector"), term.label_selector.as_ref(), errors);
    selectors::label_selector(&path.child("namespaceSelector"), term.namespace_selector.as_ref(), errors);
    if term.topology_key.is_empty() {
        errors.required(&path.child("topologyKey"), "can not be empty");
    }
    errors.complaints(&path.child("topologyKey"), &term.topology_key, is_qualified_name(&term.topology_key));
}

pub(super) fn tolerations(path: &Path, list: &[v1::Toleration], errors: &mut Errors) {
    for (index, toleration) in list.iter().enumerate() {
        let path = path.index(index);
        let key = toleration.key.as_deref().unwrap_or_default();
        let operator = toleration.operator.as_deref().unwrap_or_default();
        let value = toleration.value.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        if !key.is_empty() {
            errors.complaints(&path.child("key"), key, is_qualified_name(key));
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&path.child("operator"), operator, detail);
        }
        if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&path.child("effect"), effect, detail);
        }
        match operator {
            "" | "Equal" => {
                let complaints = is_valid_label_value(value);
                if !complaints.is_empty() {
                    errors.invalid(&path.child("operator"), value, complaints.join(";"));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let detail = "value must be empty when `operator` is 'Exists'";
                    errors.invalid(&path.child("operator"), shown(toleration), detail);
                }
            }
            other => errors.not_supported(&path.child("operator"), other, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            taint_effect(&path.child("effect"), effect, errors);
        }
    }
}

pub(super) fn taint_effect(path: &Path, effect: &str, errors: &mut Errors) {
    if effect.is_empty() {
        errors.required(path, "");
    } else if !EFFECTS.contains(&effect) {
        errors.not_supported(path, effect, &EFFECTS);
    }
}

pub(super) fn topology_spread(path: &Path, list: &[v1::TopologySpreadConstraint], errors: &mut Errors) {
    let mut pairs = BTreeSet::new();
    for (index, constraint) in list.iter().enumerate() {
        let path = path.index(index);
        if constraint.max_skew <= 0 {
            errors.invalid(&path.child("maxSkew"), constraint.max_skew, "must be greater than zero");
        }
        let key = constraint.topology_key.as_str();
        if key.is_empty() {
            errors.required(&path.child("topologyKey"), "can not be empty");
        } else {
            errors.complaints(&path.child("topologyKey"), key, is_qualified_name(key));
        }
        let action = constraint.when_unsatisfiable.as_str();
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&action) {
            errors.not_supported(&path.child("whenUnsatisfiable"), action, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        if !pairs.insert((key, action)) {
            errors.duplicate(&path.child("{topologyKey, whenUnsatisfiable}"), format!("{{{key}, {action}}}"));
        }
        if let Some(domains) = constraint.min_domains {
            if domains <= 0 {
                errors.invalid(&path.child("minDomains"), domains, "must be greater than 0");
            }
            if action != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.invalid(&path.child("minDomains"), domains, detail);
            }
        }
        for (field, policy) in [
            ("nodeAffinityPolicy", &constraint.node_affinity_policy),
            ("nodeTaintsPolicy", &constraint.node_taints_policy),
        ] {
            if let Some(policy) = policy.as_deref().filter(|policy| !["Honor", "Ignore"].contains(policy)) {
                errors.not_supported(&path.child(field), policy, &["Honor", "Ignore"]);
            }
        }
        selectors::label_selector(&path.child("labelSelector"), constraint.label_selector.as_ref(), errors);
    }
}
