//! What objects take of quotas.

use serde_json::{Value, json};

use super::*;
use crate::api::convert;

fn object(kind: Kind, value: Value) -> Object {
    let mut value = value;
    let info = kind.info().expect("a built-in kind");
    value["apiVersion"] = json!(info.api_version());
    value["kind"] = json!(info.kind);
    value["metadata"] = json!({ "name": "x", "namespace": "default" });
    convert::from_json(kind, value).expect("an object")
}

fn pod(spec: Value) -> Object {
    object(Kind::Pod, json!({ "spec": spec }))
}

fn quota(spec: Value) -> Quota {
    let value = json!({ "spec": spec });
    Quota::of(value.as_object().expect("an object"))
}

#[track_caller]
fn check(object: &Object, expected: &str) {
    let info = object.kind().info().expect("a built-in kind");
    assert_eq!(usage(object, info).text(), expected);
}

#[test]
fn a_pod_takes_its_requests_its_limits_and_its_place() {
    check(&pod(json!({ "containers": [{ "name": "c" }] })), "count/pods=1,pods=1");
    let container = |name: &str, cpu: &str| {
        json!({ "name": name, "resources": { "requests": { "cpu": cpu, "memory": "64Mi", "nvidia.com/gpu": "1" },
            "limits": { "cpu": "1", "nvidia.com/gpu": "1" } } })
    };
    let spec = json!({ "containers": [container("a", "100m"), container("b", "200m")],
        "initContainers": [container("i", "900m")] });
    check(
        &pod(spec),
        "count/pods=1,cpu=900m,limits.cpu=2,memory=128Mi,pods=1,requests.cpu=900m,requests.memory=128Mi,requests.nvidia.com/gpu=2",
    );
    let mut ended = json!({ "spec": { "containers": [container("a", "100m")] } });
    ended["status"] = json!({ "phase": "Failed" });
    check(&object(Kind::Pod, ended), "count/pods=1");
}

#[test]
fn a_service_takes_ports_of_nodes_and_balancers_by_its_type() {
    let service = |kind: &str, more: Value| {
        let mut spec = json!({ "type": kind, "ports": [{ "port": 80 }, { "port": 81, "nodePort": 30001 }] });
        if more != Value::Null {
            spec["allocateLoadBalancerNodePorts"] = more;
        }
        object(Kind::Service, json!({ "spec": spec }))
    };
    let text = |ports: u8, balancers: u8| {
        format!("count/services=1,services=1,services.loadbalancers={balancers},services.nodeports={ports}")
    };
    check(&service("ClusterIP", Value::Null), &text(0, 0));
    check(&service("NodePort", Value::Null), &text(2, 0));
    check(&service("LoadBalancer", Value::Null), &text(2, 1));
    check(&service("LoadBalancer", json!(false)), &text(1, 1));
}

#[test]
fn a_claim_takes_storage_of_its_class_and_others_their_place() {
    let spec = json!({ "storageClassName": "gold", "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": "5Gi" } } });
    check(
        &object(Kind::PersistentVolumeClaim, json!({ "spec": spec })),
        "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/requests.storage=5Gi,persistentvolumeclaims=1,requests.storage=5Gi",
    );
    check(&object(Kind::ConfigMap, json!({})), "configmaps=1,count/configmaps=1");
    check(&object(Kind::Role, json!({})), "count/roles.rbac.authorization.k8s.io=1");
}

#[test]
fn only_resources_that_a_kind_takes_match() {
    let hard = json!({ "hard": { "pods": "1", "cpu": "1", "services": "1", "count/pods": "1", "count/jobs.batch": "1",
        "requests.nvidia.com/gpu": "1", "requests.storage": "1", "requests.hugepages-2Mi": "1", "secrets": "1" } });
    let hard = quota(hard).wanted;
    let found = |kind: Kind| matching(kind, kind.info().expect("a built-in kind"), &hard).join(" ");
    assert_eq!(found(Kind::Pod), "count/pods cpu pods requests.hugepages-2Mi requests.nvidia.com/gpu");
    assert_eq!(found(Kind::Service), "services");
    assert_eq!(found(Kind::Job), "count/jobs.batch");
    assert_eq!(found(Kind::Secret), "secrets");
    assert_eq!(found(Kind::PersistentVolumeClaim), "requests.storage");
}

#[test]
fn scopes_choose_pods() {
    let plain = pod(json!({ "containers": [{ "name": "c" }] }));
    let urgent = pod(json!({ "priorityClassName": "high", "activeDeadlineSeconds": 5,
        "containers": [{ "name": "c", "resources": { "requests": { "cpu": "1" } } }] }));
    let scoped = |scope: &str| quota(json!({ "scopes": [scope] }));
    let chosen = |quota: &Quota| (quota.has_in_scope(&plain), quota.has_in_scope(&urgent));
    assert_eq!(chosen(&scoped("BestEffort")), (true, false));
    assert_eq!(chosen(&scoped("NotBestEffort")), (false, true));
    assert_eq!(chosen(&scoped("Terminating")), (false, true));
    assert_eq!(chosen(&scoped("NotTerminating")), (true, false));
    assert_eq!(chosen(&scoped("CrossNamespacePodAffinity")), (false, false));
    let by_class = |operator: &str| {
        let one = json!({ "scopeName": "PriorityClass", "operator": operator, "values": ["high"] });
        quota(json!({ "scopeSelector": { "matchExpressions": [one] } }))
    };
    assert_eq!(chosen(&by_class("In")), (false, true));
    assert_eq!(chosen(&by_class("NotIn")), (true, false));
    assert_eq!(chosen(&by_class("Exists")), (false, true));
    assert_eq!(chosen(&by_class("DoesNotExist")), (true, false));
    assert!(!scoped("BestEffort").has_in_scope(&object(Kind::ConfigMap, json!({}))), "other kinds have no scope");
    assert!(quota(json!({})).has_in_scope(&object(Kind::ConfigMap, json!({}))));
}

#[test]
fn each_container_must_name_what_a_quota_counts() {
    let container = |name: &str, requests: Value| json!({ "name": name, "resources": { "requests": requests } });
    let spec = json!({ "containers": [container("a", json!({ "cpu": "1" })), container("b", json!({}))],
        "initContainers": [container("i", json!({ "memory": "1" }))] });
    let names = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect::<Vec<_>>();
    let found = check_named(&pod(spec.clone()), &names(&["cpu", "requests.memory", "pods", "requests.nvidia.com/gpu"]));
    assert_eq!(found, Err("must specify cpu for: b,i; requests.memory for: a,b".to_owned()));
    assert_eq!(check_named(&pod(spec), &names(&["pods"])), Ok(()));
}
