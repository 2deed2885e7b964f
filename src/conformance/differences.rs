//! What is different by design: recorded at v1.23, followed here at v1.34. Each with its upstream source.

/// A difference that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The scenario, with `*` for anything.
    pub scenario: &'static str,
    /// The beginning of the field's path, each key with `*` for anything.
    pub path: &'static [&'static str],
    /// What differs, and why.
    pub why: &'static str,
    /// Where upstream says so.
    pub source: &'static str,
}

/// All of them.
pub const DIFFERENCES: &[Known] = &[];

/// The entry of a field.
pub(super) fn known(scenario: &str, path: &[String]) -> Option<&'static Known> {
    DIFFERENCES.iter().find(|known| {
        fits(known.scenario, scenario)
            && known.path.len() <= path.len()
            && known.path.iter().zip(path).all(|(pattern, key)| fits(pattern, key))
    })
}

/// Whether a text is a pattern's, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        check("*", "", true);
        check("*", "x-preempt", true);
        check("x-*", "x-preempt", true);
        check("Pod/*|Preempted|*", "Pod/low-<r>|Preempted|Normal", true);
        check("Pod/*|Preempted|*", "Pod/low-<r>|Scheduled|Normal", false);
        check("dep", "dep-basic", false);
    }
}
