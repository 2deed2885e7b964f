//! Traces: machines become pools of nodes, tasks become pods that are created.
//!
//! A node says what GPUs it has, and a pod which it asks for, in the words of open-gpu-share
//! ([`crate::scheduler::cards`]); it takes 1001 pods, as the nodes of that simulator do. Left out: what a trace tells
//! beside CPU, memory, GPUs and times.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use serde_json::json;

use super::file::{Arrive, TraceFile, TraceFormat, TraceNodesFile, TraceOnly, TracePodsFile};
use super::manifests::{Found, Gathering};
use super::{Origin, Pool};
use crate::api::located::{InputError, InputErrors, Place};
use crate::api::{Kind, Labels, Name, Object, convert, text};
use crate::kernel::Time;
use crate::kubelet::NodeTemplate;
use crate::scheduler::cards::{CARD_COUNT, CARD_MILLI, CARD_MODEL};
use crate::sim::{Action, NodePool, TimedAction};
use crate::trace::{Machine, Task, openb};

const ZONE: &str = "topology.kubernetes.io/zone";
const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// How many pods a node takes: more than anyone places there.
const MAX_PODS: &str = "1001";
/// The image of all pods.
const IMAGE: &str = "trace/task:1";

/// What the section `trace` comes to.
#[derive(Default)]
pub(super) struct Lowered {
    pub(super) pools: Vec<Pool>,
    pub(super) setup: Vec<NodePool>,
    pub(super) timeline: Vec<(TimedAction, Origin)>,
}

/// Reads the files; `pools` are those that the scenario declares beside.
pub(super) fn lower(
    file: Option<&TraceFile>,
    pools: &[Pool],
    place: &Place<'_>,
    gathering: &mut Gathering<'_>,
) -> Lowered {
    let mut lowered = Lowered::default();
    let Some(file) = file else { return lowered };
    if file.nodes.is_none() && file.pods.is_none() {
        gathering.errors.push(place.error_help("nothing is taken from the trace", "add nodes, pods, or both"));
    }
    if let Some(nodes) = &file.nodes {
        let place = place.key("nodes");
        match machines(file.format, nodes, &place, gathering) {
            Ok(machines) => lower_machines(&machines, pools, &place, &mut lowered, gathering),
            Err(errors) => gathering.errors.extend(errors.0),
        }
    }
    if let Some(pods) = &file.pods {
        let place = place.key("pods");
        match tasks(file.format, pods, &place, gathering) {
            Ok(tasks) => lower_tasks(&tasks, pods, &place, &mut lowered, gathering),
            Err(errors) => gathering.errors.extend(errors.0),
        }
    }
    lowered
}

/// The text of a file that an entry names.
fn text_of(file: &str, place: &Place<'_>, gathering: &Gathering<'_>) -> Result<(String, String), InputError> {
    let path = gathering.folder.join(file);
    let shown = path.display().to_string();
    match (gathering.read)(&path) {
        Ok(Found::File(text)) => Ok((shown, text)),
        Ok(Found::Folder(_)) => Err(place.key("file").error_help(format!("{shown} is a folder"), "name the file")),
        Err(why) => Err(place.key("file").error(format!("{shown} cannot be read: {why}"))),
    }
}

fn machines(
    format: TraceFormat,
    file: &TraceNodesFile,
    place: &Place<'_>,
    gathering: &Gathering<'_>,
) -> Result<Vec<Machine>, InputErrors> {
    let (shown, text) = text_of(&file.file, place, gathering)?;
    let mut machines = match format {
        TraceFormat::Openb => openb::nodes(&text, Path::new(&shown))?,
    };
    take(&mut machines, file.first, place)?;
    Ok(machines)
}

fn tasks(
    format: TraceFormat,
    file: &TracePodsFile,
    place: &Place<'_>,
    gathering: &Gathering<'_>,
) -> Result<Vec<Task>, InputErrors> {
    let (shown, text) = text_of(&file.file, place, gathering)?;
    let mut tasks = match format {
        TraceFormat::Openb => openb::pods(&text, Path::new(&shown))?,
    };
    match file.only {
        None => {}
        Some(TraceOnly::Gpu) => tasks.retain(|task| task.cards > 0),
        Some(TraceOnly::Cpu) => tasks.retain(|task| task.cards == 0),
    }
    take(&mut tasks, file.first, place)?;
    Ok(tasks)
}

/// Keeps the first ones.
fn take<T>(list: &mut Vec<T>, first: Option<u32>, place: &Place<'_>) -> Result<(), InputError> {
    let Some(first) = first else { return Ok(()) };
    if first == 0 || first as usize > list.len() {
        return Err(place.key("first").error(format!("{first} are asked for: there can be 1 to {}", list.len())));
    }
    list.truncate(first as usize);
    Ok(())
}

fn lower_machines(
    machines: &[Machine],
    pools: &[Pool],
    place: &Place<'_>,
    lowered: &mut Lowered,
    gathering: &mut Gathering<'_>,
) {
    let mut known: BTreeSet<&Name> = pools.iter().flat_map(|pool| &pool.names).collect();
    let mut templates: Vec<(&Machine, Arc<NodeTemplate>)> = Vec::new();
    let mut before = None;
    for machine in machines {
        if let Err(error) = check_name("node", &machine.name, &mut known, place) {
            return gathering.errors.push(error);
        }
        gathering.nodes.push(machine.name.to_string());
        let at = templates.iter().position(|(other, _)| is_alike(other, machine)).unwrap_or_else(|| {
            templates.push((machine, Arc::new(template(machine))));
            templates.len() - 1
        });
        // Equal ones that follow each other are a pool, so that nodes keep the order of the file.
        if before != Some(at) {
            let template = templates[at].1.clone();
            lowered.setup.push(NodePool { names: Vec::new(), template });
            lowered.pools.push(Pool {
                name: ecow::eco_format!("trace-{}", lowered.pools.len()),
                names: Vec::new(),
                zones: Some(&machine.zone).filter(|zone| !zone.is_empty()).into_iter().cloned().collect(),
                machine: Some(machine.node_type.clone()).filter(|machine| !machine.is_empty()),
                price_per_hour: Some(machine.price_per_hour).filter(|price| *price > 0.0),
            });
            before = Some(at);
        }
        if let (Some(setup), Some(pool)) = (lowered.setup.last_mut(), lowered.pools.last_mut()) {
            setup.names.push(machine.name.clone());
            pool.names.push(machine.name.clone());
        }
    }
}

/// Whether two machines differ in nothing but their names.
fn is_alike(one: &Machine, other: &Machine) -> bool {
    *one == Machine { name: one.name.clone(), ..other.clone() }
}

fn check_name<'a>(
    what: &str,
    name: &'a Name,
    known: &mut BTreeSet<&'a Name>,
    place: &Place<'_>,
) -> Result<(), InputError> {
    let place = place.key("file");
    if let Some(why) = text::is_dns1123_subdomain(name).into_iter().next() {
        return Err(place.error(format!("{name:?} cannot be the name of a {what}: {why}")));
    }
    match known.insert(name) {
        true => Ok(()),
        false => Err(place.error(format!("there are two {what}s named {name:?}"))),
    }
}

fn template(machine: &Machine) -> NodeTemplate {
    let amount = |amount: i64| WireQuantity(amount.to_string());
    let mut capacity = BTreeMap::from([
        ("cpu".to_owned(), WireQuantity(format!("{}m", machine.capacity[0]))),
        ("memory".to_owned(), amount(machine.capacity[1])),
        ("pods".to_owned(), WireQuantity(MAX_PODS.to_owned())),
    ]);
    if machine.cards > 0 {
        capacity.insert(CARD_COUNT.to_owned(), amount(machine.cards.into()));
        capacity.insert(CARD_MILLI.to_owned(), amount(i64::from(machine.cards) * 1000));
    }
    let labels = [(CARD_MODEL, &machine.model), (ZONE, &machine.zone), (INSTANCE_TYPE, &machine.node_type)];
    let mut template = NodeTemplate::new(capacity);
    template.labels = labels.into_iter().filter(|(_, value)| !value.is_empty()).map(|(k, v)| (k, v.clone())).collect();
    template
}

fn lower_tasks(
    tasks: &[Task],
    file: &TracePodsFile,
    place: &Place<'_>,
    lowered: &mut Lowered,
    gathering: &mut Gathering<'_>,
) {
    let mut known = BTreeSet::new();
    // Pods that ask for the same share all but their names.
    let mut models: BTreeMap<(i64, i64, Labels, Option<u64>, i32), Object> = BTreeMap::new();
    let mut coming: BTreeMap<Time, Vec<Object>> = BTreeMap::new();
    for (number, task) in (0..).zip(tasks) {
        if let Err(error) = check_name("pod", &task.name, &mut known, place) {
            return gathering.errors.push(error);
        }
        let deadline = task.leaves.filter(|_| file.lifetimes).map(|leaves| {
            // The API server takes nothing below a second.
            leaves.since(task.arrives).as_nanos().div_ceil(1_000_000_000).max(1)
        });
        let key = (task.asks[0], task.asks[1], annotations(task), deadline, task.priority);
        let mut pod = match models.get(&key) {
            Some(pod) => pod.clone(),
            None => match model(&key) {
                Ok(pod) => models.entry(key).or_insert(pod).clone(),
                Err(message) => return gathering.errors.push(place.key("file").error(message)),
            },
        };
        pod.meta_mut().name = task.name.clone();
        let at = match file.arrive {
            Arrive::AtOnce => Time::ZERO,
            Arrive::Recorded => task.arrives,
            Arrive::Every(span) => Time::ZERO + span * number,
        };
        coming.entry(at).or_default().push(pod);
    }
    let origin = || Origin { place: place.path().to_string(), may_fail: false };
    let action = |(at, pods): (Time, Vec<Object>)| {
        (TimedAction { at, action: Action::Create(pods.into()), user: None }, origin())
    };
    lowered.timeline.extend(coming.into_iter().map(action));
}

/// What a task asks of cards.
fn annotations(task: &Task) -> Labels {
    if task.cards == 0 {
        return Labels::default();
    }
    let models = (!task.models.is_empty()).then(|| (CARD_MODEL, task.models.join("|")));
    let amounts = [(CARD_COUNT, task.cards.to_string()), (CARD_MILLI, task.milli_per_card.to_string())];
    amounts.into_iter().chain(models).collect()
}

/// A pod without its name.
fn model(
    (milli_cpu, memory, annotations, deadline, priority): &(i64, i64, Labels, Option<u64>, i32),
) -> Result<Object, String> {
    let asks = [("cpu", *milli_cpu, format!("{milli_cpu}m")), ("memory", *memory, memory.to_string())];
    let requests: BTreeMap<&str, String> =
        asks.into_iter().filter(|(_, amount, _)| *amount > 0).map(|(name, _, text)| (name, text)).collect();
    let mut spec = json!({"containers": [{"name": "task", "image": IMAGE, "resources": {"requests": requests}}]});
    if let Some(seconds) = deadline {
        spec["activeDeadlineSeconds"] = json!(seconds);
        spec["restartPolicy"] = json!("Never");
    }
    if *priority != 0 {
        spec["priority"] = json!(priority);
    }
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "task", "namespace": "default"},
        "spec": spec,
    });
    let mut pod = convert::from_json(Kind::Pod, manifest).map_err(|error| error.to_string())?;
    pod.meta_mut().annotations = annotations.clone();
    Ok(pod)
}
