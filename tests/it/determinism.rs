//! One seed, one history: in this process and another, before and after a fork.

use std::process::Command;

use proptest::prelude::*;
use wavetank::api::Kind;
use wavetank::kernel::{Span, Time};
use wavetank::scenario::ExpectationStatus;
use wavetank::sim::{Action, Setup, Sim};

use crate::story::{Story, load_files, resource, root, run_kept, shared, shipped, web};

const SHIPPED: [&str; 4] = ["hello", "rolling-update-undo", "drain", "scale-5k"];

/// Names the first entry in which two histories differ.
fn first_difference(one: &Sim, other: &Sim) -> String {
    let pairs = one.journal().iter().zip(other.journal().iter()).enumerate();
    for (number, (a, b)) in pairs {
        if a != b {
            return format!("entry {number}: {a:?} against {b:?}");
        }
    }
    format!("{} entries against {}", one.journal().len(), other.journal().len())
}

#[test]
fn every_shipped_scenario_meets_its_expectations_twice_with_one_digest() {
    for name in SHIPPED {
        let scenario = shipped(name);
        let (one, other) = (run_kept(&scenario, scenario.seed), run_kept(&scenario, scenario.seed));
        assert_eq!(one.sim.digest(), other.sim.digest(), "{name}: {}", first_difference(&one.sim, &other.sim));
        for outcome in &one.outcomes {
            assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{name}: {outcome:?}");
        }
    }
}

/// The digests of a release build on the machine where they were last renewed. They change with every change of
/// behaviour; then the failing test prints the new ones, to be put here.
const DIGESTS: [(&str, &str); 3] = [
    ("hello", "c49d5910f052faf038acc1ef3ff83855"),
    ("rolling-update-undo", "85c3c6a1c09f26a3ff81e5897cc3575a"),
    ("drain", "d851b5167ad5d6f80c7b91d3d4b1338a"),
];

#[test]
fn debug_and_release_and_any_machine_tell_the_same_history() {
    let now = DIGESTS.map(|(name, _)| {
        let scenario = shipped(name);
        (name, run_kept(&scenario, scenario.seed).sim.digest().to_string())
    });
    let told: Vec<(&str, &str)> = now.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
    assert_eq!(told, DIGESTS, "where behaviour was meant to change, renew DIGESTS from a release build");
}

#[test]
fn another_seed_is_another_history() {
    let scenario = shipped("hello");
    assert_ne!(run_kept(&scenario, 1).sim.digest(), run_kept(&scenario, 2).sim.digest());
}

#[test]
fn another_process_tells_the_same_history() {
    let files = ["hello", "rolling-update-undo"].map(|name| root().join(format!("scenarios/{name}.yaml")));
    let boutique = [root().join("scenarios/online-boutique.yaml"), shared().join("manifests/online-boutique.yaml")];
    for files in [&files[..1], &files[1..], &boutique[..]] {
        let scenario = load_files(files, &[]);
        let here = run_kept(&scenario, scenario.seed).sim.digest().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
        let output = command.arg("run").args(files).args(["-o", "json"]).output().expect("the binary runs");
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
        assert_eq!(summary["digest"], here, "{files:?}");
    }
}

/// A small cluster where something happens all the time.
fn busy(replicas: u32, nodes: u32) -> Setup {
    let mut scenario = shipped("rolling-update-undo");
    scenario.setup.pools[0].names.truncate(nodes as usize);
    for action in &mut scenario.setup.timeline {
        if let Action::Scale { replicas: wanted, .. } = &mut action.action {
            *wanted = replicas as i32;
        }
    }
    scenario.setup.keep_journal = true;
    scenario.setup
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fork_at_any_instant_goes_on_as_the_original_does(
        seed in 0u64..1000,
        nodes in 1u32..=4,
        fork_at_ms in 0u64..400_000,
        rest_s in 1u64..300,
    ) {
        let setup = busy(3, nodes);
        let fork_at = Time::ZERO + Span::from_millis(fork_at_ms);
        let end = fork_at + Span::from_secs(rest_s);
        let mut whole = setup.build(seed);
        whole.run_until(end);
        let mut trunk = setup.build(seed);
        trunk.run_until(fork_at);
        let mut branch = trunk.fork().expect("no guest lives here");
        branch.run_until(end);
        trunk.run_until(end);
        prop_assert_eq!(whole.digest(), trunk.digest(), "the trunk: {}", first_difference(&whole, &trunk));
        prop_assert_eq!(whole.digest(), branch.digest(), "the branch: {}", first_difference(&whole, &branch));
        prop_assert_eq!(whole.state_hash(), branch.state_hash());
    }
}

#[test]
fn a_fork_can_take_another_way() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(3, "nginx:1"));
    story.run_for(30);
    let mut other = Story { sim: story.sim.fork().expect("no guest lives here") };
    other.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 5 });
    story.run_for(60);
    other.run_for(60);
    story.expect_ready(3);
    other.expect_ready(5);
}

#[test]
fn the_state_hash_forgets_names_of_lives_and_times_of_day() {
    let hash_after = |seconds: u64| {
        let mut story = Story::of_nodes(2, "");
        story.run_for(seconds);
        story.sim.state_hash()
    };
    assert_eq!(hash_after(100), hash_after(200), "nothing has happened in between");
}

#[test]
fn computed_heartbeats_change_nothing_but_heartbeats_and_revisions() {
    let end_of = |elide: bool| {
        let mut scenario = shipped("rolling-update-undo");
        let mut kubelet = (*scenario.setup.kubelet).clone();
        kubelet.elide_heartbeats = elide;
        scenario.setup.kubelet = kubelet.into();
        let mut sim = scenario.setup.build(scenario.seed);
        sim.run_until(Time::ZERO + Span::from_mins(8));
        let mut objects = Vec::new();
        for kind in sim.store().kinds() {
            for object in sim.store().objects(kind, sim.now()) {
                let mut json = wavetank::api::convert::to_json(&object);
                json["metadata"]["resourceVersion"].take();
                json["spec"]["renewTime"].take();
                for condition in json["status"]["conditions"].as_array_mut().into_iter().flatten() {
                    condition["lastHeartbeatTime"].take();
                }
                objects.push(json);
            }
        }
        objects
    };
    let (computed, sent) = (end_of(true), end_of(false));
    assert_eq!(computed.len(), sent.len());
    for (one, other) in computed.iter().zip(&sent) {
        assert_eq!(one, other);
    }
}
