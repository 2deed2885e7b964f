//! EndpointSlices, Services and endpoints as the controller reads and writes them.
//! Upstream: `staging/src/k8s.io/endpointslice/utils.go`, `util/controller_utils.go`.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Kind, Labels, Meta, Name, Node, Obj, Object, Pod, Untyped};
use crate::controllers::pod_util::controller_reference;

/// The label that names a slice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names who manages a slice.
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Its value for this controller.
pub(super) const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ZONE: &str = "topology.kubernetes.io/zone";

/// A kind of address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Family {
    /// Four bytes.
    V4,
    /// Sixteen.
    V6,
}

impl Family {
    /// As `addressType` writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    fn fits(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Family::V4)
    }
}

/// What the controller reads of a Service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its metadata.
    pub(super) meta: Meta,
    /// `spec.selector`, where this controller is to look after the Service.
    pub(super) selector: Option<Vec<(Name, Name)>>,
    spec: Map<String, Value>,
}

impl Service {
    /// Reads one. Services of type ExternalName, or without a selector, are somebody else's.
    pub(super) fn of(object: &Obj<Untyped>) -> Service {
        let spec = object.body.fields.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        let pairs = spec.get("selector").and_then(Value::as_object).filter(|_| text(&spec, "type") != "ExternalName");
        let pair = |(key, value): (&String, &Value)| (Name::from(key.as_str()), value.as_str().unwrap_or("").into());
        Service { meta: object.meta.clone(), selector: pairs.map(|pairs| pairs.iter().map(pair).collect()), spec }
    }

    /// Whether it selects a pod with these labels. An empty selector selects all.
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        let selector = self.selector.as_ref();
        selector.is_some_and(|pairs| pairs.iter().all(|(key, value)| labels.get(key) == Some(value)))
    }

    /// `spec.publishNotReadyAddresses`.
    pub(super) fn publishes_not_ready(&self) -> bool {
        self.spec.get("publishNotReadyAddresses") == Some(&Value::Bool(true))
    }

    /// `spec.ipFamilies`. Where the server has set none: both for a dual-stack Service whose pods have both, or that
    /// requires both; IPv4 for others.
    pub(super) fn families(&self, pods: &[Arc<Obj<Pod>>]) -> Vec<Family> {
        let named = self.spec.get("ipFamilies").and_then(Value::as_array).into_iter().flatten();
        let mut families: Vec<Family> =
            named.map(|name| if name.as_str() == Some("IPv6") { Family::V6 } else { Family::V4 }).collect();
        if families.is_empty() {
            let has_both = || pods.iter().any(|pod| pod.body.status.pod_ips.second.is_some());
            let dual = match text(&self.spec, "ipFamilyPolicy") {
                "RequireDualStack" => true,
                "PreferDualStack" => has_both(),
                _ => false,
            };
            families.push(Family::V4);
            families.extend(dual.then_some(Family::V6));
        }
        families.sort();
        families.dedup();
        families
    }

    fn is_headless(&self) -> bool {
        text(&self.spec, "clusterIP") == "None"
    }

    /// The ports of a pod that it serves: those that the pod has. Upstream: `getEndpointPorts`, `FindPort`.
    pub(super) fn ports(&self, pod: &Pod) -> Vec<Value> {
        let ports = self.spec.get("ports").and_then(Value::as_array).into_iter().flatten();
        ports
            .filter_map(Value::as_object)
            .filter_map(|port| {
                let protocol = Some(text(port, "protocol")).filter(|text| !text.is_empty()).unwrap_or("TCP");
                let target = port.get("targetPort").filter(|target| **target != json!(0) && **target != json!(""));
                let number = match target.or_else(|| port.get("port"))? {
                    Value::String(name) => named_port(pod, name, protocol)?,
                    number => number.as_i64()?,
                };
                let mut entry = json!({"name": text(port, "name"), "port": number, "protocol": protocol});
                if let Some(protocol) = port.get("appProtocol") {
                    entry["appProtocol"] = protocol.clone();
                }
                Some(entry)
            })
            .collect()
    }

    /// The labels of its slices: its own, and who and whose they are. Upstream: `setEndpointSliceLabels`.
    pub(super) fn slice_labels(&self) -> Labels {
        let own = own_labels(&self.meta.labels);
        let labels = own.with(SERVICE_NAME, self.meta.name.clone()).with(MANAGED_BY, MANAGER);
        if self.is_headless() { labels.with(HEADLESS, "") } else { labels }
    }

    /// An empty slice of it. Upstream: `newEndpointSlice`.
    pub(super) fn new_slice(&self, family: Family, ports: Vec<Value>) -> Slice {
        let mut meta = Meta::new(Kind::EndpointSlice, self.meta.namespace.clone(), "");
        meta.generate_name = ecow::eco_format!("{}-", self.meta.name);
        meta.labels = self.slice_labels();
        meta.owners = [controller_reference(&self.meta, "v1", "Service")].into();
        Slice { meta, family: Some(family), ports, endpoints: Vec::new() }
    }

    /// A pod as an endpoint; none where it has no address of the family. Upstream: `podToEndpoint`.
    pub(super) fn endpoint(&self, pod: &Obj<Pod>, node: Option<&Obj<Node>>, family: Family) -> Option<Value> {
        let ips = pod.body.status.pod_ips;
        let addresses: Vec<String> = [ips.first, ips.second]
            .into_iter()
            .flatten()
            .filter(|address| family.fits(*address))
            .map(|address| address.to_string())
            .collect();
        if addresses.is_empty() {
            return None;
        }
        let (serving, terminating) = (pod.body.is_ready(), pod.meta.is_terminating());
        let ready = self.publishes_not_ready() || (serving && !terminating);
        let mut endpoint = json!({
            "addresses": addresses,
            "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
            "targetRef": {
                "kind": "Pod",
                "namespace": pod.meta.namespace.as_str(),
                "name": pod.meta.name.as_str(),
                "uid": pod.meta.uid.to_string(),
            },
        });
        if !pod.body.node_name.is_empty() {
            endpoint["nodeName"] = json!(pod.body.node_name.as_str());
        }
        if let Some(zone) = node.and_then(|node| node.meta.labels.get(ZONE)).filter(|zone| !zone.is_empty()) {
            endpoint["zone"] = json!(zone.as_str());
        }
        let full = &pod.body.spec.full;
        let hostname = full.hostname.as_deref().filter(|name| !name.is_empty());
        if let Some(hostname) = hostname.filter(|_| full.subdomain.as_deref() == Some(self.meta.name.as_str())) {
            endpoint["hostname"] = json!(hostname);
        }
        Some(endpoint)
    }
}

/// The port of a container, or of a sidecar, by name.
fn named_port(pod: &Pod, name: &str, protocol: &str) -> Option<i64> {
    let full = &pod.spec.full;
    let sidecars = full.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = full.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    let fits = |found: &str| found == protocol || (found.is_empty() && protocol == "TCP");
    ports
        .filter(|port| port.name.as_deref() == Some(name) && fits(port.protocol.as_deref().unwrap_or("")))
        .map(|port| i64::from(port.container_port))
        .next()
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or("")
}

/// Labels without those that slices have for themselves.
fn own_labels(labels: &Labels) -> Labels {
    labels.without(SERVICE_NAME).without(MANAGED_BY).without(HEADLESS)
}

/// An EndpointSlice.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Slice {
    /// Its metadata; without a name where it is to be created.
    pub(super) meta: Meta,
    /// `addressType`; none where it is neither family's.
    pub(super) family: Option<Family>,
    /// `ports`.
    pub(super) ports: Vec<Value>,
    /// `endpoints`.
    pub(super) endpoints: Vec<Value>,
}

impl Slice {
    /// Reads one.
    pub(super) fn of(object: &Obj<Untyped>) -> Slice {
        let fields = &object.body.fields;
        let list = |name: &str| fields.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let family = match text(fields, "addressType") {
            "IPv4" => Some(Family::V4),
            "IPv6" => Some(Family::V6),
            _ => None,
        };
        Slice { meta: object.meta.clone(), family, ports: list("ports"), endpoints: list("endpoints") }
    }

    /// The object to be sent.
    pub(super) fn object(&self) -> Object {
        let info = Arc::new(Kind::EndpointSlice.info().expect("a built-in kind").clone());
        let mut fields = Map::new();
        fields.insert("addressType".to_owned(), json!(self.family.map_or("", Family::as_str)));
        fields.insert("endpoints".to_owned(), json!(self.endpoints));
        fields.insert("ports".to_owned(), json!(self.ports));
        Object::Untyped(Arc::new(Obj { meta: self.meta.clone(), body: Untyped { info, fields } }))
    }

    /// Whether a Service owns it, by uid. Upstream: `ownedBy`.
    pub(super) fn is_owned_by(&self, service: &Service) -> bool {
        let is = |uid| uid == service.meta.uid;
        self.meta.owners.iter().any(|owner| is(owner.uid) && owner.kind == "Service" && owner.api_version == "v1")
    }

    /// Whether its labels are those of the Service.
    pub(super) fn has_labels_of(&self, service: &Service) -> bool {
        own_labels(&self.meta.labels) == own_labels(&service.meta.labels)
    }
}

/// What makes sets of ports the same. Upstream: `NewPortMapKey`.
pub(super) fn ports_key(ports: &[Value]) -> String {
    let mut texts: Vec<String> = ports.iter().map(Value::to_string).collect();
    texts.sort();
    texts.join(",")
}

/// What makes two endpoints the same one. Upstream: `hashEndpoint`.
pub(super) fn endpoint_key(endpoint: &Value) -> String {
    let target = &endpoint["targetRef"];
    format!("{} {} {}/{}", endpoint["addresses"], endpoint["hostname"], target["namespace"], target["name"])
}
