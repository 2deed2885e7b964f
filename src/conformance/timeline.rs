//! What the watches showed in a step: rollouts, bounds, the order of a StatefulSet's pods, vectors of counts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::names::Names;
use crate::api::{Kind, Name, Obj, Object, Pod, ReplicaSet, Uid, convert};
use crate::event::ChangeKind;

/// The timeline of the step under way, and the state that it goes on from.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// `spec.replicas` of a Deployment's ReplicaSets by number.
    sets: BTreeMap<Name, BTreeMap<u32, i32>>,
    /// Vectors of this step, the one before it first.
    rollouts: BTreeMap<Name, Vec<String>>,
    pods: BTreeMap<Uid, Seen>,
    /// The most pods and the fewest ready ones of a Deployment.
    bounds: BTreeMap<Name, (usize, usize)>,
    ordered: BTreeMap<Name, Vec<Entry>>,
    vectors: BTreeMap<&'static str, BTreeMap<String, Vec<Value>>>,
    /// What settling compares: nodes and volumes without their heartbeats.
    nodes: BTreeMap<Name, Value>,
}

#[derive(Debug)]
struct Seen {
    deployment: Option<Name>,
    set: Option<Name>,
    counts: bool,
    ready: bool,
    terminating: bool,
}

#[derive(Debug)]
struct Entry {
    word: &'static str,
    name: Name,
    revision: String,
}

impl Timeline {
    /// A step begins.
    pub(super) fn begin_step(&mut self) {
        self.rollouts.clear();
        self.bounds.clear();
        self.ordered.clear();
        self.vectors.clear();
    }

    /// An object of the namespace has changed.
    pub(super) fn see(&mut self, change: ChangeKind, object: &Object, names: &Names) {
        match object {
            Object::ReplicaSet(set) => self.see_set(change, set, names),
            Object::Pod(pod) => self.see_pod(change, pod, names),
            _ if change == ChangeKind::Deleted => {}
            _ => self.see_counts(object, names),
        }
    }

    /// Whether a change of a node or volume is more than a heartbeat.
    pub(super) fn is_new(&mut self, change: ChangeKind, object: &Object) -> bool {
        match object {
            Object::Node(node) => {
                if change == ChangeKind::Deleted {
                    return self.nodes.remove(&node.meta.name).is_some();
                }
                let json = convert::to_json(object);
                let conditions = node.body.status.conditions.iter().flatten();
                let conditions: Vec<Value> =
                    conditions.map(|condition| json!([condition.type_, condition.status, condition.reason])).collect();
                let state = json!([json["spec"], json["metadata"]["labels"], conditions]);
                self.nodes.insert(node.meta.name.clone(), state.clone()) != Some(state)
            }
            _ => object.kind() == Kind::PersistentVolume,
        }
    }

    fn see_set(&mut self, change: ChangeKind, set: &Obj<ReplicaSet>, names: &Names) {
        let Some((deployment, number)) = names.deployment_of(&set.meta.name) else { return };
        let before = self.vector(deployment);
        let sets = self.sets.entry(deployment.clone()).or_default();
        match change {
            ChangeKind::Deleted => sets.remove(&number),
            ChangeKind::Added | ChangeKind::Modified => sets.insert(number, set.body.replicas),
        };
        let now = self.vector(deployment);
        let rollout = self.rollouts.entry(deployment.clone()).or_insert_with(|| vec![before]);
        if rollout.last() != Some(&now) {
            rollout.push(now);
        }
    }

    fn vector(&self, deployment: &Name) -> String {
        let sets = self.sets.get(deployment).into_iter().flatten();
        let parts: Vec<String> = sets.map(|(number, replicas)| format!("<hash{number}>={replicas}")).collect();
        parts.join(" ")
    }

    fn see_pod(&mut self, change: ChangeKind, pod: &Obj<Pod>, names: &Names) {
        let uid = pod.meta.uid;
        let owner = pod.meta.controller();
        let owned_by = |kind: &str| owner.filter(|owner| owner.kind == kind).map(|owner| &owner.name);
        let deployment = owned_by("ReplicaSet").and_then(|set| names.deployment_of(set)).map(|(name, _)| name.clone());
        let set = owned_by("StatefulSet").cloned();
        let before = self.pods.remove(&uid);
        let is_new = before.is_none();
        let (was_ready, was_terminating) =
            before.as_ref().map_or((false, false), |before| (before.ready, before.terminating));
        let (deployment, set) = match before {
            Some(before) => (before.deployment.or(deployment), before.set.or(set)),
            None => (deployment, set),
        };
        let terminating = pod.meta.is_terminating();
        let ready = pod.body.is_ready();
        if let Some(set) = &set {
            let entries = self.ordered.entry(set.clone()).or_default();
            let mut tell = |word: &'static str, revision: String| {
                entries.push(Entry { word, name: pod.meta.name.clone(), revision });
            };
            if change == ChangeKind::Deleted {
                tell("deleted", String::new());
            } else {
                if is_new {
                    tell(
                        "create",
                        names.revision_of(&pod.meta).map_or_else(String::new, |revision| format!(" {revision}")),
                    );
                }
                if ready != was_ready {
                    tell(if ready { "ready" } else { "unready" }, String::new());
                }
                if terminating && !was_terminating {
                    tell("terminating", String::new());
                }
            }
        }
        if change != ChangeKind::Deleted {
            let counts = !terminating && !pod.body.status.phase.is_finished();
            self.pods.insert(uid, Seen { deployment: deployment.clone(), set, counts, ready, terminating });
        }
        if let Some(deployment) = deployment {
            self.sample(deployment);
        }
    }

    fn sample(&mut self, deployment: Name) {
        let own = self.pods.values().filter(|seen| seen.counts && seen.deployment.as_ref() == Some(&deployment));
        let (pods, ready) = own.fold((0, 0), |(pods, ready), seen| (pods + 1, ready + usize::from(seen.ready)));
        let (most, fewest) = self.bounds.entry(deployment).or_insert((pods, ready));
        *most = pods.max(*most);
        *fewest = ready.min(*fewest);
    }

    fn see_counts(&mut self, object: &Object, names: &Names) {
        let (word, fields): (&'static str, [&str; 4]) = match object.kind() {
            Kind::StatefulSet => {
                ("statefulsetStatus", ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"])
            }
            Kind::Job => ("job", ["active", "succeeded", "failed", ""]),
            Kind::DaemonSet => (
                "daemonset",
                ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled"],
            ),
            _ => return,
        };
        let status = convert::to_json(object)["status"].take();
        let counts = fields.iter().filter(|field| !field.is_empty()).map(|field| status[*field].as_i64().unwrap_or(0));
        let vector = Value::from(counts.collect::<Vec<i64>>());
        let vectors = self.vectors.entry(word).or_default().entry(names.word(&object.meta().name)).or_default();
        if vectors.last() != Some(&vector) {
            vectors.push(vector);
        }
    }

    /// The step's `timeline`.
    pub(super) fn to_json(&self) -> Value {
        let mut timeline = Map::new();
        let mut put = |word: &str, of: Map<String, Value>| {
            if !of.is_empty() {
                timeline.insert(word.to_owned(), Value::Object(of));
            }
        };
        let rollouts = self.rollouts.iter().filter(|(_, vectors)| vectors.len() > 1);
        put("rollout", rollouts.map(|(name, vectors)| (name.to_string(), json!(vectors))).collect());
        let bounds = self.bounds.iter();
        let bound = |(most, fewest): &(usize, usize)| json!({"maxPods": most, "minReady": fewest});
        put("bounds", bounds.map(|(name, bounds)| (name.to_string(), bound(bounds))).collect());
        let ordered = self.ordered.iter().filter(|(_, entries)| !entries.is_empty());
        put("statefulsetPods", ordered.map(|(name, entries)| (name.to_string(), json!(lines(entries)))).collect());
        for (word, vectors) in &self.vectors {
            put(word, vectors.iter().map(|(name, vectors)| (name.clone(), json!(vectors))).collect());
        }
        Value::Object(timeline)
    }
}

/// The entries of a StatefulSet's pods, each unbroken run of `deleted` or `unready` by ordinal, highest first.
fn lines(entries: &[Entry]) -> Vec<String> {
    let is_run = |a: &Entry, b: &Entry| a.word == b.word && matches!(a.word, "deleted" | "unready");
    let mut lines = Vec::new();
    for run in entries.chunk_by(is_run) {
        let mut run: Vec<&Entry> = run.iter().collect();
        run.sort_by_key(|entry| std::cmp::Reverse(if is_run(entry, entry) { ordinal(&entry.name) } else { 0 }));
        lines.extend(run.into_iter().map(|entry| format!("{} {}{}", entry.word, entry.name, entry.revision)));
    }
    lines
}

fn ordinal(name: &str) -> u64 {
    name.rsplit('-').next().and_then(|ordinal| ordinal.parse().ok()).unwrap_or(0)
}
