//! Which slices a Service is to have, with as few changes as possible to those that it has.
//! Upstream: `staging/src/k8s.io/endpointslice/reconciler.go`.
//!
//! Where upstream takes endpoints and slices in the random order of a map, they are taken in the order of their pods and
//! names.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::slice::{Slice, endpoint_key, ports_key};
use crate::api::{Name, Node, Obj, Pod};
use crate::controllers::service_view::{Family, Service};

/// What is to be sent for one family of addresses, in this order.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Changes {
    /// Slices to be created.
    pub(super) create: Vec<Slice>,
    /// Slices to be replaced.
    pub(super) update: Vec<Slice>,
    /// Slices to be deleted.
    pub(super) delete: Vec<Slice>,
    /// Pods that were left out, each with a sentence.
    pub(super) skipped: Vec<Name>,
}

/// The endpoints of one set of ports.
#[derive(Default)]
struct Group {
    ports: Vec<Value>,
    /// By position and identity.
    wanted: BTreeMap<String, Value>,
    /// In the order of their pods.
    order: Vec<String>,
}

/// Compares the pods of a Service with its slices of one family. Upstream: `reconcileByAddressType`.
pub(super) fn changes<'a>(
    service: &Service,
    pods: &[Arc<Obj<Pod>>],
    existing: Vec<Slice>,
    family: Family,
    max: usize,
    node: impl Fn(&Name) -> Option<&'a Obj<Node>>,
) -> Changes {
    let mut changes = Changes::default();
    let count = existing.len();
    let mut by_ports: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    for slice in existing {
        if slice.is_owned_by(service) {
            by_ports.entry(ports_key(&slice.ports)).or_default().push(slice);
        } else {
            changes.delete.push(slice);
        }
    }
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for pod in pods {
        let ports = service.ports(&pod.body);
        let group = groups.entry(ports_key(&ports)).or_default();
        group.ports = ports;
        let node_of_pod = node(&pod.body.node_name);
        if node_of_pod.is_none() && !service.publishes_not_ready() {
            let (meta, service) = (&pod.meta, &service.meta);
            changes.skipped.push(ecow::eco_format!(
                "skipping Pod {} for Service {}/{}: Node {} Not Found",
                meta.name,
                service.namespace,
                service.name,
                pod.body.node_name
            ));
            continue;
        }
        if let Some(endpoint) = service.endpoint(pod, node_of_pod, family) {
            let key = endpoint_key(&endpoint);
            if group.wanted.insert(key.clone(), endpoint).is_none() {
                group.order.push(key);
            }
        }
    }
    for (key, group) in groups {
        let existing = by_ports.remove(&key).unwrap_or_default();
        by_port_mapping(service, existing, group, family, max, &mut changes);
    }
    changes.delete.extend(by_ports.into_values().flatten());
    if count == changes.delete.len() && changes.create.is_empty() {
        let placeholder = service.new_slice(family, Vec::new());
        let is_placeholder = |slice: &Slice| {
            slice.meta.labels == placeholder.meta.labels
                && slice.meta.owners == placeholder.meta.owners
                && slice.ports.is_empty()
                && slice.endpoints.is_empty()
        };
        if changes.delete.len() == 1 && is_placeholder(&changes.delete[0]) {
            changes.delete.clear();
        } else {
            changes.create.push(placeholder);
        }
    }
    reuse(service, &mut changes);
    changes
}

/// Upstream: `reconcileByPortMapping`.
fn by_port_mapping(
    service: &Service,
    existing: Vec<Slice>,
    group: Group,
    family: Family,
    max: usize,
    changes: &mut Changes,
) {
    let Group { ports, mut wanted, order } = group;
    let (mut unchanged, mut updated) = (Vec::new(), Vec::new());
    for mut slice in existing {
        let kept: Vec<Value> = slice.endpoints.iter().filter_map(|found| wanted.remove(&endpoint_key(found))).collect();
        if kept != slice.endpoints {
            if kept.is_empty() {
                changes.delete.push(slice);
                continue;
            }
            slice.endpoints = kept;
            slice.meta.labels = service.slice_labels();
            updated.push(slice);
        } else if !slice.has_labels_of(service) {
            slice.meta.labels = service.slice_labels();
            updated.push(slice);
        } else {
            unchanged.push(slice);
        }
    }
    let mut left: std::collections::VecDeque<Value> = order.iter().filter_map(|key| wanted.remove(key)).collect();
    let fill = |slice: &mut Slice, left: &mut std::collections::VecDeque<Value>| {
        let room = max.saturating_sub(slice.endpoints.len()).min(left.len());
        slice.endpoints.extend(left.drain(..room));
    };
    updated.sort_by_key(|slice| std::cmp::Reverse(slice.endpoints.len()));
    updated.iter_mut().for_each(|slice| fill(slice, &mut left));
    while !left.is_empty() {
        let at = if left.len() < max { slice_to_fill(&unchanged, left.len(), max) } else { None };
        match at {
            Some(at) => {
                let mut slice = unchanged.remove(at);
                fill(&mut slice, &mut left);
                updated.push(slice);
            }
            None => {
                let mut slice = service.new_slice(family, ports.clone());
                fill(&mut slice, &mut left);
                changes.create.push(slice);
            }
        }
    }
    changes.update.extend(updated);
}

/// The slice that will be closest to full with so many endpoints more. Upstream: `getSliceToFill`.
fn slice_to_fill(slices: &[Slice], more: usize, max: usize) -> Option<usize> {
    let mut closest = (max, None);
    for (at, slice) in slices.iter().enumerate() {
        if let Some(room) = max.checked_sub(more + slice.endpoints.len())
            && room < closest.0
        {
            closest = (room, Some(at));
        }
    }
    closest.1
}

/// Slices that were to be deleted become those that were to be created. Upstream: the head of `finalize`.
fn reuse(service: &Service, changes: &mut Changes) {
    let mut kept = Vec::new();
    for old in std::mem::take(&mut changes.delete) {
        let fits = changes.create.last().is_some_and(|new| new.family == old.family && old.is_owned_by(service));
        match changes.create.pop_if(|_| fits) {
            Some(mut new) => {
                new.meta.id = old.meta.id;
                new.meta.name = old.meta.name;
                changes.update.push(new);
            }
            None => kept.push(old),
        }
    }
    changes.delete = kept;
}
