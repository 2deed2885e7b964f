//! Workloads. Upstream: `pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`.

use serde_json::{Value, json};

use super::{Fields, default, default_text, each, has, pod, storage, text, within, within_new};

pub(super) fn deployment(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        within_new(spec, "template", pod::template);
        default(spec, "replicas", 1);
        within_new(spec, "strategy", |strategy| {
            default_text(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                within_new(strategy, "rollingUpdate", |rolling| {
                    default(rolling, "maxUnavailable", "25%");
                    default(rolling, "maxSurge", "25%");
                });
            }
        });
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
    });
}

pub(super) fn replica_set(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        within_new(spec, "template", pod::template);
        default(spec, "replicas", 1);
    });
}

pub(super) fn replication_controller(object: &mut Fields) {
    let mut labels = Value::Null;
    within_new(object, "spec", |spec| {
        within(spec, "template", pod::template);
        default(spec, "replicas", 1);
        if let Some(found) = spec.get("template").and_then(|template| template.pointer("/metadata/labels")) {
            labels = found.clone();
            default(spec, "selector", labels.clone());
        }
    });
    if !labels.is_null() {
        within_new(object, "metadata", |metadata| default(metadata, "labels", labels));
    }
}

pub(super) fn stateful_set(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        within_new(spec, "template", pod::template);
        each(spec, "volumeClaimTemplates", |claim| {
            storage::claim(claim);
            default_text(claim, "apiVersion", "v1");
            default_text(claim, "kind", "PersistentVolumeClaim");
        });
        default_text(spec, "podManagementPolicy", "OrderedReady");
        within_new(spec, "updateStrategy", |strategy| {
            default_text(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                within_new(strategy, "rollingUpdate", |rolling| default(rolling, "partition", 0));
            }
        });
        within_new(spec, "persistentVolumeClaimRetentionPolicy", |policy| {
            default_text(policy, "whenDeleted", "Retain");
            default_text(policy, "whenScaled", "Retain");
        });
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
    });
}

pub(super) fn daemon_set(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        within_new(spec, "template", pod::template);
        within_new(spec, "updateStrategy", |strategy| {
            default_text(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate" {
                within_new(strategy, "rollingUpdate", |rolling| {
                    default(rolling, "maxUnavailable", 1);
                    default(rolling, "maxSurge", 0);
                });
            }
        });
        default(spec, "revisionHistoryLimit", 10);
    });
}

pub(super) fn job(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        within_new(spec, "template", pod::template);
        if !has(spec, "completions") && !has(spec, "parallelism") {
            default(spec, "completions", 1);
        }
        default(spec, "parallelism", 1);
        let per_index = has(spec, "backoffLimitPerIndex");
        default(spec, "backoffLimit", if per_index { i64::from(i32::MAX) } else { 6 });
        default(spec, "completionMode", "NonIndexed");
        default(spec, "suspend", false);
        default(spec, "manualSelector", false);
        pod_failure_policy(spec);
        let replacement = if has(spec, "podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
        default(spec, "podReplacementPolicy", replacement);
    });
}

fn pod_failure_policy(spec: &mut Fields) {
    within(spec, "podFailurePolicy", |policy| {
        each(policy, "rules", |rule| {
            each(rule, "onPodConditions", |pattern| default_text(pattern, "status", "True"));
        });
    });
}

pub(super) fn cron_job(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        within_new(spec, "jobTemplate", |template| {
            within_new(template, "spec", |job| {
                within_new(job, "template", pod::template);
                pod_failure_policy(job);
            });
        });
        default_text(spec, "concurrencyPolicy", "Allow");
        default(spec, "suspend", false);
        default(spec, "successfulJobsHistoryLimit", 3);
        default(spec, "failedJobsHistoryLimit", 1);
    });
}

/// The annotation that counts a DaemonSet's templates, which 1.34 still writes on creation.
pub(super) fn template_generation() -> Value {
    json!("1")
}
