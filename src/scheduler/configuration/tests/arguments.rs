//! What plugins are told, and what comes of it.

use super::{check_profile, load, profile_of};
use crate::scheduler::testing::{node, pod};
use crate::scheduler::{Cluster, Defaulting, PluginArgs, Scope, decide};

fn args(plugin: &str, text: &str) -> PluginArgs {
    profile_of(&format!("pluginConfig: [{{name: {plugin}, args: {{{text}}}}}]")).args
}

/// What is wrong with arguments, without the part of each line that says where they stand.
#[track_caller]
fn check_args(plugin: &str, text: &str, expected: &[&str]) {
    let profiles = format!("profiles: [{{pluginConfig: [{{name: {plugin}, args: {{{text}}}}}]}}]");
    let found = load(&profiles).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
    let found: Vec<&str> = found
        .split('\n')
        .map(|line| line.split_once("profiles[0].pluginConfig[0].args.").map_or(line, |(_, rest)| rest))
        .collect();
    assert_eq!(found, expected, "{plugin} {text}");
}

#[test]
fn arguments_are_read_with_upstreams_defaults() {
    let spread = args(
        "PodTopologySpread",
        "defaultingType: List, defaultConstraints: [{maxSkew: 2, topologyKey: zone, \
         whenUnsatisfiable: ScheduleAnyway}]",
    )
    .spread;
    assert_eq!((spread.defaulting_type, spread.default_constraints.len()), (Defaulting::List, 1));
    assert_eq!(spread.default_constraints[0].max_skew, 2);
    assert_eq!(args("PodTopologySpread", "defaultingType: List").spread.default_constraints, []);
    let pods = args("InterPodAffinity", "hardPodAffinityWeight: 0, ignorePreferredTermsOfExistingPods: true");
    assert_eq!(pods.inter_pod_affinity.hard_pod_affinity_weight, 0);
    assert!(pods.inter_pod_affinity.ignore_preferred_terms_of_existing_pods);
    let preemption = args("DefaultPreemption", "minCandidateNodesAbsolute: 0").preemption;
    assert_eq!((preemption.min_candidate_nodes_percentage, preemption.min_candidate_nodes_absolute), (10, 0));
    assert_eq!(args("VolumeBinding", "bindTimeoutSeconds: 5").volume_binding.bind_timeout_seconds, 5);
    args("DynamicResources", "filterTimeout: 5s");
    let fit = args("NodeResourcesFit", "ignoredResources: [a.b/c], ignoredResourceGroups: [d.e]").fit;
    assert!(fit.ignored_resources.contains("a.b/c") && fit.ignored_groups.contains("d.e"));
    assert_eq!(fit.resources, PluginArgs::upstream().fit.resources);
    let fit = args(
        "NodeResourcesFit",
        "scoringStrategy: {type: MostAllocated, resources: [{name: x/y, weight: 0}, {name: memory, weight: 9}]}",
    )
    .fit;
    let weights: Vec<i64> = fit.resources.iter().map(|(_, weight)| *weight).collect();
    assert_eq!(weights, [1, 9]);
    for text in ["", "apiVersion: kubescheduler.config.k8s.io/v1, kind: NodeAffinityArgs", "addedAffinity: null"] {
        assert_eq!(args("NodeAffinity", text), PluginArgs::upstream());
    }
    let added =
        args("NodeAffinity", "addedAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}").node_affinity;
    let preferred = added.added.map(|added| added.preferred_during_scheduling_ignored_during_execution);
    assert_eq!(preferred, Some(None), "an empty list prefers nothing");
    assert_eq!(profile_of("pluginConfig: [{name: NodeAffinity}, {name: NodePorts}]").args, PluginArgs::upstream());
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    check_args(
        "NodeAffinity",
        "kind: NodeAffinity",
        &[
            "kind: args for plugin NodeAffinity were not of type NodeAffinityArgs, got NodeAffinity",
            "  help: write NodeAffinityArgs",
        ],
    );
    check_args(
        "NodeAffinity",
        "apiVersion: kubescheduler.config.k8s.io/v1beta2",
        &[
            "apiVersion: args for plugin NodeAffinity were not of type kubescheduler.config.k8s.io/v1, got \
             kubescheduler.config.k8s.io/v1beta2",
            "  help: write kubescheduler.config.k8s.io/v1",
        ],
    );
    check_args("NodePorts", "a: b", &["c.yaml:3:52: profiles[0].pluginConfig[0].args: NodePorts takes no arguments"]);
    check_profile(
        "pluginConfig: [{name: NodeResourceFit}, {name: NodePorts}, {name: NodePorts}]",
        "c.yaml:3:35: profiles[0].pluginConfig[0].name: plugin \"NodeResourceFit\" does not exist\n  help: did you mean \
         \"NodeResourcesFit\"?\nc.yaml:3:79: profiles[0].pluginConfig[2].name: Duplicate value: \"NodePorts\"",
    );
    check_args(
        "DefaultPreemption",
        "minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0",
        &[
            "minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute",
            "minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same time as minCandidateNodesPercentage",
        ],
    );
    check_args(
        "DefaultPreemption",
        "minCandidateNodesPercentage: 101, minCandidateNodesAbsolute: -1",
        &[
            "minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100]",
            "minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf)",
        ],
    );
    check_args(
        "InterPodAffinity",
        "hardPodAffinityWeight: 101",
        &["hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]"],
    );
    check_args(
        "VolumeBinding",
        "bindTimeoutSeconds: -1, shape: [{utilization: 0, score: 0}]",
        &[
            "bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a negative value",
            "shape: Forbidden: unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring",
        ],
    );
    check_args(
        "NodeResourcesBalancedAllocation",
        "resources: [{name: cpu}, {name: memory, weight: 2}, {name: cpu}]",
        &["resources[1].weight: Invalid value: 2: must be 1", "resources[2].name: Duplicate value: \"cpu\""],
    );
}

#[test]
fn a_scoring_strategy_is_checked() {
    check_args(
        "NodeResourcesFit",
        "ignoredResourceGroups: [a/b], scoringStrategy: {type: Least, resources: [{name: cpu, weight: 101}]}",
        &[
            "ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'",
            "scoringStrategy.type: Unsupported value: \"Least\": supported values: \"LeastAllocated\", \
             \"MostAllocated\", \"RequestedToCapacityRatio\"",
            "scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]",
        ],
    );
    check_args(
        "NodeResourcesFit",
        "scoringStrategy: {type: RequestedToCapacityRatio}",
        &["scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is \
           RequestedToCapacityRatio"],
    );
    let shape = |points: &str| {
        format!("scoringStrategy: {{type: RequestedToCapacityRatio, requestedToCapacityRatio: {{shape: [{points}]}}}}")
    };
    check_args(
        "NodeResourcesFit",
        &shape(""),
        &["scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be specified"],
    );
    check_args(
        "NodeResourcesFit",
        &shape("{utilization: 50, score: 11}, {utilization: 50, score: 0}, {utilization: 101, score: 10}"),
        &[
            "scoringStrategy.requestedToCapacityRatio.shape[0].score: Invalid value: 11: not in valid range [0, 10]",
            "scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: values must be sorted in \
             increasing order",
            "scoringStrategy.requestedToCapacityRatio.shape[2].utilization: Invalid value: 101: not in valid range [0, \
             100]",
        ],
    );
}

#[test]
fn added_affinity_and_default_constraints_are_checked() {
    let required = |expression: &str| {
        format!(
            "addedAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{expression}]}}}}"
        )
    };
    let at = "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]";
    check_args(
        "NodeAffinity",
        &required("{matchExpressions: [{key: a, operator: Near}]}"),
        &[&format!(
            "{at}.matchExpressions[0]: operator: Unsupported value: \"Near\": supported values: \"In\", \"NotIn\", \
             \"Exists\", \"DoesNotExist\", \"Gt\", \"Lt\""
        )],
    );
    check_args(
        "NodeAffinity",
        &required("{matchFields: [{key: metadata.name, operator: In, values: [a, b]}]}"),
        &[&format!("{at}.matchFields[0].values: Invalid value: [\"a\",\"b\"]: must have one element")],
    );
    let spread = |rest: &str| format!("defaultingType: List, defaultConstraints: [{rest}]");
    check_args(
        "PodTopologySpread",
        &spread("{maxSkew: 0, topologyKey: a, whenUnsatisfiable: Never, labelSelector: {}}, {maxSkew: 1}"),
        &[
            "defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)",
            "defaultConstraints[0].whenUnsatisfiable: Unsupported value: \"Never\": supported values: \"DoNotSchedule\", \
             \"ScheduleAnyway\"",
            "defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for \
             each pod",
            "defaultConstraints[1].topologyKey: Required value: can not be empty",
            "defaultConstraints[1].whenUnsatisfiable: Required value: can not be empty",
        ],
    );
    let one = "{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}";
    check_args(
        "PodTopologySpread",
        &spread(&format!("{one}, {one}")),
        &["defaultConstraints[1]: Duplicate value: \"{a, ScheduleAnyway}\""],
    );
    check_args(
        "PodTopologySpread",
        &format!("defaultConstraints: [{one}]"),
        &[
            "defaultConstraints: Invalid value: \"System\": when .defaultConstraints are not empty",
            "  help: write defaultingType: List",
        ],
    );
}

/// The scores of one plugin on two nodes, of which the first has 4 CPUs, 1000 bytes and 4 GPUs, the second 2 CPUs, 4000
/// bytes and no GPU, for a pod that asks for 1 CPU, 400 bytes and, with `gpus`, for one of them.
#[track_caller]
fn check_scores(config: &str, gpus: bool, expected: &[i64]) {
    let mut cluster = Cluster::default();
    cluster
        .nodes
        .set(&node("a", "{status: {allocatable: {cpu: '4', memory: '1000', pods: '9', x/gpu: '4', raw: '4'}}}"));
    cluster.nodes.set(&node("b", "{status: {allocatable: {cpu: '2', memory: '4000', pods: '9'}}}"));
    cluster.nodes.refresh();
    let gpu = if gpus { ", x/gpu: '1'" } else { "" };
    let spec = format!("{{containers: [{{name: c, resources: {{requests: {{cpu: '1', memory: '400'{gpu}}}}}}}]}}");
    let profile = profile_of(&format!(
        "plugins: {{multiPoint: {{disabled: [{{name: '*'}}], enabled: [{{name: PrioritySort}}, {{name: \
         DefaultBinder}}]}}, score: {{enabled: [{{name: NodeResourcesFit, weight: 1}}]}}}}, pluginConfig: [{config}]"
    ));
    let decision = decide(&cluster, &profile, &pod("p", &spec), Scope::Everything);
    assert_eq!(decision.totals, expected, "{config}");
}

#[test]
fn strategies_score_as_they_are_configured() {
    let fit = |rest: &str| format!("{{name: NodeResourcesFit, args: {{scoringStrategy: {{{rest}}}}}}}");
    // (75 + 60) / 2 and (50 + 90) / 2; the other way about; CPU thrice.
    check_scores("", false, &[67, 70]);
    check_scores(&fit("type: MostAllocated"), false, &[32, 30]);
    check_scores(&fit("type: MostAllocated, resources: [{name: cpu, weight: 3}, {name: memory}]"), false, &[28, 40]);
    // A resource that the pod does not ask for, that the node does not have, or that is none counts for nothing.
    let gpu = "type: LeastAllocated, resources: [{name: x/gpu, weight: 4}, {name: memory}, {name: raw}, {name: pods}]";
    check_scores(&fit(gpu), false, &[60, 90]);
    check_scores(&fit(gpu), true, &[72, 90]);
    let shape = "requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 40, score: 10}]}";
    // 25 % are 62, 40 % are 100; 50 % are 100, 10 % are 25.
    check_scores(&fit(&format!("type: RequestedToCapacityRatio, {shape}")), false, &[81, 63]);
}
