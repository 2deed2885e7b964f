//! Stories of the disruption controller, alone and with ReplicaSets.

use serde_json::{Value, json};

use super::*;
use crate::api::{ConditionStatus, Meta, PodConditionType, PodPhase, ReasonText, Timestamp, convert};
use crate::controllers::pod_util::controller_reference;
use crate::controllers::replicaset;
use crate::controllers::test_support::{Story, labels, replica_set, running_pod};

fn budget(name: &str, spec: Value) -> Object {
    let mut spec = spec;
    if spec.get("selector").is_none() {
        spec["selector"] = json!({ "matchLabels": { "app": "web" } });
    }
    let value = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": "default" }, "spec": spec });
    convert::from_json(Kind::PodDisruptionBudget, value).expect("a budget")
}

fn alone() -> Story {
    let mut story = Story::without_limits(&[&ENTRY]);
    story.kubelet.idle = true;
    story
}

/// A ReplicaSet `web` and its pods, the first of them ready.
fn web(story: &mut Story, replicas: i32, pods: usize, ready: usize) -> Vec<ObjectId> {
    let set = story.create(replica_set("web", replicas, "app:ok").into_object());
    let reference = controller_reference(&story.get::<crate::api::ReplicaSet>(set).meta, "apps/v1", "ReplicaSet");
    (0..pods)
        .map(|number| {
            let mut pod = running_pod(&format!("web-{number}"), "n1");
            pod.meta.labels = labels("app=web");
            pod.meta.owners = [reference.clone()].into();
            if number >= ready {
                pod.body.status.conditions.clear();
            }
            story.create(pod.into_object())
        })
        .collect()
}

fn status(story: &Story, id: ObjectId) -> Value {
    convert::to_json(&story.objects[&id])["status"].clone()
}

/// `healthy desired expected allowed`, and the reason of the condition.
fn told(story: &Story, id: ObjectId) -> String {
    let status = status(story, id);
    let reason = status["conditions"][0]["reason"].as_str().unwrap_or("-");
    let field = |name: &str| status[name].as_i64().unwrap_or(-1);
    format!(
        "{} {} {} {} {reason}",
        field("currentHealthy"),
        field("desiredHealthy"),
        field("expectedPods"),
        field("disruptionsAllowed")
    )
}

#[track_caller]
fn check(spec: Value, replicas: i32, pods: usize, ready: usize, expected: &str) {
    let mut story = alone();
    web(&mut story, replicas, pods, ready);
    let id = story.create(budget("b", spec.clone()));
    story.settle();
    assert_eq!(told(&story, id), expected, "{spec}");
    assert!(story.is_at_rest());
}

#[test]
fn a_budget_is_counted_from_its_pods_or_from_what_their_owner_wants() {
    check(json!({ "minAvailable": 2 }), 9, 3, 3, "3 2 3 1 SufficientPods");
    check(json!({ "minAvailable": 2 }), 9, 3, 2, "2 2 3 0 InsufficientPods");
    check(json!({ "minAvailable": 5 }), 9, 3, 3, "3 5 3 0 InsufficientPods");
    check(json!({ "minAvailable": "50%" }), 5, 4, 4, "4 3 5 1 SufficientPods");
    check(json!({ "maxUnavailable": "25%" }), 4, 4, 4, "4 3 4 1 SufficientPods");
    check(json!({ "maxUnavailable": "25%" }), 5, 5, 5, "5 3 5 2 SufficientPods");
    check(json!({ "maxUnavailable": 2 }), 3, 3, 3, "3 1 3 2 SufficientPods");
    check(json!({ "maxUnavailable": 0 }), 3, 3, 3, "3 3 3 0 InsufficientPods");
    check(json!({ "maxUnavailable": 9 }), 3, 3, 1, "1 0 3 1 SufficientPods");
    check(json!({ "minAvailable": 0 }), 0, 0, 0, "0 0 0 0 InsufficientPods");
    check(json!({ "minAvailable": "a lot" }), 3, 3, 3, "-1 -1 -1 0 SyncFailed");
}

#[test]
fn a_budget_without_pods_says_so_at_its_first_look_and_after_its_own_write() {
    let mut story = alone();
    let id = story.create(budget("b", json!({ "minAvailable": 1 })));
    story.settle();
    assert_eq!(told(&story, id), "0 1 0 0 InsufficientPods");
    let no_pods = "PodDisruptionBudget/b NoPods No matching pods found";
    assert_eq!(story.events, [no_pods, "again No matching pods found"]);
}

#[test]
fn a_budget_follows_its_pods() {
    let mut story = Story::without_limits(&[&ENTRY, &replicaset::ENTRY]);
    let id = story.create(budget("b", json!({ "minAvailable": 2 })));
    story.create(replica_set("web", 3, "app:ok").into_object());
    story.settle();
    assert_eq!(told(&story, id), "3 2 3 1 SufficientPods");
    let first = story.all::<Pod>().next().map(|pod| pod.meta.id).expect("there are pods");
    story.set_ready(first, false);
    story.run_for(Span::from_millis(100));
    assert_eq!(told(&story, id), "2 2 3 0 InsufficientPods");
    story.set_ready(first, true);
    story.delete(first);
    story.run_for(Span::from_millis(100));
    assert_eq!(told(&story, id), "2 2 4 0 InsufficientPods", "one goes, its replacement is not ready");
    story.settle();
    assert_eq!(told(&story, id), "3 2 3 1 SufficientPods");
}

#[test]
fn an_eviction_that_comes_to_nothing_is_forgotten_after_two_minutes() {
    let mut story = alone();
    web(&mut story, 3, 3, 3);
    story.run_for(Span::from_secs(10));
    let at = crate::api::Clock::DEFAULT.timestamp(story.now).to_string();
    let mut manifest = convert::to_json(&budget("b", json!({ "minAvailable": 1 })));
    manifest["status"] = json!({ "disruptionsAllowed": 1, "disruptedPods": { "web-0": at, "gone": at } });
    let id = story.create(convert::from_json(Kind::PodDisruptionBudget, manifest).expect("a budget"));
    story.run_for(Span::from_secs(5));
    assert_eq!(told(&story, id), "2 1 3 1 SufficientPods");
    let disrupted = status(&story, id)["disruptedPods"].as_object().cloned().unwrap_or_default();
    assert_eq!(disrupted.keys().collect::<Vec<_>>(), ["web-0"], "a pod that is gone is not expected to go");
    story.forget();
    story.run_for(Span::from_secs(120));
    assert_eq!(told(&story, id), "3 1 3 2 SufficientPods");
    assert_eq!(status(&story, id)["disruptedPods"], Value::Null);
    let message = "Pod was expected by PDB default/default to be deleted but it wasn't";
    assert_eq!(story.events, [format!("Pod/web-0 NotDeleted {message}")]);
    assert!(story.is_at_rest());
}

#[test]
fn pods_whose_owner_cannot_be_scaled_stop_a_budget_in_shares_and_pods_without_one_are_left_out() {
    let mut story = alone();
    let mut pod = running_pod("d-1", "n1");
    pod.meta.labels = labels("app=web");
    let mut owner = Meta::new(Kind::DaemonSet, "default", "d");
    owner.uid = Uid(77);
    pod.meta.owners = [controller_reference(&owner, "apps/v1", "DaemonSet")].into();
    let pod = story.create(pod.into_object());
    let id = story.create(budget("b", json!({ "maxUnavailable": 1 })));
    story.settle();
    assert_eq!(told(&story, id), "-1 -1 -1 0 SyncFailed");
    let why = "daemonsets.apps does not implement the scale subresource";
    assert_eq!(status(&story, id)["conditions"][0]["message"], why);
    let event = format!("Failed to calculate the number of expected pods: {why}");
    assert_eq!(story.events[0], format!("PodDisruptionBudget/b CalculateExpectedPodCountFailed {event}"));
    story.forget();
    story.change::<Pod>(pod, |pod| pod.meta.owners = Arc::default());
    story.settle();
    assert_eq!(told(&story, id), "1 0 0 0 InsufficientPods");
    let selector =
        "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},}";
    assert!(
        story.events[0].contains(&format!(
            "UnmanagedPods Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged."
        )),
        "{:?}",
        story.events
    );
}

#[test]
fn an_owner_that_no_cache_holds_is_asked_for() {
    let mut story = alone();
    let ids = web(&mut story, 3, 3, 3);
    let set = story.all::<crate::api::ReplicaSet>().next().map(|set| set.meta.id).expect("a ReplicaSet");
    story.delete(set);
    story.settle();
    let id = story.create(budget("b", json!({ "maxUnavailable": 1 })));
    story.settle();
    let message = status(&story, id)["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(message, "found no controllers for pod \"web-2\"");
    for pod in ids {
        story.delete(pod);
    }
    story.settle();
    assert_eq!(told(&story, id), "0 0 0 0 InsufficientPods");
}

#[test]
fn of_two_budgets_of_a_pod_the_first_is_looked_at_and_the_pod_hears_of_it() {
    let mut story = alone();
    story.create(budget("a", json!({ "minAvailable": 1 })));
    story.create(budget("b", json!({ "minAvailable": 1 })));
    story.settle();
    story.forget();
    web(&mut story, 1, 1, 1);
    story.settle();
    let message = "Pod \"default\"/\"web-0\" matches multiple PodDisruptionBudgets.  Chose \"a\" arbitrarily.";
    assert_eq!(story.events, [format!("Pod/web-0 MultiplePodDisruptionBudgets {message}")]);
}

#[test]
fn a_pod_that_was_to_be_disrupted_and_was_not_is_cleared_after_two_minutes() {
    let mut story = alone();
    let mark = |name: &str, reason: &str, phase: PodPhase| {
        let mut pod = running_pod(name, "n1");
        pod.body.status.phase = phase;
        let text = ReasonText { reason: reason.into(), message: Name::new() };
        let at: Timestamp = crate::api::Clock::DEFAULT.timestamp(Time::ZERO);
        let kind = PodConditionType::DisruptionTarget;
        pod.body.status.set_condition(kind, ConditionStatus::True, Some(Arc::new(text)), at);
        pod.into_object()
    };
    let stale = story.create(mark("stale", "PreemptionByScheduler", PodPhase::Running));
    let kept = story.create(mark("kept", "TerminationByKubelet", PodPhase::Running));
    let ended = story.create(mark("ended", "PreemptionByScheduler", PodPhase::Failed));
    story.run_for(Span::from_secs(110));
    let holds = |story: &Story, id| {
        let condition = story.get::<Pod>(id).body.condition(PodConditionType::DisruptionTarget).cloned();
        condition.map(|condition| (condition.status, condition.text.is_some()))
    };
    assert_eq!(holds(&story, stale), Some((ConditionStatus::True, true)));
    story.run_for(Span::from_secs(5));
    assert_eq!(holds(&story, stale), Some((ConditionStatus::False, false)));
    assert_eq!(holds(&story, kept), Some((ConditionStatus::True, true)));
    assert_eq!(holds(&story, ended), Some((ConditionStatus::True, true)));
    assert!(story.is_at_rest());
}
