//! The subsets of an Endpoints object: addresses that have the same ports, ready ones and others.
//! Upstream: `pkg/controller/endpoint/endpoints_controller.go`, `pkg/api/v1/endpoints/util.go` (`RepackSubsets`).
//!
//! Upstream sorts subsets and ports by a hash of Go's printed form; here they are sorted by what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Obj, Pod};
use crate::controllers::service_view::Service;

/// The most addresses of an Endpoints object. Upstream: `maxCapacity`.
pub(super) const MAX: usize = 1000;

/// The addresses that share their ports.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Subset {
    /// Those that are asked.
    pub(super) ready: Vec<Value>,
    /// Those that are not.
    pub(super) not_ready: Vec<Value>,
    /// The ports.
    pub(super) ports: Vec<Value>,
}

/// An address by what makes it the same one: its text, the pod's uid.
type AddressKey = (String, String);

/// The subsets of a Service. Upstream: the middle of `syncService`, `addEndpointSubset`, `RepackSubsets`.
pub(super) fn subsets(service: &Service, pods: &[Arc<Obj<Pod>>]) -> Vec<Subset> {
    let mut addresses: BTreeMap<AddressKey, Value> = BTreeMap::new();
    let mut by_port: BTreeMap<String, (Option<Value>, BTreeMap<AddressKey, bool>)> = BTreeMap::new();
    for pod in pods {
        let Some((key, address)) = address(service, pod) else { continue };
        let is_ready = service.publishes_not_ready() || pod.body.is_ready();
        let mut add = |port: Option<Value>| {
            let text = port.as_ref().map_or_else(String::new, port_order);
            let (_, of_port) = by_port.entry(text).or_insert_with(|| (port, BTreeMap::new()));
            of_port.insert(key.clone(), is_ready);
        };
        if service.has_ports() {
            service.ports(&pod.body).into_iter().map(without_empty_name).for_each(|port| add(Some(port)));
        } else if service.is_headless_by_wish() {
            add(None);
        }
        addresses.insert(key, address);
    }
    let mut packed: BTreeMap<Vec<(AddressKey, bool)>, Vec<Value>> = BTreeMap::new();
    for (port, of_port) in by_port.into_values() {
        packed.entry(of_port.into_iter().collect()).or_default().extend(port);
    }
    let subset = |(of_ports, ports): (Vec<(AddressKey, bool)>, Vec<Value>)| {
        let mut subset = Subset { ports, ..Subset::default() };
        for (key, is_ready) in of_ports {
            let address = addresses.get(&key).cloned().unwrap_or_default();
            if is_ready { subset.ready.push(address) } else { subset.not_ready.push(address) }
        }
        subset
    };
    packed.into_iter().map(subset).collect()
}

/// A pod as an address; none where it has none of the Service's first family. Upstream:
/// `podToEndpointAddressForService`.
fn address(service: &Service, pod: &Obj<Pod>) -> Option<(AddressKey, Value)> {
    let ip = service.families().first()?.address_of(&pod.body)?.to_string();
    let uid = pod.meta.uid.to_string();
    let mut address = json!({
        "ip": ip,
        "nodeName": pod.body.node_name.as_str(),
        "targetRef": {
            "kind": "Pod",
            "namespace": pod.meta.namespace.as_str(),
            "name": pod.meta.name.as_str(),
            "uid": uid,
        },
    });
    if let Some(hostname) = service.hostname(&pod.body) {
        address["hostname"] = json!(hostname);
    }
    Some(((ip, uid), address))
}

fn without_empty_name(mut port: Value) -> Value {
    if port["name"] == ""
        && let Some(fields) = port.as_object_mut()
    {
        fields.remove("name");
    }
    port
}

fn port_order(port: &Value) -> String {
    format!("{} {} {} {}", port["name"], port["port"], port["protocol"], port["appProtocol"])
}

/// Leaves at most [`MAX`] addresses, ready ones first, each subset its share. Whether any were left out.
/// Upstream: `truncateEndpoints`.
pub(super) fn truncate(subsets: &mut [Subset]) -> bool {
    let ready: usize = subsets.iter().map(|subset| subset.ready.len()).sum();
    let not_ready: usize = subsets.iter().map(|subset| subset.not_ready.len()).sum();
    if ready + not_ready <= MAX {
        return false;
    }
    let cuts_ready = ready > MAX;
    let (room, total) = if cuts_ready { (MAX, ready) } else { (MAX - ready, not_ready) };
    let mut left = room;
    for subset in subsets {
        let list = if cuts_ready { &mut subset.ready } else { &mut subset.not_ready };
        let share = (list.len() * room).div_ceil(total).min(left);
        list.truncate(share);
        left -= list.len();
        if cuts_ready {
            subset.not_ready.clear();
        }
    }
    true
}

/// As the object holds them.
pub(super) fn to_json(subsets: &[Subset]) -> Value {
    let json = |subset: &Subset| {
        let lists = [("addresses", &subset.ready), ("notReadyAddresses", &subset.not_ready), ("ports", &subset.ports)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        Value::Object(lists.map(|(name, list)| (name.to_owned(), json!(list))).collect::<Map<String, Value>>())
    };
    subsets.iter().map(json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sizes: &[(usize, usize)], expected: &[(usize, usize)]) {
        let addresses = |count| vec![json!({"ip": "10.0.0.1"}); count];
        let subset = |&(ready, not_ready): &(usize, usize)| Subset {
            ready: addresses(ready),
            not_ready: addresses(not_ready),
            ports: Vec::new(),
        };
        let mut subsets: Vec<Subset> = sizes.iter().map(subset).collect();
        assert_eq!(truncate(&mut subsets), sizes != expected);
        let left: Vec<_> = subsets.iter().map(|subset| (subset.ready.len(), subset.not_ready.len())).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn more_than_a_thousand_are_cut_ready_ones_last() {
        check(&[(400, 600)], &[(400, 600)]);
        check(&[(400, 700)], &[(400, 600)]);
        check(&[(1200, 700)], &[(1000, 0)]);
        check(&[(500, 5), (1000, 5)], &[(334, 0), (666, 0)]);
        check(&[(900, 100), (0, 100)], &[(900, 50), (0, 50)]);
    }
}
