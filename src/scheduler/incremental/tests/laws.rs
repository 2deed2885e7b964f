//! What no placement may do, judged without any of the plugins' code: take more than there is, worsen a hard spread,
//! break required anti-affinity. Not judged: labels that nodes lack, policies of spread constraints other than the
//! default ones, and `minDomains`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::api::{Meta, Name, Obj, Pod, Selector};
use crate::scheduler::{Cluster, NodeIndex};

fn selects(selector: Option<&LabelSelector>, meta: &Meta) -> bool {
    let selector = Selector::from_label_selector(selector).expect("the test's selector can be read");
    selector.matches(|key| meta.labels.get(key).map(Name::as_str))
}

/// What a pod that is about to come to a node would break.
pub(super) fn broken(cluster: &Cluster, pod: &Obj<Pod>, node: NodeIndex) -> Option<String> {
    overcommits(cluster, pod, node)
        .or_else(|| worsens_spread(cluster, pod, node))
        .or_else(|| breaks_anti_affinity(cluster, pod, node))
}

fn overcommits(cluster: &Cluster, pod: &Obj<Pod>, node: NodeIndex) -> Option<String> {
    let (row, info, asks) = (cluster.nodes.row(node), cluster.nodes.info(node), &pod.body.spec.requests);
    let amounts = [
        ("pods", 1, row.pods, row.max_pods),
        ("cpu", asks.milli_cpu, row.used_milli_cpu, row.milli_cpu),
        ("memory", asks.memory, row.used_memory, row.memory),
    ];
    let over = amounts.iter().find(|(_, asked, used, offered)| *asked > 0 && used + asked > *offered);
    let scalar = asks.scalar.iter().find(|(name, asked)| {
        let of = |amounts: &BTreeMap<Name, i64>| amounts.get(*name).copied().unwrap_or(0);
        **asked > 0 && of(&info.used_scalar) + **asked > of(&info.scalar)
    });
    let what = over.map(|(what, ..)| (*what).to_owned()).or(scalar.map(|(name, _)| name.to_string()));
    what.map(|what| format!("more {what} than there is"))
}

fn is_plain(constraint: &v1::TopologySpreadConstraint, spec: &v1::PodSpec) -> bool {
    constraint.when_unsatisfiable == "DoNotSchedule"
        && constraint.min_domains.is_none()
        && constraint.node_taints_policy.is_none()
        && spec.node_selector.is_none()
        && spec.affinity.as_ref().is_none_or(|affinity| affinity.node_affinity.is_none())
}

fn worsens_spread(cluster: &Cluster, pod: &Obj<Pod>, node: NodeIndex) -> Option<String> {
    let spec = &pod.body.spec.full;
    let hard: Vec<_> = spec.topology_spread_constraints.iter().flatten().filter(|c| is_plain(c, spec)).collect();
    for constraint in &hard {
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for other in cluster.nodes.order() {
            // Only nodes with the labels of all hard constraints count.
            if hard.iter().any(|hard| cluster.nodes.label(*other, &hard.topology_key).is_none()) {
                continue;
            }
            let Some(domain) = cluster.nodes.label(*other, &constraint.topology_key) else { continue };
            let counted = cluster.nodes.info(*other).pods.iter().filter(|there| {
                there.meta.namespace == pod.meta.namespace
                    && !there.meta.is_terminating()
                    && selects(constraint.label_selector.as_ref(), &there.meta)
            });
            *counts.entry(domain).or_default() += counted.count() as i64;
        }
        let own = i64::from(selects(constraint.label_selector.as_ref(), &pod.meta));
        let least = counts.values().min().copied().unwrap_or(0);
        let domain = cluster.nodes.label(node, &constraint.topology_key)?;
        let skew = counts.get(domain).copied().unwrap_or(0) + own - least;
        if skew > i64::from(constraint.max_skew) {
            return Some(format!("a skew of {skew} over {}", constraint.topology_key));
        }
    }
    None
}

fn anti_affinity(pod: &Obj<Pod>) -> impl Iterator<Item = &v1::PodAffinityTerm> {
    let affinity = pod.body.spec.full.affinity.as_ref();
    let anti = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    anti.and_then(|anti| anti.required_during_scheduling_ignored_during_execution.as_ref()).into_iter().flatten()
}

/// All pods of the test are in one namespace.
fn breaks_anti_affinity(cluster: &Cluster, pod: &Obj<Pod>, node: NodeIndex) -> Option<String> {
    let mut pods = cluster.pods.iter().filter(|there| cluster.nodes.row(there.node).present);
    pods.find_map(|there| {
        let shares = |term: &&v1::PodAffinityTerm| {
            let of = |node| cluster.nodes.label(node, &term.topology_key);
            of(node).is_some() && of(node) == of(there.node)
        };
        let is_averse = |one: &Obj<Pod>, other: &Obj<Pod>| {
            anti_affinity(one).filter(shares).any(|term| selects(term.label_selector.as_ref(), &other.meta))
        };
        let other = &there.pod;
        (is_averse(pod, other) || is_averse(other, pod)).then(|| format!("{} is averse to it", other.meta.name))
    })
}
