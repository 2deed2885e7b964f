//! What only pods have: binding and eviction. Upstream: `pkg/registry/core/pod/storage`.

use std::sync::Arc;

use super::{Context, Store};
use crate::api::{ConditionStatus, Kind, Labels, Name, Obj, Object, PodConditionType, PodPhase, Selector, Uid};
use crate::event::{Answer, ApiError, DeleteOptions, ErrorReason, Preconditions, Reply, Target};

impl Store {
    /// The binding's annotations go over to the pod. Upstream: `setPodHostAndAnnotations`.
    pub(super) fn bind(
        &mut self,
        target: &Target,
        uid: Uid,
        (node, annotations): (&Name, &Labels),
        context: &Context,
    ) -> Result<(), ApiError> {
        let stored = self.live(target)?;
        let preconditions = Preconditions { uid: (uid != Uid(0)).then_some(uid), resource_version: None };
        self.check_preconditions(&stored, preconditions)?;
        let Object::Pod(mut pod) = stored.clone() else {
            return Err(ApiError::new(ErrorReason::BadRequest, "only pods can be bound"));
        };
        let name = pod.meta.name.clone();
        let refuse = |why: String| {
            let message = format!("Operation cannot be fulfilled on pods/binding {name:?}: {why}");
            Err(ApiError::new(ErrorReason::Conflict, message))
        };
        if pod.meta.is_terminating() {
            return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if !pod.body.node_name.is_empty() {
            return refuse(format!("pod {name} is already assigned to node {:?}", pod.body.node_name));
        }
        if pod.body.spec.full.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
            return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        let now = self.timestamp(context);
        let Obj { meta, body } = Arc::make_mut(&mut pod);
        meta.annotations = meta.annotations.merged(annotations);
        body.node_name = node.clone();
        body.status.set_condition(PodConditionType::PodScheduled, ConditionStatus::True, None, now);
        self.replace(stored, |_| Object::Pod(pod), context).map(|_| ())
    }

    /// Eviction: a deletion that PodDisruptionBudgets may forbid. Upstream: `eviction.go`.
    ///
    /// The budgets' status is what their controller has written; where nobody has, `disruptionsAllowed` counts as 0, as
    /// upstream's does. Each allowed eviction takes one off it.
    pub(super) fn evict(&mut self, target: &Target, options: DeleteOptions, context: &Context) -> Reply {
        let stored = self.live(target)?;
        let Object::Pod(pod) = &stored else {
            return Err(ApiError::new(ErrorReason::BadRequest, "only pods can be evicted"));
        };
        let phase = pod.body.status.phase;
        let free = phase.is_finished() || phase == PodPhase::Pending || pod.meta.is_terminating();
        if !free && let Some(budget) = self.budget_of(&stored)? {
            self.take_disruption(budget, &pod.meta.name, pod.body.is_ready(), context)?;
        }
        self.delete_stored(stored, options, context).map(|_| Answer::Done)
    }

    fn budget_of(&self, pod: &Object) -> Result<Option<Object>, ApiError> {
        let meta = pod.meta();
        let mut found = None;
        for budget in self.table(Kind::PodDisruptionBudget).in_namespace(&meta.namespace) {
            let Object::Untyped(body) = budget else { continue };
            let selector = body.body.fields.get("spec").and_then(|spec| spec.get("selector")).cloned();
            let written = selector.and_then(|selector| serde_json::from_value(selector).ok());
            let Ok(selector) = Selector::from_label_selector(written.as_ref()) else { continue };
            if !selector.matches(|key| meta.labels.get(key).map(Name::as_str)) {
                continue;
            }
            if found.replace(budget.clone()).is_some() {
                let message =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(ApiError::new(ErrorReason::InternalError, message));
            }
        }
        Ok(found)
    }

    fn take_disruption(&mut self, budget: Object, pod: &Name, ready: bool, context: &Context) -> Result<(), ApiError> {
        let Object::Untyped(mut next) = budget.clone() else { return Ok(()) };
        let status = next.body.fields.get("status").cloned().unwrap_or_default();
        let number = |name: &str| status.get(name).and_then(serde_json::Value::as_i64).unwrap_or(0);
        let (healthy, desired) = (number("currentHealthy"), number("desiredHealthy"));
        let policy = next.body.fields.get("spec").and_then(|spec| spec.get("unhealthyPodEvictionPolicy"));
        let always = policy.and_then(serde_json::Value::as_str) == Some("AlwaysAllow");
        if !ready && (always || (healthy >= desired && desired > 0)) {
            return Ok(());
        }
        // A budget that its controller has not looked at since it was changed: come back in ten seconds.
        if number("observedGeneration") < next.meta.generation {
            return Err(refused(10));
        }
        if number("disruptionsAllowed") <= 0 {
            return Err(refused(0));
        }
        let now = self.timestamp(context).to_string();
        let fields = &mut Arc::make_mut(&mut next).body.fields;
        if let Some(status) = fields.get_mut("status").and_then(serde_json::Value::as_object_mut) {
            status.insert("disruptionsAllowed".to_owned(), (number("disruptionsAllowed") - 1).into());
            let disrupted = status.entry("disruptedPods").or_insert_with(|| serde_json::json!({}));
            if let Some(disrupted) = disrupted.as_object_mut() {
                disrupted.insert(pod.to_string(), now.into());
            }
        }
        self.replace(budget, |_| Object::Untyped(next), context).map(|_| ())
    }
}

fn refused(retry_after_seconds: u32) -> ApiError {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut error = ApiError::new(ErrorReason::TooManyRequests, message).with_cause("DisruptionBudget");
    error.retry_after_seconds = Some(retry_after_seconds);
    error
}
