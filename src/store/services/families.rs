//! Which families of addresses a Service has: what is filled in where it does not say, and what does not fit.
//! Upstream: `pkg/registry/core/service/storage/alloc.go` (`initIPFamilyFields`), `rest.go` (`normalizeClusterIPs`,
//! `patchAllocatedValues`), `strategy.go` (`dropTypeDependentFields`).

use k8s_openapi::api::core::v1::ServiceSpec;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use crate::api::validation::{FieldError, FieldErrorKind};

/// `clusterIP` of a Service without an address of its own.
pub(super) const NONE: &str = "None";
const SINGLE_STACK: &str = "SingleStack";
const PREFER_DUAL_STACK: &str = "PreferDualStack";
const REQUIRE_DUAL_STACK: &str = "RequireDualStack";

pub(super) fn kind(spec: &ServiceSpec) -> &str {
    spec.type_.as_deref().unwrap_or_default()
}

/// `ExternalName`: a name in DNS and nothing else.
pub(super) fn is_external_name(spec: &ServiceSpec) -> bool {
    kind(spec) == "ExternalName"
}

pub(super) fn has_node_ports(spec: &ServiceSpec) -> bool {
    matches!(kind(spec), "NodePort" | "LoadBalancer")
}

/// Whether a load balancer asks each node if it has endpoints. Upstream: `NeedsHealthCheck`.
pub(super) fn needs_health_check(spec: &ServiceSpec) -> bool {
    kind(spec) == "LoadBalancer" && spec.external_traffic_policy.as_deref() == Some("Local")
}

fn is_externally_accessible(spec: &ServiceSpec) -> bool {
    has_node_ports(spec) || kind(spec) == "ClusterIP" && spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty())
}

pub(super) fn cluster_ip(spec: &ServiceSpec) -> &str {
    spec.cluster_ip.as_deref().unwrap_or_default()
}

pub(super) fn cluster_ips(spec: &ServiceSpec) -> &[String] {
    spec.cluster_ips.as_deref().unwrap_or_default()
}

pub(super) fn families(spec: &ServiceSpec) -> &[String] {
    spec.ip_families.as_deref().unwrap_or_default()
}

fn policy(spec: &ServiceSpec) -> &str {
    spec.ip_family_policy.as_deref().unwrap_or_default()
}

fn has_selector(spec: &ServiceSpec) -> bool {
    spec.selector.as_ref().is_some_and(|selector| !selector.is_empty())
}

fn invalid(path: impl Into<String>, value: Value, detail: impl Into<String>) -> FieldError {
    FieldError { path: path.into(), kind: FieldErrorKind::Invalid, value, detail: detail.into() }
}

/// Brings `clusterIP` and `clusterIPs` in step. Upstream: `normalizeClusterIPs`.
pub(super) fn align(new: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    let Some(old) = old else {
        if !cluster_ip(new).is_empty() && cluster_ips(new).is_empty() {
            new.cluster_ips = Some(vec![cluster_ip(new).to_owned()]);
        }
        return;
    };
    if cluster_ips(new).is_empty() && cluster_ip(old) == cluster_ip(new) {
        new.cluster_ips = old.cluster_ips.clone();
    }
    if cluster_ip(old) != cluster_ip(new) && cluster_ips(old) == cluster_ips(new) {
        let cleared = cluster_ip(new).is_empty() && !cluster_ip(old).is_empty();
        new.cluster_ips = (!cleared).then(|| vec![cluster_ip(new).to_owned()]);
    }
}

/// Fills in what was given to the Service before, where an update leaves it away. Upstream: `patchAllocatedValues`.
pub(super) fn keep_given(new: &mut ServiceSpec, old: &ServiceSpec) {
    if !is_external_name(old) && !is_external_name(new) {
        if cluster_ip(new).is_empty() {
            new.cluster_ip = old.cluster_ip.clone();
        }
        if cluster_ips(new).is_empty() {
            new.cluster_ips = old.cluster_ips.clone();
        }
    }
    if has_node_ports(old) && has_node_ports(new) {
        let used = |spec: &ServiceSpec| node_ports(spec).into_iter().collect::<BTreeSet<i32>>();
        let both: BTreeSet<i32> = used(old).intersection(&used(new)).copied().collect();
        let ports = old.ports.iter().flatten();
        let by_name: BTreeMap<&str, i32> =
            ports.map(|port| (port.name.as_deref().unwrap_or(""), port.node_port.unwrap_or(0))).collect();
        for port in new.ports.iter_mut().flatten().filter(|port| port.node_port.unwrap_or(0) == 0) {
            let before = by_name.get(port.name.as_deref().unwrap_or("")).copied().unwrap_or(0);
            port.node_port = Some(before).filter(|number| *number != 0 && !both.contains(number));
        }
    }
    if needs_health_check(old) && needs_health_check(new) && new.health_check_node_port.unwrap_or(0) == 0 {
        new.health_check_node_port = old.health_check_node_port;
    }
}

/// The node ports of its ports.
pub(super) fn node_ports(spec: &ServiceSpec) -> Vec<i32> {
    spec.ports.iter().flatten().filter_map(|port| port.node_port).filter(|number| *number != 0).collect()
}

/// Clears what no longer applies after a change of type, where the user has not touched it.
/// Upstream: `dropTypeDependentFields`.
pub(super) fn drop_by_type(new: &mut ServiceSpec, old: &ServiceSpec) {
    if !is_external_name(old) && is_external_name(new) {
        if cluster_ip(old) == cluster_ip(new) && cluster_ips(old) == cluster_ips(new) {
            (new.cluster_ip, new.cluster_ips) = (None, None);
        }
        if families(old) == families(new) {
            new.ip_families = None;
        }
        if policy(old) == policy(new) {
            new.ip_family_policy = None;
        }
    }
    if has_node_ports(old) && !has_node_ports(new) {
        let before = node_ports(old);
        if node_ports(new).iter().all(|number| before.contains(number)) {
            new.ports.iter_mut().flatten().for_each(|port| port.node_port = None);
        }
    }
    if needs_health_check(old) && !needs_health_check(new) && old.health_check_node_port == new.health_check_node_port {
        new.health_check_node_port = None;
    }
    if kind(old) == "LoadBalancer" && kind(new) != "LoadBalancer" {
        if old.allocate_load_balancer_node_ports == new.allocate_load_balancer_node_ports {
            new.allocate_load_balancer_node_ports = None;
        }
        if old.load_balancer_class == new.load_balancer_class {
            new.load_balancer_class = None;
        }
    }
    let same_policy = old.external_traffic_policy == new.external_traffic_policy;
    if is_externally_accessible(old) && !is_externally_accessible(new) && same_policy {
        new.external_traffic_policy = None;
    }
}

/// Whether nothing of an update concerns addresses, so that a change of the cluster's ranges does not reach the Service.
/// Upstream: `isMatchingPreferDualStackClusterIPFields`.
pub(super) fn is_untouched(new: &ServiceSpec, old: &ServiceSpec) -> bool {
    policy(new) == PREFER_DUAL_STACK
        && matches!(policy(old), "" | PREFER_DUAL_STACK)
        && kind(old) == kind(new)
        && !is_external_name(new)
        && cluster_ips(old) == cluster_ips(new)
        && families(old) == families(new)
}

/// Fills in `ipFamilyPolicy` and `ipFamilies`; `cluster` are the families of the cluster, the primary one first.
/// Upstream: `initIPFamilyFields`, after the checks that `validation` repeats.
pub(super) fn set(
    new: &mut ServiceSpec,
    old: Option<&ServiceSpec>,
    cluster: &[&'static str],
) -> Result<(), Vec<FieldError>> {
    if is_external_name(new) || old.is_some_and(|old| is_untouched(new, old)) {
        return Ok(());
    }
    let by_hand = cluster_ip(new) == NONE && !has_selector(new);
    if new.ip_family_policy.is_none() {
        let before = old.and_then(|old| old.ip_family_policy.clone());
        let default = if by_hand { REQUIRE_DUAL_STACK } else { SINGLE_STACK };
        new.ip_family_policy = Some(before.unwrap_or_else(|| default.to_owned()));
    }
    let wrong = crate::api::validation::service_addresses(new);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut errors = Vec::new();
    let single = policy(new) == SINGLE_STACK;
    match old {
        Some(old) if single => {
            if cluster_ips(old) == cluster_ips(new) {
                new.cluster_ips.iter_mut().for_each(|ips| ips.truncate(1));
            }
            if families(old) == families(new) {
                new.ip_families.iter_mut().for_each(|families| families.truncate(1));
            }
        }
        Some(old) => {
            let reduced = |new: &[String], old: &[String]| !new.is_empty() && new.len() < old.len();
            let mut refuse = |what: &str| {
                let detail = format!("must be 'SingleStack' to release the secondary {what}");
                errors.push(invalid("spec.ipFamilyPolicy", json!(policy(new)), detail));
            };
            if reduced(cluster_ips(new), cluster_ips(old)) {
                refuse("cluster IP");
            }
            if reduced(families(new), families(old)) {
                refuse("IP family");
            }
        }
        None => {}
    }
    for (count, what) in [(cluster_ips(new).len(), "cluster IPs"), (families(new).len(), "IP families")] {
        if single && count == 2 {
            let detail = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.push(invalid("spec.ipFamilyPolicy", json!(SINGLE_STACK), detail));
        }
    }
    infer_families(new, cluster, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    complete(new, by_hand, cluster)
}

/// The families of addresses that are named.
fn infer_families(new: &mut ServiceSpec, cluster: &[&'static str], errors: &mut Vec<FieldError>) {
    let named = cluster_ips(new).to_vec();
    for (index, address) in named.iter().enumerate().take_while(|(_, address)| *address != NONE) {
        if index < families(new).len() {
            continue;
        }
        let family = family_of(address);
        if cluster.contains(&family) {
            new.ip_families.get_or_insert_with(Vec::new).push(family.to_owned());
        } else {
            let detail = format!("{family} is not configured on this cluster");
            errors.push(invalid(format!("spec.clusterIPs[{index}]"), json!(named), detail));
        }
    }
}

/// The rest: the cluster's own family, and the other one where the policy wants both.
fn complete(new: &mut ServiceSpec, by_hand: bool, cluster: &[&'static str]) -> Result<(), Vec<FieldError>> {
    if !by_hand {
        let mut errors = Vec::new();
        if policy(new) == REQUIRE_DUAL_STACK && cluster.len() < 2 {
            let detail = "this cluster is not configured for dual-stack services";
            errors.push(invalid("spec.ipFamilyPolicy", json!(policy(new)), detail));
        }
        for (index, family) in families(new).iter().enumerate() {
            if !cluster.contains(&family.as_str()) {
                let path = format!("spec.ipFamilies[{index}]");
                errors.push(invalid(path, json!(family), "not configured on this cluster"));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    let dual = policy(new) != SINGLE_STACK && (by_hand || cluster.len() == 2);
    let families = new.ip_families.get_or_insert_with(Vec::new);
    if families.is_empty() {
        families.push(cluster[0].to_owned());
    }
    if dual && families.len() == 1 {
        families.push(if families[0] == "IPv4" { "IPv6" } else { "IPv4" }.to_owned());
    }
    Ok(())
}

/// The family of an address, as `ipFamilies` writes it.
pub(super) fn family_of(address: &str) -> &'static str {
    if address.contains(':') { "IPv6" } else { "IPv4" }
}
