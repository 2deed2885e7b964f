//! PodDisruptionBudgets as the controller reads and writes them.
//! Upstream: `k8s.io/component-helpers/apps/poddisruptionbudget`, `updatePdbStatus` and `failSafe` of the controller.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::api::policy::v1::{PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time as WireTime};
use k8s_openapi::jiff;

use crate::api::{
    ConditionStatus, IntOrPercent, Labels, Meta, Name, Obj, Object, Selector, Timestamp, Untyped, convert,
};

/// The condition that says whether a disruption is allowed.
const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";

/// A budget, read once for each change of it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    object: Arc<Obj<Untyped>>,
    /// `spec`.
    pub(super) spec: PodDisruptionBudgetSpec,
    /// `status`.
    pub(super) status: PodDisruptionBudgetStatus,
    /// `spec.selector`: an empty one selects everything, none nothing.
    pub(super) selector: Result<Selector, Name>,
}

/// What a look at the pods of a budget has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Findings {
    /// Pods that are healthy.
    pub(super) healthy: i32,
    /// Pods that have to be.
    pub(super) desired: i32,
    /// Pods that there should be.
    pub(super) expected: i32,
}

impl Budget {
    /// Reads one.
    pub(super) fn of(object: &Arc<Obj<Untyped>>) -> Budget {
        let field = |name: &str| object.body.fields.get(name).cloned();
        let spec: PodDisruptionBudgetSpec =
            field("spec").and_then(|spec| serde_json::from_value(spec).ok()).unwrap_or_default();
        let status = field("status").and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default();
        let selector = Selector::from_label_selector(spec.selector.as_ref()).map_err(Name::from);
        Budget { object: object.clone(), spec, status, selector }
    }

    /// Its metadata.
    pub(super) fn meta(&self) -> &Meta {
        &self.object.meta
    }

    /// Whether it selects a pod with these labels.
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        let selects = |selector: &Selector| selector.matches(|key| labels.get(key).map(Name::as_str));
        self.selector.as_ref().is_ok_and(selects)
    }

    /// The pods whose eviction was allowed, and when.
    pub(super) fn disrupted(&self) -> impl Iterator<Item = (&String, Timestamp)> {
        self.status.disrupted_pods.iter().flatten().map(|(name, time)| (name, Timestamp(time.0.as_second())))
    }

    /// `spec.maxUnavailable`.
    pub(super) fn max_unavailable(&self) -> Option<IntOrPercent> {
        self.spec.max_unavailable.as_ref().map(IntOrPercent::from)
    }

    /// `spec.minAvailable`.
    pub(super) fn min_available(&self) -> Option<IntOrPercent> {
        self.spec.min_available.as_ref().map(IntOrPercent::from)
    }

    /// Whether it counts in pods that its owners want, not in pods that there are.
    pub(super) fn depends_on_scale(&self) -> bool {
        let is_number = |value: IntOrPercent| matches!(value, IntOrPercent::Int(_));
        self.spec.max_unavailable.is_some() || !self.min_available().is_none_or(is_number)
    }

    /// The budget with a status that says what was found; none where it says so already.
    pub(super) fn found(&self, findings: Findings, disrupted: &[String], now: Timestamp) -> Option<Object> {
        let Findings { healthy, desired, expected } = findings;
        let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
        let kept: BTreeMap<String, WireTime> = self
            .status
            .disrupted_pods
            .iter()
            .flatten()
            .filter(|(name, _)| disrupted.contains(name))
            .map(|(name, time)| (name.clone(), time.clone()))
            .collect();
        let old = &self.status;
        let generation = self.object.meta.generation;
        let same = old.current_healthy == Some(healthy)
            && old.desired_healthy == Some(desired)
            && old.expected_pods == Some(expected)
            && old.disruptions_allowed == Some(allowed)
            && old.disrupted_pods.as_ref().map_or(0, BTreeMap::len) == kept.len()
            && old.observed_generation.unwrap_or(0) == generation
            && self.is_condition_up_to_date();
        if same {
            return None;
        }
        let mut status = PodDisruptionBudgetStatus {
            current_healthy: Some(healthy),
            desired_healthy: Some(desired),
            expected_pods: Some(expected),
            disruptions_allowed: Some(allowed),
            disrupted_pods: (!kept.is_empty()).then_some(kept),
            observed_generation: Some(generation),
            conditions: old.conditions.clone(),
        };
        let (holds, reason) = if allowed > 0 {
            (ConditionStatus::True, "SufficientPods")
        } else {
            (ConditionStatus::False, "InsufficientPods")
        };
        set_condition(&mut status, holds, reason, "", now);
        Some(self.with_status(status))
    }

    /// The budget with a status that allows nothing, since its pods could not be counted.
    pub(super) fn failed(&self, error: &str, now: Timestamp) -> Object {
        let mut status = self.status.clone();
        status.disruptions_allowed = Some(0);
        set_condition(&mut status, ConditionStatus::False, "SyncFailed", error, now);
        self.with_status(status)
    }

    /// Upstream: `ConditionsAreUpToDate`.
    fn is_condition_up_to_date(&self) -> bool {
        let generation = self.status.observed_generation.unwrap_or(0);
        let mut conditions = self.status.conditions.iter().flatten();
        let Some(condition) = conditions.find(|condition| condition.type_ == DISRUPTION_ALLOWED) else { return false };
        let wanted = if self.status.disruptions_allowed.unwrap_or(0) > 0 { "True" } else { "False" };
        condition.observed_generation.unwrap_or(0) == generation && condition.status == wanted
    }

    fn with_status(&self, status: PodDisruptionBudgetStatus) -> Object {
        let mut object = self.object.clone();
        Arc::make_mut(&mut object).body.fields.insert("status".to_owned(), convert::to_value(&status));
        Object::Untyped(object)
    }
}

/// Upstream: `meta.SetStatusCondition`.
fn set_condition(
    status: &mut PodDisruptionBudgetStatus,
    holds: ConditionStatus,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let last_transition_time = WireTime(jiff::Timestamp::from_second(now.0).unwrap_or_default());
    let fresh = Condition {
        type_: DISRUPTION_ALLOWED.to_owned(),
        status: holds.as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: status.observed_generation,
        last_transition_time,
    };
    let conditions = status.conditions.get_or_insert_with(Vec::new);
    match conditions.iter_mut().find(|condition| condition.type_ == DISRUPTION_ALLOWED) {
        Some(known) if known.status == fresh.status => {
            let last_transition_time = known.last_transition_time.clone();
            *known = Condition { last_transition_time, ..fresh };
        }
        Some(known) => *known = fresh,
        None => conditions.push(fresh),
    }
}

/// A label selector as Go prints one. Upstream: the generated `LabelSelector.String`.
pub(super) fn go_text(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let mut text = "&LabelSelector{MatchLabels:map[string]string{".to_owned();
    for (key, value) in selector.match_labels.iter().flatten() {
        let _ = write!(text, "{key}: {value},");
    }
    text.push_str("},MatchExpressions:[]LabelSelectorRequirement{");
    for one in selector.match_expressions.iter().flatten() {
        let values = one.values.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        let _ =
            write!(text, "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},", one.key, one.operator);
    }
    text.push_str("},}");
    text
}
