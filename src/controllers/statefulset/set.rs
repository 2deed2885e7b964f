//! A StatefulSet as its controller reads and writes it: `spec` parsed once for as long as it stays the same, `status` as
//! numbers. Upstream: `apps/v1`.

use std::sync::Arc;

use k8s_openapi::api::apps::v1 as apps;
use serde_json::Value;

use crate::api::{
    IntOrPercent, Kind, Meta, Name, Obj, Object, PodTemplate, Selector, Untyped, WorkloadSelector, convert,
};

/// A StatefulSet.
#[derive(Clone, Debug)]
pub(super) struct StatefulSet {
    /// The object as it was read.
    pub(super) object: Arc<Obj<Untyped>>,
    /// `spec`.
    pub(super) spec: Arc<Spec>,
    /// `status`.
    pub(super) status: Status,
}

/// `spec`.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// `replicas`.
    pub(super) replicas: i32,
    /// `ordinals.start`.
    pub(super) start: i32,
    /// `selector`.
    pub(super) selector: WorkloadSelector,
    /// `template`.
    pub(super) template: Arc<PodTemplate>,
    /// `serviceName`.
    pub(super) service_name: Name,
    /// Whether `podManagementPolicy` is Parallel.
    pub(super) parallel: bool,
    /// `updateStrategy`.
    pub(super) strategy: Strategy,
    /// `minReadySeconds`.
    pub(super) min_ready_seconds: i32,
    /// `revisionHistoryLimit`.
    pub(super) history_limit: i32,
    /// `volumeClaimTemplates`.
    pub(super) claims: Vec<ClaimTemplate>,
    /// `persistentVolumeClaimRetentionPolicy`.
    pub(super) retention: Retention,
}

/// `updateStrategy`.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Strategy {
    /// Pods are replaced when somebody deletes them.
    OnDelete,
    /// Pods are replaced by the controller, down to an ordinal.
    RollingUpdate {
        /// `partition`, counted from the first ordinal.
        partition: i32,
        /// `maxUnavailable`.
        max_unavailable: Option<IntOrPercent>,
    },
}

/// One of `volumeClaimTemplates`.
#[derive(Clone, Debug)]
pub(super) struct ClaimTemplate {
    /// `metadata.name`.
    pub(super) name: Name,
    /// The whole of it.
    pub(super) json: Value,
}

/// `persistentVolumeClaimRetentionPolicy`: what is deleted, rather than retained.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Retention {
    /// `whenDeleted` is Delete.
    pub(super) delete_with_set: bool,
    /// `whenScaled` is Delete.
    pub(super) delete_with_pod: bool,
}

/// `status`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Status {
    /// `observedGeneration`.
    pub(super) observed_generation: i64,
    /// `replicas`.
    pub(super) replicas: i32,
    /// `readyReplicas`.
    pub(super) ready: i32,
    /// `availableReplicas`.
    pub(super) available: i32,
    /// `currentReplicas`.
    pub(super) current: i32,
    /// `updatedReplicas`.
    pub(super) updated: i32,
    /// `currentRevision`.
    pub(super) current_revision: Name,
    /// `updateRevision`.
    pub(super) update_revision: Name,
    /// `collisionCount`.
    pub(super) collisions: i32,
}

impl StatefulSet {
    /// Reads one; `before` is what was read last, whose parsed spec is kept where the spec is the same. Nothing where
    /// the object is none that a server would have stored.
    pub(super) fn of(object: &Object, before: Option<&StatefulSet>) -> Option<StatefulSet> {
        let Object::Untyped(object) = object else { return None };
        let written = object.body.fields.get("spec")?;
        let same = before.filter(|before| before.object.body.fields.get("spec") == Some(written));
        let spec = match same {
            Some(before) => before.spec.clone(),
            None => Arc::new(Spec::of(written)?),
        };
        let status = object.body.fields.get("status").map(Status::of).unwrap_or_default();
        Some(StatefulSet { object: object.clone(), spec, status })
    }

    /// Its metadata.
    pub(super) fn meta(&self) -> &Meta {
        &self.object.meta
    }

    /// `spec.template` as it is written.
    pub(super) fn written_template(&self) -> &Value {
        self.object.body.fields.get("spec").and_then(|spec| spec.get("template")).unwrap_or(&Value::Null)
    }

    /// Whether an ordinal is one of those that it wishes for. Upstream: `podInOrdinalRange`.
    pub(super) fn has_ordinal(&self, ordinal: i32) -> bool {
        let end = i64::from(self.spec.start) + i64::from(self.spec.replicas);
        ordinal >= self.spec.start && i64::from(ordinal) < end
    }

    /// The object with another status.
    pub(super) fn with_status(&self, status: &Status) -> Object {
        let mut object = Obj::clone(&self.object);
        object.body.fields.insert("status".to_owned(), status.written());
        Object::Untyped(Arc::new(object))
    }
}

impl Spec {
    fn of(written: &Value) -> Option<Spec> {
        let full: apps::StatefulSetSpec = serde_json::from_value(written.clone()).ok()?;
        let parsed = Selector::from_label_selector(Some(&full.selector)).ok()?;
        let strategy = full.update_strategy.unwrap_or_default();
        let rolling = strategy.rolling_update.unwrap_or_default();
        let claims = full.volume_claim_templates.unwrap_or_default();
        let retention = full.persistent_volume_claim_retention_policy.unwrap_or_default();
        let is_delete = |policy: Option<String>| policy.as_deref() == Some("Delete");
        Some(Spec {
            replicas: full.replicas.unwrap_or(1).max(0),
            start: full.ordinals.and_then(|ordinals| ordinals.start).unwrap_or(0),
            selector: WorkloadSelector { written: full.selector, parsed },
            template: convert::pod_template(full.template),
            service_name: full.service_name.unwrap_or_default().into(),
            parallel: full.pod_management_policy.as_deref() == Some("Parallel"),
            strategy: match strategy.type_.as_deref() {
                Some("OnDelete") => Strategy::OnDelete,
                _ => Strategy::RollingUpdate {
                    partition: rolling.partition.unwrap_or(0),
                    max_unavailable: rolling.max_unavailable.as_ref().map(IntOrPercent::from),
                },
            },
            min_ready_seconds: full.min_ready_seconds.unwrap_or(0),
            history_limit: full.revision_history_limit.unwrap_or(10),
            claims: claims
                .into_iter()
                .map(|claim| ClaimTemplate {
                    name: claim.metadata.name.clone().unwrap_or_default().into(),
                    json: convert::to_value(&claim),
                })
                .collect(),
            retention: Retention {
                delete_with_set: is_delete(retention.when_deleted),
                delete_with_pod: is_delete(retention.when_scaled),
            },
        })
    }
}

impl Status {
    fn of(written: &Value) -> Status {
        let number = |name: &str| written.get(name).and_then(Value::as_i64).unwrap_or(0) as i32;
        let text = |name: &str| written.get(name).and_then(Value::as_str).unwrap_or("").into();
        Status {
            observed_generation: written.get("observedGeneration").and_then(Value::as_i64).unwrap_or(0),
            replicas: number("replicas"),
            ready: number("readyReplicas"),
            available: number("availableReplicas"),
            current: number("currentReplicas"),
            updated: number("updatedReplicas"),
            current_revision: text("currentRevision"),
            update_revision: text("updateRevision"),
            collisions: number("collisionCount"),
        }
    }

    fn written(&self) -> Value {
        let nonzero = |number: i32| (number != 0).then_some(number);
        let text = |name: &Name| (!name.is_empty()).then(|| name.to_string());
        convert::to_value(&apps::StatefulSetStatus {
            available_replicas: Some(self.available),
            collision_count: Some(self.collisions),
            conditions: None,
            current_replicas: nonzero(self.current),
            current_revision: text(&self.current_revision),
            observed_generation: (self.observed_generation != 0).then_some(self.observed_generation),
            ready_replicas: nonzero(self.ready),
            replicas: self.replicas,
            update_revision: text(&self.update_revision),
            updated_replicas: nonzero(self.updated),
        })
    }

    /// Whether it tells something else than another, but for the count of collisions. Upstream: `inconsistentStatus`.
    pub(super) fn differs(&self, written: &Status) -> bool {
        let same_generation = self.observed_generation <= written.observed_generation;
        let numbers =
            |status: &Status| [status.replicas, status.ready, status.available, status.current, status.updated];
        !same_generation
            || numbers(self) != numbers(written)
            || self.current_revision != written.current_revision
            || self.update_revision != written.update_revision
    }
}

/// The reference that makes a set the controller of another object.
pub(super) fn reference(set: &Meta) -> crate::api::OwnerReference {
    crate::controllers::pod_util::controller_reference(set, "apps/v1", "StatefulSet")
}

/// Whether an object is a StatefulSet.
pub(super) fn is_set(object: &Object) -> bool {
    object.kind() == Kind::StatefulSet
}
