//! The canonical hash of a state: equal where two states cannot be told apart by what happens from here on.
//!
//! Objects count without revision, uid and absolute time, pending events by their time from now, parts by their memory.
//! Background timers do not count: they come round more slowly than the states that they would tell apart.
//! What is left out: generated name suffixes are not renamed, so a state that differs only in them hashes otherwise.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

use super::Sim;
use crate::api::convert;
use crate::event::SimEvent;

/// Fields that hold an identity, a revision or an instant.
const VOLATILE: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastHeartbeatTime",
    "lastProbeTime",
    "startTime",
    "startedAt",
    "finishedAt",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "renewTime",
    "acquireTime",
    "containerID",
    "managedFields",
];

impl Sim {
    /// The canonical hash of this state. `None` where a guest lives, whose memory cannot be known.
    pub fn state_hash(&self) -> Option<u64> {
        let mut hasher = Xxh3::new();
        if !self.parts.hash_memory(&mut hasher) {
            return None;
        }
        self.world.write_hash(&mut hasher);
        for kind in self.store.kinds() {
            if kind == crate::api::Kind::Event {
                continue;
            }
            for object in self.store.objects(kind, self.now) {
                hash_value(&convert::to_json(&object), &mut hasher);
            }
        }
        for (time, _, event) in self.agenda.sorted() {
            if event.is_background() {
                continue;
            }
            time.since(self.now).as_nanos().hash(&mut hasher);
            hash_event(event, &mut hasher);
        }
        Some(hasher.finish())
    }
}

fn hash_event(event: &SimEvent, hasher: &mut Xxh3) {
    match event {
        SimEvent::Start(part) => (0, part).hash(hasher),
        SimEvent::Action(number) => (1, number).hash(hasher),
        SimEvent::Arrive(envelope) => {
            (2, envelope.from, envelope.client, envelope.request.verb(), envelope.request.kind()).hash(hasher);
        }
        SimEvent::Reply(letter) => (3, letter.to, letter.reply.is_ok()).hash(hasher),
        SimEvent::Wake(watcher) => (4, watcher).hash(hasher),
        SimEvent::Timer { part, incarnation: _, token, background: _ } => (5, part, token).hash(hasher),
        SimEvent::WatchEnded(ended) => (6, ended.0, ended.2).hash(hasher),
        SimEvent::Boot(node) => (7, node).hash(hasher),
        SimEvent::Fault(number) => (8, number).hash(hasher),
        SimEvent::Heal(strike) => (9, strike).hash(hasher),
        SimEvent::Silent(part, strike) => (10, part, strike).hash(hasher),
    }
}

fn hash_value(value: &serde_json::Value, hasher: &mut Xxh3) {
    match value {
        serde_json::Value::Null => 0u8.hash(hasher),
        serde_json::Value::Bool(holds) => (1u8, holds).hash(hasher),
        serde_json::Value::Number(number) => (2u8, number.to_string()).hash(hasher),
        serde_json::Value::String(text) => (3u8, text).hash(hasher),
        serde_json::Value::Array(items) => {
            (4u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        serde_json::Value::Object(fields) => {
            5u8.hash(hasher);
            for (name, field) in fields {
                if !VOLATILE.contains(&name.as_str()) {
                    name.hash(hasher);
                    hash_value(field, hasher);
                }
            }
        }
    }
}
