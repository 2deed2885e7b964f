//! The results of a study as tables: `results.csv` in the columns of FGD's published figures, and one line a figure.

use super::{Arrivals, Bin, Figures, GroupLimits, MEASURES, Record, Study, gap_percent};
use crate::bench::stats::{Method, Summary, mean_ranks, paired};

/// The points of arrived demand, in percent, that results are told at.
pub const POINTS: [u64; 10] = [50, 75, 80, 85, 90, 95, 100, 110, 120, 130];
/// How many of [`MEASURES`] are told where there are cards; where there are none, the two after these.
const OF_CARDS: usize = 3;

/// The records of one workload, one set of conditions and one policy: a record a seed.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The number of the workload.
    pub workload: usize,
    /// The number of the conditions.
    pub conditions: usize,
    /// The number of the policy.
    pub policy: usize,
    /// The records.
    pub records: &'a [Record],
}

/// A study's records by workload, conditions and policy.
pub fn lines<'a>(study: &Study<'_>, records: &'a [Record]) -> Vec<Line<'a>> {
    let seeds = study.seeds.count() as usize;
    let cases = study.cases();
    let line = |(place, records)| {
        let case: super::Case = cases[place * seeds];
        Line { workload: case.workload, conditions: case.conditions, policy: case.policy, records }
    };
    records.chunks(seeds).enumerate().map(line).collect()
}

/// What a workload is called under conditions, where there are several of them.
pub fn workload_name(study: &Study<'_>, workload: usize, conditions: usize) -> String {
    let name = &study.workloads[workload].name;
    match study.conditions.len() {
        1 => name.clone(),
        _ => format!("{name} ({})", study.conditions[conditions]),
    }
}

/// The mean in a bin, of each seed that has it.
pub fn at_point(records: &[Record], point: u64, measure: usize) -> Vec<f64> {
    let bin = |record: &Record| {
        let place = record.bins.binary_search_by_key(&point, |bin: &Bin| bin.at).ok()?;
        Some(record.bins[place].values[measure])
    };
    records.iter().filter_map(bin).collect()
}

/// `results.csv`: for each workload, policy, measure and point of arrived demand the mean over the seeds, median, standard
/// deviation, least, most, and how many seeds. Only of runs that fill a cluster; others are in `figures.csv`.
pub fn results_csv(study: &Study<'_>, records: &[Record]) -> String {
    let mut text = "workload,policy,metric,arrived_pct,mean,median,sd,min,max,n_seeds\n".to_owned();
    for line in lines(study, records) {
        if study.conditions[line.conditions].arrivals == Arrivals::AsRecorded {
            continue;
        }
        let name = workload_name(study, line.workload, line.conditions);
        let has_cards = study.workloads[line.workload].source.has_cards();
        let measures = if has_cards { 0..OF_CARDS } else { OF_CARDS..OF_CARDS + 2 };
        for measure in measures {
            for point in POINTS {
                let values = at_point(line.records, point, measure);
                if values.is_empty() {
                    continue;
                }
                let Summary { count, mean, median, sd, min, max } = Summary::of(&values);
                let policy = study.policies[line.policy].name();
                let metric = MEASURES[measure];
                text += &format!(
                    "{},{policy},{metric},{point},{mean:.3},{median:.3},{sd:.3},{min:.3},{max:.3},{count}\n",
                    quoted(&name)
                );
            }
        }
    }
    text
}

/// `figures.csv`: for each workload, policy and figure at the end of the runs the mean with its interval, its mean rank, and
/// the paired difference to the best policy, and the bound with the gap to it where there is one. `limits` are by workload
/// and conditions.
pub fn figures_csv(
    study: &Study<'_>,
    records: &[Record],
    limits: &[GroupLimits],
    method: Method,
    level: f64,
) -> String {
    let mut text = "workload,policy,figure,mean,low,high,median,sd,min,max,n_seeds,mean_rank,to_best,to_best_low,\
                    to_best_high,to_best_p,bound,gap_pct\n"
        .to_owned();
    let all = lines(study, records);
    for (group, limits) in all.chunks(study.policies.len()).zip(limits) {
        let name = workload_name(study, group[0].workload, group[0].conditions);
        let has_cards = study.workloads[group[0].workload].source.has_cards();
        let conditions = &study.conditions[group[0].conditions];
        for (figure, (figure_name, _)) in Figures::NAMES.iter().enumerate() {
            let values: Vec<Vec<f64>> = group.iter().map(|line| figure_values(line.records, figure)).collect();
            let better = better(figure_name);
            let ranks = better.map(|higher| mean_ranks(&values, higher));
            let best = better.map(|higher| best_of(&values, higher));
            let bound = limits.figure(figure_name, conditions, has_cards);
            for (place, values_of) in values.iter().enumerate() {
                let Summary { count, mean, median, sd, min, max } = Summary::of(values_of);
                let interval = method.interval(values_of, level);
                let policy = study.policies[group[place].policy].name();
                text += &format!(
                    "{},{policy},{figure_name},{mean:.6},{:.6},{:.6},{median:.6},{sd:.6},{min:.6},{max:.6},{count}",
                    quoted(&name),
                    interval.low,
                    interval.high
                );
                match (&ranks, best) {
                    (Some(ranks), Some(best)) => {
                        let to_best = paired(values_of, &values[best], method, level);
                        let (low, high) = (to_best.interval.low, to_best.interval.high);
                        text +=
                            &format!(",{:.3},{:.6},{low:.6},{high:.6},{:.6}", ranks[place], to_best.mean, to_best.p);
                    }
                    _ => text += ",,,,,",
                }
                match bound.and_then(|bound| Some((bound, gap_percent(mean, bound)?))) {
                    Some((bound, gap)) => text += &format!(",{bound:.6},{gap:.6}\n"),
                    None => text += ",,\n",
                }
            }
        }
    }
    text
}

/// The values of a figure, by seed.
pub fn figure_values(records: &[Record], figure: usize) -> Vec<f64> {
    records.iter().map(|record| record.figures[figure]).collect()
}

/// The list with the best mean, the first among equals.
pub fn best_of(values: &[Vec<f64>], higher: bool) -> usize {
    let mean = |place: &usize| Summary::of(&values[*place]).mean;
    let worth = |place: &usize| if higher { mean(place) } else { -mean(place) };
    (0..values.len()).rev().max_by(|one, other| worth(one).total_cmp(&worth(other))).unwrap_or(0)
}

/// Whether high values of a figure are the good ones; nothing where neither are.
pub fn better(figure: &str) -> Option<bool> {
    match figure {
        "alloc_gpu_pct" | "alloc_cpu_pct" | "alloc_memory_pct" => Some(true),
        "mean_alloc_gpu_pct" | "mean_alloc_cpu_pct" | "mean_alloc_memory_pct" | "placed" => Some(true),
        "pods" | "failures" | "spread" => None,
        _ => Some(false),
    }
}

fn quoted(name: &str) -> String {
    match name.contains([',', '"', '\n']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    }
}
