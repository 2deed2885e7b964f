//! Which PersistentVolume a claim is given. Upstream: `FindMatchingVolume` in
//! `staging/src/k8s.io/component-helpers/storage/volume/pv_helpers.go`, the scheduler's half.
//!
//! Upstream looks at volumes in the order of a Go map: of several that are reserved for the claim, or equally small,
//! it takes any. Here the first by name is taken.

use std::sync::Arc;

use super::{Claim, PersistentVolume, Volumes};
use crate::api::{Name, Node, Obj};

/// A claim that waits for a volume, with those that could be it on some node.
#[derive(Clone, Debug)]
pub struct ClaimWithVolumes {
    /// The claim.
    pub claim: Arc<Claim>,
    /// Volumes that are reserved for it.
    reserved: Vec<Arc<PersistentVolume>>,
    /// Volumes that it could take, the smallest first.
    free: Vec<Arc<PersistentVolume>>,
}

/// Whether a volume has all modes that a claim asks for. Upstream: `CheckAccessModes`.
fn covers_modes(claim: &Claim, volume: &PersistentVolume) -> bool {
    claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode))
}

impl ClaimWithVolumes {
    /// Looks at the volumes of the claim's class.
    ///
    /// # Errors
    /// The claim's selector cannot be read.
    pub fn of(volumes: &Volumes, claim: &Arc<Claim>) -> Result<ClaimWithVolumes, String> {
        let selector = match &claim.selector {
            None => None,
            Some(Ok(selector)) => Some(selector),
            Some(Err(error)) => {
                let key = claim.object.meta.key();
                return Err(format!("error creating internal label selector for claim: {key}: {error}"));
            }
        };
        let is_selected = |volume: &PersistentVolume| {
            let labels = &volume.object.meta.labels;
            selector.is_none_or(|selector| selector.matches(|key| labels.get(key).map(Name::as_str)))
        };
        let (mut reserved, mut free) = (Vec::new(), Vec::new());
        for volume in volumes.of_class(&claim.class).filter(|volume| is_alike(claim, volume)) {
            if volume.claim.is_some() {
                if volume.is_for(claim) {
                    reserved.push(volume.clone());
                }
            } else if volume.is_available && is_selected(volume) && covers_modes(claim, volume) {
                free.push(volume.clone());
            }
        }
        free.sort_by_key(|volume| volume.capacity.nanos());
        Ok(ClaimWithVolumes { claim: claim.clone(), reserved, free })
    }

    /// The volume for the claim on a node, but for those that are taken. One that is reserved for the claim is the only
    /// one in question, even where the node has no access to it.
    pub fn best(&self, node: &Obj<Node>, taken: &[Arc<PersistentVolume>]) -> Option<&Arc<PersistentVolume>> {
        let is_open = |volume: &&Arc<PersistentVolume>| !taken.iter().any(|other| other.name() == volume.name());
        match self.reserved.iter().find(is_open) {
            Some(volume) => volume.is_accessible(node).then_some(volume),
            None => self.free.iter().find(|volume| is_open(volume) && volume.is_accessible(node)),
        }
    }
}

/// Size, mode, attributes, and whether it stays.
fn is_alike(claim: &Claim, volume: &PersistentVolume) -> bool {
    let size = claim.request.as_ref().map_or(0, |request| request.nanos());
    volume.capacity.nanos() >= size
        && volume.mode == claim.mode
        && volume.attributes_class == claim.attributes_class
        && !volume.object.meta.is_terminating()
}
