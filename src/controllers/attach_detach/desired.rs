//! Which nodes need a disk. Upstream: `util.ProcessPodVolumes`, `DetermineVolumeAction`, `CreateVolumeSpec`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MANAGED;
use crate::api::{Kind, Name, Obj, Pod};
use crate::client::View;
use crate::controllers::claim_users::ClaimUsers;
use crate::controllers::persistent_volume::objects::{Stored, claim_of, claim_uid, text};

/// The pods that need a disk, by node.
pub(super) type Users = BTreeMap<Name, Vec<Arc<Obj<Pod>>>>;

/// The pods that need a volume: those of its claim that have a node and have not ended. One that is being deleted needs
/// it until it is gone.
pub(super) fn users(volume: &Stored, users: &ClaimUsers, view: &View) -> Users {
    let mut found = Users::new();
    let Some((namespace, name)) = claim_of(volume) else { return found };
    let claims = view.caches.others.get(&Kind::PersistentVolumeClaim);
    let is_bound = claims.and_then(|claims| claims.by_name(&namespace, &name)).is_some_and(|claim| {
        text(claim, &["status", "phase"]) == "Bound"
            && text(claim, &["spec", "volumeName"]) == volume.meta.name
            && claim.meta.uid.to_string() == claim_uid(volume)
    });
    if !is_bound {
        return found;
    }
    for pod in users.of(&namespace, &name).filter_map(|slot| view.caches.pods.by_slot(slot)) {
        let node = &pod.body.node_name;
        let is_managed = || {
            let node = view.caches.nodes.by_name("", node);
            node.is_some_and(|node| node.meta.annotations.get(MANAGED).is_some())
        };
        if !node.is_empty() && !pod.body.status.phase.is_finished() && is_managed() {
            found.entry(node.clone()).or_default().push(pod.clone());
        }
    }
    found
}
