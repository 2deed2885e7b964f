//! What a file must be, and what stands beside the profiles.

use super::{HEAD, check, check_profile, good};
use crate::client::{Flag, Flags, LEASE_DURATION};
use crate::kernel::Span;
use crate::scheduler::configuration::read;
use crate::scheduler::{KUBE_API_QPS, SchedulerSettings};

#[test]
fn what_is_no_such_configuration_is_refused() {
    let check = |text: &str, expected: &str| {
        let found = read("c.yaml", text).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
        assert_eq!(found, expected, "{text}");
    };
    check("", "c.yaml:1:1: there is no KubeSchedulerConfiguration in it");
    check(
        "kind: KubeSchedulerConfiguration\n",
        "c.yaml:1:1: this is no KubeSchedulerConfiguration: apiVersion or kind is missing\n  help: write apiVersion: \
         kubescheduler.config.k8s.io/v1 and kind: KubeSchedulerConfiguration",
    );
    check(
        "apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration\nhealthzBindAddress: x\n",
        "c.yaml:1:13: apiVersion: no kind \"KubeSchedulerConfiguration\" is registered for version \
         \"kubescheduler.config.k8s.io/v1beta3\"\n  help: write kubescheduler.config.k8s.io/v1",
    );
    check(
        "apiVersion: v1\nkind: Pod\n",
        "c.yaml:2:7: kind: \"Pod\" is no KubeSchedulerConfiguration\n  help: write kind: KubeSchedulerConfiguration",
    );
    check(&format!("{HEAD}---\n{HEAD}"), "c.yaml:4:1: a second document: a file holds one KubeSchedulerConfiguration");
}

#[test]
fn unknown_fields_and_wrong_types_are_told_at_their_place() {
    check("profile: []", "c.yaml:3:1: unknown field \"profile\"\n  help: did you mean \"profiles\"?");
    check_profile(
        "plugins: {filters: {}}",
        "c.yaml:3:23: unknown field \"profiles[0].plugins.filters\"\n  help: did you mean \"filter\"?",
    );
    check_profile(
        "pluginConfig: [{name: NodeResourcesFit, args: {ignoredResource: [a]}}]",
        "c.yaml:3:60: unknown field \"profiles[0].pluginConfig[0].args.ignoredResource\"\n  help: did you mean \
         \"ignoredResources\"?",
    );
    check_profile(
        "pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {required: {}}}}]",
        "c.yaml:3:72: unknown field \"profiles[0].pluginConfig[0].args.addedAffinity.required\"\n  help: valid here: \
         preferredDuringSchedulingIgnoredDuringExecution, requiredDuringSchedulingIgnoredDuringExecution",
    );
    check_profile(
        "pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: '5'}}]",
        "c.yaml:3:83: profiles[0].pluginConfig[0].args.hardPodAffinityWeight: expected an integer, found the string \
         \"5\"\n  help: write it without quotes: 5",
    );
}

#[test]
fn what_stands_beside_the_profiles_becomes_flags() {
    let text = "percentageOfNodesToScore: 30\npodInitialBackoffSeconds: 2\npodMaxBackoffSeconds: 4\nparallelism: 8\n\
                clientConnection: {qps: 12.5, burst: 7, kubeconfig: /x, contentType: application/json}\nleaderElection: \
                {leaseDuration: 30s, renewDeadline: 20s, resourceName: mine, resourceLock: leases, retryPeriod: 0s}\n\
                enableProfiling: false\n";
    let settings = SchedulerSettings::configured(&Flags::default(), &good(text)).expect("all is well");
    assert_eq!((settings.qps, settings.burst, settings.percentage_of_nodes_to_score), (12.5, 7, 30));
    assert_eq!((settings.initial_backoff, settings.max_backoff), (Span::from_secs(2), Span::from_secs(4)));
    let election = settings.leader_election.expect("there is an election by default");
    assert_eq!((election.lease_duration, election.renew_deadline), (Span::from_secs(30), Span::from_secs(20)));
    assert_eq!((election.retry_period, election.name.as_str()), (Span::from_secs(2), "mine"));
    let defaults =
        good("clientConnection: {qps: 0, burst: 0}\nleaderElection: {leaderElect: true, resourceName: ''}\n");
    let settings = SchedulerSettings::configured(&Flags::default(), &defaults).expect("all is well");
    assert_eq!((settings.qps, settings.burst), (50.0, 100));
    let unlimited = good("clientConnection: {qps: -1}\nleaderElection: {leaderElect: false}\n");
    let settings = SchedulerSettings::configured(&Flags::default(), &unlimited).expect("all is well");
    assert_eq!((settings.qps, settings.leader_election.is_none()), (0.0, true));
}

#[test]
fn settings_out_of_range_are_refused() {
    check(
        "percentageOfNodesToScore: 101",
        "c.yaml:3:27: percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
    );
    check_profile(
        "percentageOfNodesToScore: -1",
        "c.yaml:3:39: profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]",
    );
    check("parallelism: 0", "c.yaml:3:14: parallelism: Invalid value: 0: should be an integer value greater than zero");
    check(
        "podInitialBackoffSeconds: 0",
        "c.yaml:3:27: podInitialBackoffSeconds: Invalid value: 0: must be greater than 0",
    );
    check(
        "podInitialBackoffSeconds: 11",
        "c.yaml:3:27: podInitialBackoffSeconds: Invalid value: 10: podMaxBackoffSeconds must be greater than or equal to \
         podInitialBackoffSeconds",
    );
    check(
        "podMaxBackoffSeconds: 99999999999",
        "c.yaml:3:23: podMaxBackoffSeconds: Invalid value: 99999999999: longer than 366 days, the longest that is \
         simulated",
    );
    check(
        "clientConnection: {burst: -1}",
        "c.yaml:3:27: clientConnection.burst: Invalid value: -1: must be non-negative",
    );
    check(
        "leaderElection: {leaseDuration: 5s}",
        "c.yaml:3:33: leaderElection.leaseDuration: leaseDuration must be greater than renewDeadline",
    );
    check(
        "leaderElection: {resourceLock: endpoints}",
        "c.yaml:3:32: leaderElection.resourceLock: Invalid value: \"endpoints\": resourceLock value must be \"leases\"",
    );
    check("leaderElection: {leaderElect: false, resourceLock: endpoints, leaseDuration: 5s}", "fine");
    check(
        "leaderElection: {retryPeriod: -1s}",
        "c.yaml:3:31: leaderElection.retryPeriod: '-1s' is no duration: it is negative, and time only goes forwards",
    );
    check(
        "extenders: [{urlPrefix: 'http://x'}]",
        "c.yaml:3:12: extenders: extenders are not simulated\n  help: leave them out: what a program behind a URL decides \
         is not known here",
    );
    check("extenders: []", "fine");
    check(
        "delayCacheUntilActive: true",
        "c.yaml:3:24: delayCacheUntilActive: not simulated: replicas fill their caches before they lead",
    );
}

#[test]
fn flags_and_a_configuration_do_not_say_the_same_twice() {
    let configured = |flag: &Flag, value: &str, text: &str| {
        let mut flags = Flags::default();
        flags.set(flag, value).expect("the value is one");
        SchedulerSettings::configured(&flags, &good(text))
    };
    let both = configured(&KUBE_API_QPS, "5", "clientConnection: {qps: 9}");
    assert_eq!(
        both.map(|settings| settings.qps),
        Err("--kube-api-qps: the configuration sets it too, as clientConnection.qps: leave one of them out".to_owned())
    );
    let flag_alone = configured(&KUBE_API_QPS, "5", "clientConnection: {burst: 9}").expect("they differ");
    assert_eq!((flag_alone.qps, flag_alone.burst), (5.0, 9));
    let election = configured(&LEASE_DURATION, "40s", "leaderElection: {leaseDuration: 30s}").expect("the flag wins");
    assert_eq!(election.leader_election.map(|election| election.lease_duration), Some(Span::from_secs(40)));
}
