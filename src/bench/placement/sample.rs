//! What is measured after every pod.

use super::park::Totals;
use crate::kernel::Time;
use crate::scheduler::policies::{RESOURCES, ResourceVector};

/// The state of a run after a pod came.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// When.
    pub at: Time,
    /// How many pods have come.
    pub pods: u32,
    /// What they asked for, placed or not.
    pub arrived: ResourceVector,
    /// The milli of cards that they asked for.
    pub card_arrived: i64,
    /// The sums over the nodes.
    pub totals: Totals,
    /// How many pods were turned away for good.
    pub rejected: u32,
    /// How many wait.
    pub waiting: u32,
    /// The number of typical pods, by which fragmentation is to be divided.
    pub typical: u64,
}

impl Sample {
    /// What has been asked of cards, in percent of what there is; of CPU where there are none.
    pub fn arrived_percent(&self) -> f64 {
        match self.totals.card_capacity {
            0 => percent(self.arrived[0], self.totals.capacity[0]),
            capacity => percent(self.card_arrived, capacity),
        }
    }

    /// What pods have been given of cards, in percent of what there is.
    pub fn alloc_gpu_percent(&self) -> f64 {
        percent(self.totals.card_allocated, self.totals.card_capacity)
    }

    /// What pods have been given of a resource, in percent of what there is.
    pub fn alloc_percent(&self, resource: usize) -> f64 {
        assert!(resource < RESOURCES);
        percent(self.totals.allocated[resource], self.totals.capacity[resource])
    }

    /// The milli of cards that a typical pod cannot use.
    fn fragmentation(&self) -> f64 {
        self.totals.fragmentation as f64 / self.typical.max(1) as f64
    }

    /// Fragmentation in percent of all cards.
    pub fn frag_percent_of_cluster(&self) -> f64 {
        ratio(self.fragmentation(), self.totals.card_capacity)
    }

    /// Fragmentation in percent of the cards that are free.
    pub fn frag_percent_of_idle(&self) -> f64 {
        ratio(self.fragmentation(), self.totals.card_capacity - self.totals.card_allocated)
    }
}

fn percent(part: i64, whole: i64) -> f64 {
    ratio(part as f64, whole)
}

fn ratio(part: f64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part * 100.0 / whole as f64 }
}
