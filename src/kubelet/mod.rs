//! The node agent: registers its node, keeps it alive, runs its pods, reports what became of them.
//!
//! A [`Kubelet`] knows the API server's pods through its own watch alone and changes them by requests alone. It is plain
//! data: each pod is one small record, each container a state with the time of its next step. A settled pod has no timer
//! and costs nothing. Timers are never cancelled: one whose time is not the one that is due is stale and ignored.
//!
//! Follows `pkg/kubelet` of 1.34 (`kubelet.go`, `kuberuntime`, `images`, `status`). What differs on purpose:
//! - what changes in a container is noticed on the node's relist grid (upstream's generic PLEG, 1 s) and starts the next
//!   step of the pod there; upstream's resync every minute is left out, since nothing would come of it;
//! - a back-off ends when it is over (as since 1.35; before, at the next sync, 10 to 15 s apart), and says so in one
//!   Event, not one a sync;
//! - what probes find is computed from what containers are declared to do: one timer for each change, none a period; an
//!   Event tells of a failed probe when it changes something;
//! - a kubelet that starts at time zero with pods that have run before is a machine that was started again.
//!
//! A timer that comes late (the process stood still meanwhile) counts; what containers did bears its true time, and
//! probes count as if they had run.
//!
//! Left out: `postStart` hooks, `preStop` hooks other than sleeps, preemption by critical pods, in-place resize, volumes
//! other than ConfigMaps, Secrets and claims.

mod admission;
mod backoff;
mod behaviour;
mod containers;
mod contents;
mod course;
mod disk_limits;
mod eviction;
mod exits;
mod health;
mod heartbeats;
mod images;
mod loads;
mod machine;
mod mounts;
mod node;
mod oom;
mod pod;
mod pods;
mod probes;
mod program;
mod refresh;
mod report;
mod settings;
mod sources;
mod status;
mod termination;
mod texts;
mod token;
mod usage;
mod volumes;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

pub use behaviour::{
    Behaviour, BehaviourEntry, Behaviours, Exit, ImageBehaviour, Lapse, Matching, Readiness, Reading, SPAN_MAX, Sight,
    UsageBehaviour,
};
pub use course::Course;
pub use eviction::{
    Amount, EVICTION_HARD, EVICTION_MAX_POD_GRACE_PERIOD, EVICTION_MINIMUM_RECLAIM,
    EVICTION_PRESSURE_TRANSITION_PERIOD, EVICTION_SOFT, EVICTION_SOFT_GRACE_PERIOD, EvictionSettings, Pressure, Signal,
    Starved, Threshold,
};
pub use node::NodeTemplate;
pub use settings::{
    EVENT_BURST, EVENT_QPS, FLAGS, KUBE_API_BURST, KUBE_API_QPS, KubeletSettings, NODE_STATUS_UPDATE_FREQUENCY, Range,
};

pub use usage::Usage;

use crate::api::{Cidr, EventType, Kind, Name, Reference};
use crate::client::{Client, FORGET, Informer, Occurrence, Outbox, Part, Recorder, TokenBucket};
use crate::event::{Change, ClientIndex, Filter, InformerIndex, Input, Reply, TimerToken, Token};
use crate::kernel::{Span, Time};
use images::Images;
use machine::Machine;
use node::NodeState;
use pod::{ContainerRecord, Life, PodRecord, Sandbox, Stage};
use token::{Ask, Timer};

const PODS: InformerIndex = InformerIndex(0);
const NODE: InformerIndex = InformerIndex(1);

/// What a kubelet never changes.
#[derive(Clone, Debug)]
struct Fixed {
    name: Name,
    host_ips: Vec<IpAddr>,
    template: Arc<NodeTemplate>,
    settings: Arc<KubeletSettings>,
    behaviours: Arc<Behaviours>,
}

/// The agent of one node.
#[derive(Clone, Debug)]
pub struct Kubelet {
    fixed: Arc<Fixed>,
    api: Client,
    events: Client,
    /// Upstream's client of its own for Lease and node status, without a limit.
    heartbeats: Client,
    recorder: Recorder,
    pods_informer: Informer,
    node_informer: Informer,
    node: NodeState,
    machine: Machine,
    /// The ranges from which pods get their addresses.
    pod_cidrs: Vec<Cidr>,
    /// Rising by serial.
    pods: Vec<PodRecord>,
    next_serial: u32,
    next_address: u32,
    images: Images,
    /// What those of its pods need that refer to ConfigMaps or Secrets.
    sources: mounts::Sources,
    /// What of that is watched.
    configuration: Vec<refresh::Watched>,
    /// The eviction manager; `None`: nothing on the node declares what it takes.
    pressure: Option<Box<eviction::State>>,
    /// When memory runs out, as things stand; `Time::MAX`: it does not.
    out_of_memory_at: Time,
    /// What the machine carries beside the pods.
    loads: Arc<[loads::Load]>,
    /// What it knows of the claims of its pods.
    claims: volumes::Claims,
    /// When this process started.
    process_since: Time,
    /// Where the relist grid lies.
    relist_phase: Span,
    /// The relist that has a timer; `Time::MAX`: none.
    relist_at: Time,
}

impl Kubelet {
    /// The kubelet of a node that is off. `host_ips` are the node's addresses, at most one of each family, the primary
    /// one first.
    pub fn new(
        name: impl Into<Name>,
        host_ips: Vec<IpAddr>,
        template: Arc<NodeTemplate>,
        settings: Arc<KubeletSettings>,
        behaviours: Arc<Behaviours>,
    ) -> Kubelet {
        Kubelet::off(Arc::new(Fixed { name: name.into(), host_ips, template, settings, behaviours }))
    }

    fn off(fixed: Arc<Fixed>) -> Kubelet {
        let informer = |index: InformerIndex, kind, filter| {
            Informer::new(index, kind, filter, Ask::List(index.0).token(), Timer::List(index.0).token())
        };
        let settings = &fixed.settings;
        let client = |index, name: &str, limit| Client { index: ClientIndex(index), name: name.into(), limit };
        let pod_cidrs = fixed.template.pod_cidrs.clone();
        Kubelet {
            api: client(0, "kubelet", TokenBucket::new(settings.kube_api_qps, settings.kube_api_burst)),
            events: client(1, "kubelet/events", TokenBucket::new(settings.event_qps, settings.event_burst)),
            heartbeats: client(2, "kubelet/heartbeats", TokenBucket::unlimited()),
            recorder: Recorder::new("kubelet", fixed.name.clone()),
            pods_informer: informer(PODS, Kind::Pod, Filter::OnNode(fixed.name.clone())),
            node_informer: informer(NODE, Kind::Node, Filter::Named(Name::new(), fixed.name.clone())),
            node: NodeState::default(),
            machine: Machine { ran_before: false, starts: 0, boots: 0, computed: settings.elide_heartbeats },
            pod_cidrs,
            pods: Vec::new(),
            next_serial: 0,
            next_address: 0,
            images: Images::default(),
            sources: mounts::Sources::new(),
            configuration: Vec::new(),
            pressure: None,
            out_of_memory_at: Time::MAX,
            loads: Arc::default(),
            claims: volumes::Claims::default(),
            process_since: Time::ZERO,
            relist_phase: Span::ZERO,
            relist_at: Time::MAX,
            fixed,
        }
    }

    /// The labels that its node is registered with, beside the standard ones.
    pub fn labels(&self) -> &crate::api::Labels {
        &self.fixed.template.labels
    }

    /// The node's name.
    pub fn name(&self) -> &Name {
        &self.fixed.name
    }

    fn settings(&self) -> &KubeletSettings {
        &self.fixed.settings
    }

    /// Records an Event about a pod or the node.
    fn say(&mut self, out: &mut Outbox, about: Reference, kind: EventType, reason: &'static str, message: Name) {
        self.recorder.record(out, &mut self.events, Occurrence { about, kind, reason, message });
    }

    /// An informer, and the client through which it asks.
    fn informer(&mut self, index: InformerIndex) -> (&mut Informer, &mut Client) {
        let informer = match index {
            PODS => &mut self.pods_informer,
            NODE => &mut self.node_informer,
            of_claim if of_claim >= volumes::FIRST_INFORMER => self.claims.informer(of_claim),
            InformerIndex(number) => &mut self.configuration[usize::from(number - refresh::FIRST)].informer,
        };
        (informer, &mut self.api)
    }

    fn list(&mut self, informer: InformerIndex, out: &mut Outbox) {
        let (informer, client) = self.informer(informer);
        informer.start(client, out);
    }

    fn listed(&mut self, informer: InformerIndex, reply: Reply, out: &mut Outbox) {
        let changes = if informer == PODS {
            let live = self.pods.iter().filter(|pod| pod.confirmed && !pod.gone);
            let known = || live.map(|pod| crate::api::Object::Pod(pod.pod.clone())).collect();
            self.pods_informer.listed(reply, known, &mut self.api, out)
        } else if informer >= volumes::FIRST_INFORMER {
            self.claims.listed(informer, reply, &mut self.api, out)
        } else if informer == NODE {
            // Whatever the list shows is looked at afresh.
            self.node_informer.listed(reply, Vec::new, &mut self.api, out)
        } else {
            let watched = &mut self.configuration[usize::from(informer.0 - refresh::FIRST)];
            let known = watched.latest.clone();
            watched.informer.listed(reply, || known.into_iter().collect(), &mut self.api, out)
        };
        let Some(changes) = changes else { return };
        self.take_in(changes, out);
        if informer == PODS {
            self.kill_unlisted(out);
        }
    }

    fn take_in(&mut self, changes: Vec<Change>, out: &mut Outbox) {
        for change in changes {
            self.observe(&change, out);
        }
    }

    fn reply(&mut self, ask: Ask, reply: Reply, out: &mut Outbox) {
        match ask {
            Ask::List(informer) => self.listed(InformerIndex(informer), reply, out),
            Ask::Register => self.registered(reply, out),
            Ask::GetNode => self.found_node(reply, out),
            Ask::NodeStatus => self.node_status_answered(reply, out),
            Ask::CreateLease => self.lease_created(reply, out),
            Ask::RenewLease => self.renewal_answered(reply, out),
            Ask::LookAtNode => self.looked_at_node(reply, out),
            Ask::PodStatus(serial) => self.status_answered(serial, reply, out),
            Ask::PodDelete(serial) => self.delete_answered(serial, reply, out),
            Ask::Source(serial, number) => self.source_answered(serial, number, &reply, out),
            Ask::Volume(serial, number) => self.volume_answered(serial, number, &reply, out),
            Ask::Driver(serial, number) => self.driver_answered(serial, number, &reply, out),
        }
    }

    fn timer(&mut self, timer: Timer, out: &mut Outbox) {
        match timer {
            Timer::List(index) => {
                let (informer, client) = self.informer(InformerIndex(index));
                informer.due(client, out);
            }
            Timer::Register => self.register(out),
            Timer::CreateLease => self.create_lease(out),
            Timer::RenewLease => self.renewal_due(out),
            Timer::NodeStatus => self.node_status_due(out),
            Timer::PullDone => self.pull_done(out),
            Timer::Relist => self.relist(out),
            Timer::Sandbox(serial) => self.sandbox_due(serial, out),
            Timer::Container(serial, container) => self.container_due(serial, usize::from(container), out),
            Timer::Retry(serial) => self.retry_due(serial, out),
            Timer::Deadline(serial) => self.deadline_due(serial, out),
            Timer::Reconcile(serial) => self.reconcile_due(serial, out),
            Timer::Mount(serial) => self.mount_due(serial, out),
            Timer::MountWait(serial) => self.mount_wait_over(serial, out),
            Timer::Pressure => self.look_due(out),
            Timer::OutOfMemory => self.out_of_memory(out),
            Timer::Refresh(serial) => self.refresh_due(serial, out),
            Timer::Claim(serial, number) => self.claim_due(serial, number, out),
            Timer::ClaimWait(serial) => self.claim_wait_over(serial, out),
            Timer::Unmount(serial) => self.unmounted(serial, out),
            Timer::Grow(serial, number) => self.grow_due(serial, number, out),
        }
    }
}

impl Part for Kubelet {
    fn handle(&mut self, input: Input, out: &mut Outbox) {
        match input {
            Input::Start => self.process_starts(out),
            Input::Boot => self.machine_boots(out),
            Input::Loaded => self.reconsider_pressure(out),
            Input::Heartbeats { computed } => self.set_computed(computed, out),
            Input::DisksChanged => self.disks_changed(out),
            Input::Reply { token: FORGET, result: _ } => {}
            Input::Reply { token: Token(token), result } => {
                if let Some(ask) = Ask::of(token) {
                    self.reply(ask, result, out);
                }
            }
            Input::Notice { informer, mut changes } => {
                self.informer(informer).0.noticed(&mut changes);
                self.take_in(changes, out);
            }
            Input::WatchEnded { informer, end } => {
                let (informer, client) = self.informer(informer);
                informer.ended(end, client, out);
            }
            Input::Timer(TimerToken(token)) => {
                if let Some(timer) = Timer::of(token) {
                    self.timer(timer, out);
                }
            }
        }
    }

    fn client_names(&self) -> Vec<Name> {
        vec![self.api.name.clone(), self.events.name.clone(), self.heartbeats.name.clone()]
    }

    /// Whether no pod is on its way to another state: no container being started, no status that the API server has not
    /// got. Back-offs and declared exits that are to come do not count.
    fn is_idle(&self) -> bool {
        self.images.queued() == 0
            && self.pods.iter().all(|pod| {
                let at_rest = |container: &ContainerRecord| match container.stage {
                    Stage::Running { turn_at, .. } => !container.stopping && (turn_at == Time::MAX || container.ready),
                    Stage::Wanted | Stage::NoImage | Stage::CrashLoop { .. } | Stage::Ended => true,
                    Stage::Pulling | Stage::Starting | Stage::Exited { .. } => false,
                };
                pod.life != Life::Terminating
                    && !matches!(pod.sandbox, Sandbox::Starting(_))
                    && !pod.stirred
                    && pod.sent.is_none()
                    && pod.pending.is_none()
                    && pod.containers.iter().all(at_rest)
            })
    }

    fn hash_memory(&self, mut hasher: &mut dyn std::hash::Hasher) {
        use std::hash::Hash;
        self.images.hash(hasher);
        self.claims.hash(hasher);
        hasher.write_u8(u8::from(self.machine.computed));
        if let Some(state) = &self.pressure {
            state.hash(hasher);
        }
        hasher.write_usize(self.loads.len());
        for pod in &self.pods {
            pod.pod.meta.namespace.hash(&mut hasher);
            pod.pod.meta.name.hash(&mut hasher);
            pod.life.hash(&mut hasher);
            pod.initialized.hash(&mut hasher);
            (pod.gone, pod.confirmed, pod.overdue, pod.evicted.is_some()).hash(&mut hasher);
            hasher.write_u8(u8::from(pod.sent.is_some()) + 2 * u8::from(pod.pending.is_some()));
            for container in &pod.containers {
                std::mem::discriminant(&container.stage).hash(&mut hasher);
                (container.ready, container.started, container.stopping).hash(&mut hasher);
                let delays = container.trouble.as_ref().map(|trouble| (trouble.crash.delay, trouble.image.delay));
                delays.hash(&mut hasher);
            }
        }
    }
}
