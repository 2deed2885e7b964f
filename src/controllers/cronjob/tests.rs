//! Stories of the CronJob controller alone: the Jobs are ended by hand. Time begins at midnight.

use serde_json::{Value, json};

use super::*;
use crate::api::{Clock, convert};
use crate::controllers::test_support::Story;
use crate::kernel::Span;

fn story() -> Story {
    Story::without_limits(&[&ENTRY])
}

/// A CronJob called `c`, every minute where nothing else is given.
fn create(story: &mut Story, spec: Value) -> ObjectId {
    let mut all = json!({
        "schedule": "* * * * *",
        "jobTemplate": {
            "metadata": {"labels": {"team": "a"}},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "app:ok"}]}}},
        },
    });
    for (key, value) in spec.as_object().expect("fields") {
        all[key] = value.clone();
    }
    let metadata = json!({"namespace": "default", "name": "c"});
    let json = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": all});
    story.create(convert::from_json(Kind::CronJob, json).expect("a CronJob"))
}

fn json_of(story: &Story, id: ObjectId) -> Value {
    convert::to_json(&story.objects[&id])
}

fn jobs(story: &Story) -> Vec<ObjectId> {
    story.objects.keys().filter(|id| id.kind == Kind::Job).copied().collect()
}

/// The minutes since the start for which there are Jobs, and how many are listed as active.
#[track_caller]
fn check(story: &Story, cron: ObjectId, minutes: &[i64], active: usize) {
    let base = Clock::DEFAULT.start_unix_seconds / 60;
    let minute = |id: &ObjectId| {
        let name = &story.objects[id].meta().name;
        name.strip_prefix("c-").expect("the name of the CronJob").parse::<i64>().expect("a number") - base
    };
    assert_eq!(jobs(story).iter().map(minute).collect::<Vec<_>>(), minutes, "{:?}", story.events);
    let listed = json_of(story, cron)["status"]["active"].as_array().map_or(0, Vec::len);
    assert_eq!(listed, active);
}

/// A Job ends.
fn end(story: &mut Story, job: ObjectId, condition: &str) {
    let mut object = story.objects[&job].clone();
    let now = Clock::DEFAULT.timestamp(story.now).to_string();
    if let Object::Untyped(job) = &mut object {
        let status = json!({
            "startTime": now, "completionTime": now,
            "conditions": [{"type": condition, "status": "True", "lastTransitionTime": now}],
        });
        Arc::make_mut(job).body.fields.insert("status".to_owned(), status);
    }
    story.put_status(object);
    story.run_for(Span::from_secs(1));
}

fn patch(story: &mut Story, id: ObjectId, field: &str, value: Value) {
    let mut object = story.objects[&id].clone();
    if let Object::Untyped(cron) = &mut object {
        Arc::make_mut(cron).body.fields["spec"][field] = value;
    }
    story.put(object);
}

#[test]
fn a_job_starts_each_minute_and_old_ones_go() {
    let mut story = story();
    let cron = create(&mut story, json!({"successfulJobsHistoryLimit": 2, "failedJobsHistoryLimit": 1}));
    story.run_for(Span::from_secs(51));
    check(&story, cron, &[], 0);
    story.run_for(Span::from_secs(2));
    check(&story, cron, &[1], 1);
    let job = json_of(&story, jobs(&story)[0]);
    assert_eq!(job["metadata"]["ownerReferences"][0]["name"], "c");
    assert_eq!(job["metadata"]["labels"]["team"], "a");
    let annotation = &job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"];
    assert_eq!(annotation, "2026-01-01T00:01:00Z");
    assert_eq!(json_of(&story, cron)["status"]["lastScheduleTime"], "2026-01-01T00:01:00Z");
    for (number, condition) in ["Complete", "Complete", "Failed", "Complete", "Failed"].into_iter().enumerate() {
        let last = *jobs(&story).last().expect("a Job");
        end(&mut story, last, condition);
        story.run_for(Span::from_secs(59));
        assert!(number > 4 || jobs(&story).len() <= 4);
    }
    check(&story, cron, &[2, 4, 5, 6], 1);
    assert_eq!(json_of(&story, cron)["status"]["lastSuccessfulTime"], "2026-01-01T00:04:01Z");
    let told = |text: &str| story.events.iter().any(|event| event.contains(text));
    let base = Clock::DEFAULT.start_unix_seconds / 60;
    assert!(told(&format!("CronJob/c SuccessfulCreate Created job c-{}", base + 1)));
    assert!(told(&format!("CronJob/c SawCompletedJob Saw completed job: c-{}, condition: Complete", base + 1)));
    assert!(told(&format!("CronJob/c SuccessfulDelete Deleted job c-{}", base + 3)));
}

#[test]
fn a_run_that_is_due_while_another_is_under_way_is_left_started_or_takes_its_place() {
    for (policy, minutes, active) in [("Forbid", &[1][..], 1), ("Allow", &[1, 2, 3], 3), ("Replace", &[3], 1)] {
        let mut story = story();
        let cron = create(&mut story, json!({"concurrencyPolicy": policy}));
        story.run_for(Span::from_secs(185));
        check(&story, cron, minutes, active);
    }
}

#[test]
fn what_was_forbidden_starts_as_soon_as_the_last_run_ends() {
    let mut story = story();
    let cron = create(&mut story, json!({"concurrencyPolicy": "Forbid"}));
    story.run_for(Span::from_secs(140));
    let last = jobs(&story)[0];
    end(&mut story, last, "Complete");
    check(&story, cron, &[1, 2], 1);
    let message = "CronJob/c JobAlreadyActive Not starting job because prior execution is running and concurrency \
                   policy is Forbid";
    assert!(story.events.iter().any(|event| event == message), "{:?}", story.events);
}

#[test]
fn a_suspended_one_starts_nothing_and_a_late_run_is_missed() {
    let mut story = story();
    let cron = create(&mut story, json!({"suspend": true, "schedule": "*/10 * * * *", "startingDeadlineSeconds": 30}));
    story.run_for(Span::from_secs(650));
    check(&story, cron, &[], 0);
    patch(&mut story, cron, "suspend", json!(false));
    story.run_for(Span::from_secs(5));
    check(&story, cron, &[], 0);
    story.run_for(Span::from_secs(600));
    check(&story, cron, &[20], 1);
}

#[test]
fn the_last_of_many_missed_runs_starts_and_that_is_told() {
    let mut story = story();
    let cron = create(&mut story, json!({"suspend": true}));
    story.run_for(Span::from_secs(120 * 60 + 30));
    patch(&mut story, cron, "suspend", json!(false));
    story.run_for(Span::from_secs(2));
    check(&story, cron, &[120], 1);
    let message = "CronJob/c TooManyMissedTimes too many missed start times. Set or decrease \
                   .spec.startingDeadlineSeconds or check clock skew";
    assert_eq!(story.events[0], message);
}

#[test]
fn times_are_meant_in_a_zone_and_what_cannot_be_read_is_told() {
    let mut story = story();
    let cron = create(&mut story, json!({"schedule": "30 9 * * *", "timeZone": "Asia/Tokyo"}));
    story.run_for(Span::from_secs(31 * 60));
    check(&story, cron, &[30], 1);
    let annotation = json_of(&story, jobs(&story)[0])["metadata"]["annotations"].clone();
    assert_eq!(annotation["batch.kubernetes.io/cronjob-scheduled-timestamp"], "2026-01-01T09:30:00+09:00");
    patch(&mut story, cron, "schedule", json!("*/15 * * * *"));
    story.run_for(Span::from_secs(15 * 60));
    check(&story, cron, &[30, 45], 2);
    let mut story = self::story();
    create(&mut story, json!({"timeZone": "Mars/Crater"}));
    story.run_for(Span::from_secs(90));
    let message = "CronJob/c UnknownTimeZone invalid timeZone: \"Mars/Crater\": unknown time zone Mars/Crater";
    assert_eq!(story.events, [message]);
    let mut story = self::story();
    create(&mut story, json!({"schedule": "0 0 31 2 *"}));
    story.run_for(Span::from_secs(90));
    let message = "CronJob/c InvalidSchedule invalid schedule: 0 0 31 2 * : time difference between two schedules is \
                   less than 1 second";
    assert_eq!(story.events, [message]);
}

#[test]
fn a_job_that_somebody_deletes_goes_missing() {
    let mut story = story();
    let cron = create(&mut story, json!({"concurrencyPolicy": "Forbid"}));
    story.run_for(Span::from_secs(70));
    let job = jobs(&story)[0];
    story.delete(job);
    story.run_for(Span::from_secs(2));
    check(&story, cron, &[], 0);
    assert!(story.events.iter().any(|event| event.contains("MissingJob Active job went missing: c-")));
    story.run_for(Span::from_secs(55));
    check(&story, cron, &[2], 1);
}
