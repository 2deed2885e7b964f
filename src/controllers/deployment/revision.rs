//! Revisions: templates and their hashes, the annotations that number them, and the way back.
//! Upstream: `pkg/controller/deployment/util`, kubectl's `pkg/polymorphichelpers/rollback.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Deployment, Labels, Name, Obj, PodTemplate, ReplicaSet, convert};

/// The label that tells the pods of one template from those of others.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
/// The revision of a Deployment or ReplicaSet.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// The revisions that a ReplicaSet had before.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The Deployment's `spec.replicas` when the ReplicaSet was sized.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with the surge.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations that are not handed from a Deployment to its ReplicaSet.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];
/// The longest revision history in bytes. Upstream: `maxRevHistoryLengthInChars`.
const HISTORY_MAX: usize = 2000;

/// A revision from annotations: 0 where there is none, `None` where it is no number. Upstream: `Revision`.
pub fn revision(annotations: &Labels) -> Option<i64> {
    annotations.get(REVISION).map_or(Some(0), |text| text.parse().ok())
}

/// A number from annotations, if it is there and one.
pub fn number(annotations: &Labels, key: &str) -> Option<i32> {
    annotations.get(key)?.parse().ok()
}

/// The annotations of a ReplicaSet with its Deployment's size. Upstream: `SetReplicasAnnotations`.
pub fn with_sizes(annotations: &Labels, desired: i32, max: i32) -> Labels {
    let (desired, max) = (ecow::eco_format!("{desired}"), ecow::eco_format!("{max}"));
    if annotations.get(DESIRED_REPLICAS) == Some(&desired) && annotations.get(MAX_REPLICAS) == Some(&max) {
        return annotations.clone();
    }
    annotations.with(DESIRED_REPLICAS, desired).with(MAX_REPLICAS, max)
}

/// The annotations that the new ReplicaSet should have: those of the Deployment, the revision where it has grown, and
/// then the former one in the history. Upstream: `SetNewReplicaSetAnnotations` of a set that exists.
pub fn for_new_set(set: &Labels, deployment: &Labels, new_revision: i64) -> Labels {
    let mut annotations = set.clone();
    for (key, value) in deployment.iter() {
        if !NOT_COPIED.contains(&key.as_str()) && annotations.get(key) != Some(value) {
            annotations = annotations.with(key.clone(), value.clone());
        }
    }
    let former = set.get(REVISION).filter(|text| !text.is_empty());
    let Some(former_revision) = former.map_or(Some(0), |text| text.parse::<i64>().ok()) else {
        // Upstream gives up on a revision that is no number, and does not look at the other annotations either.
        return set.clone();
    };
    if former_revision < new_revision {
        annotations = annotations.with(REVISION, ecow::eco_format!("{new_revision}"));
        if let Some(former) = set.get(REVISION) {
            let history = set.get(REVISION_HISTORY).map_or("", |history| history.as_str());
            if let Some(history) = appended(history, former) {
                annotations = annotations.with(REVISION_HISTORY, history);
            }
        }
    }
    annotations
}

/// A history with one more revision; the oldest make room.
fn appended(history: &str, revision: &str) -> Option<Name> {
    if history.is_empty() {
        return Some(revision.into());
    }
    let mut kept = history;
    while kept.len() + 1 + revision.len() > HISTORY_MAX {
        kept = kept.split_once(',')?.1;
    }
    Some(ecow::eco_format!("{kept},{revision}"))
}

/// The highest revision of some ReplicaSets. Upstream: `MaxRevision`.
pub fn max_revision<'a>(sets: impl Iterator<Item = &'a Arc<Obj<ReplicaSet>>>) -> i64 {
    sets.filter_map(|set| revision(&set.meta.annotations)).fold(0, i64::max)
}

/// Whether two templates are the same but for the hash label. Upstream: `EqualIgnoreHash`.
pub fn same_template(one: &PodTemplate, other: &PodTemplate) -> bool {
    one.spec == other.spec
        && one.node_name == other.node_name
        && one.annotations == other.annotations
        && one.finalizers == other.finalizers
        && one.labels.without(POD_TEMPLATE_HASH) == other.labels.without(POD_TEMPLATE_HASH)
}

/// The value of the hash label for a template. Upstream: `ComputeHash`, which hashes Go's dump of the template; here it
/// is the template's JSON with sorted labels, so that the letters differ.
pub fn template_hash(template: &PodTemplate, collision_count: Option<i32>) -> String {
    let entries = |labels: &Labels| labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let metadata: [BTreeMap<String, String>; 2] = [entries(&template.labels), entries(&template.annotations)];
    let finalizers: Vec<&str> = template.finalizers.iter().map(Name::as_str).collect();
    let spec = convert::to_value(&template.spec.full);
    let parts = serde_json::json!([metadata, finalizers, template.node_name.as_str(), spec]);
    crate::api::naming::pod_template_hash(parts.to_string().as_bytes(), collision_count)
}

/// What `kubectl rollout undo` puts into a Deployment.
#[derive(Clone, PartialEq, Debug)]
pub struct Rollback {
    /// The former template, without the hash label.
    pub template: Arc<PodTemplate>,
    /// The Deployment's annotations: those of that time, but for the ones that the controllers own.
    pub annotations: Labels,
}

/// What `kubectl rollout undo` does: back to a revision, or to the one before the last. `sets` are the Deployment's own
/// ReplicaSets.
///
/// # Errors
/// Why it does nothing, in kubectl's words; a template that is the same already is one of them.
pub fn rollback_template(
    deployment: &Obj<Deployment>,
    sets: &[Arc<Obj<ReplicaSet>>],
    to_revision: Option<i64>,
) -> Result<Rollback, String> {
    let to_revision = to_revision.unwrap_or(0);
    let mut revisions: Vec<(i64, &Arc<Obj<ReplicaSet>>)> =
        sets.iter().filter_map(|set| Some((revision(&set.meta.annotations)?, set))).collect();
    revisions.sort_by_key(|(revision, _)| -revision);
    let found = match to_revision {
        0 => revisions.get(1),
        wanted => revisions.iter().find(|(revision, _)| *revision == wanted),
    };
    let Some((_, set)) = found else {
        return Err(match to_revision {
            0 => format!("no rollout history found for deployment {:?}", deployment.meta.name.as_str()),
            wanted => format!("unable to find specified revision {wanted} in history"),
        });
    };
    if deployment.body.paused {
        let advice = "resume it first with 'kubectl rollout resume' and try again";
        return Err(format!("you cannot rollback a paused deployment; {advice}"));
    }
    if same_template(&set.body.template, &deployment.body.template) {
        return Err(format!("skipped rollback (current template already matches revision {to_revision})"));
    }
    let mut template = PodTemplate::clone(&set.body.template);
    template.labels = template.labels.without(POD_TEMPLATE_HASH);
    let own = |key: &Name| NOT_COPIED.contains(&key.as_str());
    let kept = deployment.meta.annotations.iter().filter(|(key, _)| own(key));
    let restored = set.meta.annotations.iter().filter(|(key, _)| !own(key));
    let annotations = kept.chain(restored).map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Rollback { template: Arc::new(template), annotations })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(entries: &[(&str, &str)]) -> Labels {
        entries.iter().copied().collect()
    }

    #[test]
    fn a_revision_that_comes_back_keeps_its_former_numbers() {
        let first = labels(&[(REVISION, "1")]);
        let again = for_new_set(&first, &labels(&[]), 3);
        assert_eq!(again, labels(&[(REVISION, "3"), (REVISION_HISTORY, "1")]));
        let third = for_new_set(&again, &labels(&[]), 5);
        assert_eq!(third, labels(&[(REVISION, "5"), (REVISION_HISTORY, "1,3")]));
        assert_eq!(for_new_set(&third, &labels(&[]), 4), third, "a lower revision changes nothing");
    }

    #[test]
    fn annotations_of_users_are_copied_and_those_of_controllers_are_not() {
        let deployment = labels(&[("team", "a"), (REVISION, "7"), (MAX_REPLICAS, "9")]);
        let found = for_new_set(&labels(&[(REVISION, "7")]), &deployment, 2);
        assert_eq!(found, labels(&[("team", "a"), (REVISION, "7")]));
    }

    #[test]
    fn a_long_history_loses_its_oldest_revisions() {
        let long = vec!["123456789"; 200].join(",");
        let history = appended(&long, "123456790").expect("there is room after the oldest is gone");
        assert_eq!(history.len(), 1999);
        assert!(history.ends_with(",123456789,123456790"));
        assert_eq!(appended(&"1".repeat(2000), "2"), None);
    }
}
