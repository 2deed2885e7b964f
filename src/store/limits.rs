//! LimitRanger: what the LimitRanges of a namespace give to containers that name nothing, and what they refuse.
//! Upstream: `plugin/pkg/admission/limitranger`.
//!
//! Upstream goes through ranges and resources in no order: here it is that of their names.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1;

use super::quota::forbidden;
use super::{AdmissionPlugin, Store};
use crate::api::quota::{Amounts, pod_limits, pod_requests};
use crate::api::{Kind, Name, Object, Quantity};
use crate::event::ApiError;

/// The annotation that tells what a pod was given.
pub(super) const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// Amounts above this are compared in whole units. Upstream: `resource.MaxMilliValue`.
const MAX_MILLI: i64 = i64::MAX / 1000;

impl Store {
    /// The limits of each LimitRange of a namespace.
    fn limit_ranges(&self, namespace: &Name) -> Vec<Vec<v1::LimitRangeItem>> {
        let ranges = self.untyped_in(Kind::LimitRange, namespace);
        let specs = ranges.iter().filter_map(|range| range.body.fields.get("spec"));
        let read = |spec: &serde_json::Value| serde_json::from_value::<v1::LimitRangeSpec>(spec.clone()).ok();
        specs.filter_map(read).map(|spec| spec.limits).collect()
    }

    /// Gives the containers of a new pod what they do not name; tells what that was.
    pub(super) fn set_default_resources(&self, spec: &mut v1::PodSpec, namespace: &Name) -> Option<Name> {
        let mut told = None;
        for limits in self.limit_ranges(namespace) {
            told = merge(spec, &limits).or(told);
        }
        told.map(|told| ecow::eco_format!("LimitRanger plugin set: {told}"))
    }

    /// Refuses pods and claims that are outside of the limits.
    pub(super) fn check_limits(&self, object: &Object) -> Result<(), ApiError> {
        if !self.settings.disabled_plugins.allow(AdmissionPlugin::LimitRanger) {
            return Ok(());
        }
        let meta = object.meta();
        let errors = match object {
            Object::Pod(pod) => pod_errors(&pod.body.spec.full, &self.limit_ranges(&meta.namespace).concat()),
            Object::Untyped(claim) if meta.id.kind == Kind::PersistentVolumeClaim && !meta.is_terminating() => {
                let spec = claim.body.fields.get("spec");
                let requests = spec.and_then(|spec| spec.get("resources")?.get("requests"));
                claim_errors(&Amounts::read(requests), &self.limit_ranges(&meta.namespace).concat())
            }
            _ => return Ok(()),
        };
        let why = match errors.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            // Upstream's aggregate tells the same thing once.
            many => {
                let mut seen = BTreeSet::new();
                let distinct: Vec<&str> = many.iter().map(String::as_str).filter(|one| seen.insert(*one)).collect();
                if distinct.len() == 1 { distinct[0].to_owned() } else { format!("[{}]", distinct.join(", ")) }
            }
        };
        Err(forbidden(self.info(object.kind()), &meta.name, &why))
    }
}

type List = BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// Upstream: `mergePodResourceRequirements`.
fn merge(spec: &mut v1::PodSpec, limits: &[v1::LimitRangeItem]) -> Option<String> {
    let mut defaults: [List; 2] = [List::new(), List::new()];
    for item in limits.iter().filter(|item| item.type_ == "Container") {
        defaults[0].extend(item.default_request.clone().into_iter().flatten());
        defaults[1].extend(item.default.clone().into_iter().flatten());
    }
    let mut told: Vec<String> = Vec::new();
    let containers = spec.containers.iter_mut().map(|container| ("container", container));
    let at_start = spec.init_containers.iter_mut().flatten().map(|container| ("init container", container));
    for (what, container) in containers.chain(at_start) {
        for (which, defaults) in ["request", "limit"].into_iter().zip(&defaults) {
            let mut set: Vec<&str> = Vec::new();
            for (name, amount) in defaults {
                let resources = container.resources.get_or_insert_default();
                let list = if which == "request" { &mut resources.requests } else { &mut resources.limits };
                let list = list.get_or_insert_default();
                if !list.contains_key(name) {
                    list.insert(name.clone(), amount.clone());
                    set.push(name);
                }
            }
            if !set.is_empty() {
                told.push(format!("{} {which} for {what} {}", set.join(", "), container.name));
            }
        }
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// Upstream: `PodValidateLimitFunc`.
fn pod_errors(spec: &v1::PodSpec, limits: &[v1::LimitRangeItem]) -> Vec<String> {
    let mut errors = Vec::new();
    for item in limits {
        match item.type_.as_str() {
            "Container" => {
                for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
                    let resources = container.resources.as_ref();
                    let requests = Amounts::of_list(resources.and_then(|resources| resources.requests.as_ref()));
                    let limits = Amounts::of_list(resources.and_then(|resources| resources.limits.as_ref()));
                    check_item(item, &requests, &limits, &mut errors);
                }
            }
            "Pod" => check_item(item, &pod_requests(spec, false), &pod_limits(spec, false), &mut errors),
            _ => {}
        }
    }
    errors
}

/// Upstream: `PersistentVolumeClaimValidateLimitFunc`.
fn claim_errors(requests: &Amounts, limits: &[v1::LimitRangeItem]) -> Vec<String> {
    let mut errors = Vec::new();
    for item in limits.iter().filter(|item| item.type_ == "PersistentVolumeClaim") {
        for (name, least) in Amounts::of_list(item.min.as_ref()).iter() {
            errors.extend(below(&item.type_, name, least, requests.get(name), None));
        }
        for (name, most) in Amounts::of_list(item.max.as_ref()).iter() {
            let text = format!("maximum {name} usage per {} is {most}", item.type_);
            match requests.get(name) {
                None => errors.push(format!("{text}.  No request is specified")),
                Some(request) if is_more(request, most) => {
                    errors.push(format!("{text}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
    }
    errors
}

fn check_item(item: &v1::LimitRangeItem, requests: &Amounts, limits: &Amounts, errors: &mut Vec<String>) {
    for (name, least) in Amounts::of_list(item.min.as_ref()).iter() {
        errors.extend(below(&item.type_, name, least, requests.get(name), limits.get(name)));
    }
    for (name, most) in Amounts::of_list(item.max.as_ref()).iter() {
        errors.extend(above(&item.type_, name, most, requests.get(name), limits.get(name)));
    }
    for (name, ratio) in Amounts::of_list(item.max_limit_request_ratio.as_ref()).iter() {
        errors.extend(too_far_apart(&item.type_, name, ratio, requests.get(name), limits.get(name)));
    }
}

/// Upstream: `minConstraint`.
fn below(
    of: &str,
    name: &Name,
    least: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let text = format!("minimum {name} usage per {of} is {least}");
    match (request, limit) {
        (None, _) => Some(format!("{text}.  No request is specified")),
        (Some(request), _) if is_more(least, request) => Some(format!("{text}, but request is {request}")),
        (_, Some(limit)) if is_more(least, limit) => Some(format!("{text}, but limit is {limit}")),
        _ => None,
    }
}

/// Upstream: `maxConstraint`.
fn above(
    of: &str,
    name: &Name,
    most: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let text = format!("maximum {name} usage per {of} is {most}");
    match (request, limit) {
        (_, None) => Some(format!("{text}.  No limit is specified")),
        (_, Some(limit)) if is_more(limit, most) => Some(format!("{text}, but limit is {limit}")),
        (Some(request), _) if is_more(request, most) => Some(format!("{text}, but request is {request}")),
        _ => None,
    }
}

/// Upstream: `limitRequestRatioConstraint`.
fn too_far_apart(
    of: &str,
    name: &Name,
    most: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let text = format!("{name} max limit to request ratio per {of} is {most}");
    let Some(request) = request.filter(|request| !request.is_zero()) else {
        return Some(format!("{text}, but no request is specified or request is 0"));
    };
    let Some(limit) = limit.filter(|limit| !limit.is_zero()) else {
        return Some(format!("{text}, but no limit is specified or limit is 0"));
    };
    let (request, limit) = compared(request, limit);
    let ratio = limit as f64 / request as f64;
    let is_far = if most.value() <= MAX_MILLI {
        ratio * 1000.0 > most.milli_value() as f64
    } else {
        ratio > most.value() as f64
    };
    is_far.then(|| format!("{text}, but provided ratio is {ratio:.6}"))
}

fn is_more(one: &Quantity, other: &Quantity) -> bool {
    let (one, other) = compared(one, other);
    one > other
}

/// Two amounts in thousandths, or in whole units where they are large. Upstream: `requestLimitEnforcedValues`.
fn compared(one: &Quantity, other: &Quantity) -> (i64, i64) {
    if one.value() <= MAX_MILLI && other.value() <= MAX_MILLI {
        (one.milli_value(), other.milli_value())
    } else {
        (one.value(), other.value())
    }
}
