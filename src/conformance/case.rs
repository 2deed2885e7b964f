//! A case as it is read: `steps.yaml`, the manifests that it names, and `expected.json` if there is one.
//!
//! Strict: an unknown field, a file that is not there, a kind that nobody serves are mistakes, each told with file and
//! field. Left out: custom kinds.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::api::Kind;
use crate::api::located::{
    InputError, InputErrors, Issue, Located, Node, Path, Segment, from_located, parse, suggestion,
};
use crate::api::manifest::read_manifests;
use crate::kernel::Span;

/// The files of a folder, as its reader found them: by path within the folder, with what they are called in messages.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The folder as the user named it.
    pub folder: String,
    /// `steps.yaml`.
    pub steps: String,
    /// `expected.json`, where it is there.
    pub expected: Option<String>,
    /// `manifests/*`, by file name.
    pub manifests: BTreeMap<String, String>,
}

/// One recorded scenario.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Whether it had the cluster for itself: placement, nodes and volumes count then.
    pub(super) exclusive: bool,
    /// The gap between two of the kubelet's status transitions.
    pub(super) serial: Span,
    pub(super) nodes: Vec<NodeFile>,
    pub(super) steps: Vec<StepFile>,
    /// The documents of each manifest file, in order.
    pub(super) manifests: BTreeMap<String, Vec<(Kind, Value)>>,
    /// The recorded steps.
    pub(super) expected: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "steps.yaml")]
struct CaseFile {
    name: String,
    #[serde(default, rename = "features")]
    _features: Vec<String>,
    #[serde(default)]
    serial: f64,
    cluster: ClusterFile,
    nodes: Vec<NodeFile>,
    /// Each is read by its op later.
    #[serde(rename = "steps")]
    _steps: Vec<serde::de::IgnoredAny>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", rename = "cluster")]
enum ClusterFile {
    Shared,
    Exclusive,
}

/// A node that is there at the start or is added.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename = "node")]
pub(super) struct NodeFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) capacity: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) taints: Vec<Value>,
}

/// How long is waited after an op, in seconds: exactly, or until nothing has happened for a while.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
pub(super) struct WaitFile {
    wait: Option<f64>,
    quiet: Option<f64>,
    max: Option<f64>,
}

/// How long is waited after an op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// So long.
    Exactly(Span),
    /// Until nothing has happened for so long, and at most so long.
    Settle { quiet: Span, at_most: Span },
}

/// How a patch is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PatchType {
    #[default]
    Strategic,
    Merge,
    Json,
}

/// What becomes of dependents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub(super) enum PropagationFile {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// One step: its op and what the op needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum StepFile {
    Apply {
        files: Vec<String>,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Patch {
        kind: String,
        name: String,
        patch: Value,
        #[serde(default, rename = "type")]
        patch_type: PatchType,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Image {
        kind: String,
        name: String,
        image: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Scale {
        kind: String,
        name: String,
        replicas: i32,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Delete {
        kind: String,
        name: String,
        #[serde(default)]
        propagation: PropagationFile,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Pause {
        kind: String,
        name: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Resume {
        kind: String,
        name: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Restart {
        kind: String,
        name: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Undo {
        kind: String,
        name: String,
        to_revision: Option<i64>,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Cordon {
        node: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Uncordon {
        node: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Drain {
        node: String,
        timeout: f64,
        #[serde(flatten)]
        wait: WaitFile,
    },
    EvictOnce {
        selector: Option<String>,
        node: Option<String>,
        #[serde(default)]
        gap: f64,
        #[serde(flatten)]
        wait: WaitFile,
    },
    NodeStop {
        node: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    NodeStart {
        node: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    NodeAdd {
        spec: NodeFile,
        #[serde(flatten)]
        wait: WaitFile,
    },
    NodeDelete {
        node: String,
        #[serde(flatten)]
        wait: WaitFile,
    },
    PodDelete {
        selector: String,
        #[serde(default)]
        index: usize,
        #[serde(flatten)]
        wait: WaitFile,
    },
    PodPatch {
        selector: String,
        #[serde(default)]
        index: usize,
        patch: Value,
        #[serde(default, rename = "type")]
        patch_type: PatchType,
        #[serde(flatten)]
        wait: WaitFile,
    },
    WaitSecond {
        second: u32,
        #[serde(flatten)]
        wait: WaitFile,
    },
    Sleep {
        #[serde(flatten)]
        wait: WaitFile,
    },
}

/// The op's names, and the fields that each takes beside `op`, `wait`, `quiet` and `max`.
const OPS: &[(&str, &[&str])] = &[
    ("apply", &["files"]),
    ("patch", &["kind", "name", "patch", "type"]),
    ("image", &["kind", "name", "image"]),
    ("scale", &["kind", "name", "replicas"]),
    ("delete", &["kind", "name", "propagation"]),
    ("pause", &["kind", "name"]),
    ("resume", &["kind", "name"]),
    ("restart", &["kind", "name"]),
    ("undo", &["kind", "name", "toRevision"]),
    ("cordon", &["node"]),
    ("uncordon", &["node"]),
    ("drain", &["node", "timeout"]),
    ("evict-once", &["selector", "node", "gap"]),
    ("node-stop", &["node"]),
    ("node-start", &["node"]),
    ("node-add", &["spec"]),
    ("node-delete", &["node"]),
    ("pod-delete", &["selector", "index"]),
    ("pod-patch", &["selector", "index", "patch", "type"]),
    ("wait-second", &["second"]),
    ("sleep", &[]),
];
const WAITS: [&str; 3] = ["wait", "quiet", "max"];
/// The longest wait: a day.
const SECONDS_MAX: f64 = 86_400.0;

impl StepFile {
    /// The op's name.
    pub(super) fn op(&self) -> &'static str {
        self.parts().0
    }

    /// How long is waited after it.
    pub(super) fn wait(&self) -> Wait {
        let WaitFile { wait, quiet, max } = *self.parts().1;
        match wait {
            Some(seconds) => Wait::Exactly(span(seconds)),
            None => Wait::Settle { quiet: span(quiet.unwrap_or(4.0)), at_most: span(max.unwrap_or(90.0)) },
        }
    }

    fn parts(&self) -> (&'static str, &WaitFile) {
        match self {
            StepFile::Apply { wait, .. } => ("apply", wait),
            StepFile::Patch { wait, .. } => ("patch", wait),
            StepFile::Image { wait, .. } => ("image", wait),
            StepFile::Scale { wait, .. } => ("scale", wait),
            StepFile::Delete { wait, .. } => ("delete", wait),
            StepFile::Pause { wait, .. } => ("pause", wait),
            StepFile::Resume { wait, .. } => ("resume", wait),
            StepFile::Restart { wait, .. } => ("restart", wait),
            StepFile::Undo { wait, .. } => ("undo", wait),
            StepFile::Cordon { wait, .. } => ("cordon", wait),
            StepFile::Uncordon { wait, .. } => ("uncordon", wait),
            StepFile::Drain { wait, .. } => ("drain", wait),
            StepFile::EvictOnce { wait, .. } => ("evict-once", wait),
            StepFile::NodeStop { wait, .. } => ("node-stop", wait),
            StepFile::NodeStart { wait, .. } => ("node-start", wait),
            StepFile::NodeAdd { wait, .. } => ("node-add", wait),
            StepFile::NodeDelete { wait, .. } => ("node-delete", wait),
            StepFile::PodDelete { wait, .. } => ("pod-delete", wait),
            StepFile::PodPatch { wait, .. } => ("pod-patch", wait),
            StepFile::WaitSecond { wait, .. } => ("wait-second", wait),
            StepFile::Sleep { wait } => ("sleep", wait),
        }
    }

    /// The kind that it names.
    fn kind(&self) -> Option<&str> {
        match self {
            StepFile::Patch { kind, .. }
            | StepFile::Image { kind, .. }
            | StepFile::Scale { kind, .. }
            | StepFile::Delete { kind, .. }
            | StepFile::Pause { kind, .. }
            | StepFile::Resume { kind, .. }
            | StepFile::Restart { kind, .. }
            | StepFile::Undo { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// The spans of seconds that it names.
    fn seconds(&self) -> Vec<(&'static str, f64)> {
        let WaitFile { wait, quiet, max } = *self.parts().1;
        let mut named: Vec<(&'static str, f64)> = Vec::new();
        named.extend(wait.map(|seconds| ("wait", seconds)));
        named.extend(quiet.map(|seconds| ("quiet", seconds)));
        named.extend(max.map(|seconds| ("max", seconds)));
        match self {
            StepFile::Drain { timeout, .. } => named.push(("timeout", *timeout)),
            StepFile::EvictOnce { gap, .. } => named.push(("gap", *gap)),
            _ => {}
        }
        named
    }
}

/// A span of so many seconds, which are not negative.
pub(super) fn span(seconds: f64) -> Span {
    Span::from_nanos((seconds * 1e9).round() as u64)
}

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// Every mistake that is found, with file and field.
    pub fn read(files: &Files) -> Result<Case, InputErrors> {
        let file = format!("{}/steps.yaml", files.folder);
        let document = document(&file, &files.steps)?;
        let typed: CaseFile = from_located(&file, &document)?;
        if !is_span(typed.serial) {
            let path = Path(vec![key("serial")]);
            return Err(document.error(&file, &no_span(path, typed.serial)).into());
        }
        let mut steps = Vec::new();
        let mut errors = Vec::new();
        let items: &[Located] = match document.get("steps").map(|steps| &steps.value) {
            Some(Node::List(items)) => items,
            _ => &[],
        };
        for (number, item) in items.iter().enumerate() {
            match step(item) {
                Ok(step) => steps.push(step),
                Err(issues) => errors.extend(issues.into_iter().map(|issue| {
                    let mut path = vec![key("steps"), Segment::Index(number)];
                    path.extend(issue.path.0.iter().cloned());
                    document.error(&file, &Issue { path: Path(path), ..issue })
                })),
            }
        }
        let manifests = manifests(files, &steps, &file, &document, &mut errors);
        let expected = files.expected.as_ref().map(|text| expected(&files.folder, text));
        let expected = expected.and_then(|read| read.map_err(|error| errors.push(error)).ok());
        if !errors.is_empty() {
            return Err(InputErrors(errors));
        }
        Ok(Case {
            name: typed.name,
            exclusive: typed.cluster == ClusterFile::Exclusive,
            serial: span(typed.serial),
            nodes: typed.nodes,
            steps,
            manifests,
            expected,
        })
    }
}

fn is_span(seconds: f64) -> bool {
    (0.0..=SECONDS_MAX).contains(&seconds)
}

fn no_span(path: Path, seconds: f64) -> Issue {
    Issue { path, ..Issue::whole(format!("{seconds}: must be from 0 to {SECONDS_MAX} seconds")) }
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

/// The text with `y` and `n` quoted: the recording's tool, unlike kubectl, took them for texts. Block style only.
fn quoted(text: &str) -> String {
    let quote = |line: &str| {
        let bare = line.trim_end();
        let is_value = |head: &str| head.ends_with(": ") || head.ends_with("- ");
        match bare.char_indices().last() {
            Some((at, letter)) if "ynYN".contains(letter) && is_value(&bare[..at]) => {
                format!("{}'{letter}'\n", &bare[..at])
            }
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(quote).collect()
}

fn document(file: &str, text: &str) -> Result<Located, InputErrors> {
    let mut documents = parse(file, &quoted(text))?;
    if documents.len() == 1 {
        return Ok(documents.remove(0));
    }
    let message = format!("holds {} documents: there must be one", documents.len());
    let (file, path) = (file.to_owned(), String::new());
    Err(InputError { file, line: 1, column: 1, path, message, help: None }.into())
}

fn step(item: &Located) -> Result<StepFile, Vec<Issue>> {
    let value = item.to_json();
    let Some(fields) = value.as_object() else { return Err(vec![Issue::whole("expected a mapping")]) };
    let Some(op) = fields.get("op").and_then(Value::as_str) else {
        return Err(vec![Issue::whole("missing required field \"op\"")]);
    };
    let Some((_, own)) = OPS.iter().find(|(name, _)| *name == op) else {
        let names: Vec<&str> = OPS.iter().map(|(name, _)| *name).collect();
        let help = suggestion(op, &names).or_else(|| Some(format!("there are {}", names.join(", "))));
        return Err(vec![Issue {
            path: Path(vec![key("op")]),
            help,
            ..Issue::whole(format!("no op is called {op:?}"))
        }]);
    };
    let known = |name: &String| name == "op" || own.contains(&name.as_str()) || WAITS.contains(&name.as_str());
    let unknown: Vec<Issue> = fields
        .keys()
        .filter(|name| !known(name))
        .map(|name| Issue { path: Path(vec![key(name)]), ..Issue::whole(format!("unknown field {name:?} of {op}")) })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let step: StepFile = StepFile::deserialize(&value).map_err(|error| vec![Issue::whole(format!("{op}: {error}"))])?;
    let wrong = step.seconds().into_iter().find(|(_, seconds)| !is_span(*seconds));
    if let Some((name, seconds)) = wrong {
        return Err(vec![no_span(Path(vec![key(name)]), seconds)]);
    }
    if let Some(kind) = step.kind()
        && kind_named(kind).is_none()
    {
        let message = format!("no kind is called {kind:?}");
        return Err(vec![Issue { path: Path(vec![key("kind")]), ..Issue::whole(message) }]);
    }
    Ok(step)
}

/// The kind of a name as manifests write it.
pub(super) fn kind_named(name: &str) -> Option<Kind> {
    Kind::from_resource_name(name)
}

fn manifests(
    files: &Files,
    steps: &[StepFile],
    file: &str,
    document: &Located,
    errors: &mut Vec<InputError>,
) -> BTreeMap<String, Vec<(Kind, Value)>> {
    let mut read = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        let StepFile::Apply { files: named, .. } = step else { continue };
        for (index, name) in named.iter().enumerate() {
            if read.contains_key(name) {
                continue;
            }
            let Some(text) = files.manifests.get(name) else {
                let path = Path(vec![key("steps"), Segment::Index(number), key("files"), Segment::Index(index)]);
                let message = format!("there is no manifests/{name}");
                errors.push(document.error(file, &Issue { path, ..Issue::whole(message) }));
                continue;
            };
            match of_file(&format!("{}/manifests/{name}", files.folder), text) {
                Ok(documents) => {
                    read.insert(name.clone(), documents);
                }
                Err(InputErrors(wrong)) => {
                    errors.extend(wrong);
                    read.insert(name.clone(), Vec::new());
                }
            }
        }
    }
    read
}

fn of_file(file: &str, text: &str) -> Result<Vec<(Kind, Value)>, InputErrors> {
    let mut documents = Vec::new();
    for manifest in read_manifests(file, &quoted(text))? {
        let Some(kind) = manifest.kind else {
            let message = format!("no matches for kind {:?}: custom kinds are not run here", manifest.kind_name);
            return Err(manifest.error(&Issue { path: Path(vec![key("kind")]), ..Issue::whole(message) }).into());
        };
        documents.push((kind, manifest.json));
    }
    Ok(documents)
}

fn expected(folder: &str, text: &str) -> Result<Vec<Value>, InputError> {
    let error = |line: usize, column: usize, path: &str, message: String| InputError {
        file: format!("{folder}/expected.json"),
        line,
        column,
        path: path.to_owned(),
        message,
        help: None,
    };
    let value: Value =
        serde_json::from_str(text).map_err(|wrong| error(wrong.line(), wrong.column(), "", wrong.to_string()))?;
    let steps = value.get("steps").and_then(Value::as_array);
    let Some(steps) = steps else { return Err(error(1, 1, "steps", "must be a list".to_owned())) };
    for (number, step) in steps.iter().enumerate() {
        if step.get("step").and_then(Value::as_u64).is_none() {
            return Err(error(1, 1, &format!("steps[{number}].step"), "must be a number".to_owned()));
        }
    }
    Ok(steps.clone())
}
