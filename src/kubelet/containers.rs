//! Containers get their images, start, become ready and end.
//! Upstream: `kuberuntime_manager.go` (`SyncPod`), `kuberuntime_container.go` (`startContainer`), `images`.

use super::Kubelet;
use super::images::Pull;
use super::pod::{ContainerRecord, Life, NOBODY, PodRecord, Sandbox, Stage};
use super::refresh::Look;
use super::settings::START;
use super::texts;
use super::token::Timer;
use crate::api::{Clock, EventType, Name, ReasonText, Terminated};
use crate::client::Outbox;
use crate::event::NoteKind;
use crate::kernel::{Span, Time};

/// When images are pulled. Upstream: `v1.PullPolicy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl Kubelet {
    /// Starts whatever is to be started next, one container at a time.
    pub(super) fn advance(&mut self, at: usize, out: &mut Outbox) {
        loop {
            let record = &mut self.pods[at];
            if record.life != Life::Live || record.sandbox != Sandbox::Up || record.active != NOBODY {
                return;
            }
            let Some(index) = next_wanted(record) else { return };
            // Whatever comes of it, the container is no longer `Wanted`.
            self.begin(at, index, out);
        }
    }

    fn begin(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let spec = record.spec(index);
        let written = spec.image.as_deref().unwrap_or_default();
        let image = texts::full_image(written);
        let reference = record.pod.meta.reference();
        match (pull_policy(spec.image_pull_policy.as_deref(), &image), self.images.has(&image)) {
            (PullPolicy::IfNotPresent | PullPolicy::Never, true) => {
                let message = ecow::eco_format!("Container image \"{written}\" already present on machine");
                self.say(out, reference, EventType::Normal, "Pulled", message);
                self.create(at, index, out);
            }
            (PullPolicy::Never, false) => {
                let message =
                    ecow::eco_format!("Container image \"{written}\" is not present with pull policy of Never");
                self.say(out, reference.clone(), EventType::Warning, "ErrImageNeverPull", message.clone());
                self.say(out, reference, EventType::Warning, "Failed", "Error: ErrImageNeverPull".into());
                self.wait_for_image(at, index, "ErrImageNeverPull", message, out);
            }
            (PullPolicy::Always, _) | (PullPolicy::IfNotPresent, false) => {
                let message = ecow::eco_format!("Pulling image \"{written}\"");
                self.say(out, reference, EventType::Normal, "Pulling", message);
                self.pull(at, index, image, out);
            }
        }
    }

    fn pull(&mut self, at: usize, index: usize, image: Name, out: &mut Outbox) {
        let fixed = self.fixed.clone();
        let record = &mut self.pods[at];
        record.active = index as u16;
        let container = &mut record.containers[index];
        container.stage = Stage::Pulling;
        let failed = container.trouble.as_ref().map_or(0, |trouble| trouble.pulls_failed);
        let attempt = u64::from(attempt(container)) + u64::from(failed);
        let behaviour = &fixed.behaviours.get(container.behaviour).image;
        let place = (record.serial, index as u16);
        let pull = Pull::new(place, image, behaviour, &fixed.settings, out.chance, container.path, attempt, out.now);
        if let Some(ends) = self.images.ask(pull, fixed.settings.bandwidth, out.now) {
            out.timer_at(ends, Timer::PullDone.token());
        }
    }

    /// The pull that went on is done.
    pub(super) fn pull_done(&mut self, out: &mut Outbox) {
        let Some((pull, took, next)) = self.images.finish(self.fixed.settings.bandwidth, out.now) else { return };
        if let Some(ends) = next {
            out.timer_at(ends, Timer::PullDone.token());
        }
        if self.images.unreported {
            self.arm_node_status(out);
        }
        self.reconsider_pressure(out);
        let (serial, index) = (pull.serial, usize::from(pull.container));
        if let Some(at) = self.at(serial)
            && self.pods[at].life == Life::Live
            && self.pods[at].containers[index].stage == Stage::Pulling
        {
            if pull.missing { self.pull_failed(at, index, out) } else { self.pulled(at, index, &pull, took, out) }
        }
        if !pull.missing {
            self.image_arrived(&pull.image, out);
        }
    }

    fn pulled(&mut self, at: usize, index: usize, pull: &Pull, took: Span, out: &mut Outbox) {
        let record = &self.pods[at];
        let message = ecow::eco_format!(
            "Successfully pulled image \"{}\" in {} ({} including waiting). Image size: {} bytes.",
            record.spec(index).image.as_deref().unwrap_or_default(),
            texts::go_duration(texts::to_millis(took)),
            texts::go_duration(texts::to_millis(out.now - pull.asked)),
            pull.bytes,
        );
        self.say(out, record.pod.meta.reference(), EventType::Normal, "Pulled", message);
        self.create(at, index, out);
    }

    fn pull_failed(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let settings = self.fixed.settings.clone();
        let record = &mut self.pods[at];
        record.active = NOBODY;
        let written = record.spec(index).image.clone().unwrap_or_default();
        let reference = record.pod.meta.reference();
        let trouble = record.trouble(index);
        trouble.image.next(out.now, out.now, settings.image_backoff, settings.image_backoff_max);
        trouble.pulls_failed += 1;
        let why = texts::image_not_found(&written);
        let message = ecow::eco_format!("Failed to pull image \"{written}\": {why}");
        self.say(out, reference.clone(), EventType::Warning, "Failed", message);
        self.say(out, reference, EventType::Warning, "Failed", "Error: ErrImagePull".into());
        self.wait_for_image(at, index, "ErrImagePull", why, out);
        self.report(at, out);
        self.advance(at, out);
    }

    fn wait_for_image(&mut self, at: usize, index: usize, reason: &str, message: Name, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.trouble(index).waiting = std::sync::Arc::new(ReasonText { reason: reason.into(), message });
        record.containers[index].stage = Stage::NoImage;
        record.containers[index].due = Time::MAX;
        self.stir(at, out);
    }

    /// The sync after a failed pull finds the image in back-off.
    pub(super) fn notice_backoff(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let max = self.settings().image_backoff_max;
        let record = &mut self.pods[at];
        let written = record.spec(index).image.clone().unwrap_or_default();
        let reference = record.pod.meta.reference();
        let serial = record.serial;
        let trouble = record.trouble(index);
        if trouble.waiting.reason != "ErrImagePull" {
            return;
        }
        let Some(until) = trouble.image.until_since_update(out.now, max) else {
            record.containers[index].stage = Stage::Wanted;
            return;
        };
        let message = ecow::eco_format!("Back-off pulling image \"{written}\"");
        let why = ecow::eco_format!("{message}: ErrImagePull: {}", trouble.waiting.message);
        trouble.waiting = std::sync::Arc::new(ReasonText { reason: "ImagePullBackOff".into(), message: why });
        record.containers[index].due = until;
        out.timer_at(until, Timer::Container(serial, index as u16).token());
        self.say(out, reference.clone(), EventType::Normal, "BackOff", message);
        self.say(out, reference, EventType::Warning, "Failed", "Error: ImagePullBackOff".into());
    }

    /// Containers that may not pull try again when their image has come for another.
    fn image_arrived(&mut self, image: &str, out: &mut Outbox) {
        for at in 0..self.pods.len() {
            let record = &mut self.pods[at];
            let mut woken = false;
            for index in 0..record.containers.len() {
                let waits = record.containers[index].stage == Stage::NoImage
                    && record.trouble(index).waiting.reason == "ErrImageNeverPull"
                    && texts::full_image(record.spec(index).image.as_deref().unwrap_or_default()) == image;
                if waits {
                    record.containers[index].stage = Stage::Wanted;
                    woken = true;
                }
            }
            if woken {
                self.stir(at, out);
            }
        }
    }

    /// Creates and starts a container whose image is there, once its environment is known.
    fn create(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.active = index as u16;
        record.containers[index].stage = Stage::Starting;
        record.containers[index].due = Time::MAX;
        if self.has_environment(at, index, out) {
            self.launch(at, index, out);
        }
    }

    /// The runtime starts a container.
    pub(super) fn launch(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let range = self.settings().container_start;
        let record = &mut self.pods[at];
        let container = &mut record.containers[index];
        container.due = out.now + range.draw(out.chance, START, container.path, u64::from(attempt(container)));
        out.timer_at(container.due, Timer::Container(record.serial, index as u16).token());
    }

    /// The next step of a container is due.
    pub(super) fn container_due(&mut self, serial: u32, index: usize, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        let container = &mut self.pods[at].containers[index];
        if container.due > out.now {
            return;
        }
        container.due = Time::MAX;
        match container.stage {
            Stage::Starting => self.started(at, index, out),
            Stage::Running { exit_at, .. } if exit_at <= out.now => self.exited(at, index, out),
            Stage::Running { .. } => self.turn(at, index, out),
            Stage::NoImage => {
                container.stage = Stage::Wanted;
                self.advance(at, out);
            }
            Stage::CrashLoop { ended } => {
                self.restart(at, index, ended, out.now);
                self.advance(at, out);
            }
            Stage::Wanted | Stage::Pulling | Stage::Exited { .. } | Stage::Ended => {}
        }
    }

    fn started(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let fixed = self.fixed.clone();
        let record = &mut self.pods[at];
        let container = &mut record.containers[index];
        if container.has_run {
            container.restarts += 1;
            container.last = container.exit.take();
        }
        container.has_run = true;
        container.stopping = false;
        (container.was_ready, container.was_started) = (false, false);
        record.active = NOBODY;
        self.view_configuration(at, index, Look::Start, out.now);
        let record = &mut self.pods[at];
        let end = record.program(index, out.now, &fixed.behaviours, out.chance).end(record, index, &fixed.settings);
        let end = self.end_with_disks(at, index, end, out);
        let record = &mut self.pods[at];
        record.containers[index].stage = Stage::Running {
            since: out.now,
            turn_at: Time::MAX,
            exit_at: end.at,
            code: end.code,
            out_of_memory: end.out_of_memory,
        };
        let name = record.spec(index).name.clone();
        let reference = record.pod.meta.reference();
        if self.pods[at].running() == 1 {
            self.note_pod(at, NoteKind::PodStarts, out);
        }
        let sick = self.probe(at, index, out);
        self.arm(at, index, out);
        let created = ecow::eco_format!("Created container: {name}");
        self.say(out, reference.clone(), EventType::Normal, "Created", created);
        self.say(out, reference, EventType::Normal, "Started", ecow::eco_format!("Started container {name}"));
        if let Some((kind, finding)) = sick {
            self.kill_sick(at, index, kind, finding, out);
        }
        self.stir(at, out);
        self.advance(at, out);
        self.reconsider_pressure(out);
    }

    /// Asks for a timer for whatever a running container does next.
    pub(super) fn arm(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        let container = &mut record.containers[index];
        if let Stage::Running { turn_at, exit_at, .. } = container.stage {
            container.due = turn_at.min(exit_at);
            if container.due != Time::MAX {
                out.timer_at(container.due, Timer::Container(record.serial, index as u16).token());
            }
        }
    }

    /// Tells the journal that a pod runs on the node, or no longer.
    pub(super) fn note_pod(&self, at: usize, kind: NoteKind, out: &mut Outbox) {
        out.note(kind, self.pods[at].pod.meta.id, self.api.index, out.cause);
    }

    /// A container that runs has ended, now or while nobody looked.
    pub(super) fn exited(&mut self, at: usize, index: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.note_exit(index, out.clock);
        if record.running() == 0 {
            self.note_pod(at, NoteKind::PodStops, out);
        }
        let record = &mut self.pods[at];
        if record.life == Life::Terminating {
            record.containers[index].stage = Stage::Ended;
            self.stop_on(at, out);
        } else if record.containers[index].stopping {
            // The kubelet has killed it and waits for its end.
            self.sync(at, out);
        } else {
            self.stir(at, out);
        }
        self.reconsider_pressure(out);
    }
}

impl PodRecord {
    /// Keeps how a running container has ended.
    pub(super) fn note_exit(&mut self, index: usize, clock: Clock) {
        let container = &mut self.containers[index];
        let Stage::Running { since, exit_at, code, out_of_memory, .. } = container.stage else { return };
        let reason = match (out_of_memory, code) {
            (true, _) => "OOMKilled",
            (false, 0) => "Completed",
            (false, _) => "Error",
        };
        container.exit = Some(Box::new(Terminated {
            exit_code: code,
            reason: reason.into(),
            message: Name::new(),
            started_at: clock.timestamp(since),
            finished_at: clock.timestamp(exit_at),
        }));
        (container.ready, container.started) = (false, false);
        container.due = Time::MAX;
        container.stage = Stage::Exited { at: exit_at };
    }
}

/// The number of the life that a container is about to begin.
fn attempt(container: &ContainerRecord) -> u32 {
    container.restarts + u32::from(container.has_run)
}

/// The container whose turn it is: init containers one after another, sidecars without waiting for their end, then all
/// others. Upstream: `computePodActions`. An init container is through when it has ended well (a sidecar: has started
/// once).
fn next_wanted(record: &mut PodRecord) -> Option<usize> {
    let wanted = |record: &PodRecord, index: usize| record.containers[index].stage == Stage::Wanted;
    for index in 0..record.inits() {
        if record.is_sidecar(index) {
            if wanted(record, index) {
                return Some(index);
            }
            let container = &record.containers[index];
            if !record.initialized && (!container.has_run || (record.is_running(index) && !container.started)) {
                return None;
            }
        } else if !record.initialized && record.containers[index].stage != Stage::Ended {
            return wanted(record, index).then_some(index);
        }
    }
    record.initialized = true;
    (record.inits()..record.containers.len()).find(|index| wanted(record, *index))
}

fn pull_policy(written: Option<&str>, full_image: &str) -> PullPolicy {
    match written {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        // What the API server's defaulting would have written.
        Some(_) | None if full_image.ends_with(":latest") => PullPolicy::Always,
        Some(_) | None => PullPolicy::IfNotPresent,
    }
}
