//! A panel as a figure: title, legend with values, image, faults and actions, axes, and the data for the pointer.

use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::axis::{instant, number, percent_of, time_ticks};
use super::marks::{Mark, bands, strip};
use super::svg::{image, ticks_of};
use crate::kernel::Time;
use crate::report::plots::{Body, Curves, HeatRow, Panel, Unit};

/// What all figures of a page have in common.
pub(super) struct Frame {
    pub(super) end: Time,
    bands: Markup,
    strip: Markup,
    ticks: Markup,
}

impl Frame {
    pub(super) fn new(end: Time, marks: &[Mark]) -> Frame {
        let ticks = html! {
            @for tick in time_ticks(end) {
                @let class = match tick.nanos() {
                    0 => Some("first"),
                    nanos => (u128::from(nanos) * 100 > u128::from(end.nanos()) * 97).then_some("last"),
                };
                span class=[class] style=(format!("left:{}", percent_of(tick, end))) { (instant(tick)) }
            }
        };
        Frame { end, bands: bands(marks, end), strip: strip(marks, end), ticks }
    }

    pub(super) fn figure(&self, panel: &Panel) -> Markup {
        let kind = match &panel.body {
            Body::Stack(_) | Body::Lines(_) => "curves",
            Body::Heat(_) => "heatmap",
        };
        html! {
            figure class=(format!("panel {kind}")) {
                figcaption {
                    b { (panel.title) }
                    @if !panel.note.is_empty() { " " small { (panel.note) } }
                    output class="when" {}
                }
                (legend(panel))
                div class="frame" {
                    (y_axis(panel))
                    div class="area" tabindex="0" style=(height(panel)) {
                        (image(panel, self.end, &self.bands))
                        div class="cursor" hidden {}
                    }
                    (self.strip)
                    div class="x" { (self.ticks) }
                }
                script type="application/json" { (data(panel)) }
            }
        }
    }
}

fn height(panel: &Panel) -> String {
    match &panel.body {
        Body::Stack(_) | Body::Lines(_) => String::new(),
        Body::Heat(rows) => format!("height:{}px", (rows.len() * 14).clamp(60, 420)),
    }
}

fn y_axis(panel: &Panel) -> Markup {
    let ticks = ticks_of(panel);
    let top = ticks.last().copied().unwrap_or(1.0);
    let unit = match panel.unit {
        Unit::Percent => "%",
        Unit::Count | Unit::PerSecond => "",
    };
    html! {
        div class="y" {
            @for tick in &ticks {
                span style=(format!("bottom:{:.2}%", tick * 100.0 / top.max(f64::MIN_POSITIVE))) { (number(*tick)) (unit) }
            }
            @if let Body::Heat(rows) = &panel.body {
                @for (share, name) in groups(rows) { span style=(format!("top:{share:.2}%")) title=(name) { (name) } }
            }
        }
    }
}

/// The first row of each group, from the top in percent; where there is one group, its first and last rows by name.
fn groups(rows: &[HeatRow]) -> Vec<(f64, &str)> {
    let share = |place: usize| place as f64 * 100.0 / rows.len().max(1) as f64;
    let mut found: Vec<(f64, &str)> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let is_new = place == 0 || rows[place - 1].group != row.group;
        let has_room = found.last().is_none_or(|(last, _)| share(place) - last >= 4.0);
        if is_new && has_room {
            found.push((share(place), row.group.as_str()));
        }
    }
    match (rows.first(), rows.last()) {
        (Some(first), Some(last)) if first.group == last.group && rows.len() > 3 => {
            vec![(0.0, first.name.as_str()), (share(rows.len() - 1), last.name.as_str())]
        }
        (Some(_), _) | (None, _) => found,
    }
}

/// What the colours mean; the values are those at the end until the pointer says otherwise.
fn legend(panel: &Panel) -> Markup {
    match &panel.body {
        Body::Stack(curves) | Body::Lines(curves) => html! {
            ul class="legend" {
                @for curve in &curves.curves {
                    li {
                        i class=(curve.tone.class()) {}
                        (curve.name) " "
                        output { (curve.values.last().map_or(String::new(), |value| with_unit(*value, panel.unit))) }
                    }
                }
            }
        },
        Body::Heat(_) => html! {
            ul class="legend" {
                li { "0% " @for shade in 0..=10 { i class=(format!("h{shade}")) {} } " 100%" }
                li { i class="h11" {} "more" }
                li { output {} }
            }
        },
    }
}

fn with_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => number(value),
        Unit::Percent => format!("{}%", number(value)),
        Unit::PerSecond => format!("{}/s", number(value)),
    }
}

/// What the pointer reads: instants in milliseconds, values, names.
fn data(panel: &Panel) -> PreEscaped<String> {
    let unit = match panel.unit {
        Unit::Count => "",
        Unit::Percent => "%",
        Unit::PerSecond => "/s",
    };
    in_script(&match &panel.body {
        Body::Stack(curves) | Body::Lines(curves) => json!({
            "unit": unit,
            "times": curves.times.iter().map(|at| millis(*at)).collect::<Vec<u64>>(),
            "values": values(curves),
        }),
        Body::Heat(rows) => json!({ "unit": unit, "rows": rows.iter().map(row).collect::<Vec<Value>>() }),
    })
}

fn values(curves: &Curves) -> Vec<Vec<Value>> {
    curves.curves.iter().map(|curve| curve.values.iter().map(|value| short(*value)).collect()).collect()
}

fn row(row: &HeatRow) -> Value {
    json!([row.name, row.runs.iter().map(|(at, percent)| (millis(*at), *percent)).collect::<Vec<_>>()])
}

/// A number with three digits behind the point at most.
fn short(value: f64) -> Value {
    let rounded = libm::round(value * 1_000.0) / 1_000.0;
    if rounded == libm::trunc(rounded) && libm::fabs(rounded) < 1e15 { json!(rounded as i64) } else { json!(rounded) }
}

fn millis(at: Time) -> u64 {
    at.nanos() / 1_000_000
}

/// JSON that no text in it can end the script with.
pub(super) fn in_script(value: &Value) -> PreEscaped<String> {
    PreEscaped(value.to_string().replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::plots::{Curve, Tone};

    proptest! {
        #[test]
        fn no_name_breaks_a_figure(name in "\\PC{0,12}|</script>|<!--|\"'&<>", value: f64, at: u64, end: u64) {
            let curve = Curve { name: name.clone(), tone: Tone::Blue, values: vec![value] };
            let curves = Curves { times: vec![Time(at)], curves: vec![curve] };
            let runs = vec![(Time(at), Some(9)), (Time::MAX, None)];
            let rows = vec![HeatRow { name: name.clone(), group: name.clone(), runs }];
            for body in [Body::Lines(curves.clone()), Body::Stack(curves), Body::Heat(rows)] {
                let panel = Panel { title: name.clone(), note: name.clone(), unit: Unit::Percent, body };
                let figure = Frame::new(Time(end), &[]).figure(&panel).into_string();
                prop_assert_eq!((figure.matches("<script").count(), figure.matches("</script").count()), (1, 1));
                prop_assert!(!figure.contains("<!--"));
            }
        }
    }

    #[test]
    fn no_text_ends_a_script() {
        assert_eq!(in_script(&json!({"a": "</script><b>"})).0, r#"{"a":"\u003c/script>\u003cb>"}"#);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(json!([short(3.0), short(0.12345), short(f64::NAN)]).to_string(), "[3,0.123,null]");
    }

    #[test]
    fn a_group_stands_at_its_first_row() {
        let row = |name: &str, group: &str| HeatRow { name: name.into(), group: group.into(), runs: Vec::new() };
        let rows = [row("a-0", "a"), row("a-1", "a"), row("b-0", "b"), row("b-1", "b")];
        assert_eq!(groups(&rows), [(0.0, "a"), (50.0, "b")]);
        let rows = [row("a-0", "a"), row("a-1", "a"), row("a-2", "a"), row("a-3", "a")];
        assert_eq!(groups(&rows), [(0.0, "a-0"), (75.0, "a-3")]);
        assert_eq!(groups(&[]), []);
    }
}
