//! One sync of a StatefulSet: adoption, revisions, pods (see `replicas`), status, history. It is written as upstream is,
//! and run again from its start after each answer (see `script`).
//! Upstream: `stateful_set.go` (`sync`), `stateful_set_control.go`.

use std::sync::Arc;

use super::identity::{is_member, revision};
use super::set::{StatefulSet, Status, Strategy, reference};
use crate::api::{EventType, Kind, Meta, Name, Obj, Object, Pod};
use crate::client::Caches;
use crate::controllers::history::{self, DATA_HASH, Histories, Revision};
use crate::controllers::refs::{self, Claims};
use crate::controllers::script::{Run, Stop};
use crate::event::{ApiError, DeleteOptions, ErrorReason, Request, Target};
use crate::kernel::Span;

/// How often the status is written where others have changed the set meanwhile. Upstream: `retry.DefaultRetry`.
const STATUS_TRIES: usize = 5;

/// What a sync works on: what the caches showed when it began.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) set: Arc<StatefulSet>,
    pods: Claims<Pod>,
    revisions: Vec<Revision>,
    orphans: Vec<Revision>,
}

impl Snapshot {
    /// Reads what a sync needs.
    pub(super) fn new(set: Arc<StatefulSet>, histories: &Histories, caches: &Caches) -> Snapshot {
        let (meta, selector) = (set.meta(), &set.spec.selector);
        let orphans = caches.orphan_pods(&meta.namespace).filter(|pod| is_member(meta, &pod.meta));
        let mut pods = refs::claim(meta, selector, caches.pods_of(meta.uid).chain(orphans));
        // A pod under another name is none of the set's, whatever its labels say.
        let (owned, strangers) = pods.owned.drain(..).partition(|pod| is_member(meta, &pod.meta));
        pods.owned = owned;
        if !meta.is_terminating() {
            let strangers: Vec<Arc<Obj<Pod>>> = strangers;
            pods.release.extend(strangers);
        }
        let selected = |found: &Revision| super::selects(selector, &found.meta().labels);
        let revisions = histories.owned_by(meta.uid, caches).filter(selected).collect();
        let orphans = histories.orphans(&meta.namespace, selector, caches).collect();
        Snapshot { pods, revisions, orphans, set }
    }
}

/// The revisions that a sync moves between.
pub(super) struct Revisions {
    /// The one that is rolled out fully.
    pub(super) current: Revision,
    /// The one of the template.
    pub(super) update: Revision,
    /// `status.collisionCount`.
    pub(super) collisions: i32,
}

/// One run through a sync.
pub(super) struct Flow<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) run: Run<'a>,
    pub(super) caches: &'a Caches,
    /// Whether `maxUnavailable` counts.
    pub(super) max_unavailable: bool,
}

impl Flow<'_> {
    /// The whole sync. Upstream: `sync`, `UpdateStatefulSet`.
    pub(super) fn sync(&mut self) -> Result<(), Stop> {
        let mut revisions = self.adopt_revisions()?;
        let pods = self.claim_pods()?;
        history::sort(&mut revisions);
        let mut live = Vec::new();
        let updated = self.update(&pods, &revisions, &mut live);
        if matches!(updated, Err(Stop::Asked)) {
            return Err(Stop::Asked);
        }
        let truncated = self.truncate_history(&pods, &revisions, &live);
        if matches!(truncated, Err(Stop::Asked)) {
            return Err(Stop::Asked);
        }
        let status = updated?;
        truncated?;
        let spec = &self.snapshot.set.spec;
        if spec.min_ready_seconds > 0 && status.available != spec.replicas {
            self.run.requeue_after(Span::from_secs(spec.min_ready_seconds as u64));
        }
        Ok(())
    }

    /// Upstream: `adoptOrphanRevisions`.
    fn adopt_revisions(&mut self) -> Result<Vec<Revision>, Stop> {
        let snapshot = self.snapshot;
        let mut revisions = snapshot.revisions.clone();
        if snapshot.orphans.is_empty() {
            return Ok(revisions);
        }
        let meta = snapshot.set.meta();
        let reply = self.run.send(refs::recheck(meta.id))?;
        refs::may_adopt(meta, &reply)
            .map_err(|why| Stop::Failed(ecow::eco_format!("can't adopt ControllerRevisions: {why}")))?;
        for orphan in &snapshot.orphans {
            let answer = self.run.send(refs::adoption(orphan.meta(), reference(meta)))?.map_err(failed)?;
            revisions.push(answer.object().and_then(Revision::of).unwrap_or_else(|| orphan.clone()));
        }
        Ok(revisions)
    }

    /// Adopts and releases pods. Upstream: `getPodsForStatefulSet`.
    fn claim_pods(&mut self) -> Result<Vec<Arc<Obj<Pod>>>, Stop> {
        let snapshot = self.snapshot;
        let meta = snapshot.set.meta();
        let Claims { owned, adopt, release } = &snapshot.pods;
        let mut pods = owned.clone();
        let mut error = None;
        if !adopt.is_empty() {
            let reply = self.run.send(refs::recheck(meta.id))?;
            match refs::may_adopt(meta, &reply) {
                Ok(()) => {
                    for pod in adopt {
                        let reply = self.run.send(refs::adoption(&pod.meta, reference(meta)))?;
                        match refs::adopted(&reply) {
                            Ok(true) => pods.push(pod.clone()),
                            Ok(false) => {}
                            Err(sentence) => error = error.or(Some(sentence)),
                        }
                    }
                }
                Err(sentence) => error = Some(sentence),
            }
        }
        for pod in release {
            let reply = self.run.send(refs::release(&pod.meta, meta.uid))?;
            error = error.or(refs::released(&reply).err());
        }
        error.map_or(Ok(pods), |sentence| Err(Stop::Failed(sentence)))
    }

    /// Brings pods and status up to date; `live` becomes the names of the revisions that are in use.
    /// Upstream: `performUpdate`.
    fn update(&mut self, pods: &[Arc<Obj<Pod>>], revisions: &[Revision], live: &mut Vec<Name>) -> Result<Status, Stop> {
        let revisions = self.find_revisions(revisions)?;
        live.extend([revisions.current.name().clone(), revisions.update.name().clone()]);
        let (status, result) = self.converge(&revisions, pods)?;
        let written = self.write_status(status);
        if matches!(written, Err(Stop::Asked)) {
            return Err(Stop::Asked);
        }
        result?;
        written
    }

    /// The revision of the template, made, renumbered or found, and the one that is fully rolled out.
    /// Upstream: `getStatefulSetRevisions`.
    fn find_revisions(&mut self, revisions: &[Revision]) -> Result<Revisions, Stop> {
        let set = &self.snapshot.set;
        let template = set.written_template();
        let mut collisions = set.status.collisions;
        let number = history::next_number(revisions);
        let update = match revisions.iter().rposition(|revision| revision.restores(template)) {
            Some(last) if last + 1 == revisions.len() => revisions[last].clone(),
            Some(earlier) => {
                let renumbered = revisions[earlier].renumbered(number);
                self.run.send(Request::Update(renumbered.object()))?.map_err(failed)?;
                renumbered
            }
            None => self.create_revision(number, &mut collisions)?,
        };
        let current = revisions.iter().find(|revision| *revision.name() == set.status.current_revision);
        Ok(Revisions { current: current.unwrap_or(&update).clone(), update, collisions })
    }

    /// Upstream: `newRevision`, `CreateControllerRevision`.
    fn create_revision(&mut self, number: i64, collisions: &mut i32) -> Result<Revision, Stop> {
        let set = &self.snapshot.set;
        let (meta, template) = (set.meta(), set.written_template());
        let patch = history::patch(template);
        loop {
            let hash = history::data_hash(&patch, Some(*collisions));
            let name = history::revision_name(&meta.name, &hash);
            let labels = set.spec.template.labels.with(DATA_HASH, hash);
            let of_revision = history::revision_meta(meta, reference(meta), name.clone(), labels);
            let made = Revision::new(of_revision, template, number);
            match self.run.send(Request::Create(made.object()))? {
                Ok(answer) => return Ok(answer.object().and_then(Revision::of).unwrap_or(made)),
                Err(error) if error.reason == ErrorReason::AlreadyExists => {
                    let target = Target::Name(Kind::ControllerRevision, meta.namespace.clone(), name);
                    let answer = self.run.send(Request::Get(target))?.map_err(failed)?;
                    match answer.object().and_then(Revision::of) {
                        Some(existing) if existing.restores(template) => return Ok(existing),
                        Some(_) | None => *collisions += 1,
                    }
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Writes the status where it has changed. Upstream: `updateStatefulSetStatus`, `completeRollingUpdate`.
    fn write_status(&mut self, mut status: Status) -> Result<Status, Stop> {
        let mut set = self.snapshot.set.clone();
        let wanted = set.spec.replicas;
        let is_rolling = matches!(set.spec.strategy, Strategy::RollingUpdate { .. });
        if is_rolling && [status.updated, status.ready, status.replicas] == [wanted; 3] {
            status.current = status.updated;
            status.current_revision = status.update_revision.clone();
        }
        if !status.differs(&set.status) {
            return Ok(status);
        }
        for _ in 0..STATUS_TRIES {
            let error = match self.run.send(Request::UpdateStatus(set.with_status(&status)))? {
                Ok(_) => return Ok(status),
                Err(error) => error,
            };
            let (caches, id) = (self.caches, set.meta().id);
            let cached = || Some(Object::Untyped(caches.others.get(&Kind::StatefulSet)?.get(id)?.clone()));
            let fresh = self.run.look_up(cached).and_then(|fresh| StatefulSet::of(&fresh, Some(&set)));
            let is_newer = |fresh: &StatefulSet| {
                let (fresh, tried) = (fresh.meta(), set.meta());
                fresh.uid == tried.uid && fresh.resource_version != tried.resource_version
            };
            match fresh.filter(|fresh| error.reason == ErrorReason::Conflict && is_newer(fresh)) {
                Some(fresh) => set = Arc::new(fresh),
                None => return Err(failed(error)),
            }
        }
        Err(Stop::Failed("the status could not be written: conflicts".into()))
    }

    /// Deletes the oldest revisions that no pod has, beyond the limit. Upstream: `truncateHistory`.
    fn truncate_history(&mut self, pods: &[Arc<Obj<Pod>>], revisions: &[Revision], live: &[Name]) -> Result<(), Stop> {
        let Ok(limit) = usize::try_from(self.snapshot.set.spec.history_limit) else { return Ok(()) };
        if revisions.len() <= limit {
            return Ok(());
        }
        let is_live = |name: &Name| live.contains(name) || pods.iter().any(|pod| revision(pod) == *name);
        let old: Vec<&Revision> = revisions.iter().filter(|revision| !is_live(revision.name())).collect();
        for revision in &old[..old.len().saturating_sub(limit)] {
            let target = Target::Id(revision.meta().id);
            self.run.send(Request::Delete { target, options: DeleteOptions::default() })?.map_err(failed)?;
        }
        Ok(())
    }

    /// Tells the user what was done to a pod, or why it was not. Upstream: `recordPodEvent`.
    pub(super) fn tell_of_pod(&mut self, verb: Verb, pod: &Name, error: Option<&str>) {
        let set = &self.snapshot.set.meta().name;
        let (done, succeeded, did_not) = verb.words();
        match error {
            None => {
                let message = ecow::eco_format!("{done} Pod {pod} in StatefulSet {set} successful");
                self.say(EventType::Normal, succeeded, message);
            }
            Some(error) => {
                let message = ecow::eco_format!("{done} Pod {pod} in StatefulSet {set} failed error: {error}");
                self.say(EventType::Warning, did_not, message);
            }
        }
    }

    /// Tells the user of a claim that was created, or was not. Upstream: `recordClaimEvent`.
    pub(super) fn tell_of_claim(&mut self, claim: &Name, pod: &Name, error: Option<&ApiError>) {
        let set = &self.snapshot.set.meta().name;
        match error {
            None => {
                let message = ecow::eco_format!("create Claim {claim} Pod {pod} in StatefulSet {set} success");
                self.say(EventType::Normal, "SuccessfulCreate", message);
            }
            Some(error) => {
                let message =
                    ecow::eco_format!("create Claim {claim} for Pod {pod} in StatefulSet {set} failed error: {error}");
                self.say(EventType::Warning, "FailedCreate", message);
            }
        }
    }

    pub(super) fn say(&mut self, kind: EventType, reason: &'static str, message: impl Into<Name>) {
        self.run.record(self.meta().reference(), kind, reason, message);
    }

    fn meta(&self) -> &Meta {
        self.snapshot.set.meta()
    }
}

/// What is done to a pod.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Create,
    Update,
    Delete,
}

impl Verb {
    /// The verb, the reason of its success and that of its failure.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Verb::Create => ("create", "SuccessfulCreate", "FailedCreate"),
            Verb::Update => ("update", "SuccessfulUpdate", "FailedUpdate"),
            Verb::Delete => ("delete", "SuccessfulDelete", "FailedDelete"),
        }
    }
}

/// An error that ends the sync; it is tried again, in a namespace that is being deleted as well.
pub(super) fn failed(error: ApiError) -> Stop {
    Stop::Failed(error.message)
}
