//! What a cluster has come to, without what differs from history to history: names that were drawn, uids, revisions,
//! times, addresses, nodes; and without what Kubernetes itself lets depend on the path, which [`KNOWN`] lists.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use wavetank::api::{Kind, convert};
use wavetank::sim::Sim;

/// The kinds that are compared.
const KINDS: [Kind; 13] = [
    Kind::Node,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ControllerRevision,
    Kind::Job,
    Kind::CronJob,
    Kind::Pod,
    Kind::Service,
    Kind::Endpoints,
    Kind::EndpointSlice,
];

/// Fields that no two histories share, wherever they stand.
const DRAWN: [&str; 33] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastProbeTime",
    "lastHeartbeatTime",
    "startTime",
    "startedAt",
    "finishedAt",
    "completionTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "containerID",
    "podIP",
    "podIPs",
    "hostIP",
    "hostIPs",
    "ip",
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "nodeName",
    "targetRef",
    "zone",
    "nodeInfo",
    "images",
    "message",
    "generateName",
    "currentRevision",
    "updateRevision",
];

/// Labels and annotations with such parts in them.
const DRAWN_KEYS: [&str; 7] = [
    "pod-template-hash",
    "controller-revision-hash",
    "controller.kubernetes.io/hash",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "batch.kubernetes.io/cronjob-scheduled-timestamp",
];

/// Something that depends on the path in Kubernetes as well, and is left out for that.
pub(crate) struct Known {
    kind: Kind,
    what: Left,
    /// Why, and where upstream says so.
    #[allow(dead_code, reason = "the list is read by people")]
    why: &'static str,
}

enum Left {
    /// Fields, by their places; `*` stands for any place in a list.
    Fields(&'static [&'static str]),
    /// Whole objects.
    Objects(fn(&Value) -> bool),
    /// Conditions of these types with a status.
    Condition(&'static str, &'static str),
}

/// What the end state may keep of the path.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        kind: Kind::Deployment,
        what: Left::Fields(&[
            "metadata/annotations/deployment.kubernetes.io~1revision",
            "spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
            "status/collisionCount",
        ]),
        why: "revisions count templates, restarts stay in the template (pkg/controller/deployment/util, SetNewReplicaSetAnnotations)",
    },
    Known {
        kind: Kind::ReplicaSet,
        what: Left::Objects(|set| set["spec"]["replicas"] == 0 && set["metadata"]["ownerReferences"].is_array()),
        why: "earlier templates are kept, as many as revisionHistoryLimit says (pkg/controller/deployment/sync.go, cleanupDeployment)",
    },
    Known {
        kind: Kind::ReplicaSet,
        what: Left::Fields(&["metadata/annotations/deployment.kubernetes.io~1max-replicas"]),
        why: "it is written when the set is scaled next, not when the strategy changes (pkg/controller/deployment/sync.go, \
              scaleReplicaSetAndRecordEvent)",
    },
    Known {
        kind: Kind::ReplicaSet,
        what: Left::Fields(&[
            "metadata/annotations/deployment.kubernetes.io~1revision",
            "metadata/annotations/deployment.kubernetes.io~1revision-history",
            "spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
        ]),
        why: "as of Deployments",
    },
    Known {
        kind: Kind::ControllerRevision,
        what: Left::Objects(|_| true),
        why: "earlier templates are kept, as many as revisionHistoryLimit says (pkg/controller/statefulset, truncateHistory; \
              pkg/controller/daemon/update.go, cleanupHistory)",
    },
    Known {
        kind: Kind::DaemonSet,
        what: Left::Fields(&[
            "metadata/annotations/deprecated.daemonset.template.generation",
            "spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
            "status/collisionCount",
        ]),
        why: "generations count templates (pkg/registry/apps/daemonset/strategy.go)",
    },
    Known {
        kind: Kind::StatefulSet,
        what: Left::Fields(&["spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"]),
        why: "restarts stay in the template (kubectl/pkg/polymorphichelpers/objectrestarter.go)",
    },
    Known {
        kind: Kind::Pod,
        what: Left::Objects(|pod| pod["status"]["phase"] == "Failed" || pod["status"]["phase"] == "Succeeded"),
        why: "finished pods stay until there are 12,500 of them or their owner goes (pkg/controller/podgc)",
    },
    Known {
        kind: Kind::Pod,
        what: Left::Fields(&[
            "metadata/annotations/kubectl.kubernetes.io~1restartedAt",
            "metadata/labels/pod-template-generation",
            "status/containerStatuses/*/restartCount",
            "status/containerStatuses/*/lastState",
        ]),
        why: "containers count their restarts for as long as their pod lives (pkg/kubelet/kuberuntime)",
    },
    Known {
        kind: Kind::Job,
        what: Left::Fields(&["status/failed"]),
        why: "a Job counts the pods that it has lost for ever (pkg/controller/job, trackJobStatusAndRemoveFinalizers)",
    },
    Known {
        kind: Kind::Job,
        what: Left::Condition("Suspended", "False"),
        why: "a Job that was resumed says so for ever (pkg/controller/job, syncJob: JobResumed)",
    },
    Known {
        kind: Kind::Job,
        what: Left::Objects(|job| {
            let failed = |condition: &Value| condition["type"] == "Failed" && condition["status"] == "True";
            let conditions = job["status"]["conditions"].as_array();
            job["metadata"]["ownerReferences"].is_array() && conditions.is_some_and(|all| all.iter().any(failed))
        }),
        why: "failed runs are kept, as many as failedJobsHistoryLimit says (pkg/controller/cronjob, cleanupFinishedJobs)",
    },
];

/// The objects of a cluster in that form, sorted.
pub(crate) fn state(sim: &Sim) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in KINDS {
        for object in sim.store().objects(kind, sim.now()) {
            let value = convert::to_json(&object);
            if let Some(shown) = canonical(kind, value) {
                lines.push(shown.to_string());
            }
        }
    }
    lines.sort();
    lines
}

/// Where two states differ: lines that only one has.
pub(crate) fn differences(found: &[String], expected: &[String]) -> Vec<String> {
    let mut count: BTreeMap<&String, i64> = BTreeMap::new();
    found.iter().for_each(|line| *count.entry(line).or_default() += 1);
    expected.iter().for_each(|line| *count.entry(line).or_default() -= 1);
    let sign = |times: i64| if times > 0 { "only after edits and faults" } else { "only where it began so" };
    let unlike = count.into_iter().filter(|(_, times)| *times != 0);
    unlike.map(|(line, times)| format!("{}: {line}", sign(times))).collect()
}

/// One object; nothing where it is left out.
fn canonical(kind: Kind, mut value: Value) -> Option<Value> {
    for known in KNOWN.iter().filter(|known| known.kind == kind) {
        match known.what {
            Left::Objects(is_left_out) if is_left_out(&value) => return None,
            Left::Objects(_) => {}
            Left::Fields(places) => places.iter().for_each(|place| remove(&mut value, place)),
            Left::Condition(of, status) => {
                if let Some(conditions) = value.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
                    conditions.retain(|found| found["type"] != of || found["status"] != status);
                }
            }
        }
    }
    if kind == Kind::Node {
        return Some(node(&value));
    }
    observe(&mut value);
    if kind == Kind::StatefulSet {
        let revision = |name: &str| value["status"][name].clone();
        let is_one = revision("currentRevision") == revision("updateRevision");
        value["status"]["hasOneRevision"] = is_one.into();
    }
    let annotations = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    name(kind, &mut value);
    if kind == Kind::Pod {
        value["status"] = pod_status(&value["status"]);
    }
    if kind == Kind::Endpoints || kind == Kind::EndpointSlice {
        value["metadata"] = json!({"name": value["metadata"]["name"]});
    }
    scrub(&mut value);
    Some(value)
}

/// A node: whether it is ready, and what it keeps away.
fn node(value: &Value) -> Value {
    let conditions = value["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.filter(|condition| condition["type"] == "Ready").map(|ready| ready["status"].clone());
    json!({"kind": "Node", "name": value["metadata"]["name"], "ready": ready.collect::<Value>(), "spec": {
        "taints": value["spec"]["taints"], "unschedulable": value["spec"]["unschedulable"]}})
}

/// A pod's status: its phase, its conditions, and in which state each container is.
fn pod_status(status: &Value) -> Value {
    let conditions: BTreeMap<String, Value> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|condition| (condition["type"].to_string(), condition["status"].clone()))
        .collect();
    let containers: Vec<Value> = status["containerStatuses"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            let state = container["state"].as_object().and_then(|state| state.keys().next().cloned());
            json!([container["name"], container["ready"], state])
        })
        .collect();
    json!({"phase": status["phase"], "conditions": conditions, "containers": containers})
}

/// Instead of two numbers, whether the controller has seen the latest wish.
fn observe(value: &mut Value) {
    let generation = value["metadata"]["generation"].clone();
    if let Some(status) = value.get_mut("status").and_then(Value::as_object_mut)
        && let Some(observed) = status.remove("observedGeneration")
    {
        status.insert("hasObserved".to_owned(), (observed == generation).into());
    }
}

/// Takes what was drawn out of an object's name and its owner's.
fn name(kind: Kind, value: &mut Value) {
    let owner = value.pointer("/metadata/ownerReferences/0").cloned();
    let Some(owner) = owner else { return };
    let owner_name = owner["name"].as_str().unwrap_or_default();
    let owner_name = match owner["kind"].as_str() {
        Some("ReplicaSet") => owner_name.rsplit_once('-').map_or(owner_name, |(deployment, _)| deployment),
        Some("Job") => owner_name.split('-').next().unwrap_or_default(),
        _ => owner_name,
    };
    let keeps_name = owner["kind"] == "StatefulSet" && kind == Kind::Pod;
    value["metadata"]["ownerReferences"] = json!([owner["kind"], owner_name]);
    if !keeps_name {
        value["metadata"]["name"] = format!("{owner_name}-*").into();
        if let Some(labels) = value.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.retain(|key, _| !key.ends_with("job-name"));
        }
        if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove("hostname");
        }
    }
}

/// Takes out what was drawn, wherever it stands, and puts lists of objects in order.
fn scrub(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, value| {
                !DRAWN.contains(&key.as_str()) && !DRAWN_KEYS.contains(&key.as_str()) && !value.is_null()
            });
            if let Some(addresses) = fields.get_mut("addresses").and_then(Value::as_array_mut) {
                addresses.iter_mut().filter(|address| address.is_string()).for_each(|address| *address = "*".into());
            }
            fields.values_mut().for_each(scrub);
            fields.retain(|_, value| *value != Value::Object(Map::new()));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(scrub);
            if items.iter().all(Value::is_object) {
                items.sort_by_key(Value::to_string);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Removes a field by its place.
fn remove(value: &mut Value, place: &str) {
    let Some((first, rest)) = place.split_once('/') else {
        if let Some(fields) = value.as_object_mut() {
            fields.remove(&place.replace("~1", "/"));
        }
        return;
    };
    match value {
        Value::Array(items) if first == "*" => items.iter_mut().for_each(|item| remove(item, rest)),
        Value::Object(fields) => {
            if let Some(inner) = fields.get_mut(&first.replace("~1", "/")) {
                remove(inner, rest);
            }
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_was_drawn_is_gone_and_everything_else_stays() {
    let pod = |name: &str, uid: &str, image: &str| {
        json!({"kind": "Pod", "metadata": {"name": name, "uid": uid, "labels": {"app": "w", "pod-template-hash": uid},
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("w-{uid}"), "uid": uid}]},
            "spec": {"nodeName": uid, "containers": [{"name": "c", "image": image}]},
            "status": {"phase": "Running", "startTime": uid}})
    };
    let one = canonical(Kind::Pod, pod("w-1-a", "1", "i:1"));
    assert_eq!(one, canonical(Kind::Pod, pod("w-2-b", "2", "i:1")));
    assert_ne!(one, canonical(Kind::Pod, pod("w-1-a", "1", "i:2")));
    let mut finished = pod("w-1-a", "1", "i:1");
    finished["status"]["phase"] = "Failed".into();
    assert_eq!(canonical(Kind::Pod, finished), None);
    let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    assert_eq!(differences(&lines(&["a", "b", "b"]), &lines(&["b", "b", "c"])).len(), 2);
    assert!(KNOWN.iter().all(|known| known.why.contains('/') || known.why.starts_with("as of")));
}
