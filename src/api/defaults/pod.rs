//! Pods and pod templates. Upstream: `pkg/apis/core/v1/defaults.go`.

use serde_json::{Value, json};

use super::{Fields, copy_missing, default, default_text, each, has, storage, text, within, within_new};

/// A Pod: what its spec has in templates too, and what only pods get.
pub(super) fn pod(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        pod_spec(spec);
        default(spec, "enableServiceLinks", true);
        let host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
        for list in ["containers", "initContainers"] {
            each(spec, list, |container| {
                within(container, "resources", |resources| copy_missing(resources, "limits", "requests"));
                if host_network {
                    each(container, "ports", host_port);
                }
            });
        }
    });
}

/// A pod template: `metadata` and `spec`.
pub(super) fn template(template: &mut Fields) {
    within_new(template, "spec", pod_spec);
}

fn host_port(port: &mut Fields) {
    if let Some(number) = port.get("containerPort").cloned()
        && port.get("hostPort").and_then(Value::as_i64).unwrap_or_default() == 0
    {
        port.insert("hostPort".to_owned(), number);
    }
}

fn pod_spec(spec: &mut Fields) {
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default_text(spec, "schedulerName", "default-scheduler");
    default(spec, "securityContext", json!({}));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", storage::volume);
}

fn container(container: &mut Fields) {
    let policy = if tag_is_latest(text(container, "image")) { "Always" } else { "IfNotPresent" };
    default_text(container, "imagePullPolicy", policy);
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    each(container, "ports", |port| default_text(port, "protocol", "TCP"));
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, name, probe);
    }
    within(container, "lifecycle", |lifecycle| {
        for hook in ["postStart", "preStop"] {
            within(lifecycle, hook, |hook| within(hook, "httpGet", http_get));
        }
    });
    each(container, "env", |variable| {
        within(variable, "valueFrom", value_source);
    });
}

/// What an environment variable or a downward API file is read from.
pub(super) fn value_source(source: &mut Fields) {
    within(source, "fieldRef", |field| default_text(field, "apiVersion", "v1"));
    within(source, "resourceFieldRef", |field| default(field, "divisor", "0"));
}

fn probe(probe: &mut Fields) {
    let counts = [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)];
    for (field, count) in counts {
        if probe.get(field).and_then(Value::as_i64).unwrap_or_default() == 0 {
            probe.insert(field.to_owned(), count.into());
        }
    }
    within(probe, "httpGet", http_get);
    within(probe, "grpc", |grpc| default(grpc, "service", ""));
}

fn http_get(action: &mut Fields) {
    default_text(action, "path", "/");
    default_text(action, "scheme", "HTTP");
}

/// Whether an image has the tag `latest`, or neither tag nor digest. Upstream: `parsers.ParseImageName`, whose errors
/// defaulting ignores.
fn tag_is_latest(image: &str) -> bool {
    if image.is_empty() || image.contains('@') {
        return image.split('@').next().is_some_and(|name| name.ends_with(":latest"));
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

/// Whether a mapping names a volume source: anything beside its name.
pub(super) fn has_source(volume: &Fields) -> bool {
    volume.keys().any(|key| key != "name" && has(volume, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_tag_is_always_pulled() {
        for (image, latest) in [
            ("app", true),
            ("app:latest", true),
            ("app:v1", false),
            ("reg.example:5000/app", true),
            ("reg.example:5000/app:1", false),
            ("reg.example/app@sha256:00", false),
            ("", false),
        ] {
            assert_eq!(tag_is_latest(image), latest, "{image}");
        }
    }
}
