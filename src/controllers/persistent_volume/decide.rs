//! What is to be done about a claim or a volume. Upstream: `syncUnboundClaim`, `syncBoundClaim`, `syncVolume`.

use super::matching::{best, mismatch};
use super::objects::{
    BIND_COMPLETED, BOUND_BY_CONTROLLER, PROVISIONED_BY, SELECTED_NODE, Stored, claim_of, claim_uid, class, is_for,
    names_class, text,
};
use crate::api::{EventType, Name, Obj, Untyped};

/// The provisioner of classes that make no volumes.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// An Event about the object.
pub(super) type Told = (EventType, &'static str, Name);

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Decision {
    /// The claim gets the volume.
    Bind(Stored),
    /// The claim waits.
    Pending(Option<Told>),
    /// Somebody else is to make a volume.
    Provision(Name),
    /// The claim gets the class that is the default.
    SetClass(Name),
    /// The claim has lost its volume.
    Lost(&'static str, &'static str),
    /// The sync fails.
    Fail(Name),
    /// The volume has this phase.
    Phase(&'static str),
    /// The volume is free of its claim, whose name it keeps where the user has set it.
    Unbind,
    /// The claim of this namespace and name is to be looked at.
    LookAtClaim(Name, Name),
    /// The claim of the volume is gone.
    Release,
}

/// What the decision reads beside the object.
pub(super) trait Known {
    /// A claim by namespace and name.
    fn claim(&self, namespace: &str, name: &str) -> Option<&Stored>;
    /// A volume by name.
    fn volume(&self, name: &str) -> Option<&Stored>;
    /// The volumes that may be given to a claim: those without claim of its class, and those that are reserved for it.
    fn candidates(&self, claim: &Obj<Untyped>) -> Vec<&Stored>;
    /// A storage class by name.
    fn class(&self, name: &str) -> Option<&Stored>;
    /// The name of the default class.
    fn default_class(&self) -> Option<Name>;
    /// A pod that uses the claim and has no node.
    fn waiting_pod(&self, claim: &Obj<Untyped>) -> Option<Name>;
}

fn has(object: &Obj<Untyped>, annotation: &str) -> bool {
    object.meta.annotations.get(annotation).is_some()
}

/// What is to be done about a claim.
pub(super) fn claim(claim: &Stored, known: &impl Known) -> Decision {
    if has(claim, BIND_COMPLETED) { bound(claim, known) } else { unbound(claim, known) }
}

fn unbound(claim: &Stored, known: &impl Known) -> Decision {
    let name = text(claim, &["spec", "volumeName"]);
    if name.is_empty() {
        return any_volume(claim, known);
    }
    let Some(volume) = known.volume(name) else { return Decision::Pending(None) };
    if claim_of(volume).is_none() {
        return match mismatch(claim, volume) {
            Some(why) => {
                let message = ecow::eco_format!("Cannot bind to requested volume {name:?}: {why}");
                Decision::Pending(Some((EventType::Warning, "VolumeMismatch", message)))
            }
            None => Decision::Bind(volume.clone()),
        };
    }
    if is_for(volume, claim) {
        return Decision::Bind(volume.clone());
    }
    if !has(claim, BOUND_BY_CONTROLLER) {
        let message = ecow::eco_format!("volume {name:?} already bound to a different claim.");
        return Decision::Pending(Some((EventType::Warning, "FailedBinding", message)));
    }
    let (namespace, other) = claim_of(volume).unwrap_or_default();
    Decision::Fail(ecow::eco_format!(
        "invalid binding of claim {:?} to volume {name:?}: volume already claimed by {:?}",
        claim.meta.key(),
        format!("{namespace}/{other}")
    ))
}

/// A claim that names no volume.
fn any_volume(claim: &Stored, known: &impl Known) -> Decision {
    let class_name = class(claim);
    let found = known.class(&class_name);
    let waits = found.is_some_and(|class| text(class, &["volumeBindingMode"]) == "WaitForFirstConsumer");
    let is_delayed = waits && !has(claim, SELECTED_NODE);
    if let Some(volume) = best(claim, known.candidates(claim).into_iter(), is_delayed) {
        return Decision::Bind(volume.clone());
    }
    if !names_class(claim)
        && let Some(default) = known.default_class()
    {
        return Decision::SetClass(default);
    }
    if is_delayed {
        let told = match known.waiting_pod(claim) {
            Some(pod) => {
                (EventType::Normal, "WaitForPodScheduled", ecow::eco_format!("waiting for pod {pod} to be scheduled"))
            }
            None => (
                EventType::Normal,
                "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding".into(),
            ),
        };
        return Decision::Pending(Some(told));
    }
    if class_name.is_empty() {
        let message = "no persistent volumes available for this claim and no storage class is set";
        return Decision::Pending(Some((EventType::Normal, "FailedBinding", message.into())));
    }
    let Some(found) = found else {
        let message = ecow::eco_format!("storageclass.storage.k8s.io {class_name:?} not found");
        return Decision::Pending(Some((EventType::Warning, "ProvisioningFailed", message)));
    };
    match text(found, &["provisioner"]) {
        NO_PROVISIONER => {
            let message = ecow::eco_format!("no volume plugin matched name: {NO_PROVISIONER}");
            Decision::Pending(Some((EventType::Warning, "ProvisioningFailed", message)))
        }
        provisioner => Decision::Provision(provisioner.into()),
    }
}

fn bound(claim: &Stored, known: &impl Known) -> Decision {
    let name = text(claim, &["spec", "volumeName"]);
    if name.is_empty() {
        let message = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!";
        return Decision::Lost("ClaimLost", message);
    }
    match known.volume(name) {
        None => Decision::Lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"),
        Some(volume) if claim_of(volume).is_none() || claim_uid(volume) == claim.meta.uid.to_string() => {
            Decision::Bind(volume.clone())
        }
        Some(_) => {
            let message = "Two claims are bound to the same volume, this one is bound incorrectly";
            Decision::Lost("ClaimMisbound", message)
        }
    }
}

/// What is to be done about a volume.
pub(super) fn volume(volume: &Stored, known: &impl Known) -> Decision {
    let Some((namespace, name)) = claim_of(volume).filter(|_| !claim_uid(volume).is_empty()) else {
        return Decision::Phase("Available");
    };
    let claim = known.claim(&namespace, &name).filter(|claim| claim.meta.uid.to_string() == claim_uid(volume));
    let Some(claim) = claim else { return Decision::Release };
    match text(claim, &["spec", "volumeName"]) {
        "" => Decision::LookAtClaim(namespace, name),
        bound if bound == volume.meta.name => Decision::Phase("Bound"),
        _ if has(volume, PROVISIONED_BY) && text(volume, &["spec", "persistentVolumeReclaimPolicy"]) == "Delete" => {
            Decision::Release
        }
        _ => Decision::Unbind,
    }
}
