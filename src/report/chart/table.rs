//! The figures of a chart as a table, for those who do not see it and those who want to know exactly.

use maud::{Markup, html};

use super::scale::amount;
use super::shade::percent;
use super::{Bars, Body, Cells, Chart, Curves, HeatMap};

/// How many rows and columns a table has at most.
const ROWS: usize = 28;
const COLUMNS: usize = 14;

/// The table of a chart. Of very many rows or columns some are shown, at even distances.
pub fn figures(chart: &Chart) -> Markup {
    html! {
        div class="scroll tall" {
            table {
                @match &chart.body {
                    Body::Curves(curves) => (of_curves(curves)),
                    Body::Bars(bars) => (of_bars(bars)),
                    Body::Heat(map) => (of_heat(map)),
                    Body::Cells(cells) => (of_cells(cells)),
                }
            }
        }
    }
}

/// So many of all at even distances, the last among them.
fn some(all: usize, most: usize) -> Vec<usize> {
    let step = all.div_ceil(most).max(1);
    (0..all).rev().step_by(step).collect::<Vec<_>>().into_iter().rev().collect()
}

fn interval(mean: f64, low: f64, high: f64) -> String {
    if low == high { amount(mean) } else { format!("{} [{}, {}]", amount(mean), amount(low), amount(high)) }
}

fn of_curves(curves: &Curves) -> Markup {
    let longest = curves.series.iter().max_by_key(|series| series.points.len());
    let places: Vec<f64> = longest.map_or(Vec::new(), |series| series.points.iter().map(|point| point.x).collect());
    html! {
        thead { tr { th scope="col" { (curves.x.words()) } @for series in &curves.series { th scope="col" { (series.name) } } } }
        tbody {
            @for place in some(places.len(), ROWS) {
                @let x = places[place];
                tr {
                    th scope="row" { (amount(x)) }
                    @for series in &curves.series {
                        @let point = series.points.iter().find(|point| point.x == x);
                        td class="number" { (point.map_or("–".to_owned(), |point| interval(point.mean, point.low, point.high))) }
                    }
                }
            }
        }
    }
}

fn of_bars(bars: &Bars) -> Markup {
    html! {
        thead { tr { th { "" } @for series in &bars.series { th scope="col" { (series) } } } }
        tbody {
            @for group in &bars.groups {
                tr {
                    th scope="row" { (group.name) }
                    @for bar in &group.bars {
                        td class="number" { (bar.map_or("–".to_owned(), |bar| interval(bar.mean, bar.low, bar.high))) }
                    }
                }
            }
        }
    }
}

fn of_heat(map: &HeatMap) -> Markup {
    let columns = some(map.columns.len(), COLUMNS);
    html! {
        thead { tr { th { (map.x.words()) } @for column in &columns { th scope="col" { (map.columns[*column]) } } } }
        tbody {
            @for row in some(map.rows.len(), ROWS) {
                @let row = &map.rows[row];
                tr {
                    th scope="row" { (row.name) }
                    @for column in &columns { td class="number" { (percent(row.values.get(*column).copied().flatten())) } }
                }
            }
        }
    }
}

fn of_cells(cells: &Cells) -> Markup {
    html! {
        thead { tr { th { "" } @for name in ["Number", "Mean", "Nothing", "In between", "All"] { th scope="col" { (name) } } } }
        tbody {
            @for group in &cells.groups {
                @let count = |is: fn(f64) -> bool| group.cells.iter().filter_map(|cell| cell.value).filter(|value| is(*value)).count();
                tr {
                    th scope="row" { (group.name) }
                    td class="number" { (group.cells.len()) }
                    td class="number" { (percent(group.mean())) }
                    td class="number" { (count(|value| value <= 0.0)) }
                    td class="number" { (count(|value| value > 0.0 && value < 1.0)) }
                    td class="number" { (count(|value| value >= 1.0)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_the_last_is_shown() {
        assert_eq!(some(3, 5), [0, 1, 2]);
        assert_eq!(some(10, 3), [1, 5, 9]);
        assert!(some(0, 3).is_empty());
    }
}
