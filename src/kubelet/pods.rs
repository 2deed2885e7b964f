//! Pods come to the node, change and go; their sandboxes; the relist that looks at what has happened.

use std::net::IpAddr;
use std::sync::Arc;

use super::pod::{Life, PodRecord, Sandbox, Stage};
use super::settings::SANDBOX;
use super::token::Timer;
use super::{Kubelet, admission, status};
use crate::api::resources::Resources;
use crate::api::{EventType, Kind, Obj, Object, Pod, PodIps};
use crate::client::Outbox;
use crate::event::{Change, ChangeKind};
use crate::kernel::{Span, Time, object_hash};

impl Kubelet {
    /// Takes in one change that a watch has told of.
    pub(super) fn observe(&mut self, change: &Change, out: &mut Outbox) {
        match &change.object {
            Object::Pod(pod) => self.pod_changed(pod, change.kind, out),
            Object::Node(node) => self.node_changed(node, change, out),
            Object::Namespace(_)
            | Object::Deployment(_)
            | Object::ReplicaSet(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
            Object::Untyped(object) if object.meta.id.kind != Kind::PersistentVolumeClaim => {
                self.configuration_changed(change, out);
            }
            Object::Untyped(claim) => self.claim_changed(claim, change.kind, out),
        }
    }

    /// Where the record of a serial is.
    pub(super) fn at(&self, serial: u32) -> Option<usize> {
        self.pods.binary_search_by_key(&serial, |pod| pod.serial).ok()
    }

    fn pod_changed(&mut self, pod: &Arc<Obj<Pod>>, kind: ChangeKind, out: &mut Outbox) {
        let known = self.pods.iter().position(|record| record.is_about(pod));
        match (kind, known) {
            (ChangeKind::Deleted, None) => {}
            (ChangeKind::Deleted, Some(at)) => {
                self.pods[at].gone = true;
                self.pods[at].sent = None;
                self.pods[at].pending = None;
                if self.pods[at].life == Life::Finished { self.remove(at, out) } else { self.terminate(at, out) }
            }
            (ChangeKind::Added | ChangeKind::Modified, None) => self.admit(pod, out),
            (ChangeKind::Added | ChangeKind::Modified, Some(at)) => {
                if !self.pods[at].confirmed {
                    return self.confirm(at, pod, out);
                }
                let record = &mut self.pods[at];
                let generation = record.latest().body.status.observed_generation;
                let quiet = record.sent.is_none() && record.pending.is_none();
                let newer = pod.meta.resource_version > record.pod.meta.resource_version;
                let contradicted = quiet && newer && status::contradicts(&record.pod.body.status, &pod.body.status);
                if pod.meta.resource_version > record.pod.meta.resource_version {
                    record.pod = pod.clone();
                }
                if record.pod.meta.is_terminating() {
                    self.terminate(at, out);
                } else if record.life == Life::Live && pod.meta.generation > generation {
                    self.report(at, out);
                } else if record.life == Life::Live && contradicted {
                    self.reconcile_later(at, out);
                }
            }
        }
    }

    fn admit(&mut self, pod: &Arc<Obj<Pod>>, out: &mut Outbox) {
        let mut used = Resources::default();
        let mut others = 0;
        for record in self.pods.iter().filter(|record| record.takes_room()) {
            used.add(&record.pod.body.spec.requests);
            others += 1;
        }
        let record = PodRecord::new(self.next_serial, pod, &self.fixed.behaviours, out.timestamp());
        self.next_serial += 1;
        self.pods.push(record);
        let at = self.pods.len() - 1;
        if self.pods[at].life == Life::Finished {
            return self.terminate_if_deleted(at, out);
        }
        if pod.meta.is_terminating() {
            return self.terminate(at, out);
        }
        let spec = &pod.body.spec;
        let beside = self.pods[..at].iter().filter(|record| record.takes_room()).map(|record| &*record.pod.body.spec);
        let verdict = self
            .admits_under_pressure(pod)
            .and_then(|()| admission::fits(&self.fixed.template.room, &used, others, &spec.requests))
            .and_then(|()| self.node.object.as_ref().map_or(Ok(()), |node| admission::suits(spec, node, beside)));
        match verdict {
            Ok(()) => {
                self.note_needs(at);
                self.note_claims(at, out);
                self.report(at, out);
                self.arm_deadline(at, out);
                self.start_sandbox(at, out);
            }
            Err(refusal) => {
                self.say(out, pod.meta.reference(), EventType::Warning, refusal.event, refusal.message.clone());
                self.refuse(at, refusal.reason, &refusal.message, out);
            }
        }
    }

    fn terminate_if_deleted(&mut self, at: usize, out: &mut Outbox) {
        if self.pods[at].pod.meta.is_terminating() {
            self.terminate(at, out);
        }
    }

    /// Forgets a pod. Its address is free, which another pod may be waiting for.
    pub(super) fn remove(&mut self, at: usize, out: &mut Outbox) {
        let record = self.pods.remove(at);
        self.images.forget(record.serial);
        self.sources.remove(&record.serial);
        self.drop_claims(record.serial, out);
        self.start_waiting_sandboxes(out);
    }

    /// Asks for a timer for the end of a pod's `activeDeadlineSeconds`.
    pub(super) fn arm_deadline(&self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        if let Some(seconds) = record.pod.body.spec.full.active_deadline_seconds {
            let after = Span::from_secs(seconds.clamp(0, DEADLINE_MAX_SECONDS) as u64);
            let due = out.clock.time(record.start_time) + after;
            out.timer_at(due, Timer::Deadline(record.serial).token());
        }
    }

    /// A pod has been active for as long as it may. Upstream: `active_deadline.go`.
    pub(super) fn deadline_due(&mut self, serial: u32, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        if self.pods[at].life != Life::Live || !self.pods[at].confirmed {
            return;
        }
        self.pods[at].overdue = true;
        let reference = self.pods[at].pod.meta.reference();
        self.say(out, reference, EventType::Normal, status::OVERDUE, status::OVERDUE_MESSAGE.into());
        self.end(at, out);
    }

    /// Starts the sandboxes of pods that have waited for the node's network.
    pub(super) fn start_waiting_sandboxes(&mut self, out: &mut Outbox) {
        if self.pod_cidrs.is_empty() {
            return;
        }
        for at in 0..self.pods.len() {
            if self.pods[at].life == Life::Live && self.pods[at].sandbox == Sandbox::Waiting {
                self.start_sandbox(at, out);
            }
        }
    }

    /// Starts the sandbox of a pod whose volumes are there.
    pub(super) fn start_sandbox(&mut self, at: usize, out: &mut Outbox) {
        // Both are begun.
        let (has_sources, has_claims) = (self.has_mounted(at, out), self.has_claims(at, out));
        if !has_sources || !has_claims {
            return;
        }
        let reference = self.pods[at].pod.meta.reference();
        if !self.pods[at].uses_host_network() {
            if self.pod_cidrs.is_empty() {
                return self.say(out, reference, EventType::Warning, "NetworkNotReady", NETWORK_NOT_READY.into());
            }
            let Some(address) = self.free_address() else {
                return self.say(out, reference, EventType::Warning, "FailedCreatePodSandBox", NO_ADDRESS.into());
            };
            self.pods[at].address = address;
        }
        let path = object_hash(&self.pods[at].pod.meta.key());
        let due =
            out.now + self.settings().sandbox_start.draw(out.chance, SANDBOX, path, u64::from(self.machine.boots));
        self.pods[at].sandbox = Sandbox::Starting(due);
        out.timer_at(due, Timer::Sandbox(self.pods[at].serial).token());
    }

    /// The next free number within the node's ranges, round and round as the `host-local` plugin goes; the first two
    /// addresses (the network, the bridge) and an IPv4 range's last are not given out.
    fn free_address(&mut self) -> Option<u32> {
        let count = self.pod_cidrs.iter().map(crate::api::Cidr::host_count).min()?;
        let end = u32::try_from(count).unwrap_or(u32::MAX).checked_sub(1)?;
        if end <= 2 {
            return None;
        }
        let mut address = self.next_address.clamp(2, end);
        for _ in 2..=end {
            if address >= end {
                address = 2;
            }
            if self.pods.iter().all(|record| record.address != address) {
                self.next_address = address + 1;
                return Some(address);
            }
            address += 1;
        }
        None
    }

    /// The addresses of a pod whose sandbox is there.
    pub(super) fn addresses(&self, record: &PodRecord) -> PodIps {
        let hosts = &self.fixed.host_ips;
        if record.uses_host_network() {
            return PodIps { first: hosts.first().copied(), second: hosts.get(1).copied() };
        }
        let of = |index: usize| -> Option<IpAddr> { self.pod_cidrs.get(index)?.host(u128::from(record.address)).ok() };
        PodIps { first: of(0), second: of(1) }
    }

    /// A sandbox is ready.
    pub(super) fn sandbox_due(&mut self, serial: u32, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        let due = matches!(self.pods[at].sandbox, Sandbox::Starting(due) if due <= out.now);
        if !due || self.pods[at].life != Life::Live {
            return;
        }
        self.pods[at].sandbox = Sandbox::Up;
        self.stir(at, out);
        self.advance(at, out);
    }

    /// Something has happened to a pod that the next relist will notice.
    pub(super) fn stir(&mut self, at: usize, out: &mut Outbox) {
        self.pods[at].stirred = true;
        let next = self.next_relist(out.now);
        if self.relist_at == Time::MAX || self.relist_at < out.now {
            self.relist_at = next;
            out.timer_at(next, Timer::Relist.token());
        }
    }

    /// The first relist that is not before an instant.
    pub(super) fn next_relist(&self, after: Time) -> Time {
        let every = self.settings().relist_every.as_nanos();
        if every == 0 {
            return after;
        }
        let first = self.relist_phase.as_nanos() % every;
        let periods = after.nanos().saturating_sub(first).div_ceil(every);
        Time::ZERO + Span::from_nanos(first + periods * every)
    }

    /// Looks at the pods in which something has happened.
    pub(super) fn relist(&mut self, out: &mut Outbox) {
        if self.relist_at > out.now {
            return;
        }
        self.relist_at = Time::MAX;
        let stirred: Vec<u32> = self.pods.iter().filter(|pod| pod.stirred).map(|pod| pod.serial).collect();
        for serial in stirred {
            if let Some(at) = self.at(serial) {
                self.pods[at].stirred = false;
                self.sync(at, out);
            }
        }
    }

    /// What upstream's pod worker does in a sync: notices exits, starts what is to be started, reports.
    pub(super) fn sync(&mut self, at: usize, out: &mut Outbox) {
        if self.pods[at].life != Life::Live || !self.pods[at].confirmed {
            return;
        }
        self.refresh(at, out);
        for index in 0..self.pods[at].containers.len() {
            match self.pods[at].containers[index].stage {
                Stage::Exited { at: ended } => self.notice_exit(at, index, ended, out),
                Stage::NoImage => self.notice_backoff(at, index, out),
                Stage::Wanted
                | Stage::Pulling
                | Stage::Starting
                | Stage::Running { .. }
                | Stage::CrashLoop { .. }
                | Stage::Ended => {}
            }
        }
        if self.is_done(at) {
            return self.end(at, out);
        }
        self.advance(at, out);
        self.report(at, out);
    }
}

/// The longest deadline that is waited for: thirty years.
const DEADLINE_MAX_SECONDS: i64 = 1_000_000_000;
const NETWORK_NOT_READY: &str = "network is not ready: container runtime network not ready: NetworkReady=false \
                                 reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not \
                                 initialized";
const NO_ADDRESS: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for \
                          sandbox: plugin type=\"host-local\" failed (add): failed to allocate for range 0: no IP \
                          addresses available in range set";
