//! What a proxy, or a client with an answer of DNS, knows of a Service, and whom it asks.
//! Upstream: `pkg/proxy/topology.go` (`CategorizeEndpoints`), `pkg/proxy/endpointslicecache.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::api::{IpFamily as Family, Name, Obj, Untyped};

/// The label that names a slice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A place that requests can go to.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Endpoint {
    /// The pod's name; its namespace is the Service's.
    pub(super) pod: Name,
    pub(super) node: Name,
    ready: bool,
    serving: bool,
    terminating: bool,
    for_zones: Vec<Name>,
    for_nodes: Vec<Name>,
}

/// What matters of a Service.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct ServiceView {
    pub(super) families: Vec<Family>,
    pub(super) is_headless: bool,
    pub(super) sticks: bool,
    internal_local: bool,
    external_local: bool,
    is_external_name: bool,
}

/// A Service with its endpoints at some instant.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Table {
    pub(super) service: ServiceView,
    slices: Vec<(Family, Arc<Vec<Endpoint>>)>,
}

/// Where requests come in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Side {
    /// From a pod.
    Inside,
    /// From outside the cluster.
    Outside,
}

/// Whom a proxy asks.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Choice<'a> {
    /// One of these.
    Among(Vec<&'a Endpoint>),
    /// Nobody: the client is told so at once.
    Refuse,
    /// Nobody: the client hears nothing.
    Drop,
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or("")
}

impl ServiceView {
    /// Reads a Service.
    pub(super) fn of(object: &Obj<Untyped>) -> ServiceView {
        let Some(spec) = object.body.fields.get("spec").and_then(Value::as_object) else {
            return ServiceView::default();
        };
        let families = spec.get("ipFamilies").and_then(Value::as_array).into_iter().flatten();
        ServiceView {
            families: families.filter_map(|name| Family::parse(name.as_str()?)).collect(),
            is_headless: text(spec, "clusterIP") == "None",
            sticks: text(spec, "sessionAffinity") == "ClientIP",
            internal_local: text(spec, "internalTrafficPolicy") == "Local",
            external_local: text(spec, "externalTrafficPolicy") == "Local",
            is_external_name: text(spec, "type") == "ExternalName",
        }
    }

    /// Whether the node of the client matters for the choice.
    fn is_local(&self, side: Side) -> bool {
        match side {
            Side::Inside => self.internal_local && !self.is_headless,
            Side::Outside => self.external_local,
        }
    }
}

/// The endpoints of a slice that are pods.
pub(super) fn read_slice(object: &Obj<Untyped>) -> Option<(Family, Arc<Vec<Endpoint>>)> {
    let fields = &object.body.fields;
    let names = |value: &Value| -> Vec<Name> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|hint| Some(Name::from(hint["name"].as_str()?))).collect()
    };
    let endpoint = |value: &Value| {
        let is = |condition: &str, default: bool| value["conditions"][condition].as_bool().unwrap_or(default);
        Some(Endpoint {
            pod: value["targetRef"]["name"].as_str()?.into(),
            node: value["nodeName"].as_str().unwrap_or("").into(),
            ready: is("ready", true),
            serving: is("serving", is("ready", true)),
            terminating: is("terminating", false),
            for_zones: names(&value["hints"]["forZones"]),
            for_nodes: names(&value["hints"]["forNodes"]),
        })
    };
    let endpoints = fields.get("endpoints").and_then(Value::as_array).into_iter().flatten();
    Some((Family::parse(text(fields, "addressType"))?, Arc::new(endpoints.filter_map(endpoint).collect())))
}

impl Table {
    pub(super) fn new(service: ServiceView, slices: &BTreeMap<u32, (Family, Arc<Vec<Endpoint>>)>) -> Table {
        Table { service, slices: slices.values().cloned().collect() }
    }

    fn of_family(&self, family: Family) -> impl Iterator<Item = &Endpoint> {
        self.slices.iter().filter(move |(of, _)| *of == family).flat_map(|(_, endpoints)| endpoints.iter())
    }

    /// Whether the choice differs from node to node, and from zone to zone.
    pub(super) fn looks_at_place(&self, side: Side) -> bool {
        let hinted = |(_, endpoints): &(Family, Arc<Vec<Endpoint>>)| {
            endpoints.iter().any(|endpoint| !endpoint.for_zones.is_empty() || !endpoint.for_nodes.is_empty())
        };
        self.service.is_local(side) || (!self.service.is_headless && self.slices.iter().any(hinted))
    }

    /// Whether a load balancer sends requests to a node. Upstream: the health check of `externalTrafficPolicy: Local`.
    pub(super) fn takes_from_outside(&self, node: &Name) -> bool {
        let here = |family| self.of_family(family).any(|endpoint| endpoint.ready && endpoint.node == *node);
        !self.service.external_local || here(Family::V4) || here(Family::V6)
    }

    /// Whom a request from a node goes to.
    pub(super) fn choose(&self, side: Side, family: Family, node: &Name, zone: Option<&Name>) -> Choice<'_> {
        if self.service.is_external_name {
            return Choice::Refuse;
        }
        let usable = |keep: &dyn Fn(&Endpoint) -> bool| -> Vec<&Endpoint> {
            let all = || self.of_family(family).filter(|endpoint| keep(endpoint));
            let ready: Vec<&Endpoint> = all().filter(|endpoint| endpoint.ready).collect();
            if !ready.is_empty() || self.service.is_headless {
                return ready;
            }
            all().filter(|endpoint| endpoint.serving && endpoint.terminating).collect()
        };
        if self.service.is_local(side) {
            let local = usable(&|endpoint| endpoint.node == *node);
            return if local.is_empty() { Choice::Drop } else { Choice::Among(local) };
        }
        let everywhere = usable(&|_| true);
        if everywhere.is_empty() {
            return Choice::Refuse;
        }
        if self.service.is_headless {
            return Choice::Among(everywhere);
        }
        // Hints hold where every endpoint has them.
        let near = |hinted: fn(&Endpoint) -> &Vec<Name>, place: Option<&Name>| -> Option<Vec<&Endpoint>> {
            let all = everywhere.iter().all(|endpoint| !hinted(endpoint).is_empty());
            let here = everywhere.iter().filter(|endpoint| place.is_some_and(|place| hinted(endpoint).contains(place)));
            let here: Vec<&Endpoint> = here.copied().collect();
            (all && !here.is_empty()).then_some(here)
        };
        let near =
            near(|endpoint| &endpoint.for_nodes, Some(node)).or_else(|| near(|endpoint| &endpoint.for_zones, zone));
        Choice::Among(near.unwrap_or(everywhere))
    }
}
