//! The user: runs the actions of the timeline as kubectl 1.34 would, each a sequence of requests.
//!
//! Every action is a process of its own: several may be under way at the same time, each with kubectl's default rate
//! limit (50 a second, bursts of 300). What an action awaits is data, never a closure, so that a user can be cloned
//! wherever it stands. Upstream: `kubectl/pkg/cmd` and `kubectl/pkg/polymorphichelpers`.
//!
//! Left out: discovery, server-side validation levels, client-side retries of 429 with `Retry-After`, `--timeout`. A
//! lost reply leaves its action waiting for ever, as kubectl without `--request-timeout` does.

mod apply;
mod create;
mod delete;
mod describe;
mod drain;
mod edit;
mod history;
mod shell;
mod status;
#[cfg(test)]
mod tests;
mod text;
mod undo;
mod undo_revision;

use std::collections::BTreeMap;
use std::hash::Hash;

use super::Action;
use crate::api::{Kind, Name};
use crate::client::{Outbox, Part};
use crate::event::{Input, Reply};
use crate::kernel::Time;
use apply::Apply;
use create::Create;
use delete::Delete;
use drain::Drain;
use edit::{Edit, Wish};
use history::History;
pub(super) use shell::split;
use shell::{Kinds, Progress, Session, Shell, Subject};
use status::Status;
use undo::Undo;
use undo_revision::UndoRevision;

/// How an action ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionOutcome {
    /// The action, by its number in the timeline.
    pub number: u32,
    /// When it ended.
    pub at: Time,
    /// What kubectl would have printed on the way, a line each: results, progress and warnings.
    pub lines: Vec<Name>,
    /// What failed, as kubectl would say it at the end.
    pub errors: Vec<Name>,
}

/// A line as it appeared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Printed {
    /// The action that printed it, by its number in the timeline.
    pub number: u32,
    /// When.
    pub at: Time,
    /// A line on the way, or an error at the end.
    pub tone: Tone,
    /// The line; several where kubectl's message has several.
    pub text: Name,
}

/// What a printed line tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// Something was done, is under way or deserves a warning.
    Progress,
    /// Something failed.
    Error,
}

/// Who runs the timeline.
#[derive(Clone, Debug, Default)]
pub struct User {
    running: BTreeMap<u32, Running>,
    kinds: Kinds,
    outcomes: Vec<ActionOutcome>,
    printed: Vec<Printed>,
}

/// An action that is under way.
#[derive(Clone, Debug)]
struct Running {
    flow: Flow,
    session: Session,
}

/// Where an action stands.
#[derive(Clone, Debug)]
enum Flow {
    Apply(Apply),
    Create(Create),
    Delete(Delete),
    Edit(Edit),
    Undo(Undo),
    UndoRevision(UndoRevision),
    History(History),
    Status(Status),
    Drain(Drain),
}

/// What a flow is handed.
enum Step {
    Begin,
    /// The reply to one of its threads.
    Reply(u32, Reply),
    /// The timer of one of its threads.
    Timer(u32),
}

impl User {
    /// Begins an action.
    pub fn begin(&mut self, number: u32, action: Action, out: &mut Outbox) {
        let session = Session::new(number);
        match self.flow(action) {
            Ok(Some(flow)) => {
                self.running.insert(number, Running { flow, session });
                self.step(number, Step::Begin, out);
            }
            Ok(None) => self.conclude(session, out),
            Err(error) => {
                let mut session = session;
                session.failures.push(shell::Failure::Plain(error));
                self.conclude(session, out);
            }
        }
    }

    /// The actions that have ended, in that order.
    pub fn outcomes(&self) -> &[ActionOutcome] {
        &self.outcomes
    }

    /// All that was printed so far, by actions under way as well, in order of time.
    pub fn printed(&self) -> &[Printed] {
        &self.printed
    }

    /// The actions that are under way, by their numbers in the timeline.
    pub fn under_way(&self) -> impl Iterator<Item = u32> {
        self.running.keys().copied()
    }

    /// What an action is to do; nothing for one that is done at once.
    fn flow(&mut self, action: Action) -> Result<Option<Flow>, String> {
        let flow = match action {
            Action::DefineKind(info) => {
                self.kinds.define(info);
                return Ok(None);
            }
            Action::Apply(documents) => Flow::Apply(Apply::new(documents)),
            Action::Create(objects) => Flow::Create(Create::new(objects)),
            Action::Delete { resource, propagation, grace_seconds } => {
                Flow::Delete(Delete::new(self.kinds.subject(resource)?, propagation, grace_seconds))
            }
            Action::Scale { resource, replicas } => {
                if replicas < 0 {
                    return Err(
                        "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0".into()
                    );
                }
                Flow::Edit(Edit::new(self.kinds.subject(resource)?, Wish::Scale(replicas)))
            }
            Action::Patch { resource, kind, body } => {
                Flow::Edit(Edit::new(self.kinds.subject(resource)?, Wish::Patch(kind, body)))
            }
            Action::SetImage { resource, images } => {
                Flow::Edit(Edit::new(self.kinds.subject(resource)?, Wish::Images(images)))
            }
            Action::RolloutPause { resource, paused } => {
                Flow::Edit(Edit::new(self.kinds.subject(resource)?, Wish::Paused(paused)))
            }
            Action::RolloutRestart { resource } => Flow::Edit(Edit::new(self.kinds.subject(resource)?, Wish::Restart)),
            Action::RolloutUndo { resource, to_revision }
                if matches!(resource.kind, Kind::StatefulSet | Kind::DaemonSet) =>
            {
                Flow::UndoRevision(UndoRevision::new(self.kinds.subject(resource)?, to_revision)?)
            }
            Action::RolloutUndo { resource, to_revision } => {
                Flow::Undo(Undo::new(self.kinds.subject(resource)?, to_revision)?)
            }
            Action::RolloutHistory { resource, revision } => {
                Flow::History(History::new(self.kinds.subject(resource)?, revision)?)
            }
            Action::RolloutStatus { resource } => Flow::Status(Status::new(self.kinds.subject(resource)?)?),
            Action::Cordon { node, unschedulable } => {
                Flow::Edit(Edit::new(self.node(node)?, Wish::Unschedulable(unschedulable)))
            }
            Action::Drain { node, grace_seconds } => Flow::Drain(Drain::new(self.node(node)?, grace_seconds)),
        };
        Ok(Some(flow))
    }

    fn node(&self, name: Name) -> Result<Subject, String> {
        self.kinds.subject(super::Resource { kind: Kind::Node, namespace: Name::new(), name })
    }

    fn step(&mut self, number: u32, step: Step, out: &mut Outbox) {
        let Some(running) = self.running.get_mut(&number) else { return };
        let Running { flow, session } = running;
        let shell = &mut Shell { session, kinds: &self.kinds, printed: &mut self.printed, out };
        let progress = match flow {
            Flow::Apply(apply) => apply.step(step, shell),
            Flow::Create(create) => create.step(step, shell),
            Flow::Delete(delete) => delete.step(step, shell),
            Flow::Edit(edit) => edit.step(step, shell),
            Flow::Undo(undo) => undo.step(step, shell),
            Flow::UndoRevision(undo) => undo.step(step, shell),
            Flow::History(history) => history.step(step, shell),
            Flow::Status(status) => status.step(step, shell),
            Flow::Drain(drain) => drain.step(step, shell),
        };
        if progress == Progress::Ended
            && let Some(ended) = self.running.remove(&number)
        {
            self.conclude(ended.session, out);
        }
    }

    fn conclude(&mut self, session: Session, out: &Outbox) {
        let Session { number, lines, failures, client: _ } = session;
        let errors = text::at_the_end(&failures);
        let (at, tone) = (out.now, Tone::Error);
        self.printed.extend(errors.iter().map(|text| Printed { number, at, tone, text: text.clone() }));
        self.outcomes.push(ActionOutcome { number, at, lines, errors });
    }
}

impl Part for User {
    fn handle(&mut self, input: Input, out: &mut Outbox) {
        match input {
            Input::Reply { token, result } => {
                let (number, thread) = shell::split(token.0);
                self.step(number, Step::Reply(thread, result), out);
            }
            Input::Timer(token) => {
                let (number, thread) = shell::split(token.0);
                self.step(number, Step::Timer(thread), out);
            }
            // The timeline begins actions, and kubectl's waits are polled here: no watches.
            Input::Start
            | Input::Boot
            | Input::Loaded
            | Input::Heartbeats { .. }
            | Input::Notice { .. }
            | Input::WatchEnded { .. }
            | Input::DisksChanged => {}
        }
    }

    fn client_names(&self) -> Vec<Name> {
        vec![shell::CLIENT.into()]
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        self.running.len().hash(&mut hasher);
        for (number, running) in &self.running {
            number.hash(&mut hasher);
            match &running.flow {
                Flow::Apply(apply) => (0u8, apply.place()).hash(&mut hasher),
                Flow::Create(create) => (5u8, create.place()).hash(&mut hasher),
                Flow::Delete(delete) => (1u8, delete.place()).hash(&mut hasher),
                Flow::Edit(edit) => (2u8, edit.place()).hash(&mut hasher),
                Flow::Undo(undo) => (3u8, undo.place()).hash(&mut hasher),
                Flow::UndoRevision(undo) => (6u8, undo.place()).hash(&mut hasher),
                Flow::History(history) => (7u8, history.place()).hash(&mut hasher),
                Flow::Status(_) => 8u8.hash(&mut hasher),
                Flow::Drain(drain) => {
                    4u8.hash(&mut hasher);
                    drain.places().for_each(|place| place.hash(&mut hasher));
                }
            }
        }
    }
}
