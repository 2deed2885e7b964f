//! Snapshots of clusters: pending pods decided and explained, mistakes in files, scenarios made of them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const SMALL: &str = "scenarios/snapshots/small.yaml";

fn wavetank(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    // A command that refuses its arguments does not wait for what it would have read.
    let _ = child.stdin.take().expect("its input is piped").write_all(input);
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what is printed is text")
}

/// What a command prints, once its exit code is right.
#[track_caller]
fn printed(arguments: &[&str], input: &[u8], code: i32) -> String {
    let output = wavetank(arguments, input);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    out
}

fn small() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SMALL)).expect("the snapshot is there")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn pods_are_placed_one_after_the_other() {
    let out = printed(&["schedule", "-f", SMALL, "--tie", "first"], b"", 1);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "NAMESPACE   NAME             NODE       MESSAGE");
    assert_eq!(lines[1], "default     web-5d9c-hv7mt   worker-1");
    assert!(lines[2].starts_with("default     report-6tq       <none>     0/5 nodes are available: 1 "), "{out}");
    assert_eq!(lines[4], "2 pending pods: 1 placed, 1 not");
    let fits = printed(&["schedule", "-f", SMALL, "--pod", "web-5d9c-hv7mt"], b"", 1);
    assert!(!fits.contains("report-6tq"), "{fits}");
}

#[test]
fn every_way_in_gives_the_same_answer() {
    let expected = printed(&["schedule", "-f", SMALL, "-o", "json"], b"", 1);
    let small = small();
    assert_eq!(printed(&["schedule", "-f", "-", "-o", "json"], small.as_bytes(), 1), expected);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(small.as_bytes()).expect("it can be packed");
    let packed = packed.finish().expect("it can be packed");
    assert_eq!(printed(&["schedule", "-f", "-", "-o", "json"], &packed, 1), expected);

    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let (nodes, pods) = small.split_once("- apiVersion: v1\n  kind: Pod\n").expect("nodes come first");
    let nodes = format!("{nodes}kind: List\n");
    let pods = format!("apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n{pods}");
    fs::write(folder.path().join("a.yaml"), nodes).expect("a file can be written");
    fs::write(folder.path().join("b.yaml"), pods).expect("a file can be written");
    let (a, b) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
    let path = |path: &Path| path.to_str().expect("the path is text").to_owned();
    assert_eq!(printed(&["schedule", "-f", &path(folder.path()), "-o", "json"], b"", 1), expected);
    assert_eq!(printed(&["schedule", "-f", &path(&b), "-f", &path(&a), "-o", "json"], b"", 1), expected);
}

#[test]
fn json_has_every_node_and_the_explanation() {
    let out = json(&printed(&["schedule", "-f", SMALL, "--explain", "--tie", "first", "-o", "json"], b"", 1));
    assert_eq!((&out["placed"], &out["unplaced"]), (&Value::from(1), &Value::from(1)));
    let [web, report] = out["decisions"].as_array().expect("decisions are a list").as_slice() else { panic!("{out}") };
    assert_eq!(web["nodes"].as_object().map(serde_json::Map::len), Some(5));
    assert_eq!(web["explanation"]["placed"]["rival"]["node"], "worker-0");
    let remedies = report["explanation"]["unplaced"]["remedies"].as_array().expect("remedies are a list");
    assert_eq!(remedies[0]["changes"][0]["kind"], "LowerRequest");
}

#[test]
fn a_configuration_decides_otherwise() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let file = folder.path().join("ksc.yaml");
    let configuration = "\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- plugins:
    filter: {disabled: [{name: TaintToleration}]}
";
    fs::write(&file, configuration).expect("a file can be written");
    let path = file.to_str().expect("the path is text");
    let out = json(&printed(&["schedule", "-f", SMALL, "--config", path, "-o", "json"], b"", 0));
    assert_eq!(out["decisions"][1]["chosen"], "gpu-0");
    fs::write(&file, configuration.replace("disabled", "disabeld")).expect("a file can be written");
    let output = wavetank(&["schedule", "-f", SMALL, "--config", path], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("ksc.yaml:5:14: "), "{}", text(&output.stderr));
}

#[track_caller]
fn check_mistake(arguments: &[&str], input: &str, expected: &str) {
    let output = wavetank(arguments, input.as_bytes());
    assert_eq!(output.status.code(), Some(2), "{input}");
    assert_eq!(text(&output.stderr).trim_end(), expected, "{input}");
}

#[test]
fn mistakes_name_file_line_and_field() {
    let typo = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  contaners: []\n";
    check_mistake(
        &["schedule", "-f", "-"],
        typo,
        "error: (standard input):5:3: unknown field \"spec.contaners\"\n  help: did you mean \"containers\"?",
    );
    check_mistake(&["schedule", "-f", "no.yaml"], "", "error: no.yaml cannot be read: there is no such file");
    check_mistake(&["schedule", "-f", SMALL, "--pod", "nobody"], "", "error: no pending pod is named \"nobody\"");
    let case = |pending: &str| format!("\n{{\"name\": \"x\", \"cluster\": {{}}, \"pending\": [{pending}]}}\n");
    let cases = ["schedule", "--cases", "-"];
    check_mistake(
        &cases,
        &case("{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"priority\": \"1\"}}"),
        "error: (standard input):2:91: pending[0].spec.priority: expected an integer, found the string \"1\"\n  \
         help: write it without quotes: 1",
    );
    check_mistake(
        &cases,
        &case("{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"nodeName\": \"n\"}}"),
        "error: (standard input):2:91: pending[0].spec.nodeName: a pending pod has no node yet",
    );
    check_mistake(&cases, "{\"name\": \"x\"}", "error: (standard input):1:1: missing required field \"cluster\"");
    check_mistake(&cases, "{\"name\":", "error: (standard input):1:8: not a JSON object: EOF while parsing a value");
}

#[test]
fn what_is_not_known_is_noted_and_left_out() {
    let custom = "apiVersion: example.dev/v1\nkind: Widget\nmetadata: {name: w}\n---\n";
    let output = wavetank(&["schedule", "-f", "-"], format!("{custom}{custom}{}", small()).as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let note = "note: 2 objects of kind Widget (example.dev/v1) left out: the kind is not known\n";
    assert_eq!(text(&output.stderr), note);
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("there is a README");
    let command = "wavetank schedule -f scenarios/snapshots/small.yaml --explain --tie first";
    let (_, after) = readme.split_once(command).expect("the README has the command");
    let shown = after.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("and its output");
    let out = printed(&["schedule", "-f", SMALL, "--explain", "--tie", "first"], b"", 1);
    let mut lines = out.lines();
    for line in shown.lines().filter(|line| line.trim() != "…") {
        let begins = line.strip_suffix(" …").unwrap_or(line);
        let is_it = |other: &str| other == line || (begins != line && other.starts_with(begins));
        assert!(lines.any(is_it), "the README shows this line, which is not printed:\n{line}\nin\n{out}");
    }
}

#[test]
fn a_snapshot_becomes_a_scenario_that_runs() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let file = folder.path().join("imported.yaml");
    let path = file.to_str().expect("the path is text");
    printed(&["import", "-f", SMALL, "-o", path], b"", 0);
    let summary = json(&printed(&["run", path, "-o", "json"], b"", 0));
    assert_eq!(summary["scenario"], "imported");
    assert_eq!(summary["failedActions"].as_array().map_or(0, Vec::len), 0, "{summary}");
    let again = wavetank(&["import", "-f", SMALL, "-o", path], b"");
    assert_eq!(again.status.code(), Some(2), "a file that is there is left alone");
}

/// Pods by name with their nodes.
fn placed(objects: &Value) -> Vec<(String, String)> {
    let items = objects["items"].as_array().expect("a List has items");
    let pods = items.iter().filter(|object| object["kind"] == "Pod");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut pods: Vec<(String, String)> =
        pods.map(|pod| (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]))).collect();
    pods.sort();
    pods
}

#[test]
fn what_a_simulation_left_is_imported_as_it_is() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let at = |name: &str| folder.path().join(name).to_str().expect("the path is text").to_owned();
    printed(&["run", "scenarios/hello.yaml", "--out", &at("first")], b"", 0);
    let objects = at("first/objects.json");
    printed(&["import", "-f", &objects, "-o", &at("again.yaml")], b"", 0);
    printed(&["run", &at("again.yaml"), "--duration", "5m", "--out", &at("second")], b"", 0);
    let read = |path: String| json(&fs::read_to_string(path).expect("the objects were written"));
    let (first, second) = (read(objects), read(at("second/objects.json")));
    assert_eq!(placed(&first).len(), 3);
    assert_eq!(placed(&second), placed(&first), "the Deployment and its ReplicaSet have taken their pods back");
}
