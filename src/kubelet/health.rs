//! What follows from what probes find: containers become started, ready, unready; sick ones are killed.
//! Upstream: `prober_manager.go`, `kuberuntime_manager.go` (`computePodActions`).
//!
//! A failed probe is told in an Event when it changes something, not once a period.

use super::Kubelet;
use super::pod::{Life, Stage};
use super::probes::{self, ProbeKind};
use super::program::Finding;
use super::termination::grace_span;
use crate::api::{EventType, Name};
use crate::client::Outbox;
use crate::kernel::Time;

impl Kubelet {
    /// Finds out how a running container is and when that changes. Returns the probe that has it killed.
    pub(super) fn probe(&mut self, at: usize, index: usize, out: &Outbox) -> Option<(ProbeKind, Finding)> {
        let fixed = self.fixed.clone();
        let Stage::Running { since, .. } = self.pods[at].containers[index].stage else { return None };
        let first = self.next_relist(since.max(self.process_since));
        let record = &mut self.pods[at];
        let plain_init = record.is_plain_init(index);
        let probes = record.probes(index, first);
        let (mut ready, mut started, mut next, mut failed) = (!plain_init, !plain_init, Time::MAX, None);
        if probes.any() {
            let program = record.program(index, since, &fixed.behaviours, out.chance);
            let health = probes.health(&program, out.now);
            (ready, started, next, failed) = (health.ready, health.started, health.next, health.failed);
        }
        let container = &mut record.containers[index];
        (container.ready, container.started) = (ready, started);
        if let Stage::Running { turn_at, .. } = &mut container.stage {
            *turn_at = next;
        }
        failed
    }

    /// What the probes of a running container find changes.
    pub(super) fn turn(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let container = &self.pods[at].containers[index];
        let (was_ready, was_started) = (container.ready, container.started);
        // Of a pod that is to go nobody asks any more whether it is alive.
        if let Some((kind, finding)) = self.probe(at, index, out)
            && self.pods[at].life == Life::Live
        {
            return self.kill_sick(at, index, kind, finding, out);
        }
        let container = &self.pods[at].containers[index];
        let (ready, started) = (container.ready, container.started);
        self.arm(at, index, out);
        if was_ready && !ready {
            self.say_unhealthy(at, index, ProbeKind::Readiness, self.readiness_finding(at, index, out), out);
        }
        if (was_ready, was_started) != (ready, started) {
            if started && !was_started {
                self.advance(at, out);
            }
            self.report(at, out);
        }
    }

    fn readiness_finding(&self, at: usize, index: usize, out: &Outbox) -> Finding {
        let record = &self.pods[at];
        let Stage::Running { since, .. } = record.containers[index].stage else { return Finding::Well };
        let program = record.program(index, since, &self.fixed.behaviours, out.chance);
        let first = self.next_relist(since.max(self.process_since));
        record.probes(index, first).health(&program, out.now).finding
    }

    /// Kills a container for one of its probes.
    pub(super) fn kill_sick(&mut self, at: usize, index: usize, kind: ProbeKind, finding: Finding, out: &mut Outbox) {
        self.say_unhealthy(at, index, kind, finding, out);
        let record = &self.pods[at];
        let spec = record.spec(index);
        let (word, probe) = match kind {
            ProbeKind::Startup => ("startup", &spec.startup_probe),
            ProbeKind::Liveness | ProbeKind::Readiness => ("liveness", &spec.liveness_probe),
        };
        let own = probe.as_ref().and_then(|probe| probe.termination_grace_period_seconds);
        let grace = grace_span(own.unwrap_or(record.pod.body.spec.grace_seconds));
        let restarts = record.is_sidecar(index) || record.pod.body.spec.restart_policy() != "Never";
        let more = if restarts { ", will be restarted" } else { "" };
        let message = ecow::eco_format!("Container {} failed {word} probe{more}", spec.name);
        self.stop(at, index, out.now + grace, message, out);
    }

    fn say_unhealthy(&mut self, at: usize, index: usize, kind: ProbeKind, finding: Finding, out: &mut Outbox) {
        let record = &self.pods[at];
        let spec = record.spec(index);
        let probe = match kind {
            ProbeKind::Startup => &spec.startup_probe,
            ProbeKind::Readiness => &spec.readiness_probe,
            ProbeKind::Liveness => &spec.liveness_probe,
        };
        let Some(probe) = probe else { return };
        let address = self.addresses(record).first.map_or_else(Name::new, |ip| ecow::eco_format!("{ip}"));
        let message = probes::failure(kind, probe, finding, &address);
        let reference = record.pod.meta.reference();
        self.say(out, reference, EventType::Warning, "Unhealthy", message);
    }
}
