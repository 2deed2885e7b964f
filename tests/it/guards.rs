//! What a cluster forbids or gives out by itself: disruption budgets, quotas, limits, accounts and certificates.

use serde_json::{Value, json};
use wavetank::api::Kind;
use wavetank::event::PatchKind;
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

fn budget(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec: {{selector: {{matchLabels: \
         {{app: web}}}}, {spec}}}\n"
    )
}

fn field(story: &Story, kind: Kind, name: &str, pointer: &str) -> Value {
    story.get(kind, name).and_then(|object| object.pointer(pointer).cloned()).unwrap_or_default()
}

/// `currentHealthy desiredHealthy expectedPods disruptionsAllowed` of a budget.
fn counts(story: &Story, name: &str) -> [i64; 4] {
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"]
        .map(|count| field(story, Kind::PodDisruptionBudget, name, &format!("/status/{count}")).as_i64().unwrap_or(-1))
}

#[test]
fn a_drain_takes_one_pod_at_a_time_where_a_budget_allows_no_more() {
    let mut story = Story::of_nodes(2, "");
    story.apply(&web(4, "nginx:1"));
    story.apply(&budget("b", "minAvailable: 3"));
    story.run_for(60);
    assert_eq!(counts(&story, "b"), [4, 3, 4, 1]);
    story.act(Action::Drain { node: "node-1".into(), grace_seconds: None });
    let mut fewest = usize::MAX;
    for _ in 0..120 {
        story.run_for(1);
        let ready = story.pods_of("web").iter().filter(|pod| pod.body.is_ready() && !pod.meta.is_terminating()).count();
        fewest = fewest.min(ready);
    }
    assert_eq!(fewest, 3);
    assert!(story.said_at("node/node-1 drained").is_some(), "{}", story.printed());
    let refused = "Cannot evict pod as it would violate the pod's disruption budget.";
    assert!(story.printed().contains(refused), "{}", story.printed());
    assert!(story.pods_of("web").iter().all(|pod| pod.body.node_name != "node-1"));
    assert_eq!(counts(&story, "b"), [4, 3, 4, 1]);
    assert_eq!(field(&story, Kind::PodDisruptionBudget, "b", "/status/disruptedPods"), Value::Null);
    story.run_until_quiet();
}

fn patch(story: &mut Story, kind: Kind, name: &str, body: Value) {
    story.act(Action::Patch { resource: resource(kind, name), kind: PatchKind::Merge, body: body.into() });
}

const QUOTA: &str = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {pods: '3', \
                     count/deployments.apps: '2', services: '1'}}\n";

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, \
         port: 80, targetPort: 8080}}]}}\n"
    )
}

/// The essentials of the recorded scenario quota-pods.
#[test]
fn a_quota_that_is_used_up_shows_late_and_a_higher_one_does_not_help_at_once() {
    let mut story = Story::of_nodes(4, "");
    story.apply(QUOTA);
    story.run_for(10);
    // The Service of the API server counts.
    let used = |story: &Story| field(story, Kind::ResourceQuota, "q", "/status/used");
    assert_eq!(used(&story), json!({ "count/deployments.apps": "0", "pods": "0", "services": "1" }));
    story.apply(&web(5, "nginx:1"));
    story.run_for(15);
    story.expect_ready("web", 3);
    story.expect_condition("web", "ReplicaFailure", "True", "FailedCreate");
    story.expect_condition("web", "Available", "False", "MinimumReplicasUnavailable");
    assert_eq!(used(&story), json!({ "count/deployments.apps": "1", "pods": "3", "services": "1" }));
    let conditions = field(&story, Kind::Deployment, "web", "/status/conditions");
    let failure = conditions.as_array().into_iter().flatten().find(|one| one["type"] == "ReplicaFailure");
    let message = failure.and_then(|one| one["message"].as_str()).unwrap_or_default();
    assert!(
        message.ends_with("\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"),
        "{message}"
    );
    story.apply(&service("s1"));
    story.run_for(5);
    story.apply(&service("s2"));
    story.run_for(5);
    let refused =
        "services \"s2\" is forbidden: exceeded quota: q, requested: services=1, used: services=1, limited: services=1";
    assert!(story.printed().contains(refused), "{}", story.printed());
    patch(&mut story, Kind::ResourceQuota, "q", json!({ "spec": { "hard": { "pods": "4" } } }));
    story.run_for(45);
    assert_eq!(field(&story, Kind::ResourceQuota, "q", "/status/hard/pods"), "4");
    story.expect_ready("web", 3);
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 2 });
    story.run_for(60);
    story.expect_ready("web", 2);
    assert_eq!(used(&story), json!({ "count/deployments.apps": "1", "pods": "2", "services": "1" }));
    let conditions = field(&story, Kind::Deployment, "web", "/status/conditions");
    assert!(!conditions.to_string().contains("ReplicaFailure"), "{conditions}");
}

const LIMITS: &str = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: lr}\nspec:\n  limits:\n  - {type: Container, \
                      default: {cpu: 200m, memory: 64Mi}, defaultRequest: {cpu: 100m}, max: {cpu: '1'}, min: {cpu: 50m}}\n---\n\
                      apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {requests.cpu: '2', limits.cpu: \
                      '2', requests.memory: 1Gi}}\n";

/// A Deployment whose container asks for these resources.
fn asking(name: &str, replicas: u32, resources: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: {replicas}\n  selector: \
         {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         containers:\n      - {{name: c, image: 'nginx:1', resources: {resources}}}\n"
    )
}

/// The essentials of the recorded scenario limitrange.
#[test]
fn limits_give_defaults_that_quotas_count_and_refuse_what_is_too_large_or_too_small() {
    let mut story = Story::of_nodes(4, "");
    story.apply(LIMITS);
    story.run_for(10);
    story.apply(&asking("web", 3, "{}"));
    story.run_for(30);
    story.expect_ready("web", 3);
    let used = field(&story, Kind::ResourceQuota, "q", "/status/used");
    assert_eq!(used, json!({ "limits.cpu": "600m", "requests.cpu": "300m", "requests.memory": "192Mi" }));
    story.apply(&asking("big", 2, "{requests: {cpu: '2'}, limits: {cpu: '2'}}"));
    story.run_for(10);
    assert_eq!(story.pods_of("big").len(), 0);
    story.expect_condition("big", "ReplicaFailure", "True", "FailedCreate");
    story.expect_condition("big", "Progressing", "True", "NewReplicaSetCreated");
    let failed = story.events("FailedCreate");
    let why = "\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert!(failed.iter().all(|message| message.ends_with(why)), "{failed:?}");
    story.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: bp}\nspec: {containers: [{name: c, image: 'nginx:1', resources: \
         {requests: {cpu: 10m}}}]}\n",
    );
    story.run_for(5);
    let refused = "pods \"bp\" is forbidden: minimum cpu usage per Container is 50m, but request is 10m";
    assert!(story.printed().contains(refused), "{}", story.printed());
}

#[test]
fn every_namespace_has_an_account_and_a_certificate() {
    let mut story = Story::of_nodes(1, "");
    story.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n");
    story.run_for(30);
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease", "team"] {
        let store = story.sim.store();
        assert!(store.by_name(Kind::ServiceAccount, namespace, "default").is_some(), "{namespace}");
        assert!(store.by_name(Kind::ConfigMap, namespace, "kube-root-ca.crt").is_some(), "{namespace}");
    }
    story.run_until_quiet();
}

#[test]
fn a_pod_waits_for_its_config_map_and_its_secret() {
    let mut story = Story::of_nodes(1, "");
    let deployment = asking("web", 1, "{}")
        .replace("      containers:\n", "      volumes: [{name: conf, configMap: {name: conf}}]\n      containers:\n");
    let with_env =
        deployment.replace("resources: {}", "env: [{name: KEY, valueFrom: {secretKeyRef: {name: keys, key: key}}}]");
    story.apply(&with_env);
    story.run_for(20);
    story.expect_ready("web", 0);
    let missing = "MountVolume.SetUp failed for volume \"conf\" : configmap \"conf\" not found";
    assert_eq!(story.events("FailedMount"), [missing]);
    story.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {a: b}\n");
    story.run_for(40);
    story.expect_ready("web", 0);
    assert_eq!(story.events("Failed"), ["Error: secret \"keys\" not found"]);
    let waiting =
        field(&story, Kind::Pod, &story.pods_of("web")[0].meta.name, "/status/containerStatuses/0/state/waiting");
    assert_eq!(waiting, json!({ "reason": "CreateContainerConfigError", "message": "secret \"keys\" not found" }));
    story.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {key: x}\n");
    story.run_for(30);
    story.expect_ready("web", 1);
}
