//! Runs a scenario to its end and says what became of its expectations.

use super::Scenario;
use crate::check::{Expectation, ExpectationOutcome, Expectations};
use crate::kernel::{Span, Time};
use crate::sim::Sim;

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

/// A run that has ended.
#[derive(Debug)]
pub struct RunResult {
    /// The simulation as it ended.
    pub sim: Sim,
    /// What became of each expectation, in the order of the file.
    pub outcomes: Vec<ExpectationOutcome>,
    /// Why the run ended.
    pub ended: Ended,
}

/// Runs a scenario under a seed. `progress` is called every [`EVENTS_PER_CALL`] events.
pub fn run(scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(&Sim)) -> RunResult {
    let mut sim = scenario.setup.build(seed);
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
    RunResult { sim, outcomes, ended }
}

fn limit(scenario: &Scenario) -> Span {
    let actions = scenario.setup.timeline.iter().map(|action| action.at);
    let claims = scenario.expectations.iter().map(Expectation::reaches);
    let reached = actions.chain(claims).max().unwrap_or(Time::ZERO).since(Time::ZERO);
    UNTIL_QUIET_AT_MOST.max(reached)
}
