//! Heartbeats that nobody sends: Leases and unchanged node statuses whose times are computed for their readers.
//!
//! A computed heartbeat consumes no revision, no draw and no event; turning elision off changes nothing but these times
//! and revision numbers. When computed heartbeats stop, the last one is written, so that watchers hear of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as WireTime;

use super::{Context, Store};
use crate::api::{Clock, Kind, Name, Object};
use crate::event::{Beats, ChangeKind, Heartbeat, PartId};
use crate::kernel::Time;

/// The Leases whose heartbeats are computed.
#[derive(Clone, Debug, Default)]
pub(super) struct Heartbeats {
    beats: Beats,
    /// The Leases that beat for each part.
    of_part: BTreeMap<PartId, Vec<(Name, Name)>>,
}

impl Heartbeats {
    /// The object with the time of the last heartbeat before `now`, if it is one that beats.
    pub(super) fn applied(&self, object: Object, now: Time, clock: Clock) -> Object {
        match object {
            Object::Lease(mut lease) => {
                if let Some(heartbeat) = self.beats.get(&lease.meta.namespace, &lease.meta.name)
                    && let Some(at) = heartbeat.renewed(now)
                {
                    Arc::make_mut(&mut lease).body.renewed = Some(clock.micro_timestamp(at));
                }
                Object::Lease(lease)
            }
            Object::Node(mut node) => {
                if let Some(heartbeat) = self.beats.node(&node.meta.name)
                    && let Some(at) = heartbeat.reported(now)
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

impl Store {
    /// From now on the heartbeats of a Lease are computed for a part, or no longer.
    pub fn set_heartbeat(&mut self, part: PartId, heartbeat: Heartbeat) {
        let key = (heartbeat.namespace.clone(), heartbeat.name.clone());
        let leases = self.heartbeats.of_part.entry(part).or_default();
        if !leases.contains(&key) {
            leases.push(key);
        }
        self.heartbeats.beats.set(heartbeat);
    }

    /// What beats by itself, for those who read Leases.
    pub fn beats(&self) -> &Beats {
        &self.heartbeats.beats
    }

    /// The computed heartbeats of a part stop, and the last of each is written. False where there were none.
    pub fn stop_beats(&mut self, part: PartId, context: &Context) -> bool {
        let mut stopped = false;
        for (namespace, name) in self.heartbeats.of_part.remove(&part).unwrap_or_default() {
            let Some(heartbeat) = self.heartbeats.beats.get(&namespace, &name).cloned() else { continue };
            stopped = true;
            let lease = self.by_name(Kind::Lease, &namespace, &name).cloned();
            if let Some(before) = lease {
                let last = self.heartbeats.applied(before.clone(), context.now, self.clock);
                self.commit(ChangeKind::Modified, last, Some(before), context);
            }
            self.heartbeats.beats.set(Heartbeat { first: None, ..heartbeat });
        }
        stopped
    }
}
