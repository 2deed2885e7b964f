//! Nodes that are lost and come back, as a real cluster shows it (the recorded case `x-node-lost`, with the grace period
//! of today), and the slices of a Service meanwhile.

use serde_json::{Value, json};
use wavetank::api::Kind;
use wavetank::event::Propagation;
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, \
                       targetPort: 8080}]}\n";
const PINNED: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: def}\nspec: {nodeName: node-1, containers: [{name: c, image: 'nginx:1'}]}\n";

/// Three pods that leave a lost node after 5 s, their Service, and a pod on the first node that stays for 300 s.
fn cluster(fault: &str) -> Story {
    let mut story = Story::of_nodes(3, &format!("faults:\n- at: 2m\n  {fault}\n"));
    let tolerations = ["not-ready", "unreachable"].map(|key| {
        format!("{{key: node.kubernetes.io/{key}, operator: Exists, effect: NoExecute, tolerationSeconds: 5}}")
    });
    let web = web(3, "nginx:1")
        .replace("      containers:", &format!("      tolerations: [{}]\n      containers:", tolerations.join(", ")));
    story.apply(&web);
    story.apply(SERVICE);
    story.apply(PINNED);
    story.run_for(120);
    story.expect_ready("web", 3);
    story
}

fn delete(story: &mut Story, kind: Kind, name: &str) {
    let propagation = Propagation::Background;
    story.act(Action::Delete { resource: resource(kind, name), propagation, grace_seconds: None });
}

/// The condition Ready of the first node, its reason, and its taints.
fn node(story: &Story) -> (Value, Value, Vec<String>) {
    let node = story.get(Kind::Node, "node-1").expect("it is there");
    let conditions = node["status"]["conditions"].as_array().expect("it is there");
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").expect("it is there");
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let text = |taint: &Value| {
        format!("{}:{}", taint["key"].as_str().expect("it is there"), taint["effect"].as_str().expect("it is there"))
    };
    let mut taints: Vec<String> = taints.iter().map(text).collect();
    taints.sort();
    (ready["status"].clone(), ready["reason"].clone(), taints)
}

/// The slices of the Service `web`.
fn slices(story: &Story) -> Vec<Value> {
    let slices = story.sim.store().objects(Kind::EndpointSlice, story.now());
    let slices = slices.map(|object| wavetank::api::convert::to_json(&object));
    slices.filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web").collect()
}

/// How many endpoints the Service has that are ready, and that are terminating.
fn endpoints(story: &Story) -> (usize, usize) {
    let slices = slices(story);
    let of = |name: &str| {
        let endpoints = slices.iter().flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
        endpoints.filter(|endpoint| endpoint["conditions"][name] == json!(true)).count()
    };
    (of("ready"), of("terminating"))
}

#[track_caller]
fn expect_lost_and_back(fault: &str) {
    let mut story = cluster(fault);
    assert_eq!(endpoints(&story), (3, 0));
    // The last renewal was at most 10 s old, and was noticed within 5 s.
    story.run_for(40);
    assert_eq!(node(&story).0, "True", "{fault}: too early");
    story.run_for(16);
    assert_eq!((node(&story).0, node(&story).1), (json!("Unknown"), json!("NodeStatusUnknown")), "{fault}");
    assert_eq!(story.get(Kind::Pod, "def").expect("it is there")["status"]["phase"], "Running");
    story.run_for(24);
    let unreachable = |effect: &str| format!("node.kubernetes.io/unreachable:{effect}");
    assert_eq!(node(&story).2, [unreachable("NoExecute"), unreachable("NoSchedule")], "{fault}");
    story.expect_ready("web", 3);
    assert_eq!(endpoints(&story), (3, 1), "{fault}");
    let web = story.pods_of("web");
    let leaves = web.iter().find(|pod| pod.meta.is_terminating()).expect("it is there");
    assert_eq!(leaves.body.node_name, "node-1");
    let message = format!("Marking for deletion Pod default/{}", leaves.meta.name);
    assert_eq!(story.events("TaintManagerEviction"), [message]);
    assert_eq!(story.events("NodeNotReady").len(), 3, "the node and its two pods");
    story.run_for(120);
    let (ready, _, taints) = node(&story);
    assert_eq!((ready, taints), (json!("True"), vec![]), "{fault}");
    story.expect_ready("web", 3);
    assert_eq!(endpoints(&story), (3, 0), "{fault}");
    assert_eq!(story.pods_of("web").len(), 3);
    let conditions = story.get(Kind::Pod, "def").expect("it is there")["status"]["conditions"].clone();
    let ready =
        conditions.as_array().expect("it is there").iter().find(|condition| condition["type"] == "Ready").cloned();
    assert_eq!(ready.expect("it is there")["status"], "True", "{fault}: its kubelet puts it right");
    let cancelled = "Cancelling deletion of Pod default/def".to_owned();
    assert!(story.events("TaintManagerEviction").contains(&cancelled), "{fault}");
    story.run_until_quiet();
}

#[test]
fn a_node_that_is_cut_off_is_given_up_in_time_and_comes_back() {
    expect_lost_and_back("lasts: 90s\n  nodePartition: {nodes: node-1}");
}

#[test]
fn a_node_that_crashes_looks_the_same() {
    expect_lost_and_back("lasts: 90s\n  nodeCrash: {nodes: node-1}");
}

#[test]
fn the_pods_of_a_node_that_is_deleted_are_collected() {
    let mut story = cluster("lasts: 1h\n  nodeCrash: {nodes: node-1}");
    story.run_for(10);
    delete(&mut story, Kind::Node, "node-1");
    story.run_for(90);
    assert!(story.get(Kind::Pod, "def").is_none());
    story.expect_ready("web", 3);
    assert_eq!(story.pods_of("web").len(), 3);
}

#[test]
fn slices_go_with_their_service() {
    let mut story = cluster("lasts: 1s\n  nodePartition: {nodes: node-2}");
    story.run_for(30);
    assert_eq!(endpoints(&story), (3, 0));
    delete(&mut story, Kind::Service, "web");
    story.run_for(30);
    assert!(slices(&story).is_empty());
}
