//! Owner references do not dangle once a cluster has come to rest.

use rustc_hash::FxHashSet;

use super::invariant::{Finding, Invariant, InvariantEntry, Look, Sight};
use crate::api::{Kind, OwnerReference, Uid};
use crate::store::Store;

pub(super) static ENTRY: InvariantEntry = InvariantEntry {
    name: "owners-exist-at-rest",
    doc: "When nothing is going to happen any more and nothing is broken, every owner that an object names exists, or the \
          object is being deleted and waits for its finalizers.",
    leaves_out: "Clusters without the garbage collector. Owners of a kind that the API server does not serve, and owners \
                 in namespaces named by objects outside of any: nobody resolves them. Whether an owner that exists is in \
                 the object's own namespace.",
    source: "pkg/controller/garbagecollector (attemptToDeleteItem)",
    needs: Some("garbage-collector-controller"),
    kinds: &[],
    build: || Box::new(OwnersExistAtRest),
};

#[derive(Clone, Debug)]
struct OwnersExistAtRest;

impl Invariant for OwnersExistAtRest {
    fn observe(&mut self, sight: &Sight<'_>, look: Look<'_>, found: &mut Vec<Finding>) {
        match sight {
            Sight::Rest => found.extend(dangling(look.store)),
            Sight::Commit(..)
            | Sight::PodStarts { .. }
            | Sight::PodStops { .. }
            | Sight::PowerOff { .. }
            | Sight::PartStops(_)
            | Sight::AnswerLost { .. } => {}
        }
    }

    fn boxed_clone(&self) -> Box<dyn Invariant> {
        Box::new(self.clone())
    }
}

fn dangling(store: &Store) -> Vec<Finding> {
    let kinds = store.kinds();
    let all = || kinds.iter().filter(|kind| **kind != Kind::Event).flat_map(|kind| store.unordered(*kind));
    // Owners are few and objects many: whom nobody owns needs no place here. Looked up, never iterated.
    let mut missing: FxHashSet<Uid> =
        all().flat_map(|object| object.meta().owners.iter().map(|owner| owner.uid)).collect();
    for object in all() {
        missing.remove(&object.meta().uid);
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for object in all() {
        let meta = object.meta();
        let is_gone = |owner: &&OwnerReference| {
            let served = kind_of(store, &kinds, owner).map(|kind| store.info(kind).namespaced);
            missing.contains(&owner.uid) && served.is_some_and(|namespaced| !namespaced || !meta.namespace.is_empty())
        };
        if meta.is_terminating() {
            continue;
        }
        if let Some(owner) = meta.owners.iter().find(is_gone) {
            let object = format!("{}/{}", store.info(meta.id.kind).singular, meta.key());
            let message = format!("it is owned by {} {}, which is gone", owner.kind, owner.name);
            found.push(Finding { object, message });
        }
    }
    found.sort_by(|one, other| one.object.cmp(&other.object));
    found
}

/// The kind that a reference names, if the API server serves it.
fn kind_of(store: &Store, kinds: &[Kind], owner: &OwnerReference) -> Option<Kind> {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let named = |kind: &&Kind| {
        let info = store.info(**kind);
        info.kind == owner.kind.as_str() && info.group == group
    };
    kinds.iter().find(named).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::bench::{Bench, MANAGER};
    use crate::event::PartId;

    fn config_map(name: &str, owners: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default", "ownerReferences": owners}})
    }

    /// An owner, and an object that it owns.
    fn owned(finalizers: Value, owner_kind: &str) -> Bench {
        let mut bench = Bench::new(&ENTRY);
        bench.create(PartId::User, config_map("owner", &json!([])));
        let uid = bench.uid(Kind::ConfigMap, "owner");
        let owner = json!([{"apiVersion": "v1", "kind": owner_kind, "name": "owner", "uid": uid}]);
        let mut manifest = config_map("owned", &owner);
        manifest["metadata"]["finalizers"] = finalizers;
        bench.create(PartId::User, manifest);
        bench
    }

    #[test]
    fn an_object_whose_owner_is_gone_is_found_at_rest_and_not_before() {
        let mut bench = owned(json!([]), "ConfigMap");
        bench.show(&Sight::Rest);
        bench.expect("");
        bench.delete(PartId::User, Kind::ConfigMap, "owner");
        bench.expect("");
        bench.show(&Sight::Rest);
        bench.expect("configmap/default/owned: it is owned by ConfigMap owner, which is gone");
    }

    #[test]
    fn what_waits_for_its_finalizers_and_what_nobody_serves_may_stay() {
        let mut bench = owned(json!(["example.com/wait"]), "ConfigMap");
        bench.delete(PartId::User, Kind::ConfigMap, "owner");
        bench.delete(MANAGER, Kind::ConfigMap, "owned");
        bench.show(&Sight::Rest);
        bench.expect("");
        let mut bench = owned(json!([]), "Widget");
        bench.delete(PartId::User, Kind::ConfigMap, "owner");
        bench.show(&Sight::Rest);
        bench.expect("");
    }
}
