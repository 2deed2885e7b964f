//! The set-up of a simulation: plain values that a scenario file is lowered into. Nothing here parses.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::world::World;
use super::{Action, Guest, Parts, Sim, Tally, TimedFault, User};
use crate::api::{Clock, Kind, KindInfo, Name};
use crate::check::{By, InvariantEntry, Invariants};
use crate::client::{Controller, ControllerEntry, Flags, Host, LeaderElection};
use crate::event::{Cause, PartId, Request, SimEvent};
use crate::kernel::{Agenda, Chance, Time};
use crate::kubelet::{Behaviours, Kubelet, KubeletSettings, NodeTemplate};
use crate::net::{Net, NetSettings};
use crate::network::{Network, TrafficSettings};
use crate::record::{Entry, EntryKind, Journal};
use crate::scheduler::{Scheduler, SchedulerSettings};
use crate::store::{Context, DeclaredWebhook, ServiceRanges, Store};

/// Nodes of one shape.
#[derive(Clone, Debug)]
pub struct NodePool {
    /// The nodes' names, one a node.
    pub names: Vec<crate::api::Name>,
    /// What all of them look like; the name is filled in.
    pub template: Arc<NodeTemplate>,
}

/// Something that a user does at an instant.
#[derive(Clone, Debug)]
pub struct TimedAction {
    /// When.
    pub at: Time,
    /// What.
    pub action: Action,
}

/// Everything that a simulation starts from, beside the seed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// When simulated time is zero.
    pub clock: Clock,
    /// How long messages take.
    pub net: NetSettings,
    /// How many API server replicas there are.
    pub api_servers: u8,
    /// From where Services get their addresses and node ports.
    pub service_ranges: ServiceRanges,
    /// What admission webhooks answer, of which something is declared.
    pub webhooks: Arc<[DeclaredWebhook]>,
    /// The kinds that CRDs bring, by the number in `Kind::Custom`.
    pub custom_kinds: Vec<Arc<KindInfo>>,
    /// The nodes.
    pub pools: Vec<NodePool>,
    /// Whether the nodes have been part of the cluster before time zero, or register while the simulation runs.
    pub nodes_registered: bool,
    /// How kubelets work.
    pub kubelet: Arc<KubeletSettings>,
    /// What containers do.
    pub behaviours: Arc<Behaviours>,
    /// How the scheduler works; `None`: there is none.
    pub scheduler: Option<SchedulerSettings>,
    /// How many replicas of it there are, each on a node of the control plane of its own.
    pub schedulers: u8,
    /// The controllers of kube-controller-manager; empty: there is none.
    pub controllers: Vec<&'static ControllerEntry>,
    /// The flags of kube-controller-manager.
    pub controller_flags: Flags,
    /// How its replicas elect a leader; `None`: each works.
    pub controller_election: Option<LeaderElection>,
    /// How many replicas of it there are, each on a node of the control plane of its own.
    pub controller_managers: u8,
    /// What users do, in order of time.
    pub timeline: Vec<TimedAction>,
    /// What breaks.
    pub faults: Vec<TimedFault>,
    /// Which requests are sent to Services.
    pub traffic: Arc<TrafficSettings>,
    /// What is checked all the time.
    pub invariants: Vec<&'static InvariantEntry>,
    /// Whether the journal keeps its entries or only digests them.
    pub keep_journal: bool,
}

impl Setup {
    /// The simulation of this set-up under a seed, at time zero with nothing done yet.
    pub fn build(&self, seed: u64) -> Sim {
        self.build_with(seed, Vec::new(), Vec::new())
    }

    /// The same with native controllers under test in a process of their own, and with guests.
    pub fn build_with(&self, seed: u64, tested: Vec<Box<dyn Controller>>, guests: Vec<Box<dyn Guest>>) -> Sim {
        let chance = Chance { seed };
        let lags = vec![self.net.watch_cache_lag; usize::from(self.api_servers.max(1))];
        let mut store = Store::new(chance, self.clock, &lags);
        store.set_service_ranges(&self.service_ranges);
        store.declare_webhooks(&self.webhooks);
        let custom: Vec<(Kind, Arc<KindInfo>)> =
            self.custom_kinds.iter().map(|info| (store.announce_kind(KindInfo::clone(info)), info.clone())).collect();
        let kinds = store.kinds();
        let mut managers: Vec<Host> = Vec::new();
        if !self.controllers.is_empty() {
            let replicas = replicas("kube-controller-manager", self.controller_managers);
            managers.extend(replicas.map(|(name, host)| self.manager(&name, host, &kinds)));
        }
        if !tested.is_empty() {
            managers.push(Host::new("operator", tested, &kinds, &self.controller_flags));
        }
        managers.iter_mut().for_each(|manager| manager.discover(&custom));
        let schedulers = self.scheduler.iter().flat_map(|settings| {
            let replicas = replicas("kube-scheduler", self.schedulers);
            replicas.map(|(name, host)| Scheduler::new(&name, &host, settings.clone()))
        });
        let nodes = self.pools.iter().flat_map(|pool| pool.names.iter().map(|name| (name, &pool.template)));
        let kubelets = nodes.enumerate().map(|(index, (name, template))| {
            let (settings, behaviours) = (self.kubelet.clone(), self.behaviours.clone());
            let address = node_address(index as u32);
            let kubelet = Kubelet::new(name.clone(), vec![address], template.clone(), settings, behaviours);
            if self.nodes_registered { kubelet.registered_before() } else { kubelet }
        });
        let parts =
            Parts::new(User::default(), managers, schedulers.collect(), kubelets.map(Arc::new).collect(), guests);
        let mut sim = Sim {
            now: Time::ZERO,
            agenda: Agenda::new(),
            pending: 0,
            chance,
            clock: self.clock,
            store,
            net: Net::new(self.net, chance),
            journal: Journal::new(self.keep_journal),
            tally: Tally::default(),
            network: Network::new(&self.traffic, chance),
            timeline: self.timeline.clone().into(),
            world: World::new(&self.faults),
            invariants: Invariants::new(self.invariants.iter().filter(|entry| self.can_hold(entry))),
            rested: None,
            incarnations: std::collections::BTreeMap::new(),
            events_handled: 0,
            parts,
        };
        sim.begin(self.nodes_registered);
        sim
    }

    /// A replica of kube-controller-manager.
    fn manager(&self, name: &str, host: Name, kinds: &[Kind]) -> Host {
        let controllers = self.controllers.iter().map(|entry| (entry.build)(&self.controller_flags)).collect();
        let manager = Host::new(name, controllers, kinds, &self.controller_flags);
        match &self.controller_election {
            Some(election) => manager.electing(election.clone(), host),
            None => manager,
        }
    }

    /// Whether the controller is there without which an invariant does not hold.
    fn can_hold(&self, entry: &InvariantEntry) -> bool {
        entry.needs.is_none_or(|name| self.controllers.iter().any(|controller| controller.name == name))
    }
}

/// The names of a component's replicas, each with that of its machine. Upstream: a static pod is called after its node;
/// one that is the only one goes by its plain name here.
pub fn replicas(component: &str, count: u8) -> impl Iterator<Item = (Name, Name)> {
    (0..count.max(1)).map(move |number| {
        let host = ecow::eco_format!("control-plane-{number}");
        let name = if count <= 1 { component.into() } else { ecow::eco_format!("{component}-{host}") };
        (name, host)
    })
}

/// The address of a node, by its number: 172.16.0.0/12 from .1 on.
fn node_address(index: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes([172, 16, 0, 1]) + index))
}

impl Sim {
    fn begin(&mut self, nodes_registered: bool) {
        self.journal.add(Entry {
            time: Time::ZERO,
            kind: EntryKind::Start,
            client: crate::event::ClientIndex(0),
            part: PartId::User,
            object: None,
            detail: self.chance.seed,
            cause: Cause::START,
        });
        let context = Context { now: Time::ZERO, cause: Cause::START, from: PartId::User, replica: 0 };
        self.store.bootstrap(&context);
        if nodes_registered {
            for kubelet in &self.parts.kubelets {
                let node = kubelet.new_node(self.clock.timestamp(Time::ZERO));
                let made = self.store.handle(Request::Create(node), &context);
                made.expect("a node of an empty cluster can be created");
            }
        }
        self.after_store(By::living(PartId::User), Cause::START);
        for part in self.parts.ids() {
            self.post(Time::ZERO, SimEvent::Start(part));
        }
        for (number, action) in self.timeline.clone().iter().enumerate() {
            self.post(action.at, SimEvent::Action(number as u32));
        }
        self.post_faults();
    }
}
