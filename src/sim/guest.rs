//! The seam for parts that are programs of their own (kube-rs operators in virtual time): driven from here, seen by
//! the rest as any other part.

use std::fmt;

use crate::api::Name;
use crate::client::Outbox;
use crate::event::Input;
use crate::kernel::Time;

/// A part whose inside the simulation cannot look into, copy or hash.
pub trait Guest: Send + fmt::Debug {
    /// What the journal and the report call it.
    fn name(&self) -> Name;

    /// Hands over an input, or nothing where only the time it asked for has come, and lets it run until it wants
    /// something. Returns when it wants to run again if nothing comes.
    fn run(&mut self, input: Option<Input>, out: &mut Outbox) -> Option<Time>;
}

/// Why a simulation cannot be forked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotForkable {
    /// The guest that cannot be copied.
    pub guest: Name,
}

impl fmt::Display for NotForkable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the guest {:?} cannot be copied: replay the scenario up to this instant instead", self.guest)
    }
}

impl std::error::Error for NotForkable {}
