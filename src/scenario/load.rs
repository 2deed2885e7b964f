//! Works out what a typed file means: a scenario.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::components;
use super::file::{API_VERSION, KIND, NodePoolFile, ScenarioFile};
use super::manifests::{Gathering, ReadPath};
use super::node_types::NodeTypes;
use super::nodes::{default_pools, has_node, node_names};
use super::resource::Kinds;
use super::timeline::{self, Known};
use super::{Draft, Origin, Scenario, behaviours, checks, expect, faults, nodes, trace, traffic, webhooks};
use crate::api::located::{InputErrors, Located, Place, suggestion};
use crate::api::{Clock, Name, text};
use crate::kernel::Time;
use crate::sim::{Action, NodePool, Setup, TimedAction, TimedFault, replicas};
use crate::store::UserInfo;

/// The seed where neither the scenario nor the command line gives one.
pub const DEFAULT_SEED: u64 = 1;

/// The documents of one file.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    pub(super) file: String,
    pub(super) documents: Vec<Located>,
}

/// Loads the one scenario of files and folders, its axes left aside: [`Draft::open`], then [`Draft::scenario`].
///
/// # Errors
/// Every mistake that could be found, each with file, line, column and path, and the nearest valid name.
pub fn load(paths: &[PathBuf], sets: &[String], read: &ReadPath<'_>) -> Result<Scenario, InputErrors> {
    Draft::open(paths, sets, read)?.scenario(read)
}

/// A typed file on its way to its meaning.
pub(super) struct Lowering<'a> {
    typed: &'a ScenarioFile,
    place: Place<'a>,
    gathering: Gathering<'a>,
}

impl<'a> Lowering<'a> {
    pub(super) fn of(
        file: &'a str,
        document: &'a Located,
        typed: &'a ScenarioFile,
        read: &'a ReadPath<'a>,
    ) -> Lowering<'a> {
        let folder = Path::new(file).parent().unwrap_or(Path::new("")).to_path_buf();
        let kinds = Kinds::default();
        let gathering = Gathering { read, folder, kinds, nodes: Vec::new(), errors: Vec::new() };
        Lowering { typed, place: Place::new(file, document), gathering }
    }

    pub(super) fn scenario(mut self, loose: Vec<Documents>) -> Result<Scenario, InputErrors> {
        let (typed, place) = (self.typed, self.place.clone());
        self.head();
        let components = components::lower(&typed.components, &place.key("components"), &mut self.gathering);
        let pool_files = self.pools();
        let types = NodeTypes::lower(&typed.node_types, &place.key("nodeTypes"), &mut self.gathering);
        let (mut pools, mut setup_pools) =
            nodes::lower(&pool_files, &types, &place.key("nodes"), &mut self.gathering.errors);
        let trace = trace::lower(typed.trace.as_ref(), &pools, &place.key("trace"), &mut self.gathering);
        pools.extend(trace.pools);
        setup_pools.extend(trace.setup);
        let behaviours = behaviours::lower(&typed.behaviours, &place.key("behaviours"), &mut self.gathering.errors);
        let mut timeline = self.timeline(loose);
        let is_seen = |(timed, _): &(TimedAction, Origin)| {
            typed.duration.is_none_or(|duration| timed.at <= Time::ZERO + duration.0)
        };
        timeline.extend(trace.timeline.into_iter().filter(is_seen));
        timeline.sort_by_key(|(timed, _)| timed.at);
        let (timeline, origins) = timeline.into_iter().unzip();
        let traffic = traffic::lower(&typed.traffic, &typed.network, &place.key("traffic"), &mut self.gathering.errors);
        let webhooks = webhooks::lower(&typed.webhooks, &place.key("webhooks"), &mut self.gathering.errors);
        let expectations = self.expectations();
        let faults = self.faults(&setup_pools);
        let invariants = checks::lower(&typed.checks, &place.key("checks"), &mut self.gathering.errors);
        if !self.gathering.errors.is_empty() {
            return Err(InputErrors(self.gathering.errors));
        }
        let start = typed.start.map_or(Clock::DEFAULT, |start| Clock { start_unix_seconds: start.unix_seconds });
        let setup = Setup {
            clock: start,
            net: components::latency(&typed.latency),
            api_servers: components.api_servers,
            api_server: components.api_server,
            webhooks: webhooks.into(),
            nodes_registered: true,
            custom_kinds: self.gathering.kinds.custom.clone(),
            pools: setup_pools,
            kubelet: components.kubelet,
            behaviours: Arc::new(behaviours),
            scheduler: components.scheduler,
            schedulers: components.schedulers,
            controllers: components.controllers,
            controller_flags: components.controller_flags,
            controller_election: components.controller_election,
            controller_managers: components.controller_managers,
            timeline,
            faults,
            traffic: Arc::new(traffic),
            invariants,
            operator_account: None,
            keep_journal: false,
        };
        Ok(Scenario {
            name: typed.metadata.name.clone(),
            description: typed.description.clone(),
            setup,
            origins,
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
    fn timeline(&mut self, loose: Vec<Documents>) -> Vec<(TimedAction, Origin)> {
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
        let at_start = |action| {
            let origin = Origin { place: "manifests".to_owned(), may_fail: false };
            (TimedAction { at: Time::ZERO, action, user: None }, origin)
        };
        let mut timeline: Vec<(TimedAction, Origin)> = kinds.chain(first).map(at_start).collect();
        for (index, applied) in entries {
            timeline.extend(self.entry(index, applied, &place.index(index)));
        }
        timeline
    }

    fn entry(&mut self, index: usize, applied: Option<Action>, place: &Place<'_>) -> Option<(TimedAction, Origin)> {
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
            Ok(action) => {
                let place = place.key(timeline::name(entry).unwrap_or_default()).path().to_string();
                let origin = Origin { place, may_fail: entry.may_fail };
                let user = entry.as_user.as_deref().map(|name| Arc::new(UserInfo::named(name)));
                Some((TimedAction { at: Time::ZERO + entry.at.0, action, user }, origin))
            }
            Err(error) => {
                self.gathering.errors.push(error);
                None
            }
        }
    }

    /// The pools that are declared, or those that hold where none are and no trace has nodes.
    fn pools(&self) -> Cow<'a, [NodePoolFile]> {
        match &self.typed.nodes {
            Some(pools) => Cow::Borrowed(pools),
            None if self.typed.trace.as_ref().is_some_and(|trace| trace.nodes.is_some()) => Cow::Borrowed(&[]),
            None => Cow::Owned(default_pools()),
        }
    }

    /// The names of nodes for a suggestion: of large pools the first ones only.
    fn node_names(&self) -> Vec<String> {
        const SHOWN_MAX: usize = 1_000;
        let pools = self.pools();
        let of_pools = pools.iter().flat_map(|pool| node_names(pool).take(SHOWN_MAX)).map(String::from);
        of_pools.chain(self.gathering.nodes.iter().cloned()).collect()
    }

    fn has_node(&self, name: &str) -> bool {
        self.pools().iter().any(|pool| has_node(pool, name)) || self.gathering.nodes.iter().any(|node| node == name)
    }

    fn faults(&mut self, pools: &[NodePool]) -> Vec<TimedFault> {
        const ZONE: &str = "topology.kubernetes.io/zone";
        let zones: Vec<Name> = pools.iter().filter_map(|pool| pool.template.labels.get(ZONE).cloned()).collect();
        let counts = &self.typed.components.replicas;
        let counts =
            [("kube-controller-manager", counts.kube_controller_manager), ("kube-scheduler", counts.kube_scheduler)];
        let names = |(component, count): (&'static str, Option<u8>)| replicas(component, count.unwrap_or(1));
        let parts: Vec<String> = counts.into_iter().flat_map(names).map(|(name, _)| name.to_string()).collect();
        let place = self.place.key("faults");
        let mut faults = Vec::new();
        for (index, file) in self.typed.faults.iter().enumerate() {
            let known = faults::Known {
                kinds: &self.gathering.kinds,
                nodes: &|| self.node_names(),
                has_node: &|name| self.has_node(name),
                zones: &zones,
                parts: &parts,
                duration: self.typed.duration.map(|duration| duration.0),
            };
            match faults::lower(file, &known, &place.index(index)) {
                Ok(fault) => faults.push(fault),
                Err(error) => self.gathering.errors.push(error),
            }
        }
        faults
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
