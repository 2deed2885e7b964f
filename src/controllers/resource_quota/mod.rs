//! The resource quota controller: what each ResourceQuota limits and how much of it is used, in its status.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/resourcequota`). The API server charges what is created; this controller
//! takes over a new `spec.hard`, and gives back what goes: where an object is deleted, a pod ends or a Service changes
//! its type. Every `--resource-quota-sync-period` it looks at all quotas, and so finds pods that hang.
//!
//! Upstream counts all objects of a namespace at each look. Here the sums are kept up with each change.
//! Its two queues are one, where a quota without status does not come first.

mod tally;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use serde_json::json;
use tally::Tally;

use crate::api::quota::{Quota, is_charged, is_counted, matching};
use crate::api::{Kind, KindInfo, Name, Obj, Object, ObjectId, Untyped};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, Tick, View, Watches, WorkQueue,
};
use crate::event::{Cause, ChangeKind, Request};
use crate::kernel::{Span, Time};

/// `--concurrent-resource-quota-syncs`.
pub const CONCURRENT_RESOURCE_QUOTA_SYNCS: Flag = Flag {
    name: "concurrent-resource-quota-syncs",
    default: FlagValue::Int(5),
    doc: "ResourceQuotas that are worked on at a time",
};
/// `--resource-quota-sync-period`.
pub const RESOURCE_QUOTA_SYNC_PERIOD: Flag = Flag {
    name: "resource-quota-sync-period",
    default: FlagValue::Span(Span::from_mins(5)),
    doc: "how often all ResourceQuotas are looked at; 0: never",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "resourcequota-controller",
    doc: "says in each ResourceQuota how much is used",
    source: "pkg/controller/resourcequota, pkg/quota/v1",
    watches: Watches::Everything,
    workers: &CONCURRENT_RESOURCE_QUOTA_SYNCS,
    flags: &[&RESOURCE_QUOTA_SYNC_PERIOD],
    build: |flags| Box::new(ResourceQuotaController::new(flags)),
};

/// The resource quota controller's memory.
#[derive(Clone, Debug)]
pub struct ResourceQuotaController {
    period: Span,
    /// When all quotas are looked at next; before the start, none.
    next: Option<Time>,
    quotas: BTreeMap<u32, Known>,
    by_namespace: BTreeMap<Name, BTreeSet<u32>>,
    kinds: BTreeMap<Kind, Arc<KindInfo>>,
}

/// A quota and what is used of it.
#[derive(Clone, Debug)]
struct Known {
    object: Arc<Obj<Untyped>>,
    quota: Quota,
    tally: Tally,
}

impl ResourceQuotaController {
    fn new(flags: &Flags) -> ResourceQuotaController {
        let infos = Kind::ALL.iter().filter_map(|kind| kind.info().map(|info| (*kind, info)));
        let counted = infos.filter(|(kind, info)| is_counted(*kind, info));
        ResourceQuotaController {
            period: flags.span(&RESOURCE_QUOTA_SYNC_PERIOD),
            next: None,
            quotas: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            kinds: counted.map(|(kind, info)| (kind, Arc::new(info.clone()))).collect(),
        }
    }

    /// A quota has changed: counted anew where it limits something else than before. What else changes is this
    /// controller's own doing, or the API server's. Upstream: the handlers of `rqInformer`.
    fn quota_changed(&mut self, object: &Arc<Obj<Untyped>>, change: Observed, view: &View, queue: &mut WorkQueue) {
        let (slot, meta) = (object.meta.id.slot, &object.meta);
        if change.kind == ChangeKind::Deleted {
            self.quotas.remove(&slot);
            if let Some(quotas) = self.by_namespace.get_mut(&meta.namespace) {
                quotas.remove(&slot);
                if quotas.is_empty() {
                    self.by_namespace.remove(&meta.namespace);
                }
            }
            return;
        }
        let quota = Quota::of(&object.body.fields);
        if let Some(known) = self.quotas.get_mut(&slot)
            && known.object.meta.uid == meta.uid
            && known.quota.wanted == quota.wanted
        {
            (known.object, known.quota) = (object.clone(), quota);
            return;
        }
        let tally = Tally::new(&quota, &meta.namespace, &self.kinds, view.caches);
        self.quotas.insert(slot, Known { object: object.clone(), quota, tally });
        self.by_namespace.entry(meta.namespace.clone()).or_default().insert(slot);
        queue.add(meta.id, change.cause);
    }

    /// An object has changed that quotas may count.
    fn object_changed(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let Some(slots) = self.by_namespace.get(&change.new.meta().namespace) else { return };
        let Some(info) = self.kinds.get(&change.new.kind()) else { return };
        let gone = change.kind == ChangeKind::Deleted;
        let gives_back = gone || change.old.is_some_and(|old| gives_back(old, change.new, view));
        for slot in slots {
            let Some(known) = self.quotas.get_mut(slot) else { continue };
            known.tally.change(&known.quota, info, change.old, (!gone).then_some(change.new));
            if gives_back && !matching(change.new.kind(), info, &known.quota.hard).is_empty() {
                queue.add(known.object.meta.id, change.cause);
            }
        }
    }
}

/// Whether a change gives something back. Upstream: `DefaultUpdateFilter`.
fn gives_back(old: &Object, new: &Object, view: &View) -> bool {
    match (old, new) {
        (Object::Pod(old), Object::Pod(new)) => is_charged(old, view.timestamp()) && !is_charged(new, view.timestamp()),
        (Object::Untyped(old), Object::Untyped(new)) => {
            let at = |object: &Obj<Untyped>, path: &[&str]| {
                let spec = object.body.fields.get("spec")?;
                path.iter().try_fold(spec, |value, name| value.get(name)).cloned()
            };
            match new.meta.id.kind {
                Kind::Service => at(old, &["type"]) != at(new, &["type"]),
                Kind::PersistentVolumeClaim => {
                    at(old, &["resources", "requests"]) != at(new, &["resources", "requests"])
                }
                _ => false,
            }
        }
        _ => false,
    }
}

impl Known {
    /// The quota with a status that says what is used; none where it says so already. Upstream: `syncResourceQuota`.
    fn counted(&self, view: &View) -> Option<Object> {
        let Known { object, quota, tally } = self;
        let mut used = quota.used.only(|name| quota.wanted.get(name).is_some());
        for (name, amount) in tally.now(quota, view).iter() {
            used.set(name, amount.clone());
        }
        let has = |name: &str| object.body.fields.get("status").is_some_and(|status| status.get(name).is_some());
        let has_status = quota.wanted.is_empty() || (has("hard") && has("used"));
        if has_status && quota.wanted == quota.hard && used == quota.used {
            return None;
        }
        let mut counted = object.clone();
        let status = json!({ "hard": quota.wanted.write(), "used": used.write() });
        Arc::make_mut(&mut counted).body.fields.insert("status".to_owned(), status);
        Some(Object::Untyped(counted))
    }
}

impl Controller for ResourceQuotaController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn discover(&mut self, custom: &[(Kind, Arc<KindInfo>)]) {
        let counted = custom.iter().filter(|(kind, info)| is_counted(*kind, info));
        self.kinds.extend(counted.cloned());
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        if change.resync {
            return;
        }
        if let Object::Untyped(object) = change.new
            && object.meta.id.kind == Kind::ResourceQuota
        {
            self.quota_changed(object, change, view, queue);
        }
        self.object_changed(change, view, queue);
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let counted = self.quotas.get(&key.slot).and_then(|known| known.counted(view));
        if let Some(object) = counted {
            plan.send(Request::UpdateStatus(object));
        }
    }

    fn resume(&mut self, _key: ObjectId, _outcome: Outcome, _view: &View, _plan: &mut Plan) {}

    fn next_tick(&mut self, view: &View) -> Option<Tick> {
        if self.period == Span::ZERO {
            return None;
        }
        let mut next = self.next.unwrap_or(view.now + self.period);
        if self.quotas.is_empty() && next <= view.now {
            let missed = view.now.since(next).as_nanos() / self.period.as_nanos();
            next += self.period * (missed + 1);
        }
        self.next = Some(next);
        (!self.quotas.is_empty()).then_some(Tick { at: next, background: true })
    }

    fn tick(&mut self, view: &View, queue: &mut WorkQueue) {
        self.next = Some(view.now + self.period);
        for known in self.quotas.values() {
            queue.add(known.object.meta.id, Cause::START);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for known in self.quotas.values() {
            let meta = &known.object.meta;
            (&meta.namespace, &meta.name, known.quota.used.text(), known.tally.text()).hash(&mut hasher);
        }
    }
}
