//! What all charts have in common: colours, dashes and markers of series, texts and how wide they are, legends.

use maud::{Markup, html};

use super::WIDTH;
use crate::report::plots::Tone;

/// How wide a letter is taken to be, in units of the chart; wide scripts take two.
const LETTER: f64 = 7.0;
/// The height of a line of text.
pub(super) const LINE: f64 = 17.0;
/// Dashes of curves, in turn; the first is none.
const DASHES: [&str; 4] = ["", "7 3", "2.5 2.5", "10 3 2.5 3"];
/// Markers, in turn, as paths from their middle on: disc, square, triangle, diamond, triangle on its tip, hourglass, cross.
const MARKERS: [&str; 7] = [
    "m-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "m-3.1-3.1h6.2v6.2h-6.2z",
    "m-3.9 3.2h7.8l-3.9-6.8z",
    "m0-4.6l4 4.6l-4 4.6l-4-4.6z",
    "m-3.9-3.2h7.8l-3.9 6.8z",
    "m-3.4-3.8h6.8l-6.8 7.6h6.8z",
    "m-1.3-4.2h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9z",
];

/// The class that gives a series its colour.
pub(super) fn tone(series: usize) -> &'static str {
    Tone::IN_TURN[series % Tone::IN_TURN.len()].class()
}

/// The dashes of a series; none for a line that is drawn through.
pub(super) fn dashes(series: usize) -> Option<&'static str> {
    Some(DASHES[series % DASHES.len()]).filter(|dashes| !dashes.is_empty())
}

/// The marker of a series at a place. No two of 28 series have the same marker and the same dashes.
pub(super) fn marker(series: usize, x: f64, y: f64) -> String {
    format!("M{} {}{}", px(x), px(y), MARKERS[series % MARKERS.len()])
}

/// A coordinate to a tenth of a unit.
pub(super) fn px(value: f64) -> String {
    let tenths = libm::round(value * 10.0) as i64;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, rest) if tenths < 0 && whole == 0 => format!("-0.{}", -rest),
        (whole, rest) => format!("{whole}.{}", rest.abs()),
    }
}

/// A text without what XML does not take, nor HTML.
pub fn clean(text: &str) -> String {
    let is_bad = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if is_bad(c) { '\u{fffd}' } else { c }).collect()
}

/// A text cut to so many letters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// How wide a text is, about.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().map(|c| if c < '\u{2e80}' { LETTER } else { 2.0 * LETTER }).sum()
}

/// A text cut to a width.
pub(super) fn cut_to(text: &str, width: f64) -> String {
    let mut most = text.chars().count();
    while most > 1 && width_of(&shortened(text, most)) > width {
        most -= 1;
    }
    clean(&shortened(text, most))
}

/// Where a text stands against its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text in quiet colour.
pub(super) fn label(x: f64, y: f64, anchor: Anchor, text: &str) -> Markup {
    let anchor = match anchor {
        Anchor::Start => None,
        Anchor::Middle => Some("middle"),
        Anchor::End => Some("end"),
    };
    html! { text class="quiet" x=(px(x)) y=(px(y)) text-anchor=[anchor] { (clean(text)) } }
}

/// An entry of a legend: a series by its number, its name, its value.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: String,
}

/// Swatches with names, in as many lines as they need from `top` down; returns how high that is.
pub(super) fn legend(entries: &[Entry], top: f64) -> (f64, Markup) {
    let (mut x, mut line) = (0.0, 0_u32);
    let place = |entry: &Entry| {
        let name = cut_to(&entry.name, WIDTH * 0.55);
        let wide = 34.0 + width_of(&name) + width_of(&entry.value) + 18.0;
        if x > 0.0 && x + wide > WIDTH + 14.0 {
            x = 0.0;
            line += 1;
        }
        let left = x;
        x += wide;
        (left, top + f64::from(line) * LINE, name)
    };
    let places: Vec<(f64, f64, String)> = entries.iter().map(place).collect();
    let height = if entries.is_empty() { 0.0 } else { f64::from(line + 1) * LINE };
    let inside = html! {
        @for (number, ((x, y, name), entry)) in places.iter().zip(entries).enumerate() {
            g class=(tone(number)) {
                path class="curve" stroke-dasharray=[dashes(number)] d=(format!("M{} {}h26", px(*x), px(y + 8.0))) {}
                path class="marker" d=(marker(number, x + 13.0, y + 8.0)) {}
            }
            text x=(px(x + 31.0)) y=(px(y + 12.0)) {
                title { (clean(&entry.name)) }
                (name) @if !entry.value.is_empty() { " " tspan class="strong" { (entry.value) } }
            }
        }
    };
    (height, inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_a_tenth_at_most() {
        assert_eq!([0.0, 1.25, -0.31, -12.04, 7.96].map(px), ["0", "1.3", "-0.3", "-12", "8"]);
    }

    #[test]
    fn series_differ_without_colour() {
        let look = |n: usize| (dashes(n), marker(n, 0.0, 0.0));
        let all: std::collections::BTreeSet<_> = (0..28).map(look).collect();
        assert_eq!(all.len(), 28);
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!((shortened("abcdef", 4), shortened("abcd", 4)), ("abc…".to_owned(), "abcd".to_owned()));
        assert_eq!(cut_to("a long name", 6.0 * LETTER), "a lon…");
    }
}
