//! `wavetank bench`: placement studies, how many nodes workloads need, and how fast parts of the simulator are on this
//! machine.

mod capacity;
mod clock;
mod lines;
pub(super) mod placement;
mod scheduler;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

/// Study placement policies, plan capacity, or measure how fast the simulator is
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Capacity(capacity::Arguments),
    Placement(Box<placement::Arguments>),
    Scheduler(scheduler::Arguments),
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Capacity(arguments) => capacity::run(arguments),
        What::Placement(arguments) => placement::run(arguments, &[]),
        What::Scheduler(arguments) => scheduler::run(arguments),
    }
}
