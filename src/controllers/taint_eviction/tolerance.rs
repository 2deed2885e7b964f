//! How long a pod stays on a node with taints NoExecute.
//! Upstream: `component-helpers/scheduling/corev1`, `getMinTolerationTime`.

use k8s_openapi::api::core::v1;

use crate::api::{Node, Obj};

/// The taints NoExecute of a node.
pub(super) fn no_execute(node: &Obj<Node>) -> Vec<v1::Taint> {
    node.body.taints().iter().filter(|taint| taint.effect == "NoExecute").cloned().collect()
}

/// How many seconds a pod stays, by the first toleration of each taint: the shortest of theirs, or for ever where none
/// has an end (`Some(None)`). `None`: it does not tolerate them all.
pub(super) fn stay(taints: &[v1::Taint], tolerations: &[v1::Toleration]) -> Option<Option<u64>> {
    let mut shortest: Option<u64> = None;
    for taint in taints {
        let used = tolerations.iter().find(|toleration| tolerates(toleration, taint))?;
        if let Some(seconds) = used.toleration_seconds {
            let seconds = seconds.max(0) as u64;
            shortest = Some(shortest.map_or(seconds, |shortest| shortest.min(seconds)));
        }
    }
    Some(shortest)
}

/// Whether a toleration tolerates a taint. Upstream: `ToleratesTaint`.
pub(in crate::controllers) fn tolerates(toleration: &v1::Toleration, taint: &v1::Taint) -> bool {
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let fits = |wanted: Option<String>, found: &str| wanted.is_none_or(|wanted| wanted == found);
    fits(set(&toleration.effect), &taint.effect)
        && fits(set(&toleration.key), &taint.key)
        && match toleration.operator.as_deref() {
            None | Some("" | "Equal") => {
                toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
            }
            Some(operator) => operator == "Exists",
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tolerations as `key seconds`, an empty key for all, without seconds for ever.
    #[track_caller]
    fn check(tolerations: &[&str], expected: Option<Option<u64>>) {
        let taint = |key: &str| v1::Taint { key: key.to_owned(), effect: "NoExecute".to_owned(), ..Default::default() };
        let tolerations: Vec<v1::Toleration> = tolerations
            .iter()
            .filter_map(|text| text.split_once(' '))
            .map(|(key, seconds)| v1::Toleration {
                key: Some(key.to_owned()),
                operator: Some("Exists".to_owned()),
                toleration_seconds: seconds.parse().ok(),
                ..Default::default()
            })
            .collect();
        assert_eq!(stay(&[taint("a"), taint("b")], &tolerations), expected, "{tolerations:?}");
    }

    #[test]
    fn the_shortest_of_the_tolerations_that_are_used_decides() {
        check(&[], None);
        check(&["a 5"], None);
        check(&["a 5", "b 3"], Some(Some(3)));
        check(&["a ", "b 3"], Some(Some(3)));
        check(&["a ", "b "], Some(None));
        check(&[" ", "b 3"], Some(None));
        check(&["a 5", "b -1"], Some(Some(0)));
    }
}
