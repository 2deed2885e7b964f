//! Runs and what becomes of their expectations.

use super::{HEAD, load_text, shipped};
use crate::check::ExpectationStatus;
use crate::scenario::{Ended, FailedAction, RunResult, Scenario, run};

fn ran(text: &str) -> RunResult {
    let scenario = load_text(&format!("{HEAD}{text}")).unwrap_or_else(|errors| panic!("{errors}"));
    run(&scenario, scenario.seed, &mut |_| {})
}

/// What became of the one expectation of a cluster of three nodes that runs for a minute.
#[track_caller]
fn check(expectation: &str, expected: &str) {
    let result = ran(&format!("duration: 1m\nexpect: [{expectation}]\n"));
    let found = match &result.outcomes[0].status {
        ExpectationStatus::Pending => "pending".to_owned(),
        ExpectationStatus::Met { at } => format!("met at {}s", at.seconds()),
        ExpectationStatus::Failed { at, why } => format!("failed at {}s: {why}", at.seconds()),
    };
    assert_eq!(found, expected, "{}", result.outcomes[0].text);
}

#[test]
fn eventually_is_met_at_the_first_instant() {
    check("{eventually: {all: nodes, condition: Ready, count: {equals: 3}}, within: 5s}", "met at 0s");
    check("{eventually: {all: nodes, condition: Ready}, from: 30s}", "met at 30s");
    check("{eventually: {resource: node/node-1, field: status.capacity.cpu, equals: \"8\"}}", "met at 0s");
}

#[test]
fn eventually_fails_at_its_deadline_and_says_what_it_saw() {
    check("{eventually: {resource: pod/a, exists: true}, within: 7s}", "failed at 7s: it does not exist");
    check("{eventually: {all: pods, condition: Ready}}", "failed at 60s: there are none");
    check(
        "{eventually: {all: nodes, field: status.capacity.cpu, atLeast: 9, count: {atLeast: 1}}, within: 20s}",
        "failed at 20s: 0 of 3; node-0: status.capacity.cpu is 8",
    );
    check(
        "{eventually: {resource: node/node-1, condition: Wet}, within: 20s}",
        "failed at 20s: it has no condition Wet",
    );
}

#[test]
fn always_is_met_at_its_end_and_fails_at_the_first_violation() {
    check("{always: {all: nodes, condition: Ready}}", "met at 60s");
    check("{always: {resource: node/node-1, exists: true}, until: 30s}", "met at 30s");
    check("{always: {all: nodes, gone: true}, until: 30s}", "failed at 0s: 3 of 3 do; node-0: it exists");
    check("{always: {all: nodes, gone: true}, from: 10s}", "failed at 10s: 3 of 3 do; node-0: it exists");
}

#[test]
fn a_run_says_why_it_ended() {
    let result = ran("duration: 1m\n");
    assert!(matches!(result.ended, Ended::Duration | Ended::Quiet));
    assert_eq!(result.sim.now().seconds(), 60);
    let expect = "expect: [{eventually: {all: nodes, condition: Ready}}]\n";
    let early = ran(&format!("duration: 1h\nstopWhenMet: true\n{expect}"));
    assert_eq!(early.ended, Ended::Decided);
    assert!(early.sim.now().seconds() < 5);
}

/// What becomes of a run that scales a Deployment that is not there.
#[track_caller]
fn check_failure(rest: &str, expected: &[&str], met: bool) {
    let result = ran(&format!("duration: 1m\ntimeline:\n- {{at: 5s, cordon: node-1}}\n- {{at: 10s, {rest}}}\n"));
    let told =
        |failed: &FailedAction| format!("{} at {}s: {}", failed.origin.place, failed.at.seconds(), failed.errors[0]);
    assert_eq!(result.failed_actions.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(result.met(), met);
}

#[test]
fn an_action_that_fails_is_a_failed_run_unless_it_may_fail() {
    let scale = "scale: {resource: deployment/web, replicas: 3}";
    let told = "timeline[1].scale at 10s: Error from server (NotFound): deployments.apps \"web\" not found";
    check_failure(scale, &[told], false);
    check_failure(&format!("mayFail: true, {scale}"), &[told], true);
    check_failure("uncordon: node-1", &[], true);
    check_failure("mayFail: true, uncordon: node-1", &[], true);
}

#[test]
fn an_action_in_somebodys_name_is_judged_by_rbac() {
    let scale = "as: 'system:serviceaccount:ci:deployer', scale: {resource: deployment/web, replicas: 3}";
    let told = "timeline[1].scale at 10s: Error from server (Forbidden): deployments.apps \"web\" is forbidden: User \
                \"system:serviceaccount:ci:deployer\" cannot get resource \"deployments\" in API group \"apps\" in \
                the namespace \"default\"";
    check_failure(scale, &[told], false);
}

#[test]
fn the_same_scenario_and_seed_give_the_same_digest() {
    let digest = || ran("duration: 1m\n").sim.digest();
    assert_eq!(format!("{:?}", digest()), format!("{:?}", digest()));
}

/// Runs a scenario twice: all that it expects comes true, and both runs are one history.
#[track_caller]
fn comes_true(scenario: &Scenario) {
    let result = run(scenario, scenario.seed, &mut |_| {});
    for outcome in &result.outcomes {
        assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{}: {outcome:?}", scenario.name);
    }
    let again = run(scenario, scenario.seed, &mut |_| {});
    assert_eq!(result.sim.digest(), again.sim.digest(), "{}", scenario.name);
}

#[test]
fn hello_comes_true() {
    comes_true(&shipped("hello", &[]));
}

#[test]
fn a_bad_image_stalls_a_rollout_that_is_undone() {
    comes_true(&shipped("rolling-update-undo", &[]));
}

#[test]
fn a_drained_node_is_used_again() {
    comes_true(&shipped("drain", &[]));
}

#[test]
fn a_fiftieth_of_scale_5k_comes_true() {
    comes_true(&shipped("scale-5k", &["nodes.0.count=100", "manifests.0.repeat.count=1"]));
}
