//! `--out DIR`: the files of a run, which appear together or not at all.
//!
//! They are written into a folder beside the target, which then takes the target's name. An earlier output is replaced;
//! anything else that stands there is left alone. A process that is killed while it writes leaves its folder with a name
//! that begins with a dot, and the target as it was.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Failure;
use super::columns::{Column, write_columns};
use crate::report::{
    METRIC_COLUMNS, Page, SweepSummary, write_journal, write_metrics, write_objects, write_page, write_trace,
};
use crate::sim::Sample;

const SUMMARY: &str = "summary.json";
const JOURNAL: &str = "journal.jsonl";
const OBJECTS: &str = "objects.json";
const METRICS: &str = "metrics.csv";
const METRICS_COLUMNS: &str = "metrics.parquet";
const TRACE: &str = "trace.json";
const REPORT: &str = "report.html";
/// The folder of a sweep's runs that failed, a folder each.
const FAILED: &str = "failed";
/// All files that an output may have.
const FILES: [&str; 7] = [SUMMARY, JOURNAL, OBJECTS, METRICS, METRICS_COLUMNS, TRACE, REPORT];

/// A folder that may be written.
pub(super) struct OutDir {
    target: PathBuf,
    parent: PathBuf,
    name: String,
}

impl OutDir {
    /// Looks whether a folder may be written, before the work of a run is done.
    ///
    /// # Errors
    /// Something else stands there.
    pub(super) fn at(target: &Path) -> Result<OutDir, Failure> {
        let refuse = |why: &str| Failure::Refused(format!("--out {}: {why}", target.display()));
        let Some(name) = target.file_name() else { return Err(refuse("it names no folder")) };
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            Some(_) | None => PathBuf::from("."),
        };
        match fs::symlink_metadata(target) {
            Ok(found) if !found.is_dir() => return Err(refuse("it is there and is no folder")),
            Ok(_) if !may_be_replaced(target).map_err(|error| refuse(&error.to_string()))? => {
                return Err(refuse("it is not empty and no output of wavetank; name another folder, or remove it"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refuse(&error.to_string())),
        }
        Ok(OutDir { target: target.to_path_buf(), parent, name: name.to_string_lossy().into_owned() })
    }

    /// Writes all files of a run; the journal's only where it is wanted.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(super) fn write(&self, page: &Page<'_>, with_journal: bool) -> Result<(), Failure> {
        self.write_with(|folder| write_run(folder, page, with_journal)).map_err(|error| self.failure(&error))
    }

    /// Writes the summary of a sweep, and hands the folder for the runs that failed to whoever writes them.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(super) fn write_sweep(
        &self,
        summary: &SweepSummary,
        write_failed: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let fill = |folder: &Path| {
            write_json(&folder.join(SUMMARY), summary)?;
            if summary.met {
                return Ok(());
            }
            let failed = folder.join(FAILED);
            fs::create_dir(&failed)?;
            write_failed(&failed)
        };
        self.write_with(fill).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &io::Error) -> Failure {
        Failure::of_system(format!("--out {}", self.target.display()), error)
    }

    /// Fills a folder beside the target and lets it take the target's name.
    fn write_with(&self, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        fs::create_dir_all(&self.parent)?;
        // Removed with all that is in it when this function is left, however it is left.
        let staging = tempfile::Builder::new().prefix(&format!(".{}.", self.name)).tempdir_in(&self.parent)?;
        let (new, old) = (staging.path().join("new"), staging.path().join("old"));
        fs::create_dir(&new)?;
        fill(&new)?;
        // Looked at again: a run takes its time.
        if fs::symlink_metadata(&self.target).is_ok() {
            if !may_be_replaced(&self.target)? {
                return Err(io::Error::other("something else has been put there meanwhile"));
            }
            fs::rename(&self.target, &old)?;
        }
        let renamed = fs::rename(&new, &self.target);
        if renamed.is_err() && old.exists() {
            fs::rename(&old, &self.target)?;
        }
        renamed
    }
}

/// Writes the files of a run into a folder.
pub(super) fn write_run(folder: &Path, page: &Page<'_>, with_journal: bool) -> io::Result<()> {
    let sim = page.sim;
    write_json(&folder.join(SUMMARY), page.summary)?;
    if with_journal {
        write_file(&folder.join(JOURNAL), |out| write_journal(sim, out))?;
    }
    write_file(&folder.join(OBJECTS), |out| write_objects(sim.store(), sim.now(), out))?;
    let samples = sim.tally().samples(sim.now());
    write_file(&folder.join(METRICS), |out| write_metrics(&samples, out))?;
    write_file(&folder.join(METRICS_COLUMNS), |out| write_columns(&metrics(&samples), out))?;
    write_file(&folder.join(TRACE), |out| write_trace(sim, page.faults, out))?;
    write_file(&folder.join(REPORT), |out| write_page(page, out))
}

/// The columns of `metrics.csv`, typed.
fn metrics(samples: &[Sample]) -> Vec<(&'static str, Column)> {
    let times = samples.iter().map(|sample| sample.time.nanos() as f64 / 1e9).collect();
    let counts = METRIC_COLUMNS
        .iter()
        .map(|(name, value)| (*name, Column::I64(samples.iter().map(|sample| value(sample) as i64).collect())));
    std::iter::once(("time_s", Column::F64(times))).chain(counts).collect()
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_file(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

fn write_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, File::create(path)?);
    fill(&mut out)?;
    out.flush()
}

/// Whether a folder is empty, or holds an earlier output and nothing else.
fn may_be_replaced(folder: &Path) -> io::Result<bool> {
    let mut is_empty = true;
    let mut has_summary = false;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = match entry.file_type()? {
            kind if kind.is_file() => FILES.iter().any(|file| name == *file),
            kind if kind.is_dir() => name == FAILED && holds_outputs(&entry.path())?,
            _ => false,
        };
        if !is_ours {
            return Ok(false);
        }
        is_empty = false;
        has_summary |= name == SUMMARY;
    }
    Ok(is_empty || (has_summary && is_summary(&folder.join(SUMMARY))))
}

/// Whether a folder holds folders of outputs and nothing else.
fn holds_outputs(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || !may_be_replaced(&entry.path())? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_summary(path: &Path) -> bool {
    let value = fs::read(path).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    value.is_some_and(|value| value["digest"].is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn summary_into(folder: &Path, digest: &str) -> io::Result<()> {
        write_file(&folder.join(SUMMARY), |out| write!(out, "{{\"digest\":\"{digest}\"}}"))
    }

    fn refused(target: &Path) -> String {
        match OutDir::at(target) {
            Ok(_) => panic!("{} was not refused", target.display()),
            Err(Failure::Refused(why)) => why,
            Err(Failure::Input(errors)) => errors.to_string(),
        }
    }

    fn at(target: &Path) -> OutDir {
        OutDir::at(target).unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    #[test]
    fn an_output_appears_whole_and_is_replaced_whole() {
        let home = tempfile::tempdir().expect("there is a place for temporary files");
        let target = home.path().join("deep/out");
        at(&target).write_with(|folder| summary_into(folder, "1")).expect("it can be written");
        at(&target).write_with(|folder| summary_into(folder, "2")).expect("it can be replaced");
        let text = fs::read_to_string(target.join(SUMMARY)).expect("it is there");
        assert_eq!(text, r#"{"digest":"2"}"#);
        assert_eq!(names(&home.path().join("deep")), ["out"]);
    }

    #[test]
    fn a_write_that_fails_leaves_everything_as_it_was() {
        let home = tempfile::tempdir().expect("there is a place for temporary files");
        let target = home.path().join("out");
        at(&target).write_with(|folder| summary_into(folder, "1")).expect("it can be written");
        let failed = at(&target).write_with(|folder| {
            summary_into(folder, "2")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(names(home.path()), ["out"]);
        let text = fs::read_to_string(target.join(SUMMARY)).expect("it is there");
        assert_eq!(text, r#"{"digest":"1"}"#);
    }

    #[test]
    fn what_is_no_output_is_left_alone() {
        let home = tempfile::tempdir().expect("there is a place for temporary files");
        let target = home.path().join("mine");
        fs::create_dir(&target).expect("a folder can be made");
        at(&target);
        fs::write(target.join("thesis.txt"), "years of work").expect("a file can be written");
        assert!(refused(&target).contains("not empty and no output of wavetank"));
        assert!(refused(&target.join("thesis.txt")).contains("no folder"));
        fs::remove_file(target.join("thesis.txt")).expect("a file can be removed");
        fs::write(target.join(SUMMARY), "{}").expect("a file can be written");
        assert!(refused(&target).contains("not empty and no output of wavetank"));
        assert!(refused(Path::new("/")).contains("names no folder"));
    }
}
