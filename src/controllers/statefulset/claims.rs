//! The volume claims of a StatefulSet's pods: which there are, and who owns them by the retention policy.
//! Upstream: `pkg/controller/statefulset/stateful_set_utils.go` (`isClaimOwnerUpToDate`, `updateClaimOwnerRefForSetAndPod`).

use serde_json::json;

use super::identity::claim_name;
use super::set::{ClaimTemplate, Retention, StatefulSet};
use crate::api::{Kind, Meta, Name, Object, OwnerReference, convert};
use crate::controllers::pod_util::controller_reference;

/// The claim of a template for an ordinal as it is to be created. Upstream: `getPersistentVolumeClaims`.
pub(super) fn new_claim(set: &StatefulSet, template: &ClaimTemplate, ordinal: i32) -> Object {
    let mut claim = template.json.clone();
    let name = claim_name(&template.name, &set.meta().name, ordinal);
    if let Some(metadata) = claim["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    claim["metadata"]["name"] = json!(name.as_str());
    claim["metadata"]["namespace"] = json!(set.meta().namespace.as_str());
    for (key, value) in set.spec.selector.written.match_labels.iter().flatten() {
        claim["metadata"]["labels"][key] = json!(value);
    }
    convert::from_json(Kind::PersistentVolumeClaim, claim).expect("a claim template makes a claim")
}

/// Who could own a claim.
#[derive(Clone, Copy)]
pub(super) struct Owners<'a> {
    /// The set.
    pub(super) set: &'a Meta,
    /// The pod; its uid is zero where it does not exist yet.
    pub(super) pod: &'a Meta,
    /// Whether the pod is beyond the replicas that the set wishes for.
    pub(super) scaled_down: bool,
    /// The policy.
    pub(super) retention: Retention,
}

impl Owners<'_> {
    fn is_set(&self, owner: &OwnerReference) -> bool {
        owner.api_version == "apps/v1" && owner.kind == "StatefulSet" && owner.name == self.set.name
    }

    fn is_pod(&self, owner: &OwnerReference) -> bool {
        owner.api_version == "v1" && owner.kind == "Pod" && owner.name == self.pod.name
    }

    /// Whether a claim belongs to an earlier pod of the same name. Upstream: `hasStaleOwnerRef`.
    pub(super) fn has_stale_pod(&self, claim: &Meta) -> bool {
        claim.owners.iter().find(|owner| self.is_pod(owner)).is_some_and(|owner| owner.uid != self.pod.uid)
    }

    fn has_stale_set(&self, claim: &Meta) -> bool {
        claim.owners.iter().find(|owner| self.is_set(owner)).is_some_and(|owner| owner.uid != self.set.uid)
    }

    fn has(claim: &Meta, owner: &Meta) -> bool {
        claim.owners.iter().any(|reference| reference.uid == owner.uid)
    }

    /// Whether somebody else controls the claim, so that the policy is ignored. Upstream: `hasUnexpectedController`.
    pub(super) fn has_other_controller(&self, claim: &Meta) -> bool {
        if self.retention == Retention::default() {
            return false;
        }
        claim.owners.iter().any(|owner| {
            if self.is_set(owner) {
                owner.uid != self.set.uid
            } else if self.is_pod(owner) {
                owner.uid != self.pod.uid
            } else {
                owner.controller == Some(true)
            }
        })
    }

    /// Whether set and pod are to own the claim.
    fn wanted(&self) -> (bool, bool) {
        let Retention { delete_with_set, delete_with_pod } = self.retention;
        let by_pod = delete_with_pod && self.scaled_down;
        (delete_with_set && !by_pod, by_pod)
    }

    /// Whether nothing is to be changed. Upstream: `isClaimOwnerUpToDate`.
    pub(super) fn are_right(&self, claim: &Meta) -> bool {
        if self.has_stale_set(claim) || self.has_stale_pod(claim) {
            return true;
        }
        let is_owned = (Self::has(claim, self.set), Self::has(claim, self.pod));
        if self.has_other_controller(claim) {
            return is_owned == (false, false);
        }
        let ours = |owner: &&OwnerReference| owner.uid == self.set.uid || owner.uid == self.pod.uid;
        if claim.owners.iter().filter(ours).any(|owner| owner.controller != Some(true)) {
            return false;
        }
        is_owned == self.wanted()
    }

    /// The owners as they are to be. Upstream: `updateClaimOwnerRefForSetAndPod`.
    pub(super) fn corrected(&self, claim: &Meta) -> Vec<OwnerReference> {
        let others = claim.owners.iter().filter(|owner| !self.is_set(owner) && !self.is_pod(owner));
        let mut owners: Vec<OwnerReference> = others.cloned().collect();
        if self.has_other_controller(claim) {
            return owners;
        }
        let (by_set, by_pod) = self.wanted();
        let wanted = [(by_pod, self.pod, "v1", "Pod"), (by_set, self.set, "apps/v1", "StatefulSet")];
        for (_, owner, version, kind) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            if owners.iter().all(|reference| reference.uid != owner.uid) {
                owners.push(controller_reference(owner, version, kind));
            }
        }
        owners
    }
}

/// What the user is told of a claim that somebody else controls.
pub(super) fn conflicting(claim: &Name) -> Name {
    ecow::eco_format!(
        "PersistentVolumeClaim {claim} has a conflicting OwnerReference that acts as a managing controller, the retention \
         policy is ignored for this claim"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Uid;

    fn meta(kind: Kind, name: &str, uid: u128) -> Meta {
        let mut meta = Meta::new(kind, "default", name);
        meta.uid = Uid(uid);
        meta
    }

    /// Owners as a text such as `set pod`, before and after, for a policy given as what is deleted: `set`, `pod`, `set pod`.
    #[track_caller]
    fn check(policy: &str, scaled_down: bool, before: &str, after: &str) {
        let (set, pod) = (meta(Kind::StatefulSet, "db", 1), meta(Kind::Pod, "db-0", 2));
        let (earlier, other) = (meta(Kind::Pod, "db-0", 9), meta(Kind::ConfigMap, "x", 3));
        let reference = |word: &str| match word {
            "set" => controller_reference(&set, "apps/v1", "StatefulSet"),
            "pod" => controller_reference(&pod, "v1", "Pod"),
            "earlier" => controller_reference(&earlier, "v1", "Pod"),
            _ => controller_reference(&other, "v1", "ConfigMap"),
        };
        let retention = Retention { delete_with_set: policy.contains("set"), delete_with_pod: policy.contains("pod") };
        let owners = Owners { set: &set, pod: &pod, scaled_down, retention };
        let mut claim = meta(Kind::PersistentVolumeClaim, "data-db-0", 4);
        claim.owners = before.split_whitespace().map(reference).collect();
        let case = format!("{policy:?} {scaled_down} {before:?}");
        assert_eq!(owners.are_right(&claim), before == after, "{case}");
        if before != after {
            let expected: Vec<OwnerReference> = after.split_whitespace().map(reference).collect();
            assert_eq!(owners.corrected(&claim), expected, "{case}");
        }
    }

    #[test]
    fn the_retention_policy_decides_who_owns_a_claim() {
        check("", false, "", "");
        check("", false, "set", "");
        check("", true, "pod", "");
        check("set", false, "", "set");
        check("set", true, "set", "set");
        check("pod", false, "", "");
        check("pod", true, "", "pod");
        check("pod", false, "pod", "");
        check("set pod", false, "", "set");
        check("set pod", true, "set", "pod");
        check("set pod", false, "pod", "set");
    }

    #[test]
    fn claims_of_others_and_of_earlier_pods_are_left_alone() {
        check("set", false, "other", "other");
        check("set", false, "other set", "other");
        check("set pod", true, "earlier", "earlier");
        check("", false, "other", "other");
    }
}
