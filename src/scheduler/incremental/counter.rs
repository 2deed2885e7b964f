//! An axis with its sums, kept up to date pod by pod.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::api::Name;
use crate::scheduler::spanning::{Axis, Reading};
use crate::scheduler::{ClassIndex, Cluster, NodeIndex};

const NONE: u32 = u32::MAX;
const UNKNOWN: i64 = i64::MIN;

/// The domains of a topology: which nodes have which value of a label. Shared by all axes of an epoch.
#[derive(Debug)]
pub(super) struct Topology {
    /// The domain of each node, by its place in the order.
    domain: Vec<u32>,
    domains: usize,
    /// Whether each node with the label is a domain of its own.
    is_single: bool,
}

impl Topology {
    /// By the values of a label.
    pub(super) fn of_label(cluster: &Cluster, order: &[NodeIndex], key: &str) -> Topology {
        let mut values: FxHashMap<Name, u32> = FxHashMap::default();
        let mut with_label = 0;
        let domain = |node: &NodeIndex| {
            let info = cluster.nodes.info(*node);
            let Some(value) = info.node.as_ref().and_then(|node| node.meta.labels.get(key)) else { return NONE };
            with_label += 1;
            let next = values.len() as u32;
            *values.entry(value.clone()).or_insert(next)
        };
        let domain = order.iter().map(domain).collect();
        Topology { domain, domains: values.len(), is_single: values.len() == with_label }
    }

    /// Each node that has the label is a domain.
    pub(super) fn of_nodes(cluster: &Cluster, order: &[NodeIndex], key: &str) -> Topology {
        let has_label = |node: &NodeIndex| {
            let node = cluster.nodes.info(*node).node.as_ref();
            node.is_some_and(|node| node.meta.labels.get(key).is_some())
        };
        let domain = order.iter().zip(0..).map(|(node, position)| if has_label(node) { position } else { NONE });
        Topology { domain: domain.collect(), domains: order.len(), is_single: true }
    }
}

/// The sums of one axis.
#[derive(Debug)]
pub(super) struct Counter {
    axis: Axis,
    topology: Arc<Topology>,
    /// Whether the node takes part; empty where all that have the label do.
    counted: Vec<bool>,
    sums: Vec<i64>,
    /// What pods of each class count, as far as asked.
    weights: Vec<i64>,
    matches: u64,
    spread: Histogram,
}

/// How many domains have which sum, for the smallest. Sums are counts of pods here, never below zero.
#[derive(Debug, Default)]
struct Histogram {
    domains: Vec<u32>,
    min: usize,
    total: u32,
}

impl Histogram {
    fn add(&mut self, sum: i64) {
        let sum = sum as usize;
        if self.domains.len() <= sum {
            self.domains.resize(sum + 1, 0);
        }
        self.domains[sum] += 1;
        self.min = if self.total == 0 { sum } else { self.min.min(sum) };
        self.total += 1;
    }

    fn shift(&mut self, from: i64, to: i64) {
        let (from, to) = (from as usize, to as usize);
        if self.domains.len() <= to {
            self.domains.resize(to + 1, 0);
        }
        self.domains[from] -= 1;
        self.domains[to] += 1;
        self.min = self.min.min(to);
        while self.domains[self.min] == 0 {
            self.min += 1;
        }
    }
}

impl Counter {
    /// Counts the cluster as it is. `order` are the nodes in their order.
    pub(super) fn new(axis: Axis, topology: Arc<Topology>, cluster: &Cluster, order: &[NodeIndex]) -> Counter {
        let counted = match &axis.eligible {
            None => Vec::new(),
            Some(eligible) => order.iter().map(|node| eligible(cluster, cluster.nodes.view(*node))).collect(),
        };
        let sums = vec![0; topology.domains];
        let spread = Histogram::default();
        let mut counter = Counter { axis, topology, counted, sums, weights: Vec::new(), matches: 0, spread };
        for (position, node) in order.iter().enumerate() {
            for (class, count) in &cluster.nodes.info(*node).classes {
                counter.add(cluster, position, *class, i64::from(*count));
            }
        }
        if counter.axis.with_min {
            let mut exists = vec![false; counter.sums.len()];
            for position in 0..order.len() {
                if counter.counts(position) {
                    exists[counter.topology.domain[position] as usize] = true;
                }
            }
            let existing = counter.sums.iter().zip(&exists).filter(|(_, exists)| **exists);
            existing.for_each(|(sum, _)| counter.spread.add(*sum));
        }
        counter
    }

    /// Whether the pods of a node are counted.
    fn counts(&self, position: usize) -> bool {
        self.topology.domain[position] != NONE && self.counted.get(position).is_none_or(|counted| *counted)
    }

    /// Whether pods of a class count for something.
    pub(super) fn minds(&mut self, cluster: &Cluster, class: ClassIndex) -> bool {
        self.weight(cluster, class) != 0
    }

    /// Whether the coordinate of a node changes with its pods.
    pub(super) fn is_single(&self) -> bool {
        self.topology.is_single
    }

    /// So many pods of a class have come (or gone, where negative) at a place, before the histogram is there.
    fn add(&mut self, cluster: &Cluster, position: usize, class: ClassIndex, count: i64) -> Option<(i64, i64)> {
        let weight = self.weight(cluster, class);
        if weight == 0 || !self.counts(position) {
            return None;
        }
        self.matches = self.matches.wrapping_add_signed(count);
        let sum = &mut self.sums[self.topology.domain[position] as usize];
        let before = *sum;
        *sum += weight * count;
        Some((before, *sum))
    }

    /// A pod of a class has come (1) or gone (-1) at a place.
    pub(super) fn change(&mut self, cluster: &Cluster, position: usize, class: ClassIndex, count: i64) {
        if let Some((before, after)) = self.add(cluster, position, class, count)
            && self.axis.with_min
        {
            self.spread.shift(before, after);
        }
    }

    fn weight(&mut self, cluster: &Cluster, class: ClassIndex) -> i64 {
        let class = class as usize;
        if self.weights.len() <= class {
            self.weights.resize(class + 1, UNKNOWN);
        }
        if self.weights[class] == UNKNOWN {
            self.weights[class] = (self.axis.weigh)(cluster, cluster.classes.get(class as ClassIndex));
        }
        self.weights[class]
    }

    /// What of a node matters to the readings: its domain, or its sum where each node is a domain of its own; -1
    /// without the label.
    pub(super) fn coordinate(&self, position: usize) -> i64 {
        match self.topology.domain[position] {
            NONE => i64::MIN,
            domain if self.topology.is_single => self.sums[domain as usize],
            domain => i64::from(domain),
        }
    }

    /// What nodes with a coordinate read.
    pub(super) fn read(&self, coordinate: i64) -> Reading {
        let (domain, sum) = match coordinate {
            i64::MIN => (None, 0),
            sum if self.topology.is_single => (Some(0), sum),
            domain => (Some(domain as u32), self.sums[domain as usize]),
        };
        Reading {
            domain,
            sum,
            min: self.spread.min as i64,
            domains: self.spread.total,
            is_single: self.topology.is_single,
            matches: self.matches,
        }
    }
}
