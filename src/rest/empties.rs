//! What the API server writes out of an object though it says nothing: fields that Go does not omit when they are empty.
//!
//! Inside, such fields are left away. Source: the `json` tags without `omitempty`, and those of structs, in
//! `staging/src/k8s.io/api`. `creationTimestamp: null` of templates is what servers before 1.34 wrote; clients take both.

use serde_json::{Map, Value, json};

use crate::api::Kind;

/// Fills in the empty fields of an object of a kind.
pub(super) fn fill(kind: Kind, object: &mut Value) {
    let never = || json!(null);
    match kind {
        Kind::Deployment | Kind::Job | Kind::ReplicationController => {
            put(object, "spec/template/metadata/creationTimestamp", never);
            put(object, "status", || json!({}));
        }
        Kind::ReplicaSet => {
            put(object, "spec/template/metadata/creationTimestamp", never);
            put(object, "status/replicas", || json!(0));
        }
        Kind::StatefulSet => {
            put(object, "spec/template/metadata/creationTimestamp", never);
            put(object, "spec/volumeClaimTemplates/*/metadata/creationTimestamp", never);
            put(object, "status/replicas", || json!(0));
            put(object, "status/availableReplicas", || json!(0));
        }
        Kind::DaemonSet => {
            put(object, "spec/template/metadata/creationTimestamp", never);
            for counter in ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"] {
                put(object, &format!("status/{counter}"), || json!(0));
            }
        }
        Kind::CronJob => {
            put(object, "spec/jobTemplate/metadata/creationTimestamp", never);
            put(object, "spec/jobTemplate/spec/template/metadata/creationTimestamp", never);
            put(object, "status", || json!({}));
        }
        Kind::Pod => put(object, "status/conditions/*/lastProbeTime", never),
        Kind::ResourceQuota => put(object, "status", || json!({})),
        Kind::Service | Kind::Ingress => put(object, "status/loadBalancer", || json!({})),
        Kind::PodDisruptionBudget => {
            for counter in ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"] {
                put(object, &format!("status/{counter}"), || json!(0));
            }
        }
        Kind::HorizontalPodAutoscaler => {
            put(object, "status/currentMetrics", never);
            put(object, "status/desiredReplicas", || json!(0));
        }
        Kind::Node => {
            put(object, "status/daemonEndpoints/kubeletEndpoint/Port", || json!(0));
            const INFO: [&str; 10] = [
                "architecture",
                "bootID",
                "containerRuntimeVersion",
                "kernelVersion",
                "kubeProxyVersion",
                "kubeletVersion",
                "machineID",
                "operatingSystem",
                "osImage",
                "systemUUID",
            ];
            INFO.iter().for_each(|field| put(object, &format!("status/nodeInfo/{field}"), || json!("")));
        }
        _ => {}
    }
}

/// Puts a value where a path leads, if nothing is there; objects on the way are made, lists are gone through at `*`.
fn put(object: &mut Value, path: &str, value: fn() -> Value) {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (object, rest) {
        (Value::Array(items), Some(rest)) if name == "*" => {
            items.iter_mut().for_each(|item| put(item, rest, value));
        }
        (Value::Object(fields), None) => {
            fields.entry(name).or_insert_with(value);
        }
        (Value::Object(fields), Some(rest)) => {
            if rest.starts_with('*') && !fields.contains_key(name) {
                return;
            }
            put(fields.entry(name).or_insert_with(|| Value::Object(Map::new())), rest, value);
        }
        _ => {}
    }
}
