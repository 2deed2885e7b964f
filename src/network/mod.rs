//! Services as users meet them: virtual addresses, proxies that lag, names, and the requests of a scenario.
//!
//! The room only looks on: it is told of every commit and of machines that lose power, and nothing in the tank waits for
//! it. So it needs no events of its own: what proxies do later is kept here, in order of time, and caught up with when
//! something is asked. Requests are no events either: between two changes each endpoint gets its share of rate times
//! time (`ledger.rs`), so that the cost is that of the changes. Without streams of requests nothing is kept at all.
//!
//! It never sees the store, nor kubelets: how a pod fares is told by what its kubelet reports (`truth.rs`).
//! Left out: connections that outlive a change, retries of clients, capacity and latency of endpoints, packets in a
//! proxy without a rule for an old virtual address, proxies that crash, clients that try their other family where one
//! does not answer.

mod ledger;
mod line;
mod proxies;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use ledger::Fates;
use line::Line;
use proxies::{Proxies, Step};
pub use settings::{Clients, ProxySettings, TrafficLine, TrafficSettings};
use table::{Endpoint, SERVICE_NAME, ServiceView, Table, read_slice};
use truth::{PodTruth, Truth};

use crate::api::{IpFamily as Family, Kind, Name, Node, Obj, Object, Pod, Untyped};
use crate::event::ChangeKind;
use crate::kernel::{Chance, Time};

const ZONE: &str = "topology.kubernetes.io/zone";

/// A Service that is asked, as the API server has it.
#[derive(Clone, Debug, Default)]
struct Followed {
    view: Option<ServiceView>,
    slices: BTreeMap<u32, (Family, Arc<Vec<Endpoint>>)>,
}

/// Something that is going to happen.
#[derive(Clone, Debug)]
enum Due {
    /// A change reaches the proxies.
    Heard(Option<(usize, Option<Arc<Table>>)>),
    /// A proxy, or DNS, does something.
    Step(Step),
    /// A pod of a namespace stops answering.
    Stops(Name, Name),
}

/// The network of a cluster.
#[derive(Clone, Debug)]
pub struct Network {
    lines: Vec<Line>,
    services: Vec<Followed>,
    by_name: BTreeMap<(Name, Name), usize>,
    /// The streams that pods of a namespace matter to.
    by_namespace: BTreeMap<Name, Vec<usize>>,
    truth: Truth,
    proxies: Proxies,
    watch: crate::kernel::Span,
    chance: Chance,
    due: BTreeMap<(Time, u64), Due>,
    posted: u64,
    /// The nodes that a strike of a fault has cut off.
    cuts: BTreeMap<u32, Vec<Name>>,
}

/// What became of a stream.
#[derive(Clone, PartialEq, Debug)]
pub struct TrafficCounts {
    /// The stream's name.
    pub name: Name,
    /// All its requests.
    pub total: Fates,
    /// By endpoint, in the order of names; those that reached nobody under the empty name.
    pub by_endpoint: Vec<(Name, Fates)>,
}

impl Network {
    /// A network in which nothing has happened yet.
    pub fn new(settings: &TrafficSettings, chance: Chance) -> Network {
        let mut network = Network {
            lines: Vec::new(),
            services: Vec::new(),
            by_name: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            truth: Truth::default(),
            proxies: Proxies::new(settings.proxy, settings.dns_ttl, chance),
            watch: settings.proxy.watch,
            chance,
            due: BTreeMap::new(),
            posted: 0,
            cuts: BTreeMap::new(),
        };
        for line in &settings.lines {
            let service = *network.by_name.entry(line.to.clone()).or_insert(network.services.len());
            if service == network.services.len() {
                network.services.push(Followed::default());
            }
            let mut namespaces = BTreeSet::from([line.to.0.clone()]);
            if let Clients::Pods { namespace, .. } = &line.from {
                namespaces.insert(namespace.clone());
            }
            for namespace in namespaces {
                network.by_namespace.entry(namespace).or_default().push(network.lines.len());
            }
            network.lines.push(Line::new(line.clone(), service));
        }
        network
    }

    /// Takes note of a commit; the object is its state after it, or before its deletion.
    pub fn observe(&mut self, now: Time, change: ChangeKind, object: &Object) {
        if self.lines.is_empty() {
            return;
        }
        self.advance(now);
        let is_gone = change == ChangeKind::Deleted;
        match object {
            Object::Pod(pod) => self.pod_changed(pod, is_gone, now),
            Object::Node(node) => self.node_changed(node, is_gone, now),
            Object::Untyped(object) => match object.meta.id.kind {
                Kind::Service => self.service_changed(object, is_gone, now),
                Kind::EndpointSlice => self.slice_changed(object, is_gone, now),
                _ => {}
            },
            Object::Namespace(_)
            | Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
        }
    }

    /// A machine loses its power, or has it again.
    pub fn set_power(&mut self, now: Time, node: &Name, is_on: bool) {
        if self.lines.is_empty() {
            return;
        }
        self.advance(now);
        self.truth.nodes.entry(node.clone()).or_default().is_off = !is_on;
        self.route_all(now);
    }

    /// A strike of a fault keeps the API server from nodes: their proxies hear nothing.
    pub fn cut_off(&mut self, now: Time, strike: u32, nodes: Vec<Name>) {
        if self.lines.is_empty() || nodes.is_empty() {
            return;
        }
        self.advance(now);
        nodes.iter().for_each(|node| self.proxies.cut_off(node));
        self.cuts.entry(strike).or_default().extend(nodes);
        self.route_all(now);
    }

    /// A strike of a fault loses all packets of a family between nodes, as far as it struck them.
    pub fn fail_family(&mut self, now: Time, strike: u32, family: Family, nodes: BTreeSet<Name>) {
        if self.lines.is_empty() || nodes.is_empty() {
            return;
        }
        self.advance(now);
        self.truth.failing.insert(strike, (family, nodes));
        self.route_all(now);
    }

    /// That strike is over.
    pub fn rejoin(&mut self, now: Time, strike: u32) {
        if self.truth.failing.contains_key(&strike) {
            self.advance(now);
            self.truth.failing.remove(&strike);
            self.route_all(now);
        }
        let Some(nodes) = self.cuts.remove(&strike) else { return };
        self.advance(now);
        nodes.iter().for_each(|node| self.proxies.rejoin(node));
        self.route_all(now);
    }

    /// What became of each stream up to an instant that has not passed.
    pub fn counts(&self, now: Time) -> Vec<TrafficCounts> {
        let mut ended = self.clone();
        ended.advance(now);
        let counts = |line: &mut Line| {
            line.settle(now);
            let by_endpoint = line.ledger.whole();
            let mut total = Fates::default();
            for (_, fates) in &by_endpoint {
                total.served += fates.served;
                total.refused += fates.refused;
                total.lost += fates.lost;
            }
            TrafficCounts { name: line.settings.name.clone(), total, by_endpoint }
        };
        ended.lines.iter_mut().map(counts).collect()
    }

    fn post(&mut self, at: Time, due: Due) {
        self.due.insert((at, self.posted), due);
        self.posted += 1;
    }

    /// Catches up with what proxies have done until an instant.
    fn advance(&mut self, now: Time) {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let ((at, _), due) = entry.remove_entry();
            match due {
                Due::Heard(change) => {
                    for (when, step) in self.proxies.hear(change, at) {
                        self.post(when, Due::Step(step));
                    }
                }
                Due::Step(step) => {
                    let (changed, next) = self.proxies.step(step, at);
                    if let Some((when, step)) = next {
                        self.post(when, Due::Step(step));
                    }
                    self.route(at, |line| changed.contains(&line.service));
                }
                Due::Stops(namespace, pod) => {
                    self.route(at, |line| line.settings.to.0 == namespace && line.asked.contains(&pod));
                }
            }
        }
    }

    /// Works out some streams anew.
    fn route(&mut self, now: Time, which: impl Fn(&Line) -> bool) {
        for line in self.lines.iter_mut().filter(|line| which(line)) {
            line.settle(now);
            line.route(&self.truth, &self.proxies, self.chance, now);
        }
    }

    fn route_all(&mut self, now: Time) {
        self.route(now, |_| true);
    }

    fn pod_changed(&mut self, pod: &Obj<Pod>, is_gone: bool, now: Time) {
        let Some(lines) = self.by_namespace.get(&pod.meta.namespace) else { return };
        let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
        let key = (namespace.clone(), name.clone());
        let before = self.truth.pods.get(&key);
        let after = (!is_gone).then(|| PodTruth::of(pod, before, now));
        if before == after.as_ref() {
            return;
        }
        let mut touched = Vec::new();
        for number in lines {
            let line = &mut self.lines[*number];
            let sends = after.as_ref().is_some_and(|after| line.may_send(namespace, &after.labels));
            let was = if sends { !line.clients.insert(name.clone()) } else { line.clients.remove(name) };
            if sends || was || (line.settings.to.0 == *namespace && line.asked.contains(name)) {
                touched.push(*number);
            }
        }
        let stops_at = after.as_ref().and_then(|after| after.stops_at).filter(|stops_at| *stops_at > now);
        match after {
            Some(after) => self.truth.pods.insert(key.clone(), after),
            None => self.truth.pods.remove(&key),
        };
        if let Some(stops_at) = stops_at {
            self.post(stops_at, Due::Stops(key.0, key.1));
        }
        for number in touched {
            let line = &mut self.lines[number];
            line.settle(now);
            line.route(&self.truth, &self.proxies, self.chance, now);
        }
    }

    fn node_changed(&mut self, node: &Obj<Node>, is_gone: bool, now: Time) {
        let truth = self.truth.nodes.entry(node.meta.name.clone()).or_default();
        let zone = node.meta.labels.get(ZONE).cloned();
        if truth.zone != zone || truth.is_registered == is_gone {
            (truth.zone, truth.is_registered) = (zone, !is_gone);
            self.route_all(now);
        }
    }

    fn service_changed(&mut self, object: &Obj<Untyped>, is_gone: bool, now: Time) {
        let key = (object.meta.namespace.clone(), object.meta.name.clone());
        let number = self.by_name.get(&key).copied();
        if let Some(number) = number {
            let view = (!is_gone).then(|| ServiceView::of(object));
            if self.services[number].view == view {
                return;
            }
            self.services[number].view = view;
        }
        self.tell(number, now);
    }

    fn slice_changed(&mut self, object: &Obj<Untyped>, is_gone: bool, now: Time) {
        let service = object.meta.labels.get(SERVICE_NAME).cloned().unwrap_or_default();
        let number = self.by_name.get(&(object.meta.namespace.clone(), service)).copied();
        if let Some(number) = number {
            let slices = &mut self.services[number].slices;
            match read_slice(object).filter(|_| !is_gone) {
                Some(slice) => slices.insert(object.meta.id.slot, slice),
                None => slices.remove(&object.meta.id.slot),
            };
        }
        self.tell(number, now);
    }

    /// Sends a change on its way to the proxies; that of a Service that nobody asks makes them write their rules too.
    fn tell(&mut self, number: Option<usize>, now: Time) {
        let change = number.map(|number| {
            let Followed { view, slices } = &self.services[number];
            (number, view.clone().map(|view| Arc::new(Table::new(view, slices))))
        });
        self.post(now.saturating_add(self.watch), Due::Heard(change));
    }
}
