//! Stories of the Deployment and ReplicaSet controllers together: recorded rollouts of real control planes, one kubelet
//! transition a second, and what else a Deployment goes through.

use std::sync::Arc;

use super::revision::{POD_TEMPLATE_HASH, REVISION, REVISION_HISTORY};
use super::rollback_template;
use crate::api::{
    ConditionStatus, Deployment, DeploymentStrategy, Labels, Obj, ObjectId, Pod, ReplicaSet, find_condition,
};
use crate::controllers::replicaset;
use crate::controllers::test_support::{Story, deployment, replica_set, template};
use crate::event::{ApiError, ErrorReason, Request};
use crate::kernel::Span;

/// What a user does to the Deployment.
enum Act {
    Image(&'static str),
    Scale(i32),
    Undo(Option<i64>),
    Pause(bool),
    History(i32),
}
use Act::{History, Image, Pause, Scale, Undo};

/// How long to wait afterwards: until all is quiet, or so many seconds.
const QUIET: u64 = 0;

fn story() -> Story {
    let mut story = Story::without_limits(&[&super::ENTRY, &replicaset::ENTRY]);
    story.kubelet.serial = Span::from_secs(1);
    story
}

fn act(story: &mut Story, id: ObjectId, act: &Act) {
    match act {
        Image(image) => story.change::<Deployment>(id, |web| web.body.template = template("app=web", image)),
        Scale(replicas) => story.change::<Deployment>(id, |web| web.body.replicas = *replicas),
        Pause(paused) => story.change::<Deployment>(id, |web| web.body.paused = *paused),
        History(limit) => story.change::<Deployment>(id, |web| web.body.revision_history_limit = Some(*limit)),
        Undo(revision) => {
            let back = rollback_template(story.get(id), &sets(story), *revision).expect("there is a way back");
            story.change::<Deployment>(id, |web| {
                web.body.template = back.template;
                web.meta.annotations = back.annotations;
            });
        }
    }
}

fn wait(story: &mut Story, seconds: u64) {
    if seconds == QUIET { story.settle() } else { story.run_for(Span::from_secs(seconds)) }
}

fn sets(story: &Story) -> Vec<Arc<Obj<ReplicaSet>>> {
    story.all::<ReplicaSet>().cloned().collect()
}

/// Expects the sizes that a real control plane went through at each step.
#[track_caller]
fn check(web: Obj<Deployment>, first: &str, steps: &[(Act, u64, &str)]) -> (Story, ObjectId) {
    let mut story = story();
    story.forget();
    let id = story.create(web.into_object());
    story.settle();
    assert_eq!(story.rollout.join(", "), first, "first rollout");
    for (number, (what, seconds, expected)) in steps.iter().enumerate() {
        story.forget();
        act(&mut story, id, what);
        wait(&mut story, *seconds);
        assert_eq!(story.rollout.join(", "), *expected, "step {}", number + 1);
    }
    (story, id)
}

#[track_caller]
fn check_condition(story: &Story, id: ObjectId, kind: &str, status: ConditionStatus, reason: &str, message: &str) {
    let conditions = &story.get::<Deployment>(id).body.status.conditions;
    let found = find_condition(conditions, kind).unwrap_or_else(|| panic!("no condition {kind}"));
    assert_eq!((found.status, found.reason.as_str()), (status, reason));
    let newest = sets(story).last().map_or(String::new(), |set| set.meta.name.to_string());
    assert_eq!(found.message, message.replace("NEWEST", &newest));
}

#[test]
fn recorded_dep_basic() {
    let web = deployment("web", 3, "app:ok-v1", "25%", "25%");
    let steps =
        [(Scale(5), QUIET, "3, 5"), (Scale(1), QUIET, "5, 1"), (Scale(0), QUIET, "1, 0"), (Scale(2), QUIET, "0, 2")];
    let (story, id) = check(web, ", 3", &steps);
    let done = "ReplicaSet \"NEWEST\" has successfully progressed.";
    check_condition(&story, id, "Progressing", ConditionStatus::True, "NewReplicaSetAvailable", done);
    let enough = "Deployment has minimum availability.";
    check_condition(&story, id, "Available", ConditionStatus::True, "MinimumReplicasAvailable", enough);
    let name = sets(&story)[0].meta.name.clone();
    let scaled = format!("Deployment/web ScalingReplicaSet Scaled up replica set {name} from 0 to 2");
    assert_eq!(story.events.iter().filter(|event| event.starts_with("Deployment")).collect::<Vec<_>>(), [&scaled]);
}

#[test]
fn recorded_ru_default() {
    let web = deployment("web", 4, "app:ok-v1", "25%", "25%");
    let steps = [
        (Image("app:ok-v2"), QUIET, "4, 4 1, 3 1, 3 2, 2 2, 2 3, 1 3, 1 4, 0 4"),
        (Image("app:ok-v2r"), QUIET, "0 4, 0 4 1, 0 3 1, 0 3 2, 0 2 2, 0 2 3, 0 1 3, 0 1 4, 0 0 4"),
        (Undo(None), QUIET, "0 0 4, 0 1 4, 0 1 3, 0 2 3, 0 2 2, 0 3 2, 0 3 1, 0 4 1, 0 4 0"),
        (Undo(Some(1)), QUIET, "0 4 0, 1 4 0, 1 3 0, 2 3 0, 2 2 0, 3 2 0, 3 1 0, 4 1 0, 4 0 0"),
        (Image("app:ok-v2"), QUIET, "4 0 0, 4 1 0, 3 1 0, 3 2 0, 2 2 0, 2 3 0, 1 3 0, 1 4 0, 0 4 0"),
    ];
    let (story, id) = check(web, ", 4", &steps);
    assert_eq!((story.fewest_ready, story.most_pods), (3, 5), "never below available, never above the surge");
    assert_eq!(story.get::<Deployment>(id).meta.annotations.get(REVISION).unwrap(), "6");
    let sets = sets(&story);
    let of = |index: usize, key| sets[index].meta.annotations.get(key).map_or("", |value| value.as_str());
    assert_eq!([of(0, REVISION), of(1, REVISION), of(2, REVISION)], ["5", "6", "3"]);
    assert_eq!([of(0, REVISION_HISTORY), of(1, REVISION_HISTORY)], ["1", "2,4"]);
}

#[test]
fn recorded_ru_1_0_with_and_without_min_ready_seconds() {
    let web = deployment("web", 3, "app:ok-v1", "1", "0");
    let (story, _) = check(web, ", 3", &[(Image("app:ok-v2"), QUIET, "3, 3 1, 2 1, 2 2, 1 2, 1 3, 0 3")]);
    assert_eq!((story.fewest_ready, story.most_pods), (3, 4));
    let mut web = deployment("web", 2, "app:ok-v1", "1", "0");
    web.body.min_ready_seconds = 5;
    let (story, _) = check(web, ", 2", &[(Image("app:ok-v2"), QUIET, "2, 2 1, 1 1, 1 2, 0 2")]);
    assert_eq!((story.fewest_ready, story.most_pods), (2, 3));
}

#[test]
fn recorded_ru_3of10() {
    let web = deployment("web", 10, "app:ok-v1", "3", "3");
    let second = "10, 10 3, 7 3, 7 6, 6 6, 6 7, 5 7, 5 8, 4 8, 4 9, 3 9, 3 10, 2 10, 1 10, 0 10";
    let third = "0 10, 0 10 3, 0 7 3, 0 7 6, 0 6 6, 0 6 7, 0 5 7, 0 5 8, 0 4 8, 0 4 9, 0 3 9, 0 3 10, 0 2 10, 0 1 10, \
                 0 0 10";
    let steps = [(Image("app:ok-v2"), QUIET, second), (Image("app:slow-4s-v3"), QUIET, third)];
    let (story, _) = check(web, ", 10", &steps);
    assert_eq!((story.fewest_ready, story.most_pods), (7, 13));
}

#[test]
fn recorded_dep_badimage_undo() {
    let web = deployment("web", 4, "app:ok-v1", "25%", "25%");
    let last = "3 0 2, 3 0 2 0, 3 0 0 0, 3 0 0 2, 2 0 0 2, 2 0 0 3, 1 0 0 3, 1 0 0 4, 0 0 0 4";
    let steps = [
        (Image("app:badimage-v2"), 22, "4, 4 1, 3 1, 3 2"),
        (Undo(None), QUIET, "3 2, 3 0, 4 0"),
        (Image("app:crash-v3"), 20, "4 0, 4 0 1, 3 0 1, 3 0 2"),
        (Image("app:ok-v4"), QUIET, last),
    ];
    let (story, id) = check(web, ", 4", &steps);
    assert_eq!(story.get::<Deployment>(id).meta.annotations.get(REVISION).unwrap(), "5");
}

#[test]
fn recorded_dep_history() {
    let mut web = deployment("web", 2, "app:ok-v1", "25%", "25%");
    web.body.revision_history_limit = Some(2);
    let steps = [
        (Image("app:ok-v2"), QUIET, "2, 2 1, 1 1, 1 2, 0 2"),
        (Image("app:ok-v3"), QUIET, "0 2, 0 2 1, 0 1 1, 0 1 2, 0 0 2"),
        (Image("app:ok-v4"), QUIET, "0 0 2, 0 0 2 1, 0 0 1 1, 0 0 1 2, 0 0 0 2, 0 0 2"),
        (Image("app:ok-v5"), QUIET, "0 0 2, 0 0 2 1, 0 0 1 1, 0 0 1 2, 0 0 0 2, 0 0 2"),
        (Undo(None), QUIET, "0 0 2, 0 1 2, 0 1 1, 0 2 1, 0 2 0"),
        (History(0), QUIET, "0 2 0, 2 0, 2"),
    ];
    check(web, ", 2", &steps);
}

#[test]
fn recorded_dep_pause() {
    let web = deployment("web", 3, "app:ok-v1", "25%", "25%");
    let resumed = "5, 5 2, 4 2, 4 3, 3 3, 3 4, 2 4, 2 5, 1 5, 0 5";
    let steps = [(Pause(true), QUIET, "3"), (Image("app:ok-v2"), QUIET, "3"), (Scale(5), QUIET, "3, 5")];
    let (mut story, id) = check(web, ", 3", &steps);
    let paused = "Deployment is paused";
    check_condition(&story, id, "Progressing", ConditionStatus::Unknown, "DeploymentPaused", paused);
    story.forget();
    act(&mut story, id, &Pause(false));
    wait(&mut story, QUIET);
    assert_eq!(story.rollout.join(", "), resumed);
}

#[test]
fn recorded_dep_proportional() {
    let web = deployment("web", 10, "app:ok-v1", "3", "2");
    let last = "4 5, 4 5 0, 4 0 0, 4 0 5, 3 0 5, 3 0 6, 2 0 6, 1 0 6, 0 0 6";
    let steps = [
        (Image("app:badimage-v2"), 16, "10, 10 3, 8 3, 8 5"),
        (Scale(15), 14, "8 5, 11 5, 11 7"),
        (Scale(6), 10, "11 7, 5 7, 5 4, 4 4, 4 5"),
        (Image("app:ok-v3"), QUIET, last),
    ];
    check(web, ", 10", &steps);
}

#[test]
fn recorded_dep_recreate() {
    let mut web = deployment("web", 3, "app:ok-v1", "0", "0");
    web.body.strategy = DeploymentStrategy::Recreate;
    let steps = [
        (Image("app:ok-v2"), QUIET, "3, 0, 0 3"),
        (Image("app:badimage-v3"), 14, "0 3, 0 0, 0 0 3"),
        (Undo(None), QUIET, "0 0 3, 0 0 0, 0 3 0"),
    ];
    let (story, _) = check(web, ", 3", &steps);
    assert_eq!(story.most_pods, 3);
}

#[test]
fn the_new_set_has_the_hash_in_name_labels_selector_and_pods() {
    let mut web = deployment("web", 1, "app:ok", "25%", "25%");
    web.meta.annotations = [("team", "a")].into_iter().collect::<Labels>();
    web.body.min_ready_seconds = 1;
    let (story, id) = check(web, ", 1", &[]);
    let set = &sets(&story)[0];
    let hash = set.meta.labels.get(POD_TEMPLATE_HASH).unwrap();
    assert_eq!(set.meta.name, format!("web-{hash}"));
    assert_eq!(set.body.selector.parsed.to_string(), format!("app=web,pod-template-hash={hash}"));
    assert_eq!(set.meta.annotations.get("team").unwrap(), "a");
    assert_eq!(set.body.min_ready_seconds, 1);
    let pod = story.all::<Pod>().next().unwrap();
    assert_eq!(pod.meta.labels.get(POD_TEMPLATE_HASH), Some(hash));
    assert!(Arc::ptr_eq(&pod.body.spec, &story.get::<Deployment>(id).body.template.spec), "the spec is shared");
}

#[test]
fn a_missed_deadline_is_said_once() {
    let mut web = deployment("web", 2, "app:notready", "25%", "25%");
    web.body.progress_deadline_seconds = Some(30);
    let (mut story, id) = check(web, ", 2", &[]);
    let going = "ReplicaSet \"NEWEST\" is progressing.";
    check_condition(&story, id, "Progressing", ConditionStatus::True, "ReplicaSetUpdated", going);
    story.forget();
    story.run_for(Span::from_secs(600));
    let late = "ReplicaSet \"NEWEST\" has timed out progressing.";
    check_condition(&story, id, "Progressing", ConditionStatus::False, "ProgressDeadlineExceeded", late);
    assert_eq!(story.requests, ["PUT status Deployment"]);
    let condition =
        find_condition(&story.get::<Deployment>(id).body.status.conditions, "Progressing").cloned().unwrap();
    let waited = condition.last_transition.unwrap().0 - story.get::<Deployment>(id).meta.created.0;
    assert!((30..36).contains(&waited), "{waited} s");
}

#[test]
fn a_replica_set_with_the_template_is_adopted_and_found() {
    let mut story = story();
    let mut orphan = replica_set("web", 2, "app:ok");
    orphan.meta.name = "web-old".into();
    orphan.meta.labels = [("app", "web")].into_iter().collect::<Labels>();
    let orphan = story.create(orphan.into_object());
    story.settle();
    let web = story.create(deployment("web", 2, "app:ok", "25%", "25%").into_object());
    story.run_for(Span::from_millis(500));
    assert_eq!(story.get::<ReplicaSet>(orphan).meta.controller().unwrap().name, "web");
    story.settle();
    assert_eq!(sets(&story).len(), 1);
    let done = "ReplicaSet \"NEWEST\" has successfully progressed.";
    check_condition(&story, web, "Progressing", ConditionStatus::True, "NewReplicaSetAvailable", done);
    story.change::<ReplicaSet>(orphan, |set| set.meta.labels = [("app", "x")].into_iter().collect::<Labels>());
    story.settle();
    assert!(story.get::<ReplicaSet>(orphan).meta.controller().is_none(), "a relabelled ReplicaSet is released");
    assert_eq!(sets(&story).len(), 2);
}

#[test]
fn a_hash_collision_gives_the_next_set_another_name() {
    let mut story = story();
    let web = deployment("web", 1, "app:ok", "25%", "25%");
    let hash = super::revision::template_hash(&web.body.template, None);
    let mut squatter = replica_set("db", 0, "app:ok");
    squatter.meta.name = ecow::eco_format!("web-{hash}");
    story.create(squatter.into_object());
    story.settle();
    let web = story.create(web.into_object());
    story.settle();
    assert_eq!(story.get::<Deployment>(web).body.status.collision_count, Some(1));
    let own: Vec<_> = sets(&story).into_iter().filter(|set| set.meta.controller().is_some()).collect();
    assert_eq!((own.len(), own[0].body.status.available_replicas), (1, 1));
    assert_ne!(own[0].meta.name, format!("web-{hash}"));
}

#[test]
fn failures_of_pods_and_of_sets_come_up_in_the_deployment() {
    let mut story = story();
    story.refuse = Some(|request| match request {
        Request::Create(object) if object.get::<Pod>().is_some() => {
            Some(ApiError::new(ErrorReason::Forbidden, "exceeded quota"))
        }
        _ => None,
    });
    let web = story.create(deployment("web", 1, "app:ok", "25%", "25%").into_object());
    story.run_for(Span::from_secs(2));
    check_condition(&story, web, "ReplicaFailure", ConditionStatus::True, "FailedCreate", "exceeded quota");
    story.refuse = None;
    story.run_for(Span::from_secs(20));
    let conditions = &story.get::<Deployment>(web).body.status.conditions;
    assert!(find_condition(conditions, "ReplicaFailure").is_none());
    story.refuse = Some(|request| match request {
        Request::Create(object) if object.get::<ReplicaSet>().is_some() => {
            Some(ApiError::new(ErrorReason::Forbidden, "no more sets"))
        }
        _ => None,
    });
    act(&mut story, web, &Image("app:ok-v2"));
    story.run_for(Span::from_secs(1));
    let conditions = &story.get::<Deployment>(web).body.status.conditions;
    let progressing = find_condition(conditions, "Progressing").unwrap();
    assert_eq!((progressing.status, progressing.reason.as_str()), (ConditionStatus::False, "ReplicaSetCreateError"));
    assert!(progressing.message.starts_with("Failed to create new replica set \"web-"));
    assert!(progressing.message.ends_with("\": no more sets"));
}

#[test]
fn undo_says_why_it_does_nothing() {
    let web = deployment("web", 1, "app:ok", "25%", "25%");
    let (mut story, id) = check(web, ", 1", &[]);
    let undo = |story: &Story, revision| rollback_template(story.get(id), &sets(story), revision).map(|_| ());
    let nothing = "no rollout history found for deployment \"web\"";
    assert_eq!(undo(&story, None), Err(nothing.into()));
    assert_eq!(undo(&story, Some(7)), Err("unable to find specified revision 7 in history".into()));
    act(&mut story, id, &Image("app:ok-v2"));
    story.settle();
    let same = "skipped rollback (current template already matches revision 2)";
    assert_eq!(undo(&story, Some(2)), Err(same.into()));
    assert_eq!(undo(&story, Some(1)), Ok(()));
    act(&mut story, id, &Pause(true));
    let paused = "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again";
    assert_eq!(undo(&story, None), Err(paused.into()));
}

#[test]
fn a_clone_in_the_middle_of_a_rollout_goes_on_alike() {
    let mut story = story();
    let web = story.create(deployment("web", 4, "app:ok-v1", "25%", "25%").into_object());
    story.settle();
    act(&mut story, web, &Image("app:ok-v2"));
    for _ in 0..3_000 {
        story.run_for(Span::from_millis(5));
        story.host = story.host.clone();
    }
    assert_eq!(sets(&story).iter().map(|set| set.body.replicas).collect::<Vec<_>>(), [0, 4]);
}
