//! Reads a `KubeSchedulerConfiguration`: what upstream's `--config` takes.
//!
//! Strict, with every mistake at file, line, column and field: unknown fields, and upstream's validation in its words.
//! The profiles come out as they work, all defaults filled in; what else is said comes out as flags of the same meaning.
//! Files are text here; whoever has a document already hands in its [`Place`].
//!
//! Upstream: `pkg/scheduler/apis/config` of 1.34 (`v1` for defaults, `validation`), and the checks with which
//! `framework/runtime` and client-go's `leaderelection` refuse to start. Left out: extenders and other API versions, both
//! refused; settings of things that are not simulated (profiling, content types, parallelism) have no effect.

mod arguments;
mod complaints;
mod file;
mod plugins;
#[cfg(test)]
mod tests;

use complaints::Complaints;
use file::{ClientConnectionFile, ConfigurationFile, LeaderElectionFile, PluginSetFile, ProfileFile};

use super::plugins::placement_policy;
use super::settings::LEADER_ELECT_RESOURCE_NAME;
use super::{
    ExtensionPoint, KUBE_API_BURST, KUBE_API_QPS, PERCENTAGE_OF_NODES_TO_SCORE, POD_INITIAL_BACKOFF, POD_MAX_BACKOFF,
    Profile,
};
use crate::api::located::{InputError, InputErrors, Located, Node, Place, parse};
use crate::client::{
    Flag, Flags, LEADER_ELECT, LEASE_DURATION, LeaderElection, RENEW_DEADLINE, RESOURCE_NAMESPACE, RETRY_PERIOD,
};
use crate::kernel::Span;

/// The only version that is read.
pub const API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
/// The kind of the document.
pub const KIND: &str = "KubeSchedulerConfiguration";

/// Plugins that earlier versions had.
const REMOVED_PLUGINS: [&str; 4] = ["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];
/// The longest time that may be set: 366 days, as in scenarios.
const SECONDS_MAX: i64 = 366 * 86_400;

/// The flags that say the same as a field outside of `profiles`, with that field.
pub const FIELDS: [(&Flag, &str); 11] = [
    (&KUBE_API_QPS, "clientConnection.qps"),
    (&KUBE_API_BURST, "clientConnection.burst"),
    (&PERCENTAGE_OF_NODES_TO_SCORE, "percentageOfNodesToScore"),
    (&POD_INITIAL_BACKOFF, "podInitialBackoffSeconds"),
    (&POD_MAX_BACKOFF, "podMaxBackoffSeconds"),
    (&LEADER_ELECT, "leaderElection.leaderElect"),
    (&LEASE_DURATION, "leaderElection.leaseDuration"),
    (&RENEW_DEADLINE, "leaderElection.renewDeadline"),
    (&RETRY_PERIOD, "leaderElection.retryPeriod"),
    (&RESOURCE_NAMESPACE, "leaderElection.resourceNamespace"),
    (&LEADER_ELECT_RESOURCE_NAME, "leaderElection.resourceName"),
];

/// What a configuration says.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The profiles, at least one, as they work.
    pub profiles: Vec<Profile>,
    /// What it says beside them, in the flags of [`FIELDS`]; what it does not say is not set.
    pub flags: Flags,
}

/// Reads the one document of a file.
///
/// # Errors
/// Every mistake that could be found.
pub fn read(file: &str, text: &str) -> Result<Configuration, InputErrors> {
    let documents = parse(file, text)?;
    match documents.as_slice() {
        [document] => Configuration::at(&Place::new(file, document)),
        [] => {
            let empty = Located { value: Node::Null, line: 1, column: 1 };
            Err(Place::new(file, &empty).error(format!("there is no {KIND} in it")).into())
        }
        [_, second, ..] => {
            Err(Place::new(file, second).error(format!("a second document: a file holds one {KIND}")).into())
        }
    }
}

impl Configuration {
    /// Reads what stands at a place.
    ///
    /// # Errors
    /// Every mistake that could be found.
    pub fn at(place: &Place<'_>) -> Result<Configuration, InputErrors> {
        head(place)?;
        let file: ConfigurationFile = place.read()?;
        let mut complaints = Complaints::default();
        let flags = flags(&file, place, &mut complaints);
        if file.extenders.is_some_and(|extenders| !extenders.is_empty()) {
            let help = "leave them out: what a program behind a URL decides is not known here";
            complaints.say(place.key("extenders").error_help("extenders are not simulated", help));
        }
        if file.delay_cache_until_active == Some(true) {
            let message = "not simulated: replicas fill their caches before they lead";
            complaints.say(place.key("delayCacheUntilActive").error(message));
        }
        let files = file.profiles.unwrap_or_default();
        let profiles = profiles(&files, &place.key("profiles"), &mut complaints);
        complaints.or(Configuration { profiles, flags })
    }
}

/// Version and kind, before anything else: other versions have other fields.
fn head(place: &Place<'_>) -> Result<(), InputError> {
    let text = |key: &str| place.key(key).text();
    match (text("apiVersion"), text("kind")) {
        (Some(API_VERSION), Some(KIND)) => Ok(()),
        (_, Some(kind)) if kind != KIND => {
            Err(place.key("kind").error_help(format!("{kind:?} is no {KIND}"), format!("write kind: {KIND}")))
        }
        (Some(version), Some(_)) if version != API_VERSION => {
            let message = format!("no kind {KIND:?} is registered for version {version:?}");
            Err(place.key("apiVersion").error_help(message, format!("write {API_VERSION}")))
        }
        (_, _) => Err(place.error_help(
            format!("this is no {KIND}: apiVersion or kind is missing"),
            format!("write apiVersion: {API_VERSION} and kind: {KIND}"),
        )),
    }
}

/// Sets a flag. Its value has been judged before.
fn set(flags: &mut Flags, flag: &Flag, value: &str, place: &Place<'_>, complaints: &mut Complaints) {
    if let Err(message) = flags.set(flag, value) {
        complaints.say(place.error(message));
    }
}

/// All that stands outside of the profiles.
fn flags(file: &ConfigurationFile, place: &Place<'_>, complaints: &mut Complaints) -> Flags {
    let mut flags = Flags::default();
    if let Some(parallelism) = file.parallelism.filter(|parallelism| *parallelism <= 0) {
        let detail = "should be an integer value greater than zero";
        complaints.invalid(&place.key("parallelism"), parallelism, detail);
    }
    if let Some(percentage) = file.percentage_of_nodes_to_score {
        let place = place.key("percentageOfNodesToScore");
        is_percentage(percentage, &place, complaints);
        set(&mut flags, &PERCENTAGE_OF_NODES_TO_SCORE, &percentage.to_string(), &place, complaints);
    }
    backoff(file, place, &mut flags, complaints);
    if let Some(client) = &file.client_connection {
        client_connection(client, &place.key("clientConnection"), &mut flags, complaints);
    }
    if let Some(election) = &file.leader_election {
        leader_election(election, &place.key("leaderElection"), &mut flags, complaints);
    }
    flags
}

fn is_percentage(percentage: i32, place: &Place<'_>, complaints: &mut Complaints) {
    if !(0..=100).contains(&percentage) {
        complaints.invalid(place, percentage, "not in valid range [0-100]");
    }
}

fn backoff(file: &ConfigurationFile, place: &Place<'_>, flags: &mut Flags, complaints: &mut Complaints) {
    let (initial_place, max_place) = (place.key("podInitialBackoffSeconds"), place.key("podMaxBackoffSeconds"));
    let seconds = |flag: &Flag| (Flags::default().span(flag).as_nanos() / 1_000_000_000) as i64;
    let initial = file.pod_initial_backoff_seconds.unwrap_or(seconds(&POD_INITIAL_BACKOFF));
    let max = file.pod_max_backoff_seconds.unwrap_or(seconds(&POD_MAX_BACKOFF));
    if initial <= 0 {
        complaints.invalid(&initial_place, initial, "must be greater than 0");
    }
    if max < initial {
        let said = if file.pod_max_backoff_seconds.is_some() { &max_place } else { &initial_place };
        let detail = "podMaxBackoffSeconds must be greater than or equal to podInitialBackoffSeconds";
        complaints.invalid(said, max, detail);
    }
    for (given, flag, place) in [
        (file.pod_initial_backoff_seconds, &POD_INITIAL_BACKOFF, &initial_place),
        (file.pod_max_backoff_seconds, &POD_MAX_BACKOFF, &max_place),
    ] {
        match given {
            Some(seconds) if seconds > SECONDS_MAX => {
                complaints.invalid(place, seconds, "longer than 366 days, the longest that is simulated");
            }
            Some(seconds) if seconds > 0 => set(flags, flag, &format!("{seconds}s"), place, complaints),
            Some(_) | None => {}
        }
    }
}

/// A zero counts as not given; a rate below zero is no limit to client-go.
fn client_connection(file: &ClientConnectionFile, place: &Place<'_>, flags: &mut Flags, complaints: &mut Complaints) {
    const QPS_MIN: f64 = 0.001;
    const QPS_MAX: f64 = 1e9;
    const BURST_MAX: i64 = 1_000_000;
    if let Some(qps) = file.qps.filter(|qps| *qps != 0.0) {
        let place = place.key("qps");
        if qps > 0.0 && !(QPS_MIN..=QPS_MAX).contains(&qps) {
            complaints.invalid(&place, qps, format!("neither 0 nor from {QPS_MIN} to {QPS_MAX}"));
        }
        set(flags, &KUBE_API_QPS, &qps.max(0.0).to_string(), &place, complaints);
    }
    let burst_place = place.key("burst");
    match file.burst.map(i64::from) {
        None | Some(0) => {}
        Some(burst) if burst < 0 => complaints.invalid(&burst_place, burst, "must be non-negative"),
        Some(burst) => {
            complaints.in_range(&burst_place, burst, 0, BURST_MAX);
            set(flags, &KUBE_API_BURST, &burst.to_string(), &burst_place, complaints);
        }
    }
}

fn leader_election(file: &LeaderElectionFile, place: &Place<'_>, flags: &mut Flags, complaints: &mut Complaints) {
    let before = complaints.count();
    let elects = file.leader_elect.unwrap_or(true);
    set(flags, &LEADER_ELECT, &elects.to_string(), &place.key("leaderElect"), complaints);
    for (key, given, flag) in [
        ("leaseDuration", &file.lease_duration, &LEASE_DURATION),
        ("renewDeadline", &file.renew_deadline, &RENEW_DEADLINE),
        ("retryPeriod", &file.retry_period, &RETRY_PERIOD),
    ] {
        let place = place.key(key);
        match given.as_deref().map(str::parse::<Span>) {
            None | Some(Ok(Span::ZERO)) => {}
            Some(Err(error)) => complaints.say(place.error(error.to_string())),
            Some(Ok(span)) if span > Span::from_secs(SECONDS_MAX as u64) => {
                complaints.invalid(&place, span.to_string(), "longer than 366 days, the longest that is simulated");
            }
            Some(Ok(span)) => set(flags, flag, &span.to_string(), &place, complaints),
        }
    }
    for (key, given, flag) in [
        ("resourceNamespace", &file.resource_namespace, &RESOURCE_NAMESPACE),
        ("resourceName", &file.resource_name, &LEADER_ELECT_RESOURCE_NAME),
    ] {
        if let Some(text) = given.as_deref().filter(|text| !text.is_empty()) {
            set(flags, flag, text, &place.key(key), complaints);
        }
    }
    if !elects {
        return;
    }
    match file.resource_lock.as_deref() {
        None | Some("" | "leases") => {}
        Some(other) => {
            complaints.invalid(&place.key("resourceLock"), other, "resourceLock value must be \"leases\"");
        }
    }
    if complaints.count() == before
        && let Err(message) = LeaderElection::of(flags, &LEADER_ELECT_RESOURCE_NAME)
    {
        complaints.say(election_error(&message, place));
    }
}

/// An error of the election, which names a flag, at the field that says the same.
fn election_error(message: &str, place: &Place<'_>) -> InputError {
    let flag = message.strip_prefix("--").and_then(|rest| rest.split_once(": "));
    let said = flag.and_then(|(name, what)| {
        let (_, field) = FIELDS.iter().find(|(flag, _)| flag.name == name)?;
        Some(place.key(field.strip_prefix("leaderElection.")?).error(what))
    });
    said.unwrap_or_else(|| place.error(message))
}

fn profiles(files: &[ProfileFile], place: &Place<'_>, complaints: &mut Complaints) -> Vec<Profile> {
    let default = [ProfileFile::default()];
    let files = if files.is_empty() { &default } else { files };
    let mut profiles: Vec<Profile> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let place = place.index(index);
        let name_place = place.key("schedulerName");
        let name = match file.scheduler_name.as_deref() {
            None if files.len() == 1 => "default-scheduler",
            None | Some("") => {
                complaints.required(&name_place, "");
                ""
            }
            Some(name) => name,
        };
        if !name.is_empty() && profiles.iter().any(|known| known.scheduler_name == name) {
            complaints.duplicate(&name_place, name);
        }
        if !plugins::same(queue_sort(file), queue_sort(&files[0])) {
            let message = "must be the same for all profiles: they share one queue";
            complaints.say(place.key("plugins").key("queueSort").error(message));
        }
        profiles.push(profile(file, name, &place, complaints));
    }
    profiles
}

fn queue_sort(file: &ProfileFile) -> Option<&PluginSetFile> {
    file.plugins.as_ref().and_then(|plugins| plugins::of_point(plugins, ExtensionPoint::QueueSort).1)
}

fn profile(file: &ProfileFile, name: &str, place: &Place<'_>, complaints: &mut Complaints) -> Profile {
    if let Some(percentage) = file.percentage_of_nodes_to_score {
        is_percentage(percentage, &place.key("percentageOfNodesToScore"), complaints);
    }
    let plugins = file.plugins.clone().unwrap_or_default();
    let chosen = plugins::choose(&plugins, &place.key("plugins"), name, complaints);
    let config = file.plugin_config.as_deref().unwrap_or_default();
    let before = complaints.count();
    let args = arguments::read(config, &place.key("pluginConfig"), complaints);
    let places = chosen.orders.has(ExtensionPoint::Score, &placement_policy::ENTRY);
    if places && args.placement.policy.is_none() && complaints.count() == before {
        let help = "write {name: PlacementPolicy, args: {policy: fgd}}";
        complaints
            .say(place.key("pluginConfig").error_help("PlacementPolicy is enabled, and no policy is named", help));
    }
    Profile {
        scheduler_name: name.into(),
        args,
        percentage_of_nodes_to_score: file.percentage_of_nodes_to_score.map(i64::from),
        ..Profile::of(&chosen.orders, |entry| chosen.weight(entry))
    }
}
