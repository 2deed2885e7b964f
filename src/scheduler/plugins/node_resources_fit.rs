//! NodeResourcesFit: what the pod asks for must be there; the emptier node is better, or as the strategy says.

mod strategy;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::resources::Resources;
use crate::api::{Name, Node, Obj, Pod, PodSpec};
use crate::scheduler::nodes::{is_extended_resource, is_scalar_resource};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeIndex, NodeRow, NodeScore, NodeView,
    Plugin, PluginArgs, PluginEntry, PreFilter, PreScore, Reach, Reason, Reasons, Status,
};

pub use strategy::{Shape, Strategy, Use};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodeResourcesFit",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    weight: 1,
    doc: "rejects nodes that lack resources and scores by LeastAllocated, MostAllocated or RequestedToCapacityRatio",
    source: "pkg/scheduler/framework/plugins/noderesources/fit.go, resource_allocation.go, least_allocated.go, \
             most_allocated.go, requested_to_capacity_ratio.go",
    events: &[
        EventKind::AssignedPodDelete,
        EventKind::AssignedPodScaleDown,
        EventKind::PodScaleDown,
        EventKind::NodeAdd,
        EventKind::NodeAllocatable,
    ],
    plugin: &NodeResourcesFit,
};

/// A resource that a score looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scored {
    /// `cpu`.
    Cpu,
    /// `memory`.
    Memory,
    /// `ephemeral-storage`.
    EphemeralStorage,
    /// Any other.
    Scalar(Name),
}

impl Scored {
    /// The resource of a name.
    pub fn named(name: &str) -> Scored {
        match name {
            "cpu" => Scored::Cpu,
            "memory" => Scored::Memory,
            "ephemeral-storage" => Scored::EphemeralStorage,
            other => Scored::Scalar(other.into()),
        }
    }

    /// Whether scores look at the resource for a pod that asks for so much of it: at extended resources, hugepages and
    /// their like only where the pod asks for them, at other names never. Upstream: `calculateResourceAllocatableRequest`.
    pub fn counts(&self, asked: i64) -> bool {
        match self {
            Scored::Cpu | Scored::Memory | Scored::EphemeralStorage => true,
            Scored::Scalar(name) => asked != 0 && is_scalar_resource(name),
        }
    }

    /// How much of it there is in a vector.
    pub fn of(&self, requests: &Resources) -> i64 {
        match self {
            Scored::Cpu => requests.milli_cpu,
            Scored::Memory => requests.memory,
            Scored::EphemeralStorage => requests.ephemeral_storage,
            Scored::Scalar(name) => requests.scalar.get(name).copied().unwrap_or(0),
        }
    }

    /// What a node offers and what would be taken of it with the pod there. `non_zero` (upstream: not `useRequested`)
    /// takes upstream's defaults for CPU and memory of pods that ask for nothing; of all else what is asked for.
    pub fn on_node(&self, node: NodeView, asked: i64, non_zero: bool) -> (i64, i64) {
        let row = node.row;
        match self {
            Scored::Cpu if non_zero => (row.milli_cpu, row.scored_milli_cpu + asked),
            Scored::Memory if non_zero => (row.memory, row.scored_memory + asked),
            Scored::Cpu => (row.milli_cpu, row.used_milli_cpu + asked),
            Scored::Memory => (row.memory, row.used_memory + asked),
            Scored::EphemeralStorage => (row.ephemeral_storage, row.used_ephemeral_storage + asked),
            Scored::Scalar(name) => {
                let info = node.info;
                let offered = info.scalar.get(name).copied().unwrap_or(0);
                (offered, info.used_scalar.get(name).copied().unwrap_or(0) + asked)
            }
        }
    }
}

/// `NodeResourcesFitArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// `ignoredResources`: extended resources that are not looked at.
    pub ignored_resources: BTreeSet<Name>,
    /// `ignoredResourceGroups`: the same by what stands before the slash.
    pub ignored_groups: BTreeSet<Name>,
    /// `scoringStrategy.type`, with what belongs to it.
    pub strategy: Strategy,
    /// `scoringStrategy.resources`, with their weights.
    pub resources: Vec<(Scored, i64)>,
}

impl Args {
    /// Nothing ignored; LeastAllocated, where CPU and memory count the same.
    pub fn upstream() -> Args {
        Args {
            ignored_resources: BTreeSet::new(),
            ignored_groups: BTreeSet::new(),
            strategy: Strategy::LeastAllocated,
            resources: vec![(Scored::Cpu, 1), (Scored::Memory, 1)],
        }
    }

    fn ignores(&self, name: &Name) -> bool {
        is_extended_resource(name)
            && (self.ignored_resources.contains(name)
                || name.split_once('/').is_some_and(|(group, _)| self.ignored_groups.contains(group)))
    }
}

#[derive(Debug)]
struct NodeResourcesFit;

impl Plugin for NodeResourcesFit {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        PreFilter::Filter(Box::new(Filter::of(&cycle.pod.body.spec, &cycle.args.fit)))
    }

    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        let Args { strategy, resources, .. } = &cycle.args.fit;
        let spec = &cycle.pod.body.spec;
        let own = Resources::without_pod_level(&spec.full);
        let requests = own.as_ref().unwrap_or(&spec.non_zero_requests);
        let of_pod = |(resource, weight): &(Scored, i64)| {
            let asked = resource.of(requests);
            resource.counts(asked).then_some((resource.clone(), *weight, asked))
        };
        let asked = resources.iter().filter_map(of_pod).collect();
        PreScore::Score(Box::new(Score { strategy: strategy.clone(), asked }))
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, args: &PluginArgs) -> bool {
        let filter = Filter::of(&pod.body.spec, &args.fit);
        match event.kind {
            EventKind::AssignedPodDelete => event.pod().0.is_some(),
            EventKind::PodScaleDown => event.pod().1.is_some_and(|new| new.meta.uid == pod.meta.uid),
            EventKind::AssignedPodScaleDown => match event.pod() {
                (Some(old), Some(new)) => filter.wants_what_was_given_up(&old.body, &new.body),
                (_, _) => false,
            },
            EventKind::NodeAdd | EventKind::NodeAllocatable => match event.node() {
                (Some(old), Some(new)) => filter.fits_alone(new) && filter.wants_what_grew(old, new),
                (None, Some(new)) => filter.fits_alone(new),
                (_, None) => false,
            },
            EventKind::PersistentVolumeAdd
            | EventKind::PersistentVolumeUpdate
            | EventKind::ClaimAdd
            | EventKind::ClaimUpdate
            | EventKind::StorageClassAdd
            | EventKind::StorageClassUpdate
            | EventKind::CsiNodeAdd
            | EventKind::CsiNodeUpdate
            | EventKind::CsiDriverUpdate
            | EventKind::StorageCapacityAdd
            | EventKind::StorageCapacityUpdate
            | EventKind::VolumeAttachmentDelete
            | EventKind::NodeDelete
            | EventKind::NodeLabel
            | EventKind::NodeTaint
            | EventKind::NodeCondition
            | EventKind::NodeAnnotation
            | EventKind::AssignedPodAdd
            | EventKind::AssignedPodLabel
            | EventKind::AssignedPodOther
            | EventKind::PodLabel
            | EventKind::PodToleration
            | EventKind::PodGatesEliminated
            | EventKind::PodOther
            | EventKind::UnschedulableTimeout => false,
        }
    }
}

/// What a pod asks for.
#[derive(Clone, Debug)]
struct Filter {
    spec: Arc<PodSpec>,
    scalar: Vec<(Name, i64)>,
    asks_for_nothing: bool,
}

impl Filter {
    fn of(spec: &Arc<PodSpec>, args: &Args) -> Filter {
        let asks = &spec.requests;
        let counted = asks.scalar.iter().filter(|(name, _)| is_scalar_resource(name));
        let asks_for_nothing = asks.milli_cpu == 0
            && asks.memory == 0
            && asks.ephemeral_storage == 0
            && !asks.scalar.keys().any(|name| is_scalar_resource(name));
        let scalar = counted
            .filter(|(name, amount)| **amount != 0 && !args.ignores(name))
            .map(|(name, amount)| (name.clone(), *amount))
            .collect();
        Filter { spec: spec.clone(), scalar, asks_for_nothing }
    }

    fn fits(&self, row: &NodeRow) -> bool {
        let asks = &self.spec.requests;
        row.pods < row.max_pods
            && self.scalar.is_empty()
            && (asks.milli_cpu == 0 || asks.milli_cpu <= row.milli_cpu - row.used_milli_cpu)
            && (asks.memory == 0 || asks.memory <= row.memory - row.used_memory)
            && (asks.ephemeral_storage == 0
                || asks.ephemeral_storage <= row.ephemeral_storage - row.used_ephemeral_storage)
    }

    /// Everything that is missing. Upstream: `fitsRequest`.
    fn insufficient(&self, node: NodeView) -> Option<Status> {
        let row = node.row;
        let mut reasons = Vec::new();
        let mut code = Code::Unschedulable;
        if row.pods + 1 > row.max_pods {
            reasons.push(Reason::Fixed("Too many pods"));
        }
        if !self.asks_for_nothing {
            let asks = &self.spec.requests;
            for (asked, offered, used, reason) in [
                (asks.milli_cpu, row.milli_cpu, row.used_milli_cpu, "Insufficient cpu"),
                (asks.memory, row.memory, row.used_memory, "Insufficient memory"),
                (
                    asks.ephemeral_storage,
                    row.ephemeral_storage,
                    row.used_ephemeral_storage,
                    "Insufficient ephemeral-storage",
                ),
            ] {
                if asked > 0 && asked > offered - used {
                    reasons.push(Reason::Fixed(reason));
                    if asked > offered {
                        code = Code::UnschedulableAndUnresolvable;
                    }
                }
            }
            for (name, asked) in &self.scalar {
                let info = node.info;
                let amount = |of: &std::collections::BTreeMap<Name, i64>| of.get(name).copied().unwrap_or(0);
                let offered = amount(&info.scalar);
                if *asked > offered - amount(&info.used_scalar) {
                    reasons.push(Reason::Text(ecow::eco_format!("Insufficient {name}")));
                    if *asked > offered {
                        code = Code::UnschedulableAndUnresolvable;
                    }
                }
            }
        }
        match reasons.len() {
            0 => None,
            1 => reasons.pop().map(|reason| Status { code, reasons: Reasons::One(reason) }),
            _ => Some(Status { code, reasons: Reasons::Several(reasons) }),
        }
    }

    /// Other resources that the pod asks for, ignored ones included: upstream's hints do not ignore them.
    fn all_scalar(&self) -> impl Iterator<Item = (&Name, i64)> {
        let all = self.spec.requests.scalar.iter().map(|(name, amount)| (name, *amount));
        all.filter(|(name, amount)| *amount != 0 && is_scalar_resource(name))
    }

    /// Whether the pod would fit on the node if nothing else were there. Upstream: `isFit`.
    fn fits_alone(&self, node: &Obj<Node>) -> bool {
        let offers = node.body.allocatable();
        let asks = &self.spec.requests;
        offers.pods >= 1
            && asks.milli_cpu <= offers.milli_cpu
            && asks.memory <= offers.memory
            && asks.ephemeral_storage <= offers.ephemeral_storage
            && self.all_scalar().all(|(name, asked)| asked <= offers.scalar.get(name).copied().unwrap_or(0))
    }

    /// Whether the node offers more than before of something that the pod asks for. Upstream:
    /// `haveAnyRequestedResourcesIncreased`.
    fn wants_what_grew(&self, old: &Obj<Node>, new: &Obj<Node>) -> bool {
        let (before, after) = (old.body.allocatable(), new.body.allocatable());
        after.pods > before.pods || self.wants_what_is_less(&after, &before)
    }

    /// Whether another pod asks for less than before of something that this one asks for. Upstream:
    /// `isSchedulableAfterPodScaleDown`.
    fn wants_what_was_given_up(&self, old: &Pod, new: &Pod) -> bool {
        self.wants_what_is_less(&old.requests(false), &new.requests(false))
    }

    /// Whether there is less in the second vector than in the first of something that the pod asks for.
    fn wants_what_is_less(&self, more: &Resources, less: &Resources) -> bool {
        let asks = &self.spec.requests;
        let amount = |of: &Resources, name: &Name| of.scalar.get(name).copied().unwrap_or(0);
        (asks.milli_cpu > 0 && more.milli_cpu > less.milli_cpu)
            || (asks.memory > 0 && more.memory > less.memory)
            || (asks.ephemeral_storage > 0 && more.ephemeral_storage > less.ephemeral_storage)
            || self.all_scalar().any(|(name, _)| amount(more, name) > amount(less, name))
    }
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        if self.fits(node.row) { None } else { self.insufficient(node) }
    }

    fn reach(&self) -> Reach {
        Reach::Node
    }

    fn reads_sums_only(&self) -> bool {
        self.scalar.is_empty()
    }
}

/// The strategy, and each resource with its weight and what the pod asks for.
#[derive(Debug)]
struct Score {
    strategy: Strategy,
    asked: Vec<(Scored, i64, i64)>,
}

impl NodeScore for Score {
    fn score(&self, _cluster: &Cluster, node: NodeView) -> i64 {
        self.strategy.score(self.asked.iter().map(|(resource, weight, asked)| {
            let (offered, used) = resource.on_node(node, *asked, true);
            Use { weight: *weight, offered, used }
        }))
    }

    fn reach(&self) -> Reach {
        Reach::Node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Object;
    use crate::scheduler::testing::{check_filter_beside, check_scores, node, pod};

    const NODE: &str =
        "{status: {allocatable: {cpu: '2', memory: 1Gi, pods: '3', ephemeral-storage: 10Gi, example.com/gpu: '2'}}}";

    fn asks(requests: &str) -> String {
        format!("{{containers: [{{name: c, resources: {{requests: {{{requests}}}}}}}]}}")
    }

    #[track_caller]
    fn check(requests: &str, others: &[&str], expected: Option<&str>) {
        let others: Vec<String> = others.iter().map(|other| asks(other)).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        check_filter_beside("NodeResourcesFit", &asks(requests), NODE, &others, expected);
    }

    #[test]
    fn what_is_asked_for_must_be_left() {
        check("cpu: '2', memory: 1Gi", &[], None);
        check("cpu: '1'", &["cpu: 1001m"], Some("Unschedulable: Insufficient cpu"));
        check("cpu: 2001m", &[], Some("UnschedulableAndUnresolvable: Insufficient cpu"));
        check(
            "cpu: '1', memory: 1Gi",
            &["cpu: '2', memory: '1'"],
            Some("Unschedulable: Insufficient cpu, Insufficient memory"),
        );
        check("ephemeral-storage: 11Gi", &[], Some("UnschedulableAndUnresolvable: Insufficient ephemeral-storage"));
        check("example.com/gpu: '1'", &["example.com/gpu: '2'"], Some("Unschedulable: Insufficient example.com/gpu"));
        check("example.com/tpu: '1'", &[], Some("UnschedulableAndUnresolvable: Insufficient example.com/tpu"));
        check("example.com/tpu: '0'", &[], None);
        check("", &["", "", ""], Some("Unschedulable: Too many pods"));
        check("", &["cpu: '9'"], None);
    }

    #[test]
    fn other_resources_count_by_their_names() {
        let huge = Some("UnschedulableAndUnresolvable: Insufficient hugepages-2Mi");
        check("hugepages-2Mi: 4Mi", &[], huge);
        check("kubernetes.io/x: '1'", &[], Some("UnschedulableAndUnresolvable: Insufficient kubernetes.io/x"));
        check(
            "attachable-volumes-x: '1'",
            &[],
            Some("UnschedulableAndUnresolvable: Insufficient attachable-volumes-x"),
        );
        check("gizmo: '1'", &[], None);
        check("requests.example.com/gpu: '9'", &[], None);
        check("example.com/-: '9'", &[], None);
        check(
            "cpu: '3', example.com/gpu: '1'",
            &["example.com/gpu: '2'"],
            Some("UnschedulableAndUnresolvable: Insufficient cpu, Insufficient example.com/gpu"),
        );
    }

    #[test]
    fn what_the_pod_asks_for_as_a_whole_is_filtered_by_and_not_scored_by() {
        let pod = "{containers: [{name: c, resources: {requests: {cpu: 100m}}}], resources: {requests: {cpu: '3'}}}";
        let rejected = Some("UnschedulableAndUnresolvable: Insufficient cpu");
        check_filter_beside("NodeResourcesFit", pod, NODE, &[], rejected);
        let node = "{status: {allocatable: {cpu: '1', memory: 400Mi}}}";
        // 100m and 200 MiB: (90 + 50) / 2.
        check_scores("NodeResourcesFit", pod, &[node], Some(&[70]));
    }

    #[track_caller]
    fn check_hint(requests: &str, old: Option<&str>, new: &str, expected: bool) {
        let object = |offers: &str| {
            let node = node("node", &format!("{{status: {{allocatable: {{pods: '9', {offers}}}}}}}"));
            Object::Node(node)
        };
        let mut args = PluginArgs::upstream();
        args.fit.ignored_resources = BTreeSet::from(["example.com/ignored".into()]);
        let event = ClusterEvent { kind: EventKind::NodeAllocatable, old: old.map(object), new: Some(object(new)) };
        let pod = pod("pod", &asks(requests));
        assert_eq!(NodeResourcesFit.hint(&event, &pod, &args), expected, "{requests}: {old:?} to {new}");
    }

    #[test]
    fn a_node_helps_where_it_offers_more_of_what_is_asked_for() {
        check_hint("cpu: '2'", None, "cpu: '2'", true);
        check_hint("cpu: '2'", None, "cpu: '1'", false);
        check_hint("cpu: '2'", Some("cpu: '3'"), "cpu: '2'", false);
        check_hint("cpu: '2'", Some("cpu: '3'"), "cpu: '4'", true);
        check_hint("cpu: '2'", Some("cpu: '3', memory: '1'"), "cpu: '3', memory: '2'", false);
        check_hint("example.com/ignored: '1'", None, "cpu: '2'", false);
    }

    #[test]
    fn the_emptier_node_scores_higher() {
        let node = |cpu: u32, memory: &str| format!("{{status: {{allocatable: {{cpu: '{cpu}', memory: {memory}}}}}}}");
        let nodes = [node(4, "10000"), node(2, "8000"), node(1, "1000"), "{}".to_owned()];
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        // (75 + 60) / 2, (50 + 50) / 2, (0 + 0) / 2, nothing to go by.
        check_scores("NodeResourcesFit", &asks("cpu: '1', memory: '4000'"), &nodes, Some(&[67, 50, 0, 0]));
        // 100m and 200 MiB stand for what is not said.
        check_scores("NodeResourcesFit", &asks(""), &[&node(1, "400Mi")], Some(&[70]));
    }
}
