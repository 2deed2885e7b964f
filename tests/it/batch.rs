//! Jobs and CronJobs in a whole cluster: the essentials of what real controllers were recorded to do, and what becomes of
//! tracked pods when their owner, their namespace or their machine goes.

use wavetank::api::{Kind, Object, PodPhase};
use wavetank::check::ExpectationStatus;
use wavetank::event::Propagation;
use wavetank::scenario::RunResult;
use wavetank::sim::Action;

use crate::story::{Story, resource, run_kept, shipped};

const BEHAVIOURS: &str = "behaviours:\n- {match: {image: 'job:ok-1s'}, exit: {after: 1s}}\n- {match: {image: 'job:ok-8s'}, \
                          exit: {after: 8s}, stopCode: 143}\n- {match: {image: 'job:ok-75s'}, exit: {after: 75s}, \
                          stopCode: 143}\n- {match: {image: 'job:fail-2s'}, exit: {after: 2s, code: 1}}\n";

fn job(name: &str, image: &str, spec: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n{spec}  template:\n    metadata: {{labels: \
         {{app: {name}}}}}\n    spec:\n      restartPolicy: Never\n      containers: [{{name: c, image: '{image}'}}]\n"
    )
}

fn cron(name: &str, image: &str, spec: &str) -> String {
    let of_job = job(name, image, "").lines().skip(3).map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: {name}}}\nspec:\n  schedule: '*/1 * * * *'\n{spec}  \
         jobTemplate:\n{of_job}"
    )
}

/// Runs on until a Job is as it should be: active, succeeded, failed.
#[track_caller]
fn until(story: &mut Story, name: &str, expected: [i64; 3]) {
    for _ in 0..60 {
        if counts(story, name) == expected {
            return;
        }
        story.run_for(1);
    }
    check(story, name, expected);
}

/// Active, succeeded, failed.
fn counts(story: &Story, name: &str) -> [i64; 3] {
    let job = story.get(Kind::Job, name).unwrap_or_default();
    ["active", "succeeded", "failed"].map(|field| job["status"][field].as_i64().unwrap_or(0))
}

#[track_caller]
fn check(story: &Story, name: &str, expected: [i64; 3]) {
    assert_eq!(counts(story, name), expected, "{name}: {:#}", story.get(Kind::Job, name).unwrap_or_default());
}

/// The conditions that are true, with their reasons.
fn conditions(story: &Story, kind: Kind, name: &str) -> Vec<String> {
    let object = story.get(kind, name).unwrap_or_default();
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let is_true = all.into_iter().filter(|condition| condition["status"] == "True");
    is_true.map(|c| format!("{} {}", c["type"].as_str().unwrap_or(""), c["reason"].as_str().unwrap_or(""))).collect()
}

fn delete(story: &mut Story, kind: Kind, name: &str, propagation: Propagation) {
    story.act(Action::Delete { resource: resource(kind, name), propagation, grace_seconds: None });
}

#[test]
fn jobs_run_their_pods_to_completion() {
    let mut story = Story::of_nodes(2, BEHAVIOURS);
    story.apply(&job("many", "job:ok-8s", "  completions: 5\n  parallelism: 2\n"));
    story.apply(&job("indexed", "job:ok-1s", "  completionMode: Indexed\n  completions: 4\n  parallelism: 2\n"));
    story.apply(&job("queue", "job:ok-8s", "  parallelism: 3\n"));
    story.run_until_quiet();
    check(&story, "many", [0, 5, 0]);
    check(&story, "indexed", [0, 4, 0]);
    check(&story, "queue", [0, 3, 0]);
    assert_eq!(story.get(Kind::Job, "indexed").expect("it is there")["status"]["completedIndexes"], "0-3");
    let ended = ["SuccessCriteriaMet CompletionsReached", "Complete CompletionsReached"];
    for name in ["many", "indexed", "queue"] {
        assert_eq!(conditions(&story, Kind::Job, name), ended);
    }
    assert_eq!(story.events("Completed").len(), 3);
    assert!(story.pods().iter().all(|pod| pod.meta.finalizers.is_empty()));
    let names: Vec<String> = story.pods_of("indexed").iter().map(|pod| pod.meta.name[..10].to_owned()).collect();
    assert!(names.contains(&"indexed-3-".to_owned()), "{names:?}");
}

#[test]
fn a_deadline_counts_the_active_pods_as_failed_and_a_suspension_does_not() {
    let mut story = Story::of_nodes(2, BEHAVIOURS);
    story.apply(&job("d", "job:ok-75s", "  activeDeadlineSeconds: 6\n  completions: 3\n  parallelism: 2\n"));
    story.apply(&job("s", "job:ok-8s", "  suspend: true\n  completions: 2\n  parallelism: 2\n"));
    story.run_for(14);
    check(&story, "d", [0, 0, 2]);
    assert_eq!(conditions(&story, Kind::Job, "d"), ["FailureTarget DeadlineExceeded", "Failed DeadlineExceeded"]);
    assert_eq!(conditions(&story, Kind::Job, "s"), ["Suspended JobSuspended"]);
    story.apply(&job("s", "job:ok-8s", "  suspend: false\n  completions: 2\n  parallelism: 2\n"));
    until(&mut story, "s", [2, 0, 0]);
    story.run_for(2);
    story.apply(&job("s", "job:ok-8s", "  suspend: true\n  completions: 2\n  parallelism: 2\n"));
    story.run_for(6);
    check(&story, "s", [0, 0, 0]);
    assert!(story.pods().is_empty());
    story.apply(&job("s", "job:ok-8s", "  suspend: false\n  completions: 2\n  parallelism: 2\n"));
    story.run_until_quiet();
    check(&story, "s", [0, 2, 0]);
}

#[test]
fn a_job_gives_up_after_its_back_off_limit() {
    let mut story = Story::of_nodes(1, BEHAVIOURS);
    story.apply(&job("j", "job:fail-2s", "  backoffLimit: 2\n"));
    story.run_for(60);
    check(&story, "j", [0, 0, 3]);
    assert_eq!(story.events("BackoffLimitExceeded"), ["Job has reached the specified backoff limit"]);
    assert_eq!(story.pods().iter().filter(|pod| pod.body.status.phase == PodPhase::Failed).count(), 3);
}

#[test]
fn what_has_ended_goes_with_its_pods_when_its_time_is_over() {
    let mut story = Story::of_nodes(1, BEHAVIOURS);
    story.apply(&job("t", "job:ok-1s", "  ttlSecondsAfterFinished: 8\n"));
    until(&mut story, "t", [0, 1, 0]);
    story.run_for(6);
    assert!(story.get(Kind::Job, "t").is_some());
    story.run_for(6);
    assert_eq!((story.get(Kind::Job, "t"), story.pods().len()), (None, 0));
}

#[test]
fn tracked_pods_go_with_their_job_and_with_their_namespace() {
    let mut story = Story::of_nodes(2, BEHAVIOURS);
    story.apply(&job("j", "job:ok-75s", "  completions: 4\n  parallelism: 4\n"));
    story.run_for(20);
    check(&story, "j", [4, 0, 0]);
    delete(&mut story, Kind::Job, "j", Propagation::Background);
    story.run_for(20);
    assert_eq!((story.get(Kind::Job, "j"), story.pods().len()), (None, 0));
    story.apply(&job("f", "job:ok-75s", "  completions: 4\n  parallelism: 4\n"));
    story.run_for(20);
    delete(&mut story, Kind::Job, "f", Propagation::Foreground);
    story.run_for(20);
    assert_eq!((story.get(Kind::Job, "f"), story.pods().len()), (None, 0));
    story.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n");
    story.run_for(5);
    story.apply(&job("j", "job:ok-75s", "  parallelism: 3\n").replace("{name: j}", "{name: j, namespace: team}"));
    story.run_for(20);
    assert_eq!(story.pods().len(), 3);
    delete(&mut story, Kind::Namespace, "team", Propagation::Background);
    story.run_for(180);
    assert_eq!((story.get(Kind::Namespace, "team"), story.pods().len()), (None, 0));
    // Orphaned pods live on, without the finalizer.
    story.apply(&job("o", "job:ok-75s", "  parallelism: 2\n"));
    story.run_for(20);
    delete(&mut story, Kind::Job, "o", Propagation::Orphan);
    story.run_for(10);
    assert_eq!((story.get(Kind::Job, "o"), story.pods().len()), (None, 2));
    assert!(story.pods().iter().all(|pod| pod.meta.finalizers.is_empty() && pod.meta.owners.is_empty()));
}

#[test]
fn pods_of_a_drained_node_fail_and_are_made_elsewhere() {
    let mut story = Story::of_nodes(2, BEHAVIOURS);
    story.apply(&job("j", "job:ok-75s", "  completions: 4\n  parallelism: 4\n"));
    story.run_for(20);
    let on_node = |story: &Story| story.pods().iter().filter(|pod| pod.body.node_name == "node-1").count() as i64;
    let moved = on_node(&story);
    assert!(moved > 0);
    story.act(Action::Cordon { node: "node-1".into(), unschedulable: true });
    for pod in story.pods().iter().filter(|pod| pod.body.node_name == "node-1") {
        delete(&mut story, Kind::Pod, &pod.meta.name, Propagation::Background);
    }
    story.run_until_quiet();
    check(&story, "j", [0, 4, moved]);
}

#[test]
fn forbidden_runs_start_late_and_old_jobs_go() {
    let mut story = Story::of_nodes(2, BEHAVIOURS);
    story.run_for(40);
    story.apply(&cron("f", "job:ok-75s", "  concurrencyPolicy: Forbid\n"));
    story.apply(&cron("h", "job:ok-1s", "  successfulJobsHistoryLimit: 1\n"));
    story.apply(&cron("s", "job:ok-1s", "  suspend: true\n"));
    story.run_for(40);
    let active = |story: &Story, name: &str| {
        let cron = story.get(Kind::CronJob, name).unwrap_or_default();
        cron["status"]["active"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((active(&story, "f"), active(&story, "h"), active(&story, "s")), (1, 0, 0));
    story.run_for(60);
    assert_eq!(story.events("JobAlreadyActive").len(), 1);
    assert_eq!(active(&story, "f"), 1, "the run of minute 2 has started when that of minute 1 ended");
    assert_eq!(story.sim.store().count(Kind::Job), 3, "two of f, one of h");
    let saw = story.events("SawCompletedJob");
    assert_eq!(saw.len(), 3, "{saw:?}");
    assert!(saw.iter().all(|text| text.starts_with("Saw completed job: ") && text.ends_with(", condition: Complete")));
    assert_eq!(story.events("SuccessfulDelete").len(), 1);
}

/// The expectations that were not met, and how.
fn unmet(result: &RunResult) -> Vec<String> {
    let unmet = result.outcomes.iter().filter(|outcome| !matches!(outcome.status, ExpectationStatus::Met { .. }));
    unmet.map(|outcome| format!("{outcome:?}")).collect()
}

#[test]
fn cron_jobs_go_on_after_the_controllers_were_away() {
    let result = run_kept(&shipped("cronjobs"), 1);
    assert_eq!(unmet(&result), Vec::<String>::new());
    let events = |reason: &str| {
        let all = result.sim.store().objects(Kind::Event, result.sim.now());
        all.filter(|object| matches!(object, Object::Event(event) if event.body.reason == reason)).count()
    };
    // A run that is too late by its deadline is not even looked for: nothing tells that it was missed.
    let told = ["JobAlreadyActive", "SuccessfulDelete", "MissSchedule"].map(|reason| events(reason) > 0);
    assert_eq!(told, [true, true, false]);
}

#[test]
fn a_batch_tells_its_makespan_and_what_was_wasted() {
    let result = run_kept(&shipped("batch"), 1);
    assert_eq!(unmet(&result), Vec::<String>::new());
    let batch = wavetank::report::batch_report(&result.sim.tally().batch).expect("there were Jobs");
    assert_eq!((batch.jobs, batch.complete, batch.failed), (19, 17, 2));
    assert!(batch.makespan_seconds.is_some_and(|seconds| (400.0..1_800.0).contains(&seconds)), "{batch:?}");
    // 96 render tasks of 50 to 90 s and 10 shards of 60 to 120 s.
    assert!((5_400.0..11_000.0).contains(&batch.useful_pod_seconds), "{batch:?}");
    assert!(batch.wasted_pods >= 8 && batch.wasted_pod_seconds > 1_000.0, "{batch:?}");
}
