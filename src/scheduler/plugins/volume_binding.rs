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

#[cfg(test)]
mod tests {
    use crate::scheduler::EventKind;
    use crate::scheduler::testing::{check_filter_among, check_hint};

    const CLASSES: [&str; 4] = [
        "{kind: StorageClass, metadata: {name: now}, provisioner: d}",
        "{kind: StorageClass, metadata: {name: wait}, provisioner: d, volumeBindingMode: WaitForFirstConsumer}",
        "{kind: StorageClass, metadata: {name: local}, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: WaitForFirstConsumer}",
        "{kind: StorageClass, metadata: {name: zonal}, provisioner: d, volumeBindingMode: WaitForFirstConsumer, allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, b]}]}]}",
    ];
    const POD: &str = "{containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}";
    const NODE: &str = "{metadata: {labels: {zone: a}}}";
    const NONE: Option<&str> = Some("node(s) didn't find available persistent volumes to bind");
    const NO_SPACE: Option<&str> = Some("node(s) did not have enough free storage");
    const NO_ACCESS: &str = "node(s) didn't match PersistentVolume's node affinity";

    fn claim(name: &str, meta: &str, spec: &str) -> String {
        format!("{{kind: PersistentVolumeClaim, metadata: {{name: {name}, namespace: default{meta}}}, spec: {spec}}}")
    }

    /// A free volume of class `local` and 5Gi, but for what is said otherwise.
    fn volume(name: &str, meta: &str, spec: &str) -> String {
        let mut all = format!(
            "{{kind: PersistentVolume, metadata: {{name: {name}{meta}}}, status: {{phase: Available}}, spec: {{"
        );
        for (field, value) in
            [("storageClassName", "local"), ("capacity", "{storage: 5Gi}"), ("accessModes", "[ReadWriteOnce]")]
        {
            if !spec.contains(field) {
                all += &format!("{field}: {value}, ");
            }
        }
        all + spec + "}}"
    }

    fn affinity(zone: &str) -> String {
        format!(
            "nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: zone, operator: In, values: [{zone}]}}]}}]}}}}"
        )
    }

    #[track_caller]
    fn check_pod(pod: &str, objects: &[String], expected: Option<&str>) {
        let objects: Vec<&str> = CLASSES.into_iter().chain(objects.iter().map(String::as_str)).collect();
        let expected = expected.map(|reason| format!("UnschedulableAndUnresolvable: {reason}"));
        check_filter_among("VolumeBinding", &objects, pod, NODE, &[], expected.as_deref());
    }

    #[track_caller]
    fn check(objects: &[String], expected: Option<&str>) {
        check_pod(POD, objects, expected);
    }

    #[test]
    fn claims_must_be_there_and_stay() {
        check(&[], Some("persistentvolumeclaim \"c\" not found"));
        let lost = claim("c", "", "{volumeName: p}, status: {phase: Lost}");
        check(&[lost], Some("persistentvolumeclaim \"c\" bound to non-existent persistentvolume \"p\""));
        let going = claim("c", ", deletionTimestamp: '2025-01-01T00:00:00Z'", "{storageClassName: wait}");
        check(&[going], Some("persistentvolumeclaim \"c\" is being deleted"));
    }

    #[test]
    fn claims_that_are_made_for_a_pod_are_owned_by_it() {
        let pod = "{containers: [], volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {}}}}]}";
        let owned = |uid: &str| {
            let owner =
                format!(", ownerReferences: [{{apiVersion: v1, kind: Pod, name: pod, uid: {uid}, controller: true}}]");
            claim("pod-v", &owner, "{storageClassName: wait}")
        };
        let waits = "waiting for ephemeral volume controller to create the persistentvolumeclaim \"pod-v\"";
        check_pod(pod, &[], Some(waits));
        check_pod(pod, &[owned("00000000-0000-0000-0000-000000000001")], None);
        let refused = "PVC default/pod-v was not created for pod default/pod (pod is not owner)";
        check_pod(pod, &[owned("00000000-0000-0000-0000-000000000002")], Some(refused));
        check_pod(pod, &[claim("pod-v", "", "{storageClassName: wait}")], Some(refused));
    }

    #[test]
    fn claims_that_do_not_wait_for_a_pod_must_be_bound() {
        let immediate = Some("pod has unbound immediate PersistentVolumeClaims");
        check(&[claim("c", "", "{storageClassName: now}")], immediate);
        check(&[claim("c", "", "{}")], immediate);
        check(&[claim("c", "", "{storageClassName: unknown}")], immediate);
        check(&[claim("c", "", "{storageClassName: wait, volumeName: p}")], immediate);
        let old = ", annotations: {volume.beta.kubernetes.io/storage-class: wait}";
        check(&[claim("c", old, "{storageClassName: now}")], None);
    }

    #[test]
    fn bound_volumes_must_be_accessible() {
        let bound = |name: &str| {
            claim(name, ", annotations: {pv.kubernetes.io/bind-completed: 'yes'}", &format!("{{volumeName: {name}}}"))
        };
        check(&[bound("c"), volume("c", "", "")], None);
        check(&[bound("c"), volume("c", "", &affinity("a"))], None);
        check(&[bound("c"), volume("c", "", &affinity("b"))], Some(NO_ACCESS));
        check(&[bound("c"), volume("c", "", "nodeAffinity: {required: {nodeSelectorTerms: []}}")], Some(NO_ACCESS));
        let gone = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
        check(&[bound("c")], Some(gone));
        let two = "{containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: b}}, {name: w, persistentVolumeClaim: {claimName: c}}]}";
        let local = || claim("c", "", "{storageClassName: local}");
        let both = format!("{NO_ACCESS}, node(s) didn't find available persistent volumes to bind");
        check_pod(two, &[bound("b"), volume("b", "", &affinity("b")), local()], Some(&both));
        check_pod(two, &[bound("b"), volume("b", "", &affinity("b")), local(), volume("p", "", "")], Some(NO_ACCESS));
    }

    #[test]
    fn a_claim_takes_a_free_volume_that_is_alike() {
        let local = |spec: &str| claim("c", "", &format!("{{storageClassName: local, {spec}}}"));
        let plain = || local("accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}");
        check(&[plain()], NONE);
        check(&[plain(), volume("p", "", "")], None);
        check(&[plain(), volume("p", "", &affinity("b"))], NONE);
        check(&[plain(), volume("p", "", "capacity: {storage: 4Gi}")], NONE);
        check(&[plain(), volume("p", "", "storageClassName: other")], NONE);
        check(&[plain(), volume("p", "", "accessModes: [ReadOnlyMany]")], NONE);
        check(&[plain(), volume("p", "", "volumeMode: Block")], NONE);
        check(&[plain(), volume("p", "", "volumeAttributesClassName: fast")], NONE);
        check(&[plain(), volume("p", ", deletionTimestamp: '2025-01-01T00:00:00Z'", "")], NONE);
        check(&[plain(), volume("p", "", "").replace("Available", "Released")], NONE);
        check(&[local("volumeMode: Block"), volume("p", "", "volumeMode: Block")], None);
        let selects = || local("selector: {matchLabels: {disk: ssd}}");
        check(&[selects(), volume("p", "", "")], NONE);
        check(&[selects(), volume("p", ", labels: {disk: ssd}", "")], None);
    }

    #[test]
    fn a_volume_that_is_reserved_for_a_claim_is_its_only_one() {
        let local = || claim("c", "", "{storageClassName: local}");
        let reserved = |name: &str, more: &str| format!("claimRef: {{namespace: default, name: {name}}}, {more}");
        check(&[local(), volume("p", "", &reserved("c", "")).replace("Available", "Pending")], None);
        check(&[local(), volume("p", "", &reserved("d", ""))], NONE);
        check(&[local(), volume("p", "", &reserved("c", &affinity("b"))), volume("q", "", "")], NONE);
        let other_life = "claimRef: {namespace: default, name: c, uid: other}";
        check(&[local(), volume("p", "", other_life)], NONE);
    }

    #[test]
    fn the_claims_of_a_pod_take_different_volumes_the_smallest_first() {
        let two = "{containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: big}}, {name: w, persistentVolumeClaim: {claimName: small}}]}";
        let of_size = |name: &str, size: &str| {
            claim(name, "", &format!("{{storageClassName: local, resources: {{requests: {{storage: {size}}}}}}}"))
        };
        let (big, small) = (|| of_size("big", "5Gi"), || of_size("small", "1Gi"));
        let large = |name: &str| volume(name, "", "capacity: {storage: 10Gi}");
        check_pod(two, &[big(), small(), large("p")], NONE);
        check_pod(two, &[big(), small(), volume("p", "", ""), large("q")], None);
        check_pod(two, &[big(), small(), large("p"), volume("q", "", "capacity: {storage: 2Gi}")], None);
        check_pod(
            two,
            &[big(), small(), volume("p", "", "capacity: {storage: 2Gi}"), volume("q", "", "capacity: {storage: 3Gi}")],
            NONE,
        );
    }

    #[test]
    fn volumes_are_made_where_the_class_allows_it() {
        check(&[claim("c", "", "{storageClassName: wait}")], None);
        check(&[claim("c", "", "{storageClassName: zonal}")], None);
        let elsewhere = "{kind: StorageClass, metadata: {name: zonal}, provisioner: d, volumeBindingMode: WaitForFirstConsumer, allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [c]}]}]}";
        check(&[elsewhere.to_owned(), claim("c", "", "{storageClassName: zonal}")], NONE);
        let selected = |node: &str| format!(", annotations: {{volume.kubernetes.io/selected-node: {node}}}");
        check(&[claim("c", &selected("node"), "{storageClassName: wait}")], None);
        check(&[claim("c", &selected("other"), "{storageClassName: wait}")], NONE);
        check(&[claim("c", &selected("node"), "{storageClassName: local}"), volume("p", "", "")], NONE);
    }

    #[test]
    fn volumes_are_made_where_there_is_space() {
        let driver =
            |tracks: bool| format!("{{kind: CSIDriver, metadata: {{name: d}}, spec: {{storageCapacity: {tracks}}}}}");
        let of_size = |size: &str| {
            claim("c", "", &format!("{{storageClassName: wait, resources: {{requests: {{storage: {size}}}}}}}"))
        };
        let capacity = |zone: &str, size: &str| {
            format!(
                "{{kind: CSIStorageCapacity, metadata: {{name: k, namespace: s}}, storageClassName: wait, nodeTopology: {{matchLabels: {{zone: {zone}}}}}, {size}}}"
            )
        };
        check(&[of_size("5Gi"), driver(false)], None);
        check(&[of_size("5Gi"), driver(true)], NO_SPACE);
        check(&[claim("c", "", "{storageClassName: wait}"), driver(true)], None);
        check(&[of_size("5Gi"), driver(true), capacity("a", "capacity: 5Gi")], None);
        check(&[of_size("5Gi"), driver(true), capacity("b", "capacity: 5Gi")], NO_SPACE);
        check(&[of_size("6Gi"), driver(true), capacity("a", "capacity: 5Gi")], NO_SPACE);
        check(&[of_size("2Gi"), driver(true), capacity("a", "capacity: 5Gi, maximumVolumeSize: 1Gi")], NO_SPACE);
        let nowhere =
            "{kind: CSIStorageCapacity, metadata: {name: k, namespace: s}, storageClassName: wait, capacity: 5Gi}";
        check(&[of_size("5Gi"), driver(true), nowhere.to_owned()], NO_SPACE);
    }

    #[test]
    fn events_that_may_help_are_told_from_those_that_do_not() {
        let hint = |kind, old: Option<&str>, new: &str, expected| {
            check_hint("VolumeBinding", kind, old, Some(new), POD, expected);
        };
        let of = |name: &str| claim(name, "", "{}");
        hint(EventKind::ClaimAdd, None, &of("c"), true);
        hint(EventKind::ClaimUpdate, Some(&of("c")), &of("c"), true);
        hint(EventKind::ClaimUpdate, Some(&of("d")), &of("d"), false);
        hint(EventKind::PersistentVolumeUpdate, Some(&volume("p", "", "")), &volume("p", "", ""), true);
        hint(EventKind::StorageClassAdd, None, CLASSES[0], true);
        hint(EventKind::StorageClassUpdate, Some(CLASSES[0]), CLASSES[0], false);
        hint(EventKind::StorageClassUpdate, Some(CLASSES[1]), CLASSES[3], true);
        let capacity =
            |size: &str| format!("{{kind: CSIStorageCapacity, metadata: {{name: k}}, storageClassName: wait{size}}}");
        hint(EventKind::StorageCapacityUpdate, Some(&capacity("")), &capacity(", capacity: 1Gi"), true);
        hint(EventKind::StorageCapacityUpdate, Some(&capacity(", capacity: 2Gi")), &capacity(", capacity: 1Gi"), false);
        let node = |listed: &str| {
            format!(
                "{{kind: CSINode, metadata: {{name: node, annotations: {{storage.alpha.kubernetes.io/migrated-plugins: '{listed}'}}}}, spec: {{drivers: []}}}}"
            )
        };
        hint(EventKind::CsiNodeAdd, None, &node("a"), true);
        hint(EventKind::CsiNodeUpdate, Some(&node("a")), &node("a"), false);
        hint(EventKind::CsiNodeUpdate, Some(&node("a")), &node("a,b"), true);
        let driver =
            |tracks: bool| format!("{{kind: CSIDriver, metadata: {{name: d}}, spec: {{storageCapacity: {tracks}}}}}");
        hint(EventKind::CsiDriverUpdate, Some(&driver(true)), &driver(false), false);
    }
}
