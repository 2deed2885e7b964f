//! Loads files into a scenario: parses, replaces what `--set` says, types, and works out what it means.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::components;
use super::file::{API_VERSION, KIND, ScenarioFile};
use super::manifests::{Gathering, ReadPath, files};
use super::nodes::default_pools;
use super::place::{Place, suggestion};
use super::resource::Kinds;
use super::timeline::{self, Known};
use super::{Scenario, behaviours, checks, expect, nodes, overrides};
use crate::api::located::{InputError, InputErrors, Located, from_located, parse};
use crate::api::{Clock, Kind, text};
use crate::kernel::Time;
use crate::sim::{Action, Setup, TimedAction};

/// The seed where neither the scenario nor the command line gives one.
pub const DEFAULT_SEED: u64 = 1;

/// The documents of one file.
struct Documents {
    file: String,
    documents: Vec<Located>,
}

/// Loads a scenario from files and folders: at most one document of kind `Scenario` among them; all others are
/// manifests that are applied at time zero, after those of the scenario. Without a `Scenario` they are applied to three
/// nodes with 8 CPUs and 32Gi each, and all Deployments are expected to become Available.
///
/// `sets` are texts `PATH=VALUE` that replace values of the scenario before it is read. `read` is how paths are read.
///
/// # Errors
/// Every mistake that could be found, each with file, line, column and path, and the nearest valid name.
pub fn load(paths: &[PathBuf], sets: &[String], read: &ReadPath<'_>) -> Result<Scenario, InputErrors> {
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
    let Some((file, mut document)) = scenario else { return only_manifests(paths, loose, sets, read) };
    let overrides = overrides::apply(&mut document, sets)?;
    let loaded =
        from_located(&file, &document).and_then(|typed| Lowering::of(&file, &document, &typed, read).scenario(loose));
    loaded.map_err(|mut errors| {
        overrides::blame(&mut errors.0, &file, &overrides);
        errors
    })
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

fn only_manifests(
    paths: &[PathBuf],
    loose: Vec<Documents>,
    sets: &[String],
    read: &ReadPath<'_>,
) -> Result<Scenario, InputErrors> {
    let stem = paths.first().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().to_lowercase());
    let name =
        stem.filter(|stem| text::is_dns1123_subdomain(stem).is_empty()).unwrap_or_else(|| "manifests".to_owned());
    let skeleton = format!("{{apiVersion: {API_VERSION}, kind: {KIND}, metadata: {{name: {name:?}}}}}");
    let file = "(no scenario)";
    let mut document = parse(file, &skeleton)?.pop().ok_or_else(|| of_file(Path::new(file), "is empty".to_owned()))?;
    let overrides = overrides::apply(&mut document, sets)?;
    let loaded =
        from_located(file, &document).and_then(|typed| Lowering::of(file, &document, &typed, read).scenario(loose));
    let mut scenario = loaded.map_err(|mut errors| {
        overrides::blame(&mut errors.0, file, &overrides);
        errors
    })?;
    let deployments = scenario.setup.timeline.iter().any(|timed| match &timed.action {
        Action::Apply(objects) => objects.iter().any(|(kind, _)| *kind == Kind::Deployment),
        _ => false,
    });
    if deployments && scenario.expectations.is_empty() {
        scenario.expectations.push(expect::all_deployments_available());
    }
    Ok(scenario)
}

/// A typed file on its way to its meaning.
struct Lowering<'a> {
    typed: &'a ScenarioFile,
    place: Place<'a>,
    gathering: Gathering<'a>,
}

impl<'a> Lowering<'a> {
    fn of(file: &'a str, document: &'a Located, typed: &'a ScenarioFile, read: &'a ReadPath<'a>) -> Lowering<'a> {
        let folder = Path::new(file).parent().unwrap_or(Path::new("")).to_path_buf();
        let kinds = Kinds::default();
        let gathering = Gathering { read, folder, kinds, nodes: Vec::new(), errors: Vec::new() };
        Lowering { typed, place: Place::new(file, document), gathering }
    }

    fn scenario(mut self, loose: Vec<Documents>) -> Result<Scenario, InputErrors> {
        let (typed, place) = (self.typed, self.place.clone());
        self.head();
        let components = components::lower(&typed.components, &place.key("components"), &mut self.gathering.errors);
        let defaults = default_pools();
        let pool_files = typed.nodes.as_ref().unwrap_or(&defaults);
        let (pools, setup_pools) = nodes::lower(pool_files, &place.key("nodes"), &mut self.gathering.errors);
        let behaviours = behaviours::lower(&typed.behaviours, &place.key("behaviours"), &mut self.gathering.errors);
        let timeline = self.timeline(loose);
        let expectations = self.expectations();
        let invariants = checks::lower(&typed.checks, &place.key("checks"), &mut self.gathering.errors);
        if !self.gathering.errors.is_empty() {
            return Err(InputErrors(self.gathering.errors));
        }
        let start = typed.start.map_or(Clock::DEFAULT, |start| Clock { start_unix_seconds: start.unix_seconds });
        let setup = Setup {
            clock: start,
            net: components::latency(&typed.latency),
            api_servers: components.api_servers,
            nodes_registered: true,
            custom_kinds: self.gathering.kinds.custom.clone(),
            pools: setup_pools,
            kubelet: components.kubelet,
            behaviours: Arc::new(behaviours),
            scheduler: components.scheduler,
            controllers: components.controllers,
            controller_flags: components.controller_flags,
            timeline,
            faults: Vec::new(),
            invariants,
            keep_journal: false,
        };
        Ok(Scenario {
            name: typed.metadata.name.clone(),
            description: typed.description.clone(),
            setup,
            pools,
            expectations,
            duration: typed.duration.map(|duration| duration.0),
            stop_when_met: typed.stop_when_met,
            seed: typed.seed.unwrap_or(DEFAULT_SEED),
            custom_kinds: self.gathering.kinds.custom,
        })
    }

    fn head(&mut self) {
        let (typed, place, errors) = (self.typed, &self.place, &mut self.gathering.errors);
        if typed.api_version != API_VERSION {
            let message = format!("{:?} is no version that is read here", typed.api_version);
            errors.push(place.key("apiVersion").error_help(message, format!("write {API_VERSION}")));
        }
        if typed.kind != KIND {
            let help = suggestion(&typed.kind, &[KIND]).unwrap_or_else(|| format!("write {KIND}"));
            errors.push(place.key("kind").error_help(format!("{:?} is no kind of {API_VERSION}", typed.kind), help));
        }
        let name = &typed.metadata.name;
        if let Some(why) = text::is_dns1123_subdomain(name).into_iter().next() {
            errors.push(place.key("metadata").key("name").error(format!("{name:?} is no name: {why}")));
        }
        if typed.duration.is_some_and(|duration| duration.0.as_nanos() == 0) {
            errors.push(
                place
                    .key("duration")
                    .error_help("nothing happens in no time", "write for example 10m, or leave it out"),
            );
        }
        // Simulated time is 584 years long at most, and timestamps have four digits for the year.
        if typed.start.is_some_and(|start| !(0..=253_402_300_799 - 366 * 86_400).contains(&start.unix_seconds)) {
            errors.push(place.key("start").error("the start lies between the years 1970 and 9998"));
        }
    }

    /// The custom kinds, the manifests of time zero, and what is done later, in order of time.
    fn timeline(&mut self, loose: Vec<Documents>) -> Vec<TimedAction> {
        let (typed, place) = (self.typed, self.place.clone());
        let mut manifests = self.gathering.all(&typed.manifests, &place.key("manifests"));
        for Documents { file, documents } in loose {
            manifests.extend(self.gathering.documents(&file, documents));
        }
        let first = (!manifests.is_empty()).then(|| self.gathering.apply(manifests));
        let place = place.key("timeline");
        let mut order: Vec<usize> = (0..typed.timeline.len()).collect();
        order.sort_by_key(|index| typed.timeline[*index].at);
        // All that is applied, before anything is looked up: later CRDs define kinds as well.
        let mut entries = Vec::new();
        for index in order {
            let applied = typed.timeline[index].apply.as_ref().map(|files| {
                let manifests = self.gathering.any(files, &place.index(index).key("apply"));
                self.gathering.apply(manifests)
            });
            entries.push((index, applied));
        }
        let kinds = self.gathering.kinds.custom.iter().cloned().map(Action::DefineKind);
        let mut timeline: Vec<TimedAction> =
            kinds.chain(first).map(|action| TimedAction { at: Time::ZERO, action }).collect();
        for (index, applied) in entries {
            timeline.extend(self.entry(index, applied, &place.index(index)));
        }
        timeline
    }

    fn entry(&mut self, index: usize, applied: Option<Action>, place: &Place<'_>) -> Option<TimedAction> {
        let entry = &self.typed.timeline[index];
        let lowered = match self.typed.duration {
            Some(duration) if entry.at > duration => {
                let message = format!("{} lies after the end of the scenario, at {}", entry.at.0, duration.0);
                Err(place.key("at").error(message))
            }
            Some(_) | None => {
                let known = Known {
                    kinds: &self.gathering.kinds,
                    nodes: &|| self.node_names(),
                    has_node: &|name| self.has_node(name),
                };
                timeline::lower(entry, applied, &known, place)
            }
        };
        match lowered {
            Ok(action) => Some(TimedAction { at: Time::ZERO + entry.at.0, action }),
            Err(error) => {
                self.gathering.errors.push(error);
                None
            }
        }
    }

    /// The names of nodes for a suggestion: of large pools the first ones only.
    fn node_names(&self) -> Vec<String> {
        const SHOWN_MAX: u32 = 1_000;
        let defaults = default_pools();
        let pools = self.typed.nodes.as_ref().unwrap_or(&defaults);
        let of_pools = pools
            .iter()
            .flat_map(|pool| (0..pool.count.min(SHOWN_MAX)).map(|number| format!("{}-{number}", pool.name)));
        of_pools.chain(self.gathering.nodes.iter().cloned()).collect()
    }

    fn has_node(&self, name: &str) -> bool {
        let defaults = default_pools();
        let pools = self.typed.nodes.as_ref().unwrap_or(&defaults);
        let in_pool = name.rsplit_once('-').is_some_and(|(pool, number)| {
            let plain = number.parse::<u32>().ok().filter(|parsed| parsed.to_string() == number);
            plain.is_some_and(|number| pools.iter().any(|known| known.name == pool && number < known.count))
        });
        in_pool || self.gathering.nodes.iter().any(|node| node == name)
    }

    fn expectations(&mut self) -> Vec<super::Expectation> {
        let duration = self.typed.duration.map(|duration| duration.0);
        let place = self.place.key("expect");
        let mut expectations = Vec::new();
        for (index, file) in self.typed.expect.iter().enumerate() {
            match expect::lower(file, &self.gathering.kinds, duration, &place.index(index)) {
                Ok(expectation) => expectations.push(expectation),
                Err(error) => self.gathering.errors.push(error),
            }
        }
        expectations
    }
}
