//! The objects of storage, as the volume plugins read them: small records, parsed once when an object comes.

use std::str::FromStr;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as TypedQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::de::DeserializeOwned;

use super::migration::InTree;
use crate::api::{Labels, Meta, Name, Node, Obj, Quantity, Selector, Uid, Untyped};
use crate::scheduler::plugins::node_affinity::{self, Term};

/// Says that a claim has been bound to the end. Upstream: `volume.AnnBindCompleted`.
pub(super) const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Says that not the user has bound. Upstream: `volume.AnnBoundByController`.
pub(super) const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// The node for which a volume is to be made. Upstream: `volume.AnnSelectedNode`.
pub(super) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// The class of old. Upstream: `v1.BetaStorageClassAnnotation`.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// The in-tree plugins of which the node's kubelet knows that they are migrated.
const MIGRATED_PLUGINS: &str = "storage.alpha.kubernetes.io/migrated-plugins";
/// The provisioner of classes that make no volumes. Upstream: `volume.NotSupportedProvisioner`.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
const STORAGE: &str = "storage";

/// One top-level field through its type; its default where it is absent or does not fit.
fn field<T: DeserializeOwned + Default>(object: &Obj<Untyped>, name: &str) -> T {
    object.body.fields.get(name).and_then(|value| T::deserialize(value).ok()).unwrap_or_default()
}

fn text(object: &Obj<Untyped>, path: [&str; 2]) -> Name {
    let value = object.body.fields.get(path[0]).and_then(|inner| inner.get(path[1])?.as_str());
    value.unwrap_or_default().into()
}

fn quantity(typed: &TypedQuantity) -> Option<Quantity> {
    Quantity::from_str(&typed.0).ok()
}

fn names(texts: Option<Vec<String>>) -> Vec<Name> {
    texts.into_iter().flatten().map(Name::from).collect()
}

/// The annotation of old, else the field; empty where no class is asked for.
fn class_of(meta: &Meta, field: Option<String>) -> Name {
    let old = meta.annotations.get(BETA_CLASS).cloned();
    old.unwrap_or_else(|| field.unwrap_or_default().into())
}

/// The claim that a volume is bound to, or reserved for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimReference {
    /// `claimRef.namespace`.
    pub namespace: Name,
    /// `claimRef.name`.
    pub name: Name,
    /// `claimRef.uid`; absent where a user has reserved the volume.
    pub uid: Option<Uid>,
}

/// What a volume is made of, as far as limits count it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// `csi`.
    Csi {
        /// The driver.
        driver: Name,
        /// Its name for the volume.
        handle: Name,
    },
    /// A plugin of old whose work a CSI driver may have taken over.
    InTree {
        /// Which.
        plugin: InTree,
        /// The driver's name for the volume; absent where it cannot be told.
        handle: Option<Name>,
    },
    /// Anything else; not counted.
    Other,
}

/// A PersistentVolume.
#[derive(Clone, Debug)]
pub struct PersistentVolume {
    /// The object.
    pub object: Arc<Obj<Untyped>>,
    /// Its StorageClass; empty without one.
    pub class: Name,
    /// `capacity.storage`.
    pub capacity: Quantity,
    /// `accessModes`.
    pub access_modes: Vec<Name>,
    /// `volumeMode`.
    pub mode: Name,
    /// `volumeAttributesClassName`; empty without one.
    pub attributes_class: Name,
    /// `claimRef`.
    pub claim: Option<ClaimReference>,
    /// Whether `status.phase` is Available.
    pub is_available: bool,
    /// `nodeAffinity.required`; absent: all nodes have access.
    pub(in crate::scheduler) affinity: Option<Vec<Term>>,
    /// What it is made of.
    pub source: Source,
}

impl PersistentVolume {
    /// Reads an object.
    pub fn of(object: &Arc<Obj<Untyped>>) -> PersistentVolume {
        let spec: v1::PersistentVolumeSpec = field(object, "spec");
        let source = match (&spec.csi, InTree::of_volume(&spec, &object.meta.labels)) {
            (Some(csi), _) => Source::Csi { driver: (&csi.driver).into(), handle: (&csi.volume_handle).into() },
            (None, Some((plugin, handle))) => Source::InTree { plugin, handle },
            (None, None) => Source::Other,
        };
        let claim = spec.claim_ref.map(|claim| ClaimReference {
            namespace: claim.namespace.unwrap_or_default().into(),
            name: claim.name.unwrap_or_default().into(),
            uid: claim.uid.filter(|uid| !uid.is_empty()).and_then(|uid| Uid::from_str(&uid).ok()),
        });
        let capacity = spec.capacity.as_ref().and_then(|capacity| quantity(capacity.get(STORAGE)?));
        let affinity = spec.node_affinity.and_then(|affinity| affinity.required);
        PersistentVolume {
            object: object.clone(),
            class: class_of(&object.meta, spec.storage_class_name),
            capacity: capacity.unwrap_or_else(Quantity::zero),
            access_modes: names(spec.access_modes),
            mode: mode(spec.volume_mode),
            attributes_class: spec.volume_attributes_class_name.unwrap_or_default().into(),
            claim,
            is_available: text(object, ["status", "phase"]) == "Available",
            affinity: affinity.as_ref().map(node_affinity::terms),
            source,
        }
    }

    /// `metadata.name`.
    pub fn name(&self) -> &Name {
        &self.object.meta.name
    }

    /// Whether a node has access to it. Upstream: `volume.CheckNodeAffinity`, which looks at labels alone.
    pub fn is_accessible(&self, node: &Obj<Node>) -> bool {
        self.affinity.as_ref().is_none_or(|terms| terms.iter().any(|term| term.allows(&node.meta.labels, "")))
    }

    /// Whether it is bound to a claim, or reserved for it. Upstream: `volume.IsVolumeBoundToClaim`.
    pub fn is_for(&self, claim: &Claim) -> bool {
        self.claim.as_ref().is_some_and(|reference| {
            let meta = &claim.object.meta;
            let same = reference.name == meta.name && reference.namespace == meta.namespace;
            same && reference.uid.is_none_or(|uid| uid == meta.uid)
        })
    }
}

fn mode(mode: Option<String>) -> Name {
    mode.map_or(Name::inline("Filesystem"), Name::from)
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The object.
    pub object: Arc<Obj<Untyped>>,
    /// Its StorageClass; empty without one.
    pub class: Name,
    /// `volumeName`; empty until it is bound.
    pub volume: Name,
    /// Whether it is bound to the end: it has a volume, and the controller says so.
    pub is_bound: bool,
    /// Whether its volume is lost.
    pub is_lost: bool,
    /// `accessModes`.
    pub access_modes: Vec<Name>,
    /// `resources.requests.storage`.
    pub request: Option<Quantity>,
    /// `volumeMode`.
    pub mode: Name,
    /// `volumeAttributesClassName`; empty without one.
    pub attributes_class: Name,
    /// `selector`, or why it cannot be read.
    pub selector: Option<Result<Selector, String>>,
    /// The node for which a volume is to be made.
    pub selected_node: Option<Name>,
}

impl Claim {
    /// Reads an object.
    pub fn of(object: &Arc<Obj<Untyped>>) -> Claim {
        let spec: v1::PersistentVolumeClaimSpec = field(object, "spec");
        let volume: Name = spec.volume_name.unwrap_or_default().into();
        let annotations = &object.meta.annotations;
        let requests = spec.resources.and_then(|resources| resources.requests);
        Claim {
            object: object.clone(),
            class: class_of(&object.meta, spec.storage_class_name),
            is_bound: !volume.is_empty() && annotations.get(BIND_COMPLETED).is_some(),
            volume,
            is_lost: text(object, ["status", "phase"]) == "Lost",
            access_modes: names(spec.access_modes),
            request: requests.and_then(|requests| quantity(requests.get(STORAGE)?)),
            mode: mode(spec.volume_mode),
            attributes_class: spec.volume_attributes_class_name.unwrap_or_default().into(),
            selector: spec.selector.map(|selector| Selector::from_label_selector(Some(&selector))),
            selected_node: annotations.get(SELECTED_NODE).cloned(),
        }
    }

    /// Whether only one pod may use it.
    pub fn is_for_one_pod(&self) -> bool {
        self.access_modes.iter().any(|mode| mode == "ReadWriteOncePod")
    }
}

/// When claims of a class are bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindingMode {
    /// The class does not say: an object that was never defaulted.
    Unset,
    /// At once, by the controller.
    Immediate,
    /// When a pod has a node, by the scheduler.
    WaitForFirstConsumer,
}

/// A StorageClass.
#[derive(Clone, Debug)]
pub struct StorageClass {
    /// `provisioner`.
    pub provisioner: Name,
    /// `volumeBindingMode`.
    pub mode: BindingMode,
    /// `allowedTopologies`: alternatives, each of labels with their values.
    pub topologies: Vec<Vec<(Name, Vec<Name>)>>,
}

impl StorageClass {
    /// Reads an object.
    pub fn of(object: &Obj<Untyped>) -> StorageClass {
        let topologies: Vec<v1::TopologySelectorTerm> = field(object, "allowedTopologies");
        let term = |term: v1::TopologySelectorTerm| {
            let labels = term.match_label_expressions.into_iter().flatten();
            labels.map(|label| (label.key.into(), names(Some(label.values)))).collect()
        };
        let mode: Option<String> = field(object, "volumeBindingMode");
        StorageClass {
            provisioner: field::<String>(object, "provisioner").into(),
            mode: match mode.as_deref() {
                None => BindingMode::Unset,
                Some("WaitForFirstConsumer") => BindingMode::WaitForFirstConsumer,
                Some(_) => BindingMode::Immediate,
            },
            topologies: topologies.into_iter().map(term).collect(),
        }
    }

    /// Whether volumes can be made.
    pub fn provisions(&self) -> bool {
        !self.provisioner.is_empty() && self.provisioner != NO_PROVISIONER
    }

    /// Whether they can be made where these labels are. Upstream: `v1helper.MatchTopologySelectorTerms`.
    pub fn allows(&self, labels: &Labels) -> bool {
        let has = |(key, values): &(Name, Vec<Name>)| labels.get(key).is_some_and(|found| values.contains(found));
        self.topologies.is_empty() || self.topologies.iter().any(|term| !term.is_empty() && term.iter().all(has))
    }
}

/// A CSINode.
#[derive(Clone, Debug, Default)]
pub struct CsiNode {
    /// How many volumes of each driver can be attached; drivers without a limit are absent.
    pub limits: Vec<(Name, i64)>,
    /// The in-tree plugins that are migrated there.
    pub migrated: Vec<Name>,
}

impl CsiNode {
    /// Reads an object.
    pub fn of(object: &Obj<Untyped>) -> CsiNode {
        let spec: storage::CSINodeSpec = field(object, "spec");
        let limit = |driver: storage::CSINodeDriver| Some((driver.name.into(), i64::from(driver.allocatable?.count?)));
        CsiNode { limits: spec.drivers.into_iter().filter_map(limit).collect(), migrated: migrated(&object.meta) }
    }

    /// How many volumes of a driver can be attached. Of two entries of one driver the later counts.
    pub fn limit(&self, driver: &str) -> Option<i64> {
        self.limits.iter().rfind(|(name, _)| name == driver).map(|(_, limit)| *limit)
    }
}

/// The in-tree plugins that a CSINode lists as migrated.
pub fn migrated(meta: &Meta) -> Vec<Name> {
    let listed = meta.annotations.get(MIGRATED_PLUGINS).filter(|listed| !listed.is_empty());
    listed.map(|listed| listed.split(',').map(Name::from).collect()).unwrap_or_default()
}

/// Whether a CSIDriver says that its capacity is to be checked.
pub fn tracks_capacity(driver: &Obj<Untyped>) -> bool {
    field::<storage::CSIDriverSpec>(driver, "spec").storage_capacity == Some(true)
}

/// A CSIStorageCapacity.
#[derive(Clone, Debug)]
pub struct StorageCapacity {
    /// `storageClassName`.
    pub class: Name,
    /// The largest volume that can be made, in bytes; absent where that is not known.
    pub limit: Option<i64>,
    /// `nodeTopology`: the nodes that have access; absent: none.
    pub topology: Option<Selector>,
}

impl StorageCapacity {
    /// Reads an object.
    pub fn of(object: &Obj<Untyped>) -> StorageCapacity {
        let size = |name: &str| -> Option<i64> {
            let typed: Option<TypedQuantity> = field(object, name);
            Some(quantity(&typed?)?.value())
        };
        let topology: Option<LabelSelector> = field(object, "nodeTopology");
        StorageCapacity {
            class: field::<String>(object, "storageClassName").into(),
            limit: size("maximumVolumeSize").or_else(|| size("capacity")),
            topology: topology.and_then(|topology| Selector::from_label_selector(Some(&topology)).ok()),
        }
    }

    /// Whether a volume can be made for a node.
    pub fn suffices(&self, class: &str, size: i64, node: &Labels) -> bool {
        let value = |key: &str| node.get(key).map(Name::as_str);
        self.class == class
            && self.limit.is_some_and(|limit| limit >= size)
            && self.topology.as_ref().is_some_and(|topology| topology.matches(value))
    }
}

/// A VolumeAttachment of a PersistentVolume.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// `nodeName`.
    pub node: Name,
    /// `attacher`: the driver.
    pub driver: Name,
    /// The PersistentVolume.
    pub volume: Name,
}

impl Attachment {
    /// Reads an object; nothing where no driver or volume is named.
    pub fn of(object: &Obj<Untyped>) -> Option<Attachment> {
        let spec: storage::VolumeAttachmentSpec = field(object, "spec");
        let volume = spec.source.persistent_volume_name?.into();
        let driver: Name = spec.attacher.into();
        (!driver.is_empty()).then(|| Attachment { node: spec.node_name.into(), driver, volume })
    }
}
