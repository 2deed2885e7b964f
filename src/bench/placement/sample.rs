//! What is measured after every pod that came.

use super::Plan;
use super::park::Totals;
use crate::kernel::Time;
use crate::scheduler::policies::ResourceVector;

/// The state of a run after a pod came.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sample {
    /// When.
    pub at: Time,
    /// How many pods have come.
    pub pods: u32,
    /// What has been asked for, placed or not, in percent of what there is: of cards, or of CPU where there are none.
    pub arrived_pct: f64,
    /// What pods have been given of cards, in percent of what there is.
    pub alloc_gpu_pct: f64,
    /// The same of CPU.
    pub alloc_cpu_pct: f64,
    /// The same of memory.
    pub alloc_memory_pct: f64,
    /// Free cards that typical pods cannot use, in percent of all cards.
    pub frag_pct_of_cluster: f64,
    /// The same, in percent of the cards that are free.
    pub frag_ratio_pct_of_idle: f64,
    /// How many nodes run a pod.
    pub nodes_used: u32,
    /// What an hour of these nodes costs, in dollars.
    pub cost_per_hour: f64,
    /// How many pods were turned away for good.
    pub rejected: u32,
    /// How many wait.
    pub waiting: u32,
}

/// What has come so far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Arrived {
    pub(super) pods: u32,
    pub(super) asks: ResourceVector,
    pub(super) card_milli: i64,
}

impl Sample {
    pub(super) fn new(
        plan: &Plan,
        at: Time,
        arrived: &Arrived,
        totals: &Totals,
        rejected: u32,
        waiting: u32,
    ) -> Sample {
        let cards = totals.card_capacity;
        let fragmentation = totals.fragmentation as f64 / plan.setting.typical.total.max(1) as f64;
        Sample {
            at,
            pods: arrived.pods,
            arrived_pct: match cards {
                0 => percent(arrived.asks[0] as f64, totals.capacity[0]),
                _ => percent(arrived.card_milli as f64, cards),
            },
            alloc_gpu_pct: percent(totals.card_allocated as f64, cards),
            alloc_cpu_pct: percent(totals.allocated[0] as f64, totals.capacity[0]),
            alloc_memory_pct: percent(totals.allocated[1] as f64, totals.capacity[1]),
            frag_pct_of_cluster: percent(fragmentation, cards),
            frag_ratio_pct_of_idle: percent(fragmentation, cards - totals.card_allocated),
            nodes_used: totals.nodes_used,
            cost_per_hour: totals.micro_dollars_used as f64 / 1e6,
            rejected,
            waiting,
        }
    }
}

pub(super) fn percent(part: f64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part * 100.0 / whole as f64 }
}
