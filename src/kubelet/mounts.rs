//! Pods wait for the ConfigMaps and Secrets of their volumes, containers for those of their environment.
//! Upstream: `volumemanager` (the reconciler and its back-off), `kuberuntime_container.go` (`startContainer`).
//!
//! Each try asks the API server for what is needed; upstream keeps a watch for each object, and asks nobody. A volume is
//! tried again after half a second, and then twice as long each time, two minutes at most; a container with the next
//! sync, 10 to 15 s later. A pod without references asks for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Kubelet;
use super::pod::{Life, NOBODY, Sandbox, Stage};
use super::settings::{MOUNT_WAIT, RESYNC};
use super::sources::{Need, Of, needs};
use super::token::{Ask, Timer};
use crate::api::{EventType, Kind, Name, Object, ReasonText};
use crate::client::Outbox;
use crate::event::{Reply, Request, Target};
use crate::kernel::{Span, Time, object_hash};

/// Upstream: `initialDurationBeforeRetry` and `maxDurationBeforeRetry` of `exponentialbackoff`.
const RETRY_FIRST: Span = Span::from_millis(500);
const RETRY_MAX: Span = Span::from_secs(122);
/// How long a sync waits for volumes. Upstream: `podAttachAndMountTimeout`.
const TIMEOUT: Span = Span::from_secs(123);
/// How long after a failed sync the next begins, at least; at most half as long again. Upstream: `backOffPeriod`.
const RESYNC_AFTER: Span = Span::from_secs(10);

/// What the pods of a node need that need anything, by serial.
pub(super) type Sources = BTreeMap<u32, PodSources>;

/// What a pod needs.
#[derive(Clone, Debug)]
pub(super) struct PodSources {
    needs: Arc<[Need]>,
    volumes: Vec<Volume>,
    /// The container whose environment is being looked up, how many answers are missing, what is wrong.
    container: Option<(u16, usize, Wrong)>,
    /// Until when the present sync waits for volumes.
    waits_until: Option<Time>,
    /// How many syncs have failed, for the draws.
    failures: u32,
    /// What the needs were met with, by their numbers; empty where no program is declared to read any of it.
    held: Vec<Option<Object>>,
    /// When the next sync writes new contents into its volumes, if there are any.
    pub(super) refresh_at: Option<Time>,
    /// How often that was so, for the draws.
    pub(super) refreshes: u32,
}

/// The first thing that is wrong, by the number of the need.
type Wrong = Option<(u16, Name)>;

#[derive(Clone, Debug)]
struct Volume {
    name: Name,
    state: State,
    failures: u32,
}

#[derive(Clone, Debug)]
enum State {
    /// Not there; tried again then.
    Missing(Time),
    /// So many answers are missing.
    Asked(usize, Wrong),
    Mounted,
}

impl Kubelet {
    /// Notes what a pod that has come to the node needs.
    pub(super) fn note_needs(&mut self, at: usize) {
        let record = &self.pods[at];
        let (volumes, needs) = needs(&record.pod.body.spec.full);
        if needs.is_empty() {
            return;
        }
        let volume = |name| Volume { name, state: State::Missing(Time::ZERO), failures: 0 };
        let volumes = volumes.into_iter().map(volume).collect();
        let held = if self.reads_configuration(record) { vec![None; needs.len()] } else { Vec::new() };
        let sources = PodSources {
            needs: needs.into(),
            volumes,
            container: None,
            waits_until: None,
            failures: 0,
            held,
            refresh_at: None,
            refreshes: 0,
        };
        self.sources.insert(record.serial, sources);
    }

    /// Whether all volumes of a pod are there; where not, they are asked for.
    pub(super) fn has_mounted(&mut self, at: usize, out: &mut Outbox) -> bool {
        let serial = self.pods[at].serial;
        let Some(sources) = self.sources.get_mut(&serial) else { return true };
        if sources.volumes.iter().all(|volume| matches!(volume.state, State::Mounted)) {
            return true;
        }
        if sources.waits_until.is_none() {
            let until = out.now + TIMEOUT;
            sources.waits_until = Some(until);
            out.timer_at(until, Timer::MountWait(serial).token());
        }
        let mut asked = Vec::new();
        for (index, volume) in sources.volumes.iter_mut().enumerate() {
            if let State::Missing(due) = volume.state
                && due <= out.now
            {
                let before = asked.len();
                let of = Of::Volume(index as u16);
                asked.extend((0..).zip(sources.needs.iter()).filter(|(_, need)| need.of == of).map(|(n, _)| n));
                volume.state = State::Asked(asked.len() - before, None);
            }
        }
        self.ask_for(at, &asked, out);
        false
    }

    fn ask_for(&mut self, at: usize, numbers: &[u16], out: &mut Outbox) {
        let record = &self.pods[at];
        let needs = self.sources[&record.serial].needs.clone();
        for number in numbers {
            let need = &needs[usize::from(*number)];
            let target = Target::Name(need.kind, record.pod.meta.namespace.clone(), need.name.clone());
            out.send(&mut self.api, Ask::Source(record.serial, *number).token(), Request::Get(target));
        }
    }

    /// Whether a container's environment need not be looked up; where it must, it is asked for.
    pub(super) fn has_environment(&mut self, at: usize, index: usize, out: &mut Outbox) -> bool {
        let Some(sources) = self.sources.get_mut(&self.pods[at].serial) else { return true };
        let of = Of::Container(index as u16);
        let asked: Vec<u16> =
            (0..).zip(sources.needs.iter()).filter(|(_, need)| need.of == of).map(|(number, _)| number).collect();
        if asked.is_empty() {
            return true;
        }
        sources.container = Some((index as u16, asked.len(), None));
        self.ask_for(at, &asked, out);
        false
    }

    /// The API server has answered for one need of a pod.
    pub(super) fn source_answered(&mut self, serial: u32, number: u16, reply: &Reply, out: &mut Outbox) {
        let Some(at) = self.at(serial).filter(|at| self.pods[*at].life == Life::Live) else { return };
        let namespace = self.pods[at].pod.meta.namespace.clone();
        let Some(sources) = self.sources.get_mut(&serial) else { return };
        let needs = sources.needs.clone();
        let need = &needs[usize::from(number)];
        let unmet = need.unmet(&namespace, reply).map(|why| (number, why));
        if let (None, Some(held)) = (&unmet, sources.held.get_mut(usize::from(number))) {
            *held = reply.as_ref().ok().and_then(|answer| answer.object().cloned());
        }
        let worse = |known: Wrong| match (known, unmet) {
            (Some(known), Some(new)) => Some(if known.0 <= new.0 { known } else { new }),
            (known, new) => known.or(new),
        };
        match need.of {
            Of::Volume(index) => {
                let volume = &mut sources.volumes[usize::from(index)];
                let State::Asked(left, known) = &mut volume.state else { return };
                *left -= 1;
                *known = worse(known.take());
                if *left == 0 {
                    let wrong = known.take();
                    self.mount_tried(at, usize::from(index), wrong, out);
                }
            }
            Of::Container(index) => {
                let Some((asked, left, known)) = &mut sources.container else { return };
                if *asked != index {
                    return;
                }
                *left -= 1;
                *known = worse(known.take());
                if *left == 0 {
                    let wrong = known.take();
                    sources.container = None;
                    self.environment_known(at, usize::from(index), wrong, out);
                }
            }
        }
    }

    fn mount_tried(&mut self, at: usize, index: usize, wrong: Wrong, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, reference) = (record.serial, record.pod.meta.reference());
        let Some(sources) = self.sources.get_mut(&serial) else { return };
        let volume = &mut sources.volumes[index];
        match wrong {
            None => {
                volume.state = State::Mounted;
                if sources.volumes.iter().all(|volume| matches!(volume.state, State::Mounted)) {
                    sources.waits_until = None;
                    self.watch_configuration(at, out);
                    if self.pods[at].sandbox == Sandbox::Waiting {
                        self.start_sandbox(at, out);
                    }
                }
            }
            Some((_, why)) => {
                let delay = RETRY_FIRST * (1 << volume.failures.min(8));
                let due = out.now + delay.min(RETRY_MAX);
                volume.failures += 1;
                volume.state = State::Missing(due);
                let name = volume.name.clone();
                out.timer_at(due, Timer::Mount(serial).token());
                let message = ecow::eco_format!("MountVolume.SetUp failed for volume {name:?} : {why}");
                self.say(out, reference, EventType::Warning, "FailedMount", message);
            }
        }
    }

    /// Whether a pod waits for ConfigMaps or Secrets of its volumes.
    pub(super) fn waits_for_sources(&self, serial: u32) -> bool {
        let sources = self.sources.get(&serial);
        sources.is_some_and(|sources| sources.volumes.iter().any(|volume| !matches!(volume.state, State::Mounted)))
    }

    /// A volume is to be tried again.
    pub(super) fn mount_due(&mut self, serial: u32, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        if self.pods[at].life == Life::Live && self.pods[at].sandbox == Sandbox::Waiting && self.pods[at].confirmed {
            self.has_mounted(at, out);
        }
    }

    /// A sync has waited for the volumes of a pod for as long as it does. The next one waits anew.
    pub(super) fn mount_wait_over(&mut self, serial: u32, out: &mut Outbox) {
        let Some(at) = self.at(serial).filter(|at| self.pods[*at].life == Life::Live) else { return };
        let Some(sources) = self.sources.get_mut(&serial) else { return };
        if sources.waits_until.is_none_or(|until| until > out.now) {
            return;
        }
        let missing = sources.volumes.iter().filter(|volume| !matches!(volume.state, State::Mounted));
        let missing = missing.map(|volume| volume.name.clone()).collect();
        let message = self.claims.missing_text(serial, missing);
        let Some(sources) = self.sources.get_mut(&serial) else { return };
        let (path, failures) = (object_hash(&self.pods[at].pod.meta.key()), u64::from(sources.failures));
        let pause = out.chance.draw(MOUNT_WAIT, path, failures).span_between(RESYNC_AFTER, RESYNC_AFTER * 3 / 2);
        sources.failures += 1;
        let until = out.now + pause + TIMEOUT;
        sources.waits_until = Some(until);
        out.timer_at(until, Timer::MountWait(serial).token());
        let reference = self.pods[at].pod.meta.reference();
        self.say(out, reference, EventType::Warning, "FailedMount", message);
    }

    fn environment_known(&mut self, at: usize, index: usize, wrong: Wrong, out: &mut Outbox) {
        let record = &mut self.pods[at];
        if record.containers[index].stage != Stage::Starting || record.active != index as u16 {
            return;
        }
        let Some((_, why)) = wrong else { return self.launch(at, index, out) };
        let (serial, reference) = (record.serial, record.pod.meta.reference());
        record.active = NOBODY;
        let path = record.containers[index].path;
        let reason = "CreateContainerConfigError".into();
        record.trouble(index).waiting = Arc::new(ReasonText { reason, message: why.clone() });
        record.containers[index].stage = Stage::NoImage;
        let failures = self.sources.get_mut(&serial).map_or(0, |sources| {
            sources.failures += 1;
            u64::from(sources.failures)
        });
        let pause = out.chance.draw(RESYNC, path, failures).span_between(RESYNC_AFTER, RESYNC_AFTER * 3 / 2);
        let due = out.now + pause;
        self.pods[at].containers[index].due = due;
        out.timer_at(due, Timer::Container(serial, index as u16).token());
        self.say(out, reference, EventType::Warning, "Failed", ecow::eco_format!("Error: {why}"));
        self.report(at, out);
        self.advance(at, out);
    }
}

impl PodSources {
    /// What the pod needs, and what that was met with.
    pub(super) fn held(&self) -> (&[Need], &[Option<Object>]) {
        (&self.needs, &self.held)
    }

    /// Whether a volume shows another state of an object than this.
    pub(super) fn is_outdated(&self, kind: Kind, name: &Name, latest: &Object) -> bool {
        let of_volume = |need: &Need| matches!(need.of, Of::Volume(_)) && need.kind == kind && need.name == *name;
        let version = |object: &Option<Object>| object.as_ref().map(|object| object.meta().resource_version);
        let mut held = self.needs.iter().zip(&self.held).filter(|(need, _)| of_volume(need));
        held.any(|(_, held)| version(held) != Some(latest.meta().resource_version))
    }

    /// Takes what an object holds now into the volumes. Returns the volumes that it does not suit, and why.
    pub(super) fn replace(&mut self, kind: Kind, name: &Name, reply: &Reply, namespace: &Name) -> Vec<(Name, Name)> {
        let mut wrong = Vec::new();
        for (need, held) in self.needs.iter().zip(&mut self.held) {
            let Of::Volume(volume) = need.of else { continue };
            if need.kind == kind && need.name == *name {
                match need.unmet(namespace, reply) {
                    None => *held = reply.as_ref().ok().and_then(|answer| answer.object().cloned()),
                    Some(why) => wrong.push((self.volumes[usize::from(volume)].name.clone(), why)),
                }
            }
        }
        wrong
    }

    /// A process that starts has asked for nothing; a machine that was switched on has nothing mounted.
    pub(super) fn forget(&mut self, booted: bool) {
        self.container = None;
        self.waits_until = None;
        self.refresh_at = None;
        for volume in &mut self.volumes {
            if booted || !matches!(volume.state, State::Mounted) {
                volume.state = State::Missing(Time::ZERO);
                volume.failures = 0;
            }
        }
    }
}
