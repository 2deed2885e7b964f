//! What is counted while the simulation runs, and how it went over time: pods by phase, requests by client, what pods
//! request of nodes, rollouts, and what happened of note.
//!
//! All of it is read off commits and requests, a few additions each, and kept in bounded memory: series become coarser
//! as they grow ([`Series`]). Nothing in the tank reads it back.

mod batch;
mod happenings;
mod rollouts;
mod usage;

use std::collections::BTreeMap;

pub use batch::Batch;
pub use happenings::{Happening, HappeningKind, Happenings};
pub use rollouts::{RolloutCounts, Rollouts};
pub use usage::{Load, NodeUse, Usage};

use crate::api::{Kind, Object, PodPhase};
use crate::event::{ChangeKind, ClientIndex, PartId, Verb};
use crate::kernel::Time;
use crate::record::Series;
use crate::store::Commit;

/// How many samples of pods are kept at most.
const SAMPLES: usize = 2_000;
/// How many samples of each client's requests are kept at most.
const CLIENT_SAMPLES: usize = 500;

/// How many pods are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PodCounts {
    /// Pending and not bound.
    pub unscheduled: u64,
    /// Pending and bound.
    pub pending: u64,
    /// Running.
    pub running: u64,
    /// Running and ready; counted in `running` too.
    pub ready: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
    /// With a deletion timestamp; counted in the others too.
    pub terminating: u64,
}

/// The counts from an instant on. Nothing is sampled while nothing changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When.
    pub time: Time,
    /// Pods.
    pub pods: PodCounts,
    /// Objects of all kinds but Events.
    pub objects: u64,
    /// Requests so far.
    pub requests: u64,
}

/// The counts so far.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Pods now.
    pub pods: PodCounts,
    /// What pods request of nodes.
    pub usage: Usage,
    /// The Deployments over time.
    pub rollouts: Rollouts,
    /// What happened of note.
    pub happenings: Happenings,
    /// The Jobs and the work of their pods.
    pub batch: Batch,
    objects: u64,
    requests: u64,
    by_client: BTreeMap<(PartClass, u8), ClientCounts>,
    samples: Series<Sample>,
}

/// The requests of one client.
#[derive(Clone, Debug)]
struct ClientCounts {
    total: u64,
    counts: BTreeMap<(Verb, Kind), u64>,
    over_time: Series<u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            pods: PodCounts::default(),
            usage: Usage::default(),
            rollouts: Rollouts::default(),
            happenings: Happenings::default(),
            batch: Batch::default(),
            objects: 0,
            requests: 0,
            by_client: BTreeMap::new(),
            samples: Series::new(SAMPLES),
        }
    }
}

/// Parts of which there are many count together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PartClass {
    /// kubectl.
    User,
    /// A process with controllers.
    ControllerManager(u8),
    /// A scheduler.
    Scheduler(u8),
    /// All kubelets.
    Kubelets,
    /// A guest.
    Guest(u16),
    /// The world.
    World,
}

impl PartClass {
    /// The class of a part.
    pub fn of(part: PartId) -> PartClass {
        match part {
            PartId::User => PartClass::User,
            PartId::ControllerManager(index) => PartClass::ControllerManager(index),
            PartId::Scheduler(index) => PartClass::Scheduler(index),
            PartId::Kubelet(_) => PartClass::Kubelets,
            PartId::Guest(index) => PartClass::Guest(index),
            PartId::World => PartClass::World,
        }
    }
}

impl Tally {
    /// Requests by client, verb and kind.
    pub fn requests(&self) -> impl Iterator<Item = (PartClass, ClientIndex, Verb, Kind, u64)> + '_ {
        self.by_client.iter().flat_map(|((class, client), of_client)| {
            let counts = of_client.counts.iter();
            counts.map(|((verb, kind), count)| (*class, ClientIndex(*client), *verb, *kind, *count))
        })
    }

    /// How many requests each client had sent, over time.
    pub fn requests_over_time(&self) -> impl Iterator<Item = (PartClass, ClientIndex, &[(Time, u64)])> + '_ {
        let clients = self.by_client.iter();
        clients.map(|((class, client), counts)| (*class, ClientIndex(*client), counts.over_time.points()))
    }

    /// The samples so far, and the counts now as the last of them. At most one lies within each tenth of a second, and
    /// fewer where that would make more than two thousand.
    pub fn samples(&self, now: Time) -> Vec<Sample> {
        let mut samples: Vec<Sample> = self.samples.points().iter().map(|(_, sample)| *sample).collect();
        samples.push(self.sample(now));
        samples
    }

    fn sample(&self, time: Time) -> Sample {
        Sample { time, pods: self.pods, objects: self.objects, requests: self.requests }
    }

    pub(super) fn count_request(&mut self, now: Time, from: PartId, client: ClientIndex, verb: Verb, kind: Kind) {
        self.requests += 1;
        let new = || ClientCounts { total: 0, counts: BTreeMap::new(), over_time: Series::new(CLIENT_SAMPLES) };
        let of_client = self.by_client.entry((PartClass::of(from), client.0)).or_insert_with(new);
        of_client.total += 1;
        of_client.over_time.set(now, of_client.total);
        *of_client.counts.entry((verb, kind)).or_default() += 1;
    }

    pub(super) fn observe(&mut self, now: Time, commit: &Commit) {
        self.batch.observe(now, commit);
        match &commit.object {
            Object::Event(event) => {
                if commit.kind != ChangeKind::Deleted {
                    self.happenings.event(now, event);
                }
                return;
            }
            Object::Node(node) => {
                let before = commit.before.as_ref().and_then(Object::get);
                self.usage.node(now, node, commit.kind == ChangeKind::Deleted);
                self.happenings.node(now, before, node, commit.kind);
            }
            Object::Pod(pod) => {
                let before = commit.before.as_ref().and_then(Object::get);
                self.usage.pod(now, before, (commit.kind != ChangeKind::Deleted).then_some(pod));
            }
            Object::Deployment(deployment) => {
                self.rollouts.deployment(now, deployment, commit.kind == ChangeKind::Deleted);
            }
            Object::Namespace(_) | Object::ReplicaSet(_) | Object::Lease(_) | Object::Untyped(_) => {}
        }
        match commit.kind {
            ChangeKind::Added => self.objects += 1,
            ChangeKind::Modified => {}
            ChangeKind::Deleted => self.objects -= 1,
        }
        if let Some(before) = &commit.before {
            self.pods.count(before, |count| *count -= 1);
        }
        if commit.kind != ChangeKind::Deleted {
            self.pods.count(&commit.object, |count| *count += 1);
        }
        let sample = self.sample(now);
        self.samples.set(now, sample);
    }
}

impl PodCounts {
    fn count(&mut self, object: &Object, step: impl Fn(&mut u64)) {
        let Object::Pod(pod) = object else { return };
        match pod.body.status.phase {
            PodPhase::Pending if pod.body.node_name.is_empty() => step(&mut self.unscheduled),
            PodPhase::Pending | PodPhase::Unknown => step(&mut self.pending),
            PodPhase::Running => {
                step(&mut self.running);
                if pod.body.is_ready() {
                    step(&mut self.ready);
                }
            }
            PodPhase::Succeeded => step(&mut self.succeeded),
            PodPhase::Failed => step(&mut self.failed),
        }
        if pod.meta.is_terminating() {
            step(&mut self.terminating);
        }
    }
}
