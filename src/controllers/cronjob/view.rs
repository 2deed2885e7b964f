//! CronJobs as the controller reads and writes them.

use std::sync::Arc;

use jiff::tz::TimeZone;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::core::v1::ObjectReference;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::cron::{Schedule, rfc3339_in, time_zone};
use crate::api::{Kind, Labels, Meta, Name, Obj, Object, Timestamp, Uid, Untyped, convert};
use crate::controllers::pod_util::controller_reference;

/// The annotation that tells a Job when it was meant to start.
const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What to do when a run is due while an earlier one is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Concurrency {
    /// Start it beside the other.
    Allow,
    /// Leave it.
    Forbid,
    /// Delete the other and start it.
    Replace,
}

/// A CronJob.
#[derive(Clone, Debug)]
pub(super) struct CronJob {
    /// Its metadata.
    pub(super) meta: Meta,
    /// `schedule`, as written.
    pub(super) text: Name,
    /// `timeZone`; empty where absent.
    pub(super) zone_name: Name,
    /// The zone, or what is wrong with its name.
    pub(super) zone: Result<TimeZone, String>,
    /// The schedule, or what is wrong with it.
    pub(super) schedule: Result<Schedule, String>,
    /// `concurrencyPolicy`.
    pub(super) concurrency: Concurrency,
    /// `suspend`.
    pub(super) suspended: bool,
    /// `startingDeadlineSeconds`.
    pub(super) starting_deadline: Option<i64>,
    /// `successfulJobsHistoryLimit`.
    pub(super) keep_successful: Option<usize>,
    /// `failedJobsHistoryLimit`.
    pub(super) keep_failed: Option<usize>,
    /// `status`.
    pub(super) status: batch::CronJobStatus,
    object: Arc<Obj<Untyped>>,
}

impl CronJob {
    /// Reads one.
    pub(super) fn of(object: &Arc<Obj<Untyped>>) -> CronJob {
        let fields = &object.body.fields;
        let none = Map::new();
        let spec = fields.get("spec").and_then(Value::as_object).unwrap_or(&none);
        let text = |name: &str| Name::from(spec.get(name).and_then(Value::as_str).unwrap_or(""));
        let limit = |name: &str| spec.get(name).and_then(Value::as_u64).map(|limit| limit as usize);
        let zone = time_zone(&text("timeZone"));
        let schedule = Schedule::parse(&text("schedule"), zone.clone().unwrap_or(TimeZone::UTC));
        let status = fields.get("status").and_then(|status| batch::CronJobStatus::deserialize(status).ok());
        CronJob {
            meta: object.meta.clone(),
            text: text("schedule"),
            zone_name: text("timeZone"),
            zone,
            schedule,
            concurrency: match text("concurrencyPolicy").as_str() {
                "Forbid" => Concurrency::Forbid,
                "Replace" => Concurrency::Replace,
                _ => Concurrency::Allow,
            },
            suspended: spec.get("suspend") == Some(&Value::Bool(true)),
            starting_deadline: spec.get("startingDeadlineSeconds").and_then(Value::as_i64),
            keep_successful: limit("successfulJobsHistoryLimit"),
            keep_failed: limit("failedJobsHistoryLimit"),
            status: status.unwrap_or_default(),
            object: object.clone(),
        }
    }

    /// The name of the Job that is due at a time. Upstream: `getJobName`.
    pub(super) fn job_name(&self, at: Timestamp) -> Name {
        ecow::eco_format!("{}-{}", self.meta.name, at.0.div_euclid(60))
    }

    /// The Job that is due at a time. Upstream: `getJobFromTemplate2`.
    pub(super) fn new_job(&self, at: Timestamp) -> Object {
        let template = self.object.body.fields.get("spec").and_then(|spec| spec.get("jobTemplate"));
        let part = |name: &str| template.and_then(|template| template.get("metadata")?.get(name)?.as_object());
        let labels = |name: &str| -> Labels {
            let pairs = part(name).into_iter().flatten();
            pairs.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or(""))).collect()
        };
        let mut meta = Meta::new(Kind::Job, self.meta.namespace.clone(), self.job_name(at));
        meta.labels = labels("labels");
        let zone = self.zone.clone().unwrap_or(TimeZone::UTC);
        meta.annotations = labels("annotations").with(SCHEDULED_AT, rfc3339_in(at, &zone));
        meta.owners = [controller_reference(&self.meta, "batch/v1", "CronJob")].into();
        let spec = template.and_then(|template| template.get("spec")).cloned().unwrap_or_default();
        let fields = Map::from_iter([("spec".to_owned(), spec)]);
        let info = Arc::new(Kind::Job.info().expect("a built-in kind").clone());
        Object::Untyped(Arc::new(Obj { meta, body: Untyped { info, fields } }))
    }

    /// The object with this status.
    pub(super) fn with_status(&self, status: &batch::CronJobStatus) -> Object {
        let mut object = Obj::clone(&self.object);
        object.body.fields.insert("status".to_owned(), convert::to_value(status));
        Object::Untyped(Arc::new(object))
    }
}

/// A reference to a Job for the list of active ones.
pub(super) fn reference(job: &Meta) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        name: Some(job.name.to_string()),
        namespace: Some(job.namespace.to_string()),
        resource_version: Some(job.resource_version.to_string()),
        uid: Some(job.uid.to_string()),
        ..ObjectReference::default()
    }
}

/// Whether a Job is in the list of active ones.
pub(super) fn is_active(status: &batch::CronJobStatus, job: Uid) -> bool {
    let job = job.to_string();
    status.active.iter().flatten().any(|active| active.uid.as_deref() == Some(job.as_str()))
}

/// Takes a Job off the list of active ones.
pub(super) fn no_longer_active(status: &mut batch::CronJobStatus, job: &str) {
    if let Some(active) = &mut status.active {
        active.retain(|active| active.uid.as_deref() != Some(job));
        if active.is_empty() {
            status.active = None;
        }
    }
}
