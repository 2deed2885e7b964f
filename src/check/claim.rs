//! Claims about objects: which objects, what must hold of each, and of how many of them.

use std::fmt::Write as _;

use super::field::{Comparison, FieldPath, shown};
use super::rollout;
use crate::api::{Condition, ConditionStatus, Kind, Name, Object, PodConditionType, Selector, convert};
use serde_json::Value;

/// What must hold of one object.
#[derive(Clone, PartialEq, Debug)]
pub enum Predicate {
    /// A condition has a status.
    Condition(Name, ConditionStatus),
    /// A field compares.
    Field(FieldPath, Comparison),
    /// `kubectl rollout status` would report success. For Deployments, StatefulSets and
    /// DaemonSets. Upstream: `kubectl/pkg/polymorphichelpers`.
    RolledOut,
}

/// Of how many objects it must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantifier {
    /// Of every one.
    Every,
    /// Of none.
    None,
    /// Of a number between two bounds, both included.
    Between(u64, u64),
}

/// A claim.
#[derive(Clone, PartialEq, Debug)]
pub struct Claim {
    /// As people read it: `deployment.apps/web Available`.
    pub text: String,
    /// The kind.
    pub kind: Kind,
    /// Whether it is about one resource: its name.
    pub name: Option<Name>,
    /// The namespace; `None`: all.
    pub namespace: Option<Name>,
    /// The labels.
    pub selector: Selector,
    /// What must hold of each; empty: it exists.
    pub predicates: Vec<Predicate>,
    /// Of how many.
    pub quantifier: Quantifier,
}

impl Claim {
    /// Whether the claim is about this object, which is of its kind.
    pub fn is_about(&self, object: &Object) -> bool {
        let meta = object.meta();
        self.name.as_ref().is_none_or(|name| *name == meta.name)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == meta.namespace)
            && self.selector.matches(|key| meta.labels.get(key).map(Name::as_str))
    }

    /// Whether all predicates hold of an object.
    pub fn holds_of(&self, object: &Object) -> bool {
        self.predicates.iter().all(|predicate| predicate.holds(object))
    }

    /// What an object shows of that which the claim is about, for the reason of a failure.
    pub fn shows(&self, object: &Object) -> String {
        let mut text = String::new();
        for predicate in &self.predicates {
            if !text.is_empty() {
                text.push_str(", ");
            }
            predicate.show(object, &mut text);
        }
        if text.is_empty() { "it exists".to_owned() } else { text }
    }
}

impl Predicate {
    fn holds(&self, object: &Object) -> bool {
        match self {
            Predicate::Condition(kind, wanted) => condition(object, kind).is_some_and(|found| found.status == *wanted),
            Predicate::Field(path, comparison) => comparison.holds(path.of(&convert::to_json(object))),
            Predicate::RolledOut => rollout::waits_for(object).is_none(),
        }
    }

    /// Writing to a String does not fail.
    fn show(&self, object: &Object, text: &mut String) {
        let _ = match self {
            Predicate::Condition(kind, _) => match condition(object, kind) {
                None => write!(text, "it has no condition {kind}"),
                Some(found) if found.message.is_empty() => write!(text, "{kind}={}", found.status.as_str()),
                Some(found) => write!(text, "{kind}={} ({}: {})", found.status.as_str(), found.reason, found.message),
            },
            Predicate::Field(path, _) => match path.of(&convert::to_json(object)) {
                Value::Null => write!(text, "it has no {path}"),
                value => write!(text, "{path} is {}", shown(value)),
            },
            Predicate::RolledOut => {
                let waits = rollout::waits_for(object);
                write!(text, "{}", waits.unwrap_or_else(|| "it is rolled out".to_owned()))
            }
        };
    }
}

/// A condition of any kind of object.
#[derive(Clone, PartialEq, Debug)]
struct Found {
    status: ConditionStatus,
    reason: Name,
    message: Name,
}

fn condition(object: &Object, kind: &str) -> Option<Found> {
    let of = |condition: &Condition| Found {
        status: condition.status,
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    };
    match object {
        Object::Pod(pod) => {
            let named = |condition: &PodConditionType| condition.as_str() == kind;
            match PodConditionType::ALL.iter().find(|condition| named(condition)) {
                Some(known) => {
                    let found = pod.body.condition(*known)?;
                    let text = found.text.as_deref().cloned().unwrap_or_default();
                    Some(Found { status: found.status, reason: text.reason, message: text.message })
                }
                None => condition_of_json(object, kind),
            }
        }
        Object::Deployment(deployment) => crate::api::find_condition(&deployment.body.status.conditions, kind).map(of),
        Object::ReplicaSet(set) => crate::api::find_condition(&set.body.status.conditions, kind).map(of),
        Object::Node(node) => {
            let found = node.body.condition(kind)?;
            Some(Found {
                status: ConditionStatus::parse(&found.status),
                reason: found.reason.as_deref().unwrap_or_default().into(),
                message: found.message.as_deref().unwrap_or_default().into(),
            })
        }
        Object::Namespace(_) | Object::Event(_) | Object::Lease(_) | Object::Untyped(_) => {
            condition_of_json(object, kind)
        }
    }
}

fn condition_of_json(object: &Object, kind: &str) -> Option<Found> {
    let json = convert::to_json(object);
    let conditions = json.get("status")?.get("conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))?;
    let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(Found {
        status: ConditionStatus::parse(text("status")),
        reason: text("reason").into(),
        message: text("message").into(),
    })
}
