//! VolumeBinding: bound volumes must be accessible, and claims that wait for a node must get their volumes there.

use crate::api::{Name, Obj, Pod};
use crate::kernel::Span;
use crate::scheduler::volumes::{
    ClaimUse, ClaimsOfPod, Problems, StorageCapacity, StorageClass, Volumes, claim_not_found, claims_of, migrated,
    tracks_capacity, volumes_of,
};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeIndex, NodeView, Plugin, PluginArgs,
    PluginEntry, PreBindStep, PreFilter, Reach, Reason, Reasons, Reservation, Reserve, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "VolumeBinding",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::Reserve, ExtensionPoint::PreBind],
    weight: 0,
    doc: "rejects nodes without access to bound volumes, and those where a claim that waits for its first pod gets no \
          volume: none is there and none can be made (topology, capacity). Once a node is chosen, reserves the volumes, \
          asks for those that are to be made and waits for both. Left out: the translation of the node affinity of \
          migrated in-tree volumes; scores by capacity, which are off by default",
    source: "pkg/scheduler/framework/plugins/volumebinding/volume_binding.go, binder.go",
    events: &[
        EventKind::StorageClassAdd,
        EventKind::StorageClassUpdate,
        EventKind::ClaimAdd,
        EventKind::ClaimUpdate,
        EventKind::PersistentVolumeAdd,
        EventKind::PersistentVolumeUpdate,
        EventKind::NodeAdd,
        EventKind::NodeLabel,
        EventKind::CsiNodeAdd,
        EventKind::CsiNodeUpdate,
        EventKind::CsiDriverUpdate,
        EventKind::StorageCapacityAdd,
        EventKind::StorageCapacityUpdate,
    ],
    plugin: &VolumeBinding,
};

const NO_ACCESS: &str = "node(s) didn't match PersistentVolume's node affinity";
const NOTHING_TO_BIND: &str = "node(s) didn't find available persistent volumes to bind";
const NO_SPACE: &str = "node(s) did not have enough free storage";
const VOLUME_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const IMMEDIATE: &str = "pod has unbound immediate PersistentVolumeClaims";

#[derive(Debug)]
struct VolumeBinding;

/// Why a claim keeps the pod from any node. Upstream: `podHasPVCs`.
fn refusal(volumes: &Volumes, pod: &Obj<Pod>, used: &ClaimUse) -> Option<Name> {
    let name = &used.name;
    let Some(claim) = volumes.claim(&pod.meta.namespace, name) else {
        return Some(match used.is_ephemeral {
            true => {
                ecow::eco_format!(
                    "waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}"
                )
            }
            false => claim_not_found(name),
        });
    };
    if claim.is_lost {
        let volume = &claim.volume;
        return Some(ecow::eco_format!(
            "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
        ));
    }
    if claim.object.meta.is_terminating() {
        return Some(ecow::eco_format!("persistentvolumeclaim {name:?} is being deleted"));
    }
    used.refusal(pod, claim).map(Name::from)
}

impl Plugin for VolumeBinding {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        let volumes = &cycle.cluster.volumes;
        if let Some(reason) = claims_of(cycle.pod).find_map(|used| refusal(volumes, cycle.pod, &used)) {
            return PreFilter::Reject(Status::text(Code::UnschedulableAndUnresolvable, reason));
        }
        match ClaimsOfPod::of(volumes, cycle.pod) {
            Err(error) => PreFilter::Fail(error),
            Ok(None) => PreFilter::Skip,
            Ok(Some(claims)) if claims.has_immediate => {
                PreFilter::Reject(Status::fixed(Code::UnschedulableAndUnresolvable, IMMEDIATE))
            }
            Ok(Some(claims)) => PreFilter::Filter(Box::new(Filter { claims })),
        }
    }

    fn reserve(&self, cycle: &Cycle, node: NodeIndex) -> Reserve {
        let volumes = &cycle.cluster.volumes;
        let claims = match ClaimsOfPod::of(volumes, cycle.pod) {
            Ok(None) => return Reserve::Nothing,
            Ok(Some(claims)) => claims,
            Err(error) => return Reserve::Fail(error),
        };
        let Some(node) = &cycle.cluster.nodes.info(node).node else { return Reserve::Nothing };
        match claims.on(volumes, node) {
            Ok(found) if found.is_empty() => Reserve::Nothing,
            Ok(found) => Reserve::Volumes(found.for_node(&node.meta.name)),
            // Something has changed since the node was chosen.
            Err(problems) => Reserve::Fail(status(problems).message()),
        }
    }

    fn pre_bind(&self, cycle: &Cycle, reservation: &Reservation) -> Vec<PreBindStep> {
        if reservation.volumes.is_empty() {
            return Vec::new();
        }
        let seconds = cycle.args.volume_binding.bind_timeout_seconds;
        let writes = reservation.volumes.writes().into_iter().map(PreBindStep::Send);
        let at_most = Span::from_secs(seconds.max(0).unsigned_abs());
        writes.chain([PreBindStep::Await { what: "binding volumes", at_most }]).collect()
    }

    fn awaited(&self, cycle: &Cycle, node: NodeIndex, reservation: &Reservation) -> Result<bool, String> {
        let info = cycle.cluster.nodes.info(node);
        match &info.node {
            Some(node) => reservation.volumes.are_bound(&cycle.cluster.volumes, node),
            None => Err(format!("failed to get node {name:?}: node {name:?} not found", name = info.name)),
        }
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        match (event.kind, event.untyped()) {
            (EventKind::ClaimAdd | EventKind::ClaimUpdate, (_, Some(claim))) => {
                claim.meta.namespace == pod.meta.namespace && claims_of(pod).any(|used| used.name == claim.meta.name)
            }
            (EventKind::StorageClassUpdate, (Some(old), Some(new))) => {
                StorageClass::of(old).topologies != StorageClass::of(new).topologies
            }
            (EventKind::CsiNodeUpdate, (Some(old), Some(new))) => migrated(&old.meta) != migrated(&new.meta),
            // Upstream looks at the drivers of volumes in the pod itself only, which no capacity is checked for.
            (EventKind::CsiDriverUpdate, (Some(old), Some(new))) => {
                let is_its = |driver: &str| driver == new.meta.name;
                tracks_capacity(old)
                    && !tracks_capacity(new)
                    && volumes_of(pod).iter().any(|volume| volume.csi.as_ref().is_some_and(|csi| is_its(&csi.driver)))
            }
            (EventKind::StorageCapacityUpdate, (Some(old), Some(new))) => {
                let (old, new) = (StorageCapacity::of(old).limit, StorageCapacity::of(new).limit);
                new.is_some_and(|new| old.is_none_or(|old| new > old))
            }
            _ => true,
        }
    }
}

#[derive(Clone, Debug)]
struct Filter {
    claims: ClaimsOfPod,
}

impl NodeFilter for Filter {
    fn check(&self, cluster: &Cluster, node: NodeView) -> Option<Status> {
        self.claims.on(&cluster.volumes, node.info.node.as_ref()?).err().map(status)
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }
}

fn status(problems: Problems) -> Status {
    let reasons = [
        (problems.no_access, NO_ACCESS),
        (problems.nothing_to_bind, NOTHING_TO_BIND),
        (problems.no_space, NO_SPACE),
        (problems.volume_gone, VOLUME_GONE),
    ];
    let reasons = reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| Reason::Fixed(reason));
    let mut reasons: Vec<Reason> = reasons.collect();
    let reasons = match (reasons.len(), reasons.pop()) {
        (1, Some(only)) => Reasons::One(only),
        (_, last) => Reasons::Several(reasons.into_iter().chain(last).collect()),
    };
    Status { code: Code::UnschedulableAndUnresolvable, reasons }
}
