//! The plots of a study, each with the name of its file.

use super::{Better, CurveFigures, Estimate, Measure, Moment, StudyPage, WorkloadFigures};
use crate::report::chart::{Axis, Bars, Body, Cells, Chart, Curves, Group, Interval, Series};

/// A plot and the name of its file.
pub(super) struct Plot {
    /// Without an ending.
    pub(super) file: String,
    /// What it shows, where the workload is told above it.
    pub(super) caption: String,
    pub(super) chart: Chart,
}

/// Every plot of a study as an image by itself, with the name of its file. No two have the same name.
pub fn study_svgs(study: &StudyPage) -> Vec<(String, String)> {
    let of_workloads = study.workloads.iter().flat_map(|workload| {
        let plots = [curves(workload), bars(workload), moments(workload)];
        plots.into_iter().flatten().collect::<Vec<_>>()
    });
    let mut files: Vec<(String, String)> = Vec::new();
    for plot in overview(study).into_iter().chain(of_workloads) {
        let is_taken = |name: &String| files.iter().any(|(taken, _)| taken == name);
        let numbered = (2_u32..).map(|number| format!("{}-{number}.svg", plot.file));
        let name = std::iter::once(format!("{}.svg", plot.file)).chain(numbered).find(|name| !is_taken(name));
        files.extend(name.map(|name| (name, plot.chart.stand_alone())));
    }
    files
}

/// The first measure of all workloads beside one another; nothing where there is one workload.
pub(super) fn overview(study: &StudyPage) -> Option<Plot> {
    let first = study.workloads.first()?;
    let measure = first.measures.first().filter(|_| study.workloads.len() > 1)?;
    let bar = |workload: &WorkloadFigures, policy: &String| {
        let place = workload.policies.iter().position(|name| name == policy)?;
        let measure = workload.measures.iter().find(|other| other.name == measure.name)?;
        measure.values.get(place).copied().flatten().map(interval)
    };
    let group = |workload: &WorkloadFigures| Group {
        name: workload.name.clone(),
        bars: first.policies.iter().map(|policy| bar(workload, policy)).collect(),
    };
    let groups = study.workloads.iter().map(group).collect();
    let body = Body::Bars(Bars { axis: axis(measure), series: first.policies.clone(), groups });
    let title = format!("{}, all workloads", measure.name);
    Some(Plot { file: file(&["all", &measure.name]), caption: title.clone(), chart: Chart { title, body } })
}

/// The curves of a workload, each once more from where the policies part.
pub(super) fn curves(workload: &WorkloadFigures) -> Vec<Plot> {
    let whole =
        |curves: &CurveFigures| plot_of(workload, curves, f64::NEG_INFINITY, curves.name.clone(), &[&curves.name]);
    let close_up = |curves: &CurveFigures| {
        let from = curves.close_up_from?;
        let start = crate::report::chart::amount(from);
        let caption = format!("{}, from {start} {} on", curves.name, curves.x.unit);
        Some(plot_of(workload, curves, from, caption, &[&curves.name, "from", &start]))
    };
    workload.curves.iter().flat_map(|curves| [Some(whole(curves)), close_up(curves)]).flatten().collect()
}

fn plot_of(workload: &WorkloadFigures, curves: &CurveFigures, from: f64, caption: String, words: &[&str]) -> Plot {
    let series = workload.policies.iter().zip(&curves.points).map(|(name, points)| Series {
        name: name.clone(),
        points: points.iter().filter(|point| point.x >= from).copied().collect(),
    });
    let body = Body::Curves(Curves { x: curves.x.clone(), y: curves.y.clone(), series: series.collect() });
    plot(workload, words, caption, body)
}

/// A plot of a workload: its name comes first in that of the file and in the title.
fn plot(workload: &WorkloadFigures, words: &[&str], caption: String, body: Body) -> Plot {
    let words: Vec<&str> = std::iter::once(workload.name.as_str()).chain(words.iter().copied()).collect();
    Plot { file: file(&words), chart: Chart { title: format!("{}: {caption}", workload.name), body }, caption }
}

/// A plot of bars for each measure that has a value, and the differences to the best in the first one.
pub(super) fn bars(workload: &WorkloadFigures) -> Vec<Plot> {
    let measured = workload.measures.iter().filter(|measure| measure.values.iter().flatten().next().is_some());
    let mut plots: Vec<Plot> = Vec::new();
    for (number, measure) in measured.enumerate() {
        let values = |estimate: &Estimate| Some(interval(*estimate));
        plots.push(bars_of(workload, measure, "", values));
        if number == 0 && measure.better != Better::Neither && workload.policies.len() > 1 {
            let difference = |estimate: &Estimate| {
                let to_best = estimate.to_best?;
                Some(Interval { mean: to_best.mean, low: to_best.low, high: to_best.high })
            };
            plots.push(bars_of(workload, measure, "difference to the best", difference));
        }
    }
    plots
}

/// Bars in the order of ranks; a policy without a value has no bar.
fn bars_of(
    workload: &WorkloadFigures,
    measure: &Measure,
    what: &str,
    value: impl Fn(&Estimate) -> Option<Interval>,
) -> Plot {
    let group = |policy: &usize| {
        let bar = value(measure.values.get(*policy)?.as_ref()?)?;
        Some(Group { name: workload.policies[*policy].clone(), bars: vec![Some(bar)] })
    };
    let groups = by_rank(workload, measure).iter().filter_map(group).collect();
    let comma = if what.is_empty() { "" } else { ", " };
    let axis = Axis { title: format!("{}{comma}{what}", measure.name), unit: measure.unit.clone() };
    let caption = axis.title.clone();
    let body = Body::Bars(Bars { axis, series: vec!["mean".to_owned()], groups });
    plot(workload, &[&measure.name, what], caption, body)
}

/// The nodes of a workload at the chosen moments.
pub(super) fn moments(workload: &WorkloadFigures) -> Vec<Plot> {
    let of_moment = |moment: &Moment| {
        let policy = workload.policies.get(moment.policy)?;
        let caption = format!("Nodes under {policy} {}", moment.at);
        let body = Body::Cells(Cells { colour: moment.colour.clone(), groups: moment.groups.clone() });
        Some(plot(workload, &["nodes", policy], caption, body))
    };
    workload.moments.iter().filter_map(of_moment).collect()
}

/// The numbers of the policies by their rank in a measure; those without one last, in their own order.
pub(super) fn by_rank(workload: &WorkloadFigures, measure: &Measure) -> Vec<usize> {
    let mut order: Vec<usize> = (0..workload.policies.len()).collect();
    order.sort_by_key(|policy| measure.values.get(*policy).copied().flatten().map_or(u32::MAX, |value| value.rank));
    order
}

fn interval(estimate: Estimate) -> Interval {
    Interval { mean: estimate.mean, low: estimate.low, high: estimate.high }
}

fn axis(measure: &Measure) -> Axis {
    Axis { title: measure.name.clone(), unit: measure.unit.clone() }
}

/// Words as the name of a file: lower case, digits, points and hyphens.
fn file(words: &[&str]) -> String {
    let mut name = String::new();
    for c in words.join("-").chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '_' || (c == '.' && !name.is_empty()) => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
        if name.len() >= 100 {
            break;
        }
    }
    let name = name.trim_end_matches(['-', '.']);
    if name.is_empty() { "plot".to_owned() } else { name.to_owned() }
}
