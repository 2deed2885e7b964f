//! Services, endpoints, ingress and network policies. Upstream: `pkg/apis/core/v1/defaults.go`,
//! `pkg/apis/discovery/v1/defaults.go`, `pkg/apis/networking/v1/defaults.go`.

use serde_json::{Value, json};

use super::{Fields, default, default_text, each, has, text, within, within_new};

/// How long a client keeps its pod with session affinity, in seconds.
const AFFINITY_SECONDS: i64 = 10_800;

pub(super) fn service(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        default_text(spec, "sessionAffinity", "None");
        if text(spec, "sessionAffinity") == "ClientIP" {
            within_new(spec, "sessionAffinityConfig", |config| {
                within_new(config, "clientIP", |client| default(client, "timeoutSeconds", AFFINITY_SECONDS));
            });
        } else {
            spec.remove("sessionAffinityConfig");
        }
        default_text(spec, "type", "ClusterIP");
        // A list without entries is left out when it is written.
        if spec.get("ports").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            spec.remove("ports");
        }
        each(spec, "ports", |port| {
            default_text(port, "protocol", "TCP");
            let unset = |value: &Value| value.as_i64() == Some(0) || value.as_str() == Some("");
            if port.get("targetPort").is_none_or(unset)
                && let Some(number) = port.get("port").cloned()
            {
                port.insert("targetPort".to_owned(), number);
            }
        });
        let addresses = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        let (external, internal) = match text(spec, "type") {
            "NodePort" | "LoadBalancer" => (true, true),
            "ClusterIP" => (addresses, true),
            _ => (false, false),
        };
        if external {
            default_text(spec, "externalTrafficPolicy", "Cluster");
        }
        if internal {
            default(spec, "internalTrafficPolicy", "Cluster");
        }
        if text(spec, "type") == "LoadBalancer" {
            default(spec, "allocateLoadBalancerNodePorts", true);
        }
    });
}

pub(super) fn endpoints(object: &mut Fields) {
    each(object, "subsets", |subset| each(subset, "ports", |port| default_text(port, "protocol", "TCP")));
}

pub(super) fn endpoint_slice(object: &mut Fields) {
    each(object, "ports", |port| {
        default(port, "name", "");
        default(port, "protocol", "TCP");
    });
}

pub(super) fn ingress_class(object: &mut Fields) {
    within(object, "spec", |spec| {
        within(spec, "parameters", |parameters| default(parameters, "scope", "Cluster"));
    });
}

pub(super) fn network_policy(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        for direction in ["ingress", "egress"] {
            each(spec, direction, |rule| each(rule, "ports", |port| default(port, "protocol", "TCP")));
        }
        if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            let egress = has(spec, "egress") && spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
            let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
            spec.insert("policyTypes".to_owned(), types);
        }
    });
}
