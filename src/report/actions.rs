//! The actions of a timeline in the words of kubectl.

use crate::event::{PatchKind, Propagation};
use crate::sim::{Action, Resource};
use crate::store::Store;

/// An action as a person would type it, short: what is applied or patched is not repeated.
pub fn action_text(action: &Action, store: &Store) -> String {
    let name = |resource: &Resource| {
        let info = store.info(resource.kind);
        let namespace = match resource.namespace.as_str() {
            "" | "default" => String::new(),
            other => format!(" -n {other}"),
        };
        format!("{}/{}{namespace}", info.singular, resource.name)
    };
    let grace = |seconds: &Option<i64>| seconds.map_or(String::new(), |seconds| format!(" --grace-period={seconds}"));
    match action {
        Action::Apply(documents) => format!("apply {}", super::counted(documents.len() as u64, "object")),
        Action::Create(objects) => format!("create {}", super::counted(objects.len() as u64, "object")),
        Action::DefineKind(info) => format!("kind {} is served", info.group_resource()),
        Action::Delete { resource, propagation, grace_seconds } => {
            let cascade = match propagation {
                Propagation::Background => "",
                Propagation::Foreground => " --cascade=foreground",
                Propagation::Orphan => " --cascade=orphan",
            };
            format!("delete {}{cascade}{}", name(resource), grace(grace_seconds))
        }
        Action::Scale { resource, replicas } => format!("scale {} --replicas={replicas}", name(resource)),
        Action::Patch { resource, kind, body: _ } => {
            let kind = match kind {
                PatchKind::Json => "json",
                PatchKind::Merge => "merge",
                PatchKind::StrategicMerge => "strategic",
                PatchKind::Apply { .. } => "apply",
            };
            format!("patch {} --type={kind}", name(resource))
        }
        Action::SetImage { resource, images } => {
            let images: Vec<String> = images.iter().map(|(container, image)| format!("{container}={image}")).collect();
            format!("set image {} {}", name(resource), images.join(" "))
        }
        Action::RolloutUndo { resource, to_revision } => {
            let to = to_revision.map_or(String::new(), |revision| format!(" --to-revision={revision}"));
            format!("rollout undo {}{to}", name(resource))
        }
        Action::RolloutPause { resource, paused: true } => format!("rollout pause {}", name(resource)),
        Action::RolloutPause { resource, paused: false } => format!("rollout resume {}", name(resource)),
        Action::RolloutRestart { resource } => format!("rollout restart {}", name(resource)),
        Action::RolloutHistory { resource, revision } => {
            let of = revision.map_or(String::new(), |revision| format!(" --revision={revision}"));
            format!("rollout history {}{of}", name(resource))
        }
        Action::RolloutStatus { resource } => format!("rollout status {}", name(resource)),
        Action::Cordon { node, unschedulable: true } => format!("cordon {node}"),
        Action::Cordon { node, unschedulable: false } => format!("uncordon {node}"),
        Action::Drain { node, grace_seconds } => format!("drain {node}{}", grace(grace_seconds)),
    }
}
