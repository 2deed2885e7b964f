//! A stream of requests: who sends how much to whom at the moment, and what has become of it so far.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Fate, Ledger};
use super::proxies::Proxies;
use super::settings::{Clients, TrafficLine};
use super::table::{Choice, Side, Table};
use super::truth::Truth;
use crate::api::{IpFamily as Family, Name};
use crate::kernel::{Chance, Purpose, Time, object_hash};

const AFFINITY: Purpose = Purpose::new("session-affinity");

/// A share of the requests.
#[derive(Clone, Debug)]
struct Flow {
    to: Name,
    fate: Fate,
    /// So many parts …
    part: u64,
    /// … of so many.
    of: u64,
}

/// Clients that are treated alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Origin {
    /// The cohort of the proxy, where nothing else tells them apart.
    cohort: usize,
    node: Option<Name>,
    family: Option<Family>,
    /// The one that sticks to its endpoint.
    client: Option<Name>,
}

/// A stream.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) settings: TrafficLine,
    /// The Service, by number.
    pub(super) service: usize,
    pub(super) ledger: Ledger,
    /// The pods that may send.
    pub(super) clients: BTreeSet<Name>,
    /// The pods that requests go to at the moment.
    pub(super) asked: BTreeSet<Name>,
    flows: Vec<Flow>,
    since: Time,
    /// Whom each client sticks to, and how often it had to choose.
    stuck: BTreeMap<Name, (Name, u64)>,
}

impl Line {
    pub(super) fn new(settings: TrafficLine, service: usize) -> Line {
        Line {
            settings,
            service,
            ledger: Ledger::default(),
            clients: BTreeSet::new(),
            asked: BTreeSet::new(),
            flows: Vec::new(),
            since: Time::ZERO,
            stuck: BTreeMap::new(),
        }
    }

    /// Whether a pod with these labels may send.
    pub(super) fn may_send(&self, of: &Name, labels: &crate::api::Labels) -> bool {
        match &self.settings.from {
            Clients::Pods { namespace, selector } => {
                namespace == of && selector.matches(|key| labels.get(key).map(Name::as_str))
            }
            Clients::Outside => false,
        }
    }

    /// Accounts for everything up to an instant.
    pub(super) fn settle(&mut self, now: Time) {
        let from = self.since.max(self.settings.start);
        let to = self.settings.end.map_or(now, |end| now.min(end));
        self.since = now;
        let units = u128::from(to.since(from).as_nanos()) * u128::from(self.settings.rate_milli);
        if to <= from || units == 0 {
            return;
        }
        let mut left = units;
        let last = self.flows.len().saturating_sub(1);
        for (index, flow) in self.flows.iter().enumerate() {
            let share = if index == last { left } else { units * u128::from(flow.part) / u128::from(flow.of) };
            left -= share;
            self.ledger.add(&flow.to, flow.fate, share);
        }
    }

    /// Works out anew who asks whom.
    pub(super) fn route(&mut self, truth: &Truth, proxies: &Proxies, chance: Chance, now: Time) {
        let (origins, side) = match self.settings.from.clone() {
            Clients::Pods { namespace, .. } => (self.senders_inside(&namespace, truth, proxies), Side::Inside),
            Clients::Outside => (self.senders_outside(truth, proxies), Side::Outside),
        };
        let all: u64 = origins.values().map(|(count, _)| count).sum();
        let mut flows = Vec::new();
        for (origin, (count, node)) in origins {
            let zone = truth.nodes.get(&node).and_then(|node| node.zone.as_ref());
            let nobody = |fate| Flow { to: Name::new(), fate, part: count, of: all };
            let table = match (side, proxies.resolved(&node, self.service), proxies.rules(&node, self.service)) {
                (Side::Inside, None, _) => {
                    flows.push(nobody(Fate::Refused));
                    continue;
                }
                (Side::Inside, Some(resolved), _) if resolved.service.is_headless => resolved,
                (_, _, Some(rules)) => rules,
                (_, _, None) => {
                    flows.push(nobody(Fate::Lost));
                    continue;
                }
            };
            let family = match (origin.family, side) {
                (Some(family), _) => family,
                (None, Side::Outside) => table.service.families.first().copied().unwrap_or(Family::V4),
                (None, Side::Inside) => {
                    flows.push(nobody(Fate::Lost));
                    continue;
                }
            };
            if side == Side::Outside && !truth.reaches(family, &node) {
                flows.push(nobody(Fate::Lost));
                continue;
            }
            match table.choose(side, family, &node, zone) {
                Choice::Refuse => flows.push(nobody(Fate::Refused)),
                Choice::Drop => flows.push(nobody(Fate::Lost)),
                Choice::Among(endpoints) => {
                    let names: Vec<&Name> = endpoints.iter().map(|endpoint| &endpoint.pod).collect();
                    let names = match &origin.client {
                        Some(client) => vec![stick(&mut self.stuck, &self.settings.name, client, &names, chance)],
                        None => names.into_iter().cloned().collect(),
                    };
                    let of = all * names.len() as u64;
                    for to in names {
                        let fate = truth.fate(&node, family, (&self.settings.to.0, &to), now);
                        flows.push(Flow { to, fate, part: count, of });
                    }
                }
            }
        }
        self.asked = flows.iter().map(|flow| flow.to.clone()).collect();
        self.flows = flows;
    }

    /// The pods that send, each with the first family that it shares with the Service.
    fn senders_inside(&self, namespace: &Name, truth: &Truth, proxies: &Proxies) -> BTreeMap<Origin, (u64, Name)> {
        let mut origins: BTreeMap<Origin, (u64, Name)> = BTreeMap::new();
        for client in &self.clients {
            let Some(pod) = truth.pods.get(&(namespace.clone(), client.clone())) else { continue };
            if !pod.sends() || !truth.is_on(&pod.node) {
                continue;
            }
            let table = proxies.rules(&pod.node, self.service);
            let family = table.and_then(|table| {
                let mut families = table.service.families.iter().copied();
                families.find(|family| pod.families.contains(family))
            });
            let sticks = table.is_some_and(|table| table.service.sticks && !table.service.is_headless);
            let origin = Origin {
                client: sticks.then(|| client.clone()),
                ..origin(&pod.node, table, Side::Inside, truth, proxies)
            };
            let origin = Origin { family: family.or(table.is_none().then_some(Family::V4)), ..origin };
            origins.entry(origin).or_insert_with(|| (0, pod.node.clone())).0 += 1;
        }
        origins
    }

    /// The nodes that a load balancer sends to.
    fn senders_outside(&self, truth: &Truth, proxies: &Proxies) -> BTreeMap<Origin, (u64, Name)> {
        let mut origins: BTreeMap<Origin, (u64, Name)> = BTreeMap::new();
        for (name, _) in truth.nodes.iter().filter(|(_, node)| node.is_registered && !node.is_off) {
            let table = proxies.rules(name, self.service);
            if table.is_some_and(|table| !table.takes_from_outside(name)) {
                continue;
            }
            let origin = origin(name, table, Side::Outside, truth, proxies);
            origins.entry(origin).or_insert_with(|| (0, name.clone())).0 += 1;
        }
        if origins.is_empty() && !truth.nodes.is_empty() {
            // The load balancer has nobody to send to.
            let nowhere = Origin { cohort: 0, node: Some(Name::new()), family: None, client: None };
            origins.insert(nowhere, (1, Name::new()));
        }
        origins
    }
}

fn origin(node: &Name, table: Option<&std::sync::Arc<Table>>, side: Side, truth: &Truth, proxies: &Proxies) -> Origin {
    let alone =
        !truth.failing.is_empty() || proxies.is_cut_off(node) || table.is_some_and(|table| table.looks_at_place(side));
    Origin { cohort: proxies.cohort_of(node), node: alone.then(|| node.clone()), family: None, client: None }
}

/// The endpoint that a client sticks to: the one that it had, or another drawn one where that is gone.
fn stick(
    stuck: &mut BTreeMap<Name, (Name, u64)>,
    line: &Name,
    client: &Name,
    endpoints: &[&Name],
    chance: Chance,
) -> Name {
    let chosen = stuck.get(client).cloned();
    if let Some((endpoint, _)) = &chosen
        && endpoints.contains(&endpoint)
    {
        return endpoint.clone();
    }
    let count = chosen.map_or(0, |(_, count)| count + 1);
    let draw = chance.draw(AFFINITY, object_hash(&format!("{line}/{client}")), count);
    let endpoint = endpoints[draw.below(endpoints.len() as u64) as usize].clone();
    stuck.insert(client.clone(), (endpoint.clone(), count));
    endpoint
}
