//! Eviction: a deletion that PodDisruptionBudgets may forbid. Upstream: `pkg/registry/core/pod/storage/eviction.go`.
//!
//! The budgets' status is what their controller has written; where nobody has, `disruptionsAllowed` counts as 0, as
//! upstream's does. Each allowed eviction takes one off it. Upstream tries again where another writer came in between:
//! here none can. Left out: dry runs.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Context, Store};
use crate::api::{
    ConditionStatus, Kind, Name, Obj, Object, Pod, PodConditionType, PodPhase, ReasonText, Selector, Untyped,
};
use crate::event::{Answer, ApiError, DeleteOptions, ErrorReason, Reply, Target};

/// How many evictions may be allowed that the budget's controller has not seen. Upstream: `MaxDisruptedPodSize`.
const MAX_DISRUPTED: usize = 2000;
const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";

impl Store {
    /// Answers an eviction.
    pub(super) fn evict(&mut self, target: &Target, options: DeleteOptions, context: &Context) -> Reply {
        let stored = self.live(target)?;
        let Object::Pod(pod) = &stored else {
            return Err(ApiError::new(ErrorReason::BadRequest, "only pods can be evicted"));
        };
        let pod = pod.clone();
        let phase = pod.body.status.phase;
        let free = phase.is_finished() || phase == PodPhase::Pending || pod.meta.is_terminating();
        if !free && let Some(budget) = self.budget_of(&pod)? {
            self.take_disruption(budget, &pod, context)?;
        }
        self.mark_and_delete(stored, pod, options, context)
    }

    /// Says in the pod's status why it goes, and deletes it. Upstream: `addConditionAndDeletePod`.
    fn mark_and_delete(
        &mut self,
        stored: Object,
        mut pod: Arc<Obj<Pod>>,
        mut options: DeleteOptions,
        context: &Context,
    ) -> Reply {
        self.check_delete_preconditions(&stored, options.preconditions)?;
        let text = ReasonText { reason: "EvictionByEvictionAPI".into(), message: "Eviction API: evicting".into() };
        let now = self.timestamp(context);
        let status = &mut Arc::make_mut(&mut pod).body.status;
        status.set_condition(PodConditionType::DisruptionTarget, ConditionStatus::True, Some(Arc::new(text)), now);
        let marked = self.replace(stored, |_| Object::Pod(pod), context)?;
        if let Some(version) = &mut options.preconditions.resource_version {
            *version = marked.meta().resource_version;
        }
        self.delete_stored(marked, options, context).map(|_| Answer::Done)
    }

    /// The one budget that selects the pod; an empty selector selects nothing here.
    fn budget_of(&self, pod: &Obj<Pod>) -> Result<Option<Arc<Obj<Untyped>>>, ApiError> {
        let meta = &pod.meta;
        let mut found = None;
        for budget in self.table(Kind::PodDisruptionBudget).in_namespace(&meta.namespace) {
            let Object::Untyped(body) = budget else { continue };
            let selector = body.body.fields.get("spec").and_then(|spec| spec.get("selector")).cloned();
            let written = selector.and_then(|selector| serde_json::from_value(selector).ok());
            let Ok(selector) = Selector::from_label_selector(written.as_ref()) else { continue };
            if selector.is_everything() || !selector.matches(|key| meta.labels.get(key).map(Name::as_str)) {
                continue;
            }
            if found.replace(body.clone()).is_some() {
                let message =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(ApiError::new(ErrorReason::InternalError, message));
            }
        }
        Ok(found)
    }

    /// Upstream: `checkAndDecrement`, and the way around it for pods that are not ready.
    fn take_disruption(
        &mut self,
        budget: Arc<Obj<Untyped>>,
        pod: &Obj<Pod>,
        context: &Context,
    ) -> Result<(), ApiError> {
        let status = budget.body.fields.get("status").cloned().unwrap_or_else(|| json!({}));
        let number = |name: &str| status.get(name).and_then(Value::as_i64).unwrap_or(0);
        let (healthy, desired, allowed) =
            (number("currentHealthy"), number("desiredHealthy"), number("disruptionsAllowed"));
        if !pod.body.is_ready() {
            let policy = budget.body.fields.get("spec").and_then(|spec| spec.get("unhealthyPodEvictionPolicy"));
            let always = policy.and_then(Value::as_str) == Some("AlwaysAllow");
            if always || (healthy >= desired && desired > 0) {
                return Ok(());
            }
        }
        // A budget that its controller has not looked at since it was changed: come back in ten seconds.
        if number("observedGeneration") < budget.meta.generation {
            return Err(refused(10));
        }
        let forbid = |why: &str| {
            let message = format!("poddisruptionbudget.policy {:?} is forbidden: {why}", budget.meta.name);
            Err(ApiError::new(ErrorReason::Forbidden, message))
        };
        if allowed < 0 {
            return forbid("pdb disruptions allowed is negative");
        }
        if status.get("disruptedPods").and_then(Value::as_object).map_or(0, Map::len) > MAX_DISRUPTED {
            return forbid("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
        }
        if allowed == 0 {
            return Err(refused(0));
        }
        let now = self.timestamp(context).to_string();
        let mut next = budget.clone();
        let fields = &mut Arc::make_mut(&mut next).body.fields;
        if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut) {
            if allowed == 1 {
                forbid_more(status, &now);
            }
            status.insert("disruptionsAllowed".to_owned(), (allowed - 1).into());
            let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
            if let Some(disrupted) = disrupted.as_object_mut() {
                disrupted.insert(pod.meta.name.to_string(), now.into());
            }
        }
        self.replace(Object::Untyped(budget), |_| Object::Untyped(next), context).map(|_| ())
    }
}

/// The condition of a budget whose last disruption was taken. Upstream: `UpdateDisruptionAllowedCondition`.
fn forbid_more(status: &mut Map<String, Value>, now: &str) {
    let observed = status.get("observedGeneration").cloned().unwrap_or_default();
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let known = conditions.iter().position(|condition| condition["type"] == DISRUPTION_ALLOWED);
    let since = known.map(|at| &conditions[at]).filter(|condition| condition["status"] == "False");
    let since = since.map_or_else(|| json!(now), |condition| condition["lastTransitionTime"].clone());
    let condition = json!({
        "type": DISRUPTION_ALLOWED,
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "observedGeneration": observed,
        "lastTransitionTime": since,
    });
    match known {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

fn refused(retry_after_seconds: u32) -> ApiError {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut error = ApiError::new(ErrorReason::TooManyRequests, message).with_cause("DisruptionBudget");
    error.retry_after_seconds = Some(retry_after_seconds);
    error
}
