//! What nobody can do better than: bounds for the pods of a run on its nodes, whatever the policy.
//!
//! Nodes of a kind are taken together, and cards are amounts: the milli of all of them, and what shares above a half and
//! above a third must take of whole ones (dual feasible functions: F. Clautiaux, C. Alves, J. Valério de Carvalho, 'A
//! survey of dual-feasible and superadditive functions', Annals of Operations Research 179 (2010)).

use std::collections::BTreeMap;

use super::sample::percent;
use super::{Arrivals, Case, Conditions, Figures, Plan, Record, Study};
use crate::bench::bounds::{BinKind, Effort, ItemKind, Objective, Problem, bracket, most};
use crate::bench::stats::Summary;
use crate::kernel::Time;
use crate::scheduler::policies::{Demand, NodeState, RESOURCES};

/// How hard a bound on nodes is looked for: seconds at most.
const EFFORT: Effort = Effort { rounds: 60, steps: 2_000, gap_ppm: 2_000 };
/// Classes times kinds of nodes beyond which no program is solved: what has arrived is the bound then.
const LARGEST: usize = 60_000;

/// The bounds of a run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// At most so much can be allocated of cards (of CPU where there are none), in percent of all, when 100 % have arrived
    /// and when all have; only of runs that fill a cluster.
    pub allocated: BTreeMap<u64, f64>,
    /// The same of everything that comes.
    pub at_end: Option<f64>,
    /// So many nodes are needed at some instant; only where no pod ever waited.
    pub nodes: Option<f64>,
    /// So much they cost an hour at the end, in dollars; only of runs that fill a cluster, and where all pods have a node.
    pub cost_per_hour: Option<f64>,
}

impl Limits {
    /// The bounds of the plan of a case. `all_placed` says whether every pod had a node when it came, under all policies:
    /// of who turns pods away it cannot be said how many nodes it needs.
    ///
    /// # Errors
    /// What no study can be made of.
    pub fn of(study: &Study<'_>, case: Case, all_placed: bool) -> Result<Limits, String> {
        let plan = study.plan(case)?;
        let conditions = &study.conditions[case.conditions];
        let mut limits = Limits::default();
        let is_filling = matches!(conditions.arrivals, Arrivals::Inflated(_));
        if is_filling {
            limits.fill(&plan, study.largest_batch());
        }
        if all_placed {
            let problem = |objective| problem(&plan, &standing_at_peak(&plan), objective);
            limits.nodes = Some(bracket(&problem(Objective::Nodes), EFFORT).bound as f64);
            if is_filling && plan.micro_dollars.iter().any(|price| *price > 0) {
                limits.cost_per_hour = Some(bracket(&problem(Objective::Cost), EFFORT).bound as f64 / 1e6);
            }
        }
        Ok(limits)
    }

    /// Bounds on what can be allocated, point by point of arrived demand.
    ///
    /// Who takes pods in batches may take any of a batch first: where some policy does, the pods of `batch` more count,
    /// as far as they can be among what has arrived.
    pub(super) fn fill(&mut self, plan: &Plan, batch: usize) {
        let has_cards = plan.nodes.iter().any(|node| node.cards.count > 0);
        let asked = |class: &Demand| if has_cards { class.card_milli() } else { class.milli_cpu() };
        let has = |node: &NodeState| if has_cards { node.card_capacity() } else { node.capacity[0] };
        let capacity: i64 = plan.nodes.iter().map(has).sum();
        let worth: Vec<i64> = plan.classes.iter().map(asked).collect();
        let pods: Vec<usize> =
            plan.arrivals.iter().flat_map(|arrival| &arrival.classes).map(|class| *class as usize).collect();
        let bound = |pods: &[usize]| {
            let mut counts = vec![0; plan.classes.len()];
            pods.iter().filter(|class| worth[**class] > 0).for_each(|class| counts[*class] += 1);
            let arrived = pods.iter().map(|class| worth[*class]).sum();
            let problem = problem(plan, &counts, Objective::Nodes);
            let is_small = problem.items.len() * problem.bins.len() <= LARGEST;
            let most = if is_small { most(&problem, &worth).min(arrived) } else { arrived };
            percent(most.min(capacity) as f64, capacity)
        };
        // A point's samples are those that round to it.
        let (mut arrived, mut number) = (0, 0);
        let asked_for = percent(pods.iter().map(|class| worth[*class]).sum::<i64>() as f64, capacity).round() as u64;
        let points = if asked_for > 100 { vec![100, asked_for] } else { vec![asked_for] };
        for point in points {
            let most = point as f64 + 0.5;
            while number < pods.len() && percent((arrived + worth[pods[number]]) as f64, capacity) < most {
                arrived += worth[pods[number]];
                number += 1;
            }
            let has_samples = number < pods.len() || percent(arrived as f64, capacity).round() as u64 == point;
            if has_samples {
                let bound = match batch {
                    0 | 1 => bound(&pods[..number]),
                    more => bound(&pods[..pods.len().min(number + more)]).min(most),
                };
                self.allocated.insert(point, bound);
            }
        }
        self.at_end = Some(bound(&pods));
    }

    /// The bound of a figure by its name, if it has one.
    pub fn figure(&self, name: &str, conditions: &Conditions, has_cards: bool) -> Option<f64> {
        let is_filling = matches!(conditions.arrivals, Arrivals::Inflated(_));
        match name {
            "alloc_gpu_pct" if has_cards => self.at_end,
            "alloc_cpu_pct" if !has_cards => self.at_end,
            "nodes_used" if is_filling => self.nodes,
            "most_nodes_used" => self.nodes,
            "cost_per_hour" => self.cost_per_hour,
            _ => None,
        }
    }
}

/// Whether every pod of these runs had a node when it came, and none was moved.
pub fn all_placed<'a>(mut records: impl Iterator<Item = &'a Record>) -> bool {
    const NONE_OF: [&str; 5] = ["rejected", "waiting", "waited", "failures", "evicted"];
    let place = |name: &str| Figures::NAMES.iter().position(|(known, _)| *known == name);
    let places: Vec<usize> = NONE_OF.iter().filter_map(|name| place(name)).collect();
    records.all(|record| places.iter().all(|place| record.figures[*place] == 0.0))
}

/// How many pods of each class stand when most is asked for of some resource, if every pod starts when it comes.
fn standing_at_peak(plan: &Plan) -> Vec<u32> {
    // What leaves at an instant leaves before what comes: the fewest that can stand.
    let mut events: Vec<(Time, bool, usize)> = Vec::new();
    for (number, arrival) in plan.arrivals.iter().enumerate() {
        events.push((arrival.at, true, number));
        events.extend(arrival.lasts.map(|lasts| (arrival.at.saturating_add(lasts), false, number)));
    }
    events.sort_unstable();
    let sizes: Vec<Vec<i64>> = plan.classes.iter().map(size).collect();
    let mut all = vec![0_i64; RESOURCES + CARD_SIZES];
    for node in &plan.nodes {
        all.iter_mut().zip(room(node)).for_each(|(sum, has)| *sum += has);
    }
    let mut standing = vec![0_i64; all.len()];
    let (mut best, mut until) = (-1.0, 0);
    for (place, (_, comes, number)) in events.iter().enumerate() {
        for class in &plan.arrivals[*number].classes {
            let size = &sizes[*class as usize];
            standing.iter_mut().zip(size).for_each(|(sum, size)| *sum += if *comes { *size } else { -size });
        }
        let shares = standing.iter().zip(&all).filter(|(_, all)| **all > 0);
        let fullest = shares.map(|(standing, all)| *standing as f64 / *all as f64).fold(0.0, f64::max);
        if fullest > best {
            (best, until) = (fullest, place + 1);
        }
    }
    let mut counts = vec![0_u32; plan.classes.len()];
    for (_, comes, number) in &events[..until] {
        for class in &plan.arrivals[*number].classes {
            let count = &mut counts[*class as usize];
            *count = if *comes { *count + 1 } else { *count - 1 };
        }
    }
    counts
}

/// What makes nodes alike: capacity, cards, model, price.
type Alike = (Vec<i64>, u8, u32, i64);

/// The nodes of a plan as bins, and so many pods of each class as items.
pub(super) fn problem(plan: &Plan, counts: &[u32], objective: Objective) -> Problem {
    let mut kinds: BTreeMap<Alike, (NodeState, u32)> = BTreeMap::new();
    for (node, price) in plan.nodes.iter().zip(&plan.micro_dollars) {
        let same = (node.capacity.to_vec(), node.cards.count, node.model, *price);
        kinds.entry(same).or_insert((node.clone(), 0)).1 += 1;
    }
    let bin = |((.., price), (node, count)): (&Alike, &(NodeState, u32))| BinKind {
        name: "node".into(),
        capacity: room(node),
        at_most: Some(*count),
        micro_dollars: *price,
    };
    let bins = kinds.iter().map(bin).collect();
    let item = |(class, count): (&Demand, &u32)| ItemKind {
        name: "pod".into(),
        size: size(class),
        count: *count,
        may_use: kinds.values().map(|(node, _)| node.fits(class)).collect(),
        per_bin: None,
    };
    Problem { bins, items: plan.classes.iter().zip(counts).map(item).collect(), objective }
}

/// How many amounts stand for cards.
const CARD_SIZES: usize = 3;

/// What a pod takes of a node, in integers.
fn size(pod: &Demand) -> Vec<i64> {
    let cards = i64::from(pod.cards);
    let milli = i64::from(pod.milli_per_card);
    // Of n + 1 shares that are all larger than 1/(n + 1) no card has more than n: each takes 1/n. In 2,000 for a card.
    let function = |n: i64| match (milli * (n + 1)) % 1000 {
        0 => 2 * milli,
        _ => milli * (n + 1) / 1000 * (2000 / n),
    };
    pod.asks.iter().copied().chain([cards * milli, cards * function(1), cards * function(2)]).collect()
}

/// What a node has, in the same order.
fn room(node: &NodeState) -> Vec<i64> {
    let cards = i64::from(node.cards.count);
    node.capacity.iter().copied().chain([1000, 2000, 2000].map(|card| card * cards)).collect()
}

/// The bounds of a workload under conditions, a seed each.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GroupLimits {
    /// By seed.
    pub seeds: Vec<Limits>,
}

impl GroupLimits {
    /// The mean over the seeds, where each has it.
    pub fn mean(&self, of: impl Fn(&Limits) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.seeds.iter().map(of).collect();
        values.filter(|values| !values.is_empty()).map(|values| Summary::of(&values).mean)
    }

    /// The mean bound on what can be allocated at a point of arrived demand.
    pub fn at_point(&self, point: u64) -> Option<f64> {
        self.mean(|limits| limits.allocated.get(&point).copied())
    }

    /// The mean bound of a figure.
    pub fn figure(&self, name: &str, conditions: &Conditions, has_cards: bool) -> Option<f64> {
        self.mean(|limits| limits.figure(name, conditions, has_cards))
    }
}

/// How far a mean is from its bound, in percent of the bound.
pub fn gap_percent(mean: f64, bound: f64) -> Option<f64> {
    (bound != 0.0).then(|| (mean - bound).abs() * 100.0 / bound.abs())
}
