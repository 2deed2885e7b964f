//! Pods end: on deletion within their grace period, or because all their containers have.
//! Upstream: `pod_workers.go`, `kubelet.go` (`SyncTerminatingPod`, `SyncTerminatedPod`), `killContainersWithSyncResult`.
//!
//! Containers are told to stop together, sidecars once the others have ended. Left out: `preStop` hooks, the reverse
//! order of sidecars.

use super::Kubelet;
use super::pod::{Life, NOBODY, Sandbox, Stage};
use super::settings::STOP;
use crate::api::EventType;
use crate::client::Outbox;
use crate::kernel::{Span, Time};

/// The least that a container gets between SIGTERM and SIGKILL. Upstream: `minimumGracePeriodInSeconds`.
const GRACE_MIN_SECONDS: i64 = 2;
/// The most that is counted: thirty years.
const GRACE_MAX_SECONDS: i64 = 1_000_000_000;
/// The exit code after SIGKILL.
const KILLED: i32 = 137;

impl Kubelet {
    /// A pod is to go: its deletion has been seen, or the API server no longer has it.
    pub(super) fn terminate(&mut self, at: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        let grace = record.pod.meta.deletion.and_then(|deletion| deletion.grace_seconds);
        let grace =
            grace.unwrap_or(record.pod.body.spec.grace_seconds).clamp(GRACE_MIN_SECONDS, GRACE_MAX_SECONDS) as u64;
        let kill_by = out.now + Span::from_secs(grace);
        match record.life {
            Life::Live => self.begin_termination(at, kill_by, out),
            Life::Terminating => self.hasten(at, kill_by, out),
            Life::Finished => self.delete_if_over(at, out),
        }
    }

    /// All containers that count have ended by themselves; what still runs is stopped.
    pub(super) fn end(&mut self, at: usize, out: &mut Outbox) {
        let grace = self.pods[at].pod.body.spec.grace_seconds.clamp(GRACE_MIN_SECONDS, GRACE_MAX_SECONDS) as u64;
        self.begin_termination(at, out.now + Span::from_secs(grace), out);
    }

    fn begin_termination(&mut self, at: usize, kill_by: Time, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.life = Life::Terminating;
        record.kill_by = kill_by;
        record.active = NOBODY;
        record.stirred = false;
        for container in &mut record.containers {
            if !matches!(container.stage, Stage::Running { .. }) {
                container.stage = Stage::Ended;
                container.due = Time::MAX;
            }
        }
        let serial = record.serial;
        self.images.forget(serial);
        self.stop_on(at, out);
    }

    /// Tells those to stop whose turn it is; ends the pod when nothing runs any more.
    pub(super) fn stop_on(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let running: Vec<usize> = (0..record.containers.len()).filter(|index| record.is_running(*index)).collect();
        let others_run = running.iter().any(|index| !record.is_sidecar(*index));
        if running.is_empty() {
            return self.finish(at, out);
        }
        for index in running {
            let record = &self.pods[at];
            if !record.containers[index].stopping && (!others_run || !record.is_sidecar(index)) {
                self.stop(at, index, out);
            }
        }
    }

    fn stop(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let fixed = self.fixed.clone();
        let record = &mut self.pods[at];
        let kill_by = record.kill_by;
        let container = &mut record.containers[index];
        let behaviour = fixed.behaviours.get(container.behaviour);
        container.stopping = true;
        let ends = out.now.saturating_add(behaviour.stop.draw(
            out.chance,
            STOP,
            container.path,
            u64::from(container.restarts),
        ));
        if let Stage::Running { ready_at, exit_at, code, .. } = &mut container.stage {
            *ready_at = Time::MAX;
            let by_signal = if ends < kill_by { (ends, behaviour.stop_code) } else { (kill_by.max(out.now), KILLED) };
            if by_signal.0 < *exit_at {
                (*exit_at, *code) = by_signal;
            }
        }
        let message = ecow::eco_format!("Stopping container {}", record.spec(index).name);
        let reference = record.pod.meta.reference();
        self.arm(at, index, out);
        self.say(out, reference, EventType::Normal, "Killing", message);
    }

    /// A second deletion with less grace brings the end forward.
    fn hasten(&mut self, at: usize, kill_by: Time, out: &mut Outbox) {
        if kill_by >= self.pods[at].kill_by {
            return;
        }
        self.pods[at].kill_by = kill_by;
        for index in 0..self.pods[at].containers.len() {
            if let Stage::Running { exit_at, code, .. } = &mut self.pods[at].containers[index].stage
                && *exit_at > kill_by
            {
                (*exit_at, *code) = (kill_by, KILLED);
                self.arm(at, index, out);
            }
        }
    }

    /// Nothing runs any more: the sandbox goes, the last status is reported, the deletion follows it.
    fn finish(&mut self, at: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.life = Life::Finished;
        record.sandbox = Sandbox::Down;
        record.address = 0;
        if record.gone {
            return self.remove(at, out);
        }
        self.report(at, out);
        self.delete_if_over(at, out);
        self.start_waiting_sandboxes(out);
    }
}
