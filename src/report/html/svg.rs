//! Panels as SVG: steps, layers and rows of colours, in whole units of a stretched frame.
//!
//! An image has no size of its own and no text: the page stretches it to any width and sets labels beside it, so it reads
//! as well on a telephone. What stands in the page is drawn by class names, so both looks have colours of their own.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::value_ticks;
use crate::kernel::Time;
use crate::report::plots::{Body, Curve, Curves, HeatRow, Panel, Tone, Unit};

/// The width of an image in its own units.
pub(super) const WIDTH: u64 = 2_000;
/// The height of an image of curves in its own units.
const HEIGHT: f64 = 1_000.0;
/// The height of a row of a heat map in its own units.
const ROW: usize = 10;
/// How many steps of colour there are for 1 to 100 percent.
const SHADES: u8 = 10;

/// Where an instant stands, from the left.
pub(super) fn x(at: Time, end: Time) -> u64 {
    (u128::from(at.nanos().min(end.nanos())) * u128::from(WIDTH) / u128::from(end.nanos().max(1))) as u64
}

/// The ticks of a panel of curves, from zero up.
pub(super) fn ticks_of(panel: &Panel) -> Vec<f64> {
    let largest = match &panel.body {
        Body::Stack(curves) => totals(curves).into_iter().fold(0.0, f64::max),
        Body::Lines(curves) => curves.curves.iter().flat_map(|curve| &curve.values).fold(0.0, |a, b| f64::max(a, *b)),
        Body::Heat(_) => return Vec::new(),
    };
    match panel.unit {
        Unit::Percent if largest <= 100.0 => vec![0.0, 25.0, 50.0, 75.0, 100.0],
        Unit::Percent | Unit::Count | Unit::PerSecond => value_ticks(largest),
    }
}

/// The image without what the whole page has in common; `over` is drawn on top of it.
pub(super) fn image(panel: &Panel, end: Time, over: &Markup) -> Markup {
    let ticks = ticks_of(panel);
    let top = ticks.last().copied().unwrap_or(1.0);
    let (height, inside) = match &panel.body {
        Body::Stack(curves) => (HEIGHT as usize, grid(&ticks, stack(curves, top, end))),
        Body::Lines(curves) => (HEIGHT as usize, grid(&ticks, lines(curves, top, end))),
        Body::Heat(rows) => (rows.len().max(1) * ROW, heat(rows, end)),
    };
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) preserveAspectRatio="none" role="img" aria-label=(panel.title) {
            (inside)
            g transform=(format!("scale(1 {})", height as f64 / HEIGHT)) { (over) }
        }
    }
}

fn grid(ticks: &[f64], curves: Markup) -> Markup {
    let top = ticks.last().copied().unwrap_or(1.0);
    let path = ticks.iter().fold(String::new(), |path, tick| format!("{path}M0 {}H{WIDTH}", y(*tick, top)));
    html! {
        path class="grid" d=(path) {}
        (curves)
    }
}

fn y(value: f64, top: f64) -> i64 {
    let share = if top > 0.0 && value.is_finite() { (value / top).clamp(0.0, 1.0) } else { 0.0 };
    libm::round(HEIGHT * (1.0 - share)) as i64
}

/// The sum of all curves at each instant.
fn totals(curves: &Curves) -> Vec<f64> {
    let at = |index: usize| curves.curves.iter().filter_map(|curve| curve.values.get(index)).sum();
    (0..curves.times.len()).map(at).collect()
}

/// Each layer reaches from the ground to its top; lower layers are drawn over higher ones.
fn stack(curves: &Curves, top: f64, end: Time) -> Markup {
    let mut sums = vec![0.0; curves.times.len()];
    let mut layers: Vec<(Tone, String)> = Vec::new();
    for curve in &curves.curves {
        sums.iter_mut().zip(&curve.values).for_each(|(sum, value)| *sum += value);
        let edge = steps(&curves.times, &sums, top, end);
        if !edge.is_empty() {
            layers.push((curve.tone, format!("{edge}V{HEIGHT}H0Z")));
        }
    }
    html! { @for (tone, path) in layers.iter().rev() { path class=(format!("layer {}", tone.class())) d=(path) {} } }
}

fn lines(curves: &Curves, top: f64, end: Time) -> Markup {
    let path = |curve: &Curve| steps(&curves.times, &curve.values, top, end);
    html! {
        @for curve in &curves.curves {
            path class=(format!("line {}", curve.tone.class())) d=(path(curve)) {}
        }
    }
}

/// A path from the left edge to the right one; empty where there is no value.
fn steps(times: &[Time], values: &[f64], top: f64, end: Time) -> String {
    let mut points = times.iter().zip(values).map(|(at, value)| (x(*at, end), y(*value, top)));
    let Some((_, first)) = points.next() else { return String::new() };
    let (mut path, mut last) = (format!("M0 {first}"), first);
    for (x, y) in points {
        if y != last {
            // Writing into a string cannot fail.
            let _ = write!(path, "H{x}V{y}");
            last = y;
        }
    }
    let _ = write!(path, "H{WIDTH}");
    path
}

/// The class of a percentage: `h0` for nothing, `h1` to `h10` up to 100, `h11` beyond.
pub(super) fn shade(percent: u8) -> u8 {
    match percent {
        0 => 0,
        1..=100 => (percent - 1) / (100 / SHADES) + 1,
        101.. => SHADES + 1,
    }
}

/// One path a shade: all its rectangles.
fn heat(rows: &[HeatRow], end: Time) -> Markup {
    let mut shades: Vec<String> = vec![String::new(); usize::from(SHADES) + 2];
    let gap = usize::from(rows.len() <= 40);
    for (number, row) in rows.iter().enumerate() {
        let (from_y, to_y) = (number * ROW, (number + 1) * ROW - gap);
        for (index, (at, percent)) in row.runs.iter().enumerate() {
            let until = row.runs.get(index + 1).map_or(end, |(next, _)| *next);
            let (from, to) = (x(*at, end), x(until, end));
            if let Some(percent) = percent
                && from < to
            {
                let _ = write!(shades[usize::from(shade(*percent))], "M{from} {from_y}H{to}V{to_y}H{from}Z");
            }
        }
    }
    let drawn = shades.iter().enumerate().filter(|(_, path)| !path.is_empty());
    html! { @for (shade, path) in drawn { path class=(format!("heat h{shade}")) d=(path) {} } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(values: &[&[f64]]) -> Curves {
        let curve = |values: &&[f64]| Curve { name: "a".into(), tone: Tone::Blue, values: values.to_vec() };
        let times = (0..values.first().map_or(0, |values| values.len() as u64)).map(|n| Time(n * 10)).collect();
        Curves { times, curves: values.iter().map(curve).collect() }
    }

    fn panel(body: Body) -> Panel {
        Panel { title: "a & b".into(), note: String::new(), unit: Unit::Count, body }
    }

    #[track_caller]
    fn check(body: Body, end: u64, expected: &str) {
        let image = image(&panel(body), Time(end), &html! {}).into_string();
        assert!(image.contains(expected), "{expected}\nis not in\n{image}");
    }

    #[test]
    fn curves_are_steps_from_edge_to_edge() {
        check(Body::Lines(curves(&[&[0.0, 1.0, 1.0, 2.0]])), 40, "d=\"M0 1000H500V500H1500V0H2000\"");
        check(Body::Stack(curves(&[&[1.0], &[1.0]])), 40, "d=\"M0 500H2000V1000H0Z\"");
    }

    #[test]
    fn rows_are_runs_of_colours() {
        let runs = vec![(Time(0), Some(0)), (Time(10), Some(55)), (Time(20), None), (Time(30), Some(120))];
        let body = Body::Heat(vec![HeatRow { name: "n".into(), group: "g".into(), runs }]);
        for expected in
            ["h0\" d=\"M0 0H500V9H0Z\"", "h6\" d=\"M500 0H1000V9H500Z\"", "h11\" d=\"M1500 0H2000V9H1500Z\""]
        {
            check(body.clone(), 40, expected);
        }
    }

    #[test]
    fn nothing_is_no_trouble() {
        check(Body::Lines(Curves::default()), 0, "aria-label=\"a &amp; b\"");
        check(Body::Stack(curves(&[&[], &[]])), 0, "<svg");
        check(Body::Stack(curves(&[&[f64::NAN], &[f64::INFINITY]])), 0, "<svg");
        check(Body::Heat(Vec::new()), 0, "<svg");
    }
}
