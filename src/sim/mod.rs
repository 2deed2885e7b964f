//! The tank: owns every part, the store, the net and the agenda, and moves every message between them.
//!
//! One dispatch: pop the earliest event, hand it to whom it concerns, carry out what comes back. Nothing else moves
//! anything; parts hold no references to one another. Same set-up and seed, same history, bit for bit.

mod action;
mod ask;
mod disks;
mod dispatch;
mod guest;
mod hash;
mod identity;
mod parts;
mod served;
mod setup;
mod tally;
mod timed_fault;
mod user;
mod world;

pub use action::{Action, Resource};
pub use guest::{Guest, NotForkable};
pub use parts::Parts;
pub use served::ServedKinds;
pub use setup::{NodePool, Setup, TimedAction, replicas};
pub use tally::{
    Batch, Happening, HappeningKind, Happenings, Load, NodeUse, PartClass, PodCounts, RolloutCounts, Rollouts, Sample,
    Tally, Usage,
};
pub use timed_fault::{StrikeRecord, TimedFault, Trigger};
pub use user::{ActionOutcome, Printed, Tone, User};

use std::sync::Arc;

use self::identity::Operator;
use crate::api::Clock;
use crate::check::{Invariants, Look, Sight, Violation};
use crate::client::FORGET;
use crate::event::{Cause, ClientIndex, PartId, Request, SimEvent};
use crate::kernel::{Agenda, Chance, Span, Time};
use crate::net::Net;
use crate::network::Network;
use crate::record::{DigestValue, Journal};
use crate::store::Store;

/// A simulated cluster at an instant.
#[derive(Debug)]
pub struct Sim {
    now: Time,
    agenda: Agenda<SimEvent>,
    /// How many events of the agenda are not background.
    pending: u64,
    chance: Chance,
    clock: Clock,
    store: Store,
    net: Net,
    parts: Parts,
    journal: Journal,
    tally: Tally,
    network: Network,
    timeline: Arc<[TimedAction]>,
    operator: Operator,
    world: world::World,
    invariants: Invariants,
    /// At which revision it was last judged what holds at rest.
    rested: Option<u64>,
    /// Which life each part is in, by part; absent: the first.
    incarnations: std::collections::BTreeMap<PartId, u32>,
    events_handled: u64,
}

impl Sim {
    /// The instant that the simulation has reached.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Turns instants into timestamps.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The truth, to be read.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What happened so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Counts and samples of pods, nodes and requests.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How requests to Services fare.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The parts, to be read.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The digest of the history so far.
    pub fn digest(&self) -> DigestValue {
        self.journal.digest()
    }

    /// What users do, by the number of the action.
    pub fn timeline(&self) -> &[TimedAction] {
        &self.timeline
    }

    /// The invariants that were violated so far, each once.
    pub fn violations(&self) -> &[Violation] {
        self.invariants.violations()
    }

    /// How many events were handled.
    pub fn events_handled(&self) -> u64 {
        self.events_handled
    }

    /// When the next event falls due.
    pub fn next_time(&mut self) -> Option<Time> {
        self.agenda.next_time()
    }

    /// Whether nothing is going to happen any more but background timers, such as informers that play their caches
    /// again every twelve hours or more.
    pub fn is_quiet(&self) -> bool {
        self.pending == 0
    }

    /// Handles one event. False where there was none.
    pub fn step(&mut self) -> bool {
        let Some((time, event)) = self.agenda.pop() else { return false };
        self.now = time;
        self.pending -= u64::from(!event.is_background());
        self.events_handled += 1;
        self.dispatch(event);
        if self.waits_for_triggers() {
            self.look_for_triggers();
        }
        if self.pending == 0 {
            self.judge_at_rest();
        }
        true
    }

    /// Handles all events up to an instant, that instant included, and stops there.
    pub fn run_until(&mut self, until: Time) {
        while self.agenda.next_time().is_some_and(|next| next <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Handles events until it is quiet or the next event lies after an instant. True where it is quiet.
    pub fn run_until_quiet(&mut self, at_most: Time) -> bool {
        while self.pending > 0
            && let Some(next) = self.agenda.next_time()
        {
            if next > at_most {
                self.now = self.now.max(at_most);
                return false;
            }
            self.step();
        }
        true
    }

    /// Handles events, background timers included, until a condition holds, which is looked at after each instant.
    /// True where it came to hold.
    pub fn run_until_holds(&mut self, at_most: Time, holds: impl Fn(&Sim) -> bool) -> bool {
        loop {
            if holds(self) {
                return true;
            }
            let Some(next) = self.agenda.next_time() else { return false };
            if next > at_most {
                self.now = self.now.max(at_most);
                return false;
            }
            self.run_until(next);
        }
    }

    /// A second future from this instant: a copy that shares nothing that either can change.
    ///
    /// # Errors
    /// [`NotForkable`] where a guest lives: its runtime cannot be copied. Replay the scenario instead.
    pub fn fork(&self) -> Result<Sim, NotForkable> {
        Ok(Sim {
            now: self.now,
            agenda: self.agenda.clone(),
            pending: self.pending,
            chance: self.chance,
            clock: self.clock,
            store: self.store.clone(),
            net: self.net.clone(),
            parts: self.parts.fork()?,
            journal: self.journal.clone(),
            tally: self.tally.clone(),
            network: self.network.clone(),
            timeline: self.timeline.clone(),
            operator: self.operator.clone(),
            world: self.world.clone(),
            invariants: self.invariants.clone(),
            rested: self.rested,
            incarnations: self.incarnations.clone(),
            events_handled: self.events_handled,
        })
    }

    /// Adds an action at an instant that has not passed: what a user does in a story.
    pub fn act_at(&mut self, at: Time, action: Action) {
        let number = self.timeline.len() as u32;
        self.timeline = self.timeline.iter().cloned().chain([TimedAction { at, action, user: None }]).collect();
        self.post(at.max(self.now), SimEvent::Action(number));
    }

    /// Adds an action now.
    pub fn act(&mut self, action: Action) {
        self.act_at(self.now, action);
    }

    /// Sends a request from outside the cluster at an instant that has not passed. It is trusted to be valid, and nobody
    /// waits for its answer.
    pub fn request_at(&mut self, at: Time, request: Request) {
        self.send(PartId::World, at.max(self.now), ClientIndex(0), FORGET, Cause::START, request);
    }

    /// Runs for a span from here.
    pub fn run_for(&mut self, span: Span) {
        self.run_until(self.now + span);
    }

    pub(crate) fn post(&mut self, at: Time, event: SimEvent) {
        self.pending += u64::from(!event.is_background());
        self.agenda.post(at, event);
    }

    /// Judges what holds at rest, if the cluster is: nothing is broken, no message is under way, and no controller has
    /// anything left to do. A quiet simulation does it by itself; whoever ends another one may ask for it.
    pub fn judge_at_rest(&mut self) {
        let revision = self.store.revision();
        if self.rested != Some(revision) && self.world.is_calm() && self.net.rules.is_empty() && !self.is_under_way() {
            self.rested = Some(revision);
            self.show(&Sight::Rest, Cause::START);
        }
    }

    fn is_under_way(&self) -> bool {
        self.agenda.iter().any(|(_, event)| match event {
            SimEvent::Timer { part, background, .. } => !background && matches!(part, PartId::ControllerManager(_)),
            SimEvent::Action(_) | SimEvent::Fault { .. } => false,
            SimEvent::Start(_)
            | SimEvent::Boot(_)
            | SimEvent::Heal(_)
            | SimEvent::Silent(..)
            | SimEvent::Arrive(_)
            | SimEvent::Reply(_)
            | SimEvent::Wake(_)
            | SimEvent::WatchEnded(_) => true,
        })
    }

    /// Tells the invariants of something.
    fn show(&mut self, sight: &Sight<'_>, cause: Cause) {
        let look = Look { store: &self.store, now: self.now };
        self.invariants.observe(sight, look, cause);
    }

    fn incarnation(&self, part: PartId) -> u32 {
        self.incarnations.get(&part).copied().unwrap_or(0)
    }

    fn note_start(&mut self, part: PartId) -> Cause {
        let detail = u64::from(self.incarnation(part));
        self.write(crate::record::EntryKind::PartStarts, part, None, detail, Cause::START)
    }
}
