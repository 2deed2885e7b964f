//! One sync of a CronJob: old Jobs go, the list of active ones is mended, the run that is due starts.
//! Upstream: `sync`, `syncCronJob`, `cleanupFinishedJobs` of `pkg/controller/cronjob/cronjob_controllerv2.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;
use k8s_openapi::jiff;
use serde::Deserialize;

use super::due::{Missed, most_recent, until_next};
use super::view::{Concurrency, CronJob, is_active, no_longer_active, reference};
use crate::api::cron::{Schedule, rfc1123z};
use crate::api::{EventType, Kind, Meta, Name, Obj, Object, Timestamp, Untyped};
use crate::controllers::job::ended;
use crate::controllers::pod_util::is_namespace_terminating;
use crate::controllers::script::{Run, Stop};
use crate::event::{DeleteOptions, ErrorReason, Propagation, Reply, Request, Target};
use crate::kernel::Span;

/// What a sync starts from.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// The CronJob.
    pub(super) cron: Arc<CronJob>,
    /// The Jobs whose controller has its name.
    pub(super) jobs: Vec<Arc<Obj<Untyped>>>,
}

/// The status as it becomes.
struct Draft {
    status: batch::CronJobStatus,
    changed: bool,
}

/// How the part of a sync that starts Jobs ended.
enum End {
    /// Look again after so long, or when something changes.
    Again(Option<Span>),
    /// It failed: to be tried again.
    Failed(Name),
}

/// Runs a sync until it waits for an answer, or to its end.
pub(super) fn sync(run: &mut Run, work: &Work) -> Result<(), Stop> {
    let mut draft = Draft { status: work.cron.status.clone(), changed: false };
    clean_up(run, work, &mut draft)?;
    let end = start_due(run, work, &mut draft)?;
    if draft.changed {
        let reply = run.send(Request::UpdateStatus(work.cron.with_status(&draft.status)))?;
        if let Err(error) = reply {
            return Err(Stop::Failed(error.message));
        }
    }
    match end {
        End::Again(after) => after.into_iter().for_each(|after| run.requeue_after(after)),
        End::Failed(error) => return Err(Stop::Failed(error)),
    }
    Ok(())
}

/// Deletes the oldest Jobs that have ended where there are more than the limits allow.
fn clean_up(run: &mut Run, work: &Work, draft: &mut Draft) -> Result<(), Stop> {
    for (complete, limit) in [(true, work.cron.keep_successful), (false, work.cron.keep_failed)] {
        let Some(limit) = limit else { continue };
        let is_such = |job: &&Arc<Obj<Untyped>>| ended(job).is_some_and(|ended| ended.complete == complete);
        let mut jobs: Vec<&Arc<Obj<Untyped>>> = work.jobs.iter().filter(is_such).collect();
        // Those without a start time come last.
        jobs.sort_by_key(|job| (started(job).is_none(), started(job), job.meta.name.clone()));
        let surplus = jobs.len().saturating_sub(limit);
        for job in &jobs[..surplus] {
            draft.changed |= delete(run, work, draft, &job.meta)?;
        }
    }
    Ok(())
}

fn started(job: &Obj<Untyped>) -> Option<String> {
    Some(job.body.fields.get("status")?.get("startTime")?.as_str()?.to_owned())
}

/// Deletes a Job with its pods; whether it went. Upstream: `deleteJob`.
fn delete(run: &mut Run, work: &Work, draft: &mut Draft, job: &Meta) -> Result<bool, Stop> {
    let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    let target = Target::Name(Kind::Job, job.namespace.clone(), job.name.clone());
    let about = work.cron.meta.reference();
    if let Err(error) = run.send(Request::Delete { target, options })? {
        run.record(about, EventType::Warning, "FailedDelete", ecow::eco_format!("Deleted job: {error}"));
        return Ok(false);
    }
    no_longer_active(&mut draft.status, &job.uid.to_string());
    run.record(about, EventType::Normal, "SuccessfulDelete", ecow::eco_format!("Deleted job {}", job.name));
    Ok(true)
}

/// Brings the list of active Jobs up to date. Gives an error that ends the sync.
fn look_at_jobs(run: &mut Run, work: &Work, draft: &mut Draft) -> Result<Option<Name>, Stop> {
    let cron = &work.cron;
    let about = || cron.meta.reference();
    for job in &work.jobs {
        let listed = is_active(&draft.status, job.meta.uid);
        match ended(job) {
            None if !listed => match run.send(Request::Get(Target::Id(cron.meta.id)))? {
                Err(error) => return Ok(Some(error.message)),
                Ok(answer) => {
                    let fresh = answer.object().and_then(fresh_status);
                    match fresh.filter(|fresh| is_active(fresh, job.meta.uid)) {
                        Some(fresh) => draft.status = fresh,
                        None => {
                            let message = ecow::eco_format!(
                                "Saw a job that the controller did not create or forgot: {}",
                                job.meta.name
                            );
                            run.record(about(), EventType::Warning, "UnexpectedJob", message);
                        }
                    }
                }
            },
            Some(ended) if listed => {
                no_longer_active(&mut draft.status, &job.meta.uid.to_string());
                let condition = if ended.complete { "Complete" } else { "Failed" };
                let message = ecow::eco_format!("Saw completed job: {}, condition: {condition}", job.meta.name);
                run.record(about(), EventType::Normal, "SawCompletedJob", message);
                draft.changed = true;
            }
            Some(ended) if ended.complete => {
                let completed = completion_time(job);
                let last = draft.status.last_successful_time.as_ref().map(|time| time.0);
                if completed.as_ref().is_some_and(|time| last.is_none_or(|last| time.0 > last)) {
                    draft.status.last_successful_time = completed;
                    draft.changed = true;
                }
            }
            None | Some(_) => {}
        }
    }
    let children: BTreeSet<String> = work.jobs.iter().map(|job| job.meta.uid.to_string()).collect();
    for active in draft.status.active.clone().unwrap_or_default() {
        let (uid, name) = (active.uid.unwrap_or_default(), active.name.unwrap_or_default());
        if children.contains(&uid) {
            continue;
        }
        // The cache may lag behind: the Job itself is asked.
        match run.send(Request::Get(job_target(cron, &name)))? {
            Ok(_) => {}
            Err(error) if error.reason == ErrorReason::NotFound => {
                let message = ecow::eco_format!("Active job went missing: {name}");
                run.record(about(), EventType::Normal, "MissingJob", message);
                no_longer_active(&mut draft.status, &uid);
                draft.changed = true;
            }
            Err(error) => return Ok(Some(error.message)),
        }
    }
    Ok(None)
}

fn job_target(cron: &CronJob, name: &str) -> Target {
    Target::Name(Kind::Job, cron.meta.namespace.clone(), name.into())
}

fn fresh_status(object: &Object) -> Option<batch::CronJobStatus> {
    let Object::Untyped(object) = object else { return None };
    batch::CronJobStatus::deserialize(object.body.fields.get("status")?).ok()
}

fn completion_time(job: &Obj<Untyped>) -> Option<MetaTime> {
    MetaTime::deserialize(job.body.fields.get("status")?.get("completionTime")?).ok()
}

/// Starts the run that is due, if there is one. Upstream: `syncCronJob`.
fn start_due(run: &mut Run, work: &Work, draft: &mut Draft) -> Result<End, Stop> {
    let cron = &work.cron;
    let now = run.now();
    if let Some(error) = look_at_jobs(run, work, draft)? {
        return Ok(End::Failed(error));
    }
    if cron.meta.is_terminating() {
        return Ok(End::Again(None));
    }
    let warn =
        |run: &mut Run, reason, message: Name| run.record(cron.meta.reference(), EventType::Warning, reason, message);
    if let Err(error) = &cron.zone {
        warn(run, "UnknownTimeZone", ecow::eco_format!("invalid timeZone: {:?}: {error}", cron.zone_name));
        return Ok(End::Again(None));
    }
    if cron.suspended {
        return Ok(End::Again(None));
    }
    if cron.text.contains("TZ") {
        let message = ecow::eco_format!(
            "CRON_TZ or TZ used in schedule {:?} is not officially supported, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
            cron.text
        );
        warn(run, "UnsupportedSchedule", message);
    }
    let schedule = match &cron.schedule {
        Ok(schedule) => schedule,
        Err(error) => {
            let message = ecow::eco_format!("unparseable schedule: {:?} : {error}", cron.text);
            warn(run, "UnparseableSchedule", message);
            return Ok(End::Again(None));
        }
    };
    let stamp = run.clock().timestamp(now);
    let last = draft.status.last_schedule_time.as_ref().map(|time| Timestamp(time.0.as_second()));
    let recent = match most_recent(schedule, last.unwrap_or(cron.meta.created), cron.starting_deadline, stamp) {
        Ok(recent) => recent,
        Err(error) => {
            warn(run, "InvalidSchedule", ecow::eco_format!("invalid schedule: {} : {error}", cron.text));
            return Ok(End::Again(None));
        }
    };
    let clock = run.clock();
    let again = |draft: &Draft| {
        let last = draft.status.last_schedule_time.as_ref().map(|time| Timestamp(time.0.as_second()));
        End::Again(until_next(schedule, last.unwrap_or(cron.meta.created), now, clock))
    };
    let Some(due) = recent.due else { return Ok(again(draft)) };
    if recent.missed == Missed::Many {
        let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        warn(run, "TooManyMissedTimes", message.into());
    }
    // `due` is a whole second, now is not.
    let is_late = |seconds: i64| clock.time(due) + Span::from_secs(seconds.max(0) as u64) < now;
    if cron.starting_deadline.is_some_and(is_late) {
        let message = ecow::eco_format!("Missed scheduled time to start a job: {}", rfc1123z(due));
        warn(run, "MissSchedule", message);
        return Ok(again(draft));
    }
    let name = cron.job_name(due);
    let active = draft.status.active.clone().unwrap_or_default();
    if active.iter().any(|active| active.name.as_deref() == Some(name.as_str())) || last == Some(due) {
        return Ok(again(draft));
    }
    if cron.concurrency == Concurrency::Forbid && !active.is_empty() {
        let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
        run.record(cron.meta.reference(), EventType::Normal, "JobAlreadyActive", message);
        return Ok(again(draft));
    }
    if cron.concurrency == Concurrency::Replace {
        for active in active {
            if let Some(error) = replace(run, work, draft, &active.name.unwrap_or_default())? {
                return Ok(End::Failed(error));
            }
            draft.changed = true;
        }
    }
    Ok(match create(run, work, draft, due)? {
        Some(end) => end,
        None => again(draft),
    })
}

/// Deletes a Job that is still active. Gives what went wrong.
fn replace(run: &mut Run, work: &Work, draft: &mut Draft, name: &str) -> Result<Option<Name>, Stop> {
    let cron = &work.cron;
    match run.send(Request::Get(job_target(cron, name)))? {
        Err(error) => {
            let message = ecow::eco_format!("Get job: {error}");
            run.record(cron.meta.reference(), EventType::Warning, "FailedGet", message);
            Ok(Some(error.message))
        }
        Ok(answer) => {
            let Some(job) = answer.object() else { return Ok(None) };
            let went = delete(run, work, draft, job.meta())?;
            Ok((!went).then(|| ecow::eco_format!("could not replace job {}/{name}", cron.meta.namespace)))
        }
    }
}

/// Creates the Job of a run and lists it. Gives how the sync ends where it does not go on as usual.
fn create(run: &mut Run, work: &Work, draft: &mut Draft, due: Timestamp) -> Result<Option<End>, Stop> {
    let cron = &work.cron;
    let reply: Reply = run.send(Request::Create(cron.new_job(due)))?;
    let job = match reply {
        Ok(answer) => {
            let Some(job) = answer.object().map(|job| job.meta().clone()) else { return Ok(None) };
            let message = ecow::eco_format!("Created job {}", job.name);
            run.record(cron.meta.reference(), EventType::Normal, "SuccessfulCreate", message);
            job
        }
        Err(error) if is_namespace_terminating(&error) => return Ok(Some(End::Failed(error.message))),
        // This controller may have created it and then failed to say so in the status.
        Err(error) if error.reason == ErrorReason::AlreadyExists => {
            match run.send(Request::Get(job_target(cron, &cron.job_name(due))))? {
                Err(error) => return Ok(Some(End::Failed(error.message))),
                Ok(answer) => {
                    let job = answer.object().map(|job| job.meta().clone());
                    let is_own = |job: &Meta| job.controller().is_some_and(|owner| owner.uid == cron.meta.uid);
                    let Some(job) = job.filter(|job| is_own(job) && !is_active(&draft.status, job.uid)) else {
                        return Ok(Some(End::Again(None)));
                    };
                    job
                }
            }
        }
        Err(error) => {
            let message = ecow::eco_format!("Error creating job: {error}");
            run.record(cron.meta.reference(), EventType::Warning, "FailedCreate", message);
            return Ok(Some(End::Failed(error.message)));
        }
    };
    draft.status.active.get_or_insert_default().push(reference(&job));
    draft.status.last_schedule_time = jiff::Timestamp::from_second(due.0).ok().map(MetaTime);
    draft.changed = true;
    Ok(None)
}

/// How long until a CronJob whose schedule was changed is looked at; none where the schedule cannot be read.
/// Upstream: `updateCronJob`.
pub(super) fn delay_after_change(cron: &CronJob, view: &crate::client::View) -> Option<Span> {
    let schedule: &Schedule = cron.schedule.as_ref().ok()?;
    let last = cron.status.last_schedule_time.as_ref().map(|time| Timestamp(time.0.as_second()));
    let next = until_next(schedule, last.unwrap_or(cron.meta.created), view.now, view.clock);
    Some(next.unwrap_or(Span::ZERO))
}
