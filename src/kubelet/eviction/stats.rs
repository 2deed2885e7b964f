//! What there is of a node, and what its containers will have taken of it at any instant to come.
//! Upstream: `eviction/helpers.go` (`makeSignalObservations`), the summary of `pkg/kubelet/server/stats`.
//!
//! The node has one disk for everything, so that `nodefs` and `imagefs` are the same. A pool that declares no
//! `ephemeral-storage` has 100Gi; an inode comes with every 16 KiB, as ext4 makes them; process numbers end at 32,768,
//! the kernel's default. The machine's own programs take what is not allocatable and no more, so that memory runs short
//! for the pods and for the machine at once. Where a pool gives away its whole capacity as allocatable (upstream keeps
//! the hard threshold back), the machine counts as having the threshold beside it: pods that keep to their requests are
//! never evicted.

use super::thresholds::{Signal, Starved, Threshold};
use crate::api::resources::Resources;
use crate::kernel::Time;
use crate::kubelet::usage::in_pages;
use crate::kubelet::{Course, NodeTemplate};

const DISK: u64 = 100 << 30;
const BYTES_AN_INODE: u64 = 16 << 10;
const PIDS: u64 = 32_768;

/// What there is of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kubelet) struct Capacity {
    /// In total: what shares are of.
    total: [u64; 4],
    /// What pods and images can take in the end.
    room: [u64; 4],
}

/// What is taken of one resource, now and later.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::kubelet) struct Flow<'a> {
    /// What does not change.
    pub(in crate::kubelet) fixed: u64,
    /// What does: when each begins.
    pub(in crate::kubelet) courses: Vec<(Time, &'a Course)>,
}

/// What is taken of a node.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::kubelet) struct Demand<'a>(pub(in crate::kubelet) [Flow<'a>; 4]);

/// What each signal shows at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kubelet) struct Observation {
    capacity: Capacity,
    available: [u64; 4],
}

impl Capacity {
    /// Of a node of a pool.
    pub(in crate::kubelet) fn of(template: &NodeTemplate, thresholds: &[Threshold]) -> Capacity {
        let capacity = Resources::of_list(Some(&template.capacity));
        let disk = if capacity.ephemeral_storage > 0 { capacity.ephemeral_storage.unsigned_abs() } else { DISK };
        let total = [capacity.memory.unsigned_abs(), disk, disk / BYTES_AN_INODE, PIDS];
        let mut room = total;
        for starved in [Starved::Memory, Starved::Disk] {
            let at = starved as usize;
            let allocatable =
                if starved == Starved::Memory { &template.room.memory } else { &template.room.ephemeral_storage };
            let of = |threshold: &&Threshold| threshold.is_hard() && threshold.signal.starved() == starved;
            let kept = thresholds.iter().filter(of).map(|threshold| threshold.least.of(total[at])).max();
            room[at] = room[at].max(allocatable.unsigned_abs() + kept.unwrap_or(0));
        }
        Capacity { total, room }
    }

    /// The whole of a resource.
    pub(in crate::kubelet) fn total(&self, starved: Starved) -> u64 {
        self.total[starved as usize]
    }
}

impl Flow<'_> {
    /// What is taken at an instant.
    pub(in crate::kubelet) fn at(&self, now: Time) -> u64 {
        let of = |(begins, course): &(Time, &Course)| course.at(now.since(*begins));
        self.courses.iter().map(of).fold(self.fixed, u64::saturating_add)
    }

    /// Instants after `now` between which it changes in a straight line.
    fn bends(&self, now: Time, bends: &mut Vec<Time>) {
        for (begins, course) in &self.courses {
            let mut bend = |at: Time| {
                if at > now {
                    bends.push(at);
                }
            };
            bend(*begins);
            match course {
                Course::Constant(_) => {}
                Course::Ramp { over, .. } => bend(begins.saturating_add(*over)),
                Course::Steps(steps) => steps.iter().for_each(|(after, _)| bend(begins.saturating_add(*after))),
            }
        }
    }
}

impl Demand<'_> {
    /// Instants after `now`, rising, between which everything changes in straight lines.
    pub(in crate::kubelet) fn bends(&self, now: Time) -> Vec<Time> {
        let mut bends = Vec::new();
        self.0.iter().for_each(|flow| flow.bends(now, &mut bends));
        bends.sort_unstable();
        bends.dedup();
        bends
    }

    /// The first instant from `now` on at which all memory is taken, and more; `Time::MAX`: that does not come.
    pub(in crate::kubelet) fn runs_out_of_memory_at(&self, capacity: &Capacity, now: Time) -> Time {
        let flow = &self.0[Starved::Memory as usize];
        let is_short = |at: Time| flow.at(at) > capacity.room[Starved::Memory as usize];
        let mut bends = Vec::new();
        flow.bends(now, &mut bends);
        bends.sort_unstable();
        let mut first = now;
        for bend in bends {
            if is_short(first) {
                return first;
            }
            // Between two bends it is crossed once at most.
            let last = Time(bend.nanos() - 1);
            if last > first && is_short(last) {
                let (mut low, mut high) = (first.nanos(), last.nanos());
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if is_short(Time(middle)) { high = middle } else { low = middle }
                }
                return Time(high);
            }
            first = bend;
        }
        if is_short(first) { first } else { Time::MAX }
    }

    /// What a kubelet that looks at an instant sees.
    pub(in crate::kubelet) fn observe(&self, capacity: &Capacity, at: Time) -> Observation {
        let mut available = capacity.room;
        for (left, flow) in available.iter_mut().zip(&self.0) {
            *left = left.saturating_sub(flow.at(at));
        }
        for starved in [Starved::Memory, Starved::Disk] {
            available[starved as usize] = in_pages(available[starved as usize]);
        }
        Observation { capacity: *capacity, available }
    }
}

impl Observation {
    /// What is left for a signal.
    pub(in crate::kubelet) fn available(&self, signal: Signal) -> u64 {
        self.available[signal.starved() as usize]
    }

    /// The capacity that shares are of.
    pub(in crate::kubelet) fn capacity(&self, signal: Signal) -> u64 {
        self.capacity.total(signal.starved())
    }

    /// Whether a threshold is met; `with_reclaim`: also while what is to be reclaimed beyond it is missing.
    /// Upstream: `thresholdsMet`.
    pub(in crate::kubelet) fn meets(&self, threshold: &Threshold, reach: Reach) -> bool {
        let capacity = self.capacity(threshold.signal);
        let beyond = match (reach, &threshold.reclaim) {
            (Reach::Reclaim, Some(reclaim)) => reclaim.of(capacity),
            (Reach::Reclaim, None) | (Reach::Threshold, _) => 0,
        };
        threshold.least.of(capacity).saturating_add(beyond) > self.available(threshold.signal)
    }
}

/// How much must be there for a threshold to be met no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kubelet) enum Reach {
    /// The threshold.
    Threshold,
    /// What is to be reclaimed, too.
    Reclaim,
}
