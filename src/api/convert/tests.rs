//! Manifests that become objects and manifests again are what they were.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

use super::*;
use crate::api::{ContainerState, Object, PodPhase, Timestamp};

type Json = BoxedStrategy<Value>;

fn one_of(values: &[&str]) -> Json {
    let values: Vec<Value> = values.iter().map(|value| Value::from(*value)).collect();
    prop::sample::select(values).boxed()
}

fn number(range: std::ops::Range<i32>) -> Json {
    range.prop_map(Value::from).boxed()
}

fn flag() -> Json {
    any::<bool>().prop_map(Value::from).boxed()
}

fn seconds() -> Json {
    (1i64..4_000_000_000).prop_map(|at| Value::from(Timestamp(at).to_string())).boxed()
}

fn micros() -> Json {
    (0u32..60, 0u32..1_000_000).prop_map(|(s, us)| json!(format!("2026-01-01T00:00:{s:02}.{us:06}Z"))).boxed()
}

fn list(of: Json, most: usize) -> Json {
    prop::collection::vec(of, 1..=most).prop_map(Value::Array).boxed()
}

/// A mapping that has each of the fields or not.
fn maybe(fields: Vec<(&'static str, Json)>) -> Json {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(key, value)| prop::option::of(value).prop_map(move |value| value.map(|value| (key.to_owned(), value))))
        .collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
}

/// The same with fields that are always there.
fn with(needed: Vec<(&'static str, Json)>, fields: Vec<(&'static str, Json)>) -> Json {
    let needed: Vec<_> =
        needed.into_iter().map(|(key, value)| value.prop_map(move |value| (key.to_owned(), value))).collect();
    (needed, maybe(fields))
        .prop_map(|(needed, rest)| {
            let rest = rest.as_object().cloned().unwrap_or_default();
            Value::Object(needed.into_iter().chain(rest).collect())
        })
        .boxed()
}

fn uid() -> Json {
    one_of(&["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "u", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"])
}

fn metadata() -> Json {
    let owner = with(
        vec![
            ("apiVersion", one_of(&["apps/v1"])),
            ("kind", one_of(&["ReplicaSet"])),
            ("name", one_of(&["a", "b"])),
            ("uid", uid()),
        ],
        vec![("controller", flag()), ("blockOwnerDeletion", flag())],
    );
    let labels = maybe(vec![("app", one_of(&["a", ""])), ("example.com/tier", one_of(&["web"]))]);
    let labels = labels.prop_filter("not empty", |labels| labels != &json!({})).boxed();
    with(
        vec![("name", one_of(&["x"])), ("namespace", one_of(&["default"]))],
        vec![
            ("generateName", one_of(&["x-"])),
            ("uid", uid()),
            ("resourceVersion", one_of(&["1", "4711"])),
            ("generation", number(1..9)),
            ("creationTimestamp", seconds()),
            ("deletionTimestamp", seconds()),
            ("labels", labels.clone()),
            ("annotations", labels),
            ("ownerReferences", list(owner, 2)),
            ("finalizers", list(one_of(&["example.com/f"]), 2)),
            ("selfLink", one_of(&["/x"])),
            ("managedFields", list(with(vec![("manager", one_of(&["kubectl"]))], vec![("time", seconds())]), 2)),
        ],
    )
}

fn condition() -> Json {
    with(
        vec![
            ("type", one_of(&["Ready", "PodScheduled", "DisruptionTarget", "example.com/Gate"])),
            ("status", one_of(&["True", "False", "Unknown", "Odd"])),
        ],
        vec![
            ("reason", one_of(&["Why"])),
            ("message", one_of(&["because"])),
            ("lastTransitionTime", seconds()),
            ("lastProbeTime", seconds()),
            ("observedGeneration", number(1..9)),
        ],
    )
}

fn container_status() -> Json {
    let ended = with(
        vec![("exitCode", number(-1..200))],
        vec![
            ("reason", one_of(&["Completed", "OOMKilled"])),
            ("message", one_of(&["said"])),
            ("startedAt", seconds()),
            ("finishedAt", seconds()),
            ("signal", number(1..9)),
            ("containerID", one_of(&["containerd://1"])),
        ],
    );
    let waiting = maybe(vec![("reason", one_of(&["ContainerCreating"])), ("message", one_of(&["m"]))]);
    let running = maybe(vec![("startedAt", seconds())]);
    let state = maybe(vec![("waiting", waiting), ("running", running), ("terminated", ended)]);
    with(
        vec![
            ("name", one_of(&["c", "d", "gone"])),
            ("image", one_of(&["app:v1", "registry/app:v1"])),
            ("imageID", one_of(&["", "sha256:00"])),
            ("ready", flag()),
            ("restartCount", number(-1..5)),
        ],
        vec![
            ("containerID", one_of(&["containerd://1"])),
            ("started", flag()),
            ("state", state.clone()),
            ("lastState", state),
            ("stopSignal", one_of(&["SIGTERM"])),
        ],
    )
}

fn pod_status() -> Json {
    let ips = one_of(&["10.0.0.1", "10.0.0.2", "fd00::1", "odd"]);
    let ip_list = list(ips.clone().prop_map(|ip| json!({"ip": ip})).boxed(), 3);
    with(
        vec![("phase", one_of(&["Pending", "Running", "Succeeded", "Failed", "Unknown", "Odd"]))],
        vec![
            ("qosClass", one_of(&["Guaranteed", "Burstable", "BestEffort", "Odd"])),
            ("conditions", list(condition(), 4)),
            ("containerStatuses", list(container_status(), 3)),
            ("initContainerStatuses", list(container_status(), 2)),
            ("startTime", seconds()),
            ("hostIP", ips.clone()),
            ("hostIPs", ip_list.clone()),
            ("podIP", ips),
            ("podIPs", ip_list),
            ("nominatedNodeName", one_of(&["n1"])),
            ("reason", one_of(&["Evicted"])),
            ("message", one_of(&["m"])),
            ("observedGeneration", number(1..9)),
            ("resize", one_of(&["Proposed"])),
        ],
    )
}

fn pod() -> Json {
    let container = |name: &'static str| {
        with(
            vec![("name", one_of(&[name])), ("image", one_of(&["app:v1", "app"]))],
            vec![
                ("args", list(one_of(&["a"]), 2)),
                ("resources", one_of(&["1"]).prop_map(|cpu| json!({"limits": {"cpu": cpu}})).boxed()),
            ],
        )
    };
    let containers = (container("d"), container("c")).prop_map(|(a, b)| json!([a, b])).boxed();
    let init = container("init").prop_map(|container| json!([container])).boxed();
    let spec = with(
        vec![("containers", containers)],
        vec![("initContainers", init), ("nodeName", one_of(&["n1"])), ("priority", number(0..9))],
    );
    with(
        vec![
            ("apiVersion", one_of(&["v1"])),
            ("kind", one_of(&["Pod"])),
            ("metadata", metadata()),
            ("spec", spec),
            ("status", pod_status()),
        ],
        vec![],
    )
}

fn event() -> Json {
    let reference = maybe(vec![
        ("apiVersion", one_of(&["v1", "apps/v1", "example.com/v1"])),
        ("kind", one_of(&["Pod", "Deployment", "Thing"])),
        ("namespace", one_of(&["default"])),
        ("name", one_of(&["x"])),
        ("uid", uid()),
        ("fieldPath", one_of(&["spec.containers{c}"])),
    ]);
    let source = maybe(vec![("component", one_of(&["kubelet"])), ("host", one_of(&["n1"]))]);
    with(
        vec![
            ("apiVersion", one_of(&["v1"])),
            ("kind", one_of(&["Event"])),
            ("metadata", metadata()),
            ("involvedObject", reference.clone()),
        ],
        vec![
            ("reason", one_of(&["Started"])),
            ("message", one_of(&["m"])),
            ("type", one_of(&["Normal", "Warning", "Odd"])),
            ("source", source),
            ("reportingComponent", one_of(&["kubelet", "other"])),
            ("reportingInstance", one_of(&["n1"])),
            ("count", number(-1..9)),
            ("firstTimestamp", seconds()),
            ("lastTimestamp", seconds()),
            ("eventTime", micros()),
            ("action", one_of(&["Binding"])),
            ("related", reference),
        ],
    )
}

fn lease() -> Json {
    let spec = maybe(vec![
        ("holderIdentity", one_of(&["", "a"])),
        ("leaseDurationSeconds", number(1..60)),
        ("acquireTime", micros()),
        ("renewTime", micros()),
        ("leaseTransitions", number(0..3)),
        ("strategy", one_of(&["OldestEmulationVersion"])),
        ("preferredHolder", one_of(&["b"])),
    ]);
    let spec = spec.prop_filter("not empty", |spec| spec != &json!({})).boxed();
    with(
        vec![
            ("apiVersion", one_of(&["coordination.k8s.io/v1"])),
            ("kind", one_of(&["Lease"])),
            ("metadata", metadata()),
            ("spec", spec),
        ],
        vec![],
    )
}

#[track_caller]
fn check(kind: Kind, manifest: Value) {
    let expected = normalise(kind, manifest.clone()).unwrap();
    let object = from_json(kind, manifest).unwrap();
    let written = to_json(&object);
    assert_eq!(written, expected);
    assert_eq!(from_json(kind, written).unwrap(), object);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_pod_comes_back_as_it_was(manifest in pod()) {
        check(Kind::Pod, manifest);
    }

    #[test]
    fn an_event_comes_back_as_it_was(manifest in event()) {
        check(Kind::Event, manifest);
    }

    #[test]
    fn a_lease_comes_back_as_it_was(manifest in lease()) {
        check(Kind::Lease, manifest);
    }
}

fn workload(api_version: &str, kind: &str, status: Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": "web", "namespace": "default", "annotations": {"a": "b"}},
        "spec": {
            "replicas": 3, "minReadySeconds": 5,
            "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]},
            "template": {
                "metadata": {"labels": {"app": "web", "a": ""}, "annotations": {"x": "y"}, "finalizers": ["example.com/f"]},
                "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "app", "resources": {"limits": {"cpu": "1.5"}}}]},
            },
        },
        "status": status,
    })
}

#[test]
fn workloads_come_back_as_they_were() {
    let times = json!([{"type": "Available", "status": "True", "reason": "R", "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let status = json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 2, "availableReplicas": 1, "terminatingReplicas": 0, "conditions": times});
    check(Kind::ReplicaSet, workload("apps/v1", "ReplicaSet", status.clone()));
    check(Kind::StatefulSet, workload("apps/v1", "StatefulSet", status.clone()));
    let mut deployment = workload("apps/v1", "Deployment", status);
    deployment["spec"]["paused"] = json!(true);
    deployment["spec"]["strategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "10%"}});
    check(Kind::Deployment, deployment.clone());
    deployment["spec"]["strategy"] = json!({"type": "Recreate"});
    check(Kind::Deployment, deployment);
}

#[test]
fn other_kinds_come_back_as_they_were() {
    check(
        Kind::Namespace,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Terminating", "conditions": [{"type": "NamespaceContentRemaining", "status": "True"}]}}),
    );
    check(
        Kind::Node,
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"podCIDR": "10.0.0.0/24"},
            "status": {"capacity": {"cpu": 4, "memory": "1.5Gi"}}}),
    );
    check(
        Kind::Service,
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}),
    );
}

#[test]
fn events_of_both_versions_are_one_record() {
    let new = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000001Z", "note": "said", "reason": "R", "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": "default"},
        "reportingController": "example.com/c", "reportingInstance": "c-0", "action": "Do",
    });
    let object = from_json(Kind::EventsV1Event, new.clone()).unwrap();
    let Object::Event(event) = &object else { panic!("an Event became {object:?}") };
    assert_eq!((event.body.message.as_str(), event.body.component.as_str()), ("said", "example.com/c"));
    assert_eq!(to_events_v1(event), new);
    assert_eq!(to_json(&object)["involvedObject"]["name"], "p");
}

fn imported_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "uid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
        "spec": {"containers": [{"name": "c", "image": "app:v1"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "example.com/Gate", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": "c", "image": "registry/app:v1", "imageID": "sha256:00", "containerID": "containerd://1", "ready": true,
                "restartCount": 0, "started": true, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }],
        },
    })
}

#[test]
fn what_the_record_changes_wins_over_what_came_in() {
    let mut object = from_json(Kind::Pod, imported_pod()).unwrap();
    let Object::Pod(pod) = &mut object else { panic!("a Pod became another kind") };
    let pod = Arc::make_mut(pod);
    pod.body.status.phase = PodPhase::Failed;
    pod.body.status.containers[0].restart_count = 1;
    pod.body.status.containers[0].state = ContainerState::Running { started_at: Timestamp(1_767_225_660) };
    let written = to_json(&object);
    let status = &written["status"];
    assert_eq!(status["phase"], "Failed");
    assert_eq!(status["conditions"][0]["type"], "example.com/Gate");
    let container = &status["containerStatuses"][0];
    assert_eq!(container["imageID"], "sha256:00");
    assert_eq!(container["state"]["running"]["startedAt"], "2026-01-01T00:01:00Z");
    let id = container["containerID"].as_str().unwrap();
    assert_eq!((id.len(), id.starts_with("containerd://")), (77, true));
}

#[test]
fn a_pod_of_the_built_in_kubelet_needs_no_rest() {
    let mut object = from_json(Kind::Pod, imported_pod()).unwrap();
    let Object::Pod(pod) = &mut object else { panic!("a Pod became another kind") };
    Arc::make_mut(pod).body.status.rest = None;
    let again = from_json(Kind::Pod, to_json(&object)).unwrap();
    assert_eq!(again, object);
}

#[test]
fn what_cannot_be_read_is_told_in_the_servers_words() {
    let mut manifest = imported_pod();
    manifest["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "abc"}});
    let error = from_json(Kind::Pod, manifest).unwrap_err();
    assert_eq!(error.path, "spec.containers[0].resources.requests[cpu]");
    assert_eq!(
        error.bad_request(Kind::Pod),
        "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    );
    let odd = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "resourceVersion": "x"}});
    assert_eq!(from_json(Kind::Pod, odd).unwrap_err().path, "metadata.resourceVersion");
}

#[test]
fn what_can_be_scaled_is_scaled() {
    let object = from_json(Kind::StatefulSet, workload("apps/v1", "StatefulSet", json!({"replicas": 2}))).unwrap();
    let scale = scale_of(&object).unwrap();
    assert_eq!((scale.replicas, scale.status_replicas, scale.selector.as_str()), (3, 2, "a,app=web"));
    for kind in [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet] {
        let object = from_json(kind, workload("apps/v1", &format!("{kind:?}"), json!({"replicas": 2}))).unwrap();
        let scaled = with_replicas(&object, 7).unwrap();
        assert_eq!(to_json(&scaled)["spec"]["replicas"], 7);
    }
    let pod = from_json(Kind::Pod, imported_pod()).unwrap();
    assert_eq!((scale_of(&pod), with_replicas(&pod, 1)), (None, None));
}
