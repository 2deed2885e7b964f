//! How many pods the owner of a pod wants. Upstream: the `podControllerFinder`s of the controller.
//!
//! Deployments, ReplicaSets, StatefulSets and ReplicationControllers are read from caches; for any other owner, and for
//! one that the cache does not hold, the API server is asked. A custom kind can be scaled where its objects have
//! `spec.replicas`: which other path its CRD names is not looked at.

use std::sync::Arc;

use serde_json::Value;

use crate::api::{Kind, KindInfo, Name, Object, OwnerReference, Uid, convert};
use crate::client::Caches;
use crate::event::{ErrorReason, Reply};

/// What is known of an owner's scale before anybody is asked.
#[derive(Clone, Debug)]
pub(super) enum LookUp {
    /// The one that scales, which need not be the owner itself, and how many pods it wants.
    Known(Uid, i32),
    /// The API server is to be asked for an object of this kind.
    Ask(Kind, Arc<KindInfo>),
    /// There is no telling.
    Error(Name),
}

/// Looks an owner up.
pub(super) fn look_up(
    owner: &OwnerReference,
    namespace: &str,
    caches: &Caches,
    custom: &[(Kind, Arc<KindInfo>)],
) -> LookUp {
    if let Some((uid, scale)) = in_caches(owner, namespace, caches) {
        return LookUp::Known(uid, scale);
    }
    let group = group_of(&owner.api_version);
    let fits = |info: &KindInfo| info.group == group && info.kind == owner.kind.as_str();
    let built_in = Kind::ALL.iter().find_map(|kind| kind.info().filter(|info| fits(info)).map(|info| (*kind, info)));
    match built_in {
        Some((kind, info)) if can_be_scaled(kind) => LookUp::Ask(kind, Arc::new(info.clone())),
        Some((_, info)) => LookUp::Error(no_scale(info)),
        None => match custom.iter().find(|(_, info)| fits(info)) {
            Some((kind, info)) => LookUp::Ask(*kind, info.clone()),
            None => LookUp::Error(ecow::eco_format!(
                "no matches for kind {:?} in version {:?}",
                owner.kind.as_str(),
                owner.api_version.as_str()
            )),
        },
    }
}

/// What the API server says of an owner: its scale, or that it is gone.
///
/// # Errors
/// Why there is no telling.
pub(super) fn answered(owner: &OwnerReference, info: &KindInfo, reply: &Reply) -> Result<Option<(Uid, i32)>, Name> {
    let object = match reply {
        Ok(answer) => answer.object(),
        Err(error) if error.reason == ErrorReason::NotFound => None,
        Err(error) => return Err(error.message.clone()),
    };
    let Some(object) = object else { return Ok(None) };
    let Some(replicas) = replicas(object) else { return Err(no_scale(info)) };
    let uid = object.meta().uid;
    Ok((uid == owner.uid).then_some((uid, replicas)))
}

fn in_caches(owner: &OwnerReference, namespace: &str, caches: &Caches) -> Option<(Uid, i32)> {
    let in_group = |reference: &OwnerReference, groups: &[&str]| groups.contains(&group_of(&reference.api_version));
    match owner.kind.as_str() {
        "ReplicaSet" if in_group(owner, &["apps", "extensions"]) => {
            let set = caches.replica_sets.by_name(namespace, &owner.name).filter(|set| set.meta.uid == owner.uid)?;
            match set.meta.controller() {
                Some(above) if above.kind == "Deployment" => {
                    let known = caches.deployments.by_name(namespace, &above.name);
                    let known = known.filter(|_| in_group(above, &["apps", "extensions"]));
                    let deployment = known.filter(|deployment| deployment.meta.uid == above.uid)?;
                    Some((deployment.meta.uid, deployment.body.replicas))
                }
                Some(_) | None => Some((set.meta.uid, set.body.replicas)),
            }
        }
        "StatefulSet" if in_group(owner, &["apps"]) => untyped(Kind::StatefulSet, owner, namespace, caches),
        "ReplicationController" if in_group(owner, &[""]) => {
            untyped(Kind::ReplicationController, owner, namespace, caches)
        }
        _ => None,
    }
}

fn untyped(kind: Kind, owner: &OwnerReference, namespace: &str, caches: &Caches) -> Option<(Uid, i32)> {
    let object = caches.others.get(&kind)?.by_name(namespace, &owner.name)?;
    let replicas = object.body.fields.get("spec")?.get("replicas").and_then(Value::as_i64).unwrap_or(1);
    (object.meta.uid == owner.uid).then_some((object.meta.uid, replicas as i32))
}

fn replicas(object: &Object) -> Option<i32> {
    match (object.kind(), object) {
        (Kind::Custom(_), Object::Untyped(custom)) => {
            custom.body.fields.get("spec")?.get("replicas")?.as_i64().map(|replicas| replicas as i32)
        }
        _ => convert::scale_of(object).map(|scale| scale.replicas),
    }
}

fn can_be_scaled(kind: Kind) -> bool {
    matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController)
}

fn no_scale(info: &KindInfo) -> Name {
    ecow::eco_format!("{} does not implement the scale subresource", info.group_resource())
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
