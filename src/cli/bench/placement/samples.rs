//! The samples of a run as columns: what runs.parquet has.

use super::load::Loaded;
use crate::bench::placement::{Case, Sample, results};
use crate::cli::columns::Column;
use crate::kernel::Time;

/// The columns of a run's samples, each with its name.
pub(super) fn columns(run: usize, loaded: &Loaded<'_>, case: Case, samples: &[Sample]) -> Vec<(&'static str, Column)> {
    let study = &loaded.study;
    let rows = samples.len();
    let text = |text: &str| Column::Text(vec![text.to_owned(); rows]);
    let numbers = |value: fn(&Sample) -> f64| Column::F64(samples.iter().map(value).collect());
    let counts =
        |value: fn(&Sample) -> u32| Column::I64(samples.iter().map(|sample| i64::from(value(sample))).collect());
    vec![
        ("run", Column::I64(vec![run as i64; rows])),
        ("workload", text(&results::workload_name(study, case.workload, case.conditions))),
        ("policy", text(study.policies[case.policy].name())),
        ("seed", Column::I64(vec![case.seed as i64; rows])),
        ("seconds", numbers(|sample| sample.at.since(Time::ZERO).as_secs_f64())),
        ("pods", counts(|sample| sample.pods)),
        ("arrived_pct", numbers(|sample| sample.arrived_pct)),
        ("alloc_gpu_pct", numbers(|sample| sample.alloc_gpu_pct)),
        ("alloc_cpu_pct", numbers(|sample| sample.alloc_cpu_pct)),
        ("alloc_memory_pct", numbers(|sample| sample.alloc_memory_pct)),
        ("frag_pct_of_cluster", numbers(|sample| sample.frag_pct_of_cluster)),
        ("frag_ratio_pct_of_idle", numbers(|sample| sample.frag_ratio_pct_of_idle)),
        ("nodes_used", counts(|sample| sample.nodes_used)),
        ("cost_per_hour", numbers(|sample| sample.cost_per_hour)),
        ("rejected", counts(|sample| sample.rejected)),
        ("waiting", counts(|sample| sample.waiting)),
    ]
}
