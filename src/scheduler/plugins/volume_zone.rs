//! VolumeZone: a node must lie in the zone and region that the labels of a bound volume name.

use std::collections::BTreeSet;

use crate::api::{Labels, Meta, Name, Obj, Pod};
use crate::scheduler::volumes::{BindingMode, StorageClass, claim_not_found, named_claims_of, volumes_of};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeView, Plugin, PluginArgs,
    PluginEntry, PreFilter, Reach, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "VolumeZone",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    weight: 0,
    doc: "rejects nodes in other zones or regions than the labels of the pod's bound PersistentVolumes name",
    source: "pkg/scheduler/framework/plugins/volumezone/volume_zone.go",
    events: &[
        EventKind::StorageClassAdd,
        EventKind::NodeAdd,
        EventKind::NodeLabel,
        EventKind::ClaimAdd,
        EventKind::ClaimUpdate,
        EventKind::PersistentVolumeAdd,
        EventKind::PersistentVolumeUpdate,
    ],
    plugin: &VolumeZone,
};

const CONFLICT: &str = "node(s) had no available volume zone";
const OLD_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
const OLD_REGION: &str = "failure-domain.beta.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";

#[derive(Debug)]
struct VolumeZone;

/// A label of a volume with its values: a node must have one of them.
type Topology = (&'static str, BTreeSet<Name>);

/// The topologies that labels name. Values that contain an empty zone count for nothing. Upstream: `getPVTopologies`.
fn topologies(labels: &Labels) -> impl Iterator<Item = Topology> + '_ {
    [OLD_ZONE, OLD_REGION, ZONE, REGION].into_iter().filter_map(|key| {
        let zones: BTreeSet<Name> = labels.get(key)?.split("__").map(|zone| Name::from(zone.trim())).collect();
        zones.iter().all(|zone| !zone.is_empty()).then_some((key, zones))
    })
}

fn reject(reason: impl Into<Name>) -> PreFilter {
    PreFilter::Reject(Status::text(Code::UnschedulableAndUnresolvable, reason))
}

impl Plugin for VolumeZone {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        if volumes_of(cycle.pod).is_empty() {
            return PreFilter::Skip;
        }
        let volumes = &cycle.cluster.volumes;
        let (mut has_claims, mut wanted) = (false, Vec::new());
        for name in named_claims_of(cycle.pod) {
            has_claims = true;
            if name.is_empty() {
                return reject("PersistentVolumeClaim had no name");
            }
            let Some(claim) = volumes.claim(&cycle.pod.meta.namespace, name) else {
                return reject(claim_not_found(name));
            };
            if claim.volume.is_empty() {
                match refusal_of_unbound(&claim.class, volumes.class(&claim.class).map(AsRef::as_ref)) {
                    None => continue,
                    Some(reason) => return reject(reason),
                }
            }
            let Some(volume) = volumes.volume(&claim.volume) else {
                return reject(ecow::eco_format!("persistentvolume {:?} not found", claim.volume));
            };
            wanted.extend(topologies(&volume.object.meta.labels));
        }
        if has_claims { PreFilter::Filter(Box::new(Filter { wanted })) } else { PreFilter::Skip }
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        match (event.kind, event.untyped()) {
            (EventKind::ClaimAdd | EventKind::ClaimUpdate, (_, Some(claim))) => {
                claim.meta.namespace == pod.meta.namespace && named_claims_of(pod).any(|own| own == claim.meta.name)
            }
            (EventKind::StorageClassAdd, (_, Some(class))) => {
                StorageClass::of(class).mode == BindingMode::WaitForFirstConsumer
            }
            (EventKind::PersistentVolumeUpdate, (Some(old), Some(new))) => {
                !topologies(&old.meta.labels).eq(topologies(&new.meta.labels))
            }
            _ => true,
        }
    }
}

/// Why a claim without a volume is refused; nothing where it waits for its first pod.
fn refusal_of_unbound(name: &Name, class: Option<&StorageClass>) -> Option<Name> {
    match class.map(|class| class.mode) {
        _ if name.is_empty() => Some("PersistentVolumeClaim had no pv name and storageClass name".into()),
        None => Some(ecow::eco_format!("storageclass.storage.k8s.io {name:?} not found")),
        Some(BindingMode::Unset) => Some(ecow::eco_format!("VolumeBindingMode not set for StorageClass {name:?}")),
        Some(BindingMode::Immediate) => Some("PersistentVolume had no name".into()),
        Some(BindingMode::WaitForFirstConsumer) => None,
    }
}

#[derive(Clone, Debug)]
struct Filter {
    wanted: Vec<Topology>,
}

impl Filter {
    fn allows(&self, node: &Meta) -> bool {
        let value = |key: &str| node.labels.get(key);
        if [OLD_ZONE, OLD_REGION, ZONE, REGION].into_iter().all(|key| value(key).is_none()) {
            return true;
        }
        self.wanted.iter().all(|(key, values)| {
            let newer = match *key {
                OLD_ZONE => ZONE,
                OLD_REGION => REGION,
                same => same,
            };
            value(key).or_else(|| value(newer)).is_some_and(|found| values.contains(found))
        })
    }
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        let node = node.info.node.as_ref()?;
        (!self.allows(&node.meta)).then(|| Status::fixed(Code::UnschedulableAndUnresolvable, CONFLICT))
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::EventKind;
    use crate::scheduler::testing::{check_filter_among, check_hint};

    const POD: &str = "{containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}";

    #[track_caller]
    fn check_claim(spec: &str, expected: Option<&str>) {
        let claim = format!("{{kind: PersistentVolumeClaim, metadata: {{name: c, namespace: default}}, spec: {spec}}}");
        let objects = [
            claim.as_str(),
            "{kind: StorageClass, metadata: {name: now}, provisioner: x, volumeBindingMode: Immediate}",
            "{kind: StorageClass, metadata: {name: wait}, provisioner: x, volumeBindingMode: WaitForFirstConsumer}",
        ];
        let expected = expected.map(|reason| format!("UnschedulableAndUnresolvable: {reason}"));
        check_filter_among("VolumeZone", &objects, POD, "{}", &[], expected.as_deref());
    }

    #[test]
    fn a_claim_must_have_a_volume_or_wait_for_its_pod() {
        check_claim("{storageClassName: wait}", None);
        check_claim("{storageClassName: now}", Some("PersistentVolume had no name"));
        check_claim("{storageClassName: none}", Some("storageclass.storage.k8s.io \"none\" not found"));
        check_claim("{}", Some("PersistentVolumeClaim had no pv name and storageClass name"));
        check_claim("{volumeName: gone}", Some("persistentvolume \"gone\" not found"));
    }

    #[track_caller]
    fn check(volume: &str, node: &str, fits: bool) {
        let volume = format!("{{kind: PersistentVolume, metadata: {{name: p, labels: {{{volume}}}}}, spec: {{}}}}");
        let claim = "{kind: PersistentVolumeClaim, metadata: {name: c, namespace: default}, spec: {volumeName: p}}";
        let node = format!("{{metadata: {{labels: {{{node}}}}}}}");
        let rejected = "UnschedulableAndUnresolvable: node(s) had no available volume zone";
        check_filter_among("VolumeZone", &[&volume, claim], POD, &node, &[], (!fits).then_some(rejected));
    }

    #[test]
    fn the_node_lies_where_the_volume_does() {
        let (zone, region) = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region");
        let old = "failure-domain.beta.kubernetes.io/zone";
        check(&format!("{zone}: a"), &format!("{zone}: a"), true);
        check(&format!("{zone}: a"), &format!("{zone}: b"), false);
        check(&format!("{zone}: a__b"), &format!("{zone}: b"), true);
        check(&format!("{zone}: a__"), &format!("{zone}: b"), true);
        check(&format!("{zone}: a"), "", true);
        check(&format!("{zone}: a"), &format!("{region}: r"), false);
        check(&format!("{old}: a"), &format!("{zone}: a"), true);
        check(&format!("{zone}: a"), &format!("{old}: a"), false);
        check("", &format!("{zone}: a"), true);
    }

    #[test]
    fn events_that_may_help_are_told_from_those_that_do_not() {
        let hint = |kind, old: Option<&str>, new: &str, expected| {
            check_hint("VolumeZone", kind, old, Some(new), POD, expected);
        };
        let class = |mode: &str| {
            format!("{{kind: StorageClass, metadata: {{name: s}}, provisioner: x, volumeBindingMode: {mode}}}")
        };
        hint(EventKind::StorageClassAdd, None, &class("WaitForFirstConsumer"), true);
        hint(EventKind::StorageClassAdd, None, &class("Immediate"), false);
        let volume = |zones: &str| {
            format!(
                "{{kind: PersistentVolume, metadata: {{name: p, labels: {{topology.kubernetes.io/zone: {zones}}}}}, spec: {{}}}}"
            )
        };
        hint(EventKind::PersistentVolumeAdd, None, &volume("a"), true);
        hint(EventKind::PersistentVolumeUpdate, Some(&volume("a__b")), &volume("b__a"), false);
        hint(EventKind::PersistentVolumeUpdate, Some(&volume("a")), &volume("a__b"), true);
        let claim = "{kind: PersistentVolumeClaim, metadata: {name: c, namespace: default}, spec: {}}";
        hint(EventKind::ClaimUpdate, Some(claim), claim, true);
        hint(EventKind::ClaimUpdate, Some(claim), &claim.replace("name: c", "name: d"), false);
    }
}
