//! Deleting objects. Upstream: `generic/registry/store.go` `Delete`, `rest/delete.go` `BeforeDelete`.

use std::sync::Arc;

use super::update::is_complete_deletion;
use super::{Context, Store};
use crate::api::{Deletion, Kind, Name, Object, ObjectId, Timestamp};
use crate::event::{
    Answer, ApiError, ChangeKind, DeleteOptions, ErrorReason, ListAt, Propagation, Query, Reply, Target,
};
use crate::kernel::Span;

/// `--event-ttl`.
const EVENT_TTL: Span = Span::from_hours(1);
/// The finalizer of foreground deletion.
const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of orphaning.
const ORPHAN: &str = "orphan";
/// Namespaces that the server does not let go.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Store {
    pub(super) fn delete(&mut self, target: &Target, options: DeleteOptions, context: &Context) -> Reply {
        let stored = self.live(target)?;
        self.check_preconditions(&stored, options.preconditions)?;
        self.delete_stored(stored, options, context)
    }

    pub(super) fn delete_stored(&mut self, stored: Object, options: DeleteOptions, context: &Context) -> Reply {
        let now = self.timestamp(context);
        let meta = stored.meta();
        if meta.id.kind == Kind::Namespace && IMMORTAL.contains(&meta.name.as_str()) {
            let message = format!("namespaces {:?} is forbidden: this namespace may not be deleted", meta.name);
            return Err(ApiError::new(ErrorReason::Forbidden, message));
        }
        let mut next = stored.clone();
        if let Some(propagation) = options.propagation {
            set_propagation(&mut next, propagation);
        }
        let grace = grace_period(&stored, options);
        match (meta.deletion, grace) {
            // Already on its way: a later deletion can only shorten the grace period.
            (Some(deletion), _) => {
                let before = deletion.grace_seconds.unwrap_or(0);
                if grace < before {
                    let timestamp = Timestamp(deletion.timestamp.0 - before + grace);
                    next.meta_mut().deletion = Some(Deletion { timestamp, grace_seconds: Some(grace) });
                }
            }
            (None, _) => {
                let meta = next.meta_mut();
                meta.deletion = Some(Deletion { timestamp: Timestamp(now.0 + grace), grace_seconds: Some(grace) });
                meta.generation += i64::from(meta.generation > 0);
            }
        }
        if let Object::Namespace(namespace) = &mut next
            && !namespace.body.terminating
        {
            Arc::make_mut(namespace).body.terminating = true;
        }
        if is_complete_deletion(&next) {
            self.commit(ChangeKind::Deleted, next, Some(stored), context);
            return Ok(Answer::Done);
        }
        if next == stored {
            return Ok(Answer::Object(stored));
        }
        Ok(Answer::Object(self.commit(ChangeKind::Modified, next, Some(stored), context)))
    }

    pub(super) fn delete_collection(&mut self, query: &Query, options: DeleteOptions, context: &Context) -> Reply {
        let Answer::List { items, resource_version } = self.list(query, ListAt::Quorum, context)? else {
            panic!("a list is answered with a list")
        };
        for object in &items {
            self.delete_stored(object.clone(), options, context)?;
        }
        Ok(Answer::List { items, resource_version })
    }

    /// Notes when an Event is to be forgotten.
    pub(super) fn expect_event_expiry(&mut self, object: &Object, context: &Context) {
        if let Object::Event(event) = object {
            self.events_expire.push_back((context.now + EVENT_TTL, event.meta.id));
        }
    }

    /// Forgets Events whose time to live is over. Upstream's etcd does so by leases, within about a second; here it
    /// happens when the next request comes in. An Event that was raised lives on from its last time.
    pub(super) fn expire_events(&mut self, context: &Context) {
        while let Some((at, id)) = self.events_expire.front().copied() {
            if at > context.now {
                break;
            }
            self.events_expire.pop_front();
            let Some(Object::Event(event)) = self.table(id.kind).get(id.slot).cloned() else { continue };
            let until = self.clock.time(event.body.last) + EVENT_TTL;
            if until > context.now {
                self.events_expire.push_back((until, id));
                // Raised Events are rare: the order by time is kept by hand.
                self.events_expire.make_contiguous().sort_by_key(|(at, id): &(_, ObjectId)| (*at, *id));
                continue;
            }
            let stored = Object::Event(event);
            self.commit(ChangeKind::Deleted, stored.clone(), Some(stored), context);
        }
    }
}

/// How long a deletion waits. Upstream: the pod strategy's `CheckGracefulDelete`; nothing else waits.
fn grace_period(stored: &Object, options: DeleteOptions) -> i64 {
    let Object::Pod(pod) = stored else { return 0 };
    let wanted = options.grace_seconds.unwrap_or(pod.body.spec.grace_seconds).max(0);
    let on_a_node = !pod.body.node_name.is_empty() && !pod.body.status.phase.is_finished();
    if on_a_node { wanted } else { 0 }
}

/// Upstream: `deletionFinalizersForGarbageCollection`.
fn set_propagation(object: &mut Object, propagation: Propagation) {
    let wanted: &[&str] = match propagation {
        Propagation::Orphan => &[ORPHAN],
        Propagation::Foreground => &[FOREGROUND],
        Propagation::Background => &[],
    };
    let meta = object.meta();
    let ours = |finalizer: &Name| *finalizer == ORPHAN || *finalizer == FOREGROUND;
    let kept: Vec<Name> = meta.finalizers.iter().filter(|f| !ours(f) || wanted.contains(&f.as_str())).cloned().collect();
    let added = wanted.iter().filter(|f| !meta.has_finalizer(f)).map(|f| Name::from(*f));
    let finalizers: Arc<[Name]> = kept.into_iter().chain(added).collect();
    if finalizers != meta.finalizers {
        object.meta_mut().finalizers = finalizers;
    }
}
