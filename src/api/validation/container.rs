//! Containers and init containers. Upstream: `validateContainerCommon`, `validateContainers`, `validateInitContainers`.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeSet;

use super::field::{Errors, Path};
use super::quantities;
use crate::api::text::{is_dns1123_label, is_valid_port_name, is_valid_port_number};

/// The containers of a pod whose right volumes are `volumes`.
pub(super) fn containers(path: &Path, list: &[v1::Container], volumes: &BTreeSet<&str>, errors: &mut Errors) {
    if list.is_empty() {
        errors.required(path, "");
        return;
    }
    let mut names = BTreeSet::new();
    for (index, container) in list.iter().enumerate() {
        let path = path.index(index);
        common(&path, container, volumes, errors);
        if !names.insert(container.name.as_str()) {
            errors.duplicate(&path.child("name"), container.name.as_str());
        }
        hooks_and_probes(&path, container, errors);
    }
    host_ports(path, list, errors);
}

/// The init containers of a pod, whose names may not be those of its containers.
pub(super) fn init_containers(
    path: &Path,
    list: &[v1::Container],
    regular: &[v1::Container],
    volumes: &BTreeSet<&str>,
    errors: &mut Errors,
) {
    let mut names: BTreeSet<&str> = regular.iter().map(|container| container.name.as_str()).collect();
    for (index, container) in list.iter().enumerate() {
        let path = path.index(index);
        common(&path, container, volumes, errors);
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        if let Some(policy) = container.restart_policy.as_deref().filter(|_| !sidecar) {
            errors.not_supported(&path.child("restartPolicy"), policy, &["Always"]);
        }
        if !names.insert(container.name.as_str()) {
            errors.duplicate(&path.child("name"), container.name.as_str());
        }
        if sidecar {
            hooks_and_probes(&path, container, errors);
            continue;
        }
        for (field, there) in [
            ("lifecycle", container.lifecycle.is_some()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
        ] {
            if there {
                errors.forbidden(&path.child(field), "may not be set for init containers without restartPolicy=Always");
            }
        }
    }
}

fn common(path: &Path, container: &v1::Container, volumes: &BTreeSet<&str>, errors: &mut Errors) {
    if container.name.is_empty() {
        errors.required(&path.child("name"), "");
    } else {
        errors.complaints(&path.child("name"), &container.name, is_dns1123_label(&container.name));
    }
    let image = container.image.as_deref().unwrap_or_default();
    if image.is_empty() {
        errors.required(&path.child("image"), "");
    } else if image.trim() != image {
        errors.invalid(&path.child("image"), image, "must not have leading or trailing whitespace");
    }
    errors.one_of(
        &path.child("terminationMessagePolicy"),
        container.termination_message_policy.as_deref(),
        &["FallbackToLogsOnError", "File"],
    );
    ports(&path.child("ports"), container.ports.as_deref().unwrap_or_default(), errors);
    environment(&path.child("env"), container.env.as_deref().unwrap_or_default(), errors);
    mounts(&path.child("volumeMounts"), container.volume_mounts.as_deref().unwrap_or_default(), volumes, errors);
    errors.one_of(
        &path.child("imagePullPolicy"),
        container.image_pull_policy.as_deref(),
        &["Always", "IfNotPresent", "Never"],
    );
    if let Some(resources) = &container.resources {
        quantities::requirements(&path.child("resources"), resources, errors);
    }
}

fn ports(path: &Path, list: &[v1::ContainerPort], errors: &mut Errors) {
    let mut names = BTreeSet::new();
    for (index, port) in list.iter().enumerate() {
        let path = path.index(index);
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let complaints = is_valid_port_name(name);
            if complaints.is_empty() && !names.insert(name) {
                errors.duplicate(&path.child("name"), name);
            }
            errors.complaints(&path.child("name"), name, complaints);
        }
        if port.container_port == 0 {
            errors.required(&path.child("containerPort"), "");
        } else {
            port_number(&path.child("containerPort"), port.container_port, errors);
        }
        if let Some(number) = port.host_port.filter(|number| *number != 0) {
            port_number(&path.child("hostPort"), number, errors);
        }
        errors.one_of(&path.child("protocol"), port.protocol.as_deref(), &["SCTP", "TCP", "UDP"]);
    }
}

pub(super) fn port_number(path: &Path, number: i32, errors: &mut Errors) {
    for complaint in is_valid_port_number(i64::from(number)) {
        errors.invalid(path, number, complaint);
    }
}

/// A port as a number or by name.
pub(super) fn port(path: &Path, port: &IntOrString, errors: &mut Errors) {
    match port {
        IntOrString::Int(number) => port_number(path, *number, errors),
        IntOrString::String(name) => errors.complaints(path, name, is_valid_port_name(name)),
    }
}

fn host_ports(path: &Path, list: &[v1::Container], errors: &mut Errors) {
    let mut taken = BTreeSet::new();
    for (index, container) in list.iter().enumerate() {
        for (port_index, port) in container.ports.iter().flatten().enumerate() {
            let Some(number) = port.host_port.filter(|number| *number != 0) else { continue };
            let protocol = port.protocol.as_deref().unwrap_or_default();
            let key = format!("{protocol}/{}/{number}", port.host_ip.as_deref().unwrap_or_default());
            if !taken.insert(key.clone()) {
                errors.duplicate(&path.index(index).child("ports").index(port_index).child("hostPort"), key);
            }
        }
    }
}

fn environment(path: &Path, list: &[v1::EnvVar], errors: &mut Errors) {
    for (index, variable) in list.iter().enumerate() {
        let path = path.index(index);
        let at = path.child("name");
        if variable.name.is_empty() {
            errors.required(&at, "");
        } else if !variable.name.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'=') {
            let detail =
                "a valid environment variable name must consist only of printable ASCII characters other than '='";
            errors.invalid(&at, variable.name.as_str(), detail);
        }
        let Some(source) = &variable.value_from else { continue };
        let at = path.child("valueFrom");
        let sources = [
            source.field_ref.is_some(),
            source.resource_field_ref.is_some(),
            source.config_map_key_ref.is_some(),
            source.secret_key_ref.is_some(),
            source.file_key_ref.is_some(),
        ];
        match sources.into_iter().filter(|there| *there).count() {
            0 => errors.invalid(
                &at,
                "",
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            ),
            _ if variable.value.as_deref().is_some_and(|value| !value.is_empty()) => {
                errors.invalid(&at, "", "may not be specified when `value` is not empty");
            }
            1 => {}
            _ => errors.invalid(&at, "", "may not have more than one field specified at a time"),
        }
        let keys = [
            ("configMapKeyRef", source.config_map_key_ref.as_ref().map(|key| (&key.name, &key.key))),
            ("secretKeyRef", source.secret_key_ref.as_ref().map(|key| (&key.name, &key.key))),
        ];
        for (field, key) in keys {
            let Some((name, key)) = key else { continue };
            for (part, text) in [("name", name), ("key", key)] {
                if text.is_empty() {
                    errors.required(&at.child(field).child(part), "");
                }
            }
        }
        if source.field_ref.as_ref().is_some_and(|field| field.field_path.is_empty()) {
            errors.required(&at.child("fieldRef").child("fieldPath"), "");
        }
    }
}

fn mounts(path: &Path, list: &[v1::VolumeMount], volumes: &BTreeSet<&str>, errors: &mut Errors) {
    let mut places = BTreeSet::new();
    for (index, mount) in list.iter().enumerate() {
        let path = path.index(index);
        if mount.name.is_empty() {
            errors.required(&path.child("name"), "");
        }
        if !volumes.contains(mount.name.as_str()) {
            errors.not_found(&path.child("name"), &mount.name);
        }
        if mount.mount_path.is_empty() {
            errors.required(&path.child("mountPath"), "");
        }
        if !places.insert(mount.mount_path.as_str()) {
            errors.invalid(&path.child("mountPath"), mount.mount_path.as_str(), "must be unique");
        }
        let inner = mount.sub_path.as_deref().unwrap_or_default();
        if inner.starts_with('/') {
            errors.invalid(&path.child("subPath"), inner, "must be a relative path");
        }
        if inner.split('/').any(|part| part == "..") {
            errors.invalid(&path.child("subPath"), inner, "must not contain '..'");
        }
    }
}

fn hooks_and_probes(path: &Path, container: &v1::Container, errors: &mut Errors) {
    if let Some(lifecycle) = &container.lifecycle {
        let path = path.child("lifecycle");
        for (name, hook) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
            let Some(hook) = hook else { continue };
            let handlers = Handlers {
                exec: hook.exec.as_ref(),
                http_get: hook.http_get.as_ref(),
                tcp_socket: hook.tcp_socket.as_ref(),
                other: hook.sleep.as_ref().map(|_| "sleep"),
            };
            handler(&path.child(name), &handlers, errors);
        }
    }
    let must_succeed_once = |path: &Path, probe: &v1::Probe, errors: &mut Errors| {
        if let Some(count) = probe.success_threshold.filter(|count| *count != 1) {
            errors.invalid(&path.child("successThreshold"), count, "must be 1");
        }
    };
    if let Some(found) = &container.liveness_probe {
        let path = path.child("livenessProbe");
        probe(&path, found, errors);
        must_succeed_once(&path, found, errors);
    }
    if let Some(found) = &container.readiness_probe {
        let path = path.child("readinessProbe");
        probe(&path, found, errors);
        if let Some(seconds) = found.termination_grace_period_seconds {
            errors.invalid(
                &path.child("terminationGracePeriodSeconds"),
                seconds,
                "must not be set for readinessProbes",
            );
        }
    }
    if let Some(found) = &container.startup_probe {
        let path = path.child("startupProbe");
        probe(&path, found, errors);
        must_succeed_once(&path, found, errors);
    }
}

fn probe(path: &Path, probe: &v1::Probe, errors: &mut Errors) {
    let handlers = Handlers {
        exec: probe.exec.as_ref(),
        http_get: probe.http_get.as_ref(),
        tcp_socket: probe.tcp_socket.as_ref(),
        other: probe.grpc.as_ref().map(|_| "grpc"),
    };
    handler(path, &handlers, errors);
    for (field, number) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.non_negative(&path.child(field), number);
    }
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(&path.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0");
    }
}

/// What a probe or a hook does, of which there must be exactly one.
struct Handlers<'a> {
    exec: Option<&'a v1::ExecAction>,
    http_get: Option<&'a v1::HTTPGetAction>,
    tcp_socket: Option<&'a v1::TCPSocketAction>,
    other: Option<&'static str>,
}

fn handler(path: &Path, handlers: &Handlers<'_>, errors: &mut Errors) {
    let mut count = 0;
    let mut is_first = |path: &Path, errors: &mut Errors| {
        count += 1;
        if count > 1 {
            errors.forbidden(path, "may not specify more than 1 handler type");
        }
        count == 1
    };
    if let Some(exec) = handlers.exec {
        let path = path.child("exec");
        if is_first(&path, errors) && exec.command.as_ref().is_none_or(Vec::is_empty) {
            errors.required(&path.child("command"), "");
        }
    }
    if let Some(http) = handlers.http_get {
        let path = path.child("httpGet");
        if is_first(&path, errors) {
            if http.path.as_deref().is_none_or(str::is_empty) {
                errors.required(&path.child("path"), "");
            }
            port(&path.child("port"), &http.port, errors);
            let scheme = http.scheme.as_deref().unwrap_or_default();
            if !["HTTP", "HTTPS"].contains(&scheme) {
                errors.not_supported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]);
            }
        }
    }
    if let Some(tcp) = handlers.tcp_socket {
        let path = path.child("tcpSocket");
        if is_first(&path, errors) {
            port(&path.child("port"), &tcp.port, errors);
        }
    }
    if let Some(name) = handlers.other {
        is_first(&path.child(name), errors);
    }
    if count == 0 {
        errors.required(path, "must specify a handler type");
    }
}
