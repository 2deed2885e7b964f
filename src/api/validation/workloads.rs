//! Deployments, ReplicaSets, ReplicationControllers, StatefulSets and DaemonSets. Upstream: `pkg/apis/apps/validation`.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::field::{Errors, Path};
use super::{pod, selectors, shown};
use crate::api::{IntOrPercent, Selector};

pub(super) fn deployment(object: &apps::Deployment, errors: &mut Errors) {
    let spec = &object.spec;
    let path = Path::new("spec");
    errors.non_negative(&path.child("replicas"), spec.replicas);
    let empty = "empty selector is invalid for deployment";
    selected_template(&path, &spec.selector, &spec.template, empty, "invalid label selector", "ReplicaSet", errors);
    strategy(&path.child("strategy"), &spec.strategy.clone().unwrap_or_default(), errors);
    errors.non_negative(&path.child("minReadySeconds"), spec.min_ready_seconds);
    errors.non_negative(&path.child("revisionHistoryLimit"), spec.revision_history_limit);
    if let Some(deadline) = spec.progress_deadline_seconds {
        let path = path.child("progressDeadlineSeconds");
        errors.non_negative(&path, Some(deadline));
        if deadline <= spec.min_ready_seconds.unwrap_or_default() {
            errors.invalid(&path, deadline, "must be greater than minReadySeconds");
        }
    }
}

pub(super) fn replica_set(object: &apps::ReplicaSet, errors: &mut Errors) {
    let spec = &object.spec;
    let path = Path::new("spec");
    errors.non_negative(&path.child("replicas"), spec.replicas);
    errors.non_negative(&path.child("minReadySeconds"), spec.min_ready_seconds);
    let template = spec.template.clone().unwrap_or_default();
    let empty = "empty selector is invalid for deployment";
    selected_template(&path, &spec.selector, &template, empty, "invalid label selector", "ReplicaSet", errors);
}

pub(super) fn replication_controller(object: &v1::ReplicationController, errors: &mut Errors) {
    let spec = object.spec.clone().unwrap_or_default();
    let path = Path::new("spec");
    errors.non_negative(&path.child("minReadySeconds"), spec.min_ready_seconds);
    let labels = spec.selector.unwrap_or_default();
    if labels.is_empty() {
        errors.required(&path.child("selector"), "");
    }
    errors.non_negative(&path.child("replicas"), spec.replicas);
    let Some(template) = &spec.template else {
        errors.required(&path.child("template"), "");
        return;
    };
    let selector = LabelSelector { match_labels: Some(labels.clone()), match_expressions: None };
    if let Ok(selector) = Selector::from_label_selector(Some(&selector))
        && !labels.is_empty()
    {
        matches_template(&path, &selector, template, errors);
    }
    pod::template(&path.child("template"), template, errors);
    always_running(&path, template, "ReplicationController", errors);
}

pub(super) fn stateful_set(object: &apps::StatefulSet, errors: &mut Errors) {
    let spec = &object.spec;
    let path = Path::new("spec");
    let policy = spec.pod_management_policy.as_deref().unwrap_or_default();
    if !["OrderedReady", "Parallel"].contains(&policy) {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        errors.invalid(&path.child("podManagementPolicy"), policy, detail);
    }
    let update = spec.update_strategy.clone().unwrap_or_default();
    match update.type_.as_deref().unwrap_or_default() {
        "OnDelete" if update.rolling_update.is_some() => errors.invalid(
            &path.child("updateStrategy").child("rollingUpdate"),
            shown(&update.rolling_update),
            "only allowed for updateStrategy 'RollingUpdate'",
        ),
        "OnDelete" => {}
        "RollingUpdate" => {
            let partition = update.rolling_update.and_then(|rolling| rolling.partition);
            errors.non_negative(&path.child("updateStrategy").child("rollingUpdate").child("partition"), partition);
        }
        other => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid(&path.child("updateStrategy"), other, detail);
        }
    }
    errors.non_negative(&path.child("replicas"), spec.replicas);
    errors.non_negative(&path.child("minReadySeconds"), spec.min_ready_seconds);
    let empty = "empty selector is invalid for statefulset";
    selected_template(&path, &spec.selector, &spec.template, empty, "", "StatefulSet", errors);
}

pub(super) fn daemon_set(object: &apps::DaemonSet, errors: &mut Errors) {
    let spec = &object.spec;
    let path = Path::new("spec");
    let at = path.child("selector");
    selectors::label_selector(&at, Some(&spec.selector), errors);
    let parsed = if selectors::is_empty(&spec.selector) {
        Ok(Selector::nothing())
    } else {
        Selector::from_label_selector(Some(&spec.selector))
    };
    if let Ok(selector) = &parsed {
        matches_template(&path, selector, &spec.template, errors);
    }
    pod::template(&path.child("template"), &spec.template, errors);
    always_running(&path, &spec.template, "DaemonSet", errors);
    errors.non_negative(&path.child("minReadySeconds"), spec.min_ready_seconds);
    let update = spec.update_strategy.clone().unwrap_or_default();
    let strategy_path = path.child("updateStrategy");
    match update.type_.as_deref().unwrap_or_default() {
        "OnDelete" => {}
        "RollingUpdate" => {
            let rolling = update.rolling_update.unwrap_or_default();
            let at = strategy_path.child("rollingUpdate");
            let (unavailable, surge) = (rolling.max_unavailable.as_ref(), rolling.max_surge.as_ref());
            int_or_percent(&at.child("maxUnavailable"), unavailable, errors);
            int_or_percent(&at.child("maxSurge"), surge, errors);
            if is_zero(unavailable) && is_zero(surge) {
                errors.required(&at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0");
            } else if !is_zero(unavailable) && !is_zero(surge) {
                let detail = "may not be set when maxUnavailable is non-zero";
                errors.invalid(&at.child("maxSurge"), shown(&surge), detail);
            }
        }
        other => errors.not_supported(&strategy_path.child("type"), other, &["RollingUpdate", "OnDelete"]),
    }
    errors.non_negative(&path.child("revisionHistoryLimit"), spec.revision_history_limit);
}

/// A selector and the template that it must match. `kind` is what the template's owner is called in messages.
fn selected_template(
    path: &Path,
    selector: &LabelSelector,
    template: &v1::PodTemplateSpec,
    empty: &str,
    unreadable: &str,
    kind: &str,
    errors: &mut Errors,
) {
    let at = path.child("selector");
    // A selector that is `{}` and none at all are the same after decoding; the second is what users write.
    let absent = selectors::is_empty(selector);
    let written = (selector.match_labels.is_some() || selector.match_expressions.is_some()) && absent;
    if written {
        errors.invalid(&at, shown(selector), empty);
    } else if absent {
        errors.required(&at, "");
    } else {
        selectors::label_selector(&at, Some(selector), errors);
    }
    let parsed = if absent { Ok(Selector::nothing()) } else { Selector::from_label_selector(Some(selector)) };
    match parsed {
        Err(_) => errors.invalid(&at, shown(selector), unreadable),
        Ok(parsed) => {
            if !written {
                matches_template(path, &parsed, template, errors);
            }
            if kind == "StatefulSet" {
                pod::template_metadata(&path.child("template"), template, errors);
            } else {
                pod::template(&path.child("template"), template, errors);
            }
            always_running(path, template, kind, errors);
        }
    }
}

fn matches_template(path: &Path, selector: &Selector, template: &v1::PodTemplateSpec, errors: &mut Errors) {
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    let get = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    if !selector.matches(get) {
        errors.invalid(
            &path.child("template").child("metadata").child("labels"),
            shown(&labels),
            "`selector` does not match template `labels`",
        );
    }
}

fn always_running(path: &Path, template: &v1::PodTemplateSpec, kind: &str, errors: &mut Errors) {
    let Some(spec) = &template.spec else { return };
    let path = path.child("template").child("spec");
    if let Some(policy) = spec.restart_policy.as_deref().filter(|policy| *policy != "Always") {
        errors.not_supported(&path.child("restartPolicy"), policy, &["Always"]);
    }
    if spec.active_deadline_seconds.is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden(&path.child("activeDeadlineSeconds"), detail);
    }
}

fn strategy(path: &Path, strategy: &apps::DeploymentStrategy, errors: &mut Errors) {
    match strategy.type_.as_deref().unwrap_or_default() {
        "Recreate" => {
            if strategy.rolling_update.is_some() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.forbidden(&path.child("rollingUpdate"), detail);
            }
        }
        "RollingUpdate" => match &strategy.rolling_update {
            None => errors.required(&path.child("rollingUpdate"), "this should be defaulted and never be nil"),
            Some(rolling) => {
                let path = path.child("rollingUpdate");
                let (unavailable, surge) = (rolling.max_unavailable.as_ref(), rolling.max_surge.as_ref());
                int_or_percent(&path.child("maxUnavailable"), unavailable, errors);
                int_or_percent(&path.child("maxSurge"), surge, errors);
                if is_zero(unavailable) && is_zero(surge) {
                    let detail = "may not be 0 when `maxSurge` is 0";
                    errors.invalid(&path.child("maxUnavailable"), shown(&unavailable), detail);
                }
                at_most_all(&path.child("maxUnavailable"), unavailable, errors);
            }
        },
        _ => errors.not_supported(path, shown(strategy), &["Recreate", "RollingUpdate"]),
    }
}

/// Upstream: `ValidatePositiveIntOrPercent`.
pub(super) fn int_or_percent(path: &Path, value: Option<&IntOrString>, errors: &mut Errors) {
    match value.map(IntOrPercent::from) {
        Some(IntOrPercent::Int(count)) => errors.non_negative(path, Some(count)),
        Some(IntOrPercent::Other(text)) => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' \
                          (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.invalid(path, text, detail);
        }
        Some(IntOrPercent::Percent(percent)) if percent < 0 => {
            let detail = "a valid percent string must be a numeric string followed by an ending '%' \
                          (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.invalid(path, format!("{percent}%"), detail);
        }
        Some(IntOrPercent::Percent(_)) | None => {}
    }
}

/// Upstream: `IsNotMoreThan100Percent`.
pub(super) fn at_most_all(path: &Path, value: Option<&IntOrString>, errors: &mut Errors) {
    if let Some(IntOrPercent::Percent(percent)) = value.map(IntOrPercent::from)
        && percent > 100
    {
        errors.invalid(path, format!("{percent}%"), "must not be greater than 100%");
    }
}

fn is_zero(value: Option<&IntOrString>) -> bool {
    matches!(value.map(IntOrPercent::from), Some(IntOrPercent::Int(0) | IntOrPercent::Percent(0)) | None)
}
