//! What is to be done on each node: pods that are missing, too many, failed or out of date. Pure decisions.
//! Upstream: `podsShouldBeOnNode`, `rollingUpdate`, the counting of `updateDaemonSetStatus`.

use std::cmp::Reverse;

use super::fit::{SharedPod, Wanted, is_updated};
use super::set::{DaemonSet, Status, Strategy};
use crate::api::{Name, PodPhase, Timestamp};

/// One node with its pods of the set; those that have ended and are being deleted are left out.
#[derive(Clone, Debug)]
pub(super) struct NodeState {
    /// The node's name.
    pub(super) name: Name,
    /// What the set wants of it; nothing where there is no such node.
    pub(super) wanted: Option<Wanted>,
    /// Its pods, in the order in which their names were first seen.
    pub(super) pods: Vec<SharedPod>,
}

/// What a decision knows beside the nodes.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The set.
    pub(super) set: &'a DaemonSet,
    /// The hash of its revision.
    pub(super) hash: &'a Name,
    /// Its count of templates.
    pub(super) generation: Option<&'a Name>,
    /// Now.
    pub(super) now: Timestamp,
}

/// What is to be created and deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Nodes that get a pod.
    pub(super) create: Vec<Name>,
    /// Pods that go.
    pub(super) delete: Vec<SharedPod>,
}

/// What one node needs, apart from updates.
#[derive(Clone, Debug, Default)]
pub(super) struct OnNode {
    /// Whether it gets a pod.
    pub(super) create: bool,
    /// Pods that go.
    pub(super) delete: Vec<SharedPod>,
    /// Pods that have failed: they go once their back-off is over.
    pub(super) failed: Vec<SharedPod>,
    /// Pods that have ended well: they go.
    pub(super) succeeded: Vec<SharedPod>,
}

/// Upstream: `podsShouldBeOnNode`.
pub(super) fn on_node(node: &NodeState, context: Context) -> OnNode {
    let mut needs = OnNode::default();
    let Some(wanted) = node.wanted else {
        // Nobody else removes pods that wait for a node that is not there.
        needs.delete = node.pods.iter().filter(|pod| pod.body.node_name.is_empty()).cloned().collect();
        return needs;
    };
    if wanted.run && node.pods.is_empty() {
        needs.create = true;
        return needs;
    }
    let present = node.pods.iter().filter(|pod| !pod.meta.is_terminating());
    if !wanted.stay {
        needs.delete = present.cloned().collect();
        return needs;
    }
    let mut running: Vec<SharedPod> = Vec::new();
    for pod in present {
        match pod.body.status.phase {
            PodPhase::Failed => needs.failed.push(pod.clone()),
            PodPhase::Succeeded => needs.succeeded.push(pod.clone()),
            PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => running.push(pod.clone()),
        }
    }
    if running.len() <= 1 {
        needs.create = running.is_empty() && wanted.run && context.set.surges();
        return needs;
    }
    sort_oldest_first(&mut running);
    if !context.set.surges() {
        needs.delete = running.split_off(1);
        return needs;
    }
    // An old pod stays beside a new one while it serves and the new one does not.
    let (mut new, mut old): (Option<SharedPod>, Option<SharedPod>) = (None, None);
    for pod in running {
        let is_new = pod.meta.labels.get(super::REVISION_HASH) == Some(context.hash);
        let place = if is_new { &mut new } else { &mut old };
        match place {
            None => *place = Some(pod),
            Some(_) => needs.delete.push(pod),
        }
    }
    if let (Some(new), Some(old)) = (new, old)
        && (!old.body.is_ready() || is_available(&new, context))
    {
        needs.delete.push(old);
    }
    needs
}

fn is_available(pod: &SharedPod, context: Context) -> bool {
    pod.body.is_available(context.set.spec.min_ready_seconds, context.now)
}

/// Bound pods first, then the oldest. Upstream: `podByCreationTimestampAndPhase`.
fn sort_oldest_first(pods: &mut [SharedPod]) {
    pods.sort_by(|a, b| {
        let key = |pod: &SharedPod| (Reverse(!pod.body.node_name.is_empty()), pod.meta.created);
        key(a).cmp(&key(b)).then_with(|| a.meta.name.cmp(&b.meta.name))
    });
}

/// The new and the old pod of a node, those on their way out left aside; nothing where there are several of one sort.
/// Upstream: `findUpdatedPodsOnNode`.
fn new_and_old<'a>(node: &'a NodeState, context: Context) -> Option<(Option<&'a SharedPod>, Option<&'a SharedPod>)> {
    let (mut new, mut old) = (None, None);
    for pod in node.pods.iter().filter(|pod| !pod.meta.is_terminating()) {
        let place = if is_updated(pod, context.hash, context.generation) { &mut new } else { &mut old };
        if place.replace(pod).is_some() {
            return None;
        }
    }
    Some((new, old))
}

/// What a rolling update does now.
///
/// # Errors
/// A limit that is neither a number nor a percentage, or a surge on a node that is not there.
pub(super) fn rolling(nodes: &[NodeState], context: Context) -> Result<Changes, String> {
    let Strategy::RollingUpdate { max_unavailable, max_surge } = &context.set.spec.strategy else {
        return Ok(Changes::default());
    };
    let desired = nodes.iter().filter(|node| node.wanted.is_some_and(|wanted| wanted.run)).count() as i32;
    let limit = |limit: &crate::api::IntOrPercent, name: &str| {
        limit.scaled(desired, true).map_err(|why| format!("invalid value for {name}: {why}"))
    };
    let mut unavailable = limit(max_unavailable, "MaxUnavailable")?;
    let surge = limit(max_surge, "MaxSurge")?;
    if desired > 0 && unavailable == 0 && surge == 0 {
        unavailable = 1;
    }
    if surge == 0 { Ok(without_surge(nodes, context, unavailable)) } else { with_surge(nodes, context, surge, desired) }
}

/// The nodes that a rolling update looks at: those that want a pod, and those that have one.
fn concerned(nodes: &[NodeState]) -> impl Iterator<Item = &NodeState> {
    nodes.iter().filter(|node| !node.pods.is_empty() || node.wanted.is_some_and(|wanted| wanted.run))
}

fn without_surge(nodes: &[NodeState], context: Context, max_unavailable: i32) -> Changes {
    let mut unavailable = 0;
    let (mut replaced, mut candidates): (Vec<SharedPod>, Vec<SharedPod>) = (Vec::new(), Vec::new());
    for node in concerned(nodes) {
        match new_and_old(node, context) {
            // The other loop has to clean up or to fill in: nothing serves here, for this one.
            None | Some((None, None) | (Some(_), Some(_))) => unavailable += 1,
            Some((Some(new), None)) => unavailable += i32::from(!is_available(new, context)),
            Some((None, Some(old))) if !is_available(old, context) => replaced.push(old.clone()),
            Some((None, Some(_))) if unavailable >= max_unavailable => {}
            Some((None, Some(old))) => candidates.push(old.clone()),
        }
    }
    candidates.truncate((max_unavailable - unavailable).max(0) as usize);
    replaced.extend(candidates);
    Changes { create: Vec::new(), delete: replaced }
}

fn with_surge(nodes: &[NodeState], context: Context, max_surge: i32, desired: i32) -> Result<Changes, String> {
    let (mut surge, mut available) = (0, 0);
    let (mut delete, mut unwanted): (Vec<SharedPod>, Vec<SharedPod>) = (Vec::new(), Vec::new());
    let (mut allowed, mut candidates): (Vec<Name>, Vec<Name>) = (Vec::new(), Vec::new());
    for node in concerned(nodes) {
        let Some((new, old)) = new_and_old(node, context) else {
            surge += 1;
            continue;
        };
        available += i32::from(old.or(new).is_some_and(|pod| is_available(pod, context)));
        let Some(old) = old else { continue };
        match new {
            Some(new) if is_available(new, context) => delete.push(old.clone()),
            Some(_) => surge += 1,
            None => {
                let Some(wanted) = node.wanted else {
                    let name = node.name.as_str();
                    return Err(format!("couldn't get node for nodeName {name:?}: node {name:?} not found"));
                };
                match (is_available(old, context), wanted.run) {
                    (false, false) => delete.push(old.clone()),
                    (false, true) => allowed.push(node.name.clone()),
                    (true, false) => unwanted.push(old.clone()),
                    (true, true) if surge >= max_surge => {}
                    (true, true) => candidates.push(node.name.clone()),
                }
            }
        }
    }
    // A pod on a node that no longer fits goes once another serves in its place.
    unwanted.truncate((available - desired).max(0) as usize);
    delete.extend(unwanted);
    candidates.truncate((max_surge - surge).max(0) as usize);
    allowed.extend(candidates);
    Ok(Changes { create: allowed, delete })
}

/// The seven counters. Upstream: `updateDaemonSetStatus`.
pub(super) fn count(nodes: &[NodeState], context: Context) -> Status {
    let mut status = Status::default();
    for node in nodes {
        let Some(wanted) = node.wanted else { continue };
        if !wanted.run {
            status.misscheduled += i32::from(!node.pods.is_empty());
            continue;
        }
        status.desired += 1;
        let mut pods = node.pods.clone();
        sort_oldest_first(&mut pods);
        let Some(pod) = pods.first() else { continue };
        status.current += 1;
        status.ready += i32::from(pod.body.is_ready());
        status.available += i32::from(pod.body.is_ready() && is_available(pod, context));
        status.updated += i32::from(is_updated(pod, context.hash, context.generation));
    }
    status.unavailable = status.desired - status.available;
    status
}
