//! Whether a node is alive: when it was last heard of, and what becomes of its conditions when that is too long ago.
//! Upstream: `tryUpdateNodeHealth` of `pkg/controller/nodelifecycle/node_lifecycle_controller.go`.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::taints::stamp;
use crate::api::{Clock, MicroTimestamp, Node, Obj};
use crate::kernel::{Span, Time};

/// The conditions that become Unknown together. NetworkUnavailable is not the kubelet's.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The status of the condition Ready.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Ready {
    /// There is no such condition.
    Absent,
    /// The node takes pods.
    True,
    /// Its kubelet says that it does not.
    False,
    /// Its kubelet is silent.
    Unknown,
}

impl Ready {
    /// Of a node.
    pub(super) fn of(node: &Obj<Node>) -> Ready {
        match node.body.condition("Ready").map(|condition| condition.status.as_str()) {
            None => Ready::Absent,
            Some("True") => Ready::True,
            Some("False") => Ready::False,
            Some(_) => Ready::Unknown,
        }
    }
}

/// When the condition Ready was last reported, in seconds; `None` where there is none.
pub(super) fn heartbeat(node: &Obj<Node>) -> Option<i64> {
    let condition = node.body.condition("Ready")?;
    Some(condition.last_heartbeat_time.as_ref().map_or(0, |time| time.0.as_second()))
}

/// What the controller remembers of a node's health. Upstream: `nodeHealthData`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Health {
    /// When the controller last noticed that the node was heard of.
    pub(super) probe: Time,
    /// The heartbeat of the condition Ready that it saw last; `None`: there was no such condition.
    pub(super) heartbeat: Option<i64>,
    /// The time of renewal of the Lease that it saw last.
    pub(super) lease: Option<MicroTimestamp>,
    /// The condition Ready that it saw or set last.
    pub(super) ready: Ready,
}

/// How long a node may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace {
    /// `--node-monitor-grace-period`.
    pub(super) monitor: Span,
    /// `--node-startup-grace-period`.
    pub(super) startup: Span,
}

impl Grace {
    /// For a node that was seen like this.
    pub(super) fn of(self, heartbeat: Option<i64>) -> Span {
        if heartbeat.is_some() { self.monitor } else { self.startup }
    }
}

/// What a look at a node shows.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// What is remembered from now on.
    pub(super) health: Health,
    /// The condition Ready as it was found; Unknown where there was none.
    pub(super) observed: Ready,
    /// The same after what is to be written.
    pub(super) current: Ready,
    /// The node with the status that is to be written.
    pub(super) update: Option<Obj<Node>>,
}

/// When a look happens, and what it goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// Now.
    pub(super) now: Time,
    /// When a Lease that is newer than the one seen last counts as noticed: now, unless its times were computed.
    pub(super) lease_noticed: Time,
    /// The renewal of the Lease as the cache shows it.
    pub(super) lease: Option<MicroTimestamp>,
    /// Turns instants into timestamps.
    pub(super) clock: Clock,
    /// How long a node may be silent.
    pub(super) grace: Grace,
}

/// Looks at a node. `before` is what was remembered.
pub(super) fn look(before: Option<&Health>, node: &Obj<Node>, sight: &Sight) -> Look {
    let found = Ready::of(node);
    let beat = heartbeat(node);
    let fresh = Health { probe: sight.now, heartbeat: beat, lease: None, ready: found };
    let mut health = match (before, beat) {
        // Never reported: the clock starts with the creation of the node.
        (None, None) => Health { probe: sight.clock.time(node.meta.created), ..fresh },
        (Some(before), None) => Health { heartbeat: None, ready: found, ..before.clone() },
        (None, Some(_)) => fresh,
        // As upstream, the Lease is forgotten here, so that the next look counts it as new.
        (Some(before), Some(_)) if before.heartbeat != beat => fresh,
        (Some(before), Some(_)) => Health { ready: found, ..before.clone() },
    };
    let saved_lease = before.and_then(|before| before.lease);
    if let Some(renewed) = sight.lease.filter(|renewed| saved_lease.is_none_or(|saved| saved < *renewed)) {
        health.lease = Some(renewed);
        health.probe = health.probe.max(sight.lease_noticed);
    }
    let observed = if found == Ready::Absent { Ready::Unknown } else { found };
    // Upstream asks for more than the grace period by a clock that moves within a pass; a pass takes no time here.
    if sight.now < health.probe.saturating_add(sight.grace.of(beat)) {
        return Look { health, observed, current: found, update: None };
    }
    let updated = unknown(node, sight);
    health.ready = Ready::Unknown;
    let same = updated.body.condition("Ready") == node.body.condition("Ready");
    if !same {
        health.lease = sight.lease;
        health.heartbeat = heartbeat(&updated);
    }
    Look { health, observed, current: Ready::Unknown, update: (!same).then_some(updated) }
}

/// The node with conditions that nobody knows any more.
fn unknown(node: &Obj<Node>, sight: &Sight) -> Obj<Node> {
    let mut updated = node.clone();
    let now = stamp(sight.clock.timestamp(sight.now));
    let conditions = Arc::make_mut(&mut updated.body.status).conditions.get_or_insert_default();
    for kind in CONDITIONS {
        match conditions.iter_mut().find(|condition| condition.type_ == kind) {
            None => conditions.push(v1::NodeCondition {
                type_: kind.to_owned(),
                status: "Unknown".to_owned(),
                reason: Some("NodeStatusNeverUpdated".to_owned()),
                message: Some("Kubelet never posted node status.".to_owned()),
                last_heartbeat_time: stamp(node.meta.created),
                last_transition_time: now.clone(),
            }),
            Some(condition) if condition.status != "Unknown" => {
                condition.status = "Unknown".to_owned();
                condition.reason = Some("NodeStatusUnknown".to_owned());
                condition.message = Some("Kubelet stopped posting node status.".to_owned());
                condition.last_transition_time = now.clone();
            }
            Some(_) => {}
        }
    }
    updated
}
