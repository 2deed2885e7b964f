//! Traces in scenarios: machines and tasks through the whole cluster, with GPUs that pods share.

use wavetank::api::{Name, Object};
use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, RunResult, load};
use wavetank::sim::Sim;

use crate::story::{read, root, run_kept};

/// A scenario of the lists beside this file.
fn scenario(trace: &str, rest: &str) -> String {
    format!(
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: trace}}\ntrace:\n  format: openb\n  nodes: {{file: \
         nodes.csv}}\n  pods: {{file: pods.csv{trace}}}\n{rest}"
    )
}

fn loaded(text: &str) -> Result<wavetank::scenario::Scenario, String> {
    let file = root().join("tests/it/traces/s.yaml");
    let from = |path: &std::path::Path| if path == file { Ok(Found::File(text.to_owned())) } else { read(path) };
    load(std::slice::from_ref(&file), &[], &from).map_err(|errors| {
        let folder = format!("{}/", root().join("tests/it/traces").display());
        errors.to_string().replace(&folder, "")
    })
}

fn run(text: &str) -> RunResult {
    run_kept(&loaded(text).unwrap_or_else(|errors| panic!("{errors}")), 1)
}

/// Each pod with its phase, its node and its cards, by name.
fn placed(sim: &Sim) -> Vec<String> {
    let pods = sim.store().objects(wavetank::api::Kind::Pod, sim.now());
    let told = pods.filter_map(|object| match object {
        Object::Pod(pod) => {
            let cards = pod.meta.annotations.get("alibabacloud.com/gpu-index").map_or("-", Name::as_str);
            let node = if pod.body.node_name.is_empty() { "-" } else { &pod.body.node_name };
            Some(format!("{} {:?} {node} {cards}", pod.meta.name, pod.body.status.phase))
        }
        _ => None,
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

const FGD: &str = "components: {kubeScheduler: {policy: fgd, tie: first}}\n";

#[test]
fn pods_of_a_trace_share_gpus_by_a_policy_and_keep_what_they_were_given() {
    let text = scenario(", arrive: 1/s", FGD);
    let (one, other) = (run(&text), run(&text));
    assert_eq!(one.sim.digest(), other.sim.digest());
    let told = placed(&one.sim);
    assert_eq!(
        told,
        [
            "huge-0 Pending - -",
            "plain-0 Running cpu-0 -",
            "share-0 Running p100-0 0",
            "share-1 Running p100-0 0",
            "share-2 Running t4-0 0",
            "share-3 Running t4-0 0",
            "whole-0 Running p100-0 1",
            "whole-1 Running p100-0 2-3",
        ]
    );
}

#[test]
fn every_policy_places_all_that_fits_and_gives_no_gpu_out_twice() {
    for policy in wavetank::scheduler::policies::ALL {
        let rest = format!("components: {{kubeScheduler: {{policy: {}}}}}\n", policy.name());
        let result = run(&scenario(", arrive: 1/s", &rest));
        let mut free = std::collections::BTreeMap::new();
        for line in placed(&result.sim) {
            let [name, _, node, cards] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let milli = match name {
                "share-0" => 600,
                "share-1" => 400,
                "share-2" | "share-3" => 500,
                _ => 1000,
            };
            for card in cards.split('-').filter(|card| !card.is_empty()) {
                let left = free.entry(format!("{node}/{card}")).or_insert(1000);
                *left -= milli;
                assert!(*left >= 0, "{}: {line}", policy.name());
            }
        }
        let taken: i32 = free.values().map(|left| 1000 - left).sum();
        assert!(taken >= 2_000, "{}: {free:?}", policy.name());
    }
}

#[test]
fn without_the_plugin_gpus_count_for_nothing() {
    let told = placed(&run(&scenario("", "")).sim);
    assert!(told.iter().all(|line| line.contains(" Running ") && line.ends_with(" -")), "{told:?}");
}

#[test]
fn recorded_times_say_when_pods_come_and_how_long_they_run() {
    let text = scenario(", arrive: recorded, lifetimes: true", &format!("{FGD}duration: 3m\n"));
    let scenario = loaded(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let mut sim = scenario.setup.build(1);
    let phase_of = |sim: &Sim, name: &str| {
        placed(sim).iter().find(|line| line.starts_with(name)).map(|line| line.split(' ').nth(1).unwrap().to_owned())
    };
    sim.run_until(Time::ZERO + Span::from_secs(29));
    assert_eq!(phase_of(&sim, "share-2").as_deref(), Some("Running"));
    assert_eq!(phase_of(&sim, "whole-0"), None);
    sim.run_until(Time::ZERO + Span::from_secs(85));
    assert_eq!(phase_of(&sim, "whole-0").as_deref(), Some("Running"));
    sim.run_until(Time::ZERO + Span::from_secs(120));
    assert_eq!(phase_of(&sim, "whole-0").as_deref(), Some("Failed"), "its time of 60 s is over");
    assert_eq!(phase_of(&sim, "share-2").as_deref(), Some("Running"), "no end is recorded");
}

#[test]
fn what_is_wrong_with_a_trace_is_told_at_its_place() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(loaded(text).map(|_| ()).unwrap_err(), expected);
    }
    check(&scenario(", first: 9", ""), "s.yaml:7:33: trace.pods.first: 9 are asked for: there can be 1 to 8");
    check(
        &scenario(", only: cpu, first: 2", ""),
        "s.yaml:7:44: trace.pods.first: 2 are asked for: there can be 1 to 1",
    );
    check(
        &scenario(", arrive: 0/s", ""),
        "s.yaml:7:34: trace.pods.arrive: expected atOnce, recorded, or so many a second, such as 50/s, found \
         string \"0/s\"",
    );
    check(
        &scenario("", "nodes: [{name: t4, count: 1, capacity: {cpu: 1, memory: 1Gi}}]\n"),
        "s.yaml:6:17: trace.nodes.file: there are two nodes named \"t4-0\"",
    );
    check(
        &scenario("", "components: {kubeScheduler: {policy: fdg}}\n"),
        "s.yaml:8:38: components.kubeScheduler.policy: --policy: no policy is named \"fdg\": did you mean \"fgd\"?",
    );
}
