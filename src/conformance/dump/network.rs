//! Services, Endpoints and EndpointSlices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::with_json;
use crate::api::Kind;
use crate::conformance::tank::Tank;

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A Service's fields.
pub(super) fn service(spec: &Value) -> Value {
    let addresses = spec["clusterIPs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cluster_ips = match addresses {
        [only] if only == "None" => json!("None"),
        all => json!(all.len()),
    };
    json!({
        "type": spec["type"],
        "ipFamilies": spec["ipFamilies"],
        "ipFamilyPolicy": spec["ipFamilyPolicy"],
        "clusterIPs": cluster_ips,
    })
}

/// `name:port/protocol`.
fn port(port: &Value) -> String {
    let text = |field: &str| port[field].as_str().unwrap_or_default();
    let number = port["port"].as_i64().map_or_else(|| "None".to_owned(), |number| number.to_string());
    format!("{}:{number}/{}", text("name"), text("protocol"))
}

fn ports(of: &Value) -> Vec<String> {
    let mut ports: Vec<String> = of["ports"].as_array().into_iter().flatten().map(port).collect();
    ports.sort_unstable();
    ports
}

fn list<'a>(of: &'a Value, field: &str) -> &'a [Value] {
    of[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// An Endpoints object's fields.
pub(super) fn endpoints(json: &Value) -> Value {
    let subset = |subset: &Value| {
        let (ready, not_ready) = (list(subset, "addresses"), list(subset, "notReadyAddresses"));
        let all = || ready.iter().chain(not_ready);
        let family =
            |address: &Value| if address["ip"].as_str().is_some_and(|ip| ip.contains(':')) { "v6" } else { "v4" };
        let families: BTreeSet<&str> = all().map(family).collect();
        let hostnames: BTreeSet<&str> = all().filter_map(|address| address["hostname"].as_str()).collect();
        json!({
            "ready": ready.len(), "notReady": not_ready.len(), "family": families, "hostnames": hostnames,
            "ports": ports(subset),
        })
    };
    let subsets: Vec<Value> = list(json, "subsets").iter().map(subset).collect();
    json!({"subsets": subsets, "labels": super::objects::map(&json["metadata"]["labels"])})
}

#[derive(Default)]
struct Slices {
    count: usize,
    endpoints: BTreeMap<String, u64>,
    ports: BTreeSet<String>,
    labels: Map<String, Value>,
}

/// The slices of each Service and address type, taken together.
pub(super) fn slices(tank: &Tank<'_>) -> Map<String, Value> {
    let mut all: BTreeMap<String, Slices> = BTreeMap::new();
    for (_, json) in tank.objects(Kind::EndpointSlice).into_iter().map(with_json) {
        let service = json["metadata"]["labels"][SERVICE_NAME].as_str().unwrap_or_default();
        let family = json["addressType"].as_str().unwrap_or_default();
        let slices = all.entry(format!("EndpointSlices/{service}/{family}")).or_default();
        slices.count += 1;
        slices.ports.insert(ports(&json).join(","));
        for endpoint in list(&json, "endpoints") {
            *slices.endpoints.entry(endpoint_state(endpoint)).or_default() += 1;
        }
        for (key, value) in json["metadata"]["labels"].as_object().into_iter().flatten() {
            if key != SERVICE_NAME {
                slices.labels.insert(key.clone(), value.clone());
            }
        }
    }
    let fields = |slices: Slices| {
        let Slices { count, endpoints, ports, labels } = slices;
        json!({"slices": count, "endpoints": endpoints, "ports": ports, "labels": labels})
    };
    all.into_iter().map(|(key, slices)| (key, fields(slices))).collect()
}

/// `ready=True/serving=True/terminating=False hostname=db-0`.
fn endpoint_state(endpoint: &Value) -> String {
    let holds = |field: &str| match endpoint["conditions"][field].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "None",
    };
    let state = format!("ready={}/serving={}/terminating={}", holds("ready"), holds("serving"), holds("terminating"));
    match endpoint["hostname"].as_str() {
        Some(hostname) => format!("{state} hostname={hostname}"),
        None => state,
    }
}
