//! Informers: list, then watch; resume where a watch was cut, list again where its revision is gone.
//!
//! ```text
//!  start ─► list ─► watch ─┬─ closed ──────────────────────────► watch from the last revision
//!            ▲             ├─ refused ──────────── back-off ───► watch from the last revision
//!            └─ back-off ◄─┴─ expired, lost, closed at once; a list that fails backs off as well
//! ```
//!
//! Upstream: client-go `tools/cache/reflector.go`, `apimachinery/pkg/util/wait` (the back-off manager). Left out: streamed
//! lists (`WatchListClient`), pages, bookmarks, the five to ten minutes after which a watch ends by itself, and the empty
//! cache after a list that found no such resource.

use std::collections::BTreeMap;

use super::{Client, Outbox};
use crate::api::{Kind, Object, ObjectId, Selector};
use crate::event::{
    Answer, Change, ChangeKind, ErrorReason, Filter, InformerIndex, ListAt, Query, Reply, Request, TimerToken, Token,
    WatchEnd,
};
use crate::kernel::{Purpose, Span, Time, object_hash};

/// The first back-off; each is drawn between this and twice as long.
const BACKOFF_BASE: Span = Span::from_millis(800);
/// Where its doubling ends.
const BACKOFF_MAX: Span = Span::from_secs(30);
/// After so long without another back-off it starts anew.
const BACKOFF_RESET: Span = Span::from_mins(2);
/// A watch that ends sooner than this and has told nothing is followed by a list.
const SHORT_WATCH: Span = Span::from_secs(1);

const BACKOFF: Purpose = Purpose::new("informer-backoff");

/// What an informer does when its back-off is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    List,
    Watch,
}

/// Where an informer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Not started.
    New,
    /// A list is under way.
    Listing,
    /// A watch is open.
    Watching {
        /// Since when.
        since: Time,
        /// Whether it has told anything.
        has_told: bool,
    },
    /// Something failed.
    BackingOff { until: Time, next: Next },
}

/// One informer of a part: keeps track of what it has seen, turns lists into the changes that they mean, and tries again
/// by itself where anything fails. The part hands it the replies, notices and timers that bear its tokens.
#[derive(Clone, Debug)]
pub struct Informer {
    /// Its number within the part.
    pub index: InformerIndex,
    /// The kind that it watches.
    pub kind: Kind,
    /// Which objects of the kind.
    pub filter: Filter,
    list_token: Token,
    timer_token: TimerToken,
    phase: Phase,
    synced: bool,
    revision: u64,
    /// Whether the last list at `revision` found it gone.
    is_revision_gone: bool,
    backoff: Backoff,
}

impl Informer {
    /// An informer that has not started. Its lists bear one token, its timer the other.
    pub fn new(
        index: InformerIndex,
        kind: Kind,
        filter: Filter,
        list_token: Token,
        timer_token: TimerToken,
    ) -> Informer {
        Informer {
            index,
            kind,
            filter,
            list_token,
            timer_token,
            phase: Phase::New,
            synced: false,
            revision: 0,
            is_revision_gone: false,
            backoff: Backoff::default(),
        }
    }

    /// Whether it has listed once.
    pub fn has_synced(&self) -> bool {
        self.synced
    }

    /// The last revision seen.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Begins with a list.
    pub fn start(&mut self, client: &mut Client, out: &mut Outbox) {
        self.list(client, out);
    }

    /// Upstream: `relistResourceVersion`.
    fn list(&mut self, client: &mut Client, out: &mut Outbox) {
        self.phase = Phase::Listing;
        let at = match self.revision {
            _ if self.is_revision_gone => ListAt::Quorum,
            0 => ListAt::Any,
            revision => ListAt::NotOlderThan(revision),
        };
        let (kind, filter) = (self.kind, self.filter.clone());
        let query = Query { kind, namespace: None, labels: Selector::everything(), filter };
        out.send(client, self.list_token, Request::List { query, at });
    }

    fn watch(&mut self, out: &mut Outbox) {
        self.phase = Phase::Watching { since: out.now, has_told: false };
        out.watch(self.index, self.kind, self.filter.clone(), self.revision);
    }

    fn back_off(&mut self, next: Next, client: &Client, out: &mut Outbox) {
        let path = format!("{}/{:?}/{:?}", client.name, self.kind, self.filter);
        let until = out.now + self.backoff.step(&path, out);
        self.phase = Phase::BackingOff { until, next };
        out.timer_at(until, self.timer_token);
    }

    /// Its timer has fired.
    pub fn due(&mut self, client: &mut Client, out: &mut Outbox) {
        match self.phase {
            Phase::BackingOff { until, next: Next::List } if until <= out.now => self.list(client, out),
            Phase::BackingOff { until, next: Next::Watch } if until <= out.now => self.watch(out),
            Phase::BackingOff { .. } | Phase::New | Phase::Listing | Phase::Watching { .. } => {}
        }
    }

    /// Takes the answer to the list, opens the watch, and says what has changed against what the cache holds (`cached`).
    /// `None`: the list failed, and will be tried again.
    pub fn listed(
        &mut self,
        reply: Reply,
        cached: impl FnOnce() -> Vec<Object>,
        client: &mut Client,
        out: &mut Outbox,
    ) -> Option<Vec<Change>> {
        let (items, revision) = match reply {
            Ok(Answer::List { items, resource_version }) => (items, resource_version),
            Ok(Answer::Object(_) | Answer::Created(_) | Answer::Deleted(_) | Answer::Done) => {
                panic!("a list was answered with something else")
            }
            Err(error) if error.reason == ErrorReason::Expired && !self.is_revision_gone => {
                self.is_revision_gone = true;
                self.list(client, out);
                return None;
            }
            Err(_) => {
                self.back_off(Next::List, client, out);
                return None;
            }
        };
        let changes = differences(items, revision, &cached(), out);
        self.synced = true;
        self.is_revision_gone = false;
        self.revision = revision;
        self.watch(out);
        Some(changes)
    }

    /// Remembers how far a notice brought it, and drops from it whatever is no news: a notice that comes from a watch
    /// since given up must not lead the cache back.
    pub fn noticed(&mut self, changes: &mut Vec<Change>) {
        let Phase::Watching { has_told, .. } = &mut self.phase else { return changes.clear() };
        if changes.first().is_some_and(|first| first.revision <= self.revision) {
            changes.retain(|change| change.revision > self.revision);
        }
        if let Some(last) = changes.last() {
            *has_told = true;
            self.revision = last.revision;
        }
    }

    /// A watch has ended: resumes it, or lists again, at once or after a back-off.
    pub fn ended(&mut self, end: WatchEnd, client: &Client, out: &mut Outbox) {
        let Phase::Watching { since, has_told } = self.phase else { return };
        match end {
            WatchEnd::Closed if has_told || out.now.since(since) >= SHORT_WATCH => self.watch(out),
            WatchEnd::Refused => self.back_off(Next::Watch, client, out),
            WatchEnd::Closed | WatchEnd::Expired | WatchEnd::Forbidden | WatchEnd::Lost => {
                self.back_off(Next::List, client, out)
            }
        }
    }
}

/// What a list means for a cache.
fn differences(items: Vec<Object>, revision: u64, cached: &[Object], out: &Outbox) -> Vec<Change> {
    let change = |kind, object| Change { kind, object, revision, cause: out.cause };
    let mut gone: BTreeMap<ObjectId, &Object> = cached.iter().map(|object| (object.meta().id, object)).collect();
    let mut changes = Vec::with_capacity(items.len());
    for object in items {
        let kind = match gone.remove(&object.meta().id) {
            None => ChangeKind::Added,
            Some(before) if before.meta().uid != object.meta().uid => {
                changes.push(change(ChangeKind::Deleted, before.clone()));
                ChangeKind::Added
            }
            Some(before) if before.meta().resource_version == object.meta().resource_version => continue,
            Some(_) => ChangeKind::Modified,
        };
        changes.push(change(kind, object));
    }
    changes.extend(gone.into_values().map(|object| change(ChangeKind::Deleted, object.clone())));
    changes
}

/// The back-off of a reflector. Upstream: `NewExponentialBackoffManager` (800 ms, 30 s, reset after 2 min, factor 2,
/// jitter 1).
#[derive(Clone, Debug)]
struct Backoff {
    next: Span,
    last: Time,
    /// How many there were, for the draws.
    count: u64,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: BACKOFF_BASE, last: Time::ZERO, count: 0 }
    }
}

impl Backoff {
    fn step(&mut self, path: &str, out: &Outbox) -> Span {
        if out.now.since(self.last) > BACKOFF_RESET {
            self.next = BACKOFF_BASE;
        }
        let base = self.next;
        let drawn = out.chance.draw(BACKOFF, object_hash(path), self.count).span_between(base, base * 2);
        (self.last, self.next, self.count) = (out.now, (base * 2).min(BACKOFF_MAX), self.count + 1);
        drawn
    }
}

#[cfg(test)]
#[path = "informer_tests.rs"]
mod tests;
