//! The timeline: from what was typed to what users do.

use std::sync::Arc;

use super::file::{
    ActionFile, DeleteFile, DrainFile, PatchFile, PatchType, PropagationFile, RolloutFile, ScaleFile, SetImageFile,
};
use super::resource::Kinds;
use crate::api::located::{InputError, Place};
use crate::api::{Kind, Name};
use crate::event::{PatchKind, Propagation};
use crate::sim::{Action, Resource};

/// What a timeline may name.
pub(super) struct Known<'a> {
    pub(super) kinds: &'a Kinds,
    /// The names of all nodes.
    pub(super) nodes: &'a dyn Fn() -> Vec<String>,
    /// Whether a node is there.
    pub(super) has_node: &'a dyn Fn(&str) -> bool,
}

/// What an entry does. What `apply` applies is worked out before, in the order of time.
pub(super) fn lower(
    file: &ActionFile,
    applied: Option<Action>,
    known: &Known<'_>,
    place: &Place<'_>,
) -> Result<Action, InputError> {
    only_one(file, place)?;
    if let Some(action) = applied {
        return Ok(action);
    }
    if let Some(delete) = &file.delete {
        return lower_delete(delete, known.kinds, &place.key("delete"));
    }
    if let Some(scale) = &file.scale {
        return lower_scale(scale, known.kinds, &place.key("scale"));
    }
    if let Some(patch) = &file.patch {
        return lower_patch(patch, known.kinds, &place.key("patch"));
    }
    if let Some(set_image) = &file.set_image {
        return lower_set_image(set_image, known.kinds, &place.key("setImage"));
    }
    if let Some(rollout) = &file.rollout {
        return lower_rollout(rollout, known.kinds, &place.key("rollout"));
    }
    if let Some(cordon) = &file.cordon {
        let node = known.node(&cordon.node, &place.key("cordon"))?;
        return Ok(Action::Cordon { node, unschedulable: true });
    }
    if let Some(uncordon) = &file.uncordon {
        let node = known.node(&uncordon.node, &place.key("uncordon"))?;
        return Ok(Action::Cordon { node, unschedulable: false });
    }
    if let Some(DrainFile { node, grace_period_seconds }) = &file.drain {
        let node = known.node(node, &place.key("drain"))?;
        return Ok(Action::Drain { node, grace_seconds: grace_period_seconds.map(i64::from) });
    }
    Err(place.error("no action"))
}

/// The actions that an entry may name, and whether it does.
fn actions(file: &ActionFile) -> [(&'static str, bool); 9] {
    [
        ("apply", file.apply.is_some()),
        ("delete", file.delete.is_some()),
        ("scale", file.scale.is_some()),
        ("patch", file.patch.is_some()),
        ("setImage", file.set_image.is_some()),
        ("rollout", file.rollout.is_some()),
        ("cordon", file.cordon.is_some()),
        ("uncordon", file.uncordon.is_some()),
        ("drain", file.drain.is_some()),
    ]
}

/// The action that an entry names, if it names one.
pub(super) fn name(file: &ActionFile) -> Option<&'static str> {
    actions(file).into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
}

fn only_one(file: &ActionFile, place: &Place<'_>) -> Result<(), InputError> {
    let given = actions(file);
    let mut named = given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name);
    match (named.next(), named.next()) {
        (Some(_), None) => Ok(()),
        (None, _) => {
            let all: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            Err(place.error_help("nothing is done here", format!("add one of: {}", all.join(", "))))
        }
        (Some(first), Some(second)) => {
            let message = format!("{first} and {second} cannot stand in one entry");
            Err(place
                .key(second)
                .error_help(message, "write an entry for each; those of the same instant keep their order"))
        }
    }
}

impl Known<'_> {
    fn node(&self, name: &str, place: &Place<'_>) -> Result<Name, InputError> {
        if (self.has_node)(name) {
            return Ok(name.into());
        }
        // The name may stand in a mapping or be the whole value.
        let inner = place.key("node");
        let place = if inner.value().is_some() { &inner } else { place };
        let nodes = (self.nodes)();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        Err(place.unknown_name(format!("no node is named {name:?}"), name, &nodes))
    }
}

fn resource(text: &str, namespace: Option<&str>, kinds: &Kinds, place: &Place<'_>) -> Result<Resource, InputError> {
    let inner = place.key("resource");
    let text_place = if inner.value().is_some() { &inner } else { place };
    kinds.resource(text, namespace, text_place, &place.key("namespace"))
}

fn lower_delete(file: &DeleteFile, kinds: &Kinds, place: &Place<'_>) -> Result<Action, InputError> {
    Ok(Action::Delete {
        resource: resource(&file.resource, file.namespace.as_deref(), kinds, place)?,
        propagation: match file.cascade {
            None | Some(PropagationFile::Background) => Propagation::Background,
            Some(PropagationFile::Foreground) => Propagation::Foreground,
            Some(PropagationFile::Orphan) => Propagation::Orphan,
        },
        grace_seconds: file.grace_period_seconds.map(i64::from),
    })
}

fn lower_scale(file: &ScaleFile, kinds: &Kinds, place: &Place<'_>) -> Result<Action, InputError> {
    let resource = resource(&file.resource, file.namespace.as_deref(), kinds, place)?;
    let scales = [Kind::Deployment, Kind::ReplicaSet, Kind::StatefulSet, Kind::ReplicationController];
    if !scales.contains(&resource.kind) && !matches!(resource.kind, Kind::Custom(_)) {
        let message = format!("{} cannot be scaled", kinds.info(resource.kind).plural);
        return Err(place.key("resource").error(message));
    }
    if file.replicas < 0 {
        return Err(place.key("replicas").error(format!("{} replicas: it must not be below 0", file.replicas)));
    }
    Ok(Action::Scale { resource, replicas: file.replicas })
}

fn lower_patch(file: &PatchFile, kinds: &Kinds, place: &Place<'_>) -> Result<Action, InputError> {
    let resource = resource(&file.resource, file.namespace.as_deref(), kinds, place)?;
    let (kind, fits, wanted) = match file.kind {
        None | Some(PatchType::Strategic) => (PatchKind::StrategicMerge, file.patch.is_object(), "a mapping"),
        Some(PatchType::Merge) => (PatchKind::Merge, file.patch.is_object(), "a mapping"),
        Some(PatchType::Json) => (PatchKind::Json, file.patch.is_array(), "a list of operations"),
    };
    if !fits {
        return Err(place.key("patch").error(format!("a patch of this type is {wanted}")));
    }
    if kind == PatchKind::StrategicMerge && matches!(resource.kind, Kind::Custom(_)) {
        let message = "custom resources take no strategic merge patch";
        return Err(place.error_help(message, "add type: merge"));
    }
    Ok(Action::Patch { resource, kind, body: Arc::new(file.patch.clone()) })
}

/// The kinds that have a pod template whose images can be set.
const WITH_TEMPLATE: [Kind; 8] = [
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ReplicationController,
    Kind::Job,
    Kind::CronJob,
    Kind::Pod,
];

fn lower_set_image(file: &SetImageFile, kinds: &Kinds, place: &Place<'_>) -> Result<Action, InputError> {
    let resource = resource(&file.resource, file.namespace.as_deref(), kinds, place)?;
    if !WITH_TEMPLATE.contains(&resource.kind) {
        let message = format!("{} have no containers", kinds.info(resource.kind).plural);
        return Err(place.key("resource").error(message));
    }
    if file.images.is_empty() {
        return Err(place.key("images").error_help("no image", "write container: image, or \"*\": image"));
    }
    let images = file.images.iter().map(|(container, image)| (container.as_str().into(), image.as_str().into()));
    Ok(Action::SetImage { resource, images: images.collect() })
}

fn lower_rollout(file: &RolloutFile, kinds: &Kinds, place: &Place<'_>) -> Result<Action, InputError> {
    let verbs = [
        ("undo", &file.undo),
        ("pause", &file.pause),
        ("resume", &file.resume),
        ("restart", &file.restart),
        ("history", &file.history),
        ("status", &file.status),
    ];
    let mut given = verbs.iter().filter_map(|(verb, resource)| Some((*verb, resource.as_deref()?)));
    let (verb, text) = match (given.next(), given.next()) {
        (Some(first), None) => first,
        (None, _) => {
            let all = verbs.map(|(verb, _)| verb).join(", ");
            return Err(place.error_help("nothing is rolled out", format!("add one of: {all}")));
        }
        (Some((first, _)), Some((second, _))) => {
            return Err(place.key(second).error(format!("{first} and {second} cannot stand in one entry")));
        }
    };
    let here = place.key(verb);
    let resource = kinds.resource(text, file.namespace.as_deref(), &here, &place.key("namespace"))?;
    if !matches!(resource.kind, Kind::Deployment | Kind::DaemonSet | Kind::StatefulSet) {
        return Err(here.error(format!("{} are not rolled out", kinds.info(resource.kind).plural)));
    }
    for (key, of, number) in [("toRevision", "undo", file.to_revision), ("revision", "history", file.revision)] {
        if number.is_some() && verb != of {
            return Err(place.key(key).error(format!("belongs to {of} alone")));
        }
        if number.is_some_and(|number| number < 1) {
            return Err(place.key(key).error("revisions start at 1"));
        }
    }
    Ok(match verb {
        "undo" => Action::RolloutUndo { resource, to_revision: file.to_revision },
        "pause" => Action::RolloutPause { resource, paused: true },
        "resume" => Action::RolloutPause { resource, paused: false },
        "history" => Action::RolloutHistory { resource, revision: file.revision },
        "status" => Action::RolloutStatus { resource },
        _ => Action::RolloutRestart { resource },
    })
}
