//! Jobs and CronJobs. Upstream: `pkg/apis/batch/validation`. Left out: pod failure and success policies, and that an old
//! CronJob may keep a zone in its schedule.

use jiff::tz::TimeZone;
use k8s_openapi::api::batch::v1 as batch;
use serde_json::Value;

use super::field::{Errors, Path};
use super::{pod, selectors, shown};
use crate::api::Selector;
use crate::api::cron::{Schedule, time_zone};

/// The longest name of a CronJob, whose Jobs get a suffix of eleven characters.
const CRON_JOB_NAME_MAX: usize = 52;

pub(super) fn job(job: &batch::Job, errors: &mut Errors) {
    let spec = job.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    job_spec(&path, &spec, errors);
    let Some(selector) = &spec.selector else { return };
    selectors::label_selector(&path.child("selector"), Some(selector), errors);
    let labels = spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    let get = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    if Selector::from_label_selector(Some(selector)).is_ok_and(|selector| !selector.matches(get)) {
        errors.invalid(
            &path.child("template").child("metadata").child("labels"),
            shown(&labels),
            "`selector` does not match template `labels`",
        );
    }
}

pub(super) fn cron_job(job: &batch::CronJob, errors: &mut Errors) {
    let spec = &job.spec;
    let path = Path::new("spec");
    let at = path.child("schedule");
    if spec.schedule.is_empty() {
        errors.required(&at, "");
    } else {
        if spec.schedule.contains("TZ") {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.invalid(&at, spec.schedule.as_str(), detail);
        }
        if let Err(detail) = Schedule::parse(&spec.schedule, TimeZone::UTC) {
            errors.invalid(&at, spec.schedule.as_str(), detail);
        }
    }
    if let Some(zone) = &spec.time_zone {
        let wrong = match zone.as_str() {
            "" => Some("timeZone must be nil or non-empty string".to_owned()),
            local if local.eq_ignore_ascii_case("local") => {
                Some("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones".to_owned())
            }
            name => time_zone(name).err(),
        };
        if let Some(detail) = wrong {
            errors.invalid(&path.child("timeZone"), zone.as_str(), detail);
        }
    }
    errors.non_negative(&path.child("startingDeadlineSeconds"), spec.starting_deadline_seconds);
    errors.one_of(
        &path.child("concurrencyPolicy"),
        spec.concurrency_policy.as_deref(),
        &["Allow", "Forbid", "Replace"],
    );
    if let Some(job) = &spec.job_template.spec {
        let at = path.child("jobTemplate").child("spec");
        job_spec(&at, job, errors);
        if job.selector.is_some() {
            let shown = shown(&job.selector);
            errors.invalid(&at.child("selector"), shown, "`selector` will be auto-generated");
        }
        if job.manual_selector == Some(true) {
            errors.not_supported(&at.child("manualSelector"), true, &["nil", "false"]);
        }
    }
    errors.non_negative(&path.child("successfulJobsHistoryLimit"), spec.successful_jobs_history_limit);
    errors.non_negative(&path.child("failedJobsHistoryLimit"), spec.failed_jobs_history_limit);
    if let Some(name) = job.metadata.name.as_deref().filter(|name| name.len() > CRON_JOB_NAME_MAX) {
        let detail = format!("must be no more than {CRON_JOB_NAME_MAX} characters");
        errors.invalid(&Path::new("metadata").child("name"), name, detail);
    }
}

fn job_spec(path: &Path, spec: &batch::JobSpec, errors: &mut Errors) {
    for (field, number) in [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ] {
        errors.non_negative(&path.child(field), number);
    }
    let mode = spec.completion_mode.as_deref().unwrap_or("NonIndexed");
    if !["Indexed", "NonIndexed"].contains(&mode) {
        errors.not_supported(&path.child("completionMode"), mode, &["Indexed", "NonIndexed"]);
    }
    if mode == "Indexed" && spec.completions.is_none() {
        let detail = "when completion mode is Indexed";
        errors.required(&path.child("completions"), detail);
    }
    pod::template(&path.child("template"), &spec.template, errors);
    let policy = spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or_default();
    let at = path.child("template").child("spec").child("restartPolicy");
    match policy {
        "OnFailure" | "Never" => {}
        "" | "Always" => errors.required(&at, "valid values: \"OnFailure\", \"Never\""),
        other => errors.not_supported(&at, Value::from(other), &["OnFailure", "Never"]),
    }
}
