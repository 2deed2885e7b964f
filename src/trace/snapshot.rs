//! Snapshots of Kubernetes clusters: what `kubectl get nodes,pods -A -o yaml` (or `json`) has printed.
//!
//! A node becomes a machine with what is allocatable less what its DaemonSet and static pods ask for, which would run
//! on it in any case. Every other pod that has not ended becomes a task, running or pending, that comes when it was
//! created and stays. Requests count as kube-scheduler counts them (`pkg/scheduler/framework`, resized pods included).
//! Cards are `nvidia.com/gpu`, or what the openb simulator's annotations say (`alibabacloud.com/gpu-count`, `gpu-milli`,
//! `gpu-card-model`). Pods of one group of the co-scheduling plugin are a gang.
//! Left out, and told in [`Reading::notes`]: cordoned nodes, taints, node selectors, affinity, spreading, host ports,
//! volumes, resources beyond the sixth. Left out without a word: where pods run now, usage, limits.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1;
use serde_json::Value;

use super::{FormatEntry, MAX_CARDS, Machine, RESOURCES, Reading, Task, Trace};
use crate::api::dump::{self, Notes, Printed};
use crate::api::located::{Half, InputErrors, Issue, Path, Rules, Segment, read};
use crate::api::resources::Resources;
use crate::api::{Kind, Name};
use crate::kernel::{Span, Time};

/// Whole cards of a node or a pod.
const NVIDIA_GPU: &str = "nvidia.com/gpu";
/// How many cards: what a node has, or a pod's annotation.
const GPU_COUNT: &str = "alibabacloud.com/gpu-count";
/// How much of each card, in thousandths.
const GPU_MILLI: &str = "alibabacloud.com/gpu-milli";
/// The model of a node's cards; with a pod the models that it takes, separated by `|`.
const GPU_MODEL: &str = "alibabacloud.com/gpu-card-model";
/// The model as NVIDIA's feature discovery labels it.
const NVIDIA_MODEL: &str = "nvidia.com/gpu.product";
/// The model of cards that no label tells.
const UNKNOWN_MODEL: &str = "unknown";
const ZONE: [&str; 2] = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
const INSTANCE_TYPE: [&str; 2] = ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];
const POD_GROUP: &str = "scheduling.x-k8s.io/pod-group";
const MIRROR: &str = "kubernetes.io/config.mirror";

/// How it is listed.
pub const ENTRY: FormatEntry = FormatEntry {
    name: "snapshot",
    doc: "The nodes and pods of a Kubernetes cluster as kubectl prints them",
    files: &["what `kubectl get nodes,pods -A -o yaml` or `-o json` prints, in one file or several"],
    source: "kube-scheduler's pkg/scheduler/framework counts requests; openb's simulator has the GPU annotations",
    leaves_out: "cordoned nodes, taints, node selectors, affinity, spreading, host ports and claims, with a note each; \
                 pods that have ended; where pods run now",
};

/// Reads the files of a snapshot, each by its name and its text.
///
/// # Errors
/// What is no YAML or JSON, and objects that make no sense, each with its place.
pub fn snapshot(files: &[(&str, &str)]) -> Result<Reading, InputErrors> {
    let mut unknown = Notes::default();
    let mut items = Vec::new();
    for (file, text) in files {
        let wanted = |kind| [Kind::Node, Kind::Pod].contains(&kind);
        items.extend(dump::read(file, text, &wanted, &mut unknown, &mut item)?);
    }
    let mut draft = Draft::default();
    for item in items {
        match item {
            Item::Node(node) => draft.nodes.push(node),
            Item::Pod(pod) => draft.add_pod(pod),
        }
    }
    Ok(draft.finish())
}

/// What a file holds.
enum Item {
    Node(NodeItem),
    Pod(PodItem),
}

struct NodeItem {
    machine: Machine,
    allocatable: Resources,
    is_cordoned: bool,
    has_taints: bool,
}

struct PodItem {
    task: Task,
    asks: Resources,
    created: Option<i64>,
    /// Whether it has ended or is being deleted.
    is_gone: bool,
    /// Whether it runs on its node in any case.
    belongs_to_node: bool,
    node: String,
    is_constrained: bool,
}

fn item(printed: Printed) -> Result<Item, Vec<Issue>> {
    let value = printed.value;
    if printed.kind == Kind::Node { node(&value).map(Item::Node) } else { pod(&value).map(Item::Pod) }
        .map_err(|i| vec![i])
}

fn node(value: &Value) -> Result<NodeItem, Issue> {
    let status: v1::NodeStatus = part(value, "status")?;
    let mut allocatable = Resources::of_list(status.allocatable.as_ref().or(status.capacity.as_ref()));
    let shared = allocatable.scalar.remove(GPU_COUNT);
    let whole = allocatable.scalar.remove(NVIDIA_GPU);
    allocatable.scalar.remove(GPU_MILLI);
    let is_sound = amounts_of(&allocatable).values().all(|amount| *amount >= 0);
    let cards = shared.or(whole).unwrap_or(0);
    let cards = u8::try_from(cards).ok().filter(|cards| *cards <= MAX_CARDS && is_sound).ok_or_else(|| {
        let message = if is_sound { format!("{cards} GPUs in one node") } else { "less than nothing".to_owned() };
        issue(&["status", "allocatable"], message, "amounts from 0 on, and at most 16 GPUs")
    })?;
    let labels = &value["metadata"]["labels"];
    let model = [GPU_MODEL, NVIDIA_MODEL].iter().find_map(|key| labels[key].as_str()).unwrap_or(UNKNOWN_MODEL);
    let label = |keys: [&str; 2]| keys.iter().find_map(|key| labels[key].as_str()).unwrap_or_default().into();
    let machine = Machine {
        name: text(&value["metadata"]["name"]).into(),
        cards,
        model: if cards > 0 { model.into() } else { Name::new() },
        zone: label(ZONE),
        node_type: label(INSTANCE_TYPE),
        ..Machine::default()
    };
    Ok(NodeItem {
        machine,
        allocatable,
        is_cordoned: value["spec"]["unschedulable"] == Value::Bool(true),
        has_taints: value["spec"]["taints"].as_array().is_some_and(|taints| !taints.is_empty()),
    })
}

fn pod(value: &Value) -> Result<PodItem, Issue> {
    let metadata = &value["metadata"];
    let spec: v1::PodSpec = part(value, "spec")?;
    let status: v1::PodStatus = part(value, "status")?;
    let mut asks = Resources::of_resized(&spec, &status, false).unwrap_or_else(|| Resources::of_pod(&spec, false));
    asks.pods = 1;
    let whole = asks.scalar.remove(NVIDIA_GPU).unwrap_or(0);
    let (cards, milli_per_card) = cards(&metadata["annotations"], whole)?;
    if amounts_of(&asks).values().any(|amount| *amount < 0) {
        return Err(issue(&["spec", "containers"], "a request below zero".to_owned(), "requests from 0 on"));
    }
    let namespace = metadata["namespace"].as_str().unwrap_or("default");
    let group = text(&metadata["labels"][POD_GROUP]);
    let selected = spec.node_selector.as_ref().and_then(|selector| selector.get(GPU_MODEL)).map(String::as_str);
    let models = metadata["annotations"][GPU_MODEL].as_str().or(selected).unwrap_or_default();
    let owners = || metadata["ownerReferences"].as_array().into_iter().flatten();
    let created = text(&metadata["creationTimestamp"]).parse::<jiff::Timestamp>();
    Ok(PodItem {
        task: Task {
            name: Name::from(format!("{namespace}/{}", text(&metadata["name"]))),
            cards,
            milli_per_card,
            models: models.split('|').filter(|model| !model.is_empty()).map(Name::from).collect(),
            gang: if group.is_empty() { Name::new() } else { Name::from(format!("{namespace}/{group}")) },
            priority: spec.priority.unwrap_or(0),
            ..Task::default()
        },
        asks,
        created: created.ok().map(|created| created.as_second()),
        is_gone: ["Succeeded", "Failed"].contains(&text(&value["status"]["phase"]))
            || !metadata["deletionTimestamp"].is_null(),
        belongs_to_node: owners().any(|owner| ["DaemonSet", "Node"].contains(&text(&owner["kind"])))
            || metadata["annotations"][MIRROR].is_string(),
        node: spec.node_name.clone().unwrap_or_default(),
        is_constrained: is_constrained(&spec),
    })
}

/// How many cards, and how much of each.
fn cards(annotations: &Value, whole: i64) -> Result<(u8, u16), Issue> {
    let read = |key: &str, most: i64| match annotations[key].as_str() {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) if (0..=most).contains(&number) => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let help = format!("a whole number from 0 to {most}");
                Err(issue(&["metadata", "annotations", key], format!("{text:?} is not possible here"), &help))
            }
        },
    };
    let (count, milli) = (read(GPU_COUNT, i64::from(MAX_CARDS))?, read(GPU_MILLI, 1000)?);
    let (count, milli) = match (count, milli) {
        (None, None) if (0..=i64::from(MAX_CARDS)).contains(&whole) => (whole, 1000),
        (None, None) => {
            return Err(issue(&["spec", "containers"], format!("{whole} GPUs for one pod"), "at most 16"));
        }
        (count, milli) => (count.unwrap_or(1), milli.unwrap_or(1000)),
    };
    if count > 1 && milli < 1000 && milli > 0 {
        let at = ["metadata", "annotations", GPU_MILLI];
        return Err(issue(&at, "a part of several GPUs".to_owned(), "1000 where gpu-count is above 1"));
    }
    Ok(if count == 0 || milli == 0 { (0, 0) } else { (count as u8, milli as u16) })
}

/// Whether it says where it may run, beside what it asks for.
fn is_constrained(spec: &v1::PodSpec) -> bool {
    let selects = spec.node_selector.iter().flatten().any(|(key, _)| key != GPU_MODEL);
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    let claims = spec.volumes.iter().flatten().any(|volume| volume.persistent_volume_claim.is_some());
    selects
        || claims
        || spec.affinity.is_some()
        || spec.topology_spread_constraints.as_ref().is_some_and(|constraints| !constraints.is_empty())
        || ports.into_iter().any(|port| port.host_port.is_some())
}

/// A part of an object as upstream has it; empty where it is not there.
fn part<T: serde::de::DeserializeOwned + Default>(value: &Value, field: &str) -> Result<T, Issue> {
    match value.get(field) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(part) => match read::<T>(part, Rules::Kubernetes) {
            (Some(decoded), _) => Ok(decoded),
            (None, mut issues) => {
                let mut issue = issues.pop().unwrap_or_else(|| Issue::whole("it cannot be read"));
                issue.path.0.insert(0, Segment::Key(field.to_owned()));
                Err(issue)
            }
        },
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn issue(path: &[&str], message: String, help: &str) -> Issue {
    let path = Path(path.iter().map(|key| Segment::Key((*key).to_owned())).collect());
    Issue { path, message, help: Some(help.to_owned()), place: Half::Value }
}

/// All amounts by name.
fn amounts_of(resources: &Resources) -> BTreeMap<Name, i64> {
    let named = [
        ("cpu", resources.milli_cpu),
        ("memory", resources.memory),
        ("ephemeral-storage", resources.ephemeral_storage),
        ("pods", resources.pods),
    ];
    let named = named.into_iter().map(|(name, amount)| (Name::from(name), amount));
    named.chain(resources.scalar.iter().map(|(name, amount)| (name.clone(), *amount))).collect()
}

/// What has been read so far.
#[derive(Default)]
struct Draft {
    nodes: Vec<NodeItem>,
    pods: Vec<PodItem>,
    of_nodes: Vec<PodItem>,
    gone: usize,
}

impl Draft {
    fn add_pod(&mut self, pod: PodItem) {
        if pod.is_gone {
            self.gone += 1;
        } else if pod.belongs_to_node {
            self.of_nodes.push(pod);
        } else {
            self.pods.push(pod);
        }
    }

    fn finish(mut self) -> Reading {
        let (resources, beyond) = self.resources();
        let homeless = self.take_off();
        let count = |matches: &mut dyn Iterator<Item = bool>| matches.filter(|found| *found).count();
        let told = [
            (self.gone, "pods that have ended or are being deleted"),
            (homeless, "pods of DaemonSets whose node is not there, or with a part of a GPU"),
            (count(&mut self.nodes.iter().map(|node| node.is_cordoned)), "cordoned nodes"),
            (count(&mut self.nodes.iter().map(|node| node.has_taints)), "nodes' taints"),
            (
                count(&mut self.pods.iter().map(|pod| pod.is_constrained)),
                "pods' node selectors, affinity, spreading, host ports and claims",
            ),
        ];
        let mut notes: Vec<String> = told
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("left out: {what} ({count})"))
            .collect();
        notes.extend(beyond.iter().map(|name| format!("left out: the resource {name}, beyond the sixth")));
        let vector = |amounts: &Resources| {
            let amounts = amounts_of(amounts);
            std::array::from_fn(|index| {
                resources.get(index).and_then(|name| amounts.get(name)).copied().unwrap_or(0).max(0)
            })
        };
        let machines = self.nodes.iter().filter(|node| !node.is_cordoned);
        let machines = machines.map(|node| Machine { capacity: vector(&node.allocatable), ..node.machine.clone() });
        let first = self.pods.iter().map(|pod| pod.created).min().flatten();
        let arrives = |pod: &PodItem| {
            let after = first.zip(pod.created).map_or(0, |(first, created)| created - first);
            Time::ZERO.saturating_add(Span::from_secs(after as u64))
        };
        let tasks =
            self.pods.iter().map(|pod| Task { asks: vector(&pod.asks), arrives: arrives(pod), ..pod.task.clone() });
        let (machines, tasks) = (machines.collect(), tasks.collect());
        Reading { trace: Trace { resources, machines, tasks }, notes }
    }

    /// The resources of the trace, and those for which there is no place. What no task asks for does not matter.
    fn resources(&self) -> (Vec<Name>, Vec<Name>) {
        let asked = self.pods.iter().flat_map(|pod| amounts_of(&pod.asks));
        let asked: BTreeSet<Name> = asked.filter(|(_, amount)| *amount > 0).map(|(name, _)| name).collect();
        // A node that does not say how many pods it takes takes any number.
        let limits_pods = self.nodes.iter().all(|node| node.allocatable.pods > 0);
        let is_other = |name: &Name| !["cpu", "memory"].contains(&name.as_str()) && (name != "pods" || limits_pods);
        let mut resources: Vec<Name> = vec!["cpu".into(), "memory".into()];
        resources.extend(asked.iter().filter(|name| is_other(name)).cloned());
        let beyond = resources.split_off(resources.len().min(RESOURCES));
        (resources, beyond)
    }

    /// Takes what runs on nodes in any case off what they have; gives the number of pods for which that cannot be done.
    fn take_off(&mut self) -> usize {
        let places: BTreeMap<Name, usize> =
            self.nodes.iter().enumerate().map(|(index, node)| (node.machine.name.clone(), index)).collect();
        let mut homeless = 0;
        for pod in &self.of_nodes {
            let is_part = (1..1000).contains(&pod.task.milli_per_card);
            let Some(place) = places.get(pod.node.as_str()).filter(|_| !is_part) else {
                homeless += 1;
                continue;
            };
            let node = &mut self.nodes[*place];
            node.allocatable.subtract(&pod.asks);
            node.machine.cards = node.machine.cards.saturating_sub(pod.task.cards);
        }
        homeless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Node
  metadata:
    name: one
    uid: u
    labels:
      topology.kubernetes.io/zone: a
      node.kubernetes.io/instance-type: m5.large
      alibabacloud.com/gpu-card-model: T4
  status: {allocatable: {cpu: '8', memory: 16Gi, pods: '110', nvidia.com/gpu: '4'}}
- apiVersion: v1
  kind: Node
  metadata: {name: closed, uid: u}
  spec: {unschedulable: true, taints: [{key: k, effect: NoSchedule}]}
  status: {allocatable: {cpu: '8', memory: 16Gi, pods: '110'}}
";

    fn pod(name: &str, metadata: &str, more: &str, requests: &str, status: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: s, uid: u{metadata}}}\n\
             spec: {{containers: [{{name: c, image: i, resources: {{requests: {{{requests}}}}}}}]{more}}}\n\
             status: {{{status}}}\n"
        )
    }

    fn of(pods: &[String]) -> Result<Reading, InputErrors> {
        snapshot(&[("nodes.yaml", NODES), ("pods.yaml", &pods.concat())])
    }

    #[test]
    fn nodes_become_machines_less_what_runs_on_them_in_any_case() {
        let owner = ", ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: d, uid: u, controller: true}]";
        let mirror = ", annotations: {kubernetes.io/config.mirror: x}";
        let on_one = ", nodeName: one";
        let found = of(&[
            pod("agent", owner, on_one, "cpu: 500m, nvidia.com/gpu: '1'", ""),
            pod("proxy", mirror, on_one, "memory: 1Gi", ""),
            pod("lost", owner, ", nodeName: gone", "cpu: 1", ""),
            pod("web", "", on_one, "cpu: 1", ""),
        ])
        .expect("it can be read");
        let Trace { resources, machines, tasks } = found.trace;
        assert_eq!(resources, ["cpu", "memory", "pods"]);
        assert_eq!((machines.len(), tasks.len()), (1, 1));
        let one = &machines[0];
        assert_eq!(one.capacity, [7500, 15 << 30, 108, 0, 0, 0]);
        assert_eq!((one.cards, one.model.as_str()), (3, "T4"));
        assert_eq!((one.zone.as_str(), one.node_type.as_str()), ("a", "m5.large"));
        assert_eq!(tasks[0].asks, [1000, 0, 1, 0, 0, 0]);
        assert_eq!(
            found.notes,
            [
                "left out: pods of DaemonSets whose node is not there, or with a part of a GPU (1)",
                "left out: cordoned nodes (1)",
                "left out: nodes' taints (1)"
            ]
        );
    }

    #[test]
    fn pods_become_tasks_where_they_have_not_ended() {
        let shared = ", creationTimestamp: '2026-01-01T00:00:05Z', labels: {scheduling.x-k8s.io/pod-group: g}, \
            annotations: {alibabacloud.com/gpu-milli: '460', alibabacloud.com/gpu-count: '1', \
            alibabacloud.com/gpu-card-model: T4|V100M32}";
        let found = of(&[
            pod("shared", shared, ", priority: 7", "cpu: 1500m, example.com/x: 2", ""),
            pod("whole", ", creationTimestamp: '2026-01-01T00:00:00Z'", "", "nvidia.com/gpu: 2", "phase: Pending"),
            pod("done", "", "", "cpu: 1", "phase: Succeeded"),
            pod("going", ", deletionTimestamp: '2026-01-01T00:00:00Z'", "", "cpu: 1", ""),
        ])
        .expect("it can be read");
        let Trace { resources, tasks, .. } = found.trace;
        assert_eq!(resources, ["cpu", "memory", "example.com/x", "pods"]);
        let expected = Task {
            name: "s/shared".into(),
            asks: [1500, 0, 2, 1, 0, 0],
            cards: 1,
            milli_per_card: 460,
            models: vec!["T4".into(), "V100M32".into()],
            arrives: Time(5_000_000_000),
            leaves: None,
            gang: "s/g".into(),
            priority: 7,
        };
        assert_eq!(tasks[0], expected);
        assert_eq!((tasks[1].cards, tasks[1].milli_per_card, tasks[1].arrives), (2, 1000, Time::ZERO));
        assert_eq!(tasks.len(), 2);
        assert_eq!(found.notes[0], "left out: pods that have ended or are being deleted (2)");
    }

    #[test]
    fn what_narrows_placement_is_told_as_left_out() {
        let found = of(&[
            pod("a", "", ", nodeSelector: {disk: ssd}", "cpu: 1", ""),
            pod("b", "", ", nodeSelector: {alibabacloud.com/gpu-card-model: T4}", "nvidia.com/gpu: 1", ""),
        ])
        .expect("it can be read");
        assert_eq!(found.trace.tasks[1].models, ["T4"]);
        let note = "left out: pods' node selectors, affinity, spreading, host ports and claims (1)";
        assert!(found.notes.iter().any(|found| found == note), "{:?}", found.notes);
    }

    #[track_caller]
    fn check_refused(pod: String, message: &str) {
        let errors = of(&[pod]).expect_err("it is wrong").to_string();
        assert!(errors.starts_with("pods.yaml:") && errors.contains(message), "{errors}\ndoes not say\n{message}");
    }

    #[test]
    fn nonsense_is_told_with_its_place() {
        let with = |annotations: &str| pod("a", &format!(", annotations: {{{annotations}}}"), "", "cpu: 1", "");
        check_refused(
            with("alibabacloud.com/gpu-milli: '1001'"),
            "gpu-milli: \"1001\" is not possible here\n  help: a whole number from 0 to 1000",
        );
        check_refused(
            with("alibabacloud.com/gpu-milli: '500', alibabacloud.com/gpu-count: '2'"),
            "a part of several GPUs\n  help: 1000 where gpu-count is above 1",
        );
        check_refused(pod("a", "", "", "nvidia.com/gpu: 17", ""), "17 GPUs for one pod\n  help: at most 16");
        check_refused(pod("a", "", "", "cpu: -1", ""), "a request below zero");
    }
}
