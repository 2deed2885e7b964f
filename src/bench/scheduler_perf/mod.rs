//! Upstream's scheduler_perf: test cases from YAML, run on a tank with an API server and a scheduler.
//!
//! Three steps, never mixed: `file.rs` is the format, [`load`] works out what it means ([`Workload`]), [`Run`] does it.
//! Nothing here reads a clock: a run says when what is measured begins and ends, and whoever runs it looks at one.
//!
//! Upstream: `test/integration/scheduler_perf` of 1.34, with its conditions: client limits of 5,000 requests a second,
//! no leader election, no kubelets, no controllers. Pods are named by the server, nodes by us. So that a churn strikes as
//! often for each pod as in upstream's run at its floor, a decision takes as long in simulated time as there: a second
//! over the threshold; without a threshold [`crate::scheduler::CYCLE_TIME`].
//!
//! Left out, and refused where a file asks for it: the opcodes of dynamic resources, `updateAny`, steady states, volumes
//! of pods, CSI limits of nodes, other metrics than throughput, feature gates that are otherwise than 1.34 has them.

mod counts;
mod file;
mod ops;
mod params;
mod plan;
mod read;
mod run;
mod template;
#[cfg(test)]
mod tests;

pub use file::{ChurnMode, Stage};
pub use plan::{Churn, Pods, Step, Wait, Workload};
pub use read::load;
pub use run::{Moment, Run};
