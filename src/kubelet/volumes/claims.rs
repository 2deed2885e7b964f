//! What a kubelet remembers of the claims of its pods.
//!
//! A claim is watched from the first pod on that uses it on this node; the watch stays open while the process lives.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::super::pod::{Life, PodRecord};
use super::super::token::{Ask, Timer};
use crate::api::disk::Disk;
use crate::api::{Kind, Name, Obj, Object, Pod, Quantity, Untyped};
use crate::client::{Client, Informer, Outbox};
use crate::event::{Change, ChangeKind, Filter, InformerIndex, Reply};
use crate::kernel::Time;

/// The informers of a kubelet that come before those of claims.
pub(in crate::kubelet) const FIRST_INFORMER: InformerIndex = InformerIndex(1000);

/// A claim or a PersistentVolume.
pub(super) type Stored = Arc<Obj<Untyped>>;

/// Where a volume of a pod stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Its claim is not there, or not bound.
    Unbound,
    /// The API server is asked for the PersistentVolume and its CSIDriver.
    Asked,
    /// That failed; asked again then.
    AskAgain(Time),
    /// Not there before the node's status says so; looked at again then.
    Detached(Time),
    /// Being mounted; done then.
    Mounting(Time),
    /// That failed; tried again then.
    Failed(Time),
    /// There.
    Mounted,
}

/// A volume of a pod that is behind a claim.
#[derive(Clone, Debug)]
pub(super) struct ClaimVolume {
    /// As the pod calls it.
    pub(super) name: Name,
    /// The claim's name.
    pub(super) claim: Name,
    pub(super) state: State,
    /// The PersistentVolume, once it is known.
    pub(super) volume: Name,
    /// The disk, if it is one.
    pub(super) disk: Option<Disk>,
    /// Whether the disk has to be attached.
    pub(super) needs_attachment: bool,
    /// Failed tries of the present step.
    pub(super) failures: u32,
    /// How large it was when it was found full.
    pub(super) full_at: Option<Quantity>,
    /// Whether a sync is to find that it has grown.
    pub(super) grows: bool,
}

/// The claimed volumes of a pod.
#[derive(Clone, Debug)]
pub(super) struct PodClaims {
    pub(super) volumes: Vec<ClaimVolume>,
    /// Until when the present sync waits for them.
    pub(super) waits_until: Option<Time>,
    /// How many syncs have failed, for the draws.
    pub(super) failures: u32,
    /// When they are unmounted, once the pod has ended.
    pub(super) unmounted_at: Option<Time>,
}

impl PodClaims {
    /// What a pod needs; none for most.
    pub(super) fn of(pod: &Obj<Pod>) -> Option<PodClaims> {
        let volumes: Vec<ClaimVolume> = claimed(pod).map(|(name, claim)| ClaimVolume::new(name, claim)).collect();
        (!volumes.is_empty()).then_some(PodClaims { volumes, waits_until: None, failures: 0, unmounted_at: None })
    }

    /// Whether all of them are there.
    pub(super) fn are_mounted(&self) -> bool {
        self.volumes.iter().all(|volume| volume.state == State::Mounted)
    }
}

impl ClaimVolume {
    fn new(name: Name, claim: Name) -> ClaimVolume {
        ClaimVolume {
            name,
            claim,
            state: State::Unbound,
            volume: Name::new(),
            disk: None,
            needs_attachment: false,
            failures: 0,
            full_at: None,
            grows: false,
        }
    }

    /// The disk that the node uses for it, as the node's status calls it.
    pub(super) fn in_use(&self) -> Option<Name> {
        let disk = self.disk.as_ref().filter(|_| self.needs_attachment)?;
        match self.state {
            State::Detached(_) | State::Mounting(_) | State::Failed(_) | State::Mounted => Some(disk.unique_name()),
            State::Unbound | State::Asked | State::AskAgain(_) => None,
        }
    }
}

/// The volumes of a pod that are behind claims, and the names of these, those made for ephemeral volumes included.
fn claimed(pod: &Obj<Pod>) -> impl Iterator<Item = (Name, Name)> + '_ {
    let volumes = pod.body.spec.full.volumes.as_deref().unwrap_or_default();
    let claim = |volume: &v1::Volume| match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(claim), _) => Some(Name::from(claim.claim_name.as_str())),
        (None, Some(_)) => Some(ecow::eco_format!("{}-{}", pod.meta.name, volume.name)),
        (None, None) => None,
    };
    volumes.iter().filter_map(move |volume| Some((volume.name.as_str().into(), claim(volume)?)))
}

/// A claim that is watched.
#[derive(Clone, Debug)]
struct Watched {
    key: (Name, Name),
    informer: Informer,
    object: Option<Stored>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(in crate::kubelet) struct Claims {
    /// By the serials of the pods: only of those that have claims.
    pub(super) pods: BTreeMap<u32, PodClaims>,
    /// By the number of the informer.
    watched: Vec<Watched>,
    by_name: BTreeMap<(Name, Name), usize>,
}

impl Claims {
    /// The informer of a claim.
    pub(in crate::kubelet) fn informer(&mut self, index: InformerIndex) -> &mut Informer {
        &mut self.watched[usize::from(index.0 - FIRST_INFORMER.0)].informer
    }

    /// A claim has been listed.
    pub(in crate::kubelet) fn listed(
        &mut self,
        index: InformerIndex,
        reply: Reply,
        client: &mut Client,
        out: &mut Outbox,
    ) -> Option<Vec<Change>> {
        let watched = &mut self.watched[usize::from(index.0 - FIRST_INFORMER.0)];
        let known = watched.object.clone().map(Object::Untyped);
        watched.informer.listed(reply, || known.into_iter().collect(), client, out)
    }

    /// Whether a claim is watched; it is from now on.
    pub(super) fn watch(&mut self, namespace: &Name, claim: &Name, client: &mut Client, out: &mut Outbox) {
        let key = (namespace.clone(), claim.clone());
        if self.by_name.contains_key(&key) {
            return;
        }
        let index = FIRST_INFORMER.0 + self.watched.len() as u16;
        let filter = Filter::Named(namespace.clone(), claim.clone());
        let (list, timer) = (Ask::List(index).token(), Timer::List(index).token());
        let mut informer = Informer::new(InformerIndex(index), Kind::PersistentVolumeClaim, filter, list, timer);
        informer.start(client, out);
        self.by_name.insert(key.clone(), self.watched.len());
        self.watched.push(Watched { key, informer, object: None });
    }

    /// Takes in what a claim is now.
    pub(super) fn put(&mut self, claim: &Stored, kind: ChangeKind) {
        let key = (claim.meta.namespace.clone(), claim.meta.name.clone());
        if let Some(index) = self.by_name.get(&key) {
            self.watched[*index].object = (kind != ChangeKind::Deleted).then(|| claim.clone());
        }
    }

    /// A claim as it was last seen.
    pub(super) fn get(&self, namespace: &Name, claim: &Name) -> Option<&Stored> {
        let index = self.by_name.get(&(namespace.clone(), claim.clone()))?;
        debug_assert_eq!(self.watched[*index].key.1, *claim, "claims are found by their names");
        self.watched[*index].object.as_ref()
    }

    /// A volume of a pod.
    pub(super) fn volume(&mut self, serial: u32, number: u16) -> Option<&mut ClaimVolume> {
        self.pods.get_mut(&serial)?.volumes.get_mut(usize::from(number))
    }

    /// Whether volumes of a pod are not unmounted yet.
    pub(in crate::kubelet) fn are_held(&self, serial: u32) -> bool {
        !self.pods.is_empty() && self.pods.contains_key(&serial)
    }

    /// The disks that the node uses, sorted: `status.volumesInUse`. Upstream: `GetVolumesInUse`.
    pub(in crate::kubelet) fn in_use(&self) -> Option<Vec<String>> {
        if self.pods.is_empty() {
            return None;
        }
        let volumes = self.pods.values().flat_map(|pod| &pod.volumes);
        let disks: BTreeSet<Name> = volumes.filter_map(ClaimVolume::in_use).collect();
        (!disks.is_empty()).then(|| disks.iter().map(Name::to_string).collect())
    }

    /// What is said of a pod whose volumes are not there, with other volumes of it that are missing.
    /// Upstream: `WaitForAttachAndMount`.
    pub(in crate::kubelet) fn missing_text(&self, serial: u32, others: Vec<Name>) -> Name {
        let volumes = || self.pods.get(&serial).into_iter().flat_map(|pod| &pod.volumes);
        let named = |is_so: fn(State) -> bool| volumes().filter(move |volume| is_so(volume.state));
        let text = |mut names: Vec<Name>| {
            names.sort_unstable();
            names.join(" ")
        };
        let unmounted =
            named(|state| state != State::Mounted).map(|volume| volume.name.clone()).chain(others).collect();
        let unattached = named(|state| matches!(state, State::Detached(_))).map(|volume| volume.name.clone()).collect();
        let unknown = named(|state| matches!(state, State::Unbound | State::Asked | State::AskAgain(_)));
        let unknown = unknown.map(|volume| volume.name.clone()).collect();
        ecow::eco_format!(
            "Unable to attach or mount volumes: unmounted volumes=[{}], unattached volumes=[{}], failed to process volumes=[{}]: context deadline exceeded",
            text(unmounted),
            text(unattached),
            text(unknown)
        )
    }

    /// What a new process finds: what is mounted is mounted. What was being done is begun anew; what belongs to pods that
    /// have ended is gone.
    pub(in crate::kubelet) fn found_by_new_process(self, pods: &[PodRecord]) -> Claims {
        let lives = |serial: &u32| pods.iter().any(|pod| pod.serial == *serial && pod.life != Life::Finished);
        let mut kept = self.pods;
        kept.retain(|serial, _| lives(serial));
        for pod in kept.values_mut() {
            (pod.waits_until, pod.unmounted_at) = (None, None);
            for volume in pod.volumes.iter_mut() {
                volume.grows = false;
                if volume.state != State::Mounted {
                    (volume.state, volume.failures) = (State::Unbound, 0);
                }
            }
        }
        Claims { pods: kept, ..Claims::default() }
    }

    /// Writes what can influence what it does next.
    pub(in crate::kubelet) fn hash(&self, mut hasher: &mut dyn std::hash::Hasher) {
        for volume in self.pods.values().flat_map(|pod| &pod.volumes) {
            volume.claim.hash(&mut hasher);
            std::mem::discriminant(&volume.state).hash(&mut hasher);
            (volume.needs_attachment, volume.failures, volume.grows).hash(&mut hasher);
        }
    }

    /// The machine has been switched on: nothing is mounted.
    pub(in crate::kubelet) fn booted(&mut self) {
        for volume in self.pods.values_mut().flat_map(|pod| &mut pod.volumes) {
            (volume.state, volume.failures) = (State::Unbound, 0);
        }
    }
}
