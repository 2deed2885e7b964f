//! A DaemonSet as its controller reads and writes it: `spec` parsed once for as long as it stays the same, `status` as
//! numbers. Upstream: `apps/v1`.

use std::sync::Arc;

use k8s_openapi::api::apps::v1 as apps;
use serde_json::Value;

use super::fit::Fit;
use crate::api::{
    IntOrPercent, Kind, Meta, Name, Obj, Object, OwnerReference, PodTemplate, Selector, Untyped, WorkloadSelector,
    convert,
};
use crate::controllers::pod_util::controller_reference;

/// The annotation that counts the templates that a set has had.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A DaemonSet.
#[derive(Clone, Debug)]
pub(super) struct DaemonSet {
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
    /// `selector`.
    pub(super) selector: WorkloadSelector,
    /// `template`.
    pub(super) template: Arc<PodTemplate>,
    /// Which nodes the template fits.
    pub(super) fit: Fit,
    /// `updateStrategy`.
    pub(super) strategy: Strategy,
    /// `minReadySeconds`.
    pub(super) min_ready_seconds: i32,
    /// `revisionHistoryLimit`.
    pub(super) history_limit: i32,
}

/// `updateStrategy`.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Strategy {
    /// Pods are replaced when somebody deletes them.
    OnDelete,
    /// Pods are replaced by the controller.
    RollingUpdate {
        /// On how many nodes there may be no pod that serves.
        max_unavailable: IntOrPercent,
        /// On how many nodes there may be a second pod.
        max_surge: IntOrPercent,
    },
}

/// `status`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Status {
    /// `observedGeneration`.
    pub(super) observed_generation: i64,
    /// `desiredNumberScheduled`.
    pub(super) desired: i32,
    /// `currentNumberScheduled`.
    pub(super) current: i32,
    /// `numberMisscheduled`.
    pub(super) misscheduled: i32,
    /// `numberReady`.
    pub(super) ready: i32,
    /// `updatedNumberScheduled`.
    pub(super) updated: i32,
    /// `numberAvailable`.
    pub(super) available: i32,
    /// `numberUnavailable`.
    pub(super) unavailable: i32,
    /// `collisionCount`.
    pub(super) collisions: Option<i32>,
}

impl DaemonSet {
    /// Reads one; `before` is what was read last, whose parsed spec is kept where the spec is the same. Nothing where
    /// the object is none that a server would have stored.
    pub(super) fn of(object: &Object, before: Option<&DaemonSet>) -> Option<DaemonSet> {
        let Object::Untyped(object) = object else { return None };
        let written = object.body.fields.get("spec")?;
        let same = before.filter(|before| before.object.body.fields.get("spec") == Some(written));
        let spec = match same {
            Some(before) => before.spec.clone(),
            None => Arc::new(Spec::of(written)?),
        };
        let status = object.body.fields.get("status").map(Status::of).unwrap_or_default();
        Some(DaemonSet { object: object.clone(), spec, status })
    }

    /// Its metadata.
    pub(super) fn meta(&self) -> &Meta {
        &self.object.meta
    }

    /// `spec.template` as it is written.
    pub(super) fn written_template(&self) -> &Value {
        self.object.body.fields.get("spec").and_then(|spec| spec.get("template")).unwrap_or(&Value::Null)
    }

    /// How many templates it has had. Upstream: `GetTemplateGeneration`, which takes a text that is no number for none.
    pub(super) fn template_generation(&self) -> Option<Name> {
        let text = self.meta().annotations.get(TEMPLATE_GENERATION)?;
        text.parse::<i64>().ok().map(|number| ecow::eco_format!("{number}"))
    }

    /// Whether it has room for a second pod on some nodes. Upstream: `AllowsSurge`.
    pub(super) fn surges(&self) -> bool {
        match &self.spec.strategy {
            Strategy::OnDelete => false,
            Strategy::RollingUpdate { max_surge, .. } => max_surge.scaled(1, true).is_ok_and(|surge| surge > 0),
        }
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
        let full: apps::DaemonSetSpec = serde_json::from_value(written.clone()).ok()?;
        let parsed = Selector::from_label_selector(Some(&full.selector)).ok()?;
        let strategy = full.update_strategy.unwrap_or_default();
        let rolling = strategy.rolling_update.unwrap_or_default();
        let template = convert::pod_template(full.template);
        Some(Spec {
            selector: WorkloadSelector { written: full.selector, parsed },
            fit: Fit::of(&template),
            template,
            strategy: match strategy.type_.as_deref() {
                Some("OnDelete") => Strategy::OnDelete,
                _ => Strategy::RollingUpdate {
                    max_unavailable: rolling.max_unavailable.as_ref().map_or(IntOrPercent::Int(1), IntOrPercent::from),
                    max_surge: rolling.max_surge.as_ref().map_or(IntOrPercent::Int(0), IntOrPercent::from),
                },
            },
            min_ready_seconds: full.min_ready_seconds.unwrap_or(0),
            history_limit: full.revision_history_limit.unwrap_or(10),
        })
    }
}

impl Status {
    fn of(written: &Value) -> Status {
        let integer = |name: &str| written.get(name).and_then(Value::as_i64);
        let number = |name: &str| integer(name).unwrap_or(0) as i32;
        Status {
            observed_generation: integer("observedGeneration").unwrap_or(0),
            desired: number("desiredNumberScheduled"),
            current: number("currentNumberScheduled"),
            misscheduled: number("numberMisscheduled"),
            ready: number("numberReady"),
            updated: number("updatedNumberScheduled"),
            available: number("numberAvailable"),
            unavailable: number("numberUnavailable"),
            collisions: integer("collisionCount").map(|count| count as i32),
        }
    }

    fn written(&self) -> Value {
        let nonzero = |number: i32| (number != 0).then_some(number);
        convert::to_value(&apps::DaemonSetStatus {
            collision_count: self.collisions,
            conditions: None,
            current_number_scheduled: self.current,
            desired_number_scheduled: self.desired,
            number_available: nonzero(self.available),
            number_misscheduled: self.misscheduled,
            number_ready: self.ready,
            number_unavailable: nonzero(self.unavailable),
            observed_generation: (self.observed_generation != 0).then_some(self.observed_generation),
            updated_number_scheduled: nonzero(self.updated),
        })
    }

    /// The seven counters of one status with the rest of another.
    pub(super) fn counted_onto(&self, other: &Status) -> Status {
        Status { observed_generation: other.observed_generation, collisions: other.collisions, ..self.clone() }
    }
}

/// The reference that makes a set the controller of another object.
pub(super) fn reference(set: &Meta) -> OwnerReference {
    controller_reference(set, "apps/v1", "DaemonSet")
}

/// Whether an object is a DaemonSet.
pub(super) fn is_set(object: &Object) -> bool {
    object.kind() == Kind::DaemonSet
}
