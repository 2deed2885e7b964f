//! Expectations judged while the simulation runs.
//!
//! Each keeps which objects fulfil its predicates and follows the change log of its kind, so that it looks at an object
//! only where that object has changed. It is judged between instants: states that begin and end at the same nanosecond
//! are not seen. Heartbeats that nobody wrote, because they are computed, count as no change.

use rustc_hash::FxHashMap;

use super::claim::{Claim, Quantifier};
use crate::api::{Kind, Object};
use crate::event::ChangeKind;
use crate::kernel::Time;
use crate::sim::Sim;
use crate::store::Store;

/// When a claim must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// At some instant between two, both included.
    Eventually {
        /// The first.
        from: Time,
        /// The last; `None`: the end of the run.
        within: Option<Time>,
    },
    /// At every instant between two, both included.
    Always {
        /// The first.
        from: Time,
        /// The last; `None`: the end of the run.
        until: Option<Time>,
    },
}

/// What must come true.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// What.
    pub claim: Claim,
    /// When.
    pub when: When,
}

/// What became of an expectation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExpectationStatus {
    /// It is not decided yet, or at the end of a run: it was never looked at, since the run ended before.
    Pending,
    /// It came true: an `eventually` at this instant, an `always` up to this instant.
    Met {
        /// When.
        at: Time,
    },
    /// It did not.
    Failed {
        /// When that was certain.
        at: Time,
        /// What the objects showed.
        why: String,
    },
}

/// An expectation and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectationOutcome {
    /// The expectation as people read it.
    pub text: String,
    /// What became of it.
    pub status: ExpectationStatus,
}

impl Expectation {
    /// The expectation as people read it: `deployment.apps/web Available within 60s`.
    pub fn text(&self) -> String {
        let time = |at: Time| at.since(Time::ZERO);
        let after = |from: Time| if from == Time::ZERO { String::new() } else { format!(" from {}", time(from)) };
        match self.when {
            When::Eventually { from, within } => {
                let within =
                    within.map_or_else(|| " eventually".to_owned(), |within| format!(" within {}", time(within)));
                format!("{}{}{within}", self.claim.text, after(from))
            }
            When::Always { from, until } => {
                let until = until.map_or_else(String::new, |until| format!(" until {}", time(until)));
                format!("{} always{}{until}", self.claim.text, after(from))
            }
        }
    }

    /// The last instant that the expectation names.
    pub fn reaches(&self) -> Time {
        match self.when {
            When::Eventually { from, within } => within.unwrap_or(from),
            When::Always { from, until } => until.unwrap_or(from),
        }
    }
}

/// All expectations of a run.
#[derive(Clone, Debug)]
pub struct Expectations {
    watched: Vec<Watched>,
    revision: Option<u64>,
}

#[derive(Clone, Debug)]
struct Watched {
    expectation: Expectation,
    status: ExpectationStatus,
    /// Up to where the change log has been read; `None`: nothing has been looked at.
    position: Option<u64>,
    /// The objects that the claim is about, by number, and whether they fulfil it. Looked up, never iterated.
    objects: FxHashMap<u32, bool>,
    fulfilling: u64,
    /// Whether any such object has been seen.
    seen: bool,
    holds: bool,
}

impl Expectations {
    /// Nothing seen yet.
    pub fn new(expectations: &[Expectation]) -> Expectations {
        let watched = expectations.iter().map(|expectation| Watched {
            expectation: expectation.clone(),
            status: ExpectationStatus::Pending,
            position: None,
            objects: FxHashMap::default(),
            fulfilling: 0,
            seen: false,
            holds: false,
        });
        Expectations { watched: watched.collect(), revision: None }
    }

    /// Takes in the state that holds from `sim.now()` until right before `next`, the instant of the next event.
    pub fn observe(&mut self, sim: &Sim, next: Time) {
        let store = sim.store();
        let changed = self.revision != Some(store.revision());
        self.revision = Some(store.revision());
        for watched in &mut self.watched {
            if watched.status == ExpectationStatus::Pending {
                if changed {
                    watched.follow(store);
                }
                watched.judge(sim, next);
            }
        }
    }

    /// The end of the run: whatever is still open is decided by what was seen.
    pub fn finish(&mut self, sim: &Sim) -> Vec<ExpectationOutcome> {
        self.observe(sim, sim.now());
        for watched in &mut self.watched {
            watched.finish(sim);
        }
        self.outcomes()
    }

    /// What has become of each so far, in the order of the file.
    pub fn outcomes(&self) -> Vec<ExpectationOutcome> {
        let outcome =
            |watched: &Watched| ExpectationOutcome { text: watched.expectation.text(), status: watched.status.clone() };
        self.watched.iter().map(outcome).collect()
    }

    /// Whether nothing more is to be learnt: each `eventually` is decided, and each `always` with an end.
    pub fn is_decided(&self) -> bool {
        self.watched.iter().all(|watched| {
            let open_ended = matches!(watched.expectation.when, When::Always { until: None, .. });
            open_ended || watched.status != ExpectationStatus::Pending
        })
    }
}

impl Watched {
    fn kind(&self) -> Kind {
        self.expectation.claim.kind
    }

    /// Reads the change log from where it was left.
    fn follow(&mut self, store: &Store) {
        let end = store.version(self.kind());
        if self.position == Some(end) {
            return;
        }
        match self.position.and_then(|position| store.changes_since(self.kind(), position)) {
            Some(changes) => {
                for (kind, object) in changes {
                    self.take(object, kind != ChangeKind::Deleted);
                }
            }
            // Nothing seen yet, or the log does not reach back: afresh.
            None => {
                self.objects.clear();
                self.fulfilling = 0;
                for object in store.unordered(self.kind()) {
                    self.take(object, true);
                }
            }
        }
        self.position = Some(end);
        self.holds = self.holds_now();
    }

    fn take(&mut self, object: &Object, lives: bool) {
        let claim = &self.expectation.claim;
        let slot = object.meta().id.slot;
        let fulfils = (lives && claim.is_about(object)).then(|| claim.holds_of(object));
        let before = match fulfils {
            Some(fulfils) => self.objects.insert(slot, fulfils),
            None => self.objects.remove(&slot),
        };
        self.seen |= fulfils.is_some();
        self.fulfilling += u64::from(fulfils == Some(true));
        self.fulfilling -= u64::from(before == Some(true));
    }

    fn holds_now(&self) -> bool {
        let claim = &self.expectation.claim;
        let count = self.objects.len() as u64;
        match claim.quantifier {
            Quantifier::None => self.fulfilling == 0,
            Quantifier::Between(low, high) => (low..=high).contains(&self.fulfilling),
            Quantifier::Every => {
                let every = self.fulfilling == count;
                match self.expectation.when {
                    When::Eventually { .. } => every && count > 0,
                    // What has not appeared yet violates nothing; a resource that has gone does.
                    When::Always { .. } => every && (count > 0 || claim.name.is_none() || !self.seen),
                }
            }
        }
    }

    /// The state holds from now until right before `next`.
    fn judge(&mut self, sim: &Sim, next: Time) {
        let now = sim.now();
        match self.expectation.when {
            When::Eventually { from, within } => {
                let first = now.max(from);
                let in_time = within.is_none_or(|within| first <= within);
                if self.holds && in_time && (first == now || first < next) {
                    self.status = ExpectationStatus::Met { at: first };
                } else if let Some(within) = within.filter(|within| *within < next) {
                    self.status = ExpectationStatus::Failed { at: within, why: self.why(sim) };
                }
            }
            When::Always { from, until } => {
                let first = now.max(from);
                let concerns = (first == now || first < next) && until.is_none_or(|until| first <= until);
                if concerns && !self.holds {
                    self.status = ExpectationStatus::Failed { at: first, why: self.why(sim) };
                } else if let Some(until) = until.filter(|until| *until < next) {
                    self.status = ExpectationStatus::Met { at: until };
                }
            }
        }
    }

    fn finish(&mut self, sim: &Sim) {
        if self.status != ExpectationStatus::Pending {
            return;
        }
        let now = sim.now();
        match self.expectation.when {
            When::Eventually { .. } => self.status = ExpectationStatus::Failed { at: now, why: self.why(sim) },
            When::Always { from, .. } if from <= now => self.status = ExpectationStatus::Met { at: now },
            When::Always { .. } => {}
        }
    }

    /// What the objects show now.
    fn why(&self, sim: &Sim) -> String {
        let claim = &self.expectation.claim;
        let (count, fulfilling) = (self.objects.len() as u64, self.fulfilling);
        let about = || sim.store().objects(claim.kind, sim.now()).filter(|object| claim.is_about(object));
        let example = |fulfils: bool| {
            let found = about().find(|object| claim.holds_of(object) == fulfils)?;
            Some((found.meta().key(), claim.shows(&found)))
        };
        if claim.name.is_some() {
            return about().next().map_or_else(
                || if self.seen { "it is gone".to_owned() } else { "it does not exist".to_owned() },
                |object| claim.shows(&object),
            );
        }
        let summary = match claim.quantifier {
            Quantifier::Every if count == 0 => return "there are none".to_owned(),
            Quantifier::Every | Quantifier::Between(..) => format!("{fulfilling} of {count}"),
            Quantifier::None => format!("{fulfilling} of {count} do"),
        };
        match example(claim.quantifier == Quantifier::None) {
            Some((key, shows)) => format!("{summary}; {key}: {shows}"),
            None => summary,
        }
    }
}
