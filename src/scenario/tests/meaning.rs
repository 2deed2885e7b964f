//! What scenario files mean.

use super::{HEAD, SHIPPED, WEB, load_from, load_text, shipped};
use crate::api::Kind;
use crate::kernel::{Span, Time};
use crate::scenario::{Expectation, Scenario};
use crate::scheduler::Tie;
use crate::scheduler::plugins::node_resources_fit::Strategy;
use crate::sim::Action;

fn loaded(text: &str) -> Scenario {
    load_text(&format!("{HEAD}{text}")).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The kinds and names that an action applies.
fn applied(action: &Action) -> Vec<String> {
    let Action::Apply(objects) = action else { return vec![format!("{action:?}")] };
    objects.iter().map(|(kind, json)| format!("{kind:?} {}", json["metadata"]["name"].as_str().unwrap())).collect()
}

#[test]
fn nodes_are_dealt_to_zones_in_turn() {
    let scenario = loaded(
        "nodes: [{name: w, count: 5, zones: [a, b], taints: [\"x:NoExecute\"], capacity: {cpu: 4, memory: 8Gi, \
         nvidia.com/gpu: 2}, allocatable: {cpu: 3500m}}]\n",
    );
    let names: Vec<Vec<&str>> =
        scenario.setup.pools.iter().map(|pool| pool.names.iter().map(|name| name.as_str()).collect()).collect();
    assert_eq!(names, [vec!["w-0", "w-2", "w-4"], vec!["w-1", "w-3"]]);
    let template = &scenario.setup.pools[1].template;
    assert_eq!(template.labels.get("topology.kubernetes.io/zone").unwrap(), "b");
    assert_eq!(template.taints[0].effect, "NoExecute");
    let show = |list: &std::collections::BTreeMap<String, _>| {
        list.iter()
            .map(|(name, amount): (_, &k8s_openapi::apimachinery::pkg::api::resource::Quantity)| {
                format!("{name}={}", amount.0)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(show(&template.capacity), ["cpu=4", "memory=8Gi", "nvidia.com/gpu=2", "pods=110"]);
    assert_eq!(show(&template.allocatable), ["cpu=3500m", "memory=8Gi", "nvidia.com/gpu=2", "pods=110"]);
}

#[test]
fn a_pool_says_more_than_its_type() {
    let types = "- {name: m5.large, capacity: {cpu: 2, memory: 8Gi}, allocatable: {cpu: 1900m}, labels: {a: t, b: t}, \
                 pricePerHour: 0.096}\n";
    let text = format!(
        "{HEAD}nodeTypes: [{{file: types.yaml}}]\nnodes:\n- {{name: p, count: 2, type: m5.large}}\n- {{name: q, count: 1, \
         type: m5.large, capacity: {{memory: 16Gi}}, labels: {{b: q}}, pricePerHour: 1}}\n"
    );
    let scenario =
        load_from(&[("s.yaml", &text), ("types.yaml", types)], &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let told = |pool: usize| {
        let template = &scenario.setup.pools[pool].template;
        let label = |key: &str| template.labels.get(key).unwrap().to_string();
        let of = |name: &str| format!("{}/{}", template.allocatable[name].0, template.capacity[name].0);
        let price = scenario.pools[pool].price_per_hour.unwrap();
        [of("cpu"), of("memory"), label("a"), label("b"), label("node.kubernetes.io/instance-type"), price.to_string()]
    };
    assert_eq!(told(0), ["1900m/2", "8Gi/8Gi", "t", "t", "m5.large", "0.096"]);
    assert_eq!(told(1), ["1900m/2", "16Gi/16Gi", "t", "q", "m5.large", "1"]);
    assert_eq!(scenario.pools[1].machine.as_deref(), Some("m5.large"));
}

#[test]
fn manifests_are_applied_at_once_and_in_order() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n";
    let files = [
        (
            "s.yaml",
            format!(
                "{HEAD}manifests:\n- dir\n- {{apiVersion: v1, kind: Secret, metadata: {{name: s}}}}\n- repeat: {{count: 2, as: i}}\n  object: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: r-$(i)}}}}\n{WEB}"
            ),
        ),
        ("dir/b.yaml", object.replace("NAME", "b")),
        ("dir/a.yml", object.replace("NAME", "a")),
        ("dir/c.txt", "no manifest".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let scenario = load_from(&files, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(scenario.setup.timeline.len(), 1);
    assert_eq!(
        applied(&scenario.setup.timeline[0].action),
        ["ConfigMap a", "ConfigMap b", "Secret s", "ConfigMap r-0", "ConfigMap r-1", "Deployment web"]
    );
}

#[test]
fn custom_kinds_are_defined_before_anything_else() {
    let crd = "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: tanks.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Tank, plural: tanks}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n---\napiVersion: example.com/v1\nkind: Tank\nmetadata: {name: t}\n";
    let scenario = loaded(&format!(
        "timeline: [{{at: 5s, delete: tank/t}}]\nexpect: [{{eventually: {{resource: tanks/t, gone: true}}}}]\n{crd}"
    ));
    let timeline = &scenario.setup.timeline;
    assert!(matches!(&timeline[0].action, Action::DefineKind(info) if info.kind == "Tank"));
    assert_eq!(applied(&timeline[1].action), ["CustomResourceDefinition tanks.example.com", "Custom(0) t"]);
    assert!(matches!(&timeline[2].action, Action::Delete { resource, .. } if resource.kind == Kind::Custom(0)));
    assert_eq!(scenario.expectations[0].text(), "tank.example.com/t gone eventually");
}

#[test]
fn the_timeline_is_sorted_and_keeps_the_order_of_one_instant() {
    let scenario = loaded(
        "timeline:\n- {at: 2s, cordon: node-0}\n- {at: 1s, drain: {node: node-1, gracePeriodSeconds: 5}}\n- {at: 2s, uncordon: node-0}\n",
    );
    let order: Vec<String> = scenario
        .setup
        .timeline
        .iter()
        .map(|timed| format!("{} {:?}", timed.at.since(Time::ZERO), timed.action))
        .collect();
    assert_eq!(
        order,
        [
            "1s Drain { node: \"node-1\", grace_seconds: Some(5) }",
            "2s Cordon { node: \"node-0\", unschedulable: true }",
            "2s Cordon { node: \"node-0\", unschedulable: false }",
        ]
    );
}

#[test]
fn expectations_read_as_sentences() {
    let texts = |text: &str| loaded(text).expectations.iter().map(Expectation::text).collect::<Vec<_>>();
    assert_eq!(
        texts(
            "expect:\n- {eventually: {resource: deploy/web, condition: Available}, within: 60s}\n- {always: {all: pods, selector: app=web, namespace: shop, field: spec.priority, atLeast: 3, count: {atMost: 5}}, from: 1s, until: 2m}\n"
        ),
        [
            "deployment.apps/web Available within 60s",
            "all pods -n shop -l app=web spec.priority ≥ 3 ≤ 5 always from 1s until 2m",
        ]
    );
}

#[test]
fn manifests_alone_get_a_cluster_and_an_expectation() {
    let scenario = load_text(WEB).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(scenario.name, "s");
    assert_eq!(scenario.pools[0].names.len(), 3);
    assert_eq!(scenario.expectations[0].text(), "all deployments Available eventually");
}

/// A KubeSchedulerConfiguration.
const SCHEDULER: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\npodMaxBackoffSeconds: \
                         20\nprofiles: [{schedulerName: packer, pluginConfig: [{name: NodeResourcesFit, args: \
                         {scoringStrategy: {type: MostAllocated}}}]}]\n";

#[test]
fn the_schedulers_configuration_stands_in_place_or_in_a_file() {
    let in_file = format!("{HEAD}components: {{kubeScheduler: {{config: dir/ksc.yaml, tie: first}}}}\n");
    let inside = SCHEDULER.replace('\n', "\n      ");
    let in_place = format!("{HEAD}components:\n  kubeScheduler:\n    tie: first\n    config:\n      {inside}\n");
    for text in [in_file, in_place] {
        let files = [("s.yaml", text.as_str()), ("dir/ksc.yaml", SCHEDULER)];
        let scenario = load_from(&files, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        let scheduler = scenario.setup.scheduler.expect("there is a scheduler");
        let names: Vec<&str> = scheduler.profiles.iter().map(|profile| profile.scheduler_name.as_str()).collect();
        assert_eq!((names.as_slice(), scheduler.tie), (["packer"].as_slice(), Tie::First));
        assert_eq!(scheduler.profiles[0].args.fit.strategy, Strategy::MostAllocated);
        assert_eq!((scheduler.initial_backoff, scheduler.max_backoff), (Span::from_secs(1), Span::from_secs(20)));
    }
}

#[test]
fn every_shipped_scenario_loads() {
    for name in SHIPPED {
        assert_eq!(shipped(name, &[]).name, name);
    }
}

#[test]
fn scale_5k_is_as_large_as_its_name_and_can_be_made_small() {
    let nodes = |scenario: &Scenario| scenario.setup.pools.iter().map(|pool| pool.names.len()).sum::<usize>();
    let whole = shipped("scale-5k", &[]);
    assert_eq!(nodes(&whole), 5_000);
    assert_eq!(applied(&whole.setup.timeline[0].action).len(), 50);
    let small = shipped("scale-5k", &["nodes.0.count=100", "manifests.0.repeat.count=1", "duration=1h"]);
    assert_eq!(nodes(&small), 100);
    assert_eq!(applied(&small.setup.timeline[0].action), ["Deployment app-0"]);
    assert_eq!(small.duration, Some(Span::from_hours(1)));
}
