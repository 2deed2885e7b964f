//! The page of a placement study, from its records.

use super::{Better, CurveFigures, Difference, Estimate, Measure, Moment, StudyPage, WorkloadFigures};
use crate::bench::placement::results::{self, Line};
use crate::bench::placement::{Arrivals, Conditions, Figures, GroupLimits, MEASURES, Record, Study};
use crate::bench::stats::{Method, Summary, paired};
use crate::report::chart::{Axis, Cell, CellGroup, Point, grouped};
use crate::trace::Trace;

/// Below this probability of chance a difference is called significant.
const SIGNIFICANT: f64 = 0.05;

/// How values of several seeds become one.
#[derive(Clone, Copy)]
struct Estimates {
    method: Method,
    level: f64,
}

/// The page of a study; `limits` are by workload and conditions. Title, about and command are the caller's.
pub fn study_page(
    study: &Study<'_>,
    records: &[Record],
    limits: &[GroupLimits],
    method: Method,
    level: f64,
) -> StudyPage {
    let estimates = Estimates { method, level };
    let lines = results::lines(study, records);
    let seeds = &study.seeds;
    let how = match method {
        Method::T => "t intervals",
        Method::Bootstrap => "percentile bootstrap intervals",
    };
    StudyPage {
        seeds: format!("{}..{} ({})", seeds.first, seeds.last, seeds.count()),
        intervals: format!("{} % {how} of the mean over the seeds", level * 100.0),
        notes: vec![
            "All policies see the same pods in the same order on the same nodes for a seed; differences are paired by seed."
                .to_owned(),
            "A difference is called significant where a two-sided paired t test gives p < 0.05, not corrected for many \
             comparisons."
                .to_owned(),
        ],
        workloads: (lines.chunks(study.policies.len()).zip(limits))
            .map(|(group, limits)| estimates.workload(study, group, limits))
            .collect(),
        ..StudyPage::default()
    }
}

impl Estimates {
    fn workload(self, study: &Study<'_>, group: &[Line<'_>], limits: &GroupLimits) -> WorkloadFigures {
        let (workload, conditions) = (group[0].workload, group[0].conditions);
        let arrivals = study.conditions[conditions].arrivals;
        let trace = study.workloads[workload].source.trace(study.seeds.first);
        let has_cards = study.workloads[workload].source.has_cards();
        WorkloadFigures {
            name: results::workload_name(study, workload, conditions),
            about: about(&trace, arrivals),
            policies: group.iter().map(|line| study.policies[line.policy].name().to_owned()).collect(),
            measures: self.measures(group, &study.conditions[conditions], has_cards, limits),
            curves: self.curves(group, arrivals, has_cards),
            moments: group.iter().enumerate().filter_map(|(place, line)| moment(study, place, line, &trace)).collect(),
        }
    }

    fn measures(
        self,
        group: &[Line<'_>],
        conditions: &Conditions,
        has_cards: bool,
        limits: &GroupLimits,
    ) -> Vec<Measure> {
        let arrivals = conditions.arrivals;
        let mut measures = Vec::new();
        let (what, first) = if has_cards { ("GPUs", 0) } else { ("CPU", 3) };
        if let Arrivals::Inflated(times) = arrivals {
            let end = (times * 100.0).round() as u64;
            let mut points = vec![(end.min(100), first, format!("{what} allocated"), Better::Higher)];
            if end > 100 {
                points.push((end, first, format!("{what} allocated"), Better::Higher));
            }
            if has_cards {
                points.push((end.min(100), 1, "Fragmentation, of the cluster,".to_owned(), Better::Lower));
            }
            for (point, measure, name, better) in points {
                let values: Vec<Vec<f64>> =
                    group.iter().map(|line| results::at_point(line.records, point, measure)).collect();
                let bound = if better == Better::Higher { limits.at_point(point) } else { None };
                measures.push(self.measure(format!("{name} at {point} % arrived"), "%", better, bound, &values));
            }
        }
        let figures: &[(&str, &str, &str)] = match arrivals {
            Arrivals::Inflated(_) => &[
                ("nodes_used", "Nodes used at the end", "nodes"),
                ("rejected", "Pods turned away", "pods"),
                ("stranded_cpu_pct", "CPU stranded on full nodes", "%"),
                ("cost_per_hour", "Cost of the nodes used", "$/h"),
            ],
            Arrivals::AsRecorded => &[
                (if has_cards { "mean_alloc_gpu_pct" } else { "mean_alloc_cpu_pct" }, "Allocated, mean over time", "%"),
                ("mean_nodes_used", "Nodes used, mean over time", "nodes"),
                ("most_nodes_used", "Most nodes used", "nodes"),
                ("rejected", "Pods turned away", "pods"),
                ("waiting", "Pods that still wait", "pods"),
                ("wait_p50_seconds", "Wait, median", "s"),
                ("wait_p95_seconds", "Wait, 95th percentile", "s"),
                ("wait_p99_seconds", "Wait, 99th percentile", "s"),
                ("evicted", "Pods evicted", "pods"),
                ("preempted", "Pods preempted", "pods"),
                ("migrations", "Pods placed again", "pods"),
                ("cost_per_hour", "Cost of the nodes used", "$/h"),
            ],
        };
        for (figure, name, unit) in figures {
            let Some(place) = Figures::NAMES.iter().position(|(known, _)| known == figure) else { continue };
            let values: Vec<Vec<f64>> = group.iter().map(|line| results::figure_values(line.records, place)).collect();
            if values.iter().flatten().all(|value| *value == 0.0) {
                continue;
            }
            let better = match results::better(figure) {
                Some(true) => Better::Higher,
                Some(false) => Better::Lower,
                None => Better::Neither,
            };
            let bound = limits.figure(figure, conditions, has_cards);
            measures.push(self.measure((*name).to_owned(), unit, better, bound, &values));
        }
        measures
    }

    fn measure(self, name: String, unit: &str, better: Better, bound: Option<f64>, values: &[Vec<f64>]) -> Measure {
        let best = match better {
            Better::Higher => Some((true, results::best_of(values, true))),
            Better::Lower => Some((false, results::best_of(values, false))),
            Better::Neither => None,
        };
        let means: Vec<f64> = values.iter().map(|values| Summary::of(values).mean).collect();
        let estimate = |(place, own): (usize, &Vec<f64>)| {
            if own.is_empty() {
                return None;
            }
            let interval = self.method.interval(own, self.level);
            let before = |mean: &&f64, higher| if higher { **mean > means[place] } else { **mean < means[place] };
            let rank = best.map_or(0, |(higher, _)| 1 + means.iter().filter(|mean| before(mean, higher)).count());
            let is_comparable = |best: usize| best != place && values[best].len() == own.len();
            let to_best = best.filter(|(_, best)| is_comparable(*best)).map(|(_, best)| {
                let paired = paired(own, &values[best], self.method, self.level);
                Difference {
                    mean: paired.mean,
                    low: paired.interval.low,
                    high: paired.interval.high,
                    is_significant: paired.p < SIGNIFICANT,
                }
            });
            let sd = Summary::of(own).sd;
            Some(Estimate {
                mean: means[place],
                low: interval.low,
                high: interval.high,
                sd,
                rank: rank as u32,
                to_best,
            })
        };
        let values = values.iter().enumerate().map(estimate).collect();
        Measure { name, unit: unit.to_owned(), better, bound, values }
    }

    fn curves(self, group: &[Line<'_>], arrivals: Arrivals, has_cards: bool) -> Vec<CurveFigures> {
        let axis = |title: &str, unit: &str| Axis { title: title.to_owned(), unit: unit.to_owned() };
        let (x, close_up_from) = match arrivals {
            Arrivals::Inflated(times) => (axis("Arrived demand", "%"), (times > 0.8).then_some(80.0)),
            Arrivals::AsRecorded => (axis("Time", "% of the run"), None),
        };
        let measures: &[(&str, &str, &str)] = match has_cards {
            true => &[
                ("alloc_gpu_pct", "GPUs allocated", "%"),
                ("frag_pct_of_cluster", "Fragmentation, of the cluster", "%"),
                ("frag_ratio_pct_of_idle", "Fragmentation, of what is free", "%"),
                ("nodes_used", "Nodes used", "nodes"),
            ],
            false => &[
                ("alloc_cpu_pct", "CPU allocated", "%"),
                ("alloc_memory_pct", "Memory allocated", "%"),
                ("nodes_used", "Nodes used", "nodes"),
                ("waiting", "Pods that wait", "pods"),
            ],
        };
        let curve = |(measure, name, unit): &(&str, &str, &str)| {
            let place = MEASURES.iter().position(|known| known == measure)?;
            let points = group.iter().map(|line| self.points(line.records, place)).collect();
            let y = axis(name, unit);
            Some(CurveFigures { name: (*name).to_owned(), x: x.clone(), y, points, close_up_from })
        };
        measures.iter().filter_map(curve).collect()
    }

    fn points(self, records: &[Record], measure: usize) -> Vec<Point> {
        let mut places: Vec<u64> = records.iter().flat_map(|record| &record.bins).map(|bin| bin.at).collect();
        places.sort_unstable();
        places.dedup();
        let point = |at: u64| {
            let values = results::at_point(records, at, measure);
            let interval = self.method.interval(&values, self.level);
            Point { x: at as f64, mean: Summary::of(&values).mean, low: interval.low, high: interval.high }
        };
        places.into_iter().map(point).collect()
    }
}

fn about(trace: &Trace, arrivals: Arrivals) -> String {
    let cards: u64 = trace.machines.iter().map(|machine| u64::from(machine.cards)).sum();
    let count = |count: usize| grouped(count as f64, 0);
    let cards = if cards > 0 { format!(", {} GPUs", count(cards as usize)) } else { String::new() };
    let how = match arrivals {
        Arrivals::Inflated(times) => {
            format!("in a drawn order until they ask for {} % of what there is", (times * 100.0).round())
        }
        Arrivals::AsRecorded => "when they were recorded".to_owned(),
    };
    format!("{} nodes{cards}; {} pods, {how}", count(trace.machines.len()), count(trace.tasks.len()))
}

/// The nodes under a policy at the chosen moment, in the run of the first seed, by model of card or type of machine.
fn moment(study: &Study<'_>, policy: usize, line: &Line<'_>, trace: &Trace) -> Option<Moment> {
    let record = line.records.first().filter(|record| !record.nodes_at_moment.is_empty())?;
    let mut groups: Vec<CellGroup> = Vec::new();
    for (machine, full) in trace.machines.iter().zip(&record.nodes_at_moment) {
        let name = match (machine.model.as_str(), machine.node_type.as_str()) {
            ("", "") => "nodes",
            ("", node_type) => node_type,
            (model, _) => model,
        };
        let cell = Cell { name: machine.name.to_string(), value: Some(full / 100.0) };
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.cells.push(cell),
            None => groups.push(CellGroup { name: name.to_owned(), cells: vec![cell] }),
        }
    }
    let at = format!("at {} % arrived, seed {}", study.moment, record.seed);
    let colour = Axis { title: "Allocated".to_owned(), unit: "share".to_owned() };
    Some(Moment { policy, at, colour, groups })
}
