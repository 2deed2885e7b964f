//! VolumeRestrictions: disks that cannot be mounted twice, and claims that only one pod may use.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1;

use crate::api::{Name, Obj, Pod};
use crate::scheduler::volumes::{claim_not_found, named_claims_of, volumes_of};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeView, Plugin, PluginArgs,
    PluginEntry, PreFilter, Reach, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "VolumeRestrictions",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    weight: 0,
    doc: "rejects nodes where a disk of the pod (GCE PD, AWS EBS, RBD, iSCSI) is mounted in a way that excludes it, and \
          all nodes while another pod uses one of its ReadWriteOncePod claims",
    source: "pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go",
    events: &[EventKind::AssignedPodDelete, EventKind::NodeAdd, EventKind::ClaimAdd],
    plugin: &VolumeRestrictions,
};

const DISK_CONFLICT: &str = "node(s) had no available disk";
const ONE_POD_CONFLICT: &str =
    "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

#[derive(Debug)]
struct VolumeRestrictions;

/// A disk that a pod mounts itself, without a claim.
#[derive(Clone, PartialEq, Debug)]
enum Disk {
    /// By name, and whether it is mounted to be read only.
    Gce(Name, bool),
    Ebs(Name),
    /// By qualified name, and whether it is mounted to be read only.
    Iscsi(Name, bool),
    /// By monitors, pool and image, and whether it is mounted to be read only.
    Rbd(Vec<Name>, (Option<Name>, Name), bool),
}

impl Disk {
    /// The disks of a volume; it has one kind of source, unless nobody has validated it.
    fn of_volume(volume: &v1::Volume) -> impl Iterator<Item = Disk> {
        let gce = volume.gce_persistent_disk.as_ref();
        let gce = gce.map(|disk| Disk::Gce((&disk.pd_name).into(), disk.read_only == Some(true)));
        let ebs = volume.aws_elastic_block_store.as_ref().map(|disk| Disk::Ebs((&disk.volume_id).into()));
        let iscsi = volume.iscsi.as_ref();
        let iscsi = iscsi.map(|disk| Disk::Iscsi((&disk.iqn).into(), disk.read_only == Some(true)));
        let rbd = volume.rbd.as_ref().map(|disk| {
            let monitors = disk.monitors.iter().map(Name::from).collect();
            let pool = disk.pool.as_ref().filter(|pool| !pool.is_empty()).map(Name::from);
            Disk::Rbd(monitors, (pool, (&disk.image).into()), disk.read_only == Some(true))
        });
        [gce, ebs, iscsi, rbd].into_iter().flatten()
    }

    fn of_pod(pod: &Obj<Pod>) -> impl Iterator<Item = Disk> {
        volumes_of(pod).iter().flat_map(Disk::of_volume)
    }

    /// Whether the two cannot be mounted on one node.
    fn excludes(&self, other: &Disk) -> bool {
        match (self, other) {
            (Disk::Gce(one, read_one), Disk::Gce(two, read_two)) => one == two && !(*read_one && *read_two),
            (Disk::Ebs(one), Disk::Ebs(two)) => one == two,
            (Disk::Iscsi(one, read_one), Disk::Iscsi(two, read_two)) => one == two && !(*read_one && *read_two),
            (Disk::Rbd(monitors, image, read_one), Disk::Rbd(others, other_image, read_two)) => {
                let same = image == other_image && monitors.iter().any(|monitor| others.contains(monitor));
                same && !(*read_one && *read_two)
            }
            (Disk::Gce(..) | Disk::Ebs(_) | Disk::Iscsi(..) | Disk::Rbd(..), _) => false,
        }
    }
}

impl Plugin for VolumeRestrictions {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        if volumes_of(cycle.pod).is_empty() {
            return PreFilter::Skip;
        }
        let namespace = &cycle.pod.meta.namespace;
        let mut filter = Filter { disks: Disk::of_pod(cycle.pod).collect(), ..Filter::default() };
        for name in named_claims_of(cycle.pod) {
            filter.has_claims = true;
            match cycle.cluster.volumes.claim(namespace, name) {
                None => {
                    let reason = claim_not_found(name);
                    return PreFilter::Reject(Status::text(Code::UnschedulableAndUnresolvable, reason));
                }
                Some(claim) if claim.is_for_one_pod() => {
                    filter.claims.insert(name.into());
                }
                Some(_) => {}
            }
        }
        filter.users = filter.claims.iter().filter(|claim| is_used(cycle.cluster, namespace, claim)).count() as i64;
        filter.is_open = filter.disks.is_empty() && filter.users == 0;
        if filter.is_open && !filter.has_claims { PreFilter::Skip } else { PreFilter::Filter(Box::new(filter)) }
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        match event.kind {
            EventKind::AssignedPodDelete => event.pod().0.is_some_and(|gone| {
                let shares = |claim| named_claims_of(pod).any(|own| own == claim);
                gone.meta.namespace == pod.meta.namespace
                    && (Disk::of_pod(pod).any(|disk| Disk::of_pod(gone).any(|other| disk.excludes(&other)))
                        || named_claims_of(gone).any(shares))
            }),
            EventKind::ClaimAdd => event.untyped().1.is_some_and(|claim| {
                claim.meta.namespace == pod.meta.namespace && named_claims_of(pod).any(|own| own == claim.meta.name)
            }),
            _ => true,
        }
    }
}

/// Whether a pod on a node that is there uses a claim. Upstream: `IsPVCUsedByPods`.
fn is_used(cluster: &Cluster, namespace: &Name, claim: &str) -> bool {
    let is_there = |slot| cluster.pods.get(slot).is_some_and(|entry| cluster.nodes.row(entry.node).present);
    cluster.volumes.users(namespace, claim).any(is_there)
}

#[derive(Clone, Debug, Default)]
struct Filter {
    disks: Vec<Disk>,
    /// The claims of the pod that only one pod may use.
    claims: BTreeSet<Name>,
    /// How often others use them: once for each that is used at all, and as often as pods that come and go name them.
    users: i64,
    /// Whether the pod names claims at all.
    has_claims: bool,
    /// Whether upstream would skip it: whatever comes or goes, it rejects nothing.
    is_open: bool,
}

impl Filter {
    /// How often a pod names the claims; as upstream, whatever its namespace.
    fn uses(&self, pod: &Obj<Pod>) -> i64 {
        named_claims_of(pod).filter(|claim| self.claims.contains(*claim)).count() as i64
    }
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        if self.is_open {
            return None;
        }
        let is_excluded = |disk: &Disk| {
            let mut mounted = node.info.pods.iter().flat_map(|pod| Disk::of_pod(pod));
            mounted.any(|other| disk.excludes(&other))
        };
        if self.disks.iter().any(is_excluded) {
            return Some(Status::fixed(Code::Unschedulable, DISK_CONFLICT));
        }
        (self.users > 0).then(|| Status::fixed(Code::Unschedulable, ONE_POD_CONFLICT))
    }

    fn reach(&self) -> Reach {
        if self.has_claims { Reach::Cluster } else { Reach::Node }
    }

    fn add_pod(&mut self, _cluster: &Cluster, pod: &Obj<Pod>, _node: NodeView) {
        self.users += self.uses(pod);
    }

    fn remove_pod(&mut self, _cluster: &Cluster, pod: &Obj<Pod>, _node: NodeView) {
        self.users -= self.uses(pod);
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::{
        check_filter_among, check_filter_beside, check_hint, node, object, pod, pod_numbered,
    };
    use crate::scheduler::{Cluster, Cycle, EventKind, PluginArgs, PreFilter};

    const ONE_POD: &str = "Unschedulable: node has pod using PersistentVolumeClaim with the same name and \
                           ReadWriteOncePod access mode";

    #[track_caller]
    fn check(mounted: &str, wanted: &str, free: bool) {
        let pod = |volume: &str| format!("{{containers: [], volumes: [{{name: v, {volume}}}]}}");
        let rejected = "Unschedulable: node(s) had no available disk";
        check_filter_beside("VolumeRestrictions", &pod(wanted), "{}", &[&pod(mounted)], (!free).then_some(rejected));
    }

    #[test]
    fn disks_are_mounted_once_unless_all_only_read() {
        let gce = |name: &str, read: bool| format!("gcePersistentDisk: {{pdName: {name}, readOnly: {read}}}");
        check(&gce("a", false), &gce("b", false), true);
        check(&gce("a", false), &gce("a", false), false);
        check(&gce("a", true), &gce("a", false), false);
        check(&gce("a", true), &gce("a", true), true);
        let ebs = |name: &str| format!("awsElasticBlockStore: {{volumeID: {name}, readOnly: true}}");
        check(&ebs("a"), &ebs("a"), false);
        check(&ebs("a"), &ebs("b"), true);
        let iscsi =
            |portal: &str, read: bool| format!("iscsi: {{targetPortal: {portal}, iqn: q, lun: 0, readOnly: {read}}}");
        check(&iscsi("x", false), &iscsi("y", false), false);
        check(&iscsi("x", true), &iscsi("y", true), true);
        let rbd = |monitors: &str, pool: &str, read: bool| {
            format!("rbd: {{monitors: [{monitors}], pool: {pool}, image: i, readOnly: {read}}}")
        };
        check(&rbd("a, b", "p", false), &rbd("b, c", "p", false), false);
        check(&rbd("a", "p", false), &rbd("b", "p", false), true);
        check(&rbd("a", "p", false), &rbd("a", "q", false), true);
        check(&rbd("a", "p", true), &rbd("a", "p", true), true);
        check(&gce("a", false), &ebs("a"), true);
    }

    #[track_caller]
    fn check_claim(mode: &str, used: &str, wanted: &str, expected: Option<&str>) {
        let claim = format!(
            "{{kind: PersistentVolumeClaim, metadata: {{name: c, namespace: default}}, spec: {{accessModes: [{mode}]}}}}"
        );
        let pod = |claim: &str| {
            format!("{{containers: [], volumes: [{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}]}}")
        };
        check_filter_among("VolumeRestrictions", &[&claim], &pod(wanted), "{}", &[&pod(used)], expected);
    }

    #[test]
    fn a_claim_for_one_pod_is_for_one_pod() {
        check_claim("ReadWriteOncePod", "c", "c", Some(ONE_POD));
        check_claim("ReadWriteOncePod", "d", "c", None);
        check_claim("ReadWriteOnce", "c", "c", None);
        let missing = "UnschedulableAndUnresolvable: persistentvolumeclaim \"d\" not found";
        check_claim("ReadWriteOncePod", "c", "d", Some(missing));
    }

    const ONE_CLAIM: &str = "{kind: PersistentVolumeClaim, metadata: {name: c, namespace: default}, spec: {accessModes: [ReadWriteOncePod]}}";
    const POD: &str = "{containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}";

    #[test]
    fn the_claim_is_free_once_its_pod_is_thought_away() {
        let mut cluster = Cluster::default();
        cluster.apply(&object(ONE_CLAIM));
        let number = cluster.nodes.set(&node("node", "{}"));
        let user = pod_numbered(1, "user", POD);
        let args = PluginArgs::upstream();
        let wanted = pod("pod", POD);
        let prepare =
            |cluster: &Cluster| match super::ENTRY.plugin.pre_filter(&Cycle { pod: &wanted, cluster, args: &args }) {
                PreFilter::Filter(filter) => filter,
                _ => panic!("a pod with claims is filtered"),
            };
        let mut open = prepare(&cluster);
        let draft = cluster.nodes.draft(number);
        open.add_pod(&cluster, &user, draft.view());
        assert_eq!(open.check(&cluster, draft.view()), None, "upstream skips the plugin, whoever comes in thought");
        cluster.assume(&user, number);
        let mut filter = prepare(&cluster);
        assert!(filter.check(&cluster, draft.view()).is_some(), "on any node");
        filter.remove_pod(&cluster, &user, draft.view());
        assert_eq!(filter.check(&cluster, draft.view()), None);
        filter.add_pod(&cluster, &user, draft.view());
        assert!(filter.check(&cluster, draft.view()).is_some());
    }

    #[test]
    fn events_that_may_help_are_told_from_those_that_do_not() {
        check_hint("VolumeRestrictions", EventKind::ClaimAdd, None, Some(ONE_CLAIM), POD, true);
        check_hint("VolumeRestrictions", EventKind::ClaimUpdate, Some(ONE_CLAIM), Some(ONE_CLAIM), POD, false);
        check_hint("VolumeRestrictions", EventKind::AssignedPodDelete, Some(POD), None, POD, true);
        let other = POD.replace("claimName: c", "claimName: d");
        check_hint("VolumeRestrictions", EventKind::AssignedPodDelete, Some(&other), None, POD, false);
        let disk = "{containers: [], volumes: [{name: v, awsElasticBlockStore: {volumeID: a}}]}";
        check_hint("VolumeRestrictions", EventKind::AssignedPodDelete, Some(disk), None, disk, true);
        check_hint("VolumeRestrictions", EventKind::AssignedPodDelete, Some(POD), None, disk, false);
    }
}
