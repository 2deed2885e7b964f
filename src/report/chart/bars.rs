//! Bars from left to right with intervals: a group a thing, in each a bar for each series.

use maud::{Markup, html};

use super::looks::{Anchor, Entry, LINE, clean, cut_to, label, legend, marker, px, tone, width_of};
use super::scale::{Scale, decimals_of, grouped};
use super::{Axis, Drawing, WIDTH};

/// Where the bars begin.
const TOP: f64 = 6.0;
/// The largest part of the width that names may take.
const NAMES: f64 = 0.4;

/// Bars with intervals.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bars {
    /// What they measure.
    pub axis: Axis,
    /// What the bars of a group stand for; where there is one, no legend is drawn.
    pub series: Vec<String>,
    /// The groups, from the top.
    pub groups: Vec<Group>,
}

/// A group of bars.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// A bar for each series, where there is a value.
    pub bars: Vec<Option<Interval>>,
}

/// A value and how sure it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The value.
    pub mean: f64,
    /// From here.
    pub low: f64,
    /// To here.
    pub high: f64,
}

pub(super) fn draw(bars: &Bars) -> Drawing {
    let is_single = bars.series.len() <= 1;
    let (thick, gap) = if is_single { (15.0, 7.0) } else { (11.0, 10.0) };
    let values = || bars.groups.iter().flat_map(|group| group.bars.iter().flatten());
    let decimals = decimals_of(values().map(|value| value.mean));
    let text_width = values().map(|value| width_of(&grouped(value.mean, decimals))).fold(0.0, f64::max);
    let names = bars.groups.iter().map(|group| width_of(&group.name)).fold(0.0, f64::max);
    let left = names.min(WIDTH * NAMES) + 8.0;
    // Where there is something below zero, numbers stand to the left as well.
    let inner = if values().any(|value| value.low < 0.0) { left + text_width + 6.0 } else { left };
    let ends = values().flat_map(|value| [value.mean, value.low, value.high]);
    let x = Scale::with_zero(ends, inner, WIDTH - text_width - 10.0, 5);
    let high = |group: &Group| group.bars.len().max(1) as f64 * thick + gap;
    let mut tops = vec![TOP];
    bars.groups.iter().for_each(|group| tops.push(tops[tops.len() - 1] + high(group)));
    let bottom = tops[tops.len() - 1];
    let entries: Vec<Entry> = match is_single {
        true => Vec::new(),
        false => bars.series.iter().map(|name| Entry { name: name.clone(), value: String::new() }).collect(),
    };
    let below = bottom + 2.0 * LINE + 8.0;
    let (height, legend) = legend(&entries, below);
    let lines =
        x.ticks.iter().fold(String::new(), |path, tick| format!("{path}M{} {TOP}V{}", px(x.at(*tick)), px(bottom)));
    let inside = html! {
        path class="grid" d=(lines) {}
        @for (group, top) in bars.groups.iter().zip(&tops) {
            @let middle = top + (high(group) - gap) / 2.0 + gap / 2.0 + 4.0;
            text x=(px(left - 8.0)) y=(px(middle)) text-anchor="end" {
                title { (clean(&group.name)) } (cut_to(&group.name, WIDTH * NAMES - 20.0))
            }
            @for (number, value) in group.bars.iter().enumerate() {
                @if let Some(value) = value {
                    @let place = Place { top: top + gap / 2.0 + number as f64 * thick, thick, decimals };
                    (bar(bars, group, number, *value, &x, &place))
                }
            }
        }
        path class="axis" d=(format!("M{} {TOP}V{}", px(x.at(0.0)), px(bottom))) {}
        @for (tick, text) in x.labels() { (label(x.at(tick), bottom + LINE, Anchor::Middle, &text)) }
        (label((left + WIDTH) / 2.0, bottom + 2.0 * LINE, Anchor::Middle, &cut_to(&bars.axis.words(), WIDTH - left)))
        (legend)
    };
    Drawing { height: below + height, inside }
}

/// Where a bar stands, and how its number reads.
struct Place {
    top: f64,
    thick: f64,
    decimals: usize,
}

fn bar(bars: &Bars, group: &Group, number: usize, value: Interval, x: &Scale, place: &Place) -> Markup {
    let Place { top, thick, decimals } = *place;
    let amount = |value: f64| grouped(value, decimals);
    let (from, to) = (x.at(value.mean.min(0.0)), x.at(value.mean.max(0.0)));
    let (low, high) = (x.at(value.low), x.at(value.high));
    let middle = top + thick / 2.0;
    let name = bars.series.get(number).map_or("", String::as_str);
    let what = if bars.series.len() > 1 { format!("{}, {name}", group.name) } else { group.name.clone() };
    let said = format!("{what}: {} [{}, {}]", amount(value.mean), amount(value.low), amount(value.high));
    let whisker = format!(
        "M{} {}H{}M{} {}v6M{} {}v6",
        px(low),
        px(middle),
        px(high),
        px(low),
        px(middle - 3.0),
        px(high),
        px(middle - 3.0)
    );
    let (at, anchor) =
        if value.mean < 0.0 { (low.min(from) - 5.0, Anchor::End) } else { (high.max(to) + 5.0, Anchor::Start) };
    html! {
        g class=(tone(number)) {
            title { (clean(&said)) }
            rect class="reach" x=(px(from)) y=(px(top + 1.0)) width=(px(to - from)) height=(px(thick - 2.0)) {}
            @if bars.series.len() > 1 { path class="marker" d=(marker(number, from.min(to) + 9.0, middle)) {} }
            path class="whisker" d=(whisker) {}
        }
        (label(at, middle + 4.0, anchor, &amount(value.mean)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(series: &[&str], groups: &[(&str, &[Option<f64>])]) -> String {
        let interval = |mean: f64| Interval { mean, low: mean - 1.0, high: mean + 1.0 };
        let group = |(name, means): &(&str, &[Option<f64>])| Group {
            name: (*name).into(),
            bars: means.iter().map(|mean| mean.map(interval)).collect(),
        };
        let axis = Axis { title: "Allocated".into(), unit: "%".into() };
        let series = series.iter().map(|name| (*name).to_owned()).collect();
        draw(&Bars { axis, series, groups: groups.iter().map(group).collect() }).inside.into_string()
    }

    #[test]
    fn each_value_has_a_bar_an_interval_and_its_number() {
        let text = bars(&["mean"], &[("fgd", &[Some(94.12)]), ("random", &[Some(-3.5)]), ("none", &[None])]);
        assert_eq!((text.matches("class=\"reach\"").count(), text.matches("class=\"whisker\"").count()), (2, 2));
        for expected in ["fgd: 94.1 [93.1, 95.1]", ">94.1<", ">−3.5<", ">none<", "Allocated (%)"] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }

    #[test]
    fn several_series_have_markers_and_a_legend() {
        let one = bars(&["a"], &[("g", &[Some(1.0)])]);
        let two = bars(&["a", "b"], &[("g", &[Some(1.0), Some(2.0)])]);
        assert!(!one.contains("marker") && two.contains("marker") && two.contains(">b</text>"), "{two}");
        assert!(bars(&[], &[]).contains("Allocated"));
    }
}
