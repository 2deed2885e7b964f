//! Stories of the resource quota controller alone.

use serde_json::Value;

use super::*;
use crate::api::{Deletion, Pod, PodPhase, convert};
use crate::controllers::test_support::{Story, bare_pod, running_pod};

fn quota(hard: Value) -> Object {
    let value = json!({ "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "q", "namespace": "default" }, "spec": { "hard": hard } });
    convert::from_json(Kind::ResourceQuota, value).expect("a quota")
}

fn story() -> Story {
    let mut story = Story::without_limits(&[&ENTRY]);
    story.kubelet.idle = true;
    story
}

/// `status` as `hard` and `used`.
fn status(story: &Story, id: ObjectId) -> (String, String) {
    let Object::Untyped(object) = &story.objects[&id] else { panic!("a quota is untyped") };
    let quota = Quota::of(&object.body.fields);
    (quota.hard.text(), quota.used.text())
}

#[test]
fn a_new_quota_is_filled_with_what_is_there() {
    let mut story = story();
    story.create(bare_pod("a", "app=web", "app:ok"));
    let mut ended = running_pod("b", "n1");
    ended.body.status.phase = PodPhase::Succeeded;
    story.create(ended.into_object());
    let id =
        story.create(quota(json!({ "pods": "3", "count/pods": "9", "services": "1", "cpu": "2", "nonsense": "1" })));
    story.settle();
    let hard = "count/pods=9,cpu=2,nonsense=1,pods=3,services=1";
    assert_eq!(status(&story, id), (hard.to_owned(), "count/pods=2,cpu=0,pods=1,services=0".to_owned()));
    assert_eq!(story.requests, ["POST Pod", "POST Pod", "POST ResourceQuota", "PUT status ResourceQuota"]);
}

#[test]
fn what_goes_is_given_back_at_once_and_what_comes_is_left_to_the_server() {
    let mut story = story();
    let ids: Vec<ObjectId> = ["a", "b", "c"].map(|name| story.create(running_pod(name, "").into_object())).into();
    let id = story.create(quota(json!({ "pods": "3" })));
    story.settle();
    assert_eq!(status(&story, id).1, "pods=3");
    story.delete(ids[0]);
    story.change_status::<Pod>(ids[1], |pod| pod.body.status.phase = PodPhase::Failed);
    story.settle();
    assert_eq!(status(&story, id).1, "pods=1");
    story.forget();
    story.create(running_pod("d", "").into_object());
    story.settle();
    assert_eq!(status(&story, id).1, "pods=1", "the server would have charged it");
    story.run_for(Span::from_mins(5));
    assert_eq!(status(&story, id).1, "pods=2", "the full look finds it");
    assert_eq!(story.requests, ["POST Pod", "PUT status ResourceQuota"]);
}

#[test]
fn another_limit_is_taken_over() {
    let mut story = story();
    story.create(running_pod("a", "").into_object());
    let id = story.create(quota(json!({ "pods": "3", "secrets": "1" })));
    story.settle();
    let mut manifest = convert::to_json(&story.objects[&id]);
    manifest["spec"]["hard"] = json!({ "pods": "4", "configmaps": "2" });
    let mut raised = convert::from_json(Kind::ResourceQuota, manifest).expect("a quota");
    raised.meta_mut().id = id;
    story.put(raised);
    story.settle();
    assert_eq!(status(&story, id), ("configmaps=2,pods=4".to_owned(), "configmaps=0,pods=1".to_owned()));
}

#[test]
fn a_pod_that_hangs_is_no_longer_charged() {
    let mut story = story();
    let mut hanging = running_pod("a", "n1");
    hanging.meta.finalizers = Arc::from(["example.com/hold".into()]);
    let timestamp = crate::api::Clock::DEFAULT.timestamp(Time::ZERO + Span::from_secs(30));
    hanging.meta.deletion = Some(Deletion { timestamp, grace_seconds: Some(30) });
    story.create(hanging.into_object());
    let id = story.create(quota(json!({ "pods": "3", "count/pods": "3" })));
    story.settle();
    assert_eq!(status(&story, id).1, "count/pods=1,pods=1");
    story.run_for(Span::from_mins(5));
    assert_eq!(status(&story, id).1, "count/pods=1,pods=0");
}
