//! Files that have been read, before they mean anything: one scenario, or as many as its axes have points.

use std::path::{Path, PathBuf};

use super::axes::{self, Axis};
use super::file::{API_VERSION, KIND};
use super::load::{Documents, Lowering};
use super::manifests::{ReadPath, files};
use super::overrides::{self, Override};
use super::{Scenario, expect};
use crate::api::located::{InputError, InputErrors, Located, Place, from_located, parse};
use crate::api::{Kind, text};
use crate::sim::Action;

/// What stands for the file of a scenario that nobody wrote.
const NO_FILE: &str = "(no scenario)";

/// Files that have been read, with all that `--set` replaces.
///
/// Points of the grid are numbered from 0 on, the last axis fastest. Without axes there is one point, the scenario.
#[derive(Debug)]
pub struct Draft {
    /// The axes, in the order of the file; those whose value `--set` has replaced are gone.
    pub axes: Vec<Axis>,
    file: String,
    document: Located,
    overrides: Vec<Override>,
    loose: Vec<Documents>,
}

impl Draft {
    /// Reads files and folders: at most one document of kind `Scenario` among them; all others are manifests that are
    /// applied at time zero, after those of the scenario. Without a `Scenario` they are applied to three nodes with 8
    /// CPUs and 32Gi each, and all Deployments are expected to become Available.
    ///
    /// `sets` are texts `PATH=VALUE` that replace values of the scenario before it is read. `read` is how paths are
    /// read.
    ///
    /// # Errors
    /// What is no YAML, what has no meaning for `--set`, and axes that are none.
    pub fn open(paths: &[PathBuf], sets: &[String], read: &ReadPath<'_>) -> Result<Draft, InputErrors> {
        let mut scenario: Option<(String, Located)> = None;
        let mut loose = Vec::new();
        for path in paths {
            for (file, text) in files(path, read).map_err(|why| of_file(path, why))? {
                let (found, manifests): (Vec<_>, Vec<_>) = parse(&file, &text)?.into_iter().partition(is_scenario);
                for document in found {
                    if let Some((first, _)) = &scenario {
                        let message = format!("a second Scenario: {first} holds one already; run them one at a time");
                        return Err(Place::new(&file, &document).error(message).into());
                    }
                    scenario = Some((file.clone(), document));
                }
                loose.push(Documents { file, documents: manifests });
            }
        }
        let (file, mut document) = match scenario {
            Some(found) => found,
            None => skeleton(paths)?,
        };
        let overrides = overrides::apply(&mut document, sets)?;
        let axes = axes::read(&file, &document, &overrides).map_err(|mut errors| {
            overrides::blame(&mut errors.0, &file, &overrides);
            errors
        })?;
        Ok(Draft { axes, file, document, overrides, loose })
    }

    /// How many points the grid has.
    pub fn points(&self) -> u64 {
        self.axes.iter().fold(1, |points, axis| points.saturating_mul(axis.values.len() as u64))
    }

    /// Which value of each axis a point has, by its position.
    pub fn point(&self, number: u64) -> Vec<usize> {
        let mut rest = number;
        let mut positions: Vec<usize> = Vec::new();
        for axis in self.axes.iter().rev() {
            let count = axis.values.len() as u64;
            positions.push((rest % count) as usize);
            rest /= count;
        }
        positions.reverse();
        positions
    }

    /// The scenario with the values that its own file has, axes left aside.
    ///
    /// # Errors
    /// Every mistake that could be found, each with file, line, column and path, and the nearest valid name.
    pub fn scenario(&self, read: &ReadPath<'_>) -> Result<Scenario, InputErrors> {
        self.lower(&self.document, read)
    }

    /// The scenario of a point.
    ///
    /// # Errors
    /// As [`Draft::scenario`]; [`Draft::merge`] makes one list of those of all points.
    pub fn at(&self, point: u64, read: &ReadPath<'_>) -> Result<Scenario, InputErrors> {
        if self.axes.is_empty() {
            return self.scenario(read);
        }
        let mut document = self.document.clone();
        for (axis, value) in self.axes.iter().zip(self.point(point)) {
            axis.put(&mut document, value).map_err(|why| self.place().error(why.message))?;
        }
        self.lower(&document, read)
    }

    /// The mistakes of several points, each once. One that is not about a value of an axis, and that other points do
    /// not have, says at which point it is.
    pub fn merge(&self, mut failed: Vec<(u64, InputErrors)>) -> InputErrors {
        failed.sort_by_key(|(point, _)| *point);
        let everywhere = failed.len() as u64 == self.points();
        let mut merged: Vec<(InputError, u64, u64)> = Vec::new();
        for (point, errors) in failed {
            for error in errors.0 {
                match merged.iter_mut().find(|(known, ..)| *known == error) {
                    Some((_, _, times)) => *times += 1,
                    None => merged.push((error, point, 1)),
                }
            }
        }
        let points = self.points();
        let told = |(mut error, point, times): (InputError, u64, u64)| {
            let of_all = everywhere && times == points;
            if !self.axes.is_empty() && !of_all && !self.axes.iter().any(|axis| axis.is_blamed_for(&error)) {
                error.message = format!("{} (where {})", error.message, self.told(point));
            }
            error
        };
        InputErrors(merged.into_iter().map(told).collect())
    }

    /// A place to say something about the axes as a whole.
    pub fn error_of_axes(&self, message: String, help: String) -> InputError {
        let mut error = [self.place().key(axes::AXES).error_help(message, help)];
        overrides::blame(&mut error, &self.file, &self.overrides);
        let [error] = error;
        error
    }

    /// `nodes[0].count=3 and …`.
    fn told(&self, point: u64) -> String {
        let of_axis = |(axis, value): (&Axis, usize)| axis.as_set(value);
        self.axes.iter().zip(self.point(point)).map(of_axis).collect::<Vec<_>>().join(" and ")
    }

    fn place(&self) -> Place<'_> {
        Place::new(&self.file, &self.document)
    }

    fn lower(&self, document: &Located, read: &ReadPath<'_>) -> Result<Scenario, InputErrors> {
        let file = self.file.as_str();
        let loaded = from_located(file, document)
            .and_then(|typed| Lowering::of(file, document, &typed, read).scenario(self.loose.clone()));
        let mut scenario = loaded.map_err(|mut errors| {
            overrides::blame(&mut errors.0, file, &self.overrides);
            errors
        })?;
        if file == NO_FILE && scenario.expectations.is_empty() && applies_deployments(&scenario) {
            scenario.expectations.push(expect::all_deployments_available());
        }
        Ok(scenario)
    }
}

fn of_file(path: &Path, message: String) -> InputErrors {
    let file = path.display().to_string();
    InputError { file, line: 1, column: 1, path: String::new(), message, help: None }.into()
}

/// Whether a document is meant to be a scenario.
fn is_scenario(document: &Located) -> bool {
    let text = |key| document.get(key).and_then(Located::as_str).unwrap_or_default();
    text("kind") == KIND || text("apiVersion").starts_with("wavetank.dev/")
}

/// The scenario that holds where only manifests are given.
fn skeleton(paths: &[PathBuf]) -> Result<(String, Located), InputErrors> {
    let stem = paths.first().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().to_lowercase());
    let name =
        stem.filter(|stem| text::is_dns1123_subdomain(stem).is_empty()).unwrap_or_else(|| "manifests".to_owned());
    let skeleton = format!("{{apiVersion: {API_VERSION}, kind: {KIND}, metadata: {{name: {name:?}}}}}");
    let document =
        parse(NO_FILE, &skeleton)?.pop().ok_or_else(|| of_file(Path::new(NO_FILE), "is empty".to_owned()))?;
    Ok((NO_FILE.to_owned(), document))
}

fn applies_deployments(scenario: &Scenario) -> bool {
    scenario.setup.timeline.iter().any(|timed| match &timed.action {
        Action::Apply(objects) => objects.iter().any(|(kind, _)| *kind == Kind::Deployment),
        _ => false,
    })
}
