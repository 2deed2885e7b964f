//! `wavetank bench placement`: policies on traces, over seeds, as tables, a page and columns.

mod load;
mod parts;
mod samples;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use rayon::prelude::*;

use crate::bench::placement::{Case, GroupLimits, Limits, Record, Study, all_placed, results};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::cli::progress::SweepProgress;
use crate::explore::Seeds;
use crate::scheduler::policies::Policy;
use load::Loaded;
use parts::Parts;

/// Let placement policies place the pods of traces, over seeds, and compare them
#[derive(Args)]
#[command(after_help = "\
With lists of nodes and pods in openb's format, pods come in an order that the seed draws, up to --arrive times what there \
is of GPUs (of CPU where there are none), and stay. A study file says more: synthetic workloads, departures, queues, \
failures. --out DIR gets results.csv, figures.csv, runs.parquet, report.html and the plots as SVG. A study that was \
interrupted goes on where it was when the same command is given again. Shards are runs of the same command with --shard \
1/16 to 16/16 and a folder each, joined by the same command with --merge for each folder.")]
pub(in crate::cli) struct Arguments {
    /// A study file
    #[arg(value_name = "FILE", conflicts_with_all = ["nodes", "pods", "policy", "seeds", "arrive"])]
    file: Option<PathBuf>,

    /// The nodes, as a list in openb's format
    #[arg(long, value_name = "FILE", required_unless_present = "file")]
    nodes: Option<PathBuf>,

    /// The pods, as a list in openb's format; several are a workload each
    #[arg(long, value_name = "FILE", required_unless_present = "file")]
    pods: Vec<PathBuf>,

    /// The policies, joined by commas: see wavetank list policies
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', required_unless_present = "file")]
    policy: Vec<String>,

    /// The seeds, both ends included
    #[arg(long, value_name = "A..B", value_parser = crate::cli::run::seeds, default_value = "42..51")]
    seeds: Seeds,

    /// How many times what there is the pods ask for
    #[arg(long, value_name = "TIMES", value_delimiter = ',', default_value = "1.3")]
    arrive: Vec<f64>,

    /// Write results.csv, figures.csv, runs.parquet, report.html and plots into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Runs at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Do only a part of the runs, as 3/16 for the third of sixteen; --out gets what --merge needs
    #[arg(long, value_name = "I/N", value_parser = shard, requires = "out")]
    shard: Option<Shard>,

    /// Take runs from this folder of a shard; several for several
    #[arg(long, value_name = "DIR", conflicts_with = "shard")]
    merge: Vec<PathBuf>,

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
    /// CSV: what results.csv has
    Csv,
}

/// A part of the runs of a study.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shard {
    /// From 1.
    number: usize,
    of: usize,
}

fn shard(text: &str) -> Result<Shard, String> {
    let example = "write for example 3/16, the third of sixteen parts";
    let (number, of) = text.split_once('/').ok_or(example)?;
    let read = |text: &str| text.parse::<usize>().map_err(|_| format!("{text:?} is no number; {example}"));
    let (number, of) = (read(number)?, read(of)?);
    if number == 0 || number > of {
        return Err(format!("there is no part {number} of {of}; {example}"));
    }
    Ok(Shard { number, of })
}

/// Does it. `more` are policies beside those that wavetank has.
pub(in crate::cli) fn run(arguments: &Arguments, more: &[&dyn Policy]) -> Result<ExitCode, Failure> {
    let loaded = load::load(arguments, more)?;
    let study = &loaded.study;
    let cases: Vec<(usize, Case)> = study.cases().into_iter().enumerate().collect();
    let wanted: Vec<(usize, Case)> = match arguments.shard {
        Some(shard) => cases.iter().copied().filter(|(run, _)| run % shard.of == shard.number - 1).collect(),
        None => cases.clone(),
    };
    let parts = Parts::open(arguments.out.as_deref(), &arguments.merge, &loaded)?;
    let records = run_all(arguments, &loaded, &wanted, &parts)?;
    if let Some(shard) = arguments.shard {
        let text = format!("part {} of {}: {} of {} runs\n", shard.number, shard.of, wanted.len(), cases.len());
        Output::stdout().write(|out| out.write_all(text.as_bytes()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let limits = limits(arguments, &loaded, &records)?;
    parts.finish(&loaded, &records, &limits)?;
    let text = match arguments.output {
        Format::Table => table::text(&loaded, &records, &limits, false),
        Format::Markdown => table::text(&loaded, &records, &limits, true),
        Format::Csv => results::results_csv(study, &records),
    };
    Output::stdout().write(|out| out.write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

/// Does the runs that are not done yet, and gives the records of all that are wanted.
fn run_all(
    arguments: &Arguments,
    loaded: &Loaded<'_>,
    wanted: &[(usize, Case)],
    parts: &Parts,
) -> Result<Vec<Record>, Failure> {
    let study: &Study<'_> = &loaded.study;
    let pool = pool(arguments)?;
    let progress = SweepProgress::start(wanted.len() as u64);
    let one = |(run, case): &(usize, Case)| -> Result<Record, Failure> {
        let record = match parts.read(*run)? {
            Some(record) => record,
            None => {
                let outcome = study.run(*case).map_err(|why| loaded.failure(case.workload, &why))?;
                let conditions = &study.conditions[case.conditions];
                let record = Record::new(*run, *case, conditions, &outcome, case.seed == study.seeds.first);
                parts.write(&record, &samples::columns(*run, loaded, *case, &outcome.samples))?;
                record
            }
        };
        progress.ended(true);
        Ok(record)
    };
    let records = pool.install(|| wanted.par_iter().map(one).collect::<Result<Vec<Record>, Failure>>());
    progress.finish();
    records
}

fn pool(arguments: &Arguments) -> Result<rayon::ThreadPool, Failure> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.jobs.map_or(0, usize::from))
        .build()
        .map_err(|why| Failure::Refused(format!("threads cannot be started: {why}")))
}

/// What nobody can do better than, by workload and conditions.
fn limits(arguments: &Arguments, loaded: &Loaded<'_>, records: &[Record]) -> Result<Vec<GroupLimits>, Failure> {
    let study = &loaded.study;
    let lines = results::lines(study, records);
    let groups: Vec<&[results::Line<'_>]> = lines.chunks(study.policies.len()).collect();
    let seeds = study.seeds.first..=study.seeds.last;
    let wanted: Vec<(Case, bool)> = (groups.iter())
        .flat_map(|group| {
            let first = group[0];
            let all_placed = all_placed(group.iter().flat_map(|line| line.records));
            let case = move |seed| Case { workload: first.workload, conditions: first.conditions, policy: 0, seed };
            seeds.clone().map(move |seed| (case(seed), all_placed))
        })
        .collect();
    let one = |(case, all_placed): &(Case, bool)| {
        Limits::of(study, *case, *all_placed).map_err(|why| loaded.failure(case.workload, &why))
    };
    let limits = pool(arguments)?.install(|| wanted.par_iter().map(one).collect::<Result<Vec<Limits>, Failure>>())?;
    Ok(limits.chunks(study.seeds.count() as usize).map(|seeds| GroupLimits { seeds: seeds.to_vec() }).collect())
}
