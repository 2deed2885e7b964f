//! PersistentVolumes, claims, storage classes, drivers and the limits of nodes, as the volume plugins read them; and
//! which pods use which claims.
//!
//! What the API server says and what the scheduler assumes are held apart: volumes that it has given to claims and
//! claims that wait for a volume on a node are seen so by VolumeBinding alone, until a newer state of the object comes.
//! Upstream: the informers of the plugins, `pkg/scheduler/util/assumecache`.

mod binder;
mod matching;
mod migration;
mod records;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use k8s_openapi::api::core::v1;

pub use binder::{ClaimsOfPod, PodVolumes, Problems};
pub use matching::ClaimWithVolumes;
pub use migration::{InTree, Provisioner};
pub use records::{
    Attachment, BindingMode, Claim, CsiNode, PersistentVolume, Source, StorageCapacity, StorageClass, migrated,
    tracks_capacity,
};

use crate::api::{Kind, Name, Obj, Object, Pod, Untyped};

/// An object by name.
type ByName<T> = OrdMap<Name, Arc<T>>;

/// All objects of storage that the scheduler has heard of.
#[derive(Clone, Debug, Default)]
pub struct Volumes {
    volumes: ByName<PersistentVolume>,
    volumes_of_class: OrdMap<Name, OrdSet<Name>>,
    claims: OrdMap<Name, ByName<Claim>>,
    classes: ByName<StorageClass>,
    csi_nodes: ByName<CsiNode>,
    /// Drivers whose capacity is to be checked.
    tracked_drivers: OrdSet<Name>,
    /// By namespace and name.
    capacities: OrdMap<(Name, Name), Arc<StorageCapacity>>,
    attachments: ByName<Attachment>,
    attachments_on: OrdMap<Name, OrdSet<Name>>,
    assumed_volumes: ByName<PersistentVolume>,
    assumed_claims: OrdMap<(Name, Name), Arc<Claim>>,
    /// The pods on nodes that use a claim, by its namespace and name.
    users: OrdMap<(Name, Name), OrdSet<u32>>,
}

/// A claim that a pod uses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimUse {
    /// The claim's name; its namespace is the pod's.
    pub name: Name,
    /// Whether it is made for the pod and goes with it.
    pub is_ephemeral: bool,
}

impl ClaimUse {
    /// The claim that is one of a pod's volumes, if it is one.
    pub fn of(pod: &Obj<Pod>, volume: &v1::Volume) -> Option<ClaimUse> {
        match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(claim), _) => Some(ClaimUse { name: (&claim.claim_name).into(), is_ephemeral: false }),
            (None, Some(_)) => {
                Some(ClaimUse { name: ecow::eco_format!("{}-{}", pod.meta.name, volume.name), is_ephemeral: true })
            }
            (None, None) => None,
        }
    }

    /// Why a pod may not use the claim as its own. Upstream: `ephemeral.VolumeIsForPod`.
    pub fn refusal(&self, pod: &Obj<Pod>, claim: &Claim) -> Option<String> {
        let owner = claim.object.meta.controller().map(|owner| owner.uid);
        (self.is_ephemeral && owner != Some(pod.meta.uid)).then(|| {
            let (claim, pod) = (claim.object.meta.key(), pod.meta.key());
            format!("PVC {claim} was not created for pod {pod} (pod is not owner)")
        })
    }
}

/// A pod's volumes.
pub fn volumes_of(pod: &Obj<Pod>) -> &[v1::Volume] {
    pod.body.spec.full.volumes.as_deref().unwrap_or_default()
}

/// The claims among a pod's volumes.
pub fn claims_of(pod: &Obj<Pod>) -> impl Iterator<Item = ClaimUse> + '_ {
    volumes_of(pod).iter().filter_map(|volume| ClaimUse::of(pod, volume))
}

/// The claims that are named in a pod, not those that are made for it.
pub fn named_claims_of(pod: &Obj<Pod>) -> impl Iterator<Item = &str> {
    let claims = volumes_of(pod).iter().filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims.map(|claim| claim.claim_name.as_str())
}

/// `persistentvolumeclaim "x" not found`
pub fn claim_not_found(name: &str) -> Name {
    ecow::eco_format!("persistentvolumeclaim {name:?} not found")
}

impl Volumes {
    /// The kinds that it takes in.
    pub const KINDS: [Kind; 7] = [
        Kind::PersistentVolume,
        Kind::PersistentVolumeClaim,
        Kind::StorageClass,
        Kind::CSINode,
        Kind::CSIDriver,
        Kind::CSIStorageCapacity,
        Kind::VolumeAttachment,
    ];

    /// Takes in a new or changed object; those of other kinds leave it as it is.
    pub fn set(&mut self, object: &Object) {
        let Object::Untyped(object) = object else { return };
        let (namespace, name) = (object.meta.namespace.clone(), object.meta.name.clone());
        match object.meta.id.kind {
            Kind::PersistentVolume => {
                let volume = PersistentVolume::of(object);
                self.forget_volume(&name);
                self.volumes_of_class.entry(volume.class.clone()).or_default().insert(name.clone());
                if self.assumed_volumes.get(&name).is_some_and(|assumed| is_newer(object, &assumed.object)) {
                    self.assumed_volumes.remove(&name);
                }
                self.volumes.insert(name, Arc::new(volume));
            }
            Kind::PersistentVolumeClaim => {
                let key = (namespace, name);
                if self.assumed_claims.get(&key).is_some_and(|assumed| is_newer(object, &assumed.object)) {
                    self.assumed_claims.remove(&key);
                }
                self.claims.entry(key.0).or_default().insert(key.1, Arc::new(Claim::of(object)));
            }
            Kind::StorageClass => {
                self.classes.insert(name, Arc::new(StorageClass::of(object)));
            }
            Kind::CSINode => {
                self.csi_nodes.insert(name, Arc::new(CsiNode::of(object)));
            }
            Kind::CSIDriver if tracks_capacity(object) => {
                self.tracked_drivers.insert(name);
            }
            Kind::CSIDriver => {
                self.tracked_drivers.remove(&name);
            }
            Kind::CSIStorageCapacity => {
                self.capacities.insert((namespace, name), Arc::new(StorageCapacity::of(object)));
            }
            Kind::VolumeAttachment => {
                self.forget_attachment(&name);
                if let Some(attachment) = Attachment::of(object) {
                    self.attachments_on.entry(attachment.node.clone()).or_default().insert(name.clone());
                    self.attachments.insert(name, Arc::new(attachment));
                }
            }
            _ => {}
        }
    }

    /// Forgets an object that is gone.
    pub fn remove(&mut self, object: &Object) {
        let Object::Untyped(object) = object else { return };
        let (namespace, name) = (&object.meta.namespace, &object.meta.name);
        match object.meta.id.kind {
            Kind::PersistentVolume => {
                self.forget_volume(name);
                self.assumed_volumes.remove(name);
            }
            Kind::PersistentVolumeClaim => {
                if let Some(claims) = self.claims.get_mut(namespace) {
                    claims.remove(name);
                }
                self.assumed_claims.remove(&(namespace.clone(), name.clone()));
            }
            Kind::StorageClass => {
                self.classes.remove(name);
            }
            Kind::CSINode => {
                self.csi_nodes.remove(name);
            }
            Kind::CSIDriver => {
                self.tracked_drivers.remove(name);
            }
            Kind::CSIStorageCapacity => {
                self.capacities.remove(&(namespace.clone(), name.clone()));
            }
            Kind::VolumeAttachment => self.forget_attachment(name),
            _ => {}
        }
    }

    fn forget_volume(&mut self, name: &Name) {
        let Some(volume) = self.volumes.remove(name) else { return };
        if let Some(names) = self.volumes_of_class.get_mut(&volume.class) {
            names.remove(name);
        }
    }

    fn forget_attachment(&mut self, name: &Name) {
        let Some(attachment) = self.attachments.remove(name) else { return };
        if let Some(names) = self.attachments_on.get_mut(&attachment.node) {
            names.remove(name);
        }
    }

    /// A claim, as the API server has it.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Arc<Claim>> {
        self.claims.get(namespace)?.get(name)
    }

    /// A claim, as the scheduler assumes it to be.
    pub fn assumed_claim(&self, namespace: &Name, name: &Name) -> Option<&Arc<Claim>> {
        let assumed = self.assumed_claims.get(&(namespace.clone(), name.clone()));
        assumed.or_else(|| self.claim(namespace, name))
    }

    /// A PersistentVolume, as the API server has it.
    pub fn volume(&self, name: &str) -> Option<&Arc<PersistentVolume>> {
        self.volumes.get(name)
    }

    /// A PersistentVolume, as the scheduler assumes it to be.
    pub fn assumed_volume(&self, name: &str) -> Option<&Arc<PersistentVolume>> {
        self.assumed_volumes.get(name).or_else(|| self.volume(name))
    }

    /// The PersistentVolumes of a class by name, as the scheduler assumes them to be.
    pub fn of_class(&self, class: &str) -> impl Iterator<Item = &Arc<PersistentVolume>> {
        let names = self.volumes_of_class.get(class).into_iter().flatten();
        names.filter_map(|name| self.assumed_volume(name))
    }

    /// A StorageClass.
    pub fn class(&self, name: &str) -> Option<&Arc<StorageClass>> {
        self.classes.get(name)
    }

    /// The CSINode of a node.
    pub fn csi_node(&self, node: &str) -> Option<&Arc<CsiNode>> {
        self.csi_nodes.get(node)
    }

    /// Whether the capacity of a provisioner is to be checked. Upstream: `CSIDriver.spec.storageCapacity`.
    pub fn tracks_capacity(&self, provisioner: &str) -> bool {
        self.tracked_drivers.contains(provisioner)
    }

    /// Where how much can be made.
    pub fn capacities(&self) -> impl Iterator<Item = &StorageCapacity> {
        self.capacities.values().map(Arc::as_ref)
    }

    /// What is attached to a node, or about to be.
    pub fn attached_to(&self, node: &str) -> impl Iterator<Item = &Attachment> {
        let names = self.attachments_on.get(node).into_iter().flatten();
        names.filter_map(|name| Some(self.attachments.get(name)?.as_ref()))
    }

    /// The pods on nodes that use a claim by its name.
    pub fn users(&self, namespace: &Name, claim: &str) -> impl Iterator<Item = u32> + '_ {
        let users = self.users.get(&(namespace.clone(), claim.into()));
        users.into_iter().flat_map(|slots| slots.iter().copied())
    }

    /// A pod has come to a node.
    pub(super) fn pod_added(&mut self, pod: &Obj<Pod>) {
        for claim in named_claims_of(pod) {
            let key = (pod.meta.namespace.clone(), Name::from(claim));
            self.users.entry(key).or_default().insert(pod.meta.id.slot);
        }
    }

    /// A pod has left its node.
    pub(super) fn pod_removed(&mut self, pod: &Obj<Pod>) {
        for claim in named_claims_of(pod) {
            let key = (pod.meta.namespace.clone(), Name::from(claim));
            if let Some(slots) = self.users.get_mut(&key) {
                slots.remove(&pod.meta.id.slot);
                if slots.is_empty() {
                    self.users.remove(&key);
                }
            }
        }
    }

    /// Volumes and claims that the scheduler assumes to be other than the API server says, by name.
    pub fn assumptions(&self) -> impl Iterator<Item = (&Name, &Name)> {
        let claims = self.assumed_claims.keys().map(|(namespace, name)| (namespace, name));
        self.assumed_volumes.iter().map(|(name, volume)| (name, &volume.class)).chain(claims)
    }
}

fn is_newer(object: &Obj<Untyped>, than: &Obj<Untyped>) -> bool {
    object.meta.resource_version > than.meta.resource_version
}
