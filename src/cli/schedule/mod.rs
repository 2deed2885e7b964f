//! `wavetank schedule`: which node each pending pod gets, as kube-scheduler would decide.

mod cases;
mod record;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Failure;
use crate::api::located::{Half, InputError, Issue, Path, Segment};
use crate::api::{Obj, Pod};
use crate::kernel::{Chance, Purpose, object_hash};
use crate::scheduler::{self, Cluster, Decision, NodeIndex, Profile, configuration};

const PURPOSE_TIE: Purpose = Purpose::new("schedule-tie");

/// Decide where pending pods go, as kube-scheduler 1.34 decides it
#[derive(Args)]
pub(super) struct Arguments {
    /// Recorded cases, one JSON object a line, plain or gzip; `-` reads standard input
    #[arg(long, value_name = "FILE", required = true)]
    cases: PathBuf,

    /// How one of several best nodes is chosen
    #[arg(long, value_enum, value_name = "RULE", default_value_t = Tie::Draw)]
    tie: Tie,

    /// Seed of the draws among best nodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tie {
    /// By a draw, as kube-scheduler does
    Draw,
    /// The first by name
    First,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let choice = Choice { tie: arguments.tie, chance: Chance { seed: arguments.seed } };
    cases::run(&arguments.cases, choice)
}

/// How one of several best nodes is chosen.
#[derive(Clone, Copy)]
struct Choice {
    tie: Tie,
    chance: Chance,
}

impl Choice {
    fn of(self, cluster: &Cluster, pod: &Obj<Pod>, decision: &Decision) -> Option<NodeIndex> {
        let tie = match self.tie {
            Tie::Draw => scheduler::Tie::Draw,
            Tie::First => scheduler::Tie::First,
        };
        let draw = |among| self.chance.draw(PURPOSE_TIE, object_hash(&pod.meta.key()), 0).below(among);
        decision.choose(cluster, tie, draw)
    }
}

/// The profiles that pods choose from by `spec.schedulerName`.
struct Profiles(Vec<Profile>);

impl Profiles {
    /// Those of a `KubeSchedulerConfiguration`, or the default.
    fn read(configuration: Option<&Value>) -> Result<Profiles, Vec<Issue>> {
        let Some(value) = configuration else { return Ok(Profiles(vec![Profile::upstream()])) };
        match configuration::read("", &value.to_string()) {
            Ok(configuration) => Ok(Profiles(configuration.profiles)),
            Err(errors) => Err(errors.0.into_iter().map(issue).collect()),
        }
    }

    /// The profile that is responsible for a pod, if there is one.
    fn of(&self, pod: &Pod) -> Option<&Profile> {
        self.0.iter().find(|profile| profile.scheduler_name == pod.spec.scheduler_name)
    }
}

/// An error at its path; the place in the text is that of what is read around it.
fn issue(error: InputError) -> Issue {
    let path = if error.path.is_empty() { Vec::new() } else { vec![Segment::Key(error.path)] };
    Issue { path: Path(path), message: error.message, help: error.help, place: Half::Value }
}
