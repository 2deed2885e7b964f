//! What `kubectl rollout status` waits for. Upstream: `kubectl/pkg/polymorphichelpers/rollout_status.go`.

use serde_json::Value;

use crate::api::{Deployment, Kind, Object};

/// What the rollout of a Deployment, StatefulSet or DaemonSet waits for; `None`: nothing, it is done.
pub(super) fn waits_for(object: &Object) -> Option<String> {
    match object {
        Object::Deployment(deployment) => of_deployment(deployment.meta.generation, &deployment.body),
        Object::Untyped(set) => {
            let fields = Value::Object(set.body.fields.clone());
            let observed = number(&fields, "/status/observedGeneration");
            if fields.pointer("/spec/updateStrategy/type").is_none_or(|kind| kind != "RollingUpdate") {
                return Some("rollout status is only available for RollingUpdate strategy type".to_owned());
            }
            if observed < set.meta.generation {
                return Some("its new spec has not been observed yet".to_owned());
            }
            match set.meta.id.kind {
                Kind::StatefulSet => of_stateful_set(&fields),
                Kind::DaemonSet => of_daemon_set(&fields),
                _ => Some("it is not rolled out".to_owned()),
            }
        }
        _ => Some("it is not rolled out".to_owned()),
    }
}

fn number(fields: &Value, path: &str) -> i64 {
    fields.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

fn of_deployment(generation: i64, deployment: &Deployment) -> Option<String> {
    let status = &deployment.status;
    if status.observed_generation < generation {
        return Some("its new spec has not been observed yet".to_owned());
    }
    if status.updated_replicas < deployment.replicas {
        return Some(format!(
            "{} out of {} new replicas have been updated",
            status.updated_replicas, deployment.replicas
        ));
    }
    if status.replicas > status.updated_replicas {
        let old = status.replicas - status.updated_replicas;
        return Some(format!("{old} old replicas are pending termination"));
    }
    if status.available_replicas < status.updated_replicas {
        let (available, updated) = (status.available_replicas, status.updated_replicas);
        return Some(format!("{available} of {updated} updated replicas are available"));
    }
    None
}

fn of_stateful_set(fields: &Value) -> Option<String> {
    let replicas = fields.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (ready, updated) = (number(fields, "/status/readyReplicas"), number(fields, "/status/updatedReplicas"));
    if ready < replicas {
        return Some(format!("{} pods are not ready", replicas - ready));
    }
    if let Some(partition) = fields.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64) {
        let wanted = replicas - partition;
        return (updated < wanted).then(|| format!("{updated} out of {wanted} new pods have been updated"));
    }
    let revision = |name: &str| fields.pointer(&format!("/status/{name}")).and_then(Value::as_str).unwrap_or("");
    (revision("updateRevision") != revision("currentRevision"))
        .then(|| format!("{updated} pods are at revision {}", revision("updateRevision")))
}

fn of_daemon_set(fields: &Value) -> Option<String> {
    let desired = number(fields, "/status/desiredNumberScheduled");
    let (updated, available) =
        (number(fields, "/status/updatedNumberScheduled"), number(fields, "/status/numberAvailable"));
    if updated < desired {
        return Some(format!("{updated} out of {desired} new pods have been updated"));
    }
    (available < desired).then(|| format!("{available} of {desired} updated pods are available"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::convert;
    use serde_json::json;

    #[track_caller]
    fn check(kind: Kind, spec: Value, status: Value, expected: Option<&str>) {
        let info = kind.info().expect("a built-in kind");
        let manifest = json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": {"name": "x"},
            "spec": spec, "status": status});
        let mut object = convert::from_json(kind, manifest).expect("a manifest");
        object.meta_mut().generation = 2;
        assert_eq!(waits_for(&object).as_deref(), expected);
    }

    #[test]
    fn sets_are_rolled_out_when_kubectl_says_so() {
        let spec = |strategy: Value| {
            json!({"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "serviceName": "x", "updateStrategy": strategy,
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}})
        };
        let rolling = || spec(json!({"type": "RollingUpdate"}));
        let sts = Kind::StatefulSet;
        check(sts, rolling(), json!({"observedGeneration": 1}), Some("its new spec has not been observed yet"));
        check(sts, rolling(), json!({"observedGeneration": 2, "readyReplicas": 1}), Some("2 pods are not ready"));
        let ready = json!({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1});
        check(sts, rolling(), ready.clone(), Some("1 out of 3 new pods have been updated"));
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        check(sts, spec(partition), ready, None);
        let on_delete = "rollout status is only available for RollingUpdate strategy type";
        check(sts, spec(json!({"type": "OnDelete"})), json!({}), Some(on_delete));
        let ds = |updated: i64, available: i64| {
            json!({"observedGeneration": 2, "desiredNumberScheduled": 4, "updatedNumberScheduled": updated,
                "numberAvailable": available})
        };
        let mut of_daemons = rolling();
        for field in ["replicas", "serviceName"] {
            of_daemons.as_object_mut().expect("a mapping").remove(field);
        }
        check(Kind::DaemonSet, of_daemons.clone(), ds(2, 4), Some("2 out of 4 new pods have been updated"));
        check(Kind::DaemonSet, of_daemons.clone(), ds(4, 3), Some("3 of 4 updated pods are available"));
        check(Kind::DaemonSet, of_daemons, ds(4, 4), None);
    }
}
