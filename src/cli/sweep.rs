//! `wavetank run` with `--seeds` or over a scenario with axes: many runs, one table.
//!
//! What is printed and written is the same whatever the number of jobs. With `--out` the folder has one summary.json
//! over all runs, and the files of each run that failed in a folder of its own, `failed/point-3-seed-7`, with its
//! journal, for which it is run once more.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::Failure;
use super::bug::BugNote;
use super::out_dir::{OutDir, write_run};
use super::output::Output;
use super::progress::SweepProgress;
use super::read::Once;
use super::run::{Arguments, machines, say, summary};
use crate::check::ExpectationStatus;
use crate::explore::{Case, Seeds, Sweep, digest_of_all};
use crate::kernel::Time;
use crate::record::DigestValue;
use crate::report::{AxisLine, FirstFailed, Page, SweepLine, SweepSummary, counted, fault_bands, write_sweep};
use crate::scenario::{Axis, Draft, RunResult, Scenario};

/// A grid with more points is a slip of the pen, unless `--force` says otherwise.
const POINTS_MAX: u64 = 10_000;
/// More runs than this have no table that anyone reads.
const RUNS_MAX: u64 = 1_000_000;

/// Does it. The exit code says whether every run was met.
pub(super) fn run(
    arguments: &Arguments,
    draft: &Draft,
    once: &Once,
    out_dir: Option<&OutDir>,
    note: &BugNote,
) -> Result<ExitCode, Failure> {
    let seeds = arguments.seeds.or(arguments.seed.map(|seed| Seeds { first: seed, last: seed }));
    check_size(arguments, draft, seeds)?;
    let read = |path: &Path| once.read(path);
    let sweep = Sweep::new(draft, arguments.jobs.map_or(0, usize::from), &read)
        .map_err(|why| Failure::Refused(format!("threads cannot be started: {why}")))?;
    let cases = sweep.cases(seeds)?;
    let runs = cases.len() as u64;

    let mut output = Output::stdout();
    say(arguments.output, &mut output, &loaded(draft, seeds, runs))?;
    let progress = SweepProgress::start(runs);
    let repeat = |case: Case| arguments.repeat(case.seed, &sets(draft, case.point));
    let begin = |case: Case| note.set_repeat(repeat(case));
    let results = sweep.run(&cases, false, &begin, &|case, scenario, result| {
        progress.ended(result.met());
        (line(draft, case, scenario, &result), result.sim.digest(), scenario.name.clone())
    });
    progress.finish();

    let failed: Vec<Case> =
        cases.iter().zip(&results).filter(|(_, (line, ..))| !line.met).map(|(case, _)| *case).collect();
    let first_failed = failed.first().map(|case| FirstFailed {
        values: values(draft, case.point),
        seed: case.seed,
        repeat: repeat(*case),
    });
    let summary_of_all = of_all(arguments, draft, results, first_failed);
    output.print(&summary_of_all, arguments.output, |summary, looks, out| write_sweep(summary, looks, out))?;
    if let Some(out_dir) = out_dir {
        let with_journal = !arguments.no_journal;
        out_dir.write_sweep(&summary_of_all, |folder| {
            let write = |case: Case, scenario: &Scenario, result: RunResult| -> io::Result<()> {
                let name = match draft.axes.is_empty() {
                    true => format!("seed-{}", case.seed),
                    false => format!("point-{}-seed-{}", case.point, case.seed),
                };
                let folder = folder.join(name);
                fs::create_dir(&folder)?;
                let summary = summary(scenario, case.seed, repeat(case), &result);
                let (machines, faults) = (machines(scenario), fault_bands(&result.sim));
                let page = Page { summary: &summary, sim: &result.sim, machines: &machines, faults: &faults };
                write_run(&folder, &page, with_journal)
            };
            sweep.run(&failed, with_journal, &begin, &write).into_iter().collect()
        })?;
    }
    Ok(ExitCode::from(u8::from(!summary_of_all.met)))
}

fn check_size(arguments: &Arguments, draft: &Draft, seeds: Option<Seeds>) -> Result<(), Failure> {
    let points = draft.points();
    if points > POINTS_MAX && !arguments.force {
        let message = format!("the grid has {points} points, more than {POINTS_MAX}");
        let help = "leave values out, or give --force to run it all the same".to_owned();
        return Err(Failure::Input(draft.error_of_axes(message, help).into()));
    }
    let runs = points.saturating_mul(seeds.map_or(1, Seeds::count));
    if runs > RUNS_MAX {
        return Err(Failure::Refused(format!("{runs} runs are more than {RUNS_MAX}; run fewer seeds at a time")));
    }
    Ok(())
}

/// `6 points of 2 axes, 10 seeds: 60 runs`.
fn loaded(draft: &Draft, seeds: Option<Seeds>, runs: u64) -> String {
    let axes = draft.axes.len() as u64;
    let grid = (axes > 0).then(|| {
        format!(
            "{} of {}",
            counted(draft.points(), "point"),
            if axes == 1 { "1 axis".to_owned() } else { format!("{axes} axes") }
        )
    });
    let seeds = seeds.map(|seeds| counted(seeds.count(), "seed"));
    let parts: Vec<String> = grid.into_iter().chain(seeds).collect();
    format!("{}: {}", parts.join(", "), counted(runs, "run"))
}

/// The values of a point.
fn values(draft: &Draft, point: u64) -> Vec<serde_json::Value> {
    draft.axes.iter().zip(draft.point(point)).map(|(axis, value)| axis.values[value].clone()).collect()
}

/// What `--set` takes to make a scenario that of a point.
fn sets(draft: &Draft, point: u64) -> Vec<String> {
    draft.axes.iter().zip(draft.point(point)).map(|(axis, value)| axis.as_set(value)).collect()
}

fn line(draft: &Draft, case: Case, scenario: &Scenario, result: &RunResult) -> SweepLine {
    let seconds = |at: Time| at.since(Time::ZERO).as_secs_f64();
    let unmet = result.outcomes.iter().filter(|outcome| !matches!(outcome.status, ExpectationStatus::Met { .. }));
    let failed_actions = result.failed_actions.iter().filter(|failed| !failed.origin.may_fail);
    let pods = &result.sim.tally().pods;
    SweepLine {
        values: values(draft, case.point),
        seed: case.seed,
        met: result.met(),
        failed: unmet
            .map(|outcome| outcome.text.clone())
            .chain(failed_actions.map(|failed| failed.origin.place.clone()))
            .chain(result.sim.violations().iter().map(|violation| format!("invariant {}", violation.invariant)))
            .collect(),
        converged_at_seconds: result.converged_at(scenario).map(seconds),
        pods: pods.unscheduled + pods.pending + pods.running + pods.succeeded + pods.failed,
        ready_pods: pods.ready,
        simulated_seconds: seconds(result.sim.now()),
        events: result.sim.events_handled(),
        digest: result.sim.digest().to_string(),
    }
}

fn of_all(
    arguments: &Arguments,
    draft: &Draft,
    results: Vec<(SweepLine, DigestValue, String)>,
    first_failed: Option<FirstFailed>,
) -> SweepSummary {
    let digest = digest_of_all(results.iter().map(|(_, digest, _)| *digest));
    let scenario = results.first().map_or_else(Default::default, |(.., name)| name.as_str().into());
    let results: Vec<SweepLine> = results.into_iter().map(|(line, ..)| line).collect();
    let seeds = match (arguments.seeds, arguments.seed) {
        (Some(Seeds { first, last }), _) => format!("--seeds {first}..{last}"),
        (None, Some(seed)) => format!("--seed {seed}"),
        (None, None) => String::new(),
    };
    let axis = |axis: &Axis| AxisLine { path: axis.path.clone(), values: axis.values.clone() };
    SweepSummary {
        digest: digest.to_string(),
        scenario,
        met: first_failed.is_none(),
        runs: results.len() as u64,
        failed: results.iter().filter(|line| !line.met).count() as u64,
        axes: draft.axes.iter().map(axis).collect(),
        first_failed,
        results,
        repeat: arguments.words(&seeds, &[]),
    }
}
