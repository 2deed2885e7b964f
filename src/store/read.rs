//! Reading: single objects, and lists as fresh as they were asked for.

use std::collections::BTreeMap;

use super::table::LogEntry;
use super::watch::matches;
use super::{Context, Store};
use crate::api::{Kind, Name, Object};
use crate::event::{Answer, ApiError, ChangeKind, ErrorCause, ErrorReason, Filter, ListAt, Query, Reply, Target};
use crate::kernel::Time;

impl Store {
    pub(super) fn get(&self, target: &Target, context: &Context) -> Result<Object, ApiError> {
        Ok(self.heartbeats.applied(self.live(target)?, context.now, self.clock))
    }

    /// A list. From the watch cache it is the truth with the changes undone that the replica has not seen yet.
    pub(super) fn list(&self, query: &Query, at: ListAt, context: &Context) -> Reply {
        let table = self.table(query.kind);
        let log = &table.log;
        let replica = &self.replicas[usize::from(context.replica)];
        let hidden = |entries: &mut dyn Iterator<Item = &LogEntry>| -> (Undone, u64) {
            let mut undone = Undone::default();
            let mut revision = self.revision;
            for entry in entries {
                undone.undo(entry);
                revision = entry.revision - 1;
            }
            (undone, revision)
        };
        let (undone, revision) = match at {
            ListAt::Quorum => (Undone::default(), self.revision),
            ListAt::Any => hidden(&mut log.newer_than(replica.sees_until(context.now))),
            ListAt::NotOlderThan(wanted) | ListAt::Exact(wanted) if wanted > self.revision => {
                return Err(too_large(wanted, self.revision));
            }
            ListAt::NotOlderThan(wanted) => {
                let (undone, revision) = hidden(&mut log.newer_than(replica.sees_until(context.now)));
                // Upstream waits until the cache has caught up, at most 3 s; here it reads through at once.
                if revision >= wanted { (undone, revision) } else { (Undone::default(), self.revision) }
            }
            ListAt::Exact(wanted) => {
                if wanted < log.compacted {
                    let message = format!("The provided resource version is too old: {wanted}");
                    return Err(ApiError::new(ErrorReason::Expired, message));
                }
                (hidden(&mut log.after_revision(wanted)).0, wanted)
            }
        };
        let mut items: Vec<Object> = Vec::new();
        let wanted = |object: &Object| {
            matches(&query.filter, object)
                && query.labels.matches(|key| object.meta().labels.get(key).map(Name::as_str))
        };
        let mut take = |object: &Object| {
            if !undone.0.contains_key(&object.meta().id.slot) && wanted(object) {
                items.push(self.heartbeats.applied(object.clone(), context.now, self.clock));
            }
        };
        match (&query.filter, &query.namespace) {
            (Filter::Named(namespace, name), _) => table.by_name(namespace, name).into_iter().for_each(&mut take),
            (Filter::InNamespace(namespace), _) | (_, Some(namespace)) => {
                table.in_namespace(namespace).for_each(&mut take)
            }
            (Filter::OnNode(node), None) => table.on_node(node).into_iter().for_each(&mut take),
            (Filter::All, None) => table.iter().for_each(&mut take),
        }
        if !undone.0.is_empty() {
            let in_namespace = |object: &Object| {
                query.namespace.as_ref().is_none_or(|namespace| object.meta().namespace == *namespace)
            };
            items.extend(undone.0.into_values().flatten().filter(|object| in_namespace(object) && wanted(object)));
            items.sort_by(|a, b| {
                let (a, b) = (a.meta(), b.meta());
                (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name))
            });
        }
        Ok(Answer::List { items, resource_version: revision })
    }

    /// All live objects of a kind by namespace and name, as of an instant: for dumps, reports and checks.
    pub fn objects(&self, kind: Kind, now: Time) -> impl Iterator<Item = Object> + '_ {
        self.table(kind).iter().map(move |object| self.heartbeats.applied(object.clone(), now, self.clock))
    }

    /// All live objects of a kind, without order beyond repeatability and without computed heartbeats: quicker.
    pub fn unordered(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.table(kind).unordered()
    }

    /// How many live objects of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.table(kind).len()
    }

    /// The live object of a name.
    pub fn by_name(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        self.table(kind).by_name(&namespace.into(), &name.into())
    }

    /// The live object of an interned key.
    pub fn by_id(&self, id: crate::api::ObjectId) -> Option<&Object> {
        self.table(id.kind).get(id.slot)
    }
}

/// A revision that is not reached yet. Upstream waits for 3 s whether it is; here the answer comes at once.
fn too_large(wanted: u64, current: u64) -> ApiError {
    let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    let mut error = ApiError::new(ErrorReason::Timeout, message);
    error.causes.push(ErrorCause {
        reason: "ResourceVersionTooLarge".into(),
        message: "Too large resource version".into(),
        field: Name::new(),
    });
    error.retry_after_seconds = Some(1);
    error
}

/// Objects as they were before some changes, by number; `None` where there was none.
#[derive(Default)]
struct Undone(BTreeMap<u32, Option<Object>>);

impl Undone {
    fn undo(&mut self, entry: &LogEntry) {
        let before = match entry.kind {
            ChangeKind::Added => None,
            ChangeKind::Modified | ChangeKind::Deleted => entry.before.clone(),
        };
        self.0.insert(entry.object.meta().id.slot, before);
    }
}
