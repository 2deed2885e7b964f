//! The command line: one file a subcommand, and all I/O that talks to a terminal or the file system.
//!
//! What a person asked for goes to standard output, everything else (errors, progress) to standard error. Exit codes:
//! 0 all expectations met, 1 an expectation failed (or an action of the timeline that may not), 2 bad input, 3 a bug of
//! wavetank's own. Of several runs the worst counts.

mod api;
mod bench;
mod bug;
mod columns;
mod conformance;
mod dumps;
mod failure;
mod families;
mod import;
mod list;
mod new;
mod out_dir;
mod output;
mod progress;
mod read;
mod run;
mod schedule;
mod schema;
mod sweep;

use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{Parser, Subcommand};

use crate::scheduler::policies::Policy;
use bug::BugNote;
use failure::Failure;

/// The colours of cargo's help.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightGreen.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::BrightGreen.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::BrightCyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::BrightRed.on_default().effects(Effects::BOLD))
    .valid(AnsiColor::BrightCyan.on_default().effects(Effects::BOLD))
    .invalid(AnsiColor::BrightYellow.on_default().effects(Effects::BOLD));

/// A deterministic Kubernetes cluster simulator: one seed, one history, bit for bit
#[derive(Parser)]
#[command(
    name = "wavetank",
    bin_name = "wavetank",
    version,
    styles = STYLES,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 all expectations met, 1 an expectation or an action failed, 2 bad input, 3 a bug of wavetank's own."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Let placement policies, a program's own among them, place the pods of traces, and compare them
#[derive(Parser)]
#[command(styles = STYLES)]
struct PlacementCli {
    #[command(flatten)]
    arguments: bench::placement::Arguments,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Schedule(schedule::Arguments),
    Import(import::Arguments),
    Bench(bench::Arguments),
    New(new::Arguments),
    List(list::Arguments),
    Schema(schema::Arguments),
    Api(api::Arguments),
}

/// Reads the command line, does what it says, and says how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to complain about the help that went into it.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(Failure::BAD_INPUT) } else { ExitCode::SUCCESS };
        }
    };
    let note = BugNote::install();
    let outcome = note.guard(|| match &cli.command {
        Command::Run(arguments) => run::run(arguments, &note),
        Command::Schedule(arguments) => schedule::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::New(arguments) => new::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Api(arguments) => api::run(arguments),
    });
    match outcome {
        None => ExitCode::from(bug::EXIT),
        Some(Ok(code)) => code,
        Some(Err(failure)) => failure.report(),
    }
}

/// `wavetank bench placement` as a program of its own, with policies beside those that wavetank has. The arguments are
/// those of the process.
pub fn placement_main(more: &[&dyn Policy]) -> ExitCode {
    let cli = match PlacementCli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is no reason to complain about the help that went into it.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(Failure::BAD_INPUT) } else { ExitCode::SUCCESS };
        }
    };
    match bench::placement::run(&cli.arguments, more) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
