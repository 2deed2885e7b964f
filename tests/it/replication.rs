//! ReplicationControllers: everything that a ReplicaSet does, under names of their own, and nothing that is rolled out.

use serde_json::{Value, json};
use wavetank::api::{Kind, Name};
use wavetank::event::{PatchKind, Propagation};
use wavetank::sim::Action;

use crate::story::{Story, resource};

/// A ReplicationController called `web` without a selector.
fn controller(replicas: u32) -> String {
    format!(
        "apiVersion: v1\nkind: ReplicationController\nmetadata: {{name: web}}\nspec:\n  replicas: {replicas}\n  template:\n    \
         metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: c, image: 'ok:1'}}]}}\n"
    )
}

fn settled(replicas: u32) -> Story {
    let mut story = Story::of_nodes(3, "");
    story.apply(&controller(replicas));
    story.run_for(60);
    story.expect_ready("web", replicas as usize);
    story
}

fn web() -> wavetank::sim::Resource {
    resource(Kind::ReplicationController, "web")
}

/// replicas, fullyLabeledReplicas, readyReplicas, availableReplicas.
#[track_caller]
fn expect_status(story: &Story, expected: [i64; 4]) {
    let object = story.get(Kind::ReplicationController, "web").expect("it is there");
    let number = |name: &str| object["status"][name].as_i64().unwrap_or(0);
    let found = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"].map(number);
    assert_eq!(found, expected, "{}", object["status"]);
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
}

#[test]
fn pods_come_under_the_names_of_the_old_kind() {
    let story = settled(3);
    expect_status(&story, [3, 3, 3, 3]);
    let object = story.get(Kind::ReplicationController, "web").expect("it is there");
    assert_eq!(object["spec"]["selector"], json!({"app": "web"}), "the labels of the template");
    assert_eq!(object["metadata"]["labels"], json!({"app": "web"}));
    let pod = story.get(Kind::Pod, &story.pods_of("web")[0].meta.name).expect("a pod");
    let owner = &pod["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["apiVersion"], &owner["kind"]), (&json!("v1"), &json!("ReplicationController")));
    assert_eq!((&owner["controller"], &owner["blockOwnerDeletion"]), (&json!(true), &json!(true)));
    let events: Vec<Value> = story
        .sim
        .store()
        .objects(Kind::Event, story.now())
        .map(|event| wavetank::api::convert::to_json(&event))
        .filter(|event| event["reason"] == "SuccessfulCreate")
        .collect();
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event["source"]["component"], "replication-controller");
        assert_eq!(event["involvedObject"]["kind"], "ReplicationController");
    }
}

#[test]
fn a_new_template_reaches_the_pods_that_come_after_it() {
    let mut story = settled(2);
    let before: Vec<Name> = story.pods_of("web").iter().map(|pod| pod.meta.name.clone()).collect();
    story.act(Action::SetImage { resource: web(), images: vec![("c".into(), "ok:2".into())] });
    story.run_for(30);
    let after: Vec<Name> = story.pods_of("web").iter().map(|pod| pod.meta.name.clone()).collect();
    assert_eq!(before, after);
    let pod = resource(Kind::Pod, &before[0]);
    story.act(Action::Delete { resource: pod, propagation: Propagation::Background, grace_seconds: Some(0) });
    story.run_for(30);
    let mut images: Vec<String> = story
        .pods_of("web")
        .iter()
        .map(|pod| pod.body.spec.containers()[0].image.clone().unwrap_or_default())
        .collect();
    images.sort();
    assert_eq!(images, ["ok:1", "ok:2"]);
}

#[test]
fn pods_are_released_adopted_and_orphaned_as_those_of_a_replica_set() {
    let mut story = settled(2);
    let pod = story.pods_of("web")[0].meta.name.clone();
    let label = |label: &str| json!({"metadata": {"labels": {"app": label}}});
    let relabel = |story: &mut Story, to: &str| {
        let (resource, kind) = (resource(Kind::Pod, &pod), PatchKind::Merge);
        story.act(Action::Patch { resource, kind, body: label(to).into() });
        story.run_for(30);
    };
    relabel(&mut story, "gone");
    assert_eq!((story.pods().len(), story.pods_of("web").len()), (3, 2), "{}", story.printed());
    assert!(story.pods_of("gone")[0].meta.controller().is_none());
    relabel(&mut story, "web");
    assert_eq!(story.pods().len(), 2, "it is taken back, and one is too many");
    let uid = story.pods()[0].meta.controller().expect("an owner").uid;
    story.act(Action::Delete { resource: web(), propagation: Propagation::Orphan, grace_seconds: None });
    story.run_for(30);
    assert!(story.pods().iter().all(|pod| pod.meta.controller().is_none()) && story.pods().len() == 2);
    story.apply(&controller(2));
    story.run_for(30);
    expect_status(&story, [2, 2, 2, 2]);
    let owners: Vec<_> = story.pods().iter().filter_map(|pod| Some(pod.meta.controller()?.uid)).collect();
    assert!(owners.len() == 2 && owners[0] == owners[1] && owners[0] != uid, "the new one has adopted them");
}

#[test]
fn a_budget_counts_the_pods_that_it_wishes_for() {
    let mut story = settled(3);
    story.apply(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {maxUnavailable: 1, selector: \
         {matchLabels: {app: web}}}\n",
    );
    story.run_for(10);
    let status = story.get(Kind::PodDisruptionBudget, "web").expect("it is there")["status"].clone();
    assert_eq!([&status["expectedPods"], &status["desiredHealthy"], &status["disruptionsAllowed"]], [3, 2, 1]);
}

#[test]
fn a_foreground_deletion_takes_the_pods_first() {
    let mut story = settled(2);
    story.act(Action::Delete { resource: web(), propagation: Propagation::Foreground, grace_seconds: None });
    story.run_for(60);
    assert!(story.pods().is_empty() && story.get(Kind::ReplicationController, "web").is_none());
}

#[test]
fn nothing_is_rolled_out() {
    let mut story = settled(1);
    story.act(Action::RolloutRestart { resource: web() });
    story.act(Action::RolloutPause { resource: web(), paused: true });
    story.act(Action::RolloutUndo { resource: web(), to_revision: None });
    story.run_for(5);
    let printed = story.printed();
    for expected in [
        "error: replicationcontrollers \"web\" restarting is not supported",
        "error: replicationcontrollers \"web\" pausing is not supported",
        "error: no rollbacker has been implemented for \"ReplicationController\"",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
}

#[track_caller]
fn check(spec: &str, expected: &str) {
    let mut story = Story::of_nodes(1, "");
    story.apply(&format!("apiVersion: v1\nkind: ReplicationController\nmetadata: {{name: web}}\nspec: {spec}\n"));
    story.run_for(5);
    assert!(story.printed().contains(expected), "{spec}: {}", story.printed());
}

#[test]
fn mistakes_are_told_in_upstreams_words() {
    let template = "{metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: 'ok:1'}]}}";
    check(
        &format!("{{replicas: -1, template: {template}}}"),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    );
    check(
        &format!("{{selector: {{app: db}}, template: {template}}}"),
        "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
    );
    check("{selector: {app: db}}", "spec.template: Required value");
    check("{template: {spec: {containers: [{name: c, image: 'ok:1'}]}}}", "spec.selector: Required value");
    let once = template.replace("spec: {", "spec: {restartPolicy: Never, ");
    check(
        &format!("{{template: {once}}}"),
        "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
    );
}
