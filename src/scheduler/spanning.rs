//! The incremental form of a plugin that reaches beyond one node: it names the sums that it needs along topologies, and
//! judges groups of nodes by them. The sums are kept up to date pod by pod.

use std::fmt;

use super::{Cluster, NodeView, PodClass, Status};
use crate::api::Name;

/// Whether a node takes part in an axis.
pub type Eligible = Box<dyn Fn(&Cluster, NodeView) -> bool + Send + Sync>;
/// What a pod of a class counts on an axis.
pub type Weigh = Box<dyn Fn(&Cluster, &PodClass) -> i64 + Send + Sync>;

/// A sum over pods, by the value of a node label.
pub struct Axis {
    /// The label: `topologyKey`.
    pub key: Name,
    /// The nodes whose pods are counted and whose domains exist; absent: all that have the label.
    pub eligible: Option<Eligible>,
    /// Whether each node stands for itself, whatever its label says. Needed where upstream counts the pods of the
    /// node itself.
    pub by_node: bool,
    /// Whether [`Reading::min`] is read.
    pub with_min: bool,
    /// What pods count.
    pub weigh: Weigh,
}

impl fmt::Debug for Axis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Axis({})", self.key)
    }
}

/// What a group of nodes reads from an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reading {
    /// The number of the domain; absent where the nodes lack the label. Where each node is a domain of its own, nodes
    /// with the same sum are read together and this is zero.
    pub domain: Option<u32>,
    /// The sum in the domain.
    pub sum: i64,
    /// The smallest sum of all domains that have an eligible node; zero where there are none, or it is not asked for.
    pub min: i64,
    /// How many domains have an eligible node.
    pub domains: u32,
    /// Whether each node is a domain of its own.
    pub is_single: bool,
    /// How many pods count for something, anywhere.
    pub matches: u64,
}

/// A group of nodes that can take the pod, before it is scored.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What it reads from each axis.
    pub readings: &'a [Reading],
    /// How many nodes it has.
    pub nodes: u32,
}

/// The incremental form of a plugin, prepared for the pods of a template.
pub trait Spanning: fmt::Debug + Send + Sync {
    /// The sums that it needs.
    fn axes(&mut self) -> Vec<Axis>;

    /// Whether the axes hold what pods of this class need; if not, the form is prepared anew.
    fn covers(&self, _cluster: &Cluster, _class: &PodClass) -> bool {
        true
    }

    /// Why nodes with these readings cannot take the pod.
    fn check(&self, _readings: &[Reading]) -> Option<Status> {
        None
    }

    /// Whether it scores.
    fn scores(&self) -> bool;

    /// Scores groups of nodes, normalised, one for each; they are all groups that can take the pod.
    fn score(&self, _places: &[Place], _scores: &mut Vec<i64>) {}
}
