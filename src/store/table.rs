//! The objects of one kind: the live ones by interned key, the names, the change log.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Kind, KindInfo, Meta, Name, Object, ObjectId};
use crate::event::{Cause, ChangeKind};
use crate::kernel::{Chunks, Time};

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct LogEntry {
    pub(super) revision: u64,
    pub(super) time: Time,
    pub(super) kind: ChangeKind,
    /// After the change; for a deletion the last state, with the revision of the deletion.
    pub(super) object: Object,
    pub(super) before: Option<Object>,
    pub(super) cause: Cause,
}

/// The objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) kind: Kind,
    pub(super) info: Arc<KindInfo>,
    live: Chunks<Object>,
    /// Every name that is interned: live objects, and gone ones that may come back under their name.
    /// By namespace, then by name.
    names: imbl::OrdMap<Name, imbl::OrdMap<Name, u32>>,
    /// The numbers of the pods that are bound to each node, in the order of binding: kubelets list their own.
    by_node: imbl::OrdMap<Name, Vec<u32>>,
    next_slot: u32,
    /// How often the object of a number has been deleted, where its name may come back.
    lives: BTreeMap<u32, u32>,
    pub(super) log: Log,
}

/// The change log of a kind: what watches read and what lagging watch caches have not seen yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    entries: imbl::Vector<LogEntry>,
    /// How many entries were dropped from the front.
    dropped: u64,
    /// The revision of the last entry that was dropped.
    pub(super) compacted: u64,
}

impl Log {
    /// The position after the newest entry, counted from the first entry ever.
    pub(super) fn end(&self) -> u64 {
        self.dropped + self.entries.len() as u64
    }

    pub(super) fn get(&self, position: u64) -> Option<&LogEntry> {
        self.entries.get(position.checked_sub(self.dropped)? as usize)
    }

    /// The position of the first entry after a revision.
    pub(super) fn after(&self, revision: u64) -> u64 {
        let index = self.entries.binary_search_by(|entry| {
            if entry.revision <= revision { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        });
        self.dropped + index.unwrap_or_else(|index| index) as u64
    }

    /// The entries that are newer than an instant, newest first.
    pub(super) fn newer_than(&self, at: Time) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter().rev().take_while(move |entry| entry.time > at)
    }

    /// The entries after a revision, newest first.
    pub(super) fn after_revision(&self, revision: u64) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter().rev().take_while(move |entry| entry.revision > revision)
    }

    fn push(&mut self, entry: LogEntry) {
        self.entries.push_back(entry);
    }

    /// Whether [`Log::trim`] would find anything that is old enough.
    pub(super) fn has_older_than(&self, instant: Time, keep: usize) -> bool {
        self.entries.len() > keep && self.entries.front().is_some_and(|entry| entry.time < instant)
    }

    /// Drops entries from the front that are older than an instant, up to a position that somebody still needs.
    pub(super) fn trim(&mut self, older_than: Time, needed: Option<u64>, keep: usize) {
        while self.entries.len() > keep
            && needed.is_none_or(|needed| self.dropped < needed)
            && self.entries.front().is_some_and(|entry| entry.time < older_than)
        {
            if let Some(entry) = self.entries.pop_front() {
                self.compacted = entry.revision;
                self.dropped += 1;
            }
        }
    }
}

impl Table {
    pub(super) fn new(kind: Kind, info: Arc<KindInfo>) -> Table {
        Table {
            kind,
            info,
            live: Chunks::default(),
            names: imbl::OrdMap::new(),
            by_node: imbl::OrdMap::new(),
            next_slot: 0,
            lives: BTreeMap::new(),
            log: Log::default(),
        }
    }

    /// The kind is described anew: its objects show it as well.
    pub(super) fn redescribe(&mut self, info: Arc<KindInfo>) {
        let slots: Vec<u32> = self.unordered().map(|object| object.meta().id.slot).collect();
        for slot in slots {
            if let Some(Object::Untyped(object)) = self.live.get_mut(slot) {
                Arc::make_mut(object).body.info = info.clone();
            }
        }
        self.info = info;
    }

    /// The live object of an interned key.
    pub(super) fn get(&self, slot: u32) -> Option<&Object> {
        self.live.get(slot)
    }

    /// The interned key of a name, of a live object or not.
    pub(super) fn slot(&self, namespace: &Name, name: &Name) -> Option<u32> {
        self.names.get(namespace)?.get(name).copied()
    }

    /// The live object of a name.
    pub(super) fn by_name(&self, namespace: &Name, name: &Name) -> Option<&Object> {
        self.live.get(self.slot(namespace, name)?)
    }

    /// The live objects by namespace and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.names.values().flat_map(|names| names.values()).filter_map(|slot| self.live.get(*slot))
    }

    /// The live objects of a namespace by name.
    pub(super) fn in_namespace<'a>(&'a self, namespace: &'a Name) -> impl Iterator<Item = &'a Object> + 'a {
        self.names.get(namespace).into_iter().flat_map(|names| names.values()).filter_map(|slot| self.live.get(*slot))
    }

    /// The live pods that are bound to a node, by namespace and name.
    pub(super) fn on_node(&self, node: &Name) -> Vec<&Object> {
        let slots = self.by_node.get(node).into_iter().flatten();
        let mut pods: Vec<&Object> = slots.filter_map(|slot| self.live.get(*slot)).collect();
        pods.sort_by(|a, b| {
            let (a, b) = (a.meta(), b.meta());
            (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name))
        });
        pods
    }

    /// Keeps the pods of each node in step with a change.
    fn index_node(&mut self, entry: &LogEntry) {
        let node_of = |object: &Object| match object {
            Object::Pod(pod) if !pod.body.node_name.is_empty() => Some(pod.body.node_name.clone()),
            _ => None,
        };
        let before = entry.before.as_ref().and_then(node_of);
        let after = if entry.kind == ChangeKind::Deleted { None } else { node_of(&entry.object) };
        if before == after {
            return;
        }
        let slot = entry.object.meta().id.slot;
        if let Some(pods) = before.and_then(|node| self.by_node.get_mut(&node)) {
            pods.retain(|other| *other != slot);
        }
        if let Some(node) = after {
            self.by_node.entry(node).or_default().push(slot);
        }
    }

    /// The live objects in no particular order that anyone may rely on but a repeatable one.
    pub(super) fn unordered(&self) -> impl Iterator<Item = &Object> {
        self.live.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// The interned key for a name, and how many lives the name has had before.
    pub(super) fn intern(&mut self, namespace: &Name, name: &Name) -> (ObjectId, u32) {
        if !self.names.contains_key(namespace) {
            self.names.insert(namespace.clone(), imbl::OrdMap::new());
        }
        let names = self.names.get_mut(namespace).expect("the namespace was just put in");
        let next_slot = &mut self.next_slot;
        let slot = *names.entry(name.clone()).or_insert_with(|| {
            *next_slot += 1;
            *next_slot - 1
        });
        (ObjectId { kind: self.kind, slot }, self.lives.get(&slot).copied().unwrap_or(0))
    }

    /// Writes a change: the live state and the log.
    pub(super) fn write(&mut self, entry: LogEntry) {
        if self.kind == Kind::Pod {
            self.index_node(&entry);
        }
        let meta = entry.object.meta();
        match entry.kind {
            ChangeKind::Added | ChangeKind::Modified => {
                self.live.set(meta.id.slot, entry.object.clone());
            }
            ChangeKind::Deleted => {
                self.live.take(meta.id.slot);
                if may_return(meta) {
                    *self.lives.entry(meta.id.slot).or_default() += 1;
                } else {
                    if let Some(names) = self.names.get_mut(&meta.namespace) {
                        names.remove(&meta.name);
                    }
                }
            }
        }
        self.log.push(entry);
    }
}

/// Whether an object of the same name can be expected again, so that its interned key is kept: not where the server
/// or a recorder made the name up.
fn may_return(meta: &Meta) -> bool {
    meta.generate_name.is_empty() && meta.id.kind != Kind::Event
}
