//! Workloads that measure: built here without a clock, timed by `wavetank bench` and `cargo bench`.
//!
//! Nothing here decides anything. [`scheduling`] drives the scheduler's room, pod by pod; [`scheduler_perf`] runs a tank
//! with an API server and a scheduler.

pub mod placement;
pub mod scheduler_perf;
pub mod scheduling;
