//! Stories of one kubelet.

mod admission;
mod eviction;
mod harness;
mod heartbeats;
mod machine;
mod oom;
mod probes;
mod sources;
mod termination;
mod usage;

use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::*;
use crate::api::{PodConditionType, PodPhase};
use crate::event::ErrorReason;
use harness::{Story, container, named, server, settings, spec};

#[test]
fn a_pod_becomes_ready() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(1);
    story.expect("web", "Pending unready ContainerCreatingx0");
    let text = story.pod("web").body.condition(PodConditionType::Ready).unwrap().text.clone().unwrap();
    assert_eq!(text.reason, "ContainersNotReady");
    assert_eq!(text.message, "containers with unready status: [web]");
    story.run_for(2);
    story.expect("web", "Running ready Runningx0");
    let status = &story.pod("web").body.status;
    assert_eq!(status.pod_ips.first, Some("10.0.0.2".parse().unwrap()));
    assert_eq!(status.host_ip, Some("192.168.0.1".parse().unwrap()));
    assert_eq!(status.observed_generation, 1);
    let kinds: Vec<&str> = status.conditions.iter().map(|condition| condition.kind.as_str()).collect();
    let wanted = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
    assert_eq!(kinds, wanted);
    assert_eq!(
        story.events,
        [
            "1.5 Pulling: Pulling image \"web:1\"",
            "3.0 Pulled: Successfully pulled image \"web:1\" in 1.5s (1.5s including waiting). Image size: 100000000 bytes.",
            "3.2 Created: Created container: web",
            "3.2 Started: Started container web",
        ]
    );
    assert!(story.kubelet.is_idle());
    story.run_for(3600);
    assert_eq!(story.to_come(), 0, "a settled pod has no timers");
    assert_eq!(story.heartbeats, 1);
}

#[test]
fn a_node_registers_ready_and_shows_its_images_at_the_next_update() {
    let mut story = Story::new(vec![]);
    let node = story.node.clone().unwrap();
    assert!(node.body.is_ready());
    assert_eq!(node.meta.labels.get("kubernetes.io/hostname").map(Name::as_str), Some("n1"));
    assert_eq!(node.body.allocatable().pods, 110);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(8);
    assert_eq!(story.node.as_ref().unwrap().body.status.images, None);
    story.run_for(2);
    let images = story.node.as_ref().unwrap().body.status.images.clone().unwrap();
    assert_eq!(images[0].names, Some(vec!["docker.io/library/web:1".to_owned()]));
}

#[test]
fn heartbeats_are_sent_where_they_are_not_elided() {
    let mut story = Story::with(KubeletSettings { elide_heartbeats: false, ..settings() }, vec![], true);
    let before = story.node.as_ref().unwrap().meta.resource_version;
    story.run_for(599);
    assert_eq!((story.heartbeats, story.renewals), (0, 59));
    assert!(story.node.as_ref().unwrap().meta.resource_version > before);
}

#[test]
fn pulls_wait_for_one_another_and_an_image_is_pulled_once() {
    let mut story = Story::new(vec![]);
    story.apply("a", spec("Always", vec![container("web")]));
    story.apply("b", spec("Always", vec![container("db")]));
    story.run_for(10);
    story.apply("c", spec("Always", vec![container("web")]));
    story.run_for(10);
    let pulled: Vec<_> = story.events.iter().filter(|event| event.contains("Pulled")).cloned().collect();
    assert_eq!(
        pulled,
        [
            "3.0 Pulled: Successfully pulled image \"web:1\" in 1.5s (1.5s including waiting). Image size: 100000000 bytes.",
            "4.5 Pulled: Successfully pulled image \"db:1\" in 1.5s (3s including waiting). Image size: 100000000 bytes.",
            "11.5 Pulled: Container image \"web:1\" already present on machine",
        ]
    );
    assert_eq!(story.pod("c").body.status.pod_ips.first, Some("10.0.0.4".parse().unwrap()));
}

#[test]
fn an_image_that_does_not_exist_is_tried_again_after_longer_and_longer_waits() {
    let mut story = Story::new(vec![named("web", server().missing_image())]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(3);
    story.expect("web", "Pending unready ImagePullBackOffx0");
    assert_eq!(
        story.events,
        [
            "1.5 Pulling: Pulling image \"web:1\"",
            "2.0 Failed: Failed to pull image \"web:1\": rpc error: code = NotFound desc = failed to pull and unpack \
             image \"docker.io/library/web:1\": failed to resolve reference \"docker.io/library/web:1\": \
             docker.io/library/web:1: not found",
            "2.0 Failed: Error: ErrImagePull",
            "2.0 BackOff: Back-off pulling image \"web:1\"",
            "2.0 Failed: Error: ImagePullBackOff",
        ]
    );
    story.run_for(200);
    // Half a second a pull, then 10, 20, 40, 80 s.
    let again: Vec<&str> =
        story.events.iter().filter(|e| e.contains("Pulling image")).map(|e| e.split(' ').next().unwrap()).collect();
    assert_eq!(again, ["1.5", "12.0", "32.5", "73.0", "153.5"]);
    assert!(story.kubelet.is_idle());
}

#[test]
fn a_crashing_container_backs_off_ten_twenty_forty_seconds() {
    let crash = server().exits(Range::millis(1_000, 1_000), 1);
    let mut story = Story::new(vec![named("web", crash)]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(7);
    story.expect("web", "Running unready CrashLoopBackOffx1");
    let back_off: Vec<_> = story.events.iter().filter(|event| event.contains("BackOff")).cloned().collect();
    let name = format!("web_default({})", story.pod("web").meta.uid);
    assert_eq!(back_off, [format!("5.4 BackOff: Back-off restarting failed container web in pod {name}")]);
    let last = story.pod("web").body.status.containers[0].last.clone().unwrap();
    assert_eq!((last.exit_code, last.reason.as_str()), (1, "Error"));
    // Events would not do: from the 25th on the recorder's spam filter lets few through, as upstream's.
    let mut starts = vec![];
    for _ in 0..1200 {
        story.run_for(1);
        if let crate::api::ContainerState::Running { started_at } = story.pod("web").body.status.containers[0].state
            && starts.last() != Some(&started_at.0)
        {
            starts.push(started_at.0);
        }
    }
    // A life takes a second, a start a fifth of one, and timestamps are cut to seconds.
    let waits: Vec<i64> = starts.windows(2).map(|pair| (pair[1] - pair[0] - 1) / 10 * 10).collect();
    assert_eq!(waits, [20, 40, 80, 160, 300, 300]);
}

#[test]
fn ten_minutes_without_a_crash_reset_the_back_off() {
    let crash = server().exits(Range::exactly(Span::from_secs(11 * 60)), 1);
    let mut story = Story::new(vec![named("web", crash)]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(3 * 3600);
    assert!(story.pod("web").body.restarts() > 10);
    assert!(story.times_of("BackOff").is_empty(), "{:#?}", story.events);
}

#[test]
fn a_deleted_pod_goes_within_its_grace_period() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(9);
    story.delete("web", 30);
    story.run_until(Time::ZERO + Span::from_millis(10_900));
    story.expect("web", "Running ready Runningx0");
    assert_eq!(story.events.last().unwrap(), "10.0 Killing: Stopping container web");
    story.run_for(1);
    assert!(!story.has("web"));
    assert!(story.kubelet.pods.is_empty());
}

#[test]
fn a_program_that_does_not_stop_is_killed_at_the_end_of_its_grace_period() {
    let stubborn = server().stops_after(Range::exactly(Span::from_mins(10)));
    let mut story = Story::new(vec![named("web", stubborn)]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(9);
    story.delete("web", 30);
    story.run_for(29);
    assert!(story.has("web"));
    story.outage = Some(ErrorReason::ServiceUnavailable);
    story.run_for(5);
    assert!(story.has("web"), "nobody hears of the end while the API server is away");
    story.outage = None;
    story.run_for(10);
    assert!(!story.has("web"));
    story.run_for(60);
    assert_eq!(story.to_come(), 0);
}

#[test]
fn a_second_deletion_with_less_grace_brings_the_end_forward() {
    let stubborn = server().stops_after(Range::exactly(Span::from_mins(10)));
    let mut story = Story::new(vec![named("web", stubborn)]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(9);
    story.delete("web", 300);
    story.run_for(1);
    story.delete("web", 1);
    story.run_for(3);
    assert!(!story.has("web"));
}

#[test]
fn what_the_api_server_no_longer_has_is_stopped_without_a_word() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(9);
    let statuses = story.statuses;
    story.force_delete("web");
    story.run_for(5);
    assert!(story.kubelet.pods.is_empty());
    assert_eq!(story.statuses, statuses);
}

#[test]
fn a_pod_that_is_deleted_while_it_pulls_has_failed_and_goes_at_once() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(1);
    story.delete("web", 30);
    story.run_for(1);
    assert!(!story.has("web"));
    story.run_for(20);
    assert_eq!(story.to_come(), 0);
}

#[test]
fn init_containers_run_in_order_and_sidecars_stay() {
    let mut story = Story::new(vec![]);
    let mut pod = spec("Always", vec![container("web")]);
    let sidecar = v1::Container { restart_policy: Some("Always".into()), ..container("proxy") };
    pod.init_containers = Some(vec![container("first"), sidecar, container("second")]);
    story.apply("web", pod);
    story.run_for(3);
    story.expect("web", "Pending unready Runningx0 PodInitializingx0 PodInitializingx0 PodInitializingx0");
    let text = story.pod("web").body.condition(PodConditionType::Initialized).unwrap().text.clone().unwrap();
    assert_eq!(text.message, "containers with incomplete status: [first proxy second]");
    story.run_for(8);
    story.expect("web", "Running ready Completed(0)x0 Runningx0 Completed(0)x0 Runningx0");
    assert_eq!(story.times_of("Started"), ["3.2", "5.9", "7.6", "10.3"]);
    story.delete("web", 30);
    story.run_for(3);
    // The sidecar stops after the container.
    assert_eq!(story.times_of("Killing"), ["12.0", "13.0"]);
    assert!(!story.has("web"));
}

#[test]
fn a_failing_init_container_fails_a_pod_that_never_restarts() {
    let fails = server().exits(Range::millis(1_000, 1_000), 3);
    let mut story = Story::new(vec![named("init", fails)]);
    let mut pod = spec("Never", vec![container("web")]);
    pod.init_containers = Some(vec![container("init")]);
    story.apply("web", pod.clone());
    pod.restart_policy = Some("Always".into());
    story.apply("again", pod);
    story.run_for(10);
    story.expect("web", "Failed unready Error(3)x0 PodInitializingx0");
    story.expect("again", "Pending unready CrashLoopBackOffx1 PodInitializingx0");
}

#[test]
fn a_pod_that_does_a_job_succeeds() {
    let job = server().exits(Range::millis(2_000, 2_000), 0);
    let mut story = Story::new(vec![named("job", job)]);
    story.apply("job", spec("OnFailure", vec![container("job")]));
    story.run_for(10);
    story.expect("job", "Succeeded unready Completed(0)x0");
    let body = &story.pod("job").body;
    for kind in [PodConditionType::Initialized, PodConditionType::Ready, PodConditionType::ContainersReady] {
        assert_eq!(body.condition(kind).unwrap().text.as_ref().unwrap().reason, "PodCompleted");
    }
    assert!(story.kubelet.is_idle());
    story.delete("job", 30);
    story.run_for(1);
    assert!(!story.has("job"), "nothing runs, so nothing is waited for");
    assert!(story.times_of("Killing").is_empty());
}

#[track_caller]
fn check_end(policy: &str, code: i32, expected: PodPhase) {
    let ends = server().exits(Range::millis(1_000, 1_000), code);
    let mut story = Story::new(vec![named("job", ends)]);
    story.apply("job", spec(policy, vec![container("job")]));
    story.run_for(20);
    assert_eq!(story.phase("job"), expected, "{policy} {code}: {}", story.line("job"));
}

#[test]
fn the_restart_policy_decides_what_an_exit_means() {
    check_end("Always", 0, PodPhase::Running);
    check_end("Always", 1, PodPhase::Running);
    check_end("OnFailure", 0, PodPhase::Succeeded);
    check_end("OnFailure", 1, PodPhase::Running);
    check_end("Never", 0, PodPhase::Succeeded);
    check_end("Never", 1, PodPhase::Failed);
}

#[track_caller]
fn check_ready(initial_delay: i32, period: i32, ready_after_millis: u64, expected_seconds: i64) {
    let slow = server().ready_after(Range::millis(ready_after_millis, ready_after_millis));
    let mut story = Story::new(vec![named("web", slow)]);
    let mut web = container("web");
    web.readiness_probe = Some(v1::Probe {
        initial_delay_seconds: Some(initial_delay),
        period_seconds: Some(period),
        ..v1::Probe::default()
    });
    story.apply("web", spec("Always", vec![web]));
    story.run_for(120);
    // The container starts 2.2 s after the pod came, at 3.2 s.
    let since = story.pod("web").body.ready_since().unwrap();
    assert_eq!(since.0 - crate::api::Clock::DEFAULT.start_unix_seconds, expected_seconds);
}

#[test]
fn a_readiness_probe_finds_a_program_ready_at_its_next_turn() {
    check_ready(0, 10, 0, 3);
    check_ready(5, 10, 0, 13);
    check_ready(0, 3, 7_000, 12);
    check_ready(0, 10, 11_000, 23);
}

#[test]
fn a_pod_that_does_not_fit_is_refused() {
    let mut story = Story::new(vec![]);
    let mut large = container("web");
    large.resources = Some(v1::ResourceRequirements {
        requests: Some([("cpu".to_owned(), Quantity("1500m".to_owned()))].into()),
        ..v1::ResourceRequirements::default()
    });
    story.apply("one", spec("Always", vec![large.clone()]));
    story.apply("two", spec("Always", vec![large]));
    story.run_for(1);
    let status = &story.pod("two").body.status;
    assert_eq!((status.phase, status.reason.as_str()), (PodPhase::Failed, "OutOfcpu"));
    let why = "Node didn't have enough resource: cpu, requested: 1500, used: 1500, capacity: 2000";
    assert_eq!(status.message, format!("Pod was rejected: {why}"));
    assert!(story.events.contains(&format!("1.0 OutOfcpu: {why}")), "{:#?}", story.events);
}

#[test]
fn pods_wait_for_the_nodes_range_of_addresses() {
    let mut story = Story::with(settings(), vec![], false);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(20);
    story.expect("web", "Pending unready ContainerCreatingx0");
    assert_eq!(story.times_of("NetworkNotReady"), ["1.0"]);
    story.assign_cidr();
    assert!(story.kubelet.is_idle(), "waiting for others is no work");
    story.run_for(5);
    story.expect("web", "Running ready Runningx0");
}

#[test]
fn a_status_that_could_not_be_told_is_told_later_with_the_time_of_the_change() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(1);
    story.outage = Some(ErrorReason::ServiceUnavailable);
    story.run_for(20);
    story.expect("web", "Pending unready ContainerCreatingx0");
    story.outage = None;
    story.run_for(20);
    story.expect("web", "Running ready Runningx0");
    let since = story.pod("web").body.ready_since().unwrap();
    assert_eq!(since.0 - crate::api::Clock::DEFAULT.start_unix_seconds, 3);
}

#[test]
fn what_happens_between_two_relists_is_told_at_once() {
    let relisting = KubeletSettings { relist_every: Span::from_secs(1), ..settings() };
    let mut story = Story::with(relisting, vec![], true);
    story.apply("web", spec("Always", vec![container("a"), container("b")]));
    story.run_for(10);
    story.expect("web", "Running ready Runningx0 Runningx0");
    assert!(story.statuses <= 4, "{} statuses", story.statuses);
    let started: f64 = story.times_of("Started").last().unwrap().parse().unwrap();
    let ready = story.pod("web").body.ready_since().unwrap().0 - crate::api::Clock::DEFAULT.start_unix_seconds;
    assert!((started.floor() as i64..=started as i64 + 1).contains(&ready));
}

#[test]
fn a_machine_that_starts_again_starts_its_pods_again() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(9);
    let pods = story.pods.clone();
    let mut again = Story::new(vec![]);
    again.pods = pods;
    again.kubelet = Kubelet::off(again.kubelet.fixed.clone());
    again.restart();
    again.run_for(10);
    again.expect("web", "Running ready Runningx1");
}

#[test]
fn a_kubelet_is_small() {
    assert!(size_of::<pod::ContainerRecord>() <= 112, "{}", size_of::<pod::ContainerRecord>());
    assert!(size_of::<pod::PodRecord>() <= 136, "{}", size_of::<pod::PodRecord>());
}

#[test]
fn a_clone_goes_on_as_the_original_does() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(2);
    let copy = story.kubelet.clone();
    let digest = |kubelet: &Kubelet| {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        kubelet.hash_memory(&mut hasher);
        hasher.digest()
    };
    assert_eq!(digest(&copy), digest(&story.kubelet));
    story.run_for(5);
    assert_ne!(digest(&copy), digest(&story.kubelet));
    assert!(Arc::ptr_eq(&copy.fixed, &story.kubelet.fixed));
}

#[test]
fn a_pod_of_the_same_name_does_not_wait_for_the_one_before() {
    let mut story = Story::new(vec![]);
    story.apply("web", spec("Always", vec![container("web")]));
    story.run_for(9);
    let old = story.pod("web").clone();
    story.force_delete("web");
    story.apply_again(&old);
    story.run_until(story.now + Span::from_millis(900));
    assert_eq!(story.kubelet.pods.len(), 2, "the old one is still stopping");
    story.run_for(4);
    story.expect("web", "Running ready Runningx0");
    assert_eq!(story.kubelet.pods.len(), 1);
}

#[test]
fn extreme_numbers_of_seconds_do_no_harm() {
    let mut story = Story::new(vec![]);
    let mut web = container("web");
    web.readiness_probe = Some(v1::Probe {
        initial_delay_seconds: Some(i32::MAX),
        period_seconds: Some(i32::MAX),
        success_threshold: Some(i32::MAX),
        ..v1::Probe::default()
    });
    let mut pod = spec("Always", vec![web]);
    pod.termination_grace_period_seconds = Some(i64::MAX);
    story.apply("web", pod);
    story.run_for(9);
    story.expect("web", "Running unready Runningx0");
    story.delete("web", i64::MAX / 2);
    story.run_for(3);
    assert!(!story.has("web"));
}
