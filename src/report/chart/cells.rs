//! Many things at one moment: a small cell each, coloured by its share, grouped.

use std::fmt::Write;

use maud::{Markup, html};

use super::looks::{LINE, clean, cut_to, px};
use super::shade::{SHADES, colour, percent, scale, shade};
use super::{Axis, Drawing, WIDTH};

/// Up to how many cells say their names and values.
const TITLES: usize = 2_500;
/// How high all cells together are at most, if the smallest fit in.
const HIGHEST: f64 = 300.0;
/// The widths of cells that are tried.
const SIZES: [f64; 9] = [24.0, 20.0, 16.0, 12.0, 10.0, 8.0, 6.0, 5.0, 4.0];

/// Things at one moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Cells {
    /// What the colours are.
    pub colour: Axis,
    /// The groups, from the top.
    pub groups: Vec<CellGroup>,
}

/// Things that stand together.
#[derive(Clone, PartialEq, Debug)]
pub struct CellGroup {
    /// What they are.
    pub name: String,
    /// The things, in reading order.
    pub cells: Vec<Cell>,
}

/// One thing.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// What it is called.
    pub name: String,
    /// Its share of one; nothing where it has none.
    pub value: Option<f64>,
}

impl CellGroup {
    /// The mean of the shares, where there are any.
    pub fn mean(&self) -> Option<f64> {
        let values = || self.cells.iter().filter_map(|cell| cell.value).filter(|value| value.is_finite());
        let count = values().count();
        (count > 0).then(|| values().sum::<f64>() / count as f64)
    }
}

pub(super) fn draw(cells: &Cells) -> Drawing {
    let lines = |size: f64| cells.groups.iter().map(|group| group.cells.len().div_ceil(in_line(size))).sum::<usize>();
    let fits = |size: &f64| lines(*size) as f64 * size <= HIGHEST;
    let size = SIZES.into_iter().find(fits).unwrap_or(SIZES[SIZES.len() - 1]);
    let all: usize = cells.groups.iter().map(|group| group.cells.len()).sum();
    let mut y = 24.0;
    let mut parts: Vec<Markup> = Vec::new();
    for group in &cells.groups {
        let count = super::scale::grouped(group.cells.len() as f64, 0);
        let summary = format!(" · {count} · mean {}", percent(group.mean()));
        parts.push(html! {
            text x="0" y=(px(y + 12.0)) {
                title { (clean(&group.name)) }
                (cut_to(&group.name, WIDTH * 0.6)) tspan class="quiet" { (summary) }
            }
        });
        y += LINE;
        parts.push(if all <= TITLES { titled(group, y, size) } else { merged(group, y, size) });
        y += group.cells.len().div_ceil(in_line(size)) as f64 * size + 6.0;
    }
    let inside = html! { (scale(&cells.colour, 2.0)) @for part in &parts { (part) } };
    Drawing { height: y, inside }
}

fn in_line(size: f64) -> usize {
    (WIDTH / size) as usize
}

/// The outline of a cell.
fn square(place: usize, top: f64, size: f64) -> String {
    let (x, y) = ((place % in_line(size)) as f64 * size, top + (place / in_line(size)) as f64 * size);
    let side = px(size - if size >= 6.0 { 1.0 } else { 0.5 });
    format!("M{} {}h{side}v{side}h-{side}z", px(x), px(y))
}

/// The places of each step of colour; the last are those without a value.
fn by_shade(group: &CellGroup) -> Vec<Vec<usize>> {
    let mut places: Vec<Vec<usize>> = vec![Vec::new(); SHADES + 1];
    for (place, cell) in group.cells.iter().enumerate() {
        places[cell.value.and_then(shade).unwrap_or(SHADES)].push(place);
    }
    places
}

/// The look of a step: its colour, or an outline for what has none.
fn fill(shade: usize) -> (Option<&'static str>, Option<String>) {
    if shade < SHADES { (None, Some(colour(shade))) } else { (Some("grid"), None) }
}

fn titled(group: &CellGroup, top: f64, size: f64) -> Markup {
    html! {
        @for (shade, places) in by_shade(group).iter().enumerate().filter(|(_, places)| !places.is_empty()) {
            @let (class, fill) = fill(shade);
            g class=[class] fill=[fill] {
                @for place in places {
                    @let cell = &group.cells[*place];
                    path d=(square(*place, top, size)) { title { (clean(&cell.name)) " " (percent(cell.value)) } }
                }
            }
        }
    }
}

fn merged(group: &CellGroup, top: f64, size: f64) -> Markup {
    let path = |places: &Vec<usize>| {
        places.iter().fold(String::new(), |mut path, place| {
            // Writing into a string cannot fail.
            let _ = write!(path, "{}", square(*place, top, size));
            path
        })
    };
    html! {
        @for (shade, places) in by_shade(group).iter().enumerate().filter(|(_, places)| !places.is_empty()) {
            @let (class, fill) = fill(shade);
            path class=[class] fill=[fill] d=(path(places)) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(nodes: usize) -> Cells {
        let cell =
            |n: usize| Cell { name: format!("node-{n}"), value: (n % 10 != 3).then_some((n % 101) as f64 / 100.0) };
        let group =
            |name: &str, from: usize, to: usize| CellGroup { name: name.into(), cells: (from..to).map(cell).collect() };
        let colour = Axis { title: "GPUs allocated".into(), unit: String::new() };
        Cells { colour, groups: vec![group("V100", 0, nodes / 2), group("P100", nodes / 2, nodes)] }
    }

    #[test]
    fn each_node_says_its_value_and_each_group_its_mean() {
        let text = draw(&cells(20)).inside.into_string();
        assert_eq!(text.matches("<path").count(), 20);
        for expected in [">node-7 7%<", ">node-13 –<", "V100<tspan class=\"quiet\"> · 10 · mean 5%<"] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }

    #[test]
    fn many_nodes_stay_small() {
        for (nodes, most) in [(1_213, 90_000), (20_000, 700_000)] {
            let drawing = draw(&cells(nodes));
            let size = drawing.inside.into_string().len();
            assert!(size < most, "{nodes} nodes take {size} bytes");
        }
    }
}
