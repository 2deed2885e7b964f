//! EndpointSlices and endpoints as the controller reads and writes them.
//! Upstream: `staging/src/k8s.io/endpointslice/utils.go`, `trafficdist/trafficdist.go`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Kind, Labels, Meta, Node, Obj, Object, Pod, Untyped};
use crate::controllers::pod_util::controller_reference;
use crate::controllers::service_view::{Family, Service, text};

/// The label that names a slice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names who manages a slice.
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Its value for this controller.
pub(super) const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ZONE: &str = "topology.kubernetes.io/zone";

impl Service {
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
        let address = family.address_of(&pod.body)?.to_string();
        let (serving, terminating) = (pod.body.is_ready(), pod.meta.is_terminating());
        let ready = self.publishes_not_ready() || (serving && !terminating);
        let mut endpoint = json!({
            "addresses": [address],
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
        let zone = node.and_then(|node| node.meta.labels.get(ZONE)).filter(|zone| !zone.is_empty());
        if let Some(zone) = zone {
            endpoint["zone"] = json!(zone.as_str());
        }
        if let Some(hostname) = self.hostname(&pod.body) {
            endpoint["hostname"] = json!(hostname);
        }
        let (zones, nodes) = self.hints();
        if let Some(zone) = zone.filter(|_| ready && zones) {
            endpoint["hints"] = json!({"forZones": [{"name": zone.as_str()}]});
            if nodes && !pod.body.node_name.is_empty() {
                endpoint["hints"]["forNodes"] = json!([{"name": pod.body.node_name.as_str()}]);
            }
        }
        Some(endpoint)
    }

    /// Whether endpoints are hinted at clients of their zone, and of their node. Upstream: `trafficDistribution`.
    fn hints(&self) -> (bool, bool) {
        match self.traffic_distribution() {
            "PreferClose" | "PreferSameZone" => (true, false),
            "PreferSameNode" => (true, true),
            _ => (false, false),
        }
    }
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
