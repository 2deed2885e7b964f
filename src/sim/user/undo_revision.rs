//! `kubectl rollout undo` of a StatefulSet or DaemonSet: the template of an earlier ControllerRevision comes back.
//! Upstream: `kubectl/pkg/polymorphichelpers/rollback.go`, `history.go`.
//!
//! kubectl reads the set twice, for its command line and for the rollback; here once.

use std::sync::Arc;

use serde_json::Value;

use super::Step;
use super::shell::{Failure, Progress, Shell, Subject};
use crate::api::{Name, Object, Selector, Uid};
use crate::controllers::history::{Revision, to_roll_back_to};
use crate::event::{Answer, Filter, ListAt, Patch, PatchKind, Query, Request, Subresource};

/// An undo under way.
#[derive(Clone, Debug)]
pub(super) struct UndoRevision {
    subject: Subject,
    to_revision: Option<i64>,
    awaits: Awaits,
}

#[derive(Clone, Debug)]
enum Awaits {
    /// The set.
    Set,
    /// Its revisions.
    Revisions {
        /// The set's uid.
        uid: Uid,
        /// Its template.
        template: Value,
    },
    /// The answer to the patch.
    Patch,
}

impl UndoRevision {
    /// # Errors
    /// A revision that cannot be.
    pub(super) fn new(subject: Subject, to_revision: Option<i64>) -> Result<UndoRevision, String> {
        match to_revision.filter(|revision| *revision < 0) {
            Some(revision) => Err(format!("unable to find specified revision {revision} in history")),
            None => Ok(UndoRevision { subject, to_revision, awaits: Awaits::Set }),
        }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        let answer = match step {
            Step::Begin => {
                shell.ask(0, Request::Get(self.subject.target()));
                return Progress::UnderWay;
            }
            Step::Timer(_) => panic!("an undo sets no timers"),
            Step::Reply(_, Ok(answer)) => answer,
            Step::Reply(_, Err(error)) => {
                let (kind, name) = (&self.subject.info.kind, &self.subject.name);
                shell.fail(match self.awaits {
                    Awaits::Set => Failure::Server(error),
                    Awaits::Revisions { .. } => {
                        Failure::Plain(format!("unable to find history controlled by {kind} {name}: {error}"))
                    }
                    Awaits::Patch => {
                        let revision = self.to_revision.unwrap_or(0);
                        Failure::Plain(format!("failed restoring revision {revision}: {error}"))
                    }
                });
                return Progress::Ended;
            }
        };
        match &self.awaits {
            Awaits::Set => {
                let Answer::Object(set) = answer else { panic!("a GET is answered with an object") };
                self.ask_for_revisions(&set, shell)
            }
            Awaits::Revisions { uid, template } => {
                let Answer::List { items, .. } = answer else { panic!("a LIST is answered with a list") };
                let is_own = |item: &&Object| item.meta().controller().is_some_and(|owner| owner.uid == *uid);
                let revisions: Vec<Revision> = items.iter().filter(is_own).filter_map(Revision::of).collect();
                match to_roll_back_to(revisions, self.to_revision) {
                    Err(why) => {
                        shell.fail(Failure::Plain(why));
                        Progress::Ended
                    }
                    Ok(revision) if revision.restores(template) => {
                        let number = self.to_revision.unwrap_or(0);
                        let why = format!("skipped rollback (current template already matches revision {number})");
                        shell.say(self.subject.line(&why));
                        Progress::Ended
                    }
                    Ok(revision) => {
                        let patch = Patch { kind: PatchKind::StrategicMerge, body: revision.data().clone() };
                        let (target, subresource) = (self.subject.target(), Subresource::None);
                        shell.ask(0, Request::Patch { target, subresource, patch: Arc::new(patch) });
                        self.awaits = Awaits::Patch;
                        Progress::UnderWay
                    }
                }
            }
            Awaits::Patch => {
                shell.say(self.subject.line("rolled back"));
                Progress::Ended
            }
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> u8 {
        match self.awaits {
            Awaits::Set => 0,
            Awaits::Revisions { .. } => 1,
            Awaits::Patch => 2,
        }
    }

    fn ask_for_revisions(&mut self, set: &Object, shell: &mut Shell<'_>) -> Progress {
        let Some((selector, template)) = selector_and_template(set) else {
            let name: &Name = &self.subject.name;
            shell.fail(Failure::Plain(format!("{name}: the object has no selector or template that can be read")));
            return Progress::Ended;
        };
        let query = Query {
            kind: crate::api::Kind::ControllerRevision,
            namespace: Some(self.subject.namespace.clone()),
            labels: selector,
            filter: Filter::All,
        };
        shell.ask(0, Request::List { query, at: ListAt::Quorum });
        self.awaits = Awaits::Revisions { uid: set.meta().uid, template };
        Progress::UnderWay
    }
}

pub(super) fn selector_and_template(set: &Object) -> Option<(Selector, Value)> {
    let Object::Untyped(object) = set else { return None };
    let spec = object.body.fields.get("spec")?;
    let selector = serde_json::from_value(spec.get("selector")?.clone()).ok()?;
    Some((Selector::from_label_selector(Some(&selector)).ok()?, spec.get("template")?.clone()))
}
