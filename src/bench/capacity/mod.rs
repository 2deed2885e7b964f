//! How many nodes of which types hold these workloads.
//!
//! A mix comes from the packings of [`super::bounds`], of which the lower bound comes too. Then kube-scheduler's own
//! code places every pod on that mix, and where pods are left over, nodes are added until none is; last, nodes are
//! taken away again as long as all still fit. So what is offered has been seen to hold: with pods that come by
//! priority and then in the order of the files, into an empty fleet, and for the losses that are named. Another order
//! of coming, or a fleet that has lived, may need a node more.
//!
//! Pods ask for what the scheduler counts. Bounds know resources, the number of pods a node takes, taints, node
//! selectors, required node affinity, and anti-affinity of a workload to itself on a node; for affinity and spread
//! beyond that they are too low, and say nothing false.

mod plan;
mod room;
mod stage;
#[cfg(test)]
mod tests;
mod workloads;

pub use plan::{Answer, Checked, Mix, Refused, answer};
pub use workloads::{Workload, Workloads};

pub use crate::scenario::NodeType;

use super::bounds::Objective;

/// What must be left when something fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Headroom {
    /// Nothing.
    None,
    /// Room for the pods of this many nodes that fail at once.
    Nodes(u32),
    /// Room for the pods of a zone.
    Zone,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// What is to be small.
    pub objective: Objective,
    /// What must be left.
    pub headroom: Headroom,
    /// Over how many zones the nodes are dealt in turn; zero: there are none.
    pub zones: u32,
}
