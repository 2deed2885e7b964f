//! What `kubectl rollout status` waits for. Upstream: `kubectl/pkg/polymorphichelpers/rollout_status.go`.

use serde_json::Value;

use crate::api::{Deployment, Kind, Object, find_condition};

/// How far a rollout is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rollout {
    /// It is done: kubectl's sentence.
    Done(String),
    /// It waits for something: what, short, and kubectl's sentence.
    Waits {
        /// As a reason of a claim.
        what: String,
        /// As kubectl prints it.
        told: String,
    },
    /// kubectl gives up: why.
    Refused(String),
}

/// What the rollout of a Deployment, StatefulSet or DaemonSet waits for; `None`: nothing, it is done.
pub(super) fn waits_for(object: &Object) -> Option<String> {
    match rollout(object) {
        Rollout::Done(_) => None,
        Rollout::Waits { what, .. } | Rollout::Refused(what) => Some(what),
    }
}

/// How far the rollout of a Deployment, StatefulSet or DaemonSet is.
pub fn rollout(object: &Object) -> Rollout {
    let not_rolled_out = || Rollout::Refused("it is not rolled out".to_owned());
    match object {
        Object::Deployment(deployment) => {
            of_deployment(&deployment.meta.name, deployment.meta.generation, &deployment.body)
        }
        Object::Untyped(set) => {
            let fields = Value::Object(set.body.fields.clone());
            let (name, observed) = (&set.meta.name, number(&fields, "/status/observedGeneration"));
            if fields.pointer("/spec/updateStrategy/type").is_none_or(|kind| kind != "RollingUpdate") {
                let why = "rollout status is only available for RollingUpdate strategy type";
                return Rollout::Refused(why.to_owned());
            }
            let is_seen = observed >= set.meta.generation;
            match set.meta.id.kind {
                Kind::StatefulSet if !is_seen => unobserved("statefulset"),
                Kind::DaemonSet if !is_seen => unobserved("daemon set"),
                Kind::StatefulSet => of_stateful_set(&fields),
                Kind::DaemonSet => of_daemon_set(name, &fields),
                _ => not_rolled_out(),
            }
        }
        _ => not_rolled_out(),
    }
}

fn number(fields: &Value, path: &str) -> i64 {
    fields.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

fn unobserved(kind: &str) -> Rollout {
    Rollout::Waits {
        what: "its new spec has not been observed yet".to_owned(),
        told: format!("Waiting for {kind} spec update to be observed..."),
    }
}

fn of_deployment(name: &str, generation: i64, deployment: &Deployment) -> Rollout {
    let status = &deployment.status;
    if status.observed_generation < generation {
        return unobserved("deployment");
    }
    let progressing = find_condition(&status.conditions, "Progressing");
    if progressing.is_some_and(|condition| condition.reason == "ProgressDeadlineExceeded") {
        return Rollout::Refused(format!("deployment {name:?} exceeded its progress deadline"));
    }
    let waits = |what: String| {
        let told = format!("Waiting for deployment {name:?} rollout to finish: {what}...");
        Rollout::Waits { what, told }
    };
    let (updated, wanted) = (status.updated_replicas, deployment.replicas);
    if updated < wanted {
        return waits(format!("{updated} out of {wanted} new replicas have been updated"));
    }
    if status.replicas > updated {
        return waits(format!("{} old replicas are pending termination", status.replicas - updated));
    }
    if status.available_replicas < updated {
        return waits(format!("{} of {updated} updated replicas are available", status.available_replicas));
    }
    Rollout::Done(format!("deployment {name:?} successfully rolled out"))
}

fn of_stateful_set(fields: &Value) -> Rollout {
    let replicas = fields.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (ready, updated) = (number(fields, "/status/readyReplicas"), number(fields, "/status/updatedReplicas"));
    if ready < replicas {
        let missing = replicas - ready;
        let told = format!("Waiting for {missing} pods to be ready...");
        return Rollout::Waits { what: format!("{missing} pods are not ready"), told };
    }
    if let Some(partition) = fields.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64) {
        let wanted = replicas - partition;
        if updated < wanted {
            let what = format!("{updated} out of {wanted} new pods have been updated");
            let told = format!("Waiting for partitioned roll out to finish: {what}...");
            return Rollout::Waits { what, told };
        }
        return Rollout::Done(format!("partitioned roll out complete: {updated} new pods have been updated..."));
    }
    let revision = |name: &str| fields.pointer(&format!("/status/{name}")).and_then(Value::as_str).unwrap_or("");
    let (now, wanted) = (revision("currentRevision"), revision("updateRevision"));
    if wanted == now {
        let current = number(fields, "/status/currentReplicas");
        return Rollout::Done(format!("statefulset rolling update complete {current} pods at revision {now}..."));
    }
    let what = format!("{updated} pods are at revision {wanted}");
    let told = format!("waiting for statefulset rolling update to complete {updated} pods at revision {wanted}...");
    Rollout::Waits { what, told }
}

fn of_daemon_set(name: &str, fields: &Value) -> Rollout {
    let desired = number(fields, "/status/desiredNumberScheduled");
    let (updated, available) =
        (number(fields, "/status/updatedNumberScheduled"), number(fields, "/status/numberAvailable"));
    let waits = |what: String| {
        let told = format!("Waiting for daemon set {name:?} rollout to finish: {what}...");
        Rollout::Waits { what, told }
    };
    if updated < desired {
        return waits(format!("{updated} out of {desired} new pods have been updated"));
    }
    if available < desired {
        return waits(format!("{available} of {desired} updated pods are available"));
    }
    Rollout::Done(format!("daemon set {name:?} successfully rolled out"))
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
