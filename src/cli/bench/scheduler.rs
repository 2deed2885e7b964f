//! `wavetank bench scheduler`: how many pods a second the scheduler decides, beside what the real one reaches.
//!
//! Workloads of our own are decisions and nothing else. Test cases of scheduler_perf are pods that go through an API
//! server and a scheduler: the CPU time of all of it counts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::clock::Spent;
use super::lines::{self, Figures, TestCaseLine, WorkloadLine, rate};
use crate::api::located::suggestion;
use crate::bench::scheduler_perf::{self, Moment, Run, Workload as TestCase};
use crate::bench::scheduling::{self, Stream, Workload};
use crate::cli::Failure;
use crate::cli::output::{Output, to_stderr};
use crate::cli::progress::TextProgress;
use crate::cli::read::Once;
use crate::report::Table;

/// How many pods are decided between two looks at the progress.
const PODS_PER_LOOK: u32 = 64;
/// The label of what upstream measures.
const PERFORMANCE: &str = "performance";

/// Measure how many pods the scheduler places a second of CPU time, beside what kube-scheduler reaches
#[derive(Args)]
#[command(after_help = "\
Without arguments all workloads of wavetank's own are measured: decisions and nothing else. Files hold test cases in the \
format of upstream's scheduler_perf, and are run with an API server: scenarios/scheduler_perf has some. KUBE-SCHEDULER is \
what kube-scheduler v1.34.1 reached with the same pods and nodes, FLOOR the threshold of a test case, TIMES how often that \
goes into PODS/S.")]
pub(in crate::cli) struct Arguments {
    /// Workloads by name, files of test cases, or folders of them
    #[arg(value_name = "WORKLOAD|FILE")]
    what: Vec<String>,

    /// Of files, the workloads with this label
    #[arg(long, value_name = "LABEL", default_value = PERFORMANCE)]
    label: String,

    /// Of files, all workloads
    #[arg(long, conflicts_with = "label")]
    all: bool,

    /// Of files, the workloads whose `testCase/workload` contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Seed of all draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How often each is done; what is told is the time that used the least CPU
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables in kubectl's looks
    Table,
    /// Tables as Markdown has them
    Markdown,
    /// JSON
    Json,
}

/// Does it. The exit code says whether every test case came to its end.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (workloads, cases) = arguments.chosen()?;
    if cfg!(debug_assertions) {
        to_stderr("warning: this is a debug build, which is many times slower; measure with cargo run --release");
    }
    let progress = TextProgress::start();
    let mut figures = Figures { seed: arguments.seed, repeat: arguments.repeat, ..Figures::default() };
    for workload in workloads {
        figures.workloads.push(arguments.best(|| decide_all(workload, &progress), |line| line.cpu_seconds));
    }
    let mut failed = Vec::new();
    for case in &cases {
        let runs = (0..arguments.repeat).map(|_| run_case(case, arguments.seed, &progress));
        match runs.collect::<Result<Vec<TestCaseLine>, String>>() {
            Ok(lines) => figures.test_cases.extend(least(lines, |line| line.cpu_seconds)),
            Err(why) => failed.push(format!("error: {}: {why}", case.full_name())),
        }
    }
    progress.finish();
    print(&figures, arguments.output)?;
    failed.iter().for_each(|why| to_stderr(why));
    Ok(ExitCode::from(u8::from(!failed.is_empty())))
}

impl Arguments {
    /// What is to be measured.
    fn chosen(&self) -> Result<(Vec<&'static Workload>, Vec<TestCase>), Failure> {
        if self.what.is_empty() {
            return Ok((scheduling::ALL.iter().collect(), Vec::new()));
        }
        let once = Once::default();
        let (mut workloads, mut cases) = (Vec::new(), Vec::new());
        for what in &self.what {
            if let Some(workload) = scheduling::ALL.iter().find(|workload| workload.name == what) {
                workloads.push(workload);
                continue;
            }
            let path = PathBuf::from(what);
            let is_path = what.contains(['/', '.']) || path.exists();
            if !is_path {
                let names: Vec<&str> = scheduling::ALL.iter().map(|workload| workload.name).collect();
                let help = suggestion(what, &names).map_or(String::new(), |help| format!("\n  help: {help}"));
                return Err(Failure::Refused(format!("{what:?} is neither a workload nor a file{help}")));
            }
            cases.extend(self.of_file(&path, &once)?);
        }
        Ok((workloads, cases))
    }

    fn of_file(&self, path: &Path, once: &Once) -> Result<Vec<TestCase>, Failure> {
        let all = scheduler_perf::load(path, &|path| once.read(path))?;
        let is_named = |case: &TestCase| self.only.as_ref().is_none_or(|text| case.full_name().contains(text));
        let is_labelled = |case: &TestCase| self.all || case.labels.contains(&self.label);
        let mut labels: Vec<&String> = all.iter().flat_map(|case| &case.labels).collect();
        labels.sort();
        labels.dedup();
        let labels = labels.iter().map(|label| label.as_str()).collect::<Vec<_>>().join(", ");
        let (chosen, refused): (Vec<TestCase>, Vec<TestCase>) = (all.iter())
            .filter(|case| is_named(case) && is_labelled(case))
            .cloned()
            .partition(|case| case.refused.is_none());
        for case in &refused {
            let why = case.refused.as_ref().map_or(String::new(), ToString::to_string);
            to_stderr(&format!("warning: {} is left out: {why}", case.full_name()));
        }
        if chosen.is_empty() {
            let message = format!("{}: no workload is chosen that can be run", path.display());
            let help = format!("choose with --label (there are: {labels}), --only, or --all");
            return Err(Failure::Refused(format!("{message}\n  help: {help}")));
        }
        Ok(chosen)
    }

    /// Does something as often as asked, and tells the best.
    fn best<L>(&self, mut once: impl FnMut() -> L, cost: impl Fn(&L) -> f64) -> L {
        let lines = (0..self.repeat).map(|_| once()).collect();
        least(lines, cost).expect("it is done once at least")
    }
}

fn least<L>(lines: Vec<L>, cost: impl Fn(&L) -> f64) -> Option<L> {
    lines.into_iter().min_by(|one, other| cost(one).total_cmp(&cost(other)))
}

/// Decides about all pods of a workload.
fn decide_all(workload: &'static Workload, progress: &TextProgress) -> WorkloadLine {
    progress.show(|| format!("{}: {} nodes", workload.name, workload.nodes));
    let mut stream = Stream::new(workload);
    let before = Spent::by_now();
    let mut decided = 0;
    while decided < workload.pods {
        let next = (workload.pods - decided).min(PODS_PER_LOOK);
        (0..next).for_each(|_| stream.step());
        decided += next;
        progress.show(|| format!("{}: {decided} of {} pods", workload.name, workload.pods));
    }
    let spent = Spent::by_now() - before;
    let pods_per_second = rate(u64::from(workload.pods), spent);
    WorkloadLine {
        workload: workload.name,
        doc: workload.doc,
        nodes: workload.nodes,
        pods: workload.pods,
        placed: stream.placed,
        cpu_seconds: spent.cpu.as_secs_f64(),
        wall_seconds: spent.wall.as_secs_f64(),
        pods_per_second,
        kube_scheduler: workload.real.map(|real| real.pods_per_cpu_second),
        kube_scheduler_sampled: workload.real.is_some_and(|real| real.is_sampled),
        times: workload.real.map(|real| pods_per_second / f64::from(real.pods_per_cpu_second)),
    }
}

/// Runs a test case to its end.
fn run_case(case: &TestCase, seed: u64, progress: &TextProgress) -> Result<TestCaseLine, String> {
    let mut run = Run::new(case, seed, &[]);
    let name = case.full_name();
    let (mut begun, mut spent) = (Spent::by_now(), Spent::default());
    let (mut pods, mut simulated_seconds) = (0, 0.0);
    loop {
        match run.advance()? {
            Moment::Working => progress.show(|| {
                let counts = &run.sim().tally().pods;
                let (scheduled, waiting) = (counts.pending, counts.unscheduled);
                format!("{name}: {scheduled} pods scheduled, {waiting} waiting, {} simulated", run.sim().now())
            }),
            Moment::Begins => begun = Spent::by_now(),
            Moment::Ends { pods: more, simulated } => {
                spent = spent + (Spent::by_now() - begun);
                pods += more;
                simulated_seconds += simulated.as_secs_f64();
            }
            Moment::Done => break,
        }
    }
    let pods_per_second = rate(pods, spent);
    Ok(TestCaseLine {
        test_case: case.test_case.clone(),
        workload: case.name.clone(),
        nodes: case.nodes(),
        pods,
        cpu_seconds: spent.cpu.as_secs_f64(),
        wall_seconds: spent.wall.as_secs_f64(),
        simulated_seconds,
        pods_per_second,
        threshold: case.threshold,
        times: case.threshold.map(|threshold| pods_per_second / threshold),
        digest: run.sim().digest().to_string(),
    })
}

fn print(figures: &Figures, format: Format) -> Result<(), Failure> {
    let mut tables: Vec<Table> = Vec::new();
    if !figures.workloads.is_empty() {
        tables.push(lines::workloads(&figures.workloads));
    }
    if !figures.test_cases.is_empty() {
        tables.push(lines::test_cases(&figures.test_cases));
    }
    let texts = tables.iter().map(|table| match format {
        Format::Markdown => table.markdown(),
        Format::Table | Format::Json => table.to_string(),
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    Output::stdout().write(|out| match format {
        Format::Table | Format::Markdown => out.write_all(text.as_bytes()),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, figures)?;
            writeln!(out)
        }
    })
}
