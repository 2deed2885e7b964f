//! Informers: list, then watch; resume where a watch was cut, list again where its revision is gone.
//! Upstream: client-go `tools/cache/reflector.go`.

use std::collections::BTreeMap;

use super::{Client, Outbox};
use crate::api::{Kind, Object, ObjectId, Selector};
use crate::event::{Cause, Change, ChangeKind, Filter, InformerIndex, ListAt, Query, Reply, Request, Token, WatchEnd};

/// Where an informer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Not started.
    New,
    /// A list is under way.
    Listing,
    /// A watch is open.
    Watching,
}

/// One informer of a part: keeps track of what it has seen, and turns lists into the changes that they mean.
#[derive(Clone, Debug)]
pub struct Informer {
    /// Its number within the part.
    pub index: InformerIndex,
    /// The kind that it watches.
    pub kind: Kind,
    /// Which objects of the kind.
    pub filter: Filter,
    phase: Phase,
    synced: bool,
    revision: u64,
    /// How the next list is asked for: from the watch cache, or from etcd after an expired one.
    list_at: ListAt,
}

/// What came of an input to an informer.
#[derive(Clone, Debug, PartialEq)]
pub enum InformerEvent {
    /// These changes are to be taken into the cache.
    Changes(Vec<Change>),
    /// The list failed: try again with [`Informer::list`] after a back-off.
    Failed,
}

impl Informer {
    /// An informer that has not started.
    pub fn new(index: InformerIndex, kind: Kind, filter: Filter) -> Informer {
        Informer { index, kind, filter, phase: Phase::New, synced: false, revision: 0, list_at: ListAt::Any }
    }

    /// Whether it has listed once.
    pub fn has_synced(&self) -> bool {
        self.synced
    }

    /// The last revision seen.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Sends the list.
    pub fn list(&mut self, out: &mut Outbox, client: &mut Client, token: Token) {
        self.phase = Phase::Listing;
        let query =
            Query { kind: self.kind, namespace: None, labels: Selector::everything(), filter: self.filter.clone() };
        out.send(client, token, Request::List { query, at: self.list_at });
    }

    /// Takes the answer to the list, opens the watch, and says what has changed against what the cache holds.
    /// `cached` are the objects that the cache holds for this informer.
    pub fn listed<'a>(
        &mut self,
        reply: Reply,
        cached: impl Iterator<Item = &'a Object>,
        out: &mut Outbox,
    ) -> InformerEvent {
        let (items, resource_version) = match reply {
            Ok(crate::event::Answer::List { items, resource_version }) => (items, resource_version),
            Ok(_) => panic!("a list was answered with something else"),
            Err(_) => {
                self.list_at = ListAt::Quorum;
                return InformerEvent::Failed;
            }
        };
        let mut gone: BTreeMap<ObjectId, &Object> = cached.map(|object| (object.meta().id, object)).collect();
        let mut changes = Vec::with_capacity(items.len());
        for object in items {
            let kind = match gone.remove(&object.meta().id) {
                None => ChangeKind::Added,
                Some(before) if before.meta().uid != object.meta().uid => {
                    changes.push(change(ChangeKind::Deleted, before.clone(), resource_version, out.cause));
                    ChangeKind::Added
                }
                Some(before) if before.meta().resource_version == object.meta().resource_version => continue,
                Some(_) => ChangeKind::Modified,
            };
            changes.push(change(kind, object, resource_version, out.cause));
        }
        for object in gone.into_values() {
            changes.push(change(ChangeKind::Deleted, object.clone(), resource_version, out.cause));
        }
        self.synced = true;
        self.revision = resource_version;
        self.open(out);
        InformerEvent::Changes(changes)
    }

    fn open(&mut self, out: &mut Outbox) {
        self.phase = Phase::Watching;
        out.watch(self.index, self.kind, self.filter.clone(), self.revision);
    }

    /// Remembers how far a notice brought it. Returns false for a notice that came from a watch since given up.
    pub fn noticed(&mut self, changes: &[Change]) -> bool {
        if self.phase != Phase::Watching {
            return false;
        }
        if let Some(last) = changes.last() {
            self.revision = self.revision.max(last.revision);
        }
        true
    }

    /// A watch has ended: resumes it, or says that a new list is needed.
    /// Upstream: an expired revision means a list; its first try is from the watch cache at the last revision seen.
    #[must_use]
    pub fn ended(&mut self, end: WatchEnd, out: &mut Outbox) -> bool {
        match end {
            WatchEnd::Closed | WatchEnd::Refused | WatchEnd::Lost => {
                self.open(out);
                false
            }
            WatchEnd::Expired => {
                self.list_at = ListAt::Quorum;
                true
            }
        }
    }
}

fn change(kind: ChangeKind, object: Object, revision: u64, cause: Cause) -> Change {
    Change { kind, object, revision, cause }
}
