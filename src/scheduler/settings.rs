//! What a scenario may set of the scheduler. Upstream: flags of kube-scheduler and `KubeSchedulerConfiguration`.

use super::configuration::{self, Configuration};
use super::plugins::placement_policy::Chosen;
use super::policies;
use super::{Profile, Tie};
use crate::api::located::suggestion;
use crate::client::{
    Flag, FlagValue, Flags, LEADER_ELECT, LEASE_DURATION, LeaderElection, RENEW_DEADLINE, RESOURCE_NAMESPACE,
    RETRY_PERIOD, resource_name,
};
use crate::kernel::Span;

/// `--config`.
pub const CONFIG: Flag = Flag {
    name: "config",
    default: FlagValue::Text(""),
    doc: "a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): the path of a file, or in a scenario the document itself; flags of the leader election go before it, no other may say what it says",
};
/// `--kube-api-qps`.
pub const KUBE_API_QPS: Flag = Flag {
    name: "kube-api-qps",
    default: FlagValue::Float(50.0),
    doc: "requests a second that the scheduler's client may send; 0: no limit",
};
/// `--kube-api-burst`.
pub const KUBE_API_BURST: Flag = Flag {
    name: "kube-api-burst",
    default: FlagValue::Int(100),
    doc: "requests that the scheduler's client may send at once",
};
/// `percentageOfNodesToScore`.
pub const PERCENTAGE_OF_NODES_TO_SCORE: Flag = Flag {
    name: "percentage-of-nodes-to-score",
    default: FlagValue::Int(0),
    doc: "share of nodes, in percent, that is enough to be found feasible; 0: 50 % minus one for every 125 nodes, at least 5 %",
};
/// `podInitialBackoffSeconds`.
pub const POD_INITIAL_BACKOFF: Flag = Flag {
    name: "pod-initial-backoff",
    default: FlagValue::Span(Span::from_secs(1)),
    doc: "how long a pod waits after its first failure",
};
/// `podMaxBackoffSeconds`.
pub const POD_MAX_BACKOFF: Flag = Flag {
    name: "pod-max-backoff",
    default: FlagValue::Span(Span::from_secs(10)),
    doc: "how long a pod waits after a failure at most",
};
/// `--pod-max-in-unschedulable-pods-duration`.
pub const POD_MAX_IN_UNSCHEDULABLE: Flag = Flag {
    name: "pod-max-in-unschedulable-pods-duration",
    default: FlagValue::Span(Span::from_mins(5)),
    doc: "how long an unschedulable pod waits for an event before it is tried again",
};
/// How long one decision takes. Ours: the real one takes what the machine takes, 0.4 ms to 20 ms.
pub const CYCLE_TIME: Flag = Flag {
    name: "scheduling-cycle-time",
    default: FlagValue::Span(Span::from_millis(1)),
    doc: "how long the decision about one pod takes; 0: all pending pods are decided at once",
};
/// How one of several best nodes is chosen. Ours.
pub const TIE: Flag = Flag {
    name: "tie",
    default: FlagValue::Text("draw"),
    doc: "among the best nodes: draw (seeded) or first (by name)",
};

/// A placement policy in place of scores. Ours.
pub const POLICY: Flag = Flag {
    name: "policy",
    default: FlagValue::Text(""),
    doc: "a placement policy (wavetank list policies) in place of all plugins that score, with GPUs that pods share by annotations, all nodes looked at; short for a configuration with the plugins PlacementPolicy and GpuShare; empty: none",
};

/// `--leader-elect-resource-name`.
pub(super) const LEADER_ELECT_RESOURCE_NAME: Flag = resource_name("kube-scheduler");

/// All settings.
#[derive(Clone, Debug)]
pub struct SchedulerSettings {
    /// The profiles; pods with another `schedulerName` are ignored.
    pub profiles: Vec<Profile>,
    /// Requests a second; zero: no limit.
    pub qps: f64,
    /// Requests at once.
    pub burst: u64,
    /// Share of nodes that is enough, in percent; zero: by the size of the cluster.
    pub percentage_of_nodes_to_score: i64,
    /// The first back-off.
    pub initial_backoff: Span,
    /// The longest back-off.
    pub max_backoff: Span,
    /// The longest wait for an event.
    pub max_in_unschedulable: Span,
    /// How long a decision takes.
    pub cycle_time: Span,
    /// How ties are broken.
    pub tie: Tie,
    /// How replicas elect a leader; `None`: each schedules.
    pub leader_election: Option<LeaderElection>,
}

impl SchedulerSettings {
    /// The flags.
    pub const FLAGS: &[&Flag] = &[
        &CONFIG,
        &KUBE_API_QPS,
        &KUBE_API_BURST,
        &PERCENTAGE_OF_NODES_TO_SCORE,
        &POD_INITIAL_BACKOFF,
        &POD_MAX_BACKOFF,
        &POD_MAX_IN_UNSCHEDULABLE,
        &CYCLE_TIME,
        &TIE,
        &POLICY,
        &LEADER_ELECT,
        &LEASE_DURATION,
        &RENEW_DEADLINE,
        &RETRY_PERIOD,
        &RESOURCE_NAMESPACE,
        &LEADER_ELECT_RESOURCE_NAME,
    ];

    /// What a configuration says, and flags. As upstream, flags of the leader election go before the configuration.
    /// Others that both set are an error, where upstream passes over the flag in silence.
    ///
    /// # Errors
    /// Where both set the same thing, and as [`SchedulerSettings::of`].
    pub fn configured(flags: &Flags, configuration: &Configuration) -> Result<SchedulerSettings, String> {
        let of_election = [
            LEADER_ELECT.name,
            LEASE_DURATION.name,
            RENEW_DEADLINE.name,
            RETRY_PERIOD.name,
            RESOURCE_NAMESPACE.name,
            LEADER_ELECT_RESOURCE_NAME.name,
        ];
        for (flag, field) in configuration::FIELDS.iter().filter(|(flag, _)| !of_election.contains(&flag.name)) {
            if flags.is_set(flag) && configuration.flags.is_set(flag) {
                return Err(format!(
                    "--{}: the configuration sets it too, as {field}: leave one of them out",
                    flag.name
                ));
            }
        }
        if flags.is_set(&POLICY) {
            return Err(format!("--{}: the configuration has profiles: leave one of them out", POLICY.name));
        }
        let settings = SchedulerSettings::of(&flags.over(&configuration.flags))?;
        Ok(SchedulerSettings { profiles: configuration.profiles.clone(), ..settings })
    }

    /// What the flags say, with upstream's default profile. `--config` is left aside.
    ///
    /// # Errors
    /// Where `--tie`, `--policy` or the percentage is none of the allowed values, or the times of the election do not fit together.
    pub fn of(flags: &Flags) -> Result<SchedulerSettings, String> {
        let tie = match flags.text(&TIE) {
            "draw" => Tie::Draw,
            "first" => Tie::First,
            other => return Err(format!("--{}: {other:?} is neither draw nor first", TIE.name)),
        };
        let percentage_of_nodes_to_score = flags.int(&PERCENTAGE_OF_NODES_TO_SCORE);
        if !(0..=100).contains(&percentage_of_nodes_to_score) {
            return Err(format!("--{}: must be from 0 to 100", PERCENTAGE_OF_NODES_TO_SCORE.name));
        }
        let profile = match flags.text(&POLICY) {
            "" => Profile::upstream(),
            name => Profile::placing(Chosen(policies::named(name).ok_or_else(|| no_policy(name))?)),
        };
        Ok(SchedulerSettings {
            profiles: vec![profile],
            qps: flags.float(&KUBE_API_QPS),
            burst: flags.int(&KUBE_API_BURST).max(1) as u64,
            percentage_of_nodes_to_score,
            initial_backoff: flags.span(&POD_INITIAL_BACKOFF),
            max_backoff: flags.span(&POD_MAX_BACKOFF),
            max_in_unschedulable: flags.span(&POD_MAX_IN_UNSCHEDULABLE),
            cycle_time: flags.span(&CYCLE_TIME),
            tie,
            leader_election: LeaderElection::of(flags, &LEADER_ELECT_RESOURCE_NAME)?,
        })
    }
}

fn no_policy(name: &str) -> String {
    let names: Vec<&str> = policies::ALL.iter().map(|policy| policy.name()).collect();
    let help = suggestion(name, &names).unwrap_or_else(|| format!("there are {}", names.join(", ")));
    format!("--{}: no policy is named {name:?}: {help}", POLICY.name)
}
