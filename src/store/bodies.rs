//! What of an object is wish and what is status, kind by kind. Upstream: the `strategy.go` of each registry.

use std::sync::Arc;

use crate::api::{Kind, Object, PodStatus};

/// The new object with the stored status: what a plain update may change.
pub(super) fn keep_status(stored: &Object, new: Object) -> Object {
    match (stored, new) {
        (Object::Pod(stored), Object::Pod(mut new)) => {
            Arc::make_mut(&mut new).body.status = stored.body.status.clone();
            Object::Pod(new)
        }
        (Object::Node(stored), Object::Node(mut new)) => {
            Arc::make_mut(&mut new).body.status = stored.body.status.clone();
            Object::Node(new)
        }
        (Object::Deployment(stored), Object::Deployment(mut new)) => {
            Arc::make_mut(&mut new).body.status = stored.body.status.clone();
            Object::Deployment(new)
        }
        (Object::ReplicaSet(stored), Object::ReplicaSet(mut new)) => {
            Arc::make_mut(&mut new).body.status = stored.body.status.clone();
            Object::ReplicaSet(new)
        }
        (Object::Namespace(stored), Object::Namespace(mut new)) => {
            let body = &mut Arc::make_mut(&mut new).body;
            body.terminating = stored.body.terminating;
            body.conditions = stored.body.conditions.clone();
            // Spec finalizers change through `…/finalize` alone.
            body.finalizers = stored.body.finalizers.clone();
            Object::Namespace(new)
        }
        (Object::Untyped(stored), Object::Untyped(mut new)) => {
            if new.body.info.has_status(stored.meta.id.kind) {
                let fields = &mut Arc::make_mut(&mut new).body.fields;
                fields.remove("status");
                if let Some(status) = stored.body.fields.get("status") {
                    fields.insert("status".to_owned(), status.clone());
                }
            }
            Object::Untyped(new)
        }
        // Events and Leases have no status.
        (_, new) => new,
    }
}

/// The stored object with the new status: what an update of `…/status` may change.
pub(super) fn adopt_status(stored: &Object, new: &Object) -> Object {
    match (stored.clone(), new) {
        (Object::Pod(mut stored), Object::Pod(new)) => {
            Arc::make_mut(&mut stored).body.status = new.body.status.clone();
            Object::Pod(stored)
        }
        (Object::Node(mut stored), Object::Node(new)) => {
            Arc::make_mut(&mut stored).body.status = new.body.status.clone();
            Object::Node(stored)
        }
        (Object::Deployment(mut stored), Object::Deployment(new)) => {
            Arc::make_mut(&mut stored).body.status = new.body.status.clone();
            Object::Deployment(stored)
        }
        (Object::ReplicaSet(mut stored), Object::ReplicaSet(new)) => {
            Arc::make_mut(&mut stored).body.status = new.body.status.clone();
            Object::ReplicaSet(stored)
        }
        (Object::Namespace(mut stored), Object::Namespace(new)) => {
            Arc::make_mut(&mut stored).body.conditions = new.body.conditions.clone();
            Object::Namespace(stored)
        }
        (Object::Untyped(mut stored), Object::Untyped(new)) => {
            let fields = &mut Arc::make_mut(&mut stored).body.fields;
            fields.remove("status");
            if let Some(status) = new.body.fields.get("status") {
                fields.insert("status".to_owned(), status.clone());
            }
            Object::Untyped(stored)
        }
        (stored, _) => stored,
    }
}

/// A new object without the status that its creator may not set.
pub(super) fn without_status(object: Object) -> Object {
    match object {
        Object::Pod(mut pod) => {
            if pod.body.status != PodStatus::default() {
                Arc::make_mut(&mut pod).body.status = PodStatus::default();
            }
            Object::Pod(pod)
        }
        Object::Deployment(mut deployment) => {
            Arc::make_mut(&mut deployment).body.status = Default::default();
            Object::Deployment(deployment)
        }
        Object::ReplicaSet(mut set) => {
            Arc::make_mut(&mut set).body.status = Default::default();
            Object::ReplicaSet(set)
        }
        Object::Namespace(mut namespace) => {
            let body = &mut Arc::make_mut(&mut namespace).body;
            body.terminating = false;
            body.conditions = Vec::new();
            Object::Namespace(namespace)
        }
        Object::Untyped(mut object) => {
            if object.body.info.has_status(object.meta.id.kind) && object.body.fields.contains_key("status") {
                Arc::make_mut(&mut object).body.fields.remove("status");
            }
            Object::Untyped(object)
        }
        // A node comes with its status; Events and Leases have none.
        other @ (Object::Node(_) | Object::Event(_) | Object::Lease(_)) => other,
    }
}

/// Whether the wish differs, so that the generation moves.
pub(super) fn wish_differs(stored: &Object, new: &Object) -> bool {
    match (stored, new) {
        (Object::Pod(a), Object::Pod(b)) => a.body.node_name != b.body.node_name || a.body.spec != b.body.spec,
        (Object::Deployment(a), Object::Deployment(b)) => {
            let annotations = a.meta.annotations != b.meta.annotations;
            let mut b = b.body.clone();
            b.status = a.body.status.clone();
            annotations || a.body != b
        }
        (Object::ReplicaSet(a), Object::ReplicaSet(b)) => {
            let mut b = b.body.clone();
            b.status = a.body.status.clone();
            a.body != b
        }
        (Object::Untyped(a), Object::Untyped(b)) => {
            let status_counts = !b.body.info.has_status(b.meta.id.kind);
            let wish = |fields: &serde_json::Map<String, serde_json::Value>| {
                fields
                    .iter()
                    .filter(|(name, _)| status_counts || *name != "status")
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect::<Vec<_>>()
            };
            wish(&a.body.fields) != wish(&b.body.fields)
        }
        _ => false,
    }
}

/// Whether the server counts generations of a kind.
pub(super) fn has_generation(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicationController
            | Kind::Job
            | Kind::CronJob
            | Kind::Ingress
            | Kind::NetworkPolicy
            | Kind::PodDisruptionBudget
            | Kind::PriorityClass
            | Kind::FlowSchema
            | Kind::PriorityLevelConfiguration
            | Kind::CustomResourceDefinition
            | Kind::MutatingWebhookConfiguration
            | Kind::ValidatingWebhookConfiguration
            | Kind::ValidatingAdmissionPolicy
            | Kind::ValidatingAdmissionPolicyBinding
            | Kind::Custom(_)
    )
}
