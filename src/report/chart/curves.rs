//! Curves with bands: one for each series, over one axis.

use std::fmt::Write;

use maud::{Markup, html};

use super::looks::{Anchor, Entry, LINE, clean, cut_to, dashes, label, legend, marker, px, tone, width_of};
use super::scale::{Scale, decimals_of, grouped};
use super::{Axis, Drawing, WIDTH};

/// How high the frame is.
const FRAME: f64 = 230.0;
/// Where the frame begins.
const TOP: f64 = 22.0;
/// How many markers a curve has, about.
const MARKERS: usize = 5;

/// Curves with bands. Between points they are straight.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Curves {
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The curves; colours, dashes and markers go by their order.
    pub series: Vec<Series>,
}

/// A curve.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// Its points, from left to right. A point with a number that is none is left out.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// Where it stands.
    pub x: f64,
    /// The curve there.
    pub mean: f64,
    /// The lower edge of the band.
    pub low: f64,
    /// The upper edge.
    pub high: f64,
}

impl Point {
    fn is_number(&self) -> bool {
        [self.x, self.mean, self.low, self.high].iter().all(|number| number.is_finite())
    }
}

/// Where a curve runs.
struct Places {
    line: Vec<(f64, f64)>,
    low: Vec<(f64, f64)>,
    high: Vec<(f64, f64)>,
}

pub(super) fn draw(curves: &Curves) -> Drawing {
    let points = || curves.series.iter().flat_map(|series| &series.points).filter(|point| point.is_number());
    let bottom = TOP + FRAME;
    let y = Scale::close_up(points().flat_map(|point| [point.mean, point.low, point.high]), bottom, TOP, 5);
    let left = y.labels().map(|(_, text)| width_of(&text)).fold(0.0, f64::max) + 8.0;
    let x = Scale::tight(points().map(|point| point.x), left, WIDTH - 12.0, 8);
    let places: Vec<Places> = curves.series.iter().map(|series| places(series, &x, &y)).collect();
    let last = |series: &Series| series.points.iter().rfind(|point| point.is_number()).map(|point| point.mean);
    let decimals = decimals_of(curves.series.iter().filter_map(last));
    let entry = |series: &Series| Entry {
        name: series.name.clone(),
        value: last(series).map_or(String::new(), |mean| grouped(mean, decimals)),
    };
    let entries: Vec<Entry> = curves.series.iter().map(entry).collect();
    let below = bottom + 2.0 * LINE + 8.0;
    let (height, legend) = legend(&entries, below);
    let inside = html! {
        (axes(curves, &x, &y, left))
        @for (number, places) in places.iter().enumerate() {
            g class=(tone(number)) { path class="band" d=(band(places)) {} }
        }
        @for (number, (places, series)) in places.iter().zip(&curves.series).enumerate() {
            g class=(tone(number)) {
                title { (clean(&series.name)) }
                path class="curve" stroke-dasharray=[dashes(number)] d=(path(&places.line)) {}
                path class="marker" d=(markers(number, curves.series.len(), &places.line)) {}
            }
        }
        (legend)
    };
    Drawing { height: below + height + 4.0, inside }
}

fn axes(curves: &Curves, x: &Scale, y: &Scale, left: f64) -> Markup {
    let bottom = TOP + FRAME;
    let across = y
        .ticks
        .iter()
        .fold(String::new(), |path, tick| format!("{path}M{} {}H{}", px(left), px(y.at(*tick)), px(WIDTH - 12.0)));
    let ends = x.ticks.iter().fold(String::new(), |path, tick| format!("{path}M{} {}v4", px(x.at(*tick)), px(bottom)));
    html! {
        (label(0.0, 12.0, Anchor::Start, &cut_to(&curves.y.words(), WIDTH)))
        path class="grid" d=(across) {}
        path class="axis" d=(format!("{ends}M{} {}H{}", px(left), px(bottom), px(WIDTH - 12.0))) {}
        @for (tick, text) in y.labels() { (label(left - 5.0, y.at(tick) + 4.0, Anchor::End, &text)) }
        @for (tick, text) in x.labels() { (label(x.at(tick), bottom + LINE, Anchor::Middle, &text)) }
        (label((left + WIDTH) / 2.0, bottom + 2.0 * LINE, Anchor::Middle, &cut_to(&curves.x.words(), WIDTH - left)))
    }
}

fn places(series: &Series, x: &Scale, y: &Scale) -> Places {
    let drawn = || series.points.iter().filter(|point| point.is_number());
    let edge = |value: fn(&Point) -> f64| drawn().map(|point| (x.at(point.x), y.at(value(point)))).collect();
    Places { line: edge(|point| point.mean), low: edge(|point| point.low), high: edge(|point| point.high) }
}

fn path(places: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (number, (x, y)) in places.iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = write!(path, "{}{} {}", if number == 0 { 'M' } else { 'L' }, px(*x), px(*y));
    }
    path
}

/// The upper edge there, the lower edge back; nothing where the band has no width.
fn band(places: &Places) -> String {
    if places.low == places.high {
        return String::new();
    }
    let back = places.low.iter().rev().fold(String::new(), |path, (x, y)| format!("{path}L{} {}", px(*x), px(*y)));
    format!("{}{back}Z", path(&places.high))
}

/// A few markers along a curve; those of different series stand at different points.
fn markers(series: usize, all: usize, places: &[(f64, f64)]) -> String {
    let step = places.len().div_ceil(MARKERS).max(1);
    let first = series * step / all.max(1);
    places.iter().skip(first).step_by(step).fold(String::new(), |path, (x, y)| path + &marker(series, *x, *y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, means: &[f64], half: f64) -> Series {
        let point = |(n, mean): (usize, &f64)| Point { x: n as f64, mean: *mean, low: mean - half, high: mean + half };
        Series { name: name.into(), points: means.iter().enumerate().map(point).collect() }
    }

    fn drawn(series: Vec<Series>) -> String {
        let axis = |title: &str, unit: &str| Axis { title: title.into(), unit: unit.into() };
        draw(&Curves { x: axis("Arrived demand", "%"), y: axis("Allocated", "GPUs"), series }).inside.into_string()
    }

    #[test]
    fn the_legend_says_the_last_value_and_the_axes_their_units() {
        let text = drawn(vec![series("fgd", &[1.0, 94.123], 1.0), series("best fit", &[0.0, 90.0], 1.0)]);
        for expected in ["Arrived demand (%)", "Allocated (GPUs)", "fgd <tspan class=\"strong\">94.1<", ">90.0<"] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_curve_has_a_band_only_where_it_has_a_width() {
        let shape = |half: f64| drawn(vec![series("a", &[1.0, 2.0], half)]).contains("Z\"");
        assert!(shape(0.5) && !shape(0.0));
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let with = drawn(vec![series("a", &[1.0, f64::NAN, 3.0], 0.0)]);
        let places = with.matches("class=\"curve\" d=\"M").count();
        assert!(places >= 1 && !with.contains("NaN"), "{with}");
        assert!(drawn(Vec::new()).contains("Allocated"));
    }
}
