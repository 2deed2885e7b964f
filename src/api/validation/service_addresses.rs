//! Cluster IPs and families of Services, and what of them may change. Upstream: `ValidateServiceClusterIPsRelatedFields`,
//! `validateUpgradeDowngradeClusterIPs`, `validateUpgradeDowngradeIPFamilies`, `validateLoadBalancerClassField`. Left
//! out: addresses with leading zeros, which upstream reads for old objects.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use serde_json::json;

use super::field::{Errors, Path};

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
const POLICIES: [&str; 3] = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const SET_ONCE: &str = "may not change once set";

fn spec_path(field: &str) -> Path {
    Path::new("spec").child(field)
}

fn ips(spec: &ServiceSpec) -> &[String] {
    spec.cluster_ips.as_deref().unwrap_or_default()
}

fn families(spec: &ServiceSpec) -> &[String] {
    spec.ip_families.as_deref().unwrap_or_default()
}

fn is_external_name(spec: &ServiceSpec) -> bool {
    spec.type_.as_deref() == Some("ExternalName")
}

fn is_headless(spec: &ServiceSpec) -> bool {
    matches!(ips(spec), [only] if only == "None")
}

pub(super) fn addresses(spec: &ServiceSpec, errors: &mut Errors) {
    if is_external_name(spec) {
        return;
    }
    let (at_ips, at_families) = (spec_path("clusterIPs"), spec_path("ipFamilies"));
    let (ips, families) = (ips(spec), families(spec));
    match (spec.cluster_ip.as_deref().unwrap_or_default(), ips.first()) {
        ("", None) => {}
        ("", Some(_)) => errors.invalid(&at_ips, json!(ips), "must be empty when `clusterIP` is not specified"),
        (_, None) => errors.required(&at_ips, ""),
        (single, Some(first)) if single == first => {}
        (_, Some(_)) => errors.invalid(&at_ips, json!(ips), "first value must match `clusterIP`"),
    }
    let mut seen = BTreeSet::new();
    for (index, family) in families.iter().enumerate() {
        if !FAMILIES.contains(&family.as_str()) {
            errors.not_supported(&at_families.index(index), family.as_str(), &FAMILIES);
        }
        if !seen.insert(family) {
            errors.duplicate(&at_families.index(index), family.as_str());
        }
    }
    if let Some(policy) = spec.ip_family_policy.as_deref().filter(|policy| !POLICIES.contains(policy)) {
        errors.not_supported(&spec_path("ipFamilyPolicy"), policy, &POLICIES);
    }
    let mut are_addresses = true;
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && ip == "None" {
            if ips.len() > 1 {
                are_addresses = false;
                errors.invalid(&at_ips, json!(ips), "'None' must be the first and only value");
            }
        } else if ip.parse::<IpAddr>().is_err() {
            are_addresses = false;
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.invalid(&at_ips.index(index), ip.as_str(), detail);
        }
    }
    if ips.len() > 2 {
        errors.invalid(&at_ips, json!(ips), "may only hold up to 2 values");
    }
    if !are_addresses {
        return;
    }
    let is_v6 = |ip: &String| ip.contains(':');
    if ips.len() > 1 && (ips.iter().all(is_v6) || !ips.iter().any(is_v6)) {
        errors.invalid(&at_ips, json!(ips), "may specify no more than one IP for each IP family");
    }
    for (index, (ip, family)) in ips.iter().zip(families).enumerate().filter(|_| !is_headless(spec)) {
        if FAMILIES.contains(&family.as_str()) && is_v6(ip) != (family == "IPv6") {
            let detail = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(&at_ips.index(index), ip.as_str(), detail);
        }
    }
}

/// What an update may do to the addresses of a Service.
pub(super) fn update(new: &Service, old: &Service, errors: &mut Errors) {
    let (new, old) = (new.spec.clone().unwrap_or_default(), old.spec.clone().unwrap_or_default());
    if !is_external_name(&new) && !is_external_name(&old) {
        cluster_ips(&new, &old, errors);
        if !is_headless(&new) && !is_headless(&old) {
            ip_families(&new, &old, errors);
        }
    }
    load_balancer_class(&new, &old, errors);
}

fn cluster_ips(new: &ServiceSpec, old: &ServiceSpec, errors: &mut Errors) {
    if is_headless(old) && is_headless(new) {
        return;
    }
    let (was, is, at) = (ips(old), ips(new), spec_path("clusterIPs"));
    if was.len() == is.len() {
        for (index, _) in was.iter().zip(is).enumerate().filter(|(_, (was, is))| was != is) {
            errors.invalid(&at.index(index), json!(is), SET_ONCE);
        }
        return;
    }
    if is.is_empty() {
        errors.invalid(&at.index(0), json!(is), "primary clusterIP can not be unset");
    } else if !was.is_empty() && was[0] != is[0] {
        errors.invalid(&at.index(0), json!(is), SET_ONCE);
    }
    released(new, is.len() == 1 && was.len() > 1, "clusterIP", errors);
}

fn ip_families(new: &ServiceSpec, old: &ServiceSpec, errors: &mut Errors) {
    let (was, is, at) = (families(old), families(new), spec_path("ipFamilies"));
    if was.len() == is.len() {
        if was != is {
            errors.invalid(&at.index(0), json!(is), SET_ONCE);
        }
        return;
    }
    if was.len() > is.len() && ips(new).is_empty() {
        errors.invalid(&at.index(0), json!(is), "primary ipFamily can not be unset");
    }
    if let (Some(was), Some(is)) = (was.first(), is.first())
        && was != is
    {
        errors.invalid(&at.index(0), json!(ips(new)), SET_ONCE);
    }
    released(new, is.len() == 1 && was.len() > 1, "ipFamily", errors);
}

/// Who gives the second one up must say so.
fn released(new: &ServiceSpec, is_released: bool, what: &str, errors: &mut Errors) {
    if is_released && new.ip_family_policy.as_deref() != Some("SingleStack") {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        errors.invalid(&spec_path("ipFamilyPolicy"), json!(new.ip_family_policy), detail);
    }
}

fn load_balancer_class(new: &ServiceSpec, old: &ServiceSpec, errors: &mut Errors) {
    let is = |spec: &ServiceSpec| spec.type_.as_deref() == Some("LoadBalancer");
    if is(new) && is(old) && new.load_balancer_class != old.load_balancer_class {
        errors.invalid(&spec_path("loadBalancerClass"), json!(new.load_balancer_class), SET_ONCE);
    }
}
