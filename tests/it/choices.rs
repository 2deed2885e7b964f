//! `wavetank list` and `wavetank new`: what there is to choose from, and where to start.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn wavetank(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wavetank")).args(arguments).output().expect("the binary can be started")
}

/// What is printed, where all goes well.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = wavetank(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("what is printed is text")
}

#[track_caller]
fn check_refused(arguments: &[&str], expected: &str) {
    let output = wavetank(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.starts_with("error: ") && error.contains(expected), "{arguments:?}: {error}");
}

#[test]
fn families_and_their_members_are_listed_with_docs() {
    let families = printed(&["list"]);
    assert!(families.starts_with("NAME          MEMBERS   DOC\n"), "{families}");
    for family in ["controllers", "plugins", "behaviours", "actions", "flags", "faults", "checks", "traces"] {
        assert!(families.contains(&format!("\n{family} ")), "{families}");
        let json: Value = serde_json::from_str(&printed(&["list", family, "-o", "json"])).expect("JSON");
        let members = json.as_array().expect("a list of members");
        assert!(!members.is_empty(), "{family}");
        let table = printed(&["list", family]);
        assert_eq!(table.lines().count(), members.len() + 1, "{table}");
        for member in members {
            let name = member["name"].as_str().expect("a member has a name");
            assert!(member["doc"].as_str().is_some_and(|doc| !doc.is_empty()), "{family} {name} has no doc");
            let whole = printed(&["list", family, name]);
            assert!(whole.starts_with(&format!("{name}\n\n")), "{whole}");
        }
    }
}

#[test]
fn a_fault_is_shown_whole() {
    let whole = printed(&["list", "faults", "nodeCrash"]);
    for part in ["PARAMETER   TYPE", "nodes       nodes", "example:\nfaults:\n- at: ", "\n  nodeCrash: {"] {
        assert!(whole.contains(part), "{part:?} in {whole}");
    }
}

#[test]
fn what_is_not_there_has_a_nearest_neighbour() {
    check_refused(&["list", "faults", "nodeCrush"], "did you mean \"nodeCrash\"?");
    check_refused(&["list", "plugins", "NodeAfinity"], "did you mean \"NodeAffinity\"?");
    check_refused(&["list", "flags", "zzz"], "see wavetank list flags");
    check_refused(&["list", "checks", "no-adress-twice"], "did you mean \"no-address-twice\"?");
    check_refused(&["list", "fault"], "a similar value exists: 'faults'");
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

#[test]
fn the_starter_runs_and_passes_as_it_is() {
    let home = tempfile::tempdir().expect("there is a place for temporary files");
    let file = home.path().join("mine.yaml");
    assert_eq!(printed(&["new", "mine", "-o", shown(&file)]), "");
    let text = fs::read_to_string(&file).expect("it has been written");
    assert_eq!(text, printed(&["new", "mine"]));
    assert!(text.contains("\n  name: mine\n"), "{text}");
    let summary: Value = serde_json::from_str(&printed(&["run", shown(&file), "-o", "json"])).expect("JSON");
    assert_eq!((&summary["met"], &summary["scenario"]), (&Value::from(true), &Value::from("mine")));
    assert_eq!(summary["expectations"].as_array().map(Vec::len), Some(4));
}

#[test]
fn what_the_starter_leaves_out_runs_as_well() {
    let home = tempfile::tempdir().expect("there is a place for temporary files");
    let file = home.path().join("all.yaml");
    let is_example = |line: &str| line.starts_with("# ") && (line.contains(": ") || line.ends_with(':'));
    let text = printed(&["new"]);
    let (head, body) = text.split_once("apiVersion").expect("it is a scenario");
    let uncommented = body.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if is_example(line) && (rest.starts_with([' ', '-']) || rest.starts_with("axes:")) => rest,
        _ => line,
    });
    let text = format!("{head}apiVersion{}", uncommented.collect::<Vec<_>>().join("\n"));
    for part in ["- name: gpu", "- at: 7m", "  drain: worker-1", "axes:", "  nodes.worker.count: [3, 4, 8]"] {
        assert!(text.lines().any(|line| line == part), "{part:?} in {text}");
    }
    fs::write(&file, text).expect("a file can be written");
    let summary: Value = serde_json::from_str(&printed(&["run", shown(&file), "-o", "json"])).expect("JSON");
    assert_eq!((&summary["met"], &summary["runs"]), (&Value::from(true), &Value::from(6)));
}

#[test]
fn nothing_is_overwritten_and_names_are_names() {
    let home = tempfile::tempdir().expect("there is a place for temporary files");
    let file = home.path().join("thesis.yaml");
    fs::write(&file, "years of work").expect("a file can be written");
    check_refused(&["new", "-o", shown(&file)], "is there already; name another file");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "years of work");
    check_refused(&["new", "-o", shown(&home.path().join("no/such/folder.yaml"))], "cannot be written");
    check_refused(&["new", "My Scenario"], "a lowercase RFC 1123 subdomain");
}
