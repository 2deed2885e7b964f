//! The closed list of built-in kinds, with their names as kubectl resolves them, and the description that custom kinds
//! share with them.
//!
//! Holds every kind that Kubernetes 1.37 serves by default in a stable version and stores. Left out: reviews, `Binding`,
//! `Eviction`, `Scale`, `ComponentStatus` (requests rather than objects), and alpha and beta versions.
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource, ResourceScope};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::definition::{self, Definition};

/// What is known of a kind without its fields: its names and its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindInfo {
    /// API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The version that objects of this kind are kept in, as `v1`.
    pub version: Cow<'static, str>,
    /// The kind, as `Deployment`.
    pub kind: Cow<'static, str>,
    /// The resource in URLs, as `deployments`.
    pub plural: Cow<'static, str>,
    /// As `deployment`.
    pub singular: Cow<'static, str>,
    /// As `deploy`; may be empty.
    pub short_names: Cow<'static, [Cow<'static, str>]>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Every version served, the stored one among them.
    pub served_versions: Cow<'static, [Cow<'static, str>]>,
    /// What its CRD says beside names, once it is established; none for built-in kinds.
    pub definition: Option<Arc<Definition>>,
}

impl KindInfo {
    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            return self.version.to_string();
        }
        format!("{}/{}", self.group, self.version)
    }

    /// What its CRD says of this version.
    pub fn described(&self) -> Option<&definition::Version> {
        self.definition.as_ref()?.version(&self.version)
    }

    /// Whether only the subresource writes the status of this kind's objects.
    pub fn has_status(&self, kind: Kind) -> bool {
        self.described().map_or_else(|| kind.has_status(), |version| version.has_status)
    }

    /// The name of the kind's list, as `DeploymentList`.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// `deployments.apps`, or `pods` in the core group: how the API server names a resource in messages.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() {
            return self.plural.to_string();
        }
        format!("{}.{}", self.plural, self.group)
    }

    /// Whether kubectl would take this word for this kind: plural, singular, kind or short name in any case, alone or
    /// followed by `.group` or `.version.group`.
    pub fn answers_to(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let (word, rest) = match name.split_once('.') {
            Some((word, rest)) => (word, Some(rest)),
            None => (name.as_str(), None),
        };
        let named = word == self.plural
            || word == self.singular
            || word == self.kind.to_lowercase()
            || (rest.is_none() && self.short_names.iter().any(|short| short == word));
        named
            && rest.is_none_or(|rest| {
                rest == self.group
                    || rest.split_once('.').map_or(rest, |(version, _)| version) == self.version
                        && rest[self.version.len()..].trim_start_matches('.') == self.group
            })
    }
}

/// No kind of this name and version is served; worded as kubectl words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoMatch {
    /// The `apiVersion` asked for.
    pub api_version: String,
    /// The `kind` asked for.
    pub kind: String,
    /// What would be right, as a sentence.
    pub help: String,
}

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no matches for kind {:?} in version {:?}", self.kind, self.api_version)
    }
}

impl std::error::Error for NoMatch {}

/// Takes a built-in object through its type: what the API server would write back, where it fits, and what does not fit
/// or is not known.
pub(crate) type Decoder = fn(&serde_json::Value) -> (Option<serde_json::Value>, Vec<super::located::Issue>);

fn decode_as<T>(value: &serde_json::Value) -> (Option<serde_json::Value>, Vec<super::located::Issue>)
where
    T: serde::de::DeserializeOwned + serde::Serialize,
{
    let (object, issues) = super::located::read::<T>(value, super::located::Rules::Kubernetes);
    (object.map(|object| super::convert::to_value(&object)), issues)
}

trait Scope: ResourceScope {
    const NAMESPACED: bool;
}

impl Scope for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scope for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

const fn info<T>(
    singular: &'static str,
    short_names: &'static [Cow<'static, str>],
    served_versions: &'static [Cow<'static, str>],
) -> KindInfo
where
    T: Resource,
    T::Scope: Scope,
{
    KindInfo {
        group: Cow::Borrowed(T::GROUP),
        version: Cow::Borrowed(T::VERSION),
        kind: Cow::Borrowed(T::KIND),
        plural: Cow::Borrowed(T::URL_PATH_SEGMENT),
        singular: Cow::Borrowed(singular),
        short_names: Cow::Borrowed(short_names),
        namespaced: <T::Scope as Scope>::NAMESPACED,
        served_versions: Cow::Borrowed(served_versions),
        definition: None,
    }
}

/// One line a kind: its variant, its type, its singular and its short names. The order is that of preference where a
/// word means two kinds.
macro_rules! kinds {
    ($($variant:ident = $type:ty, $singular:literal, [$($short:literal),*];)*) => {
        /// A built-in kind, or a custom one by its index in the simulation's list of CRDs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("`", stringify!($type), "`")]
                $variant,
            )*
            /// The kind of a CRD, by its index in the simulation's list of custom kinds.
            Custom(u16),
        }

        impl Kind {
            /// Every built-in kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The description of a built-in kind; none for custom kinds, whose simulation holds it.
            pub fn info(self) -> Option<&'static KindInfo> {
                match self {
                    $(Kind::$variant => {
                        static INFO: KindInfo = info::<$type>(
                            $singular,
                            &[$(Cow::Borrowed($short)),*],
                            &[Cow::Borrowed(<$type as Resource>::VERSION)],
                        );
                        Some(&INFO)
                    })*
                    Kind::Custom(_) => None,
                }
            }

            /// A number that stands for the kind in digests: its place in the list, or its index above all places.
            pub fn number(self) -> u32 {
                #[derive(Clone, Copy)]
                #[repr(u32)]
                enum Place {
                    $($variant,)*
                }
                match self {
                    $(Kind::$variant => Place::$variant as u32,)*
                    Kind::Custom(index) => 0x1_0000 + u32::from(index),
                }
            }

            pub(crate) fn decoder(self) -> Option<Decoder> {
                match self {
                    $(Kind::$variant => Some(decode_as::<$type>),)*
                    Kind::Custom(_) => None,
                }
            }
        }
    };
}

use k8s_openapi::api::{
    admissionregistration::v1 as admissionregistration, apps::v1 as apps, autoscaling, batch::v1 as batch,
    certificates::v1 as certificates, coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery,
    events::v1 as events, flowcontrol::v1 as flowcontrol, networking::v1 as networking, node::v1 as node,
    policy::v1 as policy, rbac::v1 as rbac, resource::v1 as resource, scheduling::v1 as scheduling,
    storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;

kinds! {
    ConfigMap = core::ConfigMap, "configmap", ["cm"];
    Endpoints = core::Endpoints, "endpoints", ["ep"];
    Event = core::Event, "event", ["ev"];
    LimitRange = core::LimitRange, "limitrange", ["limits"];
    Namespace = core::Namespace, "namespace", ["ns"];
    Node = core::Node, "node", ["no"];
    PersistentVolume = core::PersistentVolume, "persistentvolume", ["pv"];
    PersistentVolumeClaim = core::PersistentVolumeClaim, "persistentvolumeclaim", ["pvc"];
    Pod = core::Pod, "pod", ["po"];
    PodTemplate = core::PodTemplate, "podtemplate", [];
    ReplicationController = core::ReplicationController, "replicationcontroller", ["rc"];
    ResourceQuota = core::ResourceQuota, "resourcequota", ["quota"];
    Secret = core::Secret, "secret", [];
    Service = core::Service, "service", ["svc"];
    ServiceAccount = core::ServiceAccount, "serviceaccount", ["sa"];
    ControllerRevision = apps::ControllerRevision, "controllerrevision", [];
    DaemonSet = apps::DaemonSet, "daemonset", ["ds"];
    Deployment = apps::Deployment, "deployment", ["deploy"];
    ReplicaSet = apps::ReplicaSet, "replicaset", ["rs"];
    StatefulSet = apps::StatefulSet, "statefulset", ["sts"];
    CronJob = batch::CronJob, "cronjob", ["cj"];
    Job = batch::Job, "job", [];
    HorizontalPodAutoscaler = autoscaling::v2::HorizontalPodAutoscaler, "horizontalpodautoscaler", ["hpa"];
    HorizontalPodAutoscalerV1 = autoscaling::v1::HorizontalPodAutoscaler, "horizontalpodautoscaler", ["hpa"];
    PodDisruptionBudget = policy::PodDisruptionBudget, "poddisruptionbudget", ["pdb"];
    Ingress = networking::Ingress, "ingress", ["ing"];
    IngressClass = networking::IngressClass, "ingressclass", [];
    IPAddress = networking::IPAddress, "ipaddress", ["ip"];
    NetworkPolicy = networking::NetworkPolicy, "networkpolicy", ["netpol"];
    ServiceCIDR = networking::ServiceCIDR, "servicecidr", [];
    EndpointSlice = discovery::EndpointSlice, "endpointslice", [];
    Lease = coordination::Lease, "lease", [];
    PriorityClass = scheduling::PriorityClass, "priorityclass", ["pc"];
    ClusterRole = rbac::ClusterRole, "clusterrole", [];
    ClusterRoleBinding = rbac::ClusterRoleBinding, "clusterrolebinding", [];
    Role = rbac::Role, "role", [];
    RoleBinding = rbac::RoleBinding, "rolebinding", [];
    CSIDriver = storage::CSIDriver, "csidriver", [];
    CSINode = storage::CSINode, "csinode", [];
    CSIStorageCapacity = storage::CSIStorageCapacity, "csistoragecapacity", [];
    StorageClass = storage::StorageClass, "storageclass", ["sc"];
    VolumeAttachment = storage::VolumeAttachment, "volumeattachment", [];
    VolumeAttributesClass = storage::VolumeAttributesClass, "volumeattributesclass", ["vac"];
    RuntimeClass = node::RuntimeClass, "runtimeclass", [];
    DeviceClass = resource::DeviceClass, "deviceclass", [];
    DeviceTaintRule = resource::DeviceTaintRule, "devicetaintrule", [];
    ResourceClaim = resource::ResourceClaim, "resourceclaim", [];
    ResourceClaimTemplate = resource::ResourceClaimTemplate, "resourceclaimtemplate", [];
    ResourceSlice = resource::ResourceSlice, "resourceslice", [];
    MutatingAdmissionPolicy = admissionregistration::MutatingAdmissionPolicy, "mutatingadmissionpolicy", [];
    MutatingAdmissionPolicyBinding = admissionregistration::MutatingAdmissionPolicyBinding, "mutatingadmissionpolicybinding", [];
    MutatingWebhookConfiguration = admissionregistration::MutatingWebhookConfiguration, "mutatingwebhookconfiguration", [];
    ValidatingAdmissionPolicy = admissionregistration::ValidatingAdmissionPolicy, "validatingadmissionpolicy", [];
    ValidatingAdmissionPolicyBinding = admissionregistration::ValidatingAdmissionPolicyBinding, "validatingadmissionpolicybinding", [];
    ValidatingWebhookConfiguration = admissionregistration::ValidatingWebhookConfiguration, "validatingwebhookconfiguration", [];
    CustomResourceDefinition = apiextensions::CustomResourceDefinition, "customresourcedefinition", ["crd", "crds"];
    APIService = apiregistration::APIService, "apiservice", [];
    CertificateSigningRequest = certificates::CertificateSigningRequest, "certificatesigningrequest", ["csr"];
    ClusterTrustBundle = certificates::ClusterTrustBundle, "clustertrustbundle", [];
    PodCertificateRequest = certificates::PodCertificateRequest, "podcertificaterequest", [];
    FlowSchema = flowcontrol::FlowSchema, "flowschema", [];
    PriorityLevelConfiguration = flowcontrol::PriorityLevelConfiguration, "prioritylevelconfiguration", [];
    EventsV1Event = events::Event, "event", ["ev"];
}

impl Kind {
    /// The built-in kind of an `apiVersion` and a `kind`.
    ///
    /// # Errors
    /// No such built-in kind: the words of kubectl, and the version that is served or the nearest name.
    pub fn from_gvk(api_version: &str, kind: &str) -> Result<Kind, NoMatch> {
        all()
            .find(|(_, info)| info.kind == kind && info.api_version() == api_version)
            .map(|(found, _)| found)
            .ok_or_else(|| no_match(api_version, kind))
    }

    /// The built-in kind that kubectl would take a word for: `deploy`, `deployments`, `Deployment`,
    /// `deployments.apps`, `deployments.v1.apps`. The preferred one where there are two (`events` are core's).
    pub fn from_resource_name(name: &str) -> Option<Kind> {
        all().find(|(_, info)| info.answers_to(name)).map(|(kind, _)| kind)
    }

    /// The `apiVersion` of a built-in kind; none for custom kinds.
    pub fn api_version(self) -> Option<String> {
        self.info().map(KindInfo::api_version)
    }

    /// Whether objects keep a `status` apart from their wish, which only the subresource writes.
    pub fn has_status(self) -> bool {
        !matches!(
            self,
            Kind::ConfigMap
                | Kind::Secret
                | Kind::ServiceAccount
                | Kind::Endpoints
                | Kind::EndpointSlice
                | Kind::LimitRange
                | Kind::PodTemplate
                | Kind::ControllerRevision
                | Kind::PriorityClass
                | Kind::StorageClass
                | Kind::NetworkPolicy
                | Kind::Event
                | Kind::Lease
        )
    }

    /// Whether a group belongs to Kubernetes itself, so that no CRD can add a kind to it.
    pub fn is_built_in_group(group: &str) -> bool {
        all().any(|(_, info)| info.group == group)
    }
}

fn all() -> impl Iterator<Item = (Kind, &'static KindInfo)> {
    Kind::ALL.iter().filter_map(|kind| kind.info().map(|info| (*kind, info)))
}

fn no_match(api_version: &str, kind: &str) -> NoMatch {
    let served: Vec<String> = all().filter(|(_, info)| info.kind == kind).map(|(_, info)| info.api_version()).collect();
    let near = super::located::nearest(kind, all().map(|(_, info)| info.kind.as_ref()));
    let help = match (served.is_empty(), near) {
        (false, _) => format!("{kind} is served as {}", served.join(" and ")),
        (true, Some(near)) => format!("did you mean {near:?}?"),
        (true, None) => "ensure CRDs are installed first".to_owned(),
    };
    NoMatch { api_version: api_version.to_owned(), kind: kind.to_owned(), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<Kind>) {
        assert_eq!(Kind::from_resource_name(name), expected, "{name}");
    }

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        check("deploy", Some(Kind::Deployment));
        check("deployment", Some(Kind::Deployment));
        check("Deployments", Some(Kind::Deployment));
        check("deployment.apps", Some(Kind::Deployment));
        check("deployments.v1.apps", Some(Kind::Deployment));
        check("deployments.v1.batch", None);
        check("deployments.extensions", None);
        check("deploy.apps", None);
        check("po", Some(Kind::Pod));
        check("pods.v1", Some(Kind::Pod));
        check("pods.v1.", Some(Kind::Pod));
        check("ep", Some(Kind::Endpoints));
        check("hpa", Some(Kind::HorizontalPodAutoscaler));
        check("hpa.v1.autoscaling", None);
        check("horizontalpodautoscalers.v1.autoscaling", Some(Kind::HorizontalPodAutoscalerV1));
        check("events", Some(Kind::Event));
        check("events.events.k8s.io", Some(Kind::EventsV1Event));
        check("", None);
        check(".", None);
        check("pods.é", None);
    }

    #[test]
    fn every_kind_is_found_by_its_names() {
        for (kind, info) in all() {
            assert_eq!(Kind::from_gvk(&info.api_version(), &info.kind), Ok(kind));
            assert_eq!(info.singular, info.kind.to_lowercase());
            assert_eq!(
                Kind::from_resource_name(&format!("{}.{}.{}", info.plural, info.version, info.group)),
                Some(kind)
            );
        }
    }

    #[test]
    fn a_wrong_version_names_the_served_one() {
        let error = Kind::from_gvk("extensions/v1beta1", "Deployment").unwrap_err();
        assert_eq!(error.to_string(), "no matches for kind \"Deployment\" in version \"extensions/v1beta1\"");
        assert_eq!(error.help, "Deployment is served as apps/v1");
        let error = Kind::from_gvk("apps/v1", "Deploiment").unwrap_err();
        assert_eq!(error.help, "did you mean \"Deployment\"?");
        let error = Kind::from_gvk("monitoring.coreos.com/v1", "Prometheus").unwrap_err();
        assert_eq!(error.help, "ensure CRDs are installed first");
    }

    #[test]
    fn scopes_come_from_the_types() {
        assert!(Kind::Pod.info().is_some_and(|info| info.namespaced));
        assert!(Kind::Node.info().is_some_and(|info| !info.namespaced));
        assert_eq!(Kind::Custom(3).info(), None);
    }
}
