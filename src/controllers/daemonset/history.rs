//! The revisions of a DaemonSet: adopted, made, renumbered, cleaned up. Upstream: `pkg/controller/daemon/update.go`
//! (`constructHistory`, `snapshot`, `dedupCurHistories`, `cleanupHistory`).

use super::set::{DaemonSet, reference};
use super::sync::{Flow, failed};
use crate::api::{Kind, Labels, Name};
use crate::controllers::deployment::revision::template_hash;
use crate::controllers::history::{self, REVISION_HASH, Revision};
use crate::controllers::refs;
use crate::controllers::script::Stop;
use crate::event::{DeleteOptions, ErrorReason, MetaEdit, Preconditions, Request, Target};

impl Flow<'_> {
    /// The revision of the template, and all others. Upstream: `constructHistory`.
    pub(super) fn construct_history(&mut self) -> Result<(Revision, Vec<Revision>), Stop> {
        let set = self.work.set.clone();
        let template = set.written_template();
        let (mut same, mut old): (Vec<Revision>, Vec<Revision>) = (Vec::new(), Vec::new());
        for mut revision in self.claim_revisions()? {
            if revision.meta().labels.get(REVISION_HASH).is_none() {
                let mut meta = revision.meta().clone();
                meta.labels = meta.labels.with(REVISION_HASH, meta.name.clone());
                revision = revision.with_meta(meta);
                self.run.send(Request::Update(revision.object()))?.map_err(failed)?;
            }
            if revision.restores(template) { same.push(revision) } else { old.push(revision) }
        }
        let number = old.iter().map(Revision::number).max().unwrap_or(0).max(0) + 1;
        let current = match same.len() {
            0 => self.create_revision(&set, number)?,
            _ => self.keep_one(same)?,
        };
        if current.number() < number {
            self.run.send(Request::Update(current.renumbered(number).object()))?.map_err(failed)?;
        }
        Ok((current, old))
    }

    /// Adopts and releases. Upstream: `controlledHistories`.
    fn claim_revisions(&mut self) -> Result<Vec<Revision>, Stop> {
        let set = self.work.set.clone();
        let meta = set.meta();
        let mut revisions = self.work.revisions.clone();
        let mut error = None;
        if !self.work.orphans.is_empty() {
            let reply = self.run.send(refs::recheck(meta.id))?;
            match refs::may_adopt(meta, &reply) {
                Ok(()) => {
                    for orphan in self.work.orphans.clone() {
                        let reply = self.run.send(refs::adoption(orphan.meta(), reference(meta)))?;
                        let adopted = refs::adopted(&reply);
                        let fresh = reply.ok().and_then(|answer| answer.object().and_then(Revision::of));
                        match adopted {
                            Ok(true) => revisions.push(fresh.unwrap_or(orphan)),
                            Ok(false) => {}
                            Err(sentence) => error = error.or(Some(sentence)),
                        }
                    }
                }
                Err(sentence) => error = Some(sentence),
            }
        }
        for revision in self.work.strangers.clone() {
            let reply = self.run.send(refs::release(revision.meta(), meta.uid))?;
            error = error.or(refs::released(&reply).err());
        }
        error.map_or(Ok(revisions), |sentence| Err(Stop::Failed(sentence)))
    }

    /// Upstream: `snapshot`.
    fn create_revision(&mut self, set: &DaemonSet, number: i64) -> Result<Revision, Stop> {
        let (meta, template) = (set.meta(), &set.spec.template);
        let hash = template_hash(template, set.status.collisions);
        let name = ecow::eco_format!("{}-{hash}", meta.name);
        let labels = template.labels.with(REVISION_HASH, hash);
        let of_revision = history::revision_meta(meta, reference(meta), name.clone(), labels);
        let made = Revision::new(of_revision, set.written_template(), number);
        let error = match self.run.send(Request::Create(made.object()))? {
            Ok(answer) => return Ok(answer.object().and_then(Revision::of).unwrap_or(made)),
            Err(error) if error.reason == ErrorReason::AlreadyExists => error,
            Err(error) => return Err(failed(error)),
        };
        let target = Target::Name(Kind::ControllerRevision, meta.namespace.clone(), name);
        let answer = self.run.send(Request::Get(target))?.map_err(failed)?;
        if let Some(existing) = answer.object().and_then(Revision::of)
            && existing.restores(set.written_template())
        {
            return Ok(existing);
        }
        let fresh = self.run.send(Request::Get(Target::Id(meta.id)))?.map_err(failed)?;
        let fresh = fresh.object().and_then(|fresh| DaemonSet::of(fresh, Some(set)));
        let Some(fresh) = fresh else { return Err(failed(error)) };
        if fresh.status.collisions != set.status.collisions {
            return Err(Stop::Failed(ecow::eco_format!(
                "found a stale collision count of DaemonSet {:?} while processing; will retry until it is updated",
                meta.name.as_str()
            )));
        }
        let mut status = fresh.status.clone();
        status.collisions = Some(status.collisions.unwrap_or(0) + 1);
        self.run.send(Request::UpdateStatus(fresh.with_status(&status)))?.map_err(failed)?;
        Err(failed(error))
    }

    /// Of several revisions with one template the newest stays, and the pods are labelled with it.
    /// Upstream: `dedupCurHistories`.
    fn keep_one(&mut self, mut same: Vec<Revision>) -> Result<Revision, Stop> {
        let newest = (0..same.len()).max_by_key(|index| same[*index].number()).expect("there is one");
        let kept = same.remove(newest);
        if same.is_empty() {
            return Ok(kept);
        }
        let hash = kept.label(REVISION_HASH);
        for pod in self.work.pods.owned.clone() {
            if pod.meta.labels.get(REVISION_HASH) == Some(&hash) {
                continue;
            }
            let edit =
                MetaEdit { set_labels: Labels::default().with(REVISION_HASH, hash.clone()), ..MetaEdit::default() };
            let (target, preconditions) = (Target::Id(pod.meta.id), Preconditions::default());
            self.run.send(Request::PatchMeta { target, preconditions, edit: edit.into() })?.map_err(failed)?;
        }
        for revision in same {
            self.delete_revision(&revision)?;
        }
        Ok(kept)
    }

    /// Deletes the oldest revisions that no pod has, beyond the limit. Upstream: `cleanupHistory`.
    pub(super) fn clean_up_history(&mut self, old: &[Revision]) -> Result<(), Stop> {
        let excess = old.len().saturating_sub(self.work.set.spec.history_limit.max(0) as usize);
        if excess == 0 {
            return Ok(());
        }
        let victims = match self.work.obsolete.clone() {
            Some(victims) => victims,
            None => {
                let pods = self.caches.pods_of(self.work.set.meta().uid);
                let live: Vec<Name> = pods.filter_map(|pod| pod.meta.labels.get(REVISION_HASH).cloned()).collect();
                let mut old = old.to_vec();
                history::sort(&mut old);
                old.retain(|revision| !live.contains(&revision.label(REVISION_HASH)));
                old.truncate(excess);
                self.work.obsolete.insert(old).clone()
            }
        };
        for revision in &victims {
            self.delete_revision(revision).map_err(|stop| match stop {
                Stop::Failed(why) => {
                    Stop::Failed(ecow::eco_format!("failed to clean up revisions of DaemonSet: {why}"))
                }
                other => other,
            })?;
        }
        Ok(())
    }

    fn delete_revision(&mut self, revision: &Revision) -> Result<(), Stop> {
        let target = Target::Id(revision.meta().id);
        self.run.send(Request::Delete { target, options: DeleteOptions::default() })?.map_err(failed)?;
        Ok(())
    }
}
