//! Placement studies: what an algorithm makes of a stream of pods on a set of nodes, without an API server, kubelets or
//! controllers between.
//!
//! A [`Trace`](crate::trace::Trace) and a seed make a [`Plan`]: nodes in a drawn order, pods in the order in which they come.
//! A [`Run`] takes the pods one by one to a [`Placer`], and measures after each. The same plan under several policies is
//! the same chance: differences between them are the policies'.

mod park;
mod placer;
mod plan;
mod ranking;
mod run;
mod sample;

pub use park::{Park, Spot};
pub use placer::{Placer, Scored};
pub use plan::{Arrival, Arrivals, Plan, typical};
pub use run::{Outcome, Run};
pub use sample::Sample;
