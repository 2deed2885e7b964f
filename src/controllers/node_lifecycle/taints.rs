//! Taints of nodes: which a node's conditions ask for, and how they are put on and taken off.
//! Upstream: `pkg/controller/controller_utils.go` (`AddOrUpdateTaintOnNode`, `RemoveTaintOffNode`),
//! `pkg/controller/util/node` (`SwapNodeControllerTaint`).
//!
//! A conflict is tried again at once; upstream waits 100 to 200 ms.

use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta_v1;
use k8s_openapi::jiff;

use crate::api::{Labels, Node, Obj, Timestamp};
use crate::controllers::script::{Run, Stop};
use crate::event::{ErrorReason, MetaEdit, Patch, PatchKind, Preconditions, Reply, Request, Subresource, Target};

/// The taint of a node whose kubelet says that it is not ready.
pub(super) const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The taint of a node whose kubelet says nothing.
pub(super) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
const NO_EXECUTE: &str = "NoExecute";
const NO_SCHEDULE: &str = "NoSchedule";

/// Condition, status, and the key of the taint that they ask for.
/// Upstream: `nodeConditionToTaintKeyStatusMap`.
const OF_CONDITIONS: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];

/// Labels that follow others. Upstream: `labelReconcileInfo`.
const FOLLOWING_LABELS: [(&str, &str); 2] =
    [("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch")];

/// How often a conflict is met. Upstream: `UpdateTaintBackoff`.
const TRIES: usize = 5;

/// The taint NoExecute of a key.
pub(super) fn no_execute(key: &str) -> v1::Taint {
    taint(key, NO_EXECUTE)
}

fn taint(key: &str, effect: &str) -> v1::Taint {
    v1::Taint { key: key.to_owned(), effect: effect.to_owned(), value: None, time_added: None }
}

/// Whether two taints are the same but for value and time. Upstream: `MatchTaint`.
fn matches(one: &v1::Taint, other: &v1::Taint) -> bool {
    one.key == other.key && one.effect == other.effect
}

/// Whether a node has a taint. Upstream: `TaintExists`.
pub(super) fn has(node: &Obj<Node>, wanted: &v1::Taint) -> bool {
    node.body.taints().iter().any(|taint| matches(taint, wanted))
}

/// Whether a node has the taint NoExecute of one of the two keys.
pub(super) fn has_no_execute(node: &Obj<Node>) -> bool {
    node.body.taints().iter().any(|taint| taint.effect == NO_EXECUTE && [NOT_READY, UNREACHABLE].contains(&&*taint.key))
}

/// Which taints NoSchedule a node is to get and to lose, by its conditions and whether it is cordoned.
/// Upstream: `doNoScheduleTaintingPass`.
pub(super) fn by_condition(node: &Obj<Node>) -> (Vec<v1::Taint>, Vec<v1::Taint>) {
    let conditions = node.body.status.conditions.iter().flatten();
    let asked = conditions.filter_map(|condition| {
        OF_CONDITIONS.iter().find(|(kind, status, _)| condition.type_ == *kind && condition.status == *status)
    });
    let cordoned = node.body.is_unschedulable().then_some(UNSCHEDULABLE);
    let wanted: Vec<v1::Taint> =
        asked.map(|(_, _, key)| *key).chain(cordoned).map(|key| taint(key, NO_SCHEDULE)).collect();
    let ours = |key: &str| key == UNSCHEDULABLE || OF_CONDITIONS.iter().any(|(_, _, of)| key == *of);
    let found: Vec<&v1::Taint> =
        node.body.taints().iter().filter(|taint| taint.effect == NO_SCHEDULE && ours(&taint.key)).collect();
    let remove = found.iter().filter(|found| !wanted.iter().any(|wanted| matches(wanted, found)));
    let remove = remove.map(|found| (*found).clone()).collect();
    let add = wanted.into_iter().filter(|wanted| !found.iter().any(|found| matches(wanted, found))).collect();
    (add, remove)
}

/// The labels that a node lacks, or that differ from those that they follow. Upstream: `reconcileNodeLabels`.
pub(super) fn missing_labels(node: &Obj<Node>) -> Labels {
    let labels = &node.meta.labels;
    FOLLOWING_LABELS
        .iter()
        .filter_map(|(leader, follower)| {
            let wanted = labels.get(leader)?;
            (labels.get(follower) != Some(wanted)).then(|| (*follower, wanted.clone()))
        })
        .collect()
}

/// Whether the taints by condition or the labels of a node are to be changed.
pub(super) fn wants_change(node: &Obj<Node>) -> bool {
    let (add, remove) = by_condition(node);
    !add.is_empty() || !remove.is_empty() || !missing_labels(node).is_empty()
}

/// The pass over a node whose conditions have changed. What fails waits for the next change, as upstream.
pub(super) fn reconcile_conditions(run: &mut Run, node: &Obj<Node>) -> Result<(), Stop> {
    let (add, remove) = by_condition(node);
    if !add.is_empty() || !remove.is_empty() {
        swap(run, node, add, &remove)?;
    }
    let labels = missing_labels(node);
    if !labels.is_empty() {
        let edit = Arc::new(MetaEdit { set_labels: labels, ..MetaEdit::default() });
        let target = Target::Id(node.meta.id);
        // The errors of this last step change nothing.
        run.send(Request::PatchMeta { target, preconditions: Preconditions::default(), edit })?.ok();
    }
    Ok(())
}

/// Puts taints on, with the time of now, and takes others off. False where the server refused.
pub(super) fn swap(run: &mut Run, seen: &Obj<Node>, add: Vec<v1::Taint>, remove: &[v1::Taint]) -> Result<bool, Stop> {
    let now = stamp(run.timestamp());
    let add: Vec<v1::Taint> = add.into_iter().map(|taint| v1::Taint { time_added: now.clone(), ..taint }).collect();
    if !add.is_empty() && !edit(run, seen, |taints| added(taints, &add))? {
        return Ok(false);
    }
    take_off(run, seen, remove)
}

/// Takes taints off, where the node as it was seen has one of them. False where the server refused.
pub(super) fn take_off(run: &mut Run, seen: &Obj<Node>, remove: &[v1::Taint]) -> Result<bool, Stop> {
    if !remove.iter().any(|taint| has(seen, taint)) {
        return Ok(true);
    }
    edit(run, seen, |taints| {
        let kept: Vec<v1::Taint> =
            taints.iter().filter(|taint| !remove.iter().any(|gone| matches(gone, taint))).cloned().collect();
        (kept.len() != taints.len()).then_some(kept)
    })
}

/// The taints with some more, each in the place of the one that it matches. Upstream: `AddOrUpdateTaint`.
fn added(taints: &[v1::Taint], add: &[v1::Taint]) -> Option<Vec<v1::Taint>> {
    let mut next = taints.to_vec();
    for taint in add {
        match next.iter_mut().find(|found| matches(found, taint)) {
            Some(found) => *found = taint.clone(),
            None => next.push(taint.clone()),
        }
    }
    (next != taints).then_some(next)
}

/// Reads the node and patches its taints, unless `change` finds nothing to do.
fn edit(
    run: &mut Run,
    seen: &Obj<Node>,
    change: impl Fn(&[v1::Taint]) -> Option<Vec<v1::Taint>>,
) -> Result<bool, Stop> {
    for _ in 0..TRIES {
        let reply = run.send(Request::Get(Target::Id(seen.meta.id)))?;
        let Some(node) = node_of(&reply) else { return Ok(false) };
        let Some(taints) = change(node.body.taints()) else { return Ok(true) };
        match run.send(patch(node, &taints))? {
            Ok(_) => return Ok(true),
            Err(error) if error.reason == ErrorReason::Conflict => {}
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

/// The node that a reply holds.
pub(super) fn node_of(reply: &Reply) -> Option<&Arc<Obj<Node>>> {
    reply.as_ref().ok()?.object()?.get::<Node>()
}

/// Upstream: `PatchNodeTaints`, which insists on the revision since taints are replaced as a whole.
fn patch(node: &Obj<Node>, taints: &[v1::Taint]) -> Request {
    let taints = if taints.is_empty() { serde_json::Value::Null } else { serde_json::json!(taints) };
    let body = serde_json::json!({
        "metadata": {"resourceVersion": node.meta.resource_version.to_string()},
        "spec": {"taints": taints},
    });
    Request::Patch {
        target: Target::Id(node.meta.id),
        subresource: Subresource::None,
        patch: Arc::new(Patch { kind: PatchKind::StrategicMerge, body }),
    }
}

/// A timestamp as k8s-openapi has it.
pub(super) fn stamp(at: Timestamp) -> Option<meta_v1::Time> {
    jiff::Timestamp::from_second(at.0).ok().map(meta_v1::Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::test_support::ready_node;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Obj<Node>), add: &[&str], remove: &[&str]) {
        let mut node = ready_node("n1", "");
        change(&mut node);
        let (added, removed) = by_condition(&node);
        let keys = |taints: Vec<v1::Taint>| -> Vec<String> {
            taints.into_iter().map(|taint| taint.key.replace("node.kubernetes.io/", "")).collect()
        };
        assert_eq!(
            (keys(added), keys(removed)),
            (add.iter().map(|s| (*s).into()).collect(), remove.iter().map(|s| (*s).into()).collect())
        );
    }

    fn set(node: &mut Obj<Node>, kind: &str, status: &str) {
        let conditions = Arc::make_mut(&mut node.body.status).conditions.get_or_insert_default();
        match conditions.iter_mut().find(|condition| condition.type_ == kind) {
            Some(condition) => condition.status = status.to_owned(),
            None => {
                conditions.push(v1::NodeCondition { type_: kind.into(), status: status.into(), ..Default::default() })
            }
        }
    }

    fn with(node: &mut Obj<Node>, key: &str, effect: &str) {
        let key = format!("node.kubernetes.io/{key}");
        Arc::make_mut(&mut node.body.spec).taints.get_or_insert_default().push(taint(&key, effect));
    }

    #[test]
    fn conditions_and_the_cordon_decide_which_nodes_take_no_new_pods() {
        check(|_| {}, &[], &[]);
        check(|node| set(node, "Ready", "False"), &["not-ready"], &[]);
        check(|node| set(node, "Ready", "Unknown"), &["unreachable"], &[]);
        check(|node| set(node, "MemoryPressure", "True"), &["memory-pressure"], &[]);
        check(|node| set(node, "MemoryPressure", "Unknown"), &[], &[]);
        check(|node| set(node, "NetworkUnavailable", "True"), &["network-unavailable"], &[]);
        check(|node| Arc::make_mut(&mut node.body.spec).unschedulable = Some(true), &["unschedulable"], &[]);
        check(|node| with(node, "not-ready", "NoSchedule"), &[], &["not-ready"]);
        check(|node| with(node, "not-ready", "NoExecute"), &[], &[]);
        check(|node| with(node, "out-of-service", "NoSchedule"), &[], &[]);
        let turn = |node: &mut Obj<Node>| {
            with(node, "not-ready", "NoSchedule");
            set(node, "Ready", "Unknown");
        };
        check(turn, &["unreachable"], &["not-ready"]);
    }

    #[test]
    fn old_labels_follow_the_new_ones() {
        let mut node = ready_node("n1", "");
        node.meta.labels = [("kubernetes.io/os", "linux"), ("beta.kubernetes.io/os", "windows")].into_iter().collect();
        assert_eq!(missing_labels(&node), [("beta.kubernetes.io/os", "linux")].into_iter().collect());
    }
}
