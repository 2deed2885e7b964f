//! Volumes, claims and storage classes. Upstream: `pkg/apis/core/v1/defaults.go`, `pkg/apis/storage/v1/defaults.go`.

use serde_json::json;

use super::{Fields, default, default_text, each, pod, within, within_new};

/// The mode of files in volumes that the kubelet writes, 0644.
const FILE_MODE: i64 = 420;

/// One of a pod's volumes. Without a source it is an `emptyDir`.
pub(super) fn volume(volume: &mut Fields) {
    if !pod::has_source(volume) {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["secret", "configMap", "projected"] {
        within(volume, source, |source| default(source, "defaultMode", FILE_MODE));
    }
    within(volume, "downwardAPI", |source| {
        default(source, "defaultMode", FILE_MODE);
        each(source, "items", pod::value_source);
    });
    within(volume, "projected", |projected| {
        each(projected, "sources", |source| {
            within(source, "serviceAccountToken", |token| default(token, "expirationSeconds", 3600));
            within(source, "downwardAPI", |downward| each(downward, "items", pod::value_source));
        });
    });
    within(volume, "ephemeral", |ephemeral| {
        within(ephemeral, "volumeClaimTemplate", |template| {
            within(template, "spec", claim_spec);
        });
    });
    shared_sources(volume);
}

/// Sources that pods and PersistentVolumes have in common.
fn shared_sources(volume: &mut Fields) {
    within(volume, "hostPath", |source| default(source, "type", ""));
    within(volume, "azureDisk", |source| {
        default(source, "cachingMode", "ReadWrite");
        default(source, "kind", "Shared");
        default(source, "fsType", "ext4");
        default(source, "readOnly", false);
    });
}

pub(super) fn persistent_volume(object: &mut Fields) {
    within(object, "spec", |spec| {
        default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
        default(spec, "volumeMode", "Filesystem");
        shared_sources(spec);
    });
    within_new(object, "status", |status| default_text(status, "phase", "Pending"));
}

pub(super) fn claim(object: &mut Fields) {
    within(object, "spec", claim_spec);
    within_new(object, "status", |status| default_text(status, "phase", "Pending"));
}

fn claim_spec(spec: &mut Fields) {
    default(spec, "volumeMode", "Filesystem");
}

pub(super) fn storage_class(object: &mut Fields) {
    default(object, "reclaimPolicy", "Delete");
    default(object, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        default(spec, "attachRequired", true);
        default(spec, "podInfoOnMount", false);
        default(spec, "storageCapacity", false);
        default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        default(spec, "volumeLifecycleModes", json!(["Persistent"]));
        default(spec, "requiresRepublish", false);
        default(spec, "seLinuxMount", false);
    });
}
