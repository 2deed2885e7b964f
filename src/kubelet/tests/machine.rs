//! Stories of processes that die and of machines that lose their power.

use super::super::*;
use super::harness::{Story, container, named, server, spec};
use crate::api::Clock;

fn seconds(seconds: u64) -> Range {
    Range::exactly(Span::from_secs(seconds))
}

fn story_of(behaviour: Behaviour, policy: &str) -> Story {
    let mut story = Story::new(vec![named("web", behaviour)]);
    story.apply("web", spec(policy, vec![container("web")]));
    story.run_for(9);
    story
}

#[track_caller]
fn last_of(story: &Story, name: &str) -> (i32, String, i64) {
    let last = story.pod(name).body.status.containers[0].last.clone().expect("it has ended once");
    (last.exit_code, last.reason.to_string(), last.finished_at.0 - Clock::DEFAULT.start_unix_seconds)
}

#[test]
fn containers_go_on_without_their_kubelet() {
    let mut story = story_of(server(), "Always");
    let before = story.pod("web").clone();
    story.stop();
    story.run_for(10);
    story.restart();
    story.run_for(10);
    assert_eq!(story.pod("web").body, before.body, "nobody notices anything");
    assert_eq!(story.notes, ["3.2 PodStarts"]);
    assert!(story.events.contains(&"20.0 Starting: Starting kubelet.".to_owned()), "{:#?}", story.events);
    assert!(story.kubelet.is_idle());
    story.delete("web", 30);
    story.run_for(3);
    assert!(!story.has("web"));
}

#[test]
fn an_exit_that_nobody_saw_is_found_with_its_true_time() {
    let crash = server().exits(seconds(12), 7);
    let mut story = story_of(crash.clone(), "Always");
    story.stop();
    story.run_for(20);
    story.expect("web", "Running ready Runningx0");
    story.restart();
    story.run_for(1);
    story.expect("web", "Running ready Runningx1");
    // It ran from 3.2 s on.
    assert_eq!(last_of(&story, "web"), (7, "Error".to_owned(), 15));

    let mut story = story_of(crash, "Never");
    story.stop();
    story.run_for(20);
    story.restart();
    story.run_for(1);
    story.expect("web", "Failed unready Error(7)x0");
}

#[test]
fn a_new_process_has_forgotten_the_back_off_and_counts_restarts_on() {
    let crash = server().exits(seconds(1), 1);
    let mut story = story_of(crash, "Always");
    story.run_for(40);
    story.expect("web", "Running unready CrashLoopBackOffx3");
    story.stop();
    story.restart();
    story.run_for(1);
    story.expect("web", "Running ready Runningx4");
}

#[test]
fn pods_that_were_deleted_meanwhile_are_killed_after_the_list() {
    let mut story = story_of(server(), "Always");
    story.stop();
    story.run_for(5);
    story.force_delete("web");
    story.run_for(5);
    story.restart();
    story.run_for(5);
    assert!(story.kubelet.pods.is_empty());
    assert_eq!(story.notes, ["3.2 PodStarts", "21.0 PodStops"]);
}

#[test]
fn pods_that_are_to_go_end_within_their_grace_period_of_the_new_process() {
    let stubborn = server().stops_after(seconds(600));
    let mut story = story_of(stubborn, "Always");
    story.delete("web", 20);
    story.run_for(5);
    story.stop();
    story.run_for(60);
    assert!(story.has("web"), "nobody has sent SIGKILL");
    story.restart();
    story.run_for(19);
    assert!(story.has("web"));
    story.run_for(3);
    assert!(!story.has("web"));
    assert_eq!(story.notes, ["3.2 PodStarts", "95.0 PodStops"]);
}

#[test]
fn a_pod_that_came_while_the_process_was_down_is_started() {
    let mut story = story_of(server(), "Always");
    story.stop();
    story.apply("other", spec("Always", vec![container("web")]));
    story.run_for(5);
    story.restart();
    story.run_for(5);
    story.expect("other", "Running ready Runningx0");
}

#[test]
fn after_a_boot_pods_get_new_sandboxes_and_containers_start_again() {
    let mut story = story_of(server(), "Always");
    let before = story.node.clone().unwrap();
    story.stop();
    story.run_for(30);
    story.boot();
    story.run_for(5);
    story.expect("web", "Running ready Runningx1");
    assert_eq!(last_of(&story, "web"), (255, "Unknown".to_owned(), 40));
    let boot_id = |node: &Arc<crate::api::Obj<crate::api::Node>>| {
        node.body.status.node_info.as_ref().map(|info| info.boot_id.clone()).unwrap()
    };
    let after = story.node.clone().unwrap();
    assert_ne!(boot_id(&before), boot_id(&after));
    let told: Vec<_> = story.events.iter().filter(|event| event.starts_with("40.")).cloned().collect();
    assert_eq!(
        told,
        [
            "40.0 Starting: Starting kubelet.".to_owned(),
            format!("40.0 Rebooted: Node n1 has been rebooted, boot id: {}", boot_id(&after)),
            "40.0 SandboxChanged: Pod sandbox changed, it will be killed and re-created.".to_owned(),
            "40.5 Pulled: Container image \"web:1\" already present on machine".to_owned(),
            "40.7 again: Created container: web".to_owned(),
            "40.7 again: Started container web".to_owned(),
        ]
        .map(|event| event.replace("again: Created", "Created: Created").replace("again: Started", "Started: Started")),
    );
    assert_eq!(story.notes, ["3.2 PodStarts", "40.0 PodStops", "40.7 PodStarts"]);
}

#[test]
fn a_boot_keeps_what_the_restart_policy_says() {
    let mut story = story_of(server(), "Never");
    story.stop();
    story.boot();
    story.run_for(5);
    story.expect("web", "Failed unready Unknown(255)x0");
    assert!(story.times_of("SandboxChanged").is_empty());

    let done = server().exits(seconds(1), 0);
    let mut story = Story::new(vec![named("done", done)]);
    story.apply("two", spec("OnFailure", vec![container("done"), container("web")]));
    story.run_for(9);
    story.expect("two", "Running unready Completed(0)x0 Runningx0");
    story.stop();
    story.boot();
    story.run_for(5);
    story.expect("two", "Running unready Completed(0)x0 Runningx1");
}

#[test]
fn init_containers_run_again_after_a_boot() {
    let mut story = Story::new(vec![]);
    let mut pod = spec("Always", vec![container("web")]);
    pod.init_containers = Some(vec![container("first")]);
    story.apply("web", pod);
    story.run_for(15);
    story.expect("web", "Running ready Completed(0)x0 Runningx0");
    story.stop();
    story.boot();
    story.run_for(1);
    story.expect("web", "Pending unready Runningx1 Unknown(255)x0");
    story.run_for(9);
    story.expect("web", "Running ready Completed(0)x1 Runningx1");
}

#[test]
fn what_was_ready_before_a_restart_stays_ready_until_a_probe_says_otherwise() {
    let slow = server().unready_at(Lapse::new(seconds(60), None));
    let mut story = Story::new(vec![named("web", slow)]);
    let mut web = container("web");
    web.readiness_probe = Some(k8s_openapi::api::core::v1::Probe::default());
    story.apply("web", spec("Always", vec![web]));
    story.run_for(60);
    story.stop();
    story.run_for(10);
    story.restart();
    story.run_for(19);
    story.expect("web", "Running ready Runningx0");
    story.run_for(1);
    // Unready since 63.2 s; the new process has asked at 71, 81 and 91 s.
    story.expect("web", "Running unready Runningx0");
}

#[test]
fn a_process_that_stood_still_finds_what_has_ended_meanwhile() {
    let crash = server().exits(seconds(12), 7);
    let mut story = story_of(crash, "Always");
    // Its timers come late.
    story.delay_all(Span::from_secs(30));
    story.run_for(40);
    story.expect("web", "Running ready Runningx1");
    assert_eq!(last_of(&story, "web"), (7, "Error".to_owned(), 15));
}
