//! Studies and workloads that measure: built here without a clock, timed by `wavetank bench` and `cargo bench`.
//!
//! [`placement`] lets algorithms place streams of pods, [`mod@bounds`] says how few nodes would do, [`capacity`] how many
//! do, [`stats`] what several seeds say together. [`scheduling`] drives the scheduler's room, pod by pod;
//! [`scheduler_perf`] runs a tank with an API server and a scheduler.

pub mod bounds;
pub mod capacity;
pub mod placement;
pub mod scheduler_perf;
pub mod scheduling;
pub mod stats;
