//! PrioritySort: the higher priority comes first, then who waits longer.

use crate::api::{Obj, Pod};
use crate::kernel::Time;
use crate::scheduler::{ExtensionPoint, Plugin, PluginEntry};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "PrioritySort",
    points: &[ExtensionPoint::QueueSort],
    weight: 0,
    doc: "sorts the queue by spec.priority, then by the time at which a pod entered it",
    source: "pkg/scheduler/framework/plugins/queuesort/priority_sort.go",
    events: &[],
    plugin: &PrioritySort,
};

#[derive(Debug)]
struct PrioritySort;

impl Plugin for PrioritySort {
    fn sort_key(&self, pod: &Obj<Pod>, since: Time) -> (i64, Time) {
        (-i64::from(pod.body.spec.priority), since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::testing::pod;

    #[track_caller]
    fn check(first: (i32, u64), second: (i32, u64)) {
        let key = |(priority, since): (i32, u64)| {
            PrioritySort.sort_key(&pod("p", &format!("{{priority: {priority}, containers: []}}")), Time(since))
        };
        assert!(key(first) < key(second), "{first:?} comes before {second:?}");
    }

    #[test]
    fn priority_goes_before_age() {
        check((10, 5), (1, 1));
        check((1, 1), (1, 2));
        check((0, 9), (-1, 1));
    }
}
