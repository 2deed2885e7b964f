//! What outlives a kubelet's process, and what outlives the machine's running.
//!
//! A new process finds its machine's containers as they are: they have gone on without it, and some have ended. It knows
//! whose they are once the API server has listed its pods; those of pods that are no longer there are killed. After a
//! boot nothing runs: containers have ended with exit code 255 and reason `Unknown` (containerd's words), sandboxes are
//! made anew, images are on disk. Restart counts go on either way. Upstream: `kubelet_pods.go` (`HandlePodCleanups`),
//! `kuberuntime_manager.go` (`computePodActions`, `podSandboxChanged`).
//!
//! A container that was found ready stays ready until a probe says otherwise (as since 1.35; before, for a blink).
//! Left out: admission of pods that ran before; containers that the runtime was about to start when the process ended.

use super::Kubelet;
use super::images::Images;
use super::pod::{Life, NOBODY, PodRecord, Sandbox, Stage};
use super::termination::{KILLED, grace_span};
use crate::api::{Clock, EventType, Obj, Pod, Terminated};
use crate::client::Outbox;
use crate::event::NoteKind;
use crate::kernel::{Chance, Time};

/// What a process does not take with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Whether it was part of the cluster before the simulation began.
    pub(super) ran_before: bool,
    /// How often the process has been started.
    pub(super) starts: u32,
    /// How often the machine has been switched on again.
    pub(super) boots: u32,
    /// Whether heartbeats are computed for their readers, as the tank has said last.
    pub(super) computed: bool,
}

/// The exit code of a container whose end nobody saw. containerd: `unknownExitCode`.
const UNSEEN: i32 = 255;

impl Kubelet {
    /// The process starts, on a machine that has gone on.
    pub(super) fn process_starts(&mut self, out: &mut Outbox) {
        let before = std::mem::replace(self, Kubelet::off(self.fixed.clone()));
        self.machine = before.machine;
        self.machine.starts += 1;
        self.process_since = out.now;
        self.images = Images::kept(before.images);
        self.loads = before.loads;
        self.pod_cidrs = before.pod_cidrs;
        self.next_serial = before.next_serial;
        self.next_address = before.next_address;
        let found = |record: PodRecord| self.found(record, out);
        self.pods = before.pods.into_iter().filter_map(found).collect();
        self.sources = before.sources;
        self.sources.retain(|serial, _| self.pods.iter().any(|pod| pod.serial == *serial));
        self.sources.values_mut().for_each(|sources| sources.forget(false));
        self.claims = before.claims.found_by_new_process(&self.pods);
        self.start(out);
        self.reconsider_pressure(out);
    }

    /// The machine has been switched on.
    pub(super) fn machine_boots(&mut self, out: &mut Outbox) {
        self.machine.boots += 1;
        self.restart_loads(out.now);
        for at in 0..self.pods.len() {
            if self.pods[at].running() > 0 {
                self.note_pod(at, NoteKind::PodStops, out);
            }
            self.pods[at].lose_all(out.now, out.clock);
        }
        self.sources.values_mut().for_each(|sources| sources.forget(true));
        self.claims.booted();
        self.process_starts(out);
    }

    /// What the runtime shows a new process of a pod; `None`: nothing.
    fn found(&self, mut record: PodRecord, out: &Outbox) -> Option<PodRecord> {
        let has_run = record.containers.iter().any(|container| container.has_run);
        if !has_run && record.sandbox != Sandbox::Up {
            return None;
        }
        record.sandbox = match record.sandbox {
            Sandbox::Waiting | Sandbox::Starting(_) => Sandbox::Lost,
            kept @ (Sandbox::Up | Sandbox::Lost | Sandbox::Down) => kept,
        };
        if record.life == Life::Terminating {
            record.life = Life::Live;
            record.evicted = None;
        }
        (record.sent, record.pending) = (None, None);
        (record.active, record.kill_by) = (NOBODY, Time::MAX);
        (record.stirred, record.gone, record.deleting, record.confirmed) = (false, false, false, false);
        for index in 0..record.containers.len() {
            self.found_container(&mut record, index, out.chance, out.clock);
        }
        Some(record)
    }

    fn found_container(&self, record: &mut PodRecord, index: usize, chance: Chance, clock: Clock) {
        let finished = record.life == Life::Finished;
        let container = &record.containers[index];
        let ended = container.exit.as_ref().map(|exit| clock.time(exit.finished_at));
        let stage = match (container.stage, ended) {
            // SIGTERM has been sent; whoever would have sent SIGKILL is gone.
            (Stage::Running { since, code: KILLED, out_of_memory: false, .. }, _) if container.stopping => {
                let program = record.program(index, since, &self.fixed.behaviours, chance);
                let end = program.end(record, index, &self.fixed.settings);
                let (exit_at, code, out_of_memory) = (end.at, end.code, end.out_of_memory);
                Stage::Running { since, turn_at: Time::MAX, exit_at, code, out_of_memory }
            }
            (running @ Stage::Running { .. }, _) => running,
            (ended @ Stage::Exited { .. }, _) => ended,
            (Stage::CrashLoop { ended }, _) => Stage::Exited { at: ended },
            (_, _) if finished => Stage::Ended,
            (Stage::Wanted | Stage::Pulling | Stage::NoImage | Stage::Starting | Stage::Ended, Some(at)) => {
                Stage::Exited { at }
            }
            (Stage::Wanted | Stage::Pulling | Stage::NoImage | Stage::Starting | Stage::Ended, None) => Stage::Wanted,
        };
        let container = &mut record.containers[index];
        container.stage = stage;
        container.due = Time::MAX;
        container.trouble = None;
        container.stopping = false;
        (container.was_ready, container.was_started) = (container.ready, container.started);
    }

    /// The API server knows a pod that was found on the machine.
    pub(super) fn confirm(&mut self, at: usize, pod: &std::sync::Arc<Obj<Pod>>, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.pod = pod.clone();
        record.confirmed = true;
        self.watch_claims(at, out);
        self.catch_up(at, out);
        self.reconsider_pressure(out);
        let record = &self.pods[at];
        if record.life == Life::Finished {
            if !pod.body.status.phase.is_finished() {
                self.report(at, out);
            }
            return self.delete_if_over(at, out);
        }
        if pod.meta.is_terminating() {
            return self.terminate(at, out);
        }
        self.arm_deadline(at, out);
        self.watch_configuration(at, out);
        if self.pods[at].sandbox == Sandbox::Lost { self.replace_sandbox(at, out) } else { self.sync(at, out) }
    }

    /// Finds what has ended while nobody looked, with its true time, and goes on with what runs.
    fn catch_up(&mut self, at: usize, out: &mut Outbox) {
        let ran = self.pods[at].running() > 0;
        for index in 0..self.pods[at].containers.len() {
            if let Stage::Running { exit_at, .. } = self.pods[at].containers[index].stage {
                if exit_at <= out.now {
                    self.pods[at].note_exit(index, out.clock);
                } else {
                    let sick = self.probe(at, index, out);
                    self.arm(at, index, out);
                    if let Some((kind, finding)) = sick {
                        self.kill_sick(at, index, kind, finding, out);
                    }
                }
            }
        }
        if ran && self.pods[at].running() == 0 {
            self.note_pod(at, NoteKind::PodStops, out);
        }
    }

    /// The list has not shown these pods: whatever runs of them is killed.
    /// Upstream: `SyncTerminatingRuntimePod`, with a grace period of a second.
    pub(super) fn kill_unlisted(&mut self, out: &mut Outbox) {
        let unlisted: Vec<u32> = self.pods.iter().filter(|pod| !pod.confirmed).map(|pod| pod.serial).collect();
        for serial in unlisted {
            let Some(at) = self.at(serial) else { continue };
            (self.pods[at].gone, self.pods[at].confirmed) = (true, true);
            if self.pods[at].life == Life::Finished {
                self.remove(at, out);
                continue;
            }
            self.catch_up(at, out);
            self.begin_termination(at, out.now + grace_span(1), out);
        }
    }

    /// Makes the sandbox of a pod anew whose old one did not live through a boot, if anything is to run in it.
    fn replace_sandbox(&mut self, at: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        let (never, on_failure) = match record.pod.body.spec.restart_policy() {
            "Never" => (true, false),
            "OnFailure" => (false, true),
            _ => (false, false),
        };
        let first = record.inits();
        for index in 0..record.containers.len() {
            let container = &self.pods[at].containers[index];
            let ended_well = container.exit.as_ref().is_some_and(|exit| exit.exit_code == 0);
            let stays = never || (on_failure && index >= first && ended_well);
            match container.stage {
                Stage::Exited { at: ended } if !stays => self.restart(at, index, ended, out.now),
                Stage::Exited { .. } | Stage::Wanted if stays => {
                    self.pods[at].containers[index].stage = Stage::Ended;
                }
                Stage::Wanted
                | Stage::Pulling
                | Stage::NoImage
                | Stage::Starting
                | Stage::Running { .. }
                | Stage::Exited { .. }
                | Stage::CrashLoop { .. }
                | Stage::Ended => {}
            }
        }
        let record = &mut self.pods[at];
        if never || !record.containers[first..].iter().any(|container| container.stage == Stage::Wanted) {
            record.sandbox = Sandbox::Down;
            record.initialized = true;
            return self.sync(at, out);
        }
        record.initialized = false;
        record.sandbox = Sandbox::Waiting;
        let reference = record.pod.meta.reference();
        let message = "Pod sandbox changed, it will be killed and re-created.";
        self.say(out, reference, EventType::Normal, "SandboxChanged", message.into());
        self.start_sandbox(at, out);
        self.report(at, out);
    }
}

impl PodRecord {
    /// The machine has gone down and come up: nothing runs any more.
    fn lose_all(&mut self, now: Time, clock: Clock) {
        for container in &mut self.containers {
            if let Stage::Running { since, .. } = container.stage {
                container.exit = Some(Box::new(Terminated {
                    exit_code: UNSEEN,
                    reason: "Unknown".into(),
                    message: crate::api::Name::new(),
                    started_at: clock.timestamp(since),
                    finished_at: clock.timestamp(now),
                }));
                (container.ready, container.started) = (false, false);
                container.stage = Stage::Exited { at: now };
            }
        }
        self.address = 0;
        if self.sandbox == Sandbox::Up {
            self.sandbox = Sandbox::Lost;
        }
    }
}
