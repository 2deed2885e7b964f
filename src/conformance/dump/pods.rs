//! Pods: counted by owner and state, by owner and node, and those with names of their own one by one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{common, owner_of};
use crate::api::{ConditionStatus, ContainerState, Kind, Obj, Object, Pod, PodConditionType};
use crate::conformance::names::{Names, is_generated};
use crate::conformance::tank::Tank;

const BARE: &str = "bare";

fn group_of(pod: &Object, names: &Names) -> String {
    owner_of(pod, names).unwrap_or_else(|| BARE.to_owned())
}

fn each(tank: &Tank<'_>, mut take: impl FnMut(&Object, &Obj<Pod>)) {
    for object in tank.objects(Kind::Pod) {
        if let Object::Pod(pod) = &object {
            take(&object, pod);
        }
    }
}

/// `podGroups`.
pub(super) fn groups(tank: &Tank<'_>) -> Value {
    let mut groups: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    each(tank, |object, pod| {
        let group = groups.entry(group_of(object, &tank.names)).or_default();
        let mut count = |key: String| *group.entry(key).or_default() += 1;
        count(state(pod, &tank.names));
        let scheduled = pod.body.condition(PodConditionType::PodScheduled);
        if let Some(condition) = scheduled.filter(|condition| condition.status == ConditionStatus::False) {
            let message = condition.text.as_ref().map_or("", |text| text.message.as_str());
            count(format!("PodScheduled=False: {}", tank.names.text(message)));
        }
        if !pod.body.status.nominated_node_name.is_empty() {
            count("nominated".to_owned());
        }
    });
    json!(groups)
}

/// `podsPerNode`.
pub(super) fn per_node(tank: &Tank<'_>) -> Value {
    let mut groups: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    each(tank, |object, pod| {
        if !pod.body.node_name.is_empty() {
            let group = groups.entry(group_of(object, &tank.names)).or_default();
            *group.entry(pod.body.node_name.to_string()).or_default() += 1;
        }
    });
    json!(groups)
}

/// `pods`.
pub(super) fn named(tank: &Tank<'_>) -> Value {
    let mut pods: BTreeMap<String, Value> = BTreeMap::new();
    each(tank, |object, pod| {
        if is_generated(&pod.meta) {
            return;
        }
        let mut fields = json!({"owner": owner_of(object, &tank.names), "state": state(pod, &tank.names)});
        if let Some(finalizers) = common(object, &tank.names).remove("finalizers") {
            fields["finalizers"] = finalizers;
        }
        pods.insert(pod.meta.name.to_string(), fields);
    });
    json!(pods)
}

/// `Running/Ready/<hash1>`.
fn state(pod: &Obj<Pod>, names: &Names) -> String {
    let status = &pod.body.status;
    let mut state = status.phase.as_str().to_owned();
    let mut add = |word: &str| {
        state.push('/');
        state.push_str(word);
    };
    add(if pod.body.is_ready() { "Ready" } else { "NotReady" });
    if pod.meta.is_terminating() {
        add("Terminating");
    }
    if pod.body.node_name.is_empty() {
        add("Unscheduled");
    }
    for container in &status.containers {
        match reason(&container.state) {
            "" => {}
            "ErrImagePull" | "ImagePullBackOff" => add("ImagePull"),
            reason => add(reason),
        }
    }
    if let Some(revision) = names.revision_of(&pod.meta) {
        add(&revision);
    }
    if !status.reason.is_empty() {
        add(&format!("reason={}", status.reason));
    }
    state
}

/// The reason of a container that waits or has ended.
fn reason(state: &ContainerState) -> &str {
    match state {
        ContainerState::Waiting(why) => &why.reason,
        ContainerState::Terminated(ended) => &ended.reason,
        ContainerState::Running { .. } => "",
    }
}
