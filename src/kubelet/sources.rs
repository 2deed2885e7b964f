//! ConfigMaps and Secrets that pods refer to: what is referred to, and what is wrong with what was found.
//! Upstream: `pkg/volume/{configmap,secret,projected}`, `kubelet_pods.go` (`makeEnvironmentVariables`).
//!
//! References that the simulation has no use for (`imagePullSecrets`, Secrets of storage drivers) are not looked at.

use k8s_openapi::api::core::v1;

use crate::api::{Kind, Name, Object};
use crate::event::{ErrorReason, Reply};

/// Whose need an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Of {
    /// The volume of this number among those that need something.
    Volume(u16),
    /// The container of this number, init containers first.
    Container(u16),
}

/// One reference to an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Need {
    /// Who needs it.
    pub(super) of: Of,
    /// ConfigMap or Secret.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: Name,
    /// Keys that it must have.
    keys: Vec<Name>,
    /// Whether nothing is wrong where it, or a key, is missing.
    optional: bool,
}

/// All that a pod needs: nothing for most.
pub(super) fn needs(spec: &v1::PodSpec) -> (Vec<Name>, Vec<Need>) {
    let (mut volumes, mut needs) = (Vec::new(), Vec::new());
    for volume in spec.volumes.iter().flatten() {
        let before = needs.len();
        let of = Of::Volume(volumes.len() as u16);
        let items = |items: &Option<Vec<v1::KeyToPath>>| {
            items.iter().flatten().map(|item| Name::from(item.key.as_str())).collect::<Vec<_>>()
        };
        let mut need = |kind, name: Option<&String>, keys, optional: Option<bool>| {
            let name = name.map(|name| Name::from(name.as_str())).unwrap_or_default();
            needs.push(Need { of, kind, name, keys, optional: optional.unwrap_or(false) });
        };
        if let Some(map) = &volume.config_map {
            need(Kind::ConfigMap, Some(&map.name), items(&map.items), map.optional);
        }
        if let Some(secret) = &volume.secret {
            need(Kind::Secret, secret.secret_name.as_ref(), items(&secret.items), secret.optional);
        }
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            if let Some(map) = &source.config_map {
                need(Kind::ConfigMap, Some(&map.name), items(&map.items), map.optional);
            }
            if let Some(secret) = &source.secret {
                need(Kind::Secret, Some(&secret.name), items(&secret.items), secret.optional);
            }
        }
        if needs.len() > before {
            volumes.push(volume.name.as_str().into());
        }
    }
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    for (index, container) in containers.enumerate() {
        of_container(container, Of::Container(index as u16), &mut needs);
    }
    (volumes, needs)
}

fn of_container(container: &v1::Container, of: Of, needs: &mut Vec<Need>) {
    let mut need = |kind, name: &str, key: Option<&str>, optional: Option<bool>| {
        let keys = key.into_iter().map(Name::from).collect();
        needs.push(Need { of, kind, name: name.into(), keys, optional: optional.unwrap_or(false) });
    };
    for from in container.env_from.iter().flatten() {
        if let Some(map) = &from.config_map_ref {
            need(Kind::ConfigMap, &map.name, None, map.optional);
        }
        if let Some(secret) = &from.secret_ref {
            need(Kind::Secret, &secret.name, None, secret.optional);
        }
    }
    for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(map) = &source.config_map_key_ref {
            need(Kind::ConfigMap, &map.name, Some(&map.key), map.optional);
        }
        if let Some(secret) = &source.secret_key_ref {
            need(Kind::Secret, &secret.name, Some(&secret.key), secret.optional);
        }
    }
}

impl Need {
    /// What is wrong with what the API server has answered; none where the need is met.
    pub(super) fn unmet(&self, namespace: &Name, reply: &Reply) -> Option<Name> {
        let what = if self.kind == Kind::Secret { "secret" } else { "configmap" };
        let object = match reply {
            Ok(answer) => answer.object(),
            Err(error) if error.reason == ErrorReason::NotFound => None,
            Err(_) => {
                return Some(ecow::eco_format!("failed to sync {what} cache: timed out waiting for the condition"));
            }
        };
        let Some(object) = object else {
            return (!self.optional).then(|| ecow::eco_format!("{what} {:?} not found", self.name));
        };
        let missing = self.keys.iter().find(|key| !has_key(object, key)).filter(|_| !self.optional)?;
        Some(match (self.of, self.kind) {
            (Of::Volume(_), Kind::Secret) => ecow::eco_format!("references non-existent secret key: {missing}"),
            (Of::Volume(_), _) => ecow::eco_format!("references non-existent config key: {missing}"),
            (Of::Container(_), kind) => {
                let what = if kind == Kind::Secret { "Secret" } else { "ConfigMap" };
                ecow::eco_format!("couldn't find key {missing} in {what} {namespace}/{}", self.name)
            }
        })
    }
}

fn has_key(object: &Object, key: &str) -> bool {
    let Object::Untyped(object) = object else { return false };
    let has = |part: &str| object.body.fields.get(part).is_some_and(|data| data.get(key).is_some());
    has("data") || has("binaryData")
}
