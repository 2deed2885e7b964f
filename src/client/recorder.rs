//! The event recorder of a component. Upstream: client-go `tools/record/event.go`, `events_cache.go`.
//!
//! As upstream's correlator: an object's source may send 25 events, then one per 5 minutes; from the tenth similar
//! event (same source, object, type and reason, other messages) within 10 minutes on all are one "(combined from
//! similar events): …"; an equal event raises the count of the one that is stored. Events are sent and forgotten: what
//! upstream retries after a failed request is lost here. Where upstream patches an Event that the spam filter kept from
//! being created, and creates it after the 404, it is created at once here.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use super::{Client, Outbox, TokenBucket};
use crate::api::{Event, EventType, Kind, Meta, Name, Obj, Reference, Timestamp};
use crate::event::{Request, Target, Token};
use crate::kernel::{Span, Time};

/// The token of requests whose replies nobody waits for.
pub const FORGET: Token = Token(u64::MAX);

const CACHE_ENTRIES: usize = 4096;
const SPAM_BURST: u64 = 25;
const SPAM_QPS: f64 = 1.0 / 300.0;
const SIMILAR_MAX: usize = 10;
const SIMILAR_WITHIN: Span = Span::from_secs(600);

/// An Event to be recorded.
#[derive(Clone, Debug)]
pub struct Occurrence {
    /// The object that it is about.
    pub about: Reference,
    /// Normal or Warning.
    pub kind: EventType,
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: Name,
}

/// The recorder of one component.
#[derive(Clone, Debug)]
pub struct Recorder {
    component: Name,
    host: Name,
    last_nanos: u64,
    spam: Recent<TokenBucket>,
    similar: Recent<Similar>,
    stored: Recent<Stored>,
}

#[derive(Clone, Debug)]
struct Similar {
    messages: Vec<u64>,
    last: Time,
}

#[derive(Clone, Debug)]
struct Stored {
    namespace: Name,
    name: Name,
    count: u32,
    first: Timestamp,
    /// Not yet, where the spam filter dropped all that came so far.
    is_created: bool,
}

impl Recorder {
    /// A recorder for `source.component`, and `source.host` where there is one.
    pub fn new(component: impl Into<Name>, host: impl Into<Name>) -> Recorder {
        Recorder {
            component: component.into(),
            host: host.into(),
            last_nanos: 0,
            spam: Recent::default(),
            similar: Recent::default(),
            stored: Recent::default(),
        }
    }

    /// Records an Event through a client, unless the spam filter drops it.
    pub fn record(&mut self, out: &mut Outbox, client: &mut Client, occurrence: Occurrence) {
        let Occurrence { about, kind, reason, mut message } = occurrence;
        let about_hash = hash_about(&about);
        let bucket = self.spam.entry(about_hash, || TokenBucket::new(SPAM_QPS, SPAM_BURST));
        let similar_key = about_hash ^ hash(&[kind.as_str(), reason]);
        let mut stored_key = similar_key ^ hash(&["message", &message]);
        let similar = self.similar.entry(similar_key, || Similar { messages: Vec::new(), last: out.now });
        if out.now.since(similar.last) > SIMILAR_WITHIN {
            similar.messages.clear();
        }
        similar.last = out.now;
        if !similar.messages.contains(&stored_key) {
            similar.messages.push(stored_key);
        }
        if similar.messages.len() >= SIMILAR_MAX {
            similar.messages.remove(0);
            stored_key = similar_key;
            message = ecow::eco_format!("(combined from similar events): {message}");
        }
        // Upstream counts first and filters afterwards: what was filtered shows in the next count.
        let allowed = bucket.try_take(out.now);
        let now = out.timestamp();
        if let Some(stored) = self.stored.get_mut(stored_key) {
            stored.count += 1;
            if !allowed {
                return;
            }
            let stored = stored.clone();
            if stored.is_created {
                let target = Target::Name(Kind::Event, stored.namespace, stored.name);
                let request = Request::PatchEvent { target, count: stored.count, last: now, message };
                out.send(client, FORGET, request);
                return;
            }
            let mut event = self.event(out, about, kind, reason, message, now);
            event.meta.name = stored.name;
            (event.body.count, event.body.first) = (stored.count, stored.first);
            self.stored.get_mut(stored_key).expect("it was just there").is_created = true;
            out.send(client, FORGET, Request::Create(event.into_object()));
            return;
        }
        let event = self.event(out, about, kind, reason, message, now);
        let (namespace, name) = (event.meta.namespace.clone(), event.meta.name.clone());
        let stored = Stored { namespace, name, count: 1, first: now, is_created: allowed };
        self.stored.entry(stored_key, || stored);
        if allowed {
            out.send(client, FORGET, Request::Create(event.into_object()));
        }
    }

    fn event(
        &mut self,
        out: &Outbox,
        about: Reference,
        kind: EventType,
        reason: &'static str,
        message: Name,
        now: Timestamp,
    ) -> Obj<Event> {
        // Upstream names an Event by the object and the nanosecond; several of one nanosecond move on by one here.
        let nanos = out.clock.start_unix_seconds as u64 * 1_000_000_000 + out.now.nanos();
        self.last_nanos = nanos.max(self.last_nanos + 1);
        let namespace = if about.namespace.is_empty() { "default".into() } else { about.namespace.clone() };
        let name = ecow::eco_format!("{}.{:x}", about.name, self.last_nanos);
        Obj {
            meta: Meta::new(Kind::Event, namespace, name),
            body: Event {
                involved: about,
                reason: reason.into(),
                message,
                kind,
                component: self.component.clone(),
                host: self.host.clone(),
                count: 1,
                first: now,
                last: now,
                rest: None,
            },
        }
    }
}

fn hash_about(about: &Reference) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&about.uid.0.to_le_bytes());
    hasher.update(&about.kind.number().to_le_bytes());
    hasher.update(about.namespace.as_bytes());
    hasher.update(&[0]);
    hasher.update(about.name.as_bytes());
    hasher.digest()
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    hasher.digest()
}

/// A map by hash that keeps the entries used last. Upstream's caches drop the oldest entry when they are full; here the
/// older half goes at once, which is seldom and costs no book-keeping at each use.
#[derive(Clone, Debug)]
struct Recent<T> {
    entries: BTreeMap<u64, (u64, T)>,
    used: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Recent<T> {
        Recent { entries: BTreeMap::new(), used: 0 }
    }
}

impl<T> Recent<T> {
    fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        let (age, value) = self.entries.get_mut(&key)?;
        self.used += 1;
        *age = self.used;
        Some(value)
    }

    fn entry(&mut self, key: u64, make: impl FnOnce() -> T) -> &mut T {
        if self.entries.len() >= CACHE_ENTRIES && !self.entries.contains_key(&key) {
            let mut ages: Vec<u64> = self.entries.values().map(|(age, _)| *age).collect();
            let (_, middle, _) = ages.select_nth_unstable(CACHE_ENTRIES / 2);
            let oldest_kept = *middle;
            self.entries.retain(|_, (age, _)| *age >= oldest_kept);
        }
        self.used += 1;
        let entry = self.entries.entry(key).or_insert_with(|| (0, make()));
        entry.0 = self.used;
        &mut entry.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Clock, Uid};
    use crate::event::{Cause, ClientIndex, Effect};
    use crate::kernel::Chance;

    struct Bench {
        recorder: Recorder,
        client: Client,
        now: Time,
    }

    impl Bench {
        fn new() -> Bench {
            let client = Client { index: ClientIndex(0), name: "test".into(), limit: TokenBucket::unlimited() };
            Bench { recorder: Recorder::new("test", ""), client, now: Time::ZERO + Span::from_secs(1) }
        }

        /// Records, and says what was sent: `create` or `patch`, the count, and the message.
        fn record(&mut self, about: &str, message: &str) -> Option<String> {
            let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 1 }, Cause::START);
            let about = Reference { kind: Kind::Pod, namespace: "default".into(), name: about.into(), uid: Uid(1) };
            let occurrence = Occurrence { about, kind: EventType::Normal, reason: "R", message: message.into() };
            self.recorder.record(&mut out, &mut self.client, occurrence);
            match out.effects.pop()? {
                Effect::Send { request: Request::Create(object), .. } => {
                    let event = object.get::<Event>().expect("an Event");
                    Some(format!("create {}: {}", event.body.count, event.body.message))
                }
                Effect::Send { request: Request::PatchEvent { count, message, .. }, .. } => {
                    Some(format!("patch {count}: {message}"))
                }
                other => panic!("a recorder only sends: {other:?}"),
            }
        }
    }

    #[test]
    fn an_equal_event_raises_the_count_of_the_first() {
        let mut bench = Bench::new();
        assert_eq!(bench.record("p", "m").as_deref(), Some("create 1: m"));
        assert_eq!(bench.record("p", "m").as_deref(), Some("patch 2: m"));
        assert_eq!(bench.record("q", "m").as_deref(), Some("create 1: m"), "another object");
    }

    #[test]
    fn the_tenth_similar_event_is_combined_and_ten_quiet_minutes_forget_it() {
        let mut bench = Bench::new();
        for number in 1..10 {
            let message = format!("m{number}");
            assert_eq!(bench.record("p", &message), Some(format!("create 1: {message}")));
        }
        assert_eq!(bench.record("p", "m10").as_deref(), Some("create 1: (combined from similar events): m10"));
        assert_eq!(bench.record("p", "m11").as_deref(), Some("patch 2: (combined from similar events): m11"));
        bench.now += Span::from_secs(601);
        assert_eq!(bench.record("p", "m12").as_deref(), Some("create 1: m12"));
    }

    #[test]
    fn the_spam_filter_lets_twenty_five_go_and_then_one_in_five_minutes_and_counts_what_it_drops() {
        let mut bench = Bench::new();
        let sent = (0..40).filter(|_| bench.record("p", "m").is_some()).count();
        assert_eq!(sent, 25);
        bench.now += Span::from_secs(299);
        assert_eq!(bench.record("p", "m"), None);
        bench.now += Span::from_secs(1);
        assert_eq!(bench.record("p", "m").as_deref(), Some("patch 42: m"));
        assert_eq!(bench.record("p", "other"), None);
        bench.now += Span::from_secs(300);
        assert_eq!(bench.record("p", "other").as_deref(), Some("create 2: other"), "its first was dropped");
        assert_eq!(bench.record("q", "m").as_deref(), Some("create 1: m"), "each object has its own measure");
    }
}
