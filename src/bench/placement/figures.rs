//! What a run comes to: one number a question.

use super::run::Run;
use super::sample::percent;
use super::{Park, Plan};
use crate::kernel::{Span, Time};
use crate::scheduler::policies::NodeState;

/// What is counted on the way.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) placements: u32,
    pub(super) moved: u32,
    pub(super) evicted: u32,
    pub(super) preempted: u32,
    pub(super) rejected: u32,
    pub(super) waited: u32,
    pub(super) failures: u32,
    pub(super) most_nodes: u32,
    /// How long each pod waited that was placed.
    waits: Vec<Span>,
    /// Percent times seconds, of cards, CPU and memory; and node seconds.
    areas: [f64; 4],
    seconds: f64,
}

impl Tally {
    /// Time goes by while nothing changes.
    pub(super) fn pass(&mut self, from: Time, to: Time, park: &Park) {
        if to <= from {
            return;
        }
        let seconds = to.since(from).as_secs_f64();
        let totals = park.totals();
        self.seconds += seconds;
        self.areas[0] += seconds * percent(totals.card_allocated as f64, totals.card_capacity);
        self.areas[1] += seconds * percent(totals.allocated[0] as f64, totals.capacity[0]);
        self.areas[2] += seconds * percent(totals.allocated[1] as f64, totals.capacity[1]);
        self.areas[3] += seconds * f64::from(totals.nodes_used);
    }

    /// Pods were placed for the first time, or anew after they had waited.
    pub(super) fn waited(&mut self, now: Time, since: Time, pods: u32) {
        (0..pods).for_each(|_| self.waits.push(now.since(since)));
    }

    fn mean(&self, area: usize) -> f64 {
        if self.seconds > 0.0 { self.areas[area] / self.seconds } else { 0.0 }
    }
}

/// How nodes stand at an instant.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Standing {
    /// What is free of cards, CPU and memory on nodes where no pod of the study fits, in percent of all.
    stranded: [f64; 3],
    /// The standard deviation of how full nodes are, in percentage points.
    spread: f64,
}

impl Standing {
    pub(super) fn of(plan: &Plan, park: &Park) -> Standing {
        Standing { stranded: stranded(plan, park), spread: spread(park.nodes()) }
    }
}

/// The figures of a run, by name, in the order of [`Figures::NAMES`].
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// The values.
    pub values: Vec<f64>,
}

impl Figures {
    /// The names, each with what it says.
    pub const NAMES: &[(&str, &str)] = &[
        ("pods", "pods that came"),
        ("placed", "times that a pod was placed"),
        ("rejected", "pods that were turned away for good"),
        ("waiting", "pods that still wait at the end"),
        ("waited", "pods that had no node when they came, or lost it and found no other at once"),
        ("alloc_gpu_pct", "cards that pods have when the last pod came, in percent of all"),
        ("alloc_cpu_pct", "the same of CPU"),
        ("alloc_memory_pct", "the same of memory"),
        ("frag_pct_of_cluster", "cards that are free and of no use to typical pods, in percent of all"),
        (
            "stranded_gpu_pct",
            "cards that are free on nodes where no pod of the study fits, when the last pod came, in percent of all",
        ),
        ("stranded_cpu_pct", "the same of CPU"),
        ("stranded_memory_pct", "the same of memory"),
        ("mean_alloc_gpu_pct", "cards that pods had, in the mean over time, in percent of all"),
        ("mean_alloc_cpu_pct", "the same of CPU"),
        ("mean_alloc_memory_pct", "the same of memory"),
        ("nodes_used", "nodes that run a pod when the last pod came"),
        ("most_nodes_used", "the most nodes that ever ran a pod"),
        ("mean_nodes_used", "nodes that ran a pod, in the mean over time"),
        ("cost_per_hour", "what an hour of the nodes used costs, in dollars"),
        ("spread", "the standard deviation of how full nodes are when the last pod came, in percentage points"),
        ("wait_p50_seconds", "the median of the time that placed pods waited"),
        ("wait_p95_seconds", "its 95th percentile"),
        ("wait_p99_seconds", "its 99th percentile"),
        ("failures", "nodes that failed"),
        ("evicted", "pods that were evicted from nodes that failed or were drained"),
        ("preempted", "pods that had to make room for others"),
        ("migrations", "pods that were placed again"),
    ];

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let place = Figures::NAMES.iter().position(|(known, _)| *known == name)?;
        self.values.get(place).copied()
    }

    pub(super) fn of(run: &Run<'_>) -> Figures {
        let (tally, last) = (&run.tally, run.last_sample());
        let Standing { stranded, spread } = run.standing;
        let mut waits: Vec<f64> = tally.waits.iter().map(|wait| wait.as_secs_f64()).collect();
        waits.sort_by(f64::total_cmp);
        let values = vec![
            f64::from(last.pods),
            f64::from(tally.placements),
            f64::from(tally.rejected),
            f64::from(run.waiting_pods()),
            f64::from(tally.waited),
            last.alloc_gpu_pct,
            last.alloc_cpu_pct,
            last.alloc_memory_pct,
            last.frag_pct_of_cluster,
            stranded[0],
            stranded[1],
            stranded[2],
            tally.mean(0),
            tally.mean(1),
            tally.mean(2),
            f64::from(last.nodes_used),
            f64::from(tally.most_nodes),
            tally.mean(3),
            last.cost_per_hour,
            spread,
            percentile(&waits, 50),
            percentile(&waits, 95),
            percentile(&waits, 99),
            f64::from(tally.failures),
            f64::from(tally.evicted),
            f64::from(tally.preempted),
            f64::from(tally.moved),
        ];
        assert_eq!(values.len(), Figures::NAMES.len(), "every figure has a name");
        Figures { values }
    }
}

/// How full a node is, in percent: of its cards, of its CPU where it has none.
pub(super) fn fill_percent(node: &NodeState) -> f64 {
    match node.card_capacity() {
        0 => percent((node.capacity[0] - node.free[0]) as f64, node.capacity[0]),
        cards => percent((cards - node.cards.free_milli()) as f64, cards),
    }
}

fn spread(nodes: &[NodeState]) -> f64 {
    let full: Vec<f64> = nodes.iter().map(fill_percent).collect();
    let count = full.len().max(1) as f64;
    let mean = full.iter().sum::<f64>() / count;
    (full.iter().map(|full| (full - mean) * (full - mean)).sum::<f64>() / count).sqrt()
}

/// What is free of cards, CPU and memory on nodes where no pod fits that the study knows, in percent of all.
fn stranded(plan: &Plan, park: &Park) -> [f64; 3] {
    let is_full = |node: &&NodeState| !plan.classes.iter().any(|pod| node.fits(pod));
    let mut free = [0; 3];
    for node in park.nodes().iter().filter(is_full) {
        free[0] += node.cards.free_milli();
        free[1] += node.free[0];
        free[2] += node.free[1];
    }
    let totals = park.totals();
    let all = [totals.card_capacity, totals.capacity[0], totals.capacity[1]];
    std::array::from_fn(|place| percent(free[place] as f64, all[place]))
}

/// The nearest-rank percentile of sorted values; zero where there are none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    match sorted.len() {
        0 => 0.0,
        count => sorted[(count * percent).div_ceil(100).clamp(1, count) - 1],
    }
}
