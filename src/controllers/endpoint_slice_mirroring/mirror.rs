//! What slices Endpoints should have: one for each family and set of ports.
//! Upstream: `pkg/controller/endpointslicemirroring/{reconciler,utils}.go`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Kind, Meta, Name, Obj, Object, Untyped};
use crate::controllers::pod_util::controller_reference;

/// The label that names a slice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names who manages a slice.
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Its value for this controller.
pub(super) const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// The mark of an object that replicas of a component elect their leader with.
pub(super) const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations of Endpoints that are not their user's.
const NOT_MIRRORED: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];

/// What is to be done about the slices of some Endpoints.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    pub(super) create: Vec<Object>,
    pub(super) update: Vec<Object>,
    pub(super) delete: Vec<Arc<Obj<Untyped>>>,
    /// Events about what is not mirrored: reason and message.
    pub(super) skipped: Vec<(&'static str, Name)>,
}

/// One slice that should be: its ports, and its endpoints by what makes them the same one.
struct Wanted {
    family: &'static str,
    ports: Vec<Value>,
    endpoints: BTreeMap<String, Value>,
}

/// What is to be done. Upstream: `reconcile`.
pub(super) fn changes(endpoints: &Obj<Untyped>, slices: &[Arc<Obj<Untyped>>], max: usize) -> Changes {
    let mut changes = Changes::default();
    let wanted = wanted(endpoints, max, &mut changes.skipped);
    let mut existing: BTreeMap<String, Vec<&Arc<Obj<Untyped>>>> = BTreeMap::new();
    for slice in slices {
        let family = slice.body.fields.get("addressType").and_then(Value::as_str).unwrap_or_default();
        existing.entry(key(family, list(&slice.body.fields, "ports"))).or_default().push(slice);
    }
    for (key, wanted) in wanted {
        let of_key = existing.remove(&key).unwrap_or_default();
        let Some((first, others)) = of_key.split_first() else {
            changes.create.push(slice(endpoints, &wanted, None, max));
            continue;
        };
        changes.delete.extend(others.iter().map(|slice| Arc::clone(slice)));
        let new = slice(endpoints, &wanted, Some(&first.meta), max);
        if !is_same(first, &new) {
            changes.update.push(new);
        }
    }
    changes.delete.extend(existing.into_values().flatten().cloned());
    recycle(&mut changes);
    changes
}

/// Slices that would go become those that would come. Upstream: `recycleSlices`.
fn recycle(changes: &mut Changes) {
    let count = changes.create.len().min(changes.delete.len());
    let old: Vec<Arc<Obj<Untyped>>> = changes.delete.drain(..count).collect();
    for (old, mut new) in old.into_iter().zip(changes.create.drain(..count)) {
        let meta = new.meta_mut();
        (meta.id, meta.name, meta.generate_name) = (old.meta.id, old.meta.name.clone(), Name::new());
        (meta.uid, meta.resource_version) = (old.meta.uid, old.meta.resource_version);
        changes.update.push(new);
    }
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    fields.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What makes slices the same one: their family and ports, in any order. Upstream: `newAddrTypePortMapKey`.
fn key(family: &str, ports: &[Value]) -> String {
    let mut texts: Vec<String> = ports
        .iter()
        .map(|port| {
            // What the server fills in and what it leaves out are the same.
            let text = |name: &str| port[name].as_str().unwrap_or_default();
            format!("{}/{}/{}/{}", text("name"), port["port"], text("protocol"), text("appProtocol"))
        })
        .collect();
    texts.sort();
    format!("{family}:{}", texts.join(","))
}

/// The slices that should be, by key.
fn wanted(endpoints: &Obj<Untyped>, max: usize, skipped: &mut Vec<(&'static str, Name)>) -> BTreeMap<String, Wanted> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    let (mut invalid, mut left_out) = (0, 0);
    for subset in list(&endpoints.body.fields, "subsets") {
        let of = |name: &str| subset[name].as_array().map_or(&[][..], Vec::as_slice);
        let ports: Vec<Value> = of("ports").iter().map(port).collect();
        let all = of("addresses").iter().map(|address| (address, true));
        let all = all.chain(of("notReadyAddresses").iter().map(|address| (address, false)));
        let (mut total, mut added) = (0, 0);
        for (address, is_ready) in all {
            total += 1;
            if added >= max {
                continue;
            }
            let Some((family, endpoint)) = endpoint(address, is_ready) else {
                invalid += 1;
                continue;
            };
            let of_key = wanted.entry(key(family, &ports)).or_insert_with(|| Wanted {
                family,
                ports: ports.clone(),
                endpoints: BTreeMap::new(),
            });
            of_key.endpoints.insert(identity(&endpoint), endpoint);
            added += 1;
        }
        left_out += total - added;
    }
    if invalid > 0 {
        let message = ecow::eco_format!("Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices");
        skipped.push(("InvalidIPAddress", message));
    }
    if left_out > invalid {
        let message = ecow::eco_format!(
            "A max of {max} addresses can be mirrored to EndpointSlices per Endpoints subset. {left_out} addresses were skipped"
        );
        skipped.push(("TooManyAddressesToMirror", message));
    }
    wanted
}

/// Upstream: `epPortsToEpsPorts`.
fn port(port: &Value) -> Value {
    let name = port["name"].as_str().unwrap_or_default();
    let mut mirrored = json!({"name": name, "port": port["port"], "protocol": port["protocol"]});
    if let Some(protocol) = port.get("appProtocol").filter(|protocol| !protocol.is_null()) {
        mirrored["appProtocol"] = protocol.clone();
    }
    mirrored
}

/// An address as an endpoint, with its family; nothing where it is none. Upstream: `addressToEndpoint`.
fn endpoint(address: &Value, is_ready: bool) -> Option<(&'static str, Value)> {
    let ip: IpAddr = address["ip"].as_str()?.parse().ok()?;
    let mut endpoint = json!({"addresses": [ip.to_string()], "conditions": {"ready": is_ready}});
    for field in ["targetRef", "nodeName", "hostname"] {
        if let Some(value) = address.get(field).filter(|value| !value.is_null() && *value != "") {
            endpoint[field] = value.clone();
        }
    }
    Some((if ip.is_ipv6() { "IPv6" } else { "IPv4" }, endpoint))
}

/// What makes two endpoints the same one. Upstream: `hashEndpoint`.
fn identity(endpoint: &Value) -> String {
    let target = &endpoint["targetRef"];
    format!("{} {} {}/{}", endpoint["addresses"], endpoint["hostname"], target["namespace"], target["name"])
}

/// A slice, new or in the place of another one. Upstream: `newEndpointSlice`.
fn slice(endpoints: &Obj<Untyped>, wanted: &Wanted, before: Option<&Meta>, max: usize) -> Object {
    let of = &endpoints.meta;
    let mut meta = Meta::new(Kind::EndpointSlice, of.namespace.clone(), "");
    meta.generate_name = ecow::eco_format!("{}-", of.name);
    if let Some(before) = before {
        meta = before.clone();
    }
    meta.labels = of.labels.with(SERVICE_NAME, of.name.clone()).with(MANAGED_BY, MANAGER);
    meta.annotations = NOT_MIRRORED.iter().fold(of.annotations.clone(), |annotations, key| annotations.without(key));
    meta.owners = [controller_reference(of, "v1", "Endpoints")].into();
    let info = Arc::new(Kind::EndpointSlice.info().expect("a built-in kind").clone());
    let mut fields = Map::new();
    fields.insert("addressType".to_owned(), json!(wanted.family));
    fields.insert("endpoints".to_owned(), wanted.endpoints.values().take(max).cloned().collect());
    fields.insert("ports".to_owned(), json!(wanted.ports));
    Object::Untyped(Arc::new(Obj { meta, body: Untyped { info, fields } }))
}

/// Whether a slice says already what it should: its endpoints in any order, labels and annotations.
fn is_same(found: &Obj<Untyped>, new: &Object) -> bool {
    let Object::Untyped(new) = new else { return false };
    let told = |slice: &Obj<Untyped>| -> BTreeMap<String, Value> {
        let all = list(&slice.body.fields, "endpoints").iter();
        all.map(|endpoint| {
            let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
            (identity(endpoint), json!([ready, endpoint["nodeName"], endpoint["targetRef"]]))
        })
        .collect()
    };
    found.meta.labels == new.meta.labels && found.meta.annotations == new.meta.annotations && told(found) == told(new)
}
