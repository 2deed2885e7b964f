//! Workloads that measure: built here without a clock, timed by `wavetank bench` and `cargo bench`.
//!
//! Nothing here decides anything: it builds clusters and streams of pods, and drives the scheduler's room.

pub mod scheduler_perf;
pub mod scheduling;
