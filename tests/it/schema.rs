//! The schema of scenario files takes what loading takes, and refuses what is wrong at its place.

use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::{Value, json};
use wavetank::api::located;
use wavetank::scenario::{Found, load, schema};

use crate::story::root;

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("the schema is one")
}

/// The documents of kind Scenario in a text.
fn scenarios(file: &str, text: &str) -> Vec<Value> {
    let documents = located::parse(file, text).unwrap_or_else(|error| panic!("{error}"));
    documents.iter().map(located::Located::to_json).filter(|json| json["kind"] == "Scenario").collect()
}

#[track_caller]
fn check_taken(validator: &Validator, file: &str, text: &str) {
    let found = scenarios(file, text);
    assert_eq!(found.len(), 1, "{file}");
    let errors: Vec<String> =
        validator.iter_errors(&found[0]).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{file}:\n{}\n{text}", errors.join("\n"));
}

#[test]
fn every_shipped_scenario_is_taken() {
    let validator = validator();
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("scenarios")).expect("the folder is there") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a scenario can be read");
        check_taken(&validator, &path.display().to_string(), &text);
        count += 1;
    }
    assert!(count >= 5);
}

#[test]
fn every_shipped_study_is_taken_and_a_slip_is_not() {
    let schema = wavetank::api::json_schema::of::<wavetank::bench::placement::file::StudyFile>();
    let validator = jsonschema::draft202012::new(&schema).expect("the schema is one");
    let text = std::fs::read_to_string(root().join("scenarios/studies/queues.yaml")).expect("a study can be read");
    let study = |text: &str| located::parse("study", text).unwrap_or_else(|error| panic!("{error}"))[0].to_json();
    assert!(validator.is_valid(&study(&text)), "{:?}", validator.iter_errors(&study(&text)).next());
    for (from, to) in [("queue: [none", "queue: [lifo"), ("seeds:", "sedes:"), ("count: 10", "count: ten")] {
        assert!(text.contains(from) && !validator.is_valid(&study(&text.replace(from, to))), "{to}");
    }
}

fn whole(rest: &str) -> String {
    format!("apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: t}}\n{rest}\n")
}

#[test]
fn every_section_is_taken() {
    let validator = validator();
    for rest in [
        "",
        "description: \"yes\"\nseed: 7\nstart: 2026-03-01T12:00:00Z\nduration: 1h30m\nstopWhenMet: true",
        "nodeTypes:\n- {file: types.yaml}\n- {name: m5.large, capacity: {cpu: 2, memory: 8Gi}, allocatable: {cpu: 1.9}, \
         labels: {a: b}, pricePerHour: 0.1}\nnodes: [{name: a, count: 1, type: m5.large}]",
        "nodes: [{name: a, count: 3, capacity: {cpu: 500m, memory: 1e9, pods: 10}, zones: [a], taints: [\"a=b:NoExecute\", \
         {key: k, effect: NoSchedule}], pricePerHour: 1}]",
        "manifests: [a.yaml, {apiVersion: v1, kind: Pod}, {repeat: {count: 2, as: i}, object: {apiVersion: v1, kind: Pod}}]",
        "components:\n  kubeScheduler: {percentage-of-nodes-to-score: 50, tie: first}\n  kubelet: {event-qps: \"5\"}\n  \
         apiServer: {replicas: 3}\n  kubeControllerManager: {concurrent-deployment-syncs: 5}",
        "components: {replicas: {kubeScheduler: 2}, kubeScheduler: {leader-elect-lease-duration: 15s}}",
        "components:\n  kubeScheduler:\n    config:\n      apiVersion: kubescheduler.config.k8s.io/v1\n      \
         kind: KubeSchedulerConfiguration\n      profiles: [{plugins: {score: {disabled: [{name: ImageLocality}]}}}]",
        "components: {kubeScheduler: {config: scheduler.yaml, tie: first}}",
        "latency: {read: 1ms..2ms, watch: 1ms}",
        "behaviours: [{usage: {cpu: 250m, memory: {from: 100Mi, to: 1Gi, over: 10m}}}, {usage: {cpu: [{after: 0s, is: 1}]}, \
         hangs: [{after: 1s, lasts: 2s, probability: 0.5}]}]",
        "behaviours: [{match: {image: \"a:*\"}, startDelay: 1s..2s, exit: {after: 1s, code: 3}, image: {size: 1Gi, missing: \
         true}}]",
        "timeline:\n- {at: 1s, apply: a.yaml}\n- {at: 1s, apply: [a.yaml, {apiVersion: v1, kind: Pod}]}\n- {at: 1s, mayFail: \
         true, drain: a-0}\n- {at: 0s, drain: {node: a-0, gracePeriodSeconds: 5}}\n- {at: 1s, delete: {resource: pod/a, \
         cascade: orphan}}\n- {at: 1s, patch: {resource: pod/a, type: json, patch: []}}\n- {at: 1s, rollout: {undo: \
         deployment/a, toRevision: 1}}",
        "expect: [{eventually: {all: pods, condition: Ready, count: {atLeast: 1}}, within: 5s}, {always: {resource: node/a, \
         field: spec.x, equals: null}}]",
        "checks: {invariants: [no-address-twice, owners-exist-at-rest]}",
        "axes: {\"nodes[0].count\": [1, 2], components.kubeScheduler.tie: [draw, first]}",
    ] {
        check_taken(&validator, "s.yaml", &whole(rest));
    }
}

#[test]
fn every_fault_is_taken_as_its_example_has_it() {
    let validator = validator();
    for entry in wavetank::fault::ALL {
        let example = entry.example.replace('\n', "\n  ");
        check_taken(&validator, entry.name, &whole(&format!("faults:\n- {example}")));
    }
}

/// Both loading and the schema refuse it.
#[track_caller]
fn check_refused(validator: &Validator, rest: &str) {
    let text = whole(rest);
    let read = |_: &Path| Ok(Found::File(text.clone()));
    assert!(load(&[PathBuf::from("s.yaml")], &[], &read).is_err(), "loading takes {rest:?}");
    let documents = located::parse("s.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    assert!(!validator.is_valid(&documents[0].to_json()), "the schema takes {rest:?}");
}

#[test]
fn what_is_wrong_at_its_place_is_refused() {
    let validator = validator();
    let pool = |rest: &str| format!("nodes: [{{name: a, count: 1, capacity: {{cpu: 1, memory: 1Gi}}, {rest}}}]");
    for rest in [
        "node: []",
        "checks: {invariants: [no-adress-twice]}",
        "seed: -1",
        "seed: many",
        "duration: 5",
        "duration: soon",
        "start: [1]",
        "stopWhenMet: 1",
        "latency: {read: 1s..2x}",
        "latency: {reed: 1s}",
        "nodes: [{name: a, count: 1}]",
        "nodes: [{name: a, count: 0, capacity: {cpu: 1, memory: 1Gi}}]",
        "nodes: [{name: a, count: 1, capacity: {cpu: four, memory: 1Gi}}]",
        &pool("pricePerHour: -1"),
        &pool("taints: [a]"),
        &pool("taints: [{key: a, effect: NoShedule}]"),
        &pool("zones: a"),
        "nodeTypes: [{name: a}]",
        "nodeTypes: [m5.large]",
        "components: {kubeScheduler: {kube-api-qbs: 5}}",
        "components: {kubeScheduler: {kube-api-qps: true}}",
        "components: {kubeScheduler: {config: 5}}",
        "components: {kubeScheduler: {config: {apiVersion: v1, kind: KubeSchedulerConfiguration}}}",
        "components: {apiServer: {replicas: 0}}",
        "behaviours: [{exit: {code: 1}}]",
        "components: {replicas: {kubeScheduler: 10}}",
        "behaviours: [{usage: {cpu: {from: 1, to: 2}}}]",
        "timeline: [{at: 1s}]",
        "timeline: [{drain: node-0}]",
        "timeline: [{at: 1s, drain: node-0, cordon: node-0}]",
        "timeline: [{at: 1s, scale: {resource: deployment/web, replicas: -1}}]",
        "timeline: [{at: 1s, mayFail: sometimes, drain: node-0}]",
        "timeline: [{at: 1s, rollout: {undo: deployment/a, pause: deployment/a}}]",
        "timeline: [{at: 1s, delete: {resource: pod/a, cascade: sideways}}]",
        "expect: [{within: 5s}]",
        "expect: [{eventually: {condition: Ready}}]",
        "expect: [{eventually: {all: pods, exists: true}, always: {all: pods, exists: true}}]",
        "manifests: [{kind: Pod}]",
        "manifests: [{repeat: {cout: 2}, object: {}}]",
        "checks: {invariants: [owners-exist]}",
        "checks: {invariant: []}",
        "faults: [{at: 1s}]",
        "faults: [{nodeCrash: {nodes: node-0}}]",
        "faults: [{at: 1s, every: 5s, nodeCrash: {nodes: node-0}}]",
        "faults: [{at: 1s, nodeCrush: {nodes: node-0}}]",
        "faults: [{at: 1s, nodeCrash: {}}]",
        "faults: [{at: 1s, nodeCrash: {nodes: 3}}]",
        "axes: {duration: 1m}",
        "axes: {duration: []}",
    ] {
        check_refused(&validator, rest);
    }
    let other = json!({"apiVersion": "wavetank.dev/v2", "kind": "Scenario", "metadata": {"name": "t"}});
    assert!(!validator.is_valid(&other));
    let unnamed = json!({"apiVersion": "wavetank.dev/v1", "kind": "Scenario", "metadata": {"name": "A b"}});
    assert!(!validator.is_valid(&unnamed));
}

#[test]
fn the_command_prints_it_and_every_field_has_a_doc() {
    let output = Command::new(env!("CARGO_BIN_EXE_wavetank")).arg("schema").output().expect("the binary runs");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("what is printed is JSON");
    assert_eq!(printed, schema());
    assert_eq!(printed["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(printed["title"], "Scenario");
    let mut bare = Vec::new();
    let types = printed["$defs"].as_object().expect("there are definitions").iter();
    for (name, definition) in types.chain([(&"Scenario".to_owned(), &printed)]) {
        for (field, schema) in definition["properties"].as_object().into_iter().flatten() {
            if schema["description"].as_str().is_none_or(|doc| doc.contains("[`") || doc.is_empty()) {
                bare.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(bare.is_empty(), "{bare:?}");
}
