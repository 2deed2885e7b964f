//! Stories of what only pods have: admission, binding, eviction; of Events and heartbeats.

use serde_json::{Value, json};

use super::{Server, pod, read};
use crate::api::{Kind, Labels, Name, Uid, convert};
use crate::event::{Answer, DeleteOptions, ErrorReason, Heartbeat, PartId, Request, Target};
use crate::kernel::{Span, Time};

fn evict(name: &str) -> Request {
    let pod = Target::Name(Kind::Pod, "default".into(), name.into());
    Request::Evict { pod, options: DeleteOptions::default() }
}

#[track_caller]
fn check_bind_refused(server: &mut Server, name: &str, why: &str) {
    let error = server.bind(name, "n2").unwrap_err();
    let message = format!("Operation cannot be fulfilled on pods/binding {name:?}: {why}");
    assert_eq!((error.reason, error.message.as_str()), (ErrorReason::Conflict, message.as_str()));
}

#[test]
fn a_pod_is_bound_once_and_neither_gated_nor_on_its_way_out() {
    let mut server = Server::new();
    server.create(pod("p"));
    server.bind("p", "n1").unwrap();
    let bound = convert::to_json(server.store.by_name(Kind::Pod, "default", "p").unwrap());
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    check_bind_refused(&mut server, "p", "pod p is already assigned to node \"n1\"");
    let mut manifest = pod("held");
    manifest["metadata"]["finalizers"] = json!(["example.com/f"]);
    server.create(manifest);
    let target = Target::Name(Kind::Pod, "default".into(), "held".into());
    server.object(Request::Delete { target, options: DeleteOptions::default() });
    check_bind_refused(&mut server, "held", "pod held is being deleted, cannot be assigned to a host");
    let mut manifest = pod("gated");
    manifest["spec"]["schedulingGates"] = json!([{ "name": "example.com/g" }]);
    let gated = convert::to_json(&server.create(manifest));
    assert_eq!(gated["status"]["conditions"][0]["reason"], "SchedulingGated");
    check_bind_refused(&mut server, "gated", "pod gated has non-empty .spec.schedulingGates");
    let pod = Target::Name(Kind::Pod, "default".into(), "p".into());
    let error = server.refused(Request::Bind { pod, uid: Uid(7), node: "n1".into(), annotations: Labels::default() });
    assert!(error.message.contains("Precondition failed: UID in precondition"), "{error}");
}

/// The selectors of a pod's only required term of affinity, once it is made.
#[track_caller]
fn check_label_keys(term: Value, expected: Value) {
    let mut manifest = pod("p");
    manifest["metadata"]["labels"] = json!({ "app": "a", "pod-template-hash": "x1" });
    let mut term = term;
    term["topologyKey"] = json!("zone");
    manifest["spec"]["affinity"] =
        json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } });
    let made = convert::to_json(&Server::new().create(manifest));
    let list = &made["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(list[0]["labelSelector"], expected);
}

#[test]
fn label_keys_of_affinity_become_part_of_the_selector() {
    let by_app = json!({ "matchLabels": { "app": "a" } });
    check_label_keys(json!({ "labelSelector": by_app }), by_app.clone());
    check_label_keys(
        json!({ "labelSelector": by_app, "matchLabelKeys": ["pod-template-hash", "absent"] }),
        json!({ "matchLabels": { "app": "a" },
            "matchExpressions": [{ "key": "pod-template-hash", "operator": "In", "values": ["x1"] }] }),
    );
    check_label_keys(
        json!({ "labelSelector": by_app, "mismatchLabelKeys": ["pod-template-hash"] }),
        json!({ "matchLabels": { "app": "a" },
            "matchExpressions": [{ "key": "pod-template-hash", "operator": "NotIn", "values": ["x1"] }] }),
    );
    check_label_keys(json!({ "matchLabelKeys": ["app"] }), Value::Null);
}

fn budget(name: &str, policy: Option<&str>) -> Value {
    let mut manifest = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "a" } } } });
    if let Some(policy) = policy {
        manifest["spec"]["unhealthyPodEvictionPolicy"] = json!(policy);
    }
    manifest
}

/// A server with a running pod `p`, ready or not, and a budget.
fn guarded(ready: &str, policy: Option<&str>, status: Value) -> Server {
    let mut server = Server::new();
    server.create(pod("p"));
    server.bind("p", "n1").unwrap();
    server.set_status("p", json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] }));
    let made = server.create(budget("b", policy));
    let mut manifest = convert::to_json(&made);
    manifest["status"] = status;
    server.object(Request::UpdateStatus(read(manifest)));
    server
}

#[track_caller]
fn check_eviction(ready: &str, policy: Option<&str>, status: Value, wanted: Result<(), u32>) {
    let mut server = guarded(ready, policy, status);
    match (server.handle(evict("p")), wanted) {
        (Ok(answer), Ok(())) => {
            assert_eq!(answer, Answer::Done);
            let pod = server.store.by_name(Kind::Pod, "default", "p").unwrap();
            assert!(pod.meta().is_terminating());
        }
        (Err(error), Err(retry)) => {
            assert_eq!(error.message, "Cannot evict pod as it would violate the pod's disruption budget.");
            assert_eq!((error.reason.code(), error.cause.as_str()), (429, "DisruptionBudget"));
            assert_eq!(error.retry_after_seconds, Some(retry));
        }
        (answer, wanted) => panic!("{answer:?}, not {wanted:?}"),
    }
}

#[test]
fn budgets_allow_and_forbid_evictions() {
    let status = |allowed: i64, healthy: i64, observed: i64| {
        json!({ "disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 1,
            "expectedPods": 1, "observedGeneration": observed })
    };
    check_eviction("True", None, status(1, 2, 1), Ok(()));
    check_eviction("True", None, status(0, 1, 1), Err(0));
    check_eviction("True", None, status(1, 2, 0), Err(10));
    check_eviction("False", None, status(0, 1, 1), Ok(()));
    check_eviction("False", None, status(0, 0, 1), Err(0));
    check_eviction("False", Some("AlwaysAllow"), status(0, 0, 1), Ok(()));
    check_eviction("True", Some("AlwaysAllow"), status(0, 0, 1), Err(0));
}

#[test]
fn an_eviction_takes_one_disruption_off_the_budget() {
    let status = json!({ "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2,
        "observedGeneration": 1 });
    let mut server = guarded("True", None, status);
    server.handle(evict("p")).unwrap();
    let after = convert::to_json(server.store.by_name(Kind::PodDisruptionBudget, "default", "b").unwrap());
    assert_eq!(after["status"]["disruptionsAllowed"].as_i64().unwrap_or(0), 0);
    assert!(after["status"]["disruptedPods"]["p"].is_string(), "{after}");
}

#[test]
fn pods_that_do_not_run_are_evicted_whatever_budgets_say_and_two_budgets_are_an_error() {
    let mut server = Server::new();
    server.create(budget("b", None));
    server.create(pod("pending"));
    server.bind("pending", "n1").unwrap();
    server.handle(evict("pending")).unwrap();
    server.create(budget("c", None));
    server.create(pod("p"));
    server.bind("p", "n1").unwrap();
    server.set_status("p", json!({ "phase": "Running" }));
    let error = server.refused(evict("p"));
    let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    assert_eq!((error.reason.code(), error.message.as_str()), (500, text));
}

#[test]
fn admission_fills_in_tolerations_service_account_and_priority() {
    let mut server = Server::new();
    let made = convert::to_json(&server.create(pod("p")));
    let tolerated = |key: &str| {
        let key = format!("node.kubernetes.io/{key}");
        json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 })
    };
    assert_eq!(made["spec"]["tolerations"], json!([tolerated("not-ready"), tolerated("unreachable")]));
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    assert_eq!((&made["spec"]["priority"], &made["status"]["qosClass"]), (&json!(0), &json!("BestEffort")));
    for (class, priority) in [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)] {
        let mut manifest = pod(class);
        manifest["spec"]["priorityClassName"] = json!(class);
        assert_eq!(convert::to_json(&server.create(manifest))["spec"]["priority"], priority);
    }
    server.create(json!({ "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 7,
        "globalDefault": true, "metadata": { "name": "usual" } }));
    let later = convert::to_json(&server.create(pod("later")));
    assert_eq!((&later["spec"]["priority"], &later["spec"]["priorityClassName"]), (&json!(7), &json!("usual")));
}

#[test]
fn admission_refuses_classes_and_accounts_that_are_not_there() {
    let mut server = Server::new();
    for (field, value, message) in [
        ("priorityClassName", json!("no"), "pods \"p\" is forbidden: no PriorityClass with name no was found"),
        (
            "serviceAccountName",
            json!("no"),
            "pods \"p\" is forbidden: error looking up service account default/no: serviceaccount \"no\" not found",
        ),
        (
            "priority",
            json!(5),
            "pods \"p\" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority \
             admission controller computed 0 from the given PriorityClass name",
        ),
    ] {
        let mut manifest = pod("p");
        manifest["spec"][field] = value;
        let error = server.refused(Request::Create(read(manifest)));
        assert_eq!((error.reason, error.message.as_str()), (ErrorReason::Forbidden, message));
    }
}

#[test]
fn an_event_is_forgotten_an_hour_after_its_last_time() {
    let mut server = Server::new();
    let event = |name: &str| {
        json!({ "apiVersion": "v1", "kind": "Event", "metadata": { "name": name, "namespace": "default" },
            "involvedObject": { "kind": "Pod", "name": "p", "namespace": "default" }, "reason": "R", "type": "Normal",
            "count": 1, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z" })
    };
    server.create(event("once"));
    server.create(event("again"));
    server.sleep(1800);
    let target = Target::Name(Kind::Event, "default".into(), "again".into());
    let last = server.store.clock.timestamp(server.now);
    server.object(Request::PatchEvent { target, count: 2, last, message: "m".into() });
    server.sleep(1799);
    assert_eq!(server.names(Kind::Event), ["again", "once"]);
    server.sleep(1);
    assert_eq!(server.names(Kind::Event), ["again"]);
    server.sleep(1799);
    assert_eq!(server.names(Kind::Event), ["again"]);
    server.sleep(1);
    assert!(server.names(Kind::Event).is_empty());
}

#[test]
fn heartbeats_are_computed_for_those_who_read_them() {
    let mut server = Server::new();
    server.create(json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": { "holderIdentity": "n1" },
        "metadata": { "name": "n1", "namespace": "kube-node-lease" } }));
    let first = Some(Time::ZERO + Span::from_secs(5));
    let (lease_every, status_every) = (Span::from_secs(10), Some(Span::from_secs(300)));
    let revision = server.store.revision();
    let (namespace, name) = (Name::from("kube-node-lease"), Name::from("n1"));
    let heartbeat = Heartbeat { namespace, name, first, lease_every, status_every };
    server.store.set_heartbeat(PartId::Kubelet(0), heartbeat.clone());
    let renewed = |server: &mut Server| {
        let lease = Target::Name(Kind::Lease, "kube-node-lease".into(), "n1".into());
        convert::to_json(&server.object(Request::Get(lease)))["spec"]["renewTime"].clone()
    };
    assert_eq!(renewed(&mut server), Value::Null, "before the first");
    server.sleep(37);
    assert_eq!(renewed(&mut server), "2026-01-01T00:00:35.000000Z");
    server.store.set_heartbeat(PartId::Kubelet(0), Heartbeat { first: None, ..heartbeat });
    assert_eq!(renewed(&mut server), Value::Null, "nothing was stored");
    assert_eq!(server.store.revision(), revision);
}
