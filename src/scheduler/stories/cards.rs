//! Stories of cards: annotations ask for them, bindings say which a pod gets.

use std::sync::Arc;

use super::{Story, asks};
use crate::api::{Labels, Obj, Object, Pod};
use crate::client::Flags;
use crate::event::{Answer, ApiError, ChangeKind, ErrorReason, Input, Token};
use crate::kernel::Span;
use crate::scheduler::cards::{CARD_COUNT, CARD_INDEX, CARD_MILLI, CARD_MODEL};
use crate::scheduler::testing::pod_numbered;
use crate::scheduler::{PluginOrders, Profile, Scheduler, SchedulerSettings, plugins};

const TWO: &str = "{metadata: {labels: {alibabacloud.com/gpu-card-model: T4}}, status: {allocatable: {cpu: '8', \
                   memory: 8Gi, pods: '10', alibabacloud.com/gpu-count: '2', alibabacloud.com/gpu-milli: '2000'}}}";

/// A scheduler that shares cards, on one node with two of them.
fn story() -> Story {
    let mut t = Story::new(Span::ZERO);
    let mut settings = SchedulerSettings::of(&Flags::default()).expect("the defaults are allowed");
    settings.leader_election = None;
    settings.cycle_time = Span::ZERO;
    let all: Vec<_> = plugins::of_upstream().chain([&plugins::gpu_share::ENTRY]).collect();
    settings.profiles = vec![Profile::of(&PluginOrders::same(&all), |entry| entry.weight)];
    t.scheduler = Scheduler::new("kube-scheduler", "control-plane-0", settings);
    start(&mut t, Vec::new());
    t.node("n1", TWO);
    t
}

/// The scheduler starts, and lists pods that are there.
fn start(t: &mut Story, pods: Vec<Object>) {
    t.handle(Input::Start);
    for list in 0..super::LISTS {
        let items = if list == 2 { pods.clone() } else { vec![] };
        let answer = Answer::List { items, resource_version: 1 };
        t.handle(Input::Reply { token: Token((1 << 48) + list), result: Ok(answer) });
    }
    t.said.clear();
}

fn asking(slot: u32, annotations: &[(&str, &str)]) -> Arc<Obj<Pod>> {
    let mut pod = Obj::clone(&pod_numbered(slot, &format!("p{slot}"), &asks("1")));
    pod.meta.annotations = annotations.iter().copied().collect::<Labels>();
    Arc::new(pod)
}

fn come(t: &mut Story, slot: u32, annotations: &[(&str, &str)]) -> Arc<Obj<Pod>> {
    let pod = asking(slot, annotations);
    t.change(2, ChangeKind::Added, Object::Pod(pod.clone()));
    pod
}

#[test]
fn a_sharing_pod_gets_the_fullest_card_with_room_and_whole_cards_are_idle_ones() {
    let mut t = story();
    come(&mut t, 1, &[(CARD_COUNT, "1"), (CARD_MILLI, "600")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=0"]);
    come(&mut t, 2, &[(CARD_MILLI, "500")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=1"]);
    come(&mut t, 3, &[(CARD_MILLI, "300"), (CARD_MODEL, "P100|T4")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=0"]);
    come(&mut t, 4, &[(CARD_COUNT, "1")]);
    t.expect(&[
        "FailedScheduling: 0/1 nodes are available: 1 Insufficient alibabacloud.com/gpu-milli. no new claims to \
         deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        "p4: Unschedulable",
    ]);
    come(&mut t, 5, &[(CARD_MILLI, "100"), (CARD_MODEL, "P100")]);
    assert!(t.said[0].contains("1 node(s) didn't match the pod's alibabacloud.com/gpu-card-model"), "{:?}", t.said);
    t.said.clear();
    come(&mut t, 6, &[(CARD_MILLI, "1100")]);
    assert!(t.said[0].contains("a GPU has no more than 1000"), "{:?}", t.said);
}

#[test]
fn a_pod_that_goes_frees_its_cards_and_wakes_those_that_wait() {
    let mut t = story();
    let pod = come(&mut t, 1, &[(CARD_COUNT, "2"), (CARD_MILLI, "1000")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=0-1"]);
    let mut bound = Obj::clone(&pod);
    bound.body.node_name = "n1".into();
    bound.meta.annotations = bound.meta.annotations.with(CARD_INDEX, "0-1");
    t.change(2, ChangeKind::Modified, bound.clone().into_object());
    t.answer_bind(Ok(Answer::Done));
    t.said.clear();
    come(&mut t, 2, &[(CARD_COUNT, "1")]);
    t.said.clear();
    t.change(2, ChangeKind::Deleted, bound.into_object());
    t.run(Span::from_secs(2));
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=0"]);
}

#[test]
fn a_failed_bind_gives_the_cards_back() {
    let mut t = story();
    come(&mut t, 1, &[(CARD_COUNT, "2")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=0-1"]);
    t.answer_bind(Err(ApiError::new(ErrorReason::InternalError, "no")));
    t.run(Span::from_secs(2));
    assert_eq!(t.said.last().map(String::as_str), Some("bind to n1 with alibabacloud.com/gpu-index=0-1"));
}

#[test]
fn after_a_restart_the_annotations_say_which_cards_are_taken() {
    let mut t = story();
    let held = |slot: u32, index: &str| {
        let mut pod = Obj::clone(&asking(slot, &[(CARD_MILLI, "600"), (CARD_INDEX, index)]));
        pod.body.node_name = "n1".into();
        pod.into_object()
    };
    start(&mut t, vec![held(1, "1")]);
    t.node("n1", TWO);
    come(&mut t, 2, &[(CARD_MILLI, "400")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=1"]);
    come(&mut t, 3, &[(CARD_MILLI, "400")]);
    t.expect(&["bind to n1 with alibabacloud.com/gpu-index=0"]);
}
