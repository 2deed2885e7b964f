//! Workloads that measure: built here without a clock, timed by `wavetank bench` and `cargo bench`.
//!
//! Nothing here decides anything. [`bounds`] says how few nodes would do, [`capacity`] how many do; [`scheduling`] drives
//! the scheduler's room, pod by pod; [`scheduler_perf`] runs a tank with an API server and a scheduler.

pub mod bounds;
pub mod capacity;
pub mod scheduler_perf;
pub mod scheduling;
