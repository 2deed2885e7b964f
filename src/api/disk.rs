//! Disks: volumes of CSI drivers, as PersistentVolumes describe them and as controllers and kubelets call them.
//! Upstream: `pkg/volume/csi` (`csi_attacher.go`, `csi_plugin.go`), `pkg/volume/util`.
//!
//! Left out: volumes of plugins that were compiled in once (`awsElasticBlockStore`, …): nothing attaches them, and they
//! are mounted like those that need no attaching.

use sha2::{Digest, Sha256};

use super::{Name, Obj, Quantity, Untyped};

/// A volume of a CSI driver.
#[derive(Clone, PartialEq, Debug)]
pub struct Disk {
    /// The name of its PersistentVolume.
    pub volume: Name,
    /// Its driver.
    pub driver: Name,
    /// What the driver calls it.
    pub handle: Name,
    /// Whether several nodes may have it at a time. Upstream: `IsMultiAttachAllowed`.
    pub is_shared: bool,
    /// How large it is.
    pub size: Quantity,
}

impl Disk {
    /// The disk of a PersistentVolume; none for volumes without a CSI driver.
    pub fn of(volume: &Obj<Untyped>) -> Option<Disk> {
        let spec = volume.body.fields.get("spec")?;
        let text = |path: &str| spec.pointer(path).and_then(serde_json::Value::as_str);
        let modes: Vec<&str> = spec
            .get("accessModes")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
            .collect();
        Some(Disk {
            volume: volume.meta.name.clone(),
            driver: text("/csi/driver")?.into(),
            handle: text("/csi/volumeHandle")?.into(),
            is_shared: modes.is_empty() || modes.iter().any(|mode| ["ReadWriteMany", "ReadOnlyMany"].contains(mode)),
            size: text("/capacity/storage").and_then(|size| size.parse().ok()).unwrap_or_else(Quantity::zero),
        })
    }

    /// What the status of a node calls it. Upstream: `GetUniqueVolumeName`.
    pub fn unique_name(&self) -> Name {
        ecow::eco_format!("kubernetes.io/csi/{}^{}", self.driver, self.handle)
    }

    /// The name of the VolumeAttachment that brings it to a node. Upstream: `getAttachmentName`.
    pub fn attachment(&self, node: &str) -> Name {
        let mut hash = Sha256::new();
        hash.update(self.handle.as_bytes());
        hash.update(self.driver.as_bytes());
        hash.update(node.as_bytes());
        hash.finalize().iter().fold(Name::from("csi-"), |name, byte| ecow::eco_format!("{name}{byte:02x}"))
    }
}

/// Whether the disks of a driver have to be attached: they have, unless its CSIDriver says otherwise. Upstream: `CanAttach`.
pub fn needs_attachment(driver: Option<&Obj<Untyped>>) -> bool {
    let spec = driver.and_then(|driver| driver.body.fields.get("spec"));
    spec.and_then(|spec| spec.get("attachRequired")) != Some(&serde_json::Value::Bool(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Kind, Object, convert};
    use serde_json::{Value, json};

    fn stored(kind: Kind, value: Value) -> std::sync::Arc<Obj<Untyped>> {
        match convert::from_json(kind, value).expect("a good object") {
            Object::Untyped(stored) => stored,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(modes: &[&str], is_shared: bool) {
        let csi = json!({"driver": "csi.example.com", "volumeHandle": "d-1"});
        let spec = json!({"capacity": {"storage": "5Gi"}, "accessModes": modes, "csi": csi});
        let volume = stored(Kind::PersistentVolume, json!({"metadata": {"name": "v"}, "spec": spec}));
        let disk = Disk::of(&volume).expect("a disk");
        assert_eq!(disk.is_shared, is_shared, "{modes:?}");
        assert_eq!(disk.unique_name(), "kubernetes.io/csi/csi.example.com^d-1");
        assert_eq!(disk.size.to_string(), "5Gi");
    }

    #[test]
    fn a_disk_is_shared_where_a_mode_allows_many_nodes() {
        check(&["ReadWriteOnce"], false);
        check(&["ReadWriteOncePod"], false);
        check(&["ReadWriteOnce", "ReadOnlyMany"], true);
        check(&["ReadWriteMany"], true);
    }

    #[test]
    fn an_attachment_is_named_by_the_hash_of_what_it_joins() {
        let size = Quantity::zero();
        let disk = Disk { volume: "v".into(), driver: "b".into(), handle: "a".into(), is_shared: false, size };
        // printf abc | sha256sum
        let expected = "csi-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(disk.attachment("c"), expected);
    }

    #[test]
    fn a_driver_attaches_unless_it_says_otherwise() {
        let driver = |spec| stored(Kind::CSIDriver, json!({"metadata": {"name": "d"}, "spec": spec}));
        assert!(needs_attachment(None));
        assert!(needs_attachment(Some(&driver(json!({})))));
        assert!(needs_attachment(Some(&driver(json!({"attachRequired": true})))));
        assert!(!needs_attachment(Some(&driver(json!({"attachRequired": false})))));
    }
}
