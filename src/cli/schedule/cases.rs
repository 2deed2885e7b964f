//! Recorded cases: a cluster and pending pods a line, answered with a line of decisions each.
//!
//! A line is read, decided, answered and forgotten before the next one. Pods are decided in the order of the case, each
//! against the cluster that those before it left; the queue has no say. All nodes are looked at and scored.

use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Decided;
use super::{Choice, Profiles};
use crate::api::located::{Half, InputError, InputErrors, Issue, Path as Field, Segment, nearest, parse};
use crate::api::{Kind, Obj, Object, Pod, convert};
use crate::cli::output::Output;
use crate::cli::{Failure, read};
use crate::scheduler::{Incremental, Snapshot};

/// The lists of objects in `cluster`.
const LISTS: [(&str, Kind); 13] = [
    ("nodes", Kind::Node),
    ("pods", Kind::Pod),
    ("namespaces", Kind::Namespace),
    ("services", Kind::Service),
    ("replicationControllers", Kind::ReplicationController),
    ("replicaSets", Kind::ReplicaSet),
    ("statefulSets", Kind::StatefulSet),
    ("persistentVolumes", Kind::PersistentVolume),
    ("persistentVolumeClaims", Kind::PersistentVolumeClaim),
    ("storageClasses", Kind::StorageClass),
    ("csiNodes", Kind::CSINode),
    ("csiDrivers", Kind::CSIDriver),
    ("podDisruptionBudgets", Kind::PodDisruptionBudget),
];

/// The answer to one case.
#[derive(Serialize)]
struct Answer {
    name: String,
    decisions: Vec<Value>,
}

/// One case, read.
struct Case {
    name: String,
    profiles: Profiles,
    snapshot: Snapshot,
}

/// Answers every case of a file.
pub(super) fn run(path: &Path, brief: bool, choice: Choice) -> Result<ExitCode, Failure> {
    let shown = read::shown(path);
    let unreadable = |why: String| Failure::Refused(format!("{shown} cannot be read: {why}"));
    let mut lines = read::open(path).map_err(unreadable)?;
    let mut output = Output::stdout();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(|error| unreadable(error.to_string()))?;
        if read == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let case = read_case(&shown, number, &line)?;
        let answer = decide_all(case, choice, brief.then(Incremental::default));
        output.write(|out| {
            serde_json::to_writer(&mut *out, &answer)?;
            writeln!(out)
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each pod in turn; with an engine, by it, and only where the pods go and what is said of those that go nowhere.
fn decide_all(case: Case, choice: Choice, mut engine: Option<Incremental>) -> Answer {
    let Case { name, profiles, mut snapshot } = case;
    profiles.prepare(&mut snapshot);
    let mut decisions = Vec::new();
    for pod in std::mem::take(&mut snapshot.pending) {
        let decided = Decided::of(&snapshot.cluster, &profiles, &pod, choice, engine.as_mut());
        let record = decided.record();
        let record = if engine.is_some() { record.without_nodes() } else { record };
        decisions.push(convert::to_value(&record));
        let Decided { decision, chosen, .. } = decided;
        let profile = profiles.of(&pod.body).expect("pods without a profile have been left out");
        snapshot.carry_out(profile, &pod, &decision, chosen);
    }
    Answer { name, decisions }
}

/// Reads a line; what is wrong with it is told with file, line, column and field.
fn read_case(file: &str, line: usize, bytes: &[u8]) -> Result<Case, InputErrors> {
    let error = |column: usize, message: String| {
        let (file, path) = (file.to_owned(), String::new());
        InputErrors(vec![InputError { file, line, column, path, message, help: None }])
    };
    let text = std::str::from_utf8(bytes).map_err(|wrong| error(wrong.valid_up_to() + 1, "not UTF-8".to_owned()))?;
    let value: Value = serde_json::from_str(text).map_err(|wrong| {
        let message = wrong.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        error(wrong.column(), format!("not a JSON object: {what}"))
    })?;
    case_of(value).map_err(|issues| {
        let located = parse(file, text).ok().and_then(|documents| documents.into_iter().next());
        let errors = issues.iter().map(|issue| match &located {
            Some(located) => InputError { line, ..located.error(file, issue) },
            None => {
                let Issue { path, message, help, place: _ } = issue.clone();
                InputError { file: file.to_owned(), line, column: 1, path: path.to_string(), message, help }
            }
        });
        InputErrors(errors.collect())
    })
}

fn case_of(value: Value) -> Result<Case, Vec<Issue>> {
    let mut fields = mapping(value, &[])?;
    let name = match fields.remove("name") {
        Some(Value::String(name)) => name,
        Some(_) => return Err(vec![at(&[key("name")], "must be a string")]),
        None => return Err(vec![Issue::whole("missing required field \"name\"")]),
    };
    let profiles = Profiles::of_case(fields.remove("schedulerConfiguration").as_ref()).map_err(|issues| {
        issues.into_iter().map(|issue| below(&[key("schedulerConfiguration")], issue)).collect::<Vec<_>>()
    })?;
    let mut lists = match fields.remove("cluster") {
        Some(cluster) => mapping(cluster, &[key("cluster")])?,
        None => return Err(vec![Issue::whole("missing required field \"cluster\"")]),
    };
    let mut objects = Vec::new();
    for (list, kind) in LISTS {
        if let Some(items) = lists.remove(list) {
            objects.extend(read_list(kind, items, &[key("cluster"), key(list)])?);
        }
    }
    no_more(&lists, &[key("cluster")], &LISTS.map(|(list, _)| list))?;
    let Some(items) = fields.remove("pending") else {
        return Err(vec![Issue::whole("missing required field \"pending\"")]);
    };
    let pending = read_list(Kind::Pod, items, &[key("pending")])?;
    check_pods(&objects, &[key("cluster"), key("pods")], |pod| {
        pod.body.node_name.is_empty().then(|| ("spec", "a pod of the cluster needs a nodeName".to_owned()))
    })?;
    check_pods(&pending, &[key("pending")], |pod| {
        let scheduler = &pod.body.spec.scheduler_name;
        if !pod.body.node_name.is_empty() {
            return Some(("spec.nodeName", "a pending pod has no node yet".to_owned()));
        }
        let without = profiles.of(&pod.body).is_none();
        without.then(|| ("spec.schedulerName", format!("no profile has the name {scheduler:?}")))
    })?;
    objects.extend(pending);
    fields.remove("expected");
    no_more(&fields, &[], &["name", "schedulerConfiguration", "cluster", "pending", "expected"])?;
    Ok(Case { name, profiles, snapshot: Snapshot::of(objects) })
}

/// Pods are numbered among themselves: each list of a case holds one kind.
fn check_pods(
    objects: &[Object],
    list: &[Segment],
    wrong: impl Fn(&Obj<Pod>) -> Option<(&'static str, String)>,
) -> Result<(), Vec<Issue>> {
    let pods = objects.iter().filter_map(Object::get::<Pod>).enumerate();
    let issue = |(index, (field, message)): (usize, (&str, String))| {
        let path = list.iter().cloned().chain([Segment::Index(index)]).chain(field.split('.').map(key));
        at(&path.collect::<Vec<_>>(), message)
    };
    let issues: Vec<Issue> = pods.filter_map(|(index, pod)| Some((index, wrong(pod)?))).map(issue).collect();
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}

fn read_list(kind: Kind, items: Value, path: &[Segment]) -> Result<Vec<Object>, Vec<Issue>> {
    let items = match items {
        Value::Array(items) => items,
        Value::Null => return Ok(Vec::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(vec![at(path, "expected a list")]);
        }
    };
    let mut objects = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let path: Vec<Segment> = path.iter().cloned().chain([Segment::Index(index)]).collect();
        let object = read_object(kind, item);
        objects.push(object.map_err(|issues| issues.into_iter().map(|issue| below(&path, issue)).collect::<Vec<_>>())?);
    }
    Ok(objects)
}

/// Kind and version may be left out: the list says them.
fn read_object(kind: Kind, item: Value) -> Result<Object, Vec<Issue>> {
    let wanted = kind.info().map_or("", |info| info.kind.as_ref());
    match item.get("kind") {
        None => {}
        Some(Value::String(given)) if given == wanted => {}
        Some(_) => return Err(vec![at(&[key("kind")], format!("expected {wanted}"))]),
    }
    let object = convert::from_json_as_given(kind, item)?;
    if object.meta().name.is_empty() {
        return Err(vec![at(&[key("metadata")], "the name is missing")]);
    }
    Ok(object)
}

fn mapping(value: Value, path: &[Segment]) -> Result<Map<String, Value>, Vec<Issue>> {
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(vec![at(path, "expected a mapping")])
        }
    }
}

fn no_more(fields: &Map<String, Value>, path: &[Segment], valid: &[&str]) -> Result<(), Vec<Issue>> {
    let unknown = |name: &String| {
        let path: Vec<Segment> = path.iter().cloned().chain([key(name)]).collect();
        let path = Field(path);
        let help = match nearest(name, valid.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("valid here: {}", valid.join(", ")),
        };
        Issue { message: format!("unknown field \"{path}\""), help: Some(help), place: Half::Key, path }
    };
    let issues: Vec<Issue> = fields.keys().map(unknown).collect();
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

fn at(path: &[Segment], message: impl Into<String>) -> Issue {
    Issue { path: Field(path.to_vec()), ..Issue::whole(message) }
}

/// An issue of a part as one of the whole.
fn below(path: &[Segment], mut issue: Issue) -> Issue {
    let inner = issue.path.to_string();
    issue.path.0.splice(0..0, path.iter().cloned());
    // The message of an unknown field quotes the path.
    let (from, to) = (format!("\"{inner}\""), format!("\"{}\"", issue.path));
    issue.message = if inner.is_empty() { issue.message } else { issue.message.replacen(&from, &to, 1) };
    issue
}
