//! Minimal objects and what a real API server made of them.

use serde_json::{Value, json};

use super::*;
use crate::api::QosClass;

#[track_caller]
fn check(kind: Kind, minimal: Value, expected: Value) {
    let mut value = minimal;
    apply(kind, &mut value);
    assert_eq!(value, expected);
    apply(kind, &mut value);
    assert_eq!(value, expected, "twice");
}

fn filled_container() -> Value {
    json!({
        "name": "c", "image": "app", "imagePullPolicy": "Always", "resources": {},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "readinessProbe": {
            "httpGet": {"port": "http", "path": "/", "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 7, "successThreshold": 1, "failureThreshold": 3,
        },
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
    })
}

fn minimal_container() -> Value {
    json!({
        "name": "c", "image": "app", "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 7},
    })
}

fn filled_spec() -> Value {
    json!({
        "containers": [filled_container()], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler", "securityContext": {},
        "volumes": [{"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}}],
    })
}

fn minimal_spec() -> Value {
    json!({
        "containers": [minimal_container()], "volumes": [{"name": "e"}, {"name": "s", "secret": {"secretName": "s"}}],
    })
}

#[test]
fn pods_get_what_templates_do_not() {
    let mut expected = filled_spec();
    expected["enableServiceLinks"] = json!(true);
    check(Kind::Pod, json!({"spec": minimal_spec()}), json!({"spec": expected.clone()}));
    let mut minimal = minimal_spec();
    minimal["hostNetwork"] = json!(true);
    minimal["containers"][0]["resources"] =
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}});
    expected["hostNetwork"] = json!(true);
    expected["containers"][0]["ports"][0]["hostPort"] = json!(80);
    expected["containers"][0]["resources"] =
        json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}});
    check(Kind::Pod, json!({"spec": minimal}), json!({"spec": expected}));
}

#[test]
fn workloads_are_filled_in() {
    check(
        Kind::Deployment,
        json!({"spec": {"template": {"spec": minimal_spec()}}}),
        json!({"spec": {
            "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "template": {"spec": filled_spec()},
        }}),
    );
    let mut job = filled_spec();
    job["restartPolicy"] = json!("Never");
    check(
        Kind::Job,
        json!({"spec": {"parallelism": 2, "template": {"spec": job.clone()}}}),
        json!({"spec": {
            "parallelism": 2, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": false,
            "manualSelector": false, "podReplacementPolicy": "TerminatingOrFailed", "template": {"spec": job},
        }}),
    );
}

#[test]
fn other_kinds_are_filled_in() {
    check(
        Kind::Service,
        json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}}),
        json!({"spec": {
            "type": "NodePort", "sessionAffinity": "None", "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
        }}),
    );
    check(Kind::Secret, json!({"stringData": {"k": "v"}}), json!({"data": {"k": "dg=="}, "type": "Opaque"}));
    check(
        Kind::LimitRange,
        json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}}),
        json!({"spec": {"limits": [{
            "type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}, "default": {"cpu": "2"},
            "defaultRequest": {"cpu": "2", "memory": "1Mi"},
        }]}}),
    );
    check(
        Kind::NetworkPolicy,
        json!({"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}}),
        json!({"spec": {
            "podSelector": {}, "egress": [{"ports": [{"port": 53, "protocol": "TCP"}]}], "policyTypes": ["Ingress", "Egress"],
        }}),
    );
}

#[test]
fn a_new_namespace_is_active_and_held_by_its_finalizer() {
    let mut value = json!({"metadata": {"name": "a"}});
    apply(Kind::Namespace, &mut value);
    prepare_for_create(Kind::Namespace, &mut value);
    let expected = json!({
        "metadata": {"name": "a", "labels": {"kubernetes.io/metadata.name": "a"}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    });
    assert_eq!(value, expected);
}

#[test]
fn a_new_job_selects_its_own_pods() {
    let mut value = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {}}, "status": {"active": 1}});
    prepare_for_create(Kind::Job, &mut value);
    let labels = &value["spec"]["template"]["metadata"]["labels"];
    assert_eq!(value["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
    assert_eq!((&labels["job-name"], &labels["controller-uid"]), (&json!("j"), &json!("u")));
    assert_eq!(value.get("status"), None);
}

#[test]
fn quality_of_service_follows_from_requests_and_limits() {
    for (resources, expected) in [
        (json!({}), QosClass::BestEffort),
        (json!({"requests": {"cpu": "1"}}), QosClass::Burstable),
        (json!({"requests": {"cpu": "0"}}), QosClass::BestEffort),
        (
            json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1Gi"}}),
            QosClass::Guaranteed,
        ),
        (
            json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}),
            QosClass::Burstable,
        ),
        (json!({"limits": {"cpu": "1"}}), QosClass::Burstable),
    ] {
        let spec = json!({"containers": [{"name": "c", "resources": resources}]});
        assert_eq!(qos_class(&serde_json::from_value(spec).unwrap()), expected, "{resources}");
    }
}
