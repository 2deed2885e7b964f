//! Stories of pods that need ConfigMaps and Secrets.

use serde_json::{Value, json};

use super::harness::{Story, container, spec};
use crate::api::{Kind, convert};
use k8s_openapi::api::core::v1;

fn config(name: &str, keys: &[&str]) -> crate::api::Object {
    let data: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!("v"))).collect();
    let value = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" },
        "data": data });
    convert::from_json(Kind::ConfigMap, value).expect("a ConfigMap")
}

fn with_volume(volume: Value) -> v1::PodSpec {
    let mut pod = spec("Always", vec![container("app")]);
    pod.volumes = Some(vec![serde_json::from_value(volume).expect("a volume")]);
    pod
}

fn with_env(more: Value) -> v1::PodSpec {
    let mut value = serde_json::to_value(container("app")).expect("a container");
    for (key, part) in more.as_object().expect("fields") {
        value[key] = part.clone();
    }
    spec("Always", vec![serde_json::from_value(value).expect("a container")])
}

fn messages(story: &Story, reason: &str) -> Vec<String> {
    let with = format!(" {reason}: ");
    let found = story.events.iter().filter_map(|event| event.split_once(&with));
    found.map(|(_, message)| message.to_owned()).collect()
}

#[test]
fn a_pod_waits_for_the_config_map_of_its_volume() {
    let mut story = Story::new(Vec::new());
    story.apply("p", with_volume(json!({ "name": "v", "configMap": { "name": "c" } })));
    story.run_for(20);
    story.expect("p", "Pending unready ContainerCreatingx0");
    assert_eq!(
        messages(&story, "FailedMount"),
        ["MountVolume.SetUp failed for volume \"v\" : configmap \"c\" not found"]
    );
    let again = story.events.iter().filter(|event| event.contains("again: MountVolume.SetUp failed")).count();
    assert_eq!(again, 5, "after 0.5, 1, 2, 4 and 8 s: {:#?}", story.events);
    story.sources.insert((Kind::ConfigMap, "c".into()), config("c", &["k"]));
    story.run_for(20);
    story.expect("p", "Running ready Runningx0");
    let before = story.look_ups;
    story.run_for(600);
    assert_eq!(story.look_ups, before, "a pod that runs asks for nothing");
}

#[test]
fn after_two_minutes_the_sync_says_which_volumes_are_missing() {
    let mut story = Story::new(Vec::new());
    story.apply("p", with_volume(json!({ "name": "v", "secret": { "secretName": "s" } })));
    story.run_for(130);
    let message = "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[]: context deadline exceeded";
    assert_eq!(
        messages(&story, "FailedMount"),
        ["MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found", message]
    );
}

/// What is said of a volume that needs something of a ConfigMap `c` with the key `k`, or nothing where it is mounted.
#[track_caller]
fn check_volume(volume: Value, expected: Option<&str>) {
    let mut story = Story::new(Vec::new());
    story.sources.insert((Kind::ConfigMap, "c".into()), config("c", &["k"]));
    story.apply("p", with_volume(volume.clone()));
    story.run_for(5);
    let expected = expected.map(|why| format!("MountVolume.SetUp failed for volume \"v\" : {why}"));
    assert_eq!(messages(&story, "FailedMount").first().cloned(), expected, "{volume}");
    assert_eq!(story.pod("p").body.is_ready(), expected.is_none(), "{volume}");
}

#[test]
fn keys_must_be_there_unless_they_are_optional() {
    let items = |key: &str| json!([{ "key": key, "path": "p" }]);
    check_volume(json!({ "name": "v", "configMap": { "name": "c", "items": items("k") } }), None);
    let missing = Some("references non-existent config key: x");
    check_volume(json!({ "name": "v", "configMap": { "name": "c", "items": items("x") } }), missing);
    check_volume(json!({ "name": "v", "configMap": { "name": "c", "items": items("x"), "optional": true } }), None);
    check_volume(json!({ "name": "v", "configMap": { "name": "d", "optional": true } }), None);
    let projected = |sources: Value| json!({ "name": "v", "projected": { "sources": sources } });
    check_volume(
        projected(json!([{ "configMap": { "name": "c" } }, { "secret": { "name": "s", "optional": true } }])),
        None,
    );
    let sources = json!([{ "configMap": { "name": "c" } }, { "secret": { "name": "s" } }]);
    check_volume(projected(sources), Some("secret \"s\" not found"));
    check_volume(json!({ "name": "v", "emptyDir": {} }), None);
}

#[test]
fn a_container_waits_for_its_environment_and_tries_again_with_the_next_sync() {
    let mut story = Story::new(Vec::new());
    let key = json!({ "configMapKeyRef": { "name": "c", "key": "x" } });
    story.apply("p", with_env(json!({ "env": [{ "name": "A", "valueFrom": key }] })));
    story.run_for(5);
    story.expect("p", "Pending unready CreateContainerConfigErrorx0");
    assert_eq!(messages(&story, "Failed"), ["Error: configmap \"c\" not found"]);
    story.sources.insert((Kind::ConfigMap, "c".into()), config("c", &["k"]));
    story.run_for(15);
    story.expect("p", "Pending unready CreateContainerConfigErrorx0");
    assert_eq!(messages(&story, "Failed")[1..], ["Error: couldn't find key x in ConfigMap default/c"]);
    story.sources.insert((Kind::ConfigMap, "c".into()), config("c", &["x"]));
    story.run_for(16);
    story.expect("p", "Running ready Runningx0");
}

#[test]
fn what_is_optional_is_not_waited_for() {
    let mut story = Story::new(Vec::new());
    let from = json!([{ "secretRef": { "name": "s", "optional": true } }]);
    story.apply("p", with_env(json!({ "envFrom": from })));
    story.apply("q", with_env(json!({ "envFrom": [{ "secretRef": { "name": "s" } }] })));
    story.run_for(5);
    story.expect("p", "Running ready Runningx0");
    story.expect("q", "Pending unready CreateContainerConfigErrorx0");
    assert_eq!(messages(&story, "Failed"), ["Error: secret \"s\" not found"]);
}

#[test]
fn a_new_process_goes_on_waiting_and_a_machine_that_was_switched_on_mounts_anew() {
    let mut story = Story::new(Vec::new());
    story.sources.insert((Kind::ConfigMap, "c".into()), config("c", &["k"]));
    story.apply("p", with_volume(json!({ "name": "v", "configMap": { "name": "c" } })));
    story.apply("q", with_volume(json!({ "name": "v", "configMap": { "name": "d" } })));
    story.run_for(5);
    story.stop();
    story.restart();
    story.run_for(30);
    story.expect("p", "Running ready Runningx0");
    story.expect("q", "Pending unready ContainerCreatingx0");
    story.sources.clear();
    story.stop();
    story.boot();
    story.run_for(60);
    assert!(!story.pod("p").body.is_ready(), "{}", story.line("p"));
    story.sources.insert((Kind::ConfigMap, "c".into()), config("c", &["k"]));
    story.run_for(130);
    story.expect("p", "Running ready Runningx1");
}
