//! `wavetank bench`: placement studies, and how fast parts of the simulator are on this machine.

mod clock;
mod lines;
pub(super) mod placement;
mod scheduler;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

/// Study placement policies, or measure how fast the simulator is
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Placement(Box<placement::Arguments>),
    Scheduler(scheduler::Arguments),
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::Placement(arguments) => placement::run(arguments, &[]),
        What::Scheduler(arguments) => scheduler::run(arguments),
    }
}
