//! Small fleets whose answers can be worked out by hand.

use std::path::Path;

use super::*;
use crate::api::manifest::read_manifests;
use crate::scenario::{Found, node_types};

const SMALL_AND_LARGE: &str = "
- {name: small, capacity: {cpu: 4, memory: 8Gi}, pricePerHour: 0.2}
- {name: large, capacity: {cpu: 16, memory: 32Gi}, pricePerHour: 0.7}
";
const SMALL: &str = "[{name: small, capacity: {cpu: 4, memory: 8Gi}, pricePerHour: 0.2}]";

fn types(text: &str) -> Vec<NodeType> {
    let read = |_: &Path| Ok(Found::File(text.to_owned()));
    node_types(Path::new("types.yaml"), &read).expect("the test's types can be read")
}

fn workload(kind: &str, name: &str, spec: &str, pod: &str) -> String {
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let selector = if kind == "Job" { String::new() } else { format!("selector: {{matchLabels: {{app: {name}}}}}, ") };
    format!(
        "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{selector}{spec}template: \
         {{metadata: {{labels: {{app: {name}}}}}, spec: {{{pod}}}}}}}\n"
    )
}

fn deployment(name: &str, replicas: u32, cpu: &str, more: &str) -> String {
    workload("Deployment", name, &format!("replicas: {replicas}, "), &format!("{}{more}", container(cpu)))
}

fn container(cpu: &str) -> String {
    format!("containers: [{{name: c, image: i, resources: {{requests: {{cpu: {cpu}}}}}}}]")
}

fn workloads(text: &str) -> Workloads {
    let manifests = read_manifests("m.yaml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    Workloads::of(&manifests).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

const CHEAP: Question = Question { objective: Objective::Cost, headroom: Headroom::None, zones: 0 };

/// The best mix, with its gap in percent, or why there is none.
#[track_caller]
fn check(types_text: &str, manifests: &str, question: Question, expected: &str) {
    let types = types(types_text);
    let found = answer(&workloads(manifests), &types, question).unwrap_or_else(|why| panic!("{why}"));
    let told = match (found.mixes.first(), found.refused.first()) {
        (Some(mix), _) => {
            let used = types.iter().zip(&mix.counts).filter(|(_, count)| **count > 0);
            let counts: Vec<String> = used.map(|(kind, count)| format!("{count} {}", kind.name)).collect();
            format!("{}; {:.0}%", counts.join(", "), mix.gap_percent(question.objective))
        }
        (None, refused) => refused.map(|refused| refused.why.clone()).unwrap_or_default(),
    };
    assert_eq!(told, expected, "{manifests}");
}

#[test]
fn the_cheapest_mix_comes_first() {
    check(SMALL_AND_LARGE, &deployment("web", 2, "3", ""), CHEAP, "2 small; 0%");
    check(SMALL_AND_LARGE, &deployment("web", 16, "1", ""), CHEAP, "1 large; 0%");
    check(SMALL_AND_LARGE, &deployment("web", 17, "1", ""), CHEAP, "1 small, 1 large; 12%");
    check(SMALL, "", CHEAP, "; 0%");
}

#[test]
fn daemons_are_on_every_node() {
    let daemon = workload("DaemonSet", "agent", "", &container("500m"));
    check(SMALL, &format!("{daemon}{}", deployment("web", 8, "1", "")), CHEAP, "3 small; 0%");
    let huge = workload("DaemonSet", "agent", "", &container("5"));
    let why = "Deployment default/web fits on no node; a node small has no room for its DaemonSets";
    check(SMALL, &format!("{huge}{}", deployment("web", 8, "1", "")), CHEAP, why);
}

#[test]
fn jobs_count_by_what_runs_at_a_time() {
    let job = |spec: &str| workload("Job", "j", spec, &format!("restartPolicy: Never, {}", container("4")));
    check(SMALL, &job("completions: 9, parallelism: 3, "), CHEAP, "3 small; 0%");
    check(SMALL, &job("completions: 2, parallelism: 3, "), CHEAP, "2 small; 0%");
}

#[test]
fn any_nodes_may_fail() {
    let question = |number| Question { headroom: Headroom::Nodes(number), ..CHEAP };
    check(SMALL, &deployment("web", 2, "3", ""), question(1), "3 small; 0%");
    check(SMALL, &deployment("web", 2, "3", ""), question(2), "4 small; 0%");
    check(SMALL_AND_LARGE, &deployment("web", 16, "1", ""), question(1), "5 small; 0%");
}

#[test]
fn a_zone_may_fail() {
    let question = |zones| Question { headroom: Headroom::Zone, zones, ..CHEAP };
    check(SMALL, &deployment("web", 2, "3", ""), question(2), "4 small; 0%");
    check(SMALL, &deployment("web", 4, "3", ""), question(3), "6 small; 0%");
    let none = answer(&workloads(""), &types(SMALL), question(1)).map(|answer| answer.pods);
    assert_eq!(none, Err("there must be two zones or more for one to be lost".to_owned()));
}

#[test]
fn types_are_for_pods_that_may_use_them() {
    let tainted = format!(
        "{SMALL_AND_LARGE}- {{name: cheap, capacity: {{cpu: 32, memory: 64Gi}}, labels: {{a: b}}, taints: [\"x=y:NoSchedule\"], pricePerHour: 0.1}}\n"
    );
    check(&tainted, &deployment("web", 2, "3", ""), CHEAP, "2 small; 0%");
    let tolerant = ", tolerations: [{key: x, operator: Exists}]";
    check(&tainted, &deployment("web", 2, "3", tolerant), CHEAP, "1 cheap; 0%");
    let choosy = ", nodeSelector: {node.kubernetes.io/instance-type: large}";
    check(&tainted, &deployment("web", 2, "3", choosy), CHEAP, "1 large; 0%");
    let lost = ", nodeSelector: {nobody: here}";
    check(&tainted, &deployment("web", 2, "3", lost), CHEAP, "Deployment default/web fits on no node");
}

fn anti_affinity(topology: &str, app: &str) -> String {
    format!(
        ", affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: {topology}, \
         labelSelector: {{matchLabels: {{app: {app}}}}}}}]}}}}"
    )
}

#[test]
fn pods_that_keep_apart_have_nodes_of_their_own() {
    let alone = deployment("web", 3, "100m", &anti_affinity("kubernetes.io/hostname", "web"));
    check(SMALL, &alone, CHEAP, "3 small; 0%");
    assert_eq!(workloads(&alone).notes, [""; 0]);
    let port = ", hostNetwork: true";
    let ports = deployment("web", 2, "100m", port).replace("name: c,", "name: c, ports: [{containerPort: 80}],");
    check(SMALL, &ports, CHEAP, "2 small; 0%");
}

#[test]
fn what_bounds_do_not_know_is_held_by_adding_nodes() {
    let apart = deployment("web", 1, "100m", "")
        + &deployment("rival", 1, "100m", &anti_affinity("kubernetes.io/hostname", "web"));
    check(SMALL, &apart, CHEAP, "2 small; 100%");
    let note = "Deployment default/rival: bounds do not know its podAntiAffinity; where pods are placed it holds";
    assert_eq!(workloads(&apart).notes, [note]);
    let never = deployment("web", 2, "100m", &anti_affinity("kubernetes.io/os", "web"));
    check(
        SMALL,
        &never,
        CHEAP,
        "Deployment default/web: 0/11 nodes are available: 11 node(s) didn't match pod anti-affinity rules.",
    );
}

#[test]
fn what_is_left_out_is_told() {
    let owned = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, ownerReferences: [{apiVersion: v1, kind: Node, name: node, uid: u}]}\nspec: {containers: [{name: c, image: i}]}\n";
    let pinned = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec: {nodeName: node, containers: [{name: c, image: i}]}\n";
    let claim = ", volumes: [{name: v, persistentVolumeClaim: {claimName: v}}]";
    let found = workloads(&format!("{owned}{pinned}{}", deployment("web", 1, "1", claim)));
    assert_eq!(
        found.notes,
        [
            "Pod default/p is left out: its owner counts",
            "Pod default/q is left out: nodeName puts its pods on a node",
            "Deployment default/web: its volumes are left out",
        ]
    );
    assert_eq!(found.pods(), 1);
}

#[test]
fn what_the_server_would_refuse_is_refused_at_its_place() {
    let manifests = read_manifests("m.yaml", &deployment("web", 1, "1", "").replace("replicas: 1", "replicas: -1"));
    let refused = manifests.and_then(|manifests| Workloads::of(&manifests)).map(|found| found.pods());
    let errors = refused.expect_err("there are no negative replicas").to_string();
    assert!(errors.starts_with("m.yaml:5:"), "{errors}");
    assert!(errors.contains("spec.replicas"), "{errors}");
}
