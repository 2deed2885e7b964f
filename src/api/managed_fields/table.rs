//! How the types of built-in kinds are split into fields: upstream's markers as a table.
//!
//! Follows `+listType`, `+listMapKey`, `+structType` and `+mapType` in `staging/src/k8s.io/api` and metav1, which
//! `staging/src/k8s.io/client-go/applyconfigurations/internal/internal.go` collects. What a type does not name here is
//! a field of its own where it is an object, and one value where it is a list. Types that are split alike share a
//! constant. Left out: entries of maps below fields that are not named here (the schemas in a CRD), which count as
//! named fields.

use crate::api::Kind;
use Rule::{Atomic, Keyed, Map, Set, Struct};

/// How the value of a field is split.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// An object with named fields.
    Struct(Fields),
    /// An object whose entries are fields.
    Map,
    /// A list of different scalars.
    Set,
    /// A list of objects known by these keys; how its elements are split.
    Keyed(&'static [&'static str], &'static Rule),
    /// One value.
    Atomic,
}

/// The fields of a type that are not plain.
pub(super) type Fields = &'static [(&'static str, Rule)];

/// The type of which nothing is named.
pub(super) const PLAIN: Rule = Struct(&[]);

/// The type of a kind's objects.
pub(super) fn root(kind: Kind) -> Fields {
    match kind {
        Kind::ConfigMap => CONFIG_MAP,
        Kind::Event => EVENT,
        Kind::Namespace
        | Kind::ServiceCIDR
        | Kind::DeviceTaintRule
        | Kind::CustomResourceDefinition
        | Kind::APIService
        | Kind::FlowSchema
        | Kind::PriorityLevelConfiguration => WITH_CONDITIONS,
        Kind::Node => NODE,
        Kind::PersistentVolume => PERSISTENT_VOLUME,
        Kind::PersistentVolumeClaim => PERSISTENT_VOLUME_CLAIM,
        Kind::Pod => POD,
        Kind::PodTemplate => POD_TEMPLATE,
        Kind::ReplicationController | Kind::DaemonSet | Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet => {
            WORKLOAD
        }
        Kind::ResourceQuota => RESOURCE_QUOTA,
        Kind::Secret => SECRET,
        Kind::Service => SERVICE,
        Kind::ServiceAccount => SERVICE_ACCOUNT,
        Kind::ControllerRevision => CONTROLLER_REVISION,
        Kind::CronJob => CRON_JOB,
        Kind::Job => JOB,
        Kind::HorizontalPodAutoscaler => HORIZONTAL_POD_AUTOSCALER,
        Kind::HorizontalPodAutoscalerV1 => AUTOSCALING_V1_HORIZONTAL_POD_AUTOSCALER,
        Kind::PodDisruptionBudget => POD_DISRUPTION_BUDGET,
        Kind::Ingress => INGRESS,
        Kind::NetworkPolicy => NETWORK_POLICY,
        Kind::ClusterRoleBinding | Kind::RoleBinding => BINDING,
        Kind::CSIDriver => CSI_DRIVER,
        Kind::CSINode => CSI_NODE,
        Kind::CSIStorageCapacity => CSI_STORAGE_CAPACITY,
        Kind::StorageClass | Kind::VolumeAttributesClass => WITH_PARAMETERS,
        Kind::VolumeAttachment => VOLUME_ATTACHMENT,
        Kind::RuntimeClass => RUNTIME_CLASS,
        Kind::ResourceClaim => RESOURCE_CLAIM,
        Kind::ResourceSlice => RESOURCE_SLICE,
        Kind::MutatingAdmissionPolicy => MUTATING_ADMISSION_POLICY,
        Kind::MutatingAdmissionPolicyBinding => MUTATING_ADMISSION_POLICY_BINDING,
        Kind::MutatingWebhookConfiguration | Kind::ValidatingWebhookConfiguration => WEBHOOK_CONFIGURATION,
        Kind::ValidatingAdmissionPolicy => VALIDATING_ADMISSION_POLICY,
        Kind::ValidatingAdmissionPolicyBinding => VALIDATING_ADMISSION_POLICY_BINDING,
        Kind::CertificateSigningRequest => CERTIFICATE_SIGNING_REQUEST,
        Kind::PodCertificateRequest => POD_CERTIFICATE_REQUEST,
        Kind::EventsV1Event => EVENTS_V1_EVENT,
        // The rest has only metadata.
        _ => &[],
    }
}

/// How a field of a type is split. Every type that has `metadata` means that of objects.
pub(super) fn field(fields: Fields, name: &str) -> Rule {
    if name == "metadata" {
        return Struct(OBJECT_META);
    }
    fields.iter().find(|(field, _)| *field == name).map_or(PLAIN, |(_, rule)| *rule)
}

const CONFIG_MAP: Fields = &[("binaryData", Map), ("data", Map)];
const EVENT: Fields = &[("involvedObject", Atomic), ("related", Atomic)];
const WITH_CONDITIONS: Fields = &[("status", Struct(CONDITIONS))];
const NODE: Fields = &[("spec", Struct(NODE_SPEC)), ("status", Struct(NODE_STATUS))];
const PERSISTENT_VOLUME: Fields = &[("spec", Struct(PERSISTENT_VOLUME_SPEC))];
const PERSISTENT_VOLUME_CLAIM: Fields =
    &[("spec", Struct(PERSISTENT_VOLUME_CLAIM_SPEC)), ("status", Struct(PERSISTENT_VOLUME_CLAIM_STATUS))];
const POD: Fields = &[("spec", Struct(POD_SPEC)), ("status", Struct(POD_STATUS))];
const POD_TEMPLATE: Fields = &[("template", Struct(POD_TEMPLATE_SPEC))];
const WORKLOAD: Fields = &[("spec", Struct(TEMPLATE_AND_SELECTOR)), ("status", Struct(CONDITIONS))];
const RESOURCE_QUOTA: Fields = &[("spec", Struct(RESOURCE_QUOTA_SPEC)), ("status", Struct(RESOURCE_QUOTA_STATUS))];
const SECRET: Fields = &[("data", Map), ("stringData", Map)];
const SERVICE: Fields = &[("spec", Struct(SERVICE_SPEC)), ("status", Struct(CONDITIONS))];
const SERVICE_ACCOUNT: Fields = &[("secrets", Keyed(&["name"], &Atomic))];
const CONTROLLER_REVISION: Fields = &[("data", Atomic)];
const CRON_JOB: Fields = &[("spec", Struct(CRON_JOB_SPEC))];
const JOB: Fields = &[("spec", Struct(JOB_SPEC)), ("status", Struct(JOB_STATUS))];
const HORIZONTAL_POD_AUTOSCALER: Fields =
    &[("spec", Struct(HORIZONTAL_POD_AUTOSCALER_SPEC)), ("status", Struct(CONDITIONS))];
const AUTOSCALING_V1_HORIZONTAL_POD_AUTOSCALER: Fields = &[("spec", Struct(HORIZONTAL_POD_AUTOSCALER_SPEC))];
const POD_DISRUPTION_BUDGET: Fields =
    &[("spec", Struct(POD_DISRUPTION_BUDGET_SPEC)), ("status", Struct(POD_DISRUPTION_BUDGET_STATUS))];
const INGRESS: Fields = &[("spec", Struct(INGRESS_SPEC))];
const NETWORK_POLICY: Fields = &[("spec", Struct(NETWORK_POLICY_SPEC))];
const BINDING: Fields = &[("roleRef", Atomic)];
const CSI_DRIVER: Fields = &[("spec", Struct(CSI_DRIVER_SPEC))];
const CSI_NODE: Fields = &[("spec", Struct(CSI_NODE_SPEC)), ("status", Struct(CSI_NODE_STATUS))];
const CSI_STORAGE_CAPACITY: Fields = &[("nodeTopology", Atomic)];
const WITH_PARAMETERS: Fields = &[("parameters", Map)];
const VOLUME_ATTACHMENT: Fields =
    &[("spec", Struct(VOLUME_ATTACHMENT_SPEC)), ("status", Struct(VOLUME_ATTACHMENT_STATUS))];
const RUNTIME_CLASS: Fields = &[("overhead", Struct(OVERHEAD)), ("scheduling", Struct(SCHEDULING))];
const RESOURCE_CLAIM: Fields = &[("status", Struct(RESOURCE_CLAIM_STATUS))];
const RESOURCE_SLICE: Fields = &[("spec", Struct(RESOURCE_SLICE_SPEC))];
const MUTATING_ADMISSION_POLICY: Fields = &[("spec", Struct(MUTATING_ADMISSION_POLICY_SPEC))];
const MUTATING_ADMISSION_POLICY_BINDING: Fields = &[("spec", Struct(MUTATING_ADMISSION_POLICY_BINDING_SPEC))];
const WEBHOOK_CONFIGURATION: Fields = &[("webhooks", Keyed(&["name"], &Struct(WEBHOOK)))];
const VALIDATING_ADMISSION_POLICY: Fields =
    &[("spec", Struct(VALIDATING_ADMISSION_POLICY_SPEC)), ("status", Struct(CONDITIONS))];
const VALIDATING_ADMISSION_POLICY_BINDING: Fields = &[("spec", Struct(VALIDATING_ADMISSION_POLICY_BINDING_SPEC))];
const CERTIFICATE_SIGNING_REQUEST: Fields =
    &[("spec", Struct(CERTIFICATE_SIGNING_REQUEST_SPEC)), ("status", Struct(CONDITIONS))];
const POD_CERTIFICATE_REQUEST: Fields =
    &[("spec", Struct(POD_CERTIFICATE_REQUEST_SPEC)), ("status", Struct(CONDITIONS))];
const EVENTS_V1_EVENT: Fields = &[("regarding", Atomic), ("related", Atomic)];
pub(super) const OBJECT_META: Fields =
    &[("annotations", Map), ("finalizers", Set), ("labels", Map), ("ownerReferences", Keyed(&["uid"], &Atomic))];
const CONDITIONS: Fields = &[("conditions", Keyed(&["type"], &PLAIN))];
const NODE_SPEC: Fields = &[("podCIDRs", Set), ("podPreemptionPolicy", Struct(NODE_POD_PREEMPTION_POLICY))];
const NODE_STATUS: Fields = &[
    ("addresses", Keyed(&["type"], &PLAIN)),
    ("allocatable", Map),
    ("capacity", Map),
    ("conditions", Keyed(&["type"], &PLAIN)),
];
const PERSISTENT_VOLUME_SPEC: Fields = &[
    ("capacity", Map),
    ("cephfs", Struct(SECRET_REFERRER)),
    ("cinder", Struct(SECRET_REFERRER)),
    ("claimRef", Atomic),
    ("csi", Struct(CSI_PERSISTENT_VOLUME_SOURCE)),
    ("flexVolume", Struct(FLEX_PERSISTENT_VOLUME_SOURCE)),
    ("iscsi", Struct(SECRET_REFERRER)),
    ("nodeAffinity", Struct(VOLUME_NODE_AFFINITY)),
    ("rbd", Struct(SECRET_REFERRER)),
    ("scaleIO", Struct(SECRET_REFERRER)),
    ("storageos", Struct(SECRET_REFERRER)),
];
const PERSISTENT_VOLUME_CLAIM_SPEC: Fields =
    &[("dataSource", Atomic), ("resources", Struct(AMOUNTS)), ("selector", Atomic)];
const PERSISTENT_VOLUME_CLAIM_STATUS: Fields = &[
    ("allocatedResourceStatuses", Map),
    ("allocatedResources", Map),
    ("capacity", Map),
    ("conditions", Keyed(&["type"], &PLAIN)),
    ("healthStatus", Struct(VOLUME_HEALTH_STATUS)),
];
const POD_SPEC: Fields = &[
    ("affinity", Struct(AFFINITY)),
    ("containers", Keyed(&["name"], &Struct(CONTAINER))),
    ("ephemeralContainers", Keyed(&["name"], &Struct(CONTAINER))),
    ("evictionResponders", Keyed(&["name"], &PLAIN)),
    ("hostAliases", Keyed(&["ip"], &PLAIN)),
    ("imagePullSecrets", Keyed(&["name"], &Atomic)),
    ("initContainers", Keyed(&["name"], &Struct(CONTAINER))),
    ("nodeSelector", Atomic),
    ("overhead", Map),
    ("resourceClaims", Keyed(&["name"], &PLAIN)),
    ("resources", Struct(RESOURCE_REQUIREMENTS)),
    ("schedulingGates", Keyed(&["name"], &PLAIN)),
    ("topologySpreadConstraints", Keyed(&["topologyKey", "whenUnsatisfiable"], &Struct(TOPOLOGY_SPREAD_CONSTRAINT))),
    ("volumes", Keyed(&["name"], &Struct(VOLUME))),
];
const POD_STATUS: Fields = &[
    ("allocatedResources", Map),
    ("conditions", Keyed(&["type"], &PLAIN)),
    (
        "nodeAllocatableResourceClaimStatuses",
        Keyed(&["resourceClaimName"], &Struct(NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS)),
    ),
    ("podIPs", Keyed(&["ip"], &PLAIN)),
    ("resourceClaimStatuses", Keyed(&["name"], &PLAIN)),
    ("resources", Struct(RESOURCE_REQUIREMENTS)),
    ("volumeHealth", Keyed(&["name"], &Struct(VOLUME_HEALTH_STATUS))),
];
const POD_TEMPLATE_SPEC: Fields = &[("spec", Struct(POD_SPEC))];
const TEMPLATE_AND_SELECTOR: Fields = &[("selector", Atomic), ("template", Struct(POD_TEMPLATE_SPEC))];
const RESOURCE_QUOTA_SPEC: Fields = &[("hard", Map), ("scopeSelector", Atomic)];
const RESOURCE_QUOTA_STATUS: Fields = &[("hard", Map), ("used", Map)];
const SERVICE_SPEC: Fields = &[("ports", Keyed(&["port", "protocol"], &PLAIN)), ("selector", Atomic)];
const CRON_JOB_SPEC: Fields = &[("jobTemplate", Struct(JOB_TEMPLATE_SPEC))];
const JOB_SPEC: Fields = &[
    ("scheduling", Struct(JOB_SCHEDULING_CONFIGURATION)),
    ("selector", Atomic),
    ("template", Struct(POD_TEMPLATE_SPEC)),
];
const JOB_STATUS: Fields = &[("uncountedTerminatedPods", Struct(UNCOUNTED_TERMINATED_PODS))];
const HORIZONTAL_POD_AUTOSCALER_SPEC: Fields = &[("scaleTargetRef", Atomic)];
const POD_DISRUPTION_BUDGET_SPEC: Fields = &[("selector", Atomic)];
const POD_DISRUPTION_BUDGET_STATUS: Fields = &[("conditions", Keyed(&["type"], &PLAIN)), ("disruptedPods", Map)];
const INGRESS_SPEC: Fields = &[("defaultBackend", Struct(INGRESS_BACKEND))];
const NETWORK_POLICY_SPEC: Fields = &[("podSelector", Atomic)];
const CSI_DRIVER_SPEC: Fields = &[("volumeLifecycleModes", Set)];
const CSI_NODE_SPEC: Fields = &[("drivers", Keyed(&["name"], &PLAIN))];
const CSI_NODE_STATUS: Fields = &[("storageHealth", Keyed(&["name"], &PLAIN))];
const VOLUME_ATTACHMENT_SPEC: Fields = &[("source", Struct(VOLUME_ATTACHMENT_SOURCE))];
const VOLUME_ATTACHMENT_STATUS: Fields = &[("attachmentMetadata", Map)];
const OVERHEAD: Fields = &[("podFixed", Map)];
const SCHEDULING: Fields = &[("nodeSelector", Atomic)];
const RESOURCE_CLAIM_STATUS: Fields = &[
    ("allocation", Struct(SCHEDULING)),
    ("devices", Keyed(&["driver", "device", "pool", "shareID"], &Struct(CONDITIONS))),
    ("reservedFor", Keyed(&["uid"], &PLAIN)),
];
const RESOURCE_SLICE_SPEC: Fields = &[("nodeSelector", Atomic), ("skipNodeOperations", Set)];
const MUTATING_ADMISSION_POLICY_SPEC: Fields =
    &[("matchConditions", Keyed(&["name"], &PLAIN)), ("matchConstraints", Atomic), ("paramKind", Atomic)];
const MUTATING_ADMISSION_POLICY_BINDING_SPEC: Fields = &[("matchResources", Atomic), ("paramRef", Atomic)];
const WEBHOOK: Fields =
    &[("matchConditions", Keyed(&["name"], &PLAIN)), ("namespaceSelector", Atomic), ("objectSelector", Atomic)];
const VALIDATING_ADMISSION_POLICY_SPEC: Fields = &[
    ("matchConditions", Keyed(&["name"], &PLAIN)),
    ("matchConstraints", Atomic),
    ("paramKind", Atomic),
    ("variables", Keyed(&["name"], &PLAIN)),
];
const VALIDATING_ADMISSION_POLICY_BINDING_SPEC: Fields =
    &[("matchResources", Atomic), ("paramRef", Atomic), ("validationActions", Set)];
const CERTIFICATE_SIGNING_REQUEST_SPEC: Fields = &[("extra", Map)];
const POD_CERTIFICATE_REQUEST_SPEC: Fields = &[("unverifiedUserAnnotations", Map)];
const NODE_POD_PREEMPTION_POLICY: Fields = &[("disableResizePreemption", Set)];
const SECRET_REFERRER: Fields = &[("secretRef", Atomic)];
const CSI_PERSISTENT_VOLUME_SOURCE: Fields = &[
    ("controllerExpandSecretRef", Atomic),
    ("controllerPublishSecretRef", Atomic),
    ("nodeExpandSecretRef", Atomic),
    ("nodePublishSecretRef", Atomic),
    ("nodeStageSecretRef", Atomic),
    ("volumeAttributes", Map),
];
const FLEX_PERSISTENT_VOLUME_SOURCE: Fields = &[("options", Map), ("secretRef", Atomic)];
const VOLUME_NODE_AFFINITY: Fields = &[("required", Atomic)];
const AMOUNTS: Fields = &[("limits", Map), ("requests", Map)];
const VOLUME_HEALTH_STATUS: Fields = &[("healthConditions", Keyed(&["status"], &PLAIN))];
const AFFINITY: Fields = &[("nodeAffinity", Struct(NODE_AFFINITY))];
const CONTAINER: Fields = &[
    ("env", Keyed(&["name"], &Struct(ENV_VAR))),
    ("ports", Keyed(&["containerPort", "protocol"], &PLAIN)),
    ("resources", Struct(RESOURCE_REQUIREMENTS)),
    ("volumeDevices", Keyed(&["devicePath"], &PLAIN)),
    ("volumeMounts", Keyed(&["mountPath"], &Struct(VOLUME_MOUNT))),
];
const RESOURCE_REQUIREMENTS: Fields = &[("claims", Keyed(&["name"], &PLAIN)), ("limits", Map), ("requests", Map)];
const TOPOLOGY_SPREAD_CONSTRAINT: Fields = &[("labelSelector", Atomic)];
const VOLUME: Fields = &[
    ("cephfs", Struct(SECRET_REFERRER)),
    ("cinder", Struct(SECRET_REFERRER)),
    ("csi", Struct(CSI_VOLUME_SOURCE)),
    ("ephemeral", Struct(EPHEMERAL_VOLUME_SOURCE)),
    ("flexVolume", Struct(FLEX_PERSISTENT_VOLUME_SOURCE)),
    ("iscsi", Struct(SECRET_REFERRER)),
    ("rbd", Struct(SECRET_REFERRER)),
    ("scaleIO", Struct(SECRET_REFERRER)),
    ("storageos", Struct(SECRET_REFERRER)),
];
const NODE_ALLOCATABLE_RESOURCE_CLAIM_STATUS: Fields =
    &[("containers", Set), ("mapping", Keyed(&["name"], &PLAIN)), ("overhead", Keyed(&["name"], &PLAIN))];
const JOB_TEMPLATE_SPEC: Fields = &[("spec", Struct(JOB_SPEC))];
const JOB_SCHEDULING_CONFIGURATION: Fields = &[("resourceClaims", Keyed(&["name"], &PLAIN))];
const UNCOUNTED_TERMINATED_PODS: Fields = &[("failed", Set), ("succeeded", Set)];
const INGRESS_BACKEND: Fields = &[("resource", Atomic), ("service", Struct(INGRESS_SERVICE_BACKEND))];
const VOLUME_ATTACHMENT_SOURCE: Fields = &[("inlineVolumeSpec", Struct(PERSISTENT_VOLUME_SPEC))];
const NODE_AFFINITY: Fields = &[("requiredDuringSchedulingIgnoredDuringExecution", Atomic)];
const ENV_VAR: Fields = &[("valueFrom", Struct(ENV_VAR_SOURCE))];
const VOLUME_MOUNT: Fields = &[("bindMountOptions", Set)];
const CSI_VOLUME_SOURCE: Fields = &[("nodePublishSecretRef", Atomic), ("volumeAttributes", Map)];
const EPHEMERAL_VOLUME_SOURCE: Fields = &[("volumeClaimTemplate", Struct(PERSISTENT_VOLUME_CLAIM_TEMPLATE))];
const INGRESS_SERVICE_BACKEND: Fields = &[("port", Atomic)];
const ENV_VAR_SOURCE: Fields = &[
    ("configMapKeyRef", Atomic),
    ("fieldRef", Atomic),
    ("fileKeyRef", Atomic),
    ("resourceFieldRef", Atomic),
    ("secretKeyRef", Atomic),
];
const PERSISTENT_VOLUME_CLAIM_TEMPLATE: Fields = &[("spec", Struct(PERSISTENT_VOLUME_CLAIM_SPEC))];
