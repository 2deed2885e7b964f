//! What is used of a quota, kept up with each change of an object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::quota::{Amounts, Quota, is_charged, matching, usage, usage_at};
use crate::api::{Kind, KindInfo, Name, Object};
use crate::client::{Caches, View};

/// The sums of a quota.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    sums: Amounts,
    /// Pods that are to go: where they do not, they are no longer charged after a while.
    going: BTreeSet<u32>,
    pods: Option<Arc<KindInfo>>,
}

impl Tally {
    /// Counts the objects of a namespace.
    pub(super) fn new(
        quota: &Quota,
        namespace: &Name,
        kinds: &BTreeMap<Kind, Arc<KindInfo>>,
        caches: &Caches,
    ) -> Tally {
        let mut sums = Amounts::default();
        let counted: Vec<(&Kind, &Arc<KindInfo>)> =
            kinds.iter().filter(|(kind, info)| !matching(**kind, info, &quota.wanted).is_empty()).collect();
        for (kind, info) in &counted {
            for name in matching(**kind, info, &quota.wanted) {
                sums.add_count(&name, 0);
            }
        }
        let mut tally = Tally { sums, going: BTreeSet::new(), pods: kinds.get(&Kind::Pod).cloned() };
        for (kind, info) in counted {
            for object in all(caches, *kind, namespace) {
                tally.change(quota, info, None, Some(&object));
            }
        }
        tally
    }

    /// Takes in that an object is another than before; none: it is not there.
    pub(super) fn change(&mut self, quota: &Quota, info: &KindInfo, old: Option<&Object>, new: Option<&Object>) {
        if let (Some(Object::Pod(old)), Some(Object::Pod(new))) = (old, new)
            && Arc::ptr_eq(&old.body.spec, &new.body.spec)
            && old.body.status.phase.is_finished() == new.body.status.phase.is_finished()
            && old.meta.is_terminating() == new.meta.is_terminating()
        {
            return;
        }
        if let Some(old) = old {
            let taken = self.taken(quota, info, old);
            self.sums.subtract(&taken);
            if old.kind() == Kind::Pod {
                self.going.remove(&old.meta().id.slot);
            }
        }
        if let Some(new) = new {
            let taken = self.taken(quota, info, new);
            self.sums.add(&taken);
            if new.kind() == Kind::Pod && new.meta().is_terminating() {
                self.going.insert(new.meta().id.slot);
            }
        }
    }

    /// What an object takes of the resources that are counted.
    fn taken(&self, quota: &Quota, info: &KindInfo, object: &Object) -> Amounts {
        if !quota.has_in_scope(object) {
            return Amounts::default();
        }
        usage(object, info).only(|name| self.sums.get(name).is_some())
    }

    /// What is used now: pods that hang are not charged.
    pub(super) fn now(&self, quota: &Quota, view: &View) -> Amounts {
        let mut sums = self.sums.clone();
        let Some(info) = &self.pods else { return sums };
        let going = self.going.iter().filter_map(|slot| view.caches.pods.by_slot(*slot));
        for pod in going.filter(|pod| !is_charged(pod, view.timestamp())) {
            let pod = Object::Pod(pod.clone());
            sums.subtract(&self.taken(quota, info, &pod));
            if quota.has_in_scope(&pod) {
                sums.add(&usage_at(&pod, info, view.timestamp()).only(|name| self.sums.get(name).is_some()));
            }
        }
        sums
    }

    /// The sums as text.
    pub(super) fn text(&self) -> String {
        self.sums.text()
    }
}

/// The cached objects of a kind in a namespace.
fn all(caches: &Caches, kind: Kind, namespace: &Name) -> Vec<Object> {
    match kind {
        Kind::Pod => caches.pods.in_namespace(namespace).cloned().map(Object::Pod).collect(),
        Kind::Deployment => caches.deployments.in_namespace(namespace).cloned().map(Object::Deployment).collect(),
        Kind::ReplicaSet => caches.replica_sets.in_namespace(namespace).cloned().map(Object::ReplicaSet).collect(),
        Kind::Lease => caches.leases.in_namespace(namespace).cloned().map(Object::Lease).collect(),
        other => {
            let cache = caches.others.get(&other).into_iter();
            cache.flat_map(|cache| cache.in_namespace(namespace).cloned().map(Object::Untyped)).collect()
        }
    }
}
