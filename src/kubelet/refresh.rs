//! Contents of ConfigMaps and Secrets that change while a pod runs: its volumes follow with its next sync, up to a minute
//! and a half later; its environment never does, nor a file mounted by `subPath`. A container that is started again sees
//! what is there then.
//! Upstream: `pkg/kubelet/util/manager` (`watch_based_manager.go`), `pod_workers.go` (`completeWork`).
//!
//! Upstream watches every object that a pod refers to, unless that is immutable. Here only those are watched of which a
//! behaviour says that a program reads them in a file: nobody else could tell the difference. Watches are kept for the
//! life of the kubelet's process. When a pod's next sync is, is drawn as it would be found at a random instant: within a
//! minute that is lengthened by half at most (`--sync-frequency`); whatever else happens to the pod syncs it, too. An
//! object that is deleted, or loses a key, leaves files as they were; upstream says so with every sync, here it is said
//! once where a key is missing.

use super::Kubelet;
use super::behaviour::Reading;
use super::contents::{self, View};
use super::pod::{Life, PodRecord, Stage};
use super::settings::SYNC;
use super::sources::Of;
use super::token::{Ask, Timer};
use super::volumes;
use crate::api::{EventType, Kind, Name, Object};
use crate::client::{Informer, Outbox};
use crate::event::{Answer, Change, ChangeKind, Filter, InformerIndex};
use crate::kernel::{Time, object_hash};

/// The number of the first informer that watches configuration.
pub(super) const FIRST: u16 = 2;

/// A ConfigMap or Secret that is watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    kind: Kind,
    namespace: Name,
    name: Name,
    pub(super) informer: Informer,
    /// As the API server showed it last.
    pub(super) latest: Option<Object>,
}

/// What is looked at anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// All: the container has just been started.
    Start,
    /// What can change while it runs.
    Files,
}

impl Kubelet {
    /// Whether anybody could tell what a pod's ConfigMaps and Secrets hold.
    pub(super) fn reads_configuration(&self, record: &PodRecord) -> bool {
        let behaviours = &self.fixed.behaviours;
        record.containers.iter().any(|container| !behaviours.get(container.behaviour).unready_while.is_empty())
    }

    /// A container sees its configuration, for the first time in this life or anew.
    pub(super) fn view_configuration(&mut self, at: usize, index: usize, look: Look, now: Time) {
        let fixed = self.fixed.clone();
        let record = &self.pods[at];
        let declared = &fixed.behaviours.get(record.containers[index].behaviour).unready_while;
        if declared.is_empty() {
            return;
        }
        let (needs, held) = self.sources.get(&record.serial).map_or((&[][..], &[][..]), |sources| sources.held());
        let mut view = match look {
            Look::Start => View { reads: vec![false; declared.len()], unready: Vec::new() },
            Look::Files => record.containers[index].view.as_deref().cloned().unwrap_or_default(),
        };
        view.reads.resize(declared.len(), false);
        for (reads, sight) in view.reads.iter_mut().zip(declared) {
            if look == Look::Start || contents::can_change(record.spec(index), &sight.reading) {
                let found = contents::read(record, index, &sight.reading, needs, held);
                *reads = found.is_some_and(|found| found == sight.equals);
            }
        }
        let is_unready = view.reads.contains(&true);
        match view.unready.last_mut() {
            Some((_, until)) if *until == Time::MAX && !is_unready => *until = now,
            Some((_, until)) if *until == Time::MAX => {}
            Some(_) | None if is_unready => view.unready.push((now, Time::MAX)),
            Some(_) | None => {}
        }
        self.pods[at].containers[index].view = Some(Box::new(view));
    }

    /// The volumes of a pod are there: what is in them is watched, if a program reads it.
    pub(super) fn watch_configuration(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let behaviours = &self.fixed.behaviours;
        let reads_files = record.containers.iter().any(|container| {
            let declared = &behaviours.get(container.behaviour).unready_while;
            declared.iter().any(|sight| matches!(sight.reading, Reading::File(_)))
        });
        let Some(sources) = self.sources.get(&record.serial).filter(|_| reads_files) else { return };
        let namespace = record.pod.meta.namespace.clone();
        let (needs, held) = sources.held();
        let mut wanted = Vec::new();
        for (need, object) in needs.iter().zip(held) {
            if matches!(need.of, Of::Volume(_)) && !object.as_ref().is_some_and(is_immutable) {
                wanted.push((need.kind, need.name.clone()));
            }
        }
        for (kind, name) in wanted {
            let is_same = |it: &Watched| it.kind == kind && it.namespace == namespace && it.name == name;
            let number = usize::from(FIRST) + self.configuration.len();
            let number = u16::try_from(number).ok().filter(|number| *number < volumes::FIRST_INFORMER.0);
            let Some(number) = number.filter(|_| !self.configuration.iter().any(is_same)) else {
                continue;
            };
            let index = InformerIndex(number);
            let filter = Filter::Named(namespace.clone(), name.clone());
            let informer = Informer::new(index, kind, filter, Ask::List(number).token(), Timer::List(number).token());
            self.configuration.push(Watched { kind, namespace: namespace.clone(), name, informer, latest: None });
            self.list(index, out);
        }
    }

    /// A watched object is there, or has changed.
    pub(super) fn configuration_changed(&mut self, change: &Change, out: &mut Outbox) {
        let meta = change.object.meta();
        let is_it = |it: &&mut Watched| {
            it.kind == change.object.kind() && it.namespace == meta.namespace && it.name == meta.name
        };
        let Some(watched) = self.configuration.iter_mut().find(is_it) else { return };
        if change.kind == ChangeKind::Deleted {
            watched.latest = None;
            return;
        }
        watched.latest = Some(change.object.clone());
        let (kind, namespace, name) = (watched.kind, watched.namespace.clone(), watched.name.clone());
        for at in 0..self.pods.len() {
            let record = &self.pods[at];
            let serial = record.serial;
            if record.pod.meta.namespace != namespace || record.life != Life::Live {
                continue;
            }
            let path = object_hash(&record.pod.meta.key());
            let frequency = self.fixed.settings.sync_frequency;
            let Some(sources) = self.sources.get_mut(&serial) else { continue };
            if sources.refresh_at.is_some() || !sources.is_outdated(kind, &name, &change.object) {
                continue;
            }
            let n = u64::from(sources.refreshes) * 2;
            sources.refreshes += 1;
            let period = out.chance.draw(SYNC, path, n).span_between(frequency, frequency + frequency / 2);
            let due = out.now + out.chance.draw(SYNC, path, n + 1).span_between(crate::kernel::Span::ZERO, period);
            sources.refresh_at = Some(due);
            out.timer_at(due, Timer::Refresh(serial).token());
        }
    }

    /// A pod's next sync has come.
    pub(super) fn refresh_due(&mut self, serial: u32, out: &mut Outbox) {
        if let Some(at) = self.at(serial)
            && self.sources.get(&serial).and_then(|sources| sources.refresh_at).is_some_and(|due| due <= out.now)
        {
            self.refresh(at, out);
        }
    }

    /// A sync writes new contents into a pod's volumes, if there are any.
    pub(super) fn refresh(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        let (serial, namespace) = (record.serial, record.pod.meta.namespace.clone());
        let Some(sources) = self.sources.get_mut(&serial).filter(|sources| sources.refresh_at.is_some()) else {
            return;
        };
        sources.refresh_at = None;
        let mut wrong = Vec::new();
        for watched in self.configuration.iter().filter(|watched| watched.namespace == namespace) {
            let Some(latest) = &watched.latest else { continue };
            let reply = Ok(Answer::Object(latest.clone()));
            wrong.extend(sources.replace(watched.kind, &watched.name, &reply, &namespace));
        }
        let reference = record.pod.meta.reference();
        for (volume, why) in wrong {
            let message = ecow::eco_format!("MountVolume.SetUp failed for volume {volume:?} : {why}");
            self.say(out, reference.clone(), EventType::Warning, "FailedMount", message);
        }
        for index in 0..self.pods[at].containers.len() {
            if matches!(self.pods[at].containers[index].stage, Stage::Running { .. }) {
                self.view_configuration(at, index, Look::Files, out.now);
                self.turn(at, index, out);
            }
        }
    }
}

fn is_immutable(object: &Object) -> bool {
    let Object::Untyped(object) = object else { return false };
    object.body.fields.get("immutable") == Some(&serde_json::Value::Bool(true))
}
