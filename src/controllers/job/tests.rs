//! Stories of the Job controller alone: the pods are ended by hand.

use std::sync::Arc;

use serde_json::{Value, json};

use super::view::{COMPLETION_INDEX, INDEX_FAILURES, is_tracked};
use crate::api::{
    Clock, ConditionStatus, ContainerState, ContainerStatus, Kind, Obj, Object, ObjectId, Pod, PodConditionType,
    PodPhase, Terminated, convert,
};
use crate::controllers::test_support::Story;
use crate::controllers::{job, ttl_after_finished};
use crate::event::{ApiError, ErrorReason, Request};
use crate::kernel::{Chance, Purpose, Span};

fn story() -> Story {
    Story::without_limits(&[&job::ENTRY])
}

/// A Job called `j` with what is given of its spec.
fn create(story: &mut Story, spec: Value) -> ObjectId {
    let mut all = json!({
        "selector": {"matchLabels": {"job": "j"}},
        "template": {
            "metadata": {"labels": {"job": "j"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "app:ok"}]},
        },
    });
    for (key, value) in spec.as_object().expect("fields") {
        all[key] = value.clone();
    }
    let json = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": "default", "name": "j"}, "spec": all});
    story.create(convert::from_json(Kind::Job, json).expect("a Job"))
}

fn status(story: &Story, id: ObjectId) -> Value {
    convert::to_json(&story.objects[&id])["status"].clone()
}

/// Active, succeeded, failed.
#[track_caller]
fn check(story: &Story, id: ObjectId, expected: [i64; 3]) {
    let status = status(story, id);
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    assert_eq!([count("active"), count("succeeded"), count("failed")], expected, "{status:#}");
}

/// The conditions as `type=status reason`, in their order.
fn conditions(story: &Story, id: ObjectId) -> Vec<String> {
    let status = status(story, id);
    let text = |condition: &Value, name: &str| condition[name].as_str().unwrap_or("").to_owned();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().map(|c| format!("{}={} {}", text(c, "type"), text(c, "status"), text(c, "reason"))).collect()
}

fn patch(story: &mut Story, id: ObjectId, field: &str, value: Value) {
    let mut object = story.objects[&id].clone();
    if let Object::Untyped(job) = &mut object {
        Arc::make_mut(job).body.fields["spec"][field] = value;
    }
    story.put(object);
}

/// The pods that run, in the order in which they were created.
fn running(story: &Story) -> Vec<ObjectId> {
    let runs = |pod: &&Arc<Obj<Pod>>| !pod.meta.is_terminating() && !pod.body.status.phase.is_finished();
    story.all::<Pod>().filter(runs).map(|pod| pod.meta.id).collect()
}

/// A pod ends with a code.
fn end(story: &mut Story, pod: ObjectId, code: i32) {
    let now = Clock::DEFAULT.timestamp(story.now);
    story.change_status::<Pod>(pod, |pod| {
        pod.body.status.phase = if code == 0 { PodPhase::Succeeded } else { PodPhase::Failed };
        pod.body.status.set_condition(PodConditionType::Ready, ConditionStatus::False, None, now);
        let ended = Terminated {
            exit_code: code,
            reason: "Error".into(),
            message: "".into(),
            started_at: pod.meta.created,
            finished_at: now,
        };
        let state = ContainerState::Terminated(Box::new(ended));
        pod.body.status.containers = vec![ContainerStatus { state, ..ContainerStatus::waiting("") }];
    });
}

/// Ends the first pod that runs and lets two seconds pass.
fn end_first(story: &mut Story, code: i32) {
    let pod = *running(story).first().expect("a pod runs");
    end(story, pod, code);
    story.run_for(Span::from_secs(2));
}

fn indexes(story: &Story) -> Vec<String> {
    let pods = running(story).into_iter();
    pods.map(|pod| story.get::<Pod>(pod).meta.annotations.get(COMPLETION_INDEX).unwrap().to_string()).collect()
}

#[test]
fn two_at_a_time_until_five_have_succeeded() {
    let mut story = story();
    let id = create(&mut story, json!({"completions": 5, "parallelism": 2}));
    story.run_for(Span::from_secs(3));
    check(&story, id, [2, 0, 0]);
    assert_eq!(status(&story, id)["ready"], 2);
    let pod = story.all::<Pod>().next().unwrap().clone();
    assert!(is_tracked(&pod) && pod.meta.name.starts_with("j-"));
    assert_eq!(pod.meta.controller().map(|owner| owner.kind.as_str()), Some("Job"));
    for done in 1..=5 {
        end_first(&mut story, 0);
        check(&story, id, [2.min(5 - done), done, 0]);
    }
    assert_eq!(
        conditions(&story, id),
        ["SuccessCriteriaMet=True CompletionsReached", "Complete=True CompletionsReached"]
    );
    let status = status(&story, id);
    assert_eq!(status["conditions"][1]["message"], "Reached expected number of succeeded pods");
    assert!(status["startTime"].is_string() && status["completionTime"].is_string());
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    assert!(story.all::<Pod>().all(|pod| !is_tracked(pod)));
    assert_eq!(story.events.iter().filter(|event| event.contains("SuccessfulCreate Created pod: j-")).count(), 5);
    assert_eq!(story.events.last().unwrap(), "Job/j Completed Job completed");
}

#[test]
fn a_work_queue_is_done_once_a_pod_has_succeeded_and_the_others_have_ended() {
    let mut story = story();
    let id = create(&mut story, json!({"parallelism": 3}));
    story.run_for(Span::from_secs(3));
    end_first(&mut story, 0);
    check(&story, id, [2, 1, 0]);
    assert!(conditions(&story, id).is_empty());
    end_first(&mut story, 0);
    end_first(&mut story, 1);
    check(&story, id, [0, 2, 1]);
    assert_eq!(conditions(&story, id).len(), 2);
}

#[test]
fn failures_are_waited_for_ten_seconds_then_twice_as_long_until_the_limit() {
    let mut story = story();
    let id = create(&mut story, json!({"backoffLimit": 2}));
    story.run_for(Span::from_secs(2));
    for wait in [10, 20] {
        end_first(&mut story, 1);
        assert!(running(&story).is_empty());
        story.run_for(Span::from_secs(wait - 3));
        assert!(running(&story).is_empty(), "not before {wait} s");
        story.run_for(Span::from_secs(3));
        assert_eq!(running(&story).len(), 1, "after {wait} s");
    }
    check(&story, id, [1, 0, 2]);
    end_first(&mut story, 1);
    check(&story, id, [0, 0, 3]);
    let expected = ["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"];
    assert_eq!(conditions(&story, id), expected);
    assert_eq!(story.events.last().unwrap(), "Job/j BackoffLimitExceeded Job has reached the specified backoff limit");
    story.run_for(Span::from_secs(100));
    assert!(running(&story).is_empty());
}

#[test]
fn indexed_pods_know_their_index() {
    let mut story = story();
    let id = create(&mut story, json!({"completionMode": "Indexed", "completions": 4, "parallelism": 2}));
    story.run_for(Span::from_secs(2));
    assert_eq!(indexes(&story), ["0", "1"]);
    let pod = story.get::<Pod>(running(&story)[1]).clone();
    assert!(pod.meta.name.starts_with("j-1-"));
    assert_eq!(pod.meta.labels.get(COMPLETION_INDEX).unwrap(), "1");
    assert_eq!(pod.body.spec.full.hostname.as_deref(), Some("j-1"));
    let variable = pod.body.spec.containers()[0].env.as_ref().unwrap()[0].clone();
    assert_eq!(variable.name, "JOB_COMPLETION_INDEX");
    let path = variable.value_from.unwrap().field_ref.unwrap().field_path;
    assert_eq!(path, "metadata.labels['batch.kubernetes.io/job-completion-index']");
    // Index 1 ends first, index 0 fails and is tried again.
    let second = running(&story)[1];
    end(&mut story, second, 0);
    story.run_for(Span::from_secs(2));
    assert_eq!(status(&story, id)["completedIndexes"], "1");
    assert_eq!(indexes(&story), ["0", "2"]);
    end_first(&mut story, 1);
    story.run_for(Span::from_secs(12));
    assert_eq!(indexes(&story), ["2", "0"]);
    for _ in 0..3 {
        end_first(&mut story, 0);
    }
    check(&story, id, [0, 4, 1]);
    assert_eq!(status(&story, id)["completedIndexes"], "0-3");
}

#[test]
fn with_a_limit_by_index_each_index_fails_for_itself() {
    let mut story = story();
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 1});
    let id = create(&mut story, spec);
    story.run_for(Span::from_secs(2));
    end_first(&mut story, 1);
    assert_eq!(indexes(&story), ["1", "2"]);
    let waits = story.all::<Pod>().find(|pod| pod.body.status.phase == PodPhase::Failed).unwrap();
    assert!(is_tracked(waits), "it hands its failures on");
    story.run_for(Span::from_secs(10));
    assert_eq!(indexes(&story), ["1", "2", "0"]);
    let again = story.get::<Pod>(running(&story)[2]);
    assert_eq!(again.meta.annotations.get(INDEX_FAILURES).unwrap(), "1");
    let again = again.meta.id;
    end(&mut story, again, 1);
    story.run_for(Span::from_secs(2));
    assert_eq!(status(&story, id)["failedIndexes"], "0");
    end_first(&mut story, 0);
    end_first(&mut story, 0);
    check(&story, id, [0, 2, 2]);
    assert_eq!(conditions(&story, id)[1], "Failed=True FailedIndexes");
    assert_eq!(status(&story, id)["completedIndexes"], "1,2");
}

#[test]
fn too_many_failed_indexes_end_a_job_early() {
    let mut story = story();
    let spec = json!({
        "completionMode": "Indexed", "completions": 9, "parallelism": 3, "backoffLimitPerIndex": 0, "maxFailedIndexes": 1,
    });
    let id = create(&mut story, spec);
    story.run_for(Span::from_secs(2));
    end_first(&mut story, 1);
    assert_eq!(indexes(&story), ["1", "2", "3"]);
    end_first(&mut story, 1);
    story.run_for(Span::from_secs(5));
    check(&story, id, [0, 0, 4]);
    assert_eq!(conditions(&story, id)[1], "Failed=True MaxFailedIndexesExceeded");
}

#[test]
fn at_its_deadline_a_job_fails_and_is_over_once_its_pods_are_gone() {
    let mut story = story();
    let id = create(&mut story, json!({"completions": 3, "parallelism": 2, "activeDeadlineSeconds": 6}));
    story.run_for(Span::from_millis(6_300));
    assert_eq!(conditions(&story, id), ["FailureTarget=True DeadlineExceeded"]);
    assert_eq!(status(&story, id)["terminating"], 2);
    story.run_for(Span::from_secs(4));
    check(&story, id, [0, 0, 2]);
    assert_eq!(conditions(&story, id)[1], "Failed=True DeadlineExceeded");
    assert_eq!(story.all::<Pod>().count(), 0);
    assert_eq!(story.events.iter().filter(|event| event.contains("SuccessfulDelete Deleted pod: j-")).count(), 2);
    let last = "Job/j DeadlineExceeded Job was active longer than specified deadline";
    assert_eq!(story.events.last().unwrap(), last);
}

#[test]
fn a_suspended_job_has_no_pods_and_counts_none_of_them() {
    let mut story = story();
    let id = create(&mut story, json!({"suspend": true, "completions": 2, "parallelism": 2}));
    story.settle();
    assert_eq!(conditions(&story, id), ["Suspended=True JobSuspended"]);
    assert!(status(&story, id)["startTime"].is_null() && running(&story).is_empty());
    patch(&mut story, id, "suspend", json!(false));
    story.run_for(Span::from_secs(3));
    check(&story, id, [2, 0, 0]);
    assert_eq!(conditions(&story, id), ["Suspended=False JobResumed"]);
    patch(&mut story, id, "suspend", json!(true));
    story.settle();
    check(&story, id, [0, 0, 0]);
    assert_eq!(story.all::<Pod>().count(), 0);
    patch(&mut story, id, "suspend", json!(false));
    story.run_for(Span::from_secs(3));
    end_first(&mut story, 0);
    end_first(&mut story, 0);
    check(&story, id, [0, 2, 0]);
    let told = |reason: &str| story.events.iter().filter(|event| event.contains(reason)).count();
    assert_eq!((told("Job suspended"), told("Job resumed"), told("Job completed")), (2, 2, 1));
}

#[test]
fn a_failure_policy_fails_the_job_or_ignores_the_failure() {
    let policy = json!({"rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
    ]});
    let mut story = story();
    let id =
        create(&mut story, json!({"completions": 3, "parallelism": 2, "backoffLimit": 0, "podFailurePolicy": policy}));
    story.run_for(Span::from_secs(2));
    end_first(&mut story, 7);
    story.run_for(Span::from_secs(10));
    check(&story, id, [2, 0, 0]);
    end_first(&mut story, 42);
    story.run_for(Span::from_secs(5));
    check(&story, id, [0, 0, 2]);
    assert_eq!(conditions(&story, id)[1], "Failed=True PodFailurePolicy");
    assert!(story.events.last().unwrap().contains("failed with exit code 42 matching FailJob rule at index 0"));
}

#[test]
fn a_success_policy_ends_a_job_before_all_indexes_have_succeeded() {
    let mut story = story();
    let policy = json!({"rules": [{"succeededIndexes": "1"}]});
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3, "successPolicy": policy});
    let id = create(&mut story, spec);
    story.run_for(Span::from_secs(2));
    let leader = running(&story)[1];
    end(&mut story, leader, 0);
    story.run_for(Span::from_secs(5));
    assert_eq!(conditions(&story, id), ["SuccessCriteriaMet=True SuccessPolicy", "Complete=True SuccessPolicy"]);
    assert_eq!(status(&story, id)["succeeded"], 1);
    assert_eq!(status(&story, id)["conditions"][0]["message"], "Matched rules at index 0");
    assert_eq!(running(&story).len(), 0);
}

#[test]
fn a_terminating_pod_is_replaced_at_once_or_only_when_it_has_failed() {
    for (policy, replaced) in [("TerminatingOrFailed", 1), ("Failed", 0)] {
        let mut story = story();
        let id = create(&mut story, json!({"podReplacementPolicy": policy, "backoffLimit": 9}));
        story.run_for(Span::from_secs(2));
        let pod = running(&story)[0];
        // Someone else's finalizer keeps it for longer than the first wait.
        let hold = |pod: &mut Obj<Pod>| pod.meta.finalizers = Arc::from([super::view::TRACKING.into(), "hold".into()]);
        story.change::<Pod>(pod, hold);
        story.change_status::<Pod>(pod, |pod| {
            pod.meta.deletion = Some(crate::api::Deletion { timestamp: pod.meta.created, grace_seconds: Some(30) });
        });
        let mut gone = Obj::clone(story.get::<Pod>(pod));
        gone.meta.deletion = Some(crate::api::Deletion { timestamp: gone.meta.created, grace_seconds: Some(30) });
        story.put(gone.into_object());
        story.run_for(Span::from_secs(15));
        assert_eq!(running(&story).len(), replaced, "{policy}");
        assert_eq!(status(&story, id)["terminating"], 1);
    }
}

#[test]
fn fewer_in_parallel_means_that_surplus_pods_go_uncounted() {
    let mut story = story();
    let id = create(&mut story, json!({"completions": 5, "parallelism": 4}));
    story.run_for(Span::from_secs(3));
    let unready = running(&story)[2];
    story.set_ready(unready, false);
    story.run_for(Span::from_secs(2));
    patch(&mut story, id, "parallelism", json!(3));
    story.settle();
    check(&story, id, [3, 0, 0]);
    assert!(!story.objects.contains_key(&unready), "the pod that had got least far");
}

#[test]
fn pods_of_a_deleted_job_lose_their_finalizer_and_other_managers_jobs_are_left_alone() {
    let mut story = story();
    let id = create(&mut story, json!({"parallelism": 2}));
    story.run_for(Span::from_secs(3));
    assert!(story.all::<Pod>().all(|pod| is_tracked(pod)));
    story.delete(id);
    story.settle();
    assert!(story.all::<Pod>().all(|pod| !is_tracked(pod)));
    let mut other = self::story();
    let id = create(&mut other, json!({"managedBy": "example.com/mine"}));
    other.settle();
    assert_eq!((other.requests.len(), status(&other, id).is_null()), (1, true));
}

#[test]
fn a_matching_orphan_is_adopted_and_counted() {
    let mut story = story();
    let orphan = story.create(crate::controllers::test_support::bare_pod("lone", "job=j", "app:ok"));
    let id = create(&mut story, json!({"parallelism": 1}));
    story.run_for(Span::from_secs(3));
    let pod = story.get::<Pod>(orphan);
    assert!(is_tracked(pod) && pod.meta.controller().is_some());
    check(&story, id, [1, 0, 0]);
    end_first(&mut story, 0);
    check(&story, id, [0, 1, 0]);
}

#[test]
fn a_refused_pod_is_told_and_tried_again_with_back_off() {
    let mut story = story();
    story.refuse = Some(|request| match request {
        Request::Create(object) if object.get::<Pod>().is_some() => Some(ApiError::new(ErrorReason::Forbidden, "no")),
        _ => None,
    });
    let id = create(&mut story, json!({"parallelism": 3, "completions": 3}));
    story.run_for(Span::from_millis(2_500));
    assert_eq!(story.events, ["Job/j FailedCreate Error creating: no", "again Error creating: no"]);
    story.refuse = None;
    story.run_for(Span::from_secs(30));
    check(&story, id, [3, 0, 0]);
}

#[test]
fn a_job_that_has_ended_goes_when_its_time_is_over() {
    let mut story = Story::without_limits(&[&job::ENTRY, &ttl_after_finished::ENTRY]);
    let id = create(&mut story, json!({"ttlSecondsAfterFinished": 8}));
    story.run_for(Span::from_secs(2));
    end_first(&mut story, 0);
    story.run_for(Span::from_secs(4));
    assert!(story.objects.contains_key(&id));
    story.run_for(Span::from_secs(6));
    assert!(!story.objects.contains_key(&id));
}

/// Every pod that was ever created is active, or counted once; and never do more run than may.
#[track_caller]
fn check_law(story: &Story, id: ObjectId, most: usize, seed: u64) {
    let status = status(story, id);
    let count = |name: &str| status[name].as_u64().unwrap_or(0) as usize;
    let created = story.requests.iter().filter(|request| *request == "POST Pod").count();
    let counted = count("succeeded") + count("failed");
    assert_eq!(counted + running(story).len(), created, "seed {seed}: {status:#}");
    assert_eq!(status["uncountedTerminatedPods"], json!({}), "seed {seed}");
    assert!(story.most_pods_active <= most, "seed {seed}: {} pods ran", story.most_pods_active);
}

#[test]
fn each_pod_is_counted_once_whatever_happens_to_it() {
    for seed in 0..60 {
        let draw = |n| Chance { seed }.draw(Purpose::new("fate of a job's pods"), 0, n);
        let mut story = story();
        let parallelism = 1 + draw(0).below(4);
        let id = create(&mut story, json!({"completions": 12, "parallelism": parallelism, "backoffLimit": 1000}));
        for step in 1..80 {
            story.run_for(Span::from_millis(draw(step * 3).below(1_500)));
            let pods = running(&story);
            let Some(pod) = pods.get(draw(step * 3 + 1).below(pods.len().max(1) as u64) as usize).copied() else {
                story.run_for(Span::from_secs(60));
                continue;
            };
            match draw(step * 3 + 2).below(10) {
                0..=3 => end(&mut story, pod, 0),
                4..=6 => end(&mut story, pod, 1),
                // Evicted: it terminates and fails.
                7 => story.delete(pod),
                // Lost with its node: pod garbage collection fails it and deletes it at once.
                8 => {
                    end(&mut story, pod, 137);
                    story.delete(pod);
                }
                // The controller's process dies, its memory with it.
                _ => story.restart(),
            }
        }
        story.run_for(Span::from_mins(11));
        story.settle();
        check_law(&story, id, parallelism as usize, seed);
    }
}
