//! Changes that a person could make to a pod so that it asks for less.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use serde::Serialize;

use super::words;
use crate::api::{Name, Obj, Pod, PodSpec};
use crate::scheduler::nodes::is_scalar_resource;
use crate::scheduler::{Cluster, Effect, HostPort, NodeView, Taint, tolerates};

/// How a cordoned node is tolerated.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The most different taints that are tried.
const TAINTS_MAX: usize = 32;

/// One change of a pod.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub enum Change {
    /// It requests less of a resource: in millicores, bytes or pieces, over all containers.
    LowerRequest {
        /// The resource.
        resource: Name,
        /// What it requests.
        from: i64,
        /// What it should request.
        to: i64,
    },
    /// It tolerates a taint.
    Tolerate {
        /// The taint's key.
        key: Name,
        /// The taint's value; empty where it has none.
        value: Name,
        /// The taint's effect.
        effect: &'static str,
    },
    /// The node is uncordoned, or the pod tolerates that it is not.
    Uncordon,
    /// An entry of `nodeSelector` goes.
    DropSelector {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A requirement of a term of required node affinity goes.
    DropRequirement {
        /// The number of the term.
        term: usize,
        /// Whether it is one of `matchFields`.
        of_fields: bool,
        /// Its number in its list.
        number: usize,
        /// The requirement as selectors print it.
        requirement: String,
    },
    /// A port of the host goes.
    DropHostPort {
        /// The number.
        port: i32,
        /// The protocol.
        protocol: Name,
        /// The address; `0.0.0.0` for all.
        ip: Name,
    },
    /// A spread constraint gets a larger `maxSkew`, or goes.
    LoosenSpread {
        /// The number of the constraint.
        number: usize,
        /// Its `topologyKey`.
        topology_key: String,
        /// Its `maxSkew`.
        from: i32,
        /// What it should be; absent: the constraint goes.
        to: Option<i32>,
    },
    /// A term of required pod affinity or anti-affinity goes.
    DropAffinityTerm {
        /// Whether it is one of anti-affinity.
        anti: bool,
        /// The number of the term.
        number: usize,
        /// Its `topologyKey`.
        topology_key: String,
        /// Its selector.
        selector: String,
    },
    /// A volume goes.
    DropVolume {
        /// Its name.
        name: String,
        /// The claim, if it is one.
        claim: String,
    },
    /// The resource claims go.
    DropResourceClaims,
    /// The scheduling gates go.
    RemoveGates,
    /// It gets a higher priority, so that it may preempt others.
    RaisePriority {
        /// What it is.
        from: i32,
        /// What it should be.
        to: i32,
    },
}

impl Change {
    /// Every change of the pod that asks for less, each as far as it goes.
    pub(super) fn all(cluster: &Cluster, pod: &Obj<Pod>) -> Vec<Change> {
        let full = &pod.body.spec.full;
        let mut all = Vec::new();
        all.extend(requests(&pod.body.spec));
        all.extend(taints(cluster, pod.body.spec.tolerations()));
        let selector = full.node_selector.iter().flatten();
        all.extend(selector.map(|(key, value)| Change::DropSelector { key: key.clone(), value: value.clone() }));
        for (term, terms) in required_terms(full).iter().enumerate() {
            let lists = [(&terms.match_expressions, false), (&terms.match_fields, true)];
            for (list, of_fields) in lists {
                all.extend(list.iter().flatten().enumerate().map(|(number, requirement)| Change::DropRequirement {
                    term,
                    of_fields,
                    number,
                    requirement: words::requirement(requirement),
                }));
            }
        }
        all.extend(HostPort::of_pod(&pod.body.spec).into_iter().map(|port| Change::DropHostPort {
            port: port.port,
            protocol: port.protocol,
            ip: port.ip,
        }));
        let constraints = full.topology_spread_constraints.iter().flatten().enumerate();
        let hard = constraints.filter(|(_, constraint)| constraint.when_unsatisfiable == "DoNotSchedule");
        all.extend(hard.map(|(number, constraint)| Change::LoosenSpread {
            number,
            topology_key: constraint.topology_key.clone(),
            from: constraint.max_skew,
            to: None,
        }));
        for anti in [false, true] {
            all.extend(affinity_terms(full, anti).iter().enumerate().map(|(number, term)| Change::DropAffinityTerm {
                anti,
                number,
                topology_key: term.topology_key.clone(),
                selector: words::selector(term.label_selector.as_ref()),
            }));
        }
        let claim = |volume: &v1::Volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(claim.claim_name.clone()),
            (None, Some(_)) => Some(format!("{}-{}", pod.meta.name, volume.name)),
            (None, None) => None,
        };
        let volumes = full.volumes.iter().flatten();
        all.extend(
            volumes.filter_map(|volume| Some(Change::DropVolume { name: volume.name.clone(), claim: claim(volume)? })),
        );
        all.extend(
            full.resource_claims.as_ref().filter(|claims| !claims.is_empty()).map(|_| Change::DropResourceClaims),
        );
        all
    }

    /// How much is given up, in thousandths of something that was asked for.
    pub(super) fn cost(&self) -> i64 {
        match self {
            Change::LowerRequest { from, to, .. } => {
                let share = i128::from(from - to) * 1000 / i128::from((*from).max(1));
                i64::try_from(share).unwrap_or(1000)
            }
            Change::Uncordon => 400,
            Change::LoosenSpread { from, to: Some(to), .. } => 300 + 10 * i64::from(to - from).min(50),
            Change::Tolerate { .. } => 500,
            Change::RaisePriority { .. } => 900,
            Change::DropSelector { .. }
            | Change::DropRequirement { .. }
            | Change::DropHostPort { .. }
            | Change::LoosenSpread { to: None, .. }
            | Change::DropAffinityTerm { .. }
            | Change::DropVolume { .. }
            | Change::DropResourceClaims
            | Change::RemoveGates => 1000,
        }
    }
}

/// The pod with all of these changes.
pub(super) fn apply(pod: &Arc<Obj<Pod>>, changes: &[Change]) -> Arc<Obj<Pod>> {
    let mut full = pod.body.spec.full.clone();
    drop_requirements(&mut full, changes);
    drop_numbered(&mut full, changes);
    changes.iter().for_each(|change| apply_one(&mut full, change));
    let mut spec = PodSpec::new(full);
    let lowered = Arc::make_mut(&mut spec);
    // What has been lowered already is the sum over all containers: which of them gives it up makes no difference.
    lowered.requests = pod.body.spec.requests.clone();
    lowered.non_zero_requests = pod.body.spec.non_zero_requests.clone();
    for change in changes {
        if let Change::LowerRequest { resource, to, .. } = change {
            set_request(lowered, resource, *to);
        }
    }
    let mut changed = pod.clone();
    Arc::make_mut(&mut changed).body.spec = spec;
    changed
}

/// What has no number in a list.
fn apply_one(full: &mut v1::PodSpec, change: &Change) {
    match change {
        Change::Tolerate { key, value, effect } => full.tolerations.get_or_insert_default().push(v1::Toleration {
            key: Some(key.to_string()),
            operator: Some("Equal".to_owned()),
            value: Some(value.to_string()),
            effect: Some((*effect).to_owned()),
            toleration_seconds: None,
        }),
        Change::Uncordon => full.tolerations.get_or_insert_default().push(v1::Toleration {
            key: Some(UNSCHEDULABLE.to_owned()),
            operator: Some("Exists".to_owned()),
            value: None,
            effect: Some(Effect::NoSchedule.as_str().to_owned()),
            toleration_seconds: None,
        }),
        Change::DropSelector { key, .. } => {
            if let Some(selector) = &mut full.node_selector {
                selector.remove(key);
            }
        }
        Change::DropHostPort { port, protocol, ip } => drop_host_port(full, *port, protocol, ip),
        Change::DropVolume { name, .. } => full.volumes.iter_mut().for_each(|volumes| {
            volumes.retain(|volume| volume.name != *name);
        }),
        Change::DropResourceClaims => full.resource_claims = None,
        Change::RemoveGates => full.scheduling_gates = None,
        Change::RaisePriority { to, .. } => full.priority = Some(*to),
        Change::LowerRequest { .. }
        | Change::DropRequirement { .. }
        | Change::LoosenSpread { .. }
        | Change::DropAffinityTerm { .. } => {}
    }
}

fn requests(spec: &PodSpec) -> Vec<Change> {
    let asks = &spec.requests;
    let named = [("cpu", asks.milli_cpu), ("memory", asks.memory), ("ephemeral-storage", asks.ephemeral_storage)];
    let scalar = asks.scalar.iter().filter(|(name, _)| is_scalar_resource(name));
    let all = named.into_iter().map(|(name, amount)| (Name::from(name), amount));
    let all = all.chain(scalar.map(|(name, amount)| (name.clone(), *amount)));
    let asked = all.filter(|(_, from)| *from > 0);
    asked.map(|(resource, from)| Change::LowerRequest { resource, from, to: 0 }).collect()
}

fn set_request(spec: &mut PodSpec, resource: &Name, to: i64) {
    for requests in [&mut spec.requests, &mut spec.non_zero_requests] {
        match resource.as_str() {
            "cpu" => requests.milli_cpu = to,
            "memory" => requests.memory = to,
            "ephemeral-storage" => requests.ephemeral_storage = to,
            _ if to == 0 => {
                requests.scalar.remove(resource);
            }
            _ => {
                requests.scalar.insert(resource.clone(), to);
            }
        }
    }
}

/// What a node has left of a resource; never below zero.
pub(super) fn left_of(node: NodeView, resource: &Name) -> i64 {
    let row = node.row;
    let amount = |of: &BTreeMap<Name, i64>| of.get(resource).copied().unwrap_or(0);
    let (offered, used) = match resource.as_str() {
        "cpu" => (row.milli_cpu, row.used_milli_cpu),
        "memory" => (row.memory, row.used_memory),
        "ephemeral-storage" => (row.ephemeral_storage, row.used_ephemeral_storage),
        _ => (amount(&node.info.scalar), amount(&node.info.used_scalar)),
    };
    offered.saturating_sub(used).max(0)
}

/// The taints of all nodes that the pod does not tolerate, the most frequent first.
fn taints(cluster: &Cluster, tolerations: &[v1::Toleration]) -> Vec<Change> {
    let mut counts: BTreeMap<Taint, usize> = BTreeMap::new();
    let mut has_cordons = false;
    for node in cluster.nodes.order() {
        has_cordons |= cluster.nodes.row(*node).unschedulable;
        let taints = cluster.nodes.info(*node).node.iter().flat_map(|node| node.body.taints());
        for taint in taints.map(Taint::of) {
            let keeps_off = matches!(taint.effect, Effect::NoSchedule | Effect::NoExecute);
            if keeps_off && !tolerates(tolerations, &taint) {
                *counts.entry(taint).or_default() += 1;
            }
        }
    }
    let is_cordon = |taint: &Taint| taint.key == UNSCHEDULABLE && taint.effect == Effect::NoSchedule;
    has_cordons |= counts.keys().any(is_cordon);
    let mut taints: Vec<(Taint, usize)> = counts.into_iter().filter(|(taint, _)| !is_cordon(taint)).collect();
    taints.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let tolerate = |(taint, _): (Taint, usize)| Change::Tolerate {
        key: taint.key,
        value: taint.value,
        effect: taint.effect.as_str(),
    };
    let cordon = has_cordons.then_some(Change::Uncordon);
    cordon.into_iter().chain(taints.into_iter().take(TAINTS_MAX).map(tolerate)).collect()
}

fn required_terms(full: &v1::PodSpec) -> &[v1::NodeSelectorTerm] {
    let affinity = full.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    required.map_or(&[], |required| &required.node_selector_terms)
}

fn affinity_terms(full: &v1::PodSpec, anti: bool) -> &[v1::PodAffinityTerm] {
    let Some(affinity) = &full.affinity else { return &[] };
    let required = match anti {
        false => (affinity.pod_affinity.as_ref())
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref()),
        true => (affinity.pod_anti_affinity.as_ref())
            .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref()),
    };
    required.map_or(&[], Vec::as_slice)
}

/// Requirements go from the terms of required node affinity. Where a term loses all of them it allows every node, and
/// with it the whole affinity does.
fn drop_requirements(full: &mut v1::PodSpec, changes: &[Change]) {
    let affinity = full.affinity.as_mut().and_then(|affinity| affinity.node_affinity.as_mut());
    let Some(affinity) = affinity else { return };
    let Some(required) = &mut affinity.required_during_scheduling_ignored_during_execution else { return };
    let mut allows_all = false;
    for (at, terms) in required.node_selector_terms.iter_mut().enumerate() {
        let dropped = |wanted: bool| -> Vec<usize> {
            let number = |change: &Change| match change {
                Change::DropRequirement { term, of_fields, number, .. } if *term == at && *of_fields == wanted => {
                    Some(*number)
                }
                _ => None,
            };
            changes.iter().filter_map(number).collect()
        };
        let (expressions, fields) = (dropped(false), dropped(true));
        if expressions.is_empty() && fields.is_empty() {
            continue;
        }
        without(&mut terms.match_expressions, &expressions);
        without(&mut terms.match_fields, &fields);
        allows_all |= terms.match_expressions.is_none() && terms.match_fields.is_none();
    }
    if allows_all {
        affinity.required_during_scheduling_ignored_during_execution = None;
    }
}

/// What has a number in a list goes from it, or is changed in place.
fn drop_numbered(full: &mut v1::PodSpec, changes: &[Change]) {
    let (mut spread, mut terms) = (Vec::new(), [Vec::new(), Vec::new()]);
    for change in changes {
        match change {
            Change::LoosenSpread { number, to: None, .. } => spread.push(*number),
            Change::LoosenSpread { number, to: Some(to), .. } => {
                let constraints = full.topology_spread_constraints.as_mut();
                if let Some(constraint) = constraints.and_then(|constraints| constraints.get_mut(*number)) {
                    constraint.max_skew = *to;
                }
            }
            Change::DropAffinityTerm { anti, number, .. } => terms[usize::from(*anti)].push(*number),
            _ => {}
        }
    }
    without(&mut full.topology_spread_constraints, &spread);
    let Some(affinity) = &mut full.affinity else { return };
    if let Some(affinity) = &mut affinity.pod_affinity {
        without(&mut affinity.required_during_scheduling_ignored_during_execution, &terms[0]);
    }
    if let Some(affinity) = &mut affinity.pod_anti_affinity {
        without(&mut affinity.required_during_scheduling_ignored_during_execution, &terms[1]);
    }
}

/// A list without some of its items; none where nothing is left.
fn without<T>(list: &mut Option<Vec<T>>, numbers: &[usize]) {
    if let Some(items) = list {
        let mut at = 0..;
        items.retain(|_| at.next().is_none_or(|at| !numbers.contains(&at)));
    }
    if list.as_ref().is_some_and(Vec::is_empty) {
        *list = None;
    }
}

fn drop_host_port(full: &mut v1::PodSpec, port: i32, protocol: &str, ip: &str) {
    let filled = |text: &Option<String>, default: &str, wanted: &str| {
        text.as_deref().filter(|text| !text.is_empty()).unwrap_or(default) == wanted
    };
    let containers = full.containers.iter_mut().chain(full.init_containers.iter_mut().flatten());
    for given in containers.flat_map(|container| container.ports.iter_mut().flatten()) {
        if given.host_port == Some(port)
            && filled(&given.protocol, "TCP", protocol)
            && filled(&given.host_ip, "0.0.0.0", ip)
        {
            given.host_port = None;
        }
    }
}
