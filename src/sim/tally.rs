//! Counts that are kept while the simulation runs: pods by phase, requests by client, and samples of them over time.

use std::collections::BTreeMap;

use crate::api::{Kind, Object, PodPhase};
use crate::event::{ChangeKind, ClientIndex, PartId, Verb};
use crate::kernel::{Span, Time};
use crate::store::Commit;

/// How far apart samples are at least.
const SAMPLE_EVERY: Span = Span::from_secs(1);

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

/// The counts at an instant. Nothing is sampled while nothing changes.
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
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Pods now.
    pub pods: PodCounts,
    objects: u64,
    requests: u64,
    by_client: BTreeMap<(PartClass, u8), BTreeMap<(Verb, Kind), u64>>,
    samples: Vec<Sample>,
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
    fn of(part: PartId) -> PartClass {
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
        self.by_client.iter().flat_map(|((class, client), counts)| {
            counts.iter().map(|((verb, kind), count)| (*class, ClientIndex(*client), *verb, *kind, *count))
        })
    }

    /// The samples so far, and the counts now as the last of them.
    pub fn samples(&self, now: Time) -> Vec<Sample> {
        let mut samples = self.samples.clone();
        samples.push(self.sample(now));
        samples
    }

    fn sample(&self, time: Time) -> Sample {
        Sample { time, pods: self.pods, objects: self.objects, requests: self.requests }
    }

    pub(super) fn count_request(&mut self, from: PartId, client: ClientIndex, verb: Verb, kind: Kind) {
        self.requests += 1;
        let counts = self.by_client.entry((PartClass::of(from), client.0)).or_default();
        *counts.entry((verb, kind)).or_default() += 1;
    }

    pub(super) fn observe(&mut self, now: Time, commit: &Commit) {
        if self.samples.last().is_none_or(|last| now.since(last.time) >= SAMPLE_EVERY) {
            self.samples.push(self.sample(now));
        }
        if commit.object.kind() != Kind::Event {
            match commit.kind {
                ChangeKind::Added => self.objects += 1,
                ChangeKind::Modified => {}
                ChangeKind::Deleted => self.objects -= 1,
            }
        }
        if let Some(before) = &commit.before {
            self.pods.count(before, |count| *count -= 1);
        }
        if commit.kind != ChangeKind::Deleted {
            self.pods.count(&commit.object, |count| *count += 1);
        }
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
