//! Whether a pod that was bound to this node may run on it. Upstream: `pkg/kubelet/lifecycle/predicate.go`,
//! `scheduler.AdmissionCheck`.
//!
//! Resources first, then node selector and required node affinity, ports of the host, NoExecute taints. Left out:
//! preemption of others by critical pods, sidecars and operating systems that the node does not know.

use k8s_openapi::api::core::v1;

use crate::api::resources::Resources;
use crate::api::{Labels, Name, Node, Obj, PodSpec, Selector};

/// Why a pod is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    /// `status.reason`.
    pub(super) reason: Name,
    /// The reason of the Event.
    pub(super) event: &'static str,
    /// Upstream's sentence.
    pub(super) message: Name,
}

/// Whether `wanted` fits beside `used` by `pods` pods.
pub(super) fn fits(room: &Resources, used: &Resources, pods: i64, wanted: &Resources) -> Result<(), Refusal> {
    check("pods", 1, pods, room.pods)?;
    check("cpu", wanted.milli_cpu, used.milli_cpu, room.milli_cpu)?;
    check("memory", wanted.memory, used.memory, room.memory)?;
    check("ephemeral-storage", wanted.ephemeral_storage, used.ephemeral_storage, room.ephemeral_storage)?;
    for (name, amount) in &wanted.scalar {
        let of = |resources: &Resources| resources.scalar.get(name).copied().unwrap_or(0);
        check(name, *amount, of(used), of(room))?;
    }
    Ok(())
}

fn check(resource: &str, requested: i64, used: i64, capacity: i64) -> Result<(), Refusal> {
    if requested <= 0 || requested <= capacity - used {
        return Ok(());
    }
    let message = ecow::eco_format!(
        "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    );
    // Only the resources that upstream names and `pods` have shared words.
    let event = match resource {
        "cpu" => "OutOfcpu",
        "memory" => "OutOfmemory",
        "ephemeral-storage" => "OutOfephemeral-storage",
        "pods" => "OutOfpods",
        _ => "OutOfextended-resource",
    };
    Err(Refusal { reason: ecow::eco_format!("OutOf{resource}"), event, message })
}

/// Whether the node, as its kubelet knows it, suits the pod, beside the pods of `others`.
pub(super) fn suits<'a>(
    spec: &PodSpec,
    node: &Obj<Node>,
    others: impl Iterator<Item = &'a PodSpec>,
) -> Result<(), Refusal> {
    if !selects(spec, &node.meta.labels, &node.meta.name) {
        return Err(predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
    }
    let ports: Vec<_> = host_ports(spec).collect();
    if !ports.is_empty() && others.flat_map(host_ports).any(|taken| ports.iter().any(|port| clash(port, &taken))) {
        return Err(predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports"));
    }
    let untolerated = |taint: &&v1::Taint| {
        taint.effect == "NoExecute" && !spec.tolerations().iter().any(|toleration| tolerates(toleration, taint))
    };
    if node.body.taints().iter().any(|taint| untolerated(&taint)) {
        return Err(predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate"));
    }
    Ok(())
}

fn predicate(name: &'static str, why: &str) -> Refusal {
    Refusal { reason: name.into(), event: name, message: ecow::eco_format!("Predicate {name} failed: {why}") }
}

/// `nodeSelector` and required node affinity. Upstream: `nodeaffinity.GetRequiredNodeAffinity`.
fn selects(spec: &PodSpec, labels: &Labels, name: &str) -> bool {
    let label = |key: &str| labels.get(key).map(Name::as_str);
    let mut wanted = spec.full.node_selector.iter().flatten();
    if !wanted.all(|(key, value)| label(key) == Some(value)) {
        return false;
    }
    let affinity = spec.full.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let Some(required) = required else { return true };
    let field = |key: &str| (key == "metadata.name").then_some(name);
    let matches = |requirements: &Option<Vec<v1::NodeSelectorRequirement>>, by_field: bool| {
        let requirements = requirements.as_deref().unwrap_or_default();
        // Of the two lists of a term, one that is empty asks for nothing.
        requirements.is_empty()
            || Selector::from_node_requirements(requirements, "")
                .is_ok_and(|selector| if by_field { selector.matches(field) } else { selector.matches(label) })
    };
    required.node_selector_terms.iter().any(|term| {
        let is_empty = |list: &Option<Vec<v1::NodeSelectorRequirement>>| list.as_ref().is_none_or(Vec::is_empty);
        // A term without requirements matches nothing.
        !(is_empty(&term.match_expressions) && is_empty(&term.match_fields))
            && matches(&term.match_expressions, false)
            && matches(&term.match_fields, true)
    })
}

/// The ports of the host that a pod asks for: address, protocol, number.
fn host_ports(spec: &PodSpec) -> impl Iterator<Item = (&str, &str, i32)> {
    let sidecars = spec.init_containers().iter().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    spec.containers().iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten()).filter_map(|port| {
        let number = port.host_port.filter(|number| *number > 0)?;
        let address = port.host_ip.as_deref().filter(|address| !address.is_empty()).unwrap_or("0.0.0.0");
        Some((address, port.protocol.as_deref().unwrap_or("TCP"), number))
    })
}

fn clash(one: &(&str, &str, i32), other: &(&str, &str, i32)) -> bool {
    (one.1, one.2) == (other.1, other.2) && (one.0 == other.0 || one.0 == "0.0.0.0" || other.0 == "0.0.0.0")
}

/// Whether a pod tolerates the taint of a node under memory pressure.
pub(super) fn tolerates_memory_pressure(spec: &PodSpec) -> bool {
    let taint = v1::Taint {
        key: "node.kubernetes.io/memory-pressure".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..v1::Taint::default()
    };
    spec.tolerations().iter().any(|toleration| tolerates(toleration, &taint))
}

/// Upstream: `v1.Toleration.ToleratesTaint`.
fn tolerates(toleration: &v1::Toleration, taint: &v1::Taint) -> bool {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    given(&toleration.effect).is_none_or(|effect| effect == taint.effect)
        && given(&toleration.key).is_none_or(|key| key == taint.key)
        && match toleration.operator.as_deref() {
            Some("Exists") => true,
            Some("Equal" | "") | None => {
                toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
            }
            Some(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(milli_cpu: i64, memory: i64, pods: i64) -> Resources {
        Resources { milli_cpu, memory, pods, ..Resources::default() }
    }

    #[track_caller]
    fn refused(used: Resources, pods: i64, wanted: Resources, expected: Option<&str>) {
        let refusal = fits(&resources(1000, 4096, 3), &used, pods, &wanted).err();
        assert_eq!(refusal.as_ref().map(|refusal| refusal.message.as_str()), expected);
    }

    #[test]
    fn the_first_resource_that_is_short_is_named() {
        refused(resources(500, 0, 0), 1, resources(500, 4096, 0), None);
        refused(
            resources(600, 0, 0),
            1,
            resources(500, 5000, 0),
            Some("Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000"),
        );
        refused(
            resources(0, 4000, 0),
            1,
            resources(0, 97, 0),
            Some("Node didn't have enough resource: memory, requested: 97, used: 4000, capacity: 4096"),
        );
        refused(
            resources(0, 0, 0),
            3,
            resources(0, 0, 0),
            Some("Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"),
        );
    }
}
