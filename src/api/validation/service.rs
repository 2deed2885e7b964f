//! Services and Ingresses. Upstream: `ValidateService`, `pkg/apis/networking/validation`. Left out: ranges of a
//! load balancer's sources, addresses outside the cluster, TLS of ingresses.

use k8s_openapi::api::core::v1;
use k8s_openapi::api::networking::v1 as networking;
use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::container::{port, port_number};
use super::field::{Errors, Path};
use super::metadata;
use crate::api::text::{is_dns1123_label, is_dns1123_subdomain};

/// `trafficDistribution` at 1.34.
const DISTRIBUTIONS: [&str; 3] = ["PreferClose", "PreferSameNode", "PreferSameZone"];

pub(super) fn service(service: &v1::Service, errors: &mut Errors) {
    let spec = service.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    let kind = spec.type_.as_deref().unwrap_or_default();
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    match kind {
        "NodePort" | "LoadBalancer" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&path.child("clusterIPs").index(0), "None", detail);
        }
        "ExternalName" => external_name(&path, &spec, errors),
        _ => {}
    }
    let mut names = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        service_port(&path.child("ports").index(index), found, ports.len() > 1, &mut names, errors);
    }
    metadata::labels(&path.child("selector"), spec.selector.as_ref(), errors);
    errors.one_of(&path.child("sessionAffinity"), spec.session_affinity.as_deref(), &["ClientIP", "None"]);
    super::service_addresses::addresses(&spec, errors);
    errors.one_of(&path.child("type"), Some(kind), &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    let external = matches!(kind, "NodePort" | "LoadBalancer");
    if kind == "ClusterIP" {
        for (index, found) in ports.iter().enumerate() {
            if found.node_port.is_some_and(|number| number != 0) {
                let detail = "may not be used when `type` is 'ClusterIP'";
                errors.forbidden(&path.child("ports").index(index).child("nodePort"), detail);
            }
        }
    }
    duplicates(&path.child("ports"), ports, errors);
    load_balancer(&path, &spec, errors);
    traffic_policies(&path, &spec, external, errors);
    if let Some(distribution) = spec.traffic_distribution.as_deref()
        && !DISTRIBUTIONS.contains(&distribution)
    {
        errors.not_supported(&path.child("trafficDistribution"), distribution, &DISTRIBUTIONS);
    }
}

fn load_balancer(path: &Path, spec: &v1::ServiceSpec, errors: &mut Errors) {
    let at = path.child("allocateLoadBalancerNodePorts");
    let is = spec.type_.as_deref() == Some("LoadBalancer");
    match spec.allocate_load_balancer_node_ports {
        None if is => errors.required(&at, ""),
        Some(_) if !is => errors.forbidden(&at, "may only be used when `type` is 'LoadBalancer'"),
        _ => {}
    }
    if !is && spec.load_balancer_class.is_some() {
        errors.forbidden(&path.child("loadBalancerClass"), "may only be used when `type` is 'LoadBalancer'");
    }
    let checks = is && spec.external_traffic_policy.as_deref() == Some("Local");
    if !checks && let Some(number) = spec.health_check_node_port.filter(|number| *number != 0) {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&path.child("healthCheckNodePort"), number, detail);
    }
}

fn external_name(path: &Path, spec: &v1::ServiceSpec, errors: &mut Errors) {
    if spec.cluster_ip.as_deref().is_some_and(|ip| !ip.is_empty()) {
        errors.forbidden(&path.child("clusterIPs").index(0), "may not be set for ExternalName services");
    }
    if spec.ip_families.as_ref().is_some_and(|families| !families.is_empty()) {
        errors.forbidden(&path.child("ipFamilies"), "may not be set for ExternalName services");
    }
    if spec.ip_family_policy.is_some() {
        errors.forbidden(&path.child("ipFamilyPolicy"), "may not be set for ExternalName services");
    }
    match spec.external_name.as_deref().unwrap_or_default().trim_end_matches('.') {
        "" => errors.required(&path.child("externalName"), ""),
        name => errors.complaints(&path.child("externalName"), name, is_dns1123_subdomain(name)),
    }
}

fn service_port<'a>(
    path: &Path,
    found: &'a v1::ServicePort,
    name_needed: bool,
    names: &mut BTreeSet<&'a str>,
    errors: &mut Errors,
) {
    match found.name.as_deref().unwrap_or_default() {
        "" if name_needed => errors.required(&path.child("name"), ""),
        "" => {}
        name => {
            errors.complaints(&path.child("name"), name, is_dns1123_label(name));
            if !names.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
        }
    }
    port_number(&path.child("port"), found.port, errors);
    errors.one_of(&path.child("protocol"), found.protocol.as_deref(), &["SCTP", "TCP", "UDP"]);
    if let Some(target) = &found.target_port {
        port(&path.child("targetPort"), target, errors);
    }
}

/// Node ports, then ports, that are there twice.
fn duplicates(path: &Path, ports: &[v1::ServicePort], errors: &mut Errors) {
    let mut node_ports = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        if let Some(number) = found.node_port.filter(|number| *number != 0)
            && !node_ports.insert((found.protocol.as_deref(), number))
        {
            errors.duplicate(&path.index(index).child("nodePort"), number);
        }
    }
    let mut taken = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        if !taken.insert((found.protocol.as_deref(), found.port)) {
            errors.duplicate(&path.index(index), json!({"protocol": found.protocol, "port": found.port}));
        }
    }
}

fn traffic_policies(path: &Path, spec: &v1::ServiceSpec, external: bool, errors: &mut Errors) {
    let at = path.child("externalTrafficPolicy");
    let reachable = external
        || spec.type_.as_deref() == Some("ClusterIP") && spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty());
    match spec.external_traffic_policy.as_deref().filter(|policy| !policy.is_empty()) {
        Some(policy) if !reachable => {
            errors.invalid(&at, policy, "may only be set for externally-accessible services");
        }
        policy if reachable => errors.one_of(&at, policy, &["Cluster", "Local"]),
        _ => {}
    }
    if let Some(policy) = spec.internal_traffic_policy.as_deref()
        && !["Cluster", "Local"].contains(&policy)
    {
        errors.not_supported(&path.child("internalTrafficPolicy"), policy, &["Cluster", "Local"]);
    }
}

pub(super) fn ingress(ingress: &networking::Ingress, errors: &mut Errors) {
    let spec = ingress.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    let rules = spec.rules.as_deref().unwrap_or_default();
    if rules.is_empty() && spec.default_backend.is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.invalid(&path, super::shown(&spec), detail);
    }
    if let Some(found) = &spec.default_backend {
        backend(&path.child("defaultBackend"), found, errors);
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.child("rules").index(index);
        let host = rule.host.as_deref().unwrap_or_default();
        if !host.is_empty() && !host.starts_with("*.") {
            errors.complaints(&path.child("host"), host, is_dns1123_subdomain(host));
        }
        let Some(http) = &rule.http else { continue };
        let path = path.child("http").child("paths");
        if http.paths.is_empty() {
            errors.required(&path, "");
        }
        for (index, found) in http.paths.iter().enumerate() {
            http_path(&path.index(index), found, errors);
        }
    }
}

fn http_path(path: &Path, found: &networking::HTTPIngressPath, errors: &mut Errors) {
    let text = found.path.as_deref().unwrap_or_default();
    match found.path_type.as_str() {
        "" => errors.required(&path.child("pathType"), "pathType must be specified"),
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                errors.invalid(&path.child("path"), text, "must be an absolute path");
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                errors.invalid(&path.child("path"), text, "must be an absolute path");
            }
        }
        other => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.not_supported(&path.child("pathType"), Value::from(other), &supported);
        }
    }
    backend(&path.child("backend"), &found.backend, errors);
}

fn backend(path: &Path, found: &networking::IngressBackend, errors: &mut Errors) {
    match (&found.service, &found.resource) {
        (Some(_), Some(_)) => {
            errors.invalid(path, "", "cannot set both resource and service backends");
        }
        (Some(service), None) => {
            if service.name.is_empty() {
                errors.required(&path.child("service").child("name"), "");
            }
            let port = service.port.clone().unwrap_or_default();
            if port.name.is_none() && port.number.is_none() {
                errors.required(path, "port name or number is required");
            }
        }
        (None, Some(_)) => {}
        (None, None) => errors.required(path, "resource or service backend is required"),
    }
}
