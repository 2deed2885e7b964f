//! `wavetank run --conformance`: recorded scenarios done again, a line each, and what is different.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use serde_json::Value;

use super::output::{Format, Output};
use super::read::{read, sentence};
use super::run::Arguments;
use super::{Failure, read as reading};
use crate::api::located::InputErrors;
use crate::conformance::{self, Case, Comparison, Difference, Files, Known, Outcome};
use crate::report::counted;
use crate::scenario::Found;

const STEPS: &str = "steps.yaml";
const EXPECTED: &str = "expected.json";
const MANIFESTS: &str = "manifests";
const DEFAULT_SEED: u64 = 1;

/// Does it. The exit code says whether all fields were equal, but for those that differ by design.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.output == Format::Yaml {
        return Err(Failure::Refused("--conformance answers with --output table or json".to_owned()));
    }
    let cases = cases(&arguments.files)?;
    let seed = arguments.seed.unwrap_or(DEFAULT_SEED);
    let jobs = arguments.jobs.map_or(0, usize::from);
    let pool = ThreadPoolBuilder::new().num_threads(jobs).build();
    let pool = pool.map_err(|error| Failure::Refused(format!("no threads to run on: {error}")))?;
    let outcomes: Vec<Outcome> = pool.install(|| cases.par_iter().map(|case| conformance::run(case, seed)).collect());
    let mut output = Output::stdout();
    output.write(|out| match arguments.output {
        Format::Json => outcomes.iter().try_for_each(|outcome| writeln!(out, "{}", outcome.to_json())),
        Format::Table | Format::Yaml => table(&outcomes, out),
    })?;
    let differs = outcomes.iter().filter_map(|outcome| outcome.comparison.as_ref()).any(|all| all.different() > 0);
    Ok(ExitCode::from(u8::from(differs)))
}

/// The cases of all folders, each checked before any is run.
fn cases(paths: &[PathBuf]) -> Result<Vec<Case>, Failure> {
    let mut folders = Vec::new();
    for path in paths {
        folders.extend(folders_of(path)?);
    }
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for folder in folders {
        match Case::read(&files(&folder)?) {
            Ok(case) => cases.push(case),
            Err(InputErrors(wrong)) => errors.extend(wrong),
        }
    }
    if errors.is_empty() { Ok(cases) } else { Err(InputErrors(errors).into()) }
}

/// A folder itself, or the folders of cases in it, by name.
fn folders_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let Found::Folder(mut inside) = found(path)? else {
        return Err(Failure::Refused(format!("{} is a file: --conformance takes folders", reading::shown(path))));
    };
    if path.join(STEPS).is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    inside.retain(|folder| folder.join(STEPS).is_file());
    inside.sort();
    if inside.is_empty() {
        return Err(Failure::Refused(format!("{} holds no {STEPS}, nor do its folders", reading::shown(path))));
    }
    Ok(inside)
}

fn found(path: &Path) -> Result<Found, Failure> {
    read(path).map_err(|why| Failure::Refused(format!("{} cannot be read: {why}", reading::shown(path))))
}

fn text(path: &Path) -> Result<String, Failure> {
    match found(path)? {
        Found::File(text) => Ok(text),
        Found::Folder(_) => Err(Failure::Refused(format!("{} is a folder", reading::shown(path)))),
    }
}

fn files(folder: &Path) -> Result<Files, Failure> {
    let mut manifests = BTreeMap::new();
    let of_manifests = folder.join(MANIFESTS);
    if of_manifests.is_dir()
        && let Found::Folder(inside) = found(&of_manifests)?
    {
        for path in inside.iter().filter(|path| path.is_file()) {
            if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                manifests.insert(name.to_owned(), text(path)?);
            }
        }
    }
    let expected = folder.join(EXPECTED);
    let exists = expected.try_exists().map_err(|error| {
        Failure::Refused(format!("{} cannot be read: {}", reading::shown(&expected), sentence(error)))
    })?;
    Ok(Files {
        folder: reading::shown(folder),
        steps: text(&folder.join(STEPS))?,
        expected: if exists { Some(text(&expected)?) } else { None },
        manifests,
    })
}

fn table(outcomes: &[Outcome], out: &mut dyn Write) -> io::Result<()> {
    let mut sum = [0; 4];
    for outcome in outcomes {
        let Some(comparison) = &outcome.comparison else {
            writeln!(
                out,
                "{}: {}, nothing to compare with",
                outcome.name,
                counted(outcome.steps.len() as u64, "step")
            )?;
            continue;
        };
        let counts = counts(comparison);
        writeln!(out, "{}: {}", outcome.name, line(counts))?;
        tell_all(comparison, out)?;
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    if outcomes.len() > 1 {
        writeln!(out, "\n{} scenarios: {}", outcomes.len(), line(sum))?;
    }
    Ok(())
}

/// Compared, equal, different, different by design.
fn counts(comparison: &Comparison) -> [usize; 4] {
    [comparison.compared(), comparison.equal, comparison.different(), comparison.by_design()]
}

fn line([compared, equal, different, by_design]: [usize; 4]) -> String {
    let known = if by_design > 0 { format!(", {by_design} different by design") } else { String::new() };
    format!("{} compared, {equal} equal, {different} different{known}", counted(compared as u64, "field"))
}

fn tell(difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    let (wanted, got) = (value(&difference.wanted), value(&difference.got));
    writeln!(out, "  step {} {}: wanted {wanted}, got {got}", difference.step, difference.path.join(" > "))
}

/// What is different first, then what is so by design, reason by reason.
fn tell_all(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let mut by_design: BTreeMap<&str, (&Known, Vec<&Difference>)> = BTreeMap::new();
    for difference in &comparison.differences {
        match difference.known {
            None => tell(difference, out)?,
            Some(known) => by_design.entry(known.why).or_insert((known, Vec::new())).1.push(difference),
        }
    }
    for (why, (known, differences)) in by_design {
        writeln!(out, "  by design: {why} ({})", known.source)?;
        for difference in differences {
            write!(out, "  ")?;
            tell(difference, out)?;
        }
    }
    Ok(())
}
