//! Stories of pods that need ConfigMaps and Secrets.

use serde_json::{Value, json};

use super::super::{Reading, Sight};
use super::harness::{Story, container, named, server, spec};
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

/// A ConfigMap `c` or Secret `s` whose key `mode` says this.
fn saying(kind: Kind, mode: &str, immutable: bool) -> crate::api::Object {
    let (word, name) = if kind == Kind::Secret { ("Secret", "s") } else { ("ConfigMap", "c") };
    let text =
        if kind == Kind::Secret { json!(k8s_openapi::ByteString(mode.as_bytes().to_vec())) } else { json!(mode) };
    let value = json!({ "apiVersion": "v1", "kind": word, "metadata": { "name": name, "namespace": "default" },
        "data": { "mode": text }, "immutable": immutable });
    convert::from_json(kind, value).expect("a ConfigMap or Secret")
}

/// A pod with a readiness probe that reads `broken` in so many ways, and the story in which it runs well.
fn reading(reading: Reading, more: Value) -> (Story, v1::PodSpec) {
    let sight = Sight { reading, equals: "broken".into() };
    let mut story = Story::new(vec![named("app", server().unready_while(sight))]);
    story.store_source(saying(Kind::ConfigMap, "well", more["immutable"] == json!(true)), "c");
    story.store_source(saying(Kind::Secret, "well", false), "s");
    let probe = json!({ "readinessProbe": { "periodSeconds": 1, "failureThreshold": 1, "tcpSocket": { "port": 80 } } });
    let mut pod = with_env(probe);
    let mut container = serde_json::to_value(&pod.containers[0]).unwrap();
    for key in ["env", "envFrom", "volumeMounts"] {
        container[key] = more[key].clone();
    }
    pod.containers = vec![serde_json::from_value(container).unwrap()];
    pod.volumes = serde_json::from_value(more["volumes"].clone()).unwrap();
    story.apply("p", pod.clone());
    story.run_for(10);
    story.expect("p", "Running ready Runningx0");
    (story, pod)
}

const MOUNTED: &str = r#"{"volumeMounts": [{"name": "v", "mountPath": "/etc/app/"}],
    "volumes": [{"name": "v", "configMap": {"name": "c"}}]}"#;

#[track_caller]
fn follows(read: Reading, more: Value, change: Kind, expected: bool) {
    let (mut story, _) = reading(read, more);
    let name = if change == Kind::Secret { "s" } else { "c" };
    story.store_source(saying(change, "broken", false), name);
    story.run_for(100);
    assert_eq!(!story.pod("p").body.is_ready(), expected);
    // What has followed once follows again.
    story.store_source(saying(change, "well", false), name);
    story.run_for(100);
    story.expect("p", "Running ready Runningx0");
    assert_eq!(story.to_come(), 0);
}

#[test]
fn files_follow_their_objects_within_a_minute_and_a_half_and_the_environment_never() {
    let file = |path: &str| Reading::File(path.into());
    let env = |name: &str| Reading::Env(name.into());
    let mounted: Value = serde_json::from_str(MOUNTED).unwrap();
    follows(file("/etc/app/mode"), mounted.clone(), Kind::ConfigMap, true);
    follows(file("/etc/app/other"), mounted, Kind::ConfigMap, false);
    let projected = json!({ "volumeMounts": [{ "name": "v", "mountPath": "/run" }], "volumes": [{ "name": "v", "projected":
        { "sources": [{ "secret": { "name": "s", "items": [{ "key": "mode", "path": "sub/how" }] } }] } }] });
    follows(file("/run/sub/how"), projected.clone(), Kind::Secret, true);
    follows(file("/run/mode"), projected, Kind::Secret, false);
    let by_sub_path = json!({ "volumeMounts": [{ "name": "v", "mountPath": "/app.conf", "subPath": "mode" }],
        "volumes": [{ "name": "v", "configMap": { "name": "c" } }] });
    follows(file("/app.conf"), by_sub_path, Kind::ConfigMap, false);
    let one = json!({ "env": [{ "name": "MODE", "valueFrom": { "secretKeyRef": { "name": "s", "key": "mode" } } }] });
    follows(env("MODE"), one, Kind::Secret, false);
    let all = json!({ "envFrom": [{ "prefix": "APP_", "configMapRef": { "name": "c" } }] });
    follows(env("APP_mode"), all, Kind::ConfigMap, false);
}

#[test]
fn an_immutable_object_is_not_watched() {
    let mut mounted: Value = serde_json::from_str(MOUNTED).unwrap();
    let (story, _) = reading(Reading::File("/etc/app/mode".into()), mounted.clone());
    assert_eq!(story.watched.len(), 1);
    mounted["immutable"] = json!(true);
    let (story, _) = reading(Reading::File("/etc/app/mode".into()), mounted);
    assert_eq!(story.watched.len(), 0);
}

#[test]
fn a_container_that_is_started_again_sees_what_its_environment_is_then() {
    let env =
        json!({ "env": [{ "name": "MODE", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "mode" } } }] });
    let (mut story, pod) = reading(Reading::Env("MODE".into()), env);
    story.store_source(saying(Kind::ConfigMap, "broken", false), "c");
    story.run_for(100);
    story.expect("p", "Running ready Runningx0");
    story.apply("q", pod);
    story.run_for(10);
    story.expect("q", "Running unready Runningx0");
    assert_eq!(messages(&story, "Unhealthy").len(), 0, "it has never been ready");
}
