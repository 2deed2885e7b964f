//! The summary of a run: one value that the text, `-o json`, `-o yaml` and `summary.json` all show.

use serde::Serialize;

use super::cost::cost_report;
use super::traffic::traffic;
use super::{
    BatchReport, CostReport, CustomTable, EventLine, FaultLine, Machines, NodesReport, PodsReport, RequestLine,
    TrafficReport, UncheckedRules, UnservedKind, WorkloadLine, batch_report, custom_tables, fault_lines, nodes_report,
    notable_events, pods_report, requests_by_client, unchecked_rules, unserved_kinds, workloads,
};
use crate::api::Name;
use crate::check::Violation;
use crate::kernel::Time;
use crate::sim::{Printed, Sim, Tone};

/// What is known of a run beside the state in which it ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Story {
    /// The scenario's name.
    pub scenario: Name,
    /// The seed of all draws.
    pub seed: u64,
    /// Why the run ended where it did, in words.
    pub ended: String,
    /// What was expected, in the order of the scenario.
    pub expectations: Vec<ExpectationLine>,
    /// The machines by pool, with what they cost.
    pub machines: Vec<Machines>,
    /// The currency of their prices, where it is known.
    pub currency: Option<Name>,
    /// The actions that failed, in order of time.
    pub failed_actions: Vec<FailedActionLine>,
    /// The one command that repeats the run.
    pub repeat: String,
}

/// An expectation and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectationLine {
    /// What was expected, in words.
    pub expectation: String,
    /// Whether it was met.
    pub met: bool,
    /// Since when it is decided, in seconds since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at_seconds: Option<f64>,
    /// What was seen instead, or what decided it; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// An action of the timeline that kubectl would have ended with an error.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedActionLine {
    /// Where it stands in the scenario: `timeline[2].setImage`.
    pub place: String,
    /// When it ended, in seconds since the start.
    pub at_seconds: f64,
    /// Whether the scenario says that it may fail; if not, the run has failed.
    pub may_fail: bool,
    /// What kubectl would have said.
    pub errors: Vec<Name>,
}

/// An invariant that was violated.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViolationLine {
    /// Its name.
    pub invariant: &'static str,
    /// When it was violated first, in seconds since the start.
    pub at_seconds: f64,
    /// What that was about: `node/worker-1`.
    pub object: String,
    /// What was wrong.
    pub message: String,
    /// The journal's entry for what made it so.
    pub cause: u32,
    /// How often it was violated in all.
    pub count: u64,
}

/// A line that an action of the timeline printed, in the words of kubectl.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionLine {
    /// The action, by its number in the timeline.
    pub action: u32,
    /// When, in seconds since the start.
    pub at_seconds: f64,
    /// Whether it says that something failed.
    pub is_error: bool,
    /// The line.
    pub text: Name,
}

/// A run, summed up. Two runs of one scenario with one seed have equal summaries.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The digest of the history, as 32 hexadecimal digits.
    pub digest: String,
    /// The scenario's name.
    pub scenario: Name,
    /// The seed.
    pub seed: u64,
    /// Whether all expectations were met, no action failed that may not, and all invariants held.
    pub met: bool,
    /// Why the run ended where it did.
    pub ended: String,
    /// How much simulated time passed.
    pub simulated_seconds: f64,
    /// How many events of the simulation were handled.
    pub events: u64,
    /// How many entries the journal has.
    pub journal_entries: u64,
    /// What was expected.
    pub expectations: Vec<ExpectationLine>,
    /// The actions of the timeline that failed.
    pub failed_actions: Vec<FailedActionLine>,
    /// The invariants that did not hold, each once.
    pub violations: Vec<ViolationLine>,
    /// Workloads by namespace and name.
    pub workloads: Vec<WorkloadLine>,
    /// Pods.
    pub pods: PodsReport,
    /// Nodes.
    pub nodes: NodesReport,
    /// Kubernetes Events worth a look.
    pub notable_events: Vec<EventLine>,
    /// What the actions of the timeline printed.
    pub actions: Vec<ActionLine>,
    /// The strikes of faults, in order.
    pub faults: Vec<FaultLine>,
    /// The actions that were still under way at the end, by their number in the timeline.
    pub unfinished_actions: Vec<u32>,
    /// Requests by client.
    pub requests: Vec<RequestLine>,
    /// Streams of requests to Services, where the scenario has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traffic: Vec<TrafficReport>,
    /// What the machines cost, where any has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostReport>,
    /// What became of the Jobs, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchReport>,
    /// What nothing acts on.
    pub unserved: Vec<UnservedKind>,
    /// Objects of custom kinds, in the columns of their CRDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<CustomTable>,
    /// Rules of CRDs that were not checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchecked_rules: Vec<UncheckedRules>,
    /// The command that repeats the run.
    pub repeat: String,
}

impl Summary {
    /// Sums a simulation up at the instant that it has reached.
    pub fn of(sim: &Sim, story: Story) -> Summary {
        let (store, at) = (sim.store(), sim.now());
        let now = sim.clock().timestamp(at);
        let Story { scenario, seed, ended, expectations, failed_actions, machines, currency, repeat } = story;
        let met = expectations.iter().all(|expectation| expectation.met)
            && failed_actions.iter().all(|failed| failed.may_fail);
        Summary {
            digest: sim.digest().to_string(),
            scenario,
            seed,
            met: met && sim.violations().is_empty(),
            ended,
            simulated_seconds: seconds(at),
            events: sim.events_handled(),
            journal_entries: sim.journal().len(),
            expectations,
            failed_actions,
            violations: sim.violations().iter().map(violation).collect(),
            workloads: workloads(store, at, now),
            pods: pods_report(store, now),
            nodes: nodes_report(store, at),
            notable_events: notable_events(store, now),
            actions: actions(sim),
            faults: fault_lines(sim),
            unfinished_actions: sim.parts().user.under_way().collect(),
            requests: requests_by_client(sim),
            traffic: traffic(sim),
            cost: cost_report(sim, &machines, currency),
            batch: batch_report(&sim.tally().batch),
            unserved: unserved_kinds(sim),
            custom: custom_tables(store, at, now),
            unchecked_rules: unchecked_rules(store),
            repeat,
        }
    }
}

fn violation(violation: &Violation) -> ViolationLine {
    ViolationLine {
        invariant: violation.invariant,
        at_seconds: seconds(violation.at),
        object: violation.object.clone(),
        message: violation.message.clone(),
        cause: violation.cause.0,
        count: violation.count,
    }
}

fn actions(sim: &Sim) -> Vec<ActionLine> {
    let printed = sim.parts().user.printed().iter();
    let line = |printed: &Printed| ActionLine {
        action: printed.number,
        at_seconds: seconds(printed.at),
        is_error: printed.tone == Tone::Error,
        text: printed.text.clone(),
    };
    printed.map(line).collect()
}

fn seconds(at: Time) -> f64 {
    at.since(Time::ZERO).as_secs_f64()
}
