//! `wavetank schedule`: which node each pending pod gets, as kube-scheduler would decide.

mod answer;
mod cases;
mod files;
mod record;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::output::to_stderr;
use super::{Failure, dumps};
use crate::api::convert::ConvertError;
use crate::api::located::{InputError, Issue};
use crate::api::{Obj, Pod};
use crate::kernel::{Chance, Purpose, object_hash};
use crate::scheduler::{
    self, Cluster, Decision, NodeIndex, PERCENTAGE_OF_NODES_TO_SCORE, Profile, Snapshot, configuration,
};

const PURPOSE_TIE: Purpose = Purpose::new("schedule-tie");

/// Decide where pending pods go, and why, as kube-scheduler 1.34 decides it
#[derive(Args)]
#[command(after_help = "\
The files are what `kubectl get nodes,pods,… -A -o yaml` or `-o json` prints; other kinds that decisions depend on are \
Namespaces, Services, ReplicaSets, StatefulSets, ReplicationControllers, PersistentVolumes and their claims, \
StorageClasses, CSINodes and PodDisruptionBudgets. Pods without a node are pending; they are decided in the order of the \
queue, each against the cluster that those before it left, and all nodes are looked at, as with \
percentageOfNodesToScore: 100. Pods that a person wrote get what admission would have given them.

Exit codes: 0 every pending pod has a node, 1 some pod has none, 2 bad input.")]
pub(super) struct Arguments {
    /// A file that kubectl has printed, or a folder of them, plain or gzip; `-` reads standard input
    #[arg(short, long = "filename", value_name = "FILE", required_unless_present = "cases")]
    files: Vec<PathBuf>,

    /// A KubeSchedulerConfiguration [default: the default profile]
    #[arg(long, value_name = "FILE", conflicts_with = "cases")]
    config: Option<PathBuf>,

    /// How one of several best nodes is chosen
    #[arg(long, value_enum, value_name = "RULE", default_value_t = Tie::Draw)]
    tie: Tie,

    /// Seed of the draws among best nodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Show for each pod what every node said of it, what would have tipped the choice, or what would place it
    #[arg(long, conflicts_with = "cases")]
    explain: bool,

    /// Show only these pods; all are decided
    #[arg(long = "pod", value_name = "[NAMESPACE/]NAME", conflicts_with = "cases")]
    pods: Vec<String>,

    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, conflicts_with = "cases")]
    output: Format,

    /// Decide recorded cases instead, one JSON object a line, plain or gzip
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    cases: Option<PathBuf>,

    /// With --cases: print only where each pod goes, or the message, decided by the engine that works in simulations
    #[arg(long, requires = "cases")]
    brief: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tie {
    /// By a draw, as kube-scheduler does
    Draw,
    /// The first by name
    First,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables in kubectl's looks
    #[value(alias = "text")]
    Table,
    /// JSON
    Json,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let choice = Choice { tie: arguments.tie, chance: Chance { seed: arguments.seed } };
    match &arguments.cases {
        Some(cases) => cases::run(cases, arguments.brief, choice),
        None => answer::run(arguments, choice),
    }
}

/// How one of several best nodes is chosen.
#[derive(Clone, Copy)]
struct Choice {
    tie: Tie,
    chance: Chance,
}

impl Choice {
    fn of(self, cluster: &Cluster, pod: &Obj<Pod>, decision: &Decision) -> Option<NodeIndex> {
        let (tie, draw) = self.rule(pod);
        decision.choose(cluster, tie, draw)
    }

    fn rule(self, pod: &Obj<Pod>) -> (scheduler::Tie, impl FnOnce(u64) -> u64) {
        let tie = match self.tie {
            Tie::Draw => scheduler::Tie::Draw,
            Tie::First => scheduler::Tie::First,
        };
        let object = object_hash(&pod.meta.key());
        (tie, move |among| self.chance.draw(PURPOSE_TIE, object, 0).below(among))
    }
}

/// The profiles that pods choose from by `spec.schedulerName`.
struct Profiles(Vec<Profile>);

impl Profiles {
    /// Those of the `KubeSchedulerConfiguration` of a case, or the default.
    fn of_case(configuration: Option<&Value>) -> Result<Profiles, Vec<Issue>> {
        let Some(value) = configuration else { return Ok(Profiles(vec![Profile::upstream()])) };
        let issue =
            |error: InputError| Issue { help: error.help, ..ConvertError::new(error.path, error.message).issue() };
        match configuration::read("", &value.to_string()) {
            Ok(configuration) => Ok(Profiles(configuration.profiles)),
            Err(errors) => Err(errors.0.into_iter().map(issue).collect()),
        }
    }

    /// Those of the `KubeSchedulerConfiguration` in a file, or the default.
    fn of_file(path: Option<&Path>) -> Result<Profiles, Failure> {
        let Some(path) = path else { return Ok(Profiles(vec![Profile::upstream()])) };
        let (shown, text) = dumps::text(path)?;
        let configuration = configuration::read(&shown, &text)?;
        let sampling = configuration.profiles.iter().any(|profile| profile.percentage_of_nodes_to_score.is_some());
        if sampling || configuration.flags.is_set(&PERCENTAGE_OF_NODES_TO_SCORE) {
            to_stderr("note: percentageOfNodesToScore has no effect here: all nodes are looked at");
        }
        Ok(Profiles(configuration.profiles))
    }

    /// Counts the pods of a snapshot, where a policy wants to know which are typical.
    fn prepare(&self, snapshot: &mut Snapshot) {
        if self.0.iter().any(|profile| profile.args.placement.learns()) {
            snapshot.count_pods();
        }
    }

    /// The profile that is responsible for a pod, if there is one.
    fn of(&self, pod: &Pod) -> Option<&Profile> {
        self.numbered(pod).map(|(_, profile)| profile)
    }

    /// The same with its number.
    fn numbered(&self, pod: &Pod) -> Option<(u8, &Profile)> {
        let mut profiles = (0..).zip(&self.0);
        profiles.find(|(_, profile)| profile.scheduler_name == pod.spec.scheduler_name)
    }
}
