//! Volumes of in-tree plugins, under the names that the CSI drivers have for them that took over their work.
//! Upstream: `staging/src/k8s.io/csi-translation-lib`, `nodevolumelimits/utils.go`.
//!
//! Left out: the translation of node affinity into the topology keys of the drivers, which VolumeBinding would do for
//! nodes whose CSINode lists the plugin as migrated; volumes of AzureFile and vSphere, which no limit counts.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1;

use super::records::CsiNode;
use crate::api::{Labels, Name};

/// A plugin whose volumes limits count where a CSI driver has taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InTree {
    /// `kubernetes.io/aws-ebs`
    AwsEbs,
    /// `kubernetes.io/gce-pd`
    GcePd,
    /// `kubernetes.io/azure-disk`
    AzureDisk,
    /// `kubernetes.io/cinder`
    Cinder,
    /// `kubernetes.io/portworx-volume`
    Portworx,
}

const ALL: [InTree; 5] = [InTree::AwsEbs, InTree::GcePd, InTree::AzureDisk, InTree::Cinder, InTree::Portworx];
/// Plugins that could be migrated, and that no limit counts.
const UNCOUNTED: [&str; 2] = ["kubernetes.io/azure-file", "kubernetes.io/vsphere-volume"];

/// Who makes the volumes of a class, as limits see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Provisioner<'a> {
    /// A driver.
    Driver(&'a str),
    /// An in-tree plugin that may be migrated.
    InTree(InTree),
    /// One that is not counted.
    Uncounted,
}

impl<'a> Provisioner<'a> {
    /// By the `provisioner` of a class.
    pub fn of(name: &'a str) -> Provisioner<'a> {
        match ALL.into_iter().find(|plugin| plugin.name() == name) {
            Some(plugin) => Provisioner::InTree(plugin),
            None if UNCOUNTED.contains(&name) => Provisioner::Uncounted,
            None => Provisioner::Driver(name),
        }
    }
}

impl InTree {
    /// What the plugin is called.
    pub fn name(self) -> &'static str {
        match self {
            InTree::AwsEbs => "kubernetes.io/aws-ebs",
            InTree::GcePd => "kubernetes.io/gce-pd",
            InTree::AzureDisk => "kubernetes.io/azure-disk",
            InTree::Cinder => "kubernetes.io/cinder",
            InTree::Portworx => "kubernetes.io/portworx-volume",
        }
    }

    /// The driver that has taken over.
    pub fn driver(self) -> &'static str {
        match self {
            InTree::AwsEbs => "ebs.csi.aws.com",
            InTree::GcePd => "pd.csi.storage.gke.io",
            InTree::AzureDisk => "disk.csi.azure.com",
            InTree::Cinder => "cinder.csi.openstack.org",
            InTree::Portworx => "pxd.portworx.com",
        }
    }

    /// Whether the driver has taken over on a node. Upstream counts it so wherever a CSINode is, but for Portworx, which
    /// the CSINode must list.
    pub fn is_migrated(self, node: Option<&CsiNode>) -> bool {
        match self {
            InTree::AwsEbs | InTree::GcePd | InTree::AzureDisk | InTree::Cinder => node.is_some(),
            InTree::Portworx => node.is_some_and(|node| node.migrated.iter().any(|listed| listed == self.name())),
        }
    }

    /// The plugin of a PersistentVolume, and the driver's name for the volume where it can be told.
    pub fn of_volume(spec: &v1::PersistentVolumeSpec, labels: &Labels) -> Option<(InTree, Option<Name>)> {
        if let Some(disk) = &spec.aws_elastic_block_store {
            return Some((InTree::AwsEbs, ebs_handle(&disk.volume_id)));
        }
        if let Some(disk) = &spec.gce_persistent_disk {
            return Some((InTree::GcePd, gce_handle(&disk.pd_name, labels)));
        }
        if let Some(disk) = &spec.azure_disk {
            return Some((InTree::AzureDisk, Some((&disk.disk_uri).into())));
        }
        if let Some(disk) = &spec.cinder {
            return Some((InTree::Cinder, Some((&disk.volume_id).into())));
        }
        let volume = spec.portworx_volume.as_ref()?;
        Some((InTree::Portworx, Some((&volume.volume_id).into())))
    }

    /// The same of a volume that stands in the pod itself.
    pub fn of_inline(volume: &v1::Volume) -> Option<(InTree, Option<Name>)> {
        if let Some(disk) = &volume.aws_elastic_block_store {
            return Some((InTree::AwsEbs, ebs_handle(&disk.volume_id)));
        }
        if let Some(disk) = &volume.gce_persistent_disk {
            return Some((InTree::GcePd, gce_handle(&disk.pd_name, &Labels::default())));
        }
        if let Some(disk) = &volume.azure_disk {
            return Some((InTree::AzureDisk, Some((&disk.disk_uri).into())));
        }
        if let Some(disk) = &volume.cinder {
            return Some((InTree::Cinder, Some((&disk.volume_id).into())));
        }
        let volume = volume.portworx_volume.as_ref()?;
        Some((InTree::Portworx, Some((&volume.volume_id).into())))
    }
}

/// `aws://zone/vol-1` is `vol-1`. Upstream: `KubernetesVolumeIDToEBSVolumeID`.
fn ebs_handle(id: &str) -> Option<Name> {
    let Some(rest) = id.strip_prefix("aws://") else { return Some(id.into()) };
    let path = rest.split_once('/').map_or("", |(_, path)| path).trim_matches('/');
    (path.starts_with("vol-") && !path.contains('/')).then(|| path.into())
}

/// The zone, or the region of several zones, as the labels of the volume tell.
fn gce_handle(disk: &str, labels: &Labels) -> Option<Name> {
    let label = |key: &str| labels.get(key).filter(|zones| !zones.is_empty());
    let zones = label("failure-domain.beta.kubernetes.io/zone").or_else(|| label("topology.kubernetes.io/zone"));
    let zones: Vec<&str> = zones.map(|zones| zones.split("__").collect()).unwrap_or_default();
    let place = match zones.as_slice() {
        [] => "UNSPECIFIED",
        [zone] => zone,
        several => region_of(several)?,
    };
    Some(ecow::eco_format!("projects/UNSPECIFIED/zones/{place}/disks/{disk}"))
}

fn region_of<'a>(zones: &[&'a str]) -> Option<&'a str> {
    let region =
        |zone: &'a str| zone.rsplit_once('-').map(|(region, _)| region).filter(|r| r.matches('-').count() == 1);
    let regions: Option<BTreeSet<&str>> = zones.iter().map(|zone| region(zone)).collect();
    let regions = regions?;
    if regions.len() == 1 { regions.into_iter().next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(volume: &str, zones: &str, expected: Option<&str>) {
        let spec: v1::PersistentVolumeSpec = serde_saphyr::from_str(volume).expect("the test's volume can be read");
        let labels: Labels =
            [("topology.kubernetes.io/zone", zones)].into_iter().filter(|(_, zones)| !zones.is_empty()).collect();
        let (plugin, handle) = InTree::of_volume(&spec, &labels).expect("it is one of an in-tree plugin");
        let said = handle.map(|handle| format!("{} {handle}", plugin.driver()));
        assert_eq!(said.as_deref(), expected, "{volume}");
    }

    #[test]
    fn drivers_have_names_of_their_own_for_volumes() {
        check("{awsElasticBlockStore: {volumeID: vol-1}}", "", Some("ebs.csi.aws.com vol-1"));
        check("{awsElasticBlockStore: {volumeID: aws://us-1a/vol-1}}", "", Some("ebs.csi.aws.com vol-1"));
        check("{awsElasticBlockStore: {volumeID: aws:///vol-1}}", "", Some("ebs.csi.aws.com vol-1"));
        check("{awsElasticBlockStore: {volumeID: aws://us-1a/disk}}", "", None);
        let gce = "{gcePersistentDisk: {pdName: d}}";
        let place = |place: &str| format!("pd.csi.storage.gke.io projects/UNSPECIFIED/zones/{place}/disks/d");
        check(gce, "", Some(&place("UNSPECIFIED")));
        check(gce, "us-east1-b", Some(&place("us-east1-b")));
        check(gce, "us-east1-b__us-east1-c", Some(&place("us-east1")));
        check(gce, "us-east1-b__us-west1-c", None);
        check("{azureDisk: {diskName: a, diskURI: /a}}", "", Some("disk.csi.azure.com /a"));
        check("{cinder: {volumeID: c}}", "", Some("cinder.csi.openstack.org c"));
        check("{portworxVolume: {volumeID: p}}", "", Some("pxd.portworx.com p"));
    }

    #[test]
    fn a_driver_has_taken_over_where_a_csinode_is() {
        let listed = CsiNode { migrated: vec!["kubernetes.io/portworx-volume".into()], ..CsiNode::default() };
        assert!(!InTree::AwsEbs.is_migrated(None) && InTree::AwsEbs.is_migrated(Some(&CsiNode::default())));
        assert!(
            !InTree::Portworx.is_migrated(Some(&CsiNode::default())) && InTree::Portworx.is_migrated(Some(&listed))
        );
    }
}
