//! The user: runs the actions of the timeline as kubectl would, each a sequence of requests.

use super::Action;
use crate::api::Name;
use crate::client::{Outbox, Part};
use crate::event::Input;
use crate::kernel::Time;

/// How an action ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionOutcome {
    /// The action, by its number in the timeline.
    pub number: u32,
    /// When it ended.
    pub at: Time,
    /// What kubectl would have printed, a line each.
    pub lines: Vec<Name>,
    /// What failed, as kubectl would say it.
    pub errors: Vec<Name>,
}

/// Who runs the timeline.
#[derive(Clone, Debug, Default)]
pub struct User {
    outcomes: Vec<ActionOutcome>,
}

impl User {
    /// Begins an action.
    pub fn begin(&mut self, _number: u32, _action: Action, _out: &mut Outbox) {}

    /// The actions that have ended, in that order.
    pub fn outcomes(&self) -> &[ActionOutcome] {
        &self.outcomes
    }
}

impl Part for User {
    fn handle(&mut self, _input: Input, _out: &mut Outbox) {}

    fn client_names(&self) -> Vec<Name> {
        vec!["kubectl".into()]
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn hash_memory(&self, _hasher: &mut dyn std::hash::Hasher) {}
}
