//! A heat map: rows and columns of shares as colours.
//!
//! A small one is made of rectangles, each of which says its value. A large one is a picture, whose size is bounded by its
//! number of cells.

use maud::{Markup, html};

use super::looks::{Anchor, LINE, clean, cut_to, label, px, width_of};
use super::png::{CLEAR, data_address};
use super::shade::{colour, percent, scale, shade};
use super::{Axis, Drawing, WIDTH};

/// Up to how many cells are rectangles.
const RECTANGLES: usize = 2_500;
/// How high a map is at most, its rows alone.
const HIGHEST: f64 = 380.0;
/// The largest part of the width that names may take.
const NAMES: f64 = 0.3;

/// Rows and columns of shares.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HeatMap {
    /// What the columns are.
    pub x: Axis,
    /// What the colours are.
    pub colour: Axis,
    /// What the columns are called.
    pub columns: Vec<String>,
    /// The rows, from the top.
    pub rows: Vec<HeatRow>,
}

/// A row of shares.
#[derive(Clone, PartialEq, Debug)]
pub struct HeatRow {
    /// What it is called.
    pub name: String,
    /// A share of one for each column; nothing where there is none.
    pub values: Vec<Option<f64>>,
}

/// Where the cells stand.
struct Grid {
    left: f64,
    top: f64,
    wide: f64,
    high: f64,
}

pub(super) fn draw(map: &HeatMap) -> Drawing {
    let columns = map.columns.len().max(1) as f64;
    let rows = map.rows.len().max(1) as f64;
    let names = map.rows.iter().map(|row| width_of(&row.name)).fold(0.0, f64::max);
    let left = names.min(WIDTH * NAMES) + 8.0;
    let grid = Grid { left, top: 24.0, wide: (WIDTH - 4.0 - left) / columns, high: (HIGHEST / rows).min(18.0) };
    let bottom = grid.top + grid.high * rows;
    let cells = map.rows.len() * map.columns.len();
    let inside = html! {
        (scale(&map.colour, 2.0))
        @if cells <= RECTANGLES { (rectangles(map, &grid)) } @else { (picture(map, &grid, bottom)) }
        path class="axis" d=(format!("M{} {}H{}V{}H{}Z", px(left), px(grid.top), px(WIDTH - 4.0), px(bottom), px(left))) {}
        @for number in shown(map.rows.len(), grid.high, LINE - 2.0) {
            text class="quiet" x=(px(left - 5.0)) y=(px(grid.top + (number as f64 + 0.5) * grid.high + 4.0)) text-anchor="end" {
                title { (clean(&map.rows[number].name)) } (cut_to(&map.rows[number].name, WIDTH * NAMES - 20.0))
            }
        }
        @let widest = map.columns.iter().map(|name| width_of(name)).fold(0.0, f64::max).min(80.0);
        @for number in shown(map.columns.len(), grid.wide, widest + 10.0) {
            @let x = (left + (number as f64 + 0.5) * grid.wide).min(WIDTH - widest / 2.0);
            (label(x, bottom + LINE, Anchor::Middle, &cut_to(&map.columns[number], 80.0)))
        }
        (label((left + WIDTH) / 2.0, bottom + 2.0 * LINE, Anchor::Middle, &cut_to(&map.x.words(), WIDTH - left)))
    };
    Drawing { height: bottom + 2.0 * LINE + 6.0, inside }
}

/// Which of so many things, each so wide, have room for their names.
fn shown(all: usize, wide: f64, need: f64) -> impl Iterator<Item = usize> {
    let step = libm::ceil(need / wide.max(1e-3)).max(1.0) as usize;
    (0..all).step_by(step)
}

fn rectangles(map: &HeatMap, grid: &Grid) -> Markup {
    html! {
        @for (y, row) in map.rows.iter().enumerate() {
            @for (x, (value, column)) in row.values.iter().zip(&map.columns).enumerate() {
                @if let Some(shade) = value.and_then(shade) {
                    rect fill=(colour(shade)) x=(px(grid.left + x as f64 * grid.wide)) y=(px(grid.top + y as f64 * grid.high))
                        width=(px(grid.wide)) height=(px(grid.high)) {
                        title { (clean(&format!("{}, {column}: {}", row.name, percent(*value)))) }
                    }
                }
            }
        }
    }
}

fn picture(map: &HeatMap, grid: &Grid, bottom: f64) -> Markup {
    let point =
        |value: Option<&Option<f64>>| value.copied().flatten().and_then(shade).map_or(CLEAR, |shade| shade as u8);
    let row = |row: &HeatRow| (0..map.columns.len()).map(|column| point(row.values.get(column))).collect();
    let rows: Vec<Vec<u8>> = map.rows.iter().map(row).collect();
    html! {
        image x=(px(grid.left)) y=(px(grid.top)) width=(px(WIDTH - 4.0 - grid.left)) height=(px(bottom - grid.top))
            preserveAspectRatio="none" image-rendering="pixelated" href=(data_address(&rows)) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: usize, columns: usize) -> HeatMap {
        let row = |n: usize| HeatRow {
            name: format!("node-{n}"),
            values: (0..columns).map(|m| Some(((n * 31 + m * 17) % 101) as f64 / 100.0)).collect(),
        };
        let axis = |title: &str| Axis { title: title.into(), unit: "%".into() };
        HeatMap {
            x: axis("Arrived"),
            colour: axis("Allocated"),
            columns: (0..columns).map(|n| n.to_string()).collect(),
            rows: (0..rows).map(row).collect(),
        }
    }

    #[test]
    fn a_small_map_says_each_value() {
        let text = draw(&map(3, 4)).inside.into_string();
        assert_eq!(text.matches("<title>").count(), 3 * 4 + 3);
        assert!(text.contains("<title>node-1, 2: 65%</title>"), "{text}");
    }

    #[test]
    fn a_large_map_stays_small() {
        let drawing = draw(&map(1_213, 100));
        let text = drawing.inside.into_string();
        assert!(text.len() < 100_000 && drawing.height < 500.0, "{} bytes", text.len());
        assert_eq!(text.matches("<image").count(), 1);
    }
}
