//! Changes in words, as a good compiler would suggest them.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Change, listed, nodes};
use crate::api::quantity::{Format, Quantity};
use crate::api::{Name, Selector};

/// How many names a sentence lists.
const NAMES: usize = 3;

/// `lowering cpu by 300m (to 1700m)`.
pub(super) fn change(change: &Change) -> String {
    match change {
        Change::LowerRequest { resource, from, to: 0 } => {
            format!("without its request of {} {resource}", amount(resource, *from))
        }
        Change::LowerRequest { resource, from, to } => {
            format!("lowering {resource} by {} (to {})", amount(resource, from - to), amount(resource, *to))
        }
        Change::Tolerate { key, value, effect } => format!("tolerating taint {}", taint(key, value, effect)),
        Change::Uncordon => {
            "uncordoning the node (or tolerating node.kubernetes.io/unschedulable:NoSchedule)".to_owned()
        }
        Change::DropSelector { key, value } => format!("without {key}={value} in its node selector"),
        Change::DropRequirement { requirement, .. } => format!("without {requirement} in its required node affinity"),
        Change::DropHostPort { port, protocol, ip } if ip == "0.0.0.0" => {
            format!("without host port {port}/{protocol}")
        }
        Change::DropHostPort { port, protocol, ip } => format!("without host port {ip}:{port}/{protocol}"),
        Change::LoosenSpread { topology_key, to: None, .. } => {
            format!("without the spread constraint on {topology_key}")
        }
        Change::LoosenSpread { topology_key, from, to: Some(to), .. } => {
            format!("raising maxSkew from {from} to {to} in the spread constraint on {topology_key}")
        }
        Change::DropAffinityTerm { anti, topology_key, selector, .. } => {
            let (kind, whom) = (if *anti { "anti-affinity" } else { "affinity" }, pods(selector));
            format!("without the required {kind} to {whom} by {topology_key}")
        }
        Change::DropVolume { name, claim } => format!("without volume {name} (claim {claim})"),
        Change::DropResourceClaims => "without its resource claims".to_owned(),
        Change::RemoveGates => "removing its scheduling gates".to_owned(),
        Change::RaisePriority { from, to } => format!("raising its priority from {from} to {to}"),
    }
}

/// `lowering cpu by 300m (to 1700m) places it on 3 nodes: a, b, c`.
pub(super) fn remedy(changes: &[Change], on: &[Name], victims: &[String]) -> String {
    let changes: Vec<String> = changes.iter().map(change).collect();
    let changes = changes.join(" and ");
    if victims.is_empty() {
        format!("{changes} places it on {}: {}", nodes(on.len()), listed(on, NAMES))
    } else {
        format!("{changes} lets it preempt {} on {}", listed(victims, NAMES), listed(on, NAMES))
    }
}

fn taint(key: &str, value: &str, effect: &str) -> String {
    if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") }
}

fn pods(selector: &str) -> String {
    if selector.is_empty() { "any pod".to_owned() } else { format!("pods with {selector}") }
}

/// An amount of a resource as people write it.
fn amount(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" if amount % 1000 == 0 => (amount / 1000).to_string(),
        "cpu" => format!("{amount}m"),
        "memory" | "ephemeral-storage" => Quantity::from_value(amount, Format::BinarySI).to_string(),
        _ if resource.starts_with("hugepages-") => Quantity::from_value(amount, Format::BinarySI).to_string(),
        _ => amount.to_string(),
    }
}

/// A requirement of node affinity as label selectors print it.
pub(super) fn requirement(requirement: &v1::NodeSelectorRequirement) -> String {
    let (key, values) = (&requirement.key, requirement.values.iter().flatten().cloned().collect::<Vec<_>>());
    let values = listed(&values, NAMES);
    match requirement.operator.as_str() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "Exists" => key.clone(),
        "DoesNotExist" => format!("!{key}"),
        "Gt" => format!("{key}>{values}"),
        "Lt" => format!("{key}<{values}"),
        other => format!("{key} {other} ({values})"),
    }
}

/// A label selector as kubectl prints it.
pub(super) fn selector(selector: Option<&LabelSelector>) -> String {
    Selector::from_label_selector(selector).map_or_else(|error| error, |selector| selector.to_string())
}
