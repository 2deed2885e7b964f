//! Path independence: whatever was edited and whatever broke, once faults have ended and the wish is stable, a workload
//! is as one that began with that wish.
//!
//! What Kubernetes itself lets depend on the path is listed in `canonical`. Besides, these wishes are on the way and not
//! at the end, since upstream keeps something of the path then by design:
//! - a paused Deployment: one that begins paused has no pods (`pkg/controller/deployment/sync.go`, `sync`);
//! - OnDelete: pods keep the template that they were made from (`pkg/controller/statefulset`, `pkg/controller/daemon`);
//! - a template whose pods never start in a StatefulSet: those pods stay when it is mended (kubernetes/kubernetes#67250);
//!   whoever deletes them gets on, and so does this test;
//! - a DaemonSet that is deleted with its pods left, and made anew: it counts its templates from 1 again, and takes pods of
//!   the other one's template of that number for its own (`pkg/controller/daemon/util`, `IsPodUpdated`; found by seed 23); the
//!   pods of Jobs know theirs by its uid and are left for ever; neither is done here;
//! - a suspended CronJob: which runs it has kept, and whether it had any, tells of the time before;
//! - a suspended Job that counts completions: what was done stays done.
//!
//! The pods of a ReplicaSet or ReplicationController keep the template that they were made from: its image does not
//! change here after pods are there, only what new pods share with old ones does.

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use serde_json::{Value, json};
use wavetank::api::{Kind, Name};
use wavetank::event::Propagation;
use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, load};
use wavetank::sim::{Action, Sim};

use crate::canonical::{differences, state};
use crate::random::{cases, no_invariant_is_violated};
use crate::story::resource;
use crate::weather::fault;

/// When edits begin, when faults strike at the latest and how long they last, and when everything is put right, in
/// seconds.
const FIRST_EDIT: u64 = 60;
const LAST_STRIKE: u64 = 600;
const LONGEST_STRIKE: u64 = 200;
const PUT_RIGHT: [u64; 3] = [1_000, 1_300, 1_600];
/// When it is looked at, three quarters of a minute after a full one.
const LOOK: u64 = 2_805;

/// Which workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    /// Its pods never end.
    EndlessJob,
    /// Four completions, indexed.
    Job,
    CronJob,
    /// Services before a Deployment.
    Service,
}

/// What is wished for. Which of it a workload heeds depends on its sort.
#[derive(Clone, PartialEq, Debug)]
struct Wish {
    replicas: u8,
    /// 0 is an image that the registry does not have.
    image: u8,
    label: u8,
    pod_label: u8,
    min_ready: u8,
    /// The strategy of an update, the policy of a CronJob, the ports of a Service.
    shape: u8,
    suspend: bool,
}

/// Something that is done.
#[derive(Clone, Debug)]
enum Edit {
    Replicas(u8),
    Image(u8),
    Label(u8),
    PodLabel(u8),
    MinReady(u8),
    Shape(u8),
    Suspend(bool),
    Pause(bool),
    Restart,
    Undo,
    Delete(&'static str),
    Drain(u8),
    Cordon(u8),
    Uncordon(u8),
}

/// A history that was drawn.
#[derive(Clone, Debug)]
struct Case {
    sort: Sort,
    seed: u64,
    first: Wish,
    /// Each so many milliseconds after the one before.
    edits: Vec<(u64, Edit)>,
    faults: Vec<Value>,
}

fn wish() -> impl Strategy<Value = Wish> {
    (0..5u8, 1..4u8, 0..2u8, 0..2u8, 0..3u8, 0..3u8, any::<bool>()).prop_map(
        |(replicas, image, label, pod_label, min_ready, shape, suspend)| Wish {
            replicas,
            image,
            label,
            pod_label,
            min_ready,
            shape,
            suspend,
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    let node = 0..3u8;
    let cascade = prop_oneof![Just("background"), Just("foreground"), Just("orphan")];
    prop_oneof![
        4 => (0..6u8).prop_map(Edit::Replicas),
        4 => (0..4u8).prop_map(Edit::Image),
        1 => (0..3u8).prop_map(Edit::Label),
        2 => (0..3u8).prop_map(Edit::PodLabel),
        1 => (0..4u8).prop_map(Edit::MinReady),
        3 => (0..4u8).prop_map(Edit::Shape),
        3 => any::<bool>().prop_map(Edit::Suspend),
        2 => any::<bool>().prop_map(Edit::Pause),
        1 => Just(Edit::Restart),
        1 => Just(Edit::Undo),
        2 => cascade.prop_map(Edit::Delete),
        1 => node.clone().prop_map(Edit::Drain),
        1 => node.clone().prop_map(Edit::Cordon),
        1 => node.prop_map(Edit::Uncordon),
    ]
}

fn timed_fault() -> impl Strategy<Value = Value> {
    (30..LAST_STRIKE, 0..LONGEST_STRIKE, fault()).prop_map(|(at, lasts, fault)| {
        let mut whole = json!({"at": format!("{at}s"), "lasts": format!("0s..{lasts}s")});
        whole.as_object_mut().expect("a mapping").extend(fault.as_object().expect("a mapping").clone());
        whole
    })
}

fn history(sort: Sort) -> impl Strategy<Value = Case> {
    (0..1_000_000u64, wish(), vec((0..60_000u64, edit()), 0..8), vec(timed_fault(), 0..4))
        .prop_map(move |(seed, first, edits, faults)| Case { sort, seed, first, edits, faults })
}

impl Sort {
    fn kind(self) -> Kind {
        match self {
            Sort::Deployment | Sort::Service => Kind::Deployment,
            Sort::ReplicaSet => Kind::ReplicaSet,
            Sort::ReplicationController => Kind::ReplicationController,
            Sort::StatefulSet => Kind::StatefulSet,
            Sort::DaemonSet => Kind::DaemonSet,
            Sort::EndlessJob | Sort::Job => Kind::Job,
            Sort::CronJob => Kind::CronJob,
        }
    }

    /// Whether pods take a new template by themselves.
    fn rolls(self) -> bool {
        matches!(self, Sort::Deployment | Sort::StatefulSet | Sort::DaemonSet | Sort::Service)
    }

    /// The wish at the end: what upstream lets depend on the path is taken out.
    fn at_the_end(self, wish: &Wish) -> Wish {
        let suspend = wish.suspend && matches!(self, Sort::EndlessJob | Sort::Service);
        let on_delete = matches!(self, Sort::StatefulSet | Sort::DaemonSet) && wish.shape == 3;
        Wish { image: wish.image.max(1), suspend, shape: if on_delete { 0 } else { wish.shape }, ..wish.clone() }
    }

    fn manifests(self, wish: &Wish, paused: bool) -> Vec<Value> {
        let info = self.kind().info().expect("a built-in kind");
        let (labels, name) = (json!({"label": format!("l{}", wish.label)}), json!("w"));
        let mut object = json!({"apiVersion": info.api_version(), "kind": info.kind,
            "metadata": {"name": name, "labels": labels}, "spec": self.spec(wish)});
        if matches!(self, Sort::Deployment | Sort::Service) {
            object["spec"]["paused"] = paused.into();
        }
        let mut all = vec![object];
        if matches!(self, Sort::Service | Sort::StatefulSet | Sort::ReplicationController) {
            all.push(service(wish));
        }
        all
    }

    fn spec(self, wish: &Wish) -> Value {
        let (replicas, min_ready) = (wish.replicas, wish.min_ready);
        let template = self.template(wish);
        let selector = json!({"matchLabels": {"app": "w"}});
        match self {
            Sort::Deployment | Sort::Service => {
                let strategy = match wish.shape {
                    0 => json!({"type": "Recreate"}),
                    shape => {
                        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": shape, "maxUnavailable": shape - 1}})
                    }
                };
                json!({"replicas": replicas, "minReadySeconds": min_ready, "selector": selector, "strategy": strategy,
                    "progressDeadlineSeconds": 60, "template": template})
            }
            Sort::ReplicaSet => {
                json!({"replicas": replicas, "minReadySeconds": min_ready, "selector": selector, "template": template})
            }
            Sort::ReplicationController => {
                json!({"replicas": replicas, "minReadySeconds": min_ready, "template": template})
            }
            Sort::StatefulSet => {
                let strategy = match wish.shape {
                    3 => json!({"type": "OnDelete"}),
                    _ => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
                };
                json!({"replicas": replicas, "minReadySeconds": min_ready, "selector": selector, "serviceName": "w",
                    "ordinals": {"start": wish.shape % 2}, "updateStrategy": strategy, "template": template})
            }
            Sort::DaemonSet => {
                let strategy = match wish.shape {
                    3 => json!({"type": "OnDelete"}),
                    2 => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
                    shape => {
                        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": shape + 1}})
                    }
                };
                json!({"minReadySeconds": min_ready, "selector": selector, "updateStrategy": strategy, "template": template})
            }
            Sort::EndlessJob => {
                json!({"parallelism": replicas, "completions": 100, "suspend": wish.suspend, "backoffLimit": 1_000_000,
                    "template": template})
            }
            Sort::Job => {
                json!({"parallelism": replicas.max(1), "completions": 4, "completionMode": "Indexed", "suspend": wish.suspend,
                    "backoffLimit": 1_000_000, "template": template})
            }
            Sort::CronJob => {
                let policy = ["Allow", "Forbid", "Replace"][usize::from(wish.shape % 3)];
                json!({"schedule": if wish.shape == 3 { "*/2 * * * *" } else { "* * * * *" }, "suspend": wish.suspend,
                    "concurrencyPolicy": policy, "successfulJobsHistoryLimit": replicas.min(3), "failedJobsHistoryLimit": 1,
                    "jobTemplate": {"spec": {"backoffLimit": 1_000_000, "template": template}}})
            }
        }
    }

    fn template(self, wish: &Wish) -> Value {
        let image = match self {
            Sort::Job => "task:v1".to_owned(),
            Sort::CronJob => format!("task:v{}", wish.image.max(1)),
            _ if !self.rolls() => "app:v1".to_owned(),
            _ => format!("app:v{}", wish.image),
        };
        let mut labels = json!({"app": "w"});
        if self.rolls() || self == Sort::CronJob {
            labels["label"] = format!("p{}", wish.pod_label).into();
        }
        let mut spec =
            json!({"containers": [{"name": "c", "image": image, "resources": {"requests": {"cpu": "100m"}}}]});
        if matches!(self, Sort::Job | Sort::EndlessJob | Sort::CronJob) {
            spec["restartPolicy"] = "Never".into();
        }
        json!({"metadata": {"labels": labels}, "spec": spec})
    }
}

fn service(wish: &Wish) -> Value {
    let ports = match wish.shape {
        0 => json!([{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 8080}]),
        1 => json!([{"name": "a", "port": 81, "protocol": "TCP", "targetPort": 8080}]),
        _ => json!([{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 8080},
            {"name": "b", "port": 90, "protocol": "TCP", "targetPort": 9090}]),
    };
    let selector = if wish.suspend { json!({"app": "w", "label": "p0"}) } else { json!({"app": "w"}) };
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "w"}, "spec": {"selector": selector, "ports": ports,
        "publishNotReadyAddresses": wish.min_ready > 1, "sessionAffinity": if wish.label == 1 { "ClientIP" } else { "None" }}})
}

impl Case {
    /// What is wished for after all edits.
    fn last_wish(&self) -> Wish {
        let mut wish = self.first.clone();
        self.edits.iter().for_each(|(_, edit)| edit.change(&mut wish));
        self.sort.at_the_end(&wish)
    }

    /// One that begins with the last wish, and to which nothing happens.
    fn fresh(&self) -> Case {
        Case { first: self.last_wish(), edits: Vec::new(), faults: Vec::new(), ..self.clone() }
    }

    fn timeline(&self) -> Vec<Value> {
        let (mut timeline, mut wish, mut paused) = (Vec::new(), self.first.clone(), false);
        let mut at_ms = FIRST_EDIT * 1_000;
        for (after_ms, edit) in &self.edits {
            at_ms += after_ms;
            edit.change(&mut wish);
            paused = if let Edit::Pause(to) = edit { *to } else { paused };
            for mut entry in edit.entries(self.sort, &wish, paused) {
                entry["at"] = format!("{at_ms}ms").into();
                timeline.push(entry);
            }
        }
        if self.edits.is_empty() && self.faults.is_empty() && self.first == self.last_wish() {
            return timeline;
        }
        let last = self.sort.manifests(&self.last_wish(), false);
        for at in PUT_RIGHT {
            for node in 0..3 {
                timeline.push(json!({"at": format!("{at}s"), "uncordon": format!("node-{node}")}));
            }
            timeline.push(json!({"at": format!("{at}s"), "apply": last}));
        }
        timeline
    }

    fn file(&self) -> String {
        let file = json!({
            "apiVersion": "wavetank.dev/v1", "kind": "Scenario", "metadata": {"name": "path"},
            "nodes": [{"name": "node", "count": 3, "capacity": {"cpu": 8, "memory": "8Gi", "pods": 30}}],
            "behaviours": [
                {"match": {"image": "*:v0"}, "image": {"missing": true}},
                {"match": {"image": "task:*"}, "exit": {"after": "4s..9s"}},
                {"match": {"image": "app:*"}, "readyAfter": "1s..3s", "stop": "100ms..3s", "stopCode": 143},
            ],
            "manifests": self.sort.manifests(&self.first, false), "timeline": self.timeline(), "faults": self.faults,
        });
        serde_json::to_string_pretty(&file).expect("a scenario can be written")
    }

    /// Where it has come to.
    fn run(&self) -> Result<Vec<String>, String> {
        let read = |_: &Path| Ok(Found::File(self.file()));
        let scenario = load(&[PathBuf::from("path.yaml")], &[], &read).map_err(|errors| errors.to_string())?;
        let mut sim = scenario.setup.build(self.seed);
        if self.sort == Sort::StatefulSet {
            for round in 1..=4 {
                sim.run_until(Time::ZERO + Span::from_secs(PUT_RIGHT[2] + 240 * round));
                delete_stuck(&mut sim);
            }
        }
        sim.run_until(Time::ZERO + Span::from_secs(LOOK));
        no_invariant_is_violated(&sim)?;
        Ok(state(&sim))
    }

    /// Runs it and a fresh one, and compares.
    fn check(&self) -> Result<(), String> {
        let told = |why: String| {
            let (seed, file) = (self.seed, self.file());
            let wish = self.last_wish();
            format!(
                "{why}\nlast wish: {wish:?}\nput this into path.yaml and repeat with: wavetank run path.yaml --seed {seed}\n{file}"
            )
        };
        let found = self.run().map_err(told)?;
        let expected = self.fresh().run().map_err(|why| told(format!("the fresh one: {why}")))?;
        let unlike = differences(&found, &expected);
        if unlike.is_empty() { Ok(()) } else { Err(told(unlike.join("\n"))) }
    }
}

/// The way out of the known trap of StatefulSets: pods that hang on a template that is gone are deleted.
fn delete_stuck(sim: &mut Sim) {
    let pods = sim.store().objects(Kind::Pod, sim.now());
    let stuck: Vec<Name> = pods
        .filter_map(|object| object.get::<wavetank::api::Pod>().cloned())
        .filter(|pod| !pod.body.is_ready())
        .map(|pod| pod.meta.name.clone())
        .collect();
    for name in stuck {
        let resource = resource(Kind::Pod, &name);
        sim.act(Action::Delete { resource, propagation: Propagation::Background, grace_seconds: None });
    }
}

impl Edit {
    /// What it changes in the wish.
    fn change(&self, wish: &mut Wish) {
        match *self {
            Edit::Replicas(replicas) => wish.replicas = replicas,
            Edit::Image(image) => wish.image = image,
            Edit::Label(label) => wish.label = label,
            Edit::PodLabel(label) => wish.pod_label = label,
            Edit::MinReady(seconds) => wish.min_ready = seconds,
            Edit::Shape(shape) => wish.shape = shape,
            Edit::Suspend(suspend) => wish.suspend = suspend,
            Edit::Pause(_)
            | Edit::Restart
            | Edit::Undo
            | Edit::Delete(_)
            | Edit::Drain(_)
            | Edit::Cordon(_)
            | Edit::Uncordon(_) => {}
        }
    }

    /// What a timeline says.
    fn entries(&self, sort: Sort, wish: &Wish, paused: bool) -> Vec<Value> {
        let kind = sort.kind();
        let name = format!("{}/w", kind.info().expect("a built-in kind").singular);
        let scales =
            matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::ReplicationController | Kind::StatefulSet);
        let leaves_no_pods = matches!(kind, Kind::Job | Kind::CronJob | Kind::DaemonSet);
        let entry = match *self {
            Edit::Replicas(replicas) if scales => json!({"scale": {"resource": name, "replicas": replicas}}),
            Edit::Image(image) if sort.rolls() => {
                json!({"setImage": {"resource": name, "images": {"c": format!("app:v{image}")}}})
            }
            Edit::Pause(true) if kind == Kind::Deployment => json!({"rollout": {"pause": name}}),
            Edit::Pause(false) if kind == Kind::Deployment => json!({"rollout": {"resume": name}}),
            Edit::Restart if sort.rolls() => json!({"rollout": {"restart": name}}),
            Edit::Undo if sort.rolls() => json!({"rollout": {"undo": name}}),
            Edit::Delete("orphan") if leaves_no_pods => return Vec::new(),
            Edit::Delete(cascade) => json!({"delete": {"resource": name, "cascade": cascade}}),
            Edit::Drain(node) => json!({"drain": format!("node-{node}")}),
            Edit::Cordon(node) => json!({"cordon": format!("node-{node}")}),
            Edit::Uncordon(node) => json!({"uncordon": format!("node-{node}")}),
            Edit::Pause(_) | Edit::Restart | Edit::Undo => return Vec::new(),
            Edit::Replicas(_)
            | Edit::Image(_)
            | Edit::Label(_)
            | Edit::PodLabel(_)
            | Edit::MinReady(_)
            | Edit::Shape(_)
            | Edit::Suspend(_) => json!({"apply": sort.manifests(wish, paused)}),
        };
        vec![entry]
    }
}

/// Draws so many histories of a sort, and expects each to end as a fresh one with the same wish.
#[track_caller]
fn check(sort: Sort, count: u32) {
    let mut runner = TestRunner::new(cases(count));
    let result = runner.run(&history(sort), |case| case.check().map_err(TestCaseError::fail));
    if let Err(TestError::Fail(why, case)) = &result {
        panic!("{why}\nthe smallest history: {case:?}");
    }
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn another_wish_ends_otherwise() {
    let case = |replicas, image| {
        let first = Wish { replicas, image, label: 0, pod_label: 0, min_ready: 0, shape: 1, suspend: false };
        Case { sort: Sort::Deployment, seed: 1, first, edits: Vec::new(), faults: Vec::new() }
    };
    let state = |case: Case| case.run().expect("it runs");
    let two = state(case(2, 1));
    let told = "three nodes, a Deployment, its ReplicaSet and two pods, and three objects of the API server's own";
    assert_eq!(two.len(), 10, "{told}: {two:?}");
    assert_eq!(differences(&two, &state(case(2, 1))), [] as [String; 0]);
    assert!(differences(&two, &state(case(3, 1))).len() > 2);
    assert!(differences(&two, &state(case(2, 2))).len() > 3);
}

#[test]
fn deployments_forget_how_they_came_to_be() {
    check(Sort::Deployment, 24);
}

#[test]
fn replica_sets_forget_how_they_came_to_be() {
    check(Sort::ReplicaSet, 16);
}

#[test]
fn replication_controllers_forget_how_they_came_to_be() {
    check(Sort::ReplicationController, 16);
}

#[test]
fn stateful_sets_forget_how_they_came_to_be() {
    check(Sort::StatefulSet, 24);
}

#[test]
fn daemon_sets_forget_how_they_came_to_be() {
    check(Sort::DaemonSet, 16);
}

#[test]
fn jobs_that_never_end_forget_how_they_came_to_be() {
    check(Sort::EndlessJob, 16);
}

#[test]
fn jobs_come_to_their_end_by_any_path() {
    check(Sort::Job, 16);
}

#[test]
fn cron_jobs_forget_how_they_came_to_be() {
    check(Sort::CronJob, 8);
}

#[test]
fn services_and_their_slices_forget_how_they_came_to_be() {
    check(Sort::Service, 20);
}
