//! Services, ReplicationControllers, ReplicaSets and StatefulSets, as the default spreading constraints read them.
//! Upstream: `pkg/scheduler/framework/plugins/helper/spread.go`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use crate::api::selector::{Operator, Requirement};
use crate::api::{Kind, Labels, Name, Obj, Object, Pod, Selector, Untyped};

/// The selectors of Services and of the workloads that may own pods, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    /// Those of Services that have one.
    services: imbl::OrdMap<(Name, Name), Labels>,
    replication_controllers: imbl::OrdMap<(Name, Name), Labels>,
    replica_sets: imbl::OrdMap<(Name, Name), Selector>,
    stateful_sets: imbl::OrdMap<(Name, Name), Selector>,
}

impl Owners {
    /// The kinds that are read here.
    pub const KINDS: &[Kind] = &[Kind::Service, Kind::ReplicationController, Kind::ReplicaSet, Kind::StatefulSet];

    /// Takes in a new or changed object; those of other kinds leave it as it is.
    pub fn set(&mut self, object: &Object) {
        let key = key_of(object);
        match object {
            Object::ReplicaSet(set) => {
                self.replica_sets.insert(key, set.body.selector.parsed.clone());
            }
            Object::Untyped(untyped) => match untyped.meta.id.kind {
                Kind::Service => match equal_labels(&untyped.body) {
                    Some(labels) => _ = self.services.insert(key, labels),
                    None => _ = self.services.remove(&key),
                },
                Kind::ReplicationController => {
                    let labels = equal_labels(&untyped.body).unwrap_or_default();
                    self.replication_controllers.insert(key, labels);
                }
                Kind::StatefulSet => {
                    self.stateful_sets.insert(key, label_selector(&untyped.body));
                }
                _ => {}
            },
            Object::Pod(_)
            | Object::Node(_)
            | Object::Namespace(_)
            | Object::Deployment(_)
            | Object::Event(_)
            | Object::Lease(_) => {}
        }
    }

    /// Forgets an object that is gone.
    pub fn remove(&mut self, object: &Object) {
        let key = key_of(object);
        match object.meta().id.kind {
            Kind::Service => _ = self.services.remove(&key),
            Kind::ReplicationController => _ = self.replication_controllers.remove(&key),
            Kind::ReplicaSet => _ = self.replica_sets.remove(&key),
            Kind::StatefulSet => _ = self.stateful_sets.remove(&key),
            _ => {}
        }
    }

    /// What selects the pods that are to be spread like this one: the labels that all its Services ask for, and what
    /// its controller selects by. Restricts nothing where there are none. Upstream: `helper.DefaultSelector`.
    pub fn default_selector(&self, pod: &Obj<Pod>) -> Selector {
        let namespace = &pod.meta.namespace;
        let mut labels = Labels::default();
        for selector in self.services_in(namespace) {
            if selector.iter().all(|(key, value)| pod.meta.labels.get(key) == Some(value)) {
                labels = merge(&labels, selector);
            }
        }
        let mut added = &Selector::Nothing;
        if let Some(owner) = pod.meta.controller() {
            let key = (namespace.clone(), owner.name.clone());
            match (owner.api_version.as_str(), owner.kind.as_str()) {
                ("v1", "ReplicationController") => {
                    if let Some(selector) = self.replication_controllers.get(&key) {
                        labels = merge(&labels, selector);
                    }
                }
                ("apps/v1", "ReplicaSet") => added = self.replica_sets.get(&key).unwrap_or(added),
                ("apps/v1", "StatefulSet") => added = self.stateful_sets.get(&key).unwrap_or(added),
                _ => {}
            }
        }
        let mut requirements: Vec<Requirement> = labels.iter().map(|(key, value)| equals(key, value)).collect();
        if let Selector::All(more) = added {
            requirements.extend(more.iter().cloned());
        }
        Selector::from_requirements(requirements)
    }

    fn services_in<'a>(&'a self, namespace: &'a Name) -> impl Iterator<Item = &'a Labels> {
        let from = self.services.range((namespace.clone(), Name::new())..);
        from.take_while(move |((of, _), _)| of == namespace).map(|(_, selector)| selector)
    }
}

/// The requirement that a label has a value. Upstream: what `labels.SelectorFromSet` makes, which checks nothing.
pub(super) fn equals(key: &Name, value: &Name) -> Requirement {
    Requirement { key: key.clone(), operator: Operator::Equals, values: vec![value.clone()] }
}

fn key_of(object: &Object) -> (Name, Name) {
    let meta = object.meta();
    (meta.namespace.clone(), meta.name.clone())
}

fn merge(labels: &Labels, more: &Labels) -> Labels {
    labels.iter().chain(more.iter()).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// `spec.selector`, a map; absent: nothing.
fn equal_labels(object: &Untyped) -> Option<Labels> {
    let map = object.fields.get("spec")?.get("selector")?.as_object()?;
    Some(map.iter().map(|(key, value)| (key, value.as_str().unwrap_or_default())).collect())
}

/// `spec.selector`, a label selector; one that is not valid selects nothing.
fn label_selector(object: &Untyped) -> Selector {
    let written = object.fields.get("spec").and_then(|spec| spec.get("selector")).filter(|value| !value.is_null());
    let read = |value: &Value| serde_json::from_value::<LabelSelector>(value.clone()).ok();
    let selector = written.and_then(read);
    Selector::from_label_selector(selector.as_ref()).unwrap_or(Selector::Nothing)
}
