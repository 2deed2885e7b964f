//! Sets of completion indexes as a Job's status writes them: `1,3-5,7`.
//! Upstream: `orderedIntervals` of `pkg/controller/job/indexed_job_utils.go`.

use std::collections::BTreeSet;
use std::fmt;

/// Indexes from the first to the last, both included; rising, apart from one another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Intervals(Vec<(i32, i32)>);

impl Intervals {
    /// Reads a text. What is no number is left out, and whatever is not below `completions`.
    pub(super) fn parse(text: &str, completions: i32) -> Intervals {
        let mut all = Intervals::default();
        for interval in text.split(',') {
            let mut limits = interval.split('-');
            let Some(first) = limits.next().and_then(|text| text.parse::<i32>().ok()) else { continue };
            if first >= completions {
                break;
            }
            let last = match limits.next().map(str::parse::<i32>) {
                None => first,
                Some(Ok(last)) => last.min(completions - 1),
                Some(Err(_)) => continue,
            };
            match all.0.last_mut() {
                Some(before) if before.1 == first - 1 => before.1 = last,
                _ => all.0.push((first, last)),
            }
        }
        all
    }

    /// The same and these.
    pub(super) fn with(&self, indexes: &BTreeSet<i32>) -> Intervals {
        self.merged(&Intervals(indexes.iter().map(|index| (*index, *index)).collect()))
    }

    /// All of both.
    pub(super) fn merged(&self, others: &Intervals) -> Intervals {
        let mut all: Vec<(i32, i32)> = self.0.iter().chain(&others.0).copied().collect();
        all.sort_unstable();
        let mut merged: Vec<(i32, i32)> = Vec::new();
        for (first, last) in all {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Intervals(merged)
    }

    /// How many there are.
    pub(super) fn total(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is there.
    pub(super) fn has(&self, index: i32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < index);
        self.0.get(at).is_some_and(|(first, _)| *first <= index)
    }

    /// How many of these are in the others as well.
    pub(super) fn overlap(&self, others: &Intervals) -> i32 {
        let (mut here, mut there, mut count) = (0, 0, 0);
        while let (Some(one), Some(other)) = (self.0.get(here), others.0.get(there)) {
            count += (one.1.min(other.1) - one.0.max(other.0) + 1).max(0);
            here += usize::from(one.1 <= other.1);
            there += usize::from(other.1 <= one.1);
        }
        count
    }

    /// The first `count` indexes below `completions` that are not here. Upstream: `firstPendingIndexes`.
    pub(super) fn first_missing(&self, count: usize, completions: i32) -> Vec<i32> {
        let mut missing = Vec::new();
        let mut candidate = 0;
        for (first, last) in self.0.iter().copied().chain([(completions, completions)]) {
            while candidate < first.min(completions) && missing.len() < count {
                missing.push(candidate);
                candidate += 1;
            }
            candidate = candidate.max(last.saturating_add(1));
        }
        missing
    }
}

impl fmt::Display for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, completions: i32, shown: &str, total: i32, missing: &[i32]) {
        let intervals = Intervals::parse(text, completions);
        assert_eq!(intervals.to_string(), shown, "{text:?} of {completions}");
        assert_eq!(intervals.total(), total);
        assert_eq!(intervals.first_missing(3, completions), missing);
        assert!(missing.iter().all(|index| !intervals.has(*index)));
    }

    #[test]
    fn indexes_are_read_and_shown_as_a_status_has_them() {
        check("", 5, "", 0, &[0, 1, 2]);
        check("0", 1, "0", 1, &[]);
        check("0-3", 4, "0-3", 4, &[]);
        check("1,3-5,7", 10, "1,3-5,7", 5, &[0, 2, 6]);
        check("0,1", 3, "0,1", 2, &[2]);
        check("0-1", 3, "0,1", 2, &[2]);
        check("0,1,2", 3, "0-2", 3, &[]);
        check("2-9", 4, "2,3", 2, &[0, 1]);
        check("x,2,3-y", 5, "2", 1, &[0, 1, 3]);
    }

    #[test]
    fn sets_are_merged_and_compared() {
        let of = |text: &str| Intervals::parse(text, 100);
        assert_eq!(of("0-2,8").merged(&of("3,5-9")).to_string(), "0-3,5-9");
        assert_eq!(of("1,3").with(&BTreeSet::from([2, 4, 7])).to_string(), "1-4,7");
        assert_eq!(of("0-5,9").overlap(&of("4-9")), 3);
        assert_eq!(of("0,2,4").overlap(&of("1,3,5")), 0);
    }
}
