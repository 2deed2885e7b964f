//! `kubectl rollout undo` as the recording's tool did it: a Deployment gets the template of an earlier ReplicaSet, a
//! StatefulSet or DaemonSet the data of an earlier ControllerRevision.

use serde_json::{Value, json};

use super::case::PatchType;
use super::ops::patch;
use super::tank::Tank;
use crate::api::{Kind, Object, Uid, convert};
use crate::event::{ApiError, ErrorReason, Target};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";

/// Undoes to a revision, or to the second highest.
pub(super) fn undo(tank: &mut Tank<'_>, target: &Target, to_revision: Option<i64>) -> Result<(), ApiError> {
    let Target::Name(kind, _, name) = target else { panic!("a case names its objects") };
    let Some(object) = tank.find(*kind, name) else {
        return Err(ApiError::new(ErrorReason::NotFound, format!("{name:?} not found")));
    };
    let uid = object.meta().uid;
    if *kind == Kind::Deployment {
        let sets = owned(tank, Kind::ReplicaSet, uid);
        let revision = |set: &Value| set["metadata"]["annotations"][REVISION].as_str()?.parse().ok();
        let mut set = chosen(sets, revision, to_revision)?;
        let mut template = set["spec"]["template"].take();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        let body = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
        return patch(tank, target, PatchType::Json, body);
    }
    let revisions = owned(tank, Kind::ControllerRevision, uid);
    let mut revision = chosen(revisions, |revision| revision["revision"].as_i64(), to_revision)?;
    patch(tank, target, PatchType::Strategic, revision["data"].take())
}

fn owned(tank: &Tank<'_>, kind: Kind, owner: Uid) -> Vec<Value> {
    let objects = tank.objects(kind);
    let is_owned = |object: &&Object| object.meta().controller().is_some_and(|reference| reference.uid == owner);
    objects.iter().filter(is_owned).map(convert::to_json).collect()
}

/// The object of a revision, or of the second highest.
fn chosen(
    objects: Vec<Value>,
    revision: impl Fn(&Value) -> Option<i64>,
    to_revision: Option<i64>,
) -> Result<Value, ApiError> {
    let mut numbered: Vec<(i64, Value)> =
        objects.into_iter().filter_map(|object| Some((revision(&object)?, object))).collect();
    numbered.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let found = match to_revision {
        Some(wanted) => numbered.into_iter().find(|(number, _)| *number == wanted),
        None => numbered.into_iter().nth(1),
    };
    let (_, object) = found.ok_or_else(|| {
        let message = match to_revision {
            Some(revision) => format!("unable to find specified revision {revision} in history"),
            None => "no last revision to roll back to".to_owned(),
        };
        ApiError::new(ErrorReason::NotFound, message)
    })?;
    Ok(object)
}
