//! kube-scheduler as a placer: its own code decides, with any profile that a configuration can say.
//!
//! The nodes of a plan are Nodes and its pods are Pods of the scheduler's own picture of a cluster, assumed where they were
//! placed and taken off when they leave. CPU, memory and ephemeral storage are what they are; every other resource of the
//! trace is an extended one. Cards are
//! - `alibabacloud.com/gpu-milli`: the thousandths of all cards, which a profile may score;
//! - two resources by which the scheduler sees whether cards fit, which it cannot see from sums: `wavetank.dev/idle-gpus`
//!   and `wavetank.dev/gpu-milli-of-one`, of which a node offers what its pods ask for and what is free (of one card, on the
//!   emptiest), kept up to date as a device plugin would;
//! - the label `alibabacloud.com/gpu-card-model`, to which pods that take some models only have a required node affinity.
//!
//! The card of a pod that shares one is the tightest. Nodes that are down or drained are cordoned. As many nodes are looked
//! at as upstream would (`percentageOfNodesToScore`), and equals are drawn. Left out: zones, priorities and so preemption,
//! the limit of 110 pods a node, and the time that all of it takes. A node that a profile without upstream's filters chose,
//! and that has no room, refuses the pod, as its kubelet would.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Park, Placer, Plan, Spot};
use crate::api::{Kind, Meta, Name, Node, Obj, ObjectId, Pod, PodSpec, PodStatus, Uid};
use crate::kernel::{Purpose, object_hash};
use crate::scheduler::policies::{ANY_MODEL, CARD, Demand, MAX_CARDS, NodeState};
use crate::scheduler::{Cluster, Incremental, Outcome, Profile, Scope, Tie};

const TIE: Purpose = Purpose::new("placement-kube-scheduler-tie");
const GPU_MILLI: &str = "alibabacloud.com/gpu-milli";
const IDLE_GPUS: &str = "wavetank.dev/idle-gpus";
const MILLI_OF_ONE: &str = "wavetank.dev/gpu-milli-of-one";
const MODEL: &str = "alibabacloud.com/gpu-card-model";
/// Pods a node: no limit that a study could reach.
const PODS: i64 = i32::MAX as i64;

/// kube-scheduler.
pub struct KubeScheduler {
    profile: Profile,
    cluster: Cluster,
    incremental: Incremental,
    /// Nodes without what changes of them.
    nodes: Vec<Meta>,
    /// What the Node object of each says of its cards and of being open.
    said: Vec<Said>,
    /// A pod of each class.
    pods: Vec<Arc<Obj<Pod>>>,
    /// The names of resources as the scheduler has them.
    resources: Vec<Name>,
    /// Up to which change of the park the Node objects are right.
    seen: usize,
    /// Where the next decision begins to look.
    start: usize,
    /// How many decisions there were.
    decisions: u64,
}

/// What changes of a Node object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Said {
    idle_gpus: i64,
    milli_of_one: i64,
    is_open: bool,
}

impl Said {
    fn of(node: &NodeState) -> Said {
        let most = node.cards.free.iter().copied().max().unwrap_or(0);
        let whole: i64 = (1..).zip(&node.card_pods[1..]).map(|(cards, pods): (i64, _)| cards * i64::from(*pods)).sum();
        let shared_milli = node.card_capacity() - node.cards.free_milli() - whole * i64::from(CARD);
        Said {
            idle_gpus: whole + i64::from(node.cards.idle_count()),
            milli_of_one: shared_milli + i64::from(most),
            is_open: node.is_open,
        }
    }
}

impl KubeScheduler {
    /// A scheduler with this profile at the start of a run.
    pub fn new(profile: Profile, plan: &Plan) -> KubeScheduler {
        let resources: Vec<Name> = plan.resources.iter().map(resource).collect();
        let pods = plan.classes.iter().map(|class| pod(class, plan, &resources)).collect();
        let nodes = plan.nodes.iter().enumerate().map(|(number, node)| node_meta(number, node, plan)).collect();
        let said = plan.nodes.iter().map(Said::of).collect();
        let mut scheduler = KubeScheduler {
            profile,
            cluster: Cluster::default(),
            incremental: Incremental::default(),
            nodes,
            said,
            pods,
            resources,
            seen: 0,
            start: 0,
            decisions: 0,
        };
        for (number, node) in plan.nodes.iter().enumerate() {
            scheduler.set_node(number, node);
        }
        scheduler.cluster.nodes.refresh();
        scheduler
    }

    /// Kubernetes' default profile.
    pub fn upstream(plan: &Plan) -> KubeScheduler {
        KubeScheduler::new(Profile::upstream(), plan)
    }

    /// Writes the Node object of a node anew.
    fn set_node(&mut self, number: usize, node: &NodeState) {
        let said = self.said[number];
        let amounts = self.resources.iter().enumerate().map(|(at, name)| (name.as_str(), node.capacity[at]));
        let cards = [
            (GPU_MILLI, node.card_capacity()),
            (IDLE_GPUS, said.idle_gpus),
            (MILLI_OF_ONE, said.milli_of_one),
            ("pods", PODS),
        ];
        let status = v1::NodeStatus { allocatable: Some(list(amounts.chain(cards))), ..v1::NodeStatus::default() };
        let spec = v1::NodeSpec { unschedulable: (!said.is_open).then_some(true), ..v1::NodeSpec::default() };
        let body = Node { spec: Arc::new(spec), status: Arc::new(status) };
        self.cluster.nodes.set(&Arc::new(Obj { meta: self.nodes[number].clone(), body }));
    }

    /// Brings the Node objects up to date.
    fn follow(&mut self, park: &Park) {
        for number in park.changed_since(self.seen) {
            let node = &park.nodes()[number];
            let said = Said::of(node);
            if said != self.said[number] {
                self.said[number] = said;
                self.set_node(number, node);
            }
        }
        self.seen = park.changes();
    }
}

impl Placer for KubeScheduler {
    fn place(&mut self, plan: &Plan, park: &Park, class: u32) -> Option<Spot> {
        self.decisions += 1;
        let demand = &plan.classes[class as usize];
        // What upstream would say at length where nothing fits is of no interest here.
        if !park.nodes().iter().any(|node| node.fits(demand)) {
            return None;
        }
        self.follow(park);
        let (chance, decisions) = (plan.chance, self.decisions);
        let tie = (Tie::Draw, |among| chance.draw(TIE, object_hash(""), decisions).below(among));
        let scope = Scope::Sampled { start: self.start, percentage: 0, luck: None };
        let pod = &self.pods[class as usize];
        match self.incremental.decide(&self.cluster, (0, &self.profile), pod, scope, tie) {
            Outcome::Placed { node, next_start } => {
                self.start = next_start;
                let state = &park.nodes()[node as usize];
                let shared = if demand.shares_card() { state.cards.tightest(demand.milli_per_card) } else { MAX_CARDS };
                state.fits(demand).then(|| Spot { node, cards: state.cards_for(demand, shared) })
            }
            Outcome::Unplaced(_) => None,
        }
    }

    fn placed(&mut self, _plan: &Plan, class: u32, spot: Spot, pod: u32) {
        let mut assumed = Obj::clone(&self.pods[class as usize]);
        assumed.meta.id = ObjectId { kind: Kind::Pod, slot: pod };
        assumed.meta.uid = Uid(u128::from(pod) + 1);
        self.cluster.assume(&Arc::new(assumed), spot.node);
    }

    fn removed(&mut self, _plan: &Plan, _class: u32, _spot: Spot, pod: u32) {
        self.cluster.remove_pod(pod);
    }
}

/// The name of a resource: one that the scheduler knows, or an extended one.
fn resource(name: &Name) -> Name {
    match name.as_str() {
        "cpu" | "memory" | "ephemeral-storage" => name.clone(),
        other if other.contains('/') => name.clone(),
        other => ecow::eco_format!("wavetank.dev/{other}"),
    }
}

/// Amounts as quantities; CPU is in millicores.
fn list<'n>(amounts: impl Iterator<Item = (&'n str, i64)>) -> BTreeMap<String, Quantity> {
    let quantity = |(name, amount): (&str, i64)| {
        let unit = if name == "cpu" { "m" } else { "" };
        (name.to_owned(), Quantity(format!("{amount}{unit}")))
    };
    amounts.map(quantity).collect()
}

fn node_meta(number: usize, node: &NodeState, plan: &Plan) -> Meta {
    let name = ecow::eco_format!("node-{number:06}");
    let mut meta = Meta::new(Kind::Node, "", name.clone());
    let model = model(plan, node.model);
    let labels = [("kubernetes.io/hostname", name.as_str()), (MODEL, model)];
    meta.labels = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    meta
}

/// The model that a bit stands for; `none` for cards without one, and nothing where there are no cards.
fn model(plan: &Plan, bit: u32) -> &str {
    match bit {
        0 => "",
        _ => plan.models.get(bit.trailing_zeros() as usize).map_or("none", Name::as_str),
    }
}

/// A pod of a class.
fn pod(class: &Demand, plan: &Plan, resources: &[Name]) -> Arc<Obj<Pod>> {
    let (idle_gpus, milli_of_one) = match class.shares_card() {
        true => (0, class.card_milli()),
        false => (i64::from(class.cards), 0),
    };
    let amounts = resources.iter().enumerate().map(|(at, name)| (name.as_str(), class.asks[at]));
    let cards = [(GPU_MILLI, class.card_milli()), (IDLE_GPUS, idle_gpus), (MILLI_OF_ONE, milli_of_one)];
    let requests = list(amounts.chain(cards).filter(|(_, amount)| *amount > 0));
    let container = v1::Container {
        name: "main".to_owned(),
        resources: Some(v1::ResourceRequirements { requests: Some(requests), ..v1::ResourceRequirements::default() }),
        ..v1::Container::default()
    };
    let affinity = (class.cards > 0 && class.models != ANY_MODEL).then(|| affinity(class, plan));
    let spec = v1::PodSpec { containers: vec![container], affinity, ..v1::PodSpec::default() };
    let meta = Meta::new(Kind::Pod, "default", "pod");
    let body = Pod { spec: PodSpec::new(spec), node_name: Name::new(), status: PodStatus::default() };
    Arc::new(Obj { meta, body })
}

/// The required node affinity to the models of cards that a class takes.
fn affinity(class: &Demand, plan: &Plan) -> v1::Affinity {
    let bits = (0..u32::BITS).map(|bit| 1 << bit).filter(|bit| class.models & bit != 0);
    let models: Vec<String> = bits.map(|bit| model(plan, bit).to_owned()).collect();
    // An `In` without values is refused: `unknown` is what no node has.
    let values = if models.is_empty() { vec!["unknown".to_owned()] } else { models };
    let among = v1::NodeSelectorRequirement { key: MODEL.to_owned(), operator: "In".to_owned(), values: Some(values) };
    let term = v1::NodeSelectorTerm { match_expressions: Some(vec![among]), match_fields: None };
    v1::Affinity {
        node_affinity: Some(v1::NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(v1::NodeSelector {
                node_selector_terms: vec![term],
            }),
            ..v1::NodeAffinity::default()
        }),
        ..v1::Affinity::default()
    }
}
