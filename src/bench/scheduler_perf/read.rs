//! Works out what files of test cases mean.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::file::{MetricFile, TestCaseFile, WorkloadFile};
use super::ops::Program;
use super::params::Params;
use super::plan::{Step, Workload};
use super::template::{Templates, priority_class};
use crate::api::located::{InputError, InputErrors, Located, Node, Place, parse};
use crate::client::{Flags, LEADER_ELECT};
use crate::kernel::Span;
use crate::scenario::{Found, ReadPath};
use crate::scheduler::{KUBE_API_BURST, KUBE_API_QPS, SchedulerSettings, configuration};

/// What upstream's harness gives the scheduler's client, and its own.
pub(super) const QPS: u32 = 5_000;
/// How long parts have to see each other when a cluster starts.
const START: Span = Span::from_secs(1);
/// The longest that a decision takes.
const CYCLE_TIME_MAX: Span = Span::from_mins(1);
/// The metric that thresholds are about.
const THROUGHPUT: &str = "SchedulingThroughput";

/// Feature gates of 1.34 and what they are here. Upstream: `pkg/features/kube_features.go`.
const GATES: [(&str, bool); 7] = [
    ("MatchLabelKeysInPodAffinity", true),
    ("MatchLabelKeysInPodTopologySpread", true),
    ("NodeInclusionPolicyInPodTopologySpread", true),
    ("SchedulerAsyncAPICalls", false),
    ("SchedulerAsyncPreemption", true),
    ("SchedulerPopFromBackoffQ", true),
    ("SchedulerQueueingHints", true),
];

/// Reads the test cases of a file, or of the files right in a folder, in the order of their names: each at all of its
/// sizes.
///
/// # Errors
/// Every mistake that could be found, each with file, line, column and path.
pub fn load(path: &Path, read: &ReadPath<'_>) -> Result<Vec<Workload>, InputErrors> {
    let mut inside = match read(path) {
        Ok(Found::File(text)) => return read_file(path, &text, read),
        Ok(Found::Folder(inside)) => inside,
        Err(why) => return Err(whole(path, format!("it cannot be read: {why}")).into()),
    };
    inside.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    inside.sort();
    if inside.is_empty() {
        return Err(whole(path, "it holds no *.yaml or *.yml".to_owned()).into());
    }
    let mut workloads = Vec::new();
    for path in inside {
        match read(&path) {
            Ok(Found::File(text)) => workloads.extend(read_file(&path, &text, read)?),
            Ok(Found::Folder(_)) => {}
            Err(why) => return Err(whole(&path, format!("it cannot be read: {why}")).into()),
        }
    }
    Ok(workloads)
}

fn read_file(path: &Path, text: &str, read: &ReadPath<'_>) -> Result<Vec<Workload>, InputErrors> {
    let file = path.display().to_string();
    let documents = parse(&file, text)?;
    let [document] = documents.as_slice() else {
        return Err(
            whole(path, format!("it holds {} documents: a file of test cases is one list", documents.len())).into()
        );
    };
    let place = Place::new(&file, document);
    let Node::List(items) = &document.value else {
        return Err(place.error_help("a file of test cases is a list", "write - name: …, for each test case").into());
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut workloads: Vec<Workload> = Vec::new();
    let mut errors = Vec::new();
    for index in 0..items.len() {
        match test_case(&place.index(index), &folder, read) {
            Ok(more) => workloads.extend(more),
            Err(more) => errors.extend(more.0),
        }
    }
    if errors.is_empty() { Ok(workloads) } else { Err(InputErrors(once(errors))) }
}

/// The same mistake is found again at each size.
fn once(errors: Vec<InputError>) -> Vec<InputError> {
    let mut each: Vec<InputError> = Vec::new();
    for error in errors {
        if !each.contains(&error) {
            each.push(error);
        }
    }
    each
}

fn whole(path: &Path, message: String) -> InputError {
    let empty = Located { value: Node::Null, line: 1, column: 1 };
    Place::new(&path.display().to_string(), &empty).error(message)
}

fn test_case(place: &Place<'_>, folder: &Path, read: &ReadPath<'_>) -> Result<Vec<Workload>, InputErrors> {
    let file: TestCaseFile = place.read()?;
    let mut errors = Vec::new();
    let settings = settings(&file, place, folder, read).map_err(|more| errors.extend(more.0)).ok();
    if let Some(selector) = &file.default_threshold_metric_selector {
        errors.extend(check_metric(selector, &place.key("defaultThresholdMetricSelector")));
    }
    let mut names = BTreeSet::new();
    let mut workloads = Vec::new();
    for (index, of_size) in file.workloads.iter().enumerate() {
        let here = place.key("workloads").index(index);
        if !names.insert(&of_size.name) {
            errors.push(here.key("name").error(format!("there are two workloads named {:?}", of_size.name)));
        }
        if of_size.threshold.is_some_and(|threshold| threshold < 0.0) {
            errors.push(here.key("threshold").error("a threshold is not below 0"));
        }
        if let Some(selector) = &of_size.threshold_metric_selector {
            errors.extend(check_metric(selector, &here.key("thresholdMetricSelector")));
        }
        let mut params = Params::new(here.clone(), &of_size.params);
        let templates = Templates::new(read, folder.to_path_buf());
        match Program::lower(&file, place, templates, &mut params) {
            Ok(program) => {
                errors.extend(params.unused());
                let refused = check_gates(&file, of_size, place, &here);
                workloads.extend(settings.clone().map(|settings| workload(&file, of_size, settings, refused, program)));
            }
            Err(more) => errors.extend(more.0),
        }
    }
    if errors.is_empty() { Ok(workloads) } else { Err(InputErrors(once(errors))) }
}

fn workload(
    file: &TestCaseFile,
    of_size: &WorkloadFile,
    settings: SchedulerSettings,
    refused: Option<InputError>,
    program: Program<'_>,
) -> Workload {
    let classes = program.templates.priorities.iter().map(|priority| priority_class(*priority)).collect();
    let threshold = of_size.threshold.filter(|threshold| *threshold > 0.0);
    let settings = match threshold {
        Some(threshold) => {
            let cycle_time = Span::from_secs(1).scale(1.0 / threshold).min(CYCLE_TIME_MAX);
            SchedulerSettings { cycle_time, ..settings }
        }
        None => settings,
    };
    let start = [Step::Wait(super::plan::Wait::For(START)), Step::Create(classes)];
    Workload {
        test_case: file.name.clone(),
        name: of_size.name.clone(),
        labels: file.labels.iter().chain(&of_size.labels).cloned().collect(),
        threshold,
        refused,
        settings,
        steps: start.into_iter().chain(program.steps).collect(),
    }
}

/// How the scheduler works: as a configuration says, with the client limits of upstream's harness and alone.
fn settings(
    file: &TestCaseFile,
    place: &Place<'_>,
    folder: &Path,
    read: &ReadPath<'_>,
) -> Result<SchedulerSettings, InputErrors> {
    let mut flags = Flags::default();
    for (flag, value) in [(&KUBE_API_QPS, QPS.to_string()), (&KUBE_API_BURST, QPS.to_string())] {
        flags.set(flag, &value).expect("a number is the value of a limit");
    }
    flags.set(&LEADER_ELECT, "false").expect("false is the value of a switch");
    let here = place.key("schedulerConfigPath");
    let refused = |message: String| InputErrors::from(here.error(message));
    if file.scheduler_config_path.is_none() {
        return SchedulerSettings::of(&flags).map_err(refused);
    }
    let (name, text) = Templates::new(read, PathBuf::from(folder)).file(&here)?;
    let configuration = configuration::read(&name, &text)?;
    let settings = SchedulerSettings::of(&flags.over(&configuration.flags)).map_err(refused)?;
    Ok(SchedulerSettings { profiles: configuration.profiles, ..settings })
}

fn check_metric(selector: &MetricFile, place: &Place<'_>) -> Option<InputError> {
    let other = selector.name != THROUGHPUT;
    other.then(|| place.key("name").error(format!("{:?} is not measured here: only {THROUGHPUT} is", selector.name)))
}

/// Why a workload cannot be run with the gates that it asks for.
fn check_gates(file: &TestCaseFile, of_size: &WorkloadFile, place: &Place<'_>, here: &Place<'_>) -> Option<InputError> {
    let of_case = file.feature_gates.iter().filter(|(name, _)| !of_size.feature_gates.contains_key(*name));
    let all = of_case.map(|gate| (gate, place)).chain(of_size.feature_gates.iter().map(|gate| (gate, here)));
    let refuse = |((name, wanted), place): ((&String, &bool), &Place<'_>)| {
        let place = place.key("featureGates").key(name);
        match GATES.iter().find(|(known, _)| known == name) {
            Some((_, is)) if is == wanted => None,
            Some((_, is)) => Some(place.error(format!("the feature gate {name} is {is} here"))),
            None => Some(place.error(format!("the feature gate {name} is not known here"))),
        }
    };
    all.filter_map(refuse).next()
}
