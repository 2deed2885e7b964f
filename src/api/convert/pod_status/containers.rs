//! Container statuses. Name, image and ids are not in the record: they follow from the spec, the pod's uid and the
//! number of restarts. Statuses that came with other ones stay in `rest`.
//!
//! As the kubelet does, statuses of containers are written sorted by name, those of init containers in the order of
//! the spec (upstream: `kubelet_pods.convertToAPIContainerStatuses`).

use k8s_openapi::api::core::v1;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{name, text, time};
use crate::api::{ContainerState, ContainerStatus, ReasonText, Terminated, Uid};

/// The records, one a container of the spec; none at all where there is no status.
pub(super) fn known(containers: &[v1::Container], statuses: &[v1::ContainerStatus]) -> Vec<ContainerStatus> {
    if statuses.is_empty() {
        return Vec::new();
    }
    let of = |container: &v1::Container| statuses.iter().find(|status| status.name == container.name);
    containers.iter().map(|container| of(container).map_or_else(unreported, known_one)).collect()
}

/// What the built-in kubelet would have written, in the order of the spec.
pub(super) fn natural(
    uid: Uid,
    containers: &[v1::Container],
    statuses: &[ContainerStatus],
) -> Vec<v1::ContainerStatus> {
    containers.iter().zip(statuses).map(|(container, status)| natural_one(uid, container, status)).collect()
}

/// The same sorted by name.
pub(super) fn natural_sorted(
    uid: Uid,
    containers: &[v1::Container],
    statuses: &[ContainerStatus],
) -> Vec<v1::ContainerStatus> {
    let mut all = natural(uid, containers, statuses);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The statuses that came, with what the records have changed since.
pub(super) fn merge(
    uid: Uid,
    containers: &[v1::Container],
    now: &[ContainerStatus],
    came: &[v1::ContainerStatus],
) -> Vec<v1::ContainerStatus> {
    let old = known(containers, came);
    let mut merged = Vec::with_capacity(came.len());
    for full in came {
        match containers.iter().position(|container| container.name == full.name) {
            None => merged.push(full.clone()),
            Some(index) => {
                if let (Some(status), Some(old)) = (now.get(index), old.get(index)) {
                    merged.push(merge_one(natural_one(uid, &containers[index], status), full, old, status));
                }
            }
        }
    }
    for (index, container) in containers.iter().enumerate() {
        let reported = came.iter().any(|full| full.name == container.name);
        if let Some(status) = now.get(index).filter(|status| !reported && **status != unreported()) {
            merged.push(natural_one(uid, container, status));
        }
    }
    merged
}

/// Stands in the record for a container that had no status while others had.
fn unreported() -> ContainerStatus {
    ContainerStatus::waiting("")
}

fn known_one(full: &v1::ContainerStatus) -> ContainerStatus {
    let last = full.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    ContainerStatus {
        state: known_state(full.state.as_ref()),
        last: last.map(|ended| Box::new(known_end(ended))),
        ready: full.ready,
        started: full.started == Some(true),
        restart_count: u32::try_from(full.restart_count).unwrap_or_default(),
    }
}

fn known_state(full: Option<&v1::ContainerState>) -> ContainerState {
    let Some(full) = full else { return unreported().state };
    if let Some(ended) = &full.terminated {
        return ContainerState::Terminated(Box::new(known_end(ended)));
    }
    if let Some(running) = &full.running {
        return ContainerState::Running { started_at: time::read_or_default(running.started_at.as_ref()) };
    }
    let waiting = full.waiting.clone().unwrap_or_default();
    ContainerState::Waiting(ReasonText { reason: name(waiting.reason), message: name(waiting.message) }.into())
}

fn known_end(full: &v1::ContainerStateTerminated) -> Terminated {
    Terminated {
        exit_code: full.exit_code,
        reason: name(full.reason.clone()),
        message: name(full.message.clone()),
        started_at: time::read_or_default(full.started_at.as_ref()),
        finished_at: time::read_or_default(full.finished_at.as_ref()),
    }
}

fn natural_one(uid: Uid, container: &v1::Container, status: &ContainerStatus) -> v1::ContainerStatus {
    let id = |restarts| container_id(uid, &container.name, restarts);
    let waits = matches!(status.state, ContainerState::Waiting(_));
    // While it waits for its next start the newest container is the one that has ended.
    let last_restarts = if waits { status.restart_count } else { status.restart_count.saturating_sub(1) };
    v1::ContainerStatus {
        container_id: (!waits || status.last.is_some()).then(|| id(status.restart_count)),
        image: container.image.clone().unwrap_or_default(),
        last_state: status.last.as_deref().map(|ended| v1::ContainerState {
            terminated: Some(natural_end(ended, id(last_restarts))),
            ..v1::ContainerState::default()
        }),
        name: container.name.clone(),
        ready: status.ready,
        restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
        started: Some(status.started),
        state: Some(natural_state(&status.state, || id(status.restart_count))),
        ..v1::ContainerStatus::default()
    }
}

fn natural_state(state: &ContainerState, id: impl Fn() -> String) -> v1::ContainerState {
    let mut full = v1::ContainerState::default();
    match state {
        ContainerState::Waiting(why) => {
            full.waiting = Some(v1::ContainerStateWaiting { message: text(&why.message), reason: text(&why.reason) });
        }
        ContainerState::Running { started_at } => {
            full.running = Some(v1::ContainerStateRunning { started_at: time::write(*started_at) });
        }
        ContainerState::Terminated(ended) => full.terminated = Some(natural_end(ended, id())),
    }
    full
}

fn natural_end(ended: &Terminated, container_id: String) -> v1::ContainerStateTerminated {
    v1::ContainerStateTerminated {
        container_id: Some(container_id),
        exit_code: ended.exit_code,
        finished_at: time::write(ended.finished_at),
        message: text(&ended.message),
        reason: text(&ended.reason),
        signal: None,
        started_at: time::write(ended.started_at),
    }
}

fn merge_one(
    natural: v1::ContainerStatus,
    full: &v1::ContainerStatus,
    old: &ContainerStatus,
    now: &ContainerStatus,
) -> v1::ContainerStatus {
    let mut merged = full.clone();
    if old.restart_count != now.restart_count {
        merged.restart_count = natural.restart_count;
        merged.container_id = natural.container_id;
    } else if merged.container_id.is_none() {
        merged.container_id = natural.container_id.filter(|_| old.state != now.state);
    }
    if old.state != now.state {
        merged.state = natural.state;
    }
    if old.last != now.last {
        merged.last_state = natural.last_state;
    }
    if old.ready != now.ready {
        merged.ready = natural.ready;
    }
    if old.started != now.started {
        merged.started = natural.started;
    }
    merged
}

/// The id of a container of this name after so many restarts: 64 hexadecimal digits, as containerd's.
fn container_id(uid: Uid, name: &str, restarts: u32) -> String {
    let mut key = Vec::with_capacity(name.len() + 21);
    key.extend_from_slice(&uid.0.to_le_bytes());
    key.extend_from_slice(&restarts.to_le_bytes());
    key.extend_from_slice(name.as_bytes());
    format!("containerd://{:032x}{:032x}", xxh3_128_with_seed(&key, 0), xxh3_128_with_seed(&key, 1))
}
