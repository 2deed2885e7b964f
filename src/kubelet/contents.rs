//! What a program reads in its environment and in the files of its ConfigMaps and Secrets.
//! Upstream: `kubelet_pods.go` (`makeEnvironmentVariables`), `pkg/volume/{configmap,secret,projected}`.
//!
//! Left out: `$(NAME)` within values, `fieldRef` and `resourceFieldRef`, `subPathExpr`, files of other volumes.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1;

use super::behaviour::Reading;
use super::pod::PodRecord;
use super::sources::{Need, Of};
use crate::api::{Kind, Object};
use crate::kernel::Time;

/// The objects that a pod's needs were met with, by the number of the need.
pub(super) type Contents = [Option<Object>];

/// How a container's program sees its configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct View {
    /// By the number of the declaration: whether it reads that.
    pub(super) reads: Vec<bool>,
    /// When it could not serve for what it read, in this life.
    pub(super) unready: Vec<(Time, Time)>,
}

/// Whether what is read can change while the program runs: files, other than those mounted by `subPath`.
pub(super) fn can_change(container: &v1::Container, reading: &Reading) -> bool {
    match reading {
        Reading::Env(_) => false,
        Reading::File(path) => mount_of(container, path).is_some_and(|mount| mount.sub_path.is_none()),
    }
}

/// What a program reads; `None`: nothing is there.
pub(super) fn read(
    record: &PodRecord,
    index: usize,
    reading: &Reading,
    needs: &[Need],
    contents: &Contents,
) -> Option<String> {
    let container = record.spec(index);
    let object = |kind: Kind, name: &str, of: fn(Of, u16) -> bool| {
        let with = needs.iter().zip(contents);
        let mut found = with.filter(|(need, _)| need.kind == kind && need.name == name && of(need.of, index as u16));
        found.find_map(|(_, object)| object.as_ref())
    };
    match reading {
        Reading::Env(name) => {
            let of_container = |kind, name: &str| object(kind, name, |of, index| of == Of::Container(index));
            variable(container, name, of_container)
        }
        Reading::File(path) => {
            let of_volume = |kind, name: &str| object(kind, name, |of, _| matches!(of, Of::Volume(_)));
            file(&record.pod.body.spec.full, container, path, of_volume)
        }
    }
}

/// Later ones win, and those of `env` over those of `envFrom`.
fn variable<'a>(
    container: &v1::Container,
    name: &str,
    object: impl Fn(Kind, &str) -> Option<&'a Object>,
) -> Option<String> {
    if let Some(found) = container.env.iter().flatten().rev().find(|variable| variable.name == name) {
        let Some(from) = &found.value_from else { return Some(found.value.clone().unwrap_or_default()) };
        if let Some(map) = &from.config_map_key_ref {
            return value(object(Kind::ConfigMap, &map.name)?, &map.key);
        }
        let secret = from.secret_key_ref.as_ref()?;
        return value(object(Kind::Secret, &secret.name)?, &secret.key);
    }
    container.env_from.iter().flatten().rev().find_map(|from| {
        let key = name.strip_prefix(from.prefix.as_deref().unwrap_or_default())?;
        let of_map = from.config_map_ref.as_ref().and_then(|map| value(object(Kind::ConfigMap, &map.name)?, key));
        of_map.or_else(|| value(object(Kind::Secret, &from.secret_ref.as_ref()?.name)?, key))
    })
}

/// The mount in which a path lies: the innermost.
fn mount_of<'a>(container: &'a v1::Container, path: &str) -> Option<&'a v1::VolumeMount> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts.filter(|mount| below(&mount.mount_path, path).is_some()).max_by_key(|mount| mount.mount_path.len())
}

/// What is left of a path below a folder.
fn below<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn file<'a>(
    spec: &v1::PodSpec,
    container: &v1::Container,
    path: &str,
    object: impl Fn(Kind, &str) -> Option<&'a Object>,
) -> Option<String> {
    let mount = mount_of(container, path)?;
    let rest = below(&mount.mount_path, path)?;
    let inside = match mount.sub_path.as_deref() {
        Some(sub) if rest.is_empty() => sub.to_owned(),
        Some(sub) => format!("{sub}/{rest}"),
        None => rest.to_owned(),
    };
    let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name)?;
    let of = |kind, name: &str, items: &Option<Vec<v1::KeyToPath>>| {
        let key = match items {
            Some(items) if !items.is_empty() => &items.iter().find(|item| item.path == inside)?.key,
            Some(_) | None => &inside,
        };
        value(object(kind, name)?, key)
    };
    if let Some(map) = &volume.config_map {
        return of(Kind::ConfigMap, &map.name, &map.items);
    }
    if let Some(secret) = &volume.secret {
        return of(Kind::Secret, secret.secret_name.as_deref().unwrap_or_default(), &secret.items);
    }
    volume.projected.as_ref()?.sources.iter().flatten().rev().find_map(|source| {
        let of_map = source.config_map.as_ref().and_then(|map| of(Kind::ConfigMap, &map.name, &map.items));
        of_map.or_else(|| source.secret.as_ref().and_then(|secret| of(Kind::Secret, &secret.name, &secret.items)))
    })
}

/// The text of a key. What is no text counts as not there.
fn value(object: &Object, key: &str) -> Option<String> {
    let Object::Untyped(object) = object else { return None };
    let of = |part: &str| object.body.fields.get(part).and_then(|data| data.get(key)).cloned();
    let decoded = |value: serde_json::Value| {
        let bytes: ByteString = serde_json::from_value(value).ok()?;
        String::from_utf8(bytes.0).ok()
    };
    if object.meta.id.kind == Kind::Secret {
        return of("data").and_then(decoded);
    }
    of("data").and_then(|text| text.as_str().map(str::to_owned)).or_else(|| of("binaryData").and_then(decoded))
}
