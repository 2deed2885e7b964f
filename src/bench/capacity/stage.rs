//! A fleet of nodes on which kube-scheduler's own code places all pods, and from which nodes are taken away.
//!
//! Pods come by priority, then in the order of the files, each decided against the cluster that those before it left,
//! without preemption. Ties are drawn. When nodes go, their pods come again in that order while all others stay where
//! they are; pods of DaemonSets go with their nodes.

use std::cmp::Reverse;
use std::sync::Arc;

use super::room::{Room, node};
use super::{Headroom, NodeType, Workloads};
use crate::api::{Kind, Name, Obj, ObjectId, Pod, Uid};
use crate::kernel::{Chance, Purpose, object_hash};
use crate::scheduler::{
    Cluster, ExtensionPoint, Incremental, NodeIndex, Outcome, PluginOrders, Profile, Scope, Snapshot, Tie, plugins,
};

const PURPOSE_TIE: Purpose = Purpose::new("capacity-tie");
/// How many choices of nodes that fail are tried for a fleet.
const CHOICES_MAX: usize = 2_000;

/// What is placed, and how.
pub(super) struct Stage<'a> {
    workloads: &'a Workloads,
    types: &'a [NodeType],
    room: &'a Room,
    zones: Vec<Name>,
    /// A cluster without nodes and pods.
    empty: Cluster,
    profile: Profile,
    chance: Chance,
    /// The pods in the order in which they come, with their workloads.
    pods: Vec<(usize, Arc<Obj<Pod>>)>,
}

/// A fleet with its pods.
struct Fleet {
    cluster: Cluster,
    nodes: Vec<NodeIndex>,
    /// Where each pod is.
    places: Vec<Option<NodeIndex>>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// All pods have a node, and would have one after each loss.
    Holds {
        /// How many losses were tried.
        losses: usize,
        /// Whether those are all there can be.
        all: bool,
    },
    /// Some pods have none.
    Lacks {
        /// How many pods of each workload.
        pods: Vec<u32>,
        /// What the scheduler says of the first.
        why: String,
    },
}

impl<'a> Stage<'a> {
    pub(super) fn new(workloads: &'a Workloads, types: &'a [NodeType], room: &'a Room, zones: u32) -> Stage<'a> {
        let mut pods = Vec::new();
        for (at, workload) in workloads.list.iter().enumerate().filter(|(_, workload)| !workload.is_daemon_set) {
            pods.extend((0..workload.pods).map(|number| (at, number)));
        }
        pods.sort_by_key(|(at, _)| Reverse(workloads.list[*at].pod.body.spec.priority));
        let numbered = pods.into_iter().zip(0..);
        let pods = numbered.map(|((at, number), slot)| (at, copy(&workloads.list[at].pod, slot, number))).collect();
        let mut orders = PluginOrders::same(&plugins::of_upstream().collect::<Vec<_>>());
        orders.at_mut(ExtensionPoint::PostFilter).clear();
        Stage {
            workloads,
            types,
            room,
            zones: (1..=zones).map(|zone| ecow::eco_format!("zone-{zone}")).collect(),
            empty: Snapshot::of(workloads.surroundings.iter().cloned()).cluster,
            profile: Profile::of(&orders, |entry| entry.weight),
            chance: Chance { seed: 1 },
            pods,
        }
    }

    /// Whether so many nodes of each type hold all pods, with this headroom.
    pub(super) fn judge(&self, counts: &[u32], headroom: Headroom) -> Verdict {
        let mut fleet = self.fleet(counts);
        let all: Vec<usize> = (0..self.pods.len()).collect();
        let (lacking, why) = self.place(&mut fleet, &all);
        if !lacking.is_empty() {
            return self.lacks(&lacking, why);
        }
        let (losses, all) = self.losses(&fleet, headroom);
        for lost in &losses {
            let (lacking, why) = self.lose(&fleet, lost);
            if !lacking.is_empty() {
                return self.lacks(&lacking, why);
            }
        }
        Verdict::Holds { losses: losses.len(), all }
    }

    fn lacks(&self, lacking: &[usize], why: String) -> Verdict {
        let mut pods = vec![0; self.workloads.list.len()];
        lacking.iter().for_each(|pod| pods[self.pods[*pod].0] += 1);
        Verdict::Lacks { pods, why }
    }

    /// The nodes, dealt to the zones in turn, with the pods of their DaemonSets.
    fn fleet(&self, counts: &[u32]) -> Fleet {
        let mut cluster = self.empty.clone();
        let mut nodes = Vec::new();
        let mut slot = self.pods.len() as u32;
        for (kind, count) in counts.iter().enumerate() {
            for number in 0..*count {
                let name = ecow::eco_format!("{}-{number}", self.types[kind].name);
                let zone = self.zones.get(nodes.len() % self.zones.len().max(1));
                cluster.apply(&node(&self.types[kind], &name, zone));
                let index = cluster.nodes.number(&name);
                nodes.push(index);
                for (at, workload) in self.workloads.list.iter().enumerate() {
                    if workload.is_daemon_set && self.room.allowed[at][kind] {
                        cluster.assume(&copy(&workload.pod, slot, number), index);
                        slot += 1;
                    }
                }
            }
        }
        Fleet { cluster, nodes, places: vec![None; self.pods.len()] }
    }

    /// Places pods, and says which have no place, and why the first has none.
    fn place(&self, fleet: &mut Fleet, pods: &[usize]) -> (Vec<usize>, String) {
        let mut incremental = Incremental::default();
        let (mut lacking, mut first, mut start) = (Vec::new(), String::new(), 0);
        for at in pods {
            let pod = &self.pods[*at].1;
            fleet.cluster.nodes.refresh();
            let draw = |among| self.chance.draw(PURPOSE_TIE, object_hash(&pod.meta.key()), 0).below(among);
            let scope = Scope::Sampled { start, percentage: 0, luck: None };
            match incremental.decide(&fleet.cluster, (0, &self.profile), pod, scope, (Tie::Draw, draw)) {
                Outcome::Placed { node, next_start } => {
                    start = next_start;
                    fleet.cluster.assume(pod, node);
                    fleet.places[*at] = Some(node);
                }
                Outcome::Unplaced(decision) => {
                    if lacking.is_empty() {
                        let message = decision.failure.map(|failure| failure.message).unwrap_or_default();
                        first = format!("{}: {message}", self.workloads.list[self.pods[*at].0].name);
                    }
                    lacking.push(*at);
                }
            }
        }
        (lacking, first)
    }

    /// Takes nodes away, and places their pods anew.
    fn lose(&self, fleet: &Fleet, lost: &[NodeIndex]) -> (Vec<usize>, String) {
        let mut rest = Fleet { cluster: fleet.cluster.clone(), nodes: Vec::new(), places: vec![None; self.pods.len()] };
        let is_displaced = |at: &usize| fleet.places[*at].is_some_and(|node| lost.contains(&node));
        let displaced: Vec<usize> = (0..self.pods.len()).filter(is_displaced).collect();
        for node in lost {
            let on_it: Vec<u32> = rest.cluster.nodes.info(*node).pods.iter().map(|pod| pod.meta.id.slot).collect();
            on_it.into_iter().for_each(|slot| {
                rest.cluster.remove_pod(slot);
            });
            let name = rest.cluster.nodes.name(*node).clone();
            rest.cluster.nodes.remove(&name);
        }
        self.place(&mut rest, &displaced)
    }

    /// The losses that are tried, and whether those are all.
    fn losses(&self, fleet: &Fleet, headroom: Headroom) -> (Vec<Vec<NodeIndex>>, bool) {
        match headroom {
            Headroom::None => (Vec::new(), true),
            Headroom::Zone => {
                let zones = self.zones.len().max(1);
                let of = |zone: usize| fleet.nodes.iter().skip(zone).step_by(zones).copied().collect();
                ((0..zones).map(of).collect(), true)
            }
            Headroom::Nodes(number) => {
                let mut fullest = fleet.nodes.clone();
                fullest.sort_by_key(|node| Reverse(self.fullness(fleet, *node)));
                let number = number as usize;
                let mut among = fullest.len();
                while among > number && choices(among, number) > CHOICES_MAX {
                    among -= 1;
                }
                let all = among == fullest.len();
                let mut losses = Vec::new();
                choose(&fullest[..among], number.min(among), &mut Vec::new(), &mut losses);
                (losses, all)
            }
        }
    }

    /// What the pods on a node take, in thousandths of the largest node's CPU and memory together.
    fn fullness(&self, fleet: &Fleet, node: NodeIndex) -> i64 {
        let most = |of: &dyn Fn(NodeIndex) -> i64| fleet.nodes.iter().map(|node| of(*node)).max().unwrap_or(0).max(1);
        let rows = &fleet.cluster.nodes;
        let (cpu, memory) = (most(&|node| rows.row(node).milli_cpu), most(&|node| rows.row(node).memory));
        let row = rows.row(node);
        let part = |used: i64, most: i64| (i128::from(used) * 1000 / i128::from(most)) as i64;
        part(row.used_milli_cpu, cpu) + part(row.used_memory, memory)
    }
}

/// How many choices of so many among so many there are, or some number above the limit.
fn choices(among: usize, number: usize) -> usize {
    (0..number).fold(1_usize, |product, at| (product * (among - at) / (at + 1)).min(CHOICES_MAX * among))
}

/// Every choice of so many.
fn choose(from: &[NodeIndex], number: usize, chosen: &mut Vec<NodeIndex>, found: &mut Vec<Vec<NodeIndex>>) {
    if number == 0 {
        return found.push(chosen.clone());
    }
    for at in 0..from.len().saturating_sub(number - 1) {
        chosen.push(from[at]);
        choose(&from[at + 1..], number - 1, chosen, found);
        chosen.pop();
    }
}

/// A pod of a template.
fn copy(pod: &Arc<Obj<Pod>>, slot: u32, number: u32) -> Arc<Obj<Pod>> {
    let mut meta = pod.meta.clone();
    meta.name = ecow::eco_format!("{}-{number}", pod.meta.name);
    meta.id = ObjectId { kind: Kind::Pod, slot };
    meta.uid = Uid(u128::from(slot) + 1);
    Arc::new(Obj { meta, body: pod.body.clone() })
}
