//! The journal: one compact entry for everything that happened, each with the entry that caused it.

use std::sync::Arc;

use super::{Digest, DigestValue};
use crate::api::{Kind, Name, ObjectId};
use crate::event::{Cause, ClientIndex, PartId};
use crate::kernel::{Chunks, Time};

const CHUNK: usize = 4096;

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum EntryKind {
    /// The simulation starts.
    Start,
    /// A part starts; `detail` is its incarnation.
    PartStarts,
    /// An action of the timeline begins; `detail` is its number.
    Action,
    /// A request reaches the API server; `detail` is its verb.
    Request,
    /// An object was created; `detail` is the revision.
    Added,
    /// An object was changed; `detail` is the revision.
    Modified,
    /// An object is gone; `detail` is the revision.
    Deleted,
    /// A request was answered well; `detail` is the code.
    Answered,
    /// A request was answered with an error; `detail` is the code.
    Refused,
    /// A reply reaches the part.
    Reply,
    /// A watch delivers changes; `detail` is their number.
    Notice,
    /// A watch ended; the part is told.
    WatchEnded,
    /// A timer fires; `detail` is its token.
    Timer,
    /// A reconcile begins.
    ReconcileBegins,
    /// A reconcile ended well.
    ReconcileDone,
    /// A reconcile ended with an error.
    ReconcileFailed,
    /// The scheduler chose a node.
    Placed,
    /// The scheduler found no node.
    Unplaced,
    /// A fault strikes; `detail` is its number.
    FaultStrikes,
    /// A strike ends; `detail` is its number among the strikes.
    FaultEnds,
    /// A part's process is gone; `detail` is its incarnation.
    PartStops,
    /// The first container of a pod runs on a node.
    PodStarts,
    /// No container of a pod runs on a node any more.
    PodStops,
}

impl EntryKind {
    /// As `journal.jsonl` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryKind::Start => "start",
            EntryKind::PartStarts => "part-starts",
            EntryKind::Action => "action",
            EntryKind::Request => "request",
            EntryKind::Added => "added",
            EntryKind::Modified => "modified",
            EntryKind::Deleted => "deleted",
            EntryKind::Answered => "answered",
            EntryKind::Refused => "refused",
            EntryKind::Reply => "reply",
            EntryKind::Notice => "notice",
            EntryKind::WatchEnded => "watch-ended",
            EntryKind::Timer => "timer",
            EntryKind::ReconcileBegins => "reconcile-begins",
            EntryKind::ReconcileDone => "reconcile-done",
            EntryKind::ReconcileFailed => "reconcile-failed",
            EntryKind::Placed => "placed",
            EntryKind::Unplaced => "unplaced",
            EntryKind::FaultStrikes => "fault-strikes",
            EntryKind::FaultEnds => "fault-ends",
            EntryKind::PartStops => "part-stops",
            EntryKind::PodStarts => "pod-starts",
            EntryKind::PodStops => "pod-stops",
        }
    }
}

/// One entry, 48 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When.
    pub time: Time,
    /// What.
    pub kind: EntryKind,
    /// Which client of the part, where one spoke.
    pub client: ClientIndex,
    /// Who did it, or to whom it was done.
    pub part: PartId,
    /// The object, where there is one.
    pub object: Option<ObjectId>,
    /// As the kind says.
    pub detail: u64,
    /// What made it happen.
    pub cause: Cause,
}

impl Entry {
    /// The bytes that the digest covers: everything but the cause's own number, which the order implies.
    pub(super) fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[0..8].copy_from_slice(&self.time.nanos().to_le_bytes());
        bytes[8] = self.kind as u8;
        bytes[9] = self.client.0;
        let (tag, number) = match self.part {
            PartId::User => (0, 0),
            PartId::ControllerManager(replica) => (1, u32::from(replica)),
            PartId::Scheduler(replica) => (2, u32::from(replica)),
            PartId::Kubelet(node) => (3, node),
            PartId::Guest(guest) => (4, u32::from(guest)),
            PartId::World => (5, 0),
        };
        bytes[10] = tag;
        bytes[12..16].copy_from_slice(&number.to_le_bytes());
        if let Some(object) = self.object {
            bytes[16..20].copy_from_slice(&object.kind.number().to_le_bytes());
            bytes[20..24].copy_from_slice(&object.slot.to_le_bytes());
        }
        bytes[24..32].copy_from_slice(&self.detail.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.cause.0.to_le_bytes());
        bytes
    }
}

/// All entries of a run, shared in chunks so that a fork costs one pointer a chunk.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    sealed: Vec<Arc<[Entry]>>,
    tail: Vec<Entry>,
    names: std::collections::BTreeMap<Kind, Chunks<(Name, Name)>>,
    digest: Digest,
    counting_only: bool,
    count: u64,
}

impl Journal {
    /// A journal that keeps its entries, or only counts and digests them.
    pub fn new(keep: bool) -> Journal {
        Journal { counting_only: !keep, ..Journal::default() }
    }

    /// Adds an entry and returns its number as the cause of what follows.
    pub fn add(&mut self, entry: Entry) -> Cause {
        self.digest.add(&entry);
        let cause = Cause(u32::try_from(self.count).expect("a journal holds at most 2^32 entries"));
        self.count += 1;
        if !self.counting_only {
            self.tail.push(entry);
            if self.tail.len() == CHUNK {
                self.sealed.push(self.tail.as_slice().into());
                self.tail.clear();
            }
        }
        cause
    }

    /// Remembers what an interned key is called.
    pub fn name(&mut self, id: ObjectId, namespace: &Name, name: &Name) {
        if !self.counting_only {
            self.names.entry(id.kind).or_default().set(id.slot, (namespace.clone(), name.clone()));
        }
    }

    /// What an interned key is called.
    pub fn name_of(&self, id: ObjectId) -> Option<&(Name, Name)> {
        self.names.get(&id.kind)?.get(id.slot)
    }

    /// The entry that a cause names, if entries are kept.
    pub fn get(&self, cause: Cause) -> Option<&Entry> {
        let index = cause.0 as usize;
        match self.sealed.get(index / CHUNK) {
            Some(chunk) => chunk.get(index % CHUNK),
            None => self.tail.get(index - self.sealed.len() * CHUNK),
        }
    }

    /// All entries that are kept, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.sealed.iter().flat_map(|chunk| chunk.iter()).chain(&self.tail)
    }

    /// How many entries there were.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The digest of everything so far.
    pub fn digest(&self) -> DigestValue {
        self.digest.value()
    }

    /// The digests after each 1,000 entries.
    pub fn blocks(&self) -> &[u64] {
        self.digest.blocks()
    }
}
