//! What ResourceQuotas count: which of a quota's resources an object takes, how much of each, and whether the quota is
//! about the object at all. Upstream: `pkg/quota/v1`, `apiserver/pkg/quota/v1/generic`.
//!
//! Any object in a namespace counts as `count/<resource>.<group>`; pods, Services and claims take more. Left out: devices
//! of ResourceClaims, pods that are resized in place, `status.allocatedResources` of claims.

mod amounts;
mod claim;
mod pod;
mod service;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::{Kind, KindInfo, Name, Object, Timestamp};
pub use amounts::Amounts;
pub use pod::{is_charged, limits as pod_limits, requests as pod_requests};

/// A ResourceQuota as its readers see it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Quota {
    /// `spec.hard`: what its author wants.
    pub wanted: Amounts,
    /// `status.hard`: what is enforced.
    pub hard: Amounts,
    /// `status.used`.
    pub used: Amounts,
    scopes: Vec<Scope>,
}

/// One condition on objects, as `scopes` and `scopeSelector` name it.
#[derive(Clone, PartialEq, Debug)]
struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

impl Scope {
    /// Whether a name, of which there may be none, is what the operator asks for.
    fn admits(&self, name: Option<&str>) -> bool {
        let listed = |name: &str| self.values.iter().any(|value| value == name);
        match self.operator.as_str() {
            "Exists" => name.is_some(),
            "DoesNotExist" => name.is_none(),
            "In" => name.is_some_and(listed),
            "NotIn" => !name.is_some_and(listed),
            _ => false,
        }
    }
}

impl Quota {
    /// Reads one from the fields of its object.
    pub fn of(fields: &Map<String, Value>) -> Quota {
        let at = |part: &str, name: &str| fields.get(part).and_then(|part| part.get(name));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let named = at("spec", "scopes").and_then(Value::as_array).into_iter().flatten();
        let named = named.map(|name| Scope { name: text(name), operator: "Exists".to_owned(), values: Vec::new() });
        let chosen = at("spec", "scopeSelector").and_then(|selector| selector.get("matchExpressions"));
        let chosen = chosen.and_then(Value::as_array).into_iter().flatten().map(|one| Scope {
            name: text(&one["scopeName"]),
            operator: text(&one["operator"]),
            values: one["values"].as_array().into_iter().flatten().map(text).collect(),
        });
        Quota {
            scopes: named.chain(chosen).collect(),
            wanted: Amounts::read(at("spec", "hard")),
            hard: Amounts::read(at("status", "hard")),
            used: Amounts::read(at("status", "used")),
        }
    }

    /// Whether an object is in all of its scopes. Only pods have some, and claims one.
    pub fn has_in_scope(&self, object: &Object) -> bool {
        self.scopes.iter().all(|scope| match object {
            Object::Pod(pod) => pod::is_in_scope(&pod.body, scope),
            Object::Untyped(claim) if claim.meta.id.kind == Kind::PersistentVolumeClaim => {
                claim::is_in_scope(&claim.body.fields, scope)
            }
            _ => false,
        })
    }
}

/// Whether objects of a kind are counted at all.
pub fn is_counted(kind: Kind, info: &KindInfo) -> bool {
    info.namespaced && !matches!(kind, Kind::Event | Kind::EventsV1Event | Kind::HorizontalPodAutoscalerV1)
}

/// Those of these resources that objects of a kind take. Upstream: `MatchingResources` of each evaluator.
pub fn matching(kind: Kind, info: &KindInfo, names: &Amounts) -> Vec<Name> {
    let count = count_name(info);
    let matches = |name: &str| {
        name == count
            || match kind {
                Kind::Pod => pod::takes(name),
                Kind::Service => service::takes(name),
                Kind::PersistentVolumeClaim => claim::takes(name),
                _ => old_name(kind) == Some(name),
            }
    };
    names.names().filter(|name| matches(name)).cloned().collect()
}

/// What an object takes, whatever becomes of it with time. Upstream: `Usage` of each evaluator.
pub fn usage(object: &Object, info: &KindInfo) -> Amounts {
    let mut usage = Amounts::default();
    usage.add_count(&count_name(info), 1);
    match object {
        Object::Pod(pod) => pod::add_usage(&pod.body, &mut usage),
        Object::Untyped(untyped) => match untyped.meta.id.kind {
            Kind::Service => service::add_usage(&untyped.body.fields, &mut usage),
            Kind::PersistentVolumeClaim => claim::add_usage(&untyped.meta, &untyped.body.fields, &mut usage),
            kind => {
                if let Some(name) = old_name(kind) {
                    usage.add_count(name, 1);
                }
            }
        },
        Object::Node(_)
        | Object::Namespace(_)
        | Object::Deployment(_)
        | Object::ReplicaSet(_)
        | Object::Event(_)
        | Object::Lease(_) => {}
    }
    usage
}

/// The same now: a pod that has not gone when it should have takes only its place among objects.
pub fn usage_at(object: &Object, info: &KindInfo, now: Timestamp) -> Amounts {
    match object {
        Object::Pod(pod) if !is_charged(pod, now) => {
            let mut usage = Amounts::default();
            usage.add_count(&count_name(info), 1);
            usage
        }
        _ => usage(object, info),
    }
}

/// Whether an object says what it takes of these resources: each container of a pod must, for CPU and memory.
///
/// # Errors
/// Which containers do not. Upstream: `Constraints`.
pub fn check_named(object: &Object, resources: &[Name]) -> Result<(), String> {
    match object {
        Object::Pod(pod) => pod::check_named(&pod.body.spec.full, resources),
        _ => Ok(()),
    }
}

/// `count/deployments.apps`.
fn count_name(info: &KindInfo) -> String {
    format!("count/{}", info.group_resource())
}

/// What some kinds were called in quotas before there was `count/`.
fn old_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ConfigMap => Some("configmaps"),
        Kind::ResourceQuota => Some("resourcequotas"),
        Kind::ReplicationController => Some("replicationcontrollers"),
        Kind::Secret => Some("secrets"),
        _ => None,
    }
}
