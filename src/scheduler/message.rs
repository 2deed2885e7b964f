//! Upstream's sentence for a pod that fits nowhere. Upstream: `framework.FitError`.

use std::collections::BTreeMap;

use super::Rejected;

/// What the sentence opens with, after `0/` and the number of nodes.
pub const NODES_AVAILABLE: &str = "nodes are available";

/// `0/5 nodes are available: 3 Insufficient cpu, 2 …. <what PostFilter added>`. A rejection in PreFilter stands in the
/// place of the counted reasons. Reasons that count nothing are left out; the others are sorted as texts with their
/// counts in front, as upstream sorts them.
pub fn fit_error(nodes: usize, pre_filter: Option<&str>, counts: &BTreeMap<&str, usize>, post_filter: &str) -> String {
    let mut text = format!("0/{nodes} {NODES_AVAILABLE}:");
    match pre_filter {
        Some(message) if !message.is_empty() => {
            text.push(' ');
            text.push_str(message);
            text.push('.');
        }
        Some(_) | None => {
            let counted = counts.iter().filter(|(_, count)| **count > 0);
            let mut parts: Vec<String> = counted.map(|(reason, count)| format!("{count} {reason}")).collect();
            parts.sort();
            if !parts.is_empty() {
                text.push(' ');
                text.push_str(&parts.join(", "));
                text.push('.');
            }
        }
    }
    if !post_filter.is_empty() {
        text.push(' ');
        text.push_str(post_filter);
    }
    text
}

/// How often each reason was given.
pub fn histogram_of(rejected: &[Rejected]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for rejected in rejected {
        for reason in rejected.status.reasons.as_slice() {
            *counts.entry(reason.as_str()).or_insert(0) += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pre_filter: Option<&str>, counts: &[(&str, usize)], post_filter: &str, expected: &str) {
        let counts = counts.iter().copied().collect();
        assert_eq!(fit_error(12, pre_filter, &counts, post_filter), expected);
    }

    #[test]
    fn reasons_are_sorted_as_texts_with_their_counts() {
        check(None, &[("b", 10), ("a", 9), ("c", 0)], "more", "0/12 nodes are available: 10 b, 9 a. more");
        check(Some("no."), &[("b", 10)], "", "0/12 nodes are available: no..");
        check(None, &[], "", "0/12 nodes are available:");
    }
}
