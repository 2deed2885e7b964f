//! Settings of components: flags looked up where the components declare them.

use std::sync::Arc;

use super::api_server::{API_SERVER_FLAGS, api_server_settings};
use super::file::{ComponentsFile, FlagsFile, LatencyFile, SchedulerConfigFile, SchedulerFlagsFile};
use super::manifests::{Gathering, files};
use crate::api::located::{InputError, InputErrors, Place};
use crate::client::{
    ControllerEntry, Flag, FlagValue, Flags, KUBE_API_BURST, KUBE_API_QPS, LEADER_ELECT, LEADER_ELECT_RESOURCE_NAME,
    LEASE_DURATION, LeaderElection, MIN_RESYNC_PERIOD, RENEW_DEADLINE, RESOURCE_NAMESPACE, RETRY_PERIOD,
};
use crate::controllers::{self, node_ipam};
use crate::kernel::Span;
use crate::kubelet::{self, KubeletSettings};
use crate::net::{Latency, NetSettings};
use crate::scheduler::{CONFIG, Configuration, SchedulerSettings, configuration};
use crate::store::ApiServerSettings;

/// `--controllers` of kube-controller-manager.
pub const CONTROLLERS: Flag = Flag {
    name: "controllers",
    default: FlagValue::Text("*"),
    doc: "which controllers run: * for all, name for one, -name for all but that one; separated by commas",
};

/// The flags of kube-controller-manager itself.
const MANAGER_FLAGS: [&Flag; 10] = [
    &CONTROLLERS,
    &KUBE_API_QPS,
    &KUBE_API_BURST,
    &MIN_RESYNC_PERIOD,
    &LEADER_ELECT,
    &LEASE_DURATION,
    &RENEW_DEADLINE,
    &RETRY_PERIOD,
    &RESOURCE_NAMESPACE,
    &LEADER_ELECT_RESOURCE_NAME,
];

/// The most replicas of a component.
const REPLICAS_MAX: u8 = 9;

/// What the section `components` comes to.
pub(super) struct Lowered {
    pub(super) api_servers: u8,
    pub(super) kubelet: Arc<KubeletSettings>,
    pub(super) scheduler: Option<SchedulerSettings>,
    pub(super) controllers: Vec<&'static ControllerEntry>,
    pub(super) controller_flags: Flags,
    pub(super) controller_election: Option<LeaderElection>,
    pub(super) controller_managers: u8,
    pub(super) schedulers: u8,
    pub(super) api_server: ApiServerSettings,
}

/// The flags of kube-controller-manager and of its controllers, each name once.
pub fn controller_manager_flags() -> Vec<&'static Flag> {
    let of_controllers =
        controllers::ALL.iter().flat_map(|entry| [entry.workers].into_iter().chain(entry.flags.iter().copied()));
    let mut flags: Vec<&'static Flag> = Vec::new();
    for flag in MANAGER_FLAGS.into_iter().chain(of_controllers) {
        if flags.iter().all(|known| known.name != flag.name) {
            flags.push(flag);
        }
    }
    flags
}

pub(super) fn lower(file: &ComponentsFile, place: &Place<'_>, gathering: &mut Gathering<'_>) -> Lowered {
    let scheduler = scheduler(&file.kube_scheduler, &place.key("kubeScheduler"), gathering);
    let errors = &mut gathering.errors;
    let of_manager = place.key("kubeControllerManager");
    let controller_flags = flags(&file.kube_controller_manager, &controller_manager_flags(), &of_manager, errors);
    if let Err(message) = node_ipam::check_flags(&controller_flags) {
        errors.push(of_flag(&message, &of_manager).error(message));
    }
    let controller_election =
        LeaderElection::of(&controller_flags, &LEADER_ELECT_RESOURCE_NAME).unwrap_or_else(|message| {
            errors.push(of_flag(&message, &of_manager).error(message));
            None
        });
    let kubelet_flags = flags(&file.kubelet, kubelet::FLAGS, &place.key("kubelet"), errors);
    let kubelet = KubeletSettings::from_flags(&kubelet_flags).unwrap_or_else(|message| {
        let place = place.key("kubelet");
        errors.push(of_flag(&message, &place).error(message));
        KubeletSettings::defaults()
    });
    let of_api_server = place.key("kubeApiserver");
    let api_server_flags = flags(&file.kube_apiserver, API_SERVER_FLAGS, &of_api_server, errors);
    let api_server = api_server_settings(&api_server_flags, &of_api_server, errors);
    let mut count = |given: Option<u8>, section: &str, key: &str| {
        let count = given.unwrap_or(1);
        if !(1..=REPLICAS_MAX).contains(&count) {
            let place = place.key(section).key(key);
            errors.push(place.error(format!("{count} replicas: there can be 1 to {REPLICAS_MAX}")));
        }
        count
    };
    let api_servers = count(file.api_server.replicas, "apiServer", "replicas");
    let controller_managers = count(file.replicas.kube_controller_manager, "replicas", "kubeControllerManager");
    let schedulers = count(file.replicas.kube_scheduler, "replicas", "kubeScheduler");
    Lowered {
        api_servers,
        controller_election,
        controller_managers,
        schedulers,
        kubelet: Arc::new(kubelet),
        controllers: chosen(controller_flags.text(&CONTROLLERS), &of_manager.key(CONTROLLERS.name), errors),
        controller_flags,
        scheduler,
        api_server,
    }
}

/// The section `kubeScheduler`.
fn scheduler(file: &SchedulerFlagsFile, place: &Place<'_>, gathering: &mut Gathering<'_>) -> Option<SchedulerSettings> {
    let flags = flags(&file.flags, SchedulerSettings::FLAGS, place, &mut gathering.errors);
    let read = file.config.as_ref().map(|config| scheduler_config(config, &place.key(CONFIG.name), gathering));
    let settings = match read {
        None => SchedulerSettings::of(&flags),
        Some(Ok(configuration)) => SchedulerSettings::configured(&flags, &configuration),
        Some(Err(errors)) => {
            gathering.errors.extend(errors.0);
            SchedulerSettings::of(&flags)
        }
    };
    settings.map_err(|message| gathering.errors.push(of_flag(&message, place).error(message))).ok()
}

fn scheduler_config(
    config: &SchedulerConfigFile,
    place: &Place<'_>,
    gathering: &Gathering<'_>,
) -> Result<Configuration, InputErrors> {
    let path = match config {
        SchedulerConfigFile::InPlace => return Configuration::at(place),
        SchedulerConfigFile::Path(path) => path,
    };
    let found = files(&gathering.folder.join(path), gathering.read).map_err(|why| place.error(why))?;
    match found.as_slice() {
        [(file, text)] => configuration::read(file, text),
        _ => Err(place.error_help(format!("{path:?} is a folder"), "name the file").into()),
    }
}

/// The place of the flag that a message begins with, as `--name: …`, where it stands in the file.
pub(super) fn of_flag<'a>(message: &str, place: &Place<'a>) -> Place<'a> {
    let name = message.strip_prefix("--").and_then(|rest| rest.split_once(':')).map_or("", |(name, _)| name);
    let flag = place.key(name);
    if flag.value().is_some() { flag } else { place.clone() }
}

fn flags(file: &FlagsFile, known: &[&'static Flag], place: &Place<'_>, errors: &mut Vec<InputError>) -> Flags {
    let mut flags = Flags::default();
    for (name, value) in file {
        let here = place.key(name);
        match known.iter().find(|flag| flag.name == name) {
            Some(flag) => {
                let set = in_sense(flag, &value.0).and_then(|()| flags.set(flag, &value.0));
                errors.extend(set.err().map(|message| here.error(message)));
            }
            None => {
                let names: Vec<&str> = known.iter().map(|flag| flag.name).collect();
                errors.push(here.unknown_key(format!("unknown flag: --{name}"), name.trim_start_matches('-'), &names));
            }
        }
    }
    flags
}

/// Whether a value is within what any component makes sense of: numbers and durations that sums and products of them
/// cannot overflow. What is no number at all is left to [`Flags::set`].
fn in_sense(flag: &Flag, text: &str) -> Result<(), String> {
    const INT_MAX: i64 = 1_000_000;
    const RATE_MIN: f64 = 0.001;
    const RATE_MAX: f64 = 1e9;
    match flag.default {
        FlagValue::Int(_) => match text.parse::<i64>() {
            Ok(number) if !(-INT_MAX..=INT_MAX).contains(&number) => {
                Err(format!("--{}: {number} is not from -{INT_MAX} to {INT_MAX}", flag.name))
            }
            Ok(_) | Err(_) => Ok(()),
        },
        FlagValue::Float(_) => match text.parse::<f64>() {
            Ok(number) if number > RATE_MAX || (number > 0.0 && number < RATE_MIN) => {
                Err(format!("--{}: {number} is neither 0 nor from {RATE_MIN} to {RATE_MAX}", flag.name))
            }
            Ok(_) | Err(_) => Ok(()),
        },
        FlagValue::Span(_) => match text.parse::<Span>() {
            Ok(span) if span > kubelet::SPAN_MAX => Err(format!("--{}: {span} is longer than 366 days", flag.name)),
            Ok(_) | Err(_) => Ok(()),
        },
        FlagValue::Bool(_) | FlagValue::Text(_) => Ok(()),
    }
}

/// The controllers that upstream's list names. Upstream: `cmd/kube-controller-manager`, `IsControllerEnabled`.
fn chosen(list: &str, place: &Place<'_>, errors: &mut Vec<InputError>) -> Vec<&'static ControllerEntry> {
    let words: Vec<&str> = list.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let names: Vec<&str> = controllers::ALL.iter().map(|entry| entry.name).collect();
    for word in &words {
        let name = word.strip_prefix('-').unwrap_or(word);
        if *word != "*" && !names.contains(&name) {
            errors.push(place.unknown_name(format!("no controller is named {name:?}"), name, &names));
        }
    }
    let runs = |entry: &ControllerEntry| {
        let out = words.iter().any(|word| word.strip_prefix('-') == Some(entry.name));
        words.contains(&entry.name) || (!out && words.contains(&"*"))
    };
    controllers::ALL.iter().copied().filter(|entry| runs(entry)).collect()
}

/// The section `latency`.
pub(super) fn latency(file: &LatencyFile) -> NetSettings {
    let defaults = NetSettings::DEFAULT;
    let range = |given: Option<super::file::DurationRange>, default: Latency| {
        given.map_or(default, |range| Latency { low: range.0.low, high: range.0.high })
    };
    NetSettings {
        read: range(file.read, defaults.read),
        write: range(file.write, defaults.write),
        reply: range(file.reply, defaults.reply),
        watch: file.watch.map_or(defaults.watch, |span| span.0),
        watch_cache_lag: file.watch_cache_lag.map_or(defaults.watch_cache_lag, |span| span.0),
        lost_after: defaults.lost_after,
    }
}
