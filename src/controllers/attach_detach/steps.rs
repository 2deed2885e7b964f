//! What is done for a disk: its VolumeAttachment is made or deleted, and the node's status says what is attached.
//! Upstream: `csi_attacher.go`, `operation_generator.go` (`verifyVolumeIsSafeToDetach`), `statusupdater`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::disk::Disk;
use crate::api::{EventType, Kind, Name, Node, Object, ObjectId, Reference, convert};
use crate::controllers::persistent_volume::objects::{Stored, at};
use crate::controllers::script::{Run, Stop};
use crate::event::{DeleteOptions, ErrorReason, Patch, PatchKind, Request, Subresource, Target};

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A node gets a disk, which these pods wait for.
    Attach {
        /// The node.
        node: Name,
        /// The pods.
        pods: Vec<Reference>,
    },
    /// A node gives it up.
    Detach {
        /// The node.
        node: Name,
        /// What joins the two.
        attachment: ObjectId,
        /// The node, where it is known, and what its status shows from now on.
        shown: Option<(ObjectId, Vec<Name>)>,
        /// Whether the node is asked first if it really does not use the disk.
        careful: bool,
    },
}

/// Whether a VolumeAttachment says that the disk is attached.
pub(super) fn attached(attachment: &Stored) -> bool {
    at(attachment, &["status", "attached"]) == Some(&Value::Bool(true))
}

/// Whether a node uses a disk.
pub(super) fn is_in_use(node: &Node, disk: &str) -> bool {
    node.status.volumes_in_use.iter().flatten().any(|name| name == disk)
}

/// Whether its status shows a disk as attached.
pub(super) fn is_shown(node: &Node, disk: &str) -> bool {
    node.status.volumes_attached.iter().flatten().any(|volume| volume.name == disk)
}

/// Whether its status shows these disks and no others.
pub(super) fn shows(node: &Node, disks: &[Name]) -> bool {
    node.status.volumes_attached.iter().flatten().count() == disks.len()
        && disks.iter().all(|disk| is_shown(node, disk))
}

/// Says in a node's status what is attached.
pub(super) fn report(node: ObjectId, disks: &[Name]) -> Request {
    let list: Vec<Value> = disks.iter().map(|disk| json!({"name": **disk, "devicePath": ""})).collect();
    let list = if list.is_empty() { Value::Null } else { Value::Array(list) };
    let body = json!({"status": {"volumesAttached": list}});
    let patch = Arc::new(Patch { kind: PatchKind::Merge, body });
    Request::Patch { target: Target::Id(node), subresource: Subresource::Status, patch }
}

/// Takes the steps, one after another.
pub(super) fn carry_out(run: &mut Run, disk: &Disk, steps: &[Step]) -> Result<(), Stop> {
    for step in steps {
        match step {
            Step::Attach { node, pods } => attach(run, disk, node, pods)?,
            Step::Detach { node, attachment, shown, careful } => {
                if let Some((id, names)) = shown {
                    match run.send(report(*id, names))? {
                        Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                        _ => {}
                    }
                }
                if *careful && is_used_after_all(run, disk, node)? {
                    continue;
                }
                let options = DeleteOptions::default();
                match run.send(Request::Delete { target: Target::Id(*attachment), options })? {
                    Err(error) if error.reason != ErrorReason::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn attach(run: &mut Run, disk: &Disk, node: &Name, pods: &[Reference]) -> Result<(), Stop> {
    let spec = json!({
        "attacher": *disk.driver, "nodeName": **node, "source": {"persistentVolumeName": *disk.volume},
    });
    let value = json!({"metadata": {"name": *disk.attachment(node)}, "spec": spec, "status": {"attached": false}});
    let attachment = convert::from_json(Kind::VolumeAttachment, value)
        .map_err(|error| Stop::Failed(ecow::eco_format!("{error}")))?;
    match run.send(Request::Create(attachment))? {
        Ok(_) => Ok(()),
        Err(error) if error.reason == ErrorReason::AlreadyExists => Ok(()),
        Err(error) => {
            for pod in pods {
                let message =
                    ecow::eco_format!("AttachVolume.Attach failed for volume {:?} : {}", disk.volume, error.message);
                run.record(pod.clone(), EventType::Warning, "FailedAttachVolume", message);
            }
            Err(error.into())
        }
    }
}

/// Whether the API server shows the node using a disk of which the cache shows nothing.
fn is_used_after_all(run: &mut Run, disk: &Disk, node: &Name) -> Result<bool, Stop> {
    let target = Target::Name(Kind::Node, Name::new(), node.clone());
    match run.send(Request::Get(target))? {
        Ok(answer) => match answer.object() {
            Some(Object::Node(node)) => Ok(is_in_use(&node.body, &disk.unique_name())),
            _ => Err(Stop::Failed("the server did not answer with the node".into())),
        },
        Err(error) if error.reason == ErrorReason::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
