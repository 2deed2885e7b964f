//! Stories of a node with 4Gi of memory and a disk of 100Gi that runs short.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::*;
use super::harness::{Story, container, named, server, settings, spec};
use crate::api::{ConditionStatus, PodConditionType, PodPhase};
use crate::client::{Flag, Flags};

const MI: u64 = 1 << 20;
const GI: u64 = 1 << 30;

/// A container that requests this much memory, and is limited to it where the two are to be equal.
fn requesting(name: &str, memory: &str, limited: bool) -> v1::Container {
    let amounts = |cpu: bool| {
        let mut list = std::collections::BTreeMap::from([("memory".to_owned(), Quantity(memory.to_owned()))]);
        if cpu {
            list.insert("cpu".to_owned(), Quantity("100m".to_owned()));
        }
        Some(list)
    };
    let resources = v1::ResourceRequirements {
        requests: amounts(limited),
        limits: if limited { amounts(true) } else { None },
        ..v1::ResourceRequirements::default()
    };
    v1::Container { resources: Some(resources), ..container(name) }
}

/// A story with flags for evictions; looks are made at whole tens of seconds.
fn story(flags: &[(&Flag, &str)], behaviours: Vec<BehaviourEntry>) -> Story {
    let mut set = Flags::default();
    flags.iter().for_each(|(flag, text)| set.set(flag, text).unwrap());
    let eviction = EvictionSettings::of(&set).unwrap();
    Story::with(KubeletSettings { eviction, ..settings() }, behaviours, true)
}

fn leak(from: u64, to: u64, over: u64) -> Behaviour {
    server().uses_memory(Course::Ramp { from, to, over: Span::from_secs(over) })
}

#[track_caller]
fn expect_conditions(story: &Story, expected: [&str; 3]) {
    let node = story.node.as_ref().unwrap();
    let found = ["MemoryPressure", "DiskPressure", "PIDPressure"]
        .map(|kind| node.body.condition(kind).unwrap().status.as_str());
    assert_eq!(found, expected);
}

/// The events of these reasons, without those again.
fn told(story: &Story, reasons: &[&str]) -> Vec<String> {
    let of = |event: &&String| reasons.iter().any(|reason| event.contains(&format!(" {reason}: ")));
    story.events.iter().filter(of).cloned().collect()
}

#[test]
fn a_node_short_of_memory_evicts_whoever_exceeds_its_request_most_and_spares_who_keeps_to_it() {
    let behaviours = vec![named("leak", leak(0, 8 * GI, 800)), named("greedy", leak(GI, GI, 1))];
    let mut story = story(&[], behaviours);
    story.apply("calm", spec("Always", vec![requesting("calm", "2Gi", true)]));
    story.apply("greedy", spec("Always", vec![requesting("greedy", "512Mi", false)]));
    story.apply("leak", spec("Always", vec![container("leak")]));
    // 2Gi and 1Gi are taken; the leak takes the last Gi within 102.4 s.
    story.run_until(Time::ZERO + Span::from_secs(109));
    assert_eq!(story.pods.values().filter(|pod| pod.body.status.phase == PodPhase::Running).count(), 3);
    expect_conditions(&story, ["False"; 3]);
    story.run_until(Time::ZERO + Span::from_secs(115));
    let message = story.pod("leak").body.status.message.clone();
    let expected = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 62564Ki. Container leak \
                    was using 1088408Ki, request is 0, has larger consumption of memory. ";
    assert_eq!(message, expected);
    let attempt = "110.0 EvictionThresholdMet: Attempting to reclaim memory".to_owned();
    assert_eq!(told(&story, &["EvictionThresholdMet", "Evicted"]), [attempt, format!("110.0 Evicted: {message}")]);
    let status = &story.pod("leak").body.status;
    assert_eq!((status.phase, status.reason.as_str()), (PodPhase::Failed, "Evicted"));
    let target = status.conditions.iter().find(|it| it.kind == PodConditionType::DisruptionTarget).unwrap();
    let text = target.text.as_ref().unwrap();
    assert_eq!((target.status, text.reason.as_str()), (ConditionStatus::True, "TerminationByKubelet"));
    assert_eq!(text.message, message);
    story.expect("greedy", "Running ready Runningx0");
    story.expect("calm", "Running ready Runningx0");
    expect_conditions(&story, ["True", "False", "False"]);
    // The condition outlasts the last look that saw the shortage by five minutes.
    story.run_until(Time::ZERO + Span::from_secs(405));
    expect_conditions(&story, ["True", "False", "False"]);
    story.run_until(Time::ZERO + Span::from_secs(425));
    expect_conditions(&story, ["False"; 3]);
    assert_eq!(story.times_of("Evicted").len(), 1);
    let said = told(&story, &["NodeHasInsufficientMemory", "NodeHasSufficientMemory"]);
    let expected = [
        "110.0 NodeHasInsufficientMemory: Node n1 status is now: NodeHasInsufficientMemory",
        "420.0 NodeHasSufficientMemory: Node n1 status is now: NodeHasSufficientMemory",
    ];
    assert_eq!(said, expected);
    assert_eq!(story.to_come(), 0, "a node that has got over it waits for nothing");
}

#[test]
fn a_soft_threshold_must_be_met_for_its_grace_period() {
    let flags = [
        (&EVICTION_SOFT, "memory.available<1Gi"),
        (&EVICTION_SOFT_GRACE_PERIOD, "memory.available=1m"),
        (&EVICTION_MAX_POD_GRACE_PERIOD, "20"),
    ];
    // For 50 s too much, then a while of rest, then too much again.
    let steps = vec![
        (Span::from_secs(0), GI),
        (Span::from_secs(60), 3500 * MI),
        (Span::from_secs(110), GI),
        (Span::from_secs(200), 3500 * MI),
    ];
    let slow = server().uses_memory(Course::Steps(steps)).stops_after(Range::millis(15_000, 15_000));
    let mut story = story(&flags, vec![named("web", slow)]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_until(Time::ZERO + Span::from_secs(195));
    story.expect("web", "Running ready Runningx0");
    assert_eq!(told(&story, &["EvictionThresholdMet"]), [""; 0]);
    expect_conditions(&story, ["True", "False", "False"]);
    story.run_until(Time::ZERO + Span::from_secs(269));
    story.expect("web", "Running ready Runningx0");
    story.run_until(Time::ZERO + Span::from_secs(284));
    assert_eq!(story.times_of("EvictionThresholdMet"), ["270.0"]);
    assert_eq!(story.phase("web"), PodPhase::Running, "it has twenty seconds to stop and takes fifteen");
    story.run_until(Time::ZERO + Span::from_secs(290));
    story.expect("web", "Failed unready Completed(0)x0");
}

#[test]
fn evictions_go_on_until_what_is_to_be_reclaimed_is_there() {
    let behaviours = ["a", "b", "c"].map(|name| named(name, leak(GI, GI + GI / 2, 100))).to_vec();
    let check = |reclaim: &str, left: usize| {
        let mut story = story(&[(&EVICTION_MINIMUM_RECLAIM, reclaim)], behaviours.clone());
        for name in ["a", "b", "c"] {
            story.apply(name, spec("Always", vec![container(name)]));
        }
        story.run_for(300);
        let running = story.pods.values().filter(|pod| pod.body.status.phase == PodPhase::Running).count();
        assert_eq!(running, left, "{:#?}", story.events);
    };
    check("", 2);
    check("memory.available=1500Mi", 1);
}

#[test]
fn critical_pods_are_spared_and_the_node_looks_again_and_again() {
    let mut story = story(&[], vec![named("web", leak(4 * GI + 50 * MI, 4 * GI + 50 * MI, 1))]);
    let critical = v1::PodSpec { priority: Some(2_000_000_000), ..spec("Always", vec![container("web")]) };
    story.apply("web", critical);
    story.run_for(60);
    story.expect("web", "Running ready Runningx0");
    assert_eq!(told(&story, &["EvictionThresholdMet"]).len(), 1);
    let again = story.events.iter().filter(|event| event.contains("again: Attempting to reclaim memory")).count();
    assert!((4..=6).contains(&again), "{:#?}", story.events);
}

#[test]
fn under_memory_pressure_a_node_refuses_pods_that_promise_nothing() {
    let mut story = story(&[], vec![named("web", leak(4 * GI + 50 * MI, 4 * GI + 50 * MI, 1))]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(30);
    expect_conditions(&story, ["True", "False", "False"]);
    story.apply("best", spec("Always", vec![container("best")]));
    let toleration = v1::Toleration {
        key: Some("node.kubernetes.io/memory-pressure".into()),
        operator: Some("Exists".into()),
        effect: Some("NoSchedule".into()),
        ..v1::Toleration::default()
    };
    story.apply(
        "tolerant",
        v1::PodSpec { tolerations: Some(vec![toleration]), ..spec("Always", vec![container("tolerant")]) },
    );
    story.apply("burstable", spec("Always", vec![requesting("burstable", "10Mi", false)]));
    story.run_for(5);
    let status = &story.pod("best").body.status;
    assert_eq!((status.phase, status.reason.as_str()), (PodPhase::Failed, "Evicted"));
    assert_eq!(status.message, "Pod was rejected: The node had condition: [MemoryPressure]. ");
    assert_eq!(told(&story, &["Evicted"]).last().unwrap(), "31.0 Evicted: The node had condition: [MemoryPressure]. ");
    assert_eq!(story.phase("tolerant"), PodPhase::Running);
    assert_eq!(story.phase("burstable"), PodPhase::Running);
}

fn fills(to: u64) -> Behaviour {
    let mut behaviour = server();
    behaviour.usage.disk = Some(Course::Ramp { from: 0, to, over: Span::from_secs(100) });
    behaviour
}

#[test]
fn a_full_disk_costs_images_first_and_then_pods() {
    let mut old = server();
    old.image.bytes = Some(20 * GI);
    old.image.pull_time = Some(Range::millis(1_000, 1_000));
    let mut story = story(&[], vec![named("old", old), named("web", fills(70 * GI)), named("more", fills(40 * GI))]);
    story.apply("old", spec("Always", vec![container("old")]));
    story.run_for(10);
    story.delete("old", 0);
    story.run_for(5);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(150);
    // 70Gi and 20Gi of an image that nobody uses are more than 85 % of 100Gi.
    story.expect("web", "Running ready Runningx0");
    assert_eq!(
        told(&story, &["EvictionThresholdMet"]),
        ["120.0 EvictionThresholdMet: Attempting to reclaim ephemeral-storage"]
    );
    let images = story.node.as_ref().unwrap().body.status.images.clone().unwrap();
    assert_eq!(images.len(), 1);
    expect_conditions(&story, ["False", "True", "False"]);
    // Nothing more is to be had of images. Meanwhile the node refuses everybody.
    story.apply("more", spec("Always", vec![requesting("more", "10Mi", true)]));
    story.run_for(2);
    assert_eq!(story.pod("more").body.status.message, "Pod was rejected: The node had condition: [DiskPressure]. ");
    story.run_for(320);
    expect_conditions(&story, ["False"; 3]);
    story.apply("more-2", spec("Always", vec![requesting("more", "10Mi", true)]));
    story.run_for(120);
    let status = &story.pod("web").body.status;
    assert_eq!((status.phase, status.reason.as_str()), (PodPhase::Failed, "Evicted"));
    let expected = "The node was low on resource: ephemeral-storage. Threshold quantity: 16106128000, available: \
                    14569056Ki. Container web was using 70Gi, request is 0, has larger consumption of \
                    ephemeral-storage. ";
    assert_eq!(status.message, expected);
    assert_eq!(story.phase("more-2"), PodPhase::Running);
}

#[test]
fn process_numbers_run_out_where_a_threshold_says_so() {
    let mut bomb = server();
    bomb.usage.pids = Some(Course::Ramp { from: 1, to: 40_000, over: Span::from_secs(100) });
    let mut story = story(&[(&EVICTION_HARD, "pid.available<10%")], vec![named("bomb", bomb)]);
    story.apply("bomb", spec("Always", vec![container("bomb")]));
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(120);
    expect_conditions(&story, ["False", "False", "True"]);
    let message = "The node was low on resource: pids. Threshold quantity: 3276, available: 2048. ";
    assert_eq!(story.pod("bomb").body.status.message, message);
    story.expect("web", "Running ready Runningx0");
}

#[test]
fn a_node_whose_pods_declare_nothing_never_looks() {
    let mut story = story(&[], vec![named("leak", leak(0, 8 * GI, 100))]);
    story.apply("web", spec("Always", vec![requesting("web", "1Gi", true)]));
    story.run_for(30);
    assert_eq!(story.to_come(), 0);
    // One that declares it brings two timers, for the look at which something changes and for the instant at which memory
    // runs out; its end takes them away.
    story.apply("leak", spec("Always", vec![container("leak")]));
    story.run_for(12);
    assert_eq!(story.to_come(), 2);
    story.delete("leak", 0);
    story.run_for(600);
    assert_eq!(story.times_of("Evicted").len(), 0);
    assert_eq!(story.to_come(), 0);
}

#[test]
fn a_kubelet_that_starts_again_remembers_no_pressure_and_sees_it_anew() {
    let mut story = story(&[], vec![named("leak", leak(4 * GI + 50 * MI, 4 * GI + 50 * MI, 1))]);
    let critical = v1::PodSpec { priority: Some(2_000_000_000), ..spec("Always", vec![container("leak")]) };
    story.apply("leak", critical);
    story.run_for(40);
    expect_conditions(&story, ["True", "False", "False"]);
    story.stop();
    story.run_for(5);
    story.restart();
    story.run_for(3);
    expect_conditions(&story, ["False"; 3]);
    story.run_for(30);
    expect_conditions(&story, ["True", "False", "False"]);
}
