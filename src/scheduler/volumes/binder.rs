//! What becomes of a pod's claims on a node: which volumes they are given, which are to be made, and when that is done.
//! Upstream: `pkg/scheduler/framework/plugins/volumebinding/binder.go`.
//!
//! Left out: the translation of in-tree volumes before their node affinity is looked at.

use std::sync::Arc;

use serde_json::{Value, json};

use super::records::{BOUND_BY_CONTROLLER, SELECTED_NODE};
use super::{BindingMode, Claim, ClaimUse, ClaimWithVolumes, PersistentVolume, StorageClass, Volumes, claims_of};
use crate::api::{Name, Node, Obj, Object, Pod};
use crate::event::Request;

/// A pod's claims, by what is to be done about them. Upstream: `PodVolumeClaims`.
#[derive(Clone, Debug, Default)]
pub struct ClaimsOfPod {
    /// The volumes of claims that are bound; absent where there is no such volume.
    bound: Vec<Option<Arc<PersistentVolume>>>,
    /// Claims that wait for a volume to be made for a node that was chosen before.
    selected: Vec<(Arc<Claim>, Arc<StorageClass>)>,
    /// Claims that wait for a node, the smallest first.
    waiting: Vec<(ClaimWithVolumes, Arc<StorageClass>)>,
    /// Whether others are not bound, and should be.
    pub has_immediate: bool,
}

/// A claim with the volume that it is given.
#[derive(Clone, Debug)]
pub struct StaticBinding {
    /// The claim.
    pub claim: Arc<Claim>,
    /// The volume.
    pub volume: Arc<PersistentVolume>,
}

/// What becomes of a pod's claims on one node. Upstream: `PodVolumes`.
#[derive(Clone, Debug, Default)]
pub struct PodVolumes {
    /// Claims that are given a volume.
    pub bindings: Vec<StaticBinding>,
    /// Claims for which a volume is to be made.
    pub provisions: Vec<Arc<Claim>>,
}

/// Why a node cannot have a pod's volumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Problems {
    /// It has no access to a volume that is bound.
    pub no_access: bool,
    /// There is no volume for a claim, and none can be made.
    pub nothing_to_bind: bool,
    /// A volume could be made but for its size.
    pub no_space: bool,
    /// A volume that a claim is bound to is gone.
    pub volume_gone: bool,
}

impl ClaimsOfPod {
    /// Sorts the claims of a pod; nothing where it has none. Upstream: `GetPodVolumeClaims`.
    ///
    /// # Errors
    /// A claim is missing or not the pod's, its class does not say when to bind, or its selector cannot be read.
    pub fn of(volumes: &Volumes, pod: &Obj<Pod>) -> Result<Option<ClaimsOfPod>, String> {
        let mut claims = ClaimsOfPod::default();
        let mut any = false;
        for used in claims_of(pod) {
            any = true;
            claims.add(volumes, pod, &used)?;
        }
        let size = |claim: &Claim| claim.request.as_ref().map_or(0, |request| request.nanos());
        claims.waiting.sort_by_key(|(waiting, _)| size(&waiting.claim));
        Ok(any.then_some(claims))
    }

    fn add(&mut self, volumes: &Volumes, pod: &Obj<Pod>, used: &ClaimUse) -> Result<(), String> {
        let Some(claim) = volumes.assumed_claim(&pod.meta.namespace, &used.name) else {
            let key = format!("{}/{}", pod.meta.namespace, used.name);
            return Err(format!("error getting PVC {key:?}: could not find v1.PersistentVolumeClaim {key:?}"));
        };
        if let Some(refusal) = used.refusal(pod, claim) {
            return Err(refusal);
        }
        if claim.is_bound {
            self.bound.push(volumes.assumed_volume(&claim.volume).cloned());
            return Ok(());
        }
        match volumes.class(&claim.class).map(|class| (class, class.mode)) {
            Some((_, BindingMode::Unset)) => {
                return Err(format!("VolumeBindingMode not set for StorageClass {:?}", claim.class));
            }
            Some((class, BindingMode::WaitForFirstConsumer)) if claim.volume.is_empty() => match claim.selected_node {
                Some(_) => self.selected.push((claim.clone(), class.clone())),
                None => self.waiting.push((ClaimWithVolumes::of(volumes, claim)?, class.clone())),
            },
            Some(_) | None => self.has_immediate = true,
        }
        Ok(())
    }

    /// What becomes of the claims on a node. Upstream: `FindPodVolumes`.
    ///
    /// # Errors
    /// The node cannot have all volumes.
    pub fn on(&self, volumes: &Volumes, node: &Obj<Node>) -> Result<PodVolumes, Problems> {
        let mut problems = Problems::default();
        for volume in &self.bound {
            match volume {
                None => problems.volume_gone = true,
                Some(volume) => problems.no_access = !volume.is_accessible(node),
            }
            if problems != Problems::default() {
                break;
            }
        }
        let elsewhere = |(claim, _): &(Arc<Claim>, _)| claim.selected_node.as_ref() != Some(&node.meta.name);
        if self.selected.iter().any(elsewhere) {
            problems.nothing_to_bind = true;
            return Err(problems);
        }
        let mut found = PodVolumes::default();
        let mut taken = Vec::new();
        let mut to_provision: Vec<(&Arc<Claim>, &StorageClass)> =
            self.selected.iter().map(|(claim, class)| (claim, class.as_ref())).collect();
        for (waiting, class) in &self.waiting {
            match waiting.best(node, &taken) {
                Some(volume) => {
                    taken.push(volume.clone());
                    found.bindings.push(StaticBinding { claim: waiting.claim.clone(), volume: volume.clone() });
                }
                None => to_provision.push((&waiting.claim, class)),
            }
        }
        for (claim, class) in to_provision {
            if !class.provisions() || !class.allows(&node.meta.labels) {
                problems.nothing_to_bind = true;
            } else if !has_capacity(volumes, claim, class, node) {
                problems.no_space = true;
            } else {
                found.provisions.push(claim.clone());
                continue;
            }
            break;
        }
        if problems == Problems::default() { Ok(found) } else { Err(problems) }
    }
}

/// Upstream: `hasEnoughCapacity`.
fn has_capacity(volumes: &Volumes, claim: &Claim, class: &StorageClass, node: &Obj<Node>) -> bool {
    let Some(size) = claim.request.as_ref().map(|request| request.value()) else { return true };
    let fits = |capacity: &super::StorageCapacity| capacity.suffices(&claim.class, size, &node.meta.labels);
    !volumes.tracks_capacity(&class.provisioner) || volumes.capacities().any(fits)
}

impl PodVolumes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.provisions.is_empty()
    }

    /// The same with volumes and claims as they are to be written for a node. Upstream: `AssumePodVolumes`.
    #[must_use]
    pub fn for_node(&self, node: &Name) -> PodVolumes {
        let bindings = self.bindings.iter().map(|binding| StaticBinding {
            claim: binding.claim.clone(),
            volume: reserved(&binding.volume, &binding.claim),
        });
        let provisions = self.provisions.iter().map(|claim| {
            let mut object = Obj::clone(&claim.object);
            object.meta.annotations = object.meta.annotations.with(SELECTED_NODE, node.clone());
            Arc::new(Claim::of(&Arc::new(object)))
        });
        PodVolumes { bindings: bindings.collect(), provisions: provisions.collect() }
    }

    /// What is written before the pod is bound, one after the other. Upstream: `bindAPIUpdate`.
    pub fn writes(&self) -> Vec<Request> {
        let volumes = self.bindings.iter().map(|binding| &binding.volume.object);
        let objects = volumes.chain(self.provisions.iter().map(|claim| &claim.object));
        objects.map(|object| Request::Update(Object::Untyped(object.clone()))).collect()
    }

    /// Takes in what the API server has made of a write.
    pub fn written(&mut self, object: &Object) {
        let Object::Untyped(object) = object else { return };
        let same = |other: &Object| other.meta().id.kind == object.meta.id.kind && other.meta().uid == object.meta.uid;
        for binding in &mut self.bindings {
            if same(&Object::Untyped(binding.volume.object.clone())) {
                binding.volume = Arc::new(PersistentVolume::of(object));
            }
        }
        for claim in &mut self.provisions {
            if same(&Object::Untyped(claim.object.clone())) {
                *claim = Arc::new(Claim::of(object));
            }
        }
    }

    /// Whether all claims are bound, as the scheduler has heard. Upstream: `checkBindings`.
    ///
    /// # Errors
    /// It will not come to that.
    pub fn are_bound(&self, volumes: &Volumes, node: &Obj<Node>) -> Result<bool, String> {
        for binding in &self.bindings {
            let name = binding.volume.name();
            let volume = volumes
                .volume(name)
                .ok_or_else(|| format!("failed to check binding: could not find v1.PersistentVolume {name:?}"))?;
            let key = binding.claim.object.meta.key();
            let meta = &binding.claim.object.meta;
            let claim = volumes
                .claim(&meta.namespace, &meta.name)
                .ok_or_else(|| format!("failed to check binding: could not find v1.PersistentVolumeClaim {key:?}"))?;
            if binding.volume.object.meta.resource_version > volume.object.meta.resource_version {
                return Ok(false);
            }
            check_access(volume, node)?;
            if volume.claim.as_ref().is_none_or(|claim| claim.uid.is_none()) {
                return Err(format!("ClaimRef got reset for pv {name:?}"));
            }
            if !claim.is_bound {
                return Ok(false);
            }
        }
        for claim in &self.provisions {
            if !is_provisioned(claim, volumes, node)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_provisioned(written: &Claim, volumes: &Volumes, node: &Obj<Node>) -> Result<bool, String> {
    let meta = &written.object.meta;
    let claim = volumes.claim(&meta.namespace, &meta.name).ok_or_else(|| {
        format!("failed to check provisioning pvc: could not find v1.PersistentVolumeClaim {:?}", meta.key())
    })?;
    if meta.resource_version > claim.object.meta.resource_version {
        return Ok(false);
    }
    if claim.object.meta.annotations.is_empty() {
        return Err(format!("selectedNode annotation reset for PVC {:?}", meta.name));
    }
    if claim.selected_node.as_ref() != Some(&node.meta.name) {
        return Err(format!("provisioning failed for PVC {:?}", meta.name));
    }
    if !claim.volume.is_empty() {
        // The volume may not have been heard of yet.
        let Some(volume) = volumes.volume(&claim.volume) else { return Ok(false) };
        check_access(volume, node)?;
    }
    Ok(claim.is_bound)
}

fn check_access(volume: &PersistentVolume, node: &Obj<Node>) -> Result<(), String> {
    if volume.is_accessible(node) {
        return Ok(());
    }
    let (volume, node) = (volume.name(), &node.meta.name);
    Err(format!("pv {volume:?} node affinity doesn't match node {node:?}: no matching NodeSelectorTerms"))
}

/// The volume as it is once it is reserved for the claim. Upstream: `GetBindVolumeToClaim`.
fn reserved(volume: &Arc<PersistentVolume>, claim: &Claim) -> Arc<PersistentVolume> {
    let meta = &claim.object.meta;
    let is_ours = volume.is_for(claim);
    if is_ours && volume.claim.as_ref().is_some_and(|reference| reference.uid == Some(meta.uid)) {
        return volume.clone();
    }
    let mut object = Obj::clone(&volume.object);
    if let Some(Value::Object(spec)) = object.body.fields.get_mut("spec") {
        let reference = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": meta.namespace.as_str(),
            "name": meta.name.as_str(),
            "uid": meta.uid.to_string(),
            "resourceVersion": meta.resource_version.to_string(),
        });
        spec.insert("claimRef".to_owned(), reference);
    }
    if !is_ours && object.meta.annotations.get(BOUND_BY_CONTROLLER).is_none() {
        object.meta.annotations = object.meta.annotations.with(BOUND_BY_CONTROLLER, "yes");
    }
    Arc::new(PersistentVolume::of(&Arc::new(object)))
}

impl Volumes {
    /// From now on takes volumes and claims as they are about to be written.
    pub fn assume(&mut self, volumes: &PodVolumes) {
        for binding in &volumes.bindings {
            self.assumed_volumes.insert(binding.volume.name().clone(), binding.volume.clone());
        }
        for claim in &volumes.provisions {
            let meta = &claim.object.meta;
            self.assumed_claims.insert((meta.namespace.clone(), meta.name.clone()), claim.clone());
        }
    }

    /// Takes them as the API server says again. Upstream: `RevertAssumedPodVolumes`.
    pub fn restore(&mut self, volumes: &PodVolumes) {
        for binding in &volumes.bindings {
            self.assumed_volumes.remove(binding.volume.name());
        }
        for claim in &volumes.provisions {
            let meta = &claim.object.meta;
            self.assumed_claims.remove(&(meta.namespace.clone(), meta.name.clone()));
        }
    }
}
