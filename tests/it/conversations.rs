//! Conversations recorded from a real API server (1.23) against the answers of `wavetank api --cases`.
//!
//! A reply agrees where its code and its whole body are equal. What 1.34 answers otherwise by design is taken out of ours
//! first, and counts as agreeing ([`NEWS`], [`BY_DESIGN`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::story::root;

/// Fields that later versions have added: `generation` of pods and others (1.33), `podReplacementPolicy` (1.28) and the
/// like.
const NEWS: &[&str] = &[
    "/metadata/generation",
    "/status/observedGeneration",
    "/spec/podReplacementPolicy",
    "/spec/manualSelector",
    "/spec/persistentVolumeClaimRetentionPolicy",
];

/// Differences by design: where (the end of a path), and why.
const BY_DESIGN: &[(&str, &str)] = &[
    (
        "/spec/selector/matchLabels/controller-uid",
        "since 1.27 the selector of a Job names batch.kubernetes.io/controller-uid (pkg/registry/batch/job/strategy.go)",
    ),
    ("/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid", "the same"),
    ("/spec/template/metadata/labels/batch.kubernetes.io~1controller-uid", "since 1.27, beside the label of old"),
    ("/spec/template/metadata/labels/batch.kubernetes.io~1job-name", "the same"),
    (
        "/spec/internalTrafficPolicy",
        "a Service without addresses has none since 1.26 (pkg/apis/core/v1/defaults.go, SetDefaults_Service)",
    ),
    (
        "/hostPort",
        "templates of pods on the host's network get no host ports since 1.28 \
         (DefaultHostNetworkHostPortsInPodTemplates, pkg/apis/core/v1/defaults.go)",
    ),
];

/// Messages that later versions word otherwise: as recorded, as they are now, and where that comes from.
const REWORDED: &[(&str, &str, &str)] = &[
    ("must be no more than 63 characters", "must be no more than 63 bytes", "apimachinery pkg/util/validation, 1.31"),
    (
        "supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\"",
        "supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
        "the access mode is stable since 1.29",
    ),
    (
        "`spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` \
         (only additions to existing tolerations) or `spec.terminationGracePeriodSeconds`",
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
         additions to existing tolerations),`spec.terminationGracePeriodSeconds`",
        "pkg/apis/core/validation, ValidatePodUpdate",
    ),
    (
        "except resources.requests for bound claims",
        "except resources.requests and volumeAttributesClassName for bound claims",
        "pkg/apis/core/validation, ValidatePersistentVolumeClaimUpdate",
    ),
    (
        "may only be set when `type` is 'NodePort' or 'LoadBalancer'",
        "may only be set for externally-accessible services",
        "pkg/apis/core/validation, 1.26",
    ),
    ("Ingress.extensions ", "Ingress.networking.k8s.io ", "pkg/registry/networking/ingress/storage, 1.25"),
    ("map[string]string(nil)", "null", "values are printed as JSON since 1.31 (field.Error)"),
];

/// How many replies of each family agree at least.
const AGREE_AT_LEAST: &[(&str, usize)] = &[
    ("apply", 164),
    ("default", 126),
    ("delete", 236),
    ("invalid", 91),
    ("list", 143),
    ("misc", 150),
    ("patch", 275),
    ("update", 156),
];

fn recorded() -> Vec<Value> {
    let path = root().join("tests/it/conformance/conversations.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(File::open(path).expect("the conversations are there"))).lines();
    lines.map(|line| serde_json::from_str(&line.expect("a line")).expect("a line is JSON")).collect()
}

/// What the command answers to all cases.
fn answered(cases: &[Value]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["api", "--cases", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command can be run");
    let mut input = child.stdin.take().expect("it has an input");
    let text: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).expect("it takes the cases"));
    let lines = BufReader::new(child.stdout.take().expect("it has an output")).lines();
    let answers = lines.map(|line| serde_json::from_str(&line.expect("a line")).expect("a line is JSON")).collect();
    writer.join().expect("all is written");
    assert!(child.wait().expect("it ends").success());
    answers
}

/// Our reply without news that theirs does not have.
fn without_news(mut ours: Value, theirs: &Value) -> Value {
    for pointer in NEWS {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
        if theirs.pointer(pointer).is_none()
            && let Some(fields) = ours.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            fields.remove(field);
        }
    }
    let items = ours.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
    if let Some(items) = items {
        let other = |index: usize| theirs.pointer(&format!("/items/{index}")).cloned().unwrap_or_default();
        let items = items.into_iter().enumerate().map(|(index, item)| without_news(item, &other(index)));
        ours["items"] = items.collect();
    }
    ours
}

/// The paths at which two bodies differ, with what is there.
fn differences(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    let is_design = |path: &str| {
        // Host ports differ in templates alone.
        let is_template = !path.ends_with("/hostPort") || path.contains("/template/");
        is_template && BY_DESIGN.iter().any(|(end, _)| path.ends_with(end))
    };
    let mut note = |path: String, what: String| {
        if !is_design(&path) {
            found.push(format!("{path} {what}"));
        }
    };
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let key = |name: &str| format!("{path}/{}", name.replace('/', "~1"));
            for (name, value) in theirs.iter().filter(|(name, _)| !ours.contains_key(*name)) {
                note(key(name), format!("is missing: {value}"));
            }
            for (name, value) in ours.iter().filter(|(name, _)| !theirs.contains_key(*name)) {
                note(key(name), format!("is not theirs: {value}"));
            }
            for (name, value) in theirs {
                if let Some(other) = ours.get(name) {
                    differences(&key(name), value, other, found);
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                differences(&format!("{path}/{index}"), theirs, ours, found);
            }
        }
        (theirs, ours) if theirs == ours => {}
        (theirs, ours) => note(path.to_owned(), format!("is {ours}, not {theirs}")),
    }
}

/// A recorded body as later versions word it.
fn reworded(body: &Value) -> Value {
    match body {
        Value::String(text) => {
            let new = |text: String, (old, new, _): &(&str, &str, &str)| match text.contains(new) {
                true => text,
                false => text.replace(old, new),
            };
            Value::String(REWORDED.iter().fold(text.clone(), new))
        }
        Value::Array(items) => items.iter().map(reworded).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), reworded(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn recorded_conversations_are_answered_as_the_api_server_answered_them() {
    let cases = recorded();
    let answers = answered(&cases);
    assert_eq!(answers.len(), cases.len());
    let mut families: BTreeMap<&str, (usize, usize, Vec<String>)> = BTreeMap::new();
    for (case, answer) in cases.iter().zip(&answers) {
        let name = case["name"].as_str().expect("a case has a name");
        assert_eq!(answer["name"], case["name"]);
        let family = families.entry(name.split('-').next().unwrap_or_default()).or_default();
        let expected = case["expected"].as_array().expect("replies were recorded");
        let replies = answer["replies"].as_array().expect("replies are given");
        assert_eq!(expected.len(), replies.len(), "{name}");
        for (number, (theirs, ours)) in expected.iter().zip(replies).enumerate() {
            let mut found = Vec::new();
            differences("/code", &theirs["code"], &ours["code"], &mut found);
            let theirs = &json!({"code": theirs["code"], "body": reworded(&theirs["body"])});
            differences("", &theirs["body"], &without_news(ours["body"].clone(), &theirs["body"]), &mut found);
            family.0 += 1;
            match found.into_iter().next() {
                None => family.1 += 1,
                Some(first) => family.2.push(format!("{name} {number}: {first}")),
            }
        }
    }
    let mut worse = String::new();
    for (family, (all, agree, differ)) in &families {
        let least = AGREE_AT_LEAST.iter().find(|(known, _)| known == family).map_or(*all, |(_, least)| *least);
        println!("{family}: {agree} of {all} replies agree");
        if *agree < least {
            let first: String = differ.iter().take(8).map(|line| format!("  {line}\n")).collect();
            worse += &format!("{family}: {agree} of {all} agree, fewer than {least}:\n{first}");
        }
    }
    assert!(worse.is_empty(), "{worse}");
}
