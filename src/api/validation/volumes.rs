//! A pod's volumes. Upstream: `ValidateVolumes`, `validateVolumeSource`. Left out: what cloud, iSCSI and projected
//! sources need inside.

use k8s_openapi::api::core::v1;
use std::collections::BTreeSet;

use super::field::{Errors, Path};
use super::shown;
use crate::api::Quantity;
use crate::api::text::is_dns1123_label;

/// Judges the volumes; gives the names of those that are right, which alone may be mounted.
pub(super) fn volumes<'a>(path: &Path, volumes: &'a [v1::Volume], errors: &mut Errors) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        let mut mistakes = Errors::default();
        source(&path, volume, &mut mistakes);
        let at = path.child("name");
        if volume.name.is_empty() {
            mistakes.required(&at, "");
        } else {
            mistakes.complaints(&at, &volume.name, is_dns1123_label(&volume.name));
        }
        if names.contains(volume.name.as_str()) {
            mistakes.duplicate(&at, volume.name.as_str());
        }
        if mistakes.0.is_empty() {
            names.insert(volume.name.as_str());
        }
        errors.0.append(&mut mistakes.0);
    }
    names
}

fn source(path: &Path, volume: &v1::Volume, errors: &mut Errors) {
    let sources = shown(volume);
    let mut found: Vec<&str> = sources
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != "name")
        .collect();
    // Upstream asks for emptyDir first, so every other source is the one too many.
    found.sort_by_key(|name| (*name != "emptyDir", *name != "hostPath"));
    if found.is_empty() {
        errors.required(path, "must specify a volume type");
    }
    for extra in found.iter().skip(1) {
        errors.forbidden(&path.child(extra), "may not specify more than 1 volume type");
    }
    match found.first().copied() {
        Some("emptyDir") => empty_dir(path, volume, errors),
        Some("hostPath") => host_path(path, volume, errors),
        Some("secret") => {
            let secret = volume.secret.clone().unwrap_or_default();
            needed(&path.child("secret").child("secretName"), secret.secret_name.as_deref(), errors);
            mode(&path.child("secret").child("defaultMode"), secret.default_mode, errors);
        }
        Some("configMap") => {
            let config = volume.config_map.clone().unwrap_or_default();
            needed(&path.child("configMap").child("name"), Some(&config.name), errors);
            mode(&path.child("configMap").child("defaultMode"), config.default_mode, errors);
        }
        Some("persistentVolumeClaim") => {
            let claim = volume.persistent_volume_claim.clone().unwrap_or_default();
            needed(&path.child("persistentVolumeClaim").child("claimName"), Some(&claim.claim_name), errors);
        }
        Some("nfs") => {
            let nfs = volume.nfs.clone().unwrap_or_default();
            needed(&path.child("nfs").child("server"), Some(&nfs.server), errors);
            needed(&path.child("nfs").child("path"), Some(&nfs.path), errors);
        }
        Some("csi") => {
            let csi = volume.csi.clone().unwrap_or_default();
            needed(&path.child("csi").child("driver"), Some(&csi.driver), errors);
        }
        Some(_) | None => {}
    }
}

fn empty_dir(path: &Path, volume: &v1::Volume, errors: &mut Errors) {
    let limit = volume.empty_dir.as_ref().and_then(|source| source.size_limit.as_ref());
    if limit.and_then(|limit| Quantity::try_from(limit).ok()).is_some_and(|limit| limit < Quantity::zero()) {
        let detail = "SizeLimit field must be a valid resource quantity";
        errors.forbidden(&path.child("emptyDir").child("sizeLimit"), detail);
    }
}

fn host_path(path: &Path, volume: &v1::Volume, errors: &mut Errors) {
    let host = volume.host_path.clone().unwrap_or_default();
    let path = path.child("hostPath");
    needed(&path.child("path"), Some(&host.path), errors);
    if host.path.split('/').any(|part| part == "..") {
        errors.invalid(&path.child("path"), host.path.as_str(), "must not contain '..'");
    }
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    let kind = host.type_.as_deref().unwrap_or_default();
    if !TYPES.contains(&kind) {
        errors.not_supported(&path.child("type"), kind, &TYPES);
    }
}

fn needed(path: &Path, text: Option<&str>, errors: &mut Errors) {
    if text.is_none_or(str::is_empty) {
        errors.required(path, "");
    }
}

fn mode(path: &Path, mode: Option<i32>, errors: &mut Errors) {
    if let Some(mode) = mode.filter(|mode| !(0..=0o777).contains(mode)) {
        errors.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}
