//! Which volume a claim is given. Upstream: `findBestMatchForClaim` (`pkg/controller/volume/persistentvolume/index.go`)
//! and `FindMatchingVolume` (`component-helpers/storage/volume`).
//!
//! Left out: VolumeAttributesClass. Among equals upstream takes any; here the one that was seen first.

use super::objects::{Stored, capacity, class, is_for, modes, requested, same_volume_mode, selector, text};
use crate::api::{Obj, Untyped};

/// The best of these volumes for a claim: one that is reserved for it, else the smallest that is available and large
/// enough, of those with the fewest access modes beyond what is asked for. Where binding waits for a pod only the former.
pub(super) fn best<'a>(
    claim: &Obj<Untyped>,
    volumes: impl Iterator<Item = &'a Stored>,
    is_delayed: bool,
) -> Option<&'a Stored> {
    let wanted = modes(claim);
    let asked = requested(claim);
    let selector = selector(claim);
    let labels = |volume: &Stored| {
        selector
            .as_ref()
            .is_none_or(|selector| selector.matches(|key| volume.meta.labels.get(key).map(|value| &**value)))
    };
    let mut best: Option<(usize, Vec<&str>, i128, &Stored)> = None;
    let mut reserved: Option<(usize, Vec<&str>, &Stored)> = None;
    for volume in volumes {
        let has = modes(volume);
        let is_possible = wanted.iter().all(|mode| has.contains(mode))
            && (super::objects::claim_of(volume).is_none() || is_for(volume, claim))
            && capacity(volume) >= asked
            && same_volume_mode(volume, claim)
            && !volume.meta.is_terminating();
        if !is_possible {
            continue;
        }
        if is_for(volume, claim) {
            let key = (has.len(), has, volume);
            if reserved.as_ref().is_none_or(|least| (key.0, &key.1) < (least.0, &least.1)) {
                reserved = Some(key);
            }
            continue;
        }
        let is_free = !is_delayed
            && text(volume, &["status", "phase"]) == "Available"
            && labels(volume)
            && class(volume) == class(claim);
        let key = (has.len(), has, capacity(volume).nanos(), volume);
        if is_free && best.as_ref().is_none_or(|least| (key.0, &key.1, key.2) < (least.0, &least.1, least.2)) {
            best = Some(key);
        }
    }
    // A set of access modes is looked through before the next: reserved ones go first within a set only.
    match (reserved, best) {
        (Some(reserved), Some(best)) if (best.0, &best.1) < (reserved.0, &reserved.1) => Some(best.3),
        (Some(reserved), _) => Some(reserved.2),
        (None, best) => best.map(|best| best.3),
    }
}

/// Why a claim cannot have the volume that it names. Upstream: `checkVolumeSatisfyClaim`.
pub(super) fn mismatch(claim: &Obj<Untyped>, volume: &Obj<Untyped>) -> Option<&'static str> {
    let (wanted, has) = (modes(claim), modes(volume));
    if capacity(volume) < requested(claim) {
        Some("requested PV is too small")
    } else if class(volume) != class(claim) {
        Some("storageClassName does not match")
    } else if !same_volume_mode(volume, claim) {
        Some("incompatible volumeMode")
    } else if !wanted.iter().all(|mode| has.contains(mode)) {
        Some("incompatible accessMode")
    } else {
        None
    }
}
