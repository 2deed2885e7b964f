//! Which pods use which claims, kept as pods come and go.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Name, Obj, Pod};

/// The pods of each claim, by namespace and name of the claim.
#[derive(Clone, Debug, Default)]
pub struct ClaimUsers {
    users: BTreeMap<(Name, Name), BTreeSet<u32>>,
}

/// The names of the claims that a pod uses, those that are made for its ephemeral volumes included.
pub fn claims_of(pod: &Obj<Pod>) -> impl Iterator<Item = Name> + '_ {
    let volumes = pod.body.spec.full.volumes.as_deref().unwrap_or_default();
    volumes.iter().filter_map(|volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(claim), _) => Some(claim.claim_name.as_str().into()),
        (None, Some(_)) => Some(ecow::eco_format!("{}-{}", pod.meta.name, volume.name)),
        (None, None) => None,
    })
}

impl ClaimUsers {
    /// Takes in a pod as it is now. Gives the claims that it no longer uses.
    pub fn observe(&mut self, pod: &Obj<Pod>, is_gone: bool) -> Vec<(Name, Name)> {
        let slot = pod.meta.id.slot;
        let mut left = Vec::new();
        for claim in claims_of(pod) {
            let key = (pod.meta.namespace.clone(), claim);
            if !is_gone {
                self.users.entry(key).or_default().insert(slot);
                continue;
            }
            if let Some(users) = self.users.get_mut(&key)
                && users.remove(&slot)
            {
                if users.is_empty() {
                    self.users.remove(&key);
                }
                left.push(key);
            }
        }
        left
    }

    /// The numbers of the pods that use a claim.
    pub fn of(&self, namespace: &Name, claim: &Name) -> impl Iterator<Item = u32> + '_ {
        self.users.get(&(namespace.clone(), claim.clone())).into_iter().flatten().copied()
    }
}
