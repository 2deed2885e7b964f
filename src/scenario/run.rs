//! Runs a scenario to its end and says what became of its expectations.

use super::{Origin, Scenario};
use crate::api::Name;
use crate::check::{Expectation, ExpectationOutcome, ExpectationStatus, Expectations, When};
use crate::client::Controller;
use crate::kernel::{Span, Time};
use crate::sim::{ActionOutcome, Sim};

/// How long a scenario without a duration runs at most, unless its timeline or an expectation reaches further.
pub const UNTIL_QUIET_AT_MOST: Span = Span::from_hours(1);
/// How many events lie between two calls of the progress callback.
pub const EVENTS_PER_CALL: u64 = 8_192;

/// Why a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Nothing was going to happen any more.
    Quiet,
    /// The scenario's duration was over.
    Duration,
    /// The scenario names no duration, and things were still going to happen after this long.
    Limit(Span),
    /// Every expectation was decided, and the scenario says `stopWhenMet`.
    Decided,
}

/// An action of the timeline that kubectl would have ended with an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedAction {
    /// Where it stands in the scenario.
    pub origin: Origin,
    /// When it ended.
    pub at: Time,
    /// What kubectl would have said.
    pub errors: Vec<Name>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct RunResult {
    /// The simulation as it ended.
    pub sim: Sim,
    /// What became of each expectation, in the order of the file.
    pub outcomes: Vec<ExpectationOutcome>,
    /// The actions that failed, in order of time, those that may fail among them. An action that was still under way at
    /// the end has not failed.
    pub failed_actions: Vec<FailedAction>,
    /// Why the run ended.
    pub ended: Ended,
}

impl RunResult {
    /// Whether every expectation came true, no action failed that may not fail, and every invariant held.
    pub fn met(&self) -> bool {
        let is_met = |outcome: &ExpectationOutcome| matches!(outcome.status, ExpectationStatus::Met { .. });
        self.outcomes.iter().all(is_met)
            && self.failed_actions.iter().all(|failed| failed.origin.may_fail)
            && self.sim.violations().is_empty()
    }

    /// When the last `eventually` of the scenario came true; `None` where one did not, or there is none.
    pub fn converged_at(&self, scenario: &Scenario) -> Option<Time> {
        let mut last = None;
        for (expectation, outcome) in scenario.expectations.iter().zip(&self.outcomes) {
            match (expectation.when, &outcome.status) {
                (When::Always { .. }, _) => {}
                (When::Eventually { .. }, ExpectationStatus::Met { at }) => last = last.max(Some(*at)),
                (When::Eventually { .. }, ExpectationStatus::Pending | ExpectationStatus::Failed { .. }) => {
                    return None;
                }
            }
        }
        last
    }
}

/// Runs a scenario under a seed. `progress` is called every [`EVENTS_PER_CALL`] events.
pub fn run(scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(&Sim)) -> RunResult {
    run_with(scenario, seed, Vec::new(), progress)
}

/// The same with controllers under test, in a process of their own.
pub fn run_with(
    scenario: &Scenario,
    seed: u64,
    tested: Vec<Box<dyn Controller>>,
    progress: &mut dyn FnMut(&Sim),
) -> RunResult {
    let mut sim = scenario.setup.build_with(seed, tested, Vec::new());
    let mut expectations = Expectations::new(&scenario.expectations);
    let (end, at_end) = match scenario.duration {
        Some(duration) => (Time::ZERO + duration, Ended::Duration),
        None => {
            let limit = limit(scenario);
            (Time::ZERO + limit, Ended::Limit(limit))
        }
    };
    let mut events: u64 = 0;
    let ended = loop {
        let Some(next) = sim.next_time().filter(|_| !sim.is_quiet()) else { break Ended::Quiet };
        if next > sim.now() {
            expectations.observe(sim.store(), sim.now(), next);
            if next > end {
                sim.run_until(end);
                break at_end;
            }
            if scenario.stop_when_met && expectations.is_decided() {
                break Ended::Decided;
            }
        }
        sim.step();
        events += 1;
        if events.is_multiple_of(EVENTS_PER_CALL) {
            progress(&sim);
        }
    };
    if ended == Ended::Quiet {
        // What is at rest stays as it is: up to the end, or for ever.
        let after = scenario.duration.map_or(Time::MAX, |_| end + Span::from_nanos(1));
        expectations.observe(sim.store(), sim.now(), after);
        if scenario.duration.is_some() {
            sim.run_until(end);
        }
    }
    sim.judge_at_rest();
    progress(&sim);
    let outcomes = expectations.finish(sim.store(), sim.now());
    let failed_actions = failed_actions(scenario, &sim);
    RunResult { sim, outcomes, failed_actions, ended }
}

fn failed_actions(scenario: &Scenario, sim: &Sim) -> Vec<FailedAction> {
    let failed = |outcome: &ActionOutcome| {
        let origin = scenario.origins.get(outcome.number as usize)?.clone();
        (!outcome.errors.is_empty()).then(|| FailedAction { origin, at: outcome.at, errors: outcome.errors.clone() })
    };
    sim.parts().user.outcomes().iter().filter_map(failed).collect()
}

fn limit(scenario: &Scenario) -> Span {
    let actions = scenario.setup.timeline.iter().map(|action| action.at);
    let claims = scenario.expectations.iter().map(Expectation::reaches);
    let faults = scenario.setup.faults.iter().map(crate::sim::TimedFault::reaches);
    let reached = actions.chain(claims).chain(faults).max().unwrap_or(Time::ZERO).since(Time::ZERO);
    UNTIL_QUIET_AT_MOST.max(reached)
}
