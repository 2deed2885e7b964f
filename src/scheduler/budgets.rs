//! PodDisruptionBudgets, as preemption reads them: from `status.disruptionsAllowed` and `status.disruptedPods`.
//! Upstream: `filterPodsWithPDBViolation` in `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use crate::api::{Kind, Name, Obj, Object, Pod, Selector, Untyped};

/// A budget, read once.
#[derive(Clone, Debug)]
struct Budget {
    namespace: Name,
    name: Name,
    /// Absent where the budget is for no pod: no selector, an empty one, or one that cannot be read.
    selector: Option<Selector>,
    allowed: i64,
    /// The pods whose eviction the API server has counted already.
    disrupted: BTreeSet<Name>,
}

impl Budget {
    fn of(object: &Arc<Obj<Untyped>>) -> Budget {
        let at = |path: &[&str]| {
            let (first, rest) = path.split_first()?;
            rest.iter().try_fold(object.body.fields.get(*first)?, |value, key| value.get(key))
        };
        let selector = at(&["spec", "selector"]).and_then(|selector| {
            let selector: LabelSelector = serde_json::from_value(selector.clone()).ok()?;
            Selector::from_label_selector(Some(&selector)).ok()
        });
        let disrupted = at(&["status", "disruptedPods"]).and_then(Value::as_object);
        Budget {
            namespace: object.meta.namespace.clone(),
            name: object.meta.name.clone(),
            selector: selector.filter(|selector| !selector.is_everything()),
            allowed: at(&["status", "disruptionsAllowed"]).and_then(Value::as_i64).unwrap_or(0),
            disrupted: disrupted.into_iter().flat_map(|pods| pods.keys().map(Name::from)).collect(),
        }
    }

    fn key(&self) -> (&Name, &Name) {
        (&self.namespace, &self.name)
    }

    fn counts(&self, pod: &Obj<Pod>) -> bool {
        let labels = &pod.meta.labels;
        self.selector.as_ref().is_some_and(|selector| selector.matches(|key| labels.get(key).map(Name::as_str)))
            && !self.disrupted.contains(&pod.meta.name)
    }
}

/// All PodDisruptionBudgets.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    /// By namespace and name.
    list: Vec<Budget>,
}

impl Budgets {
    /// Takes in a new or changed object; those of other kinds leave it as it is.
    pub fn set(&mut self, object: &Object) {
        let Some(object) = budget(object) else { return };
        let budget = Budget::of(object);
        match self.list.binary_search_by(|known| known.key().cmp(&budget.key())) {
            Ok(at) => self.list[at] = budget,
            Err(at) => self.list.insert(at, budget),
        }
    }

    /// Forgets an object that is gone.
    pub fn remove(&mut self, object: &Object) {
        let Some(object) = budget(object) else { return };
        let key = (&object.meta.namespace, &object.meta.name);
        self.list.retain(|known| known.key() != key);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Which of the pods would break a budget if all of them went in this order.
    pub fn violations(&self, pods: &[&Arc<Obj<Pod>>]) -> Vec<bool> {
        let mut allowed: Vec<i64> = self.list.iter().map(|budget| budget.allowed).collect();
        let violates = |pod: &&Arc<Obj<Pod>>| {
            let namespace = &pod.meta.namespace;
            let first = self.list.partition_point(|budget| budget.namespace < *namespace);
            let here = self.list[first..].iter().take_while(|budget| budget.namespace == *namespace);
            let mut violated = false;
            for (budget, allowed) in here.zip(&mut allowed[first..]) {
                if budget.counts(pod) {
                    *allowed -= 1;
                    violated |= *allowed < 0;
                }
            }
            violated
        };
        pods.iter().map(violates).collect()
    }
}

fn budget(object: &Object) -> Option<&Arc<Obj<Untyped>>> {
    match object {
        Object::Untyped(object) if object.meta.id.kind == Kind::PodDisruptionBudget => Some(object),
        Object::Untyped(_)
        | Object::Pod(_)
        | Object::Node(_)
        | Object::Namespace(_)
        | Object::Deployment(_)
        | Object::ReplicaSet(_)
        | Object::Event(_)
        | Object::Lease(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::testing::{budget, labelled};

    /// Which of the pods `a`, `b` and `c` (all `app: web`) and `d` (without labels) break the budgets.
    #[track_caller]
    fn check(budgets: &[&str], broken: &str) {
        let mut all = Budgets::default();
        for (number, text) in budgets.iter().enumerate() {
            all.set(&budget(&format!("b{number}"), text));
        }
        let web = [("app", "web")];
        let pods = [("a", &web[..]), ("b", &web), ("c", &web), ("d", &[])].map(|(name, labels)| labelled(name, labels));
        let violations = all.violations(&pods.iter().collect::<Vec<_>>());
        let names = pods.iter().zip(violations).filter(|(_, broken)| *broken).map(|(pod, _)| pod.meta.name.as_str());
        assert_eq!(names.collect::<String>(), broken, "{budgets:?}");
    }

    #[test]
    fn pods_count_in_order_until_nothing_is_allowed_any_more() {
        let web = "spec: {selector: {matchLabels: {app: web}}}";
        check(&[], "");
        check(&[&format!("{{{web}}}")], "abc");
        check(&[&format!("{{{web}, status: {{disruptionsAllowed: 2}}}}")], "c");
        check(
            &[&format!("{{{web}, status: {{disruptionsAllowed: 1, disruptedPods: {{a: '2026-01-01T00:00:00Z'}}}}}}")],
            "c",
        );
        check(
            &[
                &format!("{{{web}, status: {{disruptionsAllowed: 9}}}}"),
                &format!("{{{web}, status: {{disruptionsAllowed: 1}}}}"),
            ],
            "bc",
        );
    }

    #[test]
    fn a_budget_without_selector_is_for_no_pod() {
        check(&["{spec: {}}"], "");
        check(&["{spec: {selector: {}}}"], "");
        check(&["{spec: {selector: {matchLabels: {'-': web}}}}"], "");
    }
}
