//! Pods end: on deletion within their grace period, or because all their containers have.
//! Upstream: `pod_workers.go`, `kubelet.go` (`SyncTerminatingPod`, `SyncTerminatedPod`), `killContainersWithSyncResult`.
//!
//! Containers are told to stop together; sidecars once the others have ended, the last one first. A `preStop` hook that
//! sleeps is waited for; other hooks take no time.

use super::Kubelet;
use super::pod::{Life, NOBODY, Sandbox, Stage};
use super::settings::STOP;
use crate::api::{EventType, Name};
use crate::client::Outbox;
use crate::kernel::{Span, Time};

/// The least that a container gets between SIGTERM and SIGKILL. Upstream: `minimumGracePeriodInSeconds`.
const GRACE_MIN_SECONDS: i64 = 2;
const GRACE_MIN: Span = Span::from_secs(GRACE_MIN_SECONDS as u64);
/// The most that is counted: thirty years.
const GRACE_MAX_SECONDS: i64 = 1_000_000_000;
/// The exit code after SIGKILL.
pub(super) const KILLED: i32 = 137;

/// A grace period as it counts.
pub(super) fn grace_span(seconds: i64) -> Span {
    Span::from_secs(seconds.clamp(GRACE_MIN_SECONDS, GRACE_MAX_SECONDS) as u64)
}

impl Kubelet {
    /// A pod is to go: its deletion has been seen, or the API server no longer has it.
    pub(super) fn terminate(&mut self, at: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        let grace = record.pod.meta.deletion.and_then(|deletion| deletion.grace_seconds);
        let kill_by = out.now + grace_span(grace.unwrap_or(record.pod.body.spec.grace_seconds));
        match record.life {
            Life::Live | Life::Terminating => self.kill_pod(at, kill_by, out),
            Life::Finished => self.delete_if_over(at, out),
        }
    }

    /// A pod that has not ended is to end by then.
    pub(super) fn kill_pod(&mut self, at: usize, kill_by: Time, out: &mut Outbox) {
        match self.pods[at].life {
            Life::Live => self.begin_termination(at, kill_by, out),
            Life::Terminating => self.hasten(at, kill_by, out),
            Life::Finished => {}
        }
    }

    /// All containers that count have ended by themselves; what still runs is stopped.
    pub(super) fn end(&mut self, at: usize, out: &mut Outbox) {
        let grace = grace_span(self.pods[at].pod.body.spec.grace_seconds);
        self.begin_termination(at, out.now + grace, out);
    }

    pub(super) fn begin_termination(&mut self, at: usize, kill_by: Time, out: &mut Outbox) {
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
        self.kill_sooner(at, kill_by, out);
        self.stop_on(at, out);
    }

    /// Tells those to stop whose turn it is; ends the pod when nothing runs any more.
    pub(super) fn stop_on(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let running: Vec<usize> = (0..record.containers.len()).filter(|index| record.is_running(*index)).collect();
        let others_run = running.iter().any(|index| !record.is_sidecar(*index));
        let Some(last) = running.last().copied() else { return self.finish(at, out) };
        for index in running {
            let record = &self.pods[at];
            let its_turn = !record.is_sidecar(index) || (!others_run && index == last);
            if its_turn && !record.containers[index].stopping {
                let message = ecow::eco_format!("Stopping container {}", record.spec(index).name);
                self.stop(at, index, record.kill_by, message, out);
            }
        }
    }

    /// Tells a container to stop: its `preStop` hook if that is a sleep, SIGTERM, SIGKILL at the end of its grace period.
    pub(super) fn stop(&mut self, at: usize, index: usize, kill_by: Time, message: Name, out: &mut Outbox) {
        let fixed = self.fixed.clone();
        let record = &mut self.pods[at];
        let hook = record.spec(index).lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
        let sleep = hook.and_then(|hook| hook.sleep.as_ref()).map_or(0, |sleep| sleep.seconds.max(0) as u64);
        let terminated =
            out.now.saturating_add(Span::from_secs(sleep.min(GRACE_MAX_SECONDS as u64))).min(kill_by.max(out.now));
        let kill_by = kill_by.max(terminated + GRACE_MIN);
        let container = &mut record.containers[index];
        let behaviour = fixed.behaviours.get(container.behaviour);
        container.stopping = true;
        let life = u64::from(container.restarts);
        let ends = terminated.saturating_add(behaviour.stop.draw(out.chance, STOP, container.path, life));
        if let Stage::Running { turn_at, exit_at, code, out_of_memory, .. } = &mut container.stage {
            *turn_at = Time::MAX;
            let by_signal = if ends < kill_by { (ends, behaviour.stop_code) } else { (kill_by, KILLED) };
            if by_signal.0 < *exit_at {
                (*exit_at, *code) = by_signal;
                *out_of_memory = false;
            }
        }
        let reference = record.pod.meta.reference();
        self.arm(at, index, out);
        self.say(out, reference, EventType::Normal, "Killing", message);
    }

    /// A second deletion with less grace brings the end forward.
    fn hasten(&mut self, at: usize, kill_by: Time, out: &mut Outbox) {
        if kill_by < self.pods[at].kill_by {
            self.pods[at].kill_by = kill_by;
            self.kill_sooner(at, kill_by, out);
        }
    }

    fn kill_sooner(&mut self, at: usize, kill_by: Time, out: &mut Outbox) {
        for index in 0..self.pods[at].containers.len() {
            let container = &mut self.pods[at].containers[index];
            if let Stage::Running { exit_at, code, out_of_memory, .. } = &mut container.stage
                && container.stopping
                && *exit_at > kill_by
            {
                (*exit_at, *code, *out_of_memory) = (kill_by, KILLED, false);
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
        let serial = record.serial;
        if record.gone {
            self.remove(at, out);
        } else {
            self.unmount(at, out);
            self.report(at, out);
            self.delete_if_over(at, out);
            self.start_waiting_sandboxes(out);
        }
        self.ended_under_pressure(serial, out);
    }
}
