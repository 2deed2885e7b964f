//! Stories of probes.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::*;
use super::harness::{Story, container, named, server, spec};

fn probe(period: i32, failures: i32) -> v1::Probe {
    v1::Probe {
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        http_get: Some(v1::HTTPGetAction {
            path: Some("/healthz".into()),
            port: IntOrString::Int(8080),
            ..v1::HTTPGetAction::default()
        }),
        ..v1::Probe::default()
    }
}

fn seconds(seconds: u64) -> Range {
    Range::exactly(Span::from_secs(seconds))
}

/// The container runs from 3.2 s on, and is probed from then on.
fn story_of(behaviour: Behaviour, change: impl Fn(&mut v1::Container)) -> Story {
    let mut story = Story::new(vec![named("web", behaviour)]);
    let mut web = container("web");
    change(&mut web);
    story.apply("web", spec("Always", vec![web]));
    story
}

#[test]
fn the_startup_probe_blocks_the_others_until_it_succeeds() {
    let mut story = story_of(server().answers_after(seconds(25)), |web| {
        web.startup_probe = Some(probe(10, 30));
        web.readiness_probe = Some(probe(3, 1));
        web.liveness_probe = Some(probe(1, 1));
    });
    story.run_for(32);
    story.expect("web", "Running unready Runningx0");
    assert!(!story.pod("web").body.status.containers[0].started);
    assert!(!story.kubelet.is_idle());
    story.run_for(1);
    // Asked at 3.2, 13.2, 23.2, 33.2 s.
    story.expect("web", "Running ready Runningx0");
    assert!(story.pod("web").body.status.containers[0].started);
    assert!(story.times_of("Unhealthy").is_empty());
    story.run_for(600);
    assert_eq!(story.to_come(), 0, "probes whose results stay cost nothing");
}

#[test]
fn a_container_whose_startup_probe_fails_is_started_again_and_again() {
    let mut story = story_of(server().answers_after(seconds(100)), |web| web.startup_probe = Some(probe(10, 3)));
    story.run_for(25);
    let killed: Vec<_> = story.events.iter().filter(|event| event.starts_with("23.2")).cloned().collect();
    assert_eq!(
        killed,
        [
            "23.2 Unhealthy: Startup probe failed: Get \"http://10.0.0.2:8080/healthz\": dial tcp 10.0.0.2:8080: \
             connect: connection refused",
            "23.2 Killing: Container web failed startup probe, will be restarted",
        ]
    );
    story.run_for(130);
    let starts: Vec<_> = story.notes.iter().filter(|note| note.contains("PodStarts")).cloned().collect();
    // Each life takes 20 s and a second to stop. A restart waits where the end of the life before is not long enough ago
    // for the back-off, now 40 s.
    let expected = ["3.2", "24.4", "45.6", "66.8", "128.0"];
    assert_eq!(starts, expected.map(|at| format!("{at} PodStarts")));
    let last = story.pod("web").body.status.containers[0].last.clone().unwrap();
    assert_eq!((last.exit_code, last.reason.as_str()), (0, "Completed"));
}

#[test]
fn a_container_that_hangs_is_killed_by_its_liveness_probe() {
    let mut story =
        story_of(server().hangs_at(Lapse::new(seconds(60), None)), |web| web.liveness_probe = Some(probe(10, 3)));
    story.run_for(81);
    story.expect("web", "Running ready Runningx0");
    story.run_for(4);
    // Asked in vain at 63.2, 73.2, 83.2 s.
    story.expect("web", "Running ready Runningx1");
    let killed: Vec<_> = story.events.iter().filter(|event| event.starts_with("83.2")).cloned().collect();
    assert_eq!(
        killed,
        [
            "83.2 Unhealthy: Liveness probe failed: Get \"http://10.0.0.2:8080/healthz\": context deadline exceeded \
             (Client.Timeout exceeded while awaiting headers)",
            "83.2 Killing: Container web failed liveness probe, will be restarted",
        ]
    );
    assert_eq!(story.notes, ["3.2 PodStarts", "84.2 PodStops", "84.4 PodStarts"]);
}

#[test]
fn a_liveness_probe_may_have_a_grace_period_of_its_own() {
    let stubborn = server().hangs_at(Lapse::new(seconds(60), None)).stops_after(seconds(600));
    let mut story = story_of(stubborn, |web| {
        web.liveness_probe = Some(v1::Probe { termination_grace_period_seconds: Some(5), ..probe(10, 3) });
    });
    story.run_for(90);
    let last = story.pod("web").body.status.containers[0].last.clone().unwrap();
    let since = crate::api::Clock::DEFAULT.start_unix_seconds;
    assert_eq!((last.exit_code, last.reason.as_str(), last.finished_at.0 - since), (137, "Error", 88));
}

#[test]
fn a_hang_that_ends_before_the_threshold_does_no_harm() {
    let mut story = story_of(server().hangs_at(Lapse::new(seconds(60), Some(seconds(15)))), |web| {
        web.liveness_probe = Some(probe(10, 3));
    });
    story.run_for(600);
    story.expect("web", "Running ready Runningx0");
    assert!(story.times_of("Unhealthy").is_empty());
}

#[test]
fn readiness_comes_and_goes_as_declared() {
    let lapses = server()
        .unready_at(Lapse::new(seconds(60), Some(seconds(30))))
        .unready_at(Lapse { probability: 0.0, ..Lapse::new(seconds(10), None) });
    let mut story = story_of(lapses, |web| {
        web.readiness_probe = Some(probe(10, 3));
        web.liveness_probe = Some(probe(10, 3));
    });
    story.run_for(82);
    story.expect("web", "Running ready Runningx0");
    assert!(story.kubelet.is_idle(), "what is declared to come does not count");
    story.run_for(1);
    story.expect("web", "Running unready Runningx0");
    assert!(!story.kubelet.is_idle());
    assert!(
        story.events.contains(&"83.2 Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503".into()),
        "{:#?}",
        story.events
    );
    story.run_for(10);
    story.expect("web", "Running ready Runningx0");
    story.run_for(600);
    assert_eq!(story.to_come(), 0);
    assert_eq!(story.times_of("Unhealthy"), ["83.2"]);
}

#[test]
fn a_sidecar_holds_the_others_back_until_its_startup_probe_succeeds() {
    let mut story = Story::new(vec![named("proxy", server().answers_after(seconds(15)))]);
    let mut pod = spec("Always", vec![container("web")]);
    pod.init_containers = Some(vec![v1::Container {
        restart_policy: Some("Always".into()),
        startup_probe: Some(probe(10, 30)),
        ..container("proxy")
    }]);
    story.apply("web", pod);
    story.run_for(22);
    story.expect("web", "Pending unready Runningx0 PodInitializingx0");
    story.run_for(10);
    story.expect("web", "Running ready Runningx0 Runningx0");
    // The pull of the second image begins when the sidecar has started.
    assert_eq!(story.times_of("Pulling"), ["1.5", "23.2"]);
}

#[track_caller]
fn check_words(handler: v1::Probe, expected: &str) {
    let sick = server().hangs_at(Lapse::new(seconds(60), None));
    let mut story = story_of(sick, |web| {
        web.liveness_probe = Some(v1::Probe { period_seconds: Some(10), ..handler.clone() });
    });
    story.run_for(90);
    let told = story.events.iter().find(|event| event.contains("Unhealthy")).cloned().unwrap();
    assert_eq!(told, format!("83.2 Unhealthy: Liveness probe failed: {expected}"));
}

#[test]
fn each_kind_of_probe_fails_in_its_own_words() {
    let tcp = v1::TCPSocketAction { port: IntOrString::Int(5432), ..v1::TCPSocketAction::default() };
    check_words(v1::Probe { tcp_socket: Some(tcp), ..v1::Probe::default() }, "dial tcp 10.0.0.2:5432: i/o timeout");
    let grpc = v1::GRPCAction { port: 9000, ..v1::GRPCAction::default() };
    check_words(
        v1::Probe { grpc: Some(grpc), ..v1::Probe::default() },
        "timeout: failed to connect service \"10.0.0.2:9000\" within 1s: context deadline exceeded",
    );
    let exec = v1::ExecAction { command: Some(vec!["cat".into(), "/ok".into()]) };
    check_words(
        v1::Probe { exec: Some(exec), ..v1::Probe::default() },
        "command timed out: \"cat /ok\" timed out after 1s",
    );
}
