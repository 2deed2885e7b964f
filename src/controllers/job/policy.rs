//! Pod failure policies and success policies: what a failed pod means for its Job, and when enough has succeeded.
//! Upstream: `pkg/controller/job/pod_failure_policy.go`, `success_policy.go`.

use k8s_openapi::api::batch::v1 as batch;

use super::indexes::Intervals;
use crate::api::{ContainerState, ContainerStatus, Obj, Pod};

/// What a pod failure policy says of a failed pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// No rule fits, or one that says `Count`: it counts.
    Count,
    /// It does not count.
    Ignore,
    /// It counts, and its index has failed for good.
    FailIndex,
    /// It counts, and the Job has failed for good, with this message.
    FailJob(String),
}

impl Judgement {
    /// Whether the failure counts towards the limits.
    pub(super) fn counts(&self) -> bool {
        *self != Judgement::Ignore
    }
}

/// Judges a failed pod: the first rule that fits. Upstream: `matchPodFailurePolicy`.
pub(super) fn judge(policy: Option<&batch::PodFailurePolicy>, pod: &Obj<Pod>) -> Judgement {
    for (index, rule) in policy.into_iter().flat_map(|policy| &policy.rules).enumerate() {
        let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
        let matched = if let Some(codes) = &rule.on_exit_codes {
            exit_code(pod, codes).map(|(container, code)| {
                format!("Container {container} for pod {namespace}/{name} failed with exit code {code}")
            })
        } else {
            let patterns = rule.on_pod_conditions.iter().flatten();
            condition(pod, patterns).map(|kind| format!("Pod {namespace}/{name} has condition {kind}"))
        };
        let Some(matched) = matched else { continue };
        match rule.action.as_str() {
            "Ignore" => return Judgement::Ignore,
            "FailIndex" => return Judgement::FailIndex,
            "Count" => return Judgement::Count,
            "FailJob" => return Judgement::FailJob(format!("{matched} matching FailJob rule at index {index}")),
            _ => {}
        }
    }
    Judgement::Count
}

/// The first container that has ended as a rule says, containers before init containers.
fn exit_code(pod: &Obj<Pod>, rule: &batch::PodFailurePolicyOnExitCodesRequirement) -> Option<(String, i32)> {
    let spec = &pod.body.spec;
    let status = &pod.body.status;
    let containers = spec.containers().iter().zip(&status.containers);
    let init_containers = spec.init_containers().iter().zip(&status.init_containers);
    containers.chain(init_containers).find_map(|(container, status)| {
        let code = terminated(status)?;
        let named = rule.container_name.as_ref().is_none_or(|name| *name == container.name);
        let fits = match rule.operator.as_str() {
            "In" => rule.values.contains(&code),
            "NotIn" => !rule.values.contains(&code),
            _ => false,
        };
        (named && code != 0 && fits).then(|| (container.name.clone(), code))
    })
}

fn terminated(status: &ContainerStatus) -> Option<i32> {
    match &status.state {
        ContainerState::Terminated(terminated) => Some(terminated.exit_code),
        ContainerState::Waiting(_) | ContainerState::Running { .. } => None,
    }
}

/// The first condition of a pod that one of the patterns names. Conditions that no built-in part sets are looked for
/// in what else the status had.
fn condition<'a>(
    pod: &Obj<Pod>,
    patterns: impl Iterator<Item = &'a batch::PodFailurePolicyOnPodConditionsPattern> + Clone,
) -> Option<String> {
    let status = &pod.body.status;
    let own = status.conditions.iter().map(|found| (found.kind.as_str(), found.status.as_str()));
    let others = status.rest.iter().flat_map(|rest| rest.conditions.iter().flatten());
    let others = others.map(|found| (found.type_.as_str(), found.status.as_str()));
    own.chain(others)
        .find(|(kind, is)| {
            patterns.clone().any(|pattern| {
                // The server fills in `True`.
                let wanted = pattern.status.as_deref().unwrap_or("True");
                pattern.type_ == *kind && wanted == *is
            })
        })
        .map(|(kind, _)| kind.to_owned())
}

/// The message that says which rule of a success policy is fulfilled. Upstream: `matchSuccessPolicy`.
pub(super) fn succeeded(
    policy: Option<&batch::SuccessPolicy>,
    completions: i32,
    indexes: &Intervals,
) -> Option<String> {
    if indexes.is_empty() {
        return None;
    }
    let fulfilled = |rule: &batch::SuccessPolicyRule| match &rule.succeeded_indexes {
        Some(text) => {
            let wanted = Intervals::parse(text, completions);
            let found = wanted.overlap(indexes);
            !wanted.is_empty() && (found == wanted.total() || rule.succeeded_count.is_some_and(|count| found >= count))
        }
        None => rule.succeeded_count.is_some_and(|count| indexes.total() >= count),
    };
    let rules = policy.map(|policy| policy.rules.as_slice()).unwrap_or_default();
    rules.iter().position(fulfilled).map(|index| format!("Matched rules at index {index}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{ConditionStatus, PodConditionType, Terminated, Timestamp};
    use crate::controllers::test_support::running_pod;

    #[track_caller]
    fn check(rules: Value, code: i32, disrupted: bool, expected: Judgement) {
        let policy: batch::PodFailurePolicy = serde_json::from_value(json!({"rules": rules})).expect("a policy");
        let mut pod = running_pod("p", "n1");
        let ended = Terminated {
            exit_code: code,
            reason: "Error".into(),
            message: "".into(),
            started_at: Timestamp(0),
            finished_at: Timestamp(9),
        };
        let status =
            ContainerStatus { state: ContainerState::Terminated(Box::new(ended)), ..ContainerStatus::waiting("") };
        pod.body.status.containers = vec![status];
        if disrupted {
            let kind = PodConditionType::DisruptionTarget;
            pod.body.status.set_condition(kind, ConditionStatus::True, None, Timestamp(9));
        }
        assert_eq!(judge(Some(&policy), &pod), expected);
    }

    #[test]
    fn the_first_rule_that_fits_judges_a_failed_pod() {
        let fail = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
        let ignore = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
        let index = json!({"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1, 42]}});
        let rules = json!([fail, ignore, index]);
        let message = "Container c for pod default/p failed with exit code 42 matching FailJob rule at index 0";
        check(rules.clone(), 42, false, Judgement::FailJob(message.into()));
        check(rules.clone(), 42, true, Judgement::FailJob(message.into()));
        check(rules.clone(), 1, true, Judgement::Ignore);
        check(rules.clone(), 1, false, Judgement::Count);
        check(rules.clone(), 3, false, Judgement::FailIndex);
        check(rules, 0, false, Judgement::Count);
        let other =
            json!([{"action": "FailJob", "onExitCodes": {"containerName": "x", "operator": "NotIn", "values": [0]}}]);
        check(other, 5, false, Judgement::Count);
        let condition = json!([{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}]);
        let message = "Pod default/p has condition DisruptionTarget matching FailJob rule at index 0";
        check(condition, 1, true, Judgement::FailJob(message.into()));
    }

    #[track_caller]
    fn check_success(rules: Value, indexes: &str, expected: Option<&str>) {
        let policy: batch::SuccessPolicy = serde_json::from_value(json!({"rules": rules})).expect("a policy");
        let found = succeeded(Some(&policy), 10, &Intervals::parse(indexes, 10));
        assert_eq!(found.as_deref(), expected, "{indexes}");
    }

    #[test]
    fn a_success_policy_asks_for_indexes_a_count_or_both() {
        let rules = json!([{"succeededIndexes": "0,2-4", "succeededCount": 2}, {"succeededIndexes": "9"}, {"succeededCount": 5}]);
        check_success(rules.clone(), "", None);
        check_success(rules.clone(), "0,1", None);
        check_success(rules.clone(), "0,3", Some("Matched rules at index 0"));
        check_success(rules.clone(), "9", Some("Matched rules at index 1"));
        check_success(rules, "1,5-8", Some("Matched rules at index 2"));
        check_success(json!([{"succeededIndexes": "0-2"}]), "0,1", None);
        check_success(json!([{"succeededIndexes": "0-2"}]), "0-2", Some("Matched rules at index 0"));
    }
}
