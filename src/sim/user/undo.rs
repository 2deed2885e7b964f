//! `kubectl rollout undo` of a Deployment: an earlier ReplicaSet's template comes back.
//! Upstream: `kubectl/pkg/polymorphichelpers/rollback.go`.
//!
//! kubectl reads the Deployment twice, for its command line and for the rollback; here once. StatefulSets and DaemonSets
//! have `undo_revision`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Step;
use super::shell::{Failure, Progress, Shell, Subject};
use crate::api::{Deployment, Kind, Obj, Object, ReplicaSet, convert};
use crate::controllers::deployment::{Rollback, rollback_template};
use crate::event::{Answer, Filter, ListAt, Patch, PatchKind, Query, Request, Subresource};

/// An undo under way.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    subject: Subject,
    to_revision: Option<i64>,
    awaits: Awaits,
}

#[derive(Clone, Debug)]
enum Awaits {
    /// The Deployment.
    Deployment,
    /// Its ReplicaSets.
    Sets(Arc<Obj<Deployment>>),
    /// The answer to the patch.
    Patch,
}

impl Undo {
    /// # Errors
    /// A kind that cannot be undone.
    pub(super) fn new(subject: Subject, to_revision: Option<i64>) -> Result<Undo, String> {
        match (subject.kind, to_revision) {
            (Kind::Deployment, Some(revision)) if revision < 0 => {
                Err(format!("unable to find specified revision {revision} in history"))
            }
            (Kind::Deployment, _) => Ok(Undo { subject, to_revision, awaits: Awaits::Deployment }),
            _ => Err(format!("no rollbacker has been implemented for {:?}", subject.group_kind())),
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
                shell.fail(match self.awaits {
                    Awaits::Deployment => Failure::Server(error),
                    Awaits::Sets(_) => Failure::Plain(format!(
                        "failed to retrieve replica sets from deployment {}: {error}",
                        self.subject.name
                    )),
                    Awaits::Patch => {
                        let revision = self.to_revision.unwrap_or(0);
                        Failure::Plain(format!("failed restoring revision {revision}: {error}"))
                    }
                });
                return Progress::Ended;
            }
        };
        let next = match &self.awaits {
            Awaits::Deployment => {
                let Answer::Object(Object::Deployment(deployment)) = answer else {
                    panic!("a GET of a Deployment is answered with one")
                };
                let query = Query {
                    kind: Kind::ReplicaSet,
                    namespace: Some(self.subject.namespace.clone()),
                    labels: deployment.body.selector.parsed.clone(),
                    filter: Filter::All,
                };
                shell.ask(0, Request::List { query, at: ListAt::Quorum });
                Awaits::Sets(deployment)
            }
            Awaits::Sets(deployment) => {
                let Answer::List { items, .. } = answer else { panic!("a LIST is answered with a list") };
                match rollback_template(deployment, &own_sets(&items, deployment), self.to_revision) {
                    Ok(rollback) => shell.ask(0, self.patch(deployment, rollback)),
                    Err(why) if why.starts_with("skipped rollback") => {
                        shell.say(self.subject.line(&why));
                        return Progress::Ended;
                    }
                    Err(why) => {
                        shell.fail(Failure::Plain(why));
                        return Progress::Ended;
                    }
                }
                Awaits::Patch
            }
            Awaits::Patch => {
                shell.say(self.subject.line("rolled back"));
                return Progress::Ended;
            }
        };
        self.awaits = next;
        Progress::UnderWay
    }

    /// Where it stands.
    pub(super) fn place(&self) -> u8 {
        match self.awaits {
            Awaits::Deployment => 0,
            Awaits::Sets(_) => 1,
            Awaits::Patch => 2,
        }
    }

    fn patch(&self, deployment: &Obj<Deployment>, rollback: Rollback) -> Request {
        let annotations: Value =
            rollback.annotations.iter().map(|(key, value)| (key.to_string(), json!(value.as_str()))).collect();
        let mut former = deployment.clone();
        former.body.template = rollback.template;
        let mut former = convert::to_json(&former.into_object());
        let template = former.pointer_mut("/spec/template").map(Value::take);
        let body = json!([
            {"op": "replace", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/metadata/annotations", "value": annotations},
        ]);
        let patch = Arc::new(Patch { kind: PatchKind::Json, body });
        Request::Patch { target: self.subject.target(), subresource: Subresource::None, patch }
    }
}

/// The ReplicaSets that the Deployment controls.
pub(super) fn own_sets(items: &[Object], deployment: &Obj<Deployment>) -> Vec<Arc<Obj<ReplicaSet>>> {
    let owned =
        |set: &&Arc<Obj<ReplicaSet>>| set.meta.controller().is_some_and(|owner| owner.uid == deployment.meta.uid);
    items.iter().filter_map(|item| item.get::<ReplicaSet>()).filter(owned).cloned().collect()
}
