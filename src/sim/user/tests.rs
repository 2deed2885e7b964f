//! Stories of users against an API server, without a net and without controllers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{ActionOutcome, User, apply::LAST_APPLIED};
use crate::api::{Clock, Kind, KindInfo, Name, Object, convert};
use crate::client::{Outbox, Part};
use crate::event::{
    ApiError, Cause, DeleteOptions, Effect, ErrorReason, Input, PartId, PatchKind, Propagation, Reply, Request, Target,
    TimerToken, Token,
};
use crate::kernel::{Chance, Span, Time};
use crate::sim::{Action, Resource};
use crate::store::{Context, Store};

/// Something that is going to happen in a story.
enum What {
    Begin(Action),
    /// A request of the user arrives.
    Arrive(Token, Request),
    Timer(TimerToken),
    /// Somebody else asks for something.
    Other(Request),
}

struct Story {
    store: Store,
    user: User,
    now: Time,
    agenda: BTreeMap<(Time, u32), What>,
    posted: u32,
    begun: u32,
    /// The user's requests: verb and kind.
    requests: Vec<String>,
    /// Replies that the server gives instead of handling the request, by `verb kind`, first in, first out.
    refusals: Vec<(&'static str, ApiError)>,
}

impl Story {
    fn new() -> Story {
        let mut store = Store::new(Chance { seed: 7 }, Clock::DEFAULT, &[Span::ZERO]);
        store.bootstrap(&context(Time::ZERO));
        Story {
            store,
            user: User::default(),
            now: Time::ZERO,
            agenda: BTreeMap::new(),
            posted: 0,
            begun: 0,
            requests: Vec::new(),
            refusals: Vec::new(),
        }
    }

    fn post(&mut self, at: Time, what: What) {
        self.posted += 1;
        self.agenda.insert((at, self.posted), what);
    }

    fn other_at(&mut self, seconds: u64, request: Request) {
        self.post(Time::ZERO + Span::from_secs(seconds), What::Other(request));
    }

    /// Stores an object at once.
    fn create(&mut self, kind: Kind, value: Value) -> Object {
        let object = convert::from_json(kind, value).unwrap();
        let answer = self.store.handle(Request::Create(object), &context(self.now)).unwrap();
        answer.object().unwrap().clone()
    }

    /// Replaces an object at once, status included.
    fn put_status(&mut self, kind: Kind, value: Value) {
        let object = convert::from_json(kind, value).unwrap();
        self.store.handle(Request::UpdateStatus(object), &context(self.now)).unwrap();
    }

    fn json(&self, kind: Kind, namespace: &str, name: &str) -> Value {
        self.store.by_name(kind, namespace, name).map_or(Value::Null, convert::to_json)
    }

    fn begin_at(&mut self, seconds: u64, action: Action) {
        self.post(Time::ZERO + Span::from_secs(seconds), What::Begin(action));
    }

    /// Runs an action to its end, and everything else that is due.
    fn act(&mut self, action: Action) -> ActionOutcome {
        self.post(self.now, What::Begin(action));
        self.run();
        self.user.outcomes().last().unwrap().clone()
    }

    fn run(&mut self) {
        while let Some(((at, _), what)) = self.agenda.pop_first() {
            self.now = at;
            self.happen(what);
        }
    }

    fn happen(&mut self, what: What) {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 7 }, Cause::START);
        match what {
            What::Begin(action) => {
                if let Action::DefineKind(info) = &action {
                    self.store.add_kind(KindInfo::clone(info));
                }
                self.begun += 1;
                self.user.begin(self.begun - 1, action, &mut out);
            }
            What::Arrive(token, request) => {
                let result = self.answer(request);
                self.user.handle(Input::Reply { token, result }, &mut out);
            }
            What::Timer(token) => self.user.handle(Input::Timer(token), &mut out),
            What::Other(request) => drop(self.store.handle(request, &context(self.now)).unwrap()),
        }
        for effect in out.effects {
            match effect {
                Effect::Send { at, token, request, .. } => self.post(at, What::Arrive(token, request)),
                Effect::Timer { at, token, .. } => self.post(at, What::Timer(token)),
                other => panic!("a user has no use for {other:?}"),
            }
        }
    }

    fn answer(&mut self, request: Request) -> Reply {
        let what = format!("{} {:?}", request.verb().as_str(), request.kind());
        self.requests.push(what.clone());
        if let Some(index) = self.refusals.iter().position(|(of, _)| *of == what) {
            return Err(self.refusals.remove(index).1);
        }
        self.store.handle(request, &context(self.now))
    }
}

fn context(now: Time) -> Context {
    Context { now, cause: Cause::START, from: PartId::User, replica: 0 }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}]},
            },
        },
    })
}

fn pod(name: &str, extra: Value) -> Value {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "c"}]},
    });
    crate::api::merge::merge_patch(&pod, &extra)
}

fn owned(name: &str, kind: &str) -> Value {
    let owner = json!([{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]);
    pod(name, json!({"metadata": {"ownerReferences": owner}}))
}

fn apply(documents: &[(Kind, Value)]) -> Action {
    Action::Apply(documents.into())
}

fn web() -> Resource {
    Resource { kind: Kind::Deployment, namespace: Name::new(), name: "web".into() }
}

fn set_images(images: &[(&str, &str)]) -> Action {
    let images = images.iter().map(|(container, image)| (Name::from(*container), Name::from(*image))).collect();
    Action::SetImage { resource: web(), images }
}

#[track_caller]
fn check(outcome: &ActionOutcome, lines: &[&str], errors: &[&str]) {
    assert_eq!(outcome.lines.iter().map(Name::as_str).collect::<Vec<_>>(), lines, "lines");
    assert_eq!(outcome.errors.iter().map(Name::as_str).collect::<Vec<_>>(), errors, "errors");
}

/// Does something with the Deployment `web` and compares what kubectl says.
#[track_caller]
fn check_web(story: &mut Story, action: Action, lines: &[&str], errors: &[&str]) {
    check(&story.act(action), lines, errors);
}

#[test]
fn what_is_applied_twice_is_created_and_then_unchanged() {
    let mut story = Story::new();
    let action = apply(&[(Kind::Deployment, deployment())]);
    check_web(&mut story, action.clone(), &["deployment.apps/web created"], &[]);
    let stored = story.json(Kind::Deployment, "default", "web");
    let text = stored["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap();
    assert!(
        text.starts_with("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"annotations\":{},"),
        "{text}"
    );
    assert!(text.ends_with("}\n"));
    check_web(&mut story, action, &["deployment.apps/web unchanged"], &[]);
    assert_eq!(story.requests, ["get Deployment", "create Deployment", "get Deployment"]);
}

#[test]
fn an_apply_takes_back_what_it_gave_and_leaves_what_others_set() {
    let mut story = Story::new();
    let mut manifest = deployment();
    manifest["metadata"]["labels"] = json!({"a": "1", "gone": "x"});
    story.act(apply(&[(Kind::Deployment, manifest.clone())]));
    let body = Arc::new(json!({"metadata": {"labels": {"theirs": "y"}}, "spec": {"minReadySeconds": 5}}));
    let patch = Action::Patch { resource: web(), kind: PatchKind::Merge, body };
    check_web(&mut story, patch.clone(), &["deployment.apps/web patched"], &[]);
    check_web(&mut story, patch, &["deployment.apps/web patched (no change)"], &[]);
    manifest["metadata"]["labels"] = json!({"a": "2"});
    check_web(&mut story, apply(&[(Kind::Deployment, manifest)]), &["deployment.apps/web configured"], &[]);
    let stored = story.json(Kind::Deployment, "default", "web");
    assert_eq!(stored["metadata"]["labels"], json!({"a": "2", "theirs": "y"}));
    assert_eq!(stored["spec"]["minReadySeconds"], 5);
}

#[test]
fn documents_that_fail_do_not_stop_the_later_ones() {
    let mut story = Story::new();
    let lost = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lost", "namespace": "none"}});
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}});
    let good = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "good"}, "data": {"k": "v"}});
    let unknown = json!({"apiVersion": "x.dev/v1", "kind": "Toy", "metadata": {"name": "t"}});
    let all = apply(&[
        (Kind::ConfigMap, lost.clone()),
        (Kind::ConfigMap, nameless),
        (Kind::Custom(0), unknown),
        (Kind::ConfigMap, good),
    ]);
    check(
        &story.act(all),
        &["configmap/good created"],
        &[
            "Error from server (NotFound): error when creating \"lost\": namespaces \"none\" not found",
            "from x-: cannot use generate name with apply",
            "resource mapping not found for name: \"t\" namespace: \"\" from \"t\": no matches for kind \"Toy\" in \
             version \"x.dev/v1\"\nensure CRDs are installed first",
        ],
    );
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "none"}});
    let ordered = apply(&[(Kind::Namespace, namespace), (Kind::ConfigMap, lost)]);
    check(&story.act(ordered), &["namespace/none created", "configmap/lost created"], &[]);
}

#[test]
fn what_cannot_be_decoded_is_a_bad_request() {
    let mut story = Story::new();
    let mut manifest = deployment();
    manifest["spec"]["replicas"] = json!("many");
    let outcome = story.act(apply(&[(Kind::Deployment, manifest)]));
    let expected = "Error from server (BadRequest): error when creating \"web\": Deployment in version \"v1\" cannot be \
                    handled as a Deployment: ";
    assert!(outcome.errors[0].starts_with(expected), "{:?}", outcome.errors);
}

#[test]
fn an_object_that_was_not_applied_is_adopted_with_a_warning() {
    let mut story = Story::new();
    let mut manifest = deployment();
    manifest["metadata"]["namespace"] = json!("default");
    story.create(Kind::Deployment, manifest.clone());
    let outcome = story.act(apply(&[(Kind::Deployment, manifest)]));
    assert!(outcome.lines[0].starts_with("Warning: resource deployments/web is missing the kubectl"), "{outcome:?}");
    assert_eq!(outcome.lines[1], "deployment.apps/web configured");
}

#[test]
fn a_conflict_is_tried_again_at_once_and_then_every_second() {
    let mut story = Story::new();
    story.act(apply(&[(Kind::Deployment, deployment())]));
    let mut manifest = deployment();
    manifest["spec"]["replicas"] = json!(3);
    let conflict = || ("patch Deployment", ApiError::new(ErrorReason::Conflict, "the object has been modified"));
    story.refusals = (0..3).map(|_| conflict()).collect();
    let outcome = story.act(apply(&[(Kind::Deployment, manifest.clone())]));
    check(&outcome, &["deployment.apps/web configured"], &[]);
    assert_eq!(outcome.at, Time::ZERO + Span::from_secs(2));
    assert_eq!(story.json(Kind::Deployment, "default", "web")["spec"]["replicas"], 3);
    manifest["spec"]["replicas"] = json!(4);
    story.refusals = (0..6).map(|_| conflict()).collect();
    let outcome = story.act(apply(&[(Kind::Deployment, manifest)]));
    let error = outcome.errors[0].as_str();
    assert!(error.starts_with("Error from server (Conflict): error when applying patch:\n{"), "{error}");
    assert!(error.ends_with(
        "to:\nResource: \"apps/v1, Resource=deployments\", GroupVersionKind: \"apps/v1, Kind=Deployment\"\nName: \
         \"web\", Namespace: \"default\"\nfor: \"web\": the object has been modified"
    ));
}

#[test]
fn a_kind_that_was_defined_can_be_applied() {
    let mut story = Story::new();
    let info = KindInfo {
        group: "x.dev".into(),
        version: "v1".into(),
        kind: "Toy".into(),
        plural: "toys".into(),
        singular: "toy".into(),
        short_names: Vec::new().into(),
        namespaced: true,
        served_versions: vec!["v1".into()].into(),
        definition: None,
    };
    check(&story.act(Action::DefineKind(Arc::new(info))), &[], &[]);
    let toy = |size: i64| {
        let value = json!({"apiVersion": "x.dev/v1", "kind": "Toy", "metadata": {"name": "t"}, "spec": {"size": size}});
        apply(&[(Kind::Custom(0), value)])
    };
    check(&story.act(toy(1)), &["toy.x.dev/t created"], &[]);
    check(&story.act(toy(1)), &["toy.x.dev/t unchanged"], &[]);
    check(&story.act(toy(2)), &["toy.x.dev/t configured"], &[]);
    assert_eq!(story.json(Kind::Custom(0), "default", "t")["spec"], json!({"size": 2}));
}

#[test]
fn commands_on_what_is_not_there_say_so() {
    let missing = "Error from server (NotFound): deployments.apps \"web\" not found";
    let mut story = Story::new();
    check_web(&mut story, Action::Scale { resource: web(), replicas: 1 }, &[], &[missing]);
    check_web(&mut story, Action::RolloutUndo { resource: web(), to_revision: None }, &[], &[missing]);
    let (propagation, grace_seconds) = (Propagation::Background, None);
    check_web(&mut story, Action::Delete { resource: web(), propagation, grace_seconds }, &[], &[missing]);
    let resource = Resource { kind: Kind::Custom(3), namespace: Name::new(), name: "t".into() };
    check_web(
        &mut story,
        Action::Scale { resource, replicas: 1 },
        &[],
        &["error: the server doesn't have a resource type for \"t\""],
    );
    let drain = Action::Drain { node: "n1".into(), grace_seconds: None };
    check_web(&mut story, drain, &[], &["Error from server (NotFound): nodes \"n1\" not found"]);
}

#[test]
fn scaling_pausing_and_restarting_a_deployment() {
    let mut story = Story::new();
    story.act(apply(&[(Kind::Deployment, deployment())]));
    let pause = |paused| Action::RolloutPause { resource: web(), paused };
    let restart = || Action::RolloutRestart { resource: web() };
    let scale = |replicas| Action::Scale { resource: web(), replicas };
    check_web(&mut story, scale(5), &["deployment.apps/web scaled"], &[]);
    assert_eq!(story.json(Kind::Deployment, "default", "web")["spec"]["replicas"], 5);
    let refused = "error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0";
    check_web(&mut story, scale(-1), &[], &[refused]);
    check_web(&mut story, pause(false), &[], &["error: deployments.apps \"web\" is not paused"]);
    check_web(&mut story, pause(true), &["deployment.apps/web paused"], &[]);
    check_web(&mut story, pause(true), &[], &["error: deployments.apps \"web\" is already paused"]);
    let paused = "error: deployments.apps \"web\" can't restart paused deployment (run rollout resume first)";
    check_web(&mut story, restart(), &[], &[paused]);
    check_web(&mut story, pause(false), &["deployment.apps/web resumed"], &[]);
    check_web(&mut story, restart(), &["deployment.apps/web restarted"], &[]);
    let annotations = &story.json(Kind::Deployment, "default", "web")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(*annotations, json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}));
    let outcome = story.act(restart());
    assert!(outcome.errors[0].starts_with("error: failed to create patch for web: if restart has already"));
}

#[test]
fn images_are_set_by_container_or_everywhere() {
    let mut story = Story::new();
    story.act(apply(&[(Kind::Deployment, deployment())]));
    check_web(&mut story, set_images(&[("web", "web:2")]), &["deployment.apps/web image updated"], &[]);
    check_web(&mut story, set_images(&[("web", "web:2")]), &[], &[]);
    check_web(
        &mut story,
        set_images(&[("no", "a"), ("log", "log:2")]),
        &["deployment.apps/web image updated"],
        &["error: unable to find container named \"no\""],
    );
    let images = |story: &Story| -> Vec<Value> {
        let stored = story.json(Kind::Deployment, "default", "web");
        let containers = stored["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
        containers.into_iter().map(|container| container["image"].clone()).collect()
    };
    assert_eq!(images(&story), ["web:2", "log:2"]);
    story.act(set_images(&[("*", "all:3")]));
    assert_eq!(images(&story), ["all:3", "all:3"]);
}

/// A ReplicaSet of the Deployment `web` with a revision and an image.
fn set_of(story: &mut Story, revision: &str, image: &str) {
    let owner = story.json(Kind::Deployment, "default", "web")["metadata"]["uid"].clone();
    let mut template = deployment()["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(revision);
    template["spec"]["containers"][0]["image"] = json!(image);
    let labels = template["metadata"]["labels"].clone();
    story.create(
        Kind::ReplicaSet,
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": format!("web-{revision}"), "namespace": "default", "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner, "controller": true}],
            },
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }),
    );
}

#[test]
fn an_undo_brings_the_former_template_back() {
    let mut story = Story::new();
    story.act(apply(&[(Kind::Deployment, deployment())]));
    let undo = |to_revision| Action::RolloutUndo { resource: web(), to_revision };
    let none = "error: no rollout history found for deployment \"web\"";
    check_web(&mut story, undo(None), &[], &[none]);
    set_of(&mut story, "1", "web:1");
    set_of(&mut story, "2", "web:2");
    story.act(set_images(&[("web", "web:2")]));
    check_web(&mut story, undo(Some(9)), &[], &["error: unable to find specified revision 9 in history"]);
    check_web(&mut story, undo(None), &["deployment.apps/web rolled back"], &[]);
    let template = story.json(Kind::Deployment, "default", "web")["spec"]["template"].clone();
    assert_eq!(template["spec"]["containers"][0]["image"], "web:1");
    assert_eq!(template["metadata"]["labels"], json!({"app": "web"}));
    let skipped = "deployment.apps/web skipped rollback (current template already matches revision 1)";
    check_web(&mut story, undo(Some(1)), &[skipped], &[]);
}

#[test]
fn a_deletion_waits_until_the_object_is_gone() {
    let mut story = Story::new();
    story.create(Kind::Pod, owned("a", "ReplicaSet"));
    let target = Target::Name(Kind::Pod, "default".into(), "a".into());
    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    story.other_at(3, Request::Delete { target, options });
    let resource = Resource { kind: Kind::Pod, namespace: "default".into(), name: "a".into() };
    let delete = |grace_seconds| Action::Delete {
        resource: resource.clone(),
        propagation: Propagation::Background,
        grace_seconds,
    };
    let outcome = story.act(delete(None));
    check(&outcome, &["pod \"a\" deleted from default namespace"], &[]);
    assert_eq!(outcome.at, Time::ZERO + Span::from_secs(3));
    assert_eq!(story.user.printed()[0].at, Time::ZERO, "what it said it said at once");
    story.create(Kind::Pod, owned("a", "ReplicaSet"));
    let forced = story.act(delete(Some(0)));
    assert_eq!(forced.lines[1], "pod \"a\" force deleted from default namespace");
    assert_eq!(forced.at, story.now, "nothing is left to wait for");
}

fn node(story: &mut Story) {
    story.create(Kind::Node, json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
}

#[test]
fn cordoning_twice_says_so() {
    let mut story = Story::new();
    node(&mut story);
    let cordon = |unschedulable| Action::Cordon { node: "n1".into(), unschedulable };
    check(&story.act(cordon(true)), &["node/n1 cordoned"], &[]);
    check(&story.act(cordon(true)), &["node/n1 already cordoned"], &[]);
    assert_eq!(story.json(Kind::Node, "", "n1")["spec"]["unschedulable"], true);
    check(&story.act(cordon(false)), &["node/n1 uncordoned"], &[]);
    check(&story.act(cordon(false)), &["node/n1 already uncordoned"], &[]);
}

#[test]
fn a_drain_evicts_all_at_once_and_waits_for_each() {
    let mut story = Story::new();
    node(&mut story);
    for name in ["a", "b"] {
        story.create(Kind::Pod, owned(name, "ReplicaSet"));
        let target = Target::Name(Kind::Pod, "default".into(), name.into());
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        story.other_at(if name == "a" { 4 } else { 2 }, Request::Delete { target, options });
    }
    story.create(Kind::Pod, owned("daemon", "DaemonSet"));
    let mirror = pod("mirror", json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}));
    story.create(Kind::Pod, mirror);
    let finished = pod("done", json!({"status": {"phase": "Succeeded"}}));
    story.create(Kind::Pod, finished.clone());
    story.put_status(Kind::Pod, finished);
    let outcome = story.act(Action::Drain { node: "n1".into(), grace_seconds: None });
    check(
        &outcome,
        &[
            "node/n1 cordoned",
            "Warning: ignoring DaemonSet-managed Pods: default/daemon",
            "evicting pod default/a",
            "evicting pod default/b",
            "evicting pod default/done",
            "pod/done evicted",
            "pod/b evicted",
            "pod/a evicted",
            "node/n1 drained",
        ],
        &[],
    );
    assert_eq!(outcome.at, Time::ZERO + Span::from_secs(4));
}

#[test]
fn a_drain_stops_at_pods_without_a_controller() {
    let mut story = Story::new();
    node(&mut story);
    story.create(Kind::Pod, pod("a", json!({})));
    story.create(Kind::Pod, pod("b", json!({})));
    let why = "cannot delete Pods that declare no controller (use --force to override): default/a, default/b";
    check(
        &story.act(Action::Drain { node: "n1".into(), grace_seconds: None }),
        &[
            "node/n1 cordoned",
            &format!("error: unable to drain node \"n1\" due to error: {why}, continuing command..."),
            "There are pending nodes to be drained:",
            " n1",
        ],
        &[&format!("error: {why}")],
    );
    assert!(!story.json(Kind::Pod, "default", "a").is_null());
}

#[test]
fn an_eviction_that_a_budget_forbids_is_tried_again_every_five_seconds() {
    let mut story = Story::new();
    node(&mut story);
    story.create(Kind::Pod, owned("a", "ReplicaSet"));
    let forbidden = "Cannot evict pod as it would violate the pod's disruption budget.";
    story.refusals = (0..2).map(|_| ("create Pod", ApiError::new(ErrorReason::TooManyRequests, forbidden))).collect();
    let again = format!("error when evicting pods/\"a\" -n \"default\" (will retry after 5s): {forbidden}");
    let outcome = story.act(Action::Drain { node: "n1".into(), grace_seconds: Some(0) });
    let evicting = "evicting pod default/a";
    check(
        &outcome,
        &["node/n1 cordoned", evicting, &again, evicting, &again, evicting, "pod/a evicted", "node/n1 drained"],
        &[],
    );
    assert_eq!(outcome.at, Time::ZERO + Span::from_secs(10));
}

#[test]
fn actions_run_side_by_side_and_are_told_apart_in_memory() {
    let mut story = Story::new();
    story.create(Kind::Pod, owned("a", "ReplicaSet"));
    let resource = Resource { kind: Kind::Pod, namespace: Name::new(), name: "a".into() };
    story.begin_at(0, Action::Delete { resource, propagation: Propagation::Foreground, grace_seconds: None });
    story.begin_at(1, apply(&[(Kind::Deployment, deployment())]));
    let target = Target::Name(Kind::Pod, "default".into(), "a".into());
    story.other_at(2, Request::PatchMeta { target: target.clone(), preconditions: Default::default(), edit: free() });
    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    story.other_at(2, Request::Delete { target, options });
    let idle = memory(&story.user);
    let ((at, _), what) = story.agenda.pop_first().unwrap();
    story.now = at;
    story.happen(what);
    assert_eq!(story.user.under_way().collect::<Vec<_>>(), [0]);
    assert_ne!(memory(&story.user), idle);
    story.run();
    assert_eq!(memory(&story.user), idle, "what has ended leaves nothing in memory");
    let order: Vec<u32> = story.user.outcomes().iter().map(|outcome| outcome.number).collect();
    assert_eq!(order, [1, 0], "the deletion was still waiting when the apply ended");
}

/// What the garbage collector does when nothing depends on the object.
fn free() -> Arc<crate::event::MetaEdit> {
    let remove_finalizers = vec!["foregroundDeletion".into()];
    Arc::new(crate::event::MetaEdit { remove_finalizers, ..Default::default() })
}

fn memory(user: &User) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    user.hash_memory(&mut hasher);
    std::hash::Hasher::finish(&hasher)
}
