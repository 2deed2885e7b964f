//! Placement studies: what an algorithm makes of a stream of pods on a set of nodes, without an API server, kubelets or
//! controllers between.
//!
//! A [`Trace`](crate::trace::Trace) and a seed make a [`Plan`]: nodes in a drawn order, pods in the order in which they come.
//! A [`Run`] takes the pods one by one to a [`Placer`], and measures after each. The same plan under several policies is
//! the same chance: differences between them are the policies'. A [`Study`] is many runs; [`results`] are what they say together.

mod conditions;
mod curve;
mod figures;
pub mod file;
mod kube;
mod limits;
mod park;
mod placer;
mod plan;
mod preempt;
mod ranking;
mod record;
pub mod results;
mod run;
mod sample;
mod study;
#[cfg(test)]
mod tests;

pub use conditions::{Conditions, Drains, Failures, Queue};
pub use curve::{Bin, MEASURES, bins};
pub use figures::Figures;
pub use kube::KubeScheduler;
pub use limits::{GroupLimits, Limits, all_placed, gap_percent};
pub use park::{Park, Spot, Totals};
pub use placer::{Placer, Scored};
pub use plan::{Arrival, Arrivals, Plan, typical};
pub use record::Record;
pub use run::{Outcome, Run};
pub use sample::Sample;
pub use study::{Case, Contender, Source, Study, Workload};
