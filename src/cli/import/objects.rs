//! Objects as a person would have written them: without what a server has added, in an order in which they can be
//! applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::api::Kind;
use crate::report::counted;
use crate::store::SYSTEM_PRIORITY_CLASSES;

/// The kinds that are kept, in the order in which they are applied: who takes objects of others back comes after them.
const KINDS: [Kind; 18] = [
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::PriorityClass,
    Kind::StorageClass,
    Kind::CSIDriver,
    Kind::CSINode,
    Kind::PersistentVolume,
    Kind::PersistentVolumeClaim,
    Kind::Service,
    Kind::PodDisruptionBudget,
    Kind::Pod,
    Kind::ReplicationController,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Deployment,
    Kind::CronJob,
    Kind::HorizontalPodAutoscaler,
];

/// Metadata that a server sets.
const SERVER_METADATA: [&str; 10] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
];
/// Annotations that kubelets and kubectl set.
const TOOL_ANNOTATIONS: [&str; 5] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubernetes.io/config.hash",
    "kubernetes.io/config.mirror",
    "kubernetes.io/config.seen",
    "kubernetes.io/config.source",
];
/// Fields of pods that say nothing: a server fills them in.
const DEFAULTS: [(&str, &str); 10] = [
    ("dnsPolicy", "ClusterFirst"),
    ("restartPolicy", "Always"),
    ("schedulerName", "default-scheduler"),
    ("serviceAccount", "default"),
    ("serviceAccountName", "default"),
    ("preemptionPolicy", "PreemptLowerPriority"),
    ("terminationMessagePath", "/dev/termination-log"),
    ("terminationMessagePolicy", "File"),
    ("imagePullPolicy", "IfNotPresent"),
    ("protocol", "TCP"),
];
/// How the volume is called that admission mounts into every pod.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Whether objects of a kind become part of a scenario.
pub(super) fn is_kept(kind: Kind) -> bool {
    KINDS.contains(&kind)
}

/// The objects of a scenario.
pub(super) struct Objects {
    /// In the order in which they are applied.
    pub(super) list: Vec<Value>,
    /// What was left out or made up.
    pub(super) notes: Vec<String>,
}

impl Objects {
    /// Of what was printed. Of two objects of one kind and name the later counts.
    pub(super) fn of(printed: Vec<(Kind, Value)>) -> Objects {
        let (mut ended, mut leaving) = (0, 0);
        let mut list: Vec<(Kind, Value)> = Vec::new();
        let mut places: BTreeMap<Key, usize> = BTreeMap::new();
        for (kind, object) in printed {
            let phase = object["status"]["phase"].as_str().unwrap_or_default();
            let has_ended = kind == Kind::Pod && ["Succeeded", "Failed"].contains(&phase);
            let is_leaving = !object["metadata"]["deletionTimestamp"].is_null();
            ended += usize::from(has_ended);
            leaving += usize::from(!has_ended && is_leaving);
            if has_ended || is_leaving || is_built_in(kind, &object) {
                continue;
            }
            let key = key_of(kind, &object);
            match places.get(&key) {
                Some(place) => list[*place].1 = object,
                None => {
                    places.insert(key, list.len());
                    list.push((kind, object));
                }
            }
        }
        let note = |count: usize, thing: &str, why: &str| {
            (count > 0).then(|| format!("{} left out: {why}", counted(count as u64, thing)))
        };
        let mut notes: Vec<String> = note(ended, "pod", "ended").into_iter().collect();
        notes.extend(note(leaving, "object", "being deleted"));
        let made_up = made_up(&list, &mut notes);
        for (kind, object) in &mut list {
            cleaned(*kind, object);
        }
        list.extend(made_up);
        let place = |kind: Kind| KINDS.iter().position(|known| *known == kind);
        // Pending pods come last: they meet the cluster that they met.
        list.sort_by_key(|(kind, object)| (place(*kind), *kind == Kind::Pod && object["spec"]["nodeName"].is_null()));
        Objects { list: list.into_iter().map(|(_, object)| object).collect(), notes }
    }
}

/// What every cluster has by itself.
fn is_built_in(kind: Kind, object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match kind {
        Kind::Namespace => ["default", "kube-node-lease", "kube-public", "kube-system"].contains(&name),
        Kind::ServiceAccount => name == "default",
        Kind::PriorityClass => SYSTEM_PRIORITY_CLASSES.iter().any(|(known, ..)| *known == name),
        Kind::Service => name == "kubernetes" && object["metadata"]["namespace"] == "default",
        _ => false,
    }
}

fn cleaned(kind: Kind, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    fields.remove("status");
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        clean_metadata(metadata);
    }
    let Some(Value::Object(spec)) = fields.get_mut("spec") else { return };
    match kind {
        Kind::Pod => clean_pod(spec),
        Kind::Service => clean_service(spec),
        Kind::Namespace => {
            spec.remove("finalizers");
        }
        Kind::PersistentVolume => {
            if let Some(Value::Object(claim)) = spec.get_mut("claimRef") {
                claim.remove("uid");
                claim.remove("resourceVersion");
            }
        }
        Kind::CronJob => {
            if let Some(template) = spec.get_mut("jobTemplate").and_then(|template| template.get_mut("spec")) {
                clean_template(template);
            }
        }
        _ => clean_template_of(spec),
    }
    fields.retain(|_, value| *value != json!({}));
}

fn clean_template(spec: &mut Value) {
    if let Value::Object(spec) = spec {
        clean_template_of(spec);
    }
}

fn clean_template_of(spec: &mut Map<String, Value>) {
    let Some(Value::Object(template)) = spec.get_mut("template") else { return };
    if let Some(Value::Object(metadata)) = template.get_mut("metadata") {
        clean_metadata(metadata);
    }
    if let Some(Value::Object(pod)) = template.get_mut("spec") {
        clean_pod(pod);
    }
}

fn clean_metadata(metadata: &mut Map<String, Value>) {
    SERVER_METADATA.iter().for_each(|field| {
        metadata.remove(*field);
    });
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|key, _| !TOOL_ANNOTATIONS.contains(&key.as_str()));
    }
    if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
        labels.remove("kubernetes.io/metadata.name");
    }
    metadata.retain(|_, value| *value != json!({}));
    if metadata.contains_key("name") {
        metadata.remove("generateName");
    }
}

fn clean_pod(spec: &mut Map<String, Value>) {
    let is_token = |name: &Value| name.as_str().is_some_and(|name| name.starts_with(TOKEN_VOLUME));
    retain(spec, "volumes", |volume| !is_token(&volume["name"]));
    retain(spec, "tolerations", |toleration| !is_default_toleration(toleration));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(container) = container else { continue };
            retain(container, "volumeMounts", |mount| !is_token(&mount["name"]));
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                without_defaults(port);
            }
            without_defaults_of(container);
        }
    }
    if spec.get("priority") == Some(&json!(0)) || spec.contains_key("priorityClassName") {
        spec.remove("priority");
    }
    if spec.contains_key("priorityClassName") {
        spec.remove("preemptionPolicy");
    }
    if spec.get("serviceAccount") == spec.get("serviceAccountName") {
        spec.remove("serviceAccount");
    }
    for (field, usual) in [("terminationGracePeriodSeconds", json!(30)), ("enableServiceLinks", json!(true))] {
        if spec.get(field) == Some(&usual) {
            spec.remove(field);
        }
    }
    without_defaults_of(spec);
}

/// What DefaultTolerationSeconds adds.
fn is_default_toleration(toleration: &Value) -> bool {
    let key = toleration["key"].as_str().unwrap_or_default();
    ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].contains(&key)
        && toleration["operator"] == "Exists"
        && toleration["effect"] == "NoExecute"
        && toleration["tolerationSeconds"] == 300
}

fn without_defaults(value: &mut Value) {
    if let Value::Object(map) = value {
        without_defaults_of(map);
    }
}

fn without_defaults_of(map: &mut Map<String, Value>) {
    map.retain(|key, value| {
        let is_default = DEFAULTS.iter().any(|(field, usual)| key == field && *value == *usual);
        let is_empty = ["securityContext", "resources", "affinity"].contains(&key.as_str()) && *value == json!({});
        !is_default && !is_empty
    });
}

/// Keeps some items of a list; the list goes where none is left.
fn retain(map: &mut Map<String, Value>, field: &str, keep: impl Fn(&Value) -> bool) {
    if let Some(Value::Array(items)) = map.get_mut(field) {
        items.retain(|item| keep(item));
        if items.is_empty() {
            map.remove(field);
        }
    }
}

fn clean_service(spec: &mut Map<String, Value>) {
    if spec.get("clusterIP").is_some_and(|ip| ip != "None") {
        spec.remove("clusterIP");
    }
    ["clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"].iter().for_each(|field| {
        spec.remove(*field);
    });
    for (field, usual) in [("internalTrafficPolicy", "Cluster"), ("sessionAffinity", "None")] {
        if spec.get(field).is_some_and(|value| value == usual) {
            spec.remove(field);
        }
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(port) = port {
            port.remove("nodePort");
            without_defaults_of(port);
        }
    }
}

/// Kind, namespace and name.
type Key = (Kind, String, String);

/// What objects name and nobody printed.
fn made_up(list: &[(Kind, Value)], notes: &mut Vec<String>) -> Vec<(Kind, Value)> {
    let known: BTreeSet<Key> = list.iter().map(|(kind, object)| key_of(*kind, object)).collect();
    let mut missing: BTreeMap<Key, i64> = BTreeMap::new();
    for (kind, object) in list {
        for (key, priority) in named_by(*kind, object) {
            let is_there = known.contains(&key) || is_built_in(key.0, &json!({"metadata": {"name": key.2}}));
            if !key.2.is_empty() && !is_there {
                // Templates name a class without its value.
                let value = missing.entry(key).or_default();
                *value = if *value == 0 { priority } else { *value };
            }
        }
    }
    let object = |((kind, namespace, name), priority): (Key, i64)| {
        let info = kind.info()?;
        let mut object = json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": {"name": name}});
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = Value::from(namespace);
        }
        if kind == Kind::PriorityClass {
            object["value"] = Value::from(priority);
        }
        if kind != Kind::Namespace {
            notes.push(format!("{} {name} made up: it is named and not among the files", info.kind));
        }
        Some((kind, object))
    };
    missing.into_iter().filter_map(object).collect()
}

fn key_of(kind: Kind, object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (kind, text("namespace"), text("name"))
}

/// The namespace of an object, and the account and class of its pods, with the priority where that is known.
fn named_by(kind: Kind, object: &Value) -> [(Key, i64); 3] {
    let spec = match kind {
        Kind::Pod => &object["spec"],
        Kind::CronJob => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        _ => &object["spec"]["template"]["spec"],
    };
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    let (_, namespace, _) = key_of(kind, object);
    [
        ((Kind::Namespace, String::new(), namespace.clone()), 0),
        ((Kind::ServiceAccount, namespace, text("serviceAccountName")), 0),
        ((Kind::PriorityClass, String::new(), text("priorityClassName")), spec["priority"].as_i64().unwrap_or(0)),
    ]
}
