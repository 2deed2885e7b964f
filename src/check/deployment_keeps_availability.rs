//! A Deployment's controller takes no more pods away, and adds no more, than the strategy allows.
//!
//! A controller acts on caches, and upstream's promises are about what these show. So each change of a ReplicaSet's size
//! is judged by the states that the controller can have seen when it decided: those since the set itself was changed by
//! others, for the write names the revision that it changes; and for Deployments, the wish that the controller notes in
//! the set's annotations. A change is wrong if it is wrong by all of these.
//!
//! With `d` wished replicas, `u` that may be missing and `s` on top, and sets as they have been seen, a set
//! - may shrink to `d` or more at any time;
//! - in a rolling update may shrink by as many of its own pods as are not available (`cleanupUnhealthyReplicas`), and by
//!   as many as are available in all sets together beyond `d - u` (`scaleDownOldReplicaSetsForRollingUpdate`);
//! - while the Deployment is scaled or paused may shrink as long as `d` pods stay wished in all sets (`scale`: in
//!   proportion, whatever is available);
//! - may grow to `d`, in a rolling update only as far as all sets together wish `d + s` (`NewRSNewReplicas`), while the
//!   Deployment is scaled to `d + s`;
//! - with `Recreate` may shrink at any time, and grow to `d`.
//!
//! 'Available' is what the sets' statuses say, as upstream reads them. A status may lag behind a shrinking by the
//! controller itself; upstream then counts pods that are about to go, and may take too many. That is its race, and not
//! held against it here.

use rustc_hash::FxHashMap;

use super::family::{Family, Set, Wish};
use super::invariant::{By, Finding, Invariant, InvariantEntry, Look, Sight};
use crate::api::{Deployment, Kind, Obj, Object, ReplicaSet, Uid};
use crate::event::{ChangeKind, PartId};
use crate::store::Commit;

pub(super) static ENTRY: InvariantEntry = InvariantEntry {
    name: "deployment-keeps-availability",
    doc: "A controller-manager shrinks a Deployment's ReplicaSet only by pods that are not available, or that may be \
          missing by the strategy; and grows it only as far as the strategy allows. While the Deployment is scaled, the \
          wished pods stay as many as it wishes.",
    leaves_out: "What others do to ReplicaSets and pods. Which pods a ReplicaSet then deletes, and how many there are for a \
                 moment: one set may create before the other has deleted, and with minReadySeconds ready pods go that \
                 are not available yet. What a controller sees of the sets is only as old as the set that it changes, \
                 or as the last revision where a set is new; statuses that lag are taken at their word.",
    source: "pkg/controller/deployment: rolling.go, recreate.go, sync.go, util/deployment_util.go",
    needs: None,
    kinds: &[Kind::Deployment, Kind::ReplicaSet],
    build: || Box::new(DeploymentKeepsAvailability::default()),
};

#[derive(Clone, Debug, Default)]
struct DeploymentKeepsAvailability {
    /// By the Deployment's uid. Looked up, never iterated.
    families: FxHashMap<Uid, Family>,
    /// To which Deployment a ReplicaSet belongs, by its number. Looked up, never iterated.
    owners: FxHashMap<u32, Uid>,
}

impl Invariant for DeploymentKeepsAvailability {
    fn observe(&mut self, sight: &Sight<'_>, _look: Look<'_>, found: &mut Vec<Finding>) {
        match *sight {
            Sight::Commit(commit, by) => match &commit.object {
                Object::Deployment(deployment) => self.deployment(commit, deployment),
                Object::ReplicaSet(set) => self.set(commit, set, by, found),
                Object::Pod(_)
                | Object::Node(_)
                | Object::Namespace(_)
                | Object::Event(_)
                | Object::Lease(_)
                | Object::Untyped(_) => {}
            },
            Sight::PodStarts { .. }
            | Sight::PodStops { .. }
            | Sight::PowerOff { .. }
            | Sight::PartStops(_)
            | Sight::AnswerLost { .. }
            | Sight::Rest => {}
        }
    }

    fn boxed_clone(&self) -> Box<dyn Invariant> {
        Box::new(self.clone())
    }
}

impl DeploymentKeepsAvailability {
    fn deployment(&mut self, commit: &Commit, deployment: &Obj<Deployment>) {
        let uid = deployment.meta.uid;
        if commit.kind == ChangeKind::Deleted {
            if let Some(family) = self.families.get_mut(&uid) {
                family.is_orphaned = true;
            }
            return self.forget(uid);
        }
        let same = |before: &Object| before.meta().generation == deployment.meta.generation;
        if !commit.before.as_ref().is_some_and(same) {
            self.families.entry(uid).or_default().wish(Wish::of(&deployment.body));
        }
    }

    fn set(&mut self, commit: &Commit, set: &Obj<ReplicaSet>, by: By, found: &mut Vec<Finding>) {
        let slot = set.meta.id.slot;
        let owner = set.meta.controller().filter(|owner| owner.kind == "Deployment").map(|owner| owner.uid);
        let after = owner.filter(|_| commit.kind != ChangeKind::Deleted);
        let before = self.owners.get(&slot).copied();
        let by_manager = matches!(by.part, PartId::ControllerManager(_));
        let old = commit.before.as_ref().and_then(|before| before.get::<ReplicaSet>());
        if let Some(uid) = after.filter(|uid| by_manager && (before.is_none() || before == Some(*uid)))
            && let Some(family) = self.families.get(&uid)
        {
            // A set that changes hands keeps its size.
            let resized = old.is_none_or(|old| old.body.replicas != set.body.replicas);
            let wrong = if resized { family.judge(&Set::of(set)) } else { None };
            if let Some(message) = wrong {
                found.push(Finding { object: format!("replicaset/{}", set.meta.key()), message });
            }
        }
        if let Some(uid) = before.filter(|before| Some(*before) != after) {
            self.owners.remove(&slot);
            if let Some(family) = self.families.get_mut(&uid) {
                family.remove(slot);
            }
            self.forget(uid);
        }
        if let Some(uid) = after {
            self.owners.insert(slot, uid);
            // What the controller itself has changed it need not have seen in its cache.
            let own = by_manager && old.is_some_and(|old| old.body.status == set.body.status);
            self.families.entry(uid).or_default().put(Set::of(set), own);
        }
    }

    /// Forgets a family of which nothing is left.
    fn forget(&mut self, uid: Uid) {
        if self.families.get(&uid).is_some_and(Family::is_over) {
            self.families.remove(&uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::bench::{Bench, MANAGER};

    const STATUS: PartId = MANAGER;

    /// A Deployment of four, one of which may be missing and one on top, and its set `old` with four available pods.
    fn rolled_out(strategy: &Value) -> Bench {
        let mut bench = Bench::new(&ENTRY);
        let template =
            json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "a"}]}});
        bench.create(
            PartId::User,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
                "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "a"}}, "template": template,
                    "strategy": strategy}}),
        );
        create(&mut bench, "old", 1, 4);
        available(&mut bench, "old", 4);
        bench.expect("");
        bench
    }

    fn rolling() -> Bench {
        rolled_out(&json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}))
    }

    fn noted(replicas: u32) -> Value {
        json!({"deployment.kubernetes.io/desired-replicas": replicas.to_string(),
            "deployment.kubernetes.io/max-replicas": (replicas + 1).to_string()})
    }

    fn create(bench: &mut Bench, name: &str, revision: u32, replicas: u32) {
        let mut annotations = noted(4);
        annotations["deployment.kubernetes.io/revision"] = revision.to_string().into();
        let labels = json!({"app": "a", "pod-template-hash": name});
        let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": true,
            "uid": bench.uid(Kind::Deployment, "web")}]);
        bench.create(
            MANAGER,
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": name, "namespace": "default", "annotations": annotations, "ownerReferences": owner},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": name}]}}}}),
        );
    }

    fn available(bench: &mut Bench, set: &str, count: u32) {
        let status = json!({"status": {"replicas": count, "readyReplicas": count, "availableReplicas": count}});
        bench.patch(STATUS, Kind::ReplicaSet, set, status);
    }

    fn resize(bench: &mut Bench, set: &str, replicas: u32, wished: u32) {
        let body = json!({"metadata": {"annotations": noted(wished)}, "spec": {"replicas": replicas}});
        bench.patch(MANAGER, Kind::ReplicaSet, set, body);
    }

    fn scale(bench: &mut Bench, replicas: u32) {
        bench.patch(PartId::User, Kind::Deployment, "web", json!({"spec": {"replicas": replicas}}));
    }

    #[test]
    fn a_rollout_step_by_step_is_fine() {
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        resize(&mut bench, "old", 3, 4);
        available(&mut bench, "old", 3);
        resize(&mut bench, "new", 2, 4);
        available(&mut bench, "new", 2);
        resize(&mut bench, "old", 1, 4);
        available(&mut bench, "old", 1);
        resize(&mut bench, "new", 4, 4);
        available(&mut bench, "new", 4);
        resize(&mut bench, "old", 0, 4);
        bench.expect("");
    }

    #[test]
    fn who_takes_more_than_may_be_missing_is_caught() {
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        resize(&mut bench, "old", 2, 4);
        bench.expect(
            "replicaset/default/old: it shrinks by 2 to 2; 0 of its pods were not available, and 4 were in all sets, of \
             which 3 are needed",
        );
    }

    #[test]
    fn who_adds_more_than_the_surge_is_caught() {
        let mut bench = rolling();
        create(&mut bench, "new", 2, 2);
        bench.expect("replicaset/default/new: it grows to 2 beside 4 others where 5 are allowed in all");
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        available(&mut bench, "new", 1);
        resize(&mut bench, "new", 2, 4);
        bench.expect("replicaset/default/new: it grows to 2 beside 4 others where 5 are allowed in all");
    }

    #[test]
    fn pods_that_are_not_available_may_go() {
        let mut bench = rolling();
        available(&mut bench, "old", 1);
        resize(&mut bench, "old", 1, 4);
        bench.expect("");
        available(&mut bench, "old", 1);
        resize(&mut bench, "old", 0, 4);
        bench.expect(
            "replicaset/default/old: it shrinks by 1 to 0; 0 of its pods were not available, and 1 were in all sets, of \
             which 3 are needed",
        );
    }

    #[test]
    fn while_it_is_scaled_as_many_stay_wished_as_the_deployment_wishes() {
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        scale(&mut bench, 2);
        resize(&mut bench, "old", 2, 2);
        resize(&mut bench, "new", 1, 2);
        bench.expect("");
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        scale(&mut bench, 2);
        resize(&mut bench, "old", 0, 2);
        bench.expect(
            "replicaset/default/old: it shrinks by 4 to 0; 0 of its pods were not available, and 4 were in all sets, of \
             which 1 are needed",
        );
    }

    #[test]
    fn what_the_controller_cannot_have_seen_yet_is_not_held_against_it() {
        // The new pods have become unavailable between the look and the write.
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        available(&mut bench, "new", 1);
        available(&mut bench, "new", 0);
        resize(&mut bench, "old", 2, 4);
        bench.expect("");
        // But a set that has changed since was seen as it is.
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        available(&mut bench, "new", 1);
        available(&mut bench, "new", 0);
        bench.patch(STATUS, Kind::ReplicaSet, "old", json!({"status": {"observedGeneration": 1}}));
        resize(&mut bench, "old", 2, 4);
        assert_eq!(bench.invariants.violations().len(), 1);
    }

    #[test]
    fn what_upstream_takes_by_a_status_that_lags_is_not_held_against_it() {
        let mut bench = rolling();
        create(&mut bench, "new", 2, 1);
        resize(&mut bench, "old", 3, 4);
        // The set has shrunk and its status has not: four count as available, of which three are needed.
        create(&mut bench, "newer", 3, 1);
        resize(&mut bench, "old", 2, 4);
        bench.expect("");
        available(&mut bench, "old", 2);
        resize(&mut bench, "old", 1, 4);
        assert_eq!(bench.invariants.violations().len(), 1, "once the status tells, it is wrong");
    }

    #[test]
    fn recreating_takes_all_pods() {
        let mut bench = rolled_out(&json!({"type": "Recreate"}));
        resize(&mut bench, "old", 0, 4);
        create(&mut bench, "new", 2, 4);
        bench.expect("");
        create(&mut bench, "newer", 3, 5);
        bench.expect("replicaset/default/newer: it grows to 5 where 4 are wished");
    }
}
