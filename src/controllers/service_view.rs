//! What the controllers of endpoints read of a Service, and which pods stand behind each.
//! Upstream: `staging/src/k8s.io/endpointslice/util/controller_utils.go`, `pkg/api/v1/pod` (`FindPort`).
//!
//! A change of a pod is work only for the Services that select it, whose pods are remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Labels, Meta, Name, Obj, ObjectId, Pod, Untyped};
use crate::client::{Observed, View};
use crate::event::ChangeKind;

/// A kind of address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Family {
    /// Four bytes.
    V4,
    /// Sixteen.
    V6,
}

impl Family {
    /// As `addressType` and `ipFamilies` write it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// The first address of a pod that is of the family.
    pub(super) fn address_of(self, pod: &Pod) -> Option<IpAddr> {
        let ips = pod.status.pod_ips;
        [ips.first, ips.second].into_iter().flatten().find(|address| address.is_ipv4() == (self == Family::V4))
    }
}

/// What the controllers read of a Service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its metadata.
    pub(super) meta: Meta,
    /// `spec.selector`, where the controllers are to look after the Service.
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

    /// `spec.ipFamilies`, the primary one first. Where the server has set none: that of its address, else IPv4.
    pub(super) fn families(&self) -> Vec<Family> {
        let named = self.spec.get("ipFamilies").and_then(Value::as_array).into_iter().flatten();
        let mut families: Vec<Family> =
            named.map(|name| if name.as_str() == Some("IPv6") { Family::V6 } else { Family::V4 }).collect();
        if families.is_empty() {
            families.push(if text(&self.spec, "clusterIP").contains(':') { Family::V6 } else { Family::V4 });
        }
        families
    }

    /// Whether it has no address of its own. Upstream: not `IsServiceIPSet`.
    pub(super) fn is_headless(&self) -> bool {
        matches!(text(&self.spec, "clusterIP"), "" | "None")
    }

    /// Whether it says `clusterIP: None`.
    pub(super) fn is_headless_by_wish(&self) -> bool {
        text(&self.spec, "clusterIP") == "None"
    }

    /// `spec.trafficDistribution`; may be empty.
    pub(super) fn traffic_distribution(&self) -> &str {
        text(&self.spec, "trafficDistribution")
    }

    /// Whether it has ports at all.
    pub(super) fn has_ports(&self) -> bool {
        self.spec.get("ports").and_then(Value::as_array).is_some_and(|ports| !ports.is_empty())
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

    /// The name of a pod under the Service's, where it asks for one. Upstream: `ShouldSetHostname`.
    pub(super) fn hostname<'a>(&self, pod: &'a Pod) -> Option<&'a str> {
        let full = &pod.spec.full;
        let hostname = full.hostname.as_deref().filter(|name| !name.is_empty());
        hostname.filter(|_| full.subdomain.as_deref() == Some(self.meta.name.as_str()))
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

/// A text of some fields; empty where there is none.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or("")
}

/// Which pods stand behind which Services.
#[derive(Clone, Debug, Default)]
pub(super) struct Memberships {
    members: BTreeMap<u32, Member>,
    /// The Services of each namespace by one pair of their selector, by number: those that may select a pod.
    by_pair: BTreeMap<Name, BTreeMap<Pair, BTreeSet<u32>>>,
    /// The pods of each namespace by each of their labels, by number.
    pods_by_label: BTreeMap<Name, BTreeMap<(Name, Name), BTreeSet<u32>>>,
}

/// A label that a selector asks for; `None` for the selector that asks for none.
type Pair = Option<(Name, Name)>;

/// A Service with a selector, and its pods by number.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The Service.
    pub(super) service: Arc<Service>,
    /// Its pods.
    pub(super) pods: BTreeSet<u32>,
    /// Under which pair of its selector it is found.
    pair: Pair,
}

impl Memberships {
    /// The Service of a number.
    pub(super) fn get(&self, slot: u32) -> Option<&Member> {
        self.members.get(&slot)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// A Service has changed: its pods are looked for anew where its selector has.
    pub(super) fn service_changed(&mut self, object: &Obj<Untyped>, is_gone: bool, view: &View) {
        let slot = object.meta.id.slot;
        let service = Arc::new(Service::of(object));
        let namespace = &object.meta.namespace;
        let Some(selector) = service.selector.as_ref().filter(|_| !is_gone) else {
            self.forget(slot, namespace);
            return;
        };
        match self.members.get_mut(&slot) {
            Some(member) if member.service.selector == service.selector => member.service = service,
            Some(_) | None => {
                self.forget(slot, namespace);
                let pods = self.selected(&service, selector, view);
                let by_pair = self.by_pair.entry(namespace.clone()).or_default();
                // The pair that the fewest others ask for.
                let sharing = |pair: &&(Name, Name)| by_pair.get(&Some((*pair).clone())).map_or(0, BTreeSet::len);
                let pair = selector.iter().min_by_key(sharing).cloned();
                by_pair.entry(pair.clone()).or_default().insert(slot);
                self.members.insert(slot, Member { service, pods, pair });
            }
        }
    }

    /// The pods that a Service selects, by number: of its labels, the one that the fewest pods have is looked up.
    fn selected(&self, service: &Service, selector: &[(Name, Name)], view: &View) -> BTreeSet<u32> {
        let pods = &view.caches.pods;
        let namespace = &service.meta.namespace;
        if selector.is_empty() {
            return pods.in_namespace(namespace).map(|pod| pod.meta.id.slot).collect();
        }
        let Some(by_label) = self.pods_by_label.get(namespace) else { return BTreeSet::new() };
        let with_label = selector.iter().map(|pair| by_label.get(pair));
        let Some(Some(fewest)) = with_label.min_by_key(|pods| pods.map_or(0, BTreeSet::len)) else {
            return BTreeSet::new();
        };
        let is_selected = |slot: &u32| {
            let pod = pods.by_slot(*slot);
            pod.is_some_and(|pod| service.selects(&pod.meta.labels))
        };
        fewest.iter().copied().filter(is_selected).collect()
    }

    /// Keeps the labels of a pod up.
    fn label(&mut self, old: Option<&Labels>, new: Option<&Labels>, namespace: &Name, slot: u32) {
        if old == new {
            return;
        }
        let by_label = self.pods_by_label.entry(namespace.clone()).or_default();
        for (key, value) in old.into_iter().flat_map(Labels::iter) {
            let pair = (key.clone(), value.clone());
            if let Some(pods) = by_label.get_mut(&pair) {
                pods.remove(&slot);
                if pods.is_empty() {
                    by_label.remove(&pair);
                }
            }
        }
        for (key, value) in new.into_iter().flat_map(Labels::iter) {
            by_label.entry((key.clone(), value.clone())).or_default().insert(slot);
        }
    }

    fn forget(&mut self, slot: u32, namespace: &Name) {
        let Some(member) = self.members.remove(&slot) else { return };
        let Some(by_pair) = self.by_pair.get_mut(namespace) else { return };
        if let Some(services) = by_pair.get_mut(&member.pair) {
            services.remove(&slot);
            if services.is_empty() {
                by_pair.remove(&member.pair);
            }
        }
    }

    /// The Services that may select pods with any of these labels, in order.
    fn candidates<'a>(&self, namespace: &Name, labels: impl Iterator<Item = &'a Labels>) -> BTreeSet<u32> {
        let Some(by_pair) = self.by_pair.get(namespace) else { return BTreeSet::new() };
        let pairs = labels.flat_map(|labels| labels.iter().map(|(key, value)| Some((key.clone(), value.clone()))));
        pairs.chain([None]).filter_map(|pair| by_pair.get(&pair)).flatten().copied().collect()
    }

    /// A pod has changed: the Services to which that matters. Upstream: `GetServicesToUpdate`.
    pub(super) fn pod_changed(&mut self, old: Option<&Obj<Pod>>, pod: &Obj<Pod>, change: Observed) -> Vec<ObjectId> {
        let is_gone = change.kind == ChangeKind::Deleted;
        let labels = old.map(|old| &old.meta.labels).into_iter().chain([&pod.meta.labels]);
        let kept = Some(&pod.meta.labels).filter(|_| !is_gone);
        let before = old.or(Some(pod).filter(|_| is_gone)).map(|before| &before.meta.labels);
        self.label(before, kept, &pod.meta.namespace, pod.meta.id.slot);
        let old = old.filter(|_| !is_gone);
        let differs = old.is_none_or(|old| endpoint_differs(old, pod));
        let relabelled = old.is_none_or(|old| old.meta.labels != pod.meta.labels || !same_names(old, pod));
        if !differs && !relabelled {
            return Vec::new();
        }
        let mut touched = Vec::new();
        for slot in self.candidates(&pod.meta.namespace, labels) {
            let Some(member) = self.members.get_mut(&slot) else { continue };
            let was = member.pods.contains(&pod.meta.id.slot);
            let is = member.service.selects(&pod.meta.labels);
            if is && !is_gone {
                member.pods.insert(pod.meta.id.slot);
            } else {
                member.pods.remove(&pod.meta.id.slot);
            }
            if was != is || (is && (differs || is_gone)) {
                touched.push(member.service.meta.id);
            }
        }
        touched
    }
}

/// Whether an endpoint of the pod would differ. Upstream: `podEndpointsChanged`.
fn endpoint_differs(old: &Obj<Pod>, new: &Obj<Pod>) -> bool {
    old.meta.deletion != new.meta.deletion
        || old.body.is_ready() != new.body.is_ready()
        || old.body.status.pod_ips != new.body.status.pod_ips
}

fn same_names(old: &Obj<Pod>, new: &Obj<Pod>) -> bool {
    let (old, new) = (&old.body.spec.full, &new.body.spec.full);
    old.hostname == new.hostname && old.subdomain == new.subdomain
}
