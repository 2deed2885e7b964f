//! How lists and objects of built-in types merge: upstream's `patchStrategy` and `patchMergeKey` tags.
//!
//! Follows the tags in `staging/src/k8s.io/api` (core, apps, batch, autoscaling, policy, networking,
//! storage, resource, admissionregistration) and metav1. What a type does not name here is atomic
//! where it is a list, and merged field by field where it is an object. Lists that carry only
//! `+listType=map`, which counts for server-side apply alone, are atomic here: tolerations, taints,
//! container statuses.

/// How the values of a field merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Objects field by field, lists as a whole.
    Plain,
    /// As a whole, objects too.
    Replace,
    /// A list of objects, paired by this key.
    ByKey(&'static str),
    /// The same, and a patch of one that is there says which fields stay.
    ByKeyRetain(&'static str),
    /// A list of plain values, merged as a set.
    Set,
    /// An object whose patch says which fields stay.
    Retain,
}

/// A type that is named in the table; `None` where nothing below a field has a rule.
pub(super) type Type = Option<&'static str>;

/// A field: of which type, its name, its strategy, the type of its value or elements.
type Row = (&'static str, &'static str, Strategy, Type);

/// The type of an object of `kind`; kinds that are not built in have no rules but those of metadata.
pub(super) fn root(kind: &str) -> Type {
    ROOTS.iter().find(|root| **root == kind).copied().or(Some("Object"))
}

/// The strategy of a field and the type below it.
pub(super) fn lookup(of: Type, field: &str) -> (Strategy, Type) {
    let Some(of) = of else {
        return (Strategy::Plain, None);
    };
    if field == "metadata" && (of == "Object" || of == "PodTemplateSpec" || ROOTS.contains(&of)) {
        return (Strategy::Plain, Some("ObjectMeta"));
    }
    let row = ROWS.iter().find(|(row_of, row_field, _, _)| *row_of == of && *row_field == field);
    row.map_or((Strategy::Plain, None), |(_, _, strategy, below)| (*strategy, *below))
}

const ROOTS: &[&str] = &[
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "Service",
    "ServiceAccount",
    "Node",
    "Namespace",
    "PersistentVolumeClaim",
    "ComponentStatus",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ServiceCIDR",
    "CSINode",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "MutatingAdmissionPolicy",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "APIService",
];

const PLAIN: Strategy = Strategy::Plain;
const BY_TYPE: Strategy = Strategy::ByKey("type");
const BY_NAME: Strategy = Strategy::ByKey("name");

const ROWS: &[Row] = &[
    ("ObjectMeta", "ownerReferences", Strategy::ByKey("uid"), None),
    ("ObjectMeta", "finalizers", Strategy::Set, None),
    ("Pod", "spec", PLAIN, Some("PodSpec")),
    ("Pod", "status", PLAIN, Some("PodStatus")),
    ("PodTemplate", "template", PLAIN, Some("PodTemplateSpec")),
    ("PodTemplateSpec", "spec", PLAIN, Some("PodSpec")),
    ("PodSpec", "volumes", Strategy::ByKeyRetain("name"), None),
    ("PodSpec", "initContainers", BY_NAME, Some("Container")),
    ("PodSpec", "containers", BY_NAME, Some("Container")),
    ("PodSpec", "ephemeralContainers", BY_NAME, Some("Container")),
    ("PodSpec", "imagePullSecrets", BY_NAME, None),
    ("PodSpec", "hostAliases", Strategy::ByKey("ip"), None),
    ("PodSpec", "topologySpreadConstraints", Strategy::ByKey("topologyKey"), None),
    ("PodSpec", "schedulingGates", BY_NAME, None),
    ("PodSpec", "resourceClaims", Strategy::ByKeyRetain("name"), None),
    ("Container", "ports", Strategy::ByKey("containerPort"), None),
    ("Container", "env", BY_NAME, None),
    ("Container", "volumeMounts", Strategy::ByKey("mountPath"), None),
    ("Container", "volumeDevices", Strategy::ByKey("devicePath"), None),
    ("PodStatus", "conditions", BY_TYPE, None),
    ("PodStatus", "podIPs", Strategy::ByKey("ip"), None),
    ("PodStatus", "hostIPs", Strategy::ByKey("ip"), None),
    ("PodStatus", "resourceClaimStatuses", Strategy::ByKeyRetain("name"), None),
    ("ReplicationController", "spec", PLAIN, Some("TemplateHolder")),
    ("ReplicationController", "status", PLAIN, Some("ConditionsByType")),
    ("TemplateHolder", "template", PLAIN, Some("PodTemplateSpec")),
    ("ConditionsByType", "conditions", BY_TYPE, None),
    ("Service", "spec", PLAIN, Some("ServiceSpec")),
    ("Service", "status", PLAIN, Some("ConditionsByType")),
    ("ServiceSpec", "ports", Strategy::ByKey("port"), None),
    ("ServiceAccount", "secrets", BY_NAME, None),
    ("Node", "spec", PLAIN, Some("NodeSpec")),
    ("Node", "status", PLAIN, Some("NodeStatus")),
    ("NodeSpec", "podCIDRs", Strategy::Set, None),
    ("NodeStatus", "conditions", BY_TYPE, None),
    ("NodeStatus", "addresses", BY_TYPE, None),
    ("Namespace", "status", PLAIN, Some("ConditionsByType")),
    ("PersistentVolumeClaim", "status", PLAIN, Some("ConditionsByType")),
    ("ComponentStatus", "conditions", BY_TYPE, None),
    ("Deployment", "spec", PLAIN, Some("DeploymentSpec")),
    ("Deployment", "status", PLAIN, Some("ConditionsByType")),
    ("DeploymentSpec", "strategy", Strategy::Retain, None),
    ("DeploymentSpec", "template", PLAIN, Some("PodTemplateSpec")),
    ("ReplicaSet", "spec", PLAIN, Some("TemplateHolder")),
    ("ReplicaSet", "status", PLAIN, Some("ConditionsByType")),
    ("StatefulSet", "spec", PLAIN, Some("TemplateHolder")),
    ("StatefulSet", "status", PLAIN, Some("ConditionsByType")),
    ("DaemonSet", "spec", PLAIN, Some("TemplateHolder")),
    ("DaemonSet", "status", PLAIN, Some("ConditionsByType")),
    ("Job", "spec", PLAIN, Some("TemplateHolder")),
    ("Job", "status", PLAIN, Some("ConditionsByType")),
    ("CronJob", "spec", PLAIN, Some("CronJobSpec")),
    ("CronJobSpec", "jobTemplate", PLAIN, Some("JobTemplateSpec")),
    ("JobTemplateSpec", "metadata", PLAIN, Some("ObjectMeta")),
    ("JobTemplateSpec", "spec", PLAIN, Some("TemplateHolder")),
    ("HorizontalPodAutoscaler", "status", PLAIN, Some("ConditionsByType")),
    ("PodDisruptionBudget", "spec", PLAIN, Some("PodDisruptionBudgetSpec")),
    ("PodDisruptionBudget", "status", PLAIN, Some("ConditionsByType")),
    ("PodDisruptionBudgetSpec", "selector", Strategy::Replace, None),
    ("ServiceCIDR", "status", PLAIN, Some("ConditionsByType")),
    ("CSINode", "spec", PLAIN, Some("CSINodeSpec")),
    ("CSINodeSpec", "drivers", BY_NAME, None),
    ("ResourceClaim", "status", PLAIN, Some("ResourceClaimStatus")),
    ("ResourceClaimStatus", "reservedFor", Strategy::ByKey("uid"), None),
    ("ResourceClaimTemplate", "spec", PLAIN, Some("Object")),
    ("MutatingWebhookConfiguration", "webhooks", BY_NAME, Some("Webhook")),
    ("ValidatingWebhookConfiguration", "webhooks", BY_NAME, Some("Webhook")),
    ("Webhook", "matchConditions", BY_NAME, None),
    ("ValidatingAdmissionPolicy", "spec", PLAIN, Some("AdmissionPolicySpec")),
    ("MutatingAdmissionPolicy", "spec", PLAIN, Some("AdmissionPolicySpec")),
    ("AdmissionPolicySpec", "matchConditions", BY_NAME, None),
    ("AdmissionPolicySpec", "variables", BY_NAME, None),
    ("FlowSchema", "status", PLAIN, Some("ConditionsByType")),
    ("PriorityLevelConfiguration", "status", PLAIN, Some("ConditionsByType")),
    ("APIService", "status", PLAIN, Some("ConditionsByType")),
];
