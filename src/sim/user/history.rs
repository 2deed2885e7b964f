//! `kubectl rollout history` of Deployments, StatefulSets and DaemonSets: the revisions that can be gone back to, and with
//! `--revision` the template of one. Upstream: `kubectl/pkg/polymorphichelpers/history.go`, `cmd/rollout/rollout_history.go`.
//!
//! kubectl reads the object twice, for its command line and for the history; here once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::shell::{Failure, Progress, Shell, Subject};
use super::undo::own_sets;
use super::undo_revision::selector_and_template;
use super::{Step, describe};
use crate::api::{Kind, Object, Selector, convert};
use crate::controllers::deployment::revision_of;
use crate::controllers::history::Revision;
use crate::event::{Answer, Filter, ListAt, Query, Request};

const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// A look at the history under way.
#[derive(Clone, Debug)]
pub(super) struct History {
    subject: Subject,
    revision: Option<i64>,
    awaits: Awaits,
}

#[derive(Clone, Debug)]
enum Awaits {
    Object,
    Revisions(Object),
}

/// One revision.
struct Entry {
    cause: String,
    template: Value,
}

impl History {
    /// # Errors
    /// A kind without history, or a revision that cannot be.
    pub(super) fn new(subject: Subject, revision: Option<i64>) -> Result<History, String> {
        if revision.is_some_and(|revision| revision < 0) {
            return Err(format!("revision must be a positive integer: {}", revision.unwrap_or_default()));
        }
        match subject.kind {
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
                Ok(History { subject, revision, awaits: Awaits::Object })
            }
            _ => Err(format!("no history viewer has been implemented for {:?}", subject.group_kind())),
        }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        let answer = match step {
            Step::Begin => {
                shell.ask(0, Request::Get(self.subject.target()));
                return Progress::UnderWay;
            }
            Step::Timer(_) => panic!("a look at the history sets no timers"),
            Step::Reply(_, Ok(answer)) => answer,
            Step::Reply(_, Err(error)) => {
                shell.fail(match (&self.awaits, self.subject.kind) {
                    (Awaits::Object, _) => Failure::Server(error),
                    (Awaits::Revisions(_), Kind::Deployment) => {
                        let name = &self.subject.name;
                        Failure::Plain(format!("failed to retrieve replica sets from deployment {name}: {error}"))
                    }
                    (Awaits::Revisions(_), _) => {
                        let (kind, name) = (&self.subject.info.kind, &self.subject.name);
                        Failure::Plain(format!("unable to find history controlled by {kind} {name}: {error}"))
                    }
                });
                return Progress::Ended;
            }
        };
        match &self.awaits {
            Awaits::Object => {
                let Answer::Object(object) = answer else { panic!("a GET is answered with an object") };
                self.ask_for_revisions(object, shell)
            }
            Awaits::Revisions(object) => {
                let Answer::List { items, .. } = answer else { panic!("a LIST is answered with a list") };
                match self.told(&entries(object, &items)) {
                    Ok(told) => shell.say(told),
                    Err(why) => shell.fail(Failure::Plain(why)),
                }
                Progress::Ended
            }
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> u8 {
        match self.awaits {
            Awaits::Object => 0,
            Awaits::Revisions(_) => 1,
        }
    }

    fn ask_for_revisions(&mut self, object: Object, shell: &mut Shell<'_>) -> Progress {
        let asked: Option<(Kind, Selector)> = match &object {
            Object::Deployment(deployment) => Some((Kind::ReplicaSet, deployment.body.selector.parsed.clone())),
            set => selector_and_template(set).map(|(selector, _)| (Kind::ControllerRevision, selector)),
        };
        let Some((kind, labels)) = asked else {
            let name = &self.subject.name;
            shell.fail(Failure::Plain(format!("{name}: the object has no selector that can be read")));
            return Progress::Ended;
        };
        let query = Query { kind, namespace: Some(self.subject.namespace.clone()), labels, filter: Filter::All };
        shell.ask(0, Request::List { query, at: ListAt::Quorum });
        self.awaits = Awaits::Revisions(object);
        Progress::UnderWay
    }

    /// What kubectl prints.
    fn told(&self, entries: &BTreeMap<i64, Entry>) -> Result<String, String> {
        if let Some(revision) = self.revision.filter(|revision| *revision > 0) {
            let entry = entries.get(&revision).ok_or("unable to find the specified revision")?;
            let template = describe::template(&entry.template);
            return Ok(format!("{}\n{template}", self.subject.line(&format!("with revision #{revision}"))));
        }
        let numbers: Vec<String> = entries.keys().map(i64::to_string).collect();
        let width = numbers.iter().map(String::len).chain([8]).max().unwrap_or(8) + 2;
        let mut told = format!("{}\n{:<width$}CHANGE-CAUSE\n", self.subject.line(""), "REVISION");
        for (number, entry) in numbers.iter().zip(entries.values()) {
            let cause = if entry.cause.is_empty() { "<none>" } else { &entry.cause };
            told.push_str(&format!("{number:<width$}{cause}\n"));
        }
        Ok(told)
    }
}

/// The revisions of an object, by number.
fn entries(object: &Object, items: &[Object]) -> BTreeMap<i64, Entry> {
    if let Object::Deployment(deployment) = object {
        let sets = own_sets(items, deployment);
        let numbered = sets.iter().filter_map(|set| Some((revision_of(&set.meta.annotations)?, set)));
        return numbered
            .map(|(number, set)| {
                let cause = set.meta.annotations.get(CHANGE_CAUSE).map_or(String::new(), ToString::to_string);
                let mut template = convert::to_json(&Object::ReplicaSet(set.clone()))["spec"]["template"].take();
                if !cause.is_empty() {
                    template["metadata"]["annotations"][CHANGE_CAUSE] = json!(cause);
                }
                (number, Entry { cause, template })
            })
            .collect();
    }
    let is_own = |item: &&Object| item.meta().controller().is_some_and(|owner| owner.uid == object.meta().uid);
    let revisions = items.iter().filter(is_own).filter_map(Revision::of);
    revisions
        .map(|revision| {
            let cause = revision.meta().annotations.get(CHANGE_CAUSE).map_or(String::new(), ToString::to_string);
            (revision.number(), Entry { cause, template: revision.template().unwrap_or_default() })
        })
        .collect()
}
