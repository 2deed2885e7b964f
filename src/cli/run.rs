//! `wavetank run`: loads a scenario or manifests, simulates, judges, reports.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Failure;
use super::bug::BugNote;
use super::out_dir::OutDir;
use super::output::{Output, shell_word, to_stderr};
use super::progress::Progress;
use super::read::read;
use crate::check::{ExpectationOutcome, ExpectationStatus};
use crate::kernel::{Span, Time};
use crate::report::{ExpectationLine, Machines, Page, Story, Summary, counted, fault_bands, write_text};
use crate::scenario::{self, Ended, RunResult, Scenario};
use crate::sim::{Action, TimedAction};

/// Run a scenario, or Kubernetes manifests as they are, and show the cluster that comes out
#[derive(Args)]
#[command(after_help = "\
Without a Scenario among the files, the manifests are applied to a cluster of three nodes with 8 CPUs and 32Gi each, \
and all Deployments are expected to become Available.")]
pub(super) struct Arguments {
    /// A Scenario, Kubernetes manifests, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Seed of all draws [default: the scenario's, else 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Replace a value of the scenario, as in nodes.0.count=10
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,

    /// Simulated time to run, as in 90s or 1h30m [default: the scenario's]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    duration: Option<Span>,

    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    output: Format,

    /// Write report.html, summary.json, journal.jsonl, objects.json and metrics.csv into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// With --out: leave journal.jsonl out, and the memory that it takes
    #[arg(long, requires = "out")]
    no_journal: bool,
}

/// How the summary is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables in kubectl's looks
    Text,
    /// The summary as one JSON object
    Json,
    /// The summary as YAML
    Yaml,
}

fn duration(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span == Span::ZERO => Err("nothing happens in no time; write for example 10m".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

/// Does it. The exit code says whether all expectations were met.
pub(super) fn run(arguments: &Arguments, note: &BugNote) -> Result<ExitCode, Failure> {
    let out_dir = arguments.out.as_deref().map(OutDir::at).transpose()?;
    let with_journal = out_dir.is_some() && !arguments.no_journal;
    let mut scenario = scenario::load(&arguments.files, &arguments.all_sets(), &read)?;
    scenario.setup.keep_journal = with_journal;
    let seed = arguments.seed.unwrap_or(scenario.seed);
    let repeat = arguments.repeat(seed);
    note.set_repeat(&repeat);

    let mut output = Output::stdout();
    say(arguments.output, &mut output, &loaded(&scenario))?;
    let progress = Progress::start();
    let result = scenario::run(&scenario, seed, &mut |sim| progress.show(sim));
    progress.finish();

    let summary = summary(&scenario, seed, repeat, &result);
    print(&summary, arguments.output, &mut output)?;
    if let Some(out_dir) = &out_dir {
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

    /// The command that repeats the history: what does not influence it is left out.
    fn repeat(&self, seed: u64) -> String {
        let mut words = vec!["wavetank".to_owned(), "run".to_owned()];
        words.extend(self.files.iter().map(|file| shell_word(&file.to_string_lossy())));
        words.push(format!("--seed {seed}"));
        words.extend(self.sets.iter().map(|set| format!("--set {}", shell_word(set))));
        words.extend(self.duration.map(|span| format!("--duration {span}")));
        words.join(" ")
    }
}

/// A line for people: where programs read standard output, it goes to standard error.
fn say(format: Format, output: &mut Output, line: &str) -> Result<(), Failure> {
    match format {
        Format::Text => output.write(|out| writeln!(out, "{line}\n")),
        Format::Json | Format::Yaml => {
            to_stderr(line);
            Ok(())
        }
    }
}

fn print(summary: &Summary, format: Format, output: &mut Output) -> Result<(), Failure> {
    let looks = output.looks;
    output.write(|out| match format {
        Format::Text => write_text(summary, looks, out),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, summary)?;
            writeln!(out)
        }
        Format::Yaml => {
            let text = serde_saphyr::to_string(summary).map_err(std::io::Error::other)?;
            out.write_all(text.as_bytes())
        }
    })
}

/// `loaded scenario hello: 3 nodes, 1 object, 0 actions`.
fn loaded(scenario: &Scenario) -> String {
    let nodes: usize = scenario.setup.pools.iter().map(|pool| pool.names.len()).sum();
    let at_start = |timed: &TimedAction| match &timed.action {
        Action::Apply(objects) if timed.at == Time::ZERO => Some(objects.len()),
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

fn summary(scenario: &Scenario, seed: u64, repeat: String, result: &RunResult) -> Summary {
    let story = Story {
        scenario: scenario.name.as_str().into(),
        seed,
        ended: ended(result.ended),
        expectations: result.outcomes.iter().map(expectation).collect(),
        machines: machines(scenario),
        // A scenario's prices are in any currency.
        currency: None,
        repeat,
    };
    Summary::of(&result.sim, story)
}

fn machines(scenario: &Scenario) -> Vec<Machines> {
    let of_pool = |pool: &scenario::Pool| Machines {
        pool: pool.name.clone(),
        nodes: pool.node_names().collect(),
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

fn expectation(outcome: &ExpectationOutcome) -> ExpectationLine {
    let seconds = |at: Time| Some(at.since(Time::ZERO).as_secs_f64());
    let (met, decided_at_seconds, detail) = match &outcome.status {
        ExpectationStatus::Met { at } => (true, seconds(*at), String::new()),
        ExpectationStatus::Failed { at, why } => (false, seconds(*at), why.clone()),
        ExpectationStatus::Pending => (false, None, "the run ended before it could be looked at".to_owned()),
    };
    ExpectationLine { expectation: outcome.text.clone(), met, decided_at_seconds, detail }
}
