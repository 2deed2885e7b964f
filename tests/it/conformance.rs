//! Decisions of the real kube-scheduler v1.34.1, recorded, against those of `wavetank schedule --cases`.
//!
//! A decision is compared whole: the nodes that can take the pod, the plugin, code and reasons that reject the others,
//! every score, totals, ties and choice, messages to the letter, nominated node and victims. Of the long sequences only
//! pod, choice and message were recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use serde_json::Value;

/// The families of cases.
const FAMILIES: [&str; 13] = [
    "config",
    "gates",
    "images",
    "mixed",
    "nodeaffinity",
    "podaffinity",
    "ports",
    "preempt",
    "resources",
    "services",
    "spread",
    "taints",
    "volumes",
];

/// What of a decision can be compared where not all of it is known.
const BRIEF: [&str; 5] = ["pod", "chosen", "message", "nominated", "victims"];

fn path(file: &str) -> String {
    format!("{}/tests/it/conformance/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn recorded(file: &str) -> impl Iterator<Item = Value> {
    let packed = File::open(path(file)).expect("the recorded cases are there");
    let lines = BufReader::new(GzDecoder::new(packed)).lines();
    lines.map(|line| serde_json::from_str(&line.expect("a line can be read")).expect("a line is JSON"))
}

/// How far decisions agree, by family.
#[derive(Default)]
struct Tally {
    decisions: usize,
    agree: usize,
    /// The first few that do not.
    differences: Vec<String>,
}

/// Decides every case of a file and compares these fields of each decision, or all of it.
fn compare(file: &str, options: &[&str], fields: &[&str]) -> BTreeMap<String, Tally> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["schedule", "--cases", &path(file), "--tie", "first"])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let answers = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
    let mut families: BTreeMap<String, Tally> = BTreeMap::new();
    let mut answers = answers.map(|line| line.expect("an answer can be read"));
    for case in recorded(file) {
        let answer = answers.next().expect("there is an answer for each case");
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert_eq!(answer["name"], case["name"], "answers come in the order of the cases");
        let name = case["name"].as_str().expect("a case has a name");
        let family = name.split('-').next().unwrap_or_default();
        let tally = families.entry(family.to_owned()).or_default();
        let (got, wanted) = (answer["decisions"].as_array(), case["expected"].as_array());
        let (got, wanted) = (got.expect("decisions are a list"), wanted.expect("expectations are a list"));
        assert_eq!(got.len(), wanted.len(), "{name}: one decision a pod");
        for (number, (got, wanted)) in got.iter().zip(wanted).enumerate() {
            let (got, wanted) = (only(got, fields), only(wanted, fields));
            tally.decisions += 1;
            tally.agree += usize::from(got == wanted);
            if got != wanted && tally.differences.len() < 3 {
                tally.differences.push(format!("{name}, decision {number}:\n{}", difference(&wanted, &got)));
            }
        }
    }
    assert_eq!(answers.next(), None, "there is no answer without a case");
    assert!(child.wait().expect("the command ends").success());
    families
}

/// These fields of a decision; without any named, all.
fn only(decision: &Value, fields: &[&str]) -> Value {
    if fields.is_empty() {
        return decision.clone();
    }
    let given = fields.iter().filter(|field| !decision[**field].is_null());
    Value::Object(given.map(|field| ((*field).to_owned(), decision[*field].clone())).collect())
}

/// The fields in which two decisions differ; of nodes the first few.
fn difference(wanted: &Value, got: &Value) -> String {
    let keys = |value: &Value| value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let mut fields: Vec<String> = keys(wanted).into_iter().chain(keys(got)).collect();
    fields.sort();
    fields.dedup();
    let mut text = String::new();
    for field in fields.iter().filter(|field| wanted[*field] != got[*field]) {
        if field != "nodes" {
            text += &format!("  {field}: wanted {} got {}\n", wanted[field], got[field]);
            continue;
        }
        let (wanted, got) = (&wanted["nodes"], &got["nodes"]);
        let mut nodes: Vec<String> = keys(wanted).into_iter().chain(keys(got)).collect();
        nodes.sort();
        nodes.dedup();
        for node in nodes.iter().filter(|node| wanted[*node] != got[*node]).take(3) {
            text += &format!("  {node}: wanted {} got {}\n", wanted[node], got[node]);
        }
    }
    text
}

#[track_caller]
fn check(families: &BTreeMap<String, Tally>, expected: &[&str]) {
    assert_eq!(families.keys().collect::<Vec<_>>(), expected, "the families are all there");
    let mut broken = String::new();
    for (family, tally) in families {
        if tally.agree < tally.decisions {
            broken += &format!("{family}: {} of {} decisions agree\n", tally.agree, tally.decisions);
            broken += &tally.differences.join("");
        }
    }
    assert!(broken.is_empty(), "{broken}");
}

#[test]
fn recorded_cases_are_decided_as_kube_scheduler_decided_them() {
    check(&compare("cases.jsonl.gz", &[], &[]), &FAMILIES);
}

#[test]
fn the_engine_of_simulations_places_their_pods_the_same() {
    check(&compare("cases.jsonl.gz", &["--brief"], &BRIEF), &FAMILIES);
}

#[test]
fn long_sequences_are_placed_as_kube_scheduler_placed_them() {
    check(&compare("sequences.jsonl.gz", &["--brief"], &BRIEF), &["sequence"]);
}
