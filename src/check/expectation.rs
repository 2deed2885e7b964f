//! Expectations judged while the simulation runs.
//!
//! Each is judged between instants: states that begin and end at the same nanosecond
//! are not seen. Heartbeats that nobody wrote, because they are computed, count as no change.

use super::claim::{Claim, Quantifier};
use super::follow::Follow;
use crate::kernel::Time;
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
    follow: Follow,
    when: When,
    text: String,
    status: ExpectationStatus,
    holds: bool,
}

impl Expectations {
    /// Nothing seen yet.
    pub fn new(expectations: &[Expectation]) -> Expectations {
        let watched = expectations.iter().map(|expectation| Watched {
            follow: Follow::new(expectation.claim.clone()),
            when: expectation.when,
            text: expectation.text(),
            status: ExpectationStatus::Pending,
            holds: false,
        });
        Expectations { watched: watched.collect(), revision: None }
    }

    /// Takes in the state that holds from `now` until right before `next`, the instant of the next event.
    pub fn observe(&mut self, store: &Store, now: Time, next: Time) {
        let changed = self.revision != Some(store.revision());
        self.revision = Some(store.revision());
        for watched in &mut self.watched {
            if watched.status == ExpectationStatus::Pending {
                if changed && watched.follow.follow(store) {
                    watched.holds = watched.holds_now();
                }
                watched.judge(store, now, next);
            }
        }
    }

    /// The end of the run: whatever is still open is decided by what was seen.
    pub fn finish(&mut self, store: &Store, now: Time) -> Vec<ExpectationOutcome> {
        self.observe(store, now, now);
        for watched in &mut self.watched {
            watched.finish(store, now);
        }
        self.outcomes()
    }

    /// What has become of each so far, in the order of the file.
    pub fn outcomes(&self) -> Vec<ExpectationOutcome> {
        let outcome =
            |watched: &Watched| ExpectationOutcome { text: watched.text.clone(), status: watched.status.clone() };
        self.watched.iter().map(outcome).collect()
    }

    /// Whether nothing more is to be learnt: each `eventually` is decided, and each `always` with an end.
    pub fn is_decided(&self) -> bool {
        self.watched.iter().all(|watched| {
            let open_ended = matches!(watched.when, When::Always { until: None, .. });
            open_ended || watched.status != ExpectationStatus::Pending
        })
    }
}

impl Watched {
    fn holds_now(&self) -> bool {
        let (follow, claim) = (&self.follow, &self.follow.claim);
        match (claim.quantifier, self.when) {
            // What has not appeared yet violates nothing; a resource that has gone does.
            (Quantifier::Every, When::Always { .. }) => {
                let every = follow.fulfilling() == follow.count();
                every && (follow.count() > 0 || claim.name.is_none() || !follow.seen)
            }
            (Quantifier::Every | Quantifier::None | Quantifier::Between(..), _) => follow.holds(),
        }
    }

    /// The state holds from now until right before `next`.
    fn judge(&mut self, store: &Store, now: Time, next: Time) {
        match self.when {
            When::Eventually { from, within } => {
                let first = now.max(from);
                let in_time = within.is_none_or(|within| first <= within);
                if self.holds && in_time && (first == now || first < next) {
                    self.status = ExpectationStatus::Met { at: first };
                } else if let Some(within) = within.filter(|within| *within < next) {
                    self.status = ExpectationStatus::Failed { at: within, why: self.follow.why(store, now) };
                }
            }
            When::Always { from, until } => {
                let first = now.max(from);
                let concerns = (first == now || first < next) && until.is_none_or(|until| first <= until);
                if concerns && !self.holds {
                    self.status = ExpectationStatus::Failed { at: first, why: self.follow.why(store, now) };
                } else if let Some(until) = until.filter(|until| *until < next) {
                    self.status = ExpectationStatus::Met { at: until };
                }
            }
        }
    }

    fn finish(&mut self, store: &Store, now: Time) {
        if self.status != ExpectationStatus::Pending {
            return;
        }
        match self.when {
            When::Eventually { .. } => {
                self.status = ExpectationStatus::Failed { at: now, why: self.follow.why(store, now) };
            }
            When::Always { from, .. } if from <= now => self.status = ExpectationStatus::Met { at: now },
            When::Always { .. } => {}
        }
    }
}
