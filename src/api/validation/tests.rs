//! Mistakes that users make, and what the API server says.

use serde_json::{Value, json};

use super::*;
use crate::api::convert::normalise;

fn manifest(kind: Kind, spec: Value) -> Value {
    let info = kind.info().unwrap();
    let mut meta = json!({"name": "x"});
    if info.namespaced {
        meta["namespace"] = json!("default");
    }
    json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": meta, "spec": spec})
}

fn template(spec: Value) -> Value {
    json!({"selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}, "spec": spec}})
}

fn containers() -> Value {
    json!({"containers": [{"name": "c", "image": "app"}]})
}

#[track_caller]
fn check(kind: Kind, value: Value, expected: &[&str]) {
    let value = normalise(kind, value).unwrap();
    let found: Vec<String> = validate_create(kind, &value).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_update(kind: Kind, old: Value, change: impl FnOnce(&mut Value), expected: &[&str]) {
    let old = normalise(kind, old).unwrap();
    let mut new = old.clone();
    change(&mut new);
    let new = normalise(kind, new).unwrap();
    let found: Vec<String> = validate_update(kind, &new, &old).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn right_objects_pass() {
    check(Kind::Pod, manifest(Kind::Pod, containers()), &[]);
    for kind in [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet, Kind::DaemonSet] {
        check(kind, manifest(kind, template(containers())), &[]);
    }
    check(Kind::Service, manifest(Kind::Service, json!({"ports": [{"port": 80}]})), &[]);
    check(Kind::Lease, manifest(Kind::Lease, json!({"holderIdentity": "a", "leaseDurationSeconds": 15})), &[]);
}

#[test]
fn the_selector_must_match_the_template() {
    let mut spec = template(containers());
    spec["template"]["metadata"]["labels"] = json!({"app": "b"});
    let expected =
        "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`";
    for kind in [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet, Kind::DaemonSet] {
        check(kind, manifest(kind, spec.clone()), &[expected]);
    }
    spec["selector"] = Value::Null;
    check(Kind::ReplicaSet, manifest(Kind::ReplicaSet, spec), &["spec.selector: Required value", expected]);
}

#[test]
fn a_stateful_set_may_mount_what_its_claim_templates_bring() {
    let mut container = containers();
    container["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let spec = template(container);
    check(Kind::StatefulSet, manifest(Kind::StatefulSet, spec.clone()), &[]);
    let expected = "spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"data\"";
    check(Kind::DaemonSet, manifest(Kind::DaemonSet, spec), &[expected]);
}

#[test]
fn metadata_is_judged_for_every_kind() {
    let mut value = manifest(Kind::ConfigMap, Value::Null);
    value["metadata"] = json!({"labels": {"a": "-"}, "ownerReferences": [
        {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true},
        {"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "w", "controller": true},
    ]});
    let found = validate_create(Kind::ConfigMap, &value);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found[0], "metadata.name: Required value: name or generateName is required");
    assert_eq!(found[1], "metadata.namespace: Required value");
    assert!(found[2].starts_with("metadata.labels: Invalid value: \"-\": a valid label must be an empty string"));
    assert!(
        found[3]
            .ends_with("Only one reference can have Controller set to true. Found \"true\" in references for p and q")
    );
}

#[test]
fn containers_are_judged() {
    let container = json!({
        "name": "c", "image": "app", "ports": [{"containerPort": 70000}], "imagePullPolicy": "Sometimes",
        "volumeMounts": [{"name": "gone", "mountPath": "/g"}],
        "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "2", "nvidia.com/gpu": "1.5"}},
        "livenessProbe": {"successThreshold": 3, "httpGet": {"port": 0}},
    });
    check(
        Kind::Pod,
        manifest(Kind::Pod, json!({"containers": [container], "restartPolicy": "Maybe"})),
        &[
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.containers[0].volumeMounts[0].name: Not found: \"gone\"",
            "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            "spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value: \"1500m\": must be an integer",
            "spec.containers[0].resources.requests: Invalid value: \"3\": must be less than or equal to cpu limit of 2",
            "spec.containers[0].resources.requests[nvidia.com/gpu]: Invalid value: \"1500m\": must be an integer",
            "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 3: must be 1",
            "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\"",
        ],
    );
    check(Kind::Pod, manifest(Kind::Pod, json!({"containers": []})), &["spec.containers: Required value"]);
}

#[test]
fn a_wrong_volume_cannot_be_mounted() {
    let spec = json!({
        "containers": [{"name": "c", "image": "app", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}],
    });
    check(
        Kind::Pod,
        manifest(Kind::Pod, spec),
        &[
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ],
    );
}

#[test]
fn strategies_must_make_progress() {
    let mut spec = template(containers());
    spec["strategy"] = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}});
    spec["replicas"] = json!(-1);
    spec["progressDeadlineSeconds"] = json!(0);
    check(
        Kind::Deployment,
        manifest(Kind::Deployment, spec),
        &[
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds",
        ],
    );
}

#[test]
fn services_with_several_ports_name_them() {
    check(
        Kind::Service,
        manifest(Kind::Service, json!({"ports": [{"port": 80}, {"port": 80}]})),
        &[
            "spec.ports[0].name: Required value",
            "spec.ports[1].name: Required value",
            "spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}",
        ],
    );
}

#[test]
fn little_of_a_pod_may_change() {
    let pod = || manifest(Kind::Pod, containers());
    check_update(Kind::Pod, pod(), |pod| pod["spec"]["containers"][0]["image"] = json!("app:2"), &[]);
    check_update(Kind::Pod, pod(), |pod| pod["metadata"]["labels"] = json!({"a": "b"}), &[]);
    check_update(
        Kind::Pod,
        pod(),
        |pod| pod["spec"]["containers"][0]["env"] = json!([{"name": "A"}]),
        &["spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
           `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
           tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"],
    );
    check_update(
        Kind::Pod,
        pod(),
        |pod| pod["spec"]["containers"] = json!([{"name": "c", "image": "app"}, {"name": "d", "image": "app"}]),
        &["spec.containers: Forbidden: pod updates may not add or remove containers"],
    );
}

#[test]
fn selectors_and_names_are_fixed() {
    let deployment = || manifest(Kind::Deployment, template(containers()));
    check_update(
        Kind::Deployment,
        deployment(),
        |object| {
            object["spec"]["selector"] = json!({"matchLabels": {"app": "b"}});
            object["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
        },
        &["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"],
    );
    check_update(Kind::Deployment, deployment(), |object| object["spec"]["replicas"] = json!(5), &[]);
    let mut dying = deployment();
    dying["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    check_update(
        Kind::Deployment,
        dying,
        |object| object["metadata"]["finalizers"] = json!(["example.com/g"]),
        &["metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new \
           finalizers []string{\"example.com/g\"}"],
    );
}

#[test]
fn the_message_of_a_status_lists_what_differs() {
    let mut value = manifest(Kind::Deployment, template(containers()));
    value["spec"]["replicas"] = json!(-1);
    let value = normalise(Kind::Deployment, value).unwrap();
    let mut errors = validate_create(Kind::Deployment, &value);
    let first = "spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(
        invalid_message(Kind::Deployment, "web", &errors),
        format!("Deployment.apps \"web\" is invalid: {first}")
    );
    errors.extend(errors.clone());
    errors.extend(validate_create(Kind::Pod, &manifest(Kind::Pod, json!({"containers": []}))).pop());
    assert!(
        invalid_message(Kind::Pod, "web", &errors).starts_with(&format!("Pod \"web\" is invalid: [{first}, spec."))
    );
}
