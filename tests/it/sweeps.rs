//! `wavetank run` with `--seeds` and axes: one table, the same bytes for any number of jobs.

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

#[track_caller]
fn printed(arguments: &[&str], code: i32) -> String {
    let output = wavetank(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    out.into_owned()
}

#[track_caller]
fn check_refused(arguments: &[&str], expected: &str) {
    let output = wavetank(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.contains(expected), "{arguments:?}: {error}");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// One axis is harmless, the other decides: pods are not ready within a second.
const AXES: &str = "axes={nodes.worker.count: [3, 4], 'expect[1].within': [60s, 1s]}";

#[test]
fn seeds_make_one_table() {
    let table = printed(&["run", HELLO, "--seeds", "1..3"], 0);
    assert!(table.starts_with("3 seeds: 3 runs\n\nSEED   MET   CONVERGED   READY   DIGEST\n1      yes   "), "{table}");
    let alone = json(&printed(&["run", HELLO, "--seed", "2", "-o", "json"], 0));
    let of_seed_2 = table.lines().nth(4).expect("a line a seed");
    assert!(of_seed_2.contains(alone["digest"].as_str().expect("a digest")), "{of_seed_2}\n{alone}");
    assert!(table.contains("\nmet in all 3 runs\n"), "{table}");
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_jobs() {
    for format in ["table", "json", "yaml"] {
        let with =
            |jobs: &str| printed(&["run", HELLO, "--seeds", "1..3", "--set", AXES, "-o", format, "--jobs", jobs], 1);
        let one = with("1");
        for jobs in ["2", "5"] {
            assert_eq!(with(jobs), one, "{jobs} jobs");
        }
    }
}

#[test]
fn the_first_failure_is_named_and_can_be_repeated() {
    let summary = json(&printed(&["run", HELLO, "--seeds", "5..6", "--set", AXES, "-o", "json"], 1));
    assert_eq!((&summary["runs"], &summary["failed"]), (&Value::from(8), &Value::from(4)));
    let first = &summary["firstFailed"];
    assert_eq!((&first["seed"], &first["values"]), (&Value::from(5), &serde_json::json!([3, "1s"])));
    let repeat = first["repeat"].as_str().expect("a command");
    let words = repeat.strip_prefix("wavetank ").expect("a command of ours");
    let binary = env!("CARGO_BIN_EXE_wavetank");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{binary} {words} -o json")]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = shell.output().expect("there is a shell");
    assert_eq!(output.status.code(), Some(1));
    let alone = json(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(alone["digest"], summary["results"][2]["digest"], "{repeat}");
    assert_eq!(alone["expectations"][1]["met"], false);
}

#[test]
fn out_holds_one_summary_and_the_runs_that_failed() {
    let home = tempfile::tempdir().expect("there is a place for temporary files");
    let out = home.path().join("out");
    let place = out.to_str().expect("the path is text");
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let run = |rest: &[&str], code| {
        let arguments: Vec<&str> =
            ["run", HELLO, "--set", AXES, "--out", place, "-o", "json"].iter().chain(rest).copied().collect();
        json(&printed(&arguments, code))
    };
    let printed = run(&["--seeds", "1..2"], 1);
    let file = |name: &str| fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(json(&file("summary.json")), printed);
    assert_eq!(names(&out), ["failed", "summary.json"]);
    let runs = ["point-1-seed-1", "point-1-seed-2", "point-3-seed-1", "point-3-seed-2"];
    assert_eq!(names(&out.join("failed")), runs);
    let files = [
        "journal.jsonl",
        "metrics.csv",
        "metrics.parquet",
        "objects.json",
        "report.html",
        "summary.json",
        "trace.json",
    ];
    assert_eq!(names(&out.join("failed").join(runs[2])), files);
    let one = json(&file("failed/point-3-seed-1/summary.json"));
    assert_eq!(one["digest"], printed["results"][6]["digest"], "with its journal it is the same history");

    run(&["--seed", "1", "--no-journal"], 1);
    assert_eq!(names(&out.join("failed").join(runs[0])), files[1..], "an output is replaced whole");
    run(&["--set", "expect.1.within=60s"], 0);
    assert_eq!(names(&out), ["summary.json"]);
}

#[test]
fn bad_sweeps_are_bad_input() {
    check_refused(&["run", HELLO, "--seeds", "9..1"], "it ends before it begins");
    check_refused(&["run", HELLO, "--seeds", "1-9"], "write for example 1..100");
    check_refused(&["run", HELLO, "--seeds", "1..2", "--seed", "1"], "cannot be used with");
    check_refused(&["run", HELLO, "--seeds", "1..2", "--jobs", "0"], "--jobs");
    check_refused(&["run", HELLO, "--seeds", "0..18446744073709551615"], "are more than 1000000");
    check_refused(
        &["run", HELLO, "--set", "axes={nodes.worker.count: [3, many]}"],
        "expected an integer not below 0, found the string \"many\"",
    );
    let many: Vec<String> = (1..=101).map(|number| number.to_string()).collect();
    let axis = format!("[{}]", many.join(", "));
    let axes = format!("axes={{nodes.worker.count: {axis}, components.kubelet.event-qps: {axis}}}");
    check_refused(&["run", HELLO, "--set", &axes], "axes: the grid has 10201 points, more than 10000");
}

#[test]
fn an_action_that_fails_is_said_and_is_exit_code_1() {
    let home = tempfile::tempdir().expect("there is a place for temporary files");
    let run = |entry: &str, code: i32| {
        let text = format!(
            "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: t}}\nduration: 1m\ntimeline:\n- {{at: 5s, {entry}}}\n"
        );
        let file = home.path().join("s.yaml");
        fs::write(&file, text).expect("a file can be written");
        let file = file.to_str().expect("the path is text");
        (printed(&["run", file], code), json(&printed(&["run", file, "-o", "json"], code)))
    };
    let (text, summary) = run("delete: deployment/web", 1);
    assert!(text.contains("\nfailed timeline[0].delete at 5."), "{text}");
    assert_eq!((&summary["met"], &summary["failedActions"][0]["mayFail"]), (&Value::from(false), &Value::from(false)));
    let (text, summary) = run("mayFail: true, delete: deployment/web", 0);
    assert!(!text.contains("\nfailed "), "{text}");
    assert_eq!((&summary["met"], &summary["failedActions"][0]["mayFail"]), (&Value::from(true), &Value::from(true)));
}
