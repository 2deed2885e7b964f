//! The set-up of a simulation: plain values that a scenario file is lowered into. Nothing here parses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::identity::Operator;
use super::world::World;
use super::{Action, Guest, Parts, Sim, Tally, TimedFault, User};
use crate::api::{Clock, IpFamily, Kind, KindInfo, Name, Object};
use crate::check::{By, InvariantEntry, Invariants};
use crate::client::{Controller, ControllerEntry, Flags, Host, LeaderElection};
use crate::event::{Cause, PartId, Request, SimEvent};
use crate::kernel::{Agenda, Chance, Time};
use crate::kubelet::{Behaviours, Kubelet, KubeletSettings, NodeTemplate};
use crate::net::{Net, NetSettings};
use crate::network::{Network, TrafficSettings};
use crate::record::{Entry, EntryKind, Journal};
use crate::scheduler::{Scheduler, SchedulerSettings};
use crate::store::{ApiServerSettings, Context, DeclaredWebhook, Store, UserInfo};

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
    /// `kubectl --as`: in whose name; absent: the administrator's.
    pub user: Option<Arc<UserInfo>>,
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
    /// The flags of kube-apiserver.
    pub api_server: ApiServerSettings,
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
    /// The service account of controllers under test and guests, whose requests RBAC judges then; `None`: they may do
    /// anything.
    pub operator_account: Option<UserInfo>,
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
        store.configure(&self.api_server);
        store.declare_webhooks(&self.webhooks);
        let custom: Vec<(Kind, Arc<KindInfo>)> =
            self.custom_kinds.iter().map(|info| (store.announce_kind(KindInfo::clone(info)), info.clone())).collect();
        let kinds = store.kinds();
        let mut managers: Vec<Host> = Vec::new();
        if !self.controllers.is_empty() {
            let replicas = replicas("kube-controller-manager", self.controller_managers);
            managers.extend(replicas.map(|(name, host)| self.manager(&name, host, &kinds)));
        }
        let mut operator = Operator { user: self.operator_account.clone().map(Arc::new), manager: None };
        if !tested.is_empty() {
            operator.manager = Some(PartId::ControllerManager(managers.len() as u8));
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
            let addresses = node_addresses(index as u32, &template.ip_families);
            let kubelet = Kubelet::new(name.clone(), addresses, template.clone(), settings, behaviours);
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
            operator,
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

/// The addresses of a node, by its number: 172.16.0.0/12 from .1 on, and fd00:172:16::/96 alike.
fn node_addresses(index: u32, families: &[IpFamily]) -> Vec<IpAddr> {
    let families = if families.is_empty() { &[IpFamily::V4] } else { families };
    let address = |family: &IpFamily| match family {
        IpFamily::V4 => IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes([172, 16, 0, 1]) + index)),
        IpFamily::V6 => {
            let host = (index + 1).to_be_bytes().map(u16::from);
            let (high, low) = (host[0] << 8 | host[1], host[2] << 8 | host[3]);
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0x172, 0x16, 0, 0, 0, high, low))
        }
    };
    families.iter().map(address).collect()
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
                let made = made.expect("a node of an empty cluster can be created");
                if let Some(Object::Node(node)) = made.object()
                    && let Some(limits) = kubelet.disk_limits(node)
                {
                    let made = self.store.handle(Request::Create(limits), &context);
                    made.expect("a CSINode of an empty cluster can be created");
                }
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
