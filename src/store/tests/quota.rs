//! Quotas and limits at admission.

use serde_json::{Value, json};

use super::{Server, config_map, pod, read};
use crate::api::{Kind, convert};
use crate::event::{ErrorReason, Request};

/// A server with a quota whose controller has written these amounts.
fn limited(spec: Value, hard: Value, used: Value) -> Server {
    let mut server = Server::new();
    add_quota(&mut server, "q", spec, hard, used);
    server
}

fn add_quota(server: &mut Server, name: &str, spec: Value, hard: Value, used: Value) {
    let mut spec = spec;
    spec["hard"] = hard.clone();
    let made = server.create(json!({ "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": name, "namespace": "default" }, "spec": spec }));
    let mut manifest = convert::to_json(&made);
    manifest["status"] = json!({ "hard": hard, "used": used });
    server.object(Request::UpdateStatus(read(manifest)));
}

fn used(server: &Server, name: &str) -> Value {
    convert::to_json(server.store.by_name(Kind::ResourceQuota, "default", name).unwrap())["status"]["used"].clone()
}

#[track_caller]
fn check_refused(server: &mut Server, manifest: Value, why: &str) {
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let resource = read(manifest.clone()).kind().info().unwrap().group_resource();
    let error = server.refused(Request::Create(read(manifest)));
    let message = format!("{resource} {name:?} is forbidden: {why}");
    assert_eq!((error.reason, error.message.as_str()), (ErrorReason::Forbidden, message.as_str()));
}

fn asking(name: &str, resources: Value) -> Value {
    let mut manifest = pod(name);
    manifest["spec"]["containers"][0]["resources"] = resources;
    manifest
}

#[test]
fn what_is_created_is_charged_until_the_quota_is_used_up() {
    let mut server = limited(
        json!({}),
        json!({ "pods": "2", "count/configmaps": "1" }),
        json!({ "pods": "0", "count/configmaps": "0" }),
    );
    server.create(pod("a"));
    server.create(pod("b"));
    assert_eq!(used(&server, "q"), json!({ "pods": "2", "count/configmaps": "0" }));
    check_refused(&mut server, pod("c"), "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2");
    server.create(config_map("a"));
    let why = "exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1";
    check_refused(&mut server, config_map("b"), why);
    assert_eq!(used(&server, "q"), json!({ "pods": "2", "count/configmaps": "1" }));
}

#[test]
fn only_what_is_too_much_is_named_and_amounts_keep_their_form() {
    let hard = json!({ "pods": "9", "requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "2" });
    let zero = json!({ "pods": "0", "requests.cpu": "0", "requests.memory": "0", "limits.cpu": "0" });
    let mut server = limited(json!({}), hard, zero);
    let resources = json!({ "requests": { "cpu": "300m", "memory": "64Mi" }, "limits": { "cpu": "1" } });
    server.create(asking("a", resources.clone()));
    server.create(asking("b", resources.clone()));
    let now = json!({ "pods": "2", "requests.cpu": "600m", "requests.memory": "128Mi", "limits.cpu": "2" });
    assert_eq!(used(&server, "q"), now);
    let why = "exceeded quota: q, requested: limits.cpu=1, used: limits.cpu=2, limited: limits.cpu=2";
    check_refused(&mut server, asking("c", resources), why);
    let more = json!({ "requests": { "cpu": "700m", "memory": "2Gi" }, "limits": { "cpu": "700m" } });
    let why = "exceeded quota: q, requested: limits.cpu=700m,requests.cpu=700m,requests.memory=2Gi, used: limits.cpu=2,requests.cpu=600m,requests.memory=128Mi, limited: limits.cpu=2,requests.cpu=1,requests.memory=1Gi";
    check_refused(&mut server, asking("d", more), why);
    check_refused(
        &mut server,
        pod("e"),
        "failed quota: q: must specify limits.cpu for: c; requests.cpu for: c; requests.memory for: c",
    );
}

#[test]
fn a_quota_that_was_not_counted_yet_forbids_nothing_or_all_where_a_limit_is_new() {
    let mut server = Server::new();
    server.create(json!({ "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "q", "namespace": "default" }, "spec": { "hard": { "pods": "0" } } }));
    server.create(pod("a"));
    let mut server = limited(json!({}), json!({ "pods": "5" }), json!({}));
    check_refused(&mut server, pod("a"), "status unknown for quota: q, resources: pods");
}

#[test]
fn of_several_quotas_none_is_charged_where_one_refuses() {
    let mut server = limited(json!({}), json!({ "pods": "5" }), json!({ "pods": "0" }));
    add_quota(&mut server, "r", json!({ "scopes": ["BestEffort"] }), json!({ "pods": "1" }), json!({ "pods": "1" }));
    check_refused(&mut server, pod("a"), "exceeded quota: r, requested: pods=1, used: pods=1, limited: pods=1");
    assert_eq!(used(&server, "q"), json!({ "pods": "0" }));
    server.create(asking("b", json!({ "requests": { "cpu": "1" } })));
    assert_eq!((used(&server, "q"), used(&server, "r")), (json!({ "pods": "1" }), json!({ "pods": "1" })));
}

#[test]
fn a_service_that_becomes_another_type_is_charged_for_the_difference() {
    let hard = json!({ "services": "2", "services.nodeports": "1", "services.loadbalancers": "0" });
    let zero = json!({ "services": "0", "services.nodeports": "0", "services.loadbalancers": "0" });
    let mut server = limited(json!({}), hard, zero);
    let service = |kind: &str| {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s", "namespace": "default" },
        "spec": { "type": kind, "selector": { "app": "a" }, "ports": [{ "port": 80 }] } })
    };
    let made = convert::to_json(&server.create(service("ClusterIP")));
    let as_type = |kind: &str| {
        let mut manifest = made.clone();
        manifest["spec"]["type"] = json!(kind);
        manifest["metadata"]["resourceVersion"] = Value::Null;
        read(manifest)
    };
    let error = server.refused(Request::Update(as_type("LoadBalancer")));
    let why = "exceeded quota: q, requested: services.loadbalancers=1, used: services.loadbalancers=0, limited: services.loadbalancers=0";
    assert_eq!(error.message, format!("services \"s\" is forbidden: {why}"));
    server.object(Request::Update(as_type("NodePort")));
    assert_eq!(
        used(&server, "q"),
        json!({ "services": "1", "services.nodeports": "1", "services.loadbalancers": "0" })
    );
}

fn limit_range(limits: Value) -> Server {
    let mut server = Server::new();
    server.create(json!({ "apiVersion": "v1", "kind": "LimitRange",
        "metadata": { "name": "lr", "namespace": "default" }, "spec": { "limits": limits } }));
    server
}

#[test]
fn containers_that_name_nothing_are_given_the_defaults() {
    let mut server = limit_range(json!([{ "type": "Container", "default": { "cpu": "200m", "memory": "64Mi" },
        "defaultRequest": { "cpu": "100m" } }]));
    let mut manifest = asking("a", json!({ "limits": { "memory": "32Mi" } }));
    manifest["spec"]["initContainers"] = json!([{ "name": "i", "image": "app" }]);
    let made = convert::to_json(&server.create(manifest));
    let resources =
        json!({ "requests": { "cpu": "100m", "memory": "32Mi" }, "limits": { "cpu": "200m", "memory": "32Mi" } });
    assert_eq!(made["spec"]["containers"][0]["resources"], resources);
    let told = "LimitRanger plugin set: cpu request for container c; cpu limit for container c; cpu, memory request for init container i; cpu, memory limit for init container i";
    assert_eq!(made["metadata"]["annotations"]["kubernetes.io/limit-ranger"], told);
    assert_eq!(made["status"]["qosClass"], "Burstable");
}

#[test]
fn pods_outside_of_the_limits_are_refused() {
    let container = json!({ "type": "Container", "max": { "cpu": "1" }, "min": { "cpu": "50m" },
        "maxLimitRequestRatio": { "cpu": "4" } });
    let of_pod = json!({ "type": "Pod", "max": { "memory": "1Gi" } });
    let mut server = limit_range(json!([container, of_pod]));
    let cpu = |request: &str, limit: &str| json!({ "requests": { "cpu": request, "memory": "1Mi" }, "limits": { "cpu": limit, "memory": "1Mi" } });
    server.create(asking("fits", cpu("250m", "1")));
    check_refused(&mut server, asking("a", cpu("2", "2")), "maximum cpu usage per Container is 1, but limit is 2");
    check_refused(
        &mut server,
        asking("b", cpu("10m", "20m")),
        "minimum cpu usage per Container is 50m, but request is 10m",
    );
    check_refused(
        &mut server,
        asking("c", cpu("100m", "900m")),
        "cpu max limit to request ratio per Container is 4, but provided ratio is 9.000000",
    );
    check_refused(
        &mut server,
        asking("d", json!({ "limits": { "memory": "2Gi" } })),
        "maximum memory usage per Pod is 1Gi, but limit is 2Gi",
    );
    check_refused(&mut server, pod("e"), "maximum memory usage per Pod is 1Gi.  No limit is specified");
}

#[test]
fn claims_outside_of_the_limits_are_refused() {
    let item = json!({ "type": "PersistentVolumeClaim", "max": { "storage": "10Gi" }, "min": { "storage": "1Gi" } });
    let mut server = limit_range(json!([item]));
    let claim = |name: &str, storage: &str| {
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": storage } } } })
    };
    server.create(claim("a", "5Gi"));
    let text = "usage per PersistentVolumeClaim is";
    check_refused(&mut server, claim("b", "11Gi"), &format!("maximum storage {text} 10Gi, but request is 11Gi"));
    check_refused(&mut server, claim("c", "1Mi"), &format!("minimum storage {text} 1Gi, but request is 1Mi"));
}
