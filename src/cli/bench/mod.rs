//! `wavetank bench`: how fast parts of the simulator are on this machine, and how many nodes workloads need.

mod capacity;
mod clock;
mod lines;
mod scheduler;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

/// Measure how fast the simulator is, and how many nodes workloads need
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Scheduler(scheduler::Arguments),
    Capacity(capacity::Arguments),
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Scheduler(arguments) => scheduler::run(arguments),
        What::Capacity(arguments) => capacity::run(arguments),
    }
}
