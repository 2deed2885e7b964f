//! The proxies of all nodes: what each knows of each Service that is asked, and since when.
//!
//! kube-proxy hears of a change by its watch and writes its rules in syncs, at least `minSyncPeriod` apart. All proxies
//! hear the same; they differ by how long their syncs take. So nodes belong to a few cohorts, by their names, and what
//! a cohort knows is kept once: five thousand nodes cost as much as sixteen. A node that is cut off from the API server
//! keeps what it knew. Clients of headless Services hold answers of DNS for their time to live, in the same cohorts.
//! Upstream: `pkg/proxy/iptables/proxier.go`, `pkg/proxy/runner`. Left out: retries of failed syncs, the full sync
//! every `syncPeriod`, conntrack: an open connection is not followed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settings::ProxySettings;
use super::table::Table;
use crate::api::Name;
use crate::kernel::{Chance, Purpose, Span, Time, object_hash};

/// How many cohorts there are.
const COHORTS: u64 = 16;
const COHORT: Purpose = Purpose::new("proxy-cohort");
const SYNC: Purpose = Purpose::new("proxy-sync");
const PHASE: Purpose = Purpose::new("dns-phase");

/// What is known of Services, by number.
pub(super) type Known = BTreeMap<usize, Arc<Table>>;

/// Something that a cohort does at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A sync begins.
    Begin(usize),
    /// A sync ends: the rules are there.
    End(usize),
    /// Clients ask DNS again for a Service.
    Resolve(usize, usize),
}

#[derive(Clone, Debug, Default)]
struct Cohort {
    /// The rules.
    known: Known,
    /// The answers of DNS.
    resolved: Known,
    /// What it has heard and not written; none for a Service that is gone.
    heard: BTreeMap<usize, Option<Arc<Table>>>,
    /// What is being written.
    writing: Option<BTreeMap<usize, Option<Arc<Table>>>>,
    /// Whether a sync is to begin.
    waits: bool,
    /// When the last sync ended.
    ended: Option<Time>,
    syncs: u64,
}

/// All proxies.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    settings: ProxySettings,
    dns_ttl: Span,
    chance: Chance,
    cohorts: Vec<Cohort>,
    /// What DNS knows.
    server: Known,
    /// What nodes knew that have been cut off, with how many causes each.
    frozen: BTreeMap<Name, (u32, Known)>,
}

impl Proxies {
    pub(super) fn new(settings: ProxySettings, dns_ttl: Span, chance: Chance) -> Proxies {
        let cohorts = vec![Cohort::default(); COHORTS as usize];
        Proxies { settings, dns_ttl, chance, cohorts, server: Known::new(), frozen: BTreeMap::new() }
    }

    /// The cohort of a node.
    pub(super) fn cohort_of(&self, node: &Name) -> usize {
        self.chance.draw(COHORT, object_hash(node), 0).below(COHORTS) as usize
    }

    /// Whether a node is cut off.
    pub(super) fn is_cut_off(&self, node: &Name) -> bool {
        self.frozen.contains_key(node)
    }

    /// What the proxy of a node knows of a Service.
    pub(super) fn rules(&self, node: &Name, service: usize) -> Option<&Arc<Table>> {
        match self.frozen.get(node) {
            Some((_, known)) => known.get(&service),
            None => self.cohorts[self.cohort_of(node)].known.get(&service),
        }
    }

    /// What DNS has told the clients on a node.
    pub(super) fn resolved(&self, node: &Name, service: usize) -> Option<&Arc<Table>> {
        self.cohorts[self.cohort_of(node)].resolved.get(&service)
    }

    /// A node hears nothing of the API server.
    pub(super) fn cut_off(&mut self, node: &Name) {
        let known = self.cohorts[self.cohort_of(node)].known.clone();
        self.frozen.entry(node.clone()).or_insert((0, known)).0 += 1;
    }

    /// It hears it again.
    pub(super) fn rejoin(&mut self, node: &Name) {
        if let Some((causes, _)) = self.frozen.get_mut(node) {
            *causes -= 1;
            if *causes == 0 {
                self.frozen.remove(node);
            }
        }
    }

    /// A change of a Service that is asked has come, or of another one (`None`), which is written as well. Gives what
    /// follows, and when.
    pub(super) fn hear(&mut self, change: Option<(usize, Option<Arc<Table>>)>, now: Time) -> Vec<(Time, Step)> {
        let mut steps = Vec::new();
        if let Some((service, table)) = &change {
            match table {
                Some(table) => self.server.insert(*service, table.clone()),
                None => self.server.remove(service),
            };
            for cohort in 0..self.cohorts.len() {
                steps.push((self.next_resolution(cohort, *service, now), Step::Resolve(cohort, *service)));
            }
        }
        for (number, cohort) in self.cohorts.iter_mut().enumerate() {
            cohort.heard.extend(change.clone());
            if !cohort.waits {
                cohort.waits = true;
                if cohort.writing.is_none() {
                    let free = cohort.ended.map_or(now, |ended| ended.saturating_add(self.settings.min_sync_period));
                    steps.push((free.max(now), Step::Begin(number)));
                }
            }
        }
        steps
    }

    /// When the clients of a cohort ask DNS next: at once where they never had an answer.
    fn next_resolution(&self, cohort: usize, service: usize, now: Time) -> Time {
        let ttl = self.dns_ttl.as_nanos().max(1);
        if !self.cohorts[cohort].resolved.contains_key(&service) {
            return now;
        }
        let phase = self.chance.draw(PHASE, cohort as u64, service as u64).below(ttl);
        let past = (now.nanos() + ttl - phase) % ttl;
        now.saturating_add(Span::from_nanos((ttl - past) % ttl))
    }

    /// Does a step. Gives the Services that are known otherwise now, and what follows.
    pub(super) fn step(&mut self, step: Step, now: Time) -> (Vec<usize>, Option<(Time, Step)>) {
        match step {
            Step::Begin(number) => {
                let (low, high) = self.settings.sync_takes;
                let cohort = &mut self.cohorts[number];
                let takes = self.chance.draw(SYNC, number as u64, cohort.syncs).span_between(low.min(high), high);
                cohort.syncs += 1;
                cohort.waits = false;
                cohort.writing = Some(std::mem::take(&mut cohort.heard));
                (Vec::new(), Some((now.saturating_add(takes), Step::End(number))))
            }
            Step::End(number) => {
                let cohort = &mut self.cohorts[number];
                let written = cohort.writing.take().unwrap_or_default();
                cohort.ended = Some(now);
                let changed = written.keys().copied().collect();
                for (service, table) in written {
                    match table {
                        Some(table) => cohort.known.insert(service, table),
                        None => cohort.known.remove(&service),
                    };
                }
                let again = now.saturating_add(self.settings.min_sync_period);
                (changed, cohort.waits.then_some((again, Step::Begin(number))))
            }
            Step::Resolve(number, service) => {
                let cohort = &mut self.cohorts[number];
                match self.server.get(&service) {
                    Some(table) => cohort.resolved.insert(service, table.clone()),
                    None => cohort.resolved.remove(&service),
                };
                (vec![service], None)
            }
        }
    }
}
