//! Stories of pods that end in order.

use k8s_openapi::api::core::v1;

use super::super::*;
use super::harness::{Story, container, server, spec};
use crate::api::PodPhase;

#[test]
fn sidecars_stop_after_the_containers_and_the_last_one_first() {
    let mut story = Story::new(vec![]);
    let sidecar = |name: &str| v1::Container { restart_policy: Some("Always".into()), ..container(name) };
    let mut pod = spec("Always", vec![container("web"), container("db")]);
    pod.init_containers = Some(vec![sidecar("one"), sidecar("two")]);
    story.apply("web", pod);
    story.run_for(19);
    story.expect("web", "Running ready Runningx0 Runningx0 Runningx0 Runningx0");
    story.delete("web", 30);
    story.run_for(5);
    assert!(!story.has("web"));
    let stops: Vec<_> = story.events.iter().filter(|event| event.contains("Killing")).cloned().collect();
    let expected = ["20.0 web", "20.0 db", "21.0 two", "22.0 one"];
    let expected = expected.map(|stop| stop.replace(' ', " Killing: Stopping container "));
    assert_eq!(stops, expected);
}

fn with_sleep(seconds: i64) -> v1::Container {
    let sleep = v1::LifecycleHandler { sleep: Some(v1::SleepAction { seconds }), ..v1::LifecycleHandler::default() };
    let lifecycle = v1::Lifecycle { pre_stop: Some(sleep), ..v1::Lifecycle::default() };
    v1::Container { lifecycle: Some(lifecycle), ..container("web") }
}

#[test]
fn a_pre_stop_hook_that_sleeps_comes_before_sigterm_and_within_the_grace_period() {
    let mut story = Story::new(vec![]);
    story.apply("short", spec("Always", vec![with_sleep(5)]));
    story.run_for(9);
    story.delete("short", 30);
    story.run_for(5);
    assert!(story.has("short"));
    story.run_for(2);
    assert!(!story.has("short"));

    let mut story = Story::new(vec![]);
    story.apply("long", spec("Always", vec![with_sleep(1000)]));
    story.run_for(9);
    story.delete("long", 10);
    story.run_for(10);
    assert!(story.has("long"));
    story.run_for(2);
    // SIGTERM at the end of the grace period; the program takes a second.
    assert!(!story.has("long"));
    assert_eq!(story.notes, ["3.2 PodStarts", "21.0 PodStops"]);
}

#[test]
fn a_pod_that_is_active_for_too_long_fails() {
    let mut story = Story::new(vec![]);
    let mut pod = spec("Always", vec![container("web")]);
    pod.active_deadline_seconds = Some(20);
    story.apply("web", pod);
    story.run_for(20);
    assert_eq!(story.phase("web"), PodPhase::Running);
    story.run_for(2);
    let status = &story.pod("web").body.status;
    assert_eq!((status.phase, status.reason.as_str()), (PodPhase::Failed, "DeadlineExceeded"));
    assert_eq!(status.message, "Pod was active on the node longer than the specified deadline");
    assert_eq!(story.times_of("DeadlineExceeded"), ["21.0"]);
    assert_eq!(story.to_come(), 0);
}

#[test]
fn a_shorter_grace_period_also_holds_for_what_is_being_stopped_already() {
    let stubborn = server().stops_after(Range::exactly(Span::from_mins(10)));
    let hangs = stubborn.hangs_at(Lapse::new(Range::ZERO, None));
    let mut story = Story::new(vec![super::harness::named("web", hangs)]);
    let probe =
        v1::Probe { failure_threshold: Some(1), termination_grace_period_seconds: Some(300), ..v1::Probe::default() };
    let web = v1::Container { liveness_probe: Some(probe), ..container("web") };
    story.apply("web", spec("Always", vec![web]));
    story.run_for(9);
    assert_eq!(story.times_of("Killing"), ["3.2"]);
    story.delete("web", 10);
    story.run_for(11);
    assert!(!story.has("web"));
}
