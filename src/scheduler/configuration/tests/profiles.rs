//! Which plugins profiles come to.

use super::{check, check_profile, good, profile_of};
use crate::client::Flags;
use crate::scheduler::testing::{node, pod};
use crate::scheduler::{
    Cluster, Enabled, ExtensionPoint, PluginArgs, PluginOrders, Profile, Scope, decide, plugins as registry,
};

/// The default profile, in its order.
const DEFAULT_PLUGINS: [&str; 19] = [
    "SchedulingGates",
    "PrioritySort",
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
    "DynamicResources",
    "DefaultPreemption",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
    "DefaultBinder",
];

/// The plugins of an extension point, with their weights where they score.
fn order(profile: &Profile, point: ExtensionPoint) -> Vec<String> {
    let plugins = profile.at(point);
    let name = |enabled: &Enabled| match point {
        ExtensionPoint::Score => format!("{} {}", enabled.entry.name, enabled.weight),
        _ => enabled.entry.name.to_owned(),
    };
    plugins.map(|(_, enabled)| name(enabled)).collect()
}

/// What stands before and after `rest`, which are the plugins of the default profile at the point but for those named.
#[track_caller]
fn check_order(plugins: &str, point: ExtensionPoint, first: &[&str], without: &[&str], last: &[&str]) {
    let profile = profile_of(&format!("plugins: {{{plugins}}}"));
    let rest = order(&Profile::upstream(), point);
    let is_kept = |line: &String| !without.contains(&line.split(' ').next().unwrap_or_default());
    let middle = rest.into_iter().filter(is_kept);
    let expected: Vec<String> = first
        .iter()
        .map(|name| (*name).to_owned())
        .chain(middle)
        .chain(last.iter().map(|name| (*name).to_owned()))
        .collect();
    assert_eq!(order(&profile, point), expected, "{plugins}");
}

#[test]
fn the_registry_has_the_order_and_the_weights_of_upstreams_default_profile() {
    let names: Vec<&str> = registry::of_upstream().map(|entry| entry.name).collect();
    assert_eq!(names, DEFAULT_PLUGINS);
    assert_eq!(registry::ALL.len(), names.len() + registry::BESIDE_UPSTREAM.len());
    for entry in registry::of_upstream() {
        let weight = match entry.name {
            "TaintToleration" => 3,
            "NodeAffinity" | "PodTopologySpread" | "InterPodAffinity" => 2,
            _ if entry.points.contains(&ExtensionPoint::Score) => 1,
            _ => 0,
        };
        assert_eq!(entry.weight, weight, "{}", entry.name);
    }
}

#[test]
fn nothing_said_is_the_default_profile() {
    for text in ["", "profiles: []\n", "profiles: [{}]\n", "profiles: [{schedulerName: default-scheduler}]\n"] {
        let configuration = good(text);
        let [profile] = configuration.profiles.as_slice() else { panic!("one profile") };
        let upstream = Profile::upstream();
        assert_eq!(profile.scheduler_name, "default-scheduler");
        assert_eq!(profile.orders, upstream.orders);
        assert_eq!(profile.args, PluginArgs::upstream());
        assert_eq!(profile.percentage_of_nodes_to_score, None);
        let weights = |profile: &Profile| profile.plugins.iter().map(|plugin| plugin.weight).collect::<Vec<_>>();
        assert_eq!(weights(profile), weights(&upstream));
        assert_eq!(configuration.flags, Flags::default());
    }
}

#[test]
fn a_plugin_is_disabled_where_it_is_said() {
    use ExtensionPoint::{Filter, PreFilter, PreScore, Score};
    let ports = "filter: {disabled: [{name: NodePorts}]}";
    check_order(ports, Filter, &[], &["NodePorts"], &[]);
    check_order(ports, PreFilter, &[], &[], &[]);
    let everywhere = "multiPoint: {disabled: [{name: NodeAffinity}]}";
    for point in [PreFilter, Filter, PreScore, Score] {
        check_order(everywhere, point, &[], &["NodeAffinity"], &[]);
    }
    let profile = profile_of("plugins: {score: {disabled: [{name: '*'}]}}");
    assert_eq!(order(&profile, Score), [""; 0]);
    assert_eq!(order(&profile, Filter), order(&Profile::upstream(), Filter));
    // What upstream no longer has may still be switched off.
    profile_of("plugins: {filter: {disabled: [{name: EBSLimits}, {name: VolumeZone}]}}");
}

#[test]
fn an_extension_point_goes_before_multi_point() {
    use ExtensionPoint::{Filter, Score};
    // Enabled again, it comes first, with the weight that is said there, or 1.
    check_order(
        "score: {enabled: [{name: NodeAffinity, weight: 9}]}",
        Score,
        &["NodeAffinity 9"],
        &["NodeAffinity"],
        &[],
    );
    check_order(
        "score: {enabled: [{name: ImageLocality}, {name: NodeAffinity}]}",
        Score,
        &["ImageLocality 1", "NodeAffinity 1"],
        &["ImageLocality", "NodeAffinity"],
        &[],
    );
    check_order("filter: {enabled: [{name: NodePorts}]}", Filter, &["NodePorts"], &["NodePorts"], &[]);
    // Disabled and enabled, it comes last.
    check_order(
        "score: {disabled: [{name: NodeAffinity}], enabled: [{name: NodeAffinity, weight: 9}]}",
        Score,
        &[],
        &["NodeAffinity"],
        &["NodeAffinity 9"],
    );
    // Alone, it stands alone.
    let profile =
        profile_of("plugins: {score: {disabled: [{name: '*'}], enabled: [{name: ImageLocality, weight: 3}]}}");
    assert_eq!(order(&profile, Score), ["ImageLocality 3"]);
}

#[test]
fn multi_point_keeps_the_place_of_a_default_that_it_changes() {
    use ExtensionPoint::Score;
    let changed = profile_of("plugins: {multiPoint: {enabled: [{name: NodeAffinity, weight: 7}]}}");
    let mut expected = order(&Profile::upstream(), Score);
    let line = expected.iter_mut().find(|line| *line == "NodeAffinity 2").expect("it scores");
    *line = "NodeAffinity 7".to_owned();
    assert_eq!(order(&changed, Score), expected);
    // Without a weight it is 1, not what it was by default.
    let changed = profile_of("plugins: {multiPoint: {enabled: [{name: NodeAffinity}]}}");
    assert!(order(&changed, Score).contains(&"NodeAffinity 1".to_owned()));
    // Disabled and enabled, it goes to the end.
    check_order(
        "multiPoint: {disabled: [{name: TaintToleration}], enabled: [{name: TaintToleration, weight: 5}]}",
        Score,
        &[],
        &["TaintToleration"],
        &["TaintToleration 5"],
    );
    // The weight of the extension point goes before that of multiPoint.
    check_order(
        "multiPoint: {enabled: [{name: TaintToleration, weight: 5}]}, score: {enabled: [{name: TaintToleration, weight: 4}]}",
        Score,
        &["TaintToleration 4"],
        &["TaintToleration"],
        &[],
    );
}

#[test]
fn a_profile_can_be_built_from_nothing() {
    use ExtensionPoint::{Bind, Filter, PreFilter, QueueSort, Score};
    let profile = profile_of(
        "plugins: {multiPoint: {disabled: [{name: '*'}], enabled: [{name: PrioritySort}, {name: DefaultBinder}, \
         {name: TaintToleration}]}, preFilter: {enabled: [{name: NodeResourcesFit}]}, filter: {enabled: [{name: \
         NodeResourcesFit}]}, score: {enabled: [{name: NodeResourcesFit, weight: 2}]}}",
    );
    assert_eq!(order(&profile, QueueSort), ["PrioritySort"]);
    assert_eq!(order(&profile, PreFilter), ["NodeResourcesFit"]);
    assert_eq!(order(&profile, Filter), ["TaintToleration", "NodeResourcesFit"]);
    assert_eq!(order(&profile, Score), ["TaintToleration 1", "NodeResourcesFit 2"]);
    assert_eq!(order(&profile, Bind), ["DefaultBinder"]);
    assert_eq!(profile.plugins.len(), 4);
}

#[test]
fn plugins_that_cannot_be_are_refused() {
    check_profile(
        "plugins: {filter: {enabled: [{name: NodePort}]}}",
        "c.yaml:3:49: profiles[0].plugins.filter.enabled[0].name: plugin \"NodePort\" does not exist\n  help: did you \
         mean \"NodePorts\"?",
    );
    check_profile(
        "plugins: {score: {disabled: [{name: NodeAfinity}]}}",
        "c.yaml:3:49: profiles[0].plugins.score.disabled[0].name: plugin \"NodeAfinity\" does not exist\n  help: did \
         you mean \"NodeAffinity\"?",
    );
    check_profile(
        "plugins: {multiPoint: {enabled: [{name: Coscheduling}]}}",
        "c.yaml:3:53: profiles[0].plugins.multiPoint.enabled[0].name: plugin \"Coscheduling\" does not exist\n  help: \
         only plugins of upstream's own registry and a few of ours are simulated: see wavetank list plugins",
    );
    check_profile(
        "plugins: {score: {enabled: [{name: NodePorts}]}}",
        "c.yaml:3:48: profiles[0].plugins.score.enabled[0].name: plugin \"NodePorts\" does not extend Score plugin",
    );
    check_profile(
        "plugins: {bind: {enabled: [{name: DefaultBinder}, {name: DefaultBinder}]}}",
        "c.yaml:3:70: profiles[0].plugins.bind.enabled[1].name: plugin \"DefaultBinder\" already registered as \
         \"BindPlugin\"",
    );
    check_profile(
        "plugins: {filter: {enabled: [{name: EBSLimits}]}}",
        "c.yaml:3:49: profiles[0].plugins.filter.enabled[0].name: Invalid value: \"EBSLimits\": was invalid in version \
         \"v1\" (KubeSchedulerConfiguration is version \"kubescheduler.config.k8s.io/v1\")",
    );
    check_profile(
        "plugins: {filter: {enabled: [{name: '*'}]}}",
        "c.yaml:3:49: profiles[0].plugins.filter.enabled[0].name: plugin \"*\" does not exist\n  help: name each plugin; \
         * stands for all of them in disabled only",
    );
    check_profile(
        "plugins: {bind: {disabled: [{name: '*'}]}, queueSort: {disabled: [{name: PrioritySort}]}}",
        "c.yaml:3:22: profiles[0].plugins: only one queue sort plugin required for profile with scheduler name \
         \"default-scheduler\", but got 0\nc.yaml:3:22: profiles[0].plugins: at least one bind plugin is needed for \
         profile with scheduler name \"default-scheduler\"",
    );
    check_profile(
        "plugins: {preFilter: {disabled: [{name: NodePorts}]}}",
        "c.yaml:3:22: profiles[0].plugins: NodePorts is enabled at filter, but not at preFilter, where it prepares what \
         it needs\n  help: enable it at preFilter as well, or disable it at filter too",
    );
    check_profile(
        "plugins: {preScore: {disabled: [{name: TaintToleration}, {name: NodeAffinity}]}}",
        "c.yaml:3:22: profiles[0].plugins: TaintToleration is enabled at score, but not at preScore, where it prepares \
         what it needs\n  help: enable it at preScore as well, or disable it at score too",
    );
}

#[test]
fn several_profiles_have_names_of_their_own_and_one_queue() {
    let configuration = good(
        "profiles: [{schedulerName: a, percentageOfNodesToScore: 0}, {schedulerName: b, plugins: {score: {disabled: \
         [{name: '*'}]}}}]",
    );
    let names: Vec<&str> = configuration.profiles.iter().map(|profile| profile.scheduler_name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(configuration.profiles[0].percentage_of_nodes_to_score, Some(0));
    check(
        "profiles: [{}, {schedulerName: ''}, {schedulerName: a}, {schedulerName: a}]",
        "c.yaml:3:12: profiles[0].schedulerName: Required value\nc.yaml:3:32: profiles[1].schedulerName: Required \
         value\nc.yaml:3:73: profiles[3].schedulerName: Duplicate value: \"a\"",
    );
    check(
        "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {enabled: [{name: PrioritySort}]}}}]",
        "c.yaml:3:72: profiles[1].plugins.queueSort: must be the same for all profiles: they share one queue",
    );
}

#[test]
fn a_plugin_that_is_disabled_at_filter_alone_still_has_a_say_before() {
    let mut orders = PluginOrders::same(registry::ALL);
    assert!(orders.has(ExtensionPoint::Filter, registry::ALL[2]));
    orders.at_mut(ExtensionPoint::Filter).clear();
    let mut cluster = Cluster::default();
    cluster.nodes.set(&node("a", "{spec: {taints: [{key: k, effect: NoSchedule}]}}"));
    cluster.nodes.refresh();
    let decide = |profile: &Profile, spec: &str| decide(&cluster, profile, &pod("p", spec), Scope::Everything);
    let lax = Profile::of(&orders, |entry| entry.weight);
    assert_eq!(decide(&Profile::upstream(), "{containers: []}").feasible, [0; 0]);
    assert_eq!(decide(&lax, "{containers: []}").feasible, [0]);
    let claims = decide(&lax, "{containers: [], resourceClaims: [{name: x}]}");
    assert!(claims.pre_filter.is_some() && claims.feasible.is_empty());
}

#[test]
fn plugins_that_upstream_does_not_have_are_there_where_a_profile_names_them() {
    use ExtensionPoint::Filter;
    let profile = profile_of("plugins: {multiPoint: {enabled: [{name: GpuShare}]}}");
    let mut expected = order(&Profile::upstream(), Filter);
    expected.push("GpuShare".to_owned());
    assert_eq!(order(&profile, Filter), expected);
    assert_eq!(order(&profile, ExtensionPoint::Reserve), ["VolumeBinding", "GpuShare"]);
    check_profile(
        "plugins: {filter: {enabled: [{name: GpuShare}]}}",
        "c.yaml:3:22: profiles[0].plugins: GpuShare is enabled at filter, but not at reserve\n  help: enable it at reserve \
         as well, or at multiPoint",
    );
    check_profile(
        "plugins: {score: {enabled: [{name: PlacementPolicy}]}}",
        "c.yaml:3:12: profiles[0].pluginConfig: PlacementPolicy is enabled, and no policy is named\n  help: write {name: \
         PlacementPolicy, args: {policy: fgd}}",
    );
    check_profile(
        "pluginConfig: [{name: PlacementPolicy, args: {policy: bestfitt}}]",
        "c.yaml:3:67: profiles[0].pluginConfig[0].args.policy: no policy is named \"bestfitt\"\n  help: did you mean \
         \"bestfit\"?",
    );
    check_profile(
        "pluginConfig: [{name: PlacementPolicy, args: {policy: fgd, typical: [{count: 1, gpuMilli: 2000}]}}]",
        "c.yaml:3:103: profiles[0].pluginConfig[0].args.typical[0].gpuMilli: Invalid value: 2000: not in valid range [1, \
         1000]",
    );
}
