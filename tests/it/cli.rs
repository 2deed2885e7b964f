//! The command line as people and programs meet it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const HELLO: &str = "scenarios/hello.yaml";

fn wavetank(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    let command = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().expect("the binary can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what is printed is text")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[track_caller]
fn check_exit(output: &Output, code: i32) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "standard output:\n{out}\nstandard error:\n{err}");
}

/// A folder for the test with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    folder
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

#[test]
fn hello_runs_and_reads_like_kubectl() {
    let output = wavetank(&["run", HELLO]);
    check_exit(&output, 0);
    let out = text(&output.stdout);
    assert!(out.starts_with("loaded scenario hello: 3 nodes, "), "{out}");
    assert!(out.contains("NAMESPACE   NAME"), "{out}");
    assert!(out.contains("\nmet    "), "{out}");
    assert!(out.contains("\ndigest "), "{out}");
    assert!(out.contains(&format!("repeat with: wavetank run {HELLO} --seed ")), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours where nobody sees them");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn json_holds_the_digest_and_two_runs_agree() {
    let run = || {
        let output = wavetank(&["run", HELLO, "--seed", "7", "-o", "json"]);
        check_exit(&output, 0);
        json(&text(&output.stdout))
    };
    let summary = run();
    assert_eq!(summary["digest"].as_str().map(str::len), Some(32), "{summary}");
    assert_eq!((&summary["seed"], &summary["scenario"]), (&Value::from(7), &Value::from("hello")));
    assert_eq!(summary, run());
}

#[test]
fn yaml_holds_the_digest_too() {
    let output = wavetank(&["run", HELLO, "-o", "yaml"]);
    check_exit(&output, 0);
    assert!(text(&output.stdout).contains("digest: "));
}

#[test]
fn out_writes_its_files_at_once() {
    let home = folder(&[]);
    let out = home.path().join("out");
    check_exit(&wavetank(&["run", HELLO, "--out", shown(&out)]), 0);
    let file = |name: &str| fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let summary = json(&file("summary.json"));
    let objects = json(&file("objects.json"));
    assert_eq!((&objects["apiVersion"], &objects["kind"]), (&Value::from("v1"), &Value::from("List")));
    let items = objects["items"].as_array().expect("a List has items");
    assert!(items.iter().any(|object| object["kind"] == "Deployment"), "the Deployment is among the objects");
    let journal = file("journal.jsonl");
    assert_eq!(Some(journal.lines().count() as u64), summary["journalEntries"].as_u64());
    journal.lines().for_each(|line| assert!(json(line)["t"].is_u64(), "{line}"));
    assert!(file("metrics.csv").lines().count() > 1);
    let parquet = || fs::read(out.join("metrics.parquet")).expect("there are metrics as columns");
    let columns = parquet();
    assert!(columns.starts_with(b"PAR1") && columns.ends_with(b"PAR1"));
    let page = file("report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"), "the page is whole");
    assert!(page.contains(summary["digest"].as_str().expect("a digest")));
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 1, "nothing else is left behind");

    check_exit(&wavetank(&["run", HELLO, "--out", shown(&out), "--no-journal"]), 0);
    assert!(!out.join("journal.jsonl").exists(), "an output is replaced whole");
    assert_eq!(parquet(), columns, "the same run gives the same bytes");
    let left_out = json(&file("trace.json"))["otherData"]["leftOut"].to_string();
    assert!(left_out.contains("no journal was kept"), "{left_out}");
    assert_eq!(json(&file("summary.json"))["digest"], summary["digest"]);
}

/// The slices of a trace by category, each with process, track, beginning and end in nanoseconds.
fn slices(trace: &Value, category: &str) -> Vec<(u64, u64, u64, u64)> {
    let nanos = |event: &Value, field: &str| (event[field].as_f64().expect("a number") * 1e3).round() as u64;
    let events = trace["traceEvents"].as_array().expect("a trace has events");
    let of_category = events.iter().filter(|event| event["ph"] == "X" && event["cat"] == category);
    of_category
        .map(|event| {
            let from = nanos(event, "ts");
            let number = |field: &str| event[field].as_u64().expect("a whole number");
            (number("pid"), number("tid"), from, from + nanos(event, "dur"))
        })
        .collect()
}

#[test]
fn the_trace_of_a_run_has_nodes_with_pods_faults_and_requests() {
    let home = folder(&[]);
    let out = home.path().join("out");
    let run = wavetank(&["run", "scenarios/node-loss.yaml", "--out", shown(&out)]);
    check_exit(&run, 0);
    let file = |name: &str| fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let trace = json(&file("trace.json"));
    let events = trace["traceEvents"].as_array().expect("a trace has events");
    let count = |field: &str, value: &str| events.iter().filter(|event| event[field] == value).count();
    let processes = events.iter().filter(|event| event["name"] == "process_name");
    let named = processes.filter_map(|event| event["args"]["name"].as_str()).collect::<Vec<_>>();
    assert!(["cluster", "API server"].iter().all(|name| named.contains(name)), "{named:?}");
    assert!(named.iter().filter(|name| name.starts_with("node ")).count() >= 2, "{named:?}");
    assert!(!slices(&trace, "fault").is_empty() && count("cat", "request") > 100);
    let starts = file("journal.jsonl").lines().filter(|line| line.contains("\"kind\":\"pod-starts\"")).count();
    let running = slices(&trace, "running");
    assert!(starts > 0 && running.len() == starts, "{starts} pods started, {} are shown", running.len());
    let mut pods: Vec<_> = running.into_iter().chain(slices(&trace, "starting")).collect();
    pods.sort_unstable();
    let overlap =
        pods.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1) && pair[0].3 > pair[1].2);
    assert_eq!(overlap, None, "two pods on one track at the same time");
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let home = folder(&[("thesis.txt", "years of work")]);
    let output = wavetank(&["run", HELLO, "--out", shown(home.path())]);
    check_exit(&output, 2);
    assert!(text(&output.stderr).contains("not empty and no output of wavetank"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 1);
}

#[track_caller]
fn check_bad_manifest(manifest: &str, line_and_column: &str, expected: &str) {
    let home = folder(&[("bad.yaml", manifest)]);
    let file = home.path().join("bad.yaml");
    let output = wavetank(&["run", shown(&file)]);
    check_exit(&output, 2);
    let error = text(&output.stderr);
    assert!(error.starts_with(&format!("error: {}:{line_and_column}: ", shown(&file))), "{error}");
    assert!(error.contains(expected), "{error}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn bad_input_names_its_place() {
    let typo = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicsa: 3\n";
    check_bad_manifest(typo, "5:3", "replicas");
    let amount = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: x\n    resources:\n      requests:\n        cpu: 1x\n";
    check_bad_manifest(amount, "10:14", "spec.containers[0].resources.requests.cpu: quantities must match");
}

#[test]
fn what_is_not_there_or_means_nothing_is_bad_input() {
    for arguments in [
        &["run", "no/such/file.yaml"][..],
        &["run"],
        &["rnu"],
        &["run", HELLO, "--duration", "soon"],
        &["run", HELLO, "--duration", "0s"],
        &["run", HELLO, "--set", "nonsense"],
        &["run", HELLO, "--seed", "-1"],
    ] {
        let output = wavetank(arguments);
        check_exit(&output, 2);
        let error = text(&output.stderr);
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
    }
}

#[test]
fn an_expectation_that_fails_is_exit_code_1() {
    let scenario = "\
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: vain}
duration: 10s
expect:
  - eventually: {resource: deployment/web, exists: true}
";
    let home = folder(&[("vain.yaml", scenario)]);
    let output = wavetank(&["run", shown(&home.path().join("vain.yaml"))]);
    check_exit(&output, 1);
    assert!(text(&output.stdout).contains("\nfailed "), "{}", text(&output.stdout));
}

#[test]
fn help_names_every_way_to_end() {
    let output = wavetank(&["--help"]);
    check_exit(&output, 0);
    let help = text(&output.stdout);
    assert!(help.contains("run") && help.contains("Exit codes:"), "{help}");
}

#[test]
fn bench_measures_test_cases_and_prints_them_in_three_ways() {
    let case = "scenarios/scheduler_perf/basic.yaml";
    let output = wavetank(&["bench", "scheduler", case, "--label", "test", "-o", "json", "--repeat", "2"]);
    check_exit(&output, 0);
    let figures = json(&text(&output.stdout));
    let line = &figures["testCases"][0];
    assert_eq!(
        (&line["testCase"], &line["workload"], &line["nodes"], &line["pods"]),
        (&"SchedulingBasic".into(), &"5Nodes".into(), &5.into(), &10.into())
    );
    assert!(line["podsPerSecond"].as_f64().is_some_and(|rate| rate > 0.0), "{line}");
    let output = wavetank(&["bench", "scheduler", case, "--label", "test", "-o", "markdown"]);
    let out = text(&output.stdout);
    assert!(out.starts_with("| test case | workload | nodes | pods | "), "{out}");
    assert!(out.contains("\n| SchedulingBasic | 5Nodes | 5 | 10 | "), "{out}");
    let output = wavetank(&["bench", "scheduler", case, "--all", "--only", "Basic/5Nodes"]);
    let out = text(&output.stdout);
    assert!(out.starts_with("TEST CASE         WORKLOAD   NODES   PODS   "), "{out}");
}

#[test]
fn bench_says_what_it_cannot_measure() {
    let check = |arguments: &[&str], expected: &str| {
        let output = wavetank(&[&["bench", "scheduler"], arguments].concat());
        check_exit(&output, 2);
        assert_eq!(text(&output.stderr), expected);
    };
    check(&["plane"], "error: \"plane\" is neither a workload nor a file\n  help: did you mean \"plain\"?\n");
    check(
        &["scenarios/scheduler_perf/basic.yaml", "--label", "small"],
        "error: scenarios/scheduler_perf/basic.yaml: no workload is chosen that can be run\n  help: choose with --label \
         (there are: large, performance, short, test), --only, or --all\n",
    );
    check(
        &["scenarios/hello.yaml"],
        "error: scenarios/hello.yaml:1:1: it holds 2 documents: a file of test cases is one list\n",
    );
}

#[test]
fn a_recording_is_done_again_and_told_in_its_own_format() {
    let folder = "tests/it/conformance/controllers/rs-adopt";
    let output = wavetank(&["run", "--conformance", folder]);
    check_exit(&output, 0);
    let out = text(&output.stdout);
    assert!(out.starts_with("rs-adopt: 181 fields compared, 181 equal, 0 different"), "{out}");
    let output = wavetank(&["run", "--conformance", folder, "-o", "json"]);
    check_exit(&output, 0);
    let answer = json(&text(&output.stdout));
    assert_eq!(answer["name"], "rs-adopt");
    assert_eq!(answer["steps"].as_array().map(Vec::len), Some(7));
    assert_eq!(answer["steps"][1]["objects"]["ReplicaSet/r"]["observed"], "current");
}

#[test]
fn a_recording_that_disagrees_is_a_failure_and_a_wrong_one_bad_input() {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let steps = "name: one\ncluster: shared\nnodes: []\nsteps:\n- op: apply\n  files: [c.yaml]\n  wait: 1\n";
    let expected = r#"{"steps": [{"step": 0, "op": "apply", "result": ["ok"], "objects": {"ConfigMap/d": {}}}]}"#;
    let home = folder(&[("steps.yaml", steps), ("expected.json", expected)]);
    let path = shown(home.path());
    let output = wavetank(&["run", "--conformance", path]);
    check_exit(&output, 2);
    assert!(text(&output.stderr).contains("steps.yaml:6:11: steps[0].files[0]: there is no manifests/c.yaml"));
    fs::create_dir(home.path().join("manifests")).expect("a folder can be made");
    fs::write(home.path().join("manifests/c.yaml"), manifest).expect("a file can be written");
    let output = wavetank(&["run", "--conformance", path]);
    check_exit(&output, 1);
    assert!(
        text(&output.stdout).contains("  step 0 objects > ConfigMap/c: wanted nothing, got {}"),
        "extra objects count"
    );
}
