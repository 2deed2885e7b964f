//! An axis with its sums, kept up to date pod by pod.

use std::collections::BTreeMap;

use crate::api::Name;
use crate::scheduler::spanning::{Axis, Reading};
use crate::scheduler::{ClassIndex, Cluster, NodeIndex};

const NONE: u32 = u32::MAX;
const UNKNOWN: i64 = i64::MIN;

/// The sums of one axis.
#[derive(Debug)]
pub(super) struct Counter {
    axis: Axis,
    /// The domain of each node, by its place in the order.
    domain: Vec<u32>,
    /// Whether the node takes part.
    counted: Vec<bool>,
    sums: Vec<i64>,
    /// What pods of each class count, as far as asked.
    weights: Vec<i64>,
    is_single: bool,
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
    pub(super) fn new(axis: Axis, cluster: &Cluster, order: &[NodeIndex]) -> Counter {
        let mut values: BTreeMap<Name, u32> = BTreeMap::new();
        let mut counter = Counter {
            axis,
            domain: Vec::with_capacity(order.len()),
            counted: Vec::with_capacity(order.len()),
            sums: Vec::new(),
            weights: Vec::new(),
            is_single: false,
            matches: 0,
            spread: Histogram::default(),
        };
        let mut with_label = 0u32;
        for (position, node) in order.iter().enumerate() {
            let view = cluster.nodes.view(*node);
            let label = view.info.node.as_ref().and_then(|node| node.meta.labels.get(&counter.axis.key));
            let next = values.len() as u32;
            let domain = match (label, counter.axis.by_node) {
                (None, _) => NONE,
                (Some(_), true) => position as u32,
                (Some(value), false) => *values.entry(value.clone()).or_insert(next),
            };
            with_label += u32::from(domain != NONE);
            counter.domain.push(domain);
            let takes_part = counter.axis.eligible.as_ref().is_none_or(|eligible| eligible(cluster, view));
            counter.counted.push(domain != NONE && takes_part);
        }
        let domains = if counter.axis.by_node { order.len() } else { values.len() };
        counter.is_single = counter.axis.by_node || values.len() as u32 == with_label;
        counter.sums = vec![0; domains];
        for (position, node) in order.iter().enumerate() {
            for (class, count) in &cluster.nodes.info(*node).classes {
                counter.add(cluster, position, *class, i64::from(*count));
            }
        }
        if counter.axis.with_min {
            let mut exists = vec![false; domains];
            for (domain, counted) in counter.domain.iter().zip(&counter.counted) {
                if *counted {
                    exists[*domain as usize] = true;
                }
            }
            let existing = counter.sums.iter().zip(&exists).filter(|(_, exists)| **exists);
            existing.for_each(|(sum, _)| counter.spread.add(*sum));
        }
        counter
    }

    /// So many pods of a class have come (or gone, where negative) at a place, before the histogram is there.
    fn add(&mut self, cluster: &Cluster, position: usize, class: ClassIndex, count: i64) -> Option<(i64, i64)> {
        if !self.counted[position] {
            return None;
        }
        let weight = self.weight(cluster, class);
        if weight == 0 {
            return None;
        }
        self.matches = self.matches.wrapping_add_signed(count);
        let sum = &mut self.sums[self.domain[position] as usize];
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
        match self.domain[position] {
            NONE => i64::MIN,
            domain if self.is_single => self.sums[domain as usize],
            domain => i64::from(domain),
        }
    }

    /// What nodes with a coordinate read.
    pub(super) fn read(&self, coordinate: i64) -> Reading {
        let (domain, sum) = match coordinate {
            i64::MIN => (None, 0),
            sum if self.is_single => (Some(0), sum),
            domain => (Some(domain as u32), self.sums[domain as usize]),
        };
        Reading {
            domain,
            sum,
            min: self.spread.min as i64,
            domains: self.spread.total,
            is_single: self.is_single,
            matches: self.matches,
        }
    }
}
