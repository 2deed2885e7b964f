//! `wavetank run`: loads a scenario or manifests, simulates, judges, reports.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::bug::BugNote;
use super::out_dir::OutDir;
use super::output::{Format, Output, shell_word, to_stderr};
use super::progress::Progress;
use super::read::Once;
use super::{Failure, conformance, sweep};
use crate::check::{ExpectationOutcome, ExpectationStatus};
use crate::explore::Seeds;
use crate::kernel::{Span, Time};
use crate::report::{
    ExpectationLine, FailedActionLine, Machines, Page, Story, Summary, counted, fault_bands, write_text,
};
use crate::scenario::{self, Draft, Ended, FailedAction, RunResult, Scenario};
use crate::sim::{Action, TimedAction};

/// Run a scenario, or Kubernetes manifests as they are, and show the cluster that comes out
#[derive(Args)]
#[command(after_help = "\
Without a Scenario among the files, the manifests are applied to a cluster of three nodes with 8 CPUs and 32Gi each, \
and all Deployments are expected to become Available.")]
pub(super) struct Arguments {
    /// A Scenario, Kubernetes manifests, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Seed of all draws [default: the scenario's, else 1]
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub(super) seed: Option<u64>,

    /// Run every seed of a range, both ends included, and print one table
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub(super) seeds: Option<Seeds>,

    /// Runs at a time, where there are several [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,

    /// Run a grid of more than 10,000 points all the same
    #[arg(long)]
    pub(super) force: bool,

    /// Do recorded scenarios again (folders with steps.yaml, manifests/ and expected.json, or folders of such) and
    /// compare with what a real control plane came to
    #[arg(long, conflicts_with_all = ["seeds", "sets", "duration", "out", "no_journal"])]
    conformance: bool,

    /// Replace a value of the scenario, as in nodes.0.count=10
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,

    /// Simulated time to run, as in 90s or 1h30m [default: the scenario's]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    duration: Option<Span>,

    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub(super) output: Format,

    /// Write report.html, summary.json, journal.jsonl, objects.json, trace.json (for Perfetto), metrics.csv and
    /// metrics.parquet into this folder; of several runs one summary.json, and the others for those that failed
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// With --out: leave journal.jsonl out, and the memory that it takes; trace.json has no pods and requests then
    #[arg(long, requires = "out")]
    pub(super) no_journal: bool,
}

fn duration(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span == Span::ZERO => Err("nothing happens in no time; write for example 10m".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn seeds(text: &str) -> Result<Seeds, String> {
    let example = "write for example 1..100, which runs seeds 1 and 100 too";
    let Some((first, last)) = text.split_once("..") else { return Err(example.to_owned()) };
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no seed; {example}"));
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err("it ends before it begins; write the smaller seed first".to_owned());
    }
    Ok(Seeds { first, last })
}

/// Does it. The exit code says whether all expectations were met.
pub(super) fn run(arguments: &Arguments, note: &BugNote) -> Result<ExitCode, Failure> {
    if arguments.conformance {
        return conformance::run(arguments);
    }
    let out_dir = arguments.out.as_deref().map(OutDir::at).transpose()?;
    let once = Once::default();
    let draft = Draft::open(&arguments.files, &arguments.all_sets(), &|path| once.read(path))?;
    if arguments.seeds.is_some() || !draft.axes.is_empty() {
        return sweep::run(arguments, &draft, &once, out_dir.as_ref(), note);
    }
    run_one(arguments, &draft, &once, out_dir.as_ref(), note)
}

fn run_one(
    arguments: &Arguments,
    draft: &Draft,
    once: &Once,
    out_dir: Option<&OutDir>,
    note: &BugNote,
) -> Result<ExitCode, Failure> {
    let with_journal = out_dir.is_some() && !arguments.no_journal;
    let mut scenario = draft.scenario(&|path| once.read(path))?;
    scenario.setup.keep_journal = with_journal;
    let seed = arguments.seed.unwrap_or(scenario.seed);
    let repeat = arguments.repeat(seed, &[]);
    note.set_repeat(repeat.clone());

    let mut output = Output::stdout();
    say(arguments.output, &mut output, &loaded(&scenario))?;
    let progress = Progress::start();
    let result = scenario::run(&scenario, seed, &mut |sim| progress.show(sim));
    progress.finish();

    let summary = summary(&scenario, seed, repeat, &result);
    output.print(&summary, arguments.output, |summary, looks, out| write_text(summary, looks, out))?;
    if let Some(out_dir) = out_dir {
        let (machines, faults) = (machines(&scenario), fault_bands(&result.sim));
        let page = Page { summary: &summary, sim: &result.sim, machines: &machines, faults: &faults };
        out_dir.write(&page, with_journal)?;
    }
    // The process ends: taking the cluster apart piece by piece would be work for nothing.
    std::mem::forget(result);
    Ok(ExitCode::from(u8::from(!summary.met)))
}

impl Arguments {
    /// `--duration` is one more value of the scenario that is replaced.
    fn all_sets(&self) -> Vec<String> {
        let duration = self.duration.map(|span| format!("duration={span}"));
        self.sets.iter().cloned().chain(duration).collect()
    }

    /// The command that repeats one history: what does not influence it is left out. `axes` are the values of axes, as
    /// `--set` takes them.
    pub(super) fn repeat(&self, seed: u64, axes: &[String]) -> String {
        self.words(&format!("--seed {seed}"), axes)
    }

    /// The command with a choice of seeds, which may be empty.
    pub(super) fn words(&self, seeds: &str, axes: &[String]) -> String {
        let mut words = vec!["wavetank".to_owned(), "run".to_owned()];
        words.extend(self.files.iter().map(|file| shell_word(&file.to_string_lossy())));
        words.extend((!seeds.is_empty()).then(|| seeds.to_owned()));
        words.extend(self.sets.iter().chain(axes).map(|set| format!("--set {}", shell_word(set))));
        words.extend(self.duration.map(|span| format!("--duration {span}")));
        words.join(" ")
    }
}

/// A line for people: where programs read standard output, it goes to standard error.
pub(super) fn say(format: Format, output: &mut Output, line: &str) -> Result<(), Failure> {
    match format {
        Format::Table => output.write(|out| writeln!(out, "{line}\n")),
        Format::Json | Format::Yaml => {
            to_stderr(line);
            Ok(())
        }
    }
}

/// `loaded scenario hello: 3 nodes, 1 object, 0 actions`.
fn loaded(scenario: &Scenario) -> String {
    let nodes: usize = scenario.setup.pools.iter().map(|pool| pool.names.len()).sum();
    let at_start = |timed: &TimedAction| match &timed.action {
        Action::Apply(objects) if timed.at == Time::ZERO => Some(objects.len()),
        Action::Create(objects) if timed.at == Time::ZERO => Some(objects.len()),
        _ => None,
    };
    let timeline = &scenario.setup.timeline;
    let objects: usize = timeline.iter().filter_map(at_start).sum();
    let is_action = |timed: &&TimedAction| !matches!(timed.action, Action::DefineKind(_)) && at_start(timed).is_none();
    let actions = timeline.iter().filter(is_action).count();
    format!(
        "loaded scenario {}: {}, {}, {}",
        scenario.name,
        counted(nodes as u64, "node"),
        counted(objects as u64, "object"),
        counted(actions as u64, "action")
    )
}

pub(super) fn summary(scenario: &Scenario, seed: u64, repeat: String, result: &RunResult) -> Summary {
    let story = Story {
        scenario: scenario.name.as_str().into(),
        seed,
        ended: ended(result.ended),
        expectations: result.outcomes.iter().map(expectation).collect(),
        machines: machines(scenario),
        // A scenario's prices are in any currency.
        currency: None,
        failed_actions: result.failed_actions.iter().map(failed_action).collect(),
        repeat,
    };
    Summary::of(&result.sim, story)
}

pub(super) fn machines(scenario: &Scenario) -> Vec<Machines> {
    let of_pool = |pool: &scenario::Pool| Machines {
        pool: pool.name.clone(),
        nodes: pool.names.clone(),
        price_per_hour: pool.price_per_hour,
    };
    scenario.pools.iter().map(of_pool).collect()
}

fn ended(ended: Ended) -> String {
    match ended {
        Ended::Quiet => "nothing is going to happen any more".to_owned(),
        Ended::Duration => "its duration was over".to_owned(),
        Ended::Limit(limit) => format!("after {limit} things were still going to happen, and no duration was given"),
        Ended::Decided => "every expectation was decided".to_owned(),
    }
}

fn failed_action(failed: &FailedAction) -> FailedActionLine {
    FailedActionLine {
        place: failed.origin.place.clone(),
        at_seconds: failed.at.since(Time::ZERO).as_secs_f64(),
        may_fail: failed.origin.may_fail,
        errors: failed.errors.clone(),
    }
}

fn expectation(outcome: &ExpectationOutcome) -> ExpectationLine {
    let seconds = |at: Time| Some(at.since(Time::ZERO).as_secs_f64());
    let (met, decided_at_seconds, detail) = match &outcome.status {
        ExpectationStatus::Met { at } => (true, seconds(*at), String::new()),
        ExpectationStatus::Failed { at, why } => (false, seconds(*at), why.clone()),
        ExpectationStatus::Pending => (false, None, "the run ended before it could be looked at".to_owned()),
    };
    ExpectationLine { expectation: outcome.text.clone(), met, decided_at_seconds, detail }
}
