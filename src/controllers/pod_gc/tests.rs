//! Stories of the pod garbage collector alone.

use super::*;
use crate::api::{Deletion, PodPhase, Timestamp};
use crate::controllers::test_support::{Story, ready_node, running_pod};

fn story(threshold: &str) -> Story {
    let mut flags = Flags::default();
    flags.set(&TERMINATED_POD_GC_THRESHOLD, threshold).unwrap();
    let mut story = Story::new(&[&ENTRY], &flags);
    story.kubelet.idle = true;
    story.create(ready_node("n1", "").into_object());
    story
}

#[track_caller]
fn check(story: &mut Story, seconds: u64, pods: &[&str]) {
    story.run_for(Span::from_secs(seconds));
    let names: Vec<&str> = story.all::<Pod>().map(|pod| pod.meta.name.as_str()).collect();
    assert_eq!(names, pods);
}

#[test]
fn the_pods_of_a_node_that_is_gone_go_after_its_quarantine() {
    let mut story = story("10");
    let node = story.create(ready_node("n2", "").into_object());
    story.create(running_pod("lost", "n2").into_object());
    story.create(running_pod("kept", "n1").into_object());
    check(&mut story, 100, &["lost", "kept"]);
    assert!(story.is_at_rest());
    story.delete(node);
    check(&mut story, 39, &["lost", "kept"]);
    story.forget();
    story.run_for(Span::from_secs(25));
    check(&mut story, 1, &["kept"]);
    assert_eq!(story.requests, ["PUT status Pod", "DELETE Pod"]);
    assert!(story.is_at_rest());
}

#[test]
fn a_pod_that_is_to_go_and_was_never_scheduled_goes() {
    let mut story = story("10");
    let mut pod = running_pod("p", "");
    pod.meta.finalizers = Arc::from(["example.com/hold".into()]);
    pod.meta.deletion = Some(Deletion { timestamp: Timestamp(0), grace_seconds: Some(30) });
    let id = story.create(pod.into_object());
    check(&mut story, 21, &["p"]);
    assert_eq!(story.get::<Pod>(id).body.status.phase, PodPhase::Failed);
    assert!(
        story
            .get::<Pod>(id)
            .body
            .status
            .conditions
            .iter()
            .all(|c| c.kind != crate::api::PodConditionType::DisruptionTarget)
    );
}

#[test]
fn a_pod_that_hangs_on_a_node_out_of_service_goes() {
    let mut story = story("10");
    let mut node = ready_node("n2", "");
    for condition in Arc::make_mut(&mut node.body.status).conditions.iter_mut().flatten() {
        condition.status = "Unknown".to_owned();
    }
    let node = story.create(node.into_object());
    let mut pod = running_pod("p", "n2");
    pod.meta.deletion = Some(Deletion { timestamp: Timestamp(0), grace_seconds: Some(30) });
    story.create(pod.into_object());
    check(&mut story, 60, &["p"]);
    story.change::<Node>(node, |node| {
        let taint = k8s_openapi::api::core::v1::Taint {
            key: "node.kubernetes.io/out-of-service".to_owned(),
            effect: "NoExecute".to_owned(),
            ..Default::default()
        };
        Arc::make_mut(&mut node.body.spec).taints = Some(vec![taint]);
    });
    check(&mut story, 21, &[]);
}

#[test]
fn of_too_many_ended_pods_evicted_and_old_ones_go_first() {
    let mut story = story("2");
    for (name, evicted) in [("a", false), ("b", false), ("c", false), ("d", true)] {
        let mut pod = running_pod(name, "n1");
        pod.body.status.phase = PodPhase::Failed;
        if evicted {
            pod.body.status.reason = "Evicted".into();
        }
        story.create(pod.into_object());
        story.run_for(Span::from_secs(2));
    }
    check(&mut story, 25, &["b", "c"]);
}
