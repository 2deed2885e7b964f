//! What pods and node types are to bounds: sizes, capacities, and which may use which.
//!
//! A node offers what its DaemonSets leave. Whether a pod may use a type at all the scheduler's own plugins say, of an
//! empty node: taints, node selector and required node affinity.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::NodeType;
use super::workloads::{HOSTNAME, Workload, Workloads, keeps_apart};
use crate::api::resources::Resources;
use crate::api::{Kind, Labels, Meta, Name, Node, Obj, Object, Pod};
use crate::bench::bounds::{BinKind, ItemKind, Objective, Problem};
use crate::scheduler::{Cluster, PluginOrders, Profile, Scope, decide, plugins};

/// Where the zone of a node stands.
const ZONE: &str = "topology.kubernetes.io/zone";

/// A problem, and which pods are which of its items.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// One kind of bin a node type, in their order.
    pub(super) problem: Problem,
    /// The item of each workload; nothing for DaemonSets.
    pub(super) items: Vec<Option<usize>>,
    /// By workload and type, whether it may run there.
    pub(super) allowed: Vec<Vec<bool>>,
    /// By type, why no pod can run there, if none can.
    pub(super) too_small: Vec<Option<String>>,
}

impl Room {
    /// Works out sizes and capacities.
    pub(super) fn of(workloads: &Workloads, types: &[NodeType], objective: Objective) -> Room {
        let list = &workloads.list;
        let allowed: Vec<Vec<bool>> = list.iter().map(|workload| allowed(&workload.pod, types)).collect();
        let mut left: Vec<Resources> =
            types.iter().map(|kind| Resources::of_list(Some(&kind.template.allocatable))).collect();
        for (workload, allowed) in list.iter().zip(&allowed).filter(|(workload, _)| workload.is_daemon_set) {
            let taken = asks(workload);
            left.iter_mut().zip(allowed).filter(|(_, allowed)| **allowed).for_each(|(left, _)| left.subtract(&taken));
        }
        let resources = names(list);
        let amounts = |resources: &[Name], of: &Resources| -> Vec<i64> {
            let scalar = resources.iter().map(|name| of.scalar.get(name).copied().unwrap_or(0));
            [of.milli_cpu, of.memory, of.ephemeral_storage, of.pods].into_iter().chain(scalar).collect()
        };
        let mut bins: Vec<BinKind> = Vec::new();
        let mut too_small = Vec::new();
        for (kind, left) in types.iter().zip(&left) {
            let capacity = amounts(&resources, left);
            let is_short = capacity.iter().any(|amount| *amount < 0);
            too_small.push(is_short.then(|| format!("a node {} has no room for its DaemonSets", kind.name)));
            bins.push(BinKind {
                name: kind.name.clone(),
                capacity: capacity.into_iter().map(|amount| amount.max(0)).collect(),
                at_most: is_short.then_some(0),
                micro_dollars: micro_dollars(kind.price_per_hour),
            });
        }
        let mut room = Room {
            problem: Problem { bins, items: Vec::new(), objective },
            items: Vec::new(),
            allowed: allowed.clone(),
            too_small,
        };
        for (workload, allowed) in list.iter().zip(allowed) {
            let item = (!workload.is_daemon_set).then(|| ItemKind {
                name: workload.name.clone(),
                size: amounts(&resources, &asks(workload)),
                count: workload.pods,
                may_use: allowed,
                per_bin: keeps_apart(&workload.pod).then_some(1),
            });
            let number = item.map(|item| room.number_of(item));
            room.items.push(number);
        }
        room
    }

    /// The number of an item; pods that ask for the same are one kind of item.
    fn number_of(&mut self, item: ItemKind) -> usize {
        let items = &mut self.problem.items;
        let same = |known: &&mut ItemKind| {
            known.size == item.size && known.may_use == item.may_use && known.per_bin.or(item.per_bin).is_none()
        };
        match items.iter_mut().enumerate().find_map(|(at, known)| same(&known).then_some((at, known))) {
            Some((at, known)) => {
                known.count += item.count;
                at
            }
            None => {
                items.push(item);
                items.len() - 1
            }
        }
    }

    /// What keeps the types from holding everything, however many nodes there are.
    pub(super) fn refusal(&self) -> Option<String> {
        let homeless = self.problem.homeless();
        let first = &self.problem.items[*homeless.first()?].name;
        let more = match homeless.len() {
            1 => String::new(),
            several => format!(", nor {} more", several - 1),
        };
        let too_small: Vec<String> = self.too_small.iter().flatten().map(|why| format!("; {why}")).collect();
        Some(format!("{first} fits on no node{more}{}", too_small.concat()))
    }

    /// A type, and those that hold what it cannot.
    pub(super) fn around(&self, kind: usize) -> Vec<usize> {
        let mut set = vec![kind];
        let items = (0..self.problem.items.len()).filter(|item| !self.problem.fits(*item, kind));
        set.extend(items.flat_map(|item| self.problem.homes(item)));
        set.sort_unstable();
        set.dedup();
        set
    }

    /// The same with some of the types only.
    pub(super) fn only(&self, types: &[usize]) -> Problem {
        let mut problem = self.problem.clone();
        for (at, bin) in problem.bins.iter_mut().enumerate() {
            if !types.contains(&at) {
                bin.at_most = Some(0);
            }
        }
        problem
    }
}

/// A price in integers; zero where there is none.
pub(super) fn micro_dollars(price: Option<f64>) -> i64 {
    (price.unwrap_or(0.0).clamp(0.0, 1e9) * 1e6).round() as i64
}

/// What a pod takes of a node, itself included.
fn asks(workload: &Workload) -> Resources {
    Resources { pods: 1, ..workload.pod.body.spec.requests.clone() }
}

/// The resources beside the usual ones that some pod asks for.
fn names(list: &[Workload]) -> Vec<Name> {
    let all: BTreeSet<Name> =
        list.iter().flat_map(|workload| workload.pod.body.spec.requests.scalar.keys().cloned()).collect();
    all.into_iter().collect()
}

/// On which types the plugins that look at the node alone let a pod run.
fn allowed(pod: &Arc<Obj<Pod>>, types: &[NodeType]) -> Vec<bool> {
    const JUDGES: [&str; 4] = ["NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity"];
    let judges: Vec<_> = plugins::ALL.iter().copied().filter(|entry| JUDGES.contains(&entry.name)).collect();
    let profile = Profile::of(&PluginOrders::same(&judges), |_| 0);
    let is_allowed = |kind: &NodeType| {
        let mut cluster = Cluster::default();
        cluster.apply(&node(kind, &kind.name, None));
        cluster.nodes.refresh();
        !decide(&cluster, &profile, pod, Scope::Everything).feasible.is_empty()
    };
    types.iter().map(is_allowed).collect()
}

/// A node of a type.
pub(super) fn node(kind: &NodeType, name: &Name, zone: Option<&Name>) -> Object {
    let template = &kind.template;
    let mut meta = Meta::new(Kind::Node, "", name.clone());
    let standard = [
        ("kubernetes.io/arch", template.architecture.clone()),
        (HOSTNAME, name.clone()),
        ("kubernetes.io/os", "linux".into()),
    ];
    let zone = zone.map(|zone| (ZONE, zone.clone()));
    let declared = template.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    let given = standard.into_iter().chain(zone).map(|(key, value)| (Name::from(key), value));
    meta.labels = given.chain(declared).collect::<Labels>();
    let spec = v1::NodeSpec { taints: Some(template.taints.clone()), ..v1::NodeSpec::default() };
    let status = v1::NodeStatus {
        capacity: Some(template.capacity.clone()),
        allocatable: Some(template.allocatable.clone()),
        ..v1::NodeStatus::default()
    };
    Obj { meta, body: Node { spec: Arc::new(spec), status: Arc::new(status) } }.into_object()
}
