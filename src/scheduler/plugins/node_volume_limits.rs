//! NodeVolumeLimits: how many volumes of a CSI driver can be attached to a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Kind, Name, Obj, Pod};
use crate::scheduler::volumes::{Claim, ClaimUse, CsiNode, InTree, Provisioner, Source, Volumes, claim_not_found};
use crate::scheduler::volumes::{claims_of, volumes_of};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeView, Plugin, PluginArgs,
    PluginEntry, PreFilter, Reach, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodeVolumeLimits",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    weight: 0,
    doc: "rejects nodes whose CSINode does not allow as many volumes of a driver. Volumes of AWS EBS, GCE PD, Azure \
          Disk, Cinder and Portworx count for the drivers that have taken over. Left out: volumes in the pod itself \
          whose name for the driver cannot be told, which upstream fails for",
    source: "pkg/scheduler/framework/plugins/nodevolumelimits/csi.go",
    events: &[
        EventKind::CsiNodeAdd,
        EventKind::CsiNodeUpdate,
        EventKind::AssignedPodDelete,
        EventKind::ClaimAdd,
        EventKind::VolumeAttachmentDelete,
    ],
    plugin: &NodeVolumeLimits,
};

const EXCEEDED: &str = "node(s) exceed max volume count";

#[derive(Debug)]
struct NodeVolumeLimits;

/// A volume as a node counts it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Attachable {
    driver: Name,
    /// Whether the handle is the claim's name, since there is no volume yet.
    is_unbound: bool,
    handle: Name,
}

/// A volume of a pod, as far as it can be told without a node.
#[derive(Clone, Debug)]
enum Counted {
    Csi(Attachable),
    /// Counts where the driver has taken over.
    InTree(InTree, Attachable),
}

impl Counted {
    fn csi(driver: &str, is_unbound: bool, handle: &Name) -> Option<Counted> {
        let known = !driver.is_empty() && !handle.is_empty();
        known.then(|| Counted::Csi(Attachable { driver: driver.into(), is_unbound, handle: handle.clone() }))
    }

    fn in_tree(plugin: InTree, is_unbound: bool, handle: &Name) -> Option<Counted> {
        let attachable = Attachable { driver: plugin.driver().into(), is_unbound, handle: handle.clone() };
        (!handle.is_empty()).then_some(Counted::InTree(plugin, attachable))
    }

    /// The volume of a claim. Upstream: `getCSIDriverInfo`.
    fn of_claim(volumes: &Volumes, claim: &Claim) -> Option<Counted> {
        if let Some(volume) = volumes.volume(&claim.volume) {
            return match &volume.source {
                Source::Csi { driver, handle } => Counted::csi(driver, false, handle),
                Source::InTree { plugin, handle } => Counted::in_tree(*plugin, false, handle.as_ref()?),
                Source::Other => None,
            };
        }
        let key = claim.object.meta.key().into();
        match Provisioner::of(&volumes.class(&claim.class)?.provisioner) {
            Provisioner::Driver(driver) => Counted::csi(driver, true, &key),
            Provisioner::InTree(plugin) => Counted::in_tree(plugin, true, &key),
            Provisioner::Uncounted => None,
        }
    }

    fn on(&self, node: Option<&CsiNode>) -> Option<&Attachable> {
        match self {
            Counted::Csi(attachable) => Some(attachable),
            Counted::InTree(plugin, attachable) => plugin.is_migrated(node).then_some(attachable),
        }
    }

    /// What a pod attaches. Claims that are not there count for nothing. Upstream: `filterAttachableVolumes`.
    fn of_pod(volumes: &Volumes, pod: &Obj<Pod>) -> Result<Vec<Counted>, String> {
        let mut counted = Vec::new();
        for volume in volumes_of(pod) {
            let Some(used) = ClaimUse::of(pod, volume) else {
                if let Some((plugin, Some(handle))) = InTree::of_inline(volume) {
                    counted.extend(Counted::in_tree(plugin, false, &handle));
                }
                continue;
            };
            if used.name.is_empty() {
                return Err("PersistentVolumeClaim had no name".to_owned());
            }
            let Some(claim) = volumes.claim(&pod.meta.namespace, &used.name) else { continue };
            match used.refusal(pod, claim) {
                Some(refusal) => return Err(refusal),
                None => counted.extend(Counted::of_claim(volumes, claim)),
            }
        }
        Ok(counted)
    }
}

/// Whether any volume of a pod could count.
fn has_attachable(pod: &Obj<Pod>) -> bool {
    volumes_of(pod).iter().any(|volume| {
        volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some() || InTree::of_inline(volume).is_some()
    })
}

impl Plugin for NodeVolumeLimits {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        if !has_attachable(cycle.pod) {
            return PreFilter::Skip;
        }
        let volumes = &cycle.cluster.volumes;
        let is_missing = |used: &ClaimUse| volumes.claim(&cycle.pod.meta.namespace, &used.name).is_none();
        let refusal = claims_of(cycle.pod).find(is_missing).map(|used| {
            let key = format!("{}/{}", cycle.pod.meta.namespace, used.name);
            let reason = ecow::eco_format!("looking up PVC {key}: {}", claim_not_found(&used.name));
            Status::text(Code::UnschedulableAndUnresolvable, reason)
        });
        let wanted = match (refusal, Counted::of_pod(volumes, cycle.pod)) {
            (Some(refusal), _) => Err(refusal),
            (None, Err(error)) => Err(Status::text(Code::Error, error)),
            (None, Ok(counted)) => Ok(counted),
        };
        PreFilter::Filter(Box::new(Filter { wanted }))
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        match (event.kind, event.untyped()) {
            (EventKind::AssignedPodDelete, _) => event.pod().0.is_some_and(has_attachable),
            (EventKind::ClaimAdd, (_, Some(claim))) => {
                claim.meta.namespace == pod.meta.namespace && claims_of(pod).any(|used| used.name == claim.meta.name)
            }
            (EventKind::CsiNodeUpdate, (Some(old), Some(new))) => {
                let (old, new) = (CsiNode::of(old), CsiNode::of(new));
                new.limits.iter().any(|(driver, limit)| *limit > old.limit(driver).unwrap_or(0))
            }
            (EventKind::VolumeAttachmentDelete, (Some(gone), _)) => {
                debug_assert_eq!(gone.meta.id.kind, Kind::VolumeAttachment);
                let attacher = gone.body.fields.get("spec").and_then(|spec| spec.get("attacher")?.as_str());
                volumes_of(pod).iter().any(|volume| {
                    let is_inline =
                        InTree::of_inline(volume).is_some_and(|(plugin, _)| Some(plugin.driver()) == attacher);
                    volume.persistent_volume_claim.is_some() || is_inline
                })
            }
            _ => true,
        }
    }
}

#[derive(Clone, Debug)]
struct Filter {
    wanted: Result<Vec<Counted>, Status>,
}

impl Filter {
    fn exceeds(&self, wanted: &[Counted], cluster: &Cluster, node: NodeView) -> Result<bool, String> {
        let csi_node = cluster.volumes.csi_node(&node.info.name).map(Arc::as_ref);
        let mut new: Vec<&Attachable> = wanted.iter().filter_map(|counted| counted.on(csi_node)).collect();
        new.sort_unstable();
        new.dedup();
        let Some(limits) = csi_node.filter(|limits| !limits.limits.is_empty() && !new.is_empty()) else {
            return Ok(false);
        };
        let mut attached: Vec<Attachable> = Vec::new();
        for pod in node.info.pods.iter().filter(|pod| has_attachable(pod)) {
            let counted = Counted::of_pod(&cluster.volumes, pod)?;
            attached.extend(counted.iter().filter_map(|counted| counted.on(csi_node)).cloned());
        }
        attached.sort_unstable();
        attached.dedup();
        new.retain(|wanted| attached.binary_search(wanted).is_err());
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for attachable in &attached {
            *counts.entry(&attachable.driver).or_default() += 1;
        }
        let others = attached_otherwise(&cluster.volumes, &node.info.name, &attached);
        for driver in &others {
            *counts.entry(driver).or_default() += 1;
        }
        Ok(new.iter().any(|wanted| {
            let more = new.iter().filter(|other| other.driver == wanted.driver).count() as i64;
            let now = counts.get(wanted.driver.as_str()).copied().unwrap_or(0);
            limits.limit(&wanted.driver).is_some_and(|limit| now + more > limit)
        }))
    }
}

/// The drivers of volumes that are attached to a node, or about to be, and are not those of its pods; one entry a
/// volume. Upstream: `getNodeVolumeAttachmentInfo`.
fn attached_otherwise(volumes: &Volumes, node: &str, of_pods: &[Attachable]) -> Vec<Name> {
    let attachable = |attachment: &crate::scheduler::volumes::Attachment| {
        let Source::Csi { handle, .. } = &volumes.volume(&attachment.volume)?.source else { return None };
        Some(Attachable { driver: attachment.driver.clone(), is_unbound: false, handle: handle.clone() })
    };
    let mut others: Vec<Attachable> = volumes.attached_to(node).filter_map(attachable).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|other| of_pods.binary_search(other).is_err());
    others.into_iter().map(|other| other.driver).collect()
}

impl NodeFilter for Filter {
    fn check(&self, cluster: &Cluster, node: NodeView) -> Option<Status> {
        let wanted = match &self.wanted {
            Ok(wanted) => wanted,
            Err(status) => return Some(status.clone()),
        };
        match self.exceeds(wanted, cluster, node) {
            Ok(false) => None,
            Ok(true) => Some(Status::fixed(Code::Unschedulable, EXCEEDED)),
            Err(error) => Some(Status::text(Code::Error, error)),
        }
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::EventKind;
    use crate::scheduler::testing::{check_filter_among, check_hint};

    fn pod(claims: &[&str]) -> String {
        let volume = |claim: &&str| format!("{{name: {claim}, persistentVolumeClaim: {{claimName: {claim}}}}}");
        let volumes: Vec<String> = claims.iter().map(volume).collect();
        format!("{{containers: [], volumes: [{}]}}", volumes.join(", "))
    }

    const NODE: &str =
        "{kind: CSINode, metadata: {name: node}, spec: {drivers: [{name: d, nodeID: id, allocatable: {count: 2}}]}}";

    /// Claims `a`, `b` and `c` are bound to volumes of driver `d`, `w` waits for one, `x` is of another driver, `l` is
    /// local, and `s` has the volume of `a`.
    #[track_caller]
    fn check(more: &[&str], node: &str, used: &[&[&str]], wanted: &[&str], fits: bool) {
        let mut objects = vec![
            "{kind: StorageClass, metadata: {name: wait}, provisioner: d, volumeBindingMode: WaitForFirstConsumer}"
                .to_owned(),
            node.to_owned(),
        ];
        objects.extend(more.iter().map(|text| (*text).to_owned()));
        for (claim, source) in [
            ("a", "csi: {driver: d, volumeHandle: a}"),
            ("b", "csi: {driver: d, volumeHandle: b}"),
            ("c", "csi: {driver: d, volumeHandle: c}"),
            ("s", "csi: {driver: d, volumeHandle: a}"),
            ("x", "csi: {driver: x, volumeHandle: x}"),
            ("l", "local: {path: /l}"),
            ("e", "awsElasticBlockStore: {volumeID: vol-1}"),
        ] {
            objects.push(format!("{{kind: PersistentVolume, metadata: {{name: pv-{claim}}}, spec: {{{source}}}}}"));
            objects.push(format!(
                "{{kind: PersistentVolumeClaim, metadata: {{name: {claim}, namespace: default}}, spec: {{volumeName: pv-{claim}}}}}"
            ));
        }
        for claim in ["v", "w"] {
            objects.push(format!(
                "{{kind: PersistentVolumeClaim, metadata: {{name: {claim}, namespace: default}}, spec: {{storageClassName: wait}}}}"
            ));
        }
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        let others: Vec<String> = used.iter().map(|claims| pod(claims)).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let rejected = "Unschedulable: node(s) exceed max volume count";
        check_filter_among("NodeVolumeLimits", &objects, &pod(wanted), "{}", &others, (!fits).then_some(rejected));
    }

    #[test]
    fn volumes_of_a_driver_are_counted_once_each() {
        check(&[], NODE, &[], &["a", "b"], true);
        check(&[], NODE, &[], &["a", "b", "c"], false);
        check(&[], NODE, &[&["a"], &["b"]], &["c"], false);
        check(&[], NODE, &[&["a"], &["a"]], &["c"], true);
        check(&[], NODE, &[&["a"], &["b"]], &["a"], true);
        check(&[], NODE, &[&["a"], &["b"]], &["s"], true);
        check(&[], NODE, &[&["a"], &["b", "c"]], &["a"], true);
        check(&[], NODE, &[&["a"], &["b"]], &["x"], true);
        check(&[], NODE, &[&["a"], &["l"]], &["c"], true);
        check(&[], NODE, &[&["a"], &["missing"]], &["c"], true);
    }

    #[test]
    fn claims_without_a_volume_count_for_their_class() {
        check(&[], NODE, &[&["a"], &["w"]], &["c"], false);
        check(&[], NODE, &[&["a"], &["w"]], &["w"], true);
        check(&[], NODE, &[&["a"], &["w"]], &["v"], false);
    }

    #[test]
    fn without_a_limit_there_is_none() {
        check(&[], "{kind: CSINode, metadata: {name: other}, spec: {drivers: []}}", &[], &["a", "b", "c"], true);
        let unlimited = "{kind: CSINode, metadata: {name: node}, spec: {drivers: [{name: d, nodeID: id}]}}";
        check(&[], unlimited, &[], &["a", "b", "c"], true);
    }

    #[test]
    fn what_is_attached_counts_with_the_volumes_of_pods() {
        let attached = |volume: &str| {
            format!(
                "{{kind: VolumeAttachment, metadata: {{name: at-{volume}}}, spec: {{attacher: d, nodeName: node, source: {{persistentVolumeName: pv-{volume}}}}}}}"
            )
        };
        check(&[&attached("a")], NODE, &[], &["b"], true);
        check(&[&attached("a"), &attached("b")], NODE, &[], &["c"], false);
        check(&[&attached("a"), &attached("s")], NODE, &[], &["c"], true);
        check(&[&attached("a")], NODE, &[&["a"]], &["c"], true);
        check(&[&attached("a"), &attached("b")], NODE, &[&["b"]], &["a"], false);
    }

    #[test]
    fn migrated_volumes_count_for_the_driver_that_has_taken_over() {
        let node = "{kind: CSINode, metadata: {name: node}, spec: {drivers: [{name: ebs.csi.aws.com, nodeID: id, allocatable: {count: 0}}]}}";
        check(&[], node, &[], &["e"], false);
        check(&[], NODE, &[], &["e"], true);
    }

    #[test]
    fn events_that_may_help_are_told_from_those_that_do_not() {
        let hint = |kind, old: Option<&str>, new: Option<&str>, expected| {
            check_hint("NodeVolumeLimits", kind, old, new, &pod(&["a"]), expected);
        };
        hint(EventKind::CsiNodeAdd, None, Some(NODE), true);
        hint(EventKind::CsiNodeUpdate, Some(NODE), Some(NODE), false);
        hint(EventKind::CsiNodeUpdate, Some(NODE), Some(&NODE.replace("count: 2", "count: 3")), true);
        hint(EventKind::CsiNodeUpdate, Some(NODE), Some(&NODE.replace("count: 2", "count: 1")), false);
        hint(EventKind::AssignedPodDelete, Some(&pod(&["x"])), None, true);
        hint(EventKind::AssignedPodDelete, Some("{containers: []}"), None, false);
        let claim = "{kind: PersistentVolumeClaim, metadata: {name: a, namespace: default}, spec: {}}";
        hint(EventKind::ClaimAdd, None, Some(claim), true);
        hint(EventKind::ClaimAdd, None, Some(&claim.replace("name: a", "name: b")), false);
        let attachment = "{kind: VolumeAttachment, metadata: {name: t}, spec: {attacher: d, nodeName: node, source: {persistentVolumeName: p}}}";
        hint(EventKind::VolumeAttachmentDelete, Some(attachment), None, true);
    }
}
