//! Heartbeats that nobody sends: Leases and unchanged node statuses whose times are computed for their readers.
//!
//! A computed heartbeat consumes no revision, no draw and no event; turning elision off changes nothing but these times
//! and revision numbers.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as WireTime;

use super::Store;
use crate::api::{Clock, Name, Object};
use crate::event::Heartbeat;
use crate::kernel::Time;

/// The namespace of the nodes' Leases.
const NODE_LEASES: &str = "kube-node-lease";

/// The nodes whose heartbeats are computed.
#[derive(Clone, Debug, Default)]
pub(super) struct Heartbeats(imbl::OrdMap<Name, Heartbeat>);

impl Heartbeats {
    /// The object with the time of the last heartbeat before `now`, if it is one that beats.
    pub(super) fn applied(&self, object: Object, now: Time, clock: Clock) -> Object {
        match object {
            Object::Lease(mut lease) if lease.meta.namespace == NODE_LEASES => {
                if let Some(heartbeat) = self.0.get(&lease.meta.name)
                    && let Some(at) = last_beat(heartbeat.first, heartbeat.lease_every.as_nanos(), now)
                {
                    Arc::make_mut(&mut lease).body.renewed = Some(clock.micro_timestamp(at));
                }
                Object::Lease(lease)
            }
            Object::Node(mut node) => {
                if let Some(heartbeat) = self.0.get(&node.meta.name)
                    && let Some(at) = last_beat(heartbeat.first, heartbeat.status_every.as_nanos(), now)
                    && let Ok(at) = jiff::Timestamp::from_second(clock.timestamp(at).0)
                {
                    let body = &mut Arc::make_mut(&mut node).body;
                    for condition in Arc::make_mut(&mut body.status).conditions.iter_mut().flatten() {
                        condition.last_heartbeat_time = Some(WireTime(at));
                    }
                }
                Object::Node(node)
            }
            other => other,
        }
    }
}

fn last_beat(first: Option<Time>, every: u64, now: Time) -> Option<Time> {
    let since = now.nanos().checked_sub(first?.nanos())?;
    Some(Time(now.nanos() - since % every.max(1)))
}

impl Store {
    /// From now on a node's heartbeats are computed, or no longer.
    pub fn set_heartbeat(&mut self, heartbeat: Heartbeat) {
        self.heartbeats.0.insert(heartbeat.node.clone(), heartbeat);
    }
}
