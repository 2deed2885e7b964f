//! Deleting objects. Upstream: `generic/registry/store.go` `Delete`, `rest/delete.go` `BeforeDelete`.

use std::sync::Arc;

use super::update::is_complete_deletion;
use super::{Context, Store};
use crate::api::{Deletion, Kind, Meta, Name, Object, ObjectId, Timestamp};
use crate::event::{
    Answer, ApiError, ChangeKind, DeleteOptions, ErrorReason, ListAt, Preconditions, Propagation, Query, Reply, Target,
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
        self.delete_stored(stored, options, context)
    }

    /// Upstream: the head of `BeforeDelete`.
    pub(super) fn check_delete_preconditions(&self, stored: &Object, wanted: Preconditions) -> Result<(), ApiError> {
        let meta = stored.meta();
        let info = self.info(meta.id.kind);
        let refuse = |what: &str, wanted: String, found: String, happened: &str| {
            let dot = if info.group.is_empty() { "" } else { "." };
            let message = format!(
                "Operation cannot be fulfilled on {}{dot}{} {:?}: the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might have been {happened}",
                info.kind, info.group, meta.name
            );
            Err(ApiError::new(ErrorReason::Conflict, message))
        };
        if let Some(uid) = wanted.uid.filter(|uid| *uid != meta.uid) {
            return refuse("UID", uid.to_string(), meta.uid.to_string(), "deleted and then recreated");
        }
        if let Some(version) = wanted.resource_version.filter(|version| *version != meta.resource_version) {
            return refuse("ResourceVersion", version.to_string(), meta.resource_version.to_string(), "modified");
        }
        Ok(())
    }

    pub(super) fn delete_stored(&mut self, stored: Object, options: DeleteOptions, context: &Context) -> Reply {
        self.check_delete_preconditions(&stored, options.preconditions)?;
        if stored.kind() == Kind::CustomResourceDefinition {
            return self.delete_definition(stored, options, context);
        }
        let now = self.timestamp(context);
        let meta = stored.meta();
        if meta.id.kind == Kind::Namespace && IMMORTAL.contains(&meta.name.as_str()) {
            let message = format!("namespaces {:?} is forbidden: this namespace may not be deleted", meta.name);
            return Err(ApiError::new(ErrorReason::Forbidden, message));
        }
        let mut next = stored.clone();
        if let Some(propagation) = options.propagation.or_else(|| default_propagation(meta)) {
            set_propagation(&mut next, propagation);
        }
        match meta.deletion {
            // Already on its way: a later deletion can only shorten the grace period, and must say so.
            Some(deletion) => {
                let before = deletion.grace_seconds.unwrap_or(0);
                if let Some(grace) = wanted_grace(options).filter(|grace| *grace < before) {
                    let timestamp = Timestamp(deletion.timestamp.0 - before + grace);
                    next.meta_mut().deletion = Some(Deletion { timestamp, grace_seconds: Some(grace) });
                }
            }
            None => {
                let grace = grace_period(&stored, options);
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
            return Ok(Answer::Deleted(self.commit(ChangeKind::Deleted, next, Some(stored), context)));
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

/// The grace period that was asked for; a negative one counts as one second.
fn wanted_grace(options: DeleteOptions) -> Option<i64> {
    options.grace_seconds.map(|grace| if grace < 0 { 1 } else { grace })
}

/// What a deletion does with dependents where it does not say: Jobs and ReplicationControllers leave theirs, for the
/// sake of old clients. Upstream: `DefaultGarbageCollectionPolicy` of their strategies.
fn default_propagation(meta: &Meta) -> Option<Propagation> {
    let old = matches!(meta.id.kind, Kind::Job | Kind::ReplicationController);
    (old && !meta.has_finalizer(FOREGROUND)).then_some(Propagation::Orphan)
}

/// How long a deletion waits. Upstream: the pod strategy's `CheckGracefulDelete`; nothing else waits.
fn grace_period(stored: &Object, options: DeleteOptions) -> i64 {
    let Object::Pod(pod) = stored else { return 0 };
    let wanted = wanted_grace(options).unwrap_or(pod.body.spec.grace_seconds);
    let on_a_node = !pod.body.node_name.is_empty() && !pod.body.status.phase.is_finished();
    if on_a_node { wanted } else { 0 }
}

/// Upstream: `deletionFinalizersForGarbageCollection`.
pub(super) fn set_propagation(object: &mut Object, propagation: Propagation) {
    let wanted: &[&str] = match propagation {
        Propagation::Orphan => &[ORPHAN],
        Propagation::Foreground => &[FOREGROUND],
        Propagation::Background => &[],
    };
    let meta = object.meta();
    let ours = |finalizer: &Name| *finalizer == ORPHAN || *finalizer == FOREGROUND;
    let kept: Vec<Name> =
        meta.finalizers.iter().filter(|f| !ours(f) || wanted.contains(&f.as_str())).cloned().collect();
    let added = wanted.iter().filter(|f| !meta.has_finalizer(f)).map(|f| Name::from(*f));
    let finalizers: Arc<[Name]> = kept.into_iter().chain(added).collect();
    if finalizers != meta.finalizers {
        object.meta_mut().finalizers = finalizers;
    }
}
