//! Whom it hits first. Upstream: `eviction/helpers.go` (`rankMemoryPressure`, `rankDiskPressureFunc`, `rankPIDPressure`).
//!
//! A pod of which no container runs has no statistics and comes first, as upstream. Pods that rank the same are taken in
//! the order in which they came to the node; upstream leaves that to chance.

use std::cmp::Reverse;

use super::thresholds::Starved;
use crate::kubelet::usage::Usage;

/// A pod that may be evicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kubelet) struct Candidate {
    /// Its number on the node.
    pub(in crate::kubelet) serial: u32,
    /// Its priority.
    pub(in crate::kubelet) priority: i32,
    /// What it takes; `None`: none of its containers runs.
    pub(in crate::kubelet) usage: Option<Usage>,
    /// The memory that it requests, in bytes.
    pub(in crate::kubelet) memory: i64,
    /// The ephemeral storage that it requests, in bytes.
    pub(in crate::kubelet) disk: i64,
}

/// Sorts the pods for eviction.
pub(in crate::kubelet) fn rank(candidates: &mut [Candidate], starved: Starved) {
    candidates.sort_by_key(|pod| {
        let unknown = pod.usage.is_none();
        let used = |of: fn(&Usage) -> u64| pod.usage.as_ref().map_or(0, |usage| i128::from(of(usage)));
        // For inodes, too, upstream takes off the request of storage; none requests inodes.
        let (used, request, exceeds_from) = match starved {
            Starved::Memory => (used(|usage| usage.memory), pod.memory, pod.memory),
            Starved::Disk => (used(|usage| usage.disk), pod.disk, pod.disk),
            Starved::Inodes => (used(|usage| usage.inodes), pod.disk, 0),
            Starved::Pids => {
                return (0, pod.priority, u8::from(!unknown), Reverse(used(|usage| usage.pids)), pod.serial);
            }
        };
        let within = match (unknown, used > i128::from(exceeds_from)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let above = if unknown { 0 } else { used - i128::from(request) };
        (within, pod.priority, 0, Reverse(above), pod.serial)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(serial: u32, priority: i32, used: u64, request: i64) -> Candidate {
        let usage = Some(Usage { memory: used, disk: used, inodes: used, pids: used, ..Usage::default() });
        Candidate { serial, priority, usage, memory: request, disk: request }
    }

    #[track_caller]
    fn check(starved: Starved, mut pods: Vec<Candidate>, expected: &[u32]) {
        rank(&mut pods, starved);
        let order: Vec<u32> = pods.iter().map(|pod| pod.serial).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn who_takes_more_than_it_requests_comes_first_then_priority_then_how_much_more() {
        let pods = vec![pod(1, 0, 10, 20), pod(2, 5, 90, 10), pod(3, 0, 30, 20), pod(4, 0, 50, 20), pod(5, 9, 1, 1)];
        check(Starved::Memory, pods.clone(), &[4, 3, 2, 1, 5]);
        check(Starved::Disk, pods.clone(), &[4, 3, 2, 1, 5]);
        // Whoever has an inode exceeds its request.
        check(Starved::Inodes, pods.clone(), &[4, 3, 1, 2, 5]);
        // For process numbers priority alone counts, then how many.
        check(Starved::Pids, pods, &[4, 3, 1, 2, 5]);
    }

    #[test]
    fn a_pod_of_which_nothing_runs_comes_before_all_others() {
        let dead = Candidate { usage: None, ..pod(3, 100, 0, 0) };
        check(Starved::Memory, vec![pod(1, 0, 90, 10), dead], &[3, 1]);
        check(Starved::Pids, vec![pod(1, 0, 90, 10), dead], &[1, 3]);
    }
}
