//! What a namespace says about its deletion. Upstream: `pkg/controller/namespace/deletion/status_condition_utils.go`.
//!
//! Left out: failures of discovery, which the simulated API server never has; their conditions say that all is well.

use std::collections::BTreeMap;

use crate::api::{Condition, ConditionStatus, Kind, Name, Timestamp};

/// What was found in the course of one attempt to empty a namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Deletions that went wrong.
    pub(super) errors: Vec<Name>,
    /// How many objects of a kind are left.
    pub(super) remaining: BTreeMap<Kind, usize>,
    /// How many objects are left with a finalizer.
    pub(super) finalizers: BTreeMap<Name, usize>,
}

/// The conditions in upstream's order, with the reason and the message of each while there is nothing to complain of.
const CONDITIONS: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (CONTENT_FAILURE, "ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    (CONTENT_REMAINING, "ContentRemoved", "All content successfully removed"),
    (FINALIZERS_REMAINING, "ContentRemoved", "All content successfully removed"),
];
const CONTENT_FAILURE: &str = "NamespaceDeletionContentFailure";
const CONTENT_REMAINING: &str = "NamespaceContentRemaining";
const FINALIZERS_REMAINING: &str = "NamespaceFinalizersRemaining";

/// Brings the conditions up to date; returns whether anything changed.
pub(super) fn update(conditions: &mut Vec<Condition>, findings: &Findings, now: Timestamp) -> bool {
    let mut changed = false;
    for (kind, good_reason, good_message) in CONDITIONS {
        let (status, reason, message) = match complaint(kind, findings) {
            Some((reason, message)) => (ConditionStatus::True, reason, message),
            None => (ConditionStatus::False, good_reason, good_message.into()),
        };
        match conditions.iter_mut().find(|condition| condition.kind == kind) {
            None => conditions.push(Condition {
                kind: kind.into(),
                status,
                reason: reason.into(),
                message,
                last_transition: Some(now),
                last_update: None,
            }),
            Some(old) if old.status == status && old.reason == reason && old.message == message => continue,
            Some(old) => {
                if old.status != status {
                    old.last_transition = Some(now);
                }
                (old.status, old.reason, old.message) = (status, reason.into(), message);
            }
        }
        changed = true;
    }
    changed
}

/// Why a condition holds: reason and message.
fn complaint(kind: &str, findings: &Findings) -> Option<(&'static str, Name)> {
    match kind {
        CONTENT_FAILURE if !findings.errors.is_empty() => {
            let mut errors = findings.errors.clone();
            errors.sort();
            let message = ecow::eco_format!(
                "Failed to delete all resource types, {} remaining: {}",
                errors.len(),
                errors.join(", ")
            );
            Some(("ContentDeletionFailed", message))
        }
        CONTENT_REMAINING if !findings.remaining.is_empty() => {
            let mut kinds: Vec<String> = findings
                .remaining
                .iter()
                .filter_map(|(kind, count)| Some((kind.info()?, count)))
                .map(|(info, count)| format!("{}.{} has {count} resource instances", info.plural, info.group))
                .collect();
            kinds.sort();
            Some(("SomeResourcesRemain", ecow::eco_format!("Some resources are remaining: {}", kinds.join(", "))))
        }
        FINALIZERS_REMAINING if !findings.finalizers.is_empty() => {
            let finalizers: Vec<String> = findings
                .finalizers
                .iter()
                .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
                .collect();
            let message =
                ecow::eco_format!("Some content in the namespace has finalizers remaining: {}", finalizers.join(", "));
            Some(("SomeFinalizersRemain", message))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_changes_its_time_only_with_its_status() {
        let mut conditions = Vec::new();
        let mut findings = Findings::default();
        findings.remaining.insert(Kind::Deployment, 2);
        findings.remaining.insert(Kind::ConfigMap, 1);
        assert!(update(&mut conditions, &findings, Timestamp(1)));
        assert!(!update(&mut conditions, &findings, Timestamp(2)));
        let remaining = crate::api::find_condition(&conditions, CONTENT_REMAINING).unwrap();
        assert_eq!(
            remaining.message,
            "Some resources are remaining: configmaps. has 1 resource instances, deployments.apps has 2 resource instances"
        );
        findings.remaining.remove(&Kind::Deployment);
        assert!(update(&mut conditions, &findings, Timestamp(3)));
        let times: Vec<i64> =
            conditions.iter().filter_map(|condition| condition.last_transition).map(|at| at.0).collect();
        assert_eq!(times, [1, 1, 1, 1, 1]);
        findings.remaining.clear();
        findings.errors.push("no".into());
        assert!(update(&mut conditions, &findings, Timestamp(4)));
        let times: Vec<i64> =
            conditions.iter().filter_map(|condition| condition.last_transition).map(|at| at.0).collect();
        assert_eq!(times, [1, 1, 4, 4, 1]);
        assert_eq!(conditions[2].message, "Failed to delete all resource types, 1 remaining: no");
    }
}
