//! Invariants: what holds in any run of correct parts, whatever users do and whatever breaks.
//!
//! An invariant is told what it names, keeps a small state of its own and says what it finds. It never asks a part.

use std::fmt;

use crate::api::{Kind, Name, ObjectId};
use crate::event::{Cause, PartId};
use crate::kernel::Time;
use crate::store::{Commit, Store};

/// An invariant as the registry lists it.
#[derive(Debug)]
pub struct InvariantEntry {
    /// As scenario files name it.
    pub name: &'static str,
    /// What holds.
    pub doc: &'static str,
    /// What it does not check, and why.
    pub leaves_out: &'static str,
    /// The upstream source from which it follows that it holds.
    pub source: &'static str,
    /// The controller without which it does not hold; it is not checked where that is missing.
    pub needs: Option<&'static str>,
    /// The kinds of whose commits it is told.
    pub kinds: &'static [Kind],
    /// Makes one that has seen nothing.
    pub build: fn() -> Box<dyn Invariant>,
}

/// Something that holds in any run.
pub trait Invariant: fmt::Debug + Send + Sync {
    /// Takes in what has happened and says what is wrong about it.
    fn observe(&mut self, sight: &Sight<'_>, look: Look<'_>, found: &mut Vec<Finding>);

    /// A copy, memory included.
    fn boxed_clone(&self) -> Box<dyn Invariant>;
}

impl Clone for Box<dyn Invariant> {
    fn clone(&self) -> Box<dyn Invariant> {
        self.boxed_clone()
    }
}

/// What an invariant is told.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// An object was changed; told to those that name its kind.
    Commit(&'a Commit, By),
    /// The first container of a pod runs on a node.
    PodStarts {
        /// The node's number in the set-up.
        node: u32,
        /// Its name.
        name: &'a Name,
        /// The pod.
        pod: ObjectId,
    },
    /// No container of a pod runs on a node any more.
    PodStops {
        /// The node's number in the set-up.
        node: u32,
        /// The pod.
        pod: ObjectId,
    },
    /// A machine has lost its power, and everything on it has stopped.
    PowerOff {
        /// The node's number in the set-up.
        node: u32,
    },
    /// A process has ended. What it has sent may still arrive.
    PartStops(PartId),
    /// What a part has asked for was done, but it will never be told.
    AnswerLost {
        /// The part that asked.
        to: PartId,
        /// The object that it asked about.
        object: ObjectId,
    },
    /// Nothing is going to happen any more, and nothing is broken.
    Rest,
}

/// Who made a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct By {
    /// The part.
    pub part: PartId,
    /// Whether the process that asked for it has ended before it was made.
    pub outlived: bool,
}

impl By {
    /// A part whose process is the one that asked.
    pub fn living(part: PartId) -> By {
        By { part, outlived: false }
    }
}

/// What an invariant may look at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The truth, after the commit.
    pub store: &'a Store,
    /// Now.
    pub now: Time,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What it is about: `node/worker-1`.
    pub object: String,
    /// What is wrong about it.
    pub message: String,
}

/// A violated invariant: the first time in whole, the others as a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// When.
    pub at: Time,
    /// What it is about: `node/worker-1`.
    pub object: String,
    /// What is wrong about it.
    pub message: String,
    /// The journal's entry for what made it so.
    pub cause: Cause,
    /// How often the invariant was violated in all.
    pub count: u64,
}

/// The invariants of a simulation and what they have found.
#[derive(Clone, Debug)]
pub struct Invariants {
    members: Vec<Member>,
    violations: Vec<Violation>,
    found: Vec<Finding>,
}

#[derive(Clone, Debug)]
struct Member {
    entry: &'static InvariantEntry,
    invariant: Box<dyn Invariant>,
}

impl Invariants {
    /// Nothing seen yet.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a &'static InvariantEntry>) -> Invariants {
        let members = entries.into_iter().map(|entry| Member { entry, invariant: (entry.build)() });
        Invariants { members: members.collect(), violations: Vec::new(), found: Vec::new() }
    }

    /// What was found, in the order in which the invariants were first violated.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Takes in what has happened.
    pub fn observe(&mut self, sight: &Sight<'_>, look: Look<'_>, cause: Cause) {
        let kind = match sight {
            Sight::Commit(commit, _) => Some(commit.object.kind()),
            Sight::PodStarts { .. }
            | Sight::PodStops { .. }
            | Sight::PowerOff { .. }
            | Sight::PartStops(_)
            | Sight::AnswerLost { .. }
            | Sight::Rest => None,
        };
        for member in &mut self.members {
            if kind.is_some_and(|kind| !member.entry.kinds.contains(&kind)) {
                continue;
            }
            member.invariant.observe(sight, look, &mut self.found);
            for finding in self.found.drain(..) {
                note(&mut self.violations, member.entry.name, finding, look.now, cause);
            }
        }
    }
}

fn note(violations: &mut Vec<Violation>, invariant: &'static str, finding: Finding, at: Time, cause: Cause) {
    match violations.iter_mut().find(|known| known.invariant == invariant) {
        Some(known) => known.count += 1,
        None => {
            let Finding { object, message } = finding;
            violations.push(Violation { invariant, at, object, message, cause, count: 1 });
        }
    }
}
