//! Explanations of small clusters: what is told, and that it is true.

use std::sync::Arc;

use super::*;
use crate::api::{Kind, Labels, Namespace};
use crate::scheduler::testing::{node, pod_numbered};
use crate::scheduler::{Scope, Snapshot, decide, pre_enqueue};

/// A cluster of nodes (`name: YAML`) and bound pods (YAML of specs, labels `app: old`).
fn cluster(nodes: &[(&str, &str)], bound: &[&str]) -> Snapshot {
    let mut objects: Vec<crate::api::Object> =
        nodes.iter().map(|(name, text)| crate::api::Object::Node(node(name, text))).collect();
    objects.extend(bound.iter().enumerate().map(|(number, spec)| {
        let mut pod = pod_numbered(number as u32 + 1, &format!("old-{number}"), spec);
        Arc::make_mut(&mut pod).meta.labels = labels("old");
        crate::api::Object::Pod(pod)
    }));
    let meta = crate::api::Meta::new(Kind::Namespace, "", "default");
    let body = Namespace { finalizers: Arc::default(), terminating: false, conditions: Vec::new() };
    objects.push(Obj { meta, body }.into_object());
    Snapshot::of(objects)
}

fn labels(app: &str) -> Labels {
    [("app".to_owned(), app.to_owned())].into_iter().map(|(key, value)| (Name::from(key), Name::from(value))).collect()
}

fn explained(snapshot: &Snapshot, spec: &str) -> Explanation {
    let profile = Profile::upstream();
    let mut pod = pod_numbered(1000, "new", spec);
    Arc::make_mut(&mut pod).meta.labels = labels("new");
    let decision = match pre_enqueue(&profile, &pod) {
        Some(_) => Decision::default(),
        None => decide(&snapshot.cluster, &profile, &pod, Scope::Everything),
    };
    let first = |ties: &[NodeIndex]| ties.iter().copied().min_by_key(|node| snapshot.cluster.nodes.name(*node).clone());
    Explanation::of(&snapshot.cluster, &profile, &pod, &decision, first(&decision.ties))
}

/// What is told of a pod, line by line.
#[track_caller]
fn check(nodes: &[(&str, &str)], bound: &[&str], spec: &str, expected: &[&str]) {
    let told = match explained(&cluster(nodes, bound), spec) {
        Explanation::Placed(why) => why.sentences(),
        Explanation::Unplaced(why) => why.sentences(),
    };
    assert_eq!(told, expected, "{spec}");
}

/// The remedies alone.
#[track_caller]
fn check_help(nodes: &[(&str, &str)], bound: &[&str], spec: &str, expected: &[&str]) {
    let Explanation::Unplaced(why) = explained(&cluster(nodes, bound), spec) else { panic!("{spec} is placed") };
    let told: Vec<&str> = why.remedies.iter().map(|remedy| remedy.text.as_str()).collect();
    assert_eq!(told, expected, "{spec}");
}

const SMALL: &str = "{status: {allocatable: {cpu: '2', memory: 4Gi, pods: '10'}}}";
const LARGE: &str = "{metadata: {labels: {disk: ssd}}, status: {allocatable: {cpu: '4', memory: 8Gi, pods: '10'}}}";

fn zoned(zone: &str) -> String {
    format!(
        "{{metadata: {{labels: {{zone: {zone}}}}}, status: {{allocatable: {{cpu: '4', memory: 8Gi, pods: '10'}}}}}}"
    )
}

fn asks(requests: &str) -> String {
    format!("containers: [{{name: c, resources: {{requests: {{{requests}}}}}}}]")
}

#[test]
fn the_node_that_came_next_and_by_how_much() {
    let spec = format!("{{{}}}", asks("cpu: '1', memory: 1Gi"));
    check(
        &[("a", SMALL), ("b", LARGE)],
        &[],
        &spec,
        &[
            "b is best with 474 of 2 nodes that can take it, 25 ahead of a",
            "against a: NodeResourcesFit +19 (81 to 62), NodeResourcesBalancedAllocation +6 (93 to 87)",
        ],
    );
    check(
        &[("a", SMALL), ("b", SMALL)],
        &[],
        &spec,
        &["a is best with 449 of 2 nodes that can take it; b is as good: the choice was a draw"],
    );
    check(&[("a", SMALL)], &[], &spec, &["a is the only node that can take it"]);
}

#[test]
fn the_request_that_is_too_large() {
    let bound = ["{nodeName: b, containers: [{name: c, resources: {requests: {cpu: 2300m, memory: 1Gi}}}]}"];
    check(
        &[("a", SMALL), ("b", LARGE)],
        &bound,
        &format!("{{{}}}", asks("cpu: 2100m")),
        &[
            "help: lowering cpu by 100m (to 2) places it on 1 node: a",
            "help: raising its priority from 0 to 1 lets it preempt default/old-0 on b",
            "note: Insufficient cpu (NodeResourcesFit) alone is in the way on 2 nodes: a, b",
        ],
    );
    check_help(
        &[("a", SMALL)],
        &[],
        &format!("{{{}}}", asks("example.com/gpu: '2'")),
        &["without its request of 2 example.com/gpu places it on 1 node: a"],
    );
    check_help(
        &[("a", SMALL)],
        &[],
        &format!("{{{}}}", asks("cpu: '3', memory: 5Gi")),
        &["lowering cpu by 1 (to 2) and lowering memory by 1Gi (to 4Gi) places it on 1 node: a"],
    );
}

#[test]
fn the_taint_the_cordon_and_the_selector() {
    let gpu = "{spec: {taints: [{key: dedicated, value: gpu, effect: NoSchedule}]}, status: {allocatable: {cpu: '4', memory: 8Gi, pods: '10'}}}";
    let cordoned = "{spec: {unschedulable: true, taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}, status: {allocatable: {cpu: '4', memory: 8Gi, pods: '10'}}}";
    let spec = format!("{{{}}}", asks("cpu: '3'"));
    check_help(
        &[("a", gpu), ("b", gpu), ("c", cordoned), ("d", SMALL)],
        &[],
        &spec,
        &[
            "lowering cpu by 1 (to 2) places it on 1 node: d",
            "uncordoning the node (or tolerating node.kubernetes.io/unschedulable:NoSchedule) places it on 1 node: c",
            "tolerating taint dedicated=gpu:NoSchedule places it on 2 nodes: a, b",
        ],
    );
    let ssd = format!("{{nodeSelector: {{disk: ssd, rack: '7'}}, {}}}", asks("cpu: '3'"));
    check_help(&[("a", gpu), ("b", LARGE)], &[], &ssd, &["without rack=7 in its node selector places it on 1 node: b"]);
    check_help(
        &[("a", gpu), ("d", SMALL)],
        &[],
        &ssd,
        &[
            "lowering cpu by 1 (to 2) and without disk=ssd in its node selector and without rack=7 in its node selector places it on 1 node: d",
            "tolerating taint dedicated=gpu:NoSchedule and without disk=ssd in its node selector and without rack=7 in its node selector places it on 1 node: a",
        ],
    );
}

#[test]
fn the_requirement_of_node_affinity() {
    let term = "{matchExpressions: [{key: zone, operator: In, values: [x, y]}, {key: disk, operator: Exists}]}";
    let affinity = |terms: &str| {
        let required = format!("{{nodeSelectorTerms: [{terms}]}}");
        let affinity = format!("{{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {required}}}}}");
        format!("{{affinity: {affinity}, {}}}", asks("cpu: '1'"))
    };
    check_help(
        &[("a", SMALL), ("b", LARGE)],
        &[],
        &affinity(term),
        &["without zone in (x, y) in its required node affinity places it on 1 node: b"],
    );
    check_help(
        &[("a", SMALL)],
        &[],
        &affinity("{matchFields: [{key: metadata.name, operator: In, values: [z]}]}"),
        &["without metadata.name in (z) in its required node affinity places it on 1 node: a"],
    );
}

#[test]
fn the_port_the_volume_and_the_gate() {
    let ports = "containers: [{name: c, ports: [{hostPort: 80, containerPort: 8080}]}]";
    let bound = format!("{{nodeName: a, {ports}}}");
    check_help(
        &[("a", SMALL)],
        &[&bound],
        &format!("{{{ports}}}"),
        &[
            "raising its priority from 0 to 1 lets it preempt default/old-0 on a",
            "without host port 80/TCP places it on 1 node: a",
        ],
    );
    let volume = format!("{{volumes: [{{name: data, persistentVolumeClaim: {{claimName: lost}}}}], {}}}", asks(""));
    check_help(&[("a", SMALL)], &[], &volume, &["without volume data (claim lost) places it on 1 node: a"]);
    let gated = format!("{{schedulingGates: [{{name: wait}}], {}}}", asks("cpu: '1'"));
    check_help(&[("a", SMALL)], &[], &gated, &["removing its scheduling gates places it on 1 node: a"]);
    check_help(
        &[("a", SMALL)],
        &[],
        &gated.replace("'1'", "'3'"),
        &["removing its scheduling gates and lowering cpu by 1 (to 2) places it on 1 node: a"],
    );
}

#[test]
fn the_spread_constraint_as_far_as_it_must_be_loosened() {
    let x = zoned("x");
    let full = "{metadata: {labels: {zone: z}}, status: {allocatable: {cpu: '4', memory: 8Gi, pods: '0'}}}";
    let spread = "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: old}}}]";
    let bound = ["{nodeName: x, containers: []}", "{nodeName: x, containers: []}"];
    let spec = format!("{{{spread}, {}}}", asks("cpu: '1'"));
    check_help(
        &[("x", &x), ("z", full)],
        &bound,
        &spec,
        &[
            "raising maxSkew from 1 to 2 in the spread constraint on zone places it on 1 node: x",
            "raising its priority from 0 to 1 lets it preempt default/old-0 on x",
        ],
    );
    check_help(&[("a", SMALL)], &[], &spec, &["without the spread constraint on zone places it on 1 node: a"]);
}

#[test]
fn the_term_of_pod_affinity() {
    let terms = |kind: &str| {
        let term = "{topologyKey: zone, labelSelector: {matchLabels: {app: old}}}";
        format!("affinity: {{{kind}: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}")
    };
    let x = zoned("x");
    let bound = ["{nodeName: x, priority: 5, containers: []}"];
    check_help(
        &[("x", &x)],
        &bound,
        &format!("{{{}, {}}}", terms("podAntiAffinity"), asks("cpu: '1'")),
        &[
            "raising its priority from 0 to 6 lets it preempt default/old-0 on x",
            "without the required anti-affinity to pods with app=old by zone places it on 1 node: x",
        ],
    );
    check_help(
        &[("x", &x)],
        &[],
        &format!("{{{}, {}}}", terms("podAffinity"), asks("cpu: '1'")),
        &["without the required affinity to pods with app=old by zone places it on 1 node: x"],
    );
}

#[test]
fn what_no_change_of_the_pod_mends_is_told_all_the_same() {
    let full = "{status: {allocatable: {cpu: '4', memory: 8Gi, pods: '0'}}}";
    check(
        &[("a", full)],
        &[],
        "{containers: []}",
        &["note: Too many pods (NodeResourcesFit) alone is in the way on 1 node: a"],
    );
}
