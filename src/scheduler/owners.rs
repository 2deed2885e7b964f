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
    pub const KINDS: [Kind; 4] = [Kind::Service, Kind::ReplicationController, Kind::ReplicaSet, Kind::StatefulSet];

    /// Takes in a new or changed object; those of other kinds leave it as it is. Whether anything is selected that was
    /// not, or no longer.
    pub fn set(&mut self, object: &Object) -> bool {
        match object {
            Object::ReplicaSet(set) => put(&mut self.replica_sets, object, set.body.selector.parsed.clone()),
            Object::Untyped(untyped) => match untyped.meta.id.kind {
                Kind::Service => match equal_labels(&untyped.body) {
                    Some(labels) => put(&mut self.services, object, labels),
                    None => self.services.remove(&key_of(object)).is_some(),
                },
                Kind::ReplicationController => {
                    put(&mut self.replication_controllers, object, equal_labels(&untyped.body).unwrap_or_default())
                }
                Kind::StatefulSet => put(&mut self.stateful_sets, object, label_selector(&untyped.body)),
                _ => false,
            },
            Object::Pod(_)
            | Object::Node(_)
            | Object::Namespace(_)
            | Object::Deployment(_)
            | Object::Event(_)
            | Object::Lease(_) => false,
        }
    }

    /// Forgets an object that is gone. Whether it was here.
    pub fn remove(&mut self, object: &Object) -> bool {
        let key = key_of(object);
        match object.meta().id.kind {
            Kind::Service => self.services.remove(&key).is_some(),
            Kind::ReplicationController => self.replication_controllers.remove(&key).is_some(),
            Kind::ReplicaSet => self.replica_sets.remove(&key).is_some(),
            Kind::StatefulSet => self.stateful_sets.remove(&key).is_some(),
            _ => false,
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

fn put<T: Clone + PartialEq>(selectors: &mut imbl::OrdMap<(Name, Name), T>, object: &Object, selector: T) -> bool {
    let key = key_of(object);
    let is_news = selectors.get(&key) != Some(&selector);
    if is_news {
        selectors.insert(key, selector);
    }
    is_news
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OwnerReference;
    use crate::scheduler::testing::{object, pod};

    const SERVICE: &str =
        "{apiVersion: v1, kind: Service, metadata: {name: s1, namespace: default}, spec: {selector: {app: web}}}";

    fn workload(version: &str, kind: &str, selector: &str) -> String {
        format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: w, namespace: default}}, spec: {{selector: {selector}, serviceName: s, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: []}}}}}}}}"
        )
    }

    /// What selects a pod with labels `app: web` and `tier: front` that a workload `w` controls.
    #[track_caller]
    fn check(objects: &[&str], owner: &str, expected: &str) {
        let mut owners = Owners::default();
        for text in objects {
            owners.set(&object(text));
        }
        let mut pod = Obj::clone(&pod("p", "{containers: []}"));
        pod.meta.labels = [("app", "web"), ("tier", "front")].into_iter().collect();
        if let Some((version, kind)) = owner.split_once(' ') {
            let uid = crate::api::Uid(7);
            let (api_version, kind, name) = (version.into(), kind.into(), "w".into());
            let block_owner_deletion = None;
            let owner = OwnerReference { api_version, kind, name, uid, controller: Some(true), block_owner_deletion };
            pod.meta.owners = [owner].into();
        }
        assert_eq!(owners.default_selector(&pod).to_string(), expected, "{objects:?}");
    }

    #[test]
    fn services_and_the_controller_say_what_is_spread() {
        check(&[], "", "");
        check(&[SERVICE], "", "app=web");
        let narrow = "{apiVersion: v1, kind: Service, metadata: {name: s2, namespace: default}, spec: {selector: {tier: front}}}";
        check(&[SERVICE, narrow], "", "app=web,tier=front");
        for others in
            ["default}, spec: {selector: {app: db}}", "other}, spec: {selector: {app: web}}", "default}, spec: {}"]
        {
            check(&[&format!("{{apiVersion: v1, kind: Service, metadata: {{name: s3, namespace: {others}}}")], "", "");
        }
        let set = "{matchLabels: {app: web}, matchExpressions: [{key: hash, operator: Exists}]}";
        let replica_set = workload("apps/v1", "ReplicaSet", set);
        check(&[&replica_set], "apps/v1 ReplicaSet", "app=web,hash");
        check(&[&replica_set, narrow], "apps/v1 ReplicaSet", "app=web,hash,tier=front");
        check(&[&replica_set], "apps/v1beta1 ReplicaSet", "");
        check(&[&replica_set], "apps/v1 StatefulSet", "");
        check(&[&workload("apps/v1", "StatefulSet", set)], "apps/v1 StatefulSet", "app=web,hash");
        check(&[&workload("v1", "ReplicationController", "{app: web}")], "v1 ReplicationController", "app=web");
    }

    #[test]
    fn only_a_change_of_what_is_selected_is_news() {
        let mut owners = Owners::default();
        assert!(owners.set(&object(SERVICE)));
        assert!(!owners.set(&object(SERVICE)));
        assert!(owners.set(&object(&SERVICE.replace("web", "db"))));
        assert!(owners.remove(&object(SERVICE)));
        assert!(!owners.remove(&object(SERVICE)));
    }
}
