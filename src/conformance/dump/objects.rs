//! `objects`: what each kind shows.

use serde_json::{Map, Value, json};

use super::{common, conditions, counters, network, observed, storage, with_json};
use crate::api::{Kind, Object};
use crate::conformance::names::Names;
use crate::conformance::tank::{NAMESPACE, Tank};

const REVISION: &str = "deployment.kubernetes.io/revision";
const OF_DEPLOYMENT: &str = "deployment.kubernetes.io/";

/// The kinds of a namespace that are dumped one by one.
const KINDS: [Kind; 13] = [
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::Service,
    Kind::Endpoints,
    Kind::PersistentVolumeClaim,
    Kind::PodDisruptionBudget,
    Kind::ResourceQuota,
    Kind::ControllerRevision,
    Kind::ConfigMap,
];

/// All objects of the case.
pub(super) fn all(tank: &Tank<'_>) -> Value {
    let names = &tank.names;
    let mut objects = Map::new();
    let mut kinds = KINDS.to_vec();
    if tank.case.exclusive {
        kinds.extend([Kind::Node, Kind::PersistentVolume]);
    }
    for kind in kinds {
        let name_of_kind = kind.info().map_or("", |info| &info.kind);
        for (object, json) in tank.objects(kind).into_iter().map(with_json) {
            let name = names.word(&object.meta().name);
            let mut fields = common(&object, names);
            fields.extend(own(&object, &json, names));
            objects.insert(format!("{name_of_kind}/{name}"), Value::Object(fields));
        }
    }
    if let Some(namespace) = tank.sim.store().by_name(Kind::Namespace, "", NAMESPACE) {
        let (namespace, json) = with_json(namespace.clone());
        let mut fields = common(&namespace, names);
        fields.insert("phase".to_owned(), json["status"]["phase"].clone());
        fields.insert("conditions".to_owned(), conditions(&json["status"], names));
        objects.insert("Namespace/<ns>".to_owned(), Value::Object(fields));
    }
    objects.extend(network::slices(tank));
    Value::Object(objects)
}

/// The fields of a kind.
fn own(object: &Object, json: &Value, names: &Names) -> Map<String, Value> {
    let (spec, status) = (&json["spec"], &json["status"]);
    let fields = match object.kind() {
        Kind::Deployment => json!({
            "observed": observed(json),
            "replicas": spec["replicas"],
            "paused": spec["paused"].as_bool().unwrap_or(false),
            "status": counters(status, &[
                "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
            ]),
            "revision": json["metadata"]["annotations"][REVISION],
            "conditions": conditions(status, names),
            "image": image(spec),
        }),
        Kind::ReplicaSet => json!({
            "observed": observed(json),
            "replicas": spec["replicas"],
            "status": counters(status, &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"]),
            "conditions": conditions(status, names),
            "image": image(spec),
            "annotations": annotations(json, |key| key.strip_prefix(OF_DEPLOYMENT)),
        }),
        Kind::StatefulSet => json!({
            "observed": observed(json),
            "replicas": spec["replicas"],
            "status": counters(status, &[
                "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
            ]),
            "currentRevision": revision(&status["currentRevision"], names),
            "updateRevision": revision(&status["updateRevision"], names),
        }),
        Kind::DaemonSet => json!({
            "observed": observed(json),
            "status": counters(status, &[
                "currentNumberScheduled", "desiredNumberScheduled", "numberAvailable", "numberMisscheduled",
                "numberReady", "numberUnavailable", "updatedNumberScheduled",
            ]),
        }),
        Kind::Job => json!({
            "parallelism": spec["parallelism"],
            "completions": spec["completions"],
            "suspend": spec["suspend"].as_bool().unwrap_or(false),
            "status": counters(status, &["active", "succeeded", "failed"]),
            "completedIndexes": status["completedIndexes"].as_str().filter(|indexes| !indexes.is_empty()),
            "conditions": conditions(status, names),
            "started": is_set(&status["startTime"]),
            "completed": is_set(&status["completionTime"]),
        }),
        Kind::CronJob => {
            let active = status["active"].as_array().into_iter().flatten();
            let mut active: Vec<String> =
                active.filter_map(|job| job["name"].as_str()).map(|name| names.word(name)).collect();
            active.sort_unstable();
            json!({
                "suspend": spec["suspend"].as_bool().unwrap_or(false),
                "active": active,
                "lastScheduleTime": is_set(&status["lastScheduleTime"]),
                "lastSuccessfulTime": is_set(&status["lastSuccessfulTime"]),
            })
        }
        Kind::Service => network::service(spec),
        Kind::Endpoints => network::endpoints(json),
        Kind::PersistentVolumeClaim => storage::claim(json),
        Kind::PersistentVolume => storage::volume(json),
        Kind::PodDisruptionBudget => json!({
            "observed": observed(json),
            "status": counters(status, &["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"]),
            "disruptedPods": status["disruptedPods"].as_object().map_or(0, Map::len),
            "conditions": conditions(status, names),
        }),
        Kind::ResourceQuota => json!({"hard": map(&status["hard"]), "used": map(&status["used"])}),
        Kind::ControllerRevision => json!({"revision": json["revision"]}),
        Kind::Node => node(spec, status),
        _ => json!({}),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn is_set(value: &Value) -> bool {
    !value.is_null()
}

/// An object, empty where there is none.
pub(super) fn map(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({}) }
}

fn image(spec: &Value) -> &Value {
    &spec["template"]["spec"]["containers"][0]["image"]
}

fn revision(name: &Value, names: &Names) -> Option<String> {
    name.as_str().map(|name| names.word(name))
}

/// The annotations whose keys are taken, under what the keys become.
pub(super) fn annotations<'a>(json: &'a Value, take: impl Fn(&'a str) -> Option<&'a str>) -> Value {
    let all = json["metadata"]["annotations"].as_object().into_iter().flatten();
    Value::Object(all.filter_map(|(key, value)| Some((take(key)?.to_owned(), value.clone()))).collect())
}

fn node(spec: &Value, status: &Value) -> Value {
    let taint = |taint: &Value| {
        let text = |field: &str| taint[field].as_str().unwrap_or_default();
        format!("{}={}:{}", text("key"), text("value"), text("effect"))
    };
    let mut taints: Vec<String> = spec["taints"].as_array().into_iter().flatten().map(taint).collect();
    taints.sort_unstable();
    let mut conditions = Map::new();
    for condition in status["conditions"].as_array().into_iter().flatten() {
        if let Some(kind) = condition["type"].as_str() {
            let told = json!([condition["status"], condition["reason"], condition["message"]]);
            conditions.insert(kind.to_owned(), told);
        }
    }
    json!({
        "unschedulable": spec["unschedulable"].as_bool().unwrap_or(false),
        "taints": taints,
        "podCIDRs": spec["podCIDRs"].as_array().map_or(0, Vec::len),
        "conditions": conditions,
    })
}
