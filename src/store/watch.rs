//! Watches: a cursor of each watcher into the change log, and one wake-up, not one message a change.
//!
//! Watches on one node's pods and on single objects are indexed, so that a change wakes only those whom it concerns.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::table::{Log, LogEntry};
use crate::api::{Kind, Name, Object};
use crate::event::{Change, ChangeKind, Filter, InformerIndex, PartId};
use crate::kernel::{Span, Time};

/// A watch of a part, by the order in which it was opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WatcherId(pub u32);

/// An open watch.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Who watches.
    pub part: PartId,
    /// Which life of the part.
    pub incarnation: u32,
    /// Which of its informers.
    pub informer: InformerIndex,
    /// The kind.
    pub kind: Kind,
    /// Which objects.
    pub filter: Filter,
    /// From the commit to the hands of the watcher: the lag of the replica's watch cache and the way.
    pub delay: Span,
    /// The replica that serves it.
    pub replica: u8,
    next: Next,
    waking: bool,
}

/// What a watcher has not seen yet.
#[derive(Clone, Debug)]
enum Next {
    /// Everything in the log from this position on that its filter lets through.
    From(u64),
    /// These positions.
    At(VecDeque<u64>),
}

/// All open watches, with who is to be woken.
#[derive(Clone, Debug, Default)]
pub(super) struct Watchers {
    all: Vec<Option<Watcher>>,
    broad: FxHashMap<Kind, Vec<WatcherId>>,
    on_node: FxHashMap<Name, Vec<WatcherId>>,
    named: FxHashMap<(Kind, Name, Name), Vec<WatcherId>>,
    to_wake: Vec<(WatcherId, Time)>,
}

/// What a woken watcher is given.
#[derive(Debug)]
pub struct Delivery {
    /// The changes, in order; may be empty.
    pub changes: Vec<Change>,
    /// When there is more to deliver.
    pub next: Option<Time>,
}

impl Watchers {
    pub(super) fn open(&mut self, watcher: WatcherSpec, from: u64, log: &Log) -> WatcherId {
        let id = WatcherId(self.all.len() as u32);
        let start = log.after(from);
        let next = match &watcher.filter {
            Filter::All | Filter::InNamespace(_) => {
                self.broad.entry(watcher.kind).or_default().push(id);
                Next::From(start)
            }
            Filter::OnNode(_) | Filter::Named(_, _) => {
                match &watcher.filter {
                    Filter::OnNode(node) => self.on_node.entry(node.clone()).or_default().push(id),
                    Filter::Named(namespace, name) => {
                        let key = (watcher.kind, namespace.clone(), name.clone());
                        self.named.entry(key).or_default().push(id);
                    }
                    Filter::All | Filter::InNamespace(_) => {}
                }
                let concerns = |position: &u64| {
                    log.get(*position).is_some_and(|entry| translate(&watcher.filter, entry).is_some())
                };
                Next::At((start..log.end()).filter(concerns).collect())
            }
        };
        let WatcherSpec { part, incarnation, informer, kind, filter, delay, replica } = watcher;
        let mut watcher = Watcher { part, incarnation, informer, kind, filter, delay, replica, next, waking: false };
        if let Some(entry) = watcher.peek(log) {
            watcher.waking = true;
            self.to_wake.push((id, entry.time + delay));
        }
        self.all.push(Some(watcher));
        id
    }

    /// Closes a watch; what it has not seen is lost to it.
    pub(super) fn close(&mut self, id: WatcherId) -> Option<Watcher> {
        let watcher = self.all.get_mut(id.0 as usize)?.take()?;
        let list = match &watcher.filter {
            Filter::All | Filter::InNamespace(_) => self.broad.get_mut(&watcher.kind),
            Filter::OnNode(node) => self.on_node.get_mut(node),
            Filter::Named(namespace, name) => self.named.get_mut(&(watcher.kind, namespace.clone(), name.clone())),
        };
        if let Some(list) = list {
            list.retain(|other| *other != id);
        }
        Some(watcher)
    }

    pub(super) fn get(&self, id: WatcherId) -> Option<&Watcher> {
        self.all.get(id.0 as usize)?.as_ref()
    }

    /// The open watches that are so.
    pub(super) fn select(&self, is_so: impl Fn(&Watcher) -> bool) -> Vec<WatcherId> {
        let indexed = self.all.iter().enumerate();
        indexed
            .filter(|(_, watcher)| watcher.as_ref().is_some_and(&is_so))
            .map(|(index, _)| WatcherId(index as u32))
            .collect()
    }

    /// Notes that an entry was written at a position of the log of its kind.
    pub(super) fn written(&mut self, kind: Kind, position: u64, entry: &LogEntry) {
        let on_node = match &entry.object {
            Object::Pod(pod) if !pod.body.node_name.is_empty() => self.on_node.get(&pod.body.node_name),
            _ => None,
        };
        let named = if self.named.is_empty() {
            None
        } else {
            let meta = entry.object.meta();
            self.named.get(&(kind, meta.namespace.clone(), meta.name.clone()))
        };
        for id in [self.broad.get(&kind), on_node, named].into_iter().flatten().flatten() {
            let Some(watcher) = self.all[id.0 as usize].as_mut() else { continue };
            if let Next::At(positions) = &mut watcher.next {
                positions.push_back(position);
            }
            if !watcher.waking {
                watcher.waking = true;
                self.to_wake.push((*id, entry.time + watcher.delay));
            }
        }
    }

    /// Who is to be woken, and when.
    pub(super) fn take_wakes(&mut self) -> Vec<(WatcherId, Time)> {
        std::mem::take(&mut self.to_wake)
    }

    /// Takes what a watcher is due, with entries up to an instant.
    pub(super) fn collect(&mut self, id: WatcherId, upto: Time, late: Span, log: &Log) -> Delivery {
        let Some(watcher) = self.all.get_mut(id.0 as usize).and_then(Option::as_mut) else {
            return Delivery { changes: Vec::new(), next: None };
        };
        let mut changes = Vec::new();
        while let Some(entry) = watcher.peek(log) {
            if entry.time > upto {
                return Delivery { changes, next: Some(entry.time + watcher.delay + late) };
            }
            changes.extend(translate(&watcher.filter, entry));
            watcher.step();
        }
        watcher.waking = false;
        Delivery { changes, next: None }
    }

    /// The first position of each kind's log that some watcher has still to read.
    pub(super) fn needed(&self) -> BTreeMap<Kind, u64> {
        let mut needed = BTreeMap::new();
        for watcher in self.all.iter().flatten() {
            let next = match &watcher.next {
                Next::From(position) => Some(*position),
                Next::At(positions) => positions.front().copied(),
            };
            if let Some(next) = next {
                needed.entry(watcher.kind).and_modify(|first: &mut u64| *first = next.min(*first)).or_insert(next);
            }
        }
        needed
    }
}

/// A watch to be opened.
#[derive(Clone, Debug)]
pub struct WatcherSpec {
    /// Who watches.
    pub part: PartId,
    /// Which life of the part.
    pub incarnation: u32,
    /// Which of its informers.
    pub informer: InformerIndex,
    /// The kind.
    pub kind: Kind,
    /// Which objects.
    pub filter: Filter,
    /// From the commit to the hands of the watcher.
    pub delay: Span,
    /// The replica that serves it.
    pub replica: u8,
}

impl Watcher {
    fn peek<'a>(&self, log: &'a Log) -> Option<&'a LogEntry> {
        match &self.next {
            Next::From(position) => log.get(*position),
            Next::At(positions) => log.get(*positions.front()?),
        }
    }

    fn step(&mut self) {
        match &mut self.next {
            Next::From(position) => *position += 1,
            Next::At(positions) => {
                positions.pop_front();
            }
        }
    }
}

/// Whether an object is what a filter lets through.
pub(super) fn matches(filter: &Filter, object: &Object) -> bool {
    match filter {
        Filter::All => true,
        Filter::OnNode(node) => matches!(object, Object::Pod(pod) if pod.body.node_name == *node),
        Filter::Named(namespace, name) => {
            let meta = object.meta();
            meta.name == *name && meta.namespace == *namespace
        }
        Filter::InNamespace(namespace) => object.meta().namespace == *namespace,
    }
}

/// What a log entry looks like through a filter: an object that begins to match appears, one that ends to match is
/// gone.
fn translate(filter: &Filter, entry: &LogEntry) -> Option<Change> {
    let before = entry.before.as_ref().is_some_and(|before| matches(filter, before));
    let after = entry.kind != ChangeKind::Deleted && matches(filter, &entry.object);
    let kind = match (before, after) {
        (false, false) => return None,
        (false, true) => ChangeKind::Added,
        (true, true) => ChangeKind::Modified,
        (true, false) => ChangeKind::Deleted,
    };
    Some(Change { kind, object: entry.object.clone(), revision: entry.revision, cause: entry.cause })
}
