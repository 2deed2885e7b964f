//! What the API server prepares in a new object, beyond defaults: an empty status, finalizers, generated selectors.

use k8s_openapi::api::core::v1;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{Fields, default, default_text, has, text, within_new, workloads};
use crate::api::{Kind, QosClass, Quantity};

/// Prepares an object whose defaults are filled in. What needs the object's identity reads `metadata.uid`, which must
/// be there already. Upstream: `PrepareForCreate` of the strategies, admission plugin `StorageObjectInUseProtection`.
pub fn prepare_for_create(kind: Kind, value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    match kind {
        Kind::Pod => {
            let spec = object.get("spec").cloned().unwrap_or_default();
            let qos = crate::api::convert::decode(spec).map_or(QosClass::BestEffort, |spec| qos_class(&spec));
            object.insert("status".to_owned(), json!({"phase": "Pending", "qosClass": format!("{qos:?}")}));
        }
        Kind::Namespace => {
            within_new(object, "spec", |spec| add_finalizer(spec, "kubernetes"));
            object.insert("status".to_owned(), json!({"phase": "Active"}));
        }
        Kind::PersistentVolumeClaim => {
            within_new(object, "metadata", |metadata| add_finalizer(metadata, "kubernetes.io/pvc-protection"));
            object.insert("status".to_owned(), json!({"phase": "Pending"}));
        }
        Kind::PersistentVolume => {
            within_new(object, "metadata", |metadata| add_finalizer(metadata, "kubernetes.io/pv-protection"));
            object.insert("status".to_owned(), json!({"phase": "Pending"}));
        }
        Kind::DaemonSet => {
            object.remove("status");
            within_new(object, "metadata", |metadata| {
                within_new(metadata, "annotations", |annotations| {
                    annotations.insert(
                        "deprecated.daemonset.template.generation".to_owned(),
                        workloads::template_generation(),
                    );
                });
            });
        }
        Kind::Job => {
            object.remove("status");
            generate_selector(object);
        }
        Kind::Service => {
            object.insert("status".to_owned(), json!({"loadBalancer": {}}));
        }
        Kind::LimitRange => within_new(object, "metadata", |metadata| {
            let uid = text(metadata, "uid").to_owned();
            if !uid.is_empty() && text(metadata, "generateName").is_empty() {
                default_text(metadata, "name", &uid);
            }
        }),
        _ if status_is_reset(kind) => {
            object.remove("status");
        }
        _ => {}
    }
}

/// Kinds whose `status` only the subresource of this name writes.
fn status_is_reset(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::ReplicationController
            | Kind::CronJob
            | Kind::HorizontalPodAutoscaler
            | Kind::HorizontalPodAutoscalerV1
            | Kind::PodDisruptionBudget
            | Kind::Ingress
            | Kind::ResourceQuota
            | Kind::VolumeAttachment
            | Kind::CustomResourceDefinition
            | Kind::CertificateSigningRequest
    )
}

fn add_finalizer(fields: &mut Fields, finalizer: &str) {
    default(fields, "finalizers", json!([]));
    if let Some(Value::Array(list)) = fields.get_mut("finalizers")
        && !list.iter().any(|found| found == finalizer)
    {
        list.push(Value::from(finalizer));
    }
}

/// A Job's selector and the labels of its pods, from the Job's own uid. Upstream: `job.generateSelector`.
fn generate_selector(object: &mut Fields) {
    let metadata = object.get("metadata").and_then(Value::as_object);
    let (uid, name) = metadata.map_or(("", ""), |metadata| (text(metadata, "uid"), text(metadata, "name")));
    let (uid, name) = (uid.to_owned(), name.to_owned());
    if uid.is_empty() {
        return;
    }
    within_new(object, "spec", |spec| {
        if spec.get("manualSelector").and_then(Value::as_bool) == Some(true) {
            return;
        }
        within_new(spec, "template", |template| {
            within_new(template, "metadata", |metadata| {
                within_new(metadata, "labels", |labels| {
                    for (key, value) in [
                        ("job-name", &name),
                        ("batch.kubernetes.io/job-name", &name),
                        ("controller-uid", &uid),
                        ("batch.kubernetes.io/controller-uid", &uid),
                    ] {
                        default(labels, key, value.as_str());
                    }
                });
            });
        });
        within_new(spec, "selector", |selector| {
            within_new(selector, "matchLabels", |labels| {
                if !has(labels, "batch.kubernetes.io/controller-uid") {
                    default(labels, "batch.kubernetes.io/controller-uid", uid.as_str());
                }
            });
        });
    });
}

/// The quality of service of a pod. Upstream: `pkg/apis/core/helper/qos.ComputePodQOS`. Left out: pod-level resources.
pub fn qos_class(spec: &v1::PodSpec) -> QosClass {
    let mut requests: BTreeMap<&str, Quantity> = BTreeMap::new();
    let mut limits: BTreeMap<&str, Quantity> = BTreeMap::new();
    let mut guaranteed = true;
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let resources = container.resources.as_ref();
        add_counted(&mut requests, resources.and_then(|resources| resources.requests.as_ref()));
        let limited = add_counted(&mut limits, resources.and_then(|resources| resources.limits.as_ref()));
        guaranteed &= limited == 2;
    }
    if requests.is_empty() && limits.is_empty() {
        return QosClass::BestEffort;
    }
    let within_limits = requests.iter().all(|(name, request)| limits.get(name) == Some(request));
    if guaranteed && within_limits && requests.len() == limits.len() {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

/// Adds the CPU and memory of a list to the sums; how many of the two it names above zero.
fn add_counted<'a>(
    sums: &mut BTreeMap<&'a str, Quantity>,
    list: Option<&'a BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>,
) -> usize {
    let mut found = 0;
    for (name, quantity) in list.into_iter().flatten().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory")) {
        let Ok(quantity) = Quantity::try_from(quantity) else { continue };
        if quantity <= Quantity::zero() {
            continue;
        }
        found += 1;
        sums.entry(name).or_insert_with(Quantity::zero).add(&quantity);
    }
    found
}
