//! wavetank from outside: one file a behaviour.

mod benches;
mod capacity;
mod choices;
mod cli;
mod conformance;
mod determinism;
mod faults;
mod guest;
mod invariants;
mod leaders;
mod manifests;
mod nodes;
mod placement;
mod quiet;
mod random;
mod report;
mod rollouts;
mod schema;
mod snapshots;
mod stories;
mod story;
mod sweeps;
mod tidy;
mod traces;
mod volumes;
mod weather;
