//! What is done about one node in a pass, and how the pods of a silent node are marked not ready: scripts that run
//! again from their start after each answer.

use std::sync::Arc;

use super::health::{Health, Look, Ready, Sight, look};
use super::taints::{NOT_READY, UNREACHABLE, has, no_execute, node_of, swap, take_off};
use crate::api::{ConditionStatus, EventType, Node, Obj, Pod, PodConditionType};
use crate::controllers::script::{Run, Stop};
use crate::event::{ErrorReason, Request, Target};

/// How often the health of a node is written before it is left to the next pass. Upstream: `NodeHealthUpdateRetry`,
/// with 20 ms between tries, which are left out.
const HEALTH_TRIES: usize = 6;

/// What a script about a node starts from.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The node as the cache showed it.
    pub(super) node: Arc<Obj<Node>>,
    /// What was remembered.
    pub(super) health: Option<Health>,
    /// How it is looked at.
    pub(super) sight: Sight,
    /// Its pods as the cache showed them.
    pub(super) pods: Vec<Arc<Obj<Pod>>>,
    /// Whether the node is new to the controller.
    pub(super) is_new: bool,
    /// Whether its pods could not all be marked the last time.
    pub(super) retry: bool,
}

/// What is to become of a node's place in the queue of those that are to be tainted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tainting {
    /// Nothing.
    Leave,
    /// It is to be tainted; whether it has the taint already.
    Mark(bool),
    /// It is not.
    Unmark,
}

/// What came of a look at a node.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    /// What is remembered.
    pub(super) health: Health,
    /// The condition Ready, as it is now. `None`: it could not be written, the next pass tries again.
    pub(super) current: Option<Ready>,
    /// Its place in the queue.
    pub(super) tainting: Tainting,
    /// Whether some pods could not be marked.
    pub(super) retry: bool,
}

/// Looks at a node and does what follows. Upstream: `monitorNodeHealth` from `added` on, and its `updateNodeFunc`.
pub(super) fn look_after(run: &mut Run, subject: &Subject) -> Result<Looked, Stop> {
    if subject.is_new {
        let name = &subject.node.meta.name;
        let message = ecow::eco_format!("Node {name} event: Registered Node {name} in Controller");
        run.record(subject.node.meta.reference(), EventType::Normal, "RegisteredNode", message);
        make_reachable(run, &subject.node)?;
    }
    let (node, looked) = update_health(run, subject)?;
    let Some(Look { health, observed, current, update: _ }) = looked else {
        let health = look(subject.health.as_ref(), &subject.node, &subject.sight).health;
        let health = Health { ready: Ready::of(&subject.node), ..health };
        return Ok(Looked { health, current: None, tainting: Tainting::Leave, retry: subject.retry });
    };
    if current == Ready::Absent {
        return Ok(Looked { health, current: Some(current), tainting: Tainting::Leave, retry: false });
    }
    let tainting = taint_at_once(run, &node, observed)?;
    let lost = current != Ready::True && observed == Ready::True;
    let mut retry = false;
    if lost {
        let message = ecow::eco_format!("Node {} status is now: NodeNotReady", node.meta.name);
        run.record(node.meta.reference(), EventType::Normal, "NodeNotReady", message);
    }
    if lost || (subject.retry && observed != Ready::True) {
        retry = !mark_not_ready(run, &subject.pods)?;
    }
    Ok(Looked { health, current: Some(current), tainting, retry })
}

/// Writes the health of a node, reading it again where the server refuses.
fn update_health(run: &mut Run, subject: &Subject) -> Result<(Arc<Obj<Node>>, Option<Look>), Stop> {
    let mut node = subject.node.clone();
    let mut before = subject.health.clone();
    for _ in 0..HEALTH_TRIES {
        let looked = look(before.as_ref(), &node, &subject.sight);
        let Some(update) = &looked.update else { return Ok((node, Some(looked))) };
        match run.send(Request::UpdateStatus(update.clone().into_object()))? {
            Ok(_) => return Ok((Arc::new(update.clone()), Some(looked))),
            Err(_) => {
                // Only what was seen is remembered: the condition is still as it was.
                before = Some(Health { lease: looked.health.lease, probe: looked.health.probe, ..seen(&node) });
                let reply = run.send(Request::Get(Target::Id(node.meta.id)))?;
                let Some(fresh) = node_of(&reply) else { return Ok((node, None)) };
                node = fresh.clone();
            }
        }
    }
    Ok((node, None))
}

fn seen(node: &Obj<Node>) -> Health {
    Health {
        probe: crate::kernel::Time::ZERO,
        heartbeat: super::health::heartbeat(node),
        lease: None,
        ready: Ready::of(node),
    }
}

/// Turns a taint NoExecute into the other one at once; whoever has none waits for its turn, or needs none any more.
/// Upstream: `processTaintBaseEviction`.
fn taint_at_once(run: &mut Run, node: &Obj<Node>, observed: Ready) -> Result<Tainting, Stop> {
    let (wanted, other) = match observed {
        Ready::False => (no_execute(NOT_READY), no_execute(UNREACHABLE)),
        Ready::Unknown | Ready::Absent => (no_execute(UNREACHABLE), no_execute(NOT_READY)),
        Ready::True => return make_reachable(run, node),
    };
    if has(node, &other) {
        swap(run, node, vec![wanted], &[other])?;
        return Ok(Tainting::Leave);
    }
    Ok(Tainting::Mark(has(node, &wanted)))
}

/// Takes both taints NoExecute off. Upstream: `markNodeAsReachable`.
pub(super) fn make_reachable(run: &mut Run, node: &Obj<Node>) -> Result<Tainting, Stop> {
    for key in [UNREACHABLE, NOT_READY] {
        if !take_off(run, node, &[no_execute(key)])? {
            return Ok(Tainting::Leave);
        }
    }
    Ok(Tainting::Unmark)
}

/// Puts the taint NoExecute on a node whose turn has come. False where it must be tried again.
/// Upstream: the function in `doNoExecuteTaintingPass`.
pub(super) fn taint(run: &mut Run, node: &Obj<Node>) -> Result<bool, Stop> {
    let (add, remove) = match Ready::of(node) {
        Ready::Absent => return Ok(false),
        Ready::True => return Ok(true),
        Ready::False => (NOT_READY, UNREACHABLE),
        Ready::Unknown => (UNREACHABLE, NOT_READY),
    };
    swap(run, node, vec![no_execute(add)], &[no_execute(remove)])
}

/// Marks pods as not ready, one after the other. False where the server refused some. Upstream: `MarkPodsNotReady`.
pub(super) fn mark_not_ready(run: &mut Run, pods: &[Arc<Obj<Pod>>]) -> Result<bool, Stop> {
    let mut all = true;
    for pod in pods {
        let Some(ready) = pod.body.condition(PodConditionType::Ready) else { continue };
        if ready.status == ConditionStatus::False {
            continue;
        }
        let mut marked = Obj::clone(pod);
        let now = run.timestamp();
        marked.body.status.set_condition(PodConditionType::Ready, ConditionStatus::False, ready.text.clone(), now);
        match run.send(Request::UpdateStatus(marked.into_object()))? {
            Err(error) if error.reason == ErrorReason::NotFound => continue,
            Err(_) => all = false,
            Ok(_) => {}
        }
        run.record(pod.meta.reference(), EventType::Warning, "NodeNotReady", "Node is not ready");
    }
    Ok(all)
}
