//! The words that kubelets use: durations as Go prints them, names of pods and images in messages, shared reasons.

use std::sync::{Arc, LazyLock};

use crate::api::{Name, Obj, Pod, ReasonText};
use crate::kernel::Span;

static CONTAINER_CREATING: LazyLock<Arc<ReasonText>> = LazyLock::new(|| reason("ContainerCreating"));
static POD_INITIALIZING: LazyLock<Arc<ReasonText>> = LazyLock::new(|| reason("PodInitializing"));
static POD_COMPLETED: LazyLock<Arc<ReasonText>> = LazyLock::new(|| reason("PodCompleted"));
static POD_FAILED: LazyLock<Arc<ReasonText>> = LazyLock::new(|| reason("PodFailed"));

fn reason(word: &str) -> Arc<ReasonText> {
    Arc::new(ReasonText { reason: word.into(), message: Name::new() })
}

/// Why a container waits that has not begun: shared by all of them.
pub(super) fn not_begun(has_init_containers: bool) -> Arc<ReasonText> {
    if has_init_containers { POD_INITIALIZING.clone() } else { CONTAINER_CREATING.clone() }
}

/// The reason of conditions of pods that have ended well.
pub(super) fn pod_completed() -> Arc<ReasonText> {
    POD_COMPLETED.clone()
}

/// The reason of conditions of pods that have failed.
pub(super) fn pod_failed() -> Arc<ReasonText> {
    POD_FAILED.clone()
}

/// A pod in messages: `name_namespace(uid)`. Upstream: `pkg/kubelet/util/format.Pod`.
pub(super) fn pod(pod: &Obj<Pod>) -> Name {
    ecow::eco_format!("{}_{}({})", pod.meta.name, pod.meta.namespace, pod.meta.uid)
}

/// A duration as Go's `time.Duration` prints it: `1.2s`, `512ms`, `1m20s`, `5m0s`.
pub(super) fn go_duration(span: Span) -> Name {
    let nanos = span.as_nanos();
    let scaled = |unit: u64, suffix: &str| {
        let width = unit.ilog10() as usize;
        let fraction = format!("{:0width$}", nanos % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() || width == 0 { "" } else { "." };
        let fraction = if width == 0 { "" } else { fraction };
        ecow::eco_format!("{}{point}{fraction}{suffix}", nanos / unit)
    };
    match nanos {
        0 => "0s".into(),
        1..1_000 => scaled(1, "ns"),
        1_000..1_000_000 => scaled(1_000, "µs"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = go_seconds(nanos % 60_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds.into(),
                (0, minutes) => ecow::eco_format!("{minutes}m{seconds}"),
                (hours, minutes) => ecow::eco_format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

fn go_seconds(nanos: u64) -> String {
    let fraction = format!("{:09}", nanos % 1_000_000_000);
    match fraction.trim_end_matches('0') {
        "" => format!("{}s", nanos / 1_000_000_000),
        fraction => format!("{}.{fraction}s", nanos / 1_000_000_000),
    }
}

/// A span cut to milliseconds.
pub(super) fn to_millis(span: Span) -> Span {
    Span::from_millis(span.as_millis())
}

/// An image under its full name, as container runtimes list it: registry, `library/` on Docker Hub, tag.
/// Upstream: `distribution/reference.ParseNormalizedNamed` and `TagNameOnly`.
pub(super) fn full_image(image: &str) -> Name {
    let (name, has_tag) = match image.split_once('@') {
        Some(_) => (image, true),
        None => (image, image.rsplit('/').next().is_some_and(|last| last.contains(':'))),
    };
    let tag = if has_tag { "" } else { ":latest" };
    match name.split_once('/') {
        None => ecow::eco_format!("docker.io/library/{name}{tag}"),
        Some(("docker.io", rest)) if !rest.contains('/') => ecow::eco_format!("docker.io/library/{rest}{tag}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => ecow::eco_format!("{name}{tag}"),
        Some(_) => ecow::eco_format!("docker.io/{name}{tag}"),
    }
}

/// What containerd answers for an image that the registry does not have.
pub(super) fn image_not_found(image: &str) -> Name {
    let full = full_image(image);
    ecow::eco_format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve reference \
         \"{full}\": {full}: not found"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(millis: u64, expected: &str) {
        assert_eq!(go_duration(Span::from_millis(millis)), expected);
    }

    #[test]
    fn durations_are_printed_as_go_does() {
        check_duration(0, "0s");
        check_duration(512, "512ms");
        check_duration(1_200, "1.2s");
        check_duration(10_000, "10s");
        check_duration(80_000, "1m20s");
        check_duration(300_000, "5m0s");
        check_duration(3_600_000, "1h0m0s");
        assert_eq!(go_duration(Span::from_micros(1_500)), "1.5ms");
        assert_eq!(go_duration(Span::from_nanos(7)), "7ns");
    }

    #[track_caller]
    fn check_image(image: &str, expected: &str) {
        assert_eq!(full_image(image), expected);
    }

    #[test]
    fn images_get_their_registry_and_their_tag() {
        check_image("nginx", "docker.io/library/nginx:latest");
        check_image("nginx:1.25", "docker.io/library/nginx:1.25");
        check_image("grafana/grafana:10", "docker.io/grafana/grafana:10");
        check_image("docker.io/nginx", "docker.io/library/nginx:latest");
        check_image("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10");
        check_image("localhost:5000/app", "localhost:5000/app:latest");
        check_image("gcr.io/a/b@sha256:0", "gcr.io/a/b@sha256:0");
    }
}
