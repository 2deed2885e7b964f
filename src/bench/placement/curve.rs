//! A run's samples in bins of arrived demand, or of time where pods come as recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Arrivals, Sample};
use crate::kernel::Time;

/// How many slices of time there are, where bins are of time.
const SLICES: u64 = 100;

/// What curves show, in the order of [`Bin::values`].
pub const MEASURES: [&str; 7] = [
    "alloc_gpu_pct",
    "frag_pct_of_cluster",
    "frag_ratio_pct_of_idle",
    "alloc_cpu_pct",
    "alloc_memory_pct",
    "nodes_used",
    "waiting",
];

/// The samples of a bin, in the mean.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bin {
    /// Arrived demand in percent, rounded; or the slice of time, from 0 to 99.
    pub at: u64,
    /// The means, by [`MEASURES`].
    pub values: [f64; MEASURES.len()],
}

/// The bins of a run, rising.
pub fn bins(samples: &[Sample], arrivals: Arrivals) -> Vec<Bin> {
    let end = samples.last().map_or(Time::ZERO, |sample| sample.at).0.max(1);
    let place = |sample: &Sample| match arrivals {
        Arrivals::Inflated(_) => sample.arrived_pct.round() as u64,
        Arrivals::AsRecorded => (u128::from(sample.at.0) * u128::from(SLICES) / (u128::from(end) + 1)) as u64,
    };
    let mut sums: BTreeMap<u64, ([f64; MEASURES.len()], f64)> = BTreeMap::new();
    for sample in samples {
        let values = [
            sample.alloc_gpu_pct,
            sample.frag_pct_of_cluster,
            sample.frag_ratio_pct_of_idle,
            sample.alloc_cpu_pct,
            sample.alloc_memory_pct,
            f64::from(sample.nodes_used),
            f64::from(sample.waiting),
        ];
        let (sum, count) = sums.entry(place(sample)).or_default();
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        *count += 1.0;
    }
    sums.into_iter().map(|(at, (sum, count))| Bin { at, values: sum.map(|sum| sum / count) }).collect()
}
