//! Placement policies: algorithms that choose a node, beside the scheduler's plugins.
//!
//! A policy looks at a pod and at one node, and says how much it likes the pair; whoever drives it (a placement study, or
//! the scheduler of a tank through a score plugin) takes the node with the highest score. Because a score depends on
//! nothing else, it is asked again only for nodes that have changed. What fits is not a policy's business: it is only
//! asked about nodes where the pod fits.
//!
//! A family: a policy a file, listed in [`ALL`].

mod best_fit_decreasing;
mod bestfit;
mod demand;
mod dot_product;
mod dotprod;
mod fgd;
mod first_fit;
mod first_fit_decreasing;
mod fragmentation;
mod gpu_clustering;
mod gpu_packing;
mod harmonic;
mod kube_least_allocated;
mod kube_most_allocated;
mod kube_ratio;
mod l2_norm;
mod lookahead;
mod next_fit;
mod node;
mod random;
mod round_robin;
mod setting;
mod tetris;
mod worst_fit;

pub use demand::{ANY_MODEL, Demand};
pub use fragmentation::Typical;
pub use node::{CARD, Cards, MAX_CARDS, NodeState, RESOURCES, ResourceVector};
pub use setting::{Setting, Share};

/// The highest score of policies to which Kubernetes' 0 to 100 are too coarse.
const FINE: f64 = 10_000.0;

/// A placement algorithm.
pub trait Policy: Send + Sync {
    /// What the command line calls it: lower case, words joined by `-`.
    fn name(&self) -> &'static str;

    /// What it is, in one sentence, with its source.
    fn doc(&self) -> &'static str;

    /// How good it would be to place the pod on the node, where it fits. Higher wins.
    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32;

    /// The card that a sharing pod takes on the node that was chosen: the fullest one that has room, the lowest number
    /// among equals.
    fn card(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> usize {
        let _ = setting;
        node.cards.tightest(pod.milli_per_card)
    }

    /// Which of the nodes with the best score it is.
    fn ties(&self) -> Ties {
        Ties::First
    }

    /// How many pods it wants to see at once, where they come one by one.
    fn batch(&self) -> usize {
        1
    }

    /// In which order, or where, the pods of a batch are placed.
    fn arrange(&self, batch: &[Demand], nodes: &[NodeState], setting: &Setting) -> Vec<Step> {
        let _ = (nodes, setting);
        (0..batch.len()).map(Step::Place).collect()
    }
}

/// What is done next with a batch, by the number of the pod in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The pod is placed by score.
    Place(usize),
    /// The pod is placed on this node, or by score where it does not fit there.
    PlaceOn(usize, usize),
}

/// Which of several nodes with the best score is taken. Nodes have an order, which is drawn by the seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ties {
    /// The first in the order.
    First,
    /// Any, drawn; also any card of those with room.
    Draw,
    /// Any, drawn; the card is the policy's.
    DrawNode,
    /// The first from the node on that was taken last, round the end.
    FromLast,
    /// The first after the node that was taken last, round the end.
    AfterLast,
}

/// All policies, in the order of listings.
pub const ALL: &[&dyn Policy] = &[
    &random::Random,
    &dotprod::DotProd,
    &gpu_clustering::GpuClustering,
    &gpu_packing::GpuPacking,
    &bestfit::BestFit,
    &fgd::Fgd,
    &first_fit::FirstFit,
    &next_fit::NextFit,
    &worst_fit::WorstFit,
    &round_robin::RoundRobin,
    &l2_norm::L2Norm,
    &dot_product::DotProduct,
    &tetris::Tetris,
    &harmonic::Harmonic,
    &first_fit_decreasing::FirstFitDecreasing,
    &best_fit_decreasing::BestFitDecreasing,
    &kube_least_allocated::KubeLeastAllocated,
    &kube_most_allocated::KubeMostAllocated,
    &kube_ratio::KubeRatio,
    &lookahead::Lookahead,
];

/// The policy of a name.
pub fn named(name: &str) -> Option<&'static dyn Policy> {
    ALL.iter().copied().find(|policy| policy.name() == name)
}
