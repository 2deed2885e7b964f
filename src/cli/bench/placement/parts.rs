//! The folder of a study: what is done of it while it runs, and its results when all is done.
//!
//! While a study runs, `study.json` says which it is and `runs/` has two files for each run that is done: its record, which
//! is written last, and its samples. So an interruption loses the runs that were under way and nothing else. When all are
//! done the results are written, and `runs/` goes. A shard's folder keeps `runs/`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::load::Loaded;
use crate::bench::placement::{GroupLimits, Record, results};
use crate::cli::Failure;
use crate::cli::columns::{Column, ColumnsReader, ColumnsWriter, write_columns};
use crate::report::{study_page, study_svgs, write_study_page};

const STUDY: &str = "study.json";
const RUNS: &str = "runs";
const PLOTS: &str = "plots";

/// Where runs are kept.
pub(super) struct Parts {
    /// The folder that is written; nothing is kept without one.
    out: Option<PathBuf>,
    /// Folders that runs are taken from, that of `out` included.
    from: Vec<PathBuf>,
}

impl Parts {
    /// Opens or begins the folder, and looks whether it and those to be merged are of this study.
    ///
    /// # Errors
    /// Something else stands there, or another study.
    pub(super) fn open(out: Option<&Path>, merge: &[PathBuf], loaded: &Loaded<'_>) -> Result<Parts, Failure> {
        let identity = identity(loaded);
        for folder in merge {
            match fs::read_to_string(folder.join(STUDY)) {
                Ok(found) if found == identity => {}
                Ok(_) => return Err(refuse("--merge", folder, "it is a part of another study, or other files")),
                Err(error) => return Err(refuse("--merge", folder, &format!("{STUDY}: {error}"))),
            }
        }
        let mut from: Vec<PathBuf> = merge.to_vec();
        let Some(out) = out else { return Ok(Parts { out: None, from }) };
        match fs::read_to_string(out.join(STUDY)) {
            Ok(found) if found == identity => {}
            Ok(_) => return Err(refuse("--out", out, "another study is there; name another folder, or remove it")),
            Err(_) if is_foreign(out) => {
                return Err(refuse("--out", out, "it is not empty and no study; name another folder, or remove it"));
            }
            Err(_) => {
                let begun = fs::create_dir_all(out).and_then(|()| write_whole(&out.join(STUDY), identity.as_bytes()));
                begun.map_err(|error| refuse("--out", out, &error.to_string()))?;
            }
        }
        fs::create_dir_all(out.join(RUNS)).map_err(|error| refuse("--out", out, &error.to_string()))?;
        from.push(out.to_path_buf());
        Ok(Parts { out: Some(out.to_path_buf()), from })
    }

    /// The record of a run that is done.
    ///
    /// # Errors
    /// A record that is none.
    pub(super) fn read(&self, run: usize) -> Result<Option<Record>, Failure> {
        let Some(path) = self.found(run, "json") else { return Ok(None) };
        let failed = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map(Some).map_err(|error| failed(format!("{error}; remove the file")))
    }

    fn found(&self, run: usize, ending: &str) -> Option<PathBuf> {
        self.from.iter().map(|folder| file(folder, run, ending)).find(|path| path.exists())
    }

    /// Keeps a run.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(super) fn write(&self, record: &Record, samples: &[(&'static str, Column)]) -> Result<(), Failure> {
        let Some(out) = &self.out else { return Ok(()) };
        let write = || -> io::Result<()> {
            let mut bytes = Vec::new();
            write_columns(samples, &mut bytes)?;
            write_whole(&file(out, record.run, "parquet"), &bytes)?;
            write_whole(&file(out, record.run, "json"), &serde_json::to_vec(record)?)
        };
        write().map_err(|error| refuse("--out", out, &error.to_string()))
    }

    /// Writes the results of all runs, and takes the runs away.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(super) fn finish(
        &self,
        loaded: &Loaded<'_>,
        records: &[Record],
        limits: &[GroupLimits],
    ) -> Result<(), Failure> {
        let Some(out) = &self.out else { return Ok(()) };
        self.write_results(out, loaded, records, limits).map_err(|error| refuse("--out", out, &error.to_string()))
    }

    fn write_results(
        &self,
        out: &Path,
        loaded: &Loaded<'_>,
        records: &[Record],
        limits: &[GroupLimits],
    ) -> io::Result<()> {
        let study = &loaded.study;
        self.join_samples(&out.join("runs.parquet"), records)?;
        write_whole(&out.join("results.csv"), results::results_csv(study, records).as_bytes())?;
        let figures = results::figures_csv(study, records, limits, loaded.method, loaded.level);
        write_whole(&out.join("figures.csv"), figures.as_bytes())?;
        let mut page = study_page(study, records, limits, loaded.method, loaded.level);
        page.title.clone_from(&loaded.name);
        page.about.clone_from(&loaded.about);
        page.command.clone_from(&loaded.command);
        let mut bytes = Vec::new();
        write_study_page(&page, &mut bytes)?;
        let plots = out.join(PLOTS);
        fs::create_dir_all(&plots)?;
        for (name, svg) in study_svgs(&page) {
            write_whole(&plots.join(name), svg.as_bytes())?;
        }
        write_whole(&out.join("report.html"), &bytes)?;
        fs::remove_dir_all(out.join(RUNS))
    }

    /// All samples, a group of rows a run, in the order of the runs.
    fn join_samples(&self, target: &Path, records: &[Record]) -> io::Result<()> {
        let unfinished = target.with_extension("unfinished");
        let mut writer = None;
        for record in records {
            let missing = || io::Error::other(format!("the samples of run {} are gone", record.run));
            let path = self.found(record.run, "parquet").ok_or_else(missing)?;
            let reader = ColumnsReader::new(File::open(path)?)?;
            let group = reader.group(0)?;
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let names = reader.names();
                    let shape: Vec<(&str, Column)> = names.iter().map(String::as_str).zip(group.clone()).collect();
                    none.insert(ColumnsWriter::new(BufWriter::new(File::create(&unfinished)?), &shape)?)
                }
            };
            writer.add(&group)?;
        }
        if let Some(writer) = writer {
            writer.finish()?.flush()?;
            fs::rename(&unfinished, target)?;
        }
        Ok(())
    }
}

fn identity(loaded: &Loaded<'_>) -> String {
    format!("{:#}\n", loaded.identity)
}

fn file(folder: &Path, run: usize, ending: &str) -> PathBuf {
    folder.join(RUNS).join(format!("{run:06}.{ending}"))
}

fn is_foreign(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Writes a file that is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)
}

fn refuse(option: &str, folder: &Path, why: &str) -> Failure {
    Failure::Refused(format!("{option} {}: {why}", folder.display()))
}
