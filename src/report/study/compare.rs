//! The tables that compare policies: the best in bold, what cannot be told apart from it marked.

use maud::{Markup, html};

use super::plots::by_rank;
use super::{Better, Estimate, Measure, StudyPage, WorkloadFigures};
use crate::report::chart::amount;

/// How a value reads in the tables.
struct Decimals(usize);

impl Decimals {
    /// As many as the largest value needs.
    fn of(measure: &Measure) -> Decimals {
        let means = measure.values.iter().flatten().map(|value| libm::fabs(value.mean));
        let largest = means.chain(measure.bound.map(libm::fabs)).filter(|size| size.is_finite()).fold(0.0, f64::max);
        Decimals(match largest {
            size if size >= 10_000.0 => 0,
            size if size >= 1_000.0 => 1,
            size if size >= 1.0 => 2,
            _ => 4,
        })
    }

    fn show(&self, value: f64) -> String {
        crate::report::chart::grouped(value, self.0)
    }

    fn signed(&self, value: f64) -> String {
        let plus = if value > 0.0 { "+" } else { "" };
        format!("{plus}{}", self.show(value))
    }
}

/// All policies of a workload in all measures.
pub(super) fn comparison(workload: &WorkloadFigures) -> Markup {
    let order = workload.measures.first().map_or(Vec::new(), |first| by_rank(workload, first));
    let has_bound = workload.measures.iter().any(|measure| measure.bound.is_some());
    html! {
        div class="scroll" {
            table class="compare" {
                caption { (workload.name) ": mean ± half of the confidence interval; below it the standard deviation over the \
                    seeds, the rank, and the paired difference to the best." }
                thead {
                    tr {
                        th scope="col" { "Policy" }
                        @for measure in &workload.measures { th scope="col" { (head(measure)) } }
                    }
                }
                tbody {
                    @for policy in &order {
                        tr {
                            th scope="row" { (workload.policies[*policy]) }
                            @for measure in &workload.measures { (cell(measure, *policy)) }
                        }
                    }
                    @if has_bound {
                        tr class="bound" {
                            th scope="row" { "bound" small { "nobody can do better" } }
                            @for measure in &workload.measures {
                                td class="number" { (measure.bound.map_or("–".to_owned(), |bound| Decimals::of(measure).show(bound))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(measure: &Measure) -> Markup {
    let (sign, words) = match measure.better {
        Better::Higher => ("↑", "higher is better"),
        Better::Lower => ("↓", "lower is better"),
        Better::Neither => ("", ""),
    };
    html! {
        (measure.name)
        @if !measure.unit.is_empty() { " (" (measure.unit) ")" }
        @if !sign.is_empty() { " " abbr title=(words) { (sign) } }
    }
}

fn cell(measure: &Measure, policy: usize) -> Markup {
    let Some(value) = measure.values.get(policy).copied().flatten() else {
        return html! { td class="number" { "–" } };
    };
    let decimals = Decimals::of(measure);
    let half = (value.high - value.low) / 2.0;
    html! {
        td class=(if is_best(measure, &value) { "number best" } else { "number" }) {
            (mean(measure, &value, &decimals))
            @if half > 0.0 { span class="quiet" { " ±" (decimals.show(half)) } }
            small {
                "sd " (decimals.show(value.sd))
                @if value.rank > 0 { " · " (value.rank) "." }
                @if let Some(to_best) = &value.to_best {
                    br; (decimals.signed(to_best.mean)) " [" (decimals.signed(to_best.low)) ", " (decimals.signed(to_best.high)) "]"
                }
                @if let Some(gap) = gap(measure, &value) { br; "gap " (crate::report::chart::grouped(gap, 1)) "%" }
            }
        }
    }
}

/// The mean, in bold where it is the best, with a mark where it cannot be told apart from the best.
fn mean(measure: &Measure, value: &Estimate, decimals: &Decimals) -> Markup {
    let is_tie = measure.better != Better::Neither && value.to_best.is_some_and(|to_best| !to_best.is_significant);
    html! {
        @if is_best(measure, value) { b { (decimals.show(value.mean)) } } @else { (decimals.show(value.mean)) }
        @if is_tie { abbr class="tie" title="cannot be told apart from the best" { "≈" } }
    }
}

fn is_best(measure: &Measure, value: &Estimate) -> bool {
    measure.better != Better::Neither && value.rank == 1
}

/// How far a value is from the bound, in percent of the bound.
fn gap(measure: &Measure, value: &Estimate) -> Option<f64> {
    let bound = measure.bound.filter(|bound| *bound != 0.0)?;
    Some(libm::fabs(value.mean - bound) * 100.0 / libm::fabs(bound))
}

/// The first measure of all workloads, with the mean of the ranks.
pub(super) fn overview(study: &StudyPage) -> Markup {
    let Some(first) = study.workloads.first() else { return html! {} };
    let Some(measure) = first.measures.first() else { return html! {} };
    let found = |workload: &WorkloadFigures, policy: &str| {
        let place = workload.policies.iter().position(|name| name == policy)?;
        let measure = workload.measures.iter().find(|other| other.name == measure.name)?.clone();
        let value = measure.values.get(place).copied().flatten()?;
        Some((measure, value))
    };
    let mean_rank = |policy: &String| {
        let ranks: Vec<f64> = study
            .workloads
            .iter()
            .filter_map(|workload| found(workload, policy))
            .map(|(_, value)| f64::from(value.rank))
            .collect();
        (!ranks.is_empty()).then(|| ranks.iter().sum::<f64>() / ranks.len() as f64)
    };
    let mut rows: Vec<(Option<f64>, &String)> =
        first.policies.iter().map(|policy| (mean_rank(policy), policy)).collect();
    rows.sort_by(|a, b| a.0.unwrap_or(f64::INFINITY).total_cmp(&b.0.unwrap_or(f64::INFINITY)));
    html! {
        div class="scroll" {
            table class="compare" {
                caption { (head(measure)) " of all workloads" }
                thead {
                    tr {
                        th scope="col" { "Policy" }
                        th scope="col" { "Mean rank" }
                        @for workload in &study.workloads { th scope="col" { (workload.name) } }
                    }
                }
                tbody {
                    @for (rank, policy) in &rows {
                        tr {
                            th scope="row" { (policy) }
                            td class="number" { (rank.map_or("–".to_owned(), amount)) }
                            @for workload in &study.workloads {
                                @match found(workload, policy) {
                                    Some((measure, value)) => {
                                        td class=(if is_best(&measure, &value) { "number best" } else { "number" }) {
                                            (mean(&measure, &value, &Decimals::of(&measure)))
                                        }
                                    }
                                    None => { td class="number" { "–" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
