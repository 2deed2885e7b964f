//! Jobs as the controller reads and writes them: spec and status in upstream's types, selector and template ready to use.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;
use k8s_openapi::jiff;
use serde::Deserialize;
use serde_json::Value;

use crate::api::{Labels, Meta, Name, Obj, Object, Pod, PodSpec, PodTemplate, Selector, Timestamp, Uid, Untyped};
use crate::api::{WorkloadSelector, convert};

/// The finalizer that keeps a pod until its end is counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The annotation and label that tell a pod's completion index.
pub(super) const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The annotation that counts the failures of an index.
pub(super) const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// The annotation that counts those that a pod failure policy ignores.
pub(super) const INDEX_IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
/// `managedBy` of Jobs that are this controller's, where they say it.
const CONTROLLER_NAME: &str = "kubernetes.io/job-controller";

/// A Job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Its metadata.
    pub(super) meta: Meta,
    /// Its wish.
    pub(super) spec: Arc<Spec>,
    /// `status`.
    pub(super) status: batch::JobStatus,
    object: Arc<Obj<Untyped>>,
}

/// `spec` of a Job.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// As it was written; without the template.
    pub(super) full: batch::JobSpec,
    /// `selector`.
    pub(super) selector: WorkloadSelector,
    /// The template of its pods, with what the controller adds to all of them.
    pub(super) template: PodTemplate,
    /// `restartPolicy` of its pods is `OnFailure`.
    pub(super) restarts_on_failure: bool,
}

impl Job {
    /// Reads one; the wish of the state before is kept where it is the same. What does not fit its type counts as
    /// absent: the server lets nothing of the kind in.
    pub(super) fn of(object: &Arc<Obj<Untyped>>, before: Option<&Job>) -> Job {
        let fields = &object.body.fields;
        let same = before.filter(|before| before.object.body.fields.get("spec") == fields.get("spec"));
        let spec = match same {
            Some(before) => before.spec.clone(),
            None => Arc::new(Spec::of(fields.get("spec").and_then(|spec| batch::JobSpec::deserialize(spec).ok()))),
        };
        let status = fields.get("status").and_then(|status| batch::JobStatus::deserialize(status).ok());
        Job { meta: object.meta.clone(), spec, status: status.unwrap_or_default(), object: object.clone() }
    }

    /// The object with this status, at a revision.
    pub(super) fn with_status(&self, status: &batch::JobStatus, resource_version: u64) -> Object {
        let mut object = Obj::clone(&self.object);
        object.meta.resource_version = resource_version;
        object.body.fields.insert("status".to_owned(), convert::to_value(status));
        Object::Untyped(Arc::new(object))
    }

    /// Whether it is complete or has failed. Upstream: `IsJobFinished`.
    pub(super) fn is_finished(&self) -> bool {
        has_condition(&self.status, "Complete") || has_condition(&self.status, "Failed")
    }
}

impl Spec {
    fn of(full: Option<batch::JobSpec>) -> Spec {
        let mut full = full.unwrap_or_default();
        let written = full.selector.clone().unwrap_or_default();
        let parsed = Selector::from_label_selector(full.selector.as_ref()).unwrap_or_else(|_| Selector::nothing());
        let template = std::mem::take(&mut full.template);
        let restarts = template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("OnFailure");
        let indexed = full.completion_mode.as_deref() == Some("Indexed");
        Spec {
            selector: WorkloadSelector { written, parsed },
            template: read_template(template, indexed),
            restarts_on_failure: restarts,
            full,
        }
    }

    /// Whether its pods have indexes.
    pub(super) fn is_indexed(&self) -> bool {
        self.full.completion_mode.as_deref() == Some("Indexed")
    }

    /// `completions`; of indexed Jobs it is always there.
    pub(super) fn completions(&self) -> i32 {
        self.full.completions.unwrap_or(0)
    }

    /// `parallelism`.
    pub(super) fn parallelism(&self) -> i32 {
        self.full.parallelism.unwrap_or(1)
    }

    /// `backoffLimit`.
    pub(super) fn backoff_limit(&self) -> i32 {
        self.full.backoff_limit.unwrap_or(6)
    }

    /// `suspend`.
    pub(super) fn is_suspended(&self) -> bool {
        self.full.suspend == Some(true)
    }

    /// Whether pods are replaced only once they have failed, not while they terminate.
    /// Upstream: `onlyReplaceFailedPods`.
    pub(super) fn replaces_failed_only(&self) -> bool {
        self.full.pod_replacement_policy.as_deref() == Some("Failed") || self.full.pod_failure_policy.is_some()
    }

    /// Whether somebody else looks after the Job. Upstream: `managedByExternalController`.
    pub(super) fn is_managed_elsewhere(&self) -> bool {
        self.full.managed_by.as_deref().is_some_and(|manager| manager != CONTROLLER_NAME)
    }

    /// A pod's index, where it has one below `completions`.
    pub(super) fn index(&self, pod: &Obj<Pod>) -> Option<i32> {
        completion_index(pod).filter(|index| *index < self.completions())
    }
}

/// Reads a template and adds the finalizer, and for indexed Jobs the variable that tells the index.
fn read_template(template: v1::PodTemplateSpec, indexed: bool) -> PodTemplate {
    let metadata = template.metadata.unwrap_or_default();
    let mut spec = template.spec.unwrap_or_default();
    let node_name = Name::from(spec.node_name.take().unwrap_or_default());
    if indexed {
        let containers = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
        containers.for_each(add_index_variable);
    }
    let mut finalizers: Vec<Name> = metadata.finalizers.unwrap_or_default().into_iter().map(Name::from).collect();
    if !finalizers.iter().any(|finalizer| finalizer == TRACKING) {
        finalizers.push(TRACKING.into());
    }
    PodTemplate {
        labels: metadata.labels.unwrap_or_default().into_iter().collect::<Labels>(),
        annotations: metadata.annotations.unwrap_or_default().into_iter().collect::<Labels>(),
        finalizers: finalizers.into(),
        node_name,
        spec: PodSpec::new(spec),
    }
}

/// Upstream: `addCompletionIndexEnvVariable`.
fn add_index_variable(container: &mut v1::Container) {
    let variables = container.env.get_or_insert_default();
    if variables.iter().any(|variable| variable.name == "JOB_COMPLETION_INDEX") {
        return;
    }
    let field_ref = v1::ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: format!("metadata.labels['{COMPLETION_INDEX}']"),
    };
    variables.push(v1::EnvVar {
        name: "JOB_COMPLETION_INDEX".to_owned(),
        value: None,
        value_from: Some(v1::EnvVarSource { field_ref: Some(field_ref), ..Default::default() }),
    });
}

/// Whether a pod has the finalizer of tracking.
pub(super) fn is_tracked(pod: &Obj<Pod>) -> bool {
    pod.meta.has_finalizer(TRACKING)
}

/// The index in a pod's annotation. Upstream: `getCompletionIndex`.
pub(super) fn completion_index(pod: &Obj<Pod>) -> Option<i32> {
    pod.meta.annotations.get(COMPLETION_INDEX)?.parse().ok().filter(|index| *index >= 0)
}

/// A count in a pod's annotation. Upstream: `parseInt32`.
pub(super) fn annotated_count(pod: &Obj<Pod>, annotation: &str) -> i32 {
    let count = pod.meta.annotations.get(annotation).and_then(|text| text.parse().ok());
    count.filter(|count| *count >= 0).unwrap_or(0)
}

/// Whether a condition is True.
pub(super) fn has_condition(status: &batch::JobStatus, kind: &str) -> bool {
    find_condition(status, kind).is_some_and(|condition| condition.status == "True")
}

/// The condition of a type.
pub(super) fn find_condition<'a>(status: &'a batch::JobStatus, kind: &str) -> Option<&'a batch::JobCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

/// A condition that is True.
pub(super) fn condition(kind: &str, reason: &str, message: impl Into<String>, now: Timestamp) -> batch::JobCondition {
    batch::JobCondition {
        last_probe_time: meta_time(now),
        last_transition_time: meta_time(now),
        message: Some(message.into()),
        reason: Some(reason.to_owned()),
        status: "True".to_owned(),
        type_: kind.to_owned(),
    }
}

/// Sets a condition; whether that changed anything. A condition that is not there does not become False.
/// Upstream: `ensureJobConditionStatus`.
pub(super) fn ensure_condition(status: &mut batch::JobStatus, wanted: batch::JobCondition) -> bool {
    let conditions = status.conditions.get_or_insert_default();
    match conditions.iter_mut().find(|found| found.type_ == wanted.type_) {
        Some(found) => {
            let same = |one: &Option<String>, other: &Option<String>| one.as_deref() == other.as_deref();
            let is_same = found.status == wanted.status
                && same(&found.reason, &wanted.reason)
                && same(&found.message, &wanted.message);
            if !is_same {
                *found = wanted;
            }
            !is_same
        }
        None if wanted.status == "False" => false,
        None => {
            conditions.push(wanted);
            true
        }
    }
}

/// A timestamp for a status; none for times that no calendar holds.
pub(super) fn meta_time(at: Timestamp) -> Option<MetaTime> {
    jiff::Timestamp::from_second(at.0).ok().map(MetaTime)
}

/// A timestamp of a status.
pub(super) fn timestamp(time: &MetaTime) -> Timestamp {
    Timestamp(time.0.as_second())
}

/// A count as a status writes it: nothing for none.
pub(super) fn counted(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

/// The pods in one of the lists of `uncountedTerminatedPods`.
pub(super) fn uids(list: Option<&Vec<String>>) -> BTreeSet<Uid> {
    list.into_iter().flatten().filter_map(|text| text.parse().ok()).collect()
}

/// The state of a Job that others read: whether and when it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Whether it is complete; else it has failed.
    pub complete: bool,
    /// The transition time of the condition.
    pub at: Option<Timestamp>,
}

/// Whether and when a Job ended, read off its JSON. Upstream: `FinishedCondition` of `pkg/controller/job/util`.
pub fn ended(object: &Obj<Untyped>) -> Option<Ended> {
    let conditions = object.body.fields.get("status")?.get("conditions")?.as_array()?;
    let text = |condition: &'_ Value, name: &str| condition.get(name).and_then(Value::as_str).map(str::to_owned);
    conditions.iter().find_map(|condition| {
        let kind = text(condition, "type")?;
        let ends = kind == "Complete" || kind == "Failed";
        let at = text(condition, "lastTransitionTime").and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let ended = Ended { complete: kind == "Complete", at: at.map(|at| Timestamp(at.as_second())) };
        (ends && text(condition, "status").as_deref() == Some("True")).then_some(ended)
    })
}
