//! StatefulSets and DaemonSets as real control planes ran them: the recorded cases `sts-*`, `ds-rolling` and
//! `x-ds-nodes` in their essentials, and what else their owners go through.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use wavetank::api::{Kind, Name, Obj, Object, Pod, Uid, convert};
use wavetank::check::ExpectationStatus;
use wavetank::event::{Patch, PatchKind, Propagation, Request, Subresource, Target};
use wavetank::kernel::Span;
use wavetank::sim::Action;

use crate::story::{Story, resource, run_kept, shipped};

const REVISION: &str = "controller-revision-hash";
const BEHAVIOURS: &str = "behaviours:\n- {match: {image: 'bad:*'}, image: {missing: true}}\n- {match: {image: '*'}, \
                          image: {pull: 500ms..500ms}, stop: 200ms..200ms}";

/// A StatefulSet called `db`, with more lines of its spec.
fn stateful_set(replicas: u32, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\nspec:\n  serviceName: db\n  replicas: \
         {replicas}\n  selector: {{matchLabels: {{app: db}}}}\n{more}  template:\n    metadata: {{labels: {{app: db}}}}\n    \
         spec: {{containers: [{{name: c, image: 'ok:1'}}]}}\n"
    )
}

/// A DaemonSet, with more lines of its pods' spec and of its own.
fn daemon_set(name: &str, pods: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: \
         {name}}}}}\n{more}  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{{pods}containers: [{{name: \
         c, image: 'ok:1'}}]}}\n"
    )
}

/// A cluster, and what its pods have gone through.
struct Tale {
    story: Story,
    /// The revisions of pods, in order of appearance.
    revisions: Vec<Name>,
    seen: BTreeMap<Name, (Uid, bool, bool)>,
}

impl Tale {
    fn begin(nodes: u32, yaml: &str) -> Tale {
        let mut story = Story::of_nodes(nodes, BEHAVIOURS);
        story.run_for(5);
        story.apply(yaml);
        Tale { story, revisions: Vec::new(), seen: BTreeMap::new() }
    }

    fn image(&mut self, kind: Kind, name: &str, image: &str) {
        let images = vec![("c".into(), image.into())];
        self.story.act(Action::SetImage { resource: resource(kind, name), images });
    }

    fn scale(&mut self, replicas: i32) {
        self.story.act(Action::Scale { resource: resource(Kind::StatefulSet, "db"), replicas });
    }

    fn patch(&mut self, kind: Kind, name: &str, body: Value) {
        let resource = resource(kind, name);
        self.story.act(Action::Patch { resource, kind: PatchKind::StrategicMerge, body: body.into() });
    }

    fn delete(&mut self, kind: Kind, name: &str, propagation: Propagation) {
        self.story.act(Action::Delete { resource: resource(kind, name), propagation, grace_seconds: None });
    }

    fn undo(&mut self, kind: Kind, name: &str) {
        self.story.act(Action::RolloutUndo { resource: resource(kind, name), to_revision: None });
    }

    fn revision(&mut self, pod: &Obj<Pod>) -> String {
        let hash = pod.meta.labels.get(REVISION).cloned().unwrap_or_default();
        let place = self.revisions.iter().position(|known| *known == hash);
        let place = place.unwrap_or_else(|| {
            self.revisions.push(hash);
            self.revisions.len() - 1
        });
        format!("rev{}", place + 1)
    }

    /// What the pods do within so many seconds: `create db-0 rev1`, `ready db-0`, `terminating db-0`, `deleted db-0`.
    fn watch(&mut self, seconds: u64) -> Vec<String> {
        let end = self.story.now() + Span::from_secs(seconds);
        let (mut told, mut revision) = (Vec::new(), None);
        while self.story.sim.next_time().is_some_and(|next| next <= end) && self.story.sim.step() {
            let reached = Some(self.story.sim.store().revision());
            if reached != revision {
                revision = reached;
                self.look(&mut told);
            }
        }
        self.story.sim.run_until(end);
        told
    }

    /// What has become of the pods since the last look.
    fn look(&mut self, told: &mut Vec<String>) {
        let pods = self.story.pods();
        for name in self.seen.keys().filter(|name| pods.iter().all(|pod| pod.meta.name != **name)) {
            told.push(format!("deleted {name}"));
        }
        self.seen.retain(|name, _| pods.iter().any(|pod| pod.meta.name == *name));
        for pod in pods {
            let name = pod.meta.name.clone();
            let now = (pod.meta.uid, pod.body.is_ready(), pod.meta.is_terminating());
            let before = self.seen.insert(name.clone(), now).filter(|(uid, ..)| *uid == now.0);
            if before.is_none() {
                let revision = self.revision(&pod);
                told.push(format!("create {name} {revision}"));
            }
            if now.1 && !before.is_some_and(|(_, ready, _)| ready) {
                told.push(format!("ready {name}"));
            }
            if now.2 && !before.is_some_and(|(.., terminating)| terminating) {
                told.push(format!("terminating {name}"));
            }
        }
    }

    /// Expects the recorded order, written with the set's name left out: `create 0 rev1, ready 0`.
    #[track_caller]
    fn expect(&mut self, seconds: u64, expected: &str) {
        let told: Vec<String> = self.watch(seconds).iter().map(|line| line.replace("db-", "")).collect();
        assert_eq!(told.join(", "), expected, "kubectl said:\n{}", self.story.printed());
    }

    /// replicas, ready, current, updated.
    #[track_caller]
    fn expect_status(&self, expected: [i64; 4]) {
        let set = self.story.get(Kind::StatefulSet, "db").expect("the set is there");
        let number = |name: &str| set["status"][name].as_i64().unwrap_or(0);
        let found = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"].map(number);
        assert_eq!(found, expected, "{}", set["status"]);
        assert_eq!(set["status"]["observedGeneration"], set["metadata"]["generation"]);
    }

    /// The numbers of the ControllerRevisions, oldest first.
    fn numbers(&self) -> Vec<i64> {
        let objects = self.story.sim.store().objects(Kind::ControllerRevision, self.story.now());
        let mut objects: Vec<_> = objects.map(|object| (object.meta().id, object)).collect();
        objects.sort_by_key(|(id, _)| *id);
        let number = |object: &Object| convert::to_json(object)["revision"].as_i64().unwrap_or(0);
        objects.iter().map(|(_, object)| number(object)).collect()
    }

    /// desired, current, ready, updated, available, unavailable, misscheduled.
    fn daemons(&self, name: &str) -> [i64; 7] {
        let set = self.story.get(Kind::DaemonSet, name).expect("the set is there");
        let number = |name: &str| set["status"][name].as_i64().unwrap_or(0);
        [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "numberMisscheduled",
        ]
        .map(number)
    }
}

#[test]
fn recorded_sts_basic() {
    let mut tale = Tale::begin(4, &stateful_set(3, ""));
    tale.expect(30, "create 0 rev1, ready 0, create 1 rev1, ready 1, create 2 rev1, ready 2");
    tale.expect_status([3, 3, 3, 3]);
    tale.image(Kind::StatefulSet, "db", "ok:2");
    tale.expect(
        60,
        "terminating 2, deleted 2, create 2 rev2, ready 2, terminating 1, deleted 1, create 1 rev2, ready 1, terminating \
         0, deleted 0, create 0 rev2, ready 0",
    );
    tale.expect_status([3, 3, 3, 3]);
    tale.scale(5);
    tale.expect(30, "create 3 rev2, ready 3, create 4 rev2, ready 4");
    tale.scale(1);
    tale.expect(
        30,
        "terminating 4, deleted 4, terminating 3, deleted 3, terminating 2, deleted 2, terminating 1, deleted 1",
    );
    tale.undo(Kind::StatefulSet, "db");
    tale.expect(30, "terminating 0, deleted 0, create 0 rev1, ready 0");
    assert_eq!(tale.numbers(), [3, 2], "the first revision has come back under a new number");
    assert!(tale.story.said_at("statefulset.apps/db rolled back").is_some());
    tale.delete(Kind::Pod, "db-0", Propagation::Background);
    tale.expect(30, "terminating 0, deleted 0, create 0 rev1, ready 0");
    tale.expect_status([1, 1, 1, 1]);
    let created = tale.story.events("SuccessfulCreate");
    assert!(created.contains(&"create Pod db-4 in StatefulSet db successful".to_owned()), "{created:?}");
    let deleted = tale.story.events("SuccessfulDelete");
    assert!(deleted.contains(&"delete Pod db-4 in StatefulSet db successful".to_owned()), "{deleted:?}");
    tale.delete(Kind::StatefulSet, "db", Propagation::Background);
    tale.expect(60, "terminating 0, deleted 0");
    assert_eq!(tale.numbers(), [0i64; 0], "the revisions go with their set");
}

#[test]
fn recorded_sts_badimage_and_its_rollback_trap() {
    let mut tale = Tale::begin(4, &stateful_set(3, ""));
    tale.watch(30);
    tale.image(Kind::StatefulSet, "db", "bad:2");
    tale.expect(30, "terminating 2, deleted 2, create 2 rev2");
    tale.expect_status([3, 2, 2, 1]);
    tale.image(Kind::StatefulSet, "db", "ok:3");
    tale.expect(30, "");
    tale.expect_status([3, 2, 2, 0]);
    tale.scale(4);
    tale.expect(30, "");
    tale.delete(Kind::Pod, "db-2", Propagation::Background);
    tale.expect(
        90,
        "terminating 2, deleted 2, create 2 rev3, ready 2, create 3 rev3, ready 3, terminating 1, deleted 1, create 1 \
         rev3, ready 1, terminating 0, deleted 0, create 0 rev3, ready 0",
    );
    tale.expect_status([4, 4, 4, 4]);
    assert_eq!(tale.numbers(), [1, 2, 3]);
    tale.delete(Kind::StatefulSet, "db", Propagation::Orphan);
    tale.expect(30, "");
    assert!(tale.story.pods().iter().all(|pod| pod.meta.controller().is_none()), "the pods stay, without an owner");
    tale.story.apply(&stateful_set(4, "").replace("ok:1", "ok:3"));
    tale.expect(30, "");
    assert!(tale.story.pods().iter().all(|pod| pod.meta.controller().is_some()), "the next set takes them");
    assert_eq!(tale.numbers(), [1, 2, 3], "and their history");
    tale.expect_status([4, 4, 4, 4]);
}

#[test]
fn recorded_sts_parallel() {
    let mut tale = Tale::begin(4, &stateful_set(4, "  podManagementPolicy: Parallel\n"));
    let told = tale.watch(30);
    let created = ["create db-0 rev1", "create db-1 rev1", "create db-2 rev1", "create db-3 rev1"];
    assert!(told[..4] == created && told.len() == 8, "all are created before any is ready: {told:?}");
    tale.image(Kind::StatefulSet, "db", "ok:2");
    tale.expect(
        90,
        "terminating 3, deleted 3, create 3 rev2, ready 3, terminating 2, deleted 2, create 2 rev2, ready 2, terminating \
         1, deleted 1, create 1 rev2, ready 1, terminating 0, deleted 0, create 0 rev2, ready 0",
    );
    tale.scale(7);
    let told = tale.watch(30);
    assert_eq!(told[..3], ["create db-4 rev2", "create db-5 rev2", "create db-6 rev2"], "{told:?}");
    tale.scale(2);
    let mut told = tale.watch(30);
    assert!(told[..5].iter().all(|line| line.starts_with("terminating")), "all go at once: {told:?}");
    told.retain(|line| line.starts_with("deleted"));
    assert_eq!(told.len(), 5);
    tale.expect_status([2, 2, 2, 2]);
}

#[test]
fn recorded_sts_partition() {
    let partition = |partition: u32| json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": partition}}}});
    let strategy = "  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}\n";
    let mut tale = Tale::begin(4, &stateful_set(4, strategy));
    tale.watch(30);
    tale.image(Kind::StatefulSet, "db", "ok:2");
    tale.expect(
        60,
        "terminating 3, deleted 3, create 3 rev2, ready 3, terminating 2, deleted 2, create 2 rev2, ready 2",
    );
    tale.expect_status([4, 4, 2, 2]);
    tale.delete(Kind::Pod, "db-0", Propagation::Background);
    tale.expect(30, "terminating 0, deleted 0, create 0 rev1, ready 0");
    tale.expect_status([4, 4, 2, 2]);
    tale.patch(Kind::StatefulSet, "db", partition(1));
    tale.expect(30, "terminating 1, deleted 1, create 1 rev2, ready 1");
    tale.expect_status([4, 4, 1, 3]);
    tale.scale(5);
    tale.expect(30, "create 4 rev2, ready 4");
    tale.expect_status([5, 5, 1, 4]);
    tale.patch(Kind::StatefulSet, "db", partition(0));
    tale.expect(30, "terminating 0, deleted 0, create 0 rev2, ready 0");
    tale.expect_status([5, 5, 5, 5]);
}

#[test]
fn pods_of_an_on_delete_set_change_when_they_are_deleted() {
    let mut tale = Tale::begin(3, &stateful_set(2, "  updateStrategy: {type: OnDelete}\n  ordinals: {start: 5}\n"));
    tale.expect(30, "create 5 rev1, ready 5, create 6 rev1, ready 6");
    tale.image(Kind::StatefulSet, "db", "ok:2");
    tale.expect(30, "");
    tale.delete(Kind::Pod, "db-5", Propagation::Background);
    tale.expect(30, "terminating 5, deleted 5, create 5 rev2, ready 5");
    tale.expect_status([2, 2, 1, 1]);
}

#[test]
fn a_set_waits_until_each_pod_has_been_ready_for_a_while_and_restarts_in_order() {
    let mut tale = Tale::begin(3, &stateful_set(2, "  minReadySeconds: 10\n"));
    tale.expect(8, "create 0 rev1, ready 0");
    tale.expect(20, "create 1 rev1, ready 1");
    tale.story.run_until_quiet();
    tale.story.act(Action::RolloutRestart { resource: resource(Kind::StatefulSet, "db") });
    tale.expect(
        60,
        "terminating 1, deleted 1, create 1 rev2, ready 1, terminating 0, deleted 0, create 0 rev2, ready 0",
    );
    let set = tale.story.get(Kind::StatefulSet, "db").expect("it is there");
    assert_eq!(set["status"]["availableReplicas"], 2);
}

#[test]
fn claims_come_with_their_pods_and_go_as_the_policy_says() {
    let claims = "  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete, whenDeleted: Retain}\n  \
                  podManagementPolicy: Parallel\n  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: \
                  {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
    let mut tale = Tale::begin(3, &stateful_set(2, claims));
    tale.story.run_for(30);
    let owners = |tale: &Tale, claim: &str| {
        let claim = tale.story.get(Kind::PersistentVolumeClaim, claim).expect("the claim is there");
        claim["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len)
    };
    assert_eq!([owners(&tale, "data-db-0"), owners(&tale, "data-db-1")], [0, 0]);
    let told = tale.story.events("SuccessfulCreate");
    assert!(told.contains(&"create Claim data-db-1 Pod db-1 in StatefulSet db success".to_owned()), "{told:?}");
    let pod = tale.story.get(Kind::Pod, "db-1").expect("the pod is there");
    assert_eq!(pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-db-1");
    tale.scale(1);
    tale.story.run_for(60);
    assert!(tale.story.get(Kind::Pod, "db-1").is_none());
    let claim = tale.story.get(Kind::PersistentVolumeClaim, "data-db-1");
    let is_going = claim.is_none_or(|claim| claim["metadata"]["deletionTimestamp"].is_string());
    assert!(is_going, "it belongs to the pod that was scaled away");
    assert_eq!(owners(&tale, "data-db-0"), 0, "it stays");
}

#[test]
fn recorded_ds_rolling() {
    let limit = |limit: &str| {
        format!("  updateStrategy: {{type: RollingUpdate, rollingUpdate: {{maxUnavailable: {limit}}}}}\n")
    };
    let mut tale = Tale::begin(4, &daemon_set("a", "", &limit("1")));
    tale.story.apply(&daemon_set("b", "", &limit("50%")));
    tale.watch(30);
    assert_eq!([tale.daemons("a"), tale.daemons("b")], [[4, 4, 4, 4, 4, 0, 0]; 2]);
    for (name, at_once) in [("a", 1), ("b", 2)] {
        tale.image(Kind::DaemonSet, name, "ok:2");
        let told = tale.watch(60);
        let (mut missing, mut most) = (0i32, 0i32);
        for line in &told {
            missing += i32::from(line.starts_with("terminating")) - i32::from(line.starts_with("ready"));
            most = most.max(missing);
        }
        assert_eq!((missing, most), (0, at_once), "{name}: {told:?}");
        assert_eq!(tale.daemons(name), [4, 4, 4, 4, 4, 0, 0]);
    }
    tale.image(Kind::DaemonSet, "a", "bad:3");
    tale.watch(30);
    assert_eq!(tale.daemons("a"), [4, 4, 3, 1, 3, 1, 0]);
    tale.undo(Kind::DaemonSet, "a");
    tale.watch(30);
    assert_eq!(tale.daemons("a"), [4, 4, 4, 4, 4, 0, 0]);
    assert!(tale.story.said_at("daemonset.apps/a rolled back").is_some());
    assert_eq!(tale.numbers(), [1, 1, 4, 2, 3], "of a, b, a, b, a");
    let generation = "deprecated.daemonset.template.generation";
    let set = tale.story.get(Kind::DaemonSet, "a").expect("it is there");
    assert_eq!(set["metadata"]["annotations"][generation], "4", "each template counts, one that comes back as well");
}

#[test]
fn a_daemon_set_with_surge_never_lacks_a_pod() {
    let surge = "  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}\n";
    let mut tale = Tale::begin(3, &daemon_set("a", "", surge));
    tale.watch(30);
    tale.image(Kind::DaemonSet, "a", "ok:2");
    let (mut fewest, mut most) = (usize::MAX, 0);
    for _ in 0..600 {
        tale.story.sim.run_for(Span::from_millis(100));
        let pods = tale.story.pods_of("a");
        let live = pods.iter().filter(|pod| !pod.meta.is_terminating());
        fewest = fewest.min(live.clone().filter(|pod| pod.body.is_ready()).count());
        most = most.max(live.count());
    }
    assert_eq!((fewest, most), (3, 4));
    assert_eq!(tale.daemons("a"), [3, 3, 3, 3, 3, 0, 0]);
}

#[test]
fn recorded_x_ds_nodes() {
    let mut tale = Tale::begin(3, &daemon_set("a", "", ""));
    tale.story.apply(&daemon_set("sel", "nodeSelector: {disk: ssd}, ", ""));
    tale.watch(20);
    assert_eq!((tale.daemons("a"), tale.daemons("sel")), ([3, 3, 3, 3, 3, 0, 0], [0; 7]));
    let places = |tale: &Tale, name: &str| {
        let mut nodes: Vec<Name> = tale.story.pods_of(name).iter().map(|pod| pod.body.node_name.clone()).collect();
        nodes.sort();
        nodes.join(" ")
    };
    for (node, disk, expected) in [("node-0", json!("ssd"), "node-0"), ("node-1", json!("ssd"), "node-0 node-1")] {
        tale.patch(Kind::Node, node, json!({"metadata": {"labels": {"disk": disk}}}));
        tale.watch(20);
        assert_eq!(places(&tale, "sel"), expected);
    }
    tale.patch(Kind::Node, "node-1", json!({"metadata": {"labels": {"disk": null}}}));
    tale.watch(20);
    assert_eq!(places(&tale, "sel"), "node-0");
    assert_eq!(tale.daemons("sel"), [1, 1, 1, 1, 1, 0, 0]);
    tale.story.act(Action::Cordon { node: "node-1".into(), unschedulable: true });
    tale.watch(20);
    assert_eq!(tale.daemons("a"), [3, 3, 3, 3, 3, 0, 0], "daemons tolerate a cordon");
    tale.patch(Kind::Node, "node-2", json!({"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}}));
    tale.watch(20);
    assert_eq!(places(&tale, "a"), "node-0 node-1");
    assert_eq!(tale.daemons("a"), [2, 2, 2, 2, 2, 0, 0]);
    tale.patch(Kind::Node, "node-2", json!({"spec": {"taints": null}}));
    tale.watch(20);
    assert_eq!(places(&tale, "a"), "node-0 node-1 node-2");
    tale.story.run_until_quiet();
}

#[test]
fn a_daemon_that_has_failed_is_replaced() {
    let mut story = Story::of_nodes(1, "");
    story.apply(&daemon_set("a", "", ""));
    story.run_for(20);
    let first = story.pods_of("a")[0].clone();
    let (target, now) = (Target::Name(Kind::Pod, "default".into(), first.meta.name.clone()), story.now());
    let patch = Patch { kind: PatchKind::Merge, body: json!({"status": {"phase": "Failed"}}) };
    story.sim.request_at(now, Request::Patch { target, subresource: Subresource::Status, patch: patch.into() });
    story.run_for(30);
    let pods = story.pods_of("a");
    assert!(pods.len() == 1 && pods[0].meta.uid != first.meta.uid, "another pod has taken its place");
    let name = &first.meta.name;
    let expected = format!("Found failed daemon pod default/{name} on node node-0, will try to kill it");
    assert_eq!(story.events("FailedDaemonPod"), [expected]);
}

#[test]
fn the_shipped_scenarios_come_true() {
    for name in ["statefulset", "daemonset"] {
        let result = run_kept(&shipped(name), 1);
        for outcome in &result.outcomes {
            let met = matches!(outcome.status, ExpectationStatus::Met { .. });
            assert!(met, "{name}: {outcome:?}");
        }
    }
}

/// What somebody does to the set, or what befalls it.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Image(u8),
    Scale(u8),
    Partition(u8),
    DeletePod(u8),
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, u8)>> {
    let deed = prop_oneof![
        (0..4u8).prop_map(Deed::Image),
        (0..5u8).prop_map(Deed::Scale),
        (0..3u8).prop_map(Deed::Partition),
        (0..5u8).prop_map(Deed::DeletePod),
    ];
    prop::collection::vec((deed, 1..15u8), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was done before: once the wish is good and stable, and nothing hangs on a bad image, the set has exactly
    /// its replicas, all at the revision of its template.
    #[test]
    fn a_stateful_set_ends_with_its_replicas_at_its_revision(deeds in deeds(), parallel in any::<bool>()) {
        let policy = if parallel { "  podManagementPolicy: Parallel\n" } else { "" };
        let mut tale = Tale::begin(3, &stateful_set(2, policy));
        for (deed, seconds) in deeds {
            match deed {
                Deed::Image(0) => tale.image(Kind::StatefulSet, "db", "bad:1"),
                Deed::Image(number) => tale.image(Kind::StatefulSet, "db", &format!("ok:{number}")),
                Deed::Scale(replicas) => tale.scale(i32::from(replicas)),
                Deed::Partition(partition) => {
                    let strategy = json!({"rollingUpdate": {"partition": partition}});
                    tale.patch(Kind::StatefulSet, "db", json!({"spec": {"updateStrategy": strategy}}));
                }
                Deed::DeletePod(ordinal) => {
                    tale.delete(Kind::Pod, &format!("db-{ordinal}"), Propagation::Background);
                }
            }
            tale.story.run_for(u64::from(seconds));
        }
        tale.patch(Kind::StatefulSet, "db", json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}));
        tale.image(Kind::StatefulSet, "db", "ok:9");
        tale.scale(3);
        tale.story.run_for(30);
        // The way out of the known trap: whoever deletes what hangs on a bad image gets on.
        for _ in 0..6 {
            let stuck: Vec<Name> = tale.story.pods().iter().filter(|pod| !pod.body.is_ready()).map(|pod| pod.meta.name.clone()).collect();
            stuck.iter().for_each(|name| tale.delete(Kind::Pod, name, Propagation::Background));
            tale.story.run_for(60);
        }
        let set = tale.story.get(Kind::StatefulSet, "db").expect("the set is there");
        let mut pods: Vec<(String, bool, bool)> = tale
            .story
            .pods()
            .iter()
            .map(|pod| {
                let revision = pod.meta.labels.get(REVISION).map(Name::as_str);
                (pod.meta.name.to_string(), pod.body.is_ready(), set["status"]["updateRevision"].as_str() == revision)
            })
            .collect();
        pods.sort();
        let expected: Vec<_> = (0..3).map(|ordinal| (format!("db-{ordinal}"), true, true)).collect();
        prop_assert_eq!(pods, expected);
        tale.expect_status([3, 3, 3, 3]);
        prop_assert_eq!(&set["status"]["currentRevision"], &set["status"]["updateRevision"]);
        prop_assert!(tale.story.sim.violations().is_empty());
    }
}
