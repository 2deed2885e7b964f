//! One seed, one history: in this process and another, before and after a fork.

use std::process::Command;

use proptest::prelude::*;
use wavetank::api::Kind;
use wavetank::check::ExpectationStatus;
use wavetank::kernel::{Span, Time};
use wavetank::record::{Entry, EntryKind};
use wavetank::scenario::{Found, load};
use wavetank::sim::{Action, Sim};

use crate::random::{anything, cases};
use crate::story::{Story, load_files, resource, root, run_kept, shared, shipped, web};

/// The scenarios of `scenarios/`, but for the one that needs the manifests of another project.
fn all_shipped() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("scenarios")).expect("the scenarios are there");
    let files = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let mut names: Vec<String> =
        files.filter_map(|file| file.file_stem().map(|stem| stem.to_string_lossy().into_owned())).collect();
    names.retain(|name| name != "online-boutique");
    names.sort();
    names
}

/// How many entries a block digest covers.
const BLOCK: usize = 1_000;

/// Names the first entry in which two histories differ: the digests of blocks, which run on, say where to look.
fn first_difference(one: &Sim, other: &Sim) -> String {
    let (a, b) = (one.journal(), other.journal());
    let same: Vec<bool> = a.blocks().iter().zip(b.blocks()).map(|(a, b)| a == b).collect();
    let first = same.partition_point(|same| *same) * BLOCK;
    let told = |sim: &Sim, entry: &Entry| {
        let name = entry.object.and_then(|id| sim.journal().name_of(id));
        let object = name.map_or(String::new(), |(namespace, name)| format!(" of {namespace}/{name}"));
        format!("{}{object} at {} by {}: {entry:?}", entry.kind.as_str(), entry.time, sim.parts().name(entry.part))
    };
    for (number, (a, b)) in a.iter().zip(b.iter()).enumerate().skip(first) {
        if a != b {
            return format!("the first difference is entry {number}:\n  {}\n  {}", told(one, a), told(other, b));
        }
    }
    format!("one is the beginning of the other: {} entries and {}", a.len(), b.len())
}

#[test]
fn a_difference_is_named_by_its_first_entry() {
    let cluster = |replicas| {
        let mut scenario = shipped("rolling-update-undo");
        scenario.setup.keep_journal = true;
        let mut sim = scenario.setup.build(1);
        sim.run_until(Time::ZERO + Span::from_mins(8));
        sim.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas });
        sim.run_for(Span::from_mins(1));
        sim
    };
    let (one, other) = (cluster(7), cluster(8));
    assert!(one.journal().blocks().len() > 1, "the difference lies beyond the first block");
    let told = first_difference(&one, &other);
    let number = told.split(&[' ', ':']).find_map(|word| word.parse::<usize>().ok()).expect("its number");
    let differs = |(a, b): (&Entry, &Entry)| a != b;
    let wanted = one.journal().iter().zip(other.journal().iter()).position(differs);
    assert_eq!(Some(number), wanted, "{told}");
    assert_eq!(first_difference(&one, &one.fork().expect("no guest lives here")).find("first"), None);
}

#[test]
fn every_shipped_scenario_meets_its_expectations_twice_with_one_digest() {
    for name in all_shipped() {
        let scenario = shipped(&name);
        let (one, other) = (run_kept(&scenario, scenario.seed), run_kept(&scenario, scenario.seed));
        assert_eq!(one.sim.digest(), other.sim.digest(), "{name}: {}", first_difference(&one.sim, &other.sim));
        for outcome in &one.outcomes {
            assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{name}: {outcome:?}");
        }
        assert!(one.met(), "{name}: {:?}; {:?}", one.failed_actions, one.sim.violations());
    }
}

/// Scenario, seed and digest, a line each.
const DIGESTS: &str = include_str!("digests.txt");

/// Run by CI in debug and by hand in release: both must tell what is written down, as must every machine.
#[test]
fn debug_and_release_and_any_machine_tell_the_same_history() {
    let (comments, lines): (Vec<&str>, Vec<&str>) = DIGESTS.lines().partition(|line| line.starts_with('#'));
    let mut now = comments.join("\n") + "\n";
    for line in lines {
        let mut words = line.split_whitespace();
        let (Some(name), Some(seed)) = (words.next(), words.next()) else { panic!("not a line of digests: {line:?}") };
        let number = seed.parse().unwrap_or_else(|_| panic!("not a seed: {seed:?}"));
        let sim = run_kept(&shipped(name), number).sim;
        now += &format!("{name} {seed} {}\n", sim.digest());
    }
    assert!(
        now == DIGESTS,
        "histories differ from those in tests/it/digests.txt. Where no behaviour was meant to change, this is a bug: \
         look with `wavetank run scenarios/NAME.yaml --seed N --out DIR` at both journals. Where it was, put this into \
         the file:\n{now}"
    );
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

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_fork_at_any_instant_goes_on_as_the_original_does(case in anything(), percent in 0u64..100) {
        let (mut trunk, last) = case.build();
        let (mut whole, _) = case.build();
        let end = last + Span::from_mins(5);
        let fork_at = Time::ZERO + Span::from_nanos(end.nanos() / 100 * percent);
        whole.run_until(end);
        trunk.run_until(fork_at);
        let mut branch = trunk.fork().expect("no guest lives here");
        // One after the other: what they might share wrongly would show.
        branch.run_until(end);
        trunk.run_until(end);
        for (called, sim) in [("trunk", &trunk), ("branch", &branch)] {
            let differ = || format!("forked at {fork_at}, the {called}: {}{}", first_difference(&whole, sim), case.told());
            prop_assert!(whole.digest() == sim.digest(), "{}", differ());
            prop_assert!(whole.state_hash() == sim.state_hash(), "the states differ: {}", differ());
        }
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
    story.expect_ready("web", 3);
    other.expect_ready("web", 5);
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
    let end_of = |name: &str, elide: bool| {
        let mut scenario = shipped(name);
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
    for name in ["rolling-update-undo", "drain"] {
        let (computed, sent) = (end_of(name, true), end_of(name, false));
        assert_eq!(computed.len(), sent.len(), "{name}");
        for (one, other) in computed.iter().zip(&sent) {
            assert_eq!(one, other, "{name}");
        }
    }
}

/// Two teams on nodes of their own; what one does is nothing to the other.
const TEAMS: &str = "
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: teams}
nodes:
- {name: a, count: 2, labels: {team: a}, capacity: {cpu: 4, memory: 8Gi, pods: 110}}
- {name: b, count: 2, labels: {team: b}, capacity: {cpu: 4, memory: 8Gi, pods: 110}}
manifests:
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 3, selector: {matchLabels: {app: a}},
   template: {metadata: {labels: {app: a}}, spec: {nodeSelector: {team: a}, containers: [{name: c, image: 'x:1'}]}}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}, spec: {replicas: 3, selector: {matchLabels: {app: b}},
   template: {metadata: {labels: {app: b}}, spec: {nodeSelector: {team: b}, containers: [{name: c, image: 'x:1'}]}}}}
timeline:
- {at: 60s, scale: {resource: deployment/a, replicas: 5}}
- {at: 120s, scale: {resource: deployment/b, replicas: 6}}
- {at: 180s, setImage: {resource: deployment/b, images: {c: 'x:2'}}}
";

/// What happens to the objects of a team: when, what and to which, without revisions.
fn of_team(sim: &Sim, team: &str) -> Vec<(Time, EntryKind, String)> {
    let object = |entry: &Entry| {
        let id = entry.object?;
        let (_, name) = sim.journal().name_of(id)?;
        (name == team || name.starts_with(&format!("{team}-"))).then(|| format!("{:?} {name}", id.kind))
    };
    sim.journal().iter().filter_map(|entry| Some((entry.time, entry.kind, object(entry)?))).collect()
}

#[test]
fn an_action_taken_away_leaves_what_has_nothing_to_do_with_it_as_it_was() {
    let run_without = |omit: &str| {
        let text: String = TEAMS.lines().filter(|line| !line.contains(omit)).map(|line| format!("{line}\n")).collect();
        let read = move |_: &std::path::Path| Ok(Found::File(text.clone()));
        let scenario = load(&["teams.yaml".into()], &[], &read).unwrap_or_else(|errors| panic!("{errors}"));
        run_kept(&scenario, 11).sim
    };
    let (whole, without) = (run_without("nothing at all"), run_without("at: 60s"));
    assert_ne!(whole.digest(), without.digest());
    assert_ne!(of_team(&whole, "a"), of_team(&without, "a"));
    let (whole, without) = (of_team(&whole, "b"), of_team(&without, "b"));
    assert!(whole.len() > 100, "only {} entries", whole.len());
    for (one, other) in whole.iter().zip(&without) {
        assert_eq!(one, other);
    }
    assert_eq!(whole.len(), without.len());
}
