//! Stories of the ReplicaSet controller alone.

use std::sync::Arc;

use super::tally::Counts;
use crate::api::{
    Clock, ConditionStatus, Deletion, Kind, Labels, Meta, Name, Obj, Object, ObjectId, Pod, PodConditionType, PodPhase,
    ReplicaSet, Timestamp, Uid,
};
use crate::client::{Caches, Controller, Flags, Observed, Outcome, Plan, View, WorkQueue};
use crate::controllers::pod_util::{POD_DELETION_COST, controller_reference};
use crate::controllers::test_support::{Story, bare_pod, replica_set};
use crate::event::{Answer, ApiError, Beats, Cause, Change, ChangeKind, Disks, ErrorReason, Request};
use crate::kernel::{Chance, Draw, Purpose, Span, Time};

fn story() -> Story {
    Story::without_limits(&[&super::ENTRY])
}

/// Expects the status of a set: replicas, ready, available.
#[track_caller]
fn check(story: &Story, set: ObjectId, expected: [i32; 3]) {
    let set = story.get::<ReplicaSet>(set);
    let status = &set.body.status;
    assert_eq!([status.replicas, status.ready_replicas, status.available_replicas], expected);
    assert_eq!(status.fully_labeled_replicas, status.replicas);
    assert_eq!(status.observed_generation, set.meta.generation);
}

fn pod_ids(story: &Story) -> Vec<ObjectId> {
    story.all::<Pod>().map(|pod| pod.meta.id).collect()
}

#[test]
fn three_pods_are_created() {
    let mut story = story();
    let set = story.create(replica_set("web", 3, "app:ok").into_object());
    story.settle();
    check(&story, set, [3, 3, 3]);
    assert_eq!(story.events.len(), 3);
    let pod = story.all::<Pod>().next().unwrap();
    let owner = pod.meta.controller().unwrap();
    assert_eq!((owner.name.as_str(), owner.block_owner_deletion), ("web", Some(true)));
    assert!(pod.meta.name.starts_with("web-"));
    assert_eq!(story.events[0], format!("ReplicaSet/web SuccessfulCreate Created pod: {}", pod.meta.name));
    let template = &story.get::<ReplicaSet>(set).body.template;
    assert!(story.all::<Pod>().all(|pod| Arc::ptr_eq(&pod.body.spec, &template.spec)));
}

#[test]
fn creation_starts_slowly_and_in_bursts_of_500() {
    let mut story = story();
    story.kubelet.idle = true;
    story.create(replica_set("web", 700, "app:ok").into_object());
    let mut totals = Vec::new();
    for _ in 0..60 {
        story.run_for(Span::from_millis(1));
        totals.push(story.pods().len());
    }
    totals.dedup();
    assert_eq!(totals, [0, 1, 3, 7, 15, 31, 63, 127, 255, 500, 501, 503, 507, 515, 531, 563, 627, 700]);
}

#[test]
fn scaling_down_picks_the_unready_pod() {
    let mut story = story();
    let set = story.create(replica_set("web", 4, "app:ok").into_object());
    story.settle();
    let unready = pod_ids(&story)[2];
    story.set_ready(unready, false);
    story.settle();
    check(&story, set, [4, 3, 3]);
    story.change::<ReplicaSet>(set, |set| set.body.replicas = 3);
    story.settle();
    assert!(!pod_ids(&story).contains(&unready));
    check(&story, set, [3, 3, 3]);
}

#[test]
fn scaling_down_heeds_the_cost_of_deletion() {
    let mut story = story();
    let set = story.create(replica_set("web", 4, "app:ok").into_object());
    story.settle();
    let cheap = pod_ids(&story)[1];
    story.change::<Pod>(cheap, |pod| pod.meta.annotations = [(POD_DELETION_COST, "-5")].into_iter().collect());
    story.change::<ReplicaSet>(set, |set| set.body.replicas = 3);
    story.settle();
    assert!(!pod_ids(&story).contains(&cheap));
}

#[test]
fn a_deleted_pod_is_replaced_while_it_still_terminates() {
    let mut story = story();
    let set = story.create(replica_set("web", 2, "app:ok").into_object());
    story.settle();
    let pod = pod_ids(&story)[0];
    story.delete(pod);
    story.run_for(Span::from_millis(100));
    assert_eq!(pod_ids(&story).len(), 3);
    story.settle();
    check(&story, set, [2, 2, 2]);
}

#[test]
fn an_orphan_is_adopted_after_a_live_read() {
    let mut story = story();
    let orphan = story.create(bare_pod("lone", "app=web", "app:ok"));
    let other = story.create(bare_pod("other", "app=db", "app:ok"));
    let set = story.create(replica_set("web", 3, "app:ok").into_object());
    story.settle();
    check(&story, set, [3, 3, 3]);
    assert_eq!(story.get::<Pod>(orphan).meta.controller().unwrap().name, "web");
    assert!(story.get::<Pod>(other).meta.controller().is_none());
    assert_eq!(story.requests.iter().filter(|request| *request == "PATCH Pod").count(), 1);
}

#[test]
fn nothing_is_adopted_where_the_live_read_shows_another_life() {
    let mut story = story();
    story.refuse = Some(|request| match request {
        Request::Get(_) => Some(ApiError::new(ErrorReason::NotFound, "gone")),
        _ => None,
    });
    let orphan = story.create(bare_pod("lone", "app=web", "app:ok"));
    story.create(replica_set("web", 3, "app:ok").into_object());
    story.run_for(Span::from_secs(10));
    assert!(story.get::<Pod>(orphan).meta.controller().is_none());
    assert_eq!(story.pods(), ["lone"], "a sync that cannot adopt creates nothing");
    story.refuse = None;
    story.settle();
    assert_eq!(story.pods().len(), 3);
}

#[test]
fn a_relabelled_pod_is_released_and_replaced() {
    let mut story = story();
    let set = story.create(replica_set("web", 2, "app:ok").into_object());
    story.settle();
    let pod = pod_ids(&story)[0];
    story.change::<Pod>(pod, |pod| pod.meta.labels = [("app", "gone")].into_iter().collect::<Labels>());
    story.settle();
    assert!(story.get::<Pod>(pod).meta.controller().is_none());
    assert_eq!(story.pods().len(), 3);
    check(&story, set, [2, 2, 2]);
    // As recorded in rs-adopt: once it has its label back it is adopted, and one pod is too many.
    story.change::<Pod>(pod, |pod| pod.meta.labels = [("app", "web")].into_iter().collect::<Labels>());
    story.settle();
    assert_eq!(story.pods().len(), 2);
    check(&story, set, [2, 2, 2]);
}

#[test]
fn a_set_that_is_being_deleted_neither_creates_nor_adopts() {
    let mut story = story();
    let mut set = replica_set("web", 2, "app:ok");
    set.meta.finalizers = [Name::from("foregroundDeletion")].into();
    let set = story.create(set.into_object());
    story.settle();
    story.delete(set);
    let pod = pod_ids(&story)[0];
    story.delete(pod);
    let orphan = story.create(bare_pod("lone", "app=web", "app:ok"));
    story.settle();
    assert_eq!(story.pods().len(), 2, "one pod of the set is left, and the orphan");
    assert!(story.get::<Pod>(orphan).meta.controller().is_none());
    check(&story, set, [1, 1, 1]);
}

fn quota(request: &Request) -> Option<ApiError> {
    match request {
        Request::Create(object) if object.get::<Pod>().is_some() => {
            Some(ApiError::new(ErrorReason::Forbidden, "pods \"web-\" is forbidden: exceeded quota: q"))
        }
        _ => None,
    }
}

#[test]
fn a_refused_creation_is_told_tried_again_and_forgotten_in_the_end() {
    let mut story = story();
    story.refuse = Some(quota);
    let set = story.create(replica_set("web", 5, "app:ok").into_object());
    story.run_for(Span::from_secs(2));
    let failure = story.get::<ReplicaSet>(set).body.status.conditions[0].clone();
    assert_eq!((failure.kind.as_str(), failure.reason.as_str()), ("ReplicaFailure", "FailedCreate"));
    assert_eq!(failure.message, "pods \"web-\" is forbidden: exceeded quota: q");
    assert_eq!(story.events[0], format!("ReplicaSet/web FailedCreate Error creating: {}", failure.message));
    let tries = story.events.len();
    assert!((5..25).contains(&tries), "one creation a sync, with back-off: {tries}");
    story.refuse = None;
    story.run_for(Span::from_secs(60));
    check(&story, set, [5, 5, 5]);
    assert!(story.get::<ReplicaSet>(set).body.status.conditions.is_empty());
}

#[test]
fn creation_in_a_dying_namespace_ends_quietly() {
    let mut story = story();
    story.refuse = Some(|request| quota(request).map(|error| error.with_cause("NamespaceTerminating")));
    let set = story.create(replica_set("web", 5, "app:ok").into_object());
    story.run_for(Span::from_mins(4));
    assert!(story.events.is_empty());
    assert!(story.get::<ReplicaSet>(set).body.status.conditions.is_empty());
}

#[test]
fn a_conflict_on_the_status_is_tried_once_more_with_a_fresh_copy() {
    let mut story = story();
    let set = story.create(replica_set("web", 1, "app:ok").into_object());
    story.settle();
    story.forget();
    story.change::<ReplicaSet>(set, |set| set.meta.labels = [("a", "b")].into_iter().collect::<Labels>());
    story.set_ready(pod_ids(&story)[0], false);
    story.run_for(Span::from_millis(1));
    story.change::<ReplicaSet>(set, |set| set.meta.labels = [("a", "c")].into_iter().collect::<Labels>());
    story.settle();
    check(&story, set, [1, 0, 0]);
}

#[test]
fn pods_become_available_after_min_ready_seconds() {
    let mut story = story();
    let mut set = replica_set("web", 2, "app:ok");
    set.body.min_ready_seconds = 30;
    let set = story.create(set.into_object());
    story.run_for(Span::from_secs(25));
    check(&story, set, [2, 2, 0]);
    story.run_for(Span::from_secs(10));
    check(&story, set, [2, 2, 2]);
}

#[test]
fn terminating_pods_are_counted_where_the_gate_is_on() {
    let mut flags = Flags::default();
    flags.set(&super::TERMINATING_REPLICAS, "true").unwrap();
    let mut story = Story::new(&[&super::ENTRY], &flags);
    let set = story.create(replica_set("web", 2, "app:ok").into_object());
    story.settle();
    story.change::<ReplicaSet>(set, |set| set.body.replicas = 0);
    story.run_for(Span::from_millis(300));
    assert_eq!(story.get::<ReplicaSet>(set).body.status.terminating_replicas, Some(2));
    story.settle();
    assert_eq!(story.get::<ReplicaSet>(set).body.status.terminating_replicas, Some(0));
}

/// A pod of the set in one of many states, drawn.
fn drawn_pod(slot: u32, set: &ReplicaSet, owner: &Meta, draw: Draw) -> Object {
    let mut pod = Obj::clone(bare_pod(&format!("p{slot}"), "app=web,v=1", "app:ok").get::<Pod>().unwrap());
    pod.meta.id = ObjectId { kind: Kind::Pod, slot };
    let mut bits = (0..8).map(|index| draw.word(index) % 3);
    let mut one_in_three = || bits.next() == Some(0);
    if !one_in_three() {
        pod.meta.owners = [controller_reference(owner, "apps/v1", "ReplicaSet")].into();
    }
    if one_in_three() {
        pod.meta.labels = pod.meta.labels.with("app", "gone");
    }
    if one_in_three() {
        pod.meta.labels = set.template.labels.clone();
    }
    if one_in_three() {
        pod.body.status.phase = PodPhase::Failed;
    }
    let ready = ConditionStatus::of(!one_in_three());
    pod.body.status.set_condition(PodConditionType::Ready, ready, None, Timestamp(0));
    if one_in_three() {
        pod.meta.deletion = Some(Deletion { timestamp: Timestamp(1), grace_seconds: Some(30) });
    }
    pod.into_object()
}

#[test]
fn a_sync_that_only_told_events_leaves_nothing_behind() {
    let mut controller = super::new_controller(super::Owned::ReplicaSets, false);
    let mut set = replica_set("web", 1, "app:ok");
    set.meta.id = ObjectId { kind: Kind::ReplicaSet, slot: 0 };
    set.meta.generation = 1;
    set.body.status.observed_generation = 1;
    let mut caches = Caches::default();
    let object = set.into_object();
    caches.apply(&Change { kind: ChangeKind::Added, object: object.clone(), revision: 1, cause: Cause::START });
    let view = View {
        caches: &caches,
        now: Time::ZERO,
        clock: Clock::DEFAULT,
        chance: Chance { seed: 1 },
        beats: &Beats::default(),
        disks: &Disks::default(),
    };
    let key = object.meta().id;
    controller.reconcile(key, &view, &mut Plan::default());
    assert_eq!(controller.syncs.len(), 1, "it waits for the answer to the creation");
    let mut plan = Plan::default();
    let outcome = Outcome { label: super::CREATE, replies: &[Ok(Answer::Object(object))], skipped: 0, last: true };
    controller.resume(key, outcome, &view, &mut plan);
    assert_eq!((plan.steps().count(), controller.syncs.len()), (1, 0));
}

#[test]
fn tallies_stay_equal_to_counts_made_anew() {
    let mut set = replica_set("web", 3, "app:ok");
    set.meta.id = ObjectId { kind: Kind::ReplicaSet, slot: 0 };
    set.meta.uid = Uid(7);
    let set = Arc::new(set);
    let mut controller = super::new_controller(super::Owned::ReplicaSets, false);
    let (mut caches, mut queue) = (Caches::default(), WorkQueue::default());
    let chance = Chance { seed: 3 };
    let mut tell = |kind, object: Object| {
        let change = Change { kind, object, revision: 1, cause: Cause::START };
        let old = caches.apply(&change);
        let view = View {
            caches: &caches,
            now: Time::ZERO,
            clock: Clock::DEFAULT,
            chance,
            beats: &Beats::default(),
            disks: &Disks::default(),
        };
        let observed = Observed { kind, old: old.as_ref(), new: &change.object, cause: Cause::START, resync: false };
        controller.observe(observed, &view, &mut queue);
        let anew = Counts::of_all(caches.pods_of(Uid(7)), &set.body);
        assert_eq!(controller.counts(&set, &view), anew);
        anew
    };
    tell(ChangeKind::Added, Object::ReplicaSet(set.clone()));
    let mut most = Counts::default();
    for step in 0..600 {
        let draw = chance.draw(Purpose::new("state of a pod"), 0, step);
        let slot = draw.below(12) as u32;
        let pod = drawn_pod(slot, &set.body, &set.meta, draw);
        let kind = if step % 7 == 0 { ChangeKind::Deleted } else { ChangeKind::Modified };
        let counts = tell(kind, pod);
        most.active = most.active.max(counts.active);
        most.strays = most.strays.max(counts.strays);
        most.terminating = most.terminating.max(counts.terminating);
    }
    assert!(most.active > 1 && most.strays > 0 && most.terminating > 0, "all sorts came up: {most:?}");
}
